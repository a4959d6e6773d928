#include "ca-core/crl_private.h"

#include <stdio.h>

#include "base/der.h"
#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/oid.h"

/* ---- what stands on a list ---- */

struct scan {
	const struct ca_crl_plan *plan;
	crl_take *take;
	void *arg;
	struct record_certificate record;
};

static int scan_certificate(void *arg, const struct store_row *row, struct error *err)
{
	struct scan *scan = arg;
	const struct record_certificate *r = &scan->record;
	if (record_certificate_decode(row->value, &scan->record, err))
		return -1;
	/* RFC 9608: a certificate with noRevAvail points to no list, and stands on none. */
	if (r->no_revocation)
		return 0;
	/* An entry stays through one list issued after the certificate's end: RFC 5280 section 3.3. */
	if (scan->plan->previous_update_s > r->not_after_s && scan->plan->previous_update_s > r->revoked_ms / 1000)
		return 0;
	struct ca_crl_entry entry = { r->serial, r->revoked_ms / 1000, (unsigned)r->reason, r->invalidity_s };
	return scan->take(scan->arg, &entry, err);
}

static int scan_unfinished(void *arg, const struct store_row *row, struct error *err)
{
	struct scan *scan = arg;
	struct record_unfinished r;
	if (record_unfinished_decode(row->value, &r, err))
		return -1;
	/* Nobody knows whose it would have been: it stands on every list. */
	if (!r.revoked_ms)
		return 0;
	struct ca_crl_entry entry = { row->key, r.revoked_ms / 1000, REASON_UNSPECIFIED, 0 };
	return scan->take(scan->arg, &entry, err);
}

int crl_scan(struct store_snapshot *snap, const struct ca_crl_plan *plan, crl_take *take, void *arg, struct error *err)
{
	auto_free struct scan *scan = malloc(sizeof(*scan));
	auto_buf prefix = BUF_INIT;
	if (!scan)
		return err_set(err, ERR_INTERNAL, "no memory to go through revoked certificates");
	scan->plan = plan;
	scan->take = take;
	scan->arg = arg;
	record_key_issuer(&prefix, bytes_of(plan->info->name));
	struct store_range of_issuer = { .prefix = buf_bytes(&prefix) }, all = { 0 };
	if (store_scan_index(snap, STORE_BY_REVOCATION, &of_issuer, scan_certificate, scan, err) < 0)
		return -1;
	return store_scan(snap, STORE_UNFINISHED, &all, scan_unfinished, scan, err) < 0 ? -1 : 0;
}

/* ---- building ---- */

static int write_entry(void *arg, const struct ca_crl_entry *entry, struct error *err)
{
	struct ca_crl_writer *w = arg;
	ca_crl_add(w, entry);
	return w->out->failed ? err_set(err, ERR_INTERNAL, "no memory for the revocation list") : 0;
}

static int add_audit_head(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct ca_crl_head *head,
			  struct buf *oid, struct store_head *chain, struct error *err)
{
	if (store_chain_head(snap, CA_AUDIT_CHAIN, chain, err))
		return -1;
	ca_oid_below(plan->arc, oid, 1, (const unsigned[]){ CA_ARC_CRL_AUDIT_HEAD });
	head->audit_oid = buf_bytes(oid);
	head->audit_head = BYTES(chain->hash, sizeof(chain->hash));
	return 0;
}

/* The tbsCertList, appended to out. One buffer for all of it: a list may have fifty megabytes. */
static int build_tbs(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct buf *out, uint64_t *entries,
		     struct error *err)
{
	const struct ca_issuer_info *info = plan->info;
	struct ca_crl_head head = {
		.signature_algorithm = buf_bytes(&info->signature_algorithm),
		.issuer = buf_bytes(&info->subject),
		.aki = buf_bytes(&info->ski),
		.number = plan->number,
		.this_update_s = plan->this_update_s,
		.next_update_s = plan->next_update_s,
	};
	auto_buf audit_oid = BUF_INIT;
	struct store_head chain;
	struct ca_crl_writer w;
	if (add_audit_head(snap, plan, &head, &audit_oid, &chain, err))
		return -1;
	ca_crl_begin(&w, &head, out);
	if (crl_scan(snap, plan, write_entry, &w, err) || ca_crl_finish(&w, err))
		return -1;
	*entries = w.entries;
	return 0;
}

