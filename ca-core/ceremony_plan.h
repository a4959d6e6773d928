/*
 * ca-core/ceremony_plan.h - the plan of a ceremony: the one file that says what is done, in which order, by whom.
 *
 * Read in the syntax of chancery.conf, whole or not at all; nothing is changed afterwards. Reading looks at the
 * plan's own text alone; the files that it names are read by ceremony_inputs_read, and what the plan comes to is
 * looked at by ceremony_check (ceremony_check.h). The reference for people is docs/ceremonies.md.
 *
 *     title, url, arc, window-from, window-to, attended
 *     person "NAME" { roles, certificate }
 *     attest { operators, custodians, witnesses, auditors }
 *     token "pkcs11:token=LABEL" { module, softhsm-conf, pin }
 *     profile "NAME" { as in chancery.conf, and purposes; kind may also be cross }
 *     issuer "NAME" { certificate, sha256, key, crl-number, used-serials }
 *     step "NAME" { kind, and the words of that kind }
 *
 * Names of steps and issuers are of one kind: either may stand where an issuer is asked for, so no name is both.
 * Key URIs are kept in one form (hsm_uri_format of what was written), so that two of one key are equal as texts.
 *
 * Thread-safety: a plan and its inputs are read-only after they were made; every function works on its arguments.
 * Source: RFC 7512 (names of tokens and keys), RFC 4210 section 4.4 (old with new, new with old).
 */
#ifndef CHANCERY_CA_CEREMONY_PLAN_H
#define CHANCERY_CA_CEREMONY_PLAN_H

#include "ca-core/config.h"
#include "ca-core/tbs.h"

#define CEREMONY_STEPS_MAX 256
#define CEREMONY_PEOPLE_MAX 64
#define CEREMONY_TOKENS_MAX 8
#define CEREMONY_ISSUERS_MAX 32
#define CEREMONY_REVOKED_MAX 4096
#define CEREMONY_NUMBER_MAX ((uint64_t)999999999999999) /* of a list; those of time have 13 digits */
#define CEREMONY_PLAN_MAX ((size_t)1 << 20)             /* octets of a plan */
#define CEREMONY_INPUT_MAX ((size_t)1 << 16)            /* octets of each file that it names */
#define CEREMONY_NOWHERE SIZE_MAX                       /* of functions that answer with a place */

enum ceremony_role { CEREMONY_OPERATOR, CEREMONY_CUSTODIAN, CEREMONY_WITNESS, CEREMONY_AUDITOR };
#define CEREMONY_ROLES 4
const char *ceremony_role_name(enum ceremony_role role); /* "operator", "custodian", "witness", "auditor" */

struct ceremony_person {
	char name[65];        /* UTF-8 */
	unsigned roles;       /* bits 1 << enum ceremony_role; at least one */
	char certificate[65]; /* file of the certificate whose key attests; "": cannot attest */
};

enum ceremony_pin { CEREMONY_PIN_PROMPT, CEREMONY_PIN_FD, CEREMONY_PIN_SHARES };
struct ceremony_token {
	char title[65];         /* as the plan has it, for messages */
	char uri[257];          /* one form, at least with a label; the section's title */
	char label[33];         /* no two sections have the same */
	char module[256];       /* absolute path of the shared object */
	char softhsm_conf[256]; /* for SoftHSM2 alone; "": as the environment has it */
	enum ceremony_pin pin;
	int pin_fd;     /* of CEREMONY_PIN_FD */
	char sheet[65]; /* of CEREMONY_PIN_SHARES: file of the public sheet of the split; else "" */
};

/* An issuer that is there already: a root of before, a CA above. */
struct ceremony_issuer {
	char name[65];
	char certificate[65];    /* file, PEM or DER */
	uint8_t sha256[32];      /* of the certificate's DER, as the plan states it */
	char *key;               /* URI in one form; NULL: it signs nothing here, but is certified (of, old) */
	uint64_t crl_number;     /* of its newest list; 0: none yet */
	struct buf used_serials; /* a length octet and content octets each; for ceremony_plan_serial_used */
};

