#include "tests/unit/store/fixture_order.h"

#define RECODER(kind)                                                                 \
	static int recode_##kind(struct bytes in, struct buf *out, struct error *err) \
	{                                                                             \
		static struct record_##kind r;                                        \
		if (record_##kind##_decode(in, &r, err))                              \
			return -1;                                                    \
		record_##kind##_encode(&r, out);                                      \
		return 0;                                                             \
	}                                                                             \
	static bool is_refused_##kind(const struct record_##kind *r)                  \
	{                                                                             \
		auto_buf out = BUF_INIT;                                              \
		record_##kind##_encode(r, &out);                                      \
		return out.failed;                                                    \
	}
RECODER(authorization)
RECODER(organization)
RECODER(statement)
RECODER(delivery)

static char long_text[(256 << 10) + 1];

/* A text may be so long, and not an octet longer. */
#define CHECK_LIMIT(kind, r, field, most)                          \
	do {                                                       \
		struct bytes before_ = (r)->field;                 \
		memset(long_text, 'a', sizeof(long_text));         \
		(r)->field = BYTES(long_text, (most));             \
		CHECK(!is_refused_##kind(r));                      \
		(r)->field = BYTES(long_text, (size_t)(most) + 1); \
		CHECK(is_refused_##kind(r));                       \
		(r)->field = before_;                              \
	} while (0)

/* ---- organizations ---- */

static void check_fields(const struct record_organization *read, const struct record_organization *wrote)
{
	CHECK_BYTES(read->id, wrote->id);
	CHECK_INT(read->version, wrote->version);
	CHECK_BYTES(read->legal_name, wrote->legal_name);
	CHECK_BYTES(read->registration_number, wrote->registration_number);
	CHECK_BYTES(read->jurisdiction_country, wrote->jurisdiction_country);
	CHECK_BYTES(read->jurisdiction_state, wrote->jurisdiction_state);
	CHECK_BYTES(read->jurisdiction_locality, wrote->jurisdiction_locality);
	CHECK_BYTES(read->street, wrote->street);
	CHECK_BYTES(read->locality, wrote->locality);
	CHECK_BYTES(read->state, wrote->state);
	CHECK_BYTES(read->postal_code, wrote->postal_code);
	CHECK_BYTES(read->country, wrote->country);
	CHECK_BYTES(read->business_category, wrote->business_category);
	CHECK_INT(read->standing, wrote->standing);
	CHECK_INT(read->created_ms, wrote->created_ms);
	CHECK_INT(read->changed_ms, wrote->changed_ms);
	CHECK_BYTES(read->changed_by, wrote->changed_by);
}

static void check_lists(const struct record_organization *read, const struct record_organization *wrote)
{
	CHECK_INT(read->document_count, 1);
	CHECK_BYTES(BYTES(read->documents[0].sha256, 32), BYTES(wrote->documents[0].sha256, 32));
	CHECK_BYTES(read->documents[0].note, wrote->documents[0].note);
	CHECK_BYTES(read->documents[0].source, wrote->documents[0].source);
	CHECK_INT(read->documents[0].date_s, wrote->documents[0].date_s);
	CHECK_INT(read->domain_count, 2);
	CHECK_BYTES(read->domains[1], wrote->domains[1]);
	CHECK_INT(read->agent_count, 1);
	CHECK_BYTES(read->agents[0], wrote->agents[0]);
	CHECK_BYTES(read->vetted_by, wrote->vetted_by);
	CHECK_INT(read->vetted_s, wrote->vetted_s);
	CHECK_INT(read->valid_until_s, wrote->valid_until_s);
	CHECK_BYTES(BYTES(read->vet_statement, 32), BYTES(wrote->vet_statement, 32));
	CHECK(read->suspended == wrote->suspended);
	CHECK_BYTES(read->suspended_by, wrote->suspended_by);
	CHECK_BYTES(BYTES(read->suspend_statement, 32), BYTES(wrote->suspend_statement, 32));
}

static struct record_organization *suspended(void)
{
	struct record_organization *r = fixture_organization("org-1");
	r->suspended = true;
	r->suspended_by = bytes_of("oscar");
	r->suspend_statement[5] = 5;
	return r;
}

static void an_organization_reads_back_and_nothing_else_does(void)
{
	static struct record_organization read;
	const struct record_organization *r = suspended();
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_organization_encode(r, &out);
	CHECK_OK(record_organization_decode(buf_bytes(&out), &read, &err) == 0, &err);
	check_fields(&read, r);
	check_lists(&read, r);
	fixture_check_strict(&out, recode_organization);
}

static void check_limit(const struct record_organization *r, struct bytes *field, size_t most)
{
	struct bytes before = *field;
	memset(long_text, 'a', sizeof(long_text));
	*field = BYTES(long_text, most);
	CHECK(!is_refused_organization(r));
	*field = BYTES(long_text, most + 1);
	CHECK(is_refused_organization(r));
	*field = before;
}

static void an_organizations_texts_are_as_long_as_the_header_says(void)
{
	struct record_organization *r = suspended();
	check_limit(r, &r->id, 64);
	check_limit(r, &r->legal_name, 1024);
	struct bytes *const texts[] = {
		&r->registration_number,
		&r->jurisdiction_state,
		&r->jurisdiction_locality,
		&r->street,
		&r->locality,
		&r->state,
		&r->postal_code,
		&r->business_category,
		&r->documents[0].source,
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_limit(r, texts[i], 1024);
	check_limit(r, &r->documents[0].note, 1024);
	check_limit(r, &r->domains[1], 253);
	check_limit(r, &r->agents[0], 64);
	check_limit(r, &r->changed_by, 64);
	check_limit(r, &r->vetted_by, 64);
	check_limit(r, &r->suspended_by, 64);
	CHECK(!is_refused_organization(r));
}

static void the_largest_organization_reads_back(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, again = BUF_INIT;
	memset(long_text, 'a', sizeof(long_text));
	struct record_organization *r = fixture_organization("org-1");
	r->document_count = RECORD_DOCUMENTS_MAX;
	r->domain_count = RECORD_DOMAINS_MAX;
	r->agent_count = RECORD_AGENTS_MAX;
	for (size_t i = 0; i < RECORD_DOMAINS_MAX; i++) {
		r->domains[i] = BYTES(long_text, 253 - i);
		if (i < RECORD_AGENTS_MAX)
			r->agents[i] = bytes_of("ann");
		if (i < RECORD_DOCUMENTS_MAX)
			r->documents[i].note = BYTES(long_text, 1024);
	}
	record_organization_encode(r, &out);
	CHECK(!out.failed);
	CHECK_OK(recode_organization(buf_bytes(&out), &again, &err) == 0, &err);
	CHECK(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
	r->document_count++;
	CHECK(is_refused_organization(r));
	r->document_count--;
	r->domain_count++;
	CHECK(is_refused_organization(r));
	r->domain_count--;
	r->agent_count++;
	CHECK(is_refused_organization(r));
}

static void refuses_an_organization_that_breaks_a_rule(void)
{
	struct record_organization *r = fixture_organization("org-1");
	CHECK(!is_refused_organization(r));
	fixture_organization("org 1");
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->version = 0;
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->legal_name = BYTES_NONE;
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->country = bytes_of("at");
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->country = bytes_of("A");
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->jurisdiction_country = bytes_of("D1");
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->country = BYTES_NONE; /* is asked for when it is vetted */
	CHECK(!is_refused_organization(r));
	fixture_organization("org-1")->standing = (enum record_standing)0;
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->standing = (enum record_standing)(STANDING_UNKNOWN + 1);
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->domains[0] = BYTES_NONE;
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->agents[0] = bytes_of("two words");
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->documents[0].date_s = -1;
	CHECK(is_refused_organization(r));
	fixture_organization("org-1")->changed_by = BYTES_NONE;
	CHECK(is_refused_organization(r));
}

static void vetting_and_suspension_are_there_whole_or_not_at_all(void)
{
	struct record_organization *r = fixture_organization("org-1");
	r->vetted_by = BYTES_NONE;
	CHECK(is_refused_organization(r));
	r->vetted_s = r->valid_until_s = 0;
	CHECK(is_refused_organization(r));
	memset(r->vet_statement, 0, sizeof(r->vet_statement));
	CHECK(!is_refused_organization(r));
	r->vetted_by = bytes_of("olga");
	CHECK(is_refused_organization(r));
	r = fixture_organization("org-1");
	r->valid_until_s = r->vetted_s - 1;
	CHECK(is_refused_organization(r));
	r = suspended();
	CHECK(!is_refused_organization(r));
	r->suspended = false;
	CHECK(is_refused_organization(r));
	suspended()->suspended_by = BYTES_NONE;
	CHECK(is_refused_organization(r));
	memset(suspended()->suspend_statement, 0, sizeof(r->suspend_statement));
	CHECK(is_refused_organization(r));
}

/* ---- authorizations ---- */

static struct record_authorization authorization(void)
{
	return (struct record_authorization){ .owner = bytes_of("org:org-1"),
					      .name = bytes_of("dns:www.example.test"),
					      .method = METHOD_DNS_TXT,
					      .order = bytes_of("o1"),
					      .shown_s = 3,
					      .expires_s = 4,
					      .evidence = bytes_of("TXT seen") };
}

static void an_authorization_reads_back_and_nothing_else_does(void)
{
	const struct record_authorization r = authorization();
	struct record_authorization read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_authorization_encode(&r, &out);
	CHECK_OK(record_authorization_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.owner, r.owner);
	CHECK_BYTES(read.name, r.name);
	CHECK_INT(read.method, METHOD_DNS_TXT);
	CHECK_BYTES(read.order, r.order);
	CHECK_INT(read.shown_s, 3);
	CHECK_INT(read.expires_s, 4);
	CHECK_BYTES(read.evidence, r.evidence);
	fixture_check_strict(&out, recode_authorization);
}

static void refuses_an_authorization_that_breaks_a_rule(void)
{
	struct record_authorization r = authorization();
	CHECK_LIMIT(authorization, &r, owner, 64);
	CHECK_LIMIT(authorization, &r, name, 4096);
	CHECK_LIMIT(authorization, &r, order, 64);
	CHECK_LIMIT(authorization, &r, evidence, RECORD_EVIDENCE_MAX);
	r.method = METHOD_DNS_TXT | METHOD_HTTP;
	CHECK(is_refused_authorization(&r));
	r = authorization();
	r.owner = bytes_of("org:");
	CHECK(is_refused_authorization(&r));
	r.owner = bytes_of("team:a");
	CHECK(is_refused_authorization(&r));
	r.owner = bytes_of("ann@example.test");
	CHECK(!is_refused_authorization(&r));
	r.expires_s = -1;
	CHECK(is_refused_authorization(&r));
}

/* ---- statements ---- */

static void a_statement_reads_back_and_nothing_else_does(void)
{
	uint8_t key[32];
	const struct record_statement *r = fixture_statement("olga", "organization org-1", key);
	struct record_statement read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_statement_encode(r, &out);
	CHECK_OK(record_statement_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_BYTES(read.text, r->text);
	CHECK_BYTES(read.certificate, r->certificate);
	CHECK_BYTES(read.signature, r->signature);
	CHECK_BYTES(read.by, r->by);
	CHECK_BYTES(read.subject, r->subject);
	CHECK_INT(read.received_ms, r->received_ms);
	fixture_check_strict(&out, recode_statement);
}

static void refuses_a_statement_that_breaks_a_rule(void)
{
	static const char *const subjects[] = { "", "order", "order ", "order a b", "orders a", "organization " };
	uint8_t key[32];
	struct record_statement *r = fixture_statement("olga", "order o1", key);
	CHECK(!is_refused_statement(r));
	CHECK_LIMIT(statement, r, text, 1024);
	CHECK_LIMIT(statement, r, certificate, 65536);
	CHECK_LIMIT(statement, r, signature, 4096);
	CHECK_LIMIT(statement, r, by, 64);
	r->signature = BYTES_NONE;
	CHECK(is_refused_statement(r));
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		CHECK(is_refused_statement(fixture_statement("olga", subjects[i], key)));
}

/* ---- deliveries ---- */

static struct record_delivery delivery(void)
{
	return (struct record_delivery){ .kind = DELIVERY_WEBHOOK,
					 .to = bytes_of("https://hook.example.test/"),
					 .subject = bytes_of("order.issued"),
					 .body = bytes_of("{}"),
					 .about = bytes_of("o1"),
					 .tries = 3,
					 .created_ms = 4,
					 .due_ms = 5,
					 .error = bytes_of("connection refused") };
}

static void a_delivery_reads_back_and_nothing_else_does(void)
{
	const struct record_delivery r = delivery();
	struct record_delivery read;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	record_delivery_encode(&r, &out);
	CHECK_OK(record_delivery_decode(buf_bytes(&out), &read, &err) == 0, &err);
	CHECK_INT(read.kind, DELIVERY_WEBHOOK);
	CHECK_BYTES(read.to, r.to);
	CHECK_BYTES(read.subject, r.subject);
	CHECK_BYTES(read.body, r.body);
	CHECK_BYTES(read.about, r.about);
	CHECK_INT(read.tries, 3);
	CHECK_INT(read.created_ms, 4);
	CHECK_INT(read.due_ms, 5);
	CHECK_BYTES(read.error, r.error);
	fixture_check_strict(&out, recode_delivery);
}

static void refuses_a_delivery_that_breaks_a_rule(void)
{
	struct record_delivery r = delivery();
	CHECK_LIMIT(delivery, &r, to, 2048);
	CHECK_LIMIT(delivery, &r, subject, 1024);
	CHECK_LIMIT(delivery, &r, body, 262144);
	CHECK_LIMIT(delivery, &r, about, 64);
	CHECK_LIMIT(delivery, &r, error, RECORD_ERROR_MAX);
	r.to = BYTES_NONE;
	CHECK(is_refused_delivery(&r));
	r = delivery();
	r.kind = (enum record_delivery_kind)3;
	CHECK(is_refused_delivery(&r));
	r.kind = (enum record_delivery_kind)0;
	CHECK(is_refused_delivery(&r));
	r = delivery();
	r.due_ms = -1;
	CHECK(is_refused_delivery(&r));
}

SUITE(record_organization)
{
	TEST(an_organization_reads_back_and_nothing_else_does);
	TEST(an_organizations_texts_are_as_long_as_the_header_says);
	TEST(the_largest_organization_reads_back);
	TEST(refuses_an_organization_that_breaks_a_rule);
	TEST(vetting_and_suspension_are_there_whole_or_not_at_all);
	TEST(an_authorization_reads_back_and_nothing_else_does);
	TEST(refuses_an_authorization_that_breaks_a_rule);
	TEST(a_statement_reads_back_and_nothing_else_does);
	TEST(refuses_a_statement_that_breaks_a_rule);
	TEST(a_delivery_reads_back_and_nothing_else_does);
	TEST(refuses_a_delivery_that_breaks_a_rule);
}
