/*
 * tools/cmd_org.h - what the commands about organizations share.
 */
#ifndef CHANCERY_TOOLS_CMD_ORG_H
#define CHANCERY_TOOLS_CMD_ORG_H

#include "tools/cmd.h"

/* "/api/v1/organizations/ID" and what stands behind it, appended. */
void org_path(struct buf *path, const char *id, const char *behind);

/* The present version; the caller's reference. ERR_NOT_FOUND. */
json_t *org_get(struct client *client, const char *id, struct error *err);

/* Prints it; the exit status. */
int org_show(const struct invocation *in, json_t *organization);

int org_add(struct invocation *in);
extern const char org_add_detail[];

#endif
