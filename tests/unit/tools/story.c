#include "tests/unit/tools/story.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/unit.h"
#include "tools/decision.h"
#include "tools/keys.h"
#include "tools/trust.h"

static const char record[] =
	"chancery-organization-v1\nid: example\nversion: 1\nlegal-name: Example GmbH\n"
	"registration-number: HRB 1\njurisdiction-country: DE\njurisdiction-state: \n"
	"jurisdiction-locality: \nstreet: \nlocality: Berlin\nstate: \npostal-code: \ncountry: DE\n"
	"business-category: Private Organization\nstanding: good\n";

/* ---- people ---- */

static struct credential *officer(struct story *s, const char *name, long serial)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *key = key_generate("p256", &err);
	const struct people_wants wants = { .subject = { { "CN", name } },
					    .purpose = "clientAuth",
					    .serial = serial,
					    .issuer = s->issuing,
					    .issuer_key = s->issuing_key };
	auto_x509 *x = people_issue(key, &wants);
	auto_buf der = BUF_INIT, pem = BUF_INIT;
	people_der(x, &der);
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&der));
	CHECK_OK(file_replace(unit_path("officer.pem"), buf_bytes(&pem), 0644, &err) == 0, &err);
	people_write_key(key, unit_path("officer.key"));
	struct credential *c = credential_open(unit_path("officer.pem"), unit_path("officer.key"), &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

/* ---- certificates ---- */

static void make_authority(struct story *s)
{
	struct error err = ERR_INIT;
	const struct people_wants root = { .subject = { { "O", "Example" }, { "CN", "Root" } }, .ca = true };
	s->root_key = key_generate("p256", &err);
	s->issuing_key = key_generate("p256", &err);
	s->server_key = key_generate("p256", &err);
	s->root = people_issue(s->root_key, &root);
	const struct people_wants issuing = { .subject = { { "O", "Example" }, { "CN", "Issuing" } },
					      .ca = true,
					      .serial = 2,
					      .issuer = s->root,
					      .issuer_key = s->root_key };
	s->issuing = people_issue(s->issuing_key, &issuing);
	trust_hash(s->root, s->ca);
	auto_buf der = BUF_INIT;
	people_der(s->root, &der);
	text_add_pem(&s->root_pem, "CERTIFICATE", buf_bytes(&der));
}

static void make_certificates(struct story *s)
{
	struct people_wants wants = { .subject = { { "C", "DE" }, { "L", "Berlin" }, { "O", "Example GmbH" } },
				      .names = "DNS:www.example.test",
				      .purpose = "serverAuth",
				      .serial = 0x101,
				      .issuer = s->issuing,
				      .issuer_key = s->issuing_key };
	s->ov = people_issue(s->server_key, &wants);
	static const char *const extended[][2] = { { "businessCategory", "Private Organization" },
						   { "jurisdictionC", "DE" },
						   { "serialNumber", "HRB 1" } };
	memcpy(wants.subject[3], extended, sizeof(extended));
	wants.serial = 0x102;
	s->ev = people_issue(s->server_key, &wants);
	const struct people_wants dv = { .names = "DNS:www.example.test",
					 .purpose = "serverAuth",
					 .serial = 0x103,
					 .issuer = s->issuing,
					 .issuer_key = s->issuing_key };
	s->dv = people_issue(s->server_key, &dv);
	people_der(s->ov, &s->ov_der);
	people_der(s->ev, &s->ev_der);
	people_der(s->dv, &s->dv_der);
	people_tbs(s->ov, &s->ov_tbs);
	people_tbs(s->ev, &s->ev_tbs);
}

/* ---- entries ---- */

static json_t *hash_json(struct bytes octets)
{
	uint8_t hash[32];
	char hex[65];
	sha256(octets.data, octets.len, hash);
	return json_string(text_hex(BYTES(hash, sizeof(hash)), hex));
}

static json_t *base64_json(struct bytes octets)
{
	auto_buf text = BUF_INIT;
	text_add_base64(&text, octets);
	return json_string(buf_text(&text));
}

/* about: what its sha256 is of; no bytes: it has none. */
static json_t *add(struct story *s, const char *event, const char *actor, const char *subject, struct bytes about)
{
	char time[CLOCK_TEXT_SIZE];
	json_t *detail = json_object();
	json_t *entry = json_pack("{s:i, s:s, s:s, s:s, s:s, s:o}", "v", 1, "time", clock_rfc3339(s->now_s, time),
				  "event", event, "actor", actor, "subject", subject, "detail", detail);
	REQUIRE(entry != NULL);
	if (about.data)
		(void)json_object_set_new(entry, "sha256", hash_json(about));
	(void)json_array_append_new(s->entries, entry);
	return detail;
}

static void enrol(struct story *s, const char *name, const char *roles, struct bytes certificate, const char *serial)
{
	json_t *detail = add(s, "identity.added", "root", name, certificate);
	(void)json_object_set_new(detail, "roles", json_string(roles));
	(void)json_object_set_new(detail, "serial", json_string(serial));
}

void story_sign(struct story *s, json_t *object, struct credential *by, enum ca_decision decision, const char *id,
		struct bytes about, const char *reason, bool base64)
{
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, signature = BUF_INIT;
	const struct decision d = { decision, id, about, reason, s->now_s };
	CHECK_OK(decision_sign(by, s->ca, &d, &text, &signature, &err) == 0, &err);
	(void)json_object_set_new(object, "statement",
				  base64 ? base64_json(buf_bytes(&text)) : json_string(buf_text(&text)));
	(void)json_object_set_new(object, "certificate", base64_json(credential_certificate(by)));
	(void)json_object_set_new(object, "signature", base64_json(buf_bytes(&signature)));
}

static void decide(struct story *s, const char *event, struct credential *by, enum ca_decision decision, const char *id,
		   struct bytes about)
{
	struct error err = ERR_INIT;
	auto_buf subject = BUF_INIT;
	buf_printf(&subject, "%s %s", decision >= DECISION_VET ? "organization" : "order", id);
	json_t *detail = add(s, event, credential_name(by, &err), buf_text(&subject), about);
	story_sign(s, detail, by, decision, id, about, "looked at", true);
}

static void order(struct story *s, const char *id)
{
	auto_buf subject = BUF_INIT;
	buf_printf(&subject, "order %s", id);
	json_t *detail = add(s, "order.created", "alice", buf_text(&subject), BYTES_NONE);
	(void)json_object_set_new(detail, "organization", json_string("example"));
}

static void issued(struct story *s, const char *id, const char *serial, const struct buf *der, const struct buf *tbs)
{
	auto_buf subject = BUF_INIT;
	buf_printf(&subject, "issuing-1/%s", serial);
	json_t *detail = add(s, "certificate.issued", "ca", buf_text(&subject), buf_bytes(der));
	(void)json_object_set_new(detail, "order", json_string(id));
	(void)json_object_set_new(detail, "requester", json_string("alice"));
	if (!tbs)
		return;
	(void)json_object_set_new(detail, "tbs", hash_json(buf_bytes(tbs)));
	(void)json_object_set_new(detail, "certificate", base64_json(buf_bytes(der)));
}

static void make_entries(struct story *s)
{
	struct bytes denied = bytes_of("the tbs of a denied order"), about = bytes_of(s->record);
	enrol(s, "olga", "officer", credential_certificate(s->olga), "0a");
	enrol(s, "otto", "requester,officer", credential_certificate(s->otto), "0b");
	enrol(s, "alice", "requester", bytes_of("a certificate of alice"), "0c");
	(void)add(s, "organization.added", "olga", "organization example", about);
	decide(s, "organization.vetted", s->olga, DECISION_VET, "example", about);
	order(s, "ov");
	decide(s, "order.approved", s->otto, DECISION_APPROVE, "ov", buf_bytes(&s->ov_tbs));
	issued(s, "ov", "0101", &s->ov_der, &s->ov_tbs);
	order(s, "ev");
	decide(s, "order.approved", s->olga, DECISION_APPROVE, "ev", buf_bytes(&s->ev_tbs));
	decide(s, "order.approved", s->otto, DECISION_APPROVE, "ev", buf_bytes(&s->ev_tbs));
	issued(s, "ev", "0102", &s->ev_der, &s->ev_tbs);
	order(s, "denied");
	decide(s, "order.denied", s->olga, DECISION_DENY, "denied", denied);
	order(s, "dv");
	issued(s, "dv", "0103", &s->dv_der, NULL);
	decide(s, "organization.suspended", s->otto, DECISION_SUSPEND, "example", about);
	REQUIRE(json_array_size(s->entries) == STORY_ENTRIES);
}

/* ---- the whole ---- */

void story_open(struct story *s)
{
	*s = (struct story){ .record = record, .now_s = time(NULL), .entries = json_array() };
	make_authority(s);
	make_certificates(s);
	s->olga = officer(s, "olga", 0x0a);
	s->otto = officer(s, "otto", 0x0b);
	make_entries(s);
}

void story_close(struct story *s)
{
	EVP_PKEY_free(s->root_key);
	EVP_PKEY_free(s->issuing_key);
	EVP_PKEY_free(s->server_key);
	X509_free(s->root);
	X509_free(s->issuing);
	X509_free(s->ov);
	X509_free(s->ev);
	X509_free(s->dv);
	credential_free(s->olga);
	credential_free(s->otto);
	buf_free(&s->ov_der);
	buf_free(&s->ev_der);
	buf_free(&s->dv_der);
	buf_free(&s->ov_tbs);
	buf_free(&s->ev_tbs);
	buf_free(&s->root_pem);
	json_decref(s->entries);
}

json_t *story_entry(struct story *s, enum story_entry at)
{
	return json_array_get(s->entries, at);
}

json_t *story_detail(struct story *s, enum story_entry at)
{
	return json_object_get(story_entry(s, at), "detail");
}

static void write_line(struct buf *out, json_t *line)
{
	auto_free char *text = json_dumps(line, JSON_COMPACT);
	buf_printf(out, "%s\n", text);
	json_decref(line);
}

void story_write(struct story *s, const char *path)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	uint8_t hash[32] = { 0 };
	char hex[65];
	size_t i;
	const json_t *entry;
	json_array_foreach(s->entries, i, entry)
	{
		auto_free char *text = json_dumps(entry, JSON_COMPACT);
		auto_buf hashed = BUF_INIT;
		buf_add(&hashed, hash, sizeof(hash));
		buf_add_text(&hashed, text);
		sha256(hashed.data, hashed.len, hash);
		write_line(&out, json_pack("{s:i, s:s, s:s}", "sequence", (int)i + 1, "hash",
					   text_hex(BYTES(hash, sizeof(hash)), hex), "entry", text));
	}
	write_line(&out, json_pack("{s:s}", "roots", buf_text(&s->root_pem)));
	CHECK_OK(file_replace(path, buf_bytes(&out), 0644, &err) == 0, &err);
}
