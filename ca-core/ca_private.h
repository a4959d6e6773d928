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
#define CA_META_RESTORED "restored"                   /* when the last one was confirmed: eight octets, ms */
#define CA_META_ISSUER "issuer/"                      /* + name: DER of its certificate */
#define CA_META_ROOT "root"                           /* name of the root by whose hash this CA is known */
#define CA_META_AUDIT_CERTIFICATE "audit/certificate" /* DER of the audit key's certificate */
#define CA_META_PIN_REFUSED "pin-refused/"            /* + token: the mark of the PIN that it refused last: ca_pin.c */

struct ca_module {
	char path[256];
	pthread_mutex_t lock;      /* guards the rest: tokens of one module are opened one after the other */
	struct hsm_module *module; /* NULL until it could be loaded */
	bool said;                 /* as of a token */
};

struct ca_token {
	struct ca *ca;
	const struct ca_config_token *config;
	bool ours; /* there is a PIN: the running CA logs in to it */
	struct ca_module *module;
	_Atomic(struct hsm_token *) token; /* NULL until it could be opened */
	_Atomic bool looks_again;          /* an issuer got its certificate since its keys were looked for */
	_Atomic bool pin_refused;          /* when it was to be opened; not tried again until there is another PIN */
	pthread_mutex_t lock;              /* guards the rest */
	struct secret *pin;                /* NULL: not ours to log in to */
	bool asked;                        /* a person asked for another try of this PIN, which was not made yet */
	bool looked_up;                    /* this PIN is not known to have been refused */
	bool said;                         /* that it is away, in the log: once, not at each try */
	char why[160];                     /* it could not be opened, the last time */
	_Atomic uint64_t refusals;         /* of the PIN, when it was to be opened */
	int64_t missing_ms; /* since when its module does not show it, CLOCK_MONOTONIC; 0: who attaches it alone knows */
};

/* A place where an issuer's key is: most have one, some a token for each of several copies. */
struct ca_seat {
	struct ca_token *token;
	struct hsm_key *key;                 /* set before signer */
	bool said;                           /* that the key is away, as of a token */
	_Atomic(struct hsm_signer *) signer; /* NULL until its token is there */
};

struct ca_issuer {
	const struct ca_config_issuer *config;
	struct ca_seat seats[CA_CONFIG_SEATS_MAX]; /* that of `token` first, then the alternatives */
	size_t seat_count;                         /* 0: its key is not ours */
	struct ca_issuer_info info;                /* filled where certified, never changed afterwards */
	_Atomic bool certified;                    /* its certificate is in the store */
	struct ca_issuer *follower;                /* who takes over what it signs; NULL: nobody */
	_Atomic bool takes_over;                   /* it signs for those that it follows: certified, and published */

	pthread_mutex_t crl_lock; /* one list at a time is made of an issuer */
	_Atomic uint64_t crl_number;
	_Atomic int64_t crl_this_update_s, crl_next_update_s, crl_took_ms;
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
	_Atomic int64_t confirmed_ms; /* of the last restore; 0: none. What is older stands as the backup has it */
};

/* What /metrics shows, counted since start. */
struct ca_counters {
	_Atomic uint64_t issued[CA_CONFIG_PROFILES_MAX]; /* by profile's place in the configuration */
	_Atomic uint64_t refused[ERR_CODE_COUNT];
	_Atomic uint64_t again, unfinished, revoked, crls, crl_ms, heads;
};

struct ca_orders; /* checks and deliveries that are under way: ca-core/order_due.c */

struct ca {
	const struct ca_config *config; /* borrowed */
	struct store *store;            /* borrowed */
	struct clock clock;
	char *published;    /* NULL: publish nothing */
	char root_hash[65]; /* SHA-256 of the first root's certificate, hex; "" before there is one */

	struct hsm_provider *provider;
	struct ca_module modules[CA_CONFIG_TOKENS_MAX];
	size_t module_count;
	struct ca_token tokens[CA_CONFIG_TOKENS_MAX];
	size_t token_count;
	struct ca_issuer issuers[CA_CONFIG_ISSUERS_MAX];
	size_t issuer_count;
	struct ca_audit_key audit;
	struct ca_restored restored;
	pthread_mutex_t import_lock; /* one import at a time */
	struct ca_orders *orders;

	_Atomic int64_t last_entry_ms;  /* time of the newest audit entry: the clock must not be behind it */
	pthread_mutex_t head_lock;      /* one head at a time is signed */
	_Atomic uint64_t head_sequence; /* of the last signed head */
	_Atomic int64_t head_ms;
	struct ca_counters counters;

	pthread_mutex_t later_lock; /* for later */
	pthread_cond_t later_done;
	unsigned later; /* batches that nobody waits for, whose callbacks come: ca_close does */

	/* Told when an identity's sessions end; set once before requests come. */
	void (*on_sessions_end)(void *arg, const char *identity);
	void *on_sessions_end_arg;
	/* Told when an issuer's list has become old; set once before requests come. */
	void (*on_crl_due)(void *arg, struct ca_issuer *issuer);
	void *on_crl_due_arg;
	/* Told when a token's state changes, or a call to it failed; must not block. Set once before ca_attach:
	 * who sets it cares for the tokens (hsm/token.h). */
	void (*on_token_changed)(void *arg);
	void *on_token_changed_arg;
	/* Told when an order or a delivery has become due at once; must not block. Set once before requests come. */
	void (*on_order_due)(void *arg);
	void *on_order_due_arg;
	/* Takes over the signing of a ready, claimed order (ca-core/order_issue.h), so that a token that does not answer
	 * holds nobody else up; false: not now. NULL: it is signed where it is found. */
	bool (*on_order_ready)(void *arg, struct bytes id, struct ca_issuer *issuer);
	void *on_order_ready_arg;
};

