#include "tools/ceremony_engine.h"

#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "hsm/uri.h"
#include "tools/ceremony_made.h"
#include "tools/ceremony_show.h"

void ceremony_clear(struct ceremony *c)
{
	ceremony_keys_close(c->keys);
	ceremony_known_free(c->known);
	ceremony_known_free(c->rehearsed);
	ceremony_rehearsal_free(&c->rehearsal);
	ceremony_folder_close(&c->folder);
	ceremony_terminal_close(&c->terminal);
}

/* The time of signing: a rehearsal before the day is as one at the window's start. */
static int64_t when_s(const struct ceremony *c)
{
	return c->rehearsing ? c->rehearsal_now_s : clock_now_ms(&c->clock) / 1000;
}

static const struct ca_transcript_line *line_of(const struct ceremony *c, enum ca_transcript_event event,
						const struct ceremony_step *step)
{
	return ca_transcript_find(&c->folder.transcript, event, "step", step->name);
}

/* The result of a step, with the public key (or none) and a remark. */
static int record_result(struct ceremony *c, const struct ceremony_step *step, const char *file, struct bytes content,
			 struct bytes spki, const char *note, struct error *err)
{
	uint8_t hash[32];
	char hex[65] = "";
	auto_buf key = BUF_INIT;
	text_add_base64(&key, spki);
	if (file[0]) {
		sha256(content.data, content.len, hash);
		text_hex(BYTES(hash, sizeof(hash)), hex);
	}
	const char *const values[] = { step->name, file, hex, buf_text(&key), note };
	return ceremony_folder_line(&c->folder, TRANSCRIPT_RESULT, values, err);
}

/* ---- before a step: what it will do, on the screen and on disk, and a word typed by the operator ---- */

struct intent {
	size_t place; /* of the step in the plan */
	const struct ceremony_step *step;
	const struct ceremony_draft *draft;
	const char *key;
	const char *more;     /* besides what the step does; or "" */
	const char *question; /* NULL: nothing is asked */
	const char *word;
	char first[5]; /* of the hash, for word */
};

static int check_window(const struct ceremony *c, struct error *err)
{
	int64_t now_s = clock_now_ms(&c->clock) / 1000;
	char now[CLOCK_TEXT_SIZE], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	if (c->rehearsing || (now_s >= c->plan->window_from_s && now_s <= c->plan->window_to_s))
		return 0;
	return err_set(err, ERR_CONFLICT, "the clock says %s, outside the plan's window from %s to %s",
		       clock_rfc3339(now_s, now), clock_rfc3339(c->plan->window_from_s, from),
		       clock_rfc3339(c->plan->window_to_s, to));
}

static int record_intent(struct ceremony *c, const struct intent *i, const char *hash, struct buf *what,
			 struct error *err)
{
	char place[48];
	const struct ca_transcript_line *before = line_of(c, TRANSCRIPT_INTENT, i->step);
	(void)snprintf(place, sizeof(place), "%zu of %zu", i->place + 1, c->plan->step_count);
	const char *const values[] = { i->step->name,  place,  ceremony_kind_name(i->step->kind),
				       buf_text(what), i->key, hash };
	if (!before)
		return ceremony_folder_line(&c->folder, TRANSCRIPT_INTENT, values, err);
	if (strcmp(ca_transcript_value(before, "sha256"), hash) != 0)
		return err_set(err, ERR_INTEGRITY,
			       "step %s was begun with other bytes to be signed (line %llu of the transcript)",
			       i->step->name, (unsigned long long)before->number);
	return 0;
}

static void show(struct ceremony *c, const struct intent *i, const uint8_t hash[32], struct buf *what)
{
	auto_buf text = BUF_INIT;
	buf_printf(&text, "\n---- Step %zu of %zu: %s ", i->place + 1, c->plan->step_count, i->step->name);
	while (text.len < 80)
		buf_u8(&text, '-');
	buf_printf(&text, "\n%s%s", buf_text(what), i->more);
	if (i->draft) {
		buf_add_text(&text, "\nThe SHA-256 of what will be signed, to be read aloud:\n\n");
		ca_transcript_groups(hash, 4, &text);
	}
	buf_u8(&text, '\n');
	ceremony_terminal_say(&c->terminal, buf_text(&text));
}

static int confirm(struct ceremony *c, const struct intent *i, struct error *err)
{
	if (c->terminal.fd < 0 || !i->question)
		return 0;
	if (ceremony_terminal_confirm(&c->terminal, i->question, i->word, err))
		return -1;
	const char *const values[] = { i->step->name, c->operator, i->word };
	return ceremony_folder_line(&c->folder, TRANSCRIPT_CONFIRMED, values, err);
}

