/* The subject and the subjectAltName of a finished tbs. */
#include "ca-core/lint_private.h"

#include "base/text.h"
#include "ca-core/oid.h"

/* The attributes that we write, in the order of BR 7.1.4.2, with RFC 5280 appendix A's bounds. */
struct attribute {
	const struct ca_oid *oid;
	size_t max;
	bool printable;    /* PrintableString; UTF8String else */
	bool country;      /* exactly two letters */
	bool organization; /* only where an organization was validated, or in a CA's own */
};
static const struct attribute attributes[] = {
	{ &ca_oid_business_category, 128, false, false, true },
	{ &ca_oid_jurisdiction_country, 2, true, true, true },
	{ &ca_oid_jurisdiction_state, 128, false, false, true },
	{ &ca_oid_jurisdiction_locality, 128, false, false, true },
	{ &ca_oid_serial_number, 64, true, false, true },
	{ &ca_oid_country, 2, true, true, true },
	{ &ca_oid_state, 128, false, false, true },
	{ &ca_oid_locality, 128, false, false, true },
	{ &ca_oid_organization, 64, false, false, true },
	{ &ca_oid_common_name, 64, false, false, false },
};
#define ATTRIBUTE_COUNT (sizeof(attributes) / sizeof(attributes[0]))

/* X.690: the alphabet of PrintableString. */
static bool is_printable_string(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!letter && !(c && strchr(" '()+,-./:=?", c)))
			return false;
	}
	return true;
}

/* Bounds count characters, not octets. */
static size_t characters(struct bytes utf8)
{
	size_t count = 0;
	for (size_t i = 0; i < utf8.len; i++)
		count += (utf8.data[i] & 0xc0) != 0x80;
	return count;
}

static int check_value(const struct attribute *a, int tag, struct bytes value, struct error *err)
{
	if (tag != (a->printable ? DER_PRINTABLE_STRING : DER_UTF8_STRING))
		return lint_broken(err, "RFC 5280 4.1.2.4: an attribute of the subject has the wrong string type");
	if (a->printable ? !is_printable_string(value) : !text_is_utf8(value) || text_has_control(value))
		return lint_broken(err, "RFC 5280 4.1.2.4: an attribute of the subject leaves its alphabet");
	if (value.len == 0 || characters(value) > a->max)
		return lint_broken(err, "RFC 5280 appendix A.1: an attribute of the subject is empty or too long");
	if (a->country && (value.len != 2 || value.data[0] < 'A' || value.data[0] > 'Z' || value.data[1] < 'A' ||
			   value.data[1] > 'Z'))
		return lint_broken(err, "BR 7.1.2.7.4: a country is two capital letters");
	return 0;
}

static bool may_name_organization(const struct lint *l)
{
	return lint_is_ca(l) || l->profile->kind == CA_KIND_AUDIT || l->profile->kind == CA_KIND_OCSP ||
	       l->profile->validation == CA_VALIDATION_ORGANIZATION || l->profile->validation == CA_VALIDATION_EXTENDED;
}

/* One RDN with one attribute; *next is the place in the order that it may take at the earliest. */
static int check_rdn(struct lint *l, struct der *name, size_t *next, struct error *err)
{
	struct der rdn, pair;
	der_enter(name, DER_SET, &rdn);
	der_enter(&rdn, DER_SEQUENCE, &pair);
	struct bytes oid = der_oid(&pair), value = BYTES_NONE;
	int tag = der_any(&pair, &value, NULL);
	if (!der_done(&pair) || !der_done(&rdn))
		return lint_broken(err, "BR 7.1.4.2: each part of the subject holds exactly one attribute");
	size_t place = *next;
	while (place < ATTRIBUTE_COUNT && !bytes_equal(attributes[place].oid->content, oid))
		place++;
	if (place == ATTRIBUTE_COUNT)
		return lint_broken(err, "BR 7.1.4.2: an attribute of the subject is unknown, repeated or out of order");
	if (attributes[place].organization && !may_name_organization(l))
		return lint_broken(err,
				   "BR 7.1.2.7.2: nothing was validated that this attribute of the subject asserts");
	if (check_value(&attributes[place], tag, value, err))
		return -1;
	if (attributes[place].oid == &ca_oid_common_name) {
		if (value.len >= sizeof(l->common_name))
			return lint_broken(err, "RFC 5280 appendix A.1: the common name has at most 64 octets here");
		memcpy(l->common_name, value.data, value.len);
		l->common_name[value.len] = '\0';
	}
	*next = place + 1;
	return 0;
}