static inline int64_t ca_now_ms(struct ca *ca)
{
	return clock_now_ms(&ca->clock);
}

/* By name; NULL where the configuration has none. */
struct ca_issuer *ca_issuer_find(struct ca *ca, struct bytes name);
/* The issuer whose subject stands in a certificate's issuer field; NULL where it is not ours. */
struct ca_issuer *ca_issuer_of(struct ca *ca, struct bytes issuer_field);
/* Who signs now for profiles that name this issuer: itself, or the last of those that follow it and have taken over.
 * NULL for NULL. */
static inline struct ca_issuer *ca_issuer_current(struct ca_issuer *issuer)
{
	for (struct ca_issuer *next = issuer ? issuer->follower : NULL; next; next = next->follower)
		if (atomic_load_explicit(&next->takes_over, memory_order_acquire))
			issuer = next;
	return issuer;
}
/* Who signs under the profile now; NULL where it names no issuer of the configuration. */
struct ca_issuer *ca_issuer_for(struct ca *ca, const struct ca_profile *profile);
/* Fills info from the certificate and marks the issuer as certified, at the start or by founding; it takes over at
 * once. */
int ca_issuer_certify(struct ca *ca, struct ca_issuer *issuer, struct bytes certificate, struct error *err);
/* From here on the CA is known by the hash of this root's certificate. */
void ca_issuer_is_root(struct ca *ca, const struct ca_issuer *issuer);

/* ---- ca_token.c ---- */

/* By name; NULL where the configuration has none. */
struct ca_token *ca_token_find(struct ca *ca, struct bytes name);
/* Opens what could not be opened so far of this token: its module, itself, the keys in it, each held against
 * its certificate's. True where all of it is there. Called by one thread at a time for each token; waits as long
 * as the module does. */
bool ca_attach_token(struct ca *ca, struct ca_token *t);
/* The same for all of them. */
bool ca_attach(struct ca *ca);
/* How it is, for people: "up", ..., and "offline" where it is not ours. Never waits for it. */
const char *ca_token_state(struct ca_token *t);
/* What it counted since it was opened; why it could not be. Never waits for it. */
void ca_token_facts(struct ca_token *t, struct hsm_token_facts *out);
/* Another PIN, or the same once more, because a person asks for it. ERR_CONFLICT where the token is not ours. */
int ca_token_set_pin(struct ca_token *t, const struct secret *pin, struct error *err);
/* After a look at an open token: where it is up with the PIN that a person asked to try, that PIN was not refused
 * for good. */
void ca_token_settle_pin(struct ca_token *t);

/* Whether the running CA signs for this issuer. */
bool ca_issuer_is_ours(const struct ca_issuer *issuer);
/* How well it can be signed there now: 2 the token is up, 1 degraded, 0 not at all. Never waits. */
int ca_seat_rank(const struct ca_seat *seat);
/* Whether it can be signed in any of the issuer's places now. Never waits. */
bool ca_issuer_can_sign(const struct ca_issuer *issuer);
/* The best of the issuer's places, among equals the least busy: its signer. NULL: ERR_TOKEN_UNAVAILABLE saying why
 * there is none. */
struct hsm_signer *ca_issuer_signer(struct ca_issuer *issuer, struct error *err);
/* The signer in this token, for a thread that may be held by a call into no other; token NULL: by no call at all,
 * and then there is none. */
struct hsm_signer *ca_issuer_signer_in(struct ca_issuer *issuer, const struct ca_token *token, struct error *err);

/* ---- ca_pin.c: refused PINs, so that none is tried twice, not even by another process ---- */

/* 1: the token refused this PIN at some time before; 0: not as far as is known; -1. Takes a tenth of a second
 * where there is a refusal to compare with. Source: DESIGN section 5. */
int ca_pin_was_refused(struct ca *ca, const char *token, const struct secret *pin, struct error *err);
/* Writes it down, durably, with its audit entry. */
int ca_pin_record_refusal(struct ca *ca, const char *token, const struct secret *pin, struct error *err);
/* The token has accepted the PIN: where a refusal is recorded it goes, with an audit entry of its own. */
int ca_pin_forget_refusal(struct ca *ca, const char *token, struct error *err);

/* ca_issue by a thread that signs in one token alone (or NULL: in none; then all that needs no signature is answered
 * as ever). ERR_TOKEN_UNAVAILABLE: what is left is to sign it, in that token or elsewhere. */
int ca_issue_at(struct ca *ca, const struct ca_token *token, const struct ca_actor *actor,
		const struct message_issue *request, ca_issue_done *done, void *arg, struct error *err);

/* Finds (or with generate makes) the key of an RFC 7512 URI in a token. ERR_NOT_FOUND. */
struct hsm_key *ca_key_in_token(struct ca_token *token, const char *uri, bool generate, enum hsm_key_type type,
				struct error *err);

/* A record of STORE_META: 1 found (appended to out), 0 none, -1 error. */
/* Around the submission of a batch that nobody waits for, with the CA as its callback's argument. Any thread. */
void ca_later_begin(struct ca *ca);
void ca_later_end(struct ca *ca);
int ca_meta_get(struct ca *ca, const char *key, struct buf *out, struct error *err);

/* ERR_BUSY where the clock is behind the newest audit entry: nothing is issued then. */
int ca_clock_check(struct ca *ca, int64_t now_ms, struct error *err);

/* Our own acts: "ca", every role, no peer. */
struct ca_actor ca_actor_self(void);

#endif
