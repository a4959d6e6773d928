#include "tools/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>

int trust_add_pem(STACK_OF(X509) * list, struct bytes pem)
{
	auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *certificate;
	int count = 0;
	while (bio && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_push(list, certificate) > 0)
			count++;
		else
			X509_free(certificate);
	}
	ERR_clear_error(); /* the end of the text counts as one */
	return count;
}

void trust_hash(const X509 *certificate, uint8_t out[32])
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	sha256(der, length > 0 ? (size_t)length : 0, out);
	OPENSSL_free(der);
}

X509 *trust_root_of(const STACK_OF(X509) * trusted, X509 *certificate, STACK_OF(X509) * others, int64_t time_s,
		    const char *what, struct error *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	X509 *root = NULL;
	for (int i = 0; store && i < sk_X509_num(trusted); i++)
		(void)X509_STORE_add_cert(store, sk_X509_value(trusted, i));
	if (store && context && X509_STORE_CTX_init(context, store, certificate, others) == 1) {
		X509_STORE_CTX_set_time(context, 0, (time_t)time_s);
		if (X509_verify_cert(context) == 1) {
			STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
			root = sk_X509_value(chain, sk_X509_num(chain) - 1);
			(void)X509_up_ref(root);
		} else {
			(void)err_set(err, ERR_INTEGRITY, "%s hangs from no trusted root: %s", what,
				      X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
		}
	} else {
		(void)err_openssl(err, ERR_INTERNAL, "no memory to check %s", what);
	}
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return root;
}
