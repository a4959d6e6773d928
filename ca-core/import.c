#include "ca-core/import_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/der.h"
#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/publish.h"
#include "ca-core/restore.h"

/* ---- what the steps share ---- */

const struct ca_issuer_info *import_info(const struct import *x, const struct ca_issuer *issuer)
{
	if (issuer->certified)
		return &issuer->info;
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].issuer == issuer &&
		    (x->parts[i].role == IMPORT_ROOT || x->parts[i].role == IMPORT_INTERMEDIATE))
			return &x->parts[i].info;
	return NULL;
}

int import_wrong(const struct import_part *p, struct error *err, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_set(err, ERR_INTEGRITY, "%s: %s", p->name, text);
}

int import_because(const struct import_part *p, struct error *err)
{
	static const char lint[] = "not signed: the certificate would break ";
	char text[sizeof(err->message)];
	bool rule = strncmp(err->message, lint, sizeof(lint) - 1) == 0;
	(void)snprintf(text, sizeof(text), "%s%s", rule ? "it breaks " : "",
		       err->message + (rule ? sizeof(lint) - 1 : 0));
	return err->code == ERR_INTERNAL || err->code == ERR_IO ? -1 : import_wrong(p, err, "%s", text);
}

/* ---- cross-certificates ---- */

static void cross_key(const struct ca_issuer *issuer, struct buf *key)
{
	buf_printf(key, CA_META_CROSS "%s", issuer->config->name);
}

int import_has_cross(struct store_snapshot *snap, const struct ca_issuer *issuer, struct bytes der,
		     struct bytes *certificates, uint64_t *version, struct error *err)
{
	auto_buf key = BUF_INIT;
	cross_key(issuer, &key);
	*certificates = BYTES_NONE;
	*version = 0;
	if (store_get(snap, STORE_META, buf_bytes(&key), certificates, version, err) < 0)
		return -1;
	struct der all = der_of(*certificates);
	while (all.left.len && !all.failed)
		if (bytes_equal(der_take_whole(&all, DER_SEQUENCE), der))
			return 1;
	return 0;
}

static int add_cross_of(struct ca *ca, const struct ca_issuer *issuer, struct buf *pem, struct error *err)
{
	auto_buf key = BUF_INIT, certificates = BUF_INIT;
	cross_key(issuer, &key);
	if (ca_meta_get(ca, buf_text(&key), &certificates, err) < 0)
		return -1;
	struct der all = der_of(buf_bytes(&certificates));
	while (all.left.len && !all.failed)
		text_add_pem(pem, "CERTIFICATE", der_take_whole(&all, DER_SEQUENCE));
	return all.failed ? err_set(err, ERR_INTEGRITY, "the cross-certificates of issuer %s cannot be read",
				    issuer->config->name)
			  : 0;
}

int ca_cross_add_pem(struct ca *ca, const struct ca_issuer *issuer, struct buf *pem, struct error *err)
{
	/* The configuration's check has made sure that parents end at a root. */
	for (size_t depth = 0; issuer && depth < CA_CONFIG_ISSUERS_MAX; depth++) {
		if (add_cross_of(ca, issuer, pem, err))
			return -1;
		issuer = ca_issuer_find(ca, bytes_of(issuer->config->parent));
	}
	return 0;
}

/* ---- the batch ---- */

static bool is_certificate(const struct import_part *p)
{
	return p->role == IMPORT_ROOT || p->role == IMPORT_INTERMEDIATE || p->role == IMPORT_CROSS;
}

