/*
 * ca-core/import_private.h - one import on its way: what its steps hand on to each other. Private to import*.c.
 */
#ifndef CHANCERY_CA_IMPORT_PRIVATE_H
#define CHANCERY_CA_IMPORT_PRIVATE_H

#include "ca-core/crl.h"
#include "ca-core/import.h"
#include "ca-core/lint.h"

enum import_role {
	IMPORT_LEFT,  /* not of this CA: why */
	IMPORT_THERE, /* already */
	IMPORT_ROOT,  /* the certificate of a root of the configuration that had none */
	IMPORT_INTERMEDIATE,
	IMPORT_CROSS, /* a further certificate for an issuer's key */
	IMPORT_LIST,
};

struct import_part {
	uint8_t kind; /* enum message_import_kind */
	char name[65];
	struct bytes der; /* borrowed */
	enum import_role role;
	const char *why;
	struct ca_issuer *issuer;          /* whose certificate or list it is; NULL where it is left */
	struct ca_issuer *signer;          /* who signed the certificate; a root itself */
	struct ca_certificate_facts facts; /* of a certificate */
	struct ca_key key;
	const struct ca_profile *profile; /* that it was held against; NULL: none, or not yet */
	struct ca_issuer_info info;       /* of a root and an intermediate; owned until it is taken into use */
	struct hsm_key *keys[CA_CONFIG_SEATS_MAX];
	struct hsm_signer *signers[CA_CONFIG_SEATS_MAX]; /* by the issuer's seats; owned likewise */
	struct ca_crl_arrival list;
	bool locked; /* its issuer's crl_lock is held */
};

struct import {
	struct ca *ca;
	const struct ca_actor *actor;
	const struct message_import *in;
	struct store_snapshot *snap;
	struct store_batch *batch;
	size_t count;
	struct import_part parts[MESSAGE_IMPORTS_MAX];
};

/* Of an issuer that has a certificate, or gets one by this import; NULL: neither. */
const struct ca_issuer_info *import_info(const struct import *x, const struct ca_issuer *issuer);
/* err_set with "NAME: " before it. ERR_INTEGRITY. */
int import_wrong(const struct import_part *p, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of what err says already. */
int import_because(const struct import_part *p, struct error *err);

/* Whether the issuer's cross-certificates hold this one: 1, 0, -1; version: of their record, 0 for none. certificates
 * gets all of them, borrowed from the snapshot. */
int import_has_cross(struct store_snapshot *snap, const struct ca_issuer *issuer, struct bytes der,
		     struct bytes *certificates, uint64_t *version, struct error *err);

/* The key of one of the issuer's places: the caller's. NULL: ERR_TOKEN_UNAVAILABLE, ERR_NOT_FOUND. */
struct hsm_key *import_seat_key(const struct ca_issuer *issuer, size_t seat, struct error *err);

/* Linted with the configuration's profile, and held against what its leaves need of it. (import_lint.c) */
int import_lint(const struct import *x, struct import_part *p, struct error *err);

/* Each item's role, issuer and signer. (import_sort.c) */
int import_sort(struct import *x, struct error *err);
/* Each part that is to come in, held against every rule; readies keys and lists. (import_check.c) */
int import_check(struct import *x, struct error *err);

#endif
