/* The steps of a plan, each held against the lines of the transcript and the file that it left. */
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "tools/ceremony_folder.h"
#include "tools/ceremony_made.h"
#include "tools/ceremony_verify_private.h"

/* The lines of one step. */
struct done {
	size_t place;
	const struct ceremony_step *step;
	const struct ca_transcript_line *intent, *confirmed, *result;
};

static int take_line(const struct ca_transcript_line *line, struct done *d, struct error *err)
{
	switch (line->event) {
	case TRANSCRIPT_INTENT:
		if (d->intent)
			return verify_wrong(err, line, "the step %s is begun a second time", d->step->name);
		d->intent = line;
		return 0;
	case TRANSCRIPT_CONFIRMED:
		if (!d->intent)
			return verify_wrong(err, line, "the step %s is confirmed before it is begun", d->step->name);
		d->confirmed = line;
		return 0;
	default:
		if (!d->intent)
			return verify_wrong(err, line, "the step %s is done, and was never begun", d->step->name);
		d->result = line;
		return 0;
	}
}

/* Takes the lines from *at on, up to the step's result. */
static int find_lines(const struct ca_transcript *t, size_t *at, struct done *d, struct error *err)
{
	for (; *at < t->count && !d->result; (*at)++) {
		const struct ca_transcript_line *line = &t->lines[*at];
		if (line->event != TRANSCRIPT_INTENT && line->event != TRANSCRIPT_CONFIRMED &&
		    line->event != TRANSCRIPT_RESULT)
			continue;
		if (strcmp(ca_transcript_value(line, "step"), d->step->name) != 0)
			return verify_wrong(err, line, "step \"%s\" stands where the plan has \"%s\"",
					    ca_transcript_value(line, "step"), d->step->name);
		if (take_line(line, d, err))
			return -1;
	}
	return d->result ? 0 : verify_wrong(err, NULL, "the step %s of the plan was not done", d->step->name);
}

static bool is_operator(const struct ceremony_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->person_count; i++)
		if (strcmp(plan->people[i].name, name) == 0)
			return (plan->people[i].roles & 1U << CEREMONY_OPERATOR) != 0;
	return false;
}

static int check_circumstances(const struct ceremony_plan *plan, const struct done *d, struct error *err)
{
	char place[48];
	(void)snprintf(place, sizeof(place), "%zu of %zu", d->place + 1, plan->step_count);
	if (strcmp(ca_transcript_value(d->intent, "kind"), ceremony_kind_name(d->step->kind)) != 0 ||
	    strcmp(ca_transcript_value(d->intent, "place"), place) != 0)
		return verify_wrong(err, d->intent, "kind and place are not the plan's of step %s", d->step->name);
	if (d->intent->time_s < plan->window_from_s || d->intent->time_s > plan->window_to_s)
		return verify_wrong(err, d->intent, "the time is outside the plan's window");
	if (plan->attended && d->step->kind != CEREMONY_COMPARE) {
		/* What was found complete after an interruption was confirmed before it. */
		if (!d->confirmed)
			return verify_wrong(err, d->result, "the step %s was done unconfirmed", d->step->name);
		if (!is_operator(plan, ca_transcript_value(d->confirmed, "by")))
			return verify_wrong(err, d->confirmed, "who confirmed is no operator of the plan");
	}
	return 0;
}

/* ---- what a step has left ---- */

static int verify_key(struct verification *w, const struct done *d, struct error *err)
{
	auto_buf spki = BUF_INIT;
	struct ca_key key;
	if (strcmp(ca_transcript_value(d->intent, "key"), d->step->key) != 0)
		return verify_wrong(err, d->intent, "the key is not the plan's");
	if (text_parse_base64(bytes_of(ca_transcript_value(d->result, "spki")), false, &spki, err) ||
	    ca_key_parse(buf_bytes(&spki), &key, err) ||
	    ceremony_known_add_key(w->v->known, d->step->key, buf_bytes(&spki), err))
		return verify_wrap(err, d->result, "the public key");
	if (key.type != d->step->type || key.bits != d->step->bits)
		return verify_wrong(err, d->result, "the key is not of the type that the plan asks for");
	return 0;
}

