#include "tools/ceremony_verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "tools/ceremony_folder.h"
#include "tools/ceremony_verify_private.h"

void ceremony_verified_clear(struct ceremony_verified *verified)
{
	for (size_t i = 0; verified->made && i < verified->plan->step_count; i++)
		buf_free(&verified->made[i]);
	free(verified->made);
	ceremony_known_free(verified->known);
	ceremony_inputs_free(&verified->inputs);
	ceremony_plan_free(verified->plan);
	ca_transcript_free(&verified->transcript);
	*verified = CEREMONY_VERIFIED_INIT;
}

/* ---- what the parts share ---- */

int(verify_wrong)(struct error *err, const struct ca_transcript_line *line, const char *fmt, ...)
{
	char text[sizeof(err->message)];
	va_list arguments;
	va_start(arguments, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, arguments);
	va_end(arguments);
	if (!line)
		return err_set(err, ERR_INTEGRITY, "%s", text);
	return err_set(err, ERR_INTEGRITY, "line %llu of the transcript: %s", (unsigned long long)line->number, text);
}

int(verify_wrap)(struct error *err, const struct ca_transcript_line *line, const char *what)
{
	if (err->code == ERR_INTERNAL)
		return -1;
	return line ? err_wrap(err, ERR_INTEGRITY, "line %llu of the transcript: %s: %s",
			       (unsigned long long)line->number, what, err->message)
		    : err_wrap(err, ERR_INTEGRITY, "%s: %s", what, err->message);
}

int verify_file(const struct verification *w, const struct ca_transcript_line *line, const char *name, const char *hex,
		struct buf *out, struct error *err)
{
	uint8_t hash[32];
	char actual[65];
	auto_free char *path = file_join(w->directory, name);
	auto_buf content = BUF_INIT;
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_read(path, CEREMONY_FILE_MAX, &content, err))
		return verify_wrap(err, line, name);
	sha256(content.data, content.len, hash);
	if (strcmp(text_hex(BYTES(hash, sizeof(hash)), actual), hex) != 0)
		return verify_wrong(err, line, "the file %s is not the one whose SHA-256 is stated there", name);
	buf_add_bytes(out, buf_bytes(&content));
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a file") : 0;
}

/* ---- transcript and plan ---- */

static int read_transcript(const struct verification *w, struct error *err)
{
	auto_free char *path = file_join(w->directory, CEREMONY_TRANSCRIPT);
	auto_buf text = BUF_INIT;
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_read(path, CA_TRANSCRIPT_MAX, &text, err))
		return -1;
	if (ca_transcript_read(buf_bytes(&text), &w->v->transcript, NULL, err))
		return -1;
	const struct ca_transcript_line *last = ca_transcript_last(&w->v->transcript);
	if (!last || last->event != TRANSCRIPT_CLOSED)
		return verify_wrong(err, last, "the transcript is not closed: the ceremony is not at its end");
	return 0;
}

static int check_closing(struct ceremony_verified *v, const uint8_t *closing, struct error *err)
{
	const struct ca_transcript_line *last = ca_transcript_last(&v->transcript);
	char hex[65];
	if (!closing)
		return 0;
	if (memcmp(closing, last->hash, sizeof(last->hash)) != 0)
		return verify_wrong(err, last, "the closing hash is %s, not the one given",
				    text_hex(BYTES(last->hash, sizeof(last->hash)), hex));
	v->anchored = true;
	return 0;
}

static int read_plan(const struct verification *w, struct error *err)
{
	const struct ca_transcript_line *begun = &w->v->transcript.lines[0];
	auto_buf text = BUF_INIT;
	if (strcmp(ca_transcript_value(begun, "mode"), "run") != 0)
		return verify_wrong(err, begun, "%s is the directory of a rehearsal: what counts is that of the run",
				    w->directory);
	if (verify_file(w, begun, CEREMONY_PLAN_COPY, ca_transcript_value(begun, "plan"), &text, err))
		return -1;
	w->v->plan = ceremony_plan_parse(buf_bytes(&text), CEREMONY_PLAN_COPY, err);
	if (!w->v->plan)
		return verify_wrap(err, begun, "the plan");
	w->v->made = calloc(w->v->plan->step_count, sizeof(*w->v->made));
	if (!w->v->made)
		return err_set(err, ERR_INTERNAL, "no memory for what the steps made");
	if (strcmp(ca_transcript_value(begun, "title"), w->v->plan->title) != 0 ||
	    strcmp(ca_transcript_value(begun, "attended"), w->v->plan->attended ? "yes" : "no") != 0)
		return verify_wrong(err, begun, "title and attendance are not the plan's");
	return 0;
}

static int read_inputs(const struct verification *w, struct error *err)
{
	struct ceremony_verified *v = w->v;
	auto_free char *folder = file_join(w->directory, "inputs");
	size_t stated = 0;
	if (!folder)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (ceremony_inputs_read(v->plan, folder, &v->inputs, err))
		return verify_wrap(err, &v->transcript.lines[0], "the plan's files");
	for (size_t i = 0; i < v->transcript.count; i++) {
		const struct ca_transcript_line *line = &v->transcript.lines[i];
		if (line->event != TRANSCRIPT_INPUT)
			continue;
		const struct ceremony_input *input =
			ceremony_inputs_find(&v->inputs, ca_transcript_value(line, "file"));
		char hex[65];
		stated++;
		if (!input || strcmp(ca_transcript_value(line, "sha256"), text_hex(BYTES(input->sha256, 32), hex)) != 0)
			return verify_wrong(err, line,
					    "the file inputs/%s is not the one whose SHA-256 is stated there",
					    ca_transcript_value(line, "file"));
	}
	return stated == v->inputs.count
		       ? 0
		       : verify_wrong(err, NULL, "the transcript names %zu files that were read, and the plan %zu",
				      stated, v->inputs.count);
}

