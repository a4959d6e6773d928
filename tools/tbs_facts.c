#include "tools/tbs_facts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/der.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/lint.h"
#include "tools/keys.h"

#define OID_TEXT_SIZE 128

CLEANUP_POINTER(policies, CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free)
CLEANUP_POINTER(purposes, EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
#define auto_policies CLEANUP(policies_cleanup) CERTIFICATEPOLICIES
#define auto_purposes CLEANUP(purposes_cleanup) EXTENDED_KEY_USAGE

/* ---- reading: as a certificate with an empty signature, which our reader and OpenSSL take ---- */

static struct bytes algorithm_of(struct bytes tbs)
{
	struct der outer = der_of(tbs), content, version;
	der_enter(&outer, DER_SEQUENCE, &content);
	der_enter(&content, DER_CONTEXT_CONSTRUCTED(0), &version);
	(void)der_integer(&content);
	struct bytes algorithm = der_take_whole(&content, DER_SEQUENCE);
	return content.failed ? BYTES_NONE : algorithm;
}

static int read_both(struct bytes tbs, struct buf *whole, struct ca_certificate_facts *facts, X509 **x,
		     struct error *err)
{
	struct bytes algorithm = algorithm_of(tbs);
	if (algorithm.len)
		ca_certificate_assemble(tbs, algorithm, BYTES("", 1), whole);
	if (!algorithm.len || whole->failed || ca_certificate_read(buf_bytes(whole), facts, err))
		return err_set(err, ERR_INTEGRITY, "the bytes to be signed are no certificate's (TBSCertificate)");
	const unsigned char *at = whole->data;
	*x = d2i_X509(NULL, &at, (long)whole->len);
	if (*x && at == whole->data + whole->len)
		return 0;
	ERR_clear_error();
	return err_set(err, ERR_INTEGRITY, "the bytes to be signed cannot be read");
}

/* ---- as JSON ---- */

static void set(json_t *object, const char *member, json_t *value)
{
	(void)json_object_set_new(object, member, value);
}

static json_t *hex_json(struct bytes octets)
{
	auto_buf text = BUF_INIT;
	text_add_hex(&text, octets);
	return json_string(buf_text(&text));
}

static json_t *time_json(int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	return json_string(clock_rfc3339(s, time));
}

static json_t *object_json(const ASN1_OBJECT *object)
{
	char text[OID_TEXT_SIZE];
	int nid = OBJ_obj2nid(object);
	if (nid != NID_undef)
		return json_string(OBJ_nid2sn(nid));
	(void)OBJ_obj2txt(text, sizeof(text), object, 1);
	return json_string(text);
}

static json_t *policies_json(const X509 *x)
{
	auto_policies *policies = X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
	json_t *list = json_array();
	for (int i = 0; policies && i < sk_POLICYINFO_num(policies); i++) {
		char text[OID_TEXT_SIZE];
		(void)OBJ_obj2txt(text, sizeof(text), sk_POLICYINFO_value(policies, i)->policyid, 1);
		(void)json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *purposes_json(const X509 *x)
{
	auto_purposes *purposes = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	json_t *list = json_array();
	for (int i = 0; purposes && i < sk_ASN1_OBJECT_num(purposes); i++)
		(void)json_array_append_new(list, object_json(sk_ASN1_OBJECT_value(purposes, i)));
	return list;
}

static json_t *extensions_json(const X509 *x)
{
	json_t *list = json_array();
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *extension = X509_get_ext(x, i);
		auto_json *name = object_json(X509_EXTENSION_get_object(extension));
		const char *critical = X509_EXTENSION_get_critical(extension) ? " (critical)" : "";
		(void)json_array_append_new(list, json_sprintf("%s%s", json_string_value(name), critical));
	}
	return list;
}

static int add_names(json_t *facts, const X509 *x, struct error *err)
{
	auto_ca_names names = CA_NAMES_INIT;
	auto_buf ignored = BUF_INIT;
	json_t *list = json_array();
	set(facts, "names", list);
	if (certificate_names(x, &ignored, &names, err))
		return err_wrap(err, ERR_INTEGRITY, "the bytes to be signed hold a name that is not issued here");
	for (size_t i = 0; i < names.count; i++) {
		auto_buf text = BUF_INIT;
		ca_name_print(&names.items[i], &text);
		(void)json_array_append_new(list, json_string(buf_text(&text)));
	}
	return 0;
}

static int add_name(json_t *facts, const char *member, struct bytes name, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (ca_subject_text(name, &text, err))
		return err_wrap(err, ERR_INTEGRITY, "the %s in the bytes to be signed cannot be read", member);
	json_t *value = json_string(buf_text(&text));
	set(facts, member, value);
	return value ? 0 : err_set(err, ERR_INTEGRITY, "the %s in the bytes to be signed is not UTF-8", member);
}

static int add_key(json_t *facts, struct bytes spki, struct error *err)
{
	struct ca_key key;
	char text[32];
	if (ca_key_parse(spki, &key, err))
		return err_wrap(err, ERR_INTEGRITY, "the key in the bytes to be signed is none that is certified here");
	set(facts, "key", json_string(ca_key_describe(&key, text)));
	set(facts, "spkiSha256", hex_json(BYTES(key.spki_hash, sizeof(key.spki_hash))));
	return 0;
}

json_t *tbs_facts(struct bytes tbs, struct error *err)
{
	struct ca_certificate_facts read;
	auto_buf whole = BUF_INIT;
	auto_x509 *x = NULL;
	uint8_t hash[32];
	auto_json *facts = json_object();
	if (read_both(tbs, &whole, &read, &x, err))
		return NULL;
	sha256(tbs.data, tbs.len, hash);
	set(facts, "sha256", hex_json(BYTES(hash, sizeof(hash))));
	set(facts, "serial", hex_json(read.serial));
	if (add_name(facts, "issuer", read.issuer, err) || add_name(facts, "subject", read.subject, err) ||
	    add_names(facts, x, err) || add_key(facts, read.spki, err))
		return NULL;
	set(facts, "notBefore", time_json(read.not_before_s));
	set(facts, "notAfter", time_json(read.not_after_s));
	set(facts, "ca", json_boolean(read.ca));
	set(facts, "policies", policies_json(x));
	set(facts, "purposes", purposes_json(x));
	set(facts, "extensions", extensions_json(x));
	return TAKE(facts);
}

/* ---- for people ---- */

static const char *words_for(const char *policy)
{
	static const char *const known[][2] = {
		{ "2.23.140.1.2.1", " (domain validated, CA/Browser Forum)" },
		{ "2.23.140.1.2.2", " (organization validated, CA/Browser Forum)" },
		{ "2.23.140.1.1", " (extended validation, CA/Browser Forum)" },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(policy, known[i][0]) == 0)
			return known[i][1];
	return "";
}

static void add_list(const json_t *list, const char *name, struct buf *out)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		auto_buf text = BUF_INIT;
		buf_printf(&text, "%s%s", json_string_value(item), words_for(json_string_value(item)));
		output_add_fact(out, name, buf_text(&text));
	}
}

