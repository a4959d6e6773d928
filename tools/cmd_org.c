/* chancery org: organizations as records; shown, vetted, suspended. */
#include "tools/cmd_org.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tools/decision.h"
#include "tools/list.h"

void org_path(struct buf *path, const char *id, const char *behind)
{
	buf_add_text(path, "/api/v1/organizations/");
	url_add_escaped(path, id);
	buf_add_text(path, behind);
	(void)buf_text(path);
}

json_t *org_get(struct client *client, const char *id, struct error *err)
{
	auto_buf path = BUF_INIT;
	org_path(&path, id, "");
	return client_get_json(client, buf_text(&path), err);
}

/* ---- list, show ---- */

static void add_row(struct table *table, const json_t *row)
{
	const char *const cells[] = { member_text(row, "id"), member_text(row, "status"),
				      member_text(row, "validUntil"), member_text(row, "country"),
				      member_text(row, "legalName") };
	table_add(table, cells);
}

static const struct list organizations = { "organizations",
					   { "ORGANIZATION", "STATE", "VALID UNTIL", "COUNTRY", "LEGAL NAME" },
					   add_row };

static int run_list(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_client *client = client_open(&in->common, &in->error);
	auto_json *all = client ? client_get_json(client, "/api/v1/organizations", &in->error) : NULL;
	return all ? list_show(in, &organizations, json_object_get(all, organizations.member)) : refuse(in);
}

int org_show(const struct invocation *in, json_t *organization)
{
	static const char *const members[] = { "id",
					       "status",
					       "vettedBy",
					       "vetted",
					       "validUntil",
					       "legalName",
					       "registrationNumber",
					       "jurisdictionCountry",
					       "jurisdictionState",
					       "jurisdictionLocality",
					       "street",
					       "postalCode",
					       "locality",
					       "state",
					       "country",
					       "businessCategory",
					       "standing",
					       "created",
					       "changed",
					       "recordHash" };
	auto_buf text = BUF_INIT, version = BUF_INIT;
	size_t i;
	const json_t *document;
	if (in->common.json) {
		output_json(json_incref(organization));
		return 0;
	}
	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *value = member_text(organization, members[i]);
		output_add_fact(&text, members[i], value[0] ? value : NULL);
	}
	buf_printf(&version, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(organization, "version")));
	output_add_fact(&text, "version", buf_text(&version));
	output_add_facts(&text, "domain", json_object_get(organization, "domains"));
	output_add_facts(&text, "agent", json_object_get(organization, "agents"));
	json_array_foreach(json_object_get(organization, "documents"), i, document)
	{
		auto_buf line = BUF_INIT;
		buf_printf(&line, "%s, %s: %s (%s)", member_text(document, "date"), member_text(document, "source"),
			   member_text(document, "note"), member_text(document, "sha256"));
		output_add_fact(&text, "document", buf_text(&line));
	}
	output_text(&text, false);
	return 0;
}

static int run_show(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_client *client = client_open(&in->common, &in->error);
	auto_json *organization = client ? org_get(client, in->operands[0], &in->error) : NULL;
	return organization ? org_show(in, organization) : refuse(in);
}

/* ---- vet, suspend ---- */

/* The very bytes that are decided about, and that the server says nothing else of them. */
static int fetch_record(struct client *client, const char *id, struct buf *record, struct error *err)
{
	auto_buf path = BUF_INIT;
	uint8_t hash[32];
	char hex[65];
	auto_json *organization = org_get(client, id, err);
	org_path(&path, id, "/record");
	if (!organization || client_get(client, buf_text(&path), record, err))
		return -1;
	sha256(record->data, record->len, hash);
	if (strcmp(member_text(organization, "recordHash"), text_hex(BYTES(hash, sizeof(hash)), hex)) != 0)
		return err_set(err, ERR_INTEGRITY,
			       "the record that the server gives is not the one it names: its SHA-256 differs");
	return text_is_utf8(buf_bytes(record)) && !memchr(record->data, '\0', record->len)
		       ? 0
		       : err_set(err, ERR_INTEGRITY, "the record is no text");
}

/* A line of the record that says whose it is, so that a server cannot show another's. */
static int check_id(const char *id, struct buf *record, struct error *err)
{
	auto_buf line = BUF_INIT;
	buf_printf(&line, "\nid: %s\n", id);
	return strstr(buf_text(record), buf_text(&line))
		       ? 0
		       : err_set(err, ERR_INTEGRITY, "the record is not that of organization %s", id);
}

static int decide(struct invocation *in, struct decision *d, bool yes)
{
	struct error *err = &in->error;
	auto_buf record = BUF_INIT, shown = BUF_INIT;
	auto_client *client = client_open(&in->common, err);
	if (!client || fetch_record(client, d->id, &record, err) || check_id(d->id, &record, err))
		return -1;
	output_add_safe(&shown, buf_text(&record), true);
	output_text(&shown, in->common.json);
	d->about = buf_bytes(&record);
	auto_json *organization = decision_make(client, d, "this record", yes, err);
	if (!organization)
		return -1;
	if (in->common.json)
		output_json(json_incref(organization));
	else
		(void)printf("Organization %s is %s now.\n", d->id,
			     d->decision == DECISION_VET ? "vetted" : "suspended");
	return 0;
}

static int run_decide(struct invocation *in, enum ca_decision decision, const char *reason)
{
	struct decision d = { .decision = decision, .reason = reason };
	bool yes = false;
	if (decision_options(in, "why it may not be used any more", &d, &yes))
		return in->status;
	return decide(in, &d, yes) ? refuse(in) : 0;
}

static int run_vet(struct invocation *in)
{
	return run_decide(in, DECISION_VET, "looked at and found right");
}

static int run_suspend(struct invocation *in)
{
	return run_decide(in, DECISION_SUSPEND, NULL);
}

static const char decide_detail[] = "The record is fetched, hashed and shown; what you sign is a statement about "
				    "exactly these bytes. --key is a PEM\n"
				    "file, or a key in your own token (see `chancery order approve --help`).\n";

static const struct command commands[] = {
	{ "add", "[ID]", "Enter an organization, or a new version of one", org_add_detail, NULL, org_add },
	{ "vet", "ID", "Sign that a record is right", decide_detail, NULL, run_vet },
	{ "suspend", "ID", "Sign that a record may not be used any more", decide_detail, NULL, run_suspend },
	{ "list", "", "List organizations", NULL, NULL, run_list },
	{ "show", "ID", "Show an organization's present record", NULL, NULL, run_show },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_org = { "org", "", "Organizations: add, vet, suspend, list, show", NULL, commands, NULL };
