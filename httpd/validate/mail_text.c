/* A mail's text. Source: RFC 5322 (form), RFC 2045 and 2047 (what is not ASCII), RFC 3834 section 5 (nobody answers). */
#include <stdio.h>

#include "base/text.h"
#include "ca-core/name.h"
#include "httpd/validate/deliver.h"

#define LINE_MAX_OCTETS 998   /* RFC 5322 section 2.1.1, without CRLF */
#define BASE64_LINE_OCTETS 57 /* become 76 characters */
#define WORD_OCTETS 45        /* of an encoded word: 60 characters, and what stands around it */

static int check_address(struct bytes address, const char *what, struct error *err)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	if (ca_name_email(address, &name, &why) == 0)
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "%s is no mail address: %.300s", what, why.message);
}

/* ---- header ---- */

static bool is_plain(struct bytes text)
{
	if (text.len > WORD_OCTETS)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7e ||
		    (text.data[i] == '=' && i + 1 < text.len && text.data[i + 1] == '?'))
			return false;
	return true;
}

/* Encoded words, a line each; none ends within a character. */
static void write_words(struct bytes text, struct buf *out)
{
	for (size_t at = 0; at < text.len;) {
		size_t len = text.len - at < WORD_OCTETS ? text.len - at : WORD_OCTETS;
		while (at + len < text.len && len > 1 && (text.data[at + len] & 0xc0) == 0x80)
			len--;
		buf_add_text(out, at ? "\r\n =?utf-8?B?" : "=?utf-8?B?");
		text_add_base64(out, BYTES(text.data + at, len));
		buf_add_text(out, "?=");
		at += len;
	}
}

/* ---- body ---- */

static bool is_7bit(struct bytes body)
{
	size_t line = 0;
	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.data[i];
		line = c == '\n' ? 0 : line + 1;
		if (line > LINE_MAX_OCTETS || c > 0x7e || (c < 0x20 && c != '\n' && c != '\t'))
			return false;
	}
	return true;
}

static void write_lines(struct bytes body, struct buf *out)
{
	for (size_t i = 0; i < body.len; i++) {
		if (body.data[i] == '\n')
			buf_u8(out, '\r');
		buf_u8(out, body.data[i]);
	}
	if (body.len == 0 || body.data[body.len - 1] != '\n')
		buf_add_text(out, "\r\n");
}

/* Text in base64 has its lines ended by CRLF beneath (RFC 2045 section 6.8). */
static void write_base64(struct bytes body, struct buf *out)
{
	auto_buf lines = BUF_INIT;
	write_lines(body, &lines);
	for (size_t at = 0; at < lines.len; at += BASE64_LINE_OCTETS) {
		size_t left = lines.len - at;
		text_add_base64(out, BYTES(lines.data + at, left < BASE64_LINE_OCTETS ? left : BASE64_LINE_OCTETS));
		buf_add_text(out, "\r\n");
	}
}

/* ---- the whole ---- */

static int check(const struct mail_text *mail, struct error *err)
{
	if (check_address(mail->from, "the sender (mail.from)", err) || check_address(mail->to, "the recipient", err))
		return -1;
	if (!text_is_utf8(mail->subject) || text_has_control(mail->subject))
		return err_set(err, ERR_BAD_REQUEST, "the subject is not UTF-8 on one line");
	if (!text_is_utf8(mail->body))
		return err_set(err, ERR_BAD_REQUEST, "the text is not UTF-8");
	for (size_t i = 0; i < mail->id.len; i++) {
		uint8_t c = mail->id.data[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' &&
		    c != '_')
			return err_set(err, ERR_BAD_REQUEST,
				       "the id has other characters than letters, digits, - and _");
	}
	return mail->id.len ? 0 : err_set(err, ERR_BAD_REQUEST, "the delivery has no id");
}

int mail_text_write(const struct mail_text *mail, struct buf *out, struct error *err)
{
	char date[CLOCK_TEXT_SIZE];
	if (check(mail, err))
		return -1;
	const uint8_t *at = memchr(mail->from.data, '@', mail->from.len);
	size_t domain = at ? (size_t)(at - mail->from.data) : 0;
	(void)clock_imf_fixdate(mail->now_s, date);
	date[strlen(date) - strlen("GMT")] = '\0'; /* "Sun, 06 Nov 1994 08:49:37 ": RFC 5322 wants a number there */
	buf_printf(out, "Date: %s+0000\r\nFrom: <%.*s>\r\nTo: <%.*s>\r\n", date, (int)mail->from.len,
		   (const char *)mail->from.data, (int)mail->to.len, (const char *)mail->to.data);
	buf_printf(out, "Message-ID: <%.*s%.*s>\r\nSubject: ", (int)mail->id.len, (const char *)mail->id.data,
		   (int)(mail->from.len - domain), (const char *)mail->from.data + domain);
	if (is_plain(mail->subject))
		buf_add_bytes(out, mail->subject);
	else
		write_words(mail->subject, out);
	bool plain = is_7bit(mail->body);
	buf_printf(out,
		   "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		   plain ? "7bit" : "base64");
	if (plain)
		write_lines(mail->body, out);
	else
		write_base64(mail->body, out);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a mail") : 0;
}
