#include "tools/explain_text.h"

#include <stdio.h>

static void fact(struct buf *out, const char *name, const json_t *object, const char *member)
{
	const char *text = member_text(object, member);
	output_add_fact(out, name, text[0] ? text : NULL);
}

static void add_order(const json_t *file, struct buf *out)
{
	const json_t *order = json_object_get(file, "order"), *request = json_object_get(file, "request");
	fact(out, "order", order, "id");
	fact(out, "state", order, "status");
	fact(out, "waits for", order, "waitsFor");
	fact(out, "why", order, "failure");
	fact(out, "profile", order, "profile");
	fact(out, "validation", order, "validationLevel");
	fact(out, "requester", order, "requester");
	fact(out, "profile", file, "profile"); /* of a certificate without an order */
	fact(out, "requester", file, "requester");
	fact(out, "created", order, "created");
	output_add_facts(out, "not copied", json_object_get(request, "notCopied"));
	fact(out, "asked subject", request, "subjectAsked");
}

static void add_certificate(const json_t *file, struct buf *out)
{
	const json_t *certificate = json_object_get(file, "certificate");
	fact(out, "certificate", certificate, "serial");
	fact(out, "status", certificate, "status");
	fact(out, "issuer", certificate, "issuer");
	fact(out, "issued", certificate, "issued");
	fact(out, "tbs sha256", certificate, "tbsSha256");
	fact(out, "tbs sha256", file, "tbsSha256");
	fact(out, "lint", certificate, "lint");
	fact(out, "lint", file, "lint");
}

static void add_names(const json_t *file, struct buf *out)
{
	size_t i;
	const json_t *name;
	json_array_foreach(json_object_get(file, "validation"), i, name)
	{
		auto_buf line = BUF_INIT;
		const char *method = member_text(name, "method"), *evidence = member_text(name, "evidence");
		const char *error = member_text(name, "error"), *caa = member_text(name, "caa");
		buf_printf(&line, "%s: %s", member_text(name, "name"), method[0] ? method : "not shown");
		if (json_is_true(json_object_get(name, "reused")))
			buf_add_text(&line, ", for an earlier order");
		if (evidence[0] || error[0])
			buf_printf(&line, "; %s", evidence[0] ? evidence : error);
		if (caa[0])
			buf_printf(&line, "; CAA: %s", caa);
		output_add_fact(out, "control", buf_text(&line));
	}
}

static void add_people(const json_t *file, struct buf *out)
{
	const json_t *organization = json_object_get(file, "organization");
	const json_t *vetting = json_object_get(organization, "vetting");
	size_t i;
	const json_t *approval;
	if (organization) {
		auto_buf line = BUF_INIT;
		buf_printf(&line, "%s, version %" JSON_INTEGER_FORMAT ", now %s", member_text(organization, "id"),
			   json_integer_value(json_object_get(organization, "version")),
			   member_text(organization, "status"));
		if (vetting)
			buf_printf(&line, "; vetted by %s, counts until %s", member_text(vetting, "officer"),
				   member_text(vetting, "validUntil"));
		output_add_fact(out, "organization", buf_text(&line));
	}
	json_array_foreach(json_object_get(file, "approvals"), i, approval)
	{
		auto_buf line = BUF_INIT;
		bool late = json_is_true(json_object_get(approval, "enrolledAfterOrder"));
		buf_printf(&line, "%s by %s, %s: %s%s", member_text(approval, "decision"),
			   member_text(approval, "officer"), member_text(approval, "time"),
			   member_text(approval, "reason"),
			   late ? " (his certificate was enrolled after the order was made)" : "");
		output_add_fact(out, "decided", buf_text(&line));
	}
}

static void add_refused(const json_t *file, struct buf *out)
{
	size_t i;
	const json_t *why;
	json_array_foreach(json_object_get(file, "wouldBeRefused"), i, why)
	{
		auto_buf line = BUF_INIT;
		buf_printf(&line, "%s: %s", member_text(why, "code"), member_text(why, "detail"));
		output_add_fact(out, "would be refused", buf_text(&line));
	}
}

static void add_log(const json_t *file, struct buf *out)
{
	const json_t *audit = json_object_get(file, "audit"), *head = json_object_get(audit, "head");
	auto_buf line = BUF_INIT;
	buf_printf(&line, "%zu entries", json_array_size(json_object_get(audit, "entries")));
	if (head)
		buf_printf(&line, ", up to a signed head of entry %" JSON_INTEGER_FORMAT,
			   json_integer_value(json_object_get(head, "sequence")));
	output_add_fact(out, "audit log", buf_text(&line));
	fact(out, "audit log", audit, "headNote");
	fact(out, "audit log", audit, "pathNote");
	fact(out, "audit log", audit, "entriesNote");
}

void explain_text_add(const json_t *file, struct buf *out)
{
	add_order(file, out);
	add_certificate(file, out);
	add_names(file, out);
	add_people(file, out);
	add_refused(file, out);
	add_log(file, out);
}
