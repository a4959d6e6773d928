#include "tools/explain_verify.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/tools/story.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"

static void set(json_t *object, const char *member, const char *value)
{
	(void)json_object_set_new(object, member, json_string(value));
}

static void set_base64(json_t *object, const char *member, struct bytes octets)
{
	auto_buf text = BUF_INIT;
	text_add_base64(&text, octets);
	set(object, member, buf_text(&text));
}

static void set_sha256(json_t *object, const char *member, struct bytes octets)
{
	uint8_t hash[32];
	char hex[65];
	sha256(octets.data, octets.len, hash);
	set(object, member, text_hex(BYTES(hash, sizeof(hash)), hex));
}

static void set_time(json_t *object, const char *member, int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	set(object, member, clock_rfc3339(s, time));
}

/* ---- an explanation as the signer writes it: the story's certificate under extended validation ---- */

static json_t *chain_of(struct story *s)
{
	auto_buf issuing = BUF_INIT, root = BUF_INIT, text = BUF_INIT, other = BUF_INIT;
	people_der(s->issuing, &issuing);
	people_der(s->root, &root);
	text_add_base64(&text, buf_bytes(&issuing));
	text_add_base64(&other, buf_bytes(&root));
	return json_pack("[s, s]", buf_text(&text), buf_text(&other));
}

static json_t *certificate_of(struct story *s)
{
	json_t *certificate = json_pack("{s:s, s:s, s:o}", "serial", "0102", "lint", "clean", "chain", chain_of(s));
	set_time(certificate, "issued", s->now_s);
	set_base64(certificate, "der", buf_bytes(&s->ev_der));
	set_sha256(certificate, "tbsSha256", buf_bytes(&s->ev_tbs));
	return certificate;
}

static json_t *organization_of(struct story *s)
{
	json_t *vetting = json_pack("{s:s}", "officer", "olga");
	json_t *organization = json_pack("{s:s, s:i, s:s, s:o}", "id", "example", "version", 1, "record", s->record,
					 "vetting", vetting);
	set_sha256(organization, "recordSha256", bytes_of(s->record));
	story_sign(s, vetting, s->olga, DECISION_VET, "example", bytes_of(s->record), "looked at", false);
	return organization;
}

static json_t *approval_by(struct story *s, struct credential *by, const char *name)
{
	json_t *approval = json_pack("{s:s, s:s, s:s}", "officer", name, "decision", "approve", "reason", "looked at");
	set_time(approval, "time", s->now_s);
	story_sign(s, approval, by, DECISION_APPROVE, "ev", buf_bytes(&s->ev_tbs), "looked at", false);
	return approval;
}

static json_t *request_of(struct story *s)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	json_t *request = json_pack("{s:[s]}", "copied", "dns:www.example.test");
	CHECK_OK(key_spki(s->server_key, &spki, &err) == 0, &err);
	set_base64(request, "spki", buf_bytes(&spki));
	return request;
}

/* An audit key, certified under the story's root, and its head over entries 40 to 43. */
struct log {
	EVP_PKEY *key;
	X509 *certificate;
	uint8_t hashes[4][32]; /* after entry 40 ... */
	struct buf head_text, signature;
};

static void log_free(struct log *l)
{
	EVP_PKEY_free(l->key);
	X509_free(l->certificate);
	buf_free(&l->head_text);
	buf_free(&l->signature);
}

static void sign_head(struct story *s, struct log *l, int at)
{
	char ca[65], hash[65], time[CLOCK_TEXT_SIZE];
	size_t room = 256;
	buf_clear(&l->head_text);
	buf_clear(&l->signature);
	buf_printf(&l->head_text, "chancery-audit-head-v1\nca: %s\nnode: ca1\nsequence: %d\nhash: %s\ntime: %s\n",
		   text_hex(BYTES(s->ca, 32), ca), at, text_hex(BYTES(l->hashes[at - 40], 32), hash),
		   clock_rfc3339(s->now_s, time));
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	uint8_t *signature = buf_extend(&l->signature, room);
	REQUIRE(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, l->key) == 1);
	REQUIRE(EVP_DigestSign(context, signature, &room, l->head_text.data, l->head_text.len) == 1);
	l->signature.len = room;
}

static json_t *entry_of(struct log *l, int at, const char *text, bool previous)
{
	char hash[65], before[65];
	static const uint8_t first[32] = { 0x27 };
	const uint8_t *last = at > 40 ? l->hashes[at - 41] : first;
	auto_buf hashed = BUF_INIT;
	buf_add(&hashed, last, 32);
	buf_add_text(&hashed, text);
	sha256(hashed.data, hashed.len, l->hashes[at - 40]);
	json_t *entry = json_pack("{s:i, s:s, s:s}", "sequence", at, "hash",
				  text_hex(BYTES(l->hashes[at - 40], 32), hash), "entry", text);
	if (previous)
		set(entry, "previous", text_hex(BYTES(last, 32), before));
	return entry;
}

