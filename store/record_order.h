/*
 * store/record_order.h - records of what is asked for and decided by people: orders, names that
 * were shown to be controlled, organizations, signed statements, deliveries.
 *
 * The rules of store/record.h hold here too: decoded records borrow, encoding appends, a record
 * that breaks a rule given here is neither written nor read. Decoding big records needs big
 * structs: they are made with malloc, not on a stack.
 *
 * Ids of orders and organizations: [A-Za-z0-9._-]{1,64}, as statements have them. Identities,
 * profiles, issuers and codes are names as store/record.h has them. Texts are octets; each says how many at most.
 *
 * Thread-safety: every function works only on its arguments.
 * Source: PKI.md sections 3 to 5.
 */
#ifndef CHANCERY_STORE_RECORD_ORDER_H
#define CHANCERY_STORE_RECORD_ORDER_H

#include "store/record.h"

/* ---- orders ---- */

enum record_order_status {
	ORDER_DRAFT = 1,
	ORDER_PENDING_VALIDATION,
	ORDER_PENDING_APPROVAL,
	ORDER_READY,   /* everything is shown and approved; the next step signs */
	ORDER_ISSUING, /* tbs and serial are fixed, the token may have signed: only those bytes are signed again */
	ORDER_ISSUED,
	ORDER_DENIED,
	ORDER_CANCELLED,
	ORDER_EXPIRED,
	ORDER_FAILED,
};
/* "draft", "pending-validation", "pending-approval", "ready", "issuing", "issued", ...; NULL where there is none. */
const char *record_order_status_name(enum record_order_status status);
int record_order_status_parse(struct bytes name, enum record_order_status *status, struct error *err);
/* issued, denied, cancelled, expired, failed: nothing changes any more. */
bool record_order_is_over(enum record_order_status status);

/* Bits: how control of a name may be, or was, shown. */
enum record_method {
	METHOD_GRANT = 1,
	METHOD_DNS_TXT = 2,
	METHOD_DNS_CNAME = 4,
	METHOD_HTTP = 8,
	METHOD_MAIL = 16,
};
#define RECORD_METHODS 5
const char *record_method_name(enum record_method method); /* "grant", "dns-txt", "dns-cname", "http", "mail" */
int record_method_parse(struct bytes name, enum record_method *method, struct error *err);

enum record_authorization_status { AUTHORIZATION_PENDING = 1, AUTHORIZATION_VALID = 2 };

#define RECORD_EVIDENCE_MAX 2048 /* octets of text: what was seen, from which resolver or address, when */
#define RECORD_ERROR_MAX 512
/* One name of an order. */
struct record_order_name {
	struct bytes name; /* "dns:*.example.test"; 1 to 4096 */
	enum record_authorization_status status;
	uint8_t methods;                   /* METHOD_ bits that may show it; of a valid one the single bit that did */
	bool reused;                       /* shown for an earlier order: evidence is that record's */
	int64_t checked_ms, next_check_ms; /* 0: never; not due */
	uint32_t tries;
	int64_t expires_s;       /* of a valid one: until when it counts */
	struct bytes error_code; /* of the last check that failed: "nxdomain", "wrong-value", "timeout", ...; or none */
	struct bytes error;      /* for the requester: what was looked for, where, and what was seen */
	struct bytes evidence;
	uint8_t mail_code_hash[32]; /* SHA-256 of the code that was mailed; zeros: none is */
	uint8_t mail_tries;         /* wrong codes so far */
	int64_t mail_until_s;
	int64_t caa_checked_s; /* 0: never; a result counts for 8 hours (RFC 8659, BR 4.2.2.1) */
};

#define RECORD_APPROVALS_MAX 8
struct record_approval {
	struct bytes officer; /* identity */
	bool approve;         /* or deny */
	struct bytes reason;  /* 1 to 500 octets */
	int64_t time_s;
	uint8_t statement[32]; /* SHA-256 of its text: the key of STORE_STATEMENTS */
};

#define RECORD_CONTACTS_MAX 10
struct record_contact {
	struct bytes role; /* "administrative" or "technical" */
	struct bytes mail; /* 1 to 320 */
};
#define RECORD_NOT_COPIED_MAX 50 /* each 1 to 1024 */

struct record_order {
	struct bytes id;
	enum record_order_status status;
	struct bytes profile, requester;
	uint32_t days;
	uint8_t nonce[32]; /* made by the signer; stands in every challenge */
	int64_t created_ms, changed_ms, expires_s;
	/* what was asked for */
	struct bytes spki, common_name; /* 1 to 2048; 0 to 256 */
	uint8_t csr_hash[32];
	struct bytes asked_subject; /* RFC 4514 text as the request had it, for the officers; 0 to 65536 */
	size_t not_copied_count;
	struct bytes not_copied[RECORD_NOT_COPIED_MAX];
	size_t contact_count;
	struct record_contact contacts[RECORD_CONTACTS_MAX];
	/* OV, EV: the record that was pinned; none, and 0 */
	struct bytes organization;
	uint64_t organization_version;
	/* What people decide about: 0 octets while there is none. Never one without the other, but for an order that is
	 * over: it may keep the tbs, for the record. A draft has none; an order in `issuing` has them; approvals
	 * are of a tbs. tbs: at most 1 MiB. */
	struct bytes tbs, serial;
	int64_t approve_before_s;
	size_t approval_count;
	struct record_approval approvals[RECORD_APPROVALS_MAX];
	/* How it ended. certificate: the issued one's serial, there where the status is issued and only there, the issuer
	 * with it; the same as a serial that the record still holds. issuer may stand there before. */
	struct bytes issuer, certificate;   /* issuer's name, serial of the certificate */
	struct bytes failure_code, failure; /* a code or none; 0 to RECORD_ERROR_MAX */
	struct bytes copied_from;           /* order */
	int64_t due_ms;                     /* when the signer looks at it next; 0: only when somebody asks */
	size_t name_count;
	struct record_order_name names[RECORD_NAMES_MAX];
};

