/*
 * tools/cmd_order.h - what the commands about orders share.
 */
#ifndef CHANCERY_TOOLS_CMD_ORDER_H
#define CHANCERY_TOOLS_CMD_ORDER_H

#include "tools/cmd.h"
#include "tools/own_request.h"

/* "/api/v1/orders/ID" and what stands behind it, appended. */
void order_path(struct buf *path, const char *id, const char *behind);

/* Whose it is, where the client knows. */
int order_requester(const struct client *client, struct own_request *own, struct error *err);
/* The same, and what a file (or none: NULL) holds: a request, or the key of one. */
int order_own_request(const struct client *client, const char *path, struct own_request *own, struct error *err);

/* Holds an order that the server sent against one's own request (or NULL), then shows it; an order whose values are
 * not right is not shown. 0, or -1 with err. */
int order_show(const struct invocation *in, json_t *order, const struct own_request *own, struct error *err);

/* approve and deny: the exit status. */
int order_approve(struct invocation *in);
int order_deny(struct invocation *in);
extern const char order_decide_detail[];

#endif
