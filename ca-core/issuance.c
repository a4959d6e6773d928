/* The second half of the line: tbs -> lint -> sign -> verify -> commit -> answer. */
#include "ca-core/issuance.h"

#include <stdio.h>

#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"

struct ca_issuance *ca_issuance_new(struct ca *ca, const struct ca_actor *actor, struct error *err)
{
	struct ca_issuance *i = calloc(1, sizeof(*i));
	if (!i) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a request");
		return NULL;
	}
	i->ca = ca;
	i->actor = *actor;
	i->now_ms = ca_now_ms(ca);
	return i;
}

/* ---- a signature that became no certificate ---- */

static void log_unfinished(void *arg, const struct store_outcome *outcome)
{
	struct ca *ca = arg;
	atomic_fetch_add(&ca->counters.unfinished, 1);
	if (outcome->result != STORE_COMMITTED)
		log_error("unfinished serial not recorded", KV_INT("result", outcome->result));
	ca_later_end(ca);
}

/* Every signature has a record: the serial is kept as unfinished, never to be used again, revocable.
 * Where even that cannot be written, the ledger finds it at the next start. */
static void record_unfinished(struct ca_issuance *i, const char *why)
{
	struct error err = ERR_INIT;
	struct store_batch *batch = store_batch_new(i->ca->store);
	if (!batch)
		return;
	struct bytes serial = BYTES(i->serial.octets, i->serial.len);
	const struct record_unfinished record = { .issuer = bytes_of(i->issuer->config->name), .found_ms = i->now_ms };
	auto_buf value = BUF_INIT;
	record_unfinished_encode(&record, &value);
	store_use_reserve(batch);
	store_expect_absent(batch, STORE_UNFINISHED, serial);
	store_put(batch, STORE_UNFINISHED, serial, buf_bytes(&value));

	struct ca_audit_entry entry;
	ca_audit_begin(&entry, i->ca, "certificate.unfinished", &i->actor);
	ca_audit_certificate(&entry, record.issuer, serial);
	ca_audit_text(&entry, "why", bytes_of(why));
	ca_audit_append(&entry, batch);
	ca_later_begin(i->ca);
	if (store_submit(i->ca->store, batch, log_unfinished, i->ca, &err)) {
		log_err(LOG_LEVEL_ERROR, "unfinished serial not recorded", &err);
		ca_later_end(i->ca);
	}
}

static void settle_serial(struct ca_issuance *i, const char *why)
{
	if (i->serial_taken && i->signature_made)
		record_unfinished(i, why);
	else if (i->serial_taken)
		store_serial_void(i->ca->store, &i->serial);
	i->serial_taken = false;
}

void ca_issuance_free(struct ca_issuance *i)
{
	if (!i)
		return;
	settle_serial(i,
		      i->certificate.len ? "the request ended before its commit" : "the token failed while it signed");
	ca_names_free(&i->names);
	buf_free(&i->subject);
	buf_free(&i->request_key);
	buf_free(&i->tbs);
	buf_free(&i->certificate);
	free(i);
}

/* ---- tbs, lint, sign ---- */

int ca_issuance_signer(struct ca_issuance *i, struct error *err)
{
	i->signer = i->anywhere ? ca_issuer_signer(i->issuer, err) : ca_issuer_signer_in(i->issuer, i->token, err);
	return i->signer ? 0 : -1;
}

int ca_issuance_tbs(struct ca_issuance *i, struct error *err)
{
	if (store_serial_take(i->ca->store, &i->serial, err))
		return -1;
	i->serial_taken = true;
	const struct ca_tbs tbs = {
		.profile = i->profile,
		.issuer = i->self_signed ? NULL : &i->issuer->info,
		.signature_algorithm =
			i->self_signed ? hsm_signature_algorithm(hsm_key_type(hsm_signer_key(i->signer))) : BYTES_NONE,
		.serial = BYTES(i->serial.octets, i->serial.len),
		.not_before_s = i->not_before_s,
		.not_after_s = i->not_after_s,
		.subject = buf_bytes(&i->subject),
		.key = i->key,
		.names = &i->names,
	};
	return ca_tbs_build(&tbs, &i->tbs, err);
}