static int intend(struct ceremony *c, struct intent *i, struct error *err)
{
	auto_buf what = BUF_INIT;
	uint8_t hash[32];
	char hex[65] = "";
	if (check_window(c, err) || ceremony_show_step(i->step, i->draft, &what, err))
		return -1;
	if (i->draft) {
		sha256(i->draft->tbs.data, i->draft->tbs.len, hash);
		(void)snprintf(i->first, sizeof(i->first), "%.4s", text_hex(BYTES(hash, sizeof(hash)), hex));
		i->question = "To sign it, the operator types the first four of them: ";
		i->word = i->first;
	}
	if (record_intent(c, i, hex, &what, err))
		return -1;
	show(c, i, hash, &what);
	/* Whoever thinks long may find the window over. */
	return confirm(c, i, err) || check_window(c, err) ? -1 : 0;
}

/* ---- a key is made ---- */

static int take_key(struct ceremony *c, size_t place, struct bytes spki, struct error *err)
{
	if (c->rehearsing)
		buf_add_bytes(&c->rehearsal.steps[place].spki, spki);
	return ceremony_known_add_key(c->known, c->plan->steps[place].key, spki, err);
}

static struct hsm_key *made_before(struct ceremony *c, const struct ceremony_step *step, struct error *err)
{
	struct error missing = ERR_INIT;
	struct hsm_key *key = ceremony_keys_find(c->keys, step->key, &missing);
	if (!key && missing.code != ERR_NOT_FOUND)
		*err = missing;
	return key;
}

static int do_key(struct ceremony *c, size_t place, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	bool interrupted = line_of(c, TRANSCRIPT_INTENT, step) != NULL;
	struct intent i = { .place = place,
			    .step = step,
			    .key = step->key,
			    .more = "",
			    .question = "To have the key made, the operator types the name of the step: ",
			    .word = step->name };
	if (intend(c, &i, err))
		return -1;
	struct error looking = ERR_INIT;
	auto_hsm_key *key = interrupted ? made_before(c, step, &looking) : NULL;
	bool was_there = key != NULL;
	if (looking.code != ERR_NONE) {
		*err = looking;
		return -1;
	}
	if (key ? ceremony_keys_check(c->keys, step, key, err) : !(key = ceremony_keys_make(c->keys, step, err)))
		return -1;
	struct bytes spki = hsm_key_spki(key);
	return take_key(c, place, spki, err) ||
			       record_result(c, step, "", BYTES_NONE, spki,
					     was_there ? "made before the interruption, and found again" : "", err)
		       ? -1
		       : 0;
}

/* ---- something is signed ---- */

static int check_key(const struct ceremony *c, const char *uri, struct bytes expected, const struct hsm_key *key,
		     struct error *err)
{
	if (c->rehearsing || expected.len == 0 || bytes_equal(expected, hsm_key_spki(key)))
		return 0;
	return err_set(err, ERR_INTEGRITY, "the token has another key under the name %s than its certificate", uri);
}

/* What a stand-in has signed has no chain, and its own key. */
static int check_made(const struct ceremony *c, size_t place, const struct ceremony_draft *draft, struct bytes signer,
		      const struct buf *der, struct error *err)
{
	const struct ceremony_made made = { .plan = c->plan,
					    .step = place,
					    .known = c->known,
					    .draft = draft,
					    .signer = signer,
					    .when_s = when_s(c),
					    .chain = !c->rehearsing };
	return ceremony_made_check(&made, buf_bytes(der), err);
}

static int sign(struct ceremony *c, size_t place, const struct ceremony_draft *draft, struct buf *der,
		struct error *err)
{
	auto_buf signature = BUF_INIT;
	auto_hsm_key *key = ceremony_keys_find(c->keys, draft->signer, err);
	if (!key || check_key(c, draft->signer, draft->signer_spki, key, err) ||
	    ceremony_keys_sign(c->keys, key, buf_bytes(&draft->tbs), &signature, err) ||
	    ceremony_made_assemble(draft, buf_bytes(&signature), der, err))
		return -1;
	return check_made(c, place, draft, c->rehearsing ? hsm_key_spki(key) : draft->signer_spki, der, err);
}

static void name_output(const struct ceremony_step *step, char name[80])
{
	char output[70];
	(void)snprintf(name, 80, "out/%s", ceremony_step_output(step, output));
}

static int keep(struct ceremony *c, size_t place, struct bytes der, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	return ceremony_kind_certifies(step->kind) ? ceremony_known_add_certificate(c->known, step->name, der, err) : 0;
}

