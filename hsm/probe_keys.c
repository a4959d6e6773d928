/*
 * Keys: those that are there, and for each type one that is made, signs, and is destroyed.
 */
#include <openssl/rsa.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ossl.h"
#include "base/text.h"
#include "hsm/probe_private.h"

#define EXISTING_MAX 64
#define POINT_MAX 256

/* ---- those that are there ---- */

static void tell_existing(struct probing *p, CK_OBJECT_HANDLE object)
{
	struct error err = ERR_INIT, ignored = ERR_INIT;
	auto_buf label = BUF_INIT, id = BUF_INIT, hex = BUF_INIT;
	char name[64];
	(void)hsm_object_bytes(p->token, object, CKA_LABEL, HSM_URI_OBJECT_MAX, &label, &ignored);
	(void)hsm_object_bytes(p->token, object, CKA_ID, HSM_URI_ID_MAX, &id, &ignored);
	text_add_hex(&hex, buf_bytes(&id));
	probe_text(name, sizeof(name), label.data, label.len);
	auto_hsm_key *key = hsm_key_new(p->token, object, &err);
	if (!key) {
		(void)probe_row(p, "keys", name, HSM_PROBE_NO, "not usable for Chancery", "%s", err.message);
		return;
	}
	bool signs = probe_may_sign(p, hsm_key_type(key));
	bool guarded = hsm_object_flag(p->token, object, CKA_EXTRACTABLE) == 0 &&
		       hsm_object_flag(p->token, object, CKA_SENSITIVE) == 1;
	(void)probe_row(p, "keys", name,
			!signs    ? HSM_PROBE_NO
			: guarded ? HSM_PROBE_OK
				  : HSM_PROBE_PARTLY,
			!signs    ? "the token does not offer to sign with it"
			: guarded ? "can be an issuer's"
				  : "may leave the token: extractable, or not sensitive",
			"%s, id %s", hsm_key_type_name(hsm_key_type(key)), buf_text(&hex));
	if (strncmp(name, HSM_PROBE_LABEL, sizeof(HSM_PROBE_LABEL) - 1) == 0)
		probe_left(p, name);
}

void probe_existing_keys(struct probing *p)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE objects[EXISTING_MAX];
	struct error err = ERR_INIT;
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)),
	};
	if (!p->options->pin) {
		(void)probe_row(p, "keys", "existing", HSM_PROBE_PARTLY, "private keys are seen after a login alone",
				"not looked for");
		return;
	}
	int count = hsm_objects_find(p->token, match, 2, objects, EXISTING_MAX, &err);
	if (count < 0) {
		(void)probe_row(p, "keys", "existing", HSM_PROBE_NO, "keys cannot be found again", "%s", err.message);
		return;
	}
	struct hsm_probe_row *row =
		probe_row(p, "keys", "existing", HSM_PROBE_OK, "a fact", "%d%s", count,
			  count == EXISTING_MAX ? " and perhaps more, which are not looked at" : "");
	row->number = count;
	for (int i = 0; i < count; i++)
		tell_existing(p, objects[i]);
}

/* ---- signing, as certificates are signed ---- */

static const char message[] = "chancery: a probe signs this";

