/*
 * tools/cmd_token.h - what the files of `chancery token` share.
 */
#ifndef CHANCERY_TOOLS_CMD_TOKEN_H
#define CHANCERY_TOOLS_CMD_TOKEN_H

#include "hsm/admin.h"
#include "tools/cmd.h"

/* The configuration, and its state directory as the working directory: modules find their tokens from
 * there. NULL: in->error says why. */
struct ca_config *token_enter(struct invocation *in);

/* The token section of this name, which must name a PIN. Borrowed. ERR_NOT_FOUND, ERR_CONFIG. */
const struct ca_config_token *token_named(const struct ca_config *config, const char *name, struct error *err);

/* Becomes, for good, whom the token's files belong to, with SOFTHSM2_CONF as the section has it. A PIN's file
 * is whose who started the server: it is read before. */
int token_become_user(const struct ca_config *config, const struct ca_config_token *token, struct error *err);

/* The commands of files of their own, and what --help says of them besides. */
int token_init(struct invocation *in);
int token_csr(struct invocation *in);
int token_probe(struct invocation *in);
int token_pin_change(struct invocation *in);
int token_pin_retry(struct invocation *in);
int token_pin_split(struct invocation *in);
extern const char token_init_detail[], token_csr_detail[], token_probe_detail[], token_pin_change_detail[],
	token_pin_retry_detail[], token_pin_split_detail[];

/* Hands the PIN of a token section to the server that runs on the state directory (an absolute path), which tries it
 * once. ERR_UNREACHABLE where none runs. */
int token_hand_pin(const struct common_options *common, const char *name, const struct secret *pin, struct error *err);

#endif
