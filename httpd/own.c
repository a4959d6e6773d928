#include "httpd/own.h"

#include <gnutls/x509.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/message.h"
#include "ca-core/name.h"
#include "httpd/published.h"
#include "httpd/tls.h"

#define FOLDER "front"
#define KEY_PATH FOLDER "/key.pem"
#define CHAIN_PATH FOLDER "/chain.pem"
#define FILE_MAX ((size_t)64 << 10)
#define CHECK_MS 60000
#define ANSWER_MS 10000
#define RETRY_FIRST_MS 500
#define RETRY_LAST_MS 60000

enum own_state { OWN_IDLE, OWN_ASKED, OWN_ANSWERED };

struct own {
	struct front *front;
	/* the ticking thread's alone */
	int64_t next_check_ms; /* CLOCK_MONOTONIC */
	int64_t retry_ms;
	struct buf new_key; /* PEM, until its certificate is there */
	bool files_gone;

	pthread_mutex_t lock; /* for what follows */
	bool check_now;
	enum own_state state;
	struct buf certificate; /* OWN_ANSWERED: DER */
	char issuer[65];
	struct error failure; /* code ERR_NONE: none */
	bool loaded;
	int64_t begins_s, expires_s;
	bool names_differ;
};

/* ---- looking at a certificate ---- */

static bool carries_all_names(gnutls_x509_crt_t leaf, const struct ca_texts *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!gnutls_x509_crt_check_hostname2(leaf, names->items[i], GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS))
			return false;
	return true;
}

static size_t count_names(gnutls_x509_crt_t leaf)
{
	for (unsigned i = 0;; i++) {
		unsigned char name[CA_NAME_TEXT_MAX + 1];
		size_t size = sizeof(name);
		int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &size, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return i;
		if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
			return 0;
	}
}

static int look_at_chain(struct own *own, struct bytes chain_pem, struct error *err)
{
	gnutls_x509_crt_t leaf = NULL;
	gnutls_datum_t text = { (unsigned char *)chain_pem.data, (unsigned)chain_pem.len };
	int result = gnutls_x509_crt_init(&leaf);
	if (result >= 0)
		result = gnutls_x509_crt_import(leaf, &text, GNUTLS_X509_FMT_PEM);
	if (result >= 0) {
		const struct ca_texts *names = &own->front->config->listen.names;
		bool differ = !carries_all_names(leaf, names) || count_names(leaf) != names->count;
		(void)pthread_mutex_lock(&own->lock);
		own->begins_s = gnutls_x509_crt_get_activation_time(leaf);
		own->expires_s = gnutls_x509_crt_get_expiration_time(leaf);
		own->names_differ = differ;
		own->loaded = true;
		(void)pthread_mutex_unlock(&own->lock);
	}
	if (leaf)
		gnutls_x509_crt_deinit(leaf);
	return result < 0 ? err_set(err, ERR_BAD_REQUEST, "the server's certificate cannot be read: %s",
				    gnutls_strerror(result))
			  : 0;
}

static int load_pair(struct own *own, struct bytes key_pem, struct bytes chain_pem, struct error *err)
{
	if (tls_load(own->front->tls, key_pem, chain_pem, err) != 0)
		return -1;
	return look_at_chain(own, chain_pem, err);
}

static void load_files(struct own *own)
{
	auto_secret_buf key = BUF_INIT;
	auto_buf chain = BUF_INIT;
	struct error err = ERR_INIT;
	own->files_gone = !file_exists(KEY_PATH) || !file_exists(CHAIN_PATH);
	if (own->files_gone)
		return;
	if (file_read(KEY_PATH, FILE_MAX, &key, &err) != 0 || file_read(CHAIN_PATH, FILE_MAX, &chain, &err) != 0 ||
	    load_pair(own, buf_bytes(&key), buf_bytes(&chain), &err) != 0)
		log_err(LOG_LEVEL_WARN, "own certificate not usable", &err);
}

/* ---- asking for a new one ---- */

