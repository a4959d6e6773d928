/*
 * ca-core/ceremony_draft.h - the bytes that a step of a ceremony will sign.
 *
 * The check, the rehearsal and the run call the same functions, in the same order:
 *
 *     known = ceremony_known_new(plan, inputs)          the certificates and CSRs that are there already
 *     for each step:
 *         CEREMONY_KEY      make the key;               ceremony_known_add_key(known, step->key, spki)
 *         what signs        ceremony_fix (rehearsal) or the rehearsal's own values (run)
 *                           ceremony_draft_build, ceremony_draft_lint
 *                           run: ceremony_draft_match with the rehearsed tbs
 *                           sign draft.tbs with the key draft.signer (draft.digest_bits)
 *                           ca_certificate_assemble(draft.tbs, draft.signature_algorithm, signature)
 *         a certificate     ceremony_known_add_certificate(known, step->name, der)
 *
 * Keys that exist already have their real public keys here, from the issuer's certificate: a stand-in only signs.
 * So a rehearsed tbs differs from the real one by the keys of CEREMONY_KEY steps alone.
 *
 * at: the step's place in plan->steps. Pure. Thread-safety: every function works only on its arguments.
 * Source: RFC 5280 sections 4 and 5, RFC 4210 section 4.4, RFC 7093 section 2.
 */
#ifndef CHANCERY_CA_CEREMONY_DRAFT_H
#define CHANCERY_CA_CEREMONY_DRAFT_H

#include "ca-core/ceremony_plan.h"

/* ---- what is known so far ---- */

struct ceremony_known; /* public keys by key URI, certificates by name of step or issuer section */

/* Reads what the plan names: each issuer's certificate (its stated SHA-256, form, key, and that it may sign), each
 * CSR (its stated SHA-256, form, key strength, proof of possession). Keys of issuers are known by their URI. NULL:
 * ERR_CONFIG with the plan's line. Borrows plan, not inputs. */
struct ceremony_known *ceremony_known_new(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
					  struct error *err);
void ceremony_known_free(struct ceremony_known *known);
CLEANUP_POINTER(ceremony_known, struct ceremony_known, ceremony_known_free)
#define auto_ceremony_known CLEANUP(ceremony_known_cleanup) struct ceremony_known

/* A key that was made: spki is copied. ERR_CONFLICT where the URI, or the public key under another URI, is
 * known, or where the plan asks for another type. */
int ceremony_known_add_key(struct ceremony_known *known, const char *key, struct bytes spki, struct error *err);
struct bytes ceremony_known_key(const struct ceremony_known *known, const char *key); /* spki, borrowed; or none */

/* A step's certificate, once it is signed; der is copied. CAs become issuers. ERR_CONFLICT, ERR_CONFIG. */
int ceremony_known_add_certificate(struct ceremony_known *known, const char *name, struct bytes der, struct error *err);
struct bytes ceremony_known_certificate(const struct ceremony_known *known, const char *name); /* DER, or none */
/* What the issuer of this name signs with; NULL where it is not known, or no CA. */
const struct ca_issuer_info *ceremony_known_issuer(const struct ceremony_known *known, const char *name);

/* ---- what a rehearsal fixes ---- */

/* Of one step; what its kind does not have is zero. */
struct ceremony_fixed {
	uint8_t serial[20]; /* content octets */
	size_t serial_len;
	int64_t not_before_s, not_after_s;    /* certificate; not_after inclusive */
	int64_t this_update_s, next_update_s; /* CRL */
	uint64_t number;                      /* CRL */
};
/* Draws the serial where the plan states none (20 octets, 158 random bits; never one that the plan knows) and settles
 * every time; now_s is ceremony_plan_now's, the same for all steps of a rehearsal. The issuer has to be known. ERR_CONFIG with the line where a life is longer
 * than the profile's or ends behind the issuer's (a cross-certificate of which neither end nor days are given ends with
 * the earlier of issuer and certified). A step that signs nothing leaves *fixed zero. */
int ceremony_fix(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known, int64_t now_s,
		 struct ceremony_fixed *fixed, struct error *err);

/* ---- the draft ---- */

struct ceremony_draft {
	struct buf tbs;                 /* TBSCertificate or TBSCertList, whole */
	struct buf signature_algorithm; /* DER AlgorithmIdentifier, as inside tbs */
	const char *signer;             /* URI of the key that signs; borrowed from the plan */
	struct bytes signer_spki;       /* its public half; borrowed from known */
	unsigned digest_bits;           /* of the signature: 256, 384, 512; 0 for Ed25519 */
};
void ceremony_draft_clear(struct ceremony_draft *draft);
#define auto_ceremony_draft CLEANUP(ceremony_draft_clear) struct ceremony_draft

/* Builds what the step signs, of the plan, the fixed values and what is known: the same of the same, byte for byte.
 * draft is zero before. ERR_CONFIG with the line (what is missing, and before which step it would be known). */
int ceremony_draft_build(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
			 const struct ceremony_fixed *fixed, struct ceremony_draft *draft, struct error *err);

/* Holds the finished tbs, parsed anew, against profile, RFC 5280, issuer and plan: ca_lint_tbs for certificates (when_s:
 * the time of signing), and besides them path length, name constraints and life of the issuer, the CA that a
 * cross-certificate certifies (subject, key, key identifier byte for byte); a CRL read back entry by entry.
 * ERR_INTEGRITY with the rule. */
int ceremony_draft_lint(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *known,
			struct bytes tbs, int64_t when_s, struct error *err);

/* ---- the run against its rehearsal ---- */

enum ceremony_place { CEREMONY_PLACE_KEY, CEREMONY_PLACE_SUBJECT_ID, CEREMONY_PLACE_AUTHORITY_ID };
const char *ceremony_place_name(enum ceremony_place place); /* "public key", "subject key identifier", ... */
/* A place where the tbs has the real key's value instead of the stand-in's. Values are borrowed. */
struct ceremony_difference {
	enum ceremony_place place;
	const char *key; /* URI, borrowed from the plan: which key */
	struct bytes rehearsed, actual;
};
struct ceremony_match {
	struct ceremony_difference items[3];
	size_t count;
};
/* actual must be rehearsed, byte for byte, except where a key of a CEREMONY_KEY step stands or its identifier: there
 * rehearsed has the key that `rehearsal` knows by a URI, and actual the one that `known` knows by the same. 0, and the
 * differences; or -1 with ERR_INTEGRITY naming the field that differs. */
int ceremony_draft_match(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *rehearsal,
			 struct bytes rehearsed, const struct ceremony_known *known, struct bytes actual,
			 struct ceremony_match *match, struct error *err);

#endif
