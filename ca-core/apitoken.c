/* API tokens and the operator's key block list: what admin.sock brings besides identities. */
#include <stdio.h>

#include "ca-core/audit.h"
#include "ca-core/identity.h"

#define LIST_MAX 256 /* of a token's profiles, as struct ca_actor keeps them */

static int check_profiles(const struct ca_config *config, struct bytes profiles, struct error *err)
{
	char list[LIST_MAX];
	if (profiles.len >= sizeof(list))
		return err_set(err, ERR_BAD_REQUEST, "the list of profiles is longer than %zu", sizeof(list) - 1);
	(void)snprintf(list, sizeof(list), "%.*s", (int)profiles.len, profiles.len ? (const char *)profiles.data : "");
	char *rest = list;
	for (const char *name; list[0] && (name = strsep(&rest, ","));)
		if (!ca_config_profile_for_request(config, bytes_of(name), err))
			return -1;
	return 0;
}

static int check_id(struct bytes id, struct error *err)
{
	bool good = id.len >= 1 && id.len <= 32;
	for (size_t i = 0; good && i < id.len; i++) {
		uint8_t c = id.data[i];
		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		       c == '_';
	}
	if (good)
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "the API token's id is not of the accepted form");
	return err_about(err, "id", NULL, "1 to 32 of A-Z a-z 0-9 - _");
}

/* Finds a token by its id: key and record of the row, while the snapshot lives. */
struct search {
	struct bytes id;
	bool found;
	struct bytes key, value;
	uint64_t version;
};

static int compare(void *arg, const struct store_row *row, struct error *err)
{
	struct search *s = arg;
	struct record_apitoken record;
	if (record_apitoken_decode(row->value, &record, err))
		return -1;
	if (!bytes_equal(record.id, s->id))
		return 0;
	s->found = true;
	s->key = row->key;
	s->value = row->value;
	s->version = row->version;
	return 1;
}

static int find(struct store_snapshot *snap, struct search *s, struct error *err)
{
	const struct store_range all = { 0 };
	return store_scan(snap, STORE_APITOKENS, &all, compare, s, err) < 0 ? -1 : 0;
}

static int put(struct store_batch *batch, struct bytes key, const struct record_apitoken *record, struct error *err)
{
	auto_buf value = BUF_INIT;
	record_apitoken_encode(record, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for an API token");
	store_put(batch, STORE_APITOKENS, key, buf_bytes(&value));
	store_use_reserve(batch);
	return 0;
}

static int check_new(struct ca *ca, const struct message_apitoken *request, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct search same = { .id = request->id };
	struct record_identity identity;
	struct bytes value;
	if (!snap || find(snap, &same, err))
		return -1;
	if (same.found)
		return err_set(err, ERR_ORDER_STATE, "there is an API token of that id already");
	int found = request->identity.len ? store_get(snap, STORE_IDENTITIES, request->identity, &value, NULL, err) : 0;
	if (found < 0 || (found && record_identity_decode(value, &identity, err)))
		return -1;
	if (!found || identity.removed)
		return err_set(err, ERR_NOT_FOUND, "there is no identity in whose name this API token could act");
	return 0;
}

int ca_apitoken_add(struct ca *ca, const struct ca_actor *actor, const struct message_apitoken *request,
		    struct error *err)
{
	int64_t now_ms = ca_now_ms(ca);
	if (check_id(request->id, err) || check_profiles(ca->config, request->profiles, err) ||
	    check_new(ca, request, err))
		return -1;
	if (request->expires_s <= now_ms / 1000)
		return err_set(err, ERR_BAD_REQUEST, "the API token would have ended before it began");
	if (!request->may_request && !request->may_read)
		return err_set(err, ERR_BAD_REQUEST, "the API token would be allowed nothing");
	auto_store_batch *batch = store_batch_new(ca->store);
	const struct record_apitoken record = { .id = request->id,
						.identity = request->identity,
						.may_request = request->may_request,
						.may_read = request->may_read,
						.profiles = request->profiles,
						.created_ms = now_ms,
						.expires_s = request->expires_s };
	struct bytes key = BYTES(request->hash, sizeof(request->hash));
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory for an API token");
	store_expect_absent(batch, STORE_APITOKENS, key);
	if (put(batch, key, &record, err))
		return -1;
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "apitoken.added", actor);
	ca_audit_subject(&entry, request->id);
	ca_audit_text(&entry, "identity", request->identity);
	ca_audit_text(&entry, "scope",
		      bytes_of(!request->may_read     ? "request"
			       : request->may_request ? "request,read"
						      : "read"));
	ca_audit_text(&entry, "profiles", request->profiles);
	ca_audit_time(&entry, "expires", request->expires_s);
	ca_audit_append(&entry, batch);
	return store_submit_wait(ca->store, TAKE(batch), NULL, err);
}

