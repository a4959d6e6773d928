#include "tests/unit/ca-core/fixture.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/ossl.h"
#include "hsm/admin.h"

static const char extra_configuration[] = "\n"
					  "profile \"holdable\" {\n"
					  "  kind = \"server\"\n"
					  "  waivers = { \"internal-names\" }\n"
					  "  issuer = \"issuing-1\"\n"
					  "  allow-hold = true\n"
					  "}\n"
					  "profile \"with-organization\" {\n"
					  "  kind = \"server\"\n"
					  "  waivers = { \"internal-names\" }\n"
					  "  issuer = \"issuing-1\"\n"
					  "  validation = \"organization\"\n"
					  "}\n"
					  "grant \"alice\" {\n"
					  "  identities = { \"alice\", \"bob\" }\n"
					  "  profiles = { \"server-dv\", \"holdable\", \"short-lived\", "
					  "\"with-organization\" }\n"
					  "  suffixes = { \"alice.test\", \".alice.test\" }\n"
					  "}\n";

static int64_t fixture_now(void *arg)
{
	const struct fixture *f = arg;
	struct clock system = clock_system();
	return f->now_ms ? f->now_ms : clock_now_ms(&system);
}

static struct clock fixture_clock(struct fixture *f)
{
	return (struct clock){ fixture_now, f };
}

