/* Statements: what is read is exactly what is written. The octets are tried as the text, and as the certificate and
 * the signature of one that is right. */
#include <stdlib.h>

#include "ca-core/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ca_statement s;
	struct error err = ERR_INIT;
	auto_buf again = BUF_INIT;
	struct bytes in = BYTES(data, size);
	if (ca_statement_verify(bytes_of("text"), in, BYTES(data, size < 72 ? size : 72), &err) == 0)
		abort(); /* nobody signs by chance */
	if (ca_statement_read(in, &s, &err)) {
		if (err.code != ERR_APPROVAL_MISMATCH)
			abort();
		return 0;
	}
	if (ca_statement_write(&s, &again, &err) || !bytes_equal(buf_bytes(&again), in))
		abort();
	return 0;
}
