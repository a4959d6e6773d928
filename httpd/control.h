/*
 * httpd/control.h - the front's end of the supervisor's control socket (ca-core/role.h).
 *
 * Thread-safety: control_tell_ready from any thread.
 */
#ifndef CHANCERY_HTTPD_CONTROL_H
#define CHANCERY_HTTPD_CONTROL_H

#include "httpd/link.h"

struct control;

/* Takes over fd (SOCK_SEQPACKET); every channel that comes over it is offered to link, which must
 * outlive the control. That the supervisor closes it means nothing. NULL with ERR_INTERNAL. */
struct control *control_new(int fd, struct link *link, struct error *err);
void control_tell_ready(struct control *control); /* NULL: nobody to tell */
void control_free(struct control *control);

#endif
