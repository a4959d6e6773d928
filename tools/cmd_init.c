/* chancery init: a state directory with everything that a CA needs. Can be run again at any time. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "ca-core/ca.h"
#include "ca-core/ceremony_transcript.h"
#include "hsm/admin.h"
#include "store/record.h"
#include "tools/ceremony_verify.h"
#include "tools/chanceryd_listen.h"
#include "tools/child.h"
#include "tools/cmd.h"
#include "tools/complete.h"
#include "tools/init_ceremony.h"
#include "tools/init_offline.h"
#include "tools/pin.h"

#define SOFTHSM_FOLDER "token"
#define SOFTHSM_CONF "token/softhsm2.conf"
#define ADMIN "admin"
#define HOSTS_MAX 64

struct init {
	const char *organization, *url, *arc;
	struct option_list hosts;
	const char *module; /* absolute; borrowed or owned by run */
	unsigned port, http_port;
	bool softhsm;                     /* the module is SoftHSM2 with a folder of our own */
	bool offline;                     /* the root's key is elsewhere */
	struct offline_ceremony ceremony; /* absolute; owned by run */
};

/* ---- folders, PINs, configuration ---- */

static int make_folders(struct error *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} folders[] = {
		{ "trust", 0755 }, { "admin", 0700 }, { "identities", 0700 }, { "first", 0700 },
		{ "token", 0700 }, { "store", 0700 }, { "front", 0700 },      { "published", 0755 },
	};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (file_make_dir(folders[i].name, folders[i].mode, err))
			return -1;
	return 0;
}

static int make_pin(const char *path, struct error *err)
{
	if (file_exists(path))
		return 0;
	auto_secret *pin = pin_draw(PIN_ANY_LENGTH, err);
	return pin ? pin_write(path, pin, err) : -1;
}

static void addresses_of(unsigned port, bool everywhere, struct buf texts[2])
{
	buf_printf(&texts[0], "%s:%u", everywhere ? "0.0.0.0" : "127.0.0.1", port);
	buf_printf(&texts[1], "%s:%u", everywhere ? "[::]" : "[::1]", port);
}

/* What the options made of it must be valid, or the file would be in the way of a second try. */
static int create_valid_config(struct bytes text, struct error *err)
{
	if (file_create(STATE_CONFIG, text, 0644, err))
		return -1;
	auto_ca_config *config = ca_config_load(STATE_CONFIG, err);
	if (!config)
		(void)unlink(STATE_CONFIG);
	return config ? 0 : -1;
}

static int write_config(const struct init *init, struct error *err)
{
	char root[65] = "root-1";
	if (file_exists(STATE_CONFIG))
		return 0;
	if (init->offline && init_offline_name(&init->ceremony, root, err))
		return -1;
	struct buf https[2] = { BUF_INIT, BUF_INIT }, http[2] = { BUF_INIT, BUF_INIT };
	addresses_of(init->port, init->hosts.count > 0, https);
	addresses_of(init->http_port, init->hosts.count > 0, http);
	const char *names[HOSTS_MAX + 4] = { "localhost", "127.0.0.1", "::1" };
	for (size_t i = 0; i < init->hosts.count && i < HOSTS_MAX; i++)
		names[3 + i] = init->hosts.items[i];
	const char *const https_texts[] = { buf_text(&https[0]), buf_text(&https[1]), NULL };
	const char *const http_texts[] = { buf_text(&http[0]), buf_text(&http[1]), NULL };
	const struct ca_config_template template = {
		.node = "ca1",
		.module = init->module,
		.softhsm_conf = init->softhsm ? SOFTHSM_CONF : "",
		.url = init->url,
		.arc = init->arc,
		.signer_user = "chancery-signer",
		.front_user = "chancery-front",
		.validator_user = "chancery-validator",
		.https = https_texts,
		.http = http_texts,
		.names = names,
		.offline_root = init->offline,
		.root = root,
	};
	auto_buf text = BUF_INIT;
	ca_config_write(&template, &text);
	int result = text.failed ? err_set(err, ERR_INTERNAL, "no memory for the configuration")
				 : create_valid_config(buf_bytes(&text), err);
	for (size_t i = 0; i < 2; i++) {
		buf_free(&https[i]);
		buf_free(&http[i]);
	}
	return result;
}

