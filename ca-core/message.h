/*
 * ca-core/message.h - the typed messages between the signer and whoever stands before it:
 * the front (over its socket pair) and root on the machine (over STATE/admin.sock).
 *
 * Pure: the writer and the reader of each message stand side by side in message_*.c, the
 * reader mirroring the writer field by field. A reader accepts exactly what the writer
 * writes: all fields, limits kept, nothing behind them; otherwise ERR_BAD_REQUEST. Decoded
 * texts and bytes borrow from the payload.
 *
 * Every question is answered once, with the answer's type or with MSG_ERROR, under the
 * question's id (base/channel.h). Answers come in any order.
 *
 * Walls. On the front's channel the signer takes the questions of the first group only;
 * those of the second are for admin.sock. A front names a requester by a session: opened by
 * presenting what the requester showed (certificate or token), for which the signer finds
 * the identity itself. A request under no open session is refused.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_CA_MESSAGE_H
#define CHANCERY_CA_MESSAGE_H

#include "base/bytes.h"
#include "base/err.h"

enum message_type {
	MSG_ERROR = 1, /* answer: struct error without its causes */
	MSG_DONE,      /* answer: nothing more to say */

	/* front -> signer, and the answers */
	MSG_SESSION_OPEN = 16, /* -> MSG_SESSION */
	MSG_SESSION,
	MSG_SESSION_CLOSE, /* no answer */
	MSG_ISSUE,         /* -> MSG_ISSUED */
	MSG_ISSUED,
	MSG_CERTIFICATE_GET, /* -> MSG_CERTIFICATE */
	MSG_CERTIFICATE,
	MSG_CERTIFICATE_LIST, /* -> MSG_CERTIFICATES */
	MSG_CERTIFICATES,
	MSG_STATUS_CHANGE, /* revoke, hold, unhold -> MSG_STATUS_CHANGED */
	MSG_STATUS_CHANGED,
	MSG_AUDIT_LIST, /* -> MSG_AUDIT_ENTRIES */
	MSG_AUDIT_ENTRIES,
	MSG_CRL_NOW, /* -> MSG_CRL_MADE */
	MSG_CRL_MADE,
	MSG_HEALTH_GET, /* no session -> MSG_HEALTH */
	MSG_HEALTH,
	MSG_FRONT_CERTIFICATE, /* the front's own TLS certificate; no session -> MSG_ISSUED */
	MSG_ORDER_CREATE,      /* also the answer to MSG_ISSUE where validation or approval is due -> MSG_ORDER */
	MSG_ORDER_CHANGE,      /* of a draft: the same struct, whole, with its id -> MSG_ORDER */
	MSG_ORDER_ACT,         /* submit, copy, cancel, check, confirm -> MSG_ORDER */
	MSG_ORDER_DECIDE,      /* approve, deny: a signed statement -> MSG_ORDER */
	MSG_ORDER_GET,         /* -> MSG_ORDER */
	MSG_ORDER,
	MSG_ORDER_TBS,  /* struct message_order_get -> MSG_BYTES: the tbs that is to be approved */
	MSG_BYTES,      /* struct message_name */
	MSG_ORDER_LIST, /* -> MSG_ORDERS */
	MSG_ORDERS,
	MSG_ORGANIZATION_ADD,    /* a new one, or a new version of one -> MSG_ORGANIZATION */
	MSG_ORGANIZATION_DECIDE, /* vet, suspend -> MSG_ORGANIZATION */
	MSG_ORGANIZATION_GET,    /* struct message_order_get -> MSG_ORGANIZATION */
	MSG_ORGANIZATION,
	MSG_ORGANIZATION_RECORD, /* struct message_order_get -> MSG_BYTES: the bytes that are vetted */
	MSG_ORGANIZATION_LIST,   /* struct message_order_get, id empty -> MSG_ORGANIZATIONS */
	MSG_ORGANIZATIONS,
	MSG_EXPLAIN, /* struct message_order_get: order id or serial in hex -> MSG_BYTES: JSON */
	/* signer -> front, unasked, id 0 */
	MSG_SESSIONS_DROP, /* struct message_name: an identity whose sessions ended; forget what is kept of them */

	/* admin.sock -> signer; MSG_HEALTH_GET and MSG_CRL_NOW (session 0) are answered there, too */
	MSG_IDENTITY_ADD = 64, /* -> MSG_ISSUED (struct message_issued) */
	MSG_IDENTITY_RENEW,    /* the same struct: a further certificate for a known identity -> MSG_ISSUED */
	MSG_IDENTITY_REMOVE,   /* struct message_name -> MSG_DONE; its certificates are revoked */
	MSG_IDENTITY_RECOVER,  /* as RENEW, and all earlier certificates are revoked -> MSG_ISSUED */
	MSG_IDENTITY_LIST,     /* struct message_name ("" : all) -> MSG_IDENTITIES */
	MSG_IDENTITIES,
	MSG_APITOKEN_ADD,  /* -> MSG_DONE: the tool makes the token, the signer sees its hash alone */
	MSG_APITOKEN_LIST, /* -> MSG_APITOKENS */
	MSG_APITOKENS,
	MSG_APITOKEN_REMOVE, /* struct message_name: id -> MSG_DONE */
	MSG_STORE_BACKUP,    /* struct message_name: folder -> MSG_DONE */
	MSG_CRL_IMPORT,      /* struct message_name: DER of a CRL signed elsewhere (the root's) -> MSG_DONE */
	MSG_KEY_BLOCK,       /* struct message_block -> MSG_DONE */
	MSG_TOKEN_PIN,       /* struct message_token_pin -> MSG_DONE: another try, by the operator's wish */
	MSG_RESTORE_CONFIRM, /* no content -> MSG_DONE: the operator has seen the gap of a restored store */
	MSG_IMPORT,          /* what a ceremony made -> MSG_IMPORTED */
	MSG_IMPORTED,

	/* signer -> validator, and the answers; the validator asks nothing */
	MSG_VALIDATE = 128, /* -> MSG_VALIDATED */
	MSG_VALIDATED,
	MSG_DELIVER, /* -> MSG_DELIVERED */
	MSG_DELIVERED,
};
const char *message_type_name(uint16_t type);