/* libp11 must not share a process with the signer's own use of the module. */
static void make_tokens(struct fixture *f, const char *softhsm_conf)
{
	pid_t child = fork();
	if (child == 0) {
		struct error err = ERR_INIT;
		char folder[300];
		(void)snprintf(folder, sizeof(folder), "%s/token", f->state);
		bool made = hsm_admin_make_softhsm(folder, &err) == 0 && setenv("SOFTHSM2_CONF", softhsm_conf, 1) == 0;
		for (size_t i = 0; made && i < f->config->token_count; i++)
			made = hsm_admin_init_token(f->config->tokens[i].module, f->config->tokens[i].name, f->pins[i],
						    f->pins[i], &err) == 0;
		if (!made)
			(void)fprintf(stderr, "tokens: %s (%s)\n", err.message, err.causes);
		_exit(made ? 0 : 1);
	}
	int status = 1;
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* The same software key in two tokens. Its PINs live as long as the test. */
static void import_key(struct fixture *f, const char *softhsm_conf, const char *token, const char *file)
{
	const struct secret *pin = NULL;
	for (size_t i = 0; i < f->config->token_count; i++)
		if (strcmp(f->config->tokens[i].name, token) == 0)
			pin = f->pins[i];
	REQUIRE(pin != NULL);
	pid_t child = fork();
	if (child == 0) {
		(void)setenv("SOFTHSM2_CONF", softhsm_conf, 1);
		if (!freopen("/dev/null", "w", stdout))
			_exit(126);
		(void)execlp("softhsm2-util", "softhsm2-util", "--import", file, "--token", token, "--label",
			     f->shared_key, "--id", "5eed", "--pin", (const char *)secret_bytes(pin).data, NULL);
		_exit(127);
	}
	int status = 1;
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void share_key(struct fixture *f, const char *softhsm_conf)
{
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/shared-key.pem", f->state);
	auto_evp_pkey *key = EVP_EC_gen("P-256");
	FILE *file = fopen(path, "we");
	REQUIRE(key != NULL && file != NULL);
	CHECK_INT(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	REQUIRE(fclose(file) == 0);
	import_key(f, softhsm_conf, "issuing", path);
	import_key(f, softhsm_conf, "second", path);
}

static void write_changed(const struct fixture *f, struct buf *text)
{
	for (const struct fixture_change *c = f->changes; c && c->from; c++) {
		auto_buf before = *text;
		*text = BUF_INIT;
		const char *begin = buf_text(&before), *found = strstr(begin, c->from);
		REQUIRE(found != NULL);
		buf_add(text, begin, (size_t)(found - begin));
		buf_add_text(text, c->to);
		buf_add_text(text, found + strlen(c->from));
	}
	if (f->more)
		buf_add_text(text, f->more);
}

static void make_configuration(struct fixture *f, const char *softhsm_conf)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const http[] = { "127.0.0.1:8080", NULL };
	static const char *const names[] = { "localhost", "127.0.0.1", NULL };
	struct error err = ERR_INIT;
	char path[300];
	auto_buf text = BUF_INIT;
	const struct ca_config_template t = { .node = "ca1",
					      .module = hsm_admin_find_softhsm(),
					      .softhsm_conf = softhsm_conf,
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .validator_user = "",
					      .https = https,
					      .http = http,
					      .names = names };
	REQUIRE(t.module != NULL);
	ca_config_write(&t, &text);
	buf_add_text(&text, extra_configuration);
	write_changed(f, &text);
	(void)snprintf(path, sizeof(path), "%s/chancery.conf", f->state);
	CHECK_OK(file_replace(path, buf_bytes(&text), 0600, &err) == 0, &err);
	f->config = ca_config_load(path, &err);
	CHECK_OK(f->config != NULL, &err);
}

static void open_store(struct fixture *f, bool create)
{
	struct error err = ERR_INIT;
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/store", f->state);
	CHECK_OK(file_make_dir(path, 0700, &err) == 0, &err);
	const struct store_options options = { .path = path,
					       .node = "ca1",
					       .clock = fixture_clock(f),
					       .map_bytes = (size_t)1 << 30,
					       .reserve_bytes = (size_t)1 << 20,
					       .create = create };
	f->store = store_open(&options, &err);
	CHECK_OK(f->store != NULL, &err);
}

void fixture_found(struct fixture *f)
{
	struct error err = ERR_INIT;
	char softhsm_conf[300], published[300], root_pem[300];
	*f = (struct fixture){
		.now_ms = f->now_ms, .changes = f->changes, .more = f->more, .shared_key = f->shared_key
	};
	(void)snprintf(f->state, sizeof(f->state), "%s", unit_folder());
	(void)snprintf(softhsm_conf, sizeof(softhsm_conf), "%s/token/softhsm2.conf", f->state);
	make_configuration(f, softhsm_conf);
	for (size_t i = 0; i < f->config->token_count; i++) {
		f->pins[i] = secret_random(8, &err);
		CHECK_OK(f->pins[i] != NULL, &err);
		f->online[i] = f->config->tokens[i].online ? f->pins[i] : NULL;
	}
	make_tokens(f, softhsm_conf);
	if (f->shared_key)
		share_key(f, softhsm_conf);
	open_store(f, true);
	(void)snprintf(published, sizeof(published), "%s/published", f->state);
	(void)snprintf(root_pem, sizeof(root_pem), "%s/root.pem", f->state);
	const struct ca_foundation foundation = { .config = f->config,
						  .store = f->store,
						  .clock = fixture_clock(f),
						  .pins = (const struct secret *const *)f->pins,
						  .organization = "Example Ltd",
						  .published = published,
						  .root_pem = root_pem };
	CHECK_OK(ca_found(&foundation, &err) == 0, &err);
	store_close(f->store);
	f->store = NULL;
}

static void open_ca(struct fixture *f)
{
	struct error err = ERR_INIT;
	char published[300];
	(void)snprintf(published, sizeof(published), "%s/published", f->state);
	open_store(f, false);
	const struct ca_options options = { .config = f->config,
					    .store = f->store,
					    .clock = fixture_clock(f),
					    .pins = (const struct secret *const *)f->online,
					    .published = published };
	f->ca = ca_open(&options, &err);
	CHECK_OK(f->ca != NULL, &err);
}

void fixture_open(struct fixture *f)
{
	fixture_found(f);
	open_ca(f);
}

static void close_both(struct fixture *f)
{
	if (f->store)
		store_close(f->store);
	f->store = NULL;
	ca_close(f->ca);
	f->ca = NULL;
}

void fixture_reopen(struct fixture *f)
{
	close_both(f);
	open_ca(f);
}

void fixture_close(struct fixture *f)
{
	close_both(f);
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		if (f->pins[i])
			secret_free(f->pins[i]);
	if (f->config)
		ca_config_free(f->config);
	*f = (struct fixture){ 0 };
}

/* ---- asking ---- */

void fixture_spki(struct buf *out)
{
	auto_evp_pkey *key = EVP_EC_gen("P-256");
	REQUIRE(key != NULL);
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	REQUIRE(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

struct ca_actor fixture_actor(const char *name, uint8_t roles)
{
	struct ca_actor actor = { .roles = roles, .may_request = true, .may_read = true };
	(void)snprintf(actor.identity, sizeof(actor.identity), "%s", name);
	(void)snprintf(actor.peer, sizeof(actor.peer), "192.0.2.1:5");
	return actor;
}

void fixture_enrol(struct fixture *f, const char *name, uint8_t roles, struct buf *certificate)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	const struct ca_actor root = fixture_actor("root", 15);
	fixture_spki(&spki);
	const struct message_identity_add add = { .name = bytes_of(name), .roles = roles, .spki = buf_bytes(&spki) };
	CHECK_OK(ca_identity_add(f->ca, &root, &add, false, false, certificate, NULL, &err) == 0, &err);
}

struct message_issue fixture_request(const char *name, const struct buf *spki)
{
	static char printed[300];
	struct message_issue m;
	memset(&m, 0, sizeof(m));
	m.profile = bytes_of("server-dv");
	if (name[0]) {
		(void)snprintf(printed, sizeof(printed), "dns:%s", name);
		m.names[m.name_count++] = bytes_of(printed);
		m.common_name = bytes_of(name);
	}
	m.spki = buf_bytes(spki);
	return m;
}

struct store_serial fixture_issue(struct fixture *f, const struct ca_actor *actor, const char *name,
				  struct buf *certificate)
{
	struct error err = ERR_INIT;
	struct store_serial serial = { .len = 0 };
	auto_buf spki = BUF_INIT;
	fixture_spki(&spki);
	const struct message_issue m = fixture_request(name, &spki);
	CHECK_OK(ca_issue_wait(f->ca, actor, &m, certificate, &serial, &err) == 0, &err);
	return serial;
}

/* ---- looking ---- */

struct search {
	char needle[128];
	size_t count;
};

static int look(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct search *s = arg;
	(void)sequence;
	(void)hash;
	(void)err;
	s->count += memmem(entry.data, entry.len, s->needle, strlen(s->needle)) != NULL;
	return 0;
}

size_t fixture_audit_finds(struct fixture *f, const char *text)
{
	struct error err = ERR_INIT;
	struct search search = { .count = 0 };
	(void)snprintf(search.needle, sizeof(search.needle), "%s", text);
	auto_store_snapshot *snap = store_snapshot_new(f->store, &err);
	CHECK_OK(snap != NULL, &err);
	CHECK_OK(store_chain_scan(snap, CA_AUDIT_CHAIN, 1, UINT64_MAX, look, &search, &err) >= 0, &err);
	return search.count;
}

size_t fixture_audit_count(struct fixture *f, const char *event)
{
	char text[128];
	(void)snprintf(text, sizeof(text), "\"event\":\"%s\"", event);
	return fixture_audit_finds(f, text);
}

void fixture_read(struct fixture *f, const char *path, struct buf *out)
{
	struct error err = ERR_INIT;
	char whole[512];
	(void)snprintf(whole, sizeof(whole), "%s/%s", f->state, path);
	CHECK_OK(file_read(whole, (size_t)1 << 26, out, &err) == 0, &err);
}
