/*
 * ca-core/ca.h - the deciding parts: the signer's alone, and the offline tools'.
 *
 * struct ca is the one object that may issue: configuration, store, keys, clock. The server
 * and the tools call the same functions; the difference is who stands in front of them.
 *
 * Thread-safety: after ca_open every function may be called from any thread.
 */
#ifndef CHANCERY_CA_CA_H
#define CHANCERY_CA_CA_H

#include "ca-core/config.h"
#include "ca-core/message.h"
#include "ca-core/tbs.h"
#include "hsm/provider.h"
#include "store/store.h"

struct ca;

struct ca_options {
	const struct ca_config *config; /* borrowed for the life of the ca */
	struct store *store;            /* borrowed for the life of the ca; closed before ca_close, so that the
					 * last commits can still answer */
	struct clock clock;
	const struct secret *const *pins; /* by token section; NULL entries: not logged in. The secrets are copied */
	const char *published;            /* folder, "published"; NULL: publish nothing */
	bool attach_later;                /* tokens are opened by who cares for them, each by a thread of its own */
};
/* Loads modules, logs in to online tokens, finds each issuer's key by its URI and checks it against the
 * issuer certificate of the store, readies the audit key. A token that is not there does not stop it: the issuer stays
 * without a key until it is (ERR_TOKEN_UNAVAILABLE per request). */
struct ca *ca_open(const struct ca_options *options, struct error *err);
void ca_close(struct ca *ca);

/* Who asks, as the signer found out itself. */
struct ca_actor {
	char identity[65];          /* "ca" for our own acts, "root" for admin.sock */
	uint8_t roles;              /* ROLE_ bits */
	bool may_request, may_read; /* of an API token; true else */
	char token_id[33];          /* API token, or "" */
	char peer[64];              /* where from, for the audit */
	char profiles[256];         /* an API token's list, or "" */
};

/* One issuance: parse -> authorize -> order -> policy -> tbs -> lint -> sign -> verify -> commit ->
 * answer. Returns 0 when it is under way; done is called once, after the certificate is durable or has failed (on
 * another thread perhaps, must not block). -1: refused at once, done is not called. issued and its certificate live
 * until done returns. A dry run that would be issued calls done with neither issued nor err. request is borrowed for
 * the call alone. Errors: every refusal of the contract; ERR_BUSY past the deadline, and while the clock is behind the
 * newest audit entry; ERR_TOKEN_UNAVAILABLE (nothing was signed), ERR_SIGNATURE_UNCERTAIN (the token failed while it
 * signed; the serial is recorded as unfinished), ERR_STORE_FULL. */
typedef void ca_issue_done(void *arg, const struct message_issued *issued, const struct error *err);
int ca_issue(struct ca *ca, const struct ca_actor *actor, const struct message_issue *request, ca_issue_done *done,
	     void *arg, struct error *err);
/* The same, waited for: tools and start-up. The caller gets the certificate in out. */
int ca_issue_wait(struct ca *ca, const struct ca_actor *actor, const struct message_issue *request,
		  struct buf *certificate, struct store_serial *serial, struct error *err);

/* ---- founding a CA: `chancery init` ---- */
struct ca_foundation {
	const struct ca_config *config;
	struct store *store; /* new and empty */
	struct clock clock;
	const struct secret *const *pins; /* by token section, the root's too */
	const char *organization;         /* subject O of root and issuers; "" for none */
	const char *published;            /* folder */
	const char *root_pem;             /* where to write the trust root: "trust/root.pem" */
};
/* Makes whatever is missing of a CA: keys, certificates of issuers and of the audit key, their first CRLs, through the
 * same tbs, lint and sign as any other; stores and publishes them with their audit entries. Idempotent: what is there
 * already is kept. The root of `chancery init`, its list and the issuers below it come from a ceremony
 * (tools/init_ceremony.h) before this is called; roots are made here where no ceremony can: further ones, those
 * whose key was in its token before, and those of unit tests and benchmarks. */
int ca_found(const struct ca_foundation *in, struct error *err);

/* What a CA that is founded here calls its own, for their names' CN: "root-1" of Example Ltd becomes "Example Ltd
 * Root 1"; without an organization ("") the program's name stands in its place. */
#define CA_FOUND_NAME_SIZE 160
void ca_found_name(const char *organization, const char *name, char common_name[CA_FOUND_NAME_SIZE]);

/* Issuers that wait for a certificate from a ceremony: the key of each is found in its token, or made there, and given
 * to `each`, with a subject for its request. each returns -1 with err to stop. signer and subject are borrowed. */
typedef int ca_waiting(void *arg, const struct ca_config_issuer *issuer, struct hsm_signer *signer,
		       struct bytes subject, struct error *err);
int ca_found_waiting(struct ca *ca, const char *organization, ca_waiting *each, void *arg, struct error *err);

/* Enrols an identity with a certificate for spki (admin.sock, and init for the first admin). */
int ca_identity_add(struct ca *ca, const struct ca_actor *actor, const struct message_identity_add *request, bool known,
		    bool revoke_earlier, struct buf *certificate, struct store_serial *serial, struct error *err);

#endif
