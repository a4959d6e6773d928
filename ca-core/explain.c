/* Why a certificate is as it is, or what an order still lacks: one JSON text that holds its own proofs. */
#include "ca-core/explain.h"

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/explain_private.h"
#include "ca-core/inventory.h"
#include "ca-core/organization_private.h"
#include "ca-core/policy_validation.h"
#include "ca-core/request.h"

#define NAMES_BYTES_MAX ((size_t)100 << 10) /* past it, evidence is left to the order itself */

/* ---- what was asked ---- */

static void add_request(const struct record_order *o, struct buf *out)
{
	explain_open(out, "request", '{');
	explain_base64(out, "spki", o->spki);
	explain_hex(out, "csrSha256", BYTES(o->csr_hash, sizeof(o->csr_hash)));
	explain_number(out, "namesCopied", (int64_t)o->name_count); /* each of them stands under validation */
	explain_text_if(out, "commonName", o->common_name);
	explain_text_if(out, "subjectAsked", o->asked_subject);
	explain_open(out, "notCopied", '[');
	for (size_t i = 0; i < o->not_copied_count; i++)
		explain_text(out, NULL, o->not_copied[i]);
	explain_close(out, ']');
	explain_text(out, "notCopiedWhy",
		     bytes_of("the profile and the organization's record decide what a certificate says; of a request "
			      "only the key, the names and a common name that is one of them are taken"));
	explain_close(out, '}');
}

static void add_names(struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	explain_open(out, "validation", '[');
	for (size_t i = 0; i < o->name_count; i++) {
		const struct record_order_name *n = &o->names[i];
		bool valid = n->status == AUTHORIZATION_VALID;
		explain_open(out, NULL, '{');
		explain_text(out, "name", n->name);
		explain_text(out, "status", bytes_of(valid ? "valid" : "pending"));
		if (valid)
			explain_text(out, "method", bytes_of(record_method_name(n->methods)));
		explain_flag(out, "reused", n->reused);
		if (out->len < NAMES_BYTES_MAX)
			explain_text_if(out, "evidence", n->evidence);
		explain_time(out, "checked", n->checked_ms / 1000);
		explain_time(out, "expires", valid ? n->expires_s : 0);
		if (w->profile)
			explain_text(out, "caa", bytes_of(ca_caa_name(order_caa(w->ca, w->profile, n))));
		explain_time(out, "caaChecked", n->caa_checked_s);
		explain_text_if(out, "errorCode", n->error_code);
		if (out->len < NAMES_BYTES_MAX)
			explain_text_if(out, "error", n->error);
		explain_close(out, '}');
	}
	explain_close(out, ']');
}

/* ---- people ---- */

/* Text, certificate and signature: whoever reads this checks them himself. */
static int add_statement(struct order_work *w, const uint8_t key[32], struct buf *out, struct error *err)
{
	struct record_statement s;
	struct bytes value;
	int found = store_get(w->snap, STORE_STATEMENTS, BYTES(key, 32), &value, NULL, err);
	if (found < 0 || (found && record_statement_decode(value, &s, err)))
		return -1;
	if (!found)
		return err_set(err, ERR_INTEGRITY, "a statement that a record refers to is not there");
	explain_text(out, "statement", s.text);
	explain_base64(out, "certificate", s.certificate);
	explain_base64(out, "signature", s.signature);
	explain_time(out, "received", s.received_ms / 1000);
	return 0;
}

/* Since when the officer is one: somebody who enrolled himself for this order is to be seen. */
static int add_officer(struct order_work *w, struct bytes name, const uint8_t statement[32], struct buf *out,
		       struct error *err)
{
	struct record_identity identity;
	struct record_statement s;
	struct bytes value;
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	struct ca_certificate_facts facts;
	int64_t enrolled_s = 0;
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	int found = store_get(w->snap, STORE_IDENTITIES, name, &value, NULL, err);
	if (found < 0 || (found && record_identity_decode(value, &identity, err)))
		return -1;
	if (found) {
		explain_time(out, "identitySince", identity.created_ms / 1000);
		explain_flag(out, "identityRemoved", identity.removed);
	}
	if (store_get(w->snap, STORE_STATEMENTS, BYTES(statement, 32), &value, NULL, err) == 1 &&
	    record_statement_decode(value, &s, err) == 0 && ca_certificate_read(s.certificate, &facts, err) == 0 &&
	    ca_inventory_find(w->snap, w->ca->config, facts.serial, record, NULL, NULL, err) == 1)
		enrolled_s = record->issued_ms / 1000;
	explain_time(out, "certificateEnrolled", enrolled_s);
	explain_flag(out, "enrolledAfterOrder", enrolled_s >= w->order->created_ms / 1000);
	return 0;
}

