#include "ca-core/statement.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "ca-core/key.h"
#include "ca-core/lint.h"

#define FIRST_LINE "chancery-statement-v1"
#define HASH_LEN 32

const char *ca_decision_name(enum ca_decision decision)
{
	static const char *const names[] = { "?", "approve", "deny", "vet", "suspend", "attest" };
	return decision >= DECISION_APPROVE && decision <= DECISION_ATTEST ? names[decision] : "?";
}

/* ---- what each member may be ---- */

static bool is_made_of(struct bytes text, const char *marks)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && (!c || !strchr(marks, c)))
			return false;
	}
	return text.len >= 1 && text.len <= CA_STATEMENT_ID_MAX;
}

bool ca_statement_is_id(struct bytes text)
{
	return is_made_of(text, "._-");
}

/* As records have it: store/record.h. */
static bool is_identity(struct bytes text)
{
	return is_made_of(text, "._@-");
}

/* U+2028 and U+2029 are no control characters, and break lines all the same. */
static bool has_separator(struct bytes utf8)
{
	for (size_t i = 0; i + 2 < utf8.len; i++)
		if (utf8.data[i] == 0xe2 && utf8.data[i + 1] == 0x80 && (utf8.data[i + 2] & 0xfe) == 0xa8)
			return true;
	return false;
}

/* As a plan names people. */
static bool is_person(struct bytes text)
{
	return text.len >= 1 && text.len <= CA_STATEMENT_ID_MAX && text_is_utf8(text) && !text_has_control(text) &&
	       !has_separator(text) && text.data[0] != ' ' && text.data[text.len - 1] != ' ';
}

static bool is_reason(struct bytes text)
{
	return text.len >= 1 && text.len <= CA_STATEMENT_REASON_MAX && text_is_utf8(text) && !text_has_control(text) &&
	       !has_separator(text);
}

static bool is_decision(const struct ca_statement *s, enum ca_decision decision)
{
	if (s->ceremony)
		return !s->organization && decision == DECISION_ATTEST;
	return s->organization ? decision == DECISION_VET || decision == DECISION_SUSPEND
			       : decision == DECISION_APPROVE || decision == DECISION_DENY;
}

static const char *kind_of(const struct ca_statement *s)
{
	return s->ceremony ? "ceremony" : s->organization ? "organization" : "order";
}

#define ID_FORM "1 to 64 letters, digits, dots, underscores, hyphens"
#define IDENTITY_FORM ID_FORM " or @"
#define PERSON_FORM "1 to 64 bytes of UTF-8 without control characters and line breaks"
#define REASON_FORM "1 to 500 bytes of UTF-8 without control characters and line breaks"
#define TIME_FORM "2026-11-21T12:00:00Z"

/* ---- writing ---- */

static int cannot_say(struct error *err, const char *member, struct bytes value, const char *allowed)
{
	char text[sizeof(err->value)];
	(void)snprintf(text, sizeof(text), "%.*s", (int)(value.len < sizeof(text) ? value.len : sizeof(text)),
		       value.len ? (const char *)value.data : "");
	(void)err_set(err, ERR_BAD_REQUEST, "a statement's %s is %s", member, allowed);
	return err_about(err, member, text, allowed);
}

static int check(const struct ca_statement *s, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t time_s = -1;
	struct error ignored = ERR_INIT;
	if (!ca_statement_is_id(s->id))
		return cannot_say(err, "id", s->id, ID_FORM);
	if (!is_decision(s, s->decision))
		return cannot_say(err, "decision", bytes_of(ca_decision_name(s->decision)),
				  s->ceremony       ? "attest"
				  : s->organization ? "vet or suspend"
						    : "approve or deny");
	if (s->ceremony ? !is_person(s->by) : !is_identity(s->by))
		return cannot_say(err, "by", s->by, s->ceremony ? PERSON_FORM : IDENTITY_FORM);
	if (!is_reason(s->reason))
		return cannot_say(err, "reason", s->reason, REASON_FORM);
	if (s->time_s < 0 || clock_parse_rfc3339(bytes_of(clock_rfc3339(s->time_s, time)), &time_s, &ignored) ||
	    time_s != s->time_s)
		return cannot_say(err, "time", BYTES_NONE, "one of the years 1970 to 9999");
	return 0;
}

