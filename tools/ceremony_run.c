#include "tools/ceremony_run.h"

#include <fcntl.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ceremony_check.h"
#include "tools/ceremony_close.h"
#include "tools/ceremony_pin.h"

#define CHUNK 65536

static const char program[] = "chancery " CHANCERY_VERSION;

struct preparation {
	const struct ceremony_run_options *options;
	struct ceremony *c;
	struct buf rehearsal; /* the file's text, of a run */
	char plan[65], rehearsed[65], program[65];
};

/* ---- what is recorded of program, modules and tokens ---- */

static int hash_file(const char *path, char hex[65], struct error *err)
{
	uint8_t chunk[CHUNK], hash[EVP_MAX_MD_SIZE];
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	if (fd < 0)
		return err_errno(err, ERR_IO, "cannot read %s", path);
	if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot hash");
	ssize_t got;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		if (EVP_DigestUpdate(context, chunk, (size_t)got) != 1)
			return err_openssl(err, ERR_INTERNAL, "cannot hash");
	if (got < 0 || EVP_DigestFinal_ex(context, hash, NULL) != 1)
		return err_errno(err, ERR_IO, "cannot read %s", path);
	text_hex(BYTES(hash, 32), hex);
	return 0;
}

static int record_modules(struct ceremony *c, struct error *err)
{
	for (size_t i = 0; i < c->plan->token_count; i++) {
		const char *path = ceremony_keys_module(c->keys, i);
		char hex[65];
		bool before = false;
		for (size_t j = 0; j < i; j++)
			before = before || strcmp(path, ceremony_keys_module(c->keys, j)) == 0;
		const char *const values[] = { path, hex };
		if (!before &&
		    (hash_file(path, hex, err) || ceremony_folder_line(&c->folder, TRANSCRIPT_MODULE, values, err)))
			return -1;
	}
	return 0;
}

static int record_tokens(struct ceremony *c, struct error *err)
{
	for (size_t i = 0; i < c->plan->token_count; i++) {
		const struct ceremony_token *token = &c->plan->tokens[i];
		struct hsm_token_info info;
		if (ceremony_keys_token(c->keys, i, &info, err))
			return -1;
		const char *const facts[] = { token->uri, info.label, info.manufacturer, info.model, info.serial };
		const char *const pin[] = { token->label, c->rehearsing ? "rehearsal" : ceremony_pin_name(token) };
		if (ceremony_folder_line(&c->folder, TRANSCRIPT_TOKEN, facts, err) ||
		    ceremony_folder_line(&c->folder, TRANSCRIPT_PIN, pin, err))
			return -1;
	}
	return 0;
}

static int record_inputs(struct ceremony *c, struct error *err)
{
	for (size_t i = 0; i < c->inputs->count; i++) {
		const struct ceremony_input *input = &c->inputs->items[i];
		char hex[65];
		const char *const values[] = { input->name, text_hex(BYTES(input->sha256, 32), hex) };
		if (ca_transcript_find(&c->folder.transcript, TRANSCRIPT_INPUT, "file", input->name))
			continue;
		if (ceremony_folder_line(&c->folder, TRANSCRIPT_INPUT, values, err))
			return -1;
	}
	return 0;
}

static int copy_files(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	if (ceremony_folder_write(&c->folder, CEREMONY_PLAN_COPY, buf_bytes(&c->plan->text), err))
		return -1;
	for (size_t i = 0; i < c->inputs->count; i++) {
		auto_buf name = BUF_INIT;
		buf_printf(&name, "inputs/%s", c->inputs->items[i].name);
		if (ceremony_folder_write(&c->folder, buf_text(&name), buf_bytes(&c->inputs->items[i].content), err))
			return -1;
	}
	return c->rehearsing ? 0 : ceremony_folder_write(&c->folder, CEREMONY_REHEARSAL, buf_bytes(&p->rehearsal), err);
}

/* ---- the first line, or what an interrupted run has in its place ---- */

static int check_begun(const struct preparation *p, const struct ca_transcript_line *begun, struct error *err)
{
	if (strcmp(ca_transcript_value(begun, "mode"), "run") != 0)
		return err_set(err, ERR_USAGE, "%s is the folder of a rehearsal", p->options->out);
	if (strcmp(ca_transcript_value(begun, "plan"), p->plan) != 0)
		return err_set(err, ERR_CONFLICT, "the run in %s was begun with another plan, of SHA-256 %s",
			       p->options->out, ca_transcript_value(begun, "plan"));
	if (strcmp(ca_transcript_value(begun, "rehearsal"), p->rehearsed) != 0)
		return err_set(err, ERR_CONFLICT, "the run in %s was begun with another rehearsal", p->options->out);
	if (strcmp(ca_transcript_value(begun, "program-sha256"), p->program) != 0)
		return err_set(err, ERR_CONFLICT,
			       "the run in %s was begun with another program (%s, of SHA-256 %s): go on with that one",
			       p->options->out, ca_transcript_value(begun, "program"),
			       ca_transcript_value(begun, "program-sha256"));
	return 0;
}

