#include "ca-core/restore.h"

#include "base/log.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/inventory.h"

#define ENTRIES_PER_BATCH 500 /* each is a record and an audit entry */
#define MARK_VERSION 1

/* How far the restore has come. */
enum phase { PHASE_RESTORED = 1, PHASE_SEGMENT, PHASE_TAKEN };

/* CA_META_RESTORE: the restored log's end, as the backup had it. */
struct mark {
	uint8_t phase;
	uint64_t sequence;
	uint8_t hash[32];
	int64_t last_s, restored_s;
};

/* ---- the mark ---- */

static void mark_encode(const struct mark *m, struct buf *out)
{
	buf_u8(out, MARK_VERSION);
	buf_u8(out, m->phase);
	buf_u64(out, m->sequence);
	buf_add(out, m->hash, sizeof(m->hash));
	buf_u64(out, (uint64_t)m->last_s);
	buf_u64(out, (uint64_t)m->restored_s);
}

static int mark_decode(struct bytes in, struct mark *m, struct error *err)
{
	struct reader r = reader_of(in);
	uint8_t version = reader_u8(&r);
	m->phase = reader_u8(&r);
	m->sequence = reader_u64(&r);
	reader_copy(&r, m->hash, sizeof(m->hash));
	m->last_s = (int64_t)reader_u64(&r);
	m->restored_s = (int64_t)reader_u64(&r);
	if (reader_done(&r) && version == MARK_VERSION && m->phase >= PHASE_RESTORED && m->phase <= PHASE_TAKEN)
		return 0;
	return err_set(err, ERR_INTEGRITY, "the store's note of its restore is malformed");
}

static void mark_put(const struct mark *m, struct store_batch *batch)
{
	auto_buf encoded = BUF_INIT;
	mark_encode(m, &encoded);
	/* An empty record, where memory ends, is one that mark_decode refuses: nothing is served then. */
	store_put(batch, STORE_META, bytes_of(CA_META_RESTORE), buf_bytes(&encoded));
}

/* 1 marked, 0 not, -1. */
static int mark_get(struct ca *ca, struct mark *m, struct error *err)
{
	auto_buf value = BUF_INIT;
	int found = ca_meta_get(ca, CA_META_RESTORE, &value, err);
	return found == 1 && mark_decode(buf_bytes(&value), m, err) ? -1 : found;
}

static struct store_batch *batch_new(struct ca *ca, struct error *err)
{
	struct store_batch *batch = store_batch_new(ca->store);
	if (batch)
		store_use_reserve(batch);
	else
		(void)err_set(err, ERR_INTERNAL, "no memory for a restored store");
	return batch;
}

int ca_restore_mark(struct ca *ca, const struct ca_actor *actor, struct bytes backup, struct error *err)
{
	struct store_head head;
	{
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		if (!snap || store_chain_head(snap, CA_AUDIT_CHAIN, &head, err))
			return -1;
	}
	struct mark m = { .phase = PHASE_RESTORED,
			  .sequence = head.sequence,
			  .last_s = atomic_load(&ca->last_entry_ms) / 1000,
			  .restored_s = ca_now_ms(ca) / 1000 };
	memcpy(m.hash, head.hash, sizeof(m.hash));
	struct store_batch *batch = batch_new(ca, err);
	if (!batch)
		return -1;
	mark_put(&m, batch);
	struct ca_audit_entry e;
	ca_audit_begin(&e, ca, "store.restored", actor);
	ca_audit_subject(&e, backup);
	ca_audit_number(&e, "lastSequence", (int64_t)m.sequence);
	ca_audit_hex(&e, "lastHash", BYTES(m.hash, sizeof(m.hash)));
	ca_audit_time(&e, "lastTime", m.last_s);
	ca_audit_append(&e, batch);
	return store_submit_wait(ca->store, batch, NULL, err);
}

/* ---- the segment ---- */

struct at {
	uint8_t hash[32];
};

static int take_hash(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct at *at = arg;
	(void)sequence;
	(void)entry;
	(void)err;
	memcpy(at->hash, hash, sizeof(at->hash));
	return 1;
}

