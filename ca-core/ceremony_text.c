/* A transcript for people. */
#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "ca-core/ceremony_transcript.h"

#define LABEL_WIDTH 15
#define INDENT (LABEL_WIDTH + 6)
#define WIDTH 80

static const char *const sentences[TRANSCRIPT_EVENTS] = {
	[TRANSCRIPT_BEGUN] = "The ceremony begins.",
	[TRANSCRIPT_RESUMED] = "The ceremony was interrupted, and goes on.",
	[TRANSCRIPT_MODULE] = "A PKCS#11 module is loaded.",
	[TRANSCRIPT_TOKEN] = "A token is there.",
	[TRANSCRIPT_INPUT] = "A file that the plan names is read.",
	[TRANSCRIPT_PIN] = "A token takes its PIN.",
	[TRANSCRIPT_INTENT] = "A step is about to be done.",
	[TRANSCRIPT_CONFIRMED] = "The step is confirmed.",
	[TRANSCRIPT_RESULT] = "The step is done.",
	[TRANSCRIPT_FINISHED] = "All steps are done.",
	[TRANSCRIPT_ATTESTED] = "A person attests what was done.",
	[TRANSCRIPT_SIGNED] = "A key of the ceremony signs the line before.",
	[TRANSCRIPT_UNSIGNED] = "No key signs the transcript.",
	[TRANSCRIPT_CLOSED] = "The transcript is closed.",
};

/* How a member is called, and shown. */
enum form { FORM_TEXT, FORM_HASH, FORM_LONG, FORM_PAGE };
static const struct {
	const char *member, *label;
	enum form form;
} labels[] = {
	{ "mode", "kind", FORM_TEXT },
	{ "title", "title", FORM_TEXT },
	{ "plan", "plan's SHA-256", FORM_HASH },
	{ "rehearsal", "rehearsal's", FORM_HASH },
	{ "attended", "attended", FORM_TEXT },
	{ "program", "program", FORM_TEXT },
	{ "program-sha256", "its SHA-256", FORM_HASH },
	{ "torn", "octets torn off", FORM_TEXT },
	{ "path", "file", FORM_TEXT },
	{ "sha256", "SHA-256", FORM_HASH },
	{ "uri", "in the plan", FORM_TEXT },
	{ "label", "label", FORM_TEXT },
	{ "manufacturer", "manufacturer", FORM_TEXT },
	{ "model", "model", FORM_TEXT },
	{ "serial", "serial number", FORM_TEXT },
	{ "file", "file", FORM_TEXT },
	{ "token", "token", FORM_TEXT },
	{ "source", "PIN came from", FORM_TEXT },
	{ "step", "step", FORM_TEXT },
	{ "place", "place", FORM_TEXT },
	{ "kind", "kind", FORM_TEXT },
	{ "what", "what", FORM_PAGE },
	{ "key", "key", FORM_TEXT },
	{ "by", "by", FORM_TEXT },
	{ "typed", "typed", FORM_TEXT },
	{ "spki", "public key", FORM_LONG },
	{ "note", "note", FORM_TEXT },
	{ "steps", "steps", FORM_TEXT },
	{ "roles", "roles", FORM_TEXT },
	{ "statement", "statement", FORM_TEXT },
	{ "signature", "signature", FORM_LONG },
	{ "certificate", "certificate", FORM_LONG },
	{ "why", "why", FORM_TEXT },
};

void ca_transcript_groups(const uint8_t hash[32], size_t indent, struct buf *out)
{
	for (size_t i = 0; i < 32; i += 2) {
		if (i % 16 == 0)
			buf_printf(out, "%*s", (int)indent, "");
		buf_printf(out, "%02x%02x%s", hash[i], hash[i + 1], i % 16 == 14 ? "\n" : " ");
	}
}

/* Each line of the value behind the label, or below it; what is longer than the page allows is cut where it allows. */
static void add_pieces(struct buf *out, const char *label, const char *value, size_t width)
{
	const char *at = value;
	do {
		size_t len = strcspn(at, "\n"), piece = len < width ? len : width;
		/* a character is not cut in its middle */
		while (piece < len && piece > 1 && ((uint8_t)at[piece] & 0xc0) == 0x80)
			piece--;
		buf_printf(out, "     %-*s ", LABEL_WIDTH, at == value ? label : "");
		buf_add(out, at, piece);
		buf_u8(out, '\n');
		at += piece;
		if (*at == '\n')
			at++;
	} while (*at);
}

static void add_hash(struct buf *out, const char *label, const char *hex)
{
	auto_buf hash = BUF_INIT, groups = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (text_parse_hex(bytes_of(hex), 32, &hash, &ignored) || hash.len != 32) {
		add_pieces(out, label, hex, WIDTH - INDENT);
		return;
	}
	ca_transcript_groups(hash.data, 0, &groups);
	add_pieces(out, label, buf_text(&groups), WIDTH - INDENT);
}

/* A text that fills the page already. */
static void add_page(struct buf *out, const char *label, const char *value)
{
	size_t len = strlen(value);
	buf_printf(out, "     %s\n%s%s", label, value, len && value[len - 1] == '\n' ? "" : "\n");
}

static void add_member(struct buf *out, const char *member, const char *value)
{
	if (!value[0])
		return;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		if (strcmp(labels[i].member, member) != 0)
			continue;
		if (labels[i].form == FORM_HASH)
			add_hash(out, labels[i].label, value);
		else if (labels[i].form == FORM_PAGE)
			add_page(out, labels[i].label, value);
		else
			add_pieces(out, labels[i].label, value,
				   labels[i].form == FORM_LONG ? WIDTH - INDENT - 11 : WIDTH - INDENT);
	}
}

static void add_line(struct buf *out, const struct ca_transcript_line *line)
{
	char time[CLOCK_TEXT_SIZE];
	const char *const *members = ca_transcript_members(line->event);
	buf_printf(out, "%3llu  %s  %s\n", (unsigned long long)line->number, clock_rfc3339(line->time_s, time),
		   sentences[line->event]);
	for (size_t i = 0; members[i]; i++)
		add_member(out, members[i], line->values[i]);
	buf_u8(out, '\n');
}

int ca_transcript_text(const struct ca_transcript *t, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < t->count; i++)
		add_line(out, &t->lines[i]);
	const struct ca_transcript_line *last = ca_transcript_last(t);
	if (last && last->event == TRANSCRIPT_CLOSED) {
		buf_add_text(out, "The closing hash, to be read aloud and written on paper:\n\n");
		ca_transcript_groups(last->hash, 5, out);
	}
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a transcript") : 0;
}
