/*
 * httpd/published.h - the files below published/, which mirror the URL paths: CA certificates,
 * CRLs, the audit head. The signer renames them into place; they are served whether or not it runs.
 *
 * Thread-safety: every function but published_new and published_free may be called from any thread.
 */
#ifndef CHANCERY_HTTPD_PUBLISHED_H
#define CHANCERY_HTTPD_PUBLISHED_H

#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"

struct published;

struct published *published_new(struct error *err); /* ERR_INTERNAL */
void published_free(struct published *p);

/* What is known of a file's present content. */
struct published_facts {
	char etag[67];      /* quoted SHA-256, hex */
	int64_t modified_s; /* thisUpdate of a CRL in DER, else the file's time */
	int64_t next_s;     /* nextUpdate of a CRL in DER; 0 elsewhere */
	uint64_t size;
};

/* Opens "ca/root-1.pem" (below published/, checked segments) and says what is in it; what was found
 * out is kept by inode, size and time. The caller closes *fd. ERR_NOT_FOUND, ERR_IO. */
int published_open(struct published *p, const char *name, int *fd, struct published_facts *facts, struct error *err);

/* The chain of an issuer, without the root, appended to out: of published/ca/ISSUER/chain.pem,
 * kept in memory while it does not change. ERR_INTERNAL, ERR_IO. */
int published_chain(struct published *p, struct bytes issuer, struct buf *out, struct error *err);

#endif
