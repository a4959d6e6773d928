/* Signed heads: the chain's end, in a text that the audit key signs and the world can keep. */
#include "ca-core/audit.h"

#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "ca-core/lint.h"
#include "ca-core/publish.h"

static void write_text(struct ca *ca, const struct store_head *chain, int64_t now_ms, struct buf *out)
{
	char time[CLOCK_TEXT_SIZE];
	buf_printf(out, "chancery-audit-head-v1\nca: %s\nnode: %s\nsequence: %llu\nhash: ", ca->root_hash,
		   ca->config->process.node, (unsigned long long)chain->sequence);
	text_add_hex(out, BYTES(chain->hash, sizeof(chain->hash)));
	buf_printf(out, "\ntime: %s\n", clock_rfc3339(now_ms / 1000, time));
}

static int store_signed(struct ca *ca, const struct record_head *head, struct error *err)
{
	struct store_batch *batch = store_batch_new(ca->store);
	auto_buf key = BUF_INIT, value = BUF_INIT;
	record_key_u64(&key, head->sequence);
	record_head_encode(head, &value);
	if (!batch || key.failed || value.failed) {
		if (batch)
			store_batch_free(batch);
		return err_set(err, ERR_INTERNAL, "no memory for an audit head");
	}
	store_use_reserve(batch);
	store_put(batch, STORE_HEADS, buf_bytes(&key), buf_bytes(&value));
	return store_submit_wait(ca->store, batch, NULL, err);
}

static int sign_locked(struct ca *ca, struct hsm_signer *signer, bool force, struct error *err)
{
	struct store_head chain;
	{
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		if (!snap || store_chain_head(snap, CA_AUDIT_CHAIN, &chain, err))
			return -1;
	}
	if (!chain.sequence || (!force && chain.sequence == atomic_load(&ca->head_sequence)))
		return 0;
	auto_buf text = BUF_INIT, signature = BUF_INIT;
	int64_t now_ms = ca_now_ms(ca);
	write_text(ca, &chain, now_ms, &text);
	if (text.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an audit head");
	if (hsm_sign(signer, buf_bytes(&text), &signature, err))
		return -1;
	struct record_head head = { .sequence = chain.sequence,
				    .time_ms = now_ms,
				    .text = buf_bytes(&text),
				    .signature = buf_bytes(&signature) };
	memcpy(head.hash, chain.hash, sizeof(head.hash));
	if (store_signed(ca, &head, err))
		return -1;
	atomic_store(&ca->head_sequence, chain.sequence);
	atomic_store(&ca->head_ms, now_ms);
	atomic_fetch_add(&ca->counters.heads, 1);
	return ca_audit_publish_head(ca, err);
}

int ca_audit_sign_head(struct ca *ca, bool force, struct error *err)
{
	if (!ca->audit.certificate.len)
		return 0;
	struct hsm_signer *signer = atomic_load_explicit(&ca->audit.signer, memory_order_acquire);
	struct hsm_token *token = signer ? hsm_key_token(hsm_signer_key(signer)) : NULL;
	enum hsm_token_state state = token ? hsm_token_state(token) : HSM_TOKEN_DOWN;
	if (state != HSM_TOKEN_UP && state != HSM_TOKEN_DEGRADED)
		return err_set(err, ERR_TOKEN_UNAVAILABLE, "the audit key is not available: its token %s is %s",
			       ca->config->audit.token,
			       ca->audit.token ? ca_token_state(ca->audit.token) : "not there");
	(void)pthread_mutex_lock(&ca->head_lock);
	int result = sign_locked(ca, signer, force, err);
	(void)pthread_mutex_unlock(&ca->head_lock);
	return result;
}

/* ---- published/audit/head ---- */

static int take_newest(void *arg, const struct store_row *row, struct error *err)
{
	struct buf *out = arg;
	struct record_head head;
	if (record_head_decode(row->value, &head, err))
		return -1;
	buf_add_text(out, "{\"text\":");
	ca_audit_json_text(out, head.text);
	buf_add_text(out, ",\"signature\":\"");
	text_add_base64(out, head.signature);
	buf_add_text(out, "\",\"certificate\":");
	return 1;
}

int ca_audit_publish_head(struct ca *ca, struct error *err)
{
	if (!ca->published || !ca->audit.certificate.len)
		return 0;
	auto_buf json = BUF_INIT, pem = BUF_INIT;
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	const struct store_range newest = { .reverse = true };
	if (!snap || store_scan(snap, STORE_HEADS, &newest, take_newest, &json, err) < 0)
		return -1;
	if (json.len == 0)
		return 0;
	struct ca_certificate_facts facts;
	if (ca_certificate_read(buf_bytes(&ca->audit.certificate), &facts, err))
		return -1;
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&ca->audit.certificate));
	ca_publish_add_chain(ca, ca_issuer_of(ca, facts.issuer), &pem);
	ca_audit_json_text(&json, buf_bytes(&pem));
	buf_add_text(&json, "}\n");
	if (json.failed || pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the published audit head");
	return ca_publish_file(ca, "audit", "head", "", buf_bytes(&json), err);
}
