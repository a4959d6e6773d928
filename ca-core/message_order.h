/*
 * ca-core/message_order.h - the messages about what people ask for and decide: orders,
 * organizations; and those between the signer and the validator.
 *
 * The rules of ca-core/message.h hold. Structs with lists of a thousand names are made with
 * malloc, not on a stack. The validator reads MSG_VALIDATE and MSG_DELIVER and nothing else; the
 * signer believes what it answers, and takes answers about validation from nobody else.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_CA_MESSAGE_ORDER_H
#define CHANCERY_CA_MESSAGE_ORDER_H

#include "ca-core/message.h"

/* What a text may hold at most, in octets: ids, names of ours, codes and states 256; a certificate's name
 * MESSAGE_TEXT_MAX, as every text that none of these is for. Longer ones make the writer's buffer failed: who
 * takes them from outside checks first. */
#define MESSAGE_STATEMENT_MAX 1024          /* CA_STATEMENT_MAX */
#define MESSAGE_DECIDER_MAX ((size_t)65536) /* the certificate of who decides */
#define MESSAGE_SIGNATURE_MAX 1024          /* RSA 8192 */
#define MESSAGE_WORDS_MAX 4096              /* what an order waits for; why it failed */
#define MESSAGE_EVIDENCE_MAX 2048           /* what a check saw: RECORD_EVIDENCE_MAX */
#define MESSAGE_ADDRESSES_MAX 8192          /* where a method wants something: mail addresses of a zone */
#define MESSAGE_BODY_MAX ((size_t)262144)   /* what is delivered */

/* ---- orders ---- */

#define MESSAGE_CONTACTS_MAX 10
#define MESSAGE_APPROVALS_MAX 8
struct message_contact {
	struct bytes role, mail; /* "administrative", "technical" */
};
struct message_order_create {
	uint64_t session;
	struct bytes id; /* of MSG_ORDER_CHANGE; else none */
	bool draft;      /* not submitted yet */
	/* Of MSG_ORDER_CHANGE: the request's fields, from common_name to not_copied, are there and replace the draft's.
	 * Profile, organization, days and contacts are replaced always: who changes one of them sends the others as
	 * they were. */
	bool change_csr;
	struct bytes profile, organization; /* organization: id, or none */
	uint32_t days;
	struct bytes common_name; /* as of struct message_issue, as all down to csr_hash */
	uint32_t name_count;
	struct bytes names[MESSAGE_NAMES_MAX];
	struct bytes spki;
	uint8_t csr_hash[32];
	struct bytes
		asked_subject; /* RFC 4514 text of the request's subject: officers see it, nothing is taken from it */
	uint32_t not_copied_count;
	struct bytes not_copied[MESSAGE_NOT_COPIED_MAX];
	uint32_t contact_count;
	struct message_contact contacts[MESSAGE_CONTACTS_MAX];
};
enum message_order_action {
	ORDER_ACT_SUBMIT = 1,
	ORDER_ACT_COPY,
	ORDER_ACT_CANCEL,
	ORDER_ACT_CHECK,
	ORDER_ACT_CONFIRM
};
struct message_order_act {
	uint64_t session;
	struct bytes id;
	uint8_t action;          /* enum message_order_action */
	struct bytes name, code; /* of confirm: the name, and the mailed code */
};
struct message_decide { /* MSG_ORDER_DECIDE, MSG_ORGANIZATION_DECIDE */
	uint64_t session;
	struct bytes id;
	struct bytes statement, certificate, signature; /* certificate: DER, as the front took it out of PEM */
};
struct message_order_get {
	uint64_t session;
	struct bytes id;
};
struct message_method {     /* one way to show a name, ready to be shown to people */
	struct bytes type;  /* "dns-txt", "dns-cname", "http", "mail" */
	struct bytes where; /* name, name, url, or addresses separated by commas */
	struct bytes what;  /* value, target, body, or none */
};
#define MESSAGE_METHODS_MAX 4
struct message_authorization {
	struct bytes name, status; /* "pending", "valid" */
	int64_t expires_s;         /* of a valid one; of a pending one the order's end */
	uint32_t method_count;     /* of a pending one: what may be done; of a valid one the one that did */
	struct message_method methods[MESSAGE_METHODS_MAX];
	int64_t checked_s;
	struct bytes error_code, error;
};
struct message_approval {
	struct bytes officer, decision, reason; /* "approve", "deny" */
	int64_t time_s;
};
struct message_order {
	struct bytes id, status, profile, requester, organization;
	uint32_t days;
	uint8_t nonce[32];
	int64_t created_s, expires_s;
	struct bytes waits_for;              /* words that a requester can act on; "" where it is over */
	struct bytes asked_subject, subject; /* RFC 4514: as asked, and as it will be */
	uint8_t spki_hash[32];
	uint32_t name_count;
	struct bytes names[MESSAGE_NAMES_MAX];
	uint32_t not_copied_count;
	struct bytes not_copied[MESSAGE_NOT_COPIED_MAX];
	uint32_t contact_count;
	struct message_contact contacts[MESSAGE_CONTACTS_MAX];
	uint32_t authorization_count;
	struct message_authorization authorizations[MESSAGE_NAMES_MAX];
	uint32_t approvals_needed, approval_count;
	struct message_approval approvals[MESSAGE_APPROVALS_MAX];
	bool has_tbs;
	uint8_t tbs_hash[32];
	int64_t approve_before_s;
	struct bytes issuer, certificate; /* serial, content octets; none before it is issued */
	struct bytes failure_code, failure;
};
struct message_order_list {
	uint64_t session;
	struct bytes status; /* "" for all */
	bool mine;           /* of who asks alone, also where he may see all */
	struct bytes cursor; /* of the page before */
	uint32_t limit;
};
struct message_order_row { /* newest first */
	struct bytes id, status, profile, requester, first_name;
	uint32_t name_count;
	int64_t created_s, expires_s;
	struct bytes waits_for;
};
struct message_orders {
	uint32_t count;
	struct message_order_row rows[MESSAGE_ROWS_MAX];
	struct bytes next; /* cursor, or none */
};