/* ---- a name that was shown, for orders to come ---- */

struct record_authorization {
	struct bytes owner; /* identity, or "org:ID" */
	struct bytes name;  /* "dns:www.example.test" */
	enum record_method method;
	struct bytes order; /* for which it was shown */
	int64_t shown_s, expires_s;
	struct bytes evidence; /* 0 to RECORD_EVIDENCE_MAX */
};

/* ---- organizations ---- */

enum record_standing { STANDING_GOOD = 1, STANDING_NOT_GOOD = 2, STANDING_UNKNOWN = 3 };
#define RECORD_DOMAINS_MAX 200
#define RECORD_AGENTS_MAX 100
#define RECORD_DOCUMENTS_MAX 50
struct record_document {
	uint8_t sha256[32];
	struct bytes note, source; /* what it is, where it is from; each 0 to 1024 */
	int64_t date_s;
};
struct record_organization {
	struct bytes id;
	uint64_t version; /* 1, 2, ...: of the record that people vet */
	/* Each of these 0 to 1024, the legal name at least 1; countries two letters A-Z, or none. */
	struct bytes legal_name, registration_number;
	struct bytes jurisdiction_country, jurisdiction_state, jurisdiction_locality;
	struct bytes street, locality, state, postal_code, country;
	struct bytes business_category; /* "Private Organization", ... (EVG 7.1.4.2.3) */
	enum record_standing standing;
	size_t document_count, domain_count, agent_count;
	struct record_document documents[RECORD_DOCUMENTS_MAX];
	struct bytes domains[RECORD_DOMAINS_MAX]; /* "example.test": that and all below; they restrict */
	struct bytes agents[RECORD_AGENTS_MAX];   /* identities that may act for it */
	int64_t created_ms, changed_ms;
	struct bytes changed_by;
	/* Vetting of this version; not part of what is vetted. Officer, times and statement are there together, or
	 * none of them; valid_until_s is no earlier than vetted_s. The same of the suspension. */
	struct bytes vetted_by; /* officer, or none: not vetted */
	int64_t vetted_s, valid_until_s;
	uint8_t vet_statement[32];
	bool suspended;
	struct bytes suspended_by;
	uint8_t suspend_statement[32];
};

/* ---- signed statements, each used once ---- */

struct record_statement {
	struct bytes text, certificate, signature; /* 1 to 1024; DER, 1 to 65536; 1 to 4096 */
	struct bytes by;                           /* identity */
	struct bytes subject;                      /* "order ID", "organization ID" */
	int64_t received_ms;
};

/* ---- deliveries ---- */

enum record_delivery_kind { DELIVERY_MAIL = 1, DELIVERY_WEBHOOK = 2 };
struct record_delivery {
	enum record_delivery_kind kind;
	struct bytes to;      /* address, or URL; 1 to 2048 */
	struct bytes subject; /* of the mail; of the webhook the event: "order.pending-approval"; 0 to 1024 */
	struct bytes body;    /* text, or JSON; 0 to 256 KiB */
	struct bytes about;   /* order id, or serial in hex, or none */
	uint32_t tries;
	int64_t created_ms, due_ms; /* due_ms 0: it is dead: kept for the operator, tried no more */
	struct bytes error;         /* of the last try; 0 to RECORD_ERROR_MAX */
};

void record_order_encode(const struct record_order *r, struct buf *out);
int record_order_decode(struct bytes in, struct record_order *r, struct error *err);
void record_authorization_encode(const struct record_authorization *r, struct buf *out);
int record_authorization_decode(struct bytes in, struct record_authorization *r, struct error *err);
void record_organization_encode(const struct record_organization *r, struct buf *out);
int record_organization_decode(struct bytes in, struct record_organization *r, struct error *err);
void record_statement_encode(const struct record_statement *r, struct buf *out);
int record_statement_decode(struct bytes in, struct record_statement *r, struct error *err);
void record_delivery_encode(const struct record_delivery *r, struct buf *out);
int record_delivery_decode(struct bytes in, struct record_delivery *r, struct error *err);

/* owner, 0x00, name as record_key_name has it, cut sooner so that the whole fits STORE_KEY_MAX. */
void record_key_authorization(struct buf *out, struct bytes owner, struct bytes name);
/* id, 0x00, version: of STORE_ORGANIZATION_VERSIONS. */
void record_key_organization_version(struct buf *out, struct bytes id, uint64_t version);

#endif
