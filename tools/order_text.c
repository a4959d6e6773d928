#include "tools/order_text.h"

#include <stdio.h>
#include <string.h>

static const char *text_or_null(const json_t *object, const char *member)
{
	const char *text = member_text(object, member);
	return text[0] ? text : NULL;
}

/* "dns:www.example.test" is what people call www.example.test. */
static const char *without_kind(const char *name)
{
	if (strncmp(name, "dns:", 4) == 0)
		return name + 4;
	return strncmp(name, "ip:", 3) == 0 ? name + 3 : name;
}

/* An indented line, its parts safe for a terminal. */
static void line(struct buf *out, const char *indent, const char *label, const char *value)
{
	buf_printf(out, "%s%-8s ", indent, label);
	output_add_safe(out, value, false);
	buf_u8(out, '\n');
}

/* ---- one way to show a name ---- */

static void add_addresses(const json_t *method, struct buf *out)
{
	size_t i;
	const json_t *address;
	auto_buf all = BUF_INIT;
	json_array_foreach(json_object_get(method, "to"), i, address)
	{
		buf_printf(&all, "%s%s", i ? ", " : "", json_string_value(address));
	}
	line(out, "      ", "to", buf_text(&all));
}

static void add_method(const json_t *method, struct buf *out)
{
	const char *type = member_text(method, "type");
	if (strcmp(type, "dns-txt") == 0) {
		buf_add_text(out, "    a TXT record in the DNS:\n");
		line(out, "      ", "name", member_text(method, "name"));
		line(out, "      ", "value", member_text(method, "value"));
	} else if (strcmp(type, "dns-cname") == 0) {
		buf_add_text(out, "    a CNAME record in the DNS:\n");
		line(out, "      ", "name", member_text(method, "name"));
		line(out, "      ", "target", member_text(method, "target"));
	} else if (strcmp(type, "http") == 0) {
		buf_add_text(out, "    a file on the web server, by plain HTTP, that holds this alone:\n");
		line(out, "      ", "URL", member_text(method, "url"));
		line(out, "      ", "content", member_text(method, "body"));
	} else if (strcmp(type, "mail") == 0) {
		buf_add_text(out, "    the code that is mailed; give it to `chancery order confirm`:\n");
		add_addresses(method, out);
	}
}

static void add_how_shown(const json_t *authorization, struct buf *out)
{
	const char *type = member_text(json_array_get(json_object_get(authorization, "methods"), 0), "type");
	const char *until = member_text(authorization, "expires");
	buf_add_text(out, "shown");
	if (type[0]) {
		buf_add_text(out, " by ");
		output_add_safe(out, type, false);
	}
	if (until[0]) {
		buf_add_text(out, ", counts until ");
		output_add_safe(out, until, false);
	}
	buf_u8(out, '\n');
}

static void add_last_check(const json_t *authorization, struct buf *out)
{
	const json_t *wrong = json_object_get(authorization, "lastError");
	auto_buf text = BUF_INIT;
	if (!text_or_null(authorization, "lastChecked") && !wrong)
		return;
	buf_printf(&text, "%s", member_text(authorization, "lastChecked"));
	if (wrong)
		buf_printf(&text, "%s%s: %s", text.len ? ": " : "", member_text(wrong, "code"),
			   member_text(wrong, "detail"));
	line(out, "    ", "last check", buf_text(&text));
}

static void add_authorization(const json_t *authorization, enum order_values values, struct buf *out)
{
	const json_t *methods = json_object_get(authorization, "methods");
	size_t i;
	const json_t *method;
	buf_add_text(out, "  ");
	output_add_safe(out, without_kind(member_text(authorization, "name")), false);
	buf_add_text(out, ": ");
	if (strcmp(member_text(authorization, "status"), "valid") == 0) {
		add_how_shown(authorization, out);
		return;
	}
	buf_add_text(out, "not shown yet");
	if (json_array_size(methods))
		buf_printf(out, "; do one of these%s:",
			   values == ORDER_VALUES_OWN ? " (computed here, from your request)" : "");
	buf_u8(out, '\n');
	json_array_foreach(methods, i, method)
	{
		add_method(method, out);
	}
	add_last_check(authorization, out);
}

