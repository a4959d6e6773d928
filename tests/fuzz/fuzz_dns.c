/* What a resolver answers, and how it is shown: the first octet picks the type that was asked for. */
#include <stdlib.h>

#include "base/text.h"
#include "httpd/validate/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_CNAME, DNS_TXT, DNS_AAAA, DNS_CAA };
	if (size == 0)
		return 0;
	enum dns_type type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	auto_dns_answer answer = DNS_ANSWER_INIT;
	auto_buf shown = BUF_INIT, strings = BUF_INIT;
	dns_answer_read(BYTES(data + 1, size - 1), "a.test", type, &answer);
	require(answer.outcome == DNS_ANSWERED || answer.why[0] != '\0');
	require(answer.count <= DNS_RECORDS_MAX && (answer.outcome == DNS_ANSWERED || answer.count == 0));
	require(!answer.unfinished || (answer.outcome == DNS_SERVFAIL && answer.alias[0] != '\0'));
	for (size_t i = 0; i < answer.count; i++) {
		require(type != DNS_A || answer.records[i].len == 4);
		require(type != DNS_AAAA || answer.records[i].len == 16);
		(void)dns_txt_strings(answer.records[i], &strings);
	}
	dns_print_records(&answer, type, &shown);
	require(text_is_utf8(buf_bytes(&shown)) && !text_has_control(buf_bytes(&shown)));
	return 0;
}
