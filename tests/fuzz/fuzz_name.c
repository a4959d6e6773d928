/* Names: what is accepted has one form, which is accepted again as itself. */
#include <stdlib.h>

#include "ca-core/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(int rc, const struct ca_name *name, const struct error *err)
{
	struct error unexpected = ERR_INIT;
	struct ca_name again;
	auto_buf printed = BUF_INIT;
	if (rc) {
		require(err->code == ERR_BAD_NAME);
		return;
	}
	ca_name_print(name, &printed);
	require(ca_name_parse(buf_bytes(&printed), &again, &unexpected) == 0);
	require(again.type == name->type && strcmp(again.text, name->text) == 0);
	require(again.wildcard == name->wildcard && again.underscore == name->underscore);
	require(name->type != CA_NAME_IP || memcmp(again.address, name->address, name->address_len) == 0);
	(void)ca_name_is_internal(name);
	if (name->wildcard)
		(void)ca_name_wildcard_base_allowed(name->text + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const readers[])(struct bytes text, struct ca_name * out,
				      struct error * err) = { ca_name_dns,   ca_name_ip,  ca_name_ip_text,
							      ca_name_email, ca_name_uri, ca_name_parse };
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		struct ca_name name;
		struct error err = ERR_INIT;
		check(readers[i](BYTES(data, size), &name, &err), &name, &err);
	}
	return 0;
}
