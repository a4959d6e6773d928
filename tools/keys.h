/*
 * tools/keys.h - keys that the tool makes for people: generated here, never sent; their
 * requests, and the files that they end up in.
 */
#ifndef CHANCERY_TOOLS_KEYS_H
#define CHANCERY_TOOLS_KEYS_H

#include <sys/types.h>

#include "base/bytes.h"
#include "base/ossl.h"
#include "ca-core/name.h"

/* "p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519". ERR_USAGE for another. */
EVP_PKEY *key_generate(const char *type, struct error *err);
/* A PEM file; where it is encrypted its passphrase is asked for on the terminal. ERR_NOT_FOUND, ERR_BAD_REQUEST. */
EVP_PKEY *key_read(const char *path, struct error *err);
/* PKCS#8 PEM, appended; out should be an auto_secret_buf. */
int key_pem(EVP_PKEY *key, struct buf *out, struct error *err);
/* DER SubjectPublicKeyInfo, appended. */
int key_spki(EVP_PKEY *key, struct buf *out, struct error *err);

/* A PKCS#10 request (RFC 2986) as DER, appended: subject CN (or none), the names as subjectAltName. */
int key_request(EVP_PKEY *key, const char *common_name, const struct ca_names *names, struct buf *out,
		struct error *err);

/* What a person typed after --name: an address, a mail address, a URI, else a DNS name. */
int name_of(const char *text, struct ca_name *out, struct error *err);

/* The first certificate of PEM text. ERR_BAD_REQUEST. */
X509 *certificate_read(struct bytes pem, struct error *err);
/* Serial number as the interface writes it: lower-case hex of the DER content octets, appended. */
int certificate_serial(const X509 *certificate, struct buf *out, struct error *err);
/* Subject CN (appended; nothing where there is none) and the names of the subjectAltName. */
int certificate_names(const X509 *certificate, struct buf *common_name, struct ca_names *names, struct error *err);

/* Where an issued certificate goes. */
struct key_folder {
	const char *path;
	bool force;               /* overwrite */
	bool fullchain_only;      /* identities: cert.pem is the chain, leaf first, and nothing else */
	const char *p12;          /* name of a PKCS#12 file without its ending, or NULL */
	const char *p12_password; /* name of the file for its password */
};
/* Makes the folder (0700) and sees that nothing would be overwritten. ERR_CONFLICT, ERR_IO. */
int key_folder_prepare(const struct key_folder *folder, struct error *err);
/* Of a request that became an order: writes request.csr (PEM, of the DER given), and the key (0600; not where it is
 * NULL) to key.pem, or, where the folder has another one still in use, to new-key.pem. *name says which. */
int key_folder_write_request(const struct key_folder *folder, EVP_PKEY *key, struct bytes csr, const char **name,
			     struct error *err);
/* Writes key.pem (0600; not where key is NULL), cert.pem, chain.pem, fullchain.pem, and the PKCS#12 file (0600)
 * with a random password in a file beside it (0600). chain: PEM, leaf first. */
int key_folder_write(const struct key_folder *folder, EVP_PKEY *key, struct bytes chain, struct error *err);

#endif
