/* chancery cert: what was issued, and its revocation. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/cmd.h"
#include "tools/list.h"

static void path_of(struct buf *path, const char *serial, const char *behind)
{
	buf_add_text(path, "/api/v1/certificates/");
	url_add_escaped(path, serial);
	buf_add_text(path, behind);
	(void)buf_text(path);
}

/* ---- list ---- */

static void names_text(const json_t *row, struct buf *out, size_t most)
{
	const json_t *names = json_object_get(row, "names"), *name;
	size_t i;
	json_array_foreach(names, i, name)
	{
		if (i == most) {
			buf_printf(out, " and %zu more", json_array_size(names) - most);
			break;
		}
		buf_printf(out, "%s%s", i ? " " : "", json_string_value(name));
	}
	if (json_array_size(names) == 0)
		buf_add_text(out, member_text(row, "subject"));
}

static void add_row(struct table *table, const json_t *row)
{
	auto_buf names = BUF_INIT;
	names_text(row, &names, 3);
	const char *const cells[] = { member_text(row, "serial"),    member_text(row, "status"),
				      member_text(row, "profile"),   member_text(row, "notAfter"),
				      member_text(row, "requester"), buf_text(&names) };
	table_add(table, cells);
}

static const struct list certificates = { "certificates",
					  { "SERIAL", "STATUS", "PROFILE", "NOT AFTER", "REQUESTER", "NAMES" },
					  add_row };

