/*
 * Stored authorizations, organizations, statements and deliveries from hostile bytes: the first
 * octet picks the kind. What decodes must encode to the same bytes again (there is one form of each
 * record) and stand under the key that it asks for.
 */
#include <stdlib.h>

#include "base/ossl.h"
#include "store/private.h"
#include "store/record_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* false where it does not decode. */
#define ROUND_TRIP(kind)                                                        \
	static bool round_trip_##kind(struct bytes in, struct record_##kind *r) \
	{                                                                       \
		struct error err = ERR_INIT;                                    \
		if (record_##kind##_decode(in, r, &err)) {                      \
			expect(err.code == ERR_INTEGRITY);                      \
			return false;                                           \
		}                                                               \
		auto_buf out = BUF_INIT;                                        \
		record_##kind##_encode(r, &out);                                \
		expect(!out.failed && bytes_equal(buf_bytes(&out), in));        \
		return true;                                                    \
	}
ROUND_TRIP(authorization)
ROUND_TRIP(organization)
ROUND_TRIP(statement)
ROUND_TRIP(delivery)

static void check_place(enum store_table table, const struct buf *key, struct bytes record)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	expect(!key->failed && key->len > 0 && key->len <= STORE_KEY_MAX);
	expect(index_derive(table, buf_bytes(key), record, &entries, &err) == 0);
	struct bytes left = buf_bytes(&entries), index_key;
	enum store_index index;
	while (index_next(&left, &index, &index_key))
		expect(index_table(index) == table && index_key.len == sizeof(uint64_t));
	expect(left.len == 0);
}

static void try_authorization(struct bytes in)
{
	struct record_authorization r;
	if (!round_trip_authorization(in, &r))
		return;
	auto_buf key = BUF_INIT;
	record_key_authorization(&key, r.owner, r.name);
	check_place(STORE_AUTHORIZATIONS, &key, in);
}

static void try_organization(struct bytes in)
{
	static struct record_organization r;
	bool reads = round_trip_organization(in, &r);
	expect(r.document_count <= RECORD_DOCUMENTS_MAX && r.domain_count <= RECORD_DOMAINS_MAX &&
	       r.agent_count <= RECORD_AGENTS_MAX);
	if (!reads)
		return;
	auto_buf key = BUF_INIT;
	buf_add_bytes(&key, r.id);
	check_place(STORE_ORGANIZATIONS, &key, in);
	buf_clear(&key);
	record_key_organization_version(&key, r.id, r.version);
	check_place(STORE_ORGANIZATION_VERSIONS, &key, in);
}

static void try_statement(struct bytes in)
{
	struct record_statement r;
	if (!round_trip_statement(in, &r))
		return;
	uint8_t hash[32];
	sha256(r.text.data, r.text.len, hash);
	auto_buf key = BUF_INIT;
	buf_add(&key, hash, sizeof(hash));
	check_place(STORE_STATEMENTS, &key, in);
}

static void try_delivery(struct bytes in)
{
	struct record_delivery r;
	if (!round_trip_delivery(in, &r))
		return;
	auto_buf key = BUF_INIT;
	buf_u64(&key, (uint64_t)r.created_ms);
	buf_u64(&key, 0);
	check_place(STORE_DELIVERIES, &key, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct bytes in) = { try_authorization, try_organization, try_statement,
							  try_delivery };
	if (size > 0)
		tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](BYTES(data + 1, size - 1));
	return 0;
}
