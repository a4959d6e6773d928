/*
 * ca-core/ceremony_transcript.h - what happened at a ceremony, line after line, each bound to the one before.
 *
 * A line is one compact JSON object, UTF-8, ended by LF:
 *
 *     {"line":N,"previous":"<hex>","time":"2026-12-01T09:10:00Z","event":"intent", ...}
 *
 * previous is the hash of the line before (zeros for the first); the hash of a line is SHA-256 over its octets
 * without LF. Behind event stand the members of that event, all of them, in a fixed order, all texts: one fact has
 * one form, and what a line says is read back only where writing it again gives the same octets. Events come in an
 * order: `begun` first; then modules, tokens, inputs, PINs, intents, confirmations, results, and `resumed` wherever the
 * run was interrupted; `finished`; an `attested` of each person; one `signed` or `unsigned`; `closed`, the last. The
 * hash of the closed line is the closing hash: who has it on paper can tell years later that no line was changed.
 *
 * Pure, but for allocation. Thread-safety: every function works only on its arguments.
 * Source: RFC 8259; the items 4 and 6 are docs/ceremonies.md, "The transcript".
 */
#ifndef CHANCERY_CA_CEREMONY_TRANSCRIPT_H
#define CHANCERY_CA_CEREMONY_TRANSCRIPT_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"

enum ca_transcript_event {
	TRANSCRIPT_BEGUN, /* mode: "run" or "rehearsal"; attended: "yes" or "no" */
	TRANSCRIPT_RESUMED,
	TRANSCRIPT_MODULE,
	TRANSCRIPT_TOKEN,
	TRANSCRIPT_INPUT,
	TRANSCRIPT_PIN,
	TRANSCRIPT_INTENT, /* sha256: of the tbs; "" where nothing is signed */
	TRANSCRIPT_CONFIRMED,
	TRANSCRIPT_RESULT,   /* file and sha256: of the output, or ""; spki: base64, of a key made, or "" */
	TRANSCRIPT_FINISHED, /* its hash is what people attest */
	TRANSCRIPT_ATTESTED, /* signature and certificate: base64 */
	TRANSCRIPT_SIGNED,   /* signature: base64, over the 32 octets of previous */
	TRANSCRIPT_UNSIGNED,
	TRANSCRIPT_CLOSED,
	TRANSCRIPT_EVENTS
};
const char *ca_transcript_event_name(enum ca_transcript_event event);

#define CA_TRANSCRIPT_MEMBERS_MAX 8
#define CA_TRANSCRIPT_LINE_MAX ((size_t)64 << 10) /* octets of a line */
#define CA_TRANSCRIPT_MAX ((size_t)16 << 20)      /* of a transcript */

/* The members of an event, in their order; the list ends with NULL. Static. */
const char *const *ca_transcript_members(enum ca_transcript_event event);

struct ca_transcript_line {
	uint64_t number; /* from 1 */
	uint8_t previous[32], hash[32];
	int64_t time_s;
	enum ca_transcript_event event;
	char *values[CA_TRANSCRIPT_MEMBERS_MAX]; /* owned; as many as the event has members */
};
/* The value of that member. NULL where the event has none of this name. Borrowed. */
const char *ca_transcript_value(const struct ca_transcript_line *line, const char *member);

struct ca_transcript {
	struct ca_transcript_line *lines; /* owned */
	size_t count, capacity;
};
#define CA_TRANSCRIPT_INIT ((struct ca_transcript){ NULL, 0, 0 })
void ca_transcript_free(struct ca_transcript *t);
#define auto_ca_transcript CLEANUP(ca_transcript_free) struct ca_transcript

/* The last line, or NULL where there is none. Borrowed, until the next is added. */
const struct ca_transcript_line *ca_transcript_last(const struct ca_transcript *t);
/* The last line of this event at which the member has this value (any, where member is NULL), or NULL. Borrowed. */
const struct ca_transcript_line *ca_transcript_find(const struct ca_transcript *t, enum ca_transcript_event event,
						    const char *member, const char *value);

/* Adds a line behind the last: number and previous are made here. values: as many as the event has members; NULL is
 * written as "". text gets the line with its LF, appended. ERR_INTEGRITY where this event cannot come here, or the time
 * is before the last line's; ERR_BAD_REQUEST for what is not UTF-8; ERR_TOO_LARGE; ERR_INTERNAL. t is then as it was. */
int ca_transcript_add(struct ca_transcript *t, enum ca_transcript_event event, int64_t time_s,
		      const char *const *values, struct buf *text, struct error *err);

/* Reads a whole transcript: every line's form, number, previous, time and place. whole (may be NULL) gets how many
 * octets the lines had that were ended by LF: what is behind them (a line that a power cut tore) is passed over;
 * without whole it is refused. ERR_INTEGRITY, naming the line. t must be CA_TRANSCRIPT_INIT, and is freed by the
 * caller in either case. */
int ca_transcript_read(struct bytes text, struct ca_transcript *t, size_t *whole, struct error *err);

/* The same facts for people, at most 80 columns but for what cannot be broken, appended: made from the lines alone, the
 * same octets for the same lines. Of one that is closed, it ends with the closing hash. ERR_INTERNAL. */
int ca_transcript_text(const struct ca_transcript *t, struct buf *out, struct error *err);

/* "0123 4567 89ab ..." - a hash in groups of four that people can read aloud, sixteen groups, eight a line; indent
 * blanks before each line, LF behind each. Appended. */
void ca_transcript_groups(const uint8_t hash[32], size_t indent, struct buf *out);

#endif