static bool has_values(const json_t *order)
{
	size_t i;
	const json_t *authorization;
	json_array_foreach(json_object_get(order, "authorizations"), i, authorization)
	{
		if (strcmp(member_text(authorization, "status"), "valid") != 0 &&
		    json_array_size(json_object_get(authorization, "methods")))
			return true;
	}
	return false;
}

static void add_authorizations(const json_t *order, enum order_values values, struct buf *out)
{
	size_t i;
	const json_t *authorization;
	if (json_array_size(json_object_get(order, "authorizations")))
		buf_add_text(out, "control of its names:\n");
	json_array_foreach(json_object_get(order, "authorizations"), i, authorization)
	{
		add_authorization(authorization, values, out);
	}
	if (values == ORDER_VALUES_UNCHECKED && has_values(order))
		buf_add_text(
			out,
			"  Who asked for this order adds --csr FILE (the request, or its key): then the values are "
			"computed\n  here, and a server that says others is found out.\n");
}

/* ---- who decided ---- */

static void add_approvals(const json_t *order, struct buf *out)
{
	const json_t *approvals = json_object_get(order, "approvals");
	json_int_t needed = json_integer_value(json_object_get(order, "approvalsNeeded"));
	size_t i;
	const json_t *approval;
	if (needed > 0) {
		auto_buf count = BUF_INIT;
		buf_printf(&count, "%" JSON_INTEGER_FORMAT, needed);
		output_add_fact(out, "approvals", buf_text(&count));
	}
	json_array_foreach(approvals, i, approval)
	{
		auto_buf text = BUF_INIT;
		buf_printf(&text, "%s by %s, %s: %s", member_text(approval, "decision"),
			   member_text(approval, "officer"), member_text(approval, "time"),
			   member_text(approval, "reason"));
		output_add_fact(out, "decided", buf_text(&text));
	}
	output_add_fact(out, "decide before", text_or_null(order, "approveBefore"));
	output_add_fact(out, "tbs sha256", text_or_null(order, "tbsHash"));
}

/* ---- the whole ---- */

static void add_contacts(const json_t *order, struct buf *out)
{
	size_t i;
	const json_t *contact;
	json_array_foreach(json_object_get(order, "contacts"), i, contact)
	{
		auto_buf text = BUF_INIT;
		buf_printf(&text, "%s, %s", member_text(contact, "mail"), member_text(contact, "role"));
		output_add_fact(out, "contact", buf_text(&text));
	}
}

static void add_failure(const json_t *order, struct buf *out)
{
	const json_t *failure = json_object_get(order, "failure");
	auto_buf text = BUF_INIT;
	if (!failure)
		return;
	buf_printf(&text, "%s: %s", member_text(failure, "code"), member_text(failure, "detail"));
	output_add_fact(out, "why", buf_text(&text));
}

void order_text(const json_t *order, enum order_values values, struct buf *out)
{
	static const struct {
		const char *name, *member;
	} facts[] = { { "order", "id" },
		      { "state", "status" },
		      { "waits for", "waitsFor" },
		      { "certificate", "certificate" },
		      { "profile", "profile" },
		      { "requester", "requester" },
		      { "organization", "organization" },
		      { "subject", "subject" },
		      { "asked subject", "askedSubject" },
		      { "created", "created" },
		      { "expires", "expires" } };
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		output_add_fact(out, facts[i].name, text_or_null(order, facts[i].member));
	add_failure(order, out);
	add_contacts(order, out);
	output_add_facts(out, "not copied", json_object_get(order, "notCopied"));
	add_approvals(order, out);
	add_authorizations(order, values, out);
}

bool order_is_under_way(const json_t *order)
{
	const char *status = member_text(order, "status");
	return strcmp(status, "ready") == 0 || strcmp(status, "issuing") == 0;
}