#define MESSAGE_NAMES_MAX 1000
#define MESSAGE_ROWS_MAX 500
#define MESSAGE_TEXT_MAX 1024
#define MESSAGE_SUBJECT_MAX 16384 /* octets of a subject as RFC 4514 text */
#define MESSAGE_NOT_COPIED_MAX 50

void message_error_write(const struct error *err, struct buf *out);
int message_error_read(struct bytes in, struct error *peer, struct error *err); /* peer: what was sent */

enum { MESSAGE_PROOF_CERTIFICATE = 1, MESSAGE_PROOF_TOKEN = 2 };
struct message_session_open {
	uint8_t proof_type;
	struct bytes proof; /* leaf certificate DER, or the API token's text */
	struct bytes peer;  /* "192.0.2.1:50000", for the audit */
};
struct message_session {
	uint64_t session;      /* random, not 0 */
	struct bytes identity; /* name */
	uint8_t roles;         /* ROLE_ bits of store/record.h; of a token: what it may do at most */
	int64_t expires_s;     /* of the certificate or token */
};
struct message_session_close {
	uint64_t session;
};

struct message_issue {
	uint64_t session;
	struct bytes profile;
	uint32_t days;            /* 0: the profile's default */
	struct bytes common_name; /* UTF-8, at most 64 octets, or none */
	uint32_t name_count;
	struct bytes names[MESSAGE_NAMES_MAX]; /* ca_name_print's form */
	struct bytes spki;
	uint8_t csr_hash[32]; /* for the record */
	/* Of an order, where one is made: struct message_order_create. */
	struct bytes asked_subject;
	uint32_t not_copied_count;
	struct bytes not_copied[MESSAGE_NOT_COPIED_MAX];
	struct bytes idempotency_key; /* 1 to 128 printable ASCII, or none */
	int64_t deadline_ms;          /* CLOCK_MONOTONIC of the machine: past it, before C_Sign, it is dropped */
	bool dry_run; /* decide, but sign nothing: csr/decode; answered with MSG_DONE, or with the MSG_ORDER
			 * that would be made, its id none */
};
/* The profile of a message that was not read yet, to see whose it is; BYTES_NONE where it is malformed. */
struct bytes message_issue_profile(struct bytes in);
struct message_issued {
	struct bytes issuer, serial, certificate; /* serial: content octets; certificate: DER */
	bool again;                               /* an idempotency key seen before */
};