/* ---- organizations ---- */

#define MESSAGE_DOMAINS_MAX 200
#define MESSAGE_AGENTS_MAX 100
#define MESSAGE_DOCUMENTS_MAX 50
struct message_document {
	uint8_t sha256[32];
	struct bytes note, source;
	int64_t date_s;
};
struct message_organization { /* what an officer enters, and what is answered */
	uint64_t session;     /* of MSG_ORGANIZATION_ADD; else 0 */
	struct bytes id;
	uint64_t version; /* of ADD: the one that it replaces, 0 for a new organization */
	struct bytes legal_name, registration_number, jurisdiction_country, jurisdiction_state, jurisdiction_locality;
	struct bytes street, locality, state, postal_code, country, business_category;
	uint8_t standing; /* of store/record_order.h: 1 good, 2 not good, 3 unknown */
	uint32_t document_count, domain_count, agent_count;
	struct message_document documents[MESSAGE_DOCUMENTS_MAX];
	struct bytes domains[MESSAGE_DOMAINS_MAX], agents[MESSAGE_AGENTS_MAX];
	/* answered alone */
	struct bytes status, vetted_by; /* "unvetted", "vetted", "suspended", "expired" */
	int64_t created_s, changed_s, vetted_s, valid_until_s;
	uint8_t record_hash[32];
};
struct message_organization_row {
	struct bytes id, legal_name, country, status;
	int64_t valid_until_s;
};
struct message_organizations {
	uint32_t count;
	struct message_organization_row rows[MESSAGE_ROWS_MAX];
};

/* ---- validation: from the signer to the validator, and what it saw ---- */

/* The METHOD_ bits of store/record_order.h that the validator tries, for who does not know the store. */
enum { MESSAGE_DNS_TXT = 2, MESSAGE_DNS_CNAME = 4, MESSAGE_HTTP = 8 };

struct message_validate {
	struct bytes name;                  /* "dns:*.example.test", "ip:192.0.2.1" */
	uint8_t methods;                    /* to try: MESSAGE_DNS_TXT, ... ; 0: CAA alone */
	bool parents;                       /* a parent domain will do for the dns methods, never at a public suffix */
	struct bytes value;                 /* 52 characters: ca-core/challenge.h; none without methods */
	bool caa;                           /* look CAA up, too */
	struct bytes caa_identity, account; /* RFC 8659; account: accounturi of RFC 8657, the requester's */
};
struct message_attempt {   /* one method, tried */
	uint8_t method;    /* one bit */
	struct bytes code; /* "ok", "nxdomain", "no-record", "wrong-value", "timeout", "refused", "servfail", "bogus",
			       * "forbidden-address", "forbidden-redirect", "too-large", "http-status", "not-offered",
			       * "bad-answer" (what answers speaks no HTTP, or breaks off), "broken" (it could not be
			       * looked at: the configuration, or too much to do) */
	struct bytes text; /* what was looked for, where, and what was seen; for people, and as evidence */
};
#define MESSAGE_ATTEMPTS_MAX 4
struct message_validated {
	uint8_t shown; /* the bit of the method, one of the attempts, that showed it, or 0 */
	uint32_t attempt_count;
	struct message_attempt attempts[MESSAGE_ATTEMPTS_MAX];
	uint8_t caa;           /* 0 not asked, 1 allows, 2 forbids, 3 cannot be known (refuses as well) */
	struct bytes caa_text; /* which record, where, or what failed */
	uint8_t caa_methods;   /* METHOD_ bits that validationmethods (RFC 8657) leaves; all where there is none */
};

struct message_deliver {
	uint8_t kind; /* 1 mail, 2 webhook: DELIVERY_ of store/record_order.h */
	struct bytes to, subject, body;
	struct bytes signature; /* of a webhook: the value of its X-Chancery-Signature header */
	struct bytes id;        /* of the delivery, for X-Chancery-Delivery and Message-ID */
};
struct message_delivered {
	bool good;
	bool final;        /* not good, and another try would end the same (a mail address that is refused for good) */
	struct bytes text; /* the server's answer, or what failed */
};

MESSAGE_CODEC(order_create);
MESSAGE_CODEC(order_act);
MESSAGE_CODEC(decide);
MESSAGE_CODEC(order_get);
MESSAGE_CODEC(order);
MESSAGE_CODEC(order_list);
MESSAGE_CODEC(orders);
MESSAGE_CODEC(organization);
MESSAGE_CODEC(organizations);
MESSAGE_CODEC(validate);
MESSAGE_CODEC(validated);
MESSAGE_CODEC(deliver);
MESSAGE_CODEC(delivered);

#endif
