/* chancery order: what was asked for, and how it stands. */
#include "tools/cmd_order.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "tools/list.h"
#include "tools/order_text.h"

#define WORDS_SHOWN 60

void order_path(struct buf *path, const char *id, const char *behind)
{
	buf_add_text(path, "/api/v1/orders/");
	url_add_escaped(path, id);
	buf_add_text(path, behind);
	(void)buf_text(path);
}

int order_requester(const struct client *client, struct own_request *own, struct error *err)
{
	const struct credential *credential = client_credential(client);
	own->requester = credential ? credential_name(credential, err) : NULL;
	return credential && !own->requester ? -1 : 0;
}

int order_own_request(const struct client *client, const char *path, struct own_request *own, struct error *err)
{
	if (!path)
		return 0;
	return order_requester(client, own, err) || own_request_read(path, own, err) ? -1 : 0;
}

int order_show(const struct invocation *in, json_t *order, const struct own_request *own, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (own && own_request_check(own, order, err))
		return -1;
	if (in->common.json) {
		output_json(json_incref(order));
		return 0;
	}
	order_text(order, own ? ORDER_VALUES_OWN : ORDER_VALUES_UNCHECKED, &text);
	output_text(&text, false);
	return 0;
}

/* ---- list ---- */

/* The list has its first words; `order show` has them all. */
static void add_words(const char *text, struct buf *out)
{
	size_t length = strlen(text), most = length <= WORDS_SHOWN ? length : WORDS_SHOWN;
	while (most < length && most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) /* not within a character */
		most--;
	buf_add(out, text, most);
	buf_add_text(out, most < length ? "..." : "");
}

static void add_row(struct table *table, const json_t *row)
{
	auto_buf names = BUF_INIT, words = BUF_INIT;
	json_int_t count = json_integer_value(json_object_get(row, "nameCount"));
	buf_printf(&names, "%s", member_text(row, "name"));
	if (count > 1)
		buf_printf(&names, " and %" JSON_INTEGER_FORMAT " more", count - 1);
	add_words(member_text(row, "waitsFor"), &words);
	const char *const cells[] = { member_text(row, "id"),
				      member_text(row, "status"),
				      member_text(row, "profile"),
				      member_text(row, "requester"),
				      member_text(row, "expires"),
				      buf_text(&names),
				      buf_text(&words) };
	table_add(table, cells);
}

static const struct list orders = { "orders",
				    { "ORDER", "STATE", "PROFILE", "REQUESTER", "EXPIRES", "NAMES", "WAITS FOR" },
				    add_row };

