/* POST /api/v1/csr/decode: what a signing request says, what will not be copied, and what each
 * profile would do with it, decided by the signer as if it were asked to issue. */
#include <openssl/objects.h>
#include <stdlib.h>

#include "base/der.h"
#include "ca-core/tbs.h"
#include "httpd/csr_body.h"
#include "httpd/handlers.h"
#include "httpd/json.h"
#include "httpd/server.h"

/* Between the questions, one a profile. */
struct decoding {
	struct ca_csr *csr;
	json_t *verdicts;
	size_t next;     /* profile to ask about */
	json_t *verdict; /* the one asked about now */
};

static void decoding_free(void *context)
{
	struct decoding *d = context;
	ca_csr_free(d->csr);
	json_decref(d->verdicts);
	json_decref(d->verdict);
	free(d);
}

/* ---- the request itself ---- */

static json_t *names_json(const struct ca_names *names)
{
	json_t *list = json_array();
	for (size_t i = 0; i < names->count; i++) {
		auto_buf text = BUF_INIT;
		ca_name_print(&names->items[i], &text);
		(void)json_array_append_new(list, json_text(buf_bytes(&text)));
	}
	return list;
}

static json_t *not_copied_json(const struct ca_csr *csr)
{
	json_t *list = json_array();
	for (size_t i = 0; i < csr->not_copied_count; i++)
		(void)json_array_append_new(list, json_text(bytes_of(csr->not_copied[i])));
	return list;
}

static json_t *subject_json(const struct ca_csr *csr)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	return ca_subject_text(csr->subject, &text, &err) == 0 ? json_text(buf_bytes(&text)) : json_null();
}

/* CertificationRequest ::= SEQUENCE { info, signatureAlgorithm, signature }. Source: RFC 2986 section 4.2. */
static const char *signature_algorithm(const struct ca_csr *csr)
{
	struct der outer = der_of(buf_bytes(&csr->der)), request, algorithm;
	der_enter(&outer, DER_SEQUENCE, &request);
	(void)der_take(&request, DER_SEQUENCE);
	der_enter(&request, DER_SEQUENCE, &algorithm);
	struct bytes oid = der_take_whole(&algorithm, DER_OID);
	const unsigned char *at = oid.data;
	ASN1_OBJECT *object = algorithm.failed ? NULL : d2i_ASN1_OBJECT(NULL, &at, (long)oid.len);
	const char *name = OBJ_nid2ln(object ? OBJ_obj2nid(object) : NID_undef);
	ASN1_OBJECT_free(object);
	return name;
}

static void reply_decoded(struct request *r)
{
	struct decoding *d = r->context;
	const struct ca_csr *csr = d->csr;
	char key[32];
	auto_buf content = BUF_INIT;
	json_write(json_pack("{s:o, s:o, s:o, s:{s:s, s:o}, s:s, s:o, s:o, s:O}", "subject", subject_json(csr),
			     "commonName", json_text(bytes_of(csr->common_name)), "names", names_json(&csr->names),
			     "key", "type", ca_key_describe(&csr->key, key), "spkiSha256",
			     json_hex(BYTES(csr->key.spki_hash, sizeof(csr->key.spki_hash))), "signatureAlgorithm",
			     signature_algorithm(csr), "notCopied", not_copied_json(csr), "sha256",
			     json_hex(BYTES(csr->sha256, sizeof(csr->sha256))), "profiles", d->verdicts),
		   &content);
	request_reply(r, MHD_HTTP_OK, "application/json", &content);
}

/* ---- each profile's verdict ---- */

static void add_verdict(struct decoding *d, const char *would, const struct error *refused)
{
	(void)json_object_set_new(d->verdict, "would", json_string(would));
	if (refused) {
		(void)json_object_set_new(d->verdict, "code", json_string(err_class(refused->code)->slug));
		(void)json_object_set_new(d->verdict, "detail", json_text(bytes_of(refused->message)));
	}
	(void)json_array_append_new(d->verdicts, TAKE(d->verdict));
}

static int make_question(struct request *r, const struct ca_profile *profile, struct buf *payload, struct error *err)
{
	struct decoding *d = r->context;
	struct message_issue question = { .session = r->session.number,
					  .profile = bytes_of(profile->name),
					  .deadline_ms = r->deadline_ms,
					  .dry_run = true };
	auto_csr_told *told = csr_tell(d->csr, profile, err);
	if (!told)
		return -1;
	(void)json_object_set_new(d->verdict, "names", names_json(csr_told_names(told)));
	csr_told_issue(told, &question);
	message_issue_write(&question, payload);
	return payload->failed ? err_set(err, ERR_TOO_LARGE, "the request is too large") : 0;
}

static void verdict_known(struct request *r);

/* Asks about the next profile that the signer has to be asked about; answers r after the last. */
static void ask_next(struct request *r)
{
	struct decoding *d = r->context;
	while (d->next < r->front->config->profile_count) {
		const struct ca_profile *profile = &r->front->config->profiles[d->next++];
		if (profile->internal)
			continue;
		struct error err = ERR_INIT;
		auto_buf payload = BUF_INIT;
		d->verdict = json_pack("{s:s}", "profile", profile->name);
		if (make_question(r, profile, &payload, &err) == 0) {
			request_ask(r, MSG_ISSUE, &payload, verdict_known);
			return;
		}
		add_verdict(d, "refuse", &err);
	}
	reply_decoded(r);
}

/* What concerns this request concerns every profile: it is not a verdict. */
static bool concerns_all(const struct error *err)
{
	switch (err->code) {
	case ERR_IDENTITY_REQUIRED:
	case ERR_IDENTITY_REVOKED:
	case ERR_CONFLICT:
		return true;
	default:
		return err_class(err->code)->http_status >= MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static void verdict_known(struct request *r)
{
	struct error err = ERR_INIT;
	if (r->answer.type == MSG_ORDER) {
		add_verdict(r->context, "order", NULL);
	} else if (request_answered(r, MSG_DONE, &err) == 0) {
		add_verdict(r->context, "issue", NULL);
	} else if (concerns_all(&err)) {
		request_refuse(r, &err);
		return;
	} else {
		add_verdict(r->context, "refuse", &err);
	}
	ask_next(r);
}

void csr_decode_post(struct request *r)
{
	struct error err = ERR_INIT;
	struct ca_csr *csr = csr_body_read(r, buf_bytes(&r->body), &err);
	if (!csr) {
		request_refuse(r, &err);
		return;
	}
	struct decoding *d = calloc(1, sizeof(*d));
	if (!d) {
		ca_csr_free(csr);
		return;
	}
	*d = (struct decoding){ .csr = csr, .verdicts = json_array() };
	r->context = d;
	r->free_context = decoding_free;
	ask_next(r);
}