enum ceremony_kind {
	CEREMONY_KEY,          /* key, type */
	CEREMONY_ROOT,         /* key, profile, subject, life */
	CEREMONY_CERTIFICATE,  /* issuer, csr + csr_sha256 or key, profile, subject, life */
	CEREMONY_CROSS,        /* issuer, of, profile, life */
	CEREMONY_OLD_WITH_NEW, /* the same with issuer = the word new, of = the word old */
	CEREMONY_NEW_WITH_OLD, /* the same with issuer = the word old, of = the word new */
	CEREMONY_CRL,          /* issuer, this-update, next_update_days, number, revoked */
	CEREMONY_DESTROY,      /* key */
	CEREMONY_COMPARE,      /* key, backup */
};
#define CEREMONY_KINDS 9
const char *ceremony_kind_name(enum ceremony_kind kind); /* the word of the plan: "old-with-new" */
/* True for what ends in a certificate; with ceremony_kind_signs also CRLs. */
bool ceremony_kind_certifies(enum ceremony_kind kind);
bool ceremony_kind_signs(enum ceremony_kind kind);

/* A time of the plan: not given, "now" (fixed by the rehearsal), or this second. */
struct ceremony_time {
	bool given, now;
	int64_t s;
};

struct ceremony_revoked {
	uint8_t serial[20];
	size_t serial_len;
	int64_t revoked_s;
	unsigned reason; /* CRLReason */
};

struct ceremony_step {
	char name[65];
	enum ceremony_kind kind;
	char *key;                    /* URI in one form; NULL where the kind has none */
	char *backup;                 /* of CEREMONY_COMPARE */
	enum ca_key_type type;        /* of CEREMONY_KEY, with bits for RSA */
	unsigned bits;                /* 2048, 3072, 4096; 256, 384, 521; 256 for Ed25519 */
	char issuer[65];              /* a step or an issuer section; "": none */
	char of[65];                  /* whose key a cross-certificate certifies: a step or an issuer section */
	char csr[65];                 /* file; "": key names the key */
	uint8_t csr_sha256[32];       /* of the file's octets */
	char profile[65];             /* "": that of the step that `of` names */
	char *subject[CA_ATTR_COUNT]; /* UTF-8, or NULL */
	struct ceremony_time not_before, not_after; /* or this-update, next-update */
	unsigned days;                              /* 0: the profile's; exclusive with not_after */
	uint8_t serial[20];                         /* the plan's own; serial_len 0: drawn by the rehearsal */
	size_t serial_len;
	uint64_t number; /* of a CRL; 0: by its time, or the next */
	struct ceremony_revoked *revoked;
	size_t revoked_count;
};

struct config_lines;
struct ceremony_plan {
	char title[129];
	char url[256]; /* as listen.url of chancery.conf */
	char arc_text[128];
	struct buf arc;                     /* OID content; empty where the plan has none */
	int64_t window_from_s, window_to_s; /* both inclusive */
	bool attended;
	struct ceremony_person *people;
	size_t person_count;
	unsigned attest[CEREMONY_ROLES]; /* how many of each must attest */
	struct ceremony_token *tokens;
	size_t token_count;
	struct ca_profile *profiles; /* prepared */
	size_t profile_count;
	struct ceremony_issuer *issuers;
	size_t issuer_count;
	struct ceremony_step *steps; /* in their order */
	size_t step_count;
	struct buf text;            /* the file's octets */
	uint8_t sha256[32];         /* of them */
	struct config_lines *lines; /* private: for ceremony_plan_wrong */
};

/* Reads a plan's text; path is for messages and need not exist. What is wrong in it, by itself: unknown or repeated
 * words, values out of range, names that mean nothing, words that do not belong to a kind of step, a PIN. NULL:
 * ERR_CONFIG "path:line: ...". A PIN's value is never repeated. Freed with ceremony_plan_free. */