/* Entries 40 and 41 are about the order, 42 and 43 lead to the head. */
static json_t *audit_of(struct story *s, struct log *l)
{
	struct error err = ERR_INIT;
	auto_buf issued = BUF_INIT;
	uint8_t hash[32];
	char hex[65];
	sha256(s->ev_der.data, s->ev_der.len, hash);
	buf_printf(&issued, "{\"event\":\"certificate.issued\",\"sha256\":\"%s\"}",
		   text_hex(BYTES(hash, sizeof(hash)), hex));
	const struct people_wants wants = { .subject = { { "CN", "Audit" } },
					    .purpose = "2.999.1.2",
					    .serial = 9,
					    .issuer = s->issuing,
					    .issuer_key = s->issuing_key };
	l->key = key_generate("p256", &err);
	l->certificate = people_issue(l->key, &wants);
	json_t *entries = json_array(), *path = json_array(), *head = json_pack("{s:i}", "sequence", 43);
	(void)json_array_append_new(entries, entry_of(l, 40, "{\"event\":\"order.issued\"}", true));
	(void)json_array_append_new(entries, entry_of(l, 41, buf_text(&issued), true));
	(void)json_array_append_new(path, entry_of(l, 42, "{\"event\":\"a\"}", false));
	(void)json_array_append_new(path, entry_of(l, 43, "{\"event\":\"b\"}", false));
	sign_head(s, l, 43);
	auto_buf der = BUF_INIT;
	people_der(l->certificate, &der);
	set(head, "text", buf_text(&l->head_text));
	set_base64(head, "signature", buf_bytes(&l->signature));
	set_base64(head, "certificate", buf_bytes(&der));
	return json_pack("{s:o, s:o, s:o}", "entries", entries, "path", path, "head", head);
}

struct rig {
	struct story s;
	struct log log;
	json_t *file;
};

static void rig_open(struct rig *r)
{
	char hex[65];
	*r = (struct rig){ .file = json_object() };
	story_open(&r->s);
	(void)json_object_set_new(r->file, "v", json_integer(1));
	set(r->file, "ca", text_hex(BYTES(r->s.ca, 32), hex));
	(void)json_object_set_new(r->file, "order", json_pack("{s:s, s:s}", "id", "ev", "requester", "alice"));
	(void)json_object_set_new(r->file, "request", request_of(&r->s));
	(void)json_object_set_new(r->file, "validation",
				  json_pack("[{s:s, s:s, s:s}]", "name", "dns:www.example.test", "method", "dns-txt",
					    "evidence", "seen at noon"));
	(void)json_object_set_new(r->file, "organization", organization_of(&r->s));
	(void)json_object_set_new(r->file, "approvals",
				  json_pack("[o, o]", approval_by(&r->s, r->s.olga, "olga"),
					    approval_by(&r->s, r->s.otto, "otto")));
	(void)json_object_set_new(r->file, "certificate", certificate_of(&r->s));
	(void)json_object_set_new(r->file, "audit", audit_of(&r->s, &r->log));
}

static void rig_close(struct rig *r)
{
	story_close(&r->s);
	log_free(&r->log);
	json_decref(r->file);
}
#define auto_rig CLEANUP(rig_close) struct rig

static json_t *at(struct rig *r, const char *member)
{
	return json_object_get(r->file, member);
}

static json_t *approval(struct rig *r, size_t number)
{
	return json_array_get(at(r, "approvals"), number);
}

static json_t *logged(struct rig *r, const char *list, size_t number)
{
	return json_array_get(json_object_get(at(r, "audit"), list), number);
}

static bool says(const json_t *list, const char *part)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (strstr(json_string_value(item), part))
			return true;
	}
	return false;
}

/* ---- ---- */

static void proves_certificate_people_and_log(void)
{
	static const char *const proved[] = { "Certificate 0102 was signed under the root",
					      "Its key and its names",
					      "olga vetted exactly this record of organization example, version 1",
					      "stands in that record",
					      "olga signed to approve exactly these bytes",
					      "otto signed to approve exactly these bytes",
					      "The 2 officers that it takes are distinct",
					      "Entry 41 of the audit log tells of this certificate",
					      "attests 2 of the 2 entries" };
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_rig r;
	rig_open(&r);
	CHECK_OK(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == 0, &err);
	for (size_t i = 0; i < sizeof(proved) / sizeof(proved[0]); i++)
		if (!says(v.proved, proved[i]))
			CHECK_TEXT("not proved", proved[i]);
	CHECK(says(v.claimed, "dns-txt: seen at noon"));
	CHECK(!says(v.proved, "dns-txt"));
}