static int read_rehearsal(struct verification *w, struct error *err)
{
	const struct ca_transcript_line *begun = &w->v->transcript.lines[0];
	auto_buf text = BUF_INIT;
	if (verify_file(w, begun, CEREMONY_REHEARSAL, ca_transcript_value(begun, "rehearsal"), &text, err))
		return -1;
	if (ceremony_rehearsal_read(buf_bytes(&text), w->v->plan, &w->v->inputs, &w->rehearsal, err))
		return verify_wrap(err, begun, "the rehearsal");
	w->rehearsed = ceremony_rehearsal_known(w->v->plan, &w->v->inputs, &w->rehearsal, err);
	w->v->known = w->rehearsed ? ceremony_known_new(w->v->plan, &w->v->inputs, err) : NULL;
	return w->v->known ? 0 : verify_wrap(err, begun, "the rehearsal");
}

static int check_text(const struct verification *w, struct error *err)
{
	auto_free char *path = file_join(w->directory, CEREMONY_TRANSCRIPT_TEXT);
	auto_buf there = BUF_INIT, expected = BUF_INIT;
	if (!path || ca_transcript_text(&w->v->transcript, &expected, err))
		return path ? -1 : err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_read(path, CEREMONY_FILE_MAX, &there, err))
		return verify_wrap(err, NULL, CEREMONY_TRANSCRIPT_TEXT);
	if (bytes_equal(buf_bytes(&there), buf_bytes(&expected)))
		return 0;
	size_t line = 1, at = 0;
	for (; at < there.len && at < expected.len && there.data[at] == expected.data[at]; at++)
		line += there.data[at] == '\n';
	return verify_wrong(err, NULL,
			    "line %zu of " CEREMONY_TRANSCRIPT_TEXT " is not what the lines of " CEREMONY_TRANSCRIPT
			    " say",
			    line);
}

/* An interrupted run goes on with the program that began it. */
static int check_program(const struct verification *w, struct error *err)
{
	const struct ca_transcript *t = &w->v->transcript;
	const char *program = ca_transcript_value(&t->lines[0], "program-sha256");
	for (size_t i = 0; i < t->count; i++)
		if (t->lines[i].event == TRANSCRIPT_RESUMED &&
		    strcmp(ca_transcript_value(&t->lines[i], "program-sha256"), program) != 0)
			return verify_wrong(err, &t->lines[i], "the run went on with another program");
	return 0;
}

static bool names_token(const struct ceremony_plan *plan, const char *uri)
{
	for (size_t i = 0; i < plan->token_count; i++)
		if (strcmp(plan->tokens[i].uri, uri) == 0)
			return true;
	return false;
}

static bool names_module(const struct ceremony_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->token_count; i++)
		if (strcmp(plan->tokens[i].module, path) == 0)
			return true;
	return false;
}

/* Every token of the plan was there, with its module, and no other. */
static int check_tokens(const struct verification *w, struct error *err)
{
	const struct ca_transcript *t = &w->v->transcript;
	const struct ceremony_plan *plan = w->v->plan;
	for (size_t i = 0; i < t->count; i++) {
		const struct ca_transcript_line *line = &t->lines[i];
		if ((line->event == TRANSCRIPT_TOKEN && !names_token(plan, ca_transcript_value(line, "uri"))) ||
		    (line->event == TRANSCRIPT_MODULE && !names_module(plan, ca_transcript_value(line, "path"))))
			return verify_wrong(err, line, "the plan names no such token or module");
	}
	for (size_t i = 0; i < plan->token_count; i++)
		if (!ca_transcript_find(t, TRANSCRIPT_TOKEN, "uri", plan->tokens[i].uri) ||
		    !ca_transcript_find(t, TRANSCRIPT_MODULE, "path", plan->tokens[i].module) ||
		    !ca_transcript_find(t, TRANSCRIPT_PIN, "token", plan->tokens[i].label))
			return verify_wrong(err, NULL,
					    "the transcript lacks the token \"%s\" of the plan, its module or "
					    "its PIN",
					    plan->tokens[i].label);
	return 0;
}

static int verify_all(struct verification *w, const uint8_t *closing, struct error *err)
{
	if (read_transcript(w, err) || check_closing(w->v, closing, err) || check_text(w, err) || read_plan(w, err) ||
	    check_program(w, err) || check_tokens(w, err) || read_inputs(w, err) || read_rehearsal(w, err))
		return -1;
	return verify_steps(w, err) || verify_end(w, err) || verify_no_other_file(w, err) ? -1 : 0;
}

int ceremony_verify(const char *directory, const uint8_t *closing, struct ceremony_verified *verified,
		    struct error *err)
{
	struct verification w = { .directory = directory, .v = verified, .rehearsal = CEREMONY_REHEARSAL_INIT };
	int result = verify_all(&w, closing, err);
	ceremony_known_free(w.rehearsed);
	ceremony_rehearsal_free(&w.rehearsal);
	return result;
}

int ceremony_closing_parse(const char *text, uint8_t closing[32], struct error *err)
{
	auto_buf digits = BUF_INIT, octets = BUF_INIT;
	for (; *text; text++)
		if (*text != ' ' && *text != '\n' && *text != '-')
			buf_u8(&digits, (uint8_t)*text);
	if (text_parse_hex(buf_bytes(&digits), 32, &octets, err) || octets.len != 32)
		return err_set(err, ERR_USAGE, "the closing hash has 64 hex digits; blanks between them do not matter");
	memcpy(closing, octets.data, 32);
	return 0;
}
