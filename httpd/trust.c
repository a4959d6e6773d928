#include "httpd/trust.h"

#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

#define CHAIN_MAX 8
#define ISSUER_FILE_MAX ((size_t)64 << 10)

struct trust {
	const struct ca_config *config;
	struct clock clock;
	pthread_rwlock_t lock;                         /* for what follows: checking reads it */
	gnutls_x509_trust_list_t list;                 /* NULL: none loaded */
	struct timespec stamps[CA_CONFIG_ISSUERS_MAX]; /* of the files as they were loaded; 0: absent */
};

static void issuer_path(const struct trust *trust, size_t i, char *path, size_t size)
{
	(void)snprintf(path, size, "published/ca/%s.pem", trust->config->issuers[i].name);
}

static void look_at_files(const struct trust *trust, struct timespec stamps[CA_CONFIG_ISSUERS_MAX])
{
	for (size_t i = 0; i < trust->config->issuer_count; i++) {
		char path[128];
		struct stat file;
		issuer_path(trust, i, path, sizeof(path));
		stamps[i] = stat(path, &file) == 0 ? file.st_mtim : (struct timespec){ 0, 0 };
	}
}

static void add_issuer(gnutls_x509_trust_list_t list, const char *path)
{
	auto_buf pem = BUF_INIT;
	struct error err = ERR_INIT;
	if (file_read(path, ISSUER_FILE_MAX, &pem, &err) != 0)
		return;
	gnutls_datum_t text = { pem.data, (unsigned)pem.len };
	gnutls_x509_crt_t *certificates = NULL;
	unsigned count = 0;
	if (gnutls_x509_crt_list_import2(&certificates, &count, &text, GNUTLS_X509_FMT_PEM, 0) < 0) {
		log_warn("issuer certificate cannot be read", KV("file", path));
		return;
	}
	/* The list takes the certificates over, the array is ours. */
	(void)gnutls_x509_trust_list_add_cas(list, certificates, count, GNUTLS_TL_NO_DUPLICATES);
	gnutls_free(certificates);
}

/* With the lock held for writing. */
static void load(struct trust *trust, const struct timespec stamps[CA_CONFIG_ISSUERS_MAX])
{
	gnutls_x509_trust_list_t list = NULL;
	if (gnutls_x509_trust_list_init(&list, 0) < 0)
		return;
	for (size_t i = 0; i < trust->config->issuer_count; i++) {
		char path[128];
		issuer_path(trust, i, path, sizeof(path));
		if (stamps[i].tv_sec != 0)
			add_issuer(list, path);
	}
	if (trust->list)
		gnutls_x509_trust_list_deinit(trust->list, 1);
	trust->list = list;
	memcpy(trust->stamps, stamps, sizeof(trust->stamps));
}

/* A stat per issuer and new connection is cheaper than any way of being told. */
static void reload_if_changed(struct trust *trust)
{
	struct timespec stamps[CA_CONFIG_ISSUERS_MAX] = { { 0, 0 } };
	look_at_files(trust, stamps);
	(void)pthread_rwlock_rdlock(&trust->lock);
	bool changed = !trust->list || memcmp(stamps, trust->stamps, sizeof(stamps)) != 0;
	(void)pthread_rwlock_unlock(&trust->lock);
	if (!changed)
		return;
	(void)pthread_rwlock_wrlock(&trust->lock);
	load(trust, stamps);
	(void)pthread_rwlock_unlock(&trust->lock);
}

struct trust *trust_new(const struct ca_config *config, struct clock clock, struct error *err)
{
	struct trust *trust = calloc(1, sizeof(*trust));
	if (!trust) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the trust list");
		return NULL;
	}
	trust->config = config;
	trust->clock = clock;
	(void)pthread_rwlock_init(&trust->lock, NULL);
	reload_if_changed(trust);
	return trust;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	if (trust->list)
		gnutls_x509_trust_list_deinit(trust->list, 1);
	(void)pthread_rwlock_destroy(&trust->lock);
	free(trust);
}

