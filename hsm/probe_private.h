/*
 * hsm/probe_private.h - what the files of the probe share.
 */
#ifndef CHANCERY_HSM_PROBE_PRIVATE_H
#define CHANCERY_HSM_PROBE_PRIVATE_H

#include "hsm/private.h"
#include "hsm/probe.h"
#include "hsm/scheme.h"

/* A probe under way. */
struct probing {
	const struct hsm_probe_options *options;
	struct hsm_probe *report;
	struct hsm_module *module;
	struct hsm_token *token; /* open; logged in where there is a PIN */
	char run[9];             /* in the labels of the keys that are made */
	size_t sessions;         /* that the token allows, as counted */
	bool sessions_end;       /* that count ended at a refusal */
	unsigned threads;        /* that sign at once */
	double gain;             /* of several threads over one: the best of all types; 0: not measured */
	bool alone;              /* several at once failed */
	bool write_protected, pin_refused;
	struct hsm_probe_row spare; /* where there is no memory for another row */
};

/* Probes a module that is open, and has no token open. Errors as hsm_probe_run. */
int hsm_probe_module(struct hsm_module *m, const struct hsm_probe_options *options, struct hsm_probe *report,
		     struct error *err);

/* ---- probe.c ---- */
/* Adds a row; what was found in the manner of printf. The row, for its number; never NULL. */
struct hsm_probe_row *probe_row(struct probing *p, const char *subject, const char *name,
				enum hsm_probe_verdict verdict, const char *means, const char *found, ...)
	__attribute__((format(printf, 6, 7)));
/* A row that says what a call answered: "CKR_OK", "CKR_GENERAL_ERROR (0x5)". */
void probe_row_answer(struct probing *p, const char *subject, const char *name, enum hsm_probe_verdict verdict,
		      const char *means, CK_RV rv);
/* Announces a step. False: the probe is to stop. */
bool probe_step(struct probing *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The label of the key of this kind that this probe makes. */
void probe_label(const struct probing *p, const char *kind, char label[64]);
/* Destroys whatever key of this label is in the token; what stays is reported, and noted in the report. */
void probe_sweep(struct probing *p, const char *label);
/* Notes and reports that a key of this label is left in the token. */
void probe_left(struct probing *p, const char *label);
/* Opens the token anew, with one login where there is a PIN. p->token is NULL where it fails. */
int probe_open(struct probing *p, struct error *err);
/* A fixed-length text of PKCS#11, made fit for showing: out has size octets. */
void probe_text(char *out, size_t size, const unsigned char *text, size_t len);

/* ---- the parts: each adds its rows ---- */
void probe_library(struct probing *p);
void probe_token(struct probing *p);
void probe_mechanisms(struct probing *p);
/* Whether mechanisms and key sizes promise that keys of this type can be made and sign. */
bool probe_promised(const struct probing *p, enum hsm_key_type type);
/* Whether the mechanism that signs with keys of this type is offered, or unknown. */
bool probe_may_sign(const struct probing *p, enum hsm_key_type type);
bool probe_promises_pss(const struct probing *p);
void probe_sessions(struct probing *p);
void probe_login(struct probing *p);
void probe_existing_keys(struct probing *p);
void probe_key_type(struct probing *p, enum hsm_key_type type);
/* What handles and sessions answer, with a key of this type. */
void probe_objects(struct probing *p, enum hsm_key_type type);
/* C_Finalize and back; the token is open again afterwards, or p->token is NULL. */
void probe_finalize(struct probing *p, enum hsm_key_type type);

/* ---- probe_keys.c ---- */
/* Signs once by the scheme and verifies in software. */
int probe_sign(struct hsm_key *key, const struct hsm_scheme *scheme, struct error *err);

#endif