static int digest_of(const struct hsm_scheme *scheme, uint8_t digest[EVP_MAX_MD_SIZE], struct bytes *input,
		     struct error *err)
{
	*input = BYTES(message, sizeof(message));
	if (!scheme->digest)
		return 0;
	const EVP_MD *md = EVP_get_digestbyname(scheme->digest->name);
	if (!md || EVP_Digest(message, sizeof(message), digest, NULL, md, NULL) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot hash");
	*input = BYTES(digest, scheme->digest->size);
	return 0;
}

static int verify(const struct hsm_key *key, const struct hsm_scheme *scheme, const struct buf *signature,
		  struct error *err)
{
	struct bytes spki = hsm_key_spki(key);
	const unsigned char *at = spki.data;
	const EVP_MD *md = scheme->digest ? EVP_get_digestbyname(scheme->digest->name) : NULL;
	auto_evp_pkey *public_key = d2i_PUBKEY(NULL, &at, (long)spki.len);
	auto_evp_md_ctx *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *inside = NULL;
	bool ready = public_key && context && EVP_DigestVerifyInit(context, &inside, md, NULL, public_key) == 1;
	if (ready && scheme->pss)
		ready = EVP_PKEY_CTX_set_rsa_padding(inside, RSA_PKCS1_PSS_PADDING) == 1 &&
			EVP_PKEY_CTX_set_rsa_pss_saltlen(inside, (int)scheme->salt_len) == 1;
	if (!ready ||
	    EVP_DigestVerify(context, signature->data, signature->len, (const uint8_t *)message, sizeof(message)) != 1)
		return err_openssl(err, ERR_INTEGRITY, "the signature does not verify in software");
	return 0;
}

int probe_sign(struct hsm_key *key, const struct hsm_scheme *scheme, struct error *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct bytes input;
	auto_buf signature = BUF_INIT;
	if (digest_of(scheme, digest, &input, err) || hsm_scheme_sign(key, scheme, input, &signature, err))
		return -1;
	return verify(key, scheme, &signature, err);
}

/* ---- how fast ---- */

struct worker {
	pthread_t thread;
	struct hsm_key *key;
	const struct hsm_scheme *scheme;
	struct bytes input;
	int64_t until_ms;
	uint64_t made;
	struct buf last; /* signature */
	struct error err;
};

static void *sign_until(void *argument)
{
	struct worker *w = argument;
	do {
		buf_clear(&w->last);
		if (hsm_scheme_sign(w->key, w->scheme, w->input, &w->last, &w->err))
			break;
		w->made++;
	} while (clock_monotonic_ms() < w->until_ms);
	return NULL;
}

/* Signatures per second of so many threads, the last of each verified; or -1. */
static double rate(struct hsm_key *key, const struct hsm_scheme *scheme, unsigned threads, unsigned ms,
		   struct error *err)
{
	struct worker workers[HSM_PROBE_THREADS_MAX] = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct bytes input;
	if (digest_of(scheme, digest, &input, err))
		return -1;
	int64_t began_ms = clock_monotonic_ms();
	unsigned started = 0;
	for (; started < threads; started++) {
		struct worker *w = &workers[started];
		*w = (struct worker){ .key = key,
				      .scheme = scheme,
				      .input = input,
				      .until_ms = began_ms + ms,
				      .last = BUF_INIT,
				      .err = ERR_INIT };
		if (pthread_create(&w->thread, NULL, sign_until, w) != 0)
			break;
	}
	for (unsigned i = 0; i < started; i++)
		(void)pthread_join(workers[i].thread, NULL);
	int64_t took_ms = clock_monotonic_ms() - began_ms;
	uint64_t made = 0;
	int failed = started < threads ? err_set(err, ERR_INTERNAL, "no thread to sign in") : 0;
	for (unsigned i = 0; i < started; i++) {
		struct worker *w = &workers[i];
		made += w->made;
		if (!failed && w->err.code != ERR_NONE) {
			*err = w->err;
			failed = -1;
		}
		failed = failed ? failed : verify(key, scheme, &w->last, err);
		buf_free(&w->last);
	}
	return failed ? -1 : (double)made * 1000 / (double)(took_ms > 0 ? took_ms : 1);
}

static double tell_rate(struct probing *p, struct hsm_key *key, const struct hsm_scheme *scheme, unsigned threads)
{
	struct error err = ERR_INIT;
	char name[64];
	(void)snprintf(name, sizeof(name), "signatures/s, %u thread%s", threads, threads == 1 ? "" : "s");
	const char *subject = hsm_key_type_name(hsm_key_type(key));
	double made = rate(key, scheme, threads, p->options->rate_ms, &err);
	if (made < 0) {
		(void)probe_row(p, subject, name, HSM_PROBE_NO,
				threads == 1 ? "signing fails when it goes on"
					     : "signing fails where several sessions do it at once: sessions = 1",
				"%s", err.message);
		return made;
	}
	struct hsm_probe_row *row = probe_row(p, subject, name, HSM_PROBE_OK,
					      threads == 1 ? "one at a time" : "each on a session of its own",
					      made < 10 ? "%.1f" : "%.0f", made);
	row->number = (int64_t)made;
	return made;
}

static void tell_rates(struct probing *p, struct hsm_key *key, const struct hsm_scheme *scheme)
{
	double one = tell_rate(p, key, scheme, 1);
	if (p->threads < 2 || one <= 0)
		return;
	double several = tell_rate(p, key, scheme, p->threads);
	p->alone = p->alone || several < 0;
	p->gain = several / one > p->gain ? several / one : p->gain;
}

/* ---- one type ---- */

static bool tell_scheme(struct probing *p, struct hsm_key *key, const char *name, const struct hsm_scheme *scheme)
{
	struct error err = ERR_INIT;
	const char *subject = hsm_key_type_name(hsm_key_type(key));
	bool signs = probe_sign(key, scheme, &err) == 0;
	const char *means = scheme->pss ? signs ? "RSA-PSS for openssl" : "RSA-PSS not served"
			    : signs     ? "certificates and lists can be signed"
					: "no issuing keys of this type";
	(void)probe_row(p, subject, name, signs ? HSM_PROBE_OK : HSM_PROBE_NO, means, "%s",
			signs ? "verified in software" : err.message);
	return signs;
}

/* PKCS#11 v2.40 section 2.3.3 wants a DER OCTET STRING; some tokens give the bare point. */
static void tell_point(struct probing *p, struct hsm_key *key)
{
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_OBJECT_HANDLE object;
	struct error err = ERR_INIT;
	auto_buf point = BUF_INIT;
	struct bytes id = hsm_key_id(key);
	const CK_ATTRIBUTE match[] = {
		HSM_ATTRIBUTE(CKA_CLASS, &class, sizeof(class)),
		HSM_ATTRIBUTE(CKA_ID, id.data, id.len),
	};
	const char *subject = hsm_key_type_name(hsm_key_type(key));
	int found = hsm_objects_find(p->token, match, 2, &object, 1, &err);
	if (found <= 0) {
		(void)probe_row(p, subject, "CKA_EC_POINT", HSM_PROBE_OK, "read from the private key instead",
				"no public key object");
	} else if (hsm_object_bytes(p->token, object, CKA_EC_POINT, POINT_MAX, &point, &err)) {
		(void)probe_row(p, subject, "CKA_EC_POINT", HSM_PROBE_PARTLY, "read from the private key instead", "%s",
				err.message);
	} else {
		/* The bare form of both kinds of point is shorter than any wrapped one by its header. */
		size_t bare = hsm_key_type(key) == HSM_EC_P256   ? 65
			      : hsm_key_type(key) == HSM_EC_P384 ? 97
			      : hsm_key_type(key) == HSM_EC_P521 ? 133
								 : 32;
		(void)probe_row(p, subject, "CKA_EC_POINT", HSM_PROBE_OK, "read in either form", "%s, %zu octets",
				point.len == bare ? "the bare point" : "DER OCTET STRING", point.len);
	}
}

static void try_key(struct probing *p, struct hsm_key *key)
{
	enum hsm_key_type type = hsm_key_type(key);
	const struct hsm_scheme usual = { .digest = hsm_digest_for(type) };
	bool rsa = hsm_key_type_is_rsa(type);
	bool signs = tell_scheme(p, key,
				 rsa                   ? "sign PKCS#1"
				 : type == HSM_ED25519 ? "sign EdDSA"
						       : "sign ECDSA",
				 &usual);
	p->report->issuing[type] = signs;
	if (rsa) {
		const struct hsm_scheme pss = { .digest = usual.digest, .pss = true, .salt_len = usual.digest->size };
		bool served = tell_scheme(p, key, "sign PSS", &pss);
		p->report->pss = p->report->pss || served;
	} else {
		tell_point(p, key);
	}
	if (signs)
		tell_rates(p, key, &usual);
}

void probe_key_type(struct probing *p, enum hsm_key_type type)
{
	struct error err = ERR_INIT;
	char label[64];
	const char *subject = hsm_key_type_name(type);
	probe_label(p, subject, label);
	int64_t began_ms = clock_monotonic_ms();
	struct hsm_key *key = hsm_key_generate(p->token, type, label, &err);
	if (key) {
		(void)probe_row(p, subject, "generate", HSM_PROBE_OK, "`chancery token keygen` makes it",
				"all attributes as asked for, in %lld ms",
				(long long)(clock_monotonic_ms() - began_ms));
		bool asks = hsm_object_flag(p->token, key->object, CKA_ALWAYS_AUTHENTICATE) == 1;
		if (asks)
			(void)probe_row(p, subject, "CKA_ALWAYS_AUTHENTICATE", HSM_PROBE_NO,
					"the PIN would be asked for with each signature", "true");
		try_key(p, key);
	} else {
		(void)probe_row(p, subject, "generate", HSM_PROBE_NO, "`chancery token keygen` cannot make it", "%s",
				err.message);
	}
	hsm_key_free(key);
	probe_sweep(p, label);
}