int ca_apitoken_remove(struct ca *ca, const struct ca_actor *actor, struct bytes id, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_store_batch *batch = store_batch_new(ca->store);
	struct search search = { .id = id };
	struct record_apitoken record;
	if (!snap || find(snap, &search, err))
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory to remove an API token");
	if (!search.found)
		return err_set(err, ERR_NOT_FOUND, "there is no such API token");
	if (record_apitoken_decode(search.value, &record, err))
		return -1;
	if (record.removed)
		return err_set(err, ERR_ORDER_STATE, "this API token was removed before");
	record.removed = true;
	store_expect_version(batch, STORE_APITOKENS, search.key, search.version);
	if (put(batch, search.key, &record, err))
		return -1;
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "apitoken.removed", actor);
	ca_audit_subject(&entry, id);
	ca_audit_text(&entry, "identity", record.identity);
	ca_audit_append(&entry, batch);
	if (store_submit_wait(ca->store, TAKE(batch), NULL, err))
		return -1;
	char identity[RECORD_NAME_MAX + 1];
	(void)snprintf(identity, sizeof(identity), "%.*s", (int)record.identity.len,
		       (const char *)record.identity.data);
	if (ca->on_sessions_end)
		ca->on_sessions_end(ca->on_sessions_end_arg, identity);
	return 0;
}

/* ---- listing ---- */

static int add_row(void *arg, const struct store_row *row, struct error *err)
{
	struct message_apitokens *answer = arg;
	struct record_apitoken record;
	if (record_apitoken_decode(row->value, &record, err))
		return -1;
	if (answer->count == MESSAGE_ROWS_MAX)
		return 1;
	answer->rows[answer->count++] = (struct message_apitoken){ .id = record.id,
								   .identity = record.identity,
								   .profiles = record.profiles,
								   .may_request = record.may_request,
								   .may_read = record.may_read,
								   .removed = record.removed,
								   .created_ms = record.created_ms,
								   .expires_s = record.expires_s };
	return 0;
}

int ca_apitoken_list(struct ca *ca, struct buf *out, struct error *err)
{
	auto_free struct message_apitokens *answer = calloc(1, sizeof(*answer));
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	const struct store_range all = { 0 };
	if (!snap)
		return -1;
	if (!answer)
		return err_set(err, ERR_INTERNAL, "no memory to list API tokens");
	if (store_scan(snap, STORE_APITOKENS, &all, add_row, answer, err) < 0)
		return -1;
	message_apitokens_write(answer, out);
	return 0;
}

/* ---- the operator's key block list ---- */

int ca_key_block(struct ca *ca, const struct ca_actor *actor, const struct message_block *request, struct error *err)
{
	struct bytes key = BYTES(request->spki_hash, sizeof(request->spki_hash)), value;
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	auto_store_batch *batch = store_batch_new(ca->store);
	auto_buf encoded = BUF_INIT;
	if (!snap)
		return -1;
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory to block a key");
	int found = store_get(snap, STORE_BLOCKED, key, &value, NULL, err);
	if (found)
		return found < 0 ? -1 : 0;
	const struct record_blocked record = { .since_ms = ca_now_ms(ca), .note = request->note };
	record_blocked_encode(&record, &encoded);
	if (encoded.failed)
		return err_set(err, ERR_INTERNAL, "no memory to block a key");
	store_expect_absent(batch, STORE_BLOCKED, key);
	store_put(batch, STORE_BLOCKED, key, buf_bytes(&encoded));
	store_use_reserve(batch);
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, ca, "key.blocked", actor);
	ca_audit_sha256(&entry, request->spki_hash);
	ca_audit_text(&entry, "note", request->note);
	ca_audit_append(&entry, batch);
	return store_submit_wait(ca->store, TAKE(batch), NULL, err);
}
