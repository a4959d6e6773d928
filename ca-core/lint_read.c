/* Reading back any certificate of ours: the facts that others need of it. */
#include "ca-core/lint.h"

#include "base/der.h"
#include "ca-core/oid.h"

static bool read_key_id(struct bytes value, struct bytes *id)
{
	struct der d = der_of(value);
	*id = der_take(&d, DER_OCTET_STRING);
	return der_done(&d);
}

/* keyIdentifier [0]; whatever may follow it is not needed. */
static bool read_authority(struct bytes value, struct bytes *id)
{
	struct der d = der_of(value), content;
	der_enter(&d, DER_SEQUENCE, &content);
	(void)der_take_if(&content, DER_CONTEXT(0), id);
	return !content.failed;
}

static bool read_basic_constraints(struct bytes value, struct ca_certificate_facts *facts)
{
	struct der d = der_of(value), content;
	der_enter(&d, DER_SEQUENCE, &content);
	facts->ca = der_peek(&content) == DER_BOOLEAN && der_boolean(&content);
	if (content.left.len)
		facts->path_len = (int)der_small_integer(&content, 255);
	return !content.failed;
}

static bool read_purposes(struct bytes value, struct ca_certificate_facts *facts)
{
	struct der d = der_of(value), list;
	der_enter(&d, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct bytes oid = der_oid(&list);
		facts->server_auth = facts->server_auth || bytes_equal(oid, ca_oid_server_auth.content);
		facts->client_auth = facts->client_auth || bytes_equal(oid, ca_oid_client_auth.content);
	}
	return der_done(&list);
}

static bool read_key_usage(struct bytes value, uint16_t *bits)
{
	struct der d = der_of(value);
	*bits = der_named_bits(&d);
	return der_done(&d);
}

static bool read_extension(struct bytes oid, struct bytes value, struct ca_certificate_facts *facts)
{
	if (bytes_equal(oid, ca_oid_subject_key_id.content))
		return read_key_id(value, &facts->ski);
	if (bytes_equal(oid, ca_oid_authority_key_id.content))
		return read_authority(value, &facts->aki);
	if (bytes_equal(oid, ca_oid_basic_constraints.content))
		return read_basic_constraints(value, facts);
	if (bytes_equal(oid, ca_oid_key_usage.content))
		return read_key_usage(value, &facts->key_usage);
	if (bytes_equal(oid, ca_oid_ext_key_usage.content))
		return read_purposes(value, facts);
	if (bytes_equal(oid, ca_oid_no_rev_avail.content))
		facts->no_rev_avail = true;
	return true;
}

static bool read_extensions(struct der *tbs, struct ca_certificate_facts *facts)
{
	struct der tagged, list;
	der_enter(tbs, DER_CONTEXT_CONSTRUCTED(3), &tagged);
	der_enter(&tagged, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct der extension;
		der_enter(&list, DER_SEQUENCE, &extension);
		struct bytes oid = der_oid(&extension);
		if (der_peek(&extension) == DER_BOOLEAN)
			(void)der_boolean(&extension);
		struct bytes value = der_take(&extension, DER_OCTET_STRING);
		if (!der_done(&extension) || !read_extension(oid, value, facts))
			return false;
	}
	return der_done(&list) && der_done(&tagged);
}

static bool read_tbs(struct bytes whole, struct bytes *algorithm, struct ca_certificate_facts *facts)
{
	struct der outer = der_of(whole), tbs, version, validity;
	der_enter(&outer, DER_SEQUENCE, &tbs);
	der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(0), &version);
	if (der_small_integer(&version, 2) != 2 || !der_done(&version))
		return false;
	facts->serial = der_integer(&tbs);
	*algorithm = der_take_whole(&tbs, DER_SEQUENCE);
	facts->issuer = der_take_whole(&tbs, DER_SEQUENCE);
	der_enter(&tbs, DER_SEQUENCE, &validity);
	facts->not_before_s = der_time(&validity);
	facts->not_after_s = der_time(&validity);
	facts->subject = der_take_whole(&tbs, DER_SEQUENCE);
	facts->spki = der_take_whole(&tbs, DER_SEQUENCE);
	return der_done(&validity) && read_extensions(&tbs, facts) && der_done(&tbs) && der_done(&outer);
}

int ca_certificate_read(struct bytes der, struct ca_certificate_facts *facts, struct error *err)
{
	*facts = (struct ca_certificate_facts){ .path_len = -1 };
	struct der outer = der_of(der), certificate;
	struct bytes inner;
	der_enter(&outer, DER_SEQUENCE, &certificate);
	facts->tbs = der_take_whole(&certificate, DER_SEQUENCE);
	facts->signature_algorithm = der_take_whole(&certificate, DER_SEQUENCE);
	facts->signature = der_bit_string(&certificate);
	if (der_done(&certificate) && der_done(&outer) && read_tbs(facts->tbs, &inner, facts) &&
	    bytes_equal(inner, facts->signature_algorithm))
		return 0;
	return err_set(err, ERR_INTEGRITY, "this is not a version 3 certificate in DER, as RFC 5280 4.1 asks");
}

int ca_tbs_read(struct bytes tbs, struct ca_certificate_facts *facts, struct error *err)
{
	*facts = (struct ca_certificate_facts){ .tbs = tbs, .path_len = -1 };
	if (read_tbs(tbs, &facts->signature_algorithm, facts))
		return 0;
	return err_set(err, ERR_INTEGRITY, "this is not a version 3 TBSCertificate in DER, as RFC 5280 4.1 asks");
}
