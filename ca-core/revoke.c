#include "ca-core/revoke.h"

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/inventory.h"
#include "ca-core/policy.h"
#include "ca-core/restore.h"

#define ATTEMPTS 4 /* where others change the same record at the same time */
/* From the commit until the list is out: the scheduler's pause and the file system's. */
#define LIST_DELAY_S 5
#define SAME_KEY_MAX (sizeof(((struct message_status_changed *)0)->same_key) / sizeof(struct bytes))

/* One change on its way, made anew with each attempt. */
struct change {
	struct ca *ca;
	const struct ca_actor *actor;
	const struct message_status_change *request;
	int64_t now_ms;
	struct store_snapshot *snap;
	struct store_batch *batch;
	bool nothing_to_do;
	struct record_certificate record; /* borrows from snap */
	struct buf key;
	struct record_certificate other; /* of the same key */
	struct buf same_key;             /* serials, each a field, that stay unrevoked */
	uint32_t same_key_count;
	struct buf announce; /* serials, each a field, whose status changes */
};

static struct change *change_new(struct ca *ca, const struct ca_actor *actor,
				 const struct message_status_change *request, struct error *err)
{
	struct change *c = calloc(1, sizeof(*c));
	if (!c) {
		(void)err_set(err, ERR_INTERNAL, "no memory to change a certificate's status");
		return NULL;
	}
	c->ca = ca;
	c->actor = actor;
	c->request = request;
	c->now_ms = ca_now_ms(ca);
	c->snap = store_snapshot_new(ca->store, err);
	c->batch = store_batch_new(ca->store);
	return c;
}

static void change_free(struct change *c)
{
	if (c->snap)
		store_snapshot_free(c->snap);
	if (c->batch)
		store_batch_free(c->batch);
	buf_free(&c->key);
	buf_free(&c->same_key);
	buf_free(&c->announce);
	free(c);
}
CLEANUP_POINTER(change, struct change, change_free)
#define auto_change CLEANUP(change_cleanup) struct change

/* ---- rules ---- */

static int refuse_state(struct error *err, const struct record_certificate *record, const char *why)
{
	const char *state = record->status == RECORD_VALID  ? "valid"
			    : record->status == RECORD_HELD ? "held"
							    : "revoked";
	(void)err_set(err, ERR_ORDER_STATE, "the certificate is %s: %s", state, why);
	return err_about(err, "status", state, NULL);
}

/* BR 7.2.2: what a leaf may be revoked for. caCompromise and aACompromise speak of other things. */
static int check_reason(uint8_t reason, struct error *err)
{
	switch (reason) {
	case REASON_UNSPECIFIED:
	case REASON_KEY_COMPROMISE:
	case REASON_AFFILIATION_CHANGED:
	case REASON_SUPERSEDED:
	case REASON_CESSATION_OF_OPERATION:
	case REASON_PRIVILEGE_WITHDRAWN:
		return 0;
	default:
		break;
	}
	const char *name = record_reason_name((enum record_reason)reason);
	(void)err_set(err, ERR_BAD_REQUEST, "a certificate is not revoked for %s; a hold is asked for as such",
		      name ? name : "that reason");
	return err_about(err, "reason", name,
			 "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation, "
			 "privilegeWithdrawn");
}

static int check_invalidity(const struct change *c, struct error *err)
{
	int64_t s = c->request->invalidity_s;
	if (s >= 0 && s <= c->now_ms / 1000)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the invalidity date lies in the future");
	return err_about(err, "invalidityDate", NULL, "a time that has passed");
}

/* What the record becomes. nothing_to_do where it is so already. */
static int decide_revoke(struct change *c, struct error *err)
{
	struct record_certificate *r = &c->record;
	if (check_reason(c->request->reason, err) || check_invalidity(c, err))
		return -1;
	if (r->status == RECORD_REVOKED && r->reason == (enum record_reason)c->request->reason) {
		c->nothing_to_do = true;
		return 0;
	}
	if (r->status == RECORD_REVOKED && c->request->reason != REASON_KEY_COMPROMISE)
		return refuse_state(err, r, "its reason may change only to keyCompromise");
	if (r->status != RECORD_REVOKED)
		r->revoked_ms = c->now_ms;
	r->status = RECORD_REVOKED;
	r->reason = (enum record_reason)c->request->reason;
	if (c->request->invalidity_s)
		r->invalidity_s = c->request->invalidity_s;
	return 0;
}