static int record_begun(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	char torn[24];
	const struct ca_transcript_line *begun =
		ca_transcript_find(&c->folder.transcript, TRANSCRIPT_BEGUN, NULL, NULL);
	(void)snprintf(torn, sizeof(torn), "%zu", c->folder.torn);
	const char *const first[] = { c->rehearsing ? "rehearsal" : "run", c->plan->title, p->plan,   p->rehearsed,
				      c->plan->attended ? "yes" : "no",    program,        p->program };
	const char *const again[] = { program, p->program, torn };
	int failed = begun ? ceremony_folder_line(&c->folder, TRANSCRIPT_RESUMED, again, err)
			   : ceremony_folder_line(&c->folder, TRANSCRIPT_BEGUN, first, err);
	return failed || record_modules(c, err) || record_inputs(c, err) || record_tokens(c, err) ? -1 : 0;
}

/* ---- preparing ---- */

static int check_now(const struct ceremony *c, struct error *err)
{
	int64_t now_s = clock_now_ms(&c->clock) / 1000;
	char now[CLOCK_TEXT_SIZE], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	if (c->rehearsing || (now_s >= c->plan->window_from_s && now_s <= c->plan->window_to_s))
		return 0;
	return err_set(err, ERR_CONFLICT,
		       "the clock says %s, and the plan's window is from %s to %s: set the clock, or make another plan",
		       clock_rfc3339(now_s, now), clock_rfc3339(c->plan->window_from_s, from),
		       clock_rfc3339(c->plan->window_to_s, to));
}

static int read_rehearsal(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	uint8_t hash[32];
	if (c->rehearsing)
		return ceremony_rehearsal_new(c->plan, &c->rehearsal, err);
	auto_free char *path = file_join(p->options->rehearsal, CEREMONY_REHEARSAL);
	if (!path || file_read(path, CEREMONY_FILE_MAX, &p->rehearsal, err) ||
	    ceremony_rehearsal_read(buf_bytes(&p->rehearsal), c->plan, c->inputs, &c->rehearsal, err))
		return -1;
	c->rehearsed = ceremony_rehearsal_known(c->plan, c->inputs, &c->rehearsal, err);
	sha256(p->rehearsal.data, p->rehearsal.len, hash);
	text_hex(BYTES(hash, sizeof(hash)), p->rehearsed);
	return c->rehearsed ? 0 : -1;
}

static int open_folder(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	if (!p->options->resume)
		return ceremony_folder_is_free(p->options->out, err);
	if (ceremony_folder_resume(&c->folder, p->options->out, c->clock, err))
		return -1;
	const struct ca_transcript_line *begun =
		ca_transcript_find(&c->folder.transcript, TRANSCRIPT_BEGUN, NULL, NULL);
	return begun ? check_begun(p, begun, err) : 0;
}

static struct secret *plan_pin(void *argument, const struct ceremony_token *token, struct error *err)
{
	const struct preparation *p = argument;
	return p->options->pin ? p->options->pin(p->options->argument, token, err)
			       : ceremony_pin(p->c->plan, p->c->inputs, token, err);
}

static int open_keys(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	const struct ceremony_keys_options keys = {
		.plan = c->plan, .rehearsal = c->rehearsing, .pin = plan_pin, .argument = p
	};
	c->keys = ceremony_keys_open(&keys, err);
	return c->keys ? ceremony_look_ahead(c, err) : -1;
}

/* Who sits at the keyboard. */
static int ask_operator(struct ceremony *c, struct error *err)
{
	char answer[CEREMONY_ANSWER_MAX];
	auto_buf question = BUF_INIT;
	const struct ceremony_person *only = NULL;
	size_t count = 0;
	buf_add_text(&question, "Who is the operator at the keyboard?\n");
	for (size_t i = 0; i < c->plan->person_count; i++) {
		const struct ceremony_person *person = &c->plan->people[i];
		if (!(person->roles & 1U << CEREMONY_OPERATOR))
			continue;
		only = person;
		buf_printf(&question, "  %zu  %s\n", ++count, person->name);
	}
	c->operator= only ? only->name : "";
	if (count <= 1)
		return 0;
	buf_add_text(&question, "The number before the name: ");
	if (ceremony_terminal_ask(&c->terminal, buf_text(&question), answer, err))
		return -1;
	char *end = answer;
	unsigned long number = strtoul(answer, &end, 10);
	for (size_t i = 0; i < c->plan->person_count; i++)
		if ((c->plan->people[i].roles & 1U << CEREMONY_OPERATOR) && *end == '\0' && --number == 0) {
			c->operator= c->plan->people[i].name;
			return 0;
		}
	return err_set(err, ERR_CONFLICT, "\"%.40s\" is not the number of an operator", answer);
}

