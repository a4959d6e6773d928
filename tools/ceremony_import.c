#include "tools/ceremony_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "ca-core/lint.h"
#include "tools/admin.h"
#include "tools/ceremony_verify.h"
#include "tools/cmd_ceremony.h"

#define ROOTS_MAX ((size_t)1 << 20)

void ceremony_output_free(struct ceremony_output *output)
{
	for (size_t i = 0; i < output->count; i++)
		buf_free(&output->items[i].der);
	free(output);
}

/* ---- what was verified ---- */

static int add(struct ceremony_output *output, uint8_t kind, const char *name, struct bytes der, struct error *err)
{
	if (output->count == MESSAGE_IMPORTS_MAX)
		return err_set(err, ERR_BAD_REQUEST, "more than %d certificates and lists", MESSAGE_IMPORTS_MAX);
	size_t at = output->count++;
	output->items[at].kind = kind;
	(void)snprintf(output->items[at].name, sizeof(output->items[at].name), "%s", name);
	buf_add_bytes(&output->items[at].der, der);
	return output->items[at].der.failed ? err_set(err, ERR_INTERNAL, "no memory for a ceremony's output") : 0;
}

static int add_all(struct ceremony_output *output, const struct ceremony_verified *v, struct error *err)
{
	const struct ceremony_plan *plan = v->plan;
	char file[70];
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct ceremony_step *step = &plan->steps[i];
		uint8_t kind = step->kind == CEREMONY_CRL ? MESSAGE_IMPORT_LIST : MESSAGE_IMPORT_MADE;
		if (!v->made[i].len)
			continue;
		if (add(output, kind, step->name, buf_bytes(&v->made[i]), err))
			return -1;
		(void)snprintf(output->items[output->count - 1].file, sizeof(output->items[0].file), "out/%s",
			       ceremony_step_output(step, file));
	}
	for (size_t i = 0; i < plan->issuer_count; i++) {
		const struct ceremony_issuer *issuer = &plan->issuers[i];
		if (add(output, MESSAGE_IMPORT_KNOWN, issuer->name, ceremony_known_certificate(v->known, issuer->name),
			err))
			return -1;
		(void)snprintf(output->items[output->count - 1].file, sizeof(output->items[0].file), "inputs/%s",
			       issuer->certificate);
	}
	return 0;
}

struct ceremony_output *ceremony_output_read(const char *directory, const uint8_t *closing, struct error *err)
{
	auto_ceremony_verified v = CEREMONY_VERIFIED_INIT;
	auto_ceremony_output *output = calloc(1, sizeof(*output));
	if (!output) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a ceremony's output");
		return NULL;
	}
	if (ceremony_verify(directory, closing, &v, err) || add_all(output, &v, err))
		return NULL;
	(void)snprintf(output->title, sizeof(output->title), "%s", v.plan->title);
	memcpy(output->closing, ca_transcript_last(&v.transcript)->hash, sizeof(output->closing));
	output->anchored = v.anchored;
	return TAKE(output);
}

void ceremony_output_message(const struct ceremony_output *output, struct message_import *m)
{
	*m = (struct message_import){
		.title = bytes_of(output->title),
		.closing = BYTES(output->closing, sizeof(output->closing)),
		.anchored = output->anchored,
		.count = (uint32_t)output->count,
	};
	for (size_t i = 0; i < output->count; i++) {
		m->items[i].kind = output->items[i].kind;
		m->items[i].name = bytes_of(output->items[i].name);
		m->items[i].der = buf_bytes(&output->items[i].der);
	}
}

/* ---- trust/root.pem ---- */

static int is_trusted(struct bytes pem, struct bytes der, struct error *err)
{
	char label[64];
	for (;;) {
		auto_buf other = BUF_INIT;
		int found = text_next_pem(&pem, label, &other, err);
		if (found <= 0 || bytes_equal(buf_bytes(&other), der))
			return found;
	}
}