/* It is looked up, revoked and listed as one that was issued here. */
static int put_record(struct import *x, const struct import_part *p, struct error *err)
{
	auto_free struct record_certificate *r = calloc(1, sizeof(*r));
	auto_buf subject = BUF_INIT, key = BUF_INIT, value = BUF_INIT;
	if (!r || ca_subject_text(p->facts.subject, &subject, err))
		return r ? -1 : err_set(err, ERR_INTERNAL, "no memory for a certificate's record");
	r->issuer = bytes_of(p->signer->config->name);
	r->serial = p->facts.serial;
	r->der = p->der;
	r->profile = bytes_of(p->profile ? p->profile->name : "root");
	r->requester = bytes_of("ca");
	r->subject = buf_bytes(&subject);
	memcpy(r->spki_hash, p->key.spki_hash, sizeof(r->spki_hash));
	r->issued_ms = ca_now_ms(x->ca);
	r->not_before_s = p->facts.not_before_s;
	r->not_after_s = p->facts.not_after_s;
	r->status = RECORD_VALID;
	r->reason = REASON_UNSPECIFIED;
	record_key_certificate(&key, r->issuer, r->serial);
	record_certificate_encode(r, &value);
	if (key.failed || value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate's record");
	store_expect_absent(x->batch, STORE_CERTIFICATES, buf_bytes(&key));
	store_put(x->batch, STORE_CERTIFICATES, buf_bytes(&key), buf_bytes(&value));
	return 0;
}

static int put_issuer(struct import *x, const struct import_part *p, struct error *err)
{
	const struct record_blocked blocked = { .own = true,
						.since_ms = ca_now_ms(x->ca),
						.note = bytes_of(p->issuer->config->name) };
	struct bytes hash = BYTES(p->key.spki_hash, sizeof(p->key.spki_hash));
	auto_buf key = BUF_INIT, value = BUF_INIT;
	buf_printf(&key, CA_META_ISSUER "%s", p->issuer->config->name);
	record_blocked_encode(&blocked, &value);
	if (key.failed || value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the key block list");
	store_expect_absent(x->batch, STORE_META, buf_bytes(&key));
	store_put(x->batch, STORE_META, buf_bytes(&key), p->der);
	store_expect_absent(x->batch, STORE_BLOCKED, hash);
	store_put(x->batch, STORE_BLOCKED, hash, buf_bytes(&value));
	return 0;
}

/* All of the issuer's in one record: put once, with the last of them. */
static int put_cross(struct import *x, const struct import_part *p, struct error *err)
{
	auto_buf key = BUF_INIT, all = BUF_INIT;
	struct bytes before;
	uint64_t version;
	if (import_has_cross(x->snap, p->issuer, p->der, &before, &version, err) < 0)
		return -1;
	buf_add_bytes(&all, before);
	for (size_t i = 0; i < x->count; i++) {
		if (x->parts[i].role != IMPORT_CROSS || x->parts[i].issuer != p->issuer)
			continue;
		if (&x->parts[i] > p)
			return 0;
		buf_add_bytes(&all, x->parts[i].der);
	}
	cross_key(p->issuer, &key);
	if (key.failed || all.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a cross-certificate");
	if (version)
		store_expect_version(x->batch, STORE_META, buf_bytes(&key), version);
	else
		store_expect_absent(x->batch, STORE_META, buf_bytes(&key));
	store_put(x->batch, STORE_META, buf_bytes(&key), buf_bytes(&all));
	return 0;
}

static void tell_certificate(struct import *x, const struct import_part *p)
{
	struct ca_audit_entry entry;
	uint8_t hash[32];
	sha256(p->der.data, p->der.len, hash);
	ca_audit_begin(&entry, x->ca, p->role == IMPORT_CROSS ? "issuer.cross-certified" : "issuer.certified",
		       x->actor);
	ca_audit_certificate(&entry, bytes_of(p->signer->config->name), p->facts.serial);
	ca_audit_sha256(&entry, hash);
	ca_audit_text(&entry, "issuer", bytes_of(p->issuer->config->name));
	ca_audit_time(&entry, "notAfter", p->facts.not_after_s);
	ca_audit_hex(&entry, "spki", BYTES(p->key.spki_hash, sizeof(p->key.spki_hash)));
	ca_audit_append(&entry, x->batch);
}

/* The CA goes on to be known by the root that it has, also where the configuration puts the new one before it. */
static void put_root(struct import *x)
{
	const struct ca_issuer *known = NULL;
	struct error none = ERR_INIT;
	auto_buf name = BUF_INIT;
	bool more = false;
	for (size_t i = 0; i < x->count; i++)
		more = more || x->parts[i].role == IMPORT_ROOT;
	for (size_t i = 0; more && i < x->ca->issuer_count && !known; i++) {
		uint8_t hash[32];
		char hex[65];
		const struct ca_issuer *root = &x->ca->issuers[i];
		struct bytes der = buf_bytes(&root->info.certificate);
		if (root->config->parent[0] || !root->certified)
			continue;
		sha256(der.data, der.len, hash);
		known = strcmp(text_hex(BYTES(hash, sizeof(hash)), hex), x->ca->root_hash) == 0 ? root : NULL;
	}
	if (!known || ca_meta_get(x->ca, CA_META_ROOT, &name, &none) != 0)
		return;
	store_expect_absent(x->batch, STORE_META, bytes_of(CA_META_ROOT));
	store_put(x->batch, STORE_META, bytes_of(CA_META_ROOT), bytes_of(known->config->name));
}

static void tell(struct import *x, size_t certificates, size_t lists)
{
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, x->ca, "ceremony.imported", x->actor);
	ca_audit_subject(&entry, x->in->title);
	if (x->in->closing.len == 32)
		ca_audit_sha256(&entry, x->in->closing.data);
	ca_audit_plain(&entry, "anchored", bytes_of(x->in->anchored ? "yes" : "no"));
	ca_audit_number(&entry, "certificates", (int64_t)certificates);
	ca_audit_number(&entry, "lists", (int64_t)lists);
	ca_audit_append(&entry, x->batch);
}

/* 1 there is something to commit, 0 nothing, -1. */
static int fill_batch(struct import *x, struct error *err)
{
	size_t certificates = 0, lists = 0;
	for (size_t i = 0; i < x->count; i++) {
		struct import_part *p = &x->parts[i];
		if (p->role == IMPORT_LIST) {
			lists++;
			if (ca_crl_arrival_put(x->ca, x->actor, &p->list, x->batch, err))
				return -1;
		}
		if (!is_certificate(p))
			continue;
		certificates++;
		if (put_record(x, p, err) || (p->role == IMPORT_CROSS ? put_cross(x, p, err) : put_issuer(x, p, err)))
			return -1;
		tell_certificate(x, p);
	}
	if (certificates + lists == 0)
		return 0;
	put_root(x);
	tell(x, certificates, lists);
	return 1;
}

/* ---- taken into use ---- */

/* Keys before the certificate: whoever sees the one sees the other. */
static void certify(struct import_part *p)
{
	struct ca_issuer *issuer = p->issuer;
	for (size_t i = 0; i < issuer->seat_count; i++) {
		if (!p->signers[i]) {
			atomic_store(&issuer->seats[i].token->looks_again, true);
			continue;
		}
		issuer->seats[i].key = TAKE(p->keys[i]);
		atomic_store_explicit(&issuer->seats[i].signer, TAKE(p->signers[i]), memory_order_release);
	}
	issuer->info = p->info;
	p->info = (struct ca_issuer_info){ 0 };
	issuer->certified = true;
	log_info("issuer certified", KV("issuer", issuer->config->name), KV("by", p->signer->config->name));
}

/* Who gets a certificate of the new issuer finds its list; where it cannot be made now, its token's thread does. */
static void begin_lists(struct import *x)
{
	for (size_t i = 0; i < x->count; i++) {
		struct ca_issuer *issuer = x->parts[i].issuer;
		struct error err = ERR_INIT;
		if (x->parts[i].role != IMPORT_INTERMEDIATE)
			continue;
		if (!atomic_load(&issuer->crl_number) && ca_crl_make(x->ca, issuer, x->actor, NULL, &err)) {
			log_err(LOG_LEVEL_ERROR, "the new issuer's first list is not made yet", &err);
			if (x->ca->on_crl_due)
				x->ca->on_crl_due(x->ca->on_crl_due_arg, issuer);
		}
	}
}

static void unlock_lists(struct import *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].locked)
			(void)pthread_mutex_unlock(&x->parts[i].issuer->crl_lock);
	for (size_t i = 0; i < x->count; i++)
		x->parts[i].locked = false;
}