/* ---- tokens ---- */

static int init_token(const struct init *init, const char *label, struct error *err)
{
	auto_buf pin_reference = BUF_INIT, so_reference = BUF_INIT;
	buf_printf(&pin_reference, "file:token/%s.pin", label);
	buf_printf(&so_reference, "file:token/%s.so-pin", label);
	auto_secret *pin = secret_get(buf_text(&pin_reference), "the PIN", err);
	auto_secret *so_pin = pin ? secret_get(buf_text(&so_reference), "the SO PIN", err) : NULL;
	struct error refused = ERR_INIT;
	if (!so_pin)
		return -1;
	if (hsm_admin_init_token(init->module, label, so_pin, pin, &refused) == 0 || refused.code == ERR_CONFLICT)
		return 0; /* now, or by an earlier run */
	*err = refused;
	return -1;
}

/* In a process of its own. */
static int init_tokens(void *argument, struct buf *answer, struct error *err)
{
	const struct init *init = argument;
	(void)answer;
	if (init->softhsm && setenv("SOFTHSM2_CONF", SOFTHSM_CONF, 1))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	return (!init->offline && init_token(init, "root", err)) || init_token(init, "issuing", err) ? -1 : 0;
}

/* ---- the CA itself ---- */

struct founding {
	struct ca_config *config;
	struct store *store;
	struct secret *pins[CA_CONFIG_TOKENS_MAX];
	struct ca *ca;
};

static void founding_end(struct founding *f)
{
	if (f->ca)
		ca_close(f->ca);
	if (f->store)
		store_close(f->store);
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		secret_free(f->pins[i]);
	if (f->config)
		ca_config_free(f->config);
}

static int read_config(struct founding *f, struct error *err)
{
	f->config = ca_config_load(STATE_CONFIG, err);
	if (!f->config)
		return -1;
	for (size_t i = 0; i < f->config->token_count; i++) {
		const struct ca_config_token *token = &f->config->tokens[i];
		f->pins[i] = pin_get(token->pin, token->name, err);
		if (!f->pins[i])
			return -1;
	}
	return 0;
}

static int create_store(struct founding *f, struct error *err)
{
	const struct store_options options = {
		.path = "store", .node = f->config->process.node, .clock = clock_system(), .create = true
	};
	f->store = store_open(&options, err);
	return f->store ? 0 : -1;
}

static int add_admin(struct ca *ca, struct bytes spki, struct buf *certificate, struct error *err)
{
	const struct ca_actor root = {
		.identity = "root", .roles = 0xff, .may_request = true, .may_read = true, .peer = "init"
	};
	const struct message_identity_add request = {
		.name = bytes_of(ADMIN),
		.roles = ROLE_REQUESTER | ROLE_OFFICER | ROLE_AUDITOR | ROLE_ADMIN,
		.spki = spki,
	};
	struct store_serial serial;
	if (ca_identity_add(ca, &root, &request, false, false, certificate, &serial, err) == 0)
		return 0;
	if (err->code != ERR_ORDER_STATE)
		return -1;
	/* An earlier run enrolled it, but its key never reached the disk. */
	*err = ERR_INIT;
	return ca_identity_add(ca, &root, &request, true, true, certificate, &serial, err);
}

static int enrol_admin(struct founding *f, struct error *err)
{
	const struct key_folder folder = {
		.path = "admin", .force = true, .fullchain_only = true, .p12 = ADMIN, .p12_password = "p12-password"
	};
	auto_evp_pkey *key = key_generate("p256", err);
	auto_buf spki = BUF_INIT, certificate = BUF_INIT, chain = BUF_INIT;
	if (!key || key_spki(key, &spki, err) || key_folder_prepare(&folder, err) ||
	    add_admin(f->ca, buf_bytes(&spki), &certificate, err))
		return -1;
	const struct ca_profile *profile = ca_config_profile(f->config, "client");
	text_add_pem(&chain, "CERTIFICATE", buf_bytes(&certificate));
	auto_buf path = BUF_INIT;
	buf_printf(&path, "published/ca/%s/chain.pem", profile ? profile->issuer : "");
	if (file_read(buf_text(&path), 65536, &chain, err))
		return -1;
	return key_folder_write(&folder, key, buf_bytes(&chain), err);
}