/* How the published head lies to the restored log: "ahead" of its end, "within" it, or on "other" history. */
static const char *place_of(struct ca *ca, const struct mark *m, const struct ca_witness *head, struct error *err)
{
	struct at at = { { 0 } };
	if (head->kind == CA_WITNESS_ABSENT)
		return "absent";
	if (head->kind == CA_WITNESS_UNUSABLE)
		return "unusable";
	if (head->sequence > m->sequence)
		return "ahead";
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap || store_chain_scan(snap, CA_AUDIT_CHAIN, head->sequence, head->sequence, take_hash, &at, err) < 0)
		return NULL;
	return memcmp(at.hash, head->hash, sizeof(at.hash)) == 0 ? "within" : "other";
}

static int open_segment(struct ca *ca, struct mark *m, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_witness head;
	if (ca_restore_read_head(ca, &head, err))
		return -1;
	const char *place = place_of(ca, m, &head, err);
	struct store_batch *batch = place ? batch_new(ca, err) : NULL;
	if (!batch)
		return -1;
	struct ca_audit_entry e;
	ca_audit_begin(&e, ca, "audit.segment", &self);
	ca_audit_number(&e, "lastSequence", (int64_t)m->sequence);
	ca_audit_hex(&e, "lastHash", BYTES(m->hash, sizeof(m->hash)));
	ca_audit_time(&e, "lastTime", m->last_s);
	ca_audit_time(&e, "restored", m->restored_s);
	ca_audit_text(&e, "published", bytes_of(place));
	if (head.kind == CA_WITNESS_GOOD) {
		ca_audit_number(&e, "headSequence", (int64_t)head.sequence);
		ca_audit_hex(&e, "headHash", BYTES(head.hash, sizeof(head.hash)));
		ca_audit_time(&e, "headTime", head.time_s);
	} else {
		ca_audit_text(&e, "headSequence", bytes_of("unknown"));
		if (head.why[0])
			ca_audit_text(&e, "why", bytes_of(head.why));
	}
	ca_audit_append(&e, batch);
	m->phase = PHASE_SEGMENT;
	mark_put(m, batch);
	log_warn("a restored store: the audit log has a gap", KV_INT("lastSequence", m->sequence),
		 KV("published", place), KV_INT("headSequence", head.sequence));
	return store_submit_wait(ca->store, batch, NULL, err);
}

/* ---- revocations that a list has and the store has not ---- */

/* One batch on its way. */
struct taking {
	struct ca *ca;
	struct ca_issuer *issuer;
	struct store_snapshot *snap;
	struct store_batch *batch;
	uint64_t taken; /* by this batch */
	struct record_certificate record;
	struct buf key;
};

static void append_recovered(struct taking *t, const struct ca_crl_entry *entry, bool known)
{
	const struct ca_actor self = ca_actor_self();
	const char *reason = record_reason_name((enum record_reason)entry->reason);
	struct ca_audit_entry e;
	ca_audit_begin(&e, t->ca, "revocation.recovered", &self);
	ca_audit_certificate(&e, bytes_of(t->issuer->config->name), entry->serial);
	ca_audit_text(&e, "certificate", bytes_of(known ? "known" : "lost"));
	ca_audit_text(&e, "reason", bytes_of(reason ? reason : "unspecified"));
	ca_audit_time(&e, "revoked", entry->revoked_s);
	if (entry->invalidity_s)
		ca_audit_time(&e, "invalidityDate", entry->invalidity_s);
	ca_audit_append(&e, t->batch);
	t->taken++;
}

/* A compromised key certifies nothing again. */
static int block_key(struct taking *t, const struct ca_crl_entry *entry, struct error *err)
{
	struct bytes key = BYTES(t->record.spki_hash, sizeof(t->record.spki_hash)), value;
	int found = store_get(t->snap, STORE_BLOCKED, key, &value, NULL, err);
	if (found || entry->reason != REASON_KEY_COMPROMISE)
		return found < 0 ? -1 : 0;
	auto_buf encoded = BUF_INIT;
	const struct record_blocked blocked = { .reason = REASON_KEY_COMPROMISE, .since_ms = entry->revoked_s * 1000 };
	record_blocked_encode(&blocked, &encoded);
	store_put(t->batch, STORE_BLOCKED, key, buf_bytes(&encoded));
	return encoded.failed ? err_set(err, ERR_INTERNAL, "no memory to block a key") : 0;
}

