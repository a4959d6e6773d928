/* The end of a transcript: who attests it, which key signs it; and that nothing else lies in the directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "tools/ceremony_close.h"
#include "tools/ceremony_made.h"
#include "tools/ceremony_verify_private.h"
#include "tools/keys.h"

CLEANUP_POINTER(dir, DIR, closedir)
#define auto_dir CLEANUP(dir_cleanup) DIR

/* ---- attestations ---- */

static size_t person_of(const struct ceremony_plan *plan, const char *name)
{
	size_t i = 0;
	while (i < plan->person_count && strcmp(plan->people[i].name, name) != 0)
		i++;
	return i;
}

/* The certificate is the one that the plan names for this person, and the plan's file has it. */
static int check_certificate(const struct verification *w, const struct ceremony_person *person, struct bytes der,
			     struct error *err)
{
	const struct ceremony_input *input = ceremony_inputs_find(&w->v->inputs, person->certificate);
	auto_buf leaf = BUF_INIT;
	auto_x509 *x = input ? certificate_read(buf_bytes(&input->content), err) : NULL;
	int len = x ? i2d_X509(x, NULL) : -1;
	uint8_t *at = len > 0 ? buf_extend(&leaf, (size_t)len) : NULL;
	if (at && i2d_X509(x, &at) == len && bytes_equal(buf_bytes(&leaf), der))
		return 0;
	return err_set(err, ERR_INTEGRITY, "the certificate is not the one that the plan names for %s", person->name);
}

static int check_statement(const struct verification *w, const struct ceremony_person *person, const char *text,
			   const struct ca_transcript_line *line, struct error *err)
{
	const struct ca_transcript_line *finished =
		ca_transcript_find(&w->v->transcript, TRANSCRIPT_FINISHED, NULL, NULL);
	struct ca_statement s;
	char id[CEREMONY_ID_SIZE];
	uint8_t root[32];
	if (ca_statement_read(bytes_of(text), &s, err))
		return -1;
	ceremony_made_id(w->v->plan, id);
	ceremony_made_root(w->v->plan, w->v->known, root);
	if (!s.ceremony || !bytes_are(s.id, id) || memcmp(s.ca, root, sizeof(root)) != 0)
		return err_set(err, ERR_INTEGRITY, "the statement is about another ceremony");
	if (!finished || memcmp(s.sha256, finished->hash, sizeof(s.sha256)) != 0)
		return err_set(err, ERR_INTEGRITY, "the statement is about another transcript");
	if (!bytes_are(s.by, person->name))
		return err_set(err, ERR_INTEGRITY, "the statement is not by %s", person->name);
	if (s.time_s < finished->time_s || s.time_s > line->time_s)
		return err_set(err, ERR_INTEGRITY, "the statement's time is not between the lines around it");
	return 0;
}

static int check_files(const struct verification *w, const struct ca_transcript_line *line, struct error *err)
{
	for (size_t form = 0; form < CEREMONY_ATTESTED_FORMS; form++) {
		char name[64], hex[65];
		uint8_t hash[32];
		auto_buf expected = BUF_INIT, there = BUF_INIT;
		if (ceremony_attested_file(line, form, name, &expected, err))
			return -1;
		sha256(expected.data, expected.len, hash);
		if (verify_file(w, line, name, text_hex(BYTES(hash, sizeof(hash)), hex), &there, err))
			return -1;
	}
	return 0;
}

static int check_attested(const struct verification *w, const struct ca_transcript_line *line, uint64_t *people,
			  struct error *err)
{
	const struct ceremony_plan *plan = w->v->plan;
	size_t at = person_of(plan, ca_transcript_value(line, "by"));
	auto_buf signature = BUF_INIT, certificate = BUF_INIT, roles = BUF_INIT;
	const char *text = ca_transcript_value(line, "statement");
	if (at == plan->person_count || (*people & (uint64_t)1 << at))
		return verify_wrong(err, line, "the plan has no such person, or the person has attested before");
	ceremony_roles_text(&plan->people[at], &roles);
	if (strcmp(ca_transcript_value(line, "roles"), buf_text(&roles)) != 0)
		return verify_wrong(err, line, "the roles are not the plan's");
	if (text_parse_base64(bytes_of(ca_transcript_value(line, "signature")), false, &signature, err) ||
	    text_parse_base64(bytes_of(ca_transcript_value(line, "certificate")), false, &certificate, err) ||
	    check_certificate(w, &plan->people[at], buf_bytes(&certificate), err) ||
	    check_statement(w, &plan->people[at], text, line, err) ||
	    ca_statement_verify(bytes_of(text), buf_bytes(&certificate), buf_bytes(&signature), err))
		return verify_wrap(err, line, "the attestation");
	*people |= (uint64_t)1 << at;
	return check_files(w, line, err);
}

