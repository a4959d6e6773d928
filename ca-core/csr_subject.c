/* The subject of a request: only its common name may matter. */
#include "ca-core/csr_private.h"

#include <stdio.h>

#include "base/text.h"
#include "ca-core/oid.h"

#define RDNS_MAX 64

/* UCS-2 as BMPString carries it, to UTF-8; surrogates are no characters of it. */
static bool add_bmp(struct buf *out, struct bytes value)
{
	if (value.len % 2)
		return false;
	for (size_t i = 0; i < value.len; i += 2) {
		unsigned c = (unsigned)value.data[i] << 8 | value.data[i + 1];
		if (c >= 0xd800 && c < 0xe000)
			return false;
		if (c < 0x80) {
			buf_u8(out, (uint8_t)c);
		} else if (c < 0x800) {
			buf_u8(out, (uint8_t)(0xc0 | c >> 6));
			buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
		} else {
			buf_u8(out, (uint8_t)(0xe0 | c >> 12));
			buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
			buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
		}
	}
	return true;
}

/* A string of any of the types of DirectoryString as UTF-8; false for what is no text. */
static bool as_utf8(int tag, struct bytes value, struct buf *out)
{
	switch (tag) {
	case DER_UTF8_STRING:
	case DER_PRINTABLE_STRING:
	case DER_IA5_STRING:
	case DER_NUMERIC_STRING:
	case DER_T61_STRING:
		buf_add_bytes(out, value);
		break;
	case DER_BMP_STRING:
		if (!add_bmp(out, value))
			return false;
		break;
	default:
		return false;
	}
	return text_is_utf8(buf_bytes(out)) && !text_has_control(buf_bytes(out));
}

static int take_common_name(struct ca_csr *csr, bool is_text, struct bytes text, struct error *err)
{
	if (!is_text) {
		(void)err_set(err, ERR_BAD_NAME, "the common name is not text without control characters");
		return err_about(err, "commonName", NULL, "UTF-8");
	}
	if (text.len > 64) {
		(void)err_set(err, ERR_BAD_NAME, "the common name has more than 64 octets: use a subjectAltName");
		return err_about(err, "commonName", NULL, "at most 64 octets");
	}
	if (csr->common_name[0])
		csr_not_copied(csr, "subject", "CN", bytes_of(csr->common_name));
	if (text.len)
		memcpy(csr->common_name, text.data, text.len);
	csr->common_name[text.len] = '\0';
	return 0;
}

static int read_attribute(struct ca_csr *csr, struct der *rdn, struct error *err)
{
	struct der pair;
	struct bytes value = BYTES_NONE;
	der_enter(rdn, DER_SEQUENCE, &pair);
	struct bytes oid = der_oid(&pair);
	int tag = der_any(&pair, &value, NULL);
	if (!der_done(&pair))
		return csr_malformed(err, "an attribute of its subject is not a type and a value");
	auto_buf text = BUF_INIT;
	bool is_text = as_utf8(tag, value, &text);
	if (bytes_equal(oid, ca_oid_common_name.content))
		return take_common_name(csr, is_text, buf_bytes(&text), err);
	char dotted[64];
	const char *name = ca_oid_attribute_name(oid);
	csr_not_copied(csr, "subject", name ? name : der_oid_text(oid, dotted, sizeof(dotted)),
		       is_text ? buf_bytes(&text) : BYTES_NONE);
	return 0;
}

int csr_read_subject(struct ca_csr *csr, struct error *err)
{
	struct der outer = der_of(csr->subject), name;
	der_enter(&outer, DER_SEQUENCE, &name);
	for (size_t i = 0; name.left.len && !name.failed; i++) {
		struct der rdn;
		if (i == RDNS_MAX)
			return csr_malformed(err, "its subject has more than 64 parts");
		der_enter(&name, DER_SET, &rdn);
		if (!rdn.failed && rdn.left.len == 0)
			return csr_malformed(err, "a part of its subject is empty");
		while (rdn.left.len && !rdn.failed)
			if (read_attribute(csr, &rdn, err))
				return -1;
		if (rdn.failed)
			return csr_malformed(err, rdn.failed);
	}
	return der_done(&name) ? 0 : csr_malformed(err, "its subject is not a Name");
}