static int take_known(struct taking *t, const struct ca_crl_entry *entry, uint64_t version, struct error *err)
{
	struct record_certificate *r = &t->record;
	auto_buf encoded = BUF_INIT;
	bool compromised = entry->reason == REASON_KEY_COMPROMISE && r->reason != REASON_KEY_COMPROMISE;
	bool held = entry->reason == REASON_CERTIFICATE_HOLD;
	if (!bytes_are(r->issuer, t->issuer->config->name) || (r->status == RECORD_REVOKED && !compromised) ||
	    (r->status == RECORD_HELD && held))
		return 0;
	r->status = held ? RECORD_HELD : RECORD_REVOKED;
	r->reason = (enum record_reason)entry->reason;
	r->revoked_ms = entry->revoked_s * 1000;
	r->invalidity_s = entry->invalidity_s;
	record_certificate_encode(r, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTEGRITY, "a published list revokes a certificate for what it cannot be");
	store_expect_version(t->batch, STORE_CERTIFICATES, buf_bytes(&t->key), version);
	store_put(t->batch, STORE_CERTIFICATES, buf_bytes(&t->key), buf_bytes(&encoded));
	append_recovered(t, entry, true);
	return block_key(t, entry, err);
}

/* Its certificate is lost: the serial stays on every list from now on. */
static int take_lost(struct taking *t, const struct ca_crl_entry *entry, struct error *err)
{
	struct record_unfinished record = { .found_ms = ca_now_ms(t->ca) };
	struct bytes value;
	auto_buf encoded = BUF_INIT;
	int found = store_get(t->snap, STORE_UNFINISHED, entry->serial, &value, NULL, err);
	if (found < 0 || (found && record_unfinished_decode(value, &record, err)))
		return -1;
	if (record.revoked_ms)
		return 0;
	record.issuer = bytes_of(t->issuer->config->name);
	record.revoked_ms = entry->revoked_s * 1000;
	record.void_ = false; /* the restored ledger has not seen it handed out */
	record_unfinished_encode(&record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a serial's record");
	store_put(t->batch, STORE_UNFINISHED, entry->serial, buf_bytes(&encoded));
	append_recovered(t, entry, false);
	return 0;
}

static int take_entry(struct taking *t, const struct ca_crl_entry *entry, struct error *err)
{
	uint64_t version;
	buf_clear(&t->key);
	int found = ca_inventory_find(t->snap, t->ca->config, entry->serial, &t->record, &t->key, &version, err);
	if (found < 0)
		return -1;
	return found ? take_known(t, entry, version, err) : take_lost(t, entry, err);
}

/* As many of *left as one batch takes: 1 there may be more, 0 the end, -1. */
static int take_some(struct taking *t, struct bytes *left, struct error *err)
{
	struct ca_crl_entry entry;
	int found = 1;
	t->taken = 0;
	while (t->taken < ENTRIES_PER_BATCH && (found = ca_crl_next(left, &entry, err)) == 1)
		if (take_entry(t, &entry, err))
			return -1;
	if (found < 0)
		return -1;
	if (t->taken && store_submit_wait(t->ca->store, TAKE(t->batch), NULL, err))
		return -1;
	return found;
}

static void end_batch(struct taking *t)
{
	if (t->snap)
		store_snapshot_free(t->snap);
	if (t->batch)
		store_batch_free(t->batch);
	t->snap = NULL;
	t->batch = NULL;
}

static int take_entries(struct ca *ca, struct ca_issuer *issuer, struct bytes left, struct error *err)
{
	auto_free struct taking *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(err, ERR_INTERNAL, "no memory to take revocations from a list");
	t->ca = ca;
	t->issuer = issuer;
	uint64_t all = 0;
	int more;
	do {
		t->snap = store_snapshot_new(ca->store, err);
		t->batch = batch_new(ca, err);
		more = t->snap && t->batch ? take_some(t, &left, err) : -1;
		all += t->taken;
		end_batch(t);
	} while (more == 1);
	buf_free(&t->key);
	log_info("published revocation list compared", KV("issuer", issuer->config->name), KV_INT("recovered", all));
	return more;
}

static int take_list(struct ca *ca, struct ca_issuer *issuer, struct error *err)
{
	auto_buf der = BUF_INIT;
	struct ca_crl crl;
	int found = ca_restore_read_list(ca, issuer, &der, &crl, err);
	/* An older list than the store's says nothing new, and may hold whom a later one let go. */
	if (found <= 0 || crl.head.number <= atomic_load(&issuer->crl_number))
		return found < 0 ? -1 : 0;
	return take_entries(ca, issuer, crl.entries, err) || ca_crl_recover(ca, issuer, buf_bytes(&der), err) ? -1 : 0;
}

static int take_lists(struct ca *ca, struct mark *m, struct error *err)
{
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (ca->issuers[i].certified && take_list(ca, &ca->issuers[i], err))
			return -1;
	struct store_batch *batch = batch_new(ca, err);
	if (!batch)
		return -1;
	m->phase = PHASE_TAKEN;
	mark_put(m, batch);
	return store_submit_wait(ca->store, batch, NULL, err);
}

/* ---- entry points ---- */

/* What was open in the backup may have been signed since: ca-core/order_state.c. */
static int load_confirmed(struct ca *ca, struct error *err)
{
	auto_buf value = BUF_INIT;
	int found = ca_meta_get(ca, CA_META_RESTORED, &value, err);
	if (found <= 0)
		return found;
	struct reader r = reader_of(buf_bytes(&value));
	atomic_store(&ca->restored.confirmed_ms, (int64_t)reader_u64(&r));
	return reader_done(&r) ? 0 : err_set(err, ERR_INTEGRITY, "the store's note of its last restore is malformed");
}

int ca_restore_open(struct ca *ca, struct error *err)
{
	struct mark m = { .phase = 0 };
	if (load_confirmed(ca, err))
		return -1;
	int marked = mark_get(ca, &m, err);
	if (marked <= 0)
		return marked;
	ca->restored.backup_s = m.last_s;
	ca->restored.last_sequence = m.sequence;
	atomic_store(&ca->restored.waits, true);
	if (!ca->published)
		return 0;
	if (m.phase == PHASE_RESTORED && open_segment(ca, &m, err))
		return -1;
	return m.phase == PHASE_SEGMENT ? take_lists(ca, &m, err) : 0;
}

int ca_restore_check(struct ca *ca, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	if (!atomic_load(&ca->restored.waits))
		return 0;
	return err_set(err, ERR_BUSY,
		       "restored from a backup of %s: the audit log has a gap after entry %llu; confirm with "
		       "`chancery store restore --confirm`",
		       clock_rfc3339(ca->restored.backup_s, time), (unsigned long long)ca->restored.last_sequence);
}

int ca_restore_confirm(struct ca *ca, const struct ca_actor *actor, struct error *err)
{
	if (!atomic_load(&ca->restored.waits))
		return err_set(err, ERR_NOT_FOUND, "no restore waits to be confirmed");
	struct store_batch *batch = batch_new(ca, err);
	if (!batch)
		return -1;
	store_delete(batch, STORE_META, bytes_of(CA_META_RESTORE));
	auto_buf confirmed = BUF_INIT;
	int64_t now_ms = ca_now_ms(ca);
	buf_u64(&confirmed, (uint64_t)now_ms);
	store_put(batch, STORE_META, bytes_of(CA_META_RESTORED), buf_bytes(&confirmed));
	struct ca_audit_entry e;
	ca_audit_begin(&e, ca, "restore.confirmed", actor);
	ca_audit_number(&e, "lastSequence", (int64_t)ca->restored.last_sequence);
	ca_audit_append(&e, batch);
	if (store_submit_wait(ca->store, batch, NULL, err))
		return -1;
	atomic_store(&ca->restored.confirmed_ms, now_ms);
	atomic_store(&ca->restored.waits, false);
	log_info("restore confirmed");
	return 0;
}
