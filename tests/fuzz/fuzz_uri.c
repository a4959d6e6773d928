/* PKCS#11 URIs: what is read is written in one form, and read again as the same. */
#include <stdlib.h>

#include "hsm/uri.h"

/* The query, where there is one: a value that was read is written so that it reads the same. */
static void split(const char *text)
{
	struct hsm_uri_query first, second;
	struct error err = ERR_INIT;
	char path[HSM_URI_MAX + 1];
	auto_buf again = BUF_INIT;
	if (hsm_uri_split(text, path, &first, &err) || !first.pin_source[0])
		return;
	buf_add_text(&again, "?pin-source=");
	hsm_uri_add_query_value(&again, first.pin_source);
	if (again.len > HSM_URI_MAX)
		return;
	if (hsm_uri_split(buf_text(&again), path, &second, &err) || strcmp(first.pin_source, second.pin_source) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hsm_uri first, second;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, once = BUF_INIT, twice = BUF_INIT;
	buf_add(&text, data, size);
	split(buf_text(&text));
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