/* A file that is there without a result was complete before the interruption. */
static int written_before(struct ceremony *c, size_t place, const struct ceremony_draft *draft, const char *name,
			  struct buf *file, struct buf *der, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	struct error missing = ERR_INIT;
	if (ceremony_folder_read(&c->folder, name, file, &missing)) {
		if (missing.code == ERR_NOT_FOUND)
			return 0;
		*err = missing;
		return -1;
	}
	if (ceremony_made_read(step, buf_bytes(file), der, err) ||
	    check_made(c, place, draft, draft->signer_spki, der, err))
		return err_wrap(err, err->code, "%s, which is there already: %s", name, err->message);
	return 1;
}

static int draft_step(struct ceremony *c, size_t place, struct ceremony_draft *draft, struct buf *more,
		      struct error *err)
{
	struct ceremony_rehearsed *r = &c->rehearsal.steps[place];
	struct ceremony_match match;
	if (c->rehearsing && ceremony_fix(c->plan, place, c->known, c->rehearsal_now_s, &r->fixed, err))
		return -1;
	if (ceremony_draft_build(c->plan, place, c->known, &r->fixed, draft, err) ||
	    ceremony_draft_lint(c->plan, place, c->known, buf_bytes(&draft->tbs), when_s(c), err))
		return -1;
	if (c->rehearsing) {
		buf_add_bytes(&r->tbs, buf_bytes(&draft->tbs));
		return 0;
	}
	if (ceremony_draft_match(c->plan, place, c->rehearsed, buf_bytes(&r->tbs), c->known, buf_bytes(&draft->tbs),
				 &match, err))
		return err_wrap(err, err->code, "step %s is not what was rehearsed, and is not signed: %s",
				c->plan->steps[place].name, err->message);
	buf_u8(more, '\n');
	ceremony_show_match(&match, more);
	return 0;
}

static int do_sign(struct ceremony *c, size_t place, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	auto_ceremony_draft draft = { .signer = NULL };
	auto_buf more = BUF_INIT, der = BUF_INIT, file = BUF_INIT;
	char name[80];
	name_output(step, name);
	if (draft_step(c, place, &draft, &more, err))
		return -1;
	int there = line_of(c, TRANSCRIPT_INTENT, step) ? written_before(c, place, &draft, name, &file, &der, err) : 0;
	struct intent i = {
		.place = place, .step = step, .draft = &draft, .key = draft.signer, .more = buf_text(&more)
	};
	if (there < 0)
		return -1;
	if (!there && (intend(c, &i, err) || sign(c, place, &draft, &der, err) ||
		       ceremony_made_file(step, buf_bytes(&der), &file, err) ||
		       ceremony_folder_write(&c->folder, name, buf_bytes(&file), err)))
		return -1;
	return record_result(c, step, name, buf_bytes(&file), BYTES_NONE,
			     there ? "written before the interruption" : "", err) ||
			       keep(c, place, buf_bytes(&der), err)
		       ? -1
		       : 0;
}

/* ---- a key is destroyed, or compared ---- */

static const char *label_of(const char *key, struct hsm_uri *uri)
{
	struct error ignored = ERR_INIT;
	return hsm_uri_parse(key, uri, &ignored) == 0 && (uri->parts & HSM_URI_OBJECT) ? uri->object : "destroy";
}

static int do_destroy(struct ceremony *c, size_t place, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	struct error missing = ERR_INIT;
	struct hsm_uri uri;
	bool interrupted = line_of(c, TRANSCRIPT_INTENT, step) != NULL;
	auto_hsm_key *key = ceremony_keys_find(c->keys, step->key, &missing);
	if (!key && interrupted && missing.code == ERR_NOT_FOUND)
		return record_result(c, step, "", BYTES_NONE, BYTES_NONE, "destroyed before the interruption", err);
	if (!key) {
		*err = missing;
		return -1;
	}
	struct intent i = { .place = place,
			    .step = step,
			    .key = step->key,
			    .more = "\nWhat it has signed stays; it will sign nothing any more.\n",
			    .question = "To destroy it, the operator types its label: ",
			    .word = label_of(step->key, &uri) };
	if (check_key(c, step->key, ceremony_known_key(c->known, step->key), key, err) || intend(c, &i, err) ||
	    hsm_key_destroy(key, err))
		return -1;
	return record_result(c, step, "", BYTES_NONE, BYTES_NONE, "", err);
}