/* What stands in out from `whole` on becomes the CertificateList. */
static int sign_tbs(const struct ca_crl_plan *plan, struct buf *out, size_t whole, struct error *err)
{
	auto_buf signature = BUF_INIT;
	if (hsm_sign(plan->signer, BYTES(out->data + whole, out->len - whole), &signature, err))
		return -1;
	buf_add_bytes(out, buf_bytes(&plan->info->signature_algorithm));
	der_add_bit_string(out, buf_bytes(&signature));
	der_wrap(out, whole, DER_SEQUENCE);
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for the revocation list") : 0;
}

int ca_crl_build(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct buf *out, uint64_t *entries,
		 struct error *err)
{
	size_t whole = der_mark(out);
	return build_tbs(snap, plan, out, entries, err) ? -1 : sign_tbs(plan, out, whole, err);
}

/* ---- checking ---- */

static int check_signature(const struct ca_issuer_info *info, const struct ca_crl *crl, struct error *err)
{
	struct ca_key key;
	if (ca_key_parse(buf_bytes(&info->spki), &key, err))
		return -1;
	int good = ca_key_verify(&key, ca_key_digest_bits(key.type), crl->tbs, crl->signature, err);
	if (good)
		return good > 0 ? 0 : -1;
	return err_set(err, ERR_INTEGRITY, "the signature of the revocation list of %s is wrong", info->name);
}

static int same_entry(void *arg, const struct ca_crl_entry *expected, struct error *err)
{
	struct bytes *left = arg;
	struct ca_crl_entry entry;
	int found = ca_crl_next(left, &entry, err);
	if (found < 0)
		return -1;
	if (found && bytes_equal(entry.serial, expected->serial) && entry.revoked_s == expected->revoked_s &&
	    entry.reason == expected->reason && entry.invalidity_s == expected->invalidity_s)
		return 0;
	char hex[2 * STORE_SERIAL_MAX + 1] = "?";
	if (expected->serial.len <= STORE_SERIAL_MAX)
		(void)text_hex(expected->serial, hex);
	return err_set(err, ERR_INTEGRITY, "the revocation list lacks serial number %s, or says another thing of it",
		       hex);
}

int ca_crl_check_frame(const struct ca_issuer_info *info, struct bytes arc, struct bytes der, struct ca_crl *crl,
		       struct error *err)
{
	auto_buf audit_oid = BUF_INIT;
	ca_oid_below(arc, &audit_oid, 1, (const unsigned[]){ CA_ARC_CRL_AUDIT_HEAD });
	if (ca_crl_read(der, buf_bytes(&audit_oid), crl, err))
		return -1;
	if (!bytes_equal(crl->head.issuer, buf_bytes(&info->subject)) ||
	    !bytes_equal(crl->head.aki, buf_bytes(&info->ski)))
		return err_set(err, ERR_INTEGRITY, "the revocation list does not name %s as its issuer", info->name);
	if (!bytes_equal(crl->head.signature_algorithm, buf_bytes(&info->signature_algorithm)))
		return err_set(err, ERR_INTEGRITY, "the revocation list of %s has another signature algorithm",
			       info->name);
	return check_signature(info, crl, err);
}

int ca_crl_check(struct store_snapshot *snap, const struct ca_crl_plan *plan, struct bytes der, struct error *err)
{
	struct ca_crl crl;
	if (ca_crl_check_frame(plan->info, plan->arc, der, &crl, err))
		return -1;
	if (crl.head.number != plan->number || crl.head.this_update_s != plan->this_update_s ||
	    crl.head.next_update_s != plan->next_update_s)
		return err_set(err, ERR_INTEGRITY, "the revocation list has another number or other times than meant");
	struct bytes left = crl.entries;
	if (crl_scan(snap, plan, same_entry, &left, err))
		return -1;
	return left.len ? err_set(err, ERR_INTEGRITY, "the revocation list has an entry too many") : 0;
}

/* ---- storing and publishing ---- */

int crl_present(struct store_snapshot *snap, const char *issuer, struct record_crl *record, uint64_t *version,
		struct error *err)
{
	struct bytes value;
	*record = (struct record_crl){ 0 };
	*version = 0;
	int found = store_get(snap, STORE_CRLS, bytes_of(issuer), &value, version, err);
	if (found == 1 && record_crl_decode(value, record, err))
		return -1;
	return found;
}