int ca_statement_write(const struct ca_statement *s, struct buf *out, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	if (check(s, err))
		return -1;
	buf_add_text(out, FIRST_LINE "\nca: ");
	text_add_hex(out, BYTES(s->ca, sizeof(s->ca)));
	buf_printf(out, "\nsubject: %s ", kind_of(s));
	buf_add_bytes(out, s->id);
	buf_add_text(out, "\nsha256: ");
	text_add_hex(out, BYTES(s->sha256, sizeof(s->sha256)));
	buf_printf(out, "\ndecision: %s\nby: ", ca_decision_name(s->decision));
	buf_add_bytes(out, s->by);
	buf_add_text(out, "\nreason: ");
	buf_add_bytes(out, s->reason);
	buf_printf(out, "\ntime: %s\n", clock_rfc3339(s->time_s, time));
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a statement") : 0;
}

/* ---- reading: line after line, each exactly as it is written ---- */

struct lines {
	struct bytes left, present; /* present: the line that was taken last */
	unsigned number;
	struct error *err;
};

/* expected: the whole line, as people have to write it. */
static int mismatch(const struct lines *l, const char *expected)
{
	char text[sizeof(l->err->value)];
	(void)snprintf(text, sizeof(text), "%.*s", (int)(l->present.len < sizeof(text) ? l->present.len : sizeof(text)),
		       l->present.len ? (const char *)l->present.data : "");
	(void)err_set(l->err, ERR_APPROVAL_MISMATCH, "line %u of the statement is not \"%s\", ended by LF", l->number,
		      expected);
	return err_about(l->err, "statement", text, expected);
}

static void next_line(struct lines *l)
{
	const uint8_t *end = l->left.len ? memchr(l->left.data, '\n', l->left.len) : NULL;
	size_t len = end ? (size_t)(end - l->left.data) : l->left.len;
	l->number++;
	l->present = BYTES(l->left.data, len);
	l->left = end ? BYTES(end + 1, l->left.len - len - 1) : BYTES_NONE;
	if (!end) /* a line without its end is none */
		l->present = BYTES_NONE;
}

/* True where the present line begins so; value gets the rest. */
static bool line_starts(const struct lines *l, const char *start, struct bytes *value)
{
	size_t len = strlen(start);
	if (l->present.len < len || memcmp(l->present.data, start, len) != 0)
		return false;
	*value = BYTES(l->present.data + len, l->present.len - len);
	return true;
}

static int read_hash(struct lines *l, const char *start, const char *expected, uint8_t out[HASH_LEN])
{
	struct bytes digits = BYTES_NONE;
	auto_buf hash = BUF_INIT;
	char again[2 * HASH_LEN + 1];
	struct error ignored = ERR_INIT;
	next_line(l);
	if (!line_starts(l, start, &digits) || text_parse_hex(digits, HASH_LEN, &hash, &ignored) ||
	    hash.len != HASH_LEN || !bytes_are(digits, text_hex(buf_bytes(&hash), again)))
		return mismatch(l, expected);
	memcpy(out, hash.data, HASH_LEN);
	return 0;
}

static int read_subject(struct lines *l, struct ca_statement *s)
{
	next_line(l);
	s->organization = line_starts(l, "subject: organization ", &s->id);
	s->ceremony = line_starts(l, "subject: ceremony ", &s->id);
	if ((!s->organization && !s->ceremony && !line_starts(l, "subject: order ", &s->id)) ||
	    !ca_statement_is_id(s->id))
		return mismatch(l, "subject: order ID\", \"subject: organization ID\" or \"subject: ceremony ID");
	return 0;
}