/* 1 all is made, 0 some issuer waits for a ceremony, -1. held: init has held one itself. */
static int found(const struct init *init, bool held, struct founding *f, struct error *err)
{
	const struct ca_foundation foundation = {
		.config = f->config,
		.store = f->store,
		.clock = clock_system(),
		.pins = (const struct secret *const *)f->pins,
		.organization = init->organization,
		.published = "published",
		.root_pem = "trust/root.pem",
	};
	const struct ca_options options = {
		.config = f->config,
		.store = f->store,
		.clock = clock_system(),
		.pins = (const struct secret *const *)f->pins,
		.published = "published",
	};
	int ready = init->offline ? init_offline_found(&options, &init->ceremony, init->organization, err) : 1;
	if (ready <= 0)
		return ready;
	/* The ceremony's part is there when the rest is made: audit key, lists, whatever hangs from another root. */
	if ((held && init_ceremony_bring_in(&options, err)) || ca_found(&foundation, err))
		return -1;
	f->ca = ca_open(&options, err);
	return f->ca && enrol_admin(f, err) == 0 ? 1 : -1;
}

static int found_and_close(const struct init *init, struct error *err)
{
	struct founding f = { 0 };
	int held = read_config(&f, err) ? -1 : 0;
	const struct init_ceremony ceremony = { f.config, f.pins, init->organization, clock_system() };
	if (held == 0 && !init->offline)
		held = init_ceremony_hold(&ceremony, err);
	/* The store has a thread, and the ceremony forks: one after the other. */
	int result = held < 0 || create_store(&f, err) ? -1 : found(init, held > 0, &f, err);
	founding_end(&f);
	return result;
}

static int hand_over(struct error *err)
{
	auto_ca_config *config = ca_config_load(STATE_CONFIG, err);
	return config ? state_hand_over(config, err) : -1;
}

/* ---- the command ---- */

enum outcome { NEW, COMPLETED, UNCHANGED, WAITING };

static bool is_finished(void)
{
	return file_exists(STATE_CONFIG) && file_exists("trust/root.pem") && file_exists("admin/cert.pem");
}

/* What the first run settled. */
static int settle_offline(struct init *init, struct error *err)
{
	auto_ca_config *config = ca_config_load(STATE_CONFIG, err);
	if (!config)
		return -1;
	bool offline = init_offline_is(config);
	if (init->offline && !offline)
		return err_set(err, ERR_CONFLICT, "the configuration has the token of a root: it is not offline");
	init->offline = offline;
	return 0;
}

static int make_all(struct init *init, enum outcome *outcome, struct error *err)
{
	static const char *const pins[] = { "token/issuing.pin", "token/issuing.so-pin", "token/root.pin",
					    "token/root.so-pin" };
	bool new = !file_exists(STATE_CONFIG);
	if (make_folders(err) || write_config(init, err) || settle_offline(init, err) ||
	    (init->softhsm && hsm_admin_make_softhsm(SOFTHSM_FOLDER, err)))
		return -1;
	for (size_t i = 0; i < (init->offline ? 2 : sizeof(pins) / sizeof(pins[0])); i++)
		if (make_pin(pins[i], err))
			return -1;
	if (child_run(init_tokens, init, NULL, err)) {
		/* Nothing is founded on it yet: another module may be named. */
		if (new)
			(void)unlink(STATE_CONFIG);
		return -1;
	}
	int made = found_and_close(init, err);
	if (made == 0)
		*outcome = WAITING; /* folders are handed over when all is in them */
	return made > 0 ? hand_over(err) : made;
}

