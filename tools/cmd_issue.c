/* chancery issue, renew: a key made here, a request sent, a certificate written; or the order that it became. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/cmd_order.h"
#include "tools/order_text.h"

static void names_free(struct wanted_names *names)
{
	ca_names_free(&names->names);
}

/* The key stays here, and waits with its request for what becomes of the order. made: NULL for one that is there. */
static int keep_order(const struct invocation *in, const struct client *client, json_t *order, EVP_PKEY *made,
		      struct bytes csr, const struct key_folder *folder, struct error *err)
{
	const char *name = NULL;
	auto_own_request own = { .names = CA_NAMES_INIT };
	auto_buf text = BUF_INIT;
	if (key_folder_write_request(folder, made, csr, &name, err) || order_requester(client, &own, err) ||
	    own_request_of_csr(csr, &own, err) || own_request_check(&own, order, err))
		return -1;
	if (in->common.json) {
		output_json(json_pack("{s:O, s:s}", "order", order, "folder", folder->path));
		return 0;
	}
	order_text(order, ORDER_VALUES_OWN, &text);
	buf_printf(&text, "It is an order now. Its request is %s/request.csr, its key %s/%s. Look again:\n",
		   folder->path, folder->path, name);
	buf_add_text(&text, "  chancery order show ");
	output_add_safe(&text, member_text(order, "id"), false);
	buf_printf(&text, " --csr %s/request.csr\n", folder->path);
	output_text(&text, false);
	return 0;
}

/* Key, request, certificate, files. key is made here where it is NULL. */
static int issue_into(struct invocation *in, const char *profile, const char *key_type, unsigned days,
		      const struct wanted_names *names, EVP_PKEY *given, const struct key_folder *folder)
{
	struct error *err = &in->error;
	auto_client *client = client_open(&in->common, err);
	auto_evp_pkey *made = client && !given ? key_generate(key_type, err) : NULL;
	EVP_PKEY *key = given ? given : made;
	auto_buf csr = BUF_INIT, chain = BUF_INIT;
	auto_json *order = NULL;
	if (!client || !key || key_request(key, names->common_name, &names->names, &csr, err) ||
	    key_folder_prepare(folder, err) ||
	    post_request(client, profile, days, buf_bytes(&csr), &chain, &order, err))
		return refuse(in);
	if (order)
		return keep_order(in, client, order, made, buf_bytes(&csr), folder, err) ? refuse(in) : 0;
	if (key_folder_write(folder, key, buf_bytes(&chain), err))
		return refuse(in);
	auto_x509 *certificate = certificate_read(buf_bytes(&chain), err);
	if (!certificate)
		return refuse(in);
	say_issued(in, certificate, folder, true);
	return 0;
}

/* ---- issue ---- */

static int run_issue(struct invocation *in)
{
	const char *profile = NULL, *key_type = "p256", *out = NULL;
	struct option_list list = { .count = 0 };
	unsigned days = 0;
	bool p12 = false, force = false;
	const struct option_spec specs[] = {
		{ "profile", OPTION_TEXT, &profile, "P", "server-dv, client, peer, short-lived ..." },
		{ "name", OPTION_LIST, &list, "N", "a name or address; several may be given" },
		{ "key-type", OPTION_TEXT, &key_type, "T", "p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519" },
		{ "days", OPTION_NUMBER, &days, "N", "life in days (the profile's own)" },
		{ "out", OPTION_TEXT, &out, "DIR", "where to write (./NAME)" },
		{ "p12", OPTION_FLAG, &p12, NULL, "also NAME.p12 and a file with its password" },
		{ "force", OPTION_FLAG, &force, NULL, "overwrite what is there" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 0))
		return in->status;
	if (!profile || list.count == 0)
		return refuse_usage(in, "--profile and at least one --name are needed");
	CLEANUP(names_free) struct wanted_names names = { .names = CA_NAMES_INIT };
	if (wanted_names_sort(&list, profile_is_client(&in->common, profile), &names, &in->error))
		return refuse(in);
	auto_free char *path = out ? strdup(out) : folder_for_name(list.items[0], &in->error);
	auto_free char *named = path ? folder_for_name(list.items[0], &in->error) : NULL;
	if (!path || !named)
		return refuse(in);
	const struct key_folder folder = {
		.path = path, .force = force, .p12 = p12 ? named + 2 : NULL, .p12_password = "p12-password"
	};
	return issue_into(in, profile, key_type, days, &names, NULL, &folder);
}