static void greet(const struct ceremony *c)
{
	auto_buf text = BUF_INIT;
	buf_printf(&text, "\n%s\n\nThe plan's SHA-256:\n\n", c->plan->title);
	ca_transcript_groups(c->plan->sha256, 4, &text);
	buf_u8(&text, '\n');
	ceremony_terminal_say(&c->terminal, buf_text(&text));
}

static int open_terminal(struct ceremony *c, struct error *err)
{
	if (c->rehearsing || !c->plan->attended)
		return 0;
	if (ceremony_terminal_open(&c->terminal, err))
		return -1;
	greet(c);
	return ask_operator(c, err);
}

static void say_closing(struct ceremony *c)
{
	auto_buf text = BUF_INIT;
	buf_add_text(&text, "\n---- The last step: the closing hash "
			    "-------------------------------------------\n"
			    "Read it aloud, and write it on paper: the transcript is verified with it.\n\n");
	ca_transcript_groups(ca_transcript_last(&c->folder.transcript)->hash, 4, &text);
	buf_u8(&text, '\n');
	ceremony_terminal_say(&c->terminal, buf_text(&text));
}

/* ---- the whole ---- */

static int write_rehearsal(struct ceremony *c, struct error *err)
{
	auto_buf text = BUF_INIT;
	uint8_t hash[32];
	char hex[65];
	if (ceremony_rehearsal_write(c->plan, &c->rehearsal, c->inputs, &text, err) ||
	    ceremony_folder_write(&c->folder, CEREMONY_REHEARSAL, buf_bytes(&text), err))
		return -1;
	sha256(text.data, text.len, hash);
	const char *const values[] = { "", CEREMONY_REHEARSAL, text_hex(BYTES(hash, 32), hex), "", "" };
	return ceremony_folder_line(&c->folder, TRANSCRIPT_RESULT, values, err);
}

static int work(struct preparation *p, struct error *err)
{
	struct ceremony *c = p->c;
	bool closed = false;
	if (check_now(c, err) || read_rehearsal(p, err) || hash_file("/proc/self/exe", p->program, err))
		return -1;
	c->known = ceremony_known_new(c->plan, c->inputs, err);
	if (!c->known || open_folder(p, err))
		return -1;
	/* A refused PIN, a key that is not there: found out before anything is written. */
	closed = ca_transcript_find(&c->folder.transcript, TRANSCRIPT_CLOSED, NULL, NULL) != NULL;
	if (!closed && (open_terminal(c, err) || open_keys(p, err)))
		return -1;
	if (!p->options->resume && ceremony_folder_begin(&c->folder, p->options->out, c->clock, err))
		return -1;
	if (!closed && (copy_files(p, err) || record_begun(p, err)))
		return -1;
	if (ceremony_do_steps(c, err) || (c->rehearsing && write_rehearsal(c, err)) ||
	    ceremony_close(c, p->options->attest, err))
		return -1;
	say_closing(c);
	return 0;
}

static int with_plan(const struct ceremony_run_options *options, const struct ceremony_plan *plan, uint8_t closing[32],
		     struct error *err)
{
	auto_free char *copy = strdup(options->plan);
	CLEANUP(ceremony_checked_clear) struct ceremony_checked checked = { .count = 0 };
	auto_ceremony c = CEREMONY_INIT;
	struct preparation p = { .options = options, .c = &c, .rehearsal = BUF_INIT };
	int64_t now_s = clock_now_ms(&options->clock) / 1000;
	const struct ceremony_check_options check = { .unattended_allowed = options->unattended_allowed,
						      .now_s = now_s };
	if (!copy)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (ceremony_check(plan, dirname(copy), &check, &checked, err) ||
	    ceremony_pin_check(plan, &checked.inputs, err))
		return -1;
	c.plan = plan;
	c.inputs = &checked.inputs;
	c.rehearsing = options->rehearsal == NULL;
	c.clock = options->clock;
	c.rehearsal_now_s = ceremony_plan_now(plan, now_s);
	text_hex(BYTES(plan->sha256, 32), p.plan);
	int result = work(&p, err);
	if (result == 0)
		memcpy(closing, ca_transcript_last(&c.folder.transcript)->hash, 32);
	buf_free(&p.rehearsal);
	return result;
}

int ceremony_run(const struct ceremony_run_options *options, uint8_t closing[32], struct error *err)
{
	auto_ceremony_plan *plan = ceremony_plan_load(options->plan, err);
	return plan ? with_plan(options, plan, closing, err) : -1;
}
