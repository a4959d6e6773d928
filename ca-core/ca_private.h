/*
 * ca-core/ca_private.h - what the deciding parts share: struct ca opened up. Private to
 * the deciding files of ca-core.
 *
 * What never changes after ca_open stands without a lock. What does names its lock, or is
 * atomic: a token that comes late publishes its issuers' signers by an atomic store, and they
 * stay until ca_close.
 */
#ifndef CHANCERY_CA_PRIVATE_H
#define CHANCERY_CA_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ca-core/ca.h"
#include "store/record.h"

#define CA_AUDIT_CHAIN "audit"

/* Facts that STORE_META keeps, by key. */
#define CA_META_RESTORE "restore"                     /* how far a restore has come: ca-core/restore.c */
#define CA_META_ISSUER "issuer/"                      /* + name: DER of its certificate */
#define CA_META_AUDIT_CERTIFICATE "audit/certificate" /* DER of the audit key's certificate */

struct ca_module {
	char path[256];
	struct hsm_module *module; /* NULL until it could be loaded */
	bool said;                 /* as of a token */
};

struct ca_token {
	const struct ca_config_token *config;
	const struct secret *pin; /* borrowed; NULL: not ours to log in to */
	struct ca_module *module;
	_Atomic(struct hsm_token *) token; /* NULL until it could be opened */
	_Atomic bool pin_refused;          /* never tried again */
	bool said;                         /* that it is away, in the log: once, not at each try */
};

struct ca_issuer {
	const struct ca_config_issuer *config;
	struct ca_token *token;
	struct ca_issuer_info info; /* filled where certified */
	bool certified;             /* its certificate is in the store */
	struct hsm_key *key;
	bool said;                           /* that the key is away, as of a token */
	_Atomic(struct hsm_signer *) signer; /* NULL until its token is there */

	pthread_mutex_t crl_lock; /* one list at a time is made of an issuer */
	_Atomic uint64_t crl_number;
	_Atomic int64_t crl_next_update_s, crl_took_ms;
};

struct ca_audit_key {
	struct ca_token *token;
	struct buf certificate; /* DER; empty where heads are not signed */
	bool said;              /* as of a token */
	struct hsm_key *key;
	_Atomic(struct hsm_signer *) signer;
};

/* A store that was put back from a backup, until the operator confirms it: ca-core/restore.h. */
struct ca_restored {
	_Atomic bool waits;
	int64_t backup_s; /* time of the backup's newest audit entry */
	uint64_t last_sequence;
};

/* What /metrics shows, counted since start. */
struct ca_counters {
	_Atomic uint64_t issued[CA_CONFIG_PROFILES_MAX]; /* by profile's place in the configuration */
	_Atomic uint64_t refused[ERR_CODE_COUNT];
	_Atomic uint64_t again, unfinished, revoked, crls, crl_ms, heads;
};

struct ca {
	const struct ca_config *config; /* borrowed */
	struct store *store;            /* borrowed */
	struct clock clock;
	char *published;    /* NULL: publish nothing */
	char root_hash[65]; /* SHA-256 of the root's certificate, hex; "" before there is one */

	struct hsm_provider *provider;
	struct ca_module modules[CA_CONFIG_TOKENS_MAX];
	size_t module_count;
	struct ca_token tokens[CA_CONFIG_TOKENS_MAX];
	size_t token_count;
	struct ca_issuer issuers[CA_CONFIG_ISSUERS_MAX];
	size_t issuer_count;
	struct ca_audit_key audit;
	struct ca_restored restored;

	_Atomic int64_t last_entry_ms;  /* time of the newest audit entry: the clock must not be behind it */
	pthread_mutex_t head_lock;      /* one head at a time is signed */
	_Atomic uint64_t head_sequence; /* of the last signed head */
	_Atomic int64_t head_ms;
	struct ca_counters counters;

	/* Told when an identity's sessions end; set once before requests come. */
	void (*on_sessions_end)(void *arg, const char *identity);
	void *on_sessions_end_arg;
	/* Told when an issuer's list has become old; set once before requests come. */
	void (*on_crl_due)(void *arg, struct ca_issuer *issuer);
	void *on_crl_due_arg;
};

static inline int64_t ca_now_ms(struct ca *ca)
{
	return clock_now_ms(&ca->clock);
}

/* By name; NULL where the configuration has none. */
struct ca_issuer *ca_issuer_find(struct ca *ca, struct bytes name);
/* The issuer whose subject stands in a certificate's issuer field; NULL where it is not ours. */
struct ca_issuer *ca_issuer_of(struct ca *ca, struct bytes issuer_field);
/* Fills info from the certificate and marks the issuer as certified. */
int ca_issuer_certify(struct ca *ca, struct ca_issuer *issuer, struct bytes certificate, struct error *err);

/* Opens what could not be opened so far: modules, tokens, keys. True where all that is configured and
 * has a PIN is there. Called by one thread at a time. */
bool ca_attach(struct ca *ca);
/* The issuer's signer, or ERR_TOKEN_UNAVAILABLE saying why there is none. */
struct hsm_signer *ca_issuer_signer(struct ca_issuer *issuer, struct error *err);
/* Finds (or with generate makes) the key of an RFC 7512 URI in a token. ERR_NOT_FOUND. */
struct hsm_key *ca_key_in_token(struct ca_token *token, const char *uri, bool generate, enum hsm_key_type type,
				struct error *err);

/* A record of STORE_META: 1 found (appended to out), 0 none, -1 error. */
int ca_meta_get(struct ca *ca, const char *key, struct buf *out, struct error *err);

/* ERR_BUSY where the clock is behind the newest audit entry: nothing is issued then. */
int ca_clock_check(struct ca *ca, int64_t now_ms, struct error *err);

/* Our own acts: "ca", every role, no peer. */
struct ca_actor ca_actor_self(void);

#endif