/* imported: whose output the root came from, or NULL. */
static void say_json(const char *state, enum outcome outcome, const uint8_t *closing,
		     const struct offline_ceremony *imported)
{
	char hex[65] = "";
	json_t *said = json_pack("{s:s, s:b, s:b, s:s+, s:s+, s:s+}", "state", state, "created", outcome == NEW,
				 "completed", outcome == COMPLETED, "trust", state, "/trust/root.pem", "admin", state,
				 "/admin/cert.pem", "config", state, "/" STATE_CONFIG);
	if (closing)
		(void)json_object_update_new(said, json_pack("{s:s+, s:s}", "ceremony", state, "/" INIT_CEREMONY,
							     "closing", text_hex(BYTES(closing, 32), hex)));
	if (imported)
		(void)json_object_set_new(said, "anchored", json_boolean(imported->closing));
	output_json(said);
}

static void say_closing(const char *state, const uint8_t closing[32])
{
	auto_buf groups = BUF_INIT;
	ca_transcript_groups(closing, 4, &groups);
	(void)printf("How its root was made is in %s/" INIT_CEREMONY
		     ", and proved by this closing hash, if you keep it\n"
		     "elsewhere, with `chancery ceremony verify`:\n%s",
		     state, buf_text(&groups));
}

static void say_not_anchored(const char *directory)
{
	(void)printf("Its root came from %s, not anchored: whoever wrote that directory\n"
		     "could have made it so. Prove it by the closing hash on paper before others rely on it:\n"
		     "  chancery ceremony verify %s --closing HASH\n",
		     directory, directory);
}

static void say(const struct invocation *in, const struct init *init, enum outcome outcome)
{
	const char *arc = init->arc;
	bool imported = outcome == NEW && init->offline && init_offline_has_output(&init->ceremony);

	bool new = outcome == NEW;
	const char *state = in->common.state;
	uint8_t closing[32];
	bool held = init_ceremony_closing(closing);
	if (in->common.json) {
		say_json(state, outcome, held ? closing : NULL, imported ? &init->ceremony : NULL);
		return;
	}
	static const char *const said[] = {
		[NEW] = "A new certificate authority",
		[COMPLETED] = "What the configuration names besides",
		[UNCHANGED] = "A certificate authority was there before, and nothing changed. It",
	};
	(void)printf("%s is in %s.\n", said[outcome], state);
	(void)printf("  trust this root:  %s/trust/root.pem\n  administrator:    %s/admin/cert.pem\n"
		     "  configuration:    %s/" STATE_CONFIG "\n",
		     state, state, state);
	if (new &&held)
		say_closing(state, closing);
	if (new &&strncmp(arc, "2.999", 5) == 0)
		(void)printf("Its own object identifiers are below %s, the arc for examples: ask for one of your own,\n"
			     "and give it with --arc, before others rely on them.\n",
			     arc);
	if (imported && !init->ceremony.closing)
		say_not_anchored(init->ceremony.directory);
	if (new)
		(void)printf("Start it with `chanceryd --config %s/" STATE_CONFIG "`.\n", state);
}

static int enter(const struct invocation *in, struct error *err)
{
	if (file_make_dir(in->common.state, 0711, err))
		return -1;
	return state_enter(&in->common, err);
}

static int make(struct init *init, enum outcome *outcome, struct error *err)
{
	auto_fd lock = listen_lock(err);
	return lock < 0 ? -1 : make_all(init, outcome, err);
}

static void say_waiting(struct invocation *in)
{
	auto_ca_config *config = ca_config_load(STATE_CONFIG, &in->error);
	if (config)
		init_offline_say(in, config);
}

static int complete(const struct init *init, enum outcome *outcome, struct error *err)
{
	auto_ca_config *config = ca_config_load(STATE_CONFIG, err);
	if (!config)
		return -1;
	*outcome = complete_is_due(config) ? COMPLETED : UNCHANGED;
	return *outcome == COMPLETED ? complete_issuers(config, init->organization, err) : 0;
}