/* ---- what somebody changed in the file ---- */

static void spoil(json_t *object, const char *member)
{
	auto_buf text = BUF_INIT;
	buf_add_text(&text, json_string_value(json_object_get(object, member)));
	uint8_t *middle = &text.data[text.len / 2];
	*middle = *middle == 'A' ? 'B' : 'A';
	set(object, member, buf_text(&text));
}

static void another_ca(struct rig *r)
{
	spoil(r->file, "ca");
}
static void certificate_spoiled(struct rig *r)
{
	spoil(at(r, "certificate"), "der");
}
static void another_certificate(struct rig *r)
{
	set_base64(at(r, "certificate"), "der", buf_bytes(&r->s.ov_der));
}
static void another_certificate_named(struct rig *r)
{
	another_certificate(r);
	set(at(r, "certificate"), "serial", "0101");
	set_sha256(at(r, "certificate"), "tbsSha256", buf_bytes(&r->s.ov_tbs));
}
static void another_serial(struct rig *r)
{
	set(at(r, "certificate"), "serial", "0103");
}
static void issued_before_it_began(struct rig *r)
{
	set_time(at(r, "certificate"), "issued", r->s.now_s - 7200);
}
static void chain_left_out(struct rig *r)
{
	(void)json_object_set_new(at(r, "certificate"), "chain", json_array());
}
static void another_key(struct rig *r)
{
	set_base64(at(r, "request"), "spki", bytes_of("another key"));
}
static void another_name(struct rig *r)
{
	(void)json_object_set_new(at(r, "request"), "copied", json_pack("[s]", "dns:bank.test"));
}
static void statement_spoiled(struct rig *r)
{
	spoil(approval(r, 0), "signature");
}
static void one_approval_less(struct rig *r)
{
	(void)json_array_remove(at(r, "approvals"), 1);
}
static void one_officer_twice(struct rig *r)
{
	(void)json_array_set(at(r, "approvals"), 1, approval(r, 0));
}
static void officer_under_another_name(struct rig *r)
{
	set(approval(r, 1), "officer", "oscar");
}
static void requester_is_an_officer(struct rig *r)
{
	set(at(r, "order"), "requester", "otto");
}
static void of_another_order(struct rig *r)
{
	set(at(r, "order"), "id", "another");
}
static void denied_in_truth(struct rig *r)
{
	story_sign(&r->s, approval(r, 0), r->s.olga, DECISION_DENY, "ev", buf_bytes(&r->s.ev_tbs), "no", false);
}
static void about_other_bytes(struct rig *r)
{
	story_sign(&r->s, approval(r, 0), r->s.olga, DECISION_APPROVE, "ev", buf_bytes(&r->s.ov_tbs), "yes", false);
}
/* Somebody makes himself a certificate with an officer's name, and an issuer's. */
static void false_olga(struct rig *r, const char *issuer_organization)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *issuer_key = key_generate("p256", &err), *key = key_generate("p256", &err);
	const struct people_wants as_issuing = { .subject = { { "O", issuer_organization }, { "CN", "Issuing" } },
						 .ca = true };
	auto_x509 *issuer = people_issue(issuer_key, &as_issuing);
	const struct people_wants as_olga = {
		.subject = { { "CN", "olga" } }, .purpose = "clientAuth", .issuer = issuer, .issuer_key = issuer_key
	};
	auto_x509 *x = people_issue(key, &as_olga);
	auto_buf der = BUF_INIT, pem = BUF_INIT;
	people_der(x, &der);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	CHECK_OK(file_replace(unit_path("false.pem"), buf_bytes(&pem), 0644, &err) == 0, &err);
	people_write_key(key, unit_path("false.key"));
	auto_credential *c = credential_open(unit_path("false.pem"), unit_path("false.key"), &err);
	CHECK_OK(c != NULL, &err);
	story_sign(&r->s, approval(r, 0), c, DECISION_APPROVE, "ev", buf_bytes(&r->s.ev_tbs), "yes", false);
}
static void officer_of_a_false_issuer(struct rig *r)
{
	false_olga(r, "Example");
}
static void record_changed(struct rig *r)
{
	set(at(r, "organization"), "record", "chancery-organization-v1\nid: example\nlegal-name: Bank\n");
}
static void record_changed_with_its_hash(struct rig *r)
{
	static const char record[] = "chancery-organization-v1\nid: example\nlegal-name: Bank\n";
	record_changed(r);
	set_sha256(at(r, "organization"), "recordSha256", bytes_of(record));
}
static void record_of_another(struct rig *r)
{
	set(at(r, "organization"), "id", "another");
}
static void record_says_something_else(struct rig *r)
{
	static const char record[] = "chancery-organization-v1\nid: example\nlegal-name: Bank\ncountry: DE\n";
	json_t *organization = at(r, "organization");
	record_changed_with_its_hash(r);
	set(organization, "record", record);
	set_sha256(organization, "recordSha256", bytes_of(record));
	story_sign(&r->s, json_object_get(organization, "vetting"), r->s.olga, DECISION_VET, "example",
		   bytes_of(record), "yes", false);
}
static void not_vetted(struct rig *r)
{
	(void)json_object_del(at(r, "organization"), "vetting");
}
static void no_organization(struct rig *r)
{
	(void)json_object_del(r->file, "organization");
}
static void entry_changed(struct rig *r)
{
	set(logged(r, "entries", 0), "entry", "{\"event\":\"order.denied\"}");
}
static void entry_with_its_hash_changed(struct rig *r)
{
	struct log other = r->log;
	(void)json_array_set_new(json_object_get(at(r, "audit"), "entries"), 0,
				 entry_of(&other, 40, "{\"event\":\"order.denied\"}", true));
}
static void a_step_to_the_head_is_missing(struct rig *r)
{
	set(logged(r, "path", 0), "entry", "{\"event\":\"c\"}");
}
static void entries_out_of_order(struct rig *r)
{
	(void)json_object_set_new(logged(r, "entries", 1), "sequence", json_integer(39));
}
static void head_spoiled(struct rig *r)
{
	spoil(json_object_get(at(r, "audit"), "head"), "signature");
}
static void head_of_another_log(struct rig *r)
{
	json_t *head = json_object_get(at(r, "audit"), "head");
	r->log.hashes[3][0] ^= 1;
	sign_head(&r->s, &r->log, 43);
	set(head, "text", buf_text(&r->log.head_text));
	set_base64(head, "signature", buf_bytes(&r->log.signature));
}
static void log_tells_of_another_certificate(struct rig *r)
{
	json_t *entries = json_object_get(at(r, "audit"), "entries");
	(void)json_array_set_new(entries, 1,
				 entry_of(&r->log, 41, "{\"event\":\"certificate.issued\",\"sha256\":\"00\"}", true));
	(void)json_object_del(at(r, "audit"), "path");
	(void)json_object_del(at(r, "audit"), "head");
}

