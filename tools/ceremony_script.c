#include "tools/ceremony_script.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/ceremony_pin.h"
#include "ca-core/key.h"
#include "ca-core/lint.h"

/* ---- putting together ---- */

struct script {
	const struct ceremony_plan *plan;
	const struct ceremony_checked *checked;
	json_t *items; /* borrowed */
	json_t *lines; /* of the newest item; borrowed */
};

/* A new numbered item. */
__attribute__((format(printf, 3, 4))) static void begin(struct script *s, const char *step, const char *fmt, ...)
{
	auto_buf title = BUF_INIT;
	char text[512];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	output_add_safe(&title, text, false);
	s->lines = json_array();
	(void)json_array_append_new(s->items,
				    json_pack("{s:I,s:s,s:s,s:o}", "number", (json_int_t)json_array_size(s->items) + 1,
					      "step", step, "title", buf_text(&title), "lines", s->lines));
}

/* Who does it (or what it is: "Screen", "Write"), and what. */
__attribute__((format(printf, 3, 4))) static void say(struct script *s, const char *who, const char *fmt, ...)
{
	auto_buf line = BUF_INIT;
	char text[2048];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	output_add_safe(&line, text, false);
	(void)json_array_append_new(s->lines, json_pack("{s:s,s:s}", "who", who, "text", buf_text(&line)));
}

static void say_groups(struct script *s, const char *who, const char *what, struct bytes hash)
{
	char hex[65];
	(void)json_array_append_new(s->lines, json_pack("{s:s,s:s,s:s}", "who", who, "text", what, "sha256",
							text_hex(hash, hex)));
}

/* ---- words ---- */

static const char *type_of(const struct ceremony_step *step, char out[32])
{
	const struct ca_key key = { .type = step->type, .bits = step->bits };
	return ca_key_describe(&key, out);
}

static const char *kind_of_certificate(const struct ceremony_step *step, const struct ca_profile *p)
{
	if (step->of[0])
		return "a cross-certificate: who trusts the one CA will trust the other";
	switch (p->kind) {
	case CA_KIND_ROOT:
		return "a root certificate, signed by its own key";
	case CA_KIND_INTERMEDIATE:
		return "the certificate of an intermediate, which signs certificates for others";
	case CA_KIND_OCSP:
		return "the certificate of an OCSP responder, which tells who was revoked";
	default:
		return "the certificate of the audit log's key";
	}
}

static void say_times(struct script *s, const struct ceremony_step *step, const struct ceremony_fixed *fixed)
{
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	bool now = !step->not_before.given || step->not_before.now;
	(void)clock_rfc3339(fixed->not_before_s, from);
	(void)clock_rfc3339(fixed->not_after_s, to);
	if (now)
		say(s, "Screen",
		    "It is valid from the moment that the rehearsal has fixed, to %s%s (as the rehearsal has it).",
		    step->not_after.given ? "" : "about ", to);
	else
		say(s, "Screen", "It is valid from %s to %s.", from, to);
}

/* ---- the steps ---- */

static void add_confirmation(struct script *s)
{
	say_groups(s, "Write", "SHA-256 of what is signed, as the screen shows it:", BYTES_NONE);
	say(s, "Witnesses",
	    "compare what the screen shows with this sheet, and hear each difference from the rehearsal.");
	say(s, "Operator", "reads the first group aloud and, when nobody objects, types it.");
	say(s, "Screen", "\"signed\", and the name and SHA-256 of the file in out/.");
}

static void add_certificate(struct script *s, size_t at)
{
	const struct ceremony_step *step = &s->plan->steps[at];
	const struct ca_profile *p = ceremony_step_profile(s->plan, step);
	struct ca_certificate_facts facts;
	struct error ignored = ERR_INIT;
	auto_buf subject = BUF_INIT;
	char output[70], hex[41] = "";
	begin(s, step->name, "%s: %s", step->name, kind_of_certificate(step, p));
	if (ca_tbs_read(buf_bytes(&s->checked->drafts[at].tbs), &facts, &ignored) == 0)
		(void)ca_subject_text(facts.subject, &subject, &ignored);
	say(s, "Screen", "It is for: %s", buf_text(&subject));
	if (step->kind == CEREMONY_ROOT)
		say(s, "Screen", "Its key, which signs it: %s", step->key);
	else if (step->of[0])
		say(s, "Screen", "It certifies the key and name of \"%s\".", step->of);
	else if (step->csr[0])
		say_groups(s, "Screen", "Its key comes from the request whose file has the SHA-256:",
			   BYTES(step->csr_sha256, sizeof(step->csr_sha256)));
	else
		say(s, "Screen", "Its key: %s", step->key);
	if (step->issuer[0])
		say(s, "Screen", "\"%s\" signs it, with the key %s", step->issuer, ceremony_step_signer(s->plan, step));
	say_times(s, step, &s->checked->fixed[at]);
	if (step->serial_len)
		say(s, "Screen", "Its serial number: %s", text_hex(BYTES(step->serial, step->serial_len), hex));
	else
		say(s, "Screen", "Its serial number is the one that the rehearsal has drawn.");
	add_confirmation(s);
	say(s, "Result", "out/%s", ceremony_step_output(step, output));
}

