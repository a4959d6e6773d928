#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "tools/keys.h"

#define P12_PASSWORD_OCTETS 16
#define P12_ITERATIONS 100000

CLEANUP_POINTER(pkcs12, PKCS12, PKCS12_free)
#define auto_pkcs12 CLEANUP(pkcs12_cleanup) PKCS12

static int join(const struct key_folder *folder, const char *name, const char *ending, struct buf *path,
		struct error *err)
{
	buf_clear(path);
	buf_printf(path, "%s/%s%s", folder->path, name, ending);
	(void)buf_text(path);
	return path->failed ? err_set(err, ERR_INTERNAL, "no memory for a path") : 0;
}

static int refuse_existing(const struct key_folder *folder, const char *name, const char *ending, struct error *err)
{
	auto_buf path = BUF_INIT;
	if (join(folder, name, ending, &path, err))
		return -1;
	if (file_exists(buf_text(&path)))
		return err_set(err, ERR_CONFLICT, "%s is there already: name another folder with --out, or add --force",
			       buf_text(&path));
	return 0;
}

int key_folder_prepare(const struct key_folder *folder, struct error *err)
{
	if (file_make_dir(folder->path, 0700, err))
		return -1;
	if (access(folder->path, W_OK | X_OK))
		return err_errno(err, ERR_IO, "cannot write into %s", folder->path);
	if (folder->force)
		return 0;
	static const char *const names[] = { "key.pem", "cert.pem", "chain.pem", "fullchain.pem" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (refuse_existing(folder, names[i], "", err))
			return -1;
	return folder->p12 ? refuse_existing(folder, folder->p12, ".p12", err) : 0;
}

static int write_file(const struct key_folder *folder, const char *name, const char *ending, struct bytes content,
		      mode_t mode, struct error *err)
{
	auto_buf path = BUF_INIT;
	if (join(folder, name, ending, &path, err))
		return -1;
	return folder->force ? file_replace(buf_text(&path), content, mode, err)
			     : file_create(buf_text(&path), content, mode, err);
}

static STACK_OF(X509) * read_chain(struct bytes pem, X509 **leaf, struct error *err)
{
	auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	STACK_OF(X509) *others = bio ? sk_X509_new_null() : NULL;
	*leaf = others ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	X509 *next;
	while (*leaf && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(others, next) <= 0)
			X509_free(next);
	ERR_clear_error(); /* the end of the text counts as one */
	if (!*leaf) {
		(void)err_set(err, ERR_INTEGRITY, "the answer holds no certificate");
		sk_X509_free(others);
		return NULL;
	}
	return others;
}

static int write_p12(const struct key_folder *folder, EVP_PKEY *key, struct bytes chain, struct error *err)
{
	auto_secret *password = secret_random(P12_PASSWORD_OCTETS, err);
	auto_x509 *leaf = NULL;
	STACK_OF(X509) *others = password ? read_chain(chain, &leaf, err) : NULL;
	if (!others)
		return -1;
	auto_pkcs12 *p12 = PKCS12_create((const char *)secret_bytes(password).data, folder->p12, key, leaf, others,
					 NID_aes_256_cbc, NID_aes_256_cbc, P12_ITERATIONS, P12_ITERATIONS, 0);
	sk_X509_pop_free(others, X509_free);
	unsigned char *der = NULL;
	int length = p12 ? i2d_PKCS12(p12, &der) : -1;
	if (length < 0)
		return err_openssl(err, ERR_INTERNAL, "cannot make the PKCS#12 file");
	auto_secret_buf line = BUF_INIT;
	buf_add_bytes(&line, secret_bytes(password));
	buf_u8(&line, '\n');
	int failed = write_file(folder, folder->p12_password, "", buf_bytes(&line), 0600, err) ||
		     write_file(folder, folder->p12, ".p12", BYTES(der, (size_t)length), 0600, err);
	OPENSSL_free(der);
	return failed ? -1 : 0;
}

/* The end of the first PEM block: where the chain behind the leaf begins. */
static size_t leaf_length(struct bytes chain)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	const uint8_t *found = memmem(chain.data, chain.len, end, sizeof(end) - 1);
	return found ? (size_t)(found - chain.data) + sizeof(end) - 1 : chain.len;
}

int key_folder_write(const struct key_folder *folder, EVP_PKEY *key, struct bytes chain, struct error *err)
{
	auto_secret_buf pem = BUF_INIT;
	if (key && (key_pem(key, &pem, err) || write_file(folder, "key.pem", "", buf_bytes(&pem), 0600, err)))
		return -1;
	if (key && folder->p12 && write_p12(folder, key, chain, err))
		return -1;
	size_t leaf = leaf_length(chain);
	if (folder->fullchain_only)
		return write_file(folder, "cert.pem", "", chain, 0644, err);
	return write_file(folder, "cert.pem", "", BYTES(chain.data, leaf), 0644, err) ||
			       write_file(folder, "chain.pem", "", BYTES(chain.data + leaf, chain.len - leaf), 0644,
					  err) ||
			       write_file(folder, "fullchain.pem", "", chain, 0644, err)
		       ? -1
		       : 0;
}

int key_folder_write_request(const struct key_folder *folder, EVP_PKEY *key, struct bytes csr, const char **name,
			     struct error *err)
{
	auto_secret_buf pem = BUF_INIT;
	auto_buf request = BUF_INIT;
	auto_free char *key_path = file_join(folder->path, "key.pem");
	*name = key_path && file_exists(key_path) ? "new-key.pem" : "key.pem";
	text_add_pem(&request, "CERTIFICATE REQUEST", csr);
	if (key && (key_pem(key, &pem, err) || write_file(folder, *name, "", buf_bytes(&pem), 0600, err)))
		return -1;
	return write_file(folder, "request.csr", "", buf_bytes(&request), 0644, err);
}
