/* Issuers that join a CA that is there already. */
#include "tools/complete.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ca.h"
#include "hsm/admin.h"
#include "tests/unit/unit.h"
#include "tools/chanceryd_listen.h"

static const char second[] = "token \"second\" {\n"
			     "\tmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\n"
			     "\turi = \"pkcs11:token=second\"\n"
			     "\tpin = \"file:token/second.pin\"\n"
			     "}\n"
			     "issuer \"issuing-2\" {\n"
			     "\ttoken = \"second\"\n"
			     "\tkey = \"pkcs11:object=issuing-2\"\n"
			     "\tparent = \"root-1\"\n"
			     "}\n";

/* The configuration that init writes, with further sections. */
static struct ca_config *configuration(const char *more)
{
	static const char *const https[] = { "127.0.0.1:8443", NULL }, *const names[] = { "localhost", NULL };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	const struct ca_config_template t = { .node = "ca1",
					      .module = hsm_admin_find_softhsm(),
					      .softhsm_conf = unit_path("token/softhsm2.conf"),
					      .url = "http://pki.test",
					      .arc = "2.999.1",
					      .signer_user = "",
					      .front_user = "",
					      .https = https,
					      .names = names };
	ca_config_write(&t, &text);
	buf_add_text(&text, more);
	CHECK_OK(file_replace(STATE_CONFIG, buf_bytes(&text), 0600, &err) == 0, &err);
	struct ca_config *config = ca_config_load(STATE_CONFIG, &err);
	CHECK_OK(config != NULL, &err);
	return config;
}

/* A token with its PIN's file. libp11 must not share a process with our own use of the module. */
static void make_token(const char *name)
{
	struct error err = ERR_INIT;
	char path[64];
	auto_secret *pin = secret_random(8, &err);
	CHECK_OK(pin != NULL, &err);
	(void)snprintf(path, sizeof(path), "token/%s.pin", name);
	CHECK_OK(file_create(path, secret_bytes(pin), 0600, &err) == 0, &err);
	pid_t child = fork();
	if (child == 0)
		_exit(hsm_admin_init_token(hsm_admin_find_softhsm(), name, pin, pin, &err) ? 1 : 0);
	int status = 1;
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static struct store *open_store(const struct ca_config *config, bool create)
{
	struct error err = ERR_INIT;
	const struct store_options options = {
		.path = "store", .node = config->process.node, .clock = clock_system(), .create = create
	};
	struct store *store = store_open(&options, &err);
	CHECK_OK(store != NULL, &err);
	return store;
}

/* A state directory with root-1 and issuing-1, and in it. */
static void found(void)
{
	struct error err = ERR_INIT;
	log_open("test", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	REQUIRE(chdir(unit_folder()) == 0);
	CHECK_OK(hsm_admin_make_softhsm("token", &err) == 0, &err);
	REQUIRE(setenv("SOFTHSM2_CONF", unit_path("token/softhsm2.conf"), 1) == 0);
	CHECK_OK(file_make_dir("store", 0700, &err) == 0, &err);
	auto_ca_config *config = configuration("");
	struct secret *pins[CA_CONFIG_TOKENS_MAX] = { NULL };
	for (size_t i = 0; i < config->token_count; i++) {
		make_token(config->tokens[i].name);
		pins[i] = secret_get(config->tokens[i].pin, "PIN", &err);
		CHECK_OK(pins[i] != NULL, &err);
	}
	struct store *store = open_store(config, true);
	const struct ca_foundation foundation = { .config = config,
						  .store = store,
						  .clock = clock_system(),
						  .pins = (const struct secret *const *)pins,
						  .organization = "Example Ltd",
						  .published = "published",
						  .root_pem = "root.pem" };
	CHECK_OK(ca_found(&foundation, &err) == 0, &err);
	store_close(store);
	for (size_t i = 0; i < config->token_count; i++)
		secret_free(pins[i]);
	CHECK(!complete_is_due(config));
}

static void read_certificate(const char *issuer, struct buf *pem)
{
	struct error err = ERR_INIT;
	char path[64];
	(void)snprintf(path, sizeof(path), "published/ca/%s.pem", issuer);
	buf_clear(pem);
	CHECK_OK(file_read(path, 65536, pem, &err) == 0, &err);
}

static X509 *parse(struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	REQUIRE(x509 != NULL);
	return x509;
}

static uint64_t certificates(const struct ca_config *config)
{
	struct store_status status;
	struct store *store = open_store(config, false);
	store_status(store, &status);
	store_close(store);
	return status.certificates;
}

static void an_issuer_that_joins_is_made_once_and_leaves_the_others_as_they_are(void)
{
	struct error err = ERR_INIT;
	auto_buf before = BUF_INIT, after = BUF_INIT, made = BUF_INIT, again = BUF_INIT, root = BUF_INIT;
	found();
	read_certificate("issuing-1", &before);
	make_token("second");
	auto_ca_config *config = configuration(second);
	CHECK(complete_is_due(config));
	CHECK_OK(complete_issuers(config, "", &err) == 0, &err);
	CHECK(!complete_is_due(config));
	CHECK_INT(certificates(config), 4);

	read_certificate("root-1", &root);
	read_certificate("issuing-2", &made);
	auto_x509 *issuer = parse(&root), *joined = parse(&made);
	char organization[64] = "";
	CHECK_INT(X509_verify(joined, X509_get0_pubkey(issuer)), 1);
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(joined), NID_organizationName, organization,
					sizeof(organization));
	CHECK_TEXT(organization, "Example Ltd"); /* the root's: none was given */
	CHECK(file_exists("published/crl/issuing-2.crl"));

	CHECK_OK(complete_issuers(config, "Another Ltd", &err) == 0, &err);
	CHECK_INT(certificates(config), 4);
	read_certificate("issuing-2", &again);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(&made));
	/* Published files are derived: one that is lost is written again. */
	REQUIRE(unlink("published/ca/issuing-2.pem") == 0);
	CHECK(complete_is_due(config));
	CHECK_OK(complete_issuers(config, "", &err) == 0, &err);
	read_certificate("issuing-2", &again);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(&made));
	read_certificate("issuing-1", &after);
	CHECK_BYTES(buf_bytes(&after), buf_bytes(&before));
	REQUIRE(chdir("/") == 0);
}

