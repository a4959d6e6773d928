/* chancery crl: what the lists say, and new ones now; the root's too, whose key no server holds. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/secret.h"
#include "ca-core/crl.h"
#include "ca-core/oid.h"
#include "base/text.h"
#include "tools/admin.h"
#include "tools/cmd.h"

#define LIST_MAX ((size_t)256 << 20)

/* ---- show ---- */

/* A file, or an issuer's name: then the published list, of this machine or of the server. */
static int fetch(struct invocation *in, const char *what, struct buf *der, struct error *err)
{
	auto_buf path = BUF_INIT;
	if (strchr(what, '/') || (file_exists(what) && strlen(what) > 4))
		return file_read(what, LIST_MAX, der, err);
	buf_printf(&path, in->common.server ? "/crl/%s.crl" : "published/crl/%s.crl", what);
	if (in->common.server) {
		auto_client *client = client_open(&in->common, err);
		return client ? client_get(client, buf_text(&path), der, err) : -1;
	}
	auto_free char *file = state_path(&in->common, buf_text(&path), err);
	if (!file || file_read(file, LIST_MAX, der, err) == 0)
		return file ? 0 : -1;
	return err_wrap(err, err->code, "there is no published list of an issuer \"%s\"", what);
}

/* PEM or DER, as DER. */
static int to_der(struct buf *content, struct error *err)
{
	if (content->len == 0 || content->data[0] == 0x30)
		return 0;
	struct bytes text = buf_bytes(content);
	char label[64];
	struct buf der = BUF_INIT;
	int found = text_next_pem(&text, label, &der, err);
	if (found <= 0 || strcmp(label, "X509 CRL") != 0) {
		buf_free(&der);
		return found < 0 ? -1 : err_set(err, ERR_BAD_REQUEST, "this is no revocation list");
	}
	buf_free(content);
	*content = der;
	return 0;
}

static json_t *entry_json(const struct ca_crl_entry *entry)
{
	auto_buf serial = BUF_INIT;
	char revoked[CLOCK_TEXT_SIZE];
	const char *reason = record_reason_name((enum record_reason)entry->reason);
	text_add_hex(&serial, entry->serial);
	return json_pack("{s:s, s:s, s:s}", "serial", buf_text(&serial), "revokedAt",
			 clock_rfc3339(entry->revoked_s, revoked), "reason", reason ? reason : "unspecified");
}

static json_t *list_json(struct bytes der, struct error *err)
{
	struct ca_crl crl;
	if (ca_crl_read(der, BYTES_NONE, &crl, err))
		return NULL;
	char this_update[CLOCK_TEXT_SIZE], next_update[CLOCK_TEXT_SIZE];
	auto_buf issuer = BUF_INIT;
	json_t *entries = json_array();
	struct ca_crl_entry entry;
	int got;
	while ((got = ca_crl_next(&crl.entries, &entry, err)) > 0)
		(void)json_array_append_new(entries, entry_json(&entry));
	if (got < 0 || ca_subject_text(crl.head.issuer, &issuer, err)) {
		json_decref(entries);
		return NULL;
	}
	return json_pack("{s:s, s:I, s:s, s:s, s:o}", "issuer", buf_text(&issuer), "number",
			 (json_int_t)crl.head.number, "thisUpdate", clock_rfc3339(crl.head.this_update_s, this_update),
			 "nextUpdate", clock_rfc3339(crl.head.next_update_s, next_update), "entries", entries);
}

static void print_list(const json_t *list)
{
	char number[32];
	const json_t *entries = json_object_get(list, "entries"), *entry;
	(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(json_object_get(list, "number")));
	output_fact("name", member_text(list, "name"));
	output_fact("issuer", member_text(list, "issuer"));
	output_fact("number", number);
	output_fact("this update", member_text(list, "thisUpdate"));
	output_fact("next update", member_text(list, "nextUpdate"));
	(void)snprintf(number, sizeof(number), "%zu", json_array_size(entries));
	output_fact("revoked", number);
	auto_table table = TABLE_INIT(3);
	size_t i;
	json_array_foreach(entries, i, entry)
	{
		const char *const cells[] = { member_text(entry, "serial"), member_text(entry, "revokedAt"),
					      member_text(entry, "reason") };
		table_add(&table, cells);
	}
	table_print(&table);
}

