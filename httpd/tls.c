#include "httpd/tls.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define CHAIN_MAX 8

struct credential {
	struct credential *older;
	int64_t replaced_ms;
	gnutls_privkey_t key;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_length;
};

struct tls {
	pthread_mutex_t lock;       /* for the list */
	struct credential *present; /* and behind it those replaced */
};

static void credential_free(struct credential *c)
{
	for (unsigned i = 0; i < c->chain_length; i++)
		gnutls_pcert_deinit(&c->chain[i]);
	if (c->key)
		gnutls_privkey_deinit(c->key);
	free(c);
}
CLEANUP_POINTER(credential, struct credential, credential_free)

struct tls *tls_new(struct error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	if (!tls)
		(void)err_set(err, ERR_INTERNAL, "no memory for the TLS credential");
	else
		(void)pthread_mutex_init(&tls->lock, NULL);
	return tls;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	while (tls->present) {
		struct credential *c = tls->present;
		tls->present = c->older;
		credential_free(c);
	}
	(void)pthread_mutex_destroy(&tls->lock);
	free(tls);
}

static int read_credential(struct credential *c, struct bytes key_pem, struct bytes chain_pem, struct error *err)
{
	gnutls_datum_t key = { (unsigned char *)key_pem.data, (unsigned)key_pem.len };
	gnutls_datum_t chain = { (unsigned char *)chain_pem.data, (unsigned)chain_pem.len };
	unsigned length = CHAIN_MAX;
	int result = gnutls_privkey_init(&c->key);
	if (result >= 0)
		result = gnutls_privkey_import_x509_raw(c->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (result < 0)
		return err_set(err, ERR_BAD_REQUEST, "the server's TLS key cannot be read: %s",
			       gnutls_strerror(result));
	result = gnutls_pcert_list_import_x509_raw(c->chain, &length, &chain, GNUTLS_X509_FMT_PEM, 0);
	if (result < 0)
		return err_set(err, ERR_BAD_REQUEST, "the server's chain cannot be read: %s", gnutls_strerror(result));
	c->chain_length = length;
	return 0;
}

/* GnuTLS would find out only in each handshake. */
static int check_pair(const struct credential *c, struct error *err)
{
	gnutls_pubkey_t of_key = NULL;
	unsigned char ids[2][64];
	size_t sizes[2] = { sizeof(ids[0]), sizeof(ids[1]) };
	int result = gnutls_pubkey_init(&of_key);
	if (result >= 0)
		result = gnutls_pubkey_import_privkey(of_key, c->key, 0, 0);
	if (result >= 0)
		result = gnutls_pubkey_get_key_id(of_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]);
	if (result >= 0)
		result = gnutls_pubkey_get_key_id(c->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]);
	if (of_key)
		gnutls_pubkey_deinit(of_key);
	if (result < 0 || !bytes_equal(BYTES(ids[0], sizes[0]), BYTES(ids[1], sizes[1])))
		return err_set(err, ERR_BAD_REQUEST, "the server's TLS key does not belong to its certificate");
	return 0;
}

int tls_load(struct tls *tls, struct bytes key_pem, struct bytes chain_pem, struct error *err)
{
	CLEANUP(credential_cleanup) struct credential *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ERR_INTERNAL, "no memory for the TLS credential");
	if (read_credential(c, key_pem, chain_pem, err) != 0 || check_pair(c, err) != 0)
		return -1;
	(void)pthread_mutex_lock(&tls->lock);
	c->older = tls->present;
	if (c->older)
		c->older->replaced_ms = clock_monotonic_ms();
	tls->present = TAKE(c);
	(void)pthread_mutex_unlock(&tls->lock);
	return 0;
}

void tls_forget_old(struct tls *tls, int64_t age_ms)
{
	int64_t before_ms = clock_monotonic_ms() - age_ms;
	(void)pthread_mutex_lock(&tls->lock);
	struct credential **at = tls->present ? &tls->present->older : &tls->present;
	while (*at) {
		struct credential *c = *at;
		if (c->replaced_ms > before_ms) {
			at = &c->older;
			continue;
		}
		*at = c->older;
		credential_free(c);
	}
	(void)pthread_mutex_unlock(&tls->lock);
}

void tls_prepare(struct tls *tls, gnutls_session_t session)
{
	/* tls_choose gets nothing but the session to find its way back by. */
	gnutls_session_set_ptr(session, tls);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
}

int tls_choose(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
	       const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
	       unsigned *chain_length, gnutls_privkey_t *key)
{
	(void)issuers;
	(void)issuer_count;
	(void)algorithms;
	(void)algorithm_count;
	struct tls *tls = gnutls_session_get_ptr(session);
	(void)pthread_mutex_lock(&tls->lock);
	struct credential *c = tls->present;
	(void)pthread_mutex_unlock(&tls->lock);
	if (!c)
		return -1;
	*chain = c->chain;
	*chain_length = c->chain_length;
	*key = c->key;
	return 0;
}
