/*
 * ca-core/issuance.h - one certificate on its way: what the steps of the line hand on to each
 * other. Private to the files that issue.
 *
 * issue.c decides (parse, authorize, order, policy) for what a requester asks; ca's own acts
 * (founding, enrolment, the front's certificate) fill the same struct. From tbs on there is one
 * way for all: issuance.c.
 */
#ifndef CHANCERY_CA_ISSUANCE_H
#define CHANCERY_CA_ISSUANCE_H

#include "ca-core/ca_private.h"
#include "ca-core/lint.h"

struct ca_issuance {
	struct ca *ca;
	struct ca_actor actor;
	int64_t now_ms;

	/* decided */
	const struct ca_profile *profile;
	struct ca_issuer *issuer;     /* who signs, and under whose name the record stands */
	bool self_signed;             /* the issuer's own first certificate: info is not there yet */
	bool anywhere;                /* any of the issuer's tokens signs; else: */
	const struct ca_token *token; /* this one alone, or NULL: none */
	struct hsm_signer *signer;
	struct bytes spki;     /* borrowed until the commit is submitted */
	struct ca_key key;     /* borrows from spki */
	struct ca_names names; /* owned */
	struct buf subject;    /* DER Name */
	int64_t not_before_s, not_after_s;
	char requester[65]; /* who is recorded */
	uint8_t csr_hash[32];
	bool has_csr;
	int64_t deadline_ms;      /* CLOCK_MONOTONIC; 0: none */
	struct buf request_key;   /* of STORE_REQUESTS; empty without an idempotency key */
	uint8_t fingerprint[32];  /* of what was asked, where there is a request_key */
	uint64_t request_version; /* of the record that it replaces; 0: none was there */
	struct bytes order;       /* id of the order that it was issued for, or none; borrowed */
	bool approved;            /* people approved its bytes: the audit carries the whole certificate */

	/* made */
	struct store_serial serial;
	bool serial_taken, signature_made;
	struct buf tbs, certificate;

	/* Adds what has to change together with the certificate (an identity, a fact of STORE_META);
	 * certificate and serial are there. -1 stops before anything is written. */
	int (*extend)(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err);
	void *extend_arg;

	ca_issue_done *done;
	void *arg;
};

/* All zeros but for these. NULL without memory (ERR_INTERNAL). */
struct ca_issuance *ca_issuance_new(struct ca *ca, const struct ca_actor *actor, struct error *err);
/* Gives back a serial under which nothing was signed, records one under which something was. */
void ca_issuance_free(struct ca_issuance *i);

/* The line's second half. Each returns -1 with err; the issuance then is to be freed by who called. */
/* Chooses who signs; last, so that every other refusal is told while the token is away. */
int ca_issuance_signer(struct ca_issuance *i, struct error *err);
int ca_issuance_tbs(struct ca_issuance *i, struct error *err);
int ca_issuance_lint(struct ca_issuance *i, struct error *err);
int ca_issuance_sign(struct ca_issuance *i, struct error *err); /* and verified: hsm/provider.h */
/* Submits the batch; on 0 the issuance belongs to the store's callback, which answers and frees it. */
int ca_issuance_commit(struct ca_issuance *i, struct error *err);

#define CA_IDEMPOTENCY_S ((int64_t)24 * 3600) /* how long a key is remembered: CONTRACT.md */
/* An earlier answer under the same idempotency key. The caller frees certificate. */
struct ca_earlier {
	struct buf certificate;
	char issuer[65];
	struct store_serial serial;
	uint64_t version; /* of the record under the key; 0: there is none */
};
/* 1 found, 0 none or ended (version is set in each case), -1: ERR_BAD_REQUEST where the key was used for another
 * request, ERR_ORDER_STATE where it led to an order. out is filled anew. */
int ca_issuance_earlier(struct ca *ca, struct store_snapshot *snap, struct bytes request_key,
			const uint8_t fingerprint[32], struct ca_earlier *out, struct error *err);
/* What it says, borrowed from it, with again set. */
struct message_issued ca_earlier_answer(const struct ca_earlier *earlier);

/* ---- the CA's own acts ---- */
struct ca_own_issue {
	const struct ca_actor *actor; /* for the audit */
	const char *requester;        /* recorded */
	const struct ca_profile *profile;
	struct ca_issuer *issuer;
	struct hsm_signer *self_signer; /* self-signed root; NULL else */
	const struct ca_token *token;   /* the one token that may sign; NULL: any of the issuer's */
	struct bytes spki;
	struct bytes subject;         /* DER Name */
	const struct ca_names *names; /* or NULL */
	unsigned days;
	int (*extend)(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err);
	void *extend_arg;
};
/* Issues and waits until it is durable. certificate is appended. */
int ca_issue_own(struct ca *ca, const struct ca_own_issue *in, struct buf *certificate, struct store_serial *serial,
		 struct error *err);

#endif
