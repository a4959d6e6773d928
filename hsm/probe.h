/*
 * hsm/probe.h - what an unknown token can do, found out by trying: what the owner of an HSM
 * runs before anything is entrusted to it.
 *
 * A probe opens the module itself and finalizes it at its end, so no other hsm_module of the same
 * file may be open in the process, and the process should have nothing to lose: modules have
 * crashed for less. The PIN is given to C_Login once per login (twice in all: once more after
 * C_Finalize), and once to see what a login of a user who is logged in answers; after a refusal
 * never again. No wrong PIN is ever tried. Keys that a probe makes are labelled
 * "chancery-probe-RUN-TYPE" and destroyed before it ends.
 */
#ifndef CHANCERY_HSM_PROBE_H
#define CHANCERY_HSM_PROBE_H

#include "hsm/key.h"
#include "hsm/token.h"

#define HSM_PROBE_LABEL "chancery-probe-" /* how the label of every key of a probe begins */
#define HSM_PROBE_SESSIONS_MAX 256        /* no more are opened to count them */
#define HSM_PROBE_THREADS_MAX 8           /* that sign at once */

enum hsm_probe_verdict {
	HSM_PROBE_OK,     /* Chancery can use it, or does not mind */
	HSM_PROBE_PARTLY, /* with a limit that `means` names */
	HSM_PROBE_NO,     /* Chancery cannot */
};
/* "ok", "partly", "no". Static. */
const char *hsm_probe_verdict_name(enum hsm_probe_verdict v);

/* One thing that was tried. All texts are UTF-8 without control characters, cut where too long. */
struct hsm_probe_row {
	const char *subject; /* "library", "token", "mechanism", "sessions", "login", "keys", a type of key
			      * ("p256"), "objects", "finalize", "summary". Static */
	char name[64];       /* "generate", "sign PKCS#1" */
	enum hsm_probe_verdict verdict;
	char found[512];
	const char *means; /* for Chancery. Static */
	int64_t number;    /* of a row that counts or measures: sessions, signatures per second; else -1 */
};

struct hsm_probe_mechanism {
	unsigned long type;
	const char *name;          /* "CKM_ECDSA"; NULL for one that Chancery has no use for. Static */
	unsigned long least, most; /* key size, in the unit that the mechanism has (CK_MECHANISM_INFO) */
	unsigned long flags;       /* CKF_HW, CKF_SIGN ... */
};

#define HSM_PROBE_KEY_TYPES (HSM_ED25519 + 1)
#define HSM_PROBE_LEFT_MAX 16

struct hsm_probe {
	struct hsm_token_info token;
	struct hsm_probe_row *rows;
	size_t row_count;
	struct hsm_probe_mechanism *mechanisms; /* all that the token has */
	size_t mechanism_count;
	bool read_only;
	/* By type: keys of it can be made as Chancery wants them, and sign as certificates are signed.
	 * Of a read-only probe: mechanisms and key sizes promise so. */
	bool issuing[HSM_PROBE_KEY_TYPES];
	bool pss;          /* RSA-PSS is served, too */
	unsigned sessions; /* recommended for option `sessions` of the configuration */
	/* Labels of keys that a probe made, this or an earlier one, and that are in the token still. */
	char left[HSM_PROBE_LEFT_MAX][64];
	size_t left_count;
	bool stopped; /* options.stop said so: what came after is missing */
	bool failed;  /* no memory: rows are missing */
};

struct hsm_probe_options {
	const char *uri;          /* RFC 7512: exactly one token must match */
	const struct secret *pin; /* borrowed; NULL only for read_only: then nobody logs in */
	bool read_only;           /* makes nothing in the token */
	unsigned rate_ms;         /* how long each rate is measured; a signature that takes longer is waited for */
	/* Told of each step before it begins ("p256: signatures per second"); may be NULL. */
	void (*step)(void *argument, const char *what);
	/* Asked between steps; true ends the probe, which then destroys what it made. May be NULL. */
	bool (*stop)(void *argument);
	void *argument;
};

/* Probes. What the token cannot do is in the rows, a refused PIN too. NULL: ERR_TOKEN_UNAVAILABLE (module
 * or token are not there), ERR_CONFIG (the URI), ERR_USAGE (neither PIN nor read_only). */
struct hsm_probe *hsm_probe_run(const char *module_path, const struct hsm_probe_options *options, struct error *err);
void hsm_probe_free(struct hsm_probe *p);
/* Whether a key of at least one type can issue. */
bool hsm_probe_can_issue(const struct hsm_probe *p);

CLEANUP_POINTER(hsm_probe, struct hsm_probe, hsm_probe_free)
#define auto_hsm_probe CLEANUP(hsm_probe_cleanup) struct hsm_probe

#endif