static int decide_hold(struct change *c, struct error *err)
{
	struct record_certificate *r = &c->record;
	char name[RECORD_NAME_MAX + 1] = "";
	if (r->profile.len <= RECORD_NAME_MAX)
		memcpy(name, r->profile.data, r->profile.len);
	const struct ca_profile *profile = ca_config_profile(c->ca->config, name);
	c->nothing_to_do = r->status == RECORD_HELD;
	if (c->nothing_to_do)
		return 0;
	if (r->status == RECORD_REVOKED)
		return refuse_state(err, r, "that is for good");
	if (!profile || !profile->allow_hold)
		return refuse_state(err, r, "its profile does not allow a hold; revoke it, or set allow-hold there");
	r->status = RECORD_HELD;
	r->reason = REASON_CERTIFICATE_HOLD;
	r->revoked_ms = c->now_ms;
	r->invalidity_s = 0;
	return 0;
}

static int decide_unhold(struct change *c, struct error *err)
{
	struct record_certificate *r = &c->record;
	c->nothing_to_do = r->status == RECORD_VALID;
	if (c->nothing_to_do)
		return 0;
	if (r->status == RECORD_REVOKED)
		return refuse_state(err, r, "that is for good; only a hold can be taken back");
	r->status = RECORD_VALID;
	r->reason = REASON_UNSPECIFIED;
	r->revoked_ms = 0;
	return 0;
}

static int decide(struct change *c, struct error *err)
{
	if (bytes_equal(c->record.issuer, BYTES_NONE))
		return err_set(err, ERR_INTEGRITY, "the certificate's record names no issuer");
	switch (c->request->action) {
	case MESSAGE_REVOKE:
		return decide_revoke(c, err);
	case MESSAGE_HOLD:
		return decide_hold(c, err);
	case MESSAGE_UNHOLD:
		return decide_unhold(c, err);
	default:
		return err_set(err, ERR_BAD_REQUEST, "a certificate's status can be revoked, held, or taken off hold");
	}
}

/* ---- what goes into the batch ---- */

