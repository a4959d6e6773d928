/* chancery identity: who may ask, and in which roles; through admin.sock. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "ca-core/csr.h"
#include "store/record.h"
#include "tools/admin.h"
#include "tools/cmd.h"
#include "tools/list.h"

static const struct {
	const char *name;
	uint8_t bit;
} roles[] = { { "requester", ROLE_REQUESTER },
	      { "officer", ROLE_OFFICER },
	      { "auditor", ROLE_AUDITOR },
	      { "admin", ROLE_ADMIN } };

static int roles_of(const struct option_list *list, uint8_t *bits, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		size_t at = 0;
		while (at < 4 && strcmp(roles[at].name, list->items[i]) != 0)
			at++;
		if (at == 4) {
			(void)err_set(err, ERR_USAGE, "there is no role \"%s\"", list->items[i]);
			return err_about(err, "role", list->items[i], "requester, officer, auditor, admin");
		}
		*bits |= roles[at].bit;
	}
	return 0;
}

/* ---- add, renew, recover ---- */

struct enrolment {
	enum message_type question;
	const char *name, *csr_file, *out, *key_type, *profile;
	struct option_list role_list;
	unsigned days;
	bool force, p12;
};

/* The public key to be certified: of a request whose possession is checked here, or of a key made here. */
static int key_for(const struct enrolment *e, EVP_PKEY **made, struct buf *spki, struct error *err)
{
	if (!e->csr_file) {
		*made = key_generate(e->key_type, err);
		return *made ? key_spki(*made, spki, err) : -1;
	}
	auto_buf text = BUF_INIT;
	if (file_read(e->csr_file, CA_CSR_MAX, &text, err))
		return -1;
	auto_ca_csr *csr = ca_csr_parse(buf_bytes(&text), CA_NAMES_MAX, err);
	if (!csr || ca_key_check_made_well(&csr->key, err) || ca_csr_verify(csr, err))
		return -1;
	buf_add_bytes(spki, csr->key.spki);
	return 0;
}

/* The certificate with those above it, which are published files. */
static int chain_of(const struct common_options *common, const struct message_issued *issued, struct buf *chain,
		    struct error *err)
{
	auto_buf name = BUF_INIT;
	buf_printf(&name, "published/ca/%.*s/chain.pem", (int)issued->issuer.len, (const char *)issued->issuer.data);
	auto_free char *path = state_path(common, buf_text(&name), err);
	text_add_pem(chain, "CERTIFICATE", issued->certificate);
	return path ? file_read(path, 65536, chain, err) : -1;
}

static int ask_enrolment(struct invocation *in, const struct enrolment *e, uint8_t bits, struct bytes spki,
			 struct buf *chain)
{
	auto_admin *admin = admin_open(&in->common, &in->error);
	auto_buf question = BUF_INIT, answer = BUF_INIT;
	const struct message_identity_add request = {
		.name = bytes_of(e->name),
		.roles = bits,
		.profile = bytes_of(e->profile),
		.days = e->days,
		.spki = spki,
		.force = e->force,
	};
	struct message_issued issued;
	message_identity_add_write(&request, &question);
	return !admin || admin_ask(admin, e->question, buf_bytes(&question), MSG_ISSUED, &answer, &in->error) ||
			       message_issued_read(buf_bytes(&answer), &issued, &in->error) ||
			       chain_of(&in->common, &issued, chain, &in->error)
		       ? -1
		       : 0;
}

static int enrol(struct invocation *in, const struct enrolment *e)
{
	struct error *err = &in->error;
	auto_buf inside = BUF_INIT, spki = BUF_INIT, chain = BUF_INIT;
	buf_printf(&inside, "identities/%s", e->name);
	auto_free char *standard = state_path(&in->common, buf_text(&inside), err);
	const struct key_folder folder = {
		.path = e->out ? e->out : standard,
		/* A renewal replaces what it renews. */
		.force = e->force || e->question != MSG_IDENTITY_ADD,
		.fullchain_only = true,
		.p12 = e->csr_file || !e->p12 ? NULL : e->name,
		.p12_password = "p12-password",
	};
	auto_evp_pkey *key = NULL;
	uint8_t bits = 0;
	if (!standard || roles_of(&e->role_list, &bits, err) || key_for(e, &key, &spki, err) ||
	    key_folder_prepare(&folder, err) || ask_enrolment(in, e, bits, buf_bytes(&spki), &chain) ||
	    key_folder_write(&folder, key, buf_bytes(&chain), err))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s, s:s}", "name", e->name, "folder", folder.path));
	else
		(void)printf("Identity %s: %s/cert.pem%s\n", e->name, folder.path, key ? " and key.pem" : "");
	return 0;
}

