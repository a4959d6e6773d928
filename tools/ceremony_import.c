#include "tools/ceremony_import.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "ca-core/ceremony_plan.h"
#include "ca-core/lint.h"
#include "tools/admin.h"
#include "tools/cmd_ceremony.h"

#define FILE_MAX ((size_t)1 << 20)
#define ROOTS_MAX ((size_t)1 << 20)

void ceremony_output_free(struct ceremony_output *output)
{
	for (size_t i = 0; i < output->count; i++)
		buf_free(&output->items[i].der);
	free(output);
}

/* ---- reading the directory ---- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);
	return len > end && strcmp(name + len - end, suffix) == 0;
}

/* One object, PEM or DER, as DER. */
static int read_one(const char *path, const char *label, struct buf *der, struct error *err)
{
	auto_buf content = BUF_INIT, other = BUF_INIT;
	char found[64];
	if (file_read(path, FILE_MAX, &content, err))
		return -1;
	if (content.len && content.data[0] == 0x30) {
		buf_add_bytes(der, buf_bytes(&content));
		return der->failed ? err_set(err, ERR_INTERNAL, "no memory for %s", path) : 0;
	}
	struct bytes text = buf_bytes(&content);
	if (text_next_pem(&text, found, der, err) != 1 || strcmp(found, label) != 0)
		return err_set(err, ERR_BAD_REQUEST, "%s holds no %s", path, label);
	if (text_next_pem(&text, found, &other, err) != 0)
		return err_set(err, ERR_BAD_REQUEST, "%s holds more than one object", path);
	return 0;
}

static int add(struct ceremony_output *output, const char *folder, const char *file, uint8_t kind, const char *path,
	       struct error *err)
{
	size_t name_len = strlen(file) - 4; /* ".pem", ".crl" */
	if (output->count == MESSAGE_IMPORTS_MAX)
		return err_set(err, ERR_BAD_REQUEST, "more than %d files", MESSAGE_IMPORTS_MAX);
	if (name_len >= sizeof(output->items[0].name))
		return err_set(err, ERR_BAD_REQUEST, "the name of %s is too long", path);
	size_t at = output->count++;
	output->items[at].kind = kind;
	(void)snprintf(output->items[at].name, sizeof(output->items[at].name), "%.*s", (int)name_len, file);
	(void)snprintf(output->items[at].file, sizeof(output->items[at].file), "%s/%.70s", folder, file);
	return read_one(path, kind == MESSAGE_IMPORT_LIST ? "X509 CRL" : "CERTIFICATE", &output->items[at].der, err);
}

/* Of what a ceremony began with only certificates count: its requests and the people's certificates are not for here. */
static int add_known(struct ceremony_output *output, const char *file, const char *path, struct error *err)
{
	struct error other = ERR_INIT;
	struct ca_certificate_facts facts;
	int failed = add(output, "inputs", file, MESSAGE_IMPORT_KNOWN, path, &other);
	if (failed && (other.code == ERR_INTERNAL || other.code == ERR_IO)) {
		*err = other;
		return -1;
	}
	size_t at = output->count - 1;
	if (failed || ca_certificate_read(buf_bytes(&output->items[at].der), &facts, &other) || !facts.ca) {
		buf_free(&output->items[at].der);
		output->count--;
	}
	return 0;
}

static int read_folder(struct ceremony_output *output, const char *directory, const char *folder, struct error *err)
{
	struct dirent **found = NULL;
	auto_free char *path = file_join(directory, folder);
	bool made = strcmp(folder, "out") == 0;
	int count = path ? scandir(path, &found, NULL, alphasort) : -1, result = 0;
	if (count < 0 && (made || errno != ENOENT))
		return err_errno(err, ERR_NOT_FOUND, "%s is no directory of a ceremony: no folder %s", directory,
				 folder);
	for (int i = 0; i < count; i++) {
		const char *name = found[i]->d_name;
		bool list = has_suffix(name, ".crl"), certificate = has_suffix(name, ".pem");
		auto_free char *file = file_join(path, name);
		if (!file)
			result = err_set(err, ERR_INTERNAL, "no memory for a path");
		else if (result == 0 && made && (list || certificate))
			result = add(output, folder, name, list ? MESSAGE_IMPORT_LIST : MESSAGE_IMPORT_MADE, file, err);
		else if (result == 0 && !made && certificate)
			result = add_known(output, name, file, err);
		free(found[i]);
	}
	free(found);
	return result;
}

/* What the plan calls those that were there before. */
static void name_issuers(struct ceremony_output *output, const struct ceremony_plan *plan)
{
	(void)snprintf(output->title, sizeof(output->title), "%s", plan->title);
	for (size_t i = 0; i < output->count; i++) {
		char file[80];
		(void)snprintf(file, sizeof(file), "%s.pem", output->items[i].name);
		for (size_t n = 0; output->items[i].kind == MESSAGE_IMPORT_KNOWN && n < plan->issuer_count; n++)
			if (strcmp(plan->issuers[n].certificate, file) == 0)
				(void)snprintf(output->items[i].name, sizeof(output->items[i].name), "%s",
					       plan->issuers[n].name);
	}
}

static int read_plan(struct ceremony_output *output, const char *directory, struct error *err)
{
	auto_free char *path = file_join(directory, "plan.conf");
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (!file_exists(path))
		return 0;
	auto_ceremony_plan *plan = ceremony_plan_load(path, err);
	if (!plan)
		return -1;
	name_issuers(output, plan);
	return 0;
}

struct ceremony_output *ceremony_output_read(const char *directory, struct error *err)
{
	auto_ceremony_output *output = calloc(1, sizeof(*output));
	if (!output) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a ceremony's output");
		return NULL;
	}
	if (read_folder(output, directory, "out", err) || read_folder(output, directory, "inputs", err) ||
	    read_plan(output, directory, err))
		return NULL;
	return TAKE(output);
}

void ceremony_output_message(const struct ceremony_output *output, struct message_import *m)
{
	*m = (struct message_import){
		.title = bytes_of(output->title),
		.closing = output->has_closing ? BYTES(output->closing, sizeof(output->closing)) : BYTES_NONE,
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
		output_json(json_pack("{s:O}", "imported", rows));
	else
		table_print(&table);
	json_decref(rows);
}

/* ---- the command ---- */

int ceremony_run_import(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_free struct message_imported *imported = calloc(1, sizeof(*imported));
	auto_buf answer = BUF_INIT;
	auto_ceremony_output *output = imported ? ceremony_output_read(in->operands[0], &in->error) : NULL;
	if (!output || ceremony_import_send(&in->common, output, imported, &answer, &in->error))
		return refuse(in);
	ceremony_import_say(in, output, imported);
	return 0;
}