static int run_list(struct invocation *in)
{
	const char *status = NULL;
	bool mine = false;
	unsigned limit = 100;
	const struct option_spec specs[] = {
		{ "status", OPTION_TEXT, &status, "S", "draft, pending-validation, pending-approval, issued ..." },
		{ "mine", OPTION_FLAG, &mine, NULL, "one's own alone" },
		{ "limit", OPTION_NUMBER, &limit, "N", "at most so many (100)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_client *client = client_open(&in->common, &in->error);
	auto_buf path = BUF_INIT;
	buf_add_text(&path, "/api/v1/orders");
	url_add_query(&path, "status", status);
	url_add_query(&path, "mine", mine ? "true" : NULL);
	auto_json *all = client ? list_pages(client, &orders, buf_text(&path), limit, &in->error) : NULL;
	return all ? list_show(in, &orders, all) : refuse(in);
}

/* ---- show, and what a requester does ---- */

/* POST .../act, or GET where there is none; and the order that is answered. */
static int run_act(struct invocation *in, const char *act)
{
	const char *csr = NULL;
	const struct option_spec specs[] = {
		{ "csr", OPTION_TEXT, &csr, "FILE", "your request, or its key: what to put where is computed here" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_own_request own = { .names = CA_NAMES_INIT };
	auto_buf path = BUF_INIT;
	auto_client *client = client_open(&in->common, &in->error);
	order_path(&path, in->operands[0], act ? act : "");
	if (!client || order_own_request(client, csr, &own, &in->error))
		return refuse(in);
	auto_json *order = act ? client_post_json(client, buf_text(&path), NULL, &in->error)
			       : client_get_json(client, buf_text(&path), &in->error);
	return !order || order_show(in, order, csr ? &own : NULL, &in->error) ? refuse(in) : 0;
}

static int run_show(struct invocation *in)
{
	return run_act(in, NULL);
}

static int run_submit(struct invocation *in)
{
	return run_act(in, "/submit");
}

static int run_copy(struct invocation *in)
{
	return run_act(in, "/copy");
}

static int run_cancel(struct invocation *in)
{
	return run_act(in, "/cancel");
}

static int run_check(struct invocation *in)
{
	return run_act(in, "/check");
}

/* ---- confirm ---- */

/* "www.example.test", or as the order has it: "dns:www.example.test". */
static int print_name(const char *text, struct buf *out, struct error *err)
{
	struct ca_name name;
	struct error none = ERR_INIT;
	if (ca_name_parse(bytes_of(text), &name, &none) && name_of(text, &name, err))
		return err_about(err, "name", text, NULL);
	ca_name_print(&name, out);
	return 0;
}

static json_t *confirm_body(const char *name, const char *reference, struct error *err)
{
	auto_buf printed = BUF_INIT;
	if (print_name(name, &printed, err))
		return NULL;
	auto_secret *code = secret_get(reference, "code from the mail", err);
	if (!code)
		return NULL;
	struct bytes octets = secret_bytes(code);
	json_t *body = json_pack("{s:s, s:s%}", "name", buf_text(&printed), "code", (const char *)octets.data,
				 (size_t)octets.len);
	if (!body)
		(void)err_set(err, ERR_BAD_REQUEST, "the code is no text");
	return body;
}

static int run_confirm(struct invocation *in)
{
	const char *name = NULL, *code = "prompt";
	const struct option_spec specs[] = {
		{ "name", OPTION_TEXT, &name, "N", "the name that the mail is about" },
		{ "code", OPTION_TEXT, &code, "REF", "where the code is: file:PATH, fd:N (prompt: it is asked for)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (!name)
		return refuse_usage(in, "--name is needed: which name the mailed code is about");
	auto_buf path = BUF_INIT;
	auto_client *client = client_open(&in->common, &in->error);
	json_t *body = client ? confirm_body(name, code, &in->error) : NULL;
	order_path(&path, in->operands[0], "/confirm");
	if (!body)
		return refuse(in);
	auto_json *order = client_post_json(client, buf_text(&path), body, &in->error);
	return !order || order_show(in, order, NULL, &in->error) ? refuse(in) : 0;
}

static const char show_detail[] =
	"Says how it stands, what it waits for, and for each name what to put where. What is put somewhere commits to\n"
	"your key: with --csr the values are computed here, from your request or its key, and a server that says "
	"others\n"
	"is found out (exit status 4).\n";
static const char confirm_detail[] =
	"The code stands in a mail to one of the addresses that the order names. It is asked for on the terminal, or\n"
	"read from where --code says.\n";

static const struct command commands[] = {
	{ "list", "", "List orders, newest first", NULL, NULL, run_list },
	{ "show", "ID", "Show an order, and what to do about it", show_detail, NULL, run_show },
	{ "submit", "ID", "Ask for what a draft says", NULL, NULL, run_submit },
	{ "copy", "ID", "Make a new draft of the same request", NULL, NULL, run_copy },
	{ "cancel", "ID", "Give an order up", NULL, NULL, run_cancel },
	{ "check", "ID", "Look now whether its names are shown; mail codes anew", NULL, NULL, run_check },
	{ "confirm", "ID", "Give back the code that was mailed about a name", confirm_detail, NULL, run_confirm },
	{ "approve", "ID", "Sign for the exact bytes of a certificate", order_decide_detail, NULL, order_approve },
	{ "deny", "ID", "Sign that they are not to be", order_decide_detail, NULL, order_deny },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_order = {
	"order", "", "Orders: list, show, submit, copy, cancel, check, confirm, approve, deny", NULL, commands, NULL
};
