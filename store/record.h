/*
 * store/record.h - what the records mean, and the one codec for them.
 *
 * A decoded record borrows from the bytes it was decoded from (texts are struct bytes,
 * not NUL-terminated). Encoding appends to a buf; a record that breaks a rule given here is
 * not written: the buf becomes `failed`. Every record begins with a version octet; decoding
 * is strict (all fields, nothing behind them, the same rules): what was written by us reads
 * back, anything else is ERR_INTEGRITY.
 *
 * Times: _ms and _s since 1970 UTC, never before. 0 where there is none.
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_STORE_RECORD_H
#define CHANCERY_STORE_RECORD_H

#include "base/bytes.h"
#include "base/err.h"

#define RECORD_NAME_MAX 64    /* issuer, profile, identity, requester names: [A-Za-z0-9._@-]{1,64} */
#define RECORD_NAMES_MAX 1000 /* names in one certificate */

enum record_status { RECORD_VALID = 1, RECORD_REVOKED = 2, RECORD_HELD = 3 };

/* RFC 5280 section 5.3.1 CRLReason */
enum record_reason {
	REASON_UNSPECIFIED = 0,
	REASON_KEY_COMPROMISE = 1,
	REASON_CA_COMPROMISE = 2,
	REASON_AFFILIATION_CHANGED = 3,
	REASON_SUPERSEDED = 4,
	REASON_CESSATION_OF_OPERATION = 5,
	REASON_CERTIFICATE_HOLD = 6,
	REASON_PRIVILEGE_WITHDRAWN = 9,
	REASON_AA_COMPROMISE = 10,
};
const char *record_reason_name(enum record_reason reason); /* "keyCompromise"; NULL where there is none */
int record_reason_parse(struct bytes name, enum record_reason *reason, struct error *err); /* ERR_BAD_REQUEST */

struct record_certificate {
	struct bytes issuer, serial; /* issuer name; content octets, 1 to 20 */
	struct bytes der;            /* the certificate, at most 1 MiB */
	struct bytes profile;
	struct bytes requester; /* identity's name (its API tokens ask in it), or "ca", "front" for our own */
	struct bytes subject;   /* RFC 4514 text, for people */
	struct bytes order;     /* id, or none */
	uint8_t spki_hash[32];
	int64_t issued_ms, not_before_s, not_after_s;
	bool no_revocation; /* RFC 9608: is on no CRL */
	enum record_status status;
	/* Valid: unspecified and no times. Held: certificateHold. Revoked: any other. */
	enum record_reason reason;
	int64_t revoked_ms, invalidity_s;
	size_t name_count; /* "dns:www.example.test", "ip:192.0.2.1", "email:...", "uri:..." */
	struct bytes names[RECORD_NAMES_MAX];
};

/* Bits; what each may do stands in PKI.md section 5 and ca-core/policy.h. */
enum record_role { ROLE_REQUESTER = 1, ROLE_OFFICER = 2, ROLE_AUDITOR = 4, ROLE_ADMIN = 8 };
#define RECORD_FINGERPRINTS_MAX 8
struct record_identity {
	struct bytes name;
	uint8_t roles; /* ROLE_ bits */
	bool removed;  /* kept for the record, may do nothing */
	int64_t created_ms, changed_ms;
	size_t fingerprint_count; /* newest first; SHA-256 of the enrolled certificates */
	uint8_t fingerprints[RECORD_FINGERPRINTS_MAX][32];
};

struct record_apitoken {
	struct bytes id;       /* shown in lists; not secret */
	struct bytes identity; /* in whose name it acts */
	bool may_request, may_read;
	bool removed;
	struct bytes profiles; /* comma-separated; none: all that the identity may use */
	int64_t created_ms, expires_s;
};

struct record_request {              /* an idempotency key that was used */
	uint8_t fingerprint[32];     /* SHA-256 of what was asked */
	struct bytes issuer, serial; /* what was answered */
	int64_t expires_s;
};

struct record_crl {
	struct bytes issuer, der;
	uint64_t number;
	int64_t this_update_s, next_update_s;
	uint64_t entries;
};

struct record_blocked {
	enum record_reason reason; /* REASON_KEY_COMPROMISE, or REASON_UNSPECIFIED for the operator's list */
	bool own;                  /* one of the CA's own keys */
	int64_t since_ms;
	struct bytes note;
};

struct record_unfinished {            /* a serial without certificate: the signer died, or the token failed */
	struct bytes issuer;          /* whose it was to be, where that is known; else none */
	int64_t found_ms, revoked_ms; /* 0: not revoked */
	bool void_;                   /* known to be unused: store_serial_void; cannot be revoked */
};

struct record_head { /* of the audit chain, signed */
	uint64_t sequence;
	uint8_t hash[32];
	int64_t time_ms;
	struct bytes text; /* what was signed */
	struct bytes signature;
};

void record_certificate_encode(const struct record_certificate *r, struct buf *out);
int record_certificate_decode(struct bytes in, struct record_certificate *r, struct error *err);
void record_identity_encode(const struct record_identity *r, struct buf *out);
int record_identity_decode(struct bytes in, struct record_identity *r, struct error *err);
void record_apitoken_encode(const struct record_apitoken *r, struct buf *out);
int record_apitoken_decode(struct bytes in, struct record_apitoken *r, struct error *err);
void record_request_encode(const struct record_request *r, struct buf *out);
int record_request_decode(struct bytes in, struct record_request *r, struct error *err);
void record_crl_encode(const struct record_crl *r, struct buf *out);
int record_crl_decode(struct bytes in, struct record_crl *r, struct error *err);
void record_blocked_encode(const struct record_blocked *r, struct buf *out);
int record_blocked_decode(struct bytes in, struct record_blocked *r, struct error *err);
void record_unfinished_encode(const struct record_unfinished *r, struct buf *out);
int record_unfinished_decode(struct bytes in, struct record_unfinished *r, struct error *err);
void record_head_encode(const struct record_head *r, struct buf *out);
int record_head_decode(struct bytes in, struct record_head *r, struct error *err);

/* ---- keys: appended to out, which the caller empties first ---- */
void record_key_certificate(struct buf *out, struct bytes issuer, struct bytes serial);
/* issuer, 0x00: the prefix of all certificates of one issuer; also of STORE_BY_REVOCATION. */
void record_key_issuer(struct buf *out, struct bytes issuer);
void record_key_request(struct buf *out, struct bytes requester, struct bytes idempotency_key);
void record_key_u64(struct buf *out, uint64_t v);
/* The key of STORE_BY_NAME for "dns:www.example.test": "dns:test.example.www"; a wildcard's
 * "*" stays the last label. Other kinds stand as they are. What would pass STORE_KEY_MAX is cut
 * and ends in 0x00 and the SHA-256 of the whole. */
void record_key_name(struct buf *out, struct bytes name);

/* Splits a STORE_CERTIFICATES key. ERR_INTEGRITY. */
int record_key_certificate_parse(struct bytes key, struct bytes *issuer, struct bytes *serial, struct error *err);

#endif