static int put_certificate(struct store_batch *batch, struct bytes key, uint64_t version,
			   const struct record_certificate *record, struct error *err)
{
	auto_buf encoded = BUF_INIT;
	record_certificate_encode(record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate's record");
	store_expect_version(batch, STORE_CERTIFICATES, key, version);
	store_put(batch, STORE_CERTIFICATES, key, buf_bytes(&encoded));
	store_use_reserve(batch);
	return 0;
}

static void append_entry(struct ca *ca, const struct ca_actor *actor, struct store_batch *batch,
			 const struct record_certificate *record)
{
	static const char *const events[] = { [RECORD_VALID] = "certificate.unheld",
					      [RECORD_REVOKED] = "certificate.revoked",
					      [RECORD_HELD] = "certificate.held" };
	uint8_t hash[32];
	struct ca_audit_entry entry;
	sha256(record->der.data, record->der.len, hash);
	ca_audit_begin(&entry, ca, events[record->status], actor);
	ca_audit_certificate(&entry, record->issuer, record->serial);
	ca_audit_sha256(&entry, hash);
	if (record->status == RECORD_REVOKED)
		ca_audit_text(&entry, "reason", bytes_of(record_reason_name(record->reason)));
	if (record->invalidity_s)
		ca_audit_time(&entry, "invalidityDate", record->invalidity_s);
	ca_audit_append(&entry, batch);
}

/* A compromised key certifies nothing again. One that is blocked already stays as it is. */
static int block_key(struct store_snapshot *snap, struct store_batch *batch, const uint8_t spki_hash[32],
		     int64_t now_ms, struct error *err)
{
	struct bytes key = BYTES(spki_hash, 32), value;
	int found = store_get(snap, STORE_BLOCKED, key, &value, NULL, err);
	if (found)
		return found < 0 ? -1 : 0;
	auto_buf encoded = BUF_INIT;
	struct record_blocked record = { .reason = REASON_KEY_COMPROMISE, .since_ms = now_ms };
	record_blocked_encode(&record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTERNAL, "no memory to block a key");
	store_put(batch, STORE_BLOCKED, key, buf_bytes(&encoded));
	return 0;
}

/* Another certificate of the compromised key: revoked in the same batch, or named in the answer. */
static int visit_same_key(void *arg, const struct store_row *row, struct error *err)
{
	struct change *c = arg;
	struct record_certificate *r = &c->other;
	if (bytes_equal(row->key, buf_bytes(&c->key)))
		return 0;
	if (record_certificate_decode(row->value, r, err))
		return -1;
	if (r->status == RECORD_REVOKED)
		return 0;
	struct error ignored = ERR_INIT;
	if (!c->request->same_key_too || ca_policy_may_revoke(c->actor, r->requester, &ignored)) {
		if (c->same_key_count == SAME_KEY_MAX)
			return 1;
		buf_field(&c->same_key, r->serial);
		c->same_key_count++;
		return 0;
	}
	r->status = RECORD_REVOKED;
	r->reason = REASON_KEY_COMPROMISE;
	r->revoked_ms = c->now_ms;
	if (put_certificate(c->batch, row->key, row->version, r, err))
		return -1;
	append_entry(c->ca, c->actor, c->batch, r);
	buf_field(&c->announce, r->serial);
	return 0;
}

static int compromise_key(struct change *c, struct error *err)
{
	struct bytes hash = BYTES(c->record.spki_hash, 32);
	struct store_range range = { .prefix = hash };
	if (block_key(c->snap, c->batch, c->record.spki_hash, c->now_ms, err))
		return -1;
	return store_scan_index(c->snap, STORE_BY_SPKI, &range, visit_same_key, c, err) < 0 ? -1 : 0;
}

/* ---- one attempt ---- */

static int revoke_unfinished(struct change *c, struct error *err)
{
	struct bytes value;
	struct record_unfinished record;
	uint64_t version;
	char hex[2 * STORE_SERIAL_MAX + 1] = "";
	if (c->request->serial.len <= STORE_SERIAL_MAX)
		(void)text_hex(c->request->serial, hex);
	int found = (c->actor->roles & ROLE_OFFICER) && c->request->serial.len
			    ? store_get(c->snap, STORE_UNFINISHED, c->request->serial, &value, &version, err)
			    : 0;
	if (found < 0 || (found && record_unfinished_decode(value, &record, err)))
		return -1;
	/* One that is known to be unused was never signed: there is nothing that could be relied on. */
	if (!found || record.void_ || c->request->action != MESSAGE_REVOKE) {
		(void)err_set(err, ERR_NOT_FOUND, "no certificate with serial number %s", hex);
		return err_about(err, "serial", hex, NULL);
	}
	c->nothing_to_do = record.revoked_ms != 0;
	if (c->nothing_to_do)
		return 0;
	auto_buf encoded = BUF_INIT;
	record.revoked_ms = c->now_ms;
	record_unfinished_encode(&record, &encoded);
	store_expect_version(c->batch, STORE_UNFINISHED, c->request->serial, version);
	store_put(c->batch, STORE_UNFINISHED, c->request->serial, buf_bytes(&encoded));
	store_use_reserve(c->batch);
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, c->ca, "serial.revoked", c->actor);
	ca_audit_subject(&entry, bytes_of(hex));
	ca_audit_append(&entry, c->batch);
	return encoded.failed ? err_set(err, ERR_INTERNAL, "no memory for a serial's record") : 0;
}

/* Looks, decides, fills the batch. */
static int prepare(struct change *c, struct error *err)
{
	uint64_t version;
	int found = ca_inventory_find(c->snap, c->ca->config, c->request->serial, &c->record, &c->key, &version, err);
	if (found <= 0)
		return found < 0 ? -1 : revoke_unfinished(c, err);
	if (ca_policy_may_revoke(c->actor, c->record.requester, err) || decide(c, err))
		return -1;
	if (c->nothing_to_do)
		return 0;
	if (put_certificate(c->batch, buf_bytes(&c->key), version, &c->record, err))
		return -1;
	append_entry(c->ca, c->actor, c->batch, &c->record);
	buf_field(&c->announce, c->record.serial);
	return c->record.status == RECORD_REVOKED && c->record.reason == REASON_KEY_COMPROMISE ? compromise_key(c, err)
											       : 0;
}

static int answer(const struct change *c, struct buf *out, struct error *err)
{
	struct ca *ca = c->ca;
	struct message_status_changed changed = { .no_revocation = c->record.no_revocation };
	struct ca_issuer *issuer = ca_issuer_find(ca, c->record.issuer);
	if (issuer && !c->record.no_revocation) {
		changed.crl_url = bytes_of(issuer->info.crl_url);
		changed.crl_number = atomic_load(&issuer->crl_number);
		changed.crl_from_s = c->now_ms / 1000 + LIST_DELAY_S + 2 * atomic_load(&issuer->crl_took_ms) / 1000;
	}
	struct reader r = reader_of(buf_bytes(&c->same_key));
	for (uint32_t i = 0; i < c->same_key_count; i++)
		changed.same_key[i] = reader_field(&r, STORE_SERIAL_MAX);
	changed.same_key_count = c->same_key_count;
	message_status_changed_write(&changed, out);
	return out->failed || c->same_key.failed ? err_set(err, ERR_INTERNAL, "no memory for an answer") : 0;
}

