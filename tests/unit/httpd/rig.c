/* The front's process, and the small PKI around it. */
#include "tests/unit/httpd/rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/file.h"
#include "base/log.h"
#include "httpd/front.h"
#include "tests/unit/httpd/rig_private.h"

/* ---- certificates ---- */

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	REQUIRE(extension != NULL);
	(void)X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

struct credential rig_credential(const struct credential *issuer, const char *name, const char *eku, long begins_s,
				 long ends_s, struct bytes spki)
{
	static _Atomic long serials = 1;
	struct credential made = { .certificate = X509_new() };
	const unsigned char *at = spki.data;
	EVP_PKEY *subject = NULL;
	if (spki.len)
		subject = d2i_PUBKEY(NULL, &at, (long)spki.len);
	else
		subject = made.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	REQUIRE(subject != NULL);
	(void)X509_set_version(made.certificate, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serials++);
	(void)X509_gmtime_adj(X509_getm_notBefore(made.certificate), begins_s);
	(void)X509_gmtime_adj(X509_getm_notAfter(made.certificate), ends_s);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_ASC,
					 (const unsigned char *)name, -1, -1, 0);
	X509 *above = issuer ? issuer->certificate : made.certificate;
	(void)X509_set_issuer_name(made.certificate, X509_get_subject_name(above));
	(void)X509_set_pubkey(made.certificate, subject);
	add_extension(made.certificate, above, NID_basic_constraints, eku ? "critical,CA:FALSE" : "critical,CA:TRUE");
	add_extension(made.certificate, above, NID_key_usage, eku ? "digitalSignature" : "keyCertSign,cRLSign");
	add_extension(made.certificate, above, NID_subject_key_identifier, "hash");
	if (eku) {
		add_extension(made.certificate, above, NID_ext_key_usage, eku);
		add_extension(made.certificate, above, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
	}
	REQUIRE(X509_sign(made.certificate, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
	if (subject != made.key)
		EVP_PKEY_free(subject);
	return made;
}

void credential_free(struct credential *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->certificate);
	*c = (struct credential){ NULL, NULL };
}

static void add_parts(X509_REQ *request, int parts, const char *part)
{
	X509_NAME *subject = X509_NAME_new();
	for (int i = 0; i < parts; i++)
		REQUIRE(X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_UTF8, (const unsigned char *)part, -1, -1,
						   i ? -1 : 0) == 1);
	(void)X509_REQ_set_subject_name(request, subject);
	X509_NAME_free(subject);
	if (parts > 0)
		(void)X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword, MBSTRING_ASC,
						(const unsigned char *)"secret", -1);
}

struct bytes rig_csr(const char *san)
{
	return rig_csr_of(0, NULL, san);
}

struct bytes rig_csr_of(int parts, const char *part, const char *san)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509_REQ *request = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	(void)sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
	(void)X509_REQ_add_extensions(request, extensions);
	(void)X509_REQ_set_pubkey(request, key);
	add_parts(request, parts, part);
	REQUIRE(X509_REQ_sign(request, key, EVP_sha256()) > 0);
	FILE *file = fopen(unit_path("request.pem"), "w");
	(void)PEM_write_X509_REQ(file, request);
	(void)fclose(file);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(request);
	EVP_PKEY_free(key);

	auto_buf pem = BUF_INIT;
	struct error err = ERR_INIT;
	REQUIRE(file_read(unit_path("request.pem"), 65536, &pem, &err) == 0);
	auto_buf hex = BUF_INIT;
	for (size_t i = 0; i < pem.len; i++)
		buf_printf(&hex, "%02x", pem.data[i]);
	return unit_hex(buf_text(&hex)); /* which keeps it until the test ends */
}

/* ---- the state directory ---- */

static void write_certificate(const char *path, X509 *first, X509 *second)
{
	FILE *file = fopen(unit_path(path), "w");
	REQUIRE(file != NULL);
	(void)PEM_write_X509(file, first);
	if (second)
		(void)PEM_write_X509(file, second);
	(void)fclose(file);
}