/* What could not be published now is published by the next start; the first error is told. */
static int use(struct import *x, struct error *err)
{
	int failed = 0;
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].role == IMPORT_LIST)
			failed |= ca_crl_arrival_publish(x->ca, x->parts[i].issuer, &x->parts[i].list, err);
	unlock_lists(x);
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].role == IMPORT_ROOT || x->parts[i].role == IMPORT_INTERMEDIATE)
			certify(&x->parts[i]);
	for (size_t i = 0; i < x->ca->issuer_count && !x->ca->root_hash[0]; i++)
		if (x->ca->issuers[i].certified && !x->ca->issuers[i].config->parent[0])
			ca_issuer_is_root(x->ca, &x->ca->issuers[i]);
	failed |= ca_publish_certificates(x->ca, err);
	begin_lists(x);
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].role == IMPORT_ROOT || x->parts[i].role == IMPORT_INTERMEDIATE)
			atomic_store_explicit(&x->parts[i].issuer->takes_over, true, memory_order_release);
	return failed ? err_wrap(err, err->code, "all of it came in, but not all of it could be published: %s",
				 err->message)
		      : 0;
}

/* ---- the whole ---- */

static void answer(const struct import *x, struct message_imported *out)
{
	static const uint8_t results[] = {
		[IMPORT_LEFT] = MESSAGE_IMPORTED_LEFT,   [IMPORT_THERE] = MESSAGE_IMPORTED_THERE,
		[IMPORT_ROOT] = MESSAGE_IMPORTED_ISSUER, [IMPORT_INTERMEDIATE] = MESSAGE_IMPORTED_ISSUER,
		[IMPORT_CROSS] = MESSAGE_IMPORTED_CROSS, [IMPORT_LIST] = MESSAGE_IMPORTED_LIST,
	};
	out->count = (uint32_t)x->count;
	for (size_t i = 0; i < x->count; i++) {
		const struct import_part *p = &x->parts[i];
		out->rows[i].result = results[p->role];
		out->rows[i].issuer = p->issuer ? bytes_of(p->issuer->config->name) : BYTES_NONE;
		out->rows[i].why = p->why ? bytes_of(p->why) : BYTES_NONE;
	}
}