static void every_change_of_the_file_is_found(void)
{
	static const struct {
		void (*change)(struct rig *r);
		const char *said;
	} cases[] = {
		{ another_ca, "another certificate authority" },
		{ certificate_spoiled, "" },
		{ another_certificate, "another serial number" },
		{ another_certificate_named, "about other bytes" },
		{ another_serial, "another serial number" },
		{ issued_before_it_began, "not valid when" },
		{ chain_left_out, "hangs from no trusted root" },
		{ another_key, "key is not the request's" },
		{ another_name, "names are not those" },
		{ statement_spoiled, "statement of olga" },
		{ one_approval_less, "1 officers signed for the certificate's bytes, where it takes 2" },
		{ one_officer_twice, "olga decided twice" },
		{ officer_under_another_name, "is by somebody else" },
		{ requester_is_an_officer, "an order of his own" },
		{ of_another_order, "about something else" },
		{ denied_in_truth, "another decision" },
		{ about_other_bytes, "about other bytes" },
		{ officer_of_a_false_issuer, "an officer's certificate hangs from no trusted root" },
		{ record_changed, "not the one that the file names" },
		{ record_changed_with_its_hash, "about other bytes" },
		{ record_of_another, "of another organization" },
		{ record_says_something_else, "does not have the legal-name of the record" },
		{ not_vetted, "nobody vetted" },
		{ no_organization, "has no record" },
		{ entry_changed, "entry 40 of the audit log was changed" },
		{ entry_with_its_hash_changed, "entry 41 of the audit log" },
		{ a_step_to_the_head_is_missing, "entry 42 of the audit log was changed" },
		{ entries_out_of_order, "not in order" },
		{ head_spoiled, "head" },
		{ head_of_another_log, "made over another log" },
		{ log_tells_of_another_certificate, "tells of another certificate" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERR_INIT;
		CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
		auto_rig r;
		rig_open(&r);
		cases[i].change(&r);
		CHECK_FAILS(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == -1, &err,
			    ERR_INTEGRITY);
		if (!strstr(err.message, cases[i].said))
			CHECK_TEXT(err.message, cases[i].said);
	}
}

/* ---- what cannot be said ---- */

static void without_the_hash_before_it_an_entry_is_only_said(void)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_rig r;
	rig_open(&r);
	(void)json_object_del(logged(&r, "entries", 0), "previous");
	set(logged(&r, "entries", 0), "entry", "{\"event\":\"whatever\"}");
	CHECK_OK(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == 0, &err);
	CHECK(says(v.proved, "attests 1 of the 2 entries"));
	CHECK(says(v.claimed, "1 entries of the audit log"));
}