static void nothing_is_made_while_a_server_runs_or_a_pin_is_missing(void)
{
	struct error err = ERR_INIT;
	found();
	auto_ca_config *config = configuration(second);
	{
		auto_fd lock = listen_lock(&err);
		CHECK_OK(lock >= 0, &err);
		CHECK_FAILS(complete_issuers(config, "", &err) == -1, &err, ERR_CONFLICT);
		CHECK(strstr(err.message, "issuers without a certificate") != NULL);
	}
	/* Its token was not made yet: no PIN. */
	CHECK(complete_issuers(config, "", &err) == -1);
	CHECK(strstr(err.message, "second.pin") != NULL);
	CHECK_OK(file_create("token/second.pin", bytes_of("1234"), 0600, &err) == 0, &err);
	CHECK_FAILS(complete_issuers(config, "", &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(err.message, "issuing-2") != NULL);
	CHECK(complete_is_due(config));
	CHECK_INT(certificates(config), 3);
	REQUIRE(chdir("/") == 0);
}

/* Whose root signs in ceremonies is not for init. */
static void an_issuer_below_a_root_elsewhere_is_not_made_here(void)
{
	static const char waiting[] = "issuer \"root-2\" {\n}\n"
				      "issuer \"issuing-2\" {\n\ttoken = \"issuing\"\n"
				      "\tkey = \"pkcs11:object=issuing-2\"\n\tparent = \"root-2\"\n"
				      "\tfollows = \"issuing-1\"\n}\n";
	found();
	auto_ca_config *config = configuration(waiting);
	CHECK(!complete_is_due(config));
	REQUIRE(chdir("/") == 0);
}

SUITE(complete)
{
	TEST(an_issuer_that_joins_is_made_once_and_leaves_the_others_as_they_are);
	TEST(nothing_is_made_while_a_server_runs_or_a_pin_is_missing);
	TEST(an_issuer_below_a_root_elsewhere_is_not_made_here);
}