/* A new P-256 key: its PEM, and its spki. */
static int make_key(struct buf *pem, struct buf *spki, struct error *err)
{
	auto_evp_pkey *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	unsigned char *der = NULL;
	int der_len = key ? i2d_PUBKEY(key, &der) : -1;
	auto_bio *memory = BIO_new(BIO_s_secmem());
	if (der_len <= 0 || !memory || !PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL)) {
		OPENSSL_free(der);
		return err_openssl(err, ERR_INTERNAL, "cannot make a key for the server's certificate");
	}
	char *text;
	long len = BIO_get_mem_data(memory, &text);
	buf_add(pem, text, (size_t)len);
	buf_add(spki, der, (size_t)der_len);
	OPENSSL_free(der);
	return pem->failed || spki->failed ? err_set(err, ERR_INTERNAL, "no memory for a key") : 0;
}

static int keep_certificate(struct own *own, const struct frame *answer, struct error *err)
{
	struct error said = ERR_INIT;
	struct message_issued issued;
	if (answer->type == MSG_ERROR) {
		if (message_error_read(answer->payload, &said, err) == 0)
			*err = said;
		return -1;
	}
	if (answer->type != MSG_ISSUED)
		return err_set(err, ERR_INTERNAL, "the signer answered %s", message_type_name(answer->type));
	if (message_issued_read(answer->payload, &issued, err) != 0)
		return -1;
	if (issued.issuer.len >= sizeof(own->issuer))
		return err_set(err, ERR_INTERNAL, "the signer named an issuer of %zu octets", issued.issuer.len);
	memcpy(own->issuer, issued.issuer.data, issued.issuer.len);
	own->issuer[issued.issuer.len] = '\0';
	buf_clear(&own->certificate);
	buf_add_bytes(&own->certificate, issued.certificate);
	return 0;
}

/* On a thread of the link: files are written by the ticking thread. */
static void take_certificate(void *arg, const struct frame *answer, const struct error *failed)
{
	struct own *own = arg;
	(void)pthread_mutex_lock(&own->lock);
	own->failure = ERR_INIT;
	if (!answer)
		own->failure = *failed;
	else
		(void)keep_certificate(own, answer, &own->failure);
	own->state = OWN_ANSWERED;
	(void)pthread_mutex_unlock(&own->lock);
	(void)eventfd_write(own->front->wake, 1);
}

static int ask(struct own *own, int64_t now_ms, struct error *err)
{
	auto_buf spki = BUF_INIT, payload = BUF_INIT;
	buf_wipe(&own->new_key);
	if (make_key(&own->new_key, &spki, err) != 0)
		return -1;
	struct message_front_certificate question = { buf_bytes(&spki) };
	message_front_certificate_write(&question, &payload);
	(void)pthread_mutex_lock(&own->lock);
	own->state = OWN_ASKED;
	(void)pthread_mutex_unlock(&own->lock);
	if (link_ask(own->front->link, MSG_FRONT_CERTIFICATE, buf_bytes(&payload), now_ms + ANSWER_MS, take_certificate,
		     own, err) == 0)
		return 0;
	(void)pthread_mutex_lock(&own->lock);
	own->state = OWN_IDLE;
	(void)pthread_mutex_unlock(&own->lock);
	return -1;
}

/* The key first: a crash between the two leaves a pair that does not fit, which is then replaced. */
static int store_pair(struct own *own, struct bytes leaf, struct bytes issuer, struct error *err)
{
	auto_buf chain = BUF_INIT;
	text_add_pem(&chain, "CERTIFICATE", leaf);
	if (published_chain(own->front->published, issuer, &chain, err) != 0)
		return -1;
	if (load_pair(own, buf_bytes(&own->new_key), buf_bytes(&chain), err) != 0 ||
	    file_make_dir(FOLDER, 0700, err) != 0 || file_replace(KEY_PATH, buf_bytes(&own->new_key), 0600, err) != 0)
		return -1;
	return file_replace(CHAIN_PATH, buf_bytes(&chain), 0644, err);
}