static void announce_all(const struct change *c)
{
	struct reader r = reader_of(buf_bytes(&c->announce));
	while (r.left && !r.failed) {
		struct bytes serial = reader_field(&r, STORE_SERIAL_MAX);
		if (serial.len)
			ca_revoke_announce(c->ca, serial);
	}
	/* A serial without a certificate stands on every list. */
	for (size_t i = 0; c->announce.len == 0 && i < c->ca->issuer_count; i++)
		if (c->ca->on_crl_due)
			c->ca->on_crl_due(c->ca->on_crl_due_arg, &c->ca->issuers[i]);
}

static int attempt(struct ca *ca, const struct ca_actor *actor, const struct message_status_change *request,
		   struct buf *out, struct error *err)
{
	auto_change *c = change_new(ca, actor, request, err);
	if (!c || !c->snap)
		return -1;
	if (!c->batch)
		return err_set(err, ERR_INTERNAL, "no memory to change a certificate's status");
	if (prepare(c, err))
		return -1;
	if (!c->nothing_to_do) {
		if (store_submit_wait(ca->store, TAKE(c->batch), NULL, err))
			return -1;
		atomic_fetch_add(&ca->counters.revoked, 1);
		announce_all(c);
	}
	return answer(c, out, err);
}

int ca_revoke(struct ca *ca, const struct ca_actor *actor, const struct message_status_change *request, struct buf *out,
	      struct error *err)
{
	if (ca_clock_check(ca, ca_now_ms(ca), err) || ca_restore_check(ca, err))
		return -1;
	int result = -1;
	for (int i = 0; i < ATTEMPTS && result; i++) {
		result = attempt(ca, actor, request, out, err);
		if (result && err->code != ERR_CONFLICT)
			break;
	}
	return result;
}

/* ---- for batches that do more ---- */

int ca_revoke_in_batch(struct ca *ca, const struct ca_actor *actor, struct store_snapshot *snap,
		       struct store_batch *batch, struct bytes serial, enum record_reason reason, struct error *err)
{
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	auto_buf key = BUF_INIT;
	uint64_t version;
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory to revoke a certificate");
	int found = ca_inventory_find(snap, ca->config, serial, record, &key, &version, err);
	if (found <= 0 || record->status == RECORD_REVOKED)
		return found < 0 ? -1 : 0;
	int64_t now_ms = ca_now_ms(ca);
	record->status = RECORD_REVOKED;
	record->reason = reason;
	record->revoked_ms = now_ms;
	if (put_certificate(batch, buf_bytes(&key), version, record, err))
		return -1;
	append_entry(ca, actor, batch, record);
	return reason == REASON_KEY_COMPROMISE ? block_key(snap, batch, record->spki_hash, now_ms, err) : 0;
}

static int tell_identity(void *arg, const struct store_row *row, struct error *err)
{
	struct ca *ca = arg;
	struct record_identity identity;
	char name[RECORD_NAME_MAX + 1] = "";
	if (record_identity_decode(row->value, &identity, err))
		return -1;
	if (identity.name.len <= RECORD_NAME_MAX)
		memcpy(name, identity.name.data, identity.name.len);
	if (ca->on_sessions_end)
		ca->on_sessions_end(ca->on_sessions_end_arg, name);
	return 0;
}

static int announce(struct ca *ca, struct bytes serial, struct error *err)
{
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!record || !snap)
		return -1;
	if (ca_inventory_find(snap, ca->config, serial, record, NULL, NULL, err) != 1)
		return -1;
	struct ca_issuer *issuer = ca_issuer_find(ca, record->issuer);
	if (issuer && ca->on_crl_due && !record->no_revocation)
		ca->on_crl_due(ca->on_crl_due_arg, issuer);
	uint8_t hash[32];
	sha256(record->der.data, record->der.len, hash);
	struct store_range range = { .prefix = BYTES(hash, sizeof(hash)) };
	return store_scan_index(snap, STORE_BY_FINGERPRINT, &range, tell_identity, ca, err) < 0 ? -1 : 0;
}

void ca_revoke_announce(struct ca *ca, struct bytes serial)
{
	struct error err = ERR_INIT;
	if (announce(ca, serial, &err) && err.code)
		log_err(LOG_LEVEL_WARN, "a change of status could not be announced", &err);
}