/* Without an argument: every issuer of the configuration. */
static int show_one(struct invocation *in, const char *what, json_t *lists)
{
	auto_buf der = BUF_INIT;
	json_t *list = fetch(in, what, &der, &in->error) || to_der(&der, &in->error)
			       ? NULL
			       : list_json(buf_bytes(&der), &in->error);
	if (list)
		(void)json_object_set_new(list, "name", json_string(what));
	return list ? json_array_append_new(lists, list) : -1;
}

static int show_all(struct invocation *in, json_t *lists)
{
	auto_ca_config *config = state_config(&in->common, &in->error);
	for (size_t i = 0; config && i < config->issuer_count; i++) {
		/* An issuer that joined the configuration has none before it is founded. */
		if (show_one(in, config->issuers[i].name, lists) && in->error.code != ERR_NOT_FOUND)
			return -1;
	}
	return config && json_array_size(lists) ? 0 : -1;
}

static int run_show(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	json_t *lists = json_array();
	if (in->operand_count ? show_one(in, in->operands[0], lists) : show_all(in, lists)) {
		json_decref(lists);
		return refuse(in);
	}
	if (in->common.json) {
		output_json(json_pack("{s:o}", "crls", lists));
		return 0;
	}
	size_t i;
	const json_t *list;
	json_array_foreach(lists, i, list)
	{
		if (i > 0)
			(void)putchar('\n');
		print_list(list);
	}
	json_decref(lists);
	return 0;
}

/* ---- now ---- */

static void say_made(const struct invocation *in, const char *issuer, const struct message_crl_made *made)
{
	char until[CLOCK_TEXT_SIZE];
	(void)clock_rfc3339(made->next_update_s, until);
	if (in->common.json)
		output_json(json_pack("{s:s, s:I, s:I, s:s}", "issuer", issuer, "number", (json_int_t)made->number,
				      "entries", (json_int_t)made->entries, "nextUpdate", until));
	else
		(void)printf("%s: list %llu with %llu revoked, good until %s.\n", issuer,
			     (unsigned long long)made->number, (unsigned long long)made->entries, until);
}

static int now_online(struct invocation *in, struct admin *admin, const char *issuer)
{
	auto_buf question = BUF_INIT, answer = BUF_INIT;
	struct message_crl_made made;
	const struct message_crl_now request = { .issuer = bytes_of(issuer) };
	message_crl_now_write(&request, &question);
	if (admin_ask(admin, MSG_CRL_NOW, buf_bytes(&question), MSG_CRL_MADE, &answer, &in->error) ||
	    message_crl_made_read(buf_bytes(&answer), &made, &in->error))
		return -1;
	say_made(in, issuer, &made);
	return 0;
}

static int run_now(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	auto_ca_config *config = state_config(&in->common, &in->error);
	auto_admin *admin = config ? admin_open(&in->common, &in->error) : NULL;
	if (!admin)
		return refuse(in);
	const char *wanted = in->operand_count ? in->operands[0] : NULL;
	bool found = false;
	for (size_t i = 0; i < config->issuer_count; i++) {
		const struct ca_config_issuer *issuer = &config->issuers[i];
		const struct ca_config_token *token = ca_config_token(config, issuer->token);
		bool online = token && token->online;
		if (wanted ? strcmp(wanted, issuer->name) != 0 : !online)
			continue;
		found = true;
		struct message_crl_made made;
		if (online ? now_online(in, admin, issuer->name)
			   : crl_sign_offline(&in->common, config, issuer, admin, &made, &in->error))
			return refuse(in);
		if (!online)
			say_made(in, issuer->name, &made);
	}
	if (found)
		return 0;
	(void)err_set(&in->error, ERR_NOT_FOUND, "the configuration has no such issuer");
	return refuse(in);
}

static const struct command commands[] = {
	{ "show", "[ISSUER|FILE]", "Show revocation lists", NULL, NULL, run_show },
	{ "now", "[ISSUER]", "Make a new revocation list now",
	  "Without ISSUER: of every issuer whose token is online. An issuer whose token is kept offline (the\n"
	  "root) is signed for here, with that token and its PIN, and the list is handed to the server.\n",
	  NULL, run_now },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_crl = { "crl", "", "Revocation lists: show, now", NULL, commands, NULL };
