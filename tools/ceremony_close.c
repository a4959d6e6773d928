#include "tools/ceremony_close.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "tools/ceremony_made.h"
#include "tools/credential.h"

#define HASH_LEN 32

void ceremony_roles_text(const struct ceremony_person *person, struct buf *out)
{
	size_t before = out->len;
	for (unsigned role = 0; role < CEREMONY_ROLES; role++)
		if (person->roles & 1U << role)
			buf_printf(out, "%s%s", out->len > before ? ", " : "",
				   ceremony_role_name((enum ceremony_role)role));
}

/* ---- people attest ---- */

static const struct ca_transcript_line *attested_by(const struct ceremony *c, const struct ceremony_person *person)
{
	return ca_transcript_find(&c->folder.transcript, TRANSCRIPT_ATTESTED, "by", person->name);
}

static uint64_t who_attested(const struct ceremony *c)
{
	uint64_t people = 0;
	for (size_t i = 0; i < c->plan->person_count && i < CEREMONY_PEOPLE_MAX; i++)
		if (attested_by(c, &c->plan->people[i]))
			people |= (uint64_t)1 << i;
	return people;
}

static void fill_statement(const struct ceremony *c, const struct ceremony_person *person, const char *id,
			   struct ca_statement *s)
{
	const struct ca_transcript_line *finished =
		ca_transcript_find(&c->folder.transcript, TRANSCRIPT_FINISHED, NULL, NULL);
	*s = (struct ca_statement){ .ceremony = true,
				    .id = bytes_of(id),
				    .decision = DECISION_ATTEST,
				    .by = bytes_of(person->name),
				    .reason = bytes_of(CEREMONY_ATTEST_REASON),
				    .time_s = clock_now_ms(&c->clock) / 1000 };
	ceremony_made_root(c->plan, c->known, s->ca);
	memcpy(s->sha256, finished->hash, HASH_LEN);
}

static int sign_statement(const struct ceremony *c, const struct ceremony_person *person, const char *key,
			  struct buf *statement, struct buf *signature, struct buf *certificate, struct error *err)
{
	char id[CEREMONY_ID_SIZE];
	struct ca_statement s;
	auto_buf path = BUF_INIT;
	buf_printf(&path, "%s/inputs/%s", c->folder.path, person->certificate);
	auto_credential *by = credential_open(buf_text(&path), key, err);
	if (!by)
		return -1;
	ceremony_made_id(c->plan, id);
	fill_statement(c, person, id, &s);
	if (ca_statement_write(&s, statement, err) || credential_sign(by, buf_bytes(statement), signature, err))
		return -1;
	text_add_base64(certificate, credential_certificate(by));
	return ca_statement_verify(buf_bytes(statement), credential_certificate(by), buf_bytes(signature), err);
}

static int attest(struct ceremony *c, const struct ceremony_person *person, const char *key, struct error *err)
{
	auto_buf statement = BUF_INIT, signature = BUF_INIT, base64 = BUF_INIT, certificate = BUF_INIT,
		 roles = BUF_INIT;
	if (sign_statement(c, person, key, &statement, &signature, &certificate, err))
		return -1;
	text_add_base64(&base64, buf_bytes(&signature));
	ceremony_roles_text(person, &roles);
	const char *const values[] = { person->name, buf_text(&roles), buf_text(&statement), buf_text(&base64),
				       buf_text(&certificate) };
	return ceremony_folder_line(&c->folder, TRANSCRIPT_ATTESTED, values, err);
}

/* The KEY of "NAME=KEY", or NULL. */
static const char *key_of(const struct option_list *keys, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; keys && i < keys->count; i++)
		if (strncmp(keys->items[i], name, len) == 0 && keys->items[i][len] == '=')
			return keys->items[i] + len + 1;
	return NULL;
}

static int check_names(const struct ceremony_plan *plan, const struct option_list *keys, struct error *err)
{
	for (size_t i = 0; keys && i < keys->count; i++) {
		bool known = false;
		const struct option_list one = { .items = { keys->items[i] }, .count = 1 };
		for (size_t p = 0; p < plan->person_count; p++)
			known = known || (plan->people[p].certificate[0] && key_of(&one, plan->people[p].name));
		if (!known)
			return err_set(
				err, ERR_USAGE,
				"--attest is NAME=KEY, with the name of a person of the plan who has a certificate "
				"there, not \"%.100s\"",
				keys->items[i]);
	}
	return 0;
}

/* Someone's key may be mistyped, or its token not be plugged in: said, and asked again; an empty line passes. */
static int ask_person(struct ceremony *c, const struct ceremony_person *person, struct error *err)
{
	char answer[CEREMONY_ANSWER_MAX];
	auto_buf question = BUF_INIT, roles = BUF_INIT;
	ceremony_roles_text(person, &roles);
	buf_printf(&question,
		   "\n%s (%s) attests that the transcript says what was seen.\n"
		   "The key to sign with, a file or a pkcs11: URI (an empty line to pass): ",
		   person->name, buf_text(&roles));
	for (;;) {
		struct error why = ERR_INIT;
		if (ceremony_terminal_ask(&c->terminal, buf_text(&question), answer, err))
			return -1;
		if (answer[0] == '\0')
			return 0;
		if (attest(c, person, answer, &why) == 0)
			return 0;
		/* A refused PIN is not tried again by mistake, and what cannot be written down ends the run. */
		if (why.code == ERR_PIN_REFUSED || why.code == ERR_STORE_FULL || why.code == ERR_IO) {
			*err = why;
			return -1;
		}
		auto_buf said = BUF_INIT;
		buf_printf(&said, "That did not work: %s.\n", why.message);
		ceremony_terminal_say(&c->terminal, buf_text(&said));
	}
}