/* ---- the signature ---- */

static int check_signed(const struct verification *w, const struct ca_transcript_line *line, struct error *err)
{
	const char *uri = ceremony_made_closing_key(w->v->plan);
	auto_buf spki = BUF_INIT, signature = BUF_INIT;
	struct ca_key key;
	if (!uri || strcmp(ca_transcript_value(line, "key"), uri) != 0)
		return verify_wrong(err, line, "this key does not sign the transcript: %s",
				    uri ? uri : "none that the ceremony used was left");
	if (text_parse_base64(bytes_of(ca_transcript_value(line, "spki")), false, &spki, err) ||
	    text_parse_base64(bytes_of(ca_transcript_value(line, "signature")), false, &signature, err) ||
	    ca_key_parse(buf_bytes(&spki), &key, err))
		return verify_wrap(err, line, "the signature");
	if (!bytes_equal(ceremony_known_key(w->v->known, uri), buf_bytes(&spki)))
		return verify_wrong(err, line, "the public key is not that of %s", uri);
	int good = ca_key_verify(&key, ca_key_digest_bits(key.type), BYTES(line->previous, sizeof(line->previous)),
				 buf_bytes(&signature), err);
	return good == 1 ? 0 : good < 0 ? -1 : verify_wrong(err, line, "the signature does not verify");
}

int verify_end(struct verification *w, struct error *err)
{
	const struct ca_transcript *t = &w->v->transcript;
	uint64_t people = 0;
	char steps[24];
	(void)snprintf(steps, sizeof(steps), "%zu", w->v->plan->step_count);
	for (size_t i = 0; i < t->count; i++) {
		const struct ca_transcript_line *line = &t->lines[i];
		if (line->event == TRANSCRIPT_FINISHED && strcmp(ca_transcript_value(line, "steps"), steps) != 0)
			return verify_wrong(err, line, "the plan has %s steps", steps);
		if (line->event == TRANSCRIPT_ATTESTED && check_attested(w, line, &people, err))
			return -1;
		if (line->event == TRANSCRIPT_SIGNED && check_signed(w, line, err))
			return -1;
		if (line->event == TRANSCRIPT_UNSIGNED && ceremony_made_closing_key(w->v->plan))
			return verify_wrong(err, line, "a key was there to sign the transcript");
	}
	if (ceremony_plan_attested(w->v->plan, people, err))
		return verify_wrap(err, NULL, "too few have attested");
	return 0;
}

/* ---- nothing else ---- */

static bool is_attested_file(const struct verification *w, const char *name)
{
	for (size_t i = 0; i < w->v->transcript.count; i++) {
		const struct ca_transcript_line *line = &w->v->transcript.lines[i];
		for (size_t form = 0; line->event == TRANSCRIPT_ATTESTED && form < CEREMONY_ATTESTED_FORMS; form++) {
			char expected[64];
			auto_buf content = BUF_INIT;
			struct error ignored = ERR_INIT;
			(void)ceremony_attested_file(line, form, expected, &content, &ignored);
			if (strcmp(expected + strlen("attestations/"), name) == 0)
				return true;
		}
	}
	return false;
}

static bool belongs(const struct verification *w, const char *folder, const char *name)
{
	static const char *const top[] = { "plan.conf",        "rehearsal.json", "inputs",
					   "transcript.jsonl", "transcript.txt", "out",
					   "attestations" };
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	if (strcmp(folder, "inputs") == 0)
		return ceremony_inputs_find(&w->v->inputs, name) != NULL;
	if (strcmp(folder, "attestations") == 0)
		return is_attested_file(w, name);
	if (strcmp(folder, "out") == 0) {
		char output[70];
		for (size_t i = 0; i < w->v->plan->step_count; i++)
			if (strcmp(ceremony_step_output(&w->v->plan->steps[i], output), name) == 0)
				return true;
		return false;
	}
	for (size_t i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		if (strcmp(top[i], name) == 0)
			return true;
	return false;
}

static int look_into(const struct verification *w, const char *folder, struct error *err)
{
	auto_free char *path = file_join(w->directory, folder);
	auto_dir *dir = path ? opendir(path) : NULL;
	if (!dir)
		return err_set(err, ERR_INTEGRITY, "the folder %s is not there", folder[0] ? folder : w->directory);
	for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		if (!belongs(w, folder, entry->d_name))
			return verify_wrong(err, NULL, "the file %s%s%s is in no line of the transcript", folder,
					    folder[0] ? "/" : "", entry->d_name);
	return 0;
}

int verify_no_other_file(const struct verification *w, struct error *err)
{
	return look_into(w, "", err) || look_into(w, "inputs", err) || look_into(w, "out", err) ||
			       look_into(w, "attestations", err)
		       ? -1
		       : 0;
}