int lint_subject(struct lint *l, struct error *err)
{
	struct der outer = der_of(l->subject), name;
	size_t next = 0;
	der_enter(&outer, DER_SEQUENCE, &name);
	l->subject_is_empty = name.left.len == 0;
	while (name.left.len && !name.failed && l->profile->kind != CA_KIND_CROSS)
		if (check_rdn(l, &name, &next, err))
			return -1;
	/* BR 7.1.2.2.1: a cross-certificate has the name that is there, in whatever form that has. */
	while (name.left.len && !name.failed)
		(void)der_take(&name, DER_SET);
	if (!der_done(&name) || !der_done(&outer))
		return lint_broken(err, "RFC 5280 4.1.2.6: the subject must be a Name");
	if (l->profile->kind == CA_KIND_CROSS)
		return l->subject_is_empty ? lint_broken(err, "RFC 5280 4.1.2.6: a CA must have a name") : 0;
	if (lint_is_ca(l) && !l->common_name[0])
		return lint_broken(err, "BR 7.1.2.10.2: a CA must have a common name");
	return 0;
}

/* ---- subjectAltName ---- */

/* What is not written in its one form (lower case, say) is read as if it were: the octets must be those of the
 * form, or two names could pass for one. */
static int read_name(struct der *names, struct ca_name *name, struct error *err)
{
	struct bytes content;
	int rc;
	switch (der_any(names, &content, NULL)) {
	case DER_CONTEXT(1):
		rc = ca_name_email(content, name, err);
		break;
	case DER_CONTEXT(2):
		rc = ca_name_dns(content, name, err);
		break;
	case DER_CONTEXT(6):
		rc = ca_name_uri(content, name, err);
		break;
	case DER_CONTEXT(7):
		return ca_name_ip(content, name, err);
	default:
		return lint_broken(err, "BR 7.1.2.7.12: a subjectAltName of a type that is not served");
	}
	if (rc == 0 && !bytes_are(content, name->text))
		return lint_broken(err, "PKI.md 2: a name is not written in its one form, in lower case");
	return rc;
}

static int check_name(const struct lint *l, const struct ca_name *name, struct error *err)
{
	const struct ca_profile *p = l->profile;
	if ((name->type == CA_NAME_IP && !p->allow_ip) || (name->type == CA_NAME_EMAIL && !p->allow_email) ||
	    (name->type == CA_NAME_URI && !p->allow_uri) || (name->wildcard && !p->allow_wildcard) ||
	    (name->underscore && !p->allow_underscore))
		return lint_broken(err, "the profile: it does not allow a name of this kind");
	if (lint_is_server(l) && !(p->waivers & CA_WAIVER_INTERNAL_NAME) && ca_name_is_internal(name))
		return lint_broken(err, "BR 4.2.2: a name or address that is not public, without its waiver");
	return 0;
}

/* Each name once, and whether the common name is one of them. */
static int check_list(const struct lint *l, struct der *list, struct ca_names *seen, bool *has_common_name,
		      struct error *err)
{
	while (list->left.len && !list->failed) {
		struct ca_name name = { .type = CA_NAME_DNS };
		size_t before = seen->count;
		if (read_name(list, &name, err) || check_name(l, &name, err) ||
		    ca_names_add(seen, &name, l->profile->names_max, err))
			return -1;
		if (seen->count == before)
			return lint_broken(err, "PKI.md 2: a name stands twice in the subjectAltName");
		*has_common_name = *has_common_name || strcmp(name.text, l->common_name) == 0;
	}
	return 0;
}

int lint_subject_alt_name(const struct lint *l, bool critical, struct bytes value, struct error *err)
{
	struct der outer = der_of(value), list;
	auto_ca_names seen = CA_NAMES_INIT;
	bool has_common_name = false;
	der_enter(&outer, DER_SEQUENCE, &list);
	if (critical != l->subject_is_empty)
		return lint_broken(
			err, "RFC 5280 4.2.1.6: subjectAltName is critical where the subject is empty, only there");
	if (check_list(l, &list, &seen, &has_common_name, err))
		return -1;
	if (seen.count == 0 || !der_done(&list) || !der_done(&outer))
		return lint_broken(err, "RFC 5280 4.2.1.6: subjectAltName holds at least one name, in DER");
	if (lint_is_server(l) && l->common_name[0] && !has_common_name)
		return lint_broken(err, "BR 7.1.4.3: the common name must be one of the subjectAltNames");
	return 0;
}
