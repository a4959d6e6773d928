/*
 * base/text.h - bytes as text: hex, base64, base32, PEM. Strict: what is not
 * exactly the form is refused.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_TEXT_H
#define CHANCERY_BASE_TEXT_H

#include "base/bytes.h"
#include "base/err.h"

/* Lower-case hex of bytes into out (2 * len + 1 bytes). Returns out. */
char *text_hex(struct bytes bytes, char *out);
void text_add_hex(struct buf *out, struct bytes bytes);
/* Lower- or upper-case hex of an even number of digits, at most max bytes, onto the
 * end of out. ERR_BAD_REQUEST. */
int text_parse_hex(struct bytes hex, size_t max, struct buf *out, struct error *err);

/* RFC 4648 section 4 with padding, no line breaks. */
void text_add_base64(struct buf *out, struct bytes bytes);
/* Section 4, or section 5 (URL-safe, without padding) where url is true. ERR_BAD_REQUEST. */
int text_parse_base64(struct bytes text, bool url, struct buf *out, struct error *err);
/* Lower-case RFC 4648 section 6 without padding. */
void text_add_base32(struct buf *out, struct bytes bytes);

/* Appends a PEM block (RFC 7468 strict: 64 characters a line, LF). */
void text_add_pem(struct buf *out, const char *label, struct bytes der);

/* Finds the next PEM block in *text and moves *text behind it. Accepts RFC 7468
 * laxtextual as far as LF, CRLF and blanks at line ends go; explanatory text before a
 * block is passed over; headers inside (RFC 1421) are refused.
 * label: at least 64 bytes, gets the label; der: gets the decoded content (appended).
 * Returns 1 found, 0 no block left, -1 malformed (ERR_BAD_REQUEST). */
int text_next_pem(struct bytes *text, char label[64], struct buf *der, struct error *err);

/* True where all bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(struct bytes bytes);
/* True where a control character (C0, DEL, or U+0080..009F in UTF-8) stands in it. */
bool text_has_control(struct bytes utf8);

#endif
