#include "ca-core/tbs.h"

#include "base/der.h"
#include "base/ossl.h"
#include "ca-core/oid.h"

/* ---- extensions that depend on the request ---- */

static void close_extension(struct buf *out, size_t extension, size_t value)
{
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, extension, DER_SEQUENCE);
}

/* RFC 7093 section 2, method 1: the left 160 bits of SHA-256 of the key's octets, which are
 * the content of the spki's BIT STRING. */
static void add_subject_key_id(struct buf *out, struct bytes spki)
{
	struct der outer = der_of(spki), content;
	der_enter(&outer, DER_SEQUENCE, &content);
	(void)der_take(&content, DER_SEQUENCE);
	struct bytes key = der_bit_string(&content);
	uint8_t hash[32];
	sha256(key.data, key.len, hash);

	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_subject_key_id.content);
	size_t value = der_mark(out);
	der_add(out, DER_OCTET_STRING, BYTES(hash, 20));
	close_extension(out, extension, value);
}

static void add_general_name(struct buf *out, const struct ca_name *name)
{
	switch (name->type) {
	case CA_NAME_EMAIL:
		der_add(out, DER_CONTEXT(1), bytes_of(name->text));
		break;
	case CA_NAME_DNS:
		der_add(out, DER_CONTEXT(2), bytes_of(name->text));
		break;
	case CA_NAME_URI:
		der_add(out, DER_CONTEXT(6), bytes_of(name->text));
		break;
	case CA_NAME_IP:
		der_add(out, DER_CONTEXT(7), BYTES(name->address, name->address_len));
		break;
	}
}

/* Critical where nothing else names the subject, and only there: RFC 5280 section 4.2.1.6. */
static void add_subject_alt_name(struct buf *out, const struct ca_names *names, bool critical)
{
	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_subject_alt_name.content);
	if (critical)
		der_add_boolean_true(out);
	size_t value = der_mark(out);
	for (size_t i = 0; i < names->count; i++)
		add_general_name(out, &names->items[i]);
	der_wrap(out, value, DER_SEQUENCE);
	close_extension(out, extension, value);
}

static bool is_ca(const struct ca_profile *profile)
{
	return profile->kind == CA_KIND_ROOT || profile->kind == CA_KIND_INTERMEDIATE;
}

/* Empty buffers are extensions that the profile or the issuer does not have. */
static void add_extensions(struct buf *out, const struct ca_tbs *in, bool subject_is_empty)
{
	const struct ca_profile *p = in->profile;
	bool points_to_list = in->issuer && !p->revocation_none && p->kind != CA_KIND_OCSP;
	size_t extensions = der_mark(out);
	buf_add_bytes(out, buf_bytes(&p->basic_constraints));
	buf_add_bytes(out, buf_bytes(in->key.type == CA_KEY_RSA ? &p->key_usage_rsa : &p->key_usage));
	buf_add_bytes(out, buf_bytes(&p->ext_key_usage));
	if (is_ca(p))
		add_subject_key_id(out, in->key.spki);
	if (in->issuer)
		buf_add_bytes(out, buf_bytes(&in->issuer->aki));
	buf_add_bytes(out, buf_bytes(&p->certificate_policies));
	if (points_to_list)
		buf_add_bytes(out, buf_bytes(&in->issuer->crl_distribution));
	if (in->issuer && p->kind != CA_KIND_OCSP)
		buf_add_bytes(out, buf_bytes(&in->issuer->authority_info));
	buf_add_bytes(out, buf_bytes(&p->no_rev_avail));
	if (in->names && in->names->count)
		add_subject_alt_name(out, in->names, subject_is_empty);
	der_wrap(out, extensions, DER_SEQUENCE);
	der_wrap(out, extensions, DER_CONTEXT_CONSTRUCTED(3));
}

/* ---- the whole ---- */

int ca_tbs_build(const struct ca_tbs *in, struct buf *out, struct error *err)
{
	static const uint8_t version_3[] = { 0xa0, 3, 2, 1, 2 };
	static const uint8_t empty_name[] = { 0x30, 0 };
	struct bytes subject = in->subject.len ? in->subject : BYTES(empty_name, sizeof(empty_name));

	size_t tbs = der_mark(out);
	buf_add(out, version_3, sizeof(version_3));
	der_add(out, DER_INTEGER, in->serial);
	buf_add_bytes(out, in->issuer ? buf_bytes(&in->issuer->signature_algorithm) : in->signature_algorithm);
	buf_add_bytes(out, in->issuer ? buf_bytes(&in->issuer->subject) : subject);
	size_t validity = der_mark(out);
	der_add_time(out, in->not_before_s);
	der_add_time(out, in->not_after_s);
	der_wrap(out, validity, DER_SEQUENCE);
	buf_add_bytes(out, subject);
	buf_add_bytes(out, in->key.spki);
	add_extensions(out, in, subject.len == sizeof(empty_name));
	der_wrap(out, tbs, DER_SEQUENCE);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for the certificate's content") : 0;
}

void ca_certificate_assemble(struct bytes tbs, struct bytes signature_algorithm, struct bytes signature,
			     struct buf *out)
{
	size_t certificate = der_mark(out);
	buf_add_bytes(out, tbs);
	buf_add_bytes(out, signature_algorithm);
	der_add_bit_string(out, signature);
	der_wrap(out, certificate, DER_SEQUENCE);
}
