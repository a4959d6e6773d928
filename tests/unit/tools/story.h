/* A certificate authority for tests, two officers, and what they decided: as its audit log and its files tell it. */
#ifndef CHANCERY_TESTS_UNIT_TOOLS_STORY_H
#define CHANCERY_TESTS_UNIT_TOOLS_STORY_H

#include <jansson.h>

#include "ca-core/statement.h"
#include "tools/credential.h"

/* The places of the log's entries; their numbers are one more. */
enum story_entry {
	STORY_OLGA,
	STORY_OTTO,
	STORY_ALICE, /* a requester */
	STORY_ORGANIZATION,
	STORY_VETTED,
	STORY_OV,
	STORY_OV_APPROVED, /* by otto */
	STORY_OV_ISSUED,
	STORY_EV,
	STORY_EV_APPROVED_OLGA, /* who vetted the organization, too */
	STORY_EV_APPROVED_OTTO,
	STORY_EV_ISSUED,
	STORY_DENIED_ORDER,
	STORY_DENIED, /* by olga */
	STORY_DV,
	STORY_DV_ISSUED, /* nobody had to approve */
	STORY_SUSPENDED, /* by otto */
	STORY_ENTRIES
};

struct story {
	EVP_PKEY *root_key, *issuing_key, *server_key;
	X509 *root, *issuing, *ov, *ev, *dv;
	struct credential *olga, *otto;
	uint8_t ca[32];
	struct buf ov_der, ev_der, dv_der, ov_tbs, ev_tbs, root_pem;
	const char *record;
	int64_t now_s;
	json_t *entries; /* objects, in the order of enum story_entry */
};
void story_open(struct story *s);
void story_close(struct story *s);
#define auto_story CLEANUP(story_close) struct story

/* The detail object of an entry, and its member; borrowed. */
json_t *story_entry(struct story *s, enum story_entry at);
json_t *story_detail(struct story *s, enum story_entry at);

/* Puts a statement by `by` into object's members statement, certificate, signature. base64: the text too. */
void story_sign(struct story *s, json_t *object, struct credential *by, enum ca_decision decision, const char *id,
		struct bytes about, const char *reason, bool base64);

/* The entries as an export, each hash following from the one before; the root behind them. */
void story_write(struct story *s, const char *path);

#endif
