/* chancery submit: a request for a certificate, made elsewhere. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "ca-core/csr.h"
#include "tools/cmd_order.h"
#include "tools/order_text.h"

#define ISSUING_MS 10000 /* so long an order that nothing is missing for is waited for */
#define PAUSE_MS 200

struct submission {
	const char *profile, *out, *organization;
	unsigned days;
	struct option_list contacts;
	bool draft;
	struct buf csr; /* what people send by mistake is a key: wiped */
	struct own_request own;
};

static void submission_free(struct submission *s)
{
	buf_wipe(&s->csr);
	own_request_free(&s->own);
}

static int read_request(const char *path, struct submission *s, struct error *err)
{
	if (file_read(path, CA_CSR_MAX, &s->csr, err))
		return -1;
	if (memmem(s->csr.data, s->csr.len, "PRIVATE KEY-----", 16))
		return err_set(err, ERR_BAD_CSR,
			       "%s holds a private key: it was not sent. Send a request (BEGIN CERTIFICATE REQUEST)",
			       path);
	return 0;
}

/* ---- sent as an order ---- */

/* "technical:ops@example.test" */
static int add_contact(const char *text, json_t *list, struct error *err)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon == text || !colon[1]) {
		(void)err_set(err, ERR_USAGE, "--contact is ROLE:MAIL, not \"%s\"", text);
		return err_about(err, "contact", text, "administrative:MAIL, technical:MAIL");
	}
	json_t *contact = json_pack("{s:s%, s:s}", "role", text, (size_t)(colon - text), "mail", colon + 1);
	return contact && json_array_append_new(list, contact) == 0
		       ? 0
		       : err_set(err, ERR_USAGE, "--contact \"%s\" is not UTF-8", text);
}

static int add_csr(struct submission *s, json_t *body, struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(buf_bytes(&s->csr), CA_NAMES_MAX, err);
	auto_buf pem = BUF_INIT;
	if (!csr)
		return -1;
	text_add_pem(&pem, "CERTIFICATE REQUEST", buf_bytes(&csr->der));
	return json_object_set_new(body, "csr", json_string(buf_text(&pem)))
		       ? err_set(err, ERR_INTERNAL, "no memory for a request")
		       : 0;
}

static json_t *body_of(struct submission *s, struct error *err)
{
	json_t *contacts = json_array();
	auto_json *body =
		json_pack("{s:s, s:b, s:o}", "profile", s->profile, "draft", (int)s->draft, "contacts", contacts);
	if (!body) {
		(void)err_set(err, ERR_USAGE, "--profile is not UTF-8");
		return NULL;
	}
	if (s->days)
		(void)json_object_set_new(body, "days", json_integer(s->days));
	if (s->organization && json_object_set_new(body, "organization", json_string(s->organization))) {
		(void)err_set(err, ERR_USAGE, "--org is not UTF-8");
		return NULL;
	}
	for (size_t i = 0; i < s->contacts.count; i++)
		if (add_contact(s->contacts.items[i], contacts, err))
			return NULL;
	return add_csr(s, body, err) ? NULL : TAKE(body);
}

static json_t *post_order(struct client *client, struct submission *s, struct error *err)
{
	json_t *body = body_of(s, err);
	return body ? client_post_json(client, "/api/v1/orders", body, err) : NULL;
}

/* While nothing is missing but the token's signature, the answer is worth a moment. */
static json_t *wait_for_token(struct client *client, json_t *order, struct error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int64_t until_ms = clock_monotonic_ms() + ISSUING_MS;
	while (order && order_is_under_way(order) && clock_monotonic_ms() < until_ms) {
		auto_buf path = BUF_INIT;
		order_path(&path, member_text(order, "id"), "");
		json_decref(order);
		(void)nanosleep(&pause, NULL);
		order = client_get_json(client, buf_text(&path), err);
	}
	return order;
}

/* ---- what came of it ---- */

static int get_chain(struct client *client, const char *serial, struct buf *chain, struct error *err)
{
	auto_buf path = BUF_INIT;
	buf_add_text(&path, "/api/v1/certificates/");
	url_add_escaped(&path, serial);
	buf_add_text(&path, "/chain.pem");
	return client_get(client, buf_text(&path), chain, err);
}