static int run_enrol(struct invocation *in, enum message_type question)
{
	struct enrolment e = { .question = question, .key_type = "p256", .profile = "" };
	bool no_p12 = false;
	const struct option_spec specs[] = {
		{ "role", OPTION_LIST, &e.role_list, "R", "requester, officer, auditor, admin; several may be given" },
		{ "csr", OPTION_TEXT, &e.csr_file, "FILE", "a request by the person's own key" },
		{ "out", OPTION_TEXT, &e.out, "DIR", "where to write (STATE/identities/NAME)" },
		{ "key-type", OPTION_TEXT, &e.key_type, "T", "without --csr: p256, p384, rsa2048 ..." },
		{ "profile", OPTION_TEXT, &e.profile, "P", "a client profile (client)" },
		{ "days", OPTION_NUMBER, &e.days, "N", "life in days (the profile's own)" },
		{ "no-p12", OPTION_FLAG, &no_p12, NULL, "no PKCS#12 file for browsers" },
		{ "force", OPTION_FLAG, &e.force, NULL, "overwrite files; take back a removed name" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	e.name = in->operands[0];
	e.p12 = !no_p12;
	if (question == MSG_IDENTITY_ADD && e.role_list.count == 0)
		return refuse_usage(in, "at least one --role is needed");
	if (strchr(e.name, '/') || e.name[0] == '.' || e.name[0] == '\0')
		return refuse_usage(in, "\"%s\" cannot be an identity's name", e.name);
	return enrol(in, &e);
}

static int run_add(struct invocation *in)
{
	return run_enrol(in, MSG_IDENTITY_ADD);
}

static int run_renew(struct invocation *in)
{
	return run_enrol(in, MSG_IDENTITY_RENEW);
}

static int run_recover(struct invocation *in)
{
	return run_enrol(in, MSG_IDENTITY_RECOVER);
}

/* ---- list, show, remove ---- */

static json_t *identity_json(const struct message_identity *row)
{
	auto_buf bits = BUF_INIT;
	char created[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE];
	json_t *serials = json_array(), *names = json_array();
	for (size_t i = 0; i < 4; i++)
		if (row->roles & roles[i].bit)
			(void)json_array_append_new(names, json_string(roles[i].name));
	for (uint32_t i = 0; i < row->serial_count; i++) {
		buf_clear(&bits);
		text_add_hex(&bits, row->serials[i]);
		(void)json_array_append_new(serials, json_string(buf_text(&bits)));
	}
	return json_pack("{s:s%, s:o, s:b, s:s, s:s, s:o}", "name", (const char *)row->name.data, row->name.len,
			 "roles", names, "removed", (int)row->removed, "created",
			 clock_rfc3339(row->created_ms / 1000, created), "expires",
			 clock_rfc3339(row->expires_s, expires), "certificates", serials);
}

/* All of them, or one; a name that is none gives none. */
static struct message_identities *ask_list(struct invocation *in, const char *name, struct buf *answer)
{
	struct message_identities *all = calloc(1, sizeof(*all));
	if (all && admin_ask_once(&in->common, MSG_IDENTITY_LIST, name, MSG_IDENTITIES, answer, &in->error) == 0 &&
	    message_identities_read(buf_bytes(answer), all, &in->error) == 0)
		return all;
	free(all);
	return NULL;
}

static const char *state_of(const json_t *row)
{
	return json_is_true(json_object_get(row, "removed")) ? "removed" : "active";
}

static void roles_text(const json_t *row, struct buf *out)
{
	size_t i;
	const json_t *role;
	json_array_foreach(json_object_get(row, "roles"), i, role)
	{
		buf_printf(out, "%s%s", i ? "," : "", json_string_value(role));
	}
}

static void add_row(struct table *table, const json_t *row)
{
	auto_buf names = BUF_INIT;
	roles_text(row, &names);
	const char *const cells[] = { member_text(row, "name"), buf_text(&names), state_of(row),
				      member_text(row, "expires") };
	table_add(table, cells);
}

static const struct list identities = { "identities", { "NAME", "ROLES", "STATE", "CERTIFICATE UNTIL" }, add_row };

static int run_list(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	auto_buf answer = BUF_INIT;
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_free struct message_identities *all = ask_list(in, "", &answer);
	if (!all)
		return refuse(in);
	auto_json *rows = json_array();
	for (uint32_t i = 0; i < all->count; i++)
		(void)json_array_append_new(rows, identity_json(&all->rows[i]));
	return list_show(in, &identities, rows);
}

static int run_show(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	auto_buf answer = BUF_INIT, names = BUF_INIT;
	if (options_read(in, specs, 1, 1))
		return in->status;
	auto_free struct message_identities *all = ask_list(in, in->operands[0], &answer);
	if (!all)
		return refuse(in);
	if (all->count != 1) {
		(void)err_set(&in->error, ERR_NOT_FOUND, "there is no identity %s", in->operands[0]);
		return refuse(in);
	}
	auto_json *row = identity_json(&all->rows[0]);
	if (in->common.json) {
		output_json(json_incref(row));
		return 0;
	}
	roles_text(row, &names);
	output_fact("name", member_text(row, "name"));
	output_fact("roles", buf_text(&names));
	output_fact("state", state_of(row));
	output_fact("created", member_text(row, "created"));
	output_fact("expires", member_text(row, "expires"));
	size_t i;
	const json_t *serial;
	json_array_foreach(json_object_get(row, "certificates"), i, serial)
	{
		output_fact("certificate", json_string_value(serial));
	}
	return 0;
}

static int run_remove(struct invocation *in)
{
	return admin_remove(in, MSG_IDENTITY_REMOVE, "name", "Identity", ", its certificates are revoked");
}

static const char add_detail[] =
	"With --csr the person keeps the key; otherwise it is made here, with a PKCS#12 file for browsers.\n"
	"Roles: requester (own certificates), officer (sees and revokes all), auditor (reads all, the audit\n"
	"log too), admin (metrics, revocation lists).\n";

static const struct command commands[] = {
	{ "add", "NAME", "Enrol an identity", add_detail, NULL, run_add },
	{ "list", "", "List identities", NULL, NULL, run_list },
	{ "show", "NAME", "Show one identity", NULL, NULL, run_show },
	{ "renew", "NAME", "A further certificate for an identity; the earlier ones stay valid", NULL, NULL,
	  run_renew },
	{ "remove", "NAME", "Remove an identity and revoke its certificates", NULL, NULL, run_remove },
	{ "recover", "NAME", "A new certificate for an identity whose key was lost; the earlier ones are revoked", NULL,
	  NULL, run_recover },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_identity = { "identity",
				      "",
				      "Who may ask: add, list, show, renew, remove, recover",
				      "On the server's machine, by its state directory (admin.sock).\n",
				      commands,
				      NULL };
