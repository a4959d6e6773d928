#include "tools/ceremony_show.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ceremony_transcript.h"
#include "ca-core/crl_der.h"
#include "ca-core/lint.h"

#define LABEL_WIDTH 13
#define VALUE_WIDTH ((size_t)(80 - LABEL_WIDTH - 3))
#define ENTRIES_SHOWN 200

/* ---- one fact ---- */

/* As much of text as stands on one line: up to a blank or behind a comma, where there is one. */
static size_t piece_of(const char *text, size_t width)
{
	size_t len = strcspn(text, "\n");
	if (len <= width)
		return len;
	for (size_t at = width; at > width / 2; at--)
		if (text[at] == ' ' || text[at - 1] == ',' || text[at - 1] == '+')
			return at;
	while (width > 1 && ((uint8_t)text[width] & 0xc0) == 0x80)
		width--;
	return width;
}

void ceremony_show_fact(struct buf *out, const char *label, const char *value)
{
	const char *at = value;
	do {
		size_t piece = piece_of(at, VALUE_WIDTH);
		buf_printf(out, "  %-*s ", LABEL_WIDTH, at == value ? label : "");
		buf_add(out, at, piece);
		buf_u8(out, '\n');
		at += piece;
		if (*at == ' ' || *at == '\n')
			at++;
	} while (*at);
}

void ceremony_show_hash(struct buf *out, const char *label, const uint8_t hash[32])
{
	auto_buf groups = BUF_INIT;
	ca_transcript_groups(hash, 0, &groups);
	ceremony_show_fact(out, label, buf_text(&groups));
}

static void show_time(struct buf *out, const char *label, int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	ceremony_show_fact(out, label, clock_rfc3339(s, time));
}

static void show_hex(struct buf *out, const char *label, struct bytes octets)
{
	auto_buf text = BUF_INIT;
	for (size_t i = 0; i < octets.len; i++)
		buf_printf(&text, "%s%02x", i && i % 2 == 0 ? " " : "", octets.data[i]);
	ceremony_show_fact(out, label, buf_text(&text));
}

static int show_name(struct buf *out, const char *label, struct bytes name, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (ca_subject_text(name, &text, err))
		return -1;
	ceremony_show_fact(out, label, buf_text(&text));
	return 0;
}

/* ---- a certificate ---- */

static void show_extension(struct buf *out, X509_EXTENSION *extension)
{
	char name[80];
	auto_bio *bio = BIO_new(BIO_s_mem());
	auto_buf text = BUF_INIT;
	char *data = NULL;
	(void)OBJ_obj2txt(name, sizeof(name), X509_EXTENSION_get_object(extension), 0);
	if (!bio || X509V3_EXT_print(bio, extension, X509V3_EXT_DUMP_UNKNOWN, 0) != 1)
		(void)BIO_puts(bio, "(cannot be shown)");
	long len = BIO_get_mem_data(bio, &data);
	while (len > 0 && data[len - 1] == '\n')
		len--;
	buf_printf(&text, "%s%s:\n", name, X509_EXTENSION_get_critical(extension) ? " (critical)" : "");
	buf_add(&text, data, (size_t)(len > 0 ? len : 0));
	ceremony_show_fact(out, "extension", buf_text(&text));
	ERR_clear_error();
}

static int show_certificate(const struct ceremony_draft *draft, struct buf *out, struct error *err)
{
	struct ca_certificate_facts facts;
	struct ca_key key;
	auto_buf whole = BUF_INIT;
	char kind[32];
	ca_certificate_assemble(buf_bytes(&draft->tbs), buf_bytes(&draft->signature_algorithm), BYTES("", 1), &whole);
	if (whole.failed || ca_tbs_read(buf_bytes(&draft->tbs), &facts, err) || ca_key_parse(facts.spki, &key, err))
		return -1;
	const unsigned char *at = whole.data;
	auto_x509 *x = d2i_X509(NULL, &at, (long)whole.len);
	if (!x)
		return err_openssl(err, ERR_INTEGRITY, "the bytes to be signed cannot be read");
	if (show_name(out, "subject", facts.subject, err) || show_name(out, "issuer", facts.issuer, err))
		return -1;
	show_hex(out, "serial number", facts.serial);
	show_time(out, "valid from", facts.not_before_s);
	show_time(out, "valid until", facts.not_after_s);
	ceremony_show_fact(out, "public key", ca_key_describe(&key, kind));
	ceremony_show_hash(out, "its SHA-256", key.spki_hash);
	for (int i = 0; i < X509_get_ext_count(x); i++)
		show_extension(out, X509_get_ext(x, i));
	return 0;
}