/* One row of the inventory: what API and tools show. */
struct message_certificate {
	struct bytes issuer, serial, profile, requester, subject, order;
	int64_t not_before_s, not_after_s, issued_ms, revoked_ms, invalidity_s;
	uint8_t status, reason; /* enum record_status, enum record_reason */
	bool no_revocation;
	uint32_t name_count;
	struct bytes names[MESSAGE_NAMES_MAX];
	struct bytes certificate; /* DER in MSG_CERTIFICATE; none in lists */
};
struct message_certificate_get {
	uint64_t session;
	struct bytes serial;
};
struct message_certificate_list {
	uint64_t session;
	struct bytes name; /* exact ("dns:..." or without kind), or "*.suffix"-style ".example.test", or none */
	struct bytes profile, issuer;
	uint8_t status;            /* 0: any */
	int64_t expiring_before_s; /* 0: any */
	struct bytes cursor;       /* opaque, from the answer before, or none */
	uint32_t limit;            /* 1 to MESSAGE_ROWS_MAX */
};
/* MSG_CERTIFICATES: u32 count, that many fields each a message_certificate, then the cursor (none: the end). */
struct message_certificates {
	uint32_t count;
	struct bytes rows[MESSAGE_ROWS_MAX]; /* each for message_certificate_read */
	struct bytes next;
};

#define MESSAGE_SAME_KEY_MAX 100
enum { MESSAGE_REVOKE = 1, MESSAGE_HOLD = 2, MESSAGE_UNHOLD = 3 };
struct message_status_change {
	uint64_t session;
	struct bytes serial;
	uint8_t action;
	uint8_t reason;       /* enum record_reason, for MESSAGE_REVOKE */
	int64_t invalidity_s; /* 0: none */
	bool same_key_too;    /* keyCompromise: revoke every other certificate of the key as well */
};
struct message_status_changed {
	struct bytes crl_url; /* none where clients will not learn of it (no_revocation) */
	int64_t crl_from_s;   /* when the CRL that carries it is out */
	uint64_t crl_number;  /* of the present list: the next, higher one carries it */
	bool no_revocation;
	uint32_t same_key_count; /* serials of other unrevoked certificates of the key (keyCompromise) */
	struct bytes same_key[MESSAGE_SAME_KEY_MAX];
};

struct message_audit_list {
	uint64_t session;
	uint64_t after;
	uint32_t limit;
};
struct message_audit_entry {
	uint64_t sequence;
	uint8_t hash[32];
	struct bytes entry; /* JSON text, exactly the bytes that were hashed */
};
struct message_audit_entries {
	uint32_t count;
	struct message_audit_entry rows[MESSAGE_ROWS_MAX];
	bool more;
};

struct message_crl_now {
	uint64_t session; /* 0 on admin.sock */
	struct bytes issuer;
};
struct message_crl_made {
	uint64_t number, entries;
	int64_t this_update_s, next_update_s;
};

#define MESSAGE_TOKENS_MAX 16
#define MESSAGE_WARNINGS_MAX 32
#define MESSAGE_COUNTERS_MAX 512
struct message_token {
	struct bytes name, state, why; /* why: it is not up, or none */
	int64_t since_s;               /* seconds in this state */
	uint64_t signatures;
};
struct message_health {
	bool ready;
	struct message_token tokens[MESSAGE_TOKENS_MAX];
	uint32_t token_count;
	struct bytes store_state;
	uint64_t certificates;
	struct bytes warnings[MESSAGE_WARNINGS_MAX];
	uint32_t warning_count;
	/* "chancery_certificates_issued_total{profile=\"client\"}" and its value, for /metrics */
	struct {
		struct bytes name;
		uint64_t value;
	} counters[MESSAGE_COUNTERS_MAX];
	uint32_t counter_count;
};

struct message_front_certificate {
	struct bytes spki;
};

