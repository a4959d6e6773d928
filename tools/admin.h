/*
 * tools/admin.h - STATE/admin.sock: the signer's own local door, for what grants power. Typed
 * messages (ca-core/message.h) over base/channel.h.
 */
#ifndef CHANCERY_TOOLS_ADMIN_H
#define CHANCERY_TOOLS_ADMIN_H

#include "base/channel.h"
#include "ca-core/message.h"
#include "tools/options.h"

struct admin;

/* Connects. ERR_UNREACHABLE where no server runs on this state directory, or where we may not. */
struct admin *admin_open(const struct common_options *common, struct error *err);
void admin_free(struct admin *admin);
CLEANUP_POINTER(admin, struct admin, admin_free)
#define auto_admin CLEANUP(admin_cleanup) struct admin

/* Asks and waits. The answer's payload is appended to answer; expected is its type. What the
 * signer refuses comes back as its error. */
int admin_ask(struct admin *admin, enum message_type question, struct bytes payload, enum message_type expected,
	      struct buf *answer, struct error *err);

/* The same over a connection of its own. The payload is a struct message_name, or nothing where name is NULL. */
int admin_ask_once(const struct common_options *common, enum message_type question, const char *name,
		   enum message_type expected, struct buf *answer, struct error *err);

/* A whole command: has the signer remove what its one operand names, and says that "KIND NAME is removed" and what
 * follows from it; member: what JSON calls the name. The exit status. */
int admin_remove(struct invocation *in, enum message_type question, const char *member, const char *kind,
		 const char *consequence);

#endif