static int compare(struct ceremony *c, const struct ceremony_step *step, struct buf *spki, struct error *err)
{
	/* A backup that was just restored by other means is seen by a module that begins anew. */
	ceremony_keys_pause(c->keys);
	if (ceremony_keys_again(c->keys, err))
		return -1;
	auto_hsm_key *key = ceremony_keys_find(c->keys, step->key, err);
	if (!key || check_key(c, step->key, ceremony_known_key(c->known, step->key), key, err))
		return -1;
	buf_add_bytes(spki, hsm_key_spki(key));
	if (c->rehearsing)
		return 0;
	auto_hsm_key *backup = ceremony_keys_find(c->keys, step->backup, err);
	if (!backup)
		return -1;
	if (!bytes_equal(hsm_key_spki(key), hsm_key_spki(backup)))
		return err_set(err, ERR_INTEGRITY, "the key %s is not a backup of %s: its public half is another",
			       step->backup, step->key);
	return 0;
}

static int do_compare(struct ceremony *c, size_t place, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	struct intent i = { .place = place, .step = step, .key = step->key, .more = "" };
	auto_buf spki = BUF_INIT;
	if (intend(c, &i, err) || compare(c, step, &spki, err))
		return -1;
	return record_result(c, step, "", BYTES_NONE, buf_bytes(&spki), "the public halves are the same", err);
}

/* ---- a step that has its result already ---- */

static int take_result(struct ceremony *c, size_t place, const struct ca_transcript_line *line, struct error *err)
{
	const struct ceremony_step *step = &c->plan->steps[place];
	auto_buf spki = BUF_INIT, file = BUF_INIT, der = BUF_INIT, more = BUF_INIT;
	auto_ceremony_draft draft = { .signer = NULL };
	char name[80];
	if (step->kind == CEREMONY_KEY)
		return text_parse_base64(bytes_of(ca_transcript_value(line, "spki")), false, &spki, err) ||
				       take_key(c, place, buf_bytes(&spki), err)
			       ? -1
			       : 0;
	if (!ceremony_kind_signs(step->kind))
		return 0;
	name_output(step, name);
	int there = draft_step(c, place, &draft, &more, err) ? -1
							     : written_before(c, place, &draft, name, &file, &der, err);
	if (there == 0)
		return err_set(err, ERR_INTEGRITY, "%s is there no more, though step %s made it (line %llu)", name,
			       step->name, (unsigned long long)line->number);
	return there < 0 ? -1 : keep(c, place, buf_bytes(&der), err);
}

static int do_step(struct ceremony *c, size_t place, struct error *err)
{
	const struct ca_transcript_line *done = line_of(c, TRANSCRIPT_RESULT, &c->plan->steps[place]);
	if (done)
		return take_result(c, place, done, err);
	switch (c->plan->steps[place].kind) {
	case CEREMONY_KEY:
		return do_key(c, place, err);
	case CEREMONY_DESTROY:
		return do_destroy(c, place, err);
	case CEREMONY_COMPARE:
		return do_compare(c, place, err);
	default:
		return do_sign(c, place, err);
	}
}

int ceremony_do_steps(struct ceremony *c, struct error *err)
{
	for (size_t i = 0; i < c->plan->step_count; i++)
		if (do_step(c, i, err))
			return -1;
	return 0;
}

/* ---- looking ahead ---- */

static int must_be_free(struct ceremony *c, const struct ceremony_step *step, struct error *err)
{
	struct error missing = ERR_INIT;
	auto_hsm_key *key = ceremony_keys_find(c->keys, step->key, &missing);
	if (key || missing.code == ERR_CONFIG)
		return err_set(err, ERR_CONFLICT, "there is a key already where step %s should make one: %s",
			       step->name, step->key);
	if (missing.code != ERR_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	return 0;
}

static int must_be_there(struct ceremony *c, const char *uri, struct error *err)
{
	struct bytes spki = ceremony_known_key(c->known, uri);
	if (c->rehearsing)
		return ceremony_keys_stand_in(c->keys, uri, spki, err);
	auto_hsm_key *key = ceremony_keys_find(c->keys, uri, err);
	return key ? check_key(c, uri, spki, key, err) : -1;
}

int ceremony_look_ahead(struct ceremony *c, struct error *err)
{
	for (size_t i = 0; i < c->plan->step_count; i++) {
		const struct ceremony_step *step = &c->plan->steps[i];
		const char *uri = step->kind == CEREMONY_DESTROY || step->kind == CEREMONY_COMPARE
					  ? step->key
					  : ceremony_step_signer(c->plan, step);
		if (line_of(c, TRANSCRIPT_RESULT, step) || line_of(c, TRANSCRIPT_INTENT, step))
			continue;
		if (step->kind == CEREMONY_KEY) {
			if (must_be_free(c, step, err))
				return -1;
		} else if (uri && ceremony_plan_key_step(c->plan, uri) == CEREMONY_NOWHERE &&
			   must_be_there(c, uri, err)) {
			return -1;
		}
	}
	return 0;
}