static int run_list(struct invocation *in)
{
	const char *name = NULL, *status = NULL, *profile = NULL, *issuer = NULL, *expiring = NULL;
	unsigned limit = 100;
	const struct option_spec specs[] = {
		{ "name", OPTION_TEXT, &name, "N", "with this name, or below it: .example.test" },
		{ "status", OPTION_TEXT, &status, "S", "valid, revoked or held" },
		{ "profile", OPTION_TEXT, &profile, "P", "of this profile" },
		{ "issuer", OPTION_TEXT, &issuer, "I", "of this issuer" },
		{ "expiring", OPTION_TEXT, &expiring, "30d", "that end within this time" },
		{ "limit", OPTION_NUMBER, &limit, "N", "at most so many (100)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 0))
		return in->status;
	int64_t ignored = 0;
	if (expiring && duration_of(expiring, &ignored, &in->error))
		return refuse(in);
	auto_client *client = client_open(&in->common, &in->error);
	auto_buf path = BUF_INIT;
	buf_add_text(&path, "/api/v1/certificates");
	url_add_query(&path, "name", name);
	url_add_query(&path, "status", status);
	url_add_query(&path, "profile", profile);
	url_add_query(&path, "issuer", issuer);
	url_add_query(&path, "expiring", expiring);
	auto_json *all = client ? list_pages(client, &certificates, buf_text(&path), limit, &in->error) : NULL;
	return all ? list_show(in, &certificates, all) : refuse(in);
}

/* ---- show ---- */

static int run_show(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_buf path = BUF_INIT;
	path_of(&path, in->operands[0], "");
	auto_client *client = client_open(&in->common, &in->error);
	json_t *row = client ? certificate_row(client, buf_text(&path), &in->error) : NULL;
	if (!row)
		return refuse(in);
	if (in->common.json) {
		output_json(row);
		return 0;
	}
	static const char *const facts[] = { "serial",    "status",   "subject",   "issuer",    "profile",
					     "notBefore", "notAfter", "requester", "revokedAt", "reason" };
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const char *value = member_text(row, facts[i]);
		output_fact(facts[i], value[0] ? value : NULL);
	}
	size_t i;
	const json_t *name;
	json_array_foreach(json_object_get(row, "names"), i, name)
	{
		output_fact("name", json_string_value(name));
	}
	json_decref(row);
	return 0;
}

/* ---- revoke, hold, unhold ---- */

static void say_changed(const struct invocation *in, json_t *answer, const char *done)
{
	if (in->common.json) {
		output_json(answer);
		return;
	}
	const json_t *list = json_object_get(answer, "crl");
	const char *crl = member_text(list, "url"), *from = member_text(list, "from");
	(void)printf("Certificate %s is %s.\n", in->operands[0], done);
	if (crl[0])
		output_say("Clients learn of it by %s%s%s.\n", crl, from[0] ? ", from " : "", from);
	else
		(void)puts("Clients will not learn of it: it lives without revocation, and ends soon.");
	size_t i;
	const json_t *serial;
	json_array_foreach(json_object_get(answer, "sameKey"), i, serial)
	{
		output_say("The same key is in certificate %s.\n", json_string_value(serial));
	}
	json_decref(answer);
}

static int change(struct invocation *in, json_t *what, const char *done)
{
	auto_buf path = BUF_INIT;
	auto_reply reply = REPLY_INIT;
	path_of(&path, in->operands[0], "/revoke");
	auto_free char *body = json_dumps(what, JSON_COMPACT);
	json_decref(what);
	auto_client *client = client_open(&in->common, &in->error);
	const struct request request = {
		.method = "POST", .path = buf_text(&path), .type = "application/json", .body = bytes_of(body)
	};
	if (!client || client_call(client, &request, &reply, &in->error))
		return refuse(in);
	json_t *answer = json_loadb((const char *)reply.body.data, reply.body.len, 0, NULL);
	say_changed(in, answer ? answer : json_object(), done);
	return 0;
}

static int run_revoke(struct invocation *in)
{
	const char *reason = "unspecified", *since = NULL;
	bool same_key = false;
	const struct option_spec specs[] = {
		{ "reason", OPTION_TEXT, &reason, "R", "keyCompromise, superseded, cessationOfOperation ..." },
		{ "since", OPTION_TEXT, &since, "TIME", "when the key was lost: 2026-11-21T12:00:00Z" },
		{ "same-key-too", OPTION_FLAG, &same_key, NULL, "with keyCompromise: every certificate of the key" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	json_t *what = json_pack("{s:s}", "reason", reason);
	if (since)
		(void)json_object_set_new(what, "invalidityDate", json_string(since));
	if (same_key)
		(void)json_object_set_new(what, "sameKey", json_true());
	return change(in, what, "revoked");
}

static int run_hold(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	return change(in, json_pack("{s:s}", "reason", "certificateHold"), "on hold");
}

static int run_unhold(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	return change(in, json_pack("{s:s}", "reason", "removeFromCRL"), "valid again");
}

/* ---- export ---- */

/* Without a file the content itself; DER as base64, since JSON is text. */
static void say_exported(const char *serial, const char *file, bool der, struct bytes content)
{
	auto_buf text = BUF_INIT;
	if (der)
		text_add_base64(&text, content);
	else
		buf_add_bytes(&text, content);
	const char *member = file ? "file" : der ? "der" : "pem";
	output_json(json_pack("{s:s, s:s}", "serial", serial, member, file ? file : buf_text(&text)));
}

static int run_export(struct invocation *in)
{
	const char *out = NULL;
	bool der = false, chain = false;
	const struct option_spec specs[] = {
		{ "out", OPTION_TEXT, &out, "FILE", "where to write (standard output)" },
		{ "der", OPTION_FLAG, &der, NULL, "as DER" },
		{ "chain", OPTION_FLAG, &chain, NULL, "with the certificates above it, without the root" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (der && chain)
		return refuse_usage(in, "a chain is PEM: --der and --chain exclude each other");
	auto_buf path = BUF_INIT, content = BUF_INIT;
	path_of(&path, in->operands[0], chain ? "/chain.pem" : der ? ".crt" : ".pem");
	auto_client *client = client_open(&in->common, &in->error);
	if (!client || client_get(client, buf_text(&path), &content, &in->error) ||
	    (out && file_replace(out, buf_bytes(&content), 0644, &in->error)))
		return refuse(in);
	if (in->common.json)
		say_exported(in->operands[0], out, der, buf_bytes(&content));
	else if (!out && der)
		(void)fwrite(content.data, 1, content.len, stdout);
	else if (!out)
		output_say("%s", buf_text(&content));
	return 0;
}

static const struct command commands[] = {
	{ "list", "", "List certificates, newest first", NULL, NULL, run_list },
	{ "show", "SERIAL", "Show one certificate's record", NULL, NULL, run_show },
	{ "revoke", "SERIAL", "Revoke a certificate for good",
	  "Reasons: unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation,\n"
	  "privilegeWithdrawn. keyCompromise also blocks the key.\n",
	  NULL, run_revoke },
	{ "hold", "SERIAL", "Suspend a certificate for a time (certificateHold)", NULL, NULL, run_hold },
	{ "unhold", "SERIAL", "Take a certificate off hold", NULL, NULL, run_unhold },
	{ "export", "SERIAL", "Write a certificate as PEM or DER", NULL, NULL, run_export },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_cert = { "cert", "",       "Certificates: list, show, revoke, hold, unhold, export",
				  NULL,   commands, NULL };
