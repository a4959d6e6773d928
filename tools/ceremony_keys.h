/*
 * tools/ceremony_keys.h - the tokens of a ceremony, and the keys in them; in a rehearsal, stand-ins of both.
 *
 * A run opens the tokens that the plan names, each with its PIN, tried once. A rehearsal makes tokens of the same labels
 * in a SoftHSM2 directory of its own, which is removed afterwards, and keys in them for those that exist already. All
 * else is the same code: whoever works with the keys cannot tell the two apart, but by ceremony_keys_stand_in.
 *
 * One thread at a time, and one such struct at a time in a process: modules are initialized here, and SOFTHSM2_CONF is
 * set meanwhile (FACTS: it is read by C_Initialize alone).
 */
#ifndef CHANCERY_TOOLS_CEREMONY_KEYS_H
#define CHANCERY_TOOLS_CEREMONY_KEYS_H

#include "ca-core/ceremony_draft.h"
#include "hsm/key.h"
#include "hsm/provider.h"

struct ceremony_keys;

/* The PIN of a token; NULL with err. Asked once for each. */
typedef struct secret *ceremony_pin_source(void *argument, const struct ceremony_token *token, struct error *err);

struct ceremony_keys_options {
	const struct ceremony_plan *plan; /* borrowed, as long as the keys */
	bool rehearsal;
	ceremony_pin_source *pin; /* of a run */
	void *argument;
};
/* Opens the tokens and logs in. NULL: ERR_TOKEN_UNAVAILABLE where a token or module is not there, ERR_PIN_REFUSED,
 * ERR_CONFIG where two sections of one module name different softhsm-conf, and what pin gives. */
struct ceremony_keys *ceremony_keys_open(const struct ceremony_keys_options *options, struct error *err);
/* Closes tokens and modules; what was opened is not there until ceremony_keys_again. PINs are kept. */
void ceremony_keys_pause(struct ceremony_keys *keys);
/* The same tokens once more, with the PINs that were good before. */
int ceremony_keys_again(struct ceremony_keys *keys, struct error *err);
void ceremony_keys_close(struct ceremony_keys *keys);
CLEANUP_POINTER(ceremony_keys, struct ceremony_keys, ceremony_keys_close)
#define auto_ceremony_keys CLEANUP(ceremony_keys_cleanup) struct ceremony_keys

/* Facts of a token of the plan (by its place there), as the module gives them. */
int ceremony_keys_token(struct ceremony_keys *keys, size_t token, struct hsm_token_info *info, struct error *err);
/* The file of its module. Borrowed. */
const char *ceremony_keys_module(const struct ceremony_keys *keys, size_t token);

/* In a rehearsal: makes the key that plays one which exists already. spki tells its type; none: P-256. Nothing happens
 * where it is there. */
int ceremony_keys_stand_in(struct ceremony_keys *keys, const char *uri, struct bytes spki, struct error *err);

/* The key of this URI, the caller's to free before the next pause. ERR_NOT_FOUND with the key's name; others as
 * hsm_key_find. */
struct hsm_key *ceremony_keys_find(struct ceremony_keys *keys, const char *uri, struct error *err);
/* A new key of the step's type under the label in its URI. ERR_CONFLICT where there is one. */
struct hsm_key *ceremony_keys_make(struct ceremony_keys *keys, const struct ceremony_step *step, struct error *err);
/* Whether what is there under the step's URI is such a key: for a step that was interrupted. */
int ceremony_keys_check(struct ceremony_keys *keys, const struct ceremony_step *step, struct hsm_key *key,
			struct error *err);
/* Signs with it, verified before it is given out; appended. */
int ceremony_keys_sign(struct ceremony_keys *keys, struct hsm_key *key, struct bytes message, struct buf *signature,
		       struct error *err);

#endif