int ca_issuance_lint(struct ca_issuance *i, struct error *err)
{
	return ca_lint_tbs(buf_bytes(&i->tbs), i->profile, i->self_signed ? NULL : &i->issuer->info, i->now_ms / 1000,
			   err);
}

int ca_issuance_sign(struct ca_issuance *i, struct error *err)
{
	if (i->deadline_ms && clock_monotonic_ms() > i->deadline_ms)
		return err_set(err, ERR_BUSY, "the request waited until its time was over; nothing was signed");
	auto_buf signature = BUF_INIT;
	int failed = hsm_sign(i->signer, buf_bytes(&i->tbs), &signature, err);
	/* One that does not verify was made all the same; one that may have been made is taken for made, whatever
	 * became of it on the way here. */
	i->signature_made = !failed || err->code != ERR_TOKEN_UNAVAILABLE;
	if (failed)
		return -1;
	ca_certificate_assemble(buf_bytes(&i->tbs), hsm_signature_algorithm(hsm_key_type(hsm_signer_key(i->signer))),
				buf_bytes(&signature), &i->certificate);
	if (i->certificate.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the certificate");
	return 0;
}

/* ---- commit ---- */

/* The record, its names printed into one buffer. */
static int put_certificate(struct ca_issuance *i, struct store_batch *batch, struct record_certificate *r,
			   struct buf *names, struct error *err)
{
	auto_buf subject = BUF_INIT, key = BUF_INIT, value = BUF_INIT;
	if (i->subject.len && ca_subject_text(buf_bytes(&i->subject), &subject, err))
		return -1;
	r->issuer = bytes_of(i->issuer->config->name);
	r->serial = BYTES(i->serial.octets, i->serial.len);
	r->der = buf_bytes(&i->certificate);
	r->profile = bytes_of(i->profile->name);
	r->requester = bytes_of(i->requester);
	r->subject = buf_bytes(&subject);
	r->order = i->order;
	memcpy(r->spki_hash, i->key.spki_hash, sizeof(r->spki_hash));
	r->issued_ms = i->now_ms;
	r->not_before_s = i->not_before_s;
	r->not_after_s = i->not_after_s;
	r->no_revocation = i->profile->revocation_none;
	r->status = RECORD_VALID;
	r->reason = REASON_UNSPECIFIED;
	r->revoked_ms = r->invalidity_s = 0;
	r->name_count = i->names.count;
	for (size_t n = 0; n < i->names.count; n++) {
		r->names[n].len = names->len;
		ca_name_print(&i->names.items[n], names);
		r->names[n].len = names->len - r->names[n].len;
	}
	const uint8_t *at = names->data;
	for (size_t n = 0; n < i->names.count; n++) {
		r->names[n].data = at;
		at += r->names[n].len;
	}
	record_key_certificate(&key, r->issuer, r->serial);
	record_certificate_encode(r, &value);
	if (key.failed || value.failed || names->failed)
		return err_set(err, ERR_INTERNAL, "no memory for the certificate's record");
	store_expect_absent(batch, STORE_CERTIFICATES, buf_bytes(&key));
	store_put(batch, STORE_CERTIFICATES, buf_bytes(&key), buf_bytes(&value));
	r->subject = BYTES_NONE;
	return 0;
}

/* Which expectation of the batch is which: put_certificate's is the first. */
enum { EXPECT_NEW_CERTIFICATE, EXPECT_NOT_BLOCKED, EXPECT_REQUEST };

static void put_request(struct ca_issuance *i, struct store_batch *batch)
{
	struct record_request r = {
		.issuer = bytes_of(i->issuer->config->name),
		.serial = BYTES(i->serial.octets, i->serial.len),
		.expires_s = i->now_ms / 1000 + CA_IDEMPOTENCY_S,
	};
	memcpy(r.fingerprint, i->fingerprint, sizeof(r.fingerprint));
	auto_buf value = BUF_INIT;
	record_request_encode(&r, &value);
	if (i->request_version)
		store_expect_version(batch, STORE_REQUESTS, buf_bytes(&i->request_key), i->request_version);
	else
		store_expect_absent(batch, STORE_REQUESTS, buf_bytes(&i->request_key));
	store_put(batch, STORE_REQUESTS, buf_bytes(&i->request_key), buf_bytes(&value));
}

/* What was approved can be compared with what was issued from the log alone. */
static void append_order(const struct ca_issuance *i, struct ca_audit_entry *entry)
{
	uint8_t hash[32];
	auto_buf text = BUF_INIT;
	if (i->order.len)
		ca_audit_text(entry, "order", i->order);
	if (!i->approved)
		return;
	sha256(i->tbs.data, i->tbs.len, hash);
	ca_audit_hex(entry, "tbs", BYTES(hash, sizeof(hash)));
	text_add_base64(&text, buf_bytes(&i->certificate));
	ca_audit_plain(entry, "certificate", buf_bytes(&text));
}

static void append_entry(struct ca_issuance *i, struct store_batch *batch, const struct record_certificate *r)
{
	struct ca_audit_entry entry;
	uint8_t hash[32];
	sha256(i->certificate.data, i->certificate.len, hash);
	ca_audit_begin(&entry, i->ca, "certificate.issued", &i->actor);
	ca_audit_certificate(&entry, r->issuer, r->serial);
	ca_audit_sha256(&entry, hash);
	ca_audit_text(&entry, "profile", r->profile);
	append_order(i, &entry);
	if (strcmp(i->requester, i->actor.identity) != 0)
		ca_audit_text(&entry, "requester", r->requester);
	ca_audit_names(&entry, r->names, r->name_count);
	ca_audit_time(&entry, "notAfter", r->not_after_s);
	ca_audit_hex(&entry, "spki", BYTES(r->spki_hash, sizeof(r->spki_hash)));
	if (i->has_csr)
		ca_audit_hex(&entry, "csr", BYTES(i->csr_hash, sizeof(i->csr_hash)));
	ca_audit_append(&entry, batch);
}

static int fill_batch(struct ca_issuance *i, struct store_batch *batch, struct error *err)
{
	/* 16 KiB of names, of which only those that are there get touched: no need for zeros. */
	struct record_certificate r;
	auto_buf names = BUF_INIT;
	if (put_certificate(i, batch, &r, &names, err))
		return -1;
	if (i->profile->kind != CA_KIND_ROOT && i->profile->kind != CA_KIND_INTERMEDIATE &&
	    i->profile->kind != CA_KIND_AUDIT)
		store_expect_absent(batch, STORE_BLOCKED, BYTES(i->key.spki_hash, sizeof(i->key.spki_hash)));
	if (i->request_key.len)
		put_request(i, batch);
	if (i->extend && i->extend(i->extend_arg, batch, i, err))
		return -1;
	append_entry(i, batch, &r);
	return 0;
}

/* ---- answer ---- */

static void count(struct ca_issuance *i)
{
	size_t place = (size_t)(i->profile - i->ca->config->profiles);
	if (place < i->ca->config->profile_count)
		atomic_fetch_add_explicit(&i->ca->counters.issued[place], 1, memory_order_relaxed);
}

/* Another request under the same idempotency key was faster: its certificate is the answer. */
static int answer_with_earlier(struct ca_issuance *i, struct error *err)
{
	struct ca_earlier earlier;
	auto_store_snapshot *snap = store_snapshot_new(i->ca->store, err);
	if (!snap)
		return -1;
	int found = ca_issuance_earlier(i->ca, snap, buf_bytes(&i->request_key), i->fingerprint, &earlier, err);
	if (found == 1) {
		const struct message_issued answer = ca_earlier_answer(&earlier);
		i->done(i->arg, &answer, NULL);
	}
	buf_free(&earlier.certificate);
	if (found == 0)
		return err_set(err, ERR_BUSY, "another request used the same idempotency key meanwhile; ask again");
	return found < 0 ? -1 : 0;
}

static int explain(struct ca_issuance *i, const struct store_outcome *outcome, struct error *err)
{
	switch (outcome->result) {
	case STORE_EXPECTATION:
		if (outcome->failed == EXPECT_NOT_BLOCKED)
			return err_set(err, ERR_BLOCKED_KEY, "this key was blocked while the request was under way");
		if (i->request_key.len && outcome->failed == EXPECT_REQUEST)
			return answer_with_earlier(i, err);
		return err_set(err, ERR_BUSY, "what the decision rested on changed meanwhile; ask again");
	case STORE_FULL:
		return err_set(err, ERR_STORE_FULL, "the store has no room for new certificates");
	case STORE_UNKNOWN:
		return err_set(err, ERR_BUSY,
			       "it is not known whether the certificate was stored: look for it in the "
			       "inventory, or ask again under the same idempotency key");
	default:
		return err_set(err, ERR_INTERNAL, "the certificate could not be stored");
	}
}

static void committed(void *arg, const struct store_outcome *outcome)
{
	struct ca_issuance *i = arg;
	struct error err = ERR_INIT;
	if (outcome->result == STORE_COMMITTED) {
		const struct message_issued issued = { .issuer = bytes_of(i->issuer->config->name),
						       .serial = BYTES(i->serial.octets, i->serial.len),
						       .certificate = buf_bytes(&i->certificate) };
		i->serial_taken = false;
		count(i);
		i->done(i->arg, &issued, NULL);
	} else {
		settle_serial(i, "the commit did not succeed");
		if (explain(i, outcome, &err)) {
			atomic_fetch_add(&i->ca->counters.refused[err.code], 1);
			i->done(i->arg, NULL, &err);
		}
	}
	ca_issuance_free(i);
}

int ca_issuance_commit(struct ca_issuance *i, struct error *err)
{
	struct store_batch *batch = store_batch_new(i->ca->store);
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for a batch");
	if (fill_batch(i, batch, err)) {
		store_batch_free(batch);
		return -1;
	}
	i->spki = i->key.spki = i->key.point = i->key.modulus = BYTES_NONE; /* borrowed: not ours past this call */
	return store_submit(i->ca->store, batch, committed, i, err);
}

/* ---- an earlier answer ---- */

struct message_issued ca_earlier_answer(const struct ca_earlier *earlier)
{
	return (struct message_issued){ .issuer = bytes_of(earlier->issuer),
					.serial = BYTES(earlier->serial.octets, earlier->serial.len),
					.certificate = buf_bytes(&earlier->certificate),
					.again = true };
}

/* The certificate that a remembered request was answered with. */
static int get_answered(struct store_snapshot *snap, const struct record_request *r, struct ca_earlier *out,
			struct error *err)
{
	auto_buf key = BUF_INIT;
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	struct bytes value;
	record_key_certificate(&key, r->issuer, r->serial);
	if (!record || key.failed)
		return err_set(err, ERR_INTERNAL, "no memory to look for the earlier certificate");
	int found = store_get(snap, STORE_CERTIFICATES, buf_bytes(&key), &value, NULL, err);
	if (found < 0 || (found && record_certificate_decode(value, record, err)))
		return -1;
	if (!found || r->serial.len > sizeof(out->serial.octets) || r->issuer.len >= sizeof(out->issuer))
		return err_set(err, ERR_INTEGRITY, "an idempotency key leads to a certificate that is not there");
	buf_add_bytes(&out->certificate, record->der);
	memcpy(out->issuer, r->issuer.data, r->issuer.len);
	memcpy(out->serial.octets, r->serial.data, r->serial.len);
	out->serial.len = (uint8_t)r->serial.len;
	return 1;
}

int ca_issuance_earlier(struct ca *ca, struct store_snapshot *snap, struct bytes request_key,
			const uint8_t fingerprint[32], struct ca_earlier *out, struct error *err)
{
	struct bytes value;
	struct record_request r;
	*out = (struct ca_earlier){ .certificate = BUF_INIT };
	int found = store_get(snap, STORE_REQUESTS, request_key, &value, &out->version, err);
	if (found <= 0)
		return found;
	if (record_request_decode(value, &r, err))
		return -1;
	if (r.expires_s <= ca_now_ms(ca) / 1000)
		return 0;
	if (memcmp(r.fingerprint, fingerprint, sizeof(r.fingerprint)) != 0) {
		(void)err_set(err, ERR_BAD_REQUEST,
			      "this idempotency key was used for another request: use a new one for each");
		return err_about(err, "Idempotency-Key", NULL, "a key that was not used within 24 hours");
	}
	if (r.order.len)
		return err_set(err, ERR_ORDER_STATE, "this idempotency key led to an order");
	return get_answered(snap, &r, out, err);
}
