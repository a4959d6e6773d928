#include "ca-core/tbs.h"

#include "base/der.h"
#include "ca-core/oid.h"

#define SERIAL_MAX 20 /* RFC 5280 section 4.1.2.2 */
#define TYPICAL_SIZE 1024

/* ---- the variable parts ---- */

static void add_validity(const struct ca_tbs *in, struct buf *out)
{
	size_t mark = der_mark(out);
	der_add_time(out, in->not_before_s);
	der_add_time(out, in->not_after_s);
	der_wrap(out, mark, DER_SEQUENCE);
}

/* RFC 5280 section 4.2.1.6: GeneralName's context tags. */
static void add_general_name(const struct ca_name *name, struct buf *out)
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

void ca_subject_alt_name_add(const struct ca_names *names, struct bytes subject, struct buf *out)
{
	static const uint8_t empty_name[] = { DER_SEQUENCE, 0 };
	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_subject_alt_name.content);
	if (bytes_equal(subject, BYTES(empty_name, sizeof(empty_name))))
		der_add_boolean_true(out);
	size_t value = der_mark(out);
	for (size_t i = 0; i < names->count; i++)
		add_general_name(&names->items[i], out);
	der_wrap(out, value, DER_SEQUENCE);
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, extension, DER_SEQUENCE);
}

/* RFC 7093 section 2, method 1: the leftmost 160 bits of SHA-256 of the subjectPublicKey's octets. */
static void add_subject_key_id(const struct ca_tbs *in, struct buf *out)
{
	uint8_t of_key[CA_KEY_ID_SIZE];
	ca_key_id(&in->key, of_key);
	struct bytes id = in->subject_key_id.len ? in->subject_key_id : BYTES(of_key, sizeof(of_key));
	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_subject_key_id.content);
	size_t value = der_mark(out);
	der_add(out, DER_OCTET_STRING, id);
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, extension, DER_SEQUENCE);
}

/* The order of PKI.md section 1's table. */
static void add_extensions(const struct ca_tbs *in, struct buf *out)
{
	const struct ca_profile *p = in->profile;
	bool has_status = in->issuer && p->kind != CA_KIND_OCSP; /* where it says how to check it */
	size_t tagged = der_mark(out);
	buf_add_bytes(out, buf_bytes(&p->basic_constraints));
	buf_add_bytes(out, buf_bytes(in->key.type == CA_KEY_RSA ? &p->key_usage_rsa : &p->key_usage));
	buf_add_bytes(out, buf_bytes(&p->ext_key_usage));
	if (ca_kind_is_ca(p->kind))
		add_subject_key_id(in, out);
	if (in->issuer)
		buf_add_bytes(out, buf_bytes(&in->issuer->aki));
	buf_add_bytes(out, buf_bytes(&p->certificate_policies));
	if (has_status && !p->revocation_none)
		buf_add_bytes(out, buf_bytes(&in->issuer->crl_distribution));
	if (has_status)
		buf_add_bytes(out, buf_bytes(&in->issuer->authority_info));
	buf_add_bytes(out, buf_bytes(&p->no_rev_avail));
	buf_add_bytes(out, buf_bytes(&p->ocsp_no_check));
	if (in->names && in->names->count)
		ca_subject_alt_name_add(in->names, in->subject, out);
	der_wrap(out, tagged, DER_SEQUENCE);
	der_wrap(out, tagged, DER_CONTEXT_CONSTRUCTED(3));
}

/* ---- the whole ---- */

static int check(const struct ca_tbs *in, struct error *err)
{
	bool positive = in->serial.len && in->serial.len <= SERIAL_MAX && !(in->serial.data[0] & 0x80) &&
			!(in->serial.len == 1 && in->serial.data[0] == 0);
	if (!positive)
		return err_set(err, ERR_INTERNAL, "the serial number is not positive and of at most 20 octets");
	if (!in->profile || !in->profile->key_usage.len)
		return err_set(err, ERR_INTERNAL, "a certificate is built from a profile that was not prepared");
	if ((in->profile->kind == CA_KIND_ROOT) != !in->issuer)
		return err_set(err, ERR_INTERNAL, "a root signs itself, and only a root does");
	if (!in->subject.len || !in->key.spki.len || (!in->issuer && !in->signature_algorithm.len))
		return err_set(err, ERR_INTERNAL, "subject, key or signature algorithm is missing");
	return 0;
}

int ca_tbs_build(const struct ca_tbs *in, struct buf *out, struct error *err)
{
	static const uint8_t version_3[] = { DER_CONTEXT_CONSTRUCTED(0), 3, DER_INTEGER, 1, 2 };
	if (check(in, err))
		return -1;
	size_t mark = der_mark(out);
	if (buf_extend(out, TYPICAL_SIZE)) /* one allocation instead of several */
		out->len = mark;
	buf_add(out, version_3, sizeof(version_3));
	der_add(out, DER_INTEGER, in->serial);
	buf_add_bytes(out, in->issuer ? buf_bytes(&in->issuer->signature_algorithm) : in->signature_algorithm);
	buf_add_bytes(out, in->issuer ? buf_bytes(&in->issuer->subject) : in->subject);
	add_validity(in, out);
	buf_add_bytes(out, in->subject);
	buf_add_bytes(out, in->key.spki);
	add_extensions(in, out);
	der_wrap(out, mark, DER_SEQUENCE);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a certificate") : 0;
}

void ca_certificate_assemble(struct bytes tbs, struct bytes signature_algorithm, struct bytes signature,
			     struct buf *out)
{
	size_t mark = der_mark(out);
	buf_add_bytes(out, tbs);
	buf_add_bytes(out, signature_algorithm);
	der_add_bit_string(out, signature);
	der_wrap(out, mark, DER_SEQUENCE);
}