void crl_remember(struct ca_issuer *issuer, const struct record_crl *record)
{
	atomic_store(&issuer->crl_number, record->number);
	atomic_store(&issuer->crl_this_update_s, record->this_update_s);
	atomic_store(&issuer->crl_next_update_s, record->next_update_s);
}

int crl_put(struct ca *ca, const struct ca_actor *actor, const char *event, const struct record_crl *record,
	    uint64_t version, struct store_batch *batch, struct error *err)
{
	auto_buf encoded = BUF_INIT;
	record_crl_encode(record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTERNAL, "no memory to store a revocation list");
	struct bytes key = record->issuer;
	if (version)
		store_expect_version(batch, STORE_CRLS, key, version);
	else
		store_expect_absent(batch, STORE_CRLS, key);
	store_put(batch, STORE_CRLS, key, buf_bytes(&encoded));
	store_use_reserve(batch);

	uint8_t hash[32];
	sha256(record->der.data, record->der.len, hash);
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, event, actor);
	ca_audit_subject(&entry, record->issuer);
	ca_audit_sha256(&entry, hash);
	ca_audit_number(&entry, "number", (int64_t)record->number);
	ca_audit_number(&entry, "entries", (int64_t)record->entries);
	ca_audit_time(&entry, "nextUpdate", record->next_update_s);
	ca_audit_append(&entry, batch);
	return 0;
}

int crl_commit(struct ca *ca, struct ca_issuer *issuer, const struct ca_actor *actor, const char *event,
	       const struct record_crl *record, uint64_t version, struct error *err)
{
	auto_store_batch *batch = store_batch_new(ca->store);
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory to store a revocation list");
	if (crl_put(ca, actor, event, record, version, batch, err) ||
	    store_submit_wait(ca->store, TAKE(batch), NULL, err))
		return -1;
	crl_remember(issuer, record);
	return 0;
}