static void make_state(struct rig *rig)
{
	struct error err = ERR_INIT;
	rig->root = rig_credential(NULL, "root", NULL, -3600, 360000, BYTES_NONE);
	rig->issuing = rig_credential(&rig->root, "issuing", NULL, -3600, 360000, BYTES_NONE);
	static const char *const folders[] = { "published/ca/issuing-1", "published/crl", "published/audit", "front" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		REQUIRE(file_make_dir(unit_path(folders[i]), 0755, &err) == 0);
	write_certificate("published/ca/root-1.pem", rig->root.certificate, NULL);
	write_certificate("published/ca/roots.pem", rig->root.certificate, NULL);
	write_certificate("published/ca/issuing-1.pem", rig->issuing.certificate, NULL);
	write_certificate("published/ca/issuing-1/chain.pem", rig->issuing.certificate, NULL);
	REQUIRE(file_replace(unit_path("published/audit/head"), bytes_of("{\"text\":\"head\"}\n"), 0644, &err) == 0);
}

static void make_config(struct rig *rig)
{
	static char *names[] = { (char *)"localhost", (char *)"127.0.0.1" };
	struct ca_config *config = rig->config = calloc(1, sizeof(*config));
	REQUIRE(config != NULL);
	config->listen.names = (struct ca_texts){ names, 2 };
	config->listen.connections = 64;
	config->listen.request_seconds = 30;
	(void)snprintf(config->issuers[0].name, sizeof(config->issuers[0].name), "root-1");
	(void)snprintf(config->issuers[1].name, sizeof(config->issuers[1].name), "issuing-1");
	config->issuer_count = 2;
	ca_profile_default(CA_KIND_SERVER, &config->profiles[0]);
	ca_profile_default(CA_KIND_CLIENT, &config->profiles[1]);
	ca_profile_default(CA_KIND_SERVER, &config->profiles[2]);
	(void)snprintf(config->profiles[0].name, sizeof(config->profiles[0].name), "server-dv");
	(void)snprintf(config->profiles[1].name, sizeof(config->profiles[1].name), "client");
	(void)snprintf(config->profiles[2].name, sizeof(config->profiles[2].name), "front");
	config->profiles[2].internal = true;
	config->profile_count = 3;
}

/* ---- the front's process ---- */

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 64) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void run_front(struct role *role)
{
	if (chdir(unit_folder()) != 0)
		exit(9);
	/* What the parent has opened meanwhile is not ours. */
	log_open("front", LOG_FORMAT_TEXT, getenv("RIG_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	exit(httpd_front_main(role));
}

static void fork_front(struct rig *rig, int channel, int control, int signer_end)
{
	struct role role = { .config = rig->config,
			     .channel = channel,
			     .admin = -1,
			     .control = control,
			     .https_count = 1,
			     .http_count = 1,
			     .clock = clock_system() };
	role.https[0] = listen_somewhere(&rig->https);
	role.http[0] = listen_somewhere(&rig->http);
	(void)fflush(NULL);
	rig->front = fork();
	REQUIRE(rig->front >= 0);
	if (rig->front == 0) {
		(void)close(rig->control);
		fd_cleanup(&signer_end);
		run_front(&role);
	}
	(void)close(role.https[0]);
	(void)close(role.http[0]);
}

static struct rig *start(void (*tune)(struct ca_config *config), bool with_signer, int front_age_percent)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int control[2], pair[2] = { -1, -1 };
	REQUIRE(rig != NULL);
	(void)pthread_mutex_init(&rig->signer.lock, NULL);
	rig->signer.roles = 15;
	rig->signer.front_age_percent = front_age_percent;
	make_state(rig);
	make_config(rig);
	if (tune)
		tune(rig->config);
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
	rig->control = control[0];
	if (with_signer)
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	fork_front(rig, pair[0], control[1], pair[1]);
	(void)close(control[1]);
	if (with_signer) {
		(void)close(pair[0]);
		rig_play_signer(rig, pair[1]);
	}
	return rig;
}

struct rig *rig_start(void (*tune)(struct ca_config *config))
{
	return start(tune, true, 50);
}

struct rig *rig_start_alone(void (*tune)(struct ca_config *config))
{
	return start(tune, false, 50);
}

struct rig *rig_start_with_front_age(int percent)
{
	return start(NULL, true, percent);
}

void rig_new_signer(struct rig *rig)
{
	int pair[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	struct error err = ERR_INIT;
	CHECK_OK(fdpass_send(rig->control, 'C', pair[0], &err) == 0, &err);
	(void)close(pair[0]);
	rig_play_signer(rig, pair[1]);
}

bool rig_await_ready(struct rig *rig)
{
	struct pollfd ready = { .fd = rig->control, .events = POLLIN };
	char kind = 0;
	return poll(&ready, 1, 20000) == 1 && recv(rig->control, &kind, 1, 0) == 1 && kind == 'R';
}

#define REGION_MAX ((size_t)64 << 20) /* a reservation, of which little is memory */

static size_t count_in(int memory, uintptr_t begin, size_t len, const char *text)
{
	auto_free char *copy = malloc(len);
	size_t found = 0, text_len = strlen(text);
	if (!copy || pread(memory, copy, len, (off_t)begin) != (ssize_t)len)
		return 0;
	for (const char *at = copy; (at = memmem(at, len - (size_t)(at - copy), text, text_len)) != NULL; at++)
		found++;
	return found;
}

size_t rig_count_in_memory(struct rig *rig, const char *text)
{
	char path[64], line[512];
	size_t found = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)rig->front);
	auto_fd memory = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)rig->front);
	FILE *maps = fopen(path, "r");
	while (memory >= 0 && maps && fgets(line, sizeof(line), maps)) {
		char *end = line;
		uintptr_t begin = strtoull(line, &end, 16);
		size_t len = *end == '-' ? strtoull(end + 1, &end, 16) - begin : 0;
		if (len > 0 && len <= REGION_MAX && strncmp(end, " rw", 3) == 0)
			found += count_in(memory, begin, len, text);
	}
	if (maps)
		(void)fclose(maps);
	return found;
}

void rig_stop(struct rig *rig)
{
	int status = -1;
	(void)kill(rig->front, SIGTERM);
	CHECK(waitpid(rig->front, &status, 0) == rig->front);
	CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status), 0);
	rig_end_signer(rig);
	(void)close(rig->control);
	buf_free(&rig->signer.last);
	buf_free(&rig->signer.held_spki);
	credential_free(&rig->root);
	credential_free(&rig->issuing);
	free(rig->config);
	free(rig);
}
