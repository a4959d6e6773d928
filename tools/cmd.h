/*
 * tools/cmd.h - the commands of `chancery`, one file tools/cmd_*.c each, and what several of
 * them share.
 */
#ifndef CHANCERY_TOOLS_CMD_H
#define CHANCERY_TOOLS_CMD_H

#include "tools/client.h"
#include "tools/keys.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/state.h"

extern const struct command cmd_init, cmd_issue, cmd_submit, cmd_renew, cmd_cert, cmd_identity, cmd_apitoken, cmd_crl,
	cmd_audit, cmd_store, cmd_config, cmd_token, cmd_order, cmd_org, cmd_explain, cmd_ceremony;

/* The inventory's row of one certificate, of GET path; the caller's reference. NULL: ERR_NOT_FOUND ... */
json_t *certificate_row(struct client *client, const char *path, struct error *err);

/* The --name values of an issuance, sorted out: in a client profile the first is the common name. */
struct wanted_names {
	const char *common_name; /* borrowed; NULL for none */
	struct ca_names names;
};
/* ERR_BAD_NAME. client: the profile is one for clients. */
int wanted_names_sort(const struct option_list *list, bool client, struct wanted_names *out, struct error *err);

/* Whether the profile is for clients: asked of the local configuration, else by its name. */
bool profile_is_client(const struct common_options *common, const char *profile);

/* Posts a request (DER or PEM) and gets the chain as PEM, leaf first; or, where something has to be shown or approved
 * first, the order that it became (the caller's reference; else *order is NULL). days 0: the profile's own. */
int post_request(struct client *client, const char *profile, unsigned days, struct bytes csr, struct buf *chain,
		 json_t **order, struct error *err);

/* A folder named after the first name: "./www.example.test", "./_wildcard.example.test". Allocated. */
char *folder_for_name(const char *name, struct error *err);

/* Says what was issued and where it lies. */
void say_issued(const struct invocation *in, const X509 *certificate, const struct key_folder *folder, bool with_key);

/* Signs the next list of an issuer whose token is offline, and hands it to the server. Becomes the store's
 * user, in the state directory. */
struct admin;
struct message_crl_made;
int crl_sign_offline(const struct common_options *common, const struct ca_config *config,
		     const struct ca_config_issuer *issuer, struct admin *admin, struct message_crl_made *made,
		     struct error *err);

/* "30d", "12h", "90m" as seconds. ERR_USAGE. */
int duration_of(const char *text, int64_t *seconds, struct error *err);

#endif
