/* Public keys: what is accepted is a key for OpenSSL too, and writes out as the same bytes. */
#include <stdlib.h>

#include "base/ossl.h"
#include "ca-core/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ca_key key;
	struct error err = ERR_INIT;
	char text[32];
	if (ca_key_parse(BYTES(data, size), &key, &err)) {
		require(err.code == ERR_BAD_CSR || err.code == ERR_WEAK_KEY);
		return 0;
	}
	auto_evp_pkey *pkey = ca_key_evp(NULL, &key, &err);
	/* Ed25519: any 32 octets are a key until someone verifies with it. */
	require(pkey != NULL);
	uint8_t *again = NULL;
	int len = i2d_PUBKEY(pkey, &again);
	require(len >= 0 && bytes_equal(BYTES(again, len), BYTES(data, size)));
	OPENSSL_free(again);
	(void)ca_key_describe(&key, text);
	if (ca_key_check_made_well(&key, &err))
		require(err.code == ERR_WEAK_KEY);
	return 0;
}