static void add_list(struct script *s, size_t at)
{
	const struct ceremony_step *step = &s->plan->steps[at];
	const struct ceremony_fixed *fixed = &s->checked->fixed[at];
	char output[70], hex[41], when[CLOCK_TEXT_SIZE];
	begin(s, step->name, "%s: the revocation list of \"%s\"", step->name, step->issuer);
	if (step->number)
		say(s, "Screen", "Its number is %llu.", (unsigned long long)step->number);
	else
		say(s, "Screen", "Its number is the one that the rehearsal has fixed.");
	say(s, "Screen", "The next one is due %u days later%s%s.", step->days,
	    step->not_before.given && !step->not_before.now ? " than " : "",
	    step->not_before.given && !step->not_before.now ? clock_rfc3339(fixed->this_update_s, when) : "");
	if (step->revoked_count == 0)
		say(s, "Screen", "It revokes nothing.");
	for (size_t i = 0; i < step->revoked_count; i++) {
		const struct ceremony_revoked *r = &step->revoked[i];
		say(s, "Screen", "It revokes serial number %s, as of %s.",
		    text_hex(BYTES(r->serial, r->serial_len), hex), clock_rfc3339(r->revoked_s, when));
	}
	say(s, "Screen", "The key that signs it: %s", ceremony_step_signer(s->plan, step));
	add_confirmation(s);
	say(s, "Result", "out/%s", ceremony_step_output(step, output));
}

static void add_key(struct script *s, const struct ceremony_step *step)
{
	char type[32];
	begin(s, step->name, "%s: a new key (%s)", step->name, type_of(step, type));
	say(s, "Screen", "The key that will be made: %s. There must be none of this name yet.", step->key);
	say(s, "Operator", "types the word that the screen asks for.");
	say_groups(s, "Write", "SHA-256 of the public key, as the screen shows it:", BYTES_NONE);
}

static void add_destroy(struct script *s, const struct ceremony_step *step)
{
	begin(s, step->name, "%s: a key is destroyed. Nothing brings it back", step->name);
	say(s, "Screen", "The key: %s", step->key);
	say(s, "Witnesses", "compare the key's name with this sheet, and its public key with that of its certificate.");
	say(s, "Operator", "types the word that the screen asks for.");
	say(s, "Screen", "\"destroyed\": the token has no such key any more.");
}

static void add_compare(struct script *s, const struct ceremony_step *step)
{
	begin(s, step->name, "%s: a backup is compared by its public half", step->name);
	say(s, "Screen", "The key: %s", step->key);
	say(s, "Screen", "The backup: %s", step->backup);
	say(s, "Screen", "\"the same\", and the SHA-256 of both public keys. Anything else ends the ceremony.");
}

static void add_step(struct script *s, size_t at)
{
	const struct ceremony_step *step = &s->plan->steps[at];
	switch (step->kind) {
	case CEREMONY_KEY:
		add_key(s, step);
		break;
	case CEREMONY_CRL:
		add_list(s, at);
		break;
	case CEREMONY_DESTROY:
		add_destroy(s, step);
		break;
	case CEREMONY_COMPARE:
		add_compare(s, step);
		break;
	default:
		add_certificate(s, at);
		break;
	}
}

/* ---- before and behind them ---- */

/* What the custodians do, as far as the sheet tells. */
static void add_custodians(struct script *s, const struct ceremony_token *t)
{
	struct shares_sheet sheet;
	struct error none = ERR_INIT;
	char id[SHARES_ID_LEN + 2];
	for (size_t i = 0; i < s->plan->person_count; i++)
		if (s->plan->people[i].roles >> CEREMONY_CUSTODIAN & 1)
			say(s, "Custodian", "%s brings a share of its PIN, sealed.", s->plan->people[i].name);
	if (ceremony_pin_sheet(s->plan, &s->checked->inputs, t, &sheet, &none) == 0)
		say(s, "Screen", "%u of the %u shares of split %s are needed.", sheet.threshold, sheet.count,
		    shares_id_text(sheet.split, id));
	say(s, "Custodians", "type their shares, one after the other, each unseen by the others.");
	say(s, "Screen", "A share that is wrong, or of another split, is named and asked for again; no PIN is tried.");
}

