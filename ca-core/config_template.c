/* The chancery.conf that `chancery init` writes. */
#include "ca-core/config.h"

void ca_config_quote(const char *text, struct buf *out)
{
	buf_u8(out, '"');
	for (; text && *text; text++) {
		/* libconfuse takes "${" for the environment's. */
		if (*text == '"' || *text == '\\' || *text == '$')
			buf_u8(out, '\\');
		buf_u8(out, (uint8_t)*text);
	}
	buf_u8(out, '"');
}

static void option(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\t%s = ", name);
	ca_config_quote(value, out);
	buf_u8(out, '\n');
}

static void list(struct buf *out, const char *name, const char *const *values)
{
	buf_printf(out, "\t%s = { ", name);
	for (size_t i = 0; values && values[i]; i++) {
		if (i)
			buf_add_text(out, ", ");
		ca_config_quote(values[i], out);
	}
	buf_add_text(out, " }\n");
}

static void write_head(const struct ca_config_template *t, struct buf *out)
{
	buf_add_text(out,
		     "# The whole configuration of this CA. Each option, its default, range and reason:\n"
		     "# docs/configuration.md. Paths are relative to the folder of this file. After a change:\n"
		     "# `chancery config check`, then start the server again.\n\n"
		     "# The arc of object identifiers below which this CA's own stand (policies, the audit key's\n"
		     "# purpose). Below 2.999 it is for examples: ask for one of your own before others rely on it.\n"
		     "arc = ");
	ca_config_quote(t->arc, out);
	buf_add_text(out, "\n\n# What CAA records (RFC 8659) name this CA by, and below which name of yours dns-cname\n"
			  "# challenges may point; without them CAA can only forbid, and there is no dns-cname.\n"
			  "# caa-identity = \"pki.example\"\n"
			  "# dns-cname-base = \"dcv.pki.example\"\n\n"
			  "process {\n\t# stands in the records and the audit chain; each node has its own\n");
	option(out, "node", t->node);
	buf_add_text(out, "\t# who the processes run as where they are started as root\n");
	option(out, "signer-user", t->signer_user);
	option(out, "front-user", t->front_user);
	option(out, "validator-user", t->validator_user);
	buf_add_text(out, "\tlog-format = \"text\"\n\tlog-level = \"info\"\n}\n\nlisten {\n");
	list(out, "https", t->https);
	buf_add_text(out, "\t# plain HTTP serves what is published, and sends everything else to HTTPS\n");
	list(out, "http", t->http);
	buf_add_text(out, "\t# what the server's own certificate is for\n");
	list(out, "names", t->names);
	buf_add_text(out, "\t# where relying parties find CRLs and issuers; it stands in every certificate\n");
	option(out, "url", t->url);
	buf_add_text(out, "}\n\n");
}

static void write_token(const struct ca_config_template *t, struct buf *out, const char *name, bool online)
{
	buf_printf(out, "token \"%s\" {\n", name);
	option(out, "module", t->module);
	if (t->softhsm_conf && *t->softhsm_conf)
		option(out, "softhsm-conf", t->softhsm_conf);
	buf_printf(out, "\turi = \"pkcs11:token=%s\"\n\tpin = \"file:token/%s.pin\"\n", name, name);
	if (!online)
		buf_add_text(out, "\t# the server never logs in to it: only ceremonies and `chancery crl now` do\n"
				  "\tonline = false\n");
	buf_add_text(out, "}\n\n");
}

static const char *root_of(const struct ca_config_template *t)
{
	return t->root && t->root[0] ? t->root : "root-1";
}

static void write_issuers(const struct ca_config_template *t, struct buf *out)
{
	if (!t->offline_root)
		write_token(t, out, "root", false);
	write_token(t, out, "issuing", true);
	buf_add_text(out, "# An issuer's name is a generation of its key: a new key gets a new name.\n"
			  "issuer ");
	ca_config_quote(root_of(t), out);
	buf_add_text(out, " {\n");
	if (!t->offline_root)
		buf_add_text(out, "\ttoken = \"root\"\n\tkey = \"pkcs11:object=root-1\"\n");
	buf_add_text(out, "\tcrl-hours = 8760\n}\n\n"
			  "issuer \"issuing-1\" {\n"
			  "\ttoken = \"issuing\"\n"
			  "\tkey = \"pkcs11:object=issuing-1\"\n");
	option(out, "parent", root_of(t));
	buf_add_text(out, "\tcrl-hours = 24\n}\n\n");
}

static const char ca_profiles[] = "# ---- the CA's own certificates ----\n\n"
				  "profile \"root\" {\n"
				  "\tkind = \"root\"\n"
				  "\tdays = 7300\n"
				  "}\n\n"
				  "profile \"intermediate\" {\n"
				  "\tkind = \"intermediate\"\n";

static const char own_profiles[] =
	"\tdays = 1825\n"
	"}\n\n"
	"profile \"audit\" {\n"
	"\tkind = \"audit\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 730\n"
	"}\n\n"
	"# The server's own TLS certificate, for listen.names, renewed at two thirds of its life.\n"
	"profile \"front\" {\n"
	"\tkind = \"server\"\n"
	"\tinternal = true\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 30\n"
	"\tdays-max = 30\n"
	"\twaivers = { \"internal-names\" }\n"
	"}\n\n";

