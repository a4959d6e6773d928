/* What the command line reads of strangers, to prove something by it: an audit log's entries, an explanation, an order that
 * a server sent, bytes to be signed. Read or refused as wrong, and what is shown of it can command no terminal. The first
 * octet chooses. */
#include <stdlib.h>

#include "tools/audit_decisions.h"
#include "tools/explain_text.h"
#include "tools/explain_verify.h"
#include "tools/order_text.h"
#include "tools/own_request.h"
#include "tools/tbs_facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static json_t *parse(struct bytes text)
{
	return json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
}

/* No control character but line ends. */
static void require_safe(struct buf *text)
{
	for (const char *c = buf_text(text); *c; c++)
		require(((unsigned char)*c >= 0x20 && *c != 0x7f) || *c == '\n');
}

/* One entry a line. */
static void try_log(struct bytes text)
{
	struct error err = ERR_INIT;
	auto_audit_decisions *d = audit_decisions_new(&err);
	struct audit_decided decided;
	uint64_t sequence = 0;
	require(d != NULL);
	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t length = end ? (size_t)(end - text.data) : text.len;
		auto_json *entry = parse(BYTES(text.data, length));
		if (audit_decisions_entry(d, ++sequence, entry, &err)) {
			require(err.code == ERR_INTEGRITY && err.message[0] != '\0');
			return;
		}
		text = end ? BYTES(end + 1, text.len - length - 1) : BYTES_NONE;
	}
	audit_decisions_count(d, &decided);
	require(decided.certificates == 0 || decided.approvals > 0);
}

/* {"root": PEM, "file": the explanation} */
static void try_explanation(struct bytes text)
{
	struct error err = ERR_INIT;
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	auto_json *input = parse(text);
	auto_buf shown = BUF_INIT;
	const char *root = json_string_value(json_object_get(input, "root"));
	const json_t *file = json_object_get(input, "file");
	explain_text_add(file, &shown);
	require_safe(&shown);
	if (explain_verify(file, bytes_of(root), NULL, 0, &v, &err))
		require(err.code == ERR_INTEGRITY || err.code == ERR_BAD_REQUEST || err.code == ERR_USAGE);
	else
		require(json_is_array(v.proved) && json_is_array(v.claimed));
}

static void try_order(struct bytes text)
{
	static const struct own_request own = { .spki_hash = { 1 }, .requester = "alice" };
	struct error err = ERR_INIT;
	auto_json *order = parse(text);
	auto_buf shown = BUF_INIT;
	order_text(order, ORDER_VALUES_UNCHECKED, &shown);
	require_safe(&shown);
	if (own_request_check(&own, order, &err))
		require(err.code == ERR_INTEGRITY && err.member[0] != '\0');
}

static void try_tbs(struct bytes tbs)
{
	struct error err = ERR_INIT;
	auto_json *facts = tbs_facts(tbs, &err);
	auto_buf shown = BUF_INIT;
	if (!facts) {
		require(err.code == ERR_INTEGRITY && err.message[0] != '\0');
		return;
	}
	tbs_facts_text(facts, &shown);
	require_safe(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct bytes rest = BYTES(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		try_log(rest);
		break;
	case 1:
		try_explanation(rest);
		break;
	case 2:
		try_order(rest);
		break;
	default:
		try_tbs(rest);
		break;
	}
	return 0;
}
