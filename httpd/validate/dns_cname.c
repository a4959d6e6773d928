/* dns-cname: _LABEL.NAME is an alias of VALUE.BASE. Source: PKI.md section 3; BR 3.2.2.4.7. */
#include <strings.h>

#include "httpd/validate/dns_method.h"

static void where(const struct dns_method *method, struct bytes name, char out[CA_CHALLENGE_NAME_SIZE])
{
	ca_challenge_cname_name(name, method->value, out);
}

static bool is_expected(struct bytes record, const char *expected)
{
	size_t len = strlen(expected);
	return record.len == len && strncasecmp((const char *)record.data, expected, len) == 0;
}

void dns_cname_try(struct job *job, const struct message_validate *ask, struct attempt *attempt)
{
	char value[CA_CHALLENGE_VALUE_SIZE] = "", target[CA_CHALLENGE_NAME_SIZE];
	if (job->config->dns_cname_base[0] == '\0' || ask->value.len != sizeof(value) - 1) {
		attempt->code = "not-offered";
		buf_add_text(&attempt->text, "the configuration gives no dns-cname-base for aliases to point to");
		return;
	}
	memcpy(value, ask->value.data, ask->value.len);
	ca_challenge_cname_target(value, job->config->dns_cname_base, target);
	/* A name has one alias record, or none (RFC 1034 section 3.6.2). */
	const struct dns_method method = { .type = DNS_CNAME,
					   .expected = target,
					   .where = where,
					   .is_expected = is_expected,
					   .alone = true,
					   .value = value };
	dns_method_try(job, ask, &method, attempt);
}