static int write_published(const char *folder, const char *name, const char *suffix, struct bytes content,
			   struct error *err)
{
	auto_free char *path = NULL;
	if (asprintf(&path, "%s/crl/%s.%s", folder, name, suffix) < 0) {
		path = NULL;
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	return file_replace(path, content, 0644, err);
}

int crl_publish(struct ca *ca, const char *name, struct bytes der, struct error *err)
{
	if (!ca->published)
		return 0;
	auto_free char *folder = file_join(ca->published, "crl");
	if (!folder)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (file_make_dir(folder, 0755, err) || write_published(ca->published, name, "crl", der, err))
		return -1;
	auto_buf pem = BUF_INIT;
	text_add_pem(&pem, "X509 CRL", der);
	if (pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the revocation list as PEM");
	return write_published(ca->published, name, "pem", buf_bytes(&pem), err);
}

int ca_crl_publish(struct ca *ca, struct ca_issuer *issuer, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct record_crl record;
	uint64_t version;
	if (!snap)
		return -1;
	int found = crl_present(snap, issuer->config->name, &record, &version, err);
	return found == 1 ? crl_publish(ca, issuer->config->name, record.der, err) : found;
}

int ca_crl_load(struct ca *ca, struct ca_issuer *issuer, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct record_crl record;
	uint64_t version;
	if (!snap || crl_present(snap, issuer->config->name, &record, &version, err) < 0)
		return -1;
	crl_remember(issuer, &record);
	return 0;
}

bool ca_crl_is_due(struct ca *ca, struct ca_issuer *issuer)
{
	int64_t ahead_s = (int64_t)issuer->config->crl_overlap_hours * 3600;
	int64_t until_s = atomic_load(&issuer->crl_next_update_s);
	/* A list that is good to the issuer's end is its last. */
	return until_s < issuer->info.not_after_s && until_s - ahead_s <= ca_now_ms(ca) / 1000;
}

/* ---- the whole way ---- */

static struct ca_crl_plan plan_next(struct ca *ca, struct ca_issuer *issuer, struct hsm_signer *signer,
				    const struct record_crl *before)
{
	int64_t now_ms = ca_now_ms(ca);
	uint64_t by_time = (uint64_t)now_ms;
	int64_t life_s = (int64_t)issuer->config->crl_hours * 3600;
	int64_t until_s = issuer->info.not_after_s; /* nothing is promised past the issuer's own end */
	struct ca_crl_plan plan = {
		.info = &issuer->info,
		.signer = signer,
		/* Past any number that a store had before it was restored from a backup. */
		.number = before->number >= by_time ? before->number + 1 : by_time,
		.this_update_s = now_ms / 1000,
		.next_update_s = now_ms / 1000 + life_s,
		.previous_update_s = before->this_update_s,
		.arc = buf_bytes(&ca->config->arc),
	};
	if (plan.next_update_s > until_s && until_s > plan.this_update_s)
		plan.next_update_s = until_s;
	return plan;
}

/* open: from where the token may have signed until its list is recorded. */
static int make_locked(struct ca *ca, struct ca_issuer *issuer, struct hsm_signer *signer, const struct ca_actor *actor,
		       struct record_crl *made, bool *open, struct error *err)
{
	if (ca_clock_check(ca, ca_now_ms(ca), err))
		return -1;
	auto_buf der = BUF_INIT;
	struct record_crl before;
	uint64_t version;
	{
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		if (!snap || crl_present(snap, issuer->config->name, &before, &version, err) < 0)
			return -1;
		struct ca_crl_plan plan = plan_next(ca, issuer, signer, &before);
		*made = (struct record_crl){ .issuer = bytes_of(issuer->config->name),
					     .number = plan.number,
					     .this_update_s = plan.this_update_s,
					     .next_update_s = plan.next_update_s };
		size_t whole = der_mark(&der);
		if (build_tbs(snap, &plan, &der, &made->entries, err))
			return -1;
		int failed = sign_tbs(&plan, &der, whole, err);
		*open = !failed || err->code != ERR_TOKEN_UNAVAILABLE;
		if (failed || ca_crl_check(snap, &plan, buf_bytes(&der), err))
			return -1;
	}
	made->der = buf_bytes(&der);
	if (crl_commit(ca, issuer, actor, "crl.issued", made, version, err))
		return -1;
	*open = false;
	int published = crl_publish(ca, issuer->config->name, made->der, err);
	made->der = BYTES_NONE;
	return published;
}

/* A signature that became no list is in the log as well: every one that the token made is accounted for. */
static void record_unfinished(struct ca *ca, const struct ca_issuer *issuer, const struct ca_actor *actor,
			      uint64_t number, const struct error *why)
{
	struct error err = ERR_INIT;
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "crl.unfinished", actor);
	ca_audit_subject(&entry, bytes_of(issuer->config->name));
	ca_audit_number(&entry, "number", (int64_t)number);
	ca_audit_text(&entry, "why", bytes_of(why->message));
	if (ca_audit_record(&entry, &err))
		log_err(LOG_LEVEL_ERROR, "unfinished revocation list not recorded", &err);
}

static int make(struct ca *ca, struct ca_issuer *issuer, struct hsm_signer *signer, const struct ca_actor *actor,
		struct message_crl_made *made, struct error *err)
{
	int64_t begun_ms = clock_monotonic_ms();
	struct record_crl record = { .number = 0 };
	bool open = false;
	(void)pthread_mutex_lock(&issuer->crl_lock);
	int result = make_locked(ca, issuer, signer, actor, &record, &open, err);
	(void)pthread_mutex_unlock(&issuer->crl_lock);
	if (result && open)
		record_unfinished(ca, issuer, actor, record.number, err);
	if (result)
		return -1;
	int64_t took_ms = clock_monotonic_ms() - begun_ms;
	atomic_store(&issuer->crl_took_ms, took_ms);
	atomic_fetch_add(&ca->counters.crls, 1);
	atomic_fetch_add(&ca->counters.crl_ms, (uint64_t)took_ms);
	log_info("revocation list made", KV("issuer", issuer->config->name), KV_INT("number", record.number),
		 KV_INT("entries", record.entries), KV_INT("ms", took_ms));
	if (made)
		*made = (struct message_crl_made){ record.number, record.entries, record.this_update_s,
						   record.next_update_s };
	return 0;
}

int ca_crl_make(struct ca *ca, struct ca_issuer *issuer, const struct ca_actor *actor, struct message_crl_made *made,
		struct error *err)
{
	struct hsm_signer *signer = ca_issuer_signer(issuer, err);
	return signer ? make(ca, issuer, signer, actor, made, err) : -1;
}

int ca_crl_make_in(struct ca *ca, struct ca_issuer *issuer, const struct ca_token *token, const struct ca_actor *actor,
		   struct message_crl_made *made, struct error *err)
{
	struct hsm_signer *signer = ca_issuer_signer_in(issuer, token, err);
	return signer ? make(ca, issuer, signer, actor, made, err) : -1;
}