static int run_init(struct invocation *in)
{
	struct init init = { .organization = "", .url = "http://localhost:8080", .arc = "2.999.1", .port = 8443 };
	const char *module = NULL, *url = NULL, *ceremony = NULL, *closing = NULL;
	uint8_t hash[32];
	const struct option_spec specs[] = {
		{ "org", OPTION_TEXT, &init.organization, "NAME", "organization in the CA's names" },
		{ "url", OPTION_TEXT, &url, "URL", "public http:// address of CRLs and CA certificates" },
		{ "host", OPTION_LIST, &init.hosts, "NAME", "a name or address of this server; several may be given" },
		{ "module", OPTION_TEXT, &module, "PATH", "PKCS#11 module (SoftHSM2)" },
		{ "offline-root", OPTION_TEXT, &ceremony, "DIR",
		  "the root signs in ceremonies; DIR is one's directory" },
		{ "closing", OPTION_TEXT, &closing, "HASH",
		  "closing hash of that ceremony, as it was written on paper" },
		{ "arc", OPTION_TEXT, &init.arc, "OID", "arc of this CA's own object identifiers (2.999.1)" },
		{ "port", OPTION_NUMBER, &init.port, "N", "port of HTTPS (8443)" },
		{ "http-port", OPTION_NUMBER, &init.http_port, "N", "port of plain HTTP (8080)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 0))
		return in->status;
	if (init.port > 65535 || init.http_port > 65535 || init.hosts.count > HOSTS_MAX)
		return refuse_usage(in, "a port is at most 65535, and --host is given at most %d times", HOSTS_MAX);
	if (closing && !ceremony)
		return refuse_usage(in, "--closing belongs to the directory of --offline-root");
	if (closing && ceremony_closing_parse(closing, hash, &in->error))
		return refuse(in);
	init.http_port = init.http_port ? init.http_port : 8080;
	auto_buf local_url = BUF_INIT;
	buf_printf(&local_url, "http://%s:%u", init.hosts.count ? init.hosts.items[0] : "localhost", init.http_port);
	init.url = url ? url : buf_text(&local_url);
	init.softhsm = !module;
	auto_free char *given = module ? path_absolute(module, &in->error) : NULL;
	init.module = module ? given : hsm_admin_find_softhsm();
	auto_free char *directory = ceremony ? path_absolute(ceremony, &in->error) : NULL;
	init.offline = ceremony != NULL;
	init.ceremony = (struct offline_ceremony){ .directory = directory, .closing = closing ? hash : NULL };
	if ((module && !given) || (ceremony && !directory))
		return refuse(in);
	if (!init.module) {
		(void)err_set(&in->error, ERR_NOT_FOUND,
			      "SoftHSM2 is not installed: `apt-get install softhsm2`, or "
			      "name a PKCS#11 module with --module");
		return refuse(in);
	}
	if (enter(in, &in->error))
		return refuse(in);
	enum outcome outcome = NEW;
	if (is_finished() ? complete(&init, &outcome, &in->error) : make(&init, &outcome, &in->error))
		return refuse(in);
	if (outcome == WAITING)
		say_waiting(in);
	else
		say(in, &init, outcome);
	return 0;
}

static const char detail[] =
	"Makes folders, tokens with random PINs, the configuration, a root and an issuing CA, the audit key,\n"
	"and the first administrator. An interrupted run is finished by running it again; a finished one is\n"
	"left alone, but for issuers that were added to its configuration since: while the server is stopped,\n"
	"their keys and certificates are made. Root and issuing certificate are made in a ceremony that nobody\n"
	"attends: its directory is STATE/ceremony, and its closing hash is printed. Without --host the server\n"
	"listens on this machine only.\n"
	"With --offline-root the root's key is never here: the first run makes the issuing key and its request,\n"
	"STATE/issuing-1.csr; the run after the ceremony takes the root and the certificate from its directory,\n"
	"once all in it is verified as by `ceremony verify`; --closing gives the closing hash that was written on "
	"paper.\n"
	"Where the directory has no folder out/ yet, or no certificate for the key, init says what goes into the "
	"plan.\n";

const struct command cmd_init = { "init", "", "Make a new certificate authority", detail, NULL, run_init };
