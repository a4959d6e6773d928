#include "tools/token_request.h"

#include "base/der.h"
#include "ca-core/csr.h"
#include "ca-core/oid.h"
#include "ca-core/tbs.h"

/* RFC 2985 section 5.4.2: the attribute that asks for extensions. */
static void add_attributes(struct bytes subject, const struct ca_names *names, struct buf *out)
{
	size_t attributes = der_mark(out);
	if (names->count > 0) {
		der_add_oid(out, ca_oid_extension_request.content);
		size_t values = der_mark(out);
		ca_subject_alt_name_add(names, subject, out);
		der_wrap(out, values, DER_SEQUENCE);
		der_wrap(out, values, DER_SET);
		der_wrap(out, attributes, DER_SEQUENCE);
	}
	der_wrap(out, attributes, DER_CONTEXT_CONSTRUCTED(0));
}

int token_request_make(struct hsm_signer *signer, struct bytes subject, const struct ca_names *names, struct buf *out,
		       struct error *err)
{
	const struct hsm_key *key = hsm_signer_key(signer);
	auto_buf info = BUF_INIT, signature = BUF_INIT;
	size_t mark = der_mark(&info);
	der_add_number(&info, 0);
	buf_add_bytes(&info, subject);
	buf_add_bytes(&info, hsm_key_spki(key));
	add_attributes(subject, names, &info);
	der_wrap(&info, mark, DER_SEQUENCE);
	if (info.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a request");
	if (hsm_sign(signer, buf_bytes(&info), &signature, err))
		return -1;
	/* The same frame as a certificate's. */
	ca_certificate_assemble(buf_bytes(&info), hsm_signature_algorithm(hsm_key_type(key)), buf_bytes(&signature),
				out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a request") : 0;
}

int token_request_check(struct bytes request, struct bytes subject, const struct ca_names *names, struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(request, CA_NAMES_MAX, err);
	if (!csr || ca_csr_verify(csr, err)) {
		struct error cause = *err;
		return err_wrap(err, ERR_INTEGRITY, "the request that was made is not right: %s", cause.message);
	}
	if (!bytes_equal(csr->subject, subject) || csr->names.count != names->count)
		return err_set(err, ERR_INTEGRITY, "the request that was made does not say what was asked for");
	return 0;
}
