/*
 * ca-core/csr_private.h - shared by csr*.c alone.
 */
#ifndef CHANCERY_CA_CSR_PRIVATE_H
#define CHANCERY_CA_CSR_PRIVATE_H

#include "base/der.h"
#include "ca-core/csr.h"

/* ERR_BAD_CSR with what is wrong. Returns -1. */
int csr_malformed(struct error *err, const char *what);

/* Notes what will not be copied, as far as there is room. */
void csr_not_copied(struct ca_csr *csr, const char *kind, const char *name, struct bytes value);

/* The subject: finds the last common name, lists everything else. (csr_subject.c) */
int csr_read_subject(struct ca_csr *csr, struct error *err);

/* The attributes: the requested extensions and what is listed. (csr_attributes.c) */
int csr_read_attributes(struct ca_csr *csr, struct bytes attributes, size_t max_names, struct error *err);

/* The AlgorithmIdentifier of the signature, held against the key. (csr_verify.c) */
int csr_read_algorithm(struct ca_csr *csr, struct bytes algorithm, struct error *err);

#endif
