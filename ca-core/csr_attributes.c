/* The attributes of a request: of the extensions asked for only the names may matter. */
#include "ca-core/csr_private.h"

#include <stdio.h>

#include "base/text.h"
#include "ca-core/oid.h"

#define ATTRIBUTES_MAX 64
#define EXTENSIONS_MAX 64

/* ---- subjectAltName ---- */

static int refuse_type(int tag, struct error *err)
{
	static const char *const types[] = { "otherName",
					     "rfc822Name",
					     "dNSName",
					     "x400Address",
					     "directoryName",
					     "ediPartyName",
					     "uniformResourceIdentifier",
					     "iPAddress",
					     "registeredID" };
	unsigned number = (unsigned)tag & 0x1f;
	const char *type = number < sizeof(types) / sizeof(types[0]) ? types[number] : "an unknown one";
	(void)err_set(err, ERR_BAD_NAME, "a subjectAltName has a type that is not served: %s", type);
	return err_about(err, "names", type, "dNSName, iPAddress; rfc822Name and URI where the profile says so");
}

static int read_name(struct der *list, struct ca_name *name, struct error *err)
{
	struct bytes content;
	int tag = der_any(list, &content, NULL);
	switch (tag) {
	case -1:
		return csr_malformed(err, list->failed ? list->failed : "a subjectAltName is malformed");
	case DER_CONTEXT(1):
		return ca_name_email(content, name, err);
	case DER_CONTEXT(2):
		return ca_name_dns(content, name, err);
	case DER_CONTEXT(6):
		return ca_name_uri(content, name, err);
	case DER_CONTEXT(7):
		return ca_name_ip(content, name, err);
	default:
		return refuse_type(tag, err);
	}
}

static int read_names(struct ca_csr *csr, struct bytes value, size_t max_names, struct error *err)
{
	struct der outer = der_of(value), list;
	der_enter(&outer, DER_SEQUENCE, &list);
	if (!list.failed && list.left.len == 0)
		return csr_malformed(err, "its subjectAltName is empty");
	while (list.left.len && !list.failed) {
		struct ca_name name;
		if (read_name(&list, &name, err) || ca_names_add(&csr->names, &name, max_names, err))
			return -1;
	}
	return der_done(&list) && der_done(&outer) ? 0
						   : csr_malformed(err, "its subjectAltName is not a list of names");
}

/* ---- the other extensions ---- */

static int refuse_ca(const struct ca_csr *csr, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), content;
	der_enter(&outer, DER_SEQUENCE, &content);
	bool ca = der_peek(&content) == DER_BOOLEAN && der_boolean(&content);
	if (content.failed)
		return csr_malformed(err, "its basicConstraints are malformed");
	return ca && !csr->for_ceremony
		       ? err_set(err, ERR_BAD_CSR,
				 "the request asks for a CA certificate (basicConstraints CA:TRUE): leave that "
				 "extension out; CAs are made by ceremony, not by request")
		       : 0;
}

static int read_extension(struct ca_csr *csr, struct der *list, bool *has_names, size_t max_names, struct error *err)
{
	struct der extension;
	der_enter(list, DER_SEQUENCE, &extension);
	struct bytes oid = der_oid(&extension);
	if (der_peek(&extension) == DER_BOOLEAN)
		(void)der_boolean(&extension);
	struct bytes value = der_take(&extension, DER_OCTET_STRING);
	if (!der_done(&extension))
		return csr_malformed(err, extension.failed ? extension.failed : "an extension asked for is malformed");
	if (bytes_equal(oid, ca_oid_subject_alt_name.content)) {
		if (*has_names)
			return csr_malformed(err, "it asks for subjectAltName twice");
		*has_names = true;
		return read_names(csr, value, max_names, err);
	}
	if (bytes_equal(oid, ca_oid_basic_constraints.content) && refuse_ca(csr, value, err))
		return -1;
	char dotted[64];
	const char *name = ca_oid_name(oid);
	csr_not_copied(csr, "extension", name ? name : der_oid_text(oid, dotted, sizeof(dotted)), BYTES_NONE);
	return 0;
}

static int read_extensions(struct ca_csr *csr, struct bytes values, size_t max_names, struct error *err)
{
	struct der set = der_of(values), list;
	bool has_names = false;
	der_enter(&set, DER_SEQUENCE, &list);
	for (size_t i = 0; list.left.len && !list.failed; i++) {
		if (i == EXTENSIONS_MAX)
			return csr_malformed(err, "it asks for more than 64 extensions");
		if (read_extension(csr, &list, &has_names, max_names, err))
			return -1;
	}
	if (!der_done(&list) || !der_done(&set))
		return csr_malformed(err, "the extensions that it asks for are malformed");
	return 0;
}

/* ---- attributes: RFC 2986 section 4.1, RFC 2985 section 5.4 ---- */

static int read_attribute(struct ca_csr *csr, struct der *list, bool *has_extensions, size_t max_names,
			  struct error *err)
{
	struct der attribute;
	der_enter(list, DER_SEQUENCE, &attribute);
	struct bytes oid = der_oid(&attribute), values = der_take(&attribute, DER_SET);
	if (!der_done(&attribute))
		return csr_malformed(err, attribute.failed ? attribute.failed : "an attribute is malformed");
	if (bytes_equal(oid, ca_oid_extension_request.content)) {
		if (*has_extensions)
			return csr_malformed(err, "it asks for extensions twice");
		*has_extensions = true;
		return read_extensions(csr, values, max_names, err);
	}
	/* Tolerated, listed by name alone: a challenge password is a secret. */
	char dotted[64];
	const char *name = ca_oid_name(oid);
	csr_not_copied(csr, "attribute", name ? name : der_oid_text(oid, dotted, sizeof(dotted)), BYTES_NONE);
	return 0;
}

int csr_read_attributes(struct ca_csr *csr, struct bytes attributes, size_t max_names, struct error *err)
{
	struct der list = der_of(attributes);
	bool has_extensions = false;
	for (size_t i = 0; list.left.len && !list.failed; i++) {
		if (i == ATTRIBUTES_MAX)
			return csr_malformed(err, "it has more than 64 attributes");
		if (read_attribute(csr, &list, &has_extensions, max_names, err))
			return -1;
	}
	return der_done(&list) ? 0 : csr_malformed(err, list.failed);
}