struct ceremony_plan *ceremony_plan_parse(struct bytes text, const char *path, struct error *err);
/* The same of a file. NULL: ERR_NOT_FOUND, ERR_CONFIG. */
struct ceremony_plan *ceremony_plan_load(const char *path, struct error *err);
void ceremony_plan_free(struct ceremony_plan *plan);
CLEANUP_POINTER(ceremony_plan, struct ceremony_plan, ceremony_plan_free)
#define auto_ceremony_plan CLEANUP(ceremony_plan_cleanup) struct ceremony_plan

/* ERR_CONFIG "path:line: section "title", option: ..." at the option's line, else the section's. option may be "".
 * Returns -1. */
int ceremony_plan_wrong(const struct ceremony_plan *plan, struct error *err, const char *section, const char *title,
			const char *option, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* ---- looked up by name; borrowed; NULL (or CEREMONY_NOWHERE) where there is none ---- */

size_t ceremony_plan_step(const struct ceremony_plan *plan, const char *name);
const struct ceremony_issuer *ceremony_plan_issuer(const struct ceremony_plan *plan, const char *name);
const struct ca_profile *ceremony_plan_profile(const struct ceremony_plan *plan, const char *name);
/* The profile that a step's certificate is made under: its own, or that of the step that `of` names. */
const struct ca_profile *ceremony_step_profile(const struct ceremony_plan *plan, const struct ceremony_step *step);
/* The section of the token that a key's URI names. */
const struct ceremony_token *ceremony_plan_token(const struct ceremony_plan *plan, const char *key);
/* The step of kind key that makes this key. */
size_t ceremony_plan_key_step(const struct ceremony_plan *plan, const char *key);
/* The URI of the key that signs this step; NULL where nothing is signed. Issuers are looked up. */
const char *ceremony_step_signer(const struct ceremony_plan *plan, const struct ceremony_step *step);
/* The name of the file that the step leaves in out/: "root-1.pem", "root-1-crl.crl"; "" where it leaves none. Returns
 * out. */
char *ceremony_step_output(const struct ceremony_step *step, char out[70]);

/* Whether the issuer of this step has used the serial (content octets) before, as far as the plan alone tells:
 * its used-serials, what its lists revoke, and the serials that other steps of the same issuer state. */
bool ceremony_plan_serial_used(const struct ceremony_plan *plan, size_t step, struct bytes serial);

/* Whether these people (bit i: people[i]) are enough: as many of each role as `attest` asks for, each person counted
 * for one role, and each with a certificate. 0, or -1 with ERR_CONFIG and who is missing. */
int ceremony_plan_attested(const struct ceremony_plan *plan, uint64_t people, struct error *err);

/* The time that "now" stands for, where the clock says now_s: now_s itself within the window, its start before it,
 * its end behind it. */
int64_t ceremony_plan_now(const struct ceremony_plan *plan, int64_t now_s);

/* ---- the files that the plan names ---- */

struct ceremony_input {
	char name[65]; /* as in the plan; a plain name, without a folder */
	struct buf content;
	uint8_t sha256[32]; /* of content */
};
struct ceremony_inputs {
	struct ceremony_input *items; /* each file once, in the order of the plan */
	size_t count;
};
#define CEREMONY_INPUTS_INIT ((struct ceremony_inputs){ NULL, 0 })
/* Reads each file of the plan from this folder: the plan's own, or inputs/ of a rehearsal. inputs is
 * CEREMONY_INPUTS_INIT before, and owns what it has, also on failure. ERR_CONFIG with the line that names it. */
int ceremony_inputs_read(const struct ceremony_plan *plan, const char *folder, struct ceremony_inputs *inputs,
			 struct error *err);
const struct ceremony_input *ceremony_inputs_find(const struct ceremony_inputs *inputs, const char *name);
/* The one certificate that the file holds, as DER, appended: PEM or DER. ERR_CONFIG. */
int ceremony_input_certificate(const struct ceremony_input *in, struct buf *der, struct error *err);
void ceremony_inputs_free(struct ceremony_inputs *inputs);
#define auto_ceremony_inputs CLEANUP(ceremony_inputs_free) struct ceremony_inputs

#endif