#define MESSAGE_IDENTITY_SERIALS_MAX 8
struct message_identity_add {
	struct bytes name;
	uint8_t roles;
	struct bytes profile; /* "client" unless given */
	uint32_t days;
	struct bytes spki; /* the tool has checked possession */
	bool force;        /* overwrites nothing, but takes back a removed name */
};
struct message_identity {
	struct bytes name;
	uint8_t roles;
	bool removed;
	int64_t created_ms, changed_ms;
	uint32_t serial_count;
	struct bytes serials
		[MESSAGE_IDENTITY_SERIALS_MAX]; /* of its enrolled certificates, newest first, as content octets */
	int64_t expires_s;                      /* of the newest */
};
struct message_identities {
	uint32_t count;
	struct message_identity rows[MESSAGE_ROWS_MAX];
};
struct message_apitoken {
	struct bytes id, identity, profiles;
	uint8_t hash[32]; /* zeros in lists */
	bool may_request, may_read, removed;
	int64_t created_ms, expires_s;
};
struct message_apitokens {
	uint32_t count;
	struct message_apitoken rows[MESSAGE_ROWS_MAX];
};
struct message_name {
	struct bytes name;
};
struct message_token_pin {
	struct bytes name, pin; /* who sends and who reads it wipes it */
};
struct message_block {
	uint8_t spki_hash[32];
	struct bytes note;
};

/* What a ceremony made, and what it began with; names are those of its files, without folder and suffix. */
#define MESSAGE_IMPORTS_MAX 256
enum message_import_kind {
	MESSAGE_IMPORT_MADE = 1, /* a certificate that the ceremony signed */
	MESSAGE_IMPORT_KNOWN,    /* the certificate of an issuer that there was before */
	MESSAGE_IMPORT_LIST,     /* a revocation list that the ceremony signed */
};
struct message_import {
	struct bytes title;   /* of the ceremony, for the audit; at most 256 octets of UTF-8, or none */
	struct bytes closing; /* closing hash of its transcript, 32 octets, or none */
	bool anchored;        /* who imports gave that hash; it does not come from the directory alone */
	uint32_t count;
	struct {
		uint8_t kind; /* enum message_import_kind */
		struct bytes name, der;
	} items[MESSAGE_IMPORTS_MAX];
};
enum message_import_result {
	MESSAGE_IMPORTED_ISSUER = 1, /* the certificate of an issuer that had none */
	MESSAGE_IMPORTED_CROSS,      /* a further certificate for an issuer's key */
	MESSAGE_IMPORTED_LIST,
	MESSAGE_IMPORTED_THERE, /* it was there before */
	MESSAGE_IMPORTED_LEFT,  /* not of this CA: why says how that was seen */
};
/* A row for each item, in its order. */
struct message_imported {
	uint32_t count;
	struct {
		uint8_t result;
		struct bytes issuer; /* whose it is; none where it was left */
		struct bytes why;
	} rows[MESSAGE_IMPORTS_MAX];
};

#define MESSAGE_CODEC(name)                                                           \
	void message_##name##_write(const struct message_##name *m, struct buf *out); \
	int message_##name##_read(struct bytes in, struct message_##name *m, struct error *err)
MESSAGE_CODEC(session_open);
MESSAGE_CODEC(session);
MESSAGE_CODEC(session_close);
MESSAGE_CODEC(issue);
MESSAGE_CODEC(issued);
MESSAGE_CODEC(certificate_get);
MESSAGE_CODEC(certificate);
MESSAGE_CODEC(certificate_list);
MESSAGE_CODEC(certificates);
MESSAGE_CODEC(status_change);
MESSAGE_CODEC(status_changed);
MESSAGE_CODEC(audit_list);
MESSAGE_CODEC(audit_entries);
MESSAGE_CODEC(crl_now);
MESSAGE_CODEC(crl_made);
MESSAGE_CODEC(health);
MESSAGE_CODEC(front_certificate);
MESSAGE_CODEC(identity_add);
MESSAGE_CODEC(identities);
MESSAGE_CODEC(apitoken);
MESSAGE_CODEC(apitokens);
MESSAGE_CODEC(name);
MESSAGE_CODEC(token_pin);
MESSAGE_CODEC(block);
MESSAGE_CODEC(import);
MESSAGE_CODEC(imported);

#endif