static const char request_profiles[] =
	"# ---- what can be asked for ----\n\n"
	"# The waiver \"internal-names\" is what lets a profile serve names like x.test or 10.0.0.1, which\n"
	"# nobody but this CA's own relying parties can mean. Without it: public names alone.\n"
	"profile \"server-dv\" {\n"
	"\tkind = \"server\"\n"
	"\tvalidation = \"domain\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 90\n"
	"\tdays-max = 200\n"
	"\tcommon-name = true\n"
	"\twaivers = { \"internal-names\" }\n"
	"}\n\n"
	"# Names and an organization: the subject is built from the organization's record, which an officer\n"
	"# vetted, and an officer approves each certificate's exact bytes. The CA/Browser Forum's policy\n"
	"# asserts that its rules are kept, so it goes with no waiver.\n"
	"profile \"server-ov\" {\n"
	"\tkind = \"server\"\n"
	"\tvalidation = \"organization\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 90\n"
	"\tdays-max = 200\n"
	"\tapprovals = 1\n"
	"\t# policies = { \"2.23.140.1.2.2\" }\n"
	"\t# waivers = { \"internal-names\" }    # for names that only this CA's relying parties know\n"
	"}\n\n"
	"# The same with two officers, and control of each name shown anew: a grant is not enough.\n"
	"profile \"server-ev\" {\n"
	"\tkind = \"server\"\n"
	"\tvalidation = \"extended\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 90\n"
	"\tdays-max = 200\n"
	"\twildcards = false\n"
	"\taddresses = false\n"
	"\tapprovals = 2\n"
	"\t# policies = { \"2.23.140.1.1\" }\n"
	"\t# waivers = { \"internal-names\", \"extended-names\", \"extended-grants\" }\n"
	"}\n\n"
	"profile \"client\" {\n"
	"\tkind = \"client\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 90\n"
	"\t# allow-hold = true        # certificateHold: suspended, and taken back\n"
	"}\n\n"
	"# Both sides of a connection between services.\n"
	"profile \"peer\" {\n"
	"\tkind = \"peer\"\n"
	"\tvalidation = \"domain\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 90\n"
	"\twaivers = { \"internal-names\" }\n"
	"}\n\n"
	"# Too short to be worth revoking: it says so (RFC 9608), and needs no revocation list.\n"
	"profile \"short-lived\" {\n"
	"\tkind = \"server\"\n"
	"\tvalidation = \"domain\"\n"
	"\tissuer = \"issuing-1\"\n"
	"\tdays = 7\n"
	"\tdays-max = 7\n"
	"\trevocation = \"none\"\n"
	"\twaivers = { \"internal-names\" }\n"
	"}\n\n";

static const char grants[] =
	"# ---- who may have which names without showing that they control them ----\n\n"
	"# \"x.test\" is that name alone, \".x.test\" all names below it.\n"
	"grant \"admin\" {\n"
	"\tidentities = { \"admin\" }\n"
	"\tprofiles = { \"server-dv\", \"client\", \"peer\", \"short-lived\" }\n"
	"\tsuffixes = { \"localhost\", \".localhost\", \".test\", \".internal\", \".home.arpa\" }\n"
	"\tnetworks = { \"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", "
	"\"fc00::/7\" }\n"
	"\tcommon-names = { \"*\" }\n"
	"\twildcards = true\n"
	"}\n\n"
	"# The key that signs heads of the audit chain.\n"
	"audit {\n"
	"\ttoken = \"issuing\"\n"
	"\tkey = \"pkcs11:object=audit-1\"\n"
	"\thead-minutes = 60\n"
	"}\n\n";

static const char validation[] =
	"# ---- how control of names is shown, and who is told ----\n\n"
	"# A part of the world with rules of its own: which resolvers know it, and what of it the server may\n"
	"# connect to. Without a zone: the machine's resolvers, and public addresses at port 80 alone.\n"
	"# zone \"inside\" {\n"
	"#\tsuffixes = { \"corp.internal\", \".corp.internal\" }\n"
	"#\tnetworks = { \"10.0.0.0/8\" }\n"
	"#\tpublic = false\n"
	"#\tresolvers = { \"10.0.0.53\", \"[fd00::53]:53\" }\n"
	"#\tconnect-networks = { \"10.0.0.0/8\" }\n"
	"#\tconnect-ports = { 80 }\n"
	"#\tcaa = \"off\"\n"
	"#\tmail = { \"pki@corp.internal\" }\n"
	"# }\n\n"
	"# Without a mail server there are neither codes by mail (method \"mail\") nor notices.\n"
	"# mail {\n"
	"#\tserver = \"smtp://127.0.0.1:25\"\n"
	"#\tfrom = \"pki@example.test\"\n"
	"#\tuser = \"pki\"\n"
	"#\tpassword = \"file:mail-password\"\n"
	"# }\n\n"
	"# Changes of orders, and certificates that are about to end.\n"
	"# notify {\n"
	"#\tmail = true\n"
	"#\twebhook = \"https://hooks.example.test/pki\"\n"
	"#\twebhook-secret = \"file:webhook-secret\"\n"
	"#\texpiry-days = { 30, 14, 7, 1 }\n"
	"# }\n";

void ca_config_write(const struct ca_config_template *t, struct buf *out)
{
	write_head(t, out);
	write_issuers(t, out);
	buf_add_text(out, ca_profiles);
	option(out, "issuer", root_of(t));
	buf_add_text(out, own_profiles);
	buf_add_text(out, request_profiles);
	buf_add_text(out, grants);
	buf_add_text(out, validation);
}
