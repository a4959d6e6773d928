/* A subject as DER, and as text for people. */
#include "ca-core/tbs.h"

#include <stdio.h>

#include "base/der.h"
#include "base/text.h"
#include "ca-core/oid.h"

struct attribute {
	const struct ca_oid *oid;
	const char *name;
	size_t max;     /* characters: RFC 5280 appendix A.1, upper bounds */
	bool printable; /* PrintableString; UTF8String else */
};
static const struct attribute attributes[CA_ATTR_COUNT] = {
	[CA_ATTR_BUSINESS_CATEGORY] = { &ca_oid_business_category, "businessCategory", 128, false },
	[CA_ATTR_JURISDICTION_COUNTRY] = { &ca_oid_jurisdiction_country, "jurisdictionCountry", 2, true },
	[CA_ATTR_JURISDICTION_STATE] = { &ca_oid_jurisdiction_state, "jurisdictionState", 128, false },
	[CA_ATTR_JURISDICTION_LOCALITY] = { &ca_oid_jurisdiction_locality, "jurisdictionLocality", 128, false },
	[CA_ATTR_SERIAL_NUMBER] = { &ca_oid_serial_number, "serialNumber", 64, true },
	[CA_ATTR_COUNTRY] = { &ca_oid_country, "C", 2, true },
	[CA_ATTR_STATE] = { &ca_oid_state, "ST", 128, false },
	[CA_ATTR_LOCALITY] = { &ca_oid_locality, "L", 128, false },
	[CA_ATTR_ORGANIZATION] = { &ca_oid_organization, "O", 64, false },
	[CA_ATTR_COMMON_NAME] = { &ca_oid_common_name, "CN", 64, false },
};

/* ---- writing ---- */

static bool is_printable_string(struct bytes text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?";
	for (size_t i = 0; i < text.len; i++)
		if (!text.data[i] || !strchr(alphabet, text.data[i]))
			return false;
	return true;
}

static size_t count_characters(struct bytes utf8)
{
	size_t count = 0;
	for (size_t i = 0; i < utf8.len; i++)
		if ((utf8.data[i] & 0xc0) != 0x80)
			count++;
	return count;
}

static int check_value(const struct attribute *a, struct bytes value, struct error *err)
{
	const char *fault = NULL;
	if (value.len == 0)
		fault = "it is empty";
	else if (a->printable && !is_printable_string(value))
		fault = "it has a character that a PrintableString cannot hold";
	else if (!text_is_utf8(value) || text_has_control(value))
		fault = "it is not UTF-8 without control characters";
	else if (count_characters(value) > a->max)
		fault = "it is too long";
	else if (a->max == 2 && value.len != 2)
		fault = "a country is two letters";
	if (!fault)
		return 0;
	char allowed[32];
	(void)snprintf(allowed, sizeof(allowed), "1 to %zu characters", a->max);
	(void)err_set(err, ERR_BAD_NAME, "the subject's %s is not accepted: %s", a->name, fault);
	return err_about(err, a->name, NULL, allowed);
}

int ca_subject_encode(const struct ca_subject *subject, struct buf *out, struct error *err)
{
	size_t name = der_mark(out);
	for (size_t i = 0; i < CA_ATTR_COUNT; i++) {
		if (!subject->values[i])
			continue;
		const struct attribute *a = &attributes[i];
		struct bytes value = bytes_of(subject->values[i]);
		if (check_value(a, value, err))
			return -1;
		size_t rdn = der_mark(out);
		der_add_oid(out, a->oid->content);
		der_add(out, a->printable ? DER_PRINTABLE_STRING : DER_UTF8_STRING, value);
		der_wrap(out, rdn, DER_SEQUENCE);
		der_wrap(out, rdn, DER_SET);
	}
	der_wrap(out, name, DER_SEQUENCE);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a subject") : 0;
}

/* ---- RFC 4514 text ---- */

static const char *short_name(struct bytes oid)
{
	for (size_t i = 0; i < CA_ATTR_COUNT; i++)
		if (bytes_equal(attributes[i].oid->content, oid))
			return attributes[i].name;
	return ca_oid_name(oid);
}

/* RFC 4514 section 2.4: what would be read as syntax is escaped, what is no text is hex. */
static void add_escaped(struct buf *out, struct bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool at_edge = i == 0 || i + 1 == value.len;
		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\%02X", c);
		else if (strchr("\"+,;<>\\", c) || (c == ' ' && at_edge) || (c == '#' && i == 0))
			buf_printf(out, "\\%c", c);
		else
			buf_u8(out, c);
	}
}

static void add_attribute(struct buf *out, struct bytes oid, int tag, struct bytes value)
{
	char dotted[64];
	const char *name = short_name(oid);
	buf_add_text(out, name ? name : der_oid_text(oid, dotted, sizeof(dotted)));
	buf_u8(out, '=');
	bool is_text = tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_IA5_STRING;
	if (is_text && text_is_utf8(value)) {
		add_escaped(out, value);
	} else {
		buf_u8(out, '#');
		text_add_hex(out, value);
	}
}

/* The last RDN stands first, as RFC 4514 section 2.1 has it. */
int ca_subject_text(struct bytes name, struct buf *out, struct error *err)
{
	struct der outer = der_of(name), rdns;
	auto_buf text = BUF_INIT;
	der_enter(&outer, DER_SEQUENCE, &rdns);
	while (rdns.left.len && !rdns.failed) {
		auto_buf rdn = BUF_INIT;
		struct der set;
		der_enter(&rdns, DER_SET, &set);
		while (set.left.len && !set.failed) {
			struct der pair;
			struct bytes value = BYTES_NONE;
			der_enter(&set, DER_SEQUENCE, &pair);
			struct bytes oid = der_oid(&pair);
			int tag = der_any(&pair, &value, NULL);
			if (!der_done(&pair))
				return err_set(err, ERR_BAD_NAME, "a subject is malformed");
			if (rdn.len)
				buf_u8(&rdn, '+');
			add_attribute(&rdn, oid, tag, value);
		}
		if (!der_done(&set))
			return err_set(err, ERR_BAD_NAME, "a subject is malformed");
		if (text.len)
			buf_u8(&rdn, ',');
		buf_add_bytes(&rdn, buf_bytes(&text));
		buf_clear(&text);
		buf_add_bytes(&text, buf_bytes(&rdn));
	}
	if (!der_done(&rdns) || !der_done(&outer) || text.failed)
		return err_set(err, ERR_BAD_NAME, "a subject is malformed");
	buf_add_bytes(out, buf_bytes(&text));
	return 0;
}
