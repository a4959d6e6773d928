/* PKCS#11 URIs: what is read is written in one form, and read again as the same. */
#include <stdlib.h>

#include "hsm/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hsm_uri first, second;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, once = BUF_INIT, twice = BUF_INIT;
	buf_add(&text, data, size);
	if (hsm_uri_parse(buf_text(&text), &first, &err))
		return 0;
	hsm_uri_format(&first, &once);
	/* Encoding may take it past the length that is read; nothing else may be refused. */
	if (once.len > HSM_URI_MAX)
		return 0;
	if (hsm_uri_parse(buf_text(&once), &second, &err))
		abort();
	hsm_uri_format(&second, &twice);
	if (!bytes_equal(buf_bytes(&once), buf_bytes(&twice)))
		abort();
	return 0;
}
