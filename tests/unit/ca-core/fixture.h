/*
 * tests/unit/ca-core/fixture.h - a founded CA in the test's folder: SoftHSM2 tokens, the default
 * configuration and more, a store, root-1, issuing-1, the audit key.
 *
 * Grants: "admin" as `chancery init` writes it; "alice": server-dv for alice.test and below.
 */
#ifndef CHANCERY_TESTS_CA_FIXTURE_H
#define CHANCERY_TESTS_CA_FIXTURE_H

#include "ca-core/ca_private.h"
#include "tests/unit/unit.h"

/* The first `from` in the configuration that `chancery init` writes becomes `to`. */
struct fixture_change {
	const char *from, *to;
};

struct fixture {
	char state[256]; /* absolute path of the folder */
	struct ca_config *config;
	struct store *store;
	struct ca *ca;
	struct secret *pins[CA_CONFIG_TOKENS_MAX];   /* all, the root's too */
	struct secret *online[CA_CONFIG_TOKENS_MAX]; /* borrowed: those a signer would have */

	/* What a test sets before it founds. */
	int64_t now_ms;                       /* the clock; 0: the system's */
	const struct fixture_change *changes; /* ended by one without from; NULL: none */
	const char *more;                     /* further sections of the configuration; NULL: none */
	const char *shared_key; /* a key of this label is imported into the tokens "issuing" and "second"; NULL */
};

/* Tokens, configuration, founding; ends the test where something fails. Leaves store and ca closed. */
void fixture_found(struct fixture *f);
/* The same, then store and ca as a signer has them (without the root's PIN). */
void fixture_open(struct fixture *f);
/* Closes and opens store and ca again: what a restart does. */
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f);

/* A fresh P-256 public key: its SubjectPublicKeyInfo, appended. */
void fixture_spki(struct buf *out);
/* Enrols an identity; the certificate is appended. */
void fixture_enrol(struct fixture *f, const char *name, uint8_t roles, struct buf *certificate);
/* An actor as a session would give it. */
struct ca_actor fixture_actor(const char *name, uint8_t roles);
/* A request for one DNS name under server-dv ("" for none) with this key. */
struct message_issue fixture_request(const char *name, const struct buf *spki);
/* Issues it and gives the serial. */
struct store_serial fixture_issue(struct fixture *f, const struct ca_actor *actor, const char *name,
				  struct buf *certificate);

/* Number of entries in the audit chain with this event. */
size_t fixture_audit_count(struct fixture *f, const char *event);
/* Number of entries that hold this text. */
size_t fixture_audit_finds(struct fixture *f, const char *text);
/* The file's content below the state folder, appended; fails the test where it is not there. */
void fixture_read(struct fixture *f, const char *path, struct buf *out);

#define auto_fixture CLEANUP(fixture_close) struct fixture

#endif
