/*
 * base/ossl.h - OpenSSL's objects in our ownership and error idioms.
 */
#ifndef CHANCERY_BASE_OSSL_H
#define CHANCERY_BASE_OSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/err.h"

CLEANUP_POINTER(evp_pkey, EVP_PKEY, EVP_PKEY_free)
CLEANUP_POINTER(evp_pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_POINTER(evp_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_POINTER(x509, X509, X509_free)
CLEANUP_POINTER(x509_crl, X509_CRL, X509_CRL_free)
CLEANUP_POINTER(bio, BIO, BIO_free_all)
CLEANUP_POINTER(bignum, BIGNUM, BN_free)

#define auto_evp_pkey CLEANUP(evp_pkey_cleanup) EVP_PKEY /* auto_evp_pkey *key = NULL; */
#define auto_evp_pkey_ctx CLEANUP(evp_pkey_ctx_cleanup) EVP_PKEY_CTX
#define auto_evp_md_ctx CLEANUP(evp_md_ctx_cleanup) EVP_MD_CTX
#define auto_x509 CLEANUP(x509_cleanup) X509
#define auto_x509_crl CLEANUP(x509_crl_cleanup) X509_CRL
#define auto_bio CLEANUP(bio_cleanup) BIO
#define auto_bignum CLEANUP(bignum_cleanup) BIGNUM

/* As err_set, with the oldest error of OpenSSL's queue of this thread at the end; the
 * queue is emptied. Returns -1. */
int err_openssl(struct error *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
#define err_openssl(...) ((void)(err_openssl)(__VA_ARGS__), -1)
#endif

/* SHA-256 of bytes into out[32]. */
void sha256(const void *data, size_t len, unsigned char out[32]);

#endif
