#include "ca-core/audit.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "ca-core/policy.h"

/* ---- JSON ---- */

void ca_audit_json_text(struct buf *out, struct bytes value)
{
	static const char hex[] = "0123456789abcdef";
	bool utf8 = text_is_utf8(value);
	buf_u8(out, '"');
	size_t run = 0;
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool plain = c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && (c < 0x80 || utf8);
		if (plain)
			continue;
		buf_add(out, value.data + run, i - run);
		run = i + 1;
		if (c == '"' || c == '\\') {
			const char pair[2] = { '\\', (char)c };
			buf_add(out, pair, 2);
		} else {
			const char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
			buf_add(out, escape, 6);
		}
	}
	buf_add(out, value.data + run, value.len - run);
	buf_u8(out, '"');
}

static void add_member(struct buf *out, const char *key, struct bytes value)
{
	buf_add_text(out, ",\"");
	buf_add_text(out, key);
	buf_add_text(out, "\":");
	ca_audit_json_text(out, value);
}

/* ---- one entry ---- */

static const char *via_of(const struct ca_actor *actor)
{
	struct bytes who = bytes_of(actor->identity);
	if (bytes_are(who, "ca"))
		return "signer";
	return bytes_are(who, "root") ? "admin" : "front";
}

void ca_audit_begin(struct ca_audit_entry *e, struct ca *ca, const char *event, const struct ca_actor *actor)
{
	*e = (struct ca_audit_entry){ .ca = ca, .text = BUF_INIT, .time_ms = ca_now_ms(ca) };
	char time[CLOCK_TEXT_SIZE];
	buf_add_text(&e->text, "{\"v\":1,\"time\":\"");
	buf_add_text(&e->text, clock_rfc3339(e->time_ms / 1000, time));
	buf_u8(&e->text, '"');
	add_member(&e->text, "node", bytes_of(ca->config->process.node));
	add_member(&e->text, "event", bytes_of(event));
	add_member(&e->text, "actor", bytes_of(actor->identity));
	add_member(&e->text, "via", bytes_of(via_of(actor)));
	if (actor->token_id[0])
		add_member(&e->text, "apitoken", bytes_of(actor->token_id));
	if (actor->peer[0])
		add_member(&e->text, "peer", bytes_of(actor->peer));
}

void ca_audit_certificate(struct ca_audit_entry *e, struct bytes issuer, struct bytes serial)
{
	buf_add_text(&e->text, ",\"subject\":\"");
	buf_add_bytes(&e->text, issuer); /* its alphabet needs no escape: store/record.h */
	buf_u8(&e->text, '/');
	text_add_hex(&e->text, serial);
	buf_u8(&e->text, '"');
}

void ca_audit_subject(struct ca_audit_entry *e, struct bytes subject)
{
	add_member(&e->text, "subject", subject);
}

void ca_audit_sha256(struct ca_audit_entry *e, const uint8_t hash[32])
{
	buf_add_text(&e->text, ",\"sha256\":\"");
	text_add_hex(&e->text, BYTES(hash, 32));
	buf_u8(&e->text, '"');
}

/* Opens the detail object, or puts the comma; the key follows. */
static void add_key(struct ca_audit_entry *e, const char *key)
{
	buf_add_text(&e->text, e->in_detail ? ",\"" : ",\"detail\":{\"");
	e->in_detail = true;
	buf_add_text(&e->text, key);
	buf_add_text(&e->text, "\":");
}

/* Each octet takes at most six in JSON; what follows the details takes two. */
static bool fits(const struct ca_audit_entry *e, const char *key, size_t value_len)
{
	return e->text.len + strlen(key) + value_len + 24 <= CA_AUDIT_ENTRY_MAX;
}

void ca_audit_text(struct ca_audit_entry *e, const char *key, struct bytes value)
{
	if (!fits(e, key, 6 * value.len))
		return;
	add_key(e, key);
	ca_audit_json_text(&e->text, value);
}

void ca_audit_plain(struct ca_audit_entry *e, const char *key, struct bytes value)
{
	if (!fits(e, key, value.len))
		return;
	add_key(e, key);
	buf_u8(&e->text, '"');
	buf_add_bytes(&e->text, value);
	buf_u8(&e->text, '"');
}

void ca_audit_hex(struct ca_audit_entry *e, const char *key, struct bytes value)
{
	if (!fits(e, key, 2 * value.len))
		return;
	add_key(e, key);
	buf_u8(&e->text, '"');
	text_add_hex(&e->text, value);
	buf_u8(&e->text, '"');
}

void ca_audit_number(struct ca_audit_entry *e, const char *key, int64_t value)
{
	if (!fits(e, key, 20))
		return;
	add_key(e, key);
	buf_printf(&e->text, "%lld", (long long)value);
}

void ca_audit_time(struct ca_audit_entry *e, const char *key, int64_t s)
{
	char time[CLOCK_TEXT_SIZE];
	ca_audit_text(e, key, bytes_of(clock_rfc3339(s, time)));
}