void tbs_facts_text(const json_t *facts, struct buf *out)
{
	static const char *const members[] = { "subject",    "notBefore", "notAfter", "key",
					       "spkiSha256", "issuer",    "serial" };
	add_list(json_object_get(facts, "names"), "name", out);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *value = json_string_value(json_object_get(facts, members[i]));
		output_add_fact(out, members[i], value && value[0] ? value : "(none)");
	}
	if (json_is_true(json_object_get(facts, "ca")))
		output_add_fact(out, "ATTENTION", "this would be a certificate authority");
	add_list(json_object_get(facts, "policies"), "policy", out);
	add_list(json_object_get(facts, "purposes"), "purpose", out);
	add_list(json_object_get(facts, "extensions"), "extension", out);
	output_add_fact(out, "sha256", json_string_value(json_object_get(facts, "sha256")));
}

/* ---- against the order ---- */

static int differs(struct error *err, const char *member)
{
	(void)err_set(err, ERR_INTEGRITY,
		      "what the server says of the order is not what stands in the bytes to be signed: its %s differs",
		      member);
	return err_about(err, member, NULL, NULL);
}

static bool text_agrees(const json_t *facts, const char *fact, const json_t *order, const char *member)
{
	const char *ours = json_string_value(json_object_get(facts, fact));
	const char *theirs = json_string_value(json_object_get(order, member));
	return ours && theirs && strcmp(ours, theirs) == 0;
}

static bool holds(const json_t *list, const json_t *text)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (json_equal(item, text))
			return true;
	}
	return false;
}

/* The same names, in whatever order. */
static bool names_agree(const json_t *ours, const json_t *theirs)
{
	size_t i;
	const json_t *item;
	json_array_foreach(theirs, i, item)
	{
		if (!holds(ours, item))
			return false;
	}
	json_array_foreach(ours, i, item)
	{
		if (!holds(theirs, item))
			return false;
	}
	return json_is_array(theirs);
}

int tbs_facts_agree(const json_t *facts, const json_t *order, struct error *err)
{
	if (!text_agrees(facts, "sha256", order, "tbsHash"))
		return differs(err, "tbsHash");
	if (!text_agrees(facts, "spkiSha256", order, "spkiSha256"))
		return differs(err, "spkiSha256");
	return names_agree(json_object_get(facts, "names"), json_object_get(order, "names")) ? 0
											     : differs(err, "names");
}
