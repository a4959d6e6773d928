/* Organizations over HTTP: the body, the record as JSON, what the signer is asked. */
#include "httpd/organizations.h"

#include <stdlib.h>

#include "tests/unit/httpd/rig.h"

static const char path[] = "/api/v1/organizations";

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

/* ---- the body ---- */

static int read_body(const char *text, struct message_organization *m, struct error *err)
{
	auto_json *json = NULL;
	memset(m, 0, sizeof(*m));
	return organizations_body_read(bytes_of(text), m, &json, err);
}

static void reads_every_member_into_its_place(void)
{
	static const char text[] =
		"{\"id\":\"org-1\",\"version\":2,\"legalName\":\"a\",\"registrationNumber\":\"b\","
		"\"jurisdictionCountry\":\"DE\",\"jurisdictionState\":\"c\",\"jurisdictionLocality\":\"d\","
		"\"street\":\"e\",\"locality\":\"f\",\"state\":\"g\",\"postalCode\":\"h\",\"country\":\"FR\","
		"\"businessCategory\":\"Private Organization\",\"standing\":\"not-good\",\"documents\":["
		"{\"sha256\":\"" SHA "\",\"note\":\"i\",\"source\":\"j\",\"date\":\"2025-11-21\"},"
		"{\"sha256\":\"" SHA "\",\"date\":\"2025-11-21T12:00:00Z\"}],"
		"\"domains\":[\"example.test\",\"example.org\"],\"agents\":[\"alice\"]}";
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	auto_json *json = NULL;
	struct error err = ERR_INIT;
	REQUIRE(m != NULL);
	CHECK_OK(organizations_body_read(bytes_of(text), m, &json, &err) == 0, &err);
	CHECK_BYTES(m->id, bytes_of("org-1"));
	CHECK_INT(m->version, 2);
	const struct bytes texts[] = { m->legal_name,
				       m->registration_number,
				       m->jurisdiction_state,
				       m->jurisdiction_locality,
				       m->street,
				       m->locality,
				       m->state,
				       m->postal_code };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_BYTES(texts[i], BYTES(&"abcdefgh"[i], 1));
	CHECK_BYTES(m->jurisdiction_country, bytes_of("DE"));
	CHECK_BYTES(m->country, bytes_of("FR"));
	CHECK_BYTES(m->business_category, bytes_of("Private Organization"));
	CHECK_INT(m->standing, 2);
	CHECK_INT(m->document_count, 2);
	CHECK_BYTES(BYTES(m->documents[0].sha256, 32), unit_hex(SHA));
	CHECK_BYTES(m->documents[0].source, bytes_of("j"));
	CHECK_INT(m->documents[0].date_s, 1763683200);
	CHECK_INT(m->documents[1].date_s, 1763683200 + 43200);
	CHECK_INT(m->domain_count, 2);
	CHECK_BYTES(m->domains[1], bytes_of("example.org"));
	CHECK_BYTES(m->agents[0], bytes_of("alice"));
}

