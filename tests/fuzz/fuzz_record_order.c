/*
 * Stored orders from hostile bytes. What decodes must encode to the same bytes again (there is one
 * form of each record), keep its rules, and have index entries that are readable and within a key's
 * length. What does not decode must leave counts within their lists.
 */
#include <stdlib.h>

#include "store/private.h"
#include "store/record_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* What the deciding code relies on without a look. */
static void check_rules(const struct record_order *r)
{
	expect(record_order_status_name(r->status) != NULL);
	expect((r->status == ORDER_ISSUED) == (r->certificate.len > 0));
	expect(r->serial.len == 0 || r->tbs.len > 0);
	expect(r->status != ORDER_ISSUING || r->serial.len > 0);
	for (size_t i = 0; i < r->name_count; i++)
		expect(r->names[i].status == AUTHORIZATION_PENDING ||
		       record_method_name((enum record_method)r->names[i].methods) != NULL);
}

static void derive(const struct record_order *r, struct bytes record)
{
	struct error err = ERR_INIT;
	auto_buf entries = BUF_INIT;
	expect(index_derive(STORE_ORDERS, r->id, record, &entries, &err) == 0);
	struct bytes left = buf_bytes(&entries), index_key;
	enum store_index index;
	while (index_next(&left, &index, &index_key))
		expect(index_table(index) == STORE_ORDERS && index_key.len > 0 && index_key.len <= STORE_KEY_MAX);
	expect(left.len == 0);
	expect((r->serial.len > 0) == index_contains(buf_bytes(&entries), STORE_BY_SERIAL, r->serial));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record_order r;
	struct bytes in = BYTES(data, size);
	struct error err = ERR_INIT;
	int rc = record_order_decode(in, &r, &err);
	expect(r.name_count <= RECORD_NAMES_MAX && r.approval_count <= RECORD_APPROVALS_MAX &&
	       r.contact_count <= RECORD_CONTACTS_MAX && r.not_copied_count <= RECORD_NOT_COPIED_MAX);
	if (rc) {
		expect(err.code == ERR_INTEGRITY);
		return 0;
	}
	auto_buf out = BUF_INIT;
	record_order_encode(&r, &out);
	expect(!out.failed && bytes_equal(buf_bytes(&out), in));
	check_rules(&r);
	derive(&r, in);
	return 0;
}
