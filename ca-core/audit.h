/*
 * ca-core/audit.h - the entries of the audit chain: one line of compact JSON each, in the
 * same batch as the change that it tells of.
 *
 *     {"v":1,"time":"2026-11-21T12:00:00Z","node":"ca1","event":"certificate.issued","actor":"admin",
 *      "via":"front","peer":"192.0.2.1:50000","subject":"issuing-1/SERIAL","sha256":"...","detail":{...}}
 *
 * via: "front" (an identity over the network), "admin" (STATE/admin.sock), "signer" (our own
 * act). sha256: of what the entry is about (a certificate, a CRL).
 *
 *     struct ca_audit_entry e;
 *     ca_audit_begin(&e, ca, "certificate.revoked", actor);
 *     ca_audit_certificate(&e, issuer, serial);
 *     ca_audit_text(&e, "reason", bytes_of("keyCompromise"));
 *     ca_audit_append(&e, batch);
 *
 * Thread-safety: an entry belongs to one thread. Source: PKI.md section 7.
 */
#ifndef CHANCERY_CA_AUDIT_H
#define CHANCERY_CA_AUDIT_H

#include "ca-core/ca_private.h"

/* What would make it longer is left out, names first. What has to prove something fits: a statement with its
 * certificate and signature; a certificate of CA_AUDIT_CERTIFICATE_MAX octets in base64. */
#define CA_AUDIT_ENTRY_MAX 16384
#define CA_AUDIT_CERTIFICATE_MAX 10240
#define CA_AUDIT_NAMES_SHOWN 10

struct ca_audit_entry {
	struct ca *ca;
	struct buf text;
	int64_t time_ms;
	bool in_detail; /* the detail object is open */
};

/* actor and event are borrowed for the call. The entry owns memory until ca_audit_append or ca_audit_drop. */
void ca_audit_begin(struct ca_audit_entry *e, struct ca *ca, const char *event, const struct ca_actor *actor);
/* What it is about, before any detail: "issuer/serial", or any text; and its SHA-256. */
void ca_audit_certificate(struct ca_audit_entry *e, struct bytes issuer, struct bytes serial);
void ca_audit_subject(struct ca_audit_entry *e, struct bytes subject);
void ca_audit_sha256(struct ca_audit_entry *e, const uint8_t hash[32]);
/* Details, in the order of the calls. Texts are escaped; a value that would make the entry too long is left out. */
void ca_audit_text(struct ca_audit_entry *e, const char *key, struct bytes value);
/* A value that needs no escape: base64. */
void ca_audit_plain(struct ca_audit_entry *e, const char *key, struct bytes value);
void ca_audit_hex(struct ca_audit_entry *e, const char *key, struct bytes value);
void ca_audit_number(struct ca_audit_entry *e, const char *key, int64_t value);
void ca_audit_time(struct ca_audit_entry *e, const char *key, int64_t s);
/* "names":[first ten],"nameCount":N */
void ca_audit_names(struct ca_audit_entry *e, const struct bytes *names, size_t count);
/* Closes it and adds it to the batch's chain; frees the entry. */
void ca_audit_append(struct ca_audit_entry *e, struct store_batch *batch);
void ca_audit_drop(struct ca_audit_entry *e);

/* value as a JSON string with its quotes (RFC 8259 section 7), appended. What is not UTF-8 is shown octet by
 * octet as \u00XX: the result is always valid JSON. */
void ca_audit_json_text(struct buf *out, struct bytes value);

/* An entry of its own, without another change: submitted and waited for. */
int ca_audit_record(struct ca_audit_entry *e, struct error *err);

/* Finds the time of the newest entry and the newest signed head; at ca_open. */
int ca_audit_load(struct ca *ca, struct error *err);

/* Signs a head of the chain as it stands now and publishes it, where it has grown since the last (or force).
 * Does nothing where no audit key is configured. ERR_TOKEN_UNAVAILABLE and what the store gives. Any thread. */
int ca_audit_sign_head(struct ca *ca, bool force, struct error *err);
/* published/audit/head from the newest signed head of the store. */
int ca_audit_publish_head(struct ca *ca, struct error *err);

/* Entries after `after`, at most limit, as MSG_AUDIT_ENTRIES appended to out; auditors only. */
int ca_audit_list(struct ca *ca, const struct ca_actor *actor, const struct message_audit_list *request,
		  struct buf *out, struct error *err);

#endif