/* ---- checking ---- */

static int check_time(const struct trust *trust, gnutls_x509_crt_t leaf, struct error *err)
{
	int64_t now_s = clock_now_ms(&trust->clock) / 1000;
	char text[CLOCK_TEXT_SIZE];
	int64_t expires_s = gnutls_x509_crt_get_expiration_time(leaf);
	if (expires_s < now_s)
		return err_set(err, ERR_IDENTITY_REQUIRED, "the client certificate expired at %s",
			       clock_rfc3339(expires_s, text));
	int64_t begins_s = gnutls_x509_crt_get_activation_time(leaf);
	if (begins_s > now_s)
		return err_set(err, ERR_IDENTITY_REQUIRED, "the client certificate is valid only from %s",
			       clock_rfc3339(begins_s, text));
	return 0;
}

static int explain(unsigned status, struct error *err)
{
	const char *why = "its chain does not verify";
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA))
		why = "it was not issued by this CA";
	else if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		why = "it is not for TLS clients (extendedKeyUsage clientAuth)";
	else if (status & GNUTLS_CERT_SIGNATURE_FAILURE)
		why = "a signature in its chain is wrong";
	else if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
		why = "its chain uses an insecure algorithm";
	return err_set(err, ERR_IDENTITY_REQUIRED, "the client certificate is not accepted: %s", why);
}

/* Times are checked by our own clock. What is expired above the leaf is not ours any more, and the leaf
 * does not outlive it. */
static int verify(struct trust *trust, gnutls_x509_crt_t *chain, unsigned count, struct error *err)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					  .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
					  .size = 0 };
	unsigned status = 0;
	int result = -1;
	(void)pthread_rwlock_rdlock(&trust->lock);
	if (trust->list)
		result = gnutls_x509_trust_list_verify_crt2(trust->list, chain, count, &purpose, 1,
							    GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
								    GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS,
							    &status, NULL);
	(void)pthread_rwlock_unlock(&trust->lock);
	if (result < 0)
		return err_set(err, ERR_IDENTITY_REQUIRED, "the client certificate cannot be checked: %s",
			       trust->list ? gnutls_strerror(result) : "no issuer certificate is published yet");
	return status != 0 ? explain(status, err) : 0;
}

int trust_check_chain(struct trust *trust, const gnutls_datum_t *chain, unsigned count, struct error *err)
{
	if (count == 0 || count > CHAIN_MAX)
		return err_set(err, ERR_IDENTITY_REQUIRED, "the client sent %u certificates; 1 to %d are accepted",
			       count, CHAIN_MAX);
	reload_if_changed(trust);
	gnutls_x509_crt_t certificates[CHAIN_MAX] = { NULL };
	int result = 0;
	for (unsigned i = 0; i < count && result == 0; i++)
		if (gnutls_x509_crt_init(&certificates[i]) < 0 ||
		    gnutls_x509_crt_import(certificates[i], &chain[i], GNUTLS_X509_FMT_DER) < 0)
			result = err_set(err, ERR_IDENTITY_REQUIRED,
					 "a certificate that the client sent cannot be read");
	if (result == 0)
		result = check_time(trust, certificates[0], err);
	if (result == 0)
		result = verify(trust, certificates, count, err);
	for (unsigned i = 0; i < count; i++)
		if (certificates[i])
			gnutls_x509_crt_deinit(certificates[i]);
	return result;
}

int trust_check_peer(struct trust *trust, gnutls_session_t tls, struct buf *leaf, struct error *err)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = tls ? gnutls_certificate_get_peers(tls, &count) : NULL;
	if (!chain || count == 0)
		return err_set(err, ERR_IDENTITY_REQUIRED,
			       "no client certificate was shown, and no API token was sent");
	if (trust_check_chain(trust, chain, count, err) != 0)
		return -1;
	buf_add(leaf, chain[0].data, chain[0].size);
	return 0;
}