static int add_approvals(struct order_work *w, struct buf *out, struct error *err)
{
	const struct record_order *o = w->order;
	explain_number(out, "approvalsNeeded", w->profile ? ca_policy_approvals(w->profile) : 0);
	explain_open(out, "approvals", '[');
	for (size_t i = 0; i < o->approval_count; i++) {
		const struct record_approval *a = &o->approvals[i];
		explain_open(out, NULL, '{');
		explain_text(out, "officer", a->officer);
		explain_text(out, "decision", bytes_of(a->approve ? "approve" : "deny"));
		explain_text(out, "reason", a->reason);
		explain_time(out, "time", a->time_s);
		if (add_officer(w, a->officer, a->statement, out, err) || add_statement(w, a->statement, out, err))
			return -1;
		explain_close(out, '}');
	}
	explain_close(out, ']');
	return 0;
}

/* ---- the organization as it was pinned ---- */

static int load_pinned(struct order_work *w, struct record_organization *r, struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes value;
	record_key_organization_version(&key, w->order->organization, w->order->organization_version);
	int found = store_get(w->snap, STORE_ORGANIZATION_VERSIONS, buf_bytes(&key), &value, NULL, err);
	return found < 0 || (found && record_organization_decode(value, r, err)) ? -1 : found;
}

static int add_organization(struct order_work *w, struct buf *out, struct error *err)
{
	auto_free struct record_organization *r = malloc(sizeof(*r));
	auto_buf bytes = BUF_INIT;
	uint8_t hash[32];
	if (!w->order->organization.len)
		return 0;
	if (!r)
		return err_set(err, ERR_INTERNAL, "no memory for an organization");
	int found = load_pinned(w, r, err);
	if (found <= 0)
		return found;
	ca_organization_bytes(r, &bytes);
	sha256(bytes.data, bytes.len, hash);
	explain_open(out, "organization", '{');
	explain_text(out, "id", r->id);
	explain_number(out, "version", (int64_t)r->version);
	explain_text(out, "status", bytes_of(organization_status(r, order_now_s(w))));
	explain_text(out, "record", buf_bytes(&bytes));
	explain_hex(out, "recordSha256", BYTES(hash, sizeof(hash)));
	if (r->vetted_by.len) {
		explain_open(out, "vetting", '{');
		explain_text(out, "officer", r->vetted_by);
		explain_time(out, "validUntil", r->valid_until_s);
		if (add_officer(w, r->vetted_by, r->vet_statement, out, err) ||
		    add_statement(w, r->vet_statement, out, err))
			return -1;
		explain_close(out, '}');
	}
	if (r->suspended) {
		explain_open(out, "suspension", '{');
		explain_text(out, "officer", r->suspended_by);
		if (add_statement(w, r->suspend_statement, out, err))
			return -1;
		explain_close(out, '}');
	}
	explain_close(out, '}');
	return 0;
}

/* ---- the bytes ---- */

static void add_lint(const struct ca_profile *profile, const struct ca_issuer *issuer, struct bytes tbs, int64_t when_s,
		     struct buf *out)
{
	struct error wrong = ERR_INIT;
	if (!profile || !issuer)
		return;
	bool clean = ca_lint_tbs(tbs, profile, &issuer->info, when_s, &wrong) == 0;
	explain_text(out, "lint", bytes_of(clean ? "clean" : wrong.message));
}