static int give_chain(const struct invocation *in, const struct submission *s, struct buf *chain, struct error *err)
{
	auto_x509 *certificate = certificate_read(buf_bytes(chain), err);
	auto_buf serial = BUF_INIT;
	if (!certificate || certificate_serial(certificate, &serial, err) ||
	    (s->out && file_replace(s->out, buf_bytes(chain), 0644, err)))
		return -1;
	if (in->common.json)
		output_json(json_pack("{s:s, s:s}", "serial", buf_text(&serial), "chain", buf_text(chain)));
	else if (s->out)
		(void)printf("Certificate %s: %s\n", buf_text(&serial), s->out);
	else
		output_say("%s", buf_text(chain));
	return 0;
}

static int give_order(const struct invocation *in, const struct submission *s, json_t *order, struct error *err)
{
	auto_buf text = BUF_INIT;
	if (own_request_check(&s->own, order, err))
		return -1;
	if (in->common.json) {
		output_json(json_pack("{s:O}", "order", order));
		return 0;
	}
	order_text(order, ORDER_VALUES_OWN, &text);
	buf_add_text(&text, "It is an order now. Look again: chancery order show ");
	output_add_safe(&text, member_text(order, "id"), false);
	buf_add_text(&text, " --csr ");
	output_add_safe(&text, in->operands[0], false);
	buf_u8(&text, '\n');
	output_text(&text, false);
	return 0;
}

static int submit(const struct invocation *in, struct submission *s, struct error *err)
{
	auto_client *client = client_open(&in->common, err);
	if (!client)
		return -1;
	bool plain = !s->organization && !s->draft && !s->contacts.count;
	auto_buf chain = BUF_INIT;
	json_t *made = NULL;
	if (plain && post_request(client, s->profile, s->days, buf_bytes(&s->csr), &chain, &made, err))
		return -1;
	if (plain && !made)
		return give_chain(in, s, &chain, err);
	auto_json *order = wait_for_token(client, plain ? made : post_order(client, s, err), err);
	if (!order || order_requester(client, &s->own, err) || own_request_of_csr(buf_bytes(&s->csr), &s->own, err))
		return -1;
	const char *serial = member_text(order, "certificate");
	if (!serial[0])
		return give_order(in, s, order, err);
	return get_chain(client, serial, &chain, err) ? -1 : give_chain(in, s, &chain, err);
}

static int run_submit(struct invocation *in)
{
	CLEANUP(submission_free) struct submission s = { .csr = BUF_INIT, .own = { .names = CA_NAMES_INIT } };
	const struct option_spec specs[] = {
		{ "profile", OPTION_TEXT, &s.profile, "P", "server-dv, server-ov, client, peer, short-lived ..." },
		{ "days", OPTION_NUMBER, &s.days, "N", "life in days (the profile's own)" },
		{ "org", OPTION_TEXT, &s.organization, "ID", "the organization that it is for" },
		{ "contact", OPTION_LIST, &s.contacts, "ROLE:MAIL",
		  "who is told how it goes: administrative, technical" },
		{ "draft", OPTION_FLAG, &s.draft, NULL, "make an order that is not asked for yet" },
		{ "out", OPTION_TEXT, &s.out, "FILE", "where to write the chain (standard output)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (!s.profile)
		return refuse_usage(in, "--profile is needed");
	return read_request(in->operands[0], &s, &in->error) || submit(in, &s, &in->error) ? refuse(in) : 0;
}

static const char detail[] = "CSR is a PKCS#10 request, PEM or DER. Its names go through the profile's rules. Where "
			     "something has to be shown\n"
			     "or approved first it becomes an order: its id is printed, what it waits for, and what to "
			     "put where (computed here,\n"
			     "from your request). With --json the answer has \"chain\", or \"order\".\n";

const struct command cmd_submit = { "submit", "CSR", "Send a certificate signing request, get the chain or an order",
				    detail,   NULL,  run_submit };
