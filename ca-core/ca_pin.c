/*
 * A PIN that a token refused is not tried again: each try counts, and the token locks itself.
 *
 * The store keeps a mark of it, so that another signer knows as well: two octets of a slow salted
 * hash. That is enough to know the same PIN again, and one PIN in 65,536 is taken for it wrongly
 * (a person then says so with `chancery token pin retry`); and it is too little to find any but the
 * shortest PINs by, from a store or a backup that got away, and those only after it was refused.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "base/ossl.h"
#include "ca-core/audit.h"

#define SALT_LEN 16
#define MARK_LEN 2
#define ROUNDS 300000
#define VERSION 1

struct mark {
	uint8_t salt[SALT_LEN];
	uint8_t octets[MARK_LEN];
	int64_t time_ms;
};

static int make_octets(struct mark *m, const struct secret *pin, struct error *err)
{
	struct bytes b = secret_bytes(pin);
	if (PKCS5_PBKDF2_HMAC((const char *)b.data, (int)b.len, m->salt, SALT_LEN, ROUNDS, EVP_sha256(), MARK_LEN,
			      m->octets) == 1)
		return 0;
	return err_openssl(err, ERR_INTERNAL, "cannot hash a PIN");
}

static void key_of(const char *token, struct buf *out)
{
	buf_printf(out, CA_META_PIN_REFUSED "%s", token);
}

int ca_pin_was_refused(struct ca *ca, const char *token, const struct secret *pin, struct error *err)
{
	auto_buf key = BUF_INIT, value = BUF_INIT;
	struct mark recorded, now;
	key_of(token, &key);
	int found = key.failed ? err_set(err, ERR_INTERNAL, "no memory") : ca_meta_get(ca, buf_text(&key), &value, err);
	if (found <= 0)
		return found;
	struct reader r = reader_of(buf_bytes(&value));
	uint8_t version = reader_u8(&r);
	reader_copy(&r, recorded.salt, SALT_LEN);
	reader_copy(&r, recorded.octets, MARK_LEN);
	(void)reader_u64(&r);
	if (!reader_done(&r) || version != VERSION)
		return err_set(err, ERR_INTEGRITY, "the record of a PIN that token %s refused is malformed", token);
	memcpy(now.salt, recorded.salt, SALT_LEN);
	if (make_octets(&now, pin, err))
		return -1;
	return memcmp(now.octets, recorded.octets, MARK_LEN) == 0;
}

/* Owns batch. */
static int submit(struct ca *ca, struct store_batch *batch, const char *event, const char *token, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_audit_entry entry;
	store_use_reserve(batch);
	ca_audit_begin(&entry, ca, event, &self);
	ca_audit_subject(&entry, bytes_of(token));
	ca_audit_append(&entry, batch);
	return store_submit_wait(ca->store, batch, NULL, err);
}

int ca_pin_record_refusal(struct ca *ca, const char *token, const struct secret *pin, struct error *err)
{
	struct mark m = { .time_ms = ca_now_ms(ca) };
	auto_buf key = BUF_INIT, value = BUF_INIT;
	if (RAND_bytes(m.salt, SALT_LEN) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random numbers for a salt");
	if (make_octets(&m, pin, err))
		return -1;
	key_of(token, &key);
	buf_u8(&value, VERSION);
	buf_add(&value, m.salt, SALT_LEN);
	buf_add(&value, m.octets, MARK_LEN);
	buf_u64(&value, (uint64_t)m.time_ms);
	struct store_batch *batch = store_batch_new(ca->store);
	if (!batch || key.failed || value.failed) {
		if (batch)
			store_batch_free(batch);
		return err_set(err, ERR_INTERNAL, "no memory for a refused PIN");
	}
	store_put(batch, STORE_META, buf_bytes(&key), buf_bytes(&value));
	return submit(ca, batch, "token.pin-refused", token, err);
}

int ca_pin_forget_refusal(struct ca *ca, const char *token, struct error *err)
{
	auto_buf key = BUF_INIT, value = BUF_INIT;
	key_of(token, &key);
	int found = key.failed ? err_set(err, ERR_INTERNAL, "no memory") : ca_meta_get(ca, buf_text(&key), &value, err);
	if (found <= 0)
		return found;
	struct store_batch *batch = store_batch_new(ca->store);
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for an accepted PIN");
	store_delete(batch, STORE_META, buf_bytes(&key));
	return submit(ca, batch, "token.pin-accepted", token, err);
}