static int take_in(struct own *own, struct error *err)
{
	auto_buf leaf = BUF_INIT;
	(void)pthread_mutex_lock(&own->lock);
	own->state = OWN_IDLE;
	*err = own->failure;
	buf_add_bytes(&leaf, buf_bytes(&own->certificate));
	(void)pthread_mutex_unlock(&own->lock);
	if (err->code != ERR_NONE)
		return -1;
	int result = store_pair(own, buf_bytes(&leaf), bytes_of(own->issuer), err);
	buf_wipe(&own->new_key);
	(void)pthread_mutex_lock(&own->lock);
	/* Another try would give the same: said once, not asked for every minute. */
	if (result == 0 && own->names_differ)
		log_warn("own certificate carries other names than section listen names");
	own->names_differ = false;
	(void)pthread_mutex_unlock(&own->lock);
	own->files_gone = own->files_gone && result != 0;
	return result;
}

/* ---- when ---- */

/* Source: DESIGN section 4: renewed at two thirds of its life. */
static bool is_due(struct own *own)
{
	int64_t now_s = clock_now_ms(&own->front->clock) / 1000;
	(void)pthread_mutex_lock(&own->lock);
	bool due = !own->loaded || own->names_differ || own->files_gone ||
		   now_s >= own->begins_s + (own->expires_s - own->begins_s) / 3 * 2;
	(void)pthread_mutex_unlock(&own->lock);
	return due;
}

static void plan_retry(struct own *own, int64_t now_ms, const struct error *err)
{
	own->retry_ms = own->retry_ms ? own->retry_ms * 2 : RETRY_FIRST_MS;
	if (own->retry_ms > RETRY_LAST_MS)
		own->retry_ms = RETRY_LAST_MS;
	own->next_check_ms = now_ms + own->retry_ms;
	log_err(LOG_LEVEL_WARN, "own certificate not renewed", err);
}

static enum own_state look(struct own *own)
{
	(void)pthread_mutex_lock(&own->lock);
	bool asked = own->check_now;
	own->check_now = false;
	enum own_state state = own->state;
	(void)pthread_mutex_unlock(&own->lock);
	if (!asked)
		return state;
	own->next_check_ms = own->retry_ms = 0;
	/* Who asks may have put other files there; taking them away asks for new ones. */
	if (state == OWN_IDLE)
		load_files(own);
	return state;
}

void own_tick(struct own *own, int64_t now_ms)
{
	struct error err = ERR_INIT;
	enum own_state state = look(own);
	if (state == OWN_ANSWERED) {
		if (take_in(own, &err) != 0) {
			plan_retry(own, now_ms, &err);
			return;
		}
		own->retry_ms = 0;
		own->next_check_ms = now_ms + CHECK_MS;
		log_info("own certificate renewed", KV_INT("expires", own->expires_s));
	} else if (state == OWN_IDLE && now_ms >= own->next_check_ms && link_is_up(own->front->link)) {
		own->next_check_ms = now_ms + CHECK_MS;
		if (is_due(own) && ask(own, now_ms, &err) != 0)
			plan_retry(own, now_ms, &err);
	}
	tls_forget_old(own->front->tls, 10 * front_request_ms(own->front));
}

void own_check_now(struct own *own)
{
	(void)pthread_mutex_lock(&own->lock);
	own->check_now = true;
	(void)pthread_mutex_unlock(&own->lock);
	(void)eventfd_write(own->front->wake, 1);
}

bool own_is_loaded(const struct own *own)
{
	return own->loaded;
}

void own_warnings(struct own *own, json_t *warnings)
{
	int64_t now_s = clock_now_ms(&own->front->clock) / 1000;
	(void)pthread_mutex_lock(&own->lock);
	bool loaded = own->loaded, expired = own->expires_s < now_s;
	(void)pthread_mutex_unlock(&own->lock);
	if (!loaded)
		(void)json_array_append_new(warnings, json_string("the server has no TLS certificate yet"));
	else if (expired)
		(void)json_array_append_new(warnings, json_string("the server's own TLS certificate has expired"));
}

/* ---- life ---- */

struct own *own_new(struct front *front, struct error *err)
{
	struct own *own = calloc(1, sizeof(*own));
	if (!own) {
		(void)err_set(err, ERR_INTERNAL, "no memory for the server's certificate");
		return NULL;
	}
	own->front = front;
	(void)pthread_mutex_init(&own->lock, NULL);
	load_files(own);
	return own;
}

void own_free(struct own *own)
{
	if (!own)
		return;
	buf_wipe(&own->new_key);
	buf_free(&own->certificate);
	(void)pthread_mutex_destroy(&own->lock);
	free(own);
}
