/* CAA: records, the grammar of issue, and the decision. The input is a set of records, each behind its length in two
 * octets. Whatever stands in it, a set that lets others in alone never allows. */
#include <stdlib.h>

#include "httpd/validate/caa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool is_inside(struct bytes part, struct bytes whole)
{
	return part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void look_at(struct bytes rdata)
{
	struct caa_record record;
	struct caa_issue issue;
	if (!caa_record_read(rdata, &record))
		return;
	require(record.tag.len > 0 && is_inside(record.tag, rdata) && is_inside(record.value, rdata));
	if (!caa_issue_read(record.value, &issue))
		return;
	require(is_inside(issue.domain, rdata) && issue.parameter_count <= CAA_PARAMETERS_MAX);
	for (size_t i = 0; i < issue.parameter_count; i++)
		require(issue.parameters[i].tag.len > 0 && is_inside(issue.parameters[i].tag, rdata) &&
			is_inside(issue.parameters[i].value, rdata));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t others[] = "\0\005issueother.test";
	struct bytes records[32] = { BYTES(others, sizeof(others) - 1) };
	struct reader r = reader_of(BYTES(data, size));
	bool wildcard = reader_u8(&r) & 1;
	size_t count = 1;
	while (r.left > 0 && count < sizeof(records) / sizeof(records[0])) {
		struct bytes record = reader_take(&r, reader_u16(&r));
		if (r.failed)
			break;
		look_at(record);
		records[count++] = record;
	}
	auto_buf reason = BUF_INIT;
	uint8_t methods = 0;
	const struct caa_question ours = { wildcard, bytes_of("pki.test"), bytes_of("acct:7") };
	enum caa_verdict verdict = caa_decide(records, count, &ours, &methods, &reason);
	require(verdict == CAA_ALLOWS || verdict == CAA_FORBIDS || verdict == CAA_UNKNOWN);
	require((methods & ~CAA_METHODS_ALL) == 0 && (verdict != CAA_ALLOWS || methods != 0) && reason.len > 0);
	/* Nobody is named by no name. */
	const struct caa_question nobody = { false, BYTES_NONE, BYTES_NONE };
	buf_clear(&reason);
	require(caa_decide(records, count, &nobody, &methods, &reason) != CAA_ALLOWS);
	return 0;
}