static const char issue_detail[] =
	"The key is made on this machine and never leaves it. Writes key.pem (0600), cert.pem, chain.pem\n"
	"and fullchain.pem (for nginx and most servers). In a client profile the first --name is the common\n"
	"name; every other name is a DNS name, an address, a mail address or a URI. Where control of a name has to\n"
	"be shown first, or somebody has to approve, it becomes an order: key.pem and request.csr are kept.\n";

const struct command cmd_issue = {
	"issue", "", "Make a key and get a certificate for it", issue_detail, NULL, run_issue
};

/* ---- renew ---- */

/* What the certificate to be renewed has: profile, names, and that it is the one in the folder. */
struct renewal {
	char profile[65];
	struct buf common_name;
	struct wanted_names names;
};

static void renewal_free(struct renewal *r)
{
	buf_free(&r->common_name);
	ca_names_free(&r->names.names);
}

static int look_up(struct client *client, const char *serial, struct renewal *r, struct error *err)
{
	auto_buf path = BUF_INIT, pem = BUF_INIT;
	buf_add_text(&path, "/api/v1/certificates/");
	url_add_escaped(&path, serial);
	json_t *row = certificate_row(client, buf_text(&path), err);
	if (!row)
		return -1;
	(void)snprintf(r->profile, sizeof(r->profile), "%s", member_text(row, "profile"));
	json_decref(row);
	buf_add_text(&path, ".pem");
	if (client_get(client, buf_text(&path), &pem, err))
		return -1;
	auto_x509 *certificate = certificate_read(buf_bytes(&pem), err);
	if (!certificate || certificate_names(certificate, &r->common_name, &r->names.names, err))
		return -1;
	r->names.common_name = r->common_name.len ? buf_text(&r->common_name) : NULL;
	return 0;
}

/* True where DIR/cert.pem is the certificate of that serial: renewing it replaces it. */
static bool holds(const char *folder, const char *serial)
{
	struct error ignored = ERR_INIT;
	auto_free char *path = file_join(folder, "cert.pem");
	auto_buf pem = BUF_INIT, there = BUF_INIT;
	if (!path || file_read(path, 65536, &pem, &ignored))
		return false;
	auto_x509 *certificate = certificate_read(buf_bytes(&pem), &ignored);
	return certificate && certificate_serial(certificate, &there, &ignored) == 0 &&
	       strcmp(buf_text(&there), serial) == 0;
}

static int renew(struct invocation *in, const char *serial, const char *out, const char *key_type, unsigned days,
		 bool reuse_key, bool force)
{
	struct error *err = &in->error;
	CLEANUP(renewal_free) struct renewal r = { .profile = "" };
	auto_client *client = client_open(&in->common, err);
	if (!client || look_up(client, serial, &r, err))
		return refuse(in);
	const char *name = r.names.common_name   ? r.names.common_name
			   : r.names.names.count ? r.names.names.items[0].text
						 : serial;
	auto_free char *path = out ? strdup(out) : folder_for_name(name, err);
	if (!path)
		return refuse(in);
	const struct key_folder folder = { .path = path, .force = force || holds(path, serial) };
	auto_free char *key_path = file_join(path, "key.pem");
	auto_evp_pkey *key = reuse_key && key_path ? key_read(key_path, err) : NULL;
	if (reuse_key && !key) {
		(void)err_wrap(err, err->code, "--reuse-key needs the old key in %s", path);
		return refuse(in);
	}
	return issue_into(in, r.profile, key_type, days, &r.names, key, &folder);
}

static int run_renew(struct invocation *in)
{
	const char *out = NULL, *key_type = "p256";
	unsigned days = 0;
	bool reuse_key = false, force = false;
	const struct option_spec specs[] = {
		{ "reuse-key", OPTION_FLAG, &reuse_key, NULL, "keep the key that is in DIR (a new one)" },
		{ "key-type", OPTION_TEXT, &key_type, "T", "of the new key: p256, rsa2048 ..." },
		{ "days", OPTION_NUMBER, &days, "N", "life in days (the profile's own)" },
		{ "out", OPTION_TEXT, &out, "DIR", "where the old one is and the new one goes (./NAME)" },
		{ "force", OPTION_FLAG, &force, NULL, "overwrite what is there, whatever it is" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	return renew(in, in->operands[0], out, key_type, days, reuse_key, force);
}

const struct command cmd_renew = {
	"renew",
	"SERIAL",
	"Get a further certificate with the names and profile of one",
	"The old certificate stays valid until it ends or is revoked. Where DIR holds it, it is replaced.\n",
	NULL,
	run_renew
};
