/* chancery apitoken: bearer tokens for machines; through admin.sock. The server sees a hash alone. */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/admin.h"
#include "tools/cmd.h"
#include "tools/list.h"

#define TOKEN_OCTETS 32
#define ID_OCTETS 8
#define DAYS_DEFAULT 90

/* "chy_" and 32 random octets in base64url without padding (RFC 4648 section 5). */
static int draw(struct buf *token, struct error *err)
{
	uint8_t octets[TOKEN_OCTETS];
	auto_secret_buf text = BUF_INIT;
	if (RAND_priv_bytes(octets, sizeof(octets)) != 1)
		return err_set(err, ERR_INTERNAL, "no random numbers for a token");
	text_add_base64(&text, BYTES(octets, sizeof(octets)));
	OPENSSL_cleanse(octets, sizeof(octets));
	buf_add_text(token, "chy_");
	for (size_t i = 0; i < text.len && text.data[i] != '='; i++)
		buf_u8(token, text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i]);
	return text.failed || token->failed ? err_set(err, ERR_INTERNAL, "no memory for a token") : 0;
}

static int scope_of(const char *text, struct message_apitoken *m, struct error *err)
{
	m->may_request = strcmp(text, "request") == 0 || strcmp(text, "request,read") == 0;
	m->may_read = strcmp(text, "read") == 0 || strcmp(text, "request,read") == 0;
	if (m->may_request || m->may_read)
		return 0;
	(void)err_set(err, ERR_USAGE, "\"%s\" is nothing that a token may do", text);
	return err_about(err, "may", text, "request, read, or request,read");
}

static int ask_add(struct invocation *in, const struct message_apitoken *m)
{
	auto_admin *admin = admin_open(&in->common, &in->error);
	auto_buf question = BUF_INIT;
	message_apitoken_write(m, &question);
	return admin ? admin_ask(admin, MSG_APITOKEN_ADD, buf_bytes(&question), MSG_DONE, NULL, &in->error) : -1;
}

static void say_added(const struct invocation *in, const char *id, struct buf *token, const char *out,
		      int64_t expires_s)
{
	char until[CLOCK_TEXT_SIZE];
	(void)clock_rfc3339(expires_s, until);
	if (in->common.json) {
		json_t *answer = json_pack("{s:s, s:s, s:s}", "id", id, "identity", in->operands[0], "expires", until);
		(void)json_object_set_new(answer, out ? "file" : "token", json_string(out ? out : buf_text(token)));
		output_json(answer);
	} else if (out) {
		(void)printf("API token %s for %s until %s: %s\n", id, in->operands[0], until, out);
	} else {
		(void)fprintf(stderr, "API token %s for %s until %s; it is shown this once:\n", id, in->operands[0],
			      until);
		(void)puts(buf_text(token));
	}
}

static int run_add(struct invocation *in)
{
	const char *may = "request,read", *out = NULL;
	struct option_list profiles = { .count = 0 };
	unsigned days = DAYS_DEFAULT;
	const struct option_spec specs[] = {
		{ "may", OPTION_TEXT, &may, "WHAT", "request, read, or request,read (both)" },
		{ "profile", OPTION_LIST, &profiles, "P", "only this profile; several may be given" },
		{ "days", OPTION_NUMBER, &days, "N", "life in days (90)" },
		{ "out", OPTION_TEXT, &out, "FILE", "write the token there (0600) instead of showing it" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_secret_buf token = BUF_INIT;
	auto_buf id = BUF_INIT, list = BUF_INIT;
	uint8_t octets[ID_OCTETS];
	struct clock clock = clock_system();
	int64_t now = clock_now_ms(&clock);
	struct message_apitoken m = { .identity = bytes_of(in->operands[0]), .created_ms = now };
	if (scope_of(may, &m, &in->error) || draw(&token, &in->error))
		return refuse(in);
	if (RAND_bytes(octets, sizeof(octets)) != 1) {
		(void)err_set(&in->error, ERR_INTERNAL, "no random numbers for a token");
		return refuse(in);
	}
	text_add_hex(&id, BYTES(octets, sizeof(octets)));
	for (size_t i = 0; i < profiles.count; i++)
		buf_printf(&list, "%s%s", i ? "," : "", profiles.items[i]);
	sha256(token.data, token.len, m.hash);
	m.id = buf_bytes(&id);
	m.profiles = buf_bytes(&list);
	m.expires_s = now / 1000 + (int64_t)days * 86400;
	if (out && file_create(out, buf_bytes(&token), 0600, &in->error))
		return refuse(in);
	if (ask_add(in, &m)) {
		if (out)
			(void)unlink(out);
		return refuse(in);
	}
	say_added(in, buf_text(&id), &token, out, m.expires_s);
	return 0;
}

static json_t *token_json(const struct message_apitoken *row)
{
	char created[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE];
	return json_pack("{s:s%, s:s%, s:b, s:b, s:s%, s:b, s:s, s:s}", "id", (const char *)row->id.data, row->id.len,
			 "identity", (const char *)row->identity.data, row->identity.len, "mayRequest",
			 (int)row->may_request, "mayRead", (int)row->may_read, "profiles",
			 row->profiles.len ? (const char *)row->profiles.data : "", row->profiles.len, "removed",
			 (int)row->removed, "created", clock_rfc3339(row->created_ms / 1000, created), "expires",
			 clock_rfc3339(row->expires_s, expires));
}

static void add_row(struct table *table, const json_t *row)
{
	bool request = json_is_true(json_object_get(row, "mayRequest")),
	     read = json_is_true(json_object_get(row, "mayRead"));
	const char *profiles = member_text(row, "profiles");
	const char *const cells[] = { member_text(row, "id"),
				      member_text(row, "identity"),
				      request && read ? "request,read"
				      : request       ? "request"
						      : "read",
				      profiles[0] ? profiles : "all",
				      json_is_true(json_object_get(row, "removed")) ? "removed" : "active",
				      member_text(row, "expires") };
	table_add(table, cells);
}

static const struct list apitokens = { "apitokens",
				       { "ID", "IDENTITY", "MAY", "PROFILES", "STATE", "UNTIL" },
				       add_row };

static int run_list(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_buf answer = BUF_INIT;
	auto_free struct message_apitokens *all = calloc(1, sizeof(*all));
	if (!all || admin_ask_once(&in->common, MSG_APITOKEN_LIST, NULL, MSG_APITOKENS, &answer, &in->error) ||
	    message_apitokens_read(buf_bytes(&answer), all, &in->error))
		return refuse(in);
	auto_json *rows = json_array();
	for (uint32_t i = 0; i < all->count; i++)
		(void)json_array_append_new(rows, token_json(&all->rows[i]));
	return list_show(in, &apitokens, rows);
}

static int run_remove(struct invocation *in)
{
	return admin_remove(in, MSG_APITOKEN_REMOVE, "id", "API token", "");
}

static const struct command commands[] = {
	{ "add", "IDENTITY", "Make a token that acts in the name of an identity",
	  "A token can request and read, nothing else. It is shown once; the server keeps a hash of it.\n"
	  "Use it with --token-file, or as `Authorization: Bearer TOKEN`.\n",
	  NULL, run_add },
	{ "list", "", "List API tokens", NULL, NULL, run_list },
	{ "remove", "ID", "Remove an API token", NULL, NULL, run_remove },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_apitoken = { "apitoken",
				      "",
				      "API tokens for machines: add, list, remove",
				      "On the server's machine, by its state directory (admin.sock).\n",
				      commands,
				      NULL };