static int check_draft(const struct verification *w, const struct done *d, const struct ceremony_draft *draft,
		       struct error *err)
{
	struct ceremony_match match;
	uint8_t hash[32];
	char hex[65];
	sha256(draft->tbs.data, draft->tbs.len, hash);
	text_hex(BYTES(hash, sizeof(hash)), hex);
	if (strcmp(ca_transcript_value(d->intent, "sha256"), hex) != 0 ||
	    strcmp(ca_transcript_value(d->intent, "key"), draft->signer) != 0)
		return verify_wrong(err, d->intent, "what was to be signed is not what plan and rehearsal come to");
	if (d->confirmed && strncmp(ca_transcript_value(d->confirmed, "typed"), hex, 4) != 0)
		return verify_wrong(err, d->confirmed, "what was typed is not the hash of what was to be signed");
	if (ceremony_draft_match(w->v->plan, d->place, w->rehearsed, buf_bytes(&w->rehearsal.steps[d->place].tbs),
				 w->v->known, buf_bytes(&draft->tbs), &match, err))
		return verify_wrap(err, d->intent, "it is not what was rehearsed");
	return 0;
}

static int verify_signed(struct verification *w, const struct done *d, struct error *err)
{
	const struct ceremony_plan *plan = w->v->plan;
	auto_ceremony_draft draft = { .signer = NULL };
	auto_buf file = BUF_INIT, der = BUF_INIT;
	char output[70], name[80];
	(void)snprintf(name, sizeof(name), "out/%s", ceremony_step_output(d->step, output));
	if (strcmp(ca_transcript_value(d->result, "file"), name) != 0)
		return verify_wrong(err, d->result, "the step %s leaves the file %s", d->step->name, name);
	if (ceremony_draft_build(plan, d->place, w->v->known, &w->rehearsal.steps[d->place].fixed, &draft, err))
		return verify_wrap(err, d->intent, "the plan");
	if (check_draft(w, d, &draft, err) ||
	    verify_file(w, d->result, name, ca_transcript_value(d->result, "sha256"), &file, err))
		return -1;
	const struct ceremony_made made = { .plan = plan,
					    .step = d->place,
					    .known = w->v->known,
					    .draft = &draft,
					    .signer = draft.signer_spki,
					    .when_s = d->intent->time_s,
					    .chain = true };
	if (ceremony_made_read(d->step, buf_bytes(&file), &der, err) ||
	    ceremony_made_check(&made, buf_bytes(&der), err) ||
	    (ceremony_kind_certifies(d->step->kind) &&
	     ceremony_known_add_certificate(w->v->known, d->step->name, buf_bytes(&der), err)))
		return verify_wrap(err, d->result, name);
	w->v->made[d->place] = der;
	der = BUF_INIT;
	return 0;
}

static int verify_step(struct verification *w, const struct done *d, struct error *err)
{
	if (check_circumstances(w->v->plan, d, err))
		return -1;
	if (ceremony_kind_signs(d->step->kind))
		return verify_signed(w, d, err);
	if (ca_transcript_value(d->result, "file")[0] || ca_transcript_value(d->intent, "sha256")[0])
		return verify_wrong(err, d->result, "the step %s signs nothing, and leaves no file", d->step->name);
	if (d->step->kind == CEREMONY_KEY)
		return verify_key(w, d, err);
	return strcmp(ca_transcript_value(d->intent, "key"), d->step->key) == 0
		       ? 0
		       : verify_wrong(err, d->intent, "the key is not the plan's");
}

int verify_steps(struct verification *w, struct error *err)
{
	const struct ca_transcript *t = &w->v->transcript;
	size_t at = 0;
	for (size_t i = 0; i < w->v->plan->step_count; i++) {
		struct done d = { .place = i, .step = &w->v->plan->steps[i] };
		if (find_lines(t, &at, &d, err) || verify_step(w, &d, err))
			return -1;
	}
	for (; at < t->count; at++)
		if (t->lines[at].event == TRANSCRIPT_INTENT || t->lines[at].event == TRANSCRIPT_RESULT ||
		    t->lines[at].event == TRANSCRIPT_CONFIRMED)
			return verify_wrong(err, &t->lines[at], "the plan has no such step");
	return 0;
}