#define NEW(more) "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":\"good\"," more "}"
#define DOCUMENT(members) NEW("\"documents\":[{" members "}]")
static void names_the_member_that_is_wrong(void)
{
	static const char *const bodies[][2] = {
		{ "{}", "id" },
		{ "{\"id\":\"\",\"legalName\":\"a\",\"standing\":\"good\"}", "id" },
		{ "{\"id\":\"a/b\",\"legalName\":\"a\",\"standing\":\"good\"}", "id" },
		{ "{\"id\":\"org-1\"}", "legalName" },
		{ "{\"id\":\"org-1\",\"legalName\":\"a\"}", "standing" },
		{ "{\"id\":\"org-1\",\"legalName\":\"\",\"standing\":\"good\"}", "legalName" },
		{ "{\"id\":\"org-1\",\"legalName\":\"a\\nb\",\"standing\":\"good\"}", "legalName" },
		{ "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":\"splendid\"}", "standing" },
		{ "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":1}", "standing" },
		{ NEW("\"country\":\"DEU\""), "country" },
		{ NEW("\"jurisdictionCountry\":\"DEU\""), "jurisdictionCountry" },
		{ NEW("\"street\":null"), "street" },
		{ NEW("\"version\":0"), "version" },
		{ NEW("\"version\":\"1\""), "version" },
		{ NEW("\"domains\":\"example.test\""), "domains" },
		{ NEW("\"domains\":[\"\"]"), "domains[0]" },
		{ NEW("\"agents\":[\"alice\",\"b\\nob\"]"), "agents[1]" },
		{ NEW("\"documents\":[[]]"), "documents[0]" },
		{ DOCUMENT("\"date\":\"2025-11-21\""), "documents[0].sha256" },
		{ DOCUMENT("\"sha256\":\"" SHA "\""), "documents[0].date" },
		{ DOCUMENT("\"sha256\":\"" SHA "00\",\"date\":\"2025-11-21\""), "documents[0].sha256" },
		{ DOCUMENT("\"sha256\":\"0123\",\"date\":\"2025-11-21\""), "documents[0].sha256" },
		{ DOCUMENT("\"sha256\":\"" SHA "\",\"date\":\"2025-02-30\""), "documents[0].date" },
		{ DOCUMENT("\"sha256\":\"" SHA "\",\"date\":\"yesterday\""), "documents[0].date" },
		{ DOCUMENT("\"sha256\":\"" SHA "\",\"date\":\"2025-11-21\",\"url\":\"x\""), "documents[0].url" },
		{ NEW("\"status\":\"vetted\""), "status" },
		{ NEW("\"vettedBy\":\"me\""), "vettedBy" },
	};
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(read_body(bodies[i][0], m, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK_TEXT(err.member, bodies[i][1]);
	}
}

static void refuses_lists_past_their_limits(void)
{
	static const struct {
		const char *name, *item;
		int max;
	} lists[] = { { "documents", "{\"sha256\":\"" SHA "\",\"date\":\"2025-11-21\"}", MESSAGE_DOCUMENTS_MAX },
		      { "domains", "\"example.test\"", MESSAGE_DOMAINS_MAX },
		      { "agents", "\"alice\"", MESSAGE_AGENTS_MAX } };
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (int more = 0; more < 2; more++) {
			auto_buf text = BUF_INIT;
			struct error err = ERR_INIT;
			buf_printf(&text, "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":\"good\",\"%s\":[%s",
				   lists[i].name, lists[i].item);
			for (int n = 1; n < lists[i].max + more; n++)
				buf_printf(&text, ",%s", lists[i].item);
			buf_add_text(&text, "]}");
			CHECK_INT(read_body(buf_text(&text), m, &err), more ? -1 : 0);
			CHECK_TEXT(err.member, more ? lists[i].name : "");
		}
}

static void the_largest_record_fits_the_channel(void)
{
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	auto_buf text = BUF_INIT, payload = BUF_INIT;
	auto_json *json = NULL;
	struct error err = ERR_INIT;
	REQUIRE(m != NULL);
	buf_printf(&text, "{\"id\":\"org-1\",\"legalName\":\"%0*d\",\"standing\":\"good\",\"documents\":[",
		   MESSAGE_TEXT_MAX, 0);
	for (int i = 0; i < MESSAGE_DOCUMENTS_MAX; i++)
		buf_printf(&text,
			   "%s{\"sha256\":\"" SHA "\",\"date\":\"2025-11-21\",\"note\":\"%0*d\",\"source\":\"%0*d\"}",
			   i ? "," : "", MESSAGE_TEXT_MAX, 0, MESSAGE_TEXT_MAX, 0);
	buf_add_text(&text, "],\"domains\":[");
	for (int i = 0; i < MESSAGE_DOMAINS_MAX; i++)
		buf_printf(&text, "%s\"%0253d\"", i ? "," : "", 0);
	buf_add_text(&text, "]}");
	CHECK_OK(organizations_body_read(buf_bytes(&text), m, &json, &err) == 0, &err);
	message_organization_write(m, &payload);
	CHECK(!payload.failed && payload.len < CHANNEL_FRAME_MAX);
}

/* ---- the rows ---- */

static struct message_organization *asked_organization(struct rig *rig, struct message_organization *m)
{
	struct error err = ERR_INIT;
	CHECK_INT(rig->signer.last_type, MSG_ORGANIZATION_ADD);
	CHECK_OK(message_organization_read(buf_bytes(&rig->signer.last), m, &err) == 0, &err);
	return m;
}

static void a_new_organization_is_created_a_new_version_is_not(void)
{
	struct rig *rig = rig_start(NULL);
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	CHECK(rig_await_ready(rig));
	struct reply reply =
		ask_as(rig, "bob", "POST", path, JSON_TYPE,
		       bytes_of("{\"id\":\"org-1\",\"legalName\":\"Example GmbH\",\"standing\":\"unknown\"}"));
	CHECK_INT(reply.status, 201);
	CHECK_TEXT(reply_header(&reply, "Location"), "/api/v1/organizations/org-1");
	CHECK_INT(asked_organization(rig, m)->version, 0);
	CHECK_INT(m->session, 1);
	CHECK_INT(m->standing, 3);
	reply_free(&reply);
	reply = ask_as(rig, "bob", "POST", path, JSON_TYPE,
		       bytes_of("{\"id\":\"org-1\",\"version\":2,\"legalName\":\"Example AG\",\"standing\":\"good\"}"));
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Location"), "");
	CHECK_INT(asked_organization(rig, m)->version, 2);
	CHECK_BYTES(m->id, bytes_of("org-1"));
	reply_free(&reply);
	rig_stop(rig);
}

static void shows_the_whole_record(void)
{
	static const char *const parts[] = {
		"{\"id\":\"org-1\",\"version\":3,\"status\":\"vetted\",\"legalName\":\"Example GmbH\","
		"\"registrationNumber\":\"\",",
		"\"country\":\"DE\",\"businessCategory\":\"\",\"standing\":\"good\",\"documents\":[{\"sha256\":\"2200",
		"\",\"note\":\"extract\",\"source\":\"register\",\"date\":\"2025-11-21T00:00:00Z\"}],"
		"\"domains\":[\"example.test\"],\"agents\":[\"alice\"],\"created\":\"2026-09-21T14:13:20Z\","
		"\"changed\":\"2026-09-21T14:13:21Z\",\"vettedBy\":\"bob\",\"vetted\":\"2026-09-21T14:13:22Z\","
		"\"validUntil\":\"2027-10-24T14:13:22Z\",\"recordHash\":\"3333",
	};
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		check_status(rig, "GET", "/api/v1/organizations/org-1", "", "", 200, parts[i]);
	check_status(rig, "GET", "/api/v1/organizations/org-9", "", "", 404, "\"code\":\"not-found\"");
	check_status(rig, "GET", "/api/v1/organizations/a%20b", "", "", 404, "no organization of this id");
	rig_stop(rig);
}

static void lists_organizations(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "GET", path, "", "", 200,
		     "{\"organizations\":[{\"id\":\"org-1\",\"legalName\":\"Example GmbH\",\"country\":\"DE\","
		     "\"status\":\"vetted\",\"validUntil\":\"2027-10-24T14:13:22Z\"},{\"id\":\"org-2\","
		     "\"legalName\":\"Other SA\",\"country\":\"FR\",\"status\":\"unvetted\"}]}\n");
	check_status(rig, "GET", "/api/v1/organizations?name=x", "", "", 400, "no query argument");
	rig_stop(rig);
}

