#include "tools/explain_private.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/audit_private.h"
#include "tools/tbs_facts.h"

void explain_verdict_free(struct explain_verdict *v)
{
	json_decref(v->proved);
	json_decref(v->claimed);
	*v = (struct explain_verdict){ NULL, NULL };
}

/* ---- sentences ---- */

__attribute__((format(printf, 2, 0))) static void add(json_t *list, const char *fmt, va_list arguments)
{
	(void)json_array_append_new(list, json_vsprintf(fmt, arguments));
}

void explain_proved(struct explanation *x, const char *fmt, ...)
{
	va_list arguments;
	va_start(arguments, fmt);
	add(x->verdict->proved, fmt, arguments);
	va_end(arguments);
}

void explain_claimed(struct explanation *x, const char *fmt, ...)
{
	va_list arguments;
	va_start(arguments, fmt);
	add(x->verdict->claimed, fmt, arguments);
	va_end(arguments);
}

__attribute__((format(printf, 3, 0))) static void print(char *out, size_t size, const char *fmt, va_list arguments)
{
	(void)vsnprintf(out, size, fmt, arguments);
}

/* The name stands in parentheses because the analyzer is given a macro for it. */
int(explain_wrong)(struct explanation *x, const char *fmt, ...)
{
	char text[sizeof(x->err->message)];
	va_list arguments;
	va_start(arguments, fmt);
	print(text, sizeof(text), fmt, arguments);
	va_end(arguments);
	output_clean(text);
	return err_set(x->err, ERR_INTEGRITY, "%s", text);
}

int explain_octets(struct explanation *x, const json_t *object, const char *member, struct buf *out)
{
	struct error none = ERR_INIT;
	const char *text = member_text(object, member);
	if (text[0] && text_parse_base64(bytes_of(text), false, out, &none) == 0)
		return 0;
	return explain_wrong(x, "the file's %s is not there, or no base64", member);
}

/* ---- the root, and what hangs between ---- */

static int check_root(struct explanation *x, struct bytes pem)
{
	char hex[65];
	int count = trust_add_pem(x->trusted, pem);
	if (count < 1)
		return err_set(x->err, ERR_USAGE, "give a root certificate to trust, by --ca");
	/* Of several any: the CA is known by its first root, and may have others. */
	for (int i = 0; i < count; i++) {
		trust_hash(sk_X509_value(x->trusted, i), x->ca);
		if (strcmp(member_text(x->file, "ca"), text_hex(BYTES(x->ca, sizeof(x->ca)), hex)) == 0)
			return 0;
	}
	return explain_wrong(x, "the file is of another certificate authority than the root given");
}

static bool has_subject(const STACK_OF(X509) * list, const X509_NAME *name)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(list, i)), name) == 0)
			return true;
	return false;
}

bool explain_has_issuer(const struct explanation *x, X509 *certificate)
{
	const X509_NAME *issuer = X509_get_issuer_name(certificate);
	return has_subject(x->chain, issuer) || has_subject(x->trusted, issuer);
}

static X509 *parse(struct bytes der)
{
	const unsigned char *at = der.data;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	if (x && at == der.data + der.len)
		return x;
	ERR_clear_error();
	X509_free(x);
	return NULL;
}

static int take_chain(struct explanation *x, const json_t *certificate)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(certificate, "chain"), i, item)
	{
		auto_buf der = BUF_INIT;
		struct error none = ERR_INIT;
		if (!json_is_string(item) || text_parse_base64(bytes_of(json_string_value(item)), false, &der, &none))
			return explain_wrong(x, "the file's chain is no base64");
		X509 *one = parse(buf_bytes(&der));
		if (!one || sk_X509_push(x->chain, one) <= 0) {
			X509_free(one);
			return explain_wrong(x, "the file's chain holds what is no certificate");
		}
	}
	return 0;
}

/* ---- the certificate ---- */

static int read_time(struct explanation *x, const json_t *object, const char *member, int64_t *s)
{
	struct error none = ERR_INIT;
	return clock_parse_rfc3339(bytes_of(member_text(object, member)), s, &none)
		       ? explain_wrong(x, "the file's %s is no time", member)
		       : 0;
}

static int check_hash(struct explanation *x, const char *stated, struct bytes octets, const char *what)
{
	char hex[65];
	sha256(octets.data, octets.len, x->tbs);
	x->has_tbs = true;
	return strcmp(stated, text_hex(BYTES(x->tbs, sizeof(x->tbs)), hex)) == 0
		       ? 0
		       : explain_wrong(x, "%s are not those that the file names: their SHA-256 differs", what);
}

