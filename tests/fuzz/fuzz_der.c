/* DER, read by every reader at every level: what is accepted must be what the writer
 * would write. */
#include <stdlib.h>

#include "base/der.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 16

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Every typed reader over the element; each must leave its cursor failed or consistent. */
static void read_as_values(struct bytes whole)
{
	struct der d = der_of(whole);
	struct bytes integer = der_integer(&d);
	require(d.failed ? integer.len == 0 : integer.len > 0);
	d = der_of(whole);
	uint64_t small = der_small_integer(&d, 1000);
	require(small <= 1000 && (!d.failed || small == 0));
	d = der_of(whole);
	(void)der_boolean(&d);
	d = der_of(whole);
	(void)der_bit_string(&d);
	d = der_of(whole);
	uint16_t bits = der_named_bits(&d);
	if (!d.failed) {
		auto_buf again = BUF_INIT;
		der_add_named_bits(&again, bits);
		require(bytes_equal(buf_bytes(&again), whole));
	}
	d = der_of(whole);
	int64_t s = der_time(&d);
	if (!d.failed) {
		auto_buf again = BUF_INIT;
		der_add_time(&again, s);
		require(bytes_equal(buf_bytes(&again), whole));
	}
	d = der_of(whole);
	struct bytes oid = der_oid(&d);
	char text[128];
	if (!d.failed && der_oid_text(oid, text, sizeof(text))[0] != '?') {
		auto_buf again = BUF_INIT;
		require(der_oid_parse(text, &again) == 0);
		require(bytes_equal(buf_bytes(&again), oid));
	}
}

static void walk(struct bytes bytes, int depth)
{
	struct der d = der_of(bytes);
	while (d.left.len > 0 && !d.failed) {
		struct bytes content, whole;
		int peeked = der_peek(&d);
		int tag = der_any(&d, &content, &whole);
		require(tag < 0 ? d.failed != NULL : tag == peeked);
		if (tag < 0)
			return;
		auto_buf again = BUF_INIT;
		der_add(&again, tag, content);
		require(bytes_equal(buf_bytes(&again), whole));
		read_as_values(whole);
		if (depth < DEPTH_MAX)
			walk(content, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	walk(BYTES(data, size), 0);
	return 0;
}