static int collect(struct ceremony *c, const struct option_list *keys, struct error *err)
{
	for (size_t i = 0; i < c->plan->person_count; i++) {
		const struct ceremony_person *person = &c->plan->people[i];
		const char *key = key_of(keys, person->name);
		if (!person->certificate[0] || attested_by(c, person))
			continue;
		if (key ? attest(c, person, key, err) : c->terminal.fd >= 0 ? ask_person(c, person, err) : 0)
			return err_wrap(err, err->code, "%s cannot attest: %s", person->name, err->message);
	}
	if (ceremony_plan_attested(c->plan, who_attested(c), err))
		return err_wrap(err, ERR_CONFLICT, "%s; go on with --resume", err->message);
	return 0;
}

/* ---- a key signs ---- */

static int sign_line(struct ceremony *c, const char *uri, struct error *err)
{
	auto_buf signature = BUF_INIT, base64 = BUF_INIT, spki = BUF_INIT;
	auto_hsm_key *key = ceremony_keys_find(c->keys, uri, err);
	const struct ca_transcript_line *last = ca_transcript_last(&c->folder.transcript);
	if (!key)
		return -1;
	if (!c->rehearsing && !bytes_equal(ceremony_known_key(c->known, uri), hsm_key_spki(key)))
		return err_set(err, ERR_INTEGRITY, "the token has another key under the name %s by now", uri);
	if (ceremony_keys_sign(c->keys, key, BYTES(last->hash, HASH_LEN), &signature, err))
		return -1;
	text_add_base64(&base64, buf_bytes(&signature));
	text_add_base64(&spki, hsm_key_spki(key));
	const char *const values[] = { uri, buf_text(&spki), buf_text(&base64) };
	return ceremony_folder_line(&c->folder, TRANSCRIPT_SIGNED, values, err);
}

static int sign_transcript(struct ceremony *c, struct error *err)
{
	const char *uri = ceremony_made_closing_key(c->plan);
	if (uri)
		return ceremony_keys_again(c->keys, err) ? -1 : sign_line(c, uri, err);
	static const char *const values[] = {
		"every key that the ceremony used was destroyed in it, or none was used"
	};
	return ceremony_folder_line(&c->folder, TRANSCRIPT_UNSIGNED, values, err);
}

/* ---- the files ---- */

int ceremony_attested_file(const struct ca_transcript_line *line, size_t form, char name[64], struct buf *content,
			   struct error *err)
{
	static const char *const endings[CEREMONY_ATTESTED_FORMS] = { "statement", "signature", "pem" };
	auto_buf der = BUF_INIT;
	(void)snprintf(name, 64, "attestations/%llu.%s", (unsigned long long)line->number, endings[form]);
	if (form == 0)
		buf_add_text(content, ca_transcript_value(line, "statement"));
	else if (form == 1 ? text_parse_base64(bytes_of(ca_transcript_value(line, "signature")), false, content, err)
			   : text_parse_base64(bytes_of(ca_transcript_value(line, "certificate")), false, &der, err))
		return err_wrap(err, ERR_INTEGRITY, "line %llu of the transcript: %s", (unsigned long long)line->number,
				err->message);
	if (form == 2)
		text_add_pem(content, "CERTIFICATE", buf_bytes(&der));
	return content->failed ? err_set(err, ERR_INTERNAL, "no memory for a file") : 0;
}

static int write_files(struct ceremony *c, struct error *err)
{
	const struct ca_transcript *t = &c->folder.transcript;
	auto_buf text = BUF_INIT;
	for (size_t i = 0; i < t->count * CEREMONY_ATTESTED_FORMS; i++) {
		const struct ca_transcript_line *line = &t->lines[i / CEREMONY_ATTESTED_FORMS];
		char name[64];
		auto_buf content = BUF_INIT;
		if (line->event == TRANSCRIPT_ATTESTED &&
		    (ceremony_attested_file(line, i % CEREMONY_ATTESTED_FORMS, name, &content, err) ||
		     ceremony_folder_write(&c->folder, name, buf_bytes(&content), err)))
			return -1;
	}
	return ca_transcript_text(t, &text, err) ||
			       ceremony_folder_write(&c->folder, CEREMONY_TRANSCRIPT_TEXT, buf_bytes(&text), err)
		       ? -1
		       : 0;
}

/* ---- the whole ---- */

static bool has(const struct ceremony *c, enum ca_transcript_event event)
{
	return ca_transcript_find(&c->folder.transcript, event, NULL, NULL) != NULL;
}

static int finish(struct ceremony *c, struct error *err)
{
	char steps[24];
	(void)snprintf(steps, sizeof(steps), "%zu", c->plan->step_count);
	const char *const values[] = { steps };
	return has(c, TRANSCRIPT_FINISHED) ? 0 : ceremony_folder_line(&c->folder, TRANSCRIPT_FINISHED, values, err);
}

int ceremony_close(struct ceremony *c, const struct option_list *keys, struct error *err)
{
	bool is_signed = has(c, TRANSCRIPT_SIGNED) || has(c, TRANSCRIPT_UNSIGNED);
	if (check_names(c->plan, keys, err) || finish(c, err))
		return -1;
	if (c->keys)
		ceremony_keys_pause(c->keys);
	if (!is_signed && ((!c->rehearsing && collect(c, keys, err)) || sign_transcript(c, err)))
		return -1;
	if (!has(c, TRANSCRIPT_CLOSED) && ceremony_folder_line(&c->folder, TRANSCRIPT_CLOSED, NULL, err))
		return -1;
	return write_files(c, err);
}