/* ---- a list ---- */

static const char *reason_of(unsigned reason)
{
	static const char *const names[] = {
		"unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
		"superseded",    "cessationOfOperation", "certificateHold", "?",
		"removeFromCRL", "privilegeWithdrawn",   "aACompromise"
	};
	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "?";
}

static int show_entries(struct bytes entries, struct buf *out, struct error *err)
{
	struct ca_crl_entry entry;
	size_t count = 0;
	int more;
	while ((more = ca_crl_next(&entries, &entry, err)) == 1) {
		char time[CLOCK_TEXT_SIZE];
		auto_buf text = BUF_INIT;
		if (++count > ENTRIES_SHOWN)
			continue;
		text_add_hex(&text, entry.serial);
		buf_printf(&text, "\n%s, %s", clock_rfc3339(entry.revoked_s, time), reason_of(entry.reason));
		ceremony_show_fact(out, "revoked", buf_text(&text));
	}
	auto_buf all = BUF_INIT;
	buf_printf(&all, "%zu%s", count, count > ENTRIES_SHOWN ? ", of which the first 200 are shown" : "");
	ceremony_show_fact(out, "entries", buf_text(&all));
	return more;
}

static int show_list(const struct ceremony_draft *draft, struct buf *out, struct error *err)
{
	auto_buf whole = BUF_INIT, number = BUF_INIT;
	struct ca_crl crl;
	ca_certificate_assemble(buf_bytes(&draft->tbs), buf_bytes(&draft->signature_algorithm), BYTES("", 1), &whole);
	if (whole.failed || ca_crl_read(buf_bytes(&whole), BYTES_NONE, &crl, err) ||
	    show_name(out, "issuer", crl.head.issuer, err))
		return -1;
	buf_printf(&number, "%llu", (unsigned long long)crl.head.number);
	ceremony_show_fact(out, "list number", buf_text(&number));
	show_time(out, "this update", crl.head.this_update_s);
	show_time(out, "next update", crl.head.next_update_s);
	return show_entries(crl.entries, out, err);
}

/* ---- a step ---- */

static const char *const sentences[CEREMONY_KINDS] = {
	[CEREMONY_KEY] = "A new key is made in the token.",
	[CEREMONY_ROOT] = "A root signs its own certificate.",
	[CEREMONY_CERTIFICATE] = "An issuer signs a certificate.",
	[CEREMONY_CROSS] = "An issuer signs a certificate for a CA that has another one already.",
	[CEREMONY_OLD_WITH_NEW] = "The new root signs a certificate for the old one.",
	[CEREMONY_NEW_WITH_OLD] = "The old root signs a certificate for the new one.",
	[CEREMONY_CRL] = "An issuer signs its list of revoked certificates.",
	[CEREMONY_DESTROY] = "A key is destroyed, for good.",
	[CEREMONY_COMPARE] = "A backup of a key is compared with it.",
};

int ceremony_show_step(const struct ceremony_step *step, const struct ceremony_draft *draft, struct buf *out,
		       struct error *err)
{
	struct ca_key key = { .type = step->type, .bits = step->bits };
	char kind[32];
	buf_printf(out, "%s\n", sentences[step->kind]);
	if (draft) {
		ceremony_show_fact(out, "signed by", draft->signer);
		return step->kind == CEREMONY_CRL ? show_list(draft, out, err) : show_certificate(draft, out, err);
	}
	ceremony_show_fact(out, "key", step->key ? step->key : "");
	if (step->kind == CEREMONY_KEY)
		ceremony_show_fact(out, "type", ca_key_describe(&key, kind));
	if (step->backup)
		ceremony_show_fact(out, "backup", step->backup);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a text") : 0;
}

void ceremony_show_match(const struct ceremony_match *match, struct buf *out)
{
	if (match->count == 0) {
		buf_add_text(out, "These are, byte for byte, the bytes that were rehearsed.\n");
		return;
	}
	buf_add_text(out, "These are the bytes that were rehearsed, but for keys that were made here:\n");
	for (size_t i = 0; i < match->count; i++) {
		const struct ceremony_difference *d = &match->items[i];
		uint8_t hash[32];
		ceremony_show_fact(out, "differs", ceremony_place_name(d->place));
		ceremony_show_fact(out, "of the key", d->key);
		sha256(d->actual.data, d->actual.len, hash);
		if (d->place == CEREMONY_PLACE_KEY)
			ceremony_show_hash(out, "its SHA-256", hash);
		else
			show_hex(out, "is now", d->actual);
	}
}