void ca_audit_names(struct ca_audit_entry *e, const struct bytes *names, size_t count)
{
	if (count == 0)
		return;
	ca_audit_number(e, "nameCount", (int64_t)count);
	add_key(e, "names");
	buf_u8(&e->text, '[');
	for (size_t i = 0; i < count && i < CA_AUDIT_NAMES_SHOWN; i++) {
		if (!fits(e, "", 6 * names[i].len + 320)) /* room for the details that follow */
			break;
		if (i > 0)
			buf_u8(&e->text, ',');
		ca_audit_json_text(&e->text, names[i]);
	}
	buf_u8(&e->text, ']');
}

void ca_audit_append(struct ca_audit_entry *e, struct store_batch *batch)
{
	buf_add_text(&e->text, e->in_detail ? "}}" : "}");
	store_append(batch, CA_AUDIT_CHAIN, buf_bytes(&e->text));
	int64_t last = atomic_load(&e->ca->last_entry_ms);
	while (last < e->time_ms && !atomic_compare_exchange_weak(&e->ca->last_entry_ms, &last, e->time_ms))
		;
	ca_audit_drop(e);
}

void ca_audit_drop(struct ca_audit_entry *e)
{
	buf_free(&e->text);
}

int ca_audit_record(struct ca_audit_entry *e, struct error *err)
{
	struct store_batch *batch = store_batch_new(e->ca->store);
	if (!batch) {
		ca_audit_drop(e);
		return err_set(err, ERR_INTERNAL, "no memory for an audit entry");
	}
	store_use_reserve(batch);
	ca_audit_append(e, batch);
	return store_submit_wait(e->ca->store, batch, NULL, err);
}

/* ---- reading ---- */

static int take_time(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	static const char before[] = "{\"v\":1,\"time\":\"";
	const size_t skip = sizeof(before) - 1, time_len = 20;
	(void)sequence;
	(void)hash;
	if (entry.len < skip + time_len || memcmp(entry.data, before, skip) != 0)
		return err_set(err, ERR_INTEGRITY, "the newest audit entry does not begin with its time");
	return clock_parse_rfc3339(BYTES(entry.data + skip, time_len), arg, err);
}

static int take_head(void *arg, const struct store_row *row, struct error *err)
{
	struct ca *ca = arg;
	struct record_head head;
	if (record_head_decode(row->value, &head, err))
		return -1;
	atomic_store(&ca->head_sequence, head.sequence);
	atomic_store(&ca->head_ms, head.time_ms);
	return 1;
}

int ca_audit_load(struct ca *ca, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct store_head head;
	if (!snap || store_chain_head(snap, CA_AUDIT_CHAIN, &head, err))
		return -1;
	int64_t last_s = 0;
	if (head.sequence &&
	    store_chain_scan(snap, CA_AUDIT_CHAIN, head.sequence, head.sequence, take_time, &last_s, err))
		return -1;
	atomic_store(&ca->last_entry_ms, last_s * 1000);
	const struct store_range newest = { .reverse = true };
	return store_scan(snap, STORE_HEADS, &newest, take_head, ca, err) < 0 ? -1 : 0;
}

/* ---- listing ---- */

#define LIST_BYTES_MAX ((size_t)768 << 10) /* of one answer: a frame holds 1 MiB */

struct listing {
	struct message_audit_entries *entries;
	struct buf copies; /* of the entries' texts; offsets until all are there */
	size_t offsets[MESSAGE_ROWS_MAX];
	uint32_t limit;
};

static int take_entry(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct listing *l = arg;
	struct message_audit_entries *m = l->entries;
	(void)err;
	if (m->count == l->limit || l->copies.len + entry.len > LIST_BYTES_MAX) {
		m->more = true;
		return 1;
	}
	struct message_audit_entry *row = &m->rows[m->count];
	row->sequence = sequence;
	memcpy(row->hash, hash, sizeof(row->hash));
	row->entry.len = entry.len;
	l->offsets[m->count++] = l->copies.len;
	buf_add_bytes(&l->copies, entry);
	return 0;
}

int ca_audit_list(struct ca *ca, const struct ca_actor *actor, const struct message_audit_list *request,
		  struct buf *out, struct error *err)
{
	if (ca_policy_may_audit(actor, err))
		return -1;
	auto_free struct message_audit_entries *m = calloc(1, sizeof(*m));
	auto_free struct listing *l = calloc(1, sizeof(*l));
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap)
		return -1;
	if (!m || !l)
		return err_set(err, ERR_INTERNAL, "no memory to list the audit");
	l->entries = m;
	l->limit = request->limit;
	int result = 0;
	if (request->after < UINT64_MAX)
		result = store_chain_scan(snap, CA_AUDIT_CHAIN, request->after + 1, UINT64_MAX, take_entry, l, err);
	for (uint32_t i = 0; i < m->count; i++)
		m->rows[i].entry.data = l->copies.data + l->offsets[i];
	if (result >= 0 && !l->copies.failed)
		message_audit_entries_write(m, out);
	bool failed = l->copies.failed;
	buf_free(&l->copies);
	if (failed)
		return err_set(err, ERR_INTERNAL, "no memory to list the audit");
	return result < 0 ? -1 : 0;
}