static void add_beginning(struct script *s)
{
	const struct ceremony_plan *plan = s->plan;
	begin(s, "", "The plan is the one that was agreed");
	say(s, "Operator", "starts the run with the plan and the folder of its rehearsal.");
	say_groups(s, "Screen", "The SHA-256 of the plan. One reads it aloud, the others compare:",
		   BYTES(plan->sha256, sizeof(plan->sha256)));
	begin(s, "", "The machine and its clock");
	say(s, "Witnesses", "see that no network is connected, and compare the clock on the screen with their own.");
	say_groups(s, "Write", "SHA-256 of the program, as the screen shows it:", BYTES_NONE);
	for (size_t i = 0; i < plan->token_count; i++) {
		const struct ceremony_token *t = &plan->tokens[i];
		begin(s, "", "Token \"%s\"", t->label);
		say(s, "Screen", "Module %s; the token's label, serial number and model.", t->module);
		if (t->pin == CEREMONY_PIN_SHARES)
			add_custodians(s, t);
		else if (t->pin == CEREMONY_PIN_PROMPT)
			say(s, "Operator", "types the PIN, unseen. A wrong one is tried once, and ends the run.");
		else
			say(s, "Operator", "has given the PIN on file descriptor %d.", t->pin_fd);
	}
}

static void add_end(struct script *s)
{
	static const char *const plurals[CEREMONY_ROLES] = { "operators", "custodians", "witnesses", "auditors" };
	const struct ceremony_plan *plan = s->plan;
	for (unsigned role = 0; role < CEREMONY_ROLES; role++) {
		if (!plan->attest[role])
			continue;
		begin(s, "", "Attestations: %u of the %s", plan->attest[role], plurals[role]);
		for (size_t i = 0; i < plan->person_count; i++)
			if ((plan->people[i].roles >> role & 1) && plan->people[i].certificate[0])
				say(s, "May sign", "%s, with the key of %s", plan->people[i].name,
				    plan->people[i].certificate);
		say(s, "Screen", "What is attested: this plan, and the hash of the transcript so far.");
	}
	begin(s, "", "The closing hash");
	say(s, "Operator", "reads the closing hash aloud from the screen; everybody writes it on their own sheet.");
	say_groups(s, "Write", "Closing hash:", BYTES_NONE);
	say(s, "Everybody", "signs the sheets, and keeps their own: who has the hash can prove the day.");
}

/* ---- the whole ---- */

static json_t *people_json(const struct ceremony_plan *plan)
{
	json_t *people = json_array();
	for (size_t i = 0; i < plan->person_count; i++) {
		json_t *roles = json_array();
		for (unsigned role = 0; role < CEREMONY_ROLES; role++)
			if (plan->people[i].roles >> role & 1)
				(void)json_array_append_new(roles,
							    json_string(ceremony_role_name((enum ceremony_role)role)));
		(void)json_array_append_new(people,
					    json_pack("{s:s,s:o}", "name", plan->people[i].name, "roles", roles));
	}
	return people;
}

static json_t *tokens_json(const struct ceremony_plan *plan)
{
	json_t *tokens = json_array();
	for (size_t i = 0; i < plan->token_count; i++)
		(void)json_array_append_new(tokens, json_pack("{s:s,s:s,s:s}", "uri", plan->tokens[i].uri, "module",
							      plan->tokens[i].module, "pin",
							      ceremony_pin_name(&plan->tokens[i])));
	return tokens;
}

static json_t *files_json(const struct ceremony_inputs *inputs)
{
	json_t *files = json_array();
	char hex[65];
	for (size_t i = 0; i < inputs->count; i++)
		(void)json_array_append_new(files, json_pack("{s:s,s:s}", "name", inputs->items[i].name, "sha256",
							     text_hex(BYTES(inputs->items[i].sha256, 32), hex)));
	return files;
}

json_t *ceremony_script(const struct ceremony_plan *plan, const struct ceremony_checked *checked, struct error *err)
{
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE], hex[65];
	auto_buf title = BUF_INIT;
	output_add_safe(&title, plan->title, false);
	json_t *whole =
		json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:[]}", "title", buf_text(&title), "sha256",
			  text_hex(BYTES(plan->sha256, 32), hex), "windowFrom",
			  clock_rfc3339(plan->window_from_s, from), "windowTo", clock_rfc3339(plan->window_to_s, to),
			  "attended", (int)plan->attended, "people", people_json(plan), "tokens", tokens_json(plan),
			  "files", files_json(&checked->inputs), "script");
	struct script s = { .plan = plan, .checked = checked, .items = json_object_get(whole, "script") };
	if (!whole || title.failed) {
		json_decref(whole);
		(void)err_set(err, ERR_INTERNAL, "no memory for the script");
		return NULL;
	}
	add_beginning(&s);
	for (size_t i = 0; i < plan->step_count; i++)
		add_step(&s, i);
	add_end(&s);
	return whole;
}