static void gives_the_bytes_that_are_vetted(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_as(rig, "bob", "GET", "/api/v1/organizations/org-1/record", "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "text/plain; charset=utf-8");
	CHECK_BYTES(buf_bytes(&reply.body), bytes_of("legalName: Example GmbH\n"));
	reply_free(&reply);
	rig_stop(rig);
}

static void refuses_a_body_of_a_wrong_shape_before_the_signer_hears_of_it(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	check_status(rig, "POST", path, JSON_TYPE, "{}", 400, "\"member\":\"id\"");
	check_status(rig, "POST", path, JSON_TYPE, "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":\"fine\"}", 400,
		     "\"allowed\":\"good, not-good, unknown\"");
	check_status(rig, "POST", path, "", "{}", 415, "application/json");
	CHECK_INT(rig->signer.last_type, 0);
	rig->signer.refuse = ERR_ROLE_REQUIRED;
	check_status(rig, "POST", path, JSON_TYPE, "{\"id\":\"org-1\",\"legalName\":\"a\",\"standing\":\"good\"}", 403,
		     "\"code\":\"role-required\"");
	rig_stop(rig);
}

SUITE(organizations)
{
	TEST(reads_every_member_into_its_place);
	TEST(names_the_member_that_is_wrong);
	TEST(refuses_lists_past_their_limits);
	TEST(the_largest_record_fits_the_channel);
	TEST(a_new_organization_is_created_a_new_version_is_not);
	TEST(shows_the_whole_record);
	TEST(lists_organizations);
	TEST(gives_the_bytes_that_are_vetted);
	TEST(refuses_a_body_of_a_wrong_shape_before_the_signer_hears_of_it);
}
