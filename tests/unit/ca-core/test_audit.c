#include "ca-core/audit.h"

#include <jansson.h>

#include "base/ossl.h"
#include "base/text.h"
#include "tests/unit/ca-core/fixture.h"

/* The entries from the first on, as the message gives them; text keeps what
 * they borrow. */
static struct message_audit_entries *list(struct fixture *f, uint64_t after, uint32_t limit, struct buf *text)
{
	struct error err = ERR_INIT;
	const struct ca_actor auditor = fixture_actor("aud", ROLE_AUDITOR);
	const struct message_audit_list request = { .after = after, .limit = limit };
	struct message_audit_entries *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	CHECK_OK(ca_audit_list(f->ca, &auditor, &request, text, &err) == 0, &err);
	CHECK_OK(message_audit_entries_read(buf_bytes(text), m, &err) == 0, &err);
	return m;
}

static void every_entry_is_json_and_hangs_on_the_one_before(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	auto_free struct message_audit_entries *m = list(&f, 0, MESSAGE_ROWS_MAX, &text);
	uint8_t hash[32] = { 0 };
	CHECK(m->count >= 5 && !m->more);
	for (uint32_t i = 0; i < m->count; i++) {
		auto_buf hashed = BUF_INIT;
		json_error_t error;
		buf_add(&hashed, hash, sizeof(hash));
		buf_add_bytes(&hashed, m->rows[i].entry);
		sha256(hashed.data, hashed.len, hash);
		CHECK_INT(m->rows[i].sequence, i + 1);
		CHECK_BYTES(BYTES(m->rows[i].hash, 32), BYTES(hash, 32));
		json_t *json = json_loadb((const char *)m->rows[i].entry.data, m->rows[i].entry.len,
					  JSON_REJECT_DUPLICATES, &error);
		CHECK(json_is_object(json));
		CHECK_TEXT(json_string_value(json_object_get(json, "node")), "ca1");
		CHECK(json_is_string(json_object_get(json, "time")) && json_is_string(json_object_get(json, "event")));
		json_decref(json);
	}
}

static void pages_go_on_where_the_one_before_ended(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf text = BUF_INIT, rest = BUF_INIT;
	fixture_open(&f);
	auto_free struct message_audit_entries *first = list(&f, 0, 2, &text), *second = list(&f, 2, 100, &rest);
	CHECK_INT(first->count, 2);
	CHECK(first->more);
	CHECK_INT(second->rows[0].sequence, 3);
	CHECK(!second->more);
}

static void only_auditors_read_it(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor other = fixture_actor("x", ROLE_REQUESTER | ROLE_OFFICER | ROLE_ADMIN);
	const struct message_audit_list request = { .limit = 1 };
	CHECK_FAILS(ca_audit_list(f.ca, &other, &request, &text, &err) == -1, &err, ERR_ROLE_REQUIRED);
}

static void hostile_texts_stay_inside_their_strings_and_the_limit(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	static char huge[4000];
	struct bytes names[100];
	fixture_open(&f);
	memset(huge, '"', sizeof(huge) - 1);
	for (size_t i = 0; i < 100; i++)
		names[i] = BYTES(huge, 255);
	const struct ca_actor actor = fixture_actor("mallory", ROLE_REQUESTER);
	struct ca_audit_entry e;
	ca_audit_begin(&e, f.ca, "test", &actor);
	ca_audit_subject(&e, bytes_of("a\"},\n{\\\x01\xff"));
	ca_audit_names(&e, names, 100);
	ca_audit_text(&e, "huge", bytes_of(huge));
	ca_audit_text(&e, "small", bytes_of("\xc3\xa9"));
	CHECK_OK(ca_audit_record(&e, &err) == 0, &err);
	auto_free struct message_audit_entries *m = list(&f, 0, MESSAGE_ROWS_MAX, &text);
	struct bytes entry = m->rows[m->count - 1].entry;
	CHECK(entry.len <= CA_AUDIT_ENTRY_MAX);
	CHECK(memchr(entry.data, '\n', entry.len) == NULL);
	json_error_t error;
	json_t *json = json_loadb((const char *)entry.data, entry.len, JSON_REJECT_DUPLICATES, &error);
	REQUIRE(json_is_object(json));
	const json_t *detail = json_object_get(json, "detail");
	CHECK_INT(json_integer_value(json_object_get(detail, "nameCount")), 100);
	CHECK(json_object_get(detail, "huge") == NULL);
	CHECK_TEXT(json_string_value(json_object_get(detail, "small")), "\xc3\xa9");
	json_decref(json);
}

static void the_published_head_verifies_and_names_the_chain(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf file = BUF_INIT, signature = BUF_INIT, der = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	uint64_t before = f.ca->head_sequence;
	(void)fixture_issue(&f, &alice, "www.alice.test", NULL);
	CHECK_OK(ca_audit_sign_head(f.ca, false, &err) == 0, &err);
	CHECK_INT(f.ca->head_sequence, before + 1);
	fixture_read(&f, "published/audit/head", &file);
	json_error_t error;
	json_t *json = json_loadb((const char *)file.data, file.len, 0, &error);
	REQUIRE(json_is_object(json));
	const char *text = json_string_value(json_object_get(json, "text"));
	const char *pem = json_string_value(json_object_get(json, "certificate"));
	const char *base64 = json_string_value(json_object_get(json, "signature"));
	REQUIRE(text && pem && base64);
	CHECK(strncmp(text, "chancery-audit-head-v1\nca: ", 27) == 0);
	CHECK_OK(text_parse_base64(bytes_of(base64), false, &signature, &err) == 0, &err);
	char label[64];
	struct bytes rest = bytes_of(pem);
	CHECK_INT(text_next_pem(&rest, label, &der, &err), 1);
	const uint8_t *at = der.data;
	auto_x509 *certificate = d2i_X509(NULL, &at, (long)der.len);
	auto_evp_md_ctx *ctx = EVP_MD_CTX_new();
	REQUIRE(certificate != NULL && ctx != NULL);
	CHECK_INT(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(certificate)), 1);
	CHECK_INT(EVP_DigestVerify(ctx, signature.data, signature.len, (const uint8_t *)text, strlen(text)), 1);
	json_decref(json);
	/* Nothing has changed: no other head. */
	CHECK_OK(ca_audit_sign_head(f.ca, false, &err) == 0, &err);
	CHECK_INT(f.ca->head_sequence, before + 1);
}

SUITE(audit)
{
	TEST(every_entry_is_json_and_hangs_on_the_one_before);
	TEST(pages_go_on_where_the_one_before_ended);
	TEST(only_auditors_read_it);
	TEST(hostile_texts_stay_inside_their_strings_and_the_limit);
	TEST(the_published_head_verifies_and_names_the_chain);
}