static int read_decision(struct lines *l, struct ca_statement *s)
{
	struct bytes name = BYTES_NONE;
	next_line(l);
	bool there = line_starts(l, "decision: ", &name);
	for (int i = DECISION_APPROVE; there && i <= DECISION_ATTEST; i++) {
		s->decision = (enum ca_decision)i;
		if (bytes_are(name, ca_decision_name(s->decision)) && is_decision(s, s->decision))
			return 0;
	}
	return mismatch(l, s->ceremony       ? "decision: attest"
			   : s->organization ? "decision: vet\" or \"decision: suspend"
					     : "decision: approve\" or \"decision: deny");
}

static int read_text(struct lines *l, const char *start, bool (*is_good)(struct bytes), const char *expected,
		     struct bytes *out)
{
	next_line(l);
	return line_starts(l, start, out) && is_good(*out) ? 0 : mismatch(l, expected);
}

static int read_by(struct lines *l, struct ca_statement *s)
{
	return s->ceremony ? read_text(l, "by: ", is_person, "by: PERSON", &s->by)
			   : read_text(l, "by: ", is_identity, "by: IDENTITY", &s->by);
}

static int read_time(struct lines *l, struct ca_statement *s)
{
	struct bytes text = BYTES_NONE;
	struct error ignored = ERR_INIT;
	next_line(l);
	if (!line_starts(l, "time: ", &text) || clock_parse_rfc3339(text, &s->time_s, &ignored) || s->time_s < 0)
		return mismatch(l, "time: " TIME_FORM);
	return 0;
}

int ca_statement_read(struct bytes text, struct ca_statement *s, struct error *err)
{
	struct lines l = { .left = text, .err = err };
	*s = (struct ca_statement){ 0 };
	if (text.len > CA_STATEMENT_MAX)
		return err_set(err, ERR_APPROVAL_MISMATCH, "the statement has %zu bytes; at most %d may be", text.len,
			       CA_STATEMENT_MAX);
	next_line(&l);
	if (!bytes_are(l.present, FIRST_LINE))
		return mismatch(&l, FIRST_LINE);
	if (read_hash(&l, "ca: ", "ca: SHA-256 of the root certificate in lower-case hex", s->ca) ||
	    read_subject(&l, s) ||
	    read_hash(&l, "sha256: ", "sha256: SHA-256 of what is decided about in lower-case hex", s->sha256) ||
	    read_decision(&l, s) || read_by(&l, s) ||
	    read_text(&l, "reason: ", is_reason, "reason: " REASON_FORM, &s->reason) || read_time(&l, s))
		return -1;
	if (l.left.len)
		return err_set(err, ERR_APPROVAL_MISMATCH, "%zu bytes stand behind the statement's last line",
			       l.left.len);
	return 0;
}

/* ---- the signature ---- */

int ca_statement_verify(struct bytes text, struct bytes certificate, struct bytes signature, struct error *err)
{
	struct ca_certificate_facts facts;
	struct ca_key key;
	if (ca_certificate_read(certificate, &facts, err) || ca_key_parse(facts.spki, &key, err)) {
		(void)err_wrap(err, ERR_BAD_REQUEST, "the certificate of who decides cannot be used");
		return err_about(err, "certificate", NULL, "the enrolled certificate of an officer");
	}
	int good = ca_key_verify(&key, ca_key_digest_bits(key.type), text, signature, err);
	if (good < 0)
		return -1;
	if (good)
		return 0;
	char kind[32];
	(void)err_set(err, ERR_APPROVAL_MISMATCH,
		      "the signature does not verify: these are not the bytes that were signed, or not by the key (%s) "
		      "of this certificate",
		      ca_key_describe(&key, kind));
	return err_about(err, "signature", NULL,
			 "openssl dgst -sha256 -sign KEY (P-384 -sha384, P-521 -sha512; "
			 "Ed25519: pkeyutl -sign -rawin) over exactly the statement");
}
