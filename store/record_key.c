#include "base/ossl.h"
#include "store/record_order.h"
#include "store/record_private.h"
#include "store/store.h"

void record_key_issuer(struct buf *out, struct bytes issuer)
{
	buf_add_bytes(out, issuer);
	buf_u8(out, 0);
}

void record_key_certificate(struct buf *out, struct bytes issuer, struct bytes serial)
{
	record_key_issuer(out, issuer);
	buf_add_bytes(out, serial);
}

int record_key_certificate_parse(struct bytes key, struct bytes *issuer, struct bytes *serial, struct error *err)
{
	const uint8_t *end = key.len ? memchr(key.data, 0, key.len) : NULL;
	size_t issuer_len = end ? (size_t)(end - key.data) : 0;
	if (issuer_len == 0 || issuer_len > RECORD_NAME_MAX || key.len - issuer_len - 1 < 1 ||
	    key.len - issuer_len - 1 > STORE_SERIAL_MAX)
		return err_set(err, ERR_INTEGRITY, "the key of a stored certificate is not an issuer and a serial");
	*issuer = BYTES(key.data, issuer_len);
	*serial = BYTES(end + 1, key.len - issuer_len - 1);
	return 0;
}

void record_key_request(struct buf *out, struct bytes requester, struct bytes idempotency_key)
{
	buf_add_bytes(out, requester);
	buf_u8(out, 0);
	buf_add_bytes(out, idempotency_key);
}

void record_key_u64(struct buf *out, uint64_t v)
{
	buf_u64(out, v);
}

/* "www.example.test" as "test.example.www". */
static void add_reversed_labels(struct buf *out, struct bytes name)
{
	size_t end = name.len;
	for (size_t i = name.len; i-- > 0;) {
		if (name.data[i] != '.')
			continue;
		buf_add(out, name.data + i + 1, end - i - 1);
		buf_u8(out, '.');
		end = i;
	}
	buf_add(out, name.data, end);
}

/* At most `most` octets: what would pass that is cut, and ends in 0x00 and the hash of the whole. */
static void add_name_key(struct buf *out, struct bytes name, size_t most)
{
	static const char dns[] = "dns:";
	const size_t kind = sizeof(dns) - 1;
	size_t before = out->len;
	if (name.len > kind && memcmp(name.data, dns, kind) == 0) {
		buf_add(out, dns, kind);
		add_reversed_labels(out, BYTES(name.data + kind, name.len - kind));
	} else {
		buf_add_bytes(out, name);
	}
	if (out->failed || out->len - before <= most)
		return;
	uint8_t hash[32];
	sha256(out->data + before, out->len - before, hash);
	out->len = before + most - sizeof(hash) - 1;
	buf_u8(out, 0);
	buf_add(out, hash, sizeof(hash));
}

void record_key_name(struct buf *out, struct bytes name)
{
	add_name_key(out, name, STORE_KEY_MAX);
}

void record_key_authorization(struct buf *out, struct bytes owner, struct bytes name)
{
	if (owner.len > OWNER_MAX) {
		out->failed = true;
		return;
	}
	buf_add_bytes(out, owner);
	buf_u8(out, 0);
	add_name_key(out, name, STORE_KEY_MAX - owner.len - 1);
}

void record_key_organization_version(struct buf *out, struct bytes id, uint64_t version)
{
	buf_add_bytes(out, id);
	buf_u8(out, 0);
	buf_u64(out, version);
}