static int check_certificate(struct explanation *x, const json_t *member)
{
	auto_buf serial = BUF_INIT;
	if (explain_octets(x, member, "der", &x->certificate) || read_time(x, member, "issued", &x->issued_s))
		return -1;
	auto_x509 *certificate = parse(buf_bytes(&x->certificate));
	if (!certificate || ca_certificate_read(buf_bytes(&x->certificate), &x->facts, x->err) ||
	    audit_issued_needed(buf_bytes(&x->certificate), &x->needed, x->err))
		return explain_wrong(x, "the file's certificate is none");
	text_add_hex(&serial, x->facts.serial);
	if (strcmp(member_text(member, "serial"), buf_text(&serial)) != 0)
		return explain_wrong(x, "the certificate has another serial number than the file says");
	if (x->issued_s < x->facts.not_before_s || x->issued_s > x->facts.not_after_s)
		return explain_wrong(x, "the certificate was not valid when the file says that it was issued");
	if (check_hash(x, member_text(member, "tbsSha256"), x->facts.tbs, "the certificate's bytes"))
		return -1;
	auto_x509 *root = trust_root_of(x->trusted, certificate, x->chain, x->issued_s, "the certificate", x->err);
	if (!root)
		return -1;
	explain_proved(x, "Certificate %s was signed under the root given.", buf_text(&serial));
	return 0;
}

/* ---- the request against it ---- */

/* Each name that was copied stands under validation, with how it was shown. */
static bool same_names(const json_t *validation, const json_t *names)
{
	size_t i, n;
	const json_t *one, *other;
	if (json_array_size(validation) != json_array_size(names))
		return false;
	json_array_foreach(validation, i, one)
	{
		bool found = false;
		json_array_foreach(names, n, other)
		{
			found = found || json_equal(json_object_get(one, "name"), other);
		}
		if (!found)
			return false;
	}
	return true;
}

static int check_request(struct explanation *x, struct bytes tbs)
{
	const json_t *request = json_object_get(x->file, "request");
	auto_buf spki = BUF_INIT;
	char hex[65];
	uint8_t hash[32];
	auto_json *facts = tbs_facts(tbs, x->err);
	if (!facts)
		return -1;
	if (!request)
		return 0;
	if (explain_octets(x, request, "spki", &spki))
		return -1;
	sha256(spki.data, spki.len, hash);
	if (strcmp(member_text(facts, "spkiSha256"), text_hex(BYTES(hash, sizeof(hash)), hex)) != 0)
		return explain_wrong(x, "the certificate's key is not the request's");
	if (!same_names(json_object_get(x->file, "validation"), json_object_get(facts, "names")))
		return explain_wrong(x, "the certificate's names are not those that the file says were copied");
	explain_proved(x, "Its key and its names are those that the file says were copied from the request.");
	return 0;
}

/* Of an order that is not issued: the bytes that are to be signed. */
static int check_tbs(struct explanation *x)
{
	auto_buf tbs = BUF_INIT;
	if (!json_object_get(x->file, "tbs"))
		return 0;
	if (explain_octets(x, x->file, "tbs", &tbs) ||
	    check_hash(x, member_text(x->file, "tbsSha256"), buf_bytes(&tbs), "the bytes to be signed"))
		return -1;
	x->needed = 1;
	explain_proved(x, "The bytes to be signed have the SHA-256 %s.", member_text(x->file, "tbsSha256"));
	return check_request(x, buf_bytes(&tbs));
}

/* ---- what a file can only say ---- */

static void list_claims(struct explanation *x)
{
	size_t i;
	const json_t *name;
	json_array_foreach(json_object_get(x->file, "validation"), i, name)
	{
		const char *how = member_text(name, "method"), *evidence = member_text(name, "evidence");
		explain_claimed(x, "Control of %s: %s%s%s.", member_text(name, "name"), how[0] ? how : "not shown yet",
				evidence[0] ? ": " : "", evidence);
	}
	const char *lint = member_text(json_object_get(x->file, "certificate"), "lint");
	if (lint[0])
		explain_claimed(x, "Lint: %s.", lint);
}

/* ---- the whole ---- */

static int verify(struct explanation *x, struct bytes root, const struct bytes *heads, size_t head_count)
{
	const json_t *certificate = json_object_get(x->file, "certificate");
	if (json_integer_value(json_object_get(x->file, "v")) != 1)
		return err_set(x->err, ERR_BAD_REQUEST, "this is no explanation that is known here (its v is not 1)");
	if (check_root(x, root) || take_chain(x, certificate))
		return -1;
	if (certificate ? check_certificate(x, certificate) || check_request(x, x->facts.tbs) : check_tbs(x))
		return -1;
	if (explain_check_organization(x) || explain_check_approvals(x) || explain_check_log(x, heads, head_count))
		return -1;
	list_claims(x);
	return 0;
}

int explain_verify(const json_t *file, struct bytes root, const struct bytes *heads, size_t head_count,
		   struct explain_verdict *out, struct error *err)
{
	struct explanation x = { .file = file,
				 .trusted = sk_X509_new_null(),
				 .chain = sk_X509_new_null(),
				 .order = member_text(json_object_get(file, "order"), "id"),
				 .verdict = out,
				 .err = err };
	*out = (struct explain_verdict){ json_array(), json_array() };
	int result = !x.trusted || !x.chain || !out->proved || !out->claimed
			     ? err_set(err, ERR_INTERNAL, "no memory for an explanation")
			     : verify(&x, root, heads, head_count);
	certificates_free(x.trusted);
	certificates_free(x.chain);
	buf_free(&x.certificate);
	return result;
}
