/*
 * Stored records from hostile bytes: the first octet picks the kind. What decodes must encode
 * to the same bytes again (there is one form of each record), and its index entries must be
 * readable and within a key's length.
 */
#include <stdlib.h>

#include "store/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

#define ROUND_TRIP(kind)                                                 \
	static void round_trip_##kind(struct bytes in)                   \
	{                                                                \
		static struct record_##kind r;                           \
		struct error err = ERR_INIT;                             \
		if (record_##kind##_decode(in, &r, &err)) {              \
			expect(err.code == ERR_INTEGRITY);               \
			return;                                          \
		}                                                        \
		auto_buf out = BUF_INIT;                                 \
		record_##kind##_encode(&r, &out);                        \
		expect(!out.failed && bytes_equal(buf_bytes(&out), in)); \
	}
ROUND_TRIP(certificate)
ROUND_TRIP(identity)
ROUND_TRIP(apitoken)
ROUND_TRIP(request)
ROUND_TRIP(crl)
ROUND_TRIP(blocked)
ROUND_TRIP(unfinished)
ROUND_TRIP(head)

static void (*const round_trips[STORE_META])(struct bytes in) = {
	[STORE_CERTIFICATES] = round_trip_certificate,
	[STORE_IDENTITIES] = round_trip_identity,
	[STORE_APITOKENS] = round_trip_apitoken,
	[STORE_REQUESTS] = round_trip_request,
	[STORE_CRLS] = round_trip_crl,
	[STORE_BLOCKED] = round_trip_blocked,
	[STORE_UNFINISHED] = round_trip_unfinished,
	[STORE_HEADS] = round_trip_head,
};

/* The key that the record itself asks for, so that the entries are derived at all. */
static void key_of(enum store_table table, struct bytes record, struct buf *key)
{
	static struct record_certificate certificate;
	struct record_identity identity;
	struct error err = ERR_INIT;
	if (table == STORE_CERTIFICATES && record_certificate_decode(record, &certificate, &err) == 0)
		record_key_certificate(key, certificate.issuer, certificate.serial);
	else if (table == STORE_IDENTITIES && record_identity_decode(record, &identity, &err) == 0)
		buf_add_bytes(key, identity.name);
	else
		buf_add_text(key, "any");
}

static void derive(enum store_table table, struct bytes record)
{
	struct error err = ERR_INIT;
	auto_buf key = BUF_INIT;
	auto_buf entries = BUF_INIT;
	key_of(table, record, &key);
	if (index_derive(table, buf_bytes(&key), record, &entries, &err))
		return;
	struct bytes left = buf_bytes(&entries), index_key;
	enum store_index index;
	while (index_next(&left, &index, &index_key))
		expect(index_table(index) == table && index_key.len > 0 && index_key.len <= STORE_KEY_MAX);
	expect(left.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	enum store_table table = (enum store_table)(data[0] % STORE_META);
	struct bytes record = BYTES(data + 1, size - 1);
	round_trips[table](record);
	derive(table, record);

	struct error err = ERR_INIT;
	struct bytes inner, node;
	uint64_t version = 0;
	if (envelope_parse(record, &inner, &version, &node, &err) == 0)
		expect(inner.len + node.len + 9 == record.len && version > 0);
	return 0;
}