static void add_tbs(struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	uint8_t hash[32];
	if (!o->tbs.len)
		return;
	order_tbs_hash(o, hash);
	explain_base64(out, "tbs", o->tbs);
	explain_hex(out, "tbsSha256", BYTES(hash, sizeof(hash)));
	explain_time(out, "approveBefore", o->approve_before_s);
	add_lint(w->profile, ca_issuer_find(w->ca, o->issuer), o->tbs, order_now_s(w), out);
}

int explain_certificate(struct ca *ca, const struct record_certificate *record, struct buf *out, struct error *err)
{
	struct ca_certificate_facts facts;
	uint8_t hash[32];
	char profile[RECORD_NAME_MAX + 1] = "";
	if (ca_certificate_read(record->der, &facts, err))
		return -1;
	const struct ca_issuer *issuer = ca_issuer_find(ca, record->issuer);
	if (record->profile.len <= RECORD_NAME_MAX)
		memcpy(profile, record->profile.data, record->profile.len);
	explain_open(out, "certificate", '{');
	explain_hex(out, "serial", record->serial);
	explain_text(out, "issuer", record->issuer);
	explain_text(out, "status",
		     bytes_of(record->status == RECORD_VALID  ? "valid"
			      : record->status == RECORD_HELD ? "held"
							      : "revoked"));
	explain_time(out, "issued", record->issued_ms / 1000);
	explain_base64(out, "der", record->der);
	sha256(facts.tbs.data, facts.tbs.len, hash);
	explain_hex(out, "tbsSha256", BYTES(hash, sizeof(hash)));
	add_lint(ca_config_profile(ca->config, profile), issuer, facts.tbs, record->issued_ms / 1000, out);
	explain_open(out, "chain", '[');
	for (; issuer && issuer->certified; issuer = ca_issuer_find(ca, bytes_of(issuer->config->parent)))
		explain_base64(out, NULL, buf_bytes(&issuer->info.certificate));
	explain_close(out, ']');
	explain_close(out, '}');
	return 0;
}

/* ---- what would be refused ---- */

static void add_refused(struct order_work *w, struct buf *out)
{
	struct error why[5] = { ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT };
	uint8_t hash[32];
	order_spki_hash(w->order, hash);
	(void)ca_request_not_blocked(w->snap, hash, &why[0]);
	if (!w->profile)
		(void)err_set(&why[1], ERR_PROFILE_UNKNOWN, "the profile is not in the configuration any more");
	else
		(void)order_policy(w, &why[1]);
	if (w->profile && why[1].code == ERR_NONE)
		(void)order_holds(w, &why[2]);
	struct ca_issuer *issuer = w->profile ? ca_issuer_for(w->ca, w->profile) : NULL;
	if (issuer)
		(void)ca_issuer_signer(issuer, &why[3]);
	if (w->order->expires_s <= order_now_s(w))
		(void)err_set(&why[4], ERR_ORDER_STATE, "the order's time is over");
	explain_open(out, "wouldBeRefused", '[');
	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		if (why[i].code != ERR_NONE)
			explain_error(out, &why[i]);
	explain_close(out, ']');
}

/* ---- an order ---- */

static void add_facts(struct order_work *w, struct buf *out)
{
	const struct record_order *o = w->order;
	auto_buf words = BUF_INIT;
	explain_open(out, "order", '{');
	explain_text(out, "id", o->id);
	explain_text(out, "status", bytes_of(record_order_status_name(o->status)));
	explain_text(out, "profile", o->profile);
	explain_text(out, "validationLevel",
		     bytes_of(w->profile ? ca_validation_name(w->profile->validation) : "unknown"));
	explain_text(out, "requester", o->requester);
	explain_hex(out, "nonce", BYTES(o->nonce, sizeof(o->nonce)));
	explain_time(out, "created", o->created_ms / 1000);
	explain_time(out, "changed", o->changed_ms / 1000);
	explain_time(out, "expires", o->expires_s);
	explain_text_if(out, "copiedFrom", o->copied_from);
	explain_text_if(out, "failureCode", o->failure_code);
	explain_text_if(out, "failure", o->failure);
	order_waits_for(w, &words);
	explain_text_if(out, "waitsFor", buf_bytes(&words));
	explain_close(out, '}');
}

