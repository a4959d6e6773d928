#include "store/record.h"

#include "base/ossl.h"
#include "store/store.h"

/* Of a key that would be too long: so much stands as it is, a hash for the rest. */
#define KEY_HEAD (STORE_KEY_MAX - 33)

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

void record_key_name(struct buf *out, struct bytes name)
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
	if (out->failed || out->len - before <= STORE_KEY_MAX)
		return;
	uint8_t hash[32];
	sha256(out->data + before, out->len - before, hash);
	out->len = before + KEY_HEAD;
	buf_u8(out, 0);
	buf_add(out, hash, sizeof(hash));
}
