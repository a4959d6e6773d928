/* dns-txt: a TXT record at _chancery-challenge.NAME has the value as its one string.
 * Source: PKI.md section 3; BR 3.2.2.4.7. */
#include "httpd/validate/dns_method.h"

static void where(const struct dns_method *method, struct bytes name, char out[CA_CHALLENGE_NAME_SIZE])
{
	(void)method;
	ca_challenge_txt_name(name, out);
}

static bool is_expected(struct bytes record, const char *expected)
{
	auto_buf joined = BUF_INIT;
	return dns_txt_strings(record, &joined) == 1 && bytes_are(buf_bytes(&joined), expected);
}

void dns_txt_try(struct job *job, const struct message_validate *ask, struct attempt *attempt)
{
	auto_buf value = BUF_INIT;
	buf_add_bytes(&value, ask->value);
	const struct dns_method method = {
		.type = DNS_TXT, .expected = buf_text(&value), .where = where, .is_expected = is_expected
	};
	dns_method_try(job, ask, &method, attempt);
}