static void begin(struct ca *ca, struct buf *out)
{
	explain_open(out, NULL, '{');
	explain_number(out, "v", 1);
	explain_text(out, "ca", bytes_of(ca->root_hash));
	explain_time(out, "explained", ca_now_ms(ca) / 1000);
}

static int add_issued(struct order_work *w, struct buf *out, struct error *err)
{
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	int found = ca_inventory_find(w->snap, w->ca->config, w->order->certificate, record, NULL, NULL, err);
	if (found < 0)
		return -1;
	return found ? explain_certificate(w->ca, record, out, err)
		     : err_set(err, ERR_INTEGRITY, "an order leads to a certificate that is not there");
}

static int explain_order(struct order_work *w, struct buf *out, struct error *err)
{
	const struct record_order *o = w->order;
	bool over = record_order_is_over(o->status);
	begin(w->ca, out);
	add_facts(w, out);
	add_request(o, out);
	add_names(w, out);
	if (add_organization(w, out, err) || add_approvals(w, out, err))
		return -1;
	add_tbs(w, out);
	if (o->status == ORDER_ISSUED && add_issued(w, out, err))
		return -1;
	if (!over)
		add_refused(w, out);
	int64_t to_s = over ? o->changed_ms / 1000 : order_now_s(w);
	if (explain_audit(w->ca, w->snap, o->id, o->created_ms / 1000, to_s, out, err))
		return -1;
	explain_close(out, '}');
	return 0;
}

/* ---- a certificate without an order: what a grant covered, or the CA's own ---- */

static int explain_granted(struct ca *ca, struct store_snapshot *snap, const struct record_certificate *record,
			   struct buf *out, struct error *err)
{
	char hex[2 * STORE_SERIAL_MAX + 1];
	begin(ca, out);
	explain_text(out, "profile", record->profile);
	explain_text(out, "requester", record->requester);
	explain_open(out, "validation", '[');
	for (size_t i = 0; i < record->name_count; i++) {
		explain_open(out, NULL, '{');
		explain_text(out, "name", record->names[i]);
		explain_text(out, "method", bytes_of("grant"));
		explain_text(out, "evidence", bytes_of("covered by a grant of the configuration when it was issued"));
		explain_close(out, '}');
	}
	explain_close(out, ']');
	if (explain_certificate(ca, record, out, err) ||
	    explain_audit(ca, snap, bytes_of(text_hex(record->serial, hex)), record->issued_ms / 1000,
			  record->issued_ms / 1000, out, err))
		return -1;
	explain_close(out, '}');
	return 0;
}

static int explain_serial(struct ca *ca, const struct ca_actor *actor, struct bytes hex, struct buf *out,
			  struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	auto_buf serial = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (!snap)
		return -1;
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory for a certificate");
	int found = text_parse_hex(hex, STORE_SERIAL_MAX, &serial, &ignored) == 0
			    ? ca_inventory_find(snap, ca->config, buf_bytes(&serial), record, NULL, NULL, err)
			    : 0;
	if (found < 0)
		return -1;
	if (!found || !ca_inventory_may_see(actor, record))
		return err_set(err, ERR_NOT_FOUND, "there is no such order or certificate that you may see");
	if (!record->order.len)
		return explain_granted(ca, snap, record, out, err);
	auto_order_work *w = order_work_new(ca, actor, err);
	return !w || order_work_load(w, record->order, err) || explain_order(w, out, err) ? -1 : 0;
}

int ca_explain(struct ca *ca, const struct ca_actor *actor, struct bytes what, struct buf *out, struct error *err)
{
	struct error none = ERR_INIT;
	auto_order_work *w = order_work_new(ca, actor, err);
	if (!w)
		return -1;
	int failed;
	if (order_work_load(w, what, &none) == 0)
		failed = order_may_see(actor, w->order) ? explain_order(w, out, err) : order_not_found(err);
	else if (none.code == ERR_NOT_FOUND)
		failed = explain_serial(ca, actor, what, out, err);
	else
		failed = (*err = none, -1);
	if (!failed && out->failed)
		return err_set(err, ERR_INTERNAL, "no memory to explain it");
	return failed;
}