int ceremony_import_trust(const char *path, const struct ceremony_output *output,
			  const struct message_imported *imported, struct error *err)
{
	auto_buf pem = BUF_INIT;
	bool more = false;
	if (file_exists(path) && file_read(path, ROOTS_MAX, &pem, err))
		return -1;
	for (size_t i = 0; i < output->count && i < imported->count; i++) {
		struct ca_certificate_facts facts;
		struct bytes der = buf_bytes(&output->items[i].der);
		if (output->items[i].kind == MESSAGE_IMPORT_LIST || imported->rows[i].result == MESSAGE_IMPORTED_LEFT)
			continue;
		if (ca_certificate_read(der, &facts, err))
			return -1;
		int trusted = bytes_equal(facts.issuer, facts.subject) ? is_trusted(buf_bytes(&pem), der, err) : 1;
		if (trusted < 0)
			return -1;
		if (trusted)
			continue;
		text_add_pem(&pem, "CERTIFICATE", der);
		more = true;
	}
	if (pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the roots");
	return more ? file_replace(path, buf_bytes(&pem), 0644, err) : 0;
}

/* ---- to the server ---- */

int ceremony_import_send(const struct common_options *common, const struct ceremony_output *output,
			 struct message_imported *imported, struct buf *answer, struct error *err)
{
	auto_free struct message_import *m = malloc(sizeof(*m));
	auto_free char *roots = state_path(common, "trust/root.pem", err);
	auto_admin *admin = roots ? admin_open(common, err) : NULL;
	auto_buf question = BUF_INIT;
	if (!m || !admin)
		return m ? -1 : err_set(err, ERR_INTERNAL, "no memory for an import");
	ceremony_output_message(output, m);
	message_import_write(m, &question);
	if (question.failed)
		return err_set(err, ERR_TOO_LARGE, "a ceremony's output is too large for one import");
	if (admin_ask(admin, MSG_IMPORT, buf_bytes(&question), MSG_IMPORTED, answer, err) ||
	    message_imported_read(buf_bytes(answer), imported, err))
		return -1;
	if (imported->count != output->count)
		return err_set(err, ERR_INTEGRITY, "the server's answer is to another import");
	return ceremony_import_trust(roots, output, imported, err);
}

static const char *result_name(uint8_t result)
{
	static const char *const names[] = {
		[MESSAGE_IMPORTED_ISSUER] = "issuer", [MESSAGE_IMPORTED_CROSS] = "cross-certificate",
		[MESSAGE_IMPORTED_LIST] = "list",     [MESSAGE_IMPORTED_THERE] = "there already",
		[MESSAGE_IMPORTED_LEFT] = "left",
	};
	return names[result];
}

void ceremony_import_say(const struct invocation *in, const struct ceremony_output *output,
			 const struct message_imported *imported)
{
	json_t *rows = json_array();
	auto_table table = TABLE_INIT(4);
	const char *const heading[] = { "FILE", "CAME IN AS", "OF ISSUER", "WHY NOT" };
	char closing[65];
	auto_buf groups = BUF_INIT;
	(void)text_hex(BYTES(output->closing, sizeof(output->closing)), closing);
	ca_transcript_groups(output->closing, 4, &groups);
	table_add(&table, heading);
	for (size_t i = 0; i < output->count && i < imported->count; i++) {
		auto_buf issuer = BUF_INIT, why = BUF_INIT;
		buf_add_bytes(&issuer, imported->rows[i].issuer);
		buf_add_bytes(&why, imported->rows[i].why);
		const char *const cells[] = { output->items[i].file, result_name(imported->rows[i].result),
					      buf_text(&issuer), buf_text(&why) };
		table_add(&table, cells);
		(void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "file", cells[0], "result",
							    cells[1], "issuer", cells[2], "why", cells[3]));
	}
	if (in->common.json)
		output_json(json_pack("{s:O, s:s, s:b}", "imported", rows, "closing", closing, "anchored",
				      (int)output->anchored));
	else
		table_print(&table);
	json_decref(rows);
	if (!in->common.json && !output->anchored)
		(void)printf(
			"Not anchored: nothing in the directory contradicts anything else, but whoever wrote it could\n"
			"have made it so. Compare its closing hash with the one on paper:\n\n%s",
			buf_text(&groups));
}

/* ---- the command ---- */

int ceremony_run_import(struct invocation *in)
{
	const char *closing = NULL;
	uint8_t hash[32];
	const struct option_spec specs[] = {
		{ "closing", OPTION_TEXT, &closing, "HASH", "the closing hash, as it was written on paper" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (closing && ceremony_closing_parse(closing, hash, &in->error))
		return refuse(in);
	auto_free struct message_imported *imported = calloc(1, sizeof(*imported));
	auto_buf answer = BUF_INIT;
	auto_ceremony_output *output =
		imported ? ceremony_output_read(in->operands[0], closing ? hash : NULL, &in->error) : NULL;
	if (!output || ceremony_import_send(&in->common, output, imported, &answer, &in->error))
		return refuse(in);
	ceremony_import_say(in, output, imported);
	return 0;
}
