#include "base/ossl.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

int(err_openssl)(struct error *err, enum err_code code, const char *fmt, ...)
{
	const char *data = NULL;
	int flags = 0;
	unsigned long oldest = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
	const char *reason = oldest ? ERR_reason_error_string(oldest) : NULL;
	char detail[256];
	(void)snprintf(detail, sizeof(detail), "%s%s%s", reason ? reason : "OpenSSL gave no reason",
		       (flags & ERR_TXT_STRING) && *data ? ", " : "", (flags & ERR_TXT_STRING) ? data : "");
	ERR_clear_error();

	char message[sizeof(err->message)];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	return err_set(err, code, "%s: %s", message, detail);
}

void sha256(const void *data, size_t len, unsigned char out[32])
{
	if (EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* no memory for a hash context: nothing after this could be trusted */
}
