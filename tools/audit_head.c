#include "tools/audit_head.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/output.h"

/* The lines of a head's text. */
struct lines {
	char ca[65], node[33], hash[65], time[32];
	uint64_t sequence;
};

/* The value of the next line, which begins with name; its length is at most that of out. */
static bool next_line(const char **at, const char *name, const char *alphabet, char *out, size_t size)
{
	size_t named = strlen(name), length;
	if (strncmp(*at, name, named) != 0)
		return false;
	length = strspn(*at + named, alphabet);
	if (length == 0 || length >= size || (*at)[named + length] != '\n')
		return false;
	memcpy(out, *at + named, length);
	out[length] = '\0';
	*at += named + length + 1;
	return true;
}

/* Exactly the six lines of a head's text. */
static int parse_head(const char *text, struct lines *head, struct error *err)
{
	static const char hex[] = "0123456789abcdef", digits[] = "0123456789";
	static const char first[] = "chancery-audit-head-v1\n";
	char sequence[20];
	bool whole = strncmp(text, first, sizeof(first) - 1) == 0;
	const char *at = whole ? text + sizeof(first) - 1 : text;
	whole = whole && next_line(&at, "ca: ", hex, head->ca, sizeof(head->ca)) &&
		next_line(&at, "node: ", "abcdefghijklmnopqrstuvwxyz0123456789-", head->node, sizeof(head->node)) &&
		next_line(&at, "sequence: ", digits, sequence, sizeof(sequence)) &&
		next_line(&at, "hash: ", hex, head->hash, sizeof(head->hash)) &&
		next_line(&at, "time: ", "0123456789TZ:-", head->time, sizeof(head->time)) && *at == '\0';
	if (!whole)
		return err_set(err, ERR_INTEGRITY, "the text of a signed head is malformed");
	head->sequence = strtoull(sequence, NULL, 10);
	return 0;
}

/* Only the audit key may sign heads: a certificate for signing with a purpose of our own and no public one. */
static int require_audit_certificate(X509 *certificate, struct error *err)
{
	bool purpose = X509_get_extended_key_usage(certificate) == 0;
	bool signs = (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
	bool ca = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
	if (purpose && signs && !ca)
		return 0;
	return err_set(err, ERR_INTEGRITY, "a head is signed by a certificate that is not for audit logs");
}

static int check_signature(X509 *certificate, const char *text, struct bytes signature, struct error *err)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	int bits = key ? EVP_PKEY_get_bits(key) : 0;
	bool edwards = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	bool curve = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC;
	const EVP_MD *digest = edwards                ? NULL
			       : curve && bits == 384 ? EVP_sha384()
			       : curve && bits > 384  ? EVP_sha512()
						      : EVP_sha256();
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	if (context && key && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
	    EVP_DigestVerify(context, signature.data, signature.len, (const unsigned char *)text, strlen(text)) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, ERR_INTEGRITY, "the signature of a head is wrong");
}

static int check_signer(const STACK_OF(X509) * trusted, STACK_OF(X509) * chain, const char *ca, int64_t time_s,
			struct error *err)
{
	X509 *certificate = sk_X509_value(chain, 0);
	uint8_t hash[32];
	char hex[65];
	if (require_audit_certificate(certificate, err))
		return -1;
	auto_x509 *root = trust_root_of(trusted, certificate, chain, time_s, "the signer of a head", err);
	if (!root)
		return -1;
	trust_hash(root, hash);
	return strcmp(text_hex(BYTES(hash, sizeof(hash)), hex), ca) == 0
		       ? 0
		       : err_set(err, ERR_INTEGRITY, "a head is of another certificate authority");
}

int audit_head_check(const STACK_OF(X509) * trusted, STACK_OF(X509) * chain, const char *text, struct bytes signature,
		     struct audit_head *out, struct error *err)
{
	struct lines lines;
	auto_buf hash = BUF_INIT;
	if (parse_head(text, &lines, err) || check_signature(sk_X509_value(chain, 0), text, signature, err))
		return -1;
	*out = (struct audit_head){ .sequence = lines.sequence };
	(void)snprintf(out->time, sizeof(out->time), "%s", lines.time);
	if (text_parse_hex(bytes_of(lines.hash), sizeof(out->hash), &hash, err) || hash.len != sizeof(out->hash) ||
	    clock_parse_rfc3339(bytes_of(lines.time), &out->time_s, err))
		return err_set(err, ERR_INTEGRITY, "the text of a signed head is malformed");
	memcpy(out->hash, hash.data, sizeof(out->hash));
	return check_signer(trusted, chain, lines.ca, out->time_s, err);
}

static void keep_issuers(STACK_OF(X509) * chain, STACK_OF(X509) * known)
{
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (X509_up_ref(sk_X509_value(chain, i)) == 1 && sk_X509_push(known, sk_X509_value(chain, i)) <= 0)
			X509_free(sk_X509_value(chain, i));
}

int audit_head_read(struct bytes json, const STACK_OF(X509) * trusted, STACK_OF(X509) * known, struct audit_head *out,
		    struct error *err)
{
	auto_json *value = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(value, "text"));
	const char *base64 = json_string_value(json_object_get(value, "signature"));
	const char *pem = json_string_value(json_object_get(value, "certificate"));
	auto_certificates *chain = sk_X509_new_null();
	auto_buf signature = BUF_INIT;
	if (!text || !base64 || !pem)
		return err_set(err, ERR_INTEGRITY, "a signed head lacks text, signature or certificate");
	if (!chain || trust_add_pem(chain, bytes_of(pem)) == 0)
		return err_set(err, ERR_INTEGRITY, "a signed head has no certificate");
	if (text_parse_base64(bytes_of(base64), false, &signature, err))
		return err_wrap(err, ERR_INTEGRITY, "the signature of a head is not base64");
	if (audit_head_check(trusted, chain, text, buf_bytes(&signature), out, err))
		return -1;
	if (known)
		keep_issuers(chain, known);
	return 0;
}