static void a_signer_whose_issuer_is_not_there_proves_nothing(void)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_rig r;
	rig_open(&r);
	false_olga(&r, "Another");
	CHECK_OK(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == 0, &err);
	CHECK(says(v.claimed, "that it was olga cannot be seen"));
	CHECK(!says(v.proved, "olga signed to approve"));
	CHECK(says(v.proved, "otto signed to approve"));
	CHECK(!says(v.proved, "The 2 officers"));
}

static void an_order_that_is_not_issued_proves_what_was_approved_so_far(void)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_rig r;
	rig_open(&r);
	(void)json_object_del(r.file, "certificate");
	(void)json_object_del(r.file, "audit");
	set_base64(r.file, "tbs", buf_bytes(&r.s.ev_tbs));
	set_sha256(r.file, "tbsSha256", buf_bytes(&r.s.ev_tbs));
	(void)json_array_remove(at(&r, "approvals"), 1);
	CHECK_OK(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == 0, &err);
	CHECK(says(v.proved, "The bytes to be signed"));
	CHECK(says(v.claimed, "Somebody signed to approve exactly these bytes; that it was olga cannot be seen"));
	set_base64(r.file, "tbs", buf_bytes(&r.s.ov_tbs));
	explain_verdict_free(&v);
	CHECK_FAILS(explain_verify(r.file, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == -1, &err, ERR_INTEGRITY);
}

/* The JSON of /audit/head. */
static void head_json(struct rig *r, struct buf *out)
{
	auto_buf pem = BUF_INIT, der = BUF_INIT, issuing = BUF_INIT, signature = BUF_INIT;
	people_der(r->log.certificate, &der);
	people_der(r->s.issuing, &issuing);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&issuing));
	text_add_base64(&signature, buf_bytes(&r->log.signature));
	auto_json *head = json_pack("{s:s, s:s, s:s}", "text", buf_text(&r->log.head_text), "signature",
				    buf_text(&signature), "certificate", buf_text(&pem));
	auto_free char *text = json_dumps(head, 0);
	buf_add_text(out, text);
}

static void a_head_kept_elsewhere_is_held_against_the_file(void)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_buf good = BUF_INIT, forked = BUF_INIT;
	auto_rig r;
	rig_open(&r);
	sign_head(&r.s, &r.log, 41);
	head_json(&r, &good);
	const struct bytes heads[] = { buf_bytes(&good) };
	CHECK_OK(explain_verify(r.file, buf_bytes(&r.s.root_pem), heads, 1, &v, &err) == 0, &err);
	CHECK(says(v.proved, "The head given, of entry 41"));
	r.log.hashes[1][0] ^= 1;
	sign_head(&r.s, &r.log, 41);
	head_json(&r, &forked);
	const struct bytes others[] = { buf_bytes(&forked) };
	explain_verdict_free(&v);
	CHECK_FAILS(explain_verify(r.file, buf_bytes(&r.s.root_pem), others, 1, &v, &err) == -1, &err, ERR_INTEGRITY);
}

static void what_is_no_explanation_is_refused(void)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_rig r;
	rig_open(&r);
	auto_json *empty = json_object();
	CHECK_FAILS(explain_verify(empty, buf_bytes(&r.s.root_pem), NULL, 0, &v, &err) == -1, &err, ERR_BAD_REQUEST);
	explain_verdict_free(&v);
	CHECK_FAILS(explain_verify(r.file, bytes_of("no root"), NULL, 0, &v, &err) == -1, &err, ERR_USAGE);
}

SUITE(explain_verify)
{
	TEST(proves_certificate_people_and_log);
	TEST(every_change_of_the_file_is_found);
	TEST(without_the_hash_before_it_an_entry_is_only_said);
	TEST(a_signer_whose_issuer_is_not_there_proves_nothing);
	TEST(an_order_that_is_not_issued_proves_what_was_approved_so_far);
	TEST(a_head_kept_elsewhere_is_held_against_the_file);
	TEST(what_is_no_explanation_is_refused);
}