static int check_any(const struct import *x, struct error *err)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->parts[i].role != IMPORT_LEFT)
			return 0;
	return err_set(err, ERR_NOT_FOUND, "nothing of it is of an issuer that the configuration names");
}

static int bring_in(struct import *x, struct message_imported *out, struct error *err)
{
	x->snap = store_snapshot_new(x->ca->store, err);
	if (!x->snap || import_sort(x, err) || check_any(x, err) || import_check(x, err))
		return -1;
	x->batch = store_batch_new(x->ca->store);
	if (!x->batch)
		return err_set(err, ERR_INTERNAL, "no memory for an import");
	int something = fill_batch(x, err);
	if (something < 0)
		return -1;
	answer(x, out);
	if (!something)
		return 0;
	if (store_submit_wait(x->ca->store, TAKE(x->batch), NULL, err))
		return err->code == ERR_CONFLICT
			       ? err_set(err, ERR_CONFLICT, "the CA changed meanwhile; nothing came in, import again")
			       : -1;
	return use(x, err);
}

static void import_free(struct import *x)
{
	if (!x)
		return;
	unlock_lists(x);
	for (size_t i = 0; i < x->count; i++) {
		for (size_t n = 0; n < CA_CONFIG_SEATS_MAX; n++) {
			hsm_signer_cleanup(&x->parts[i].signers[n]);
			hsm_key_cleanup(&x->parts[i].keys[n]);
		}
		ca_issuer_info_clear(&x->parts[i].info);
	}
	if (x->batch)
		store_batch_free(x->batch);
	if (x->snap)
		store_snapshot_free(x->snap);
	free(x);
}

int ca_import(struct ca *ca, const struct ca_actor *actor, const struct message_import *in,
	      struct message_imported *out, struct error *err)
{
	if (ca_clock_check(ca, ca_now_ms(ca), err) || ca_restore_check(ca, err))
		return -1;
	(void)pthread_mutex_lock(&ca->import_lock);
	struct import *x = calloc(1, sizeof(*x));
	int result = -1;
	if (x) {
		x->ca = ca;
		x->actor = actor;
		x->in = in;
		result = bring_in(x, out, err);
	} else {
		(void)err_set(err, ERR_INTERNAL, "no memory for an import");
	}
	import_free(x);
	(void)pthread_mutex_unlock(&ca->import_lock);
	return result;
}
