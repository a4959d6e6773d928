/*
 * tools/child.h - calls into a PKCS#11 module in a process of its own: where they are made as another
 * user while this process goes on as who it is, or by libp11, which finalizes the module behind everyone's back.
 *
 * Not for a process with threads, or one in which a module is open: PKCS#11 does not survive a fork.
 */
#ifndef CHANCERY_TOOLS_CHILD_H
#define CHANCERY_TOOLS_CHILD_H

#include "base/bytes.h"
#include "base/err.h"

/* What is done there: 0, or -1 with err; what it appends to answer comes back either way, at most CHILD_ANSWER_MAX
 * octets. Nothing else that it does to memory is seen outside. */
typedef int child_work(void *argument, struct buf *answer, struct error *err);
#define CHILD_ANSWER_MAX ((size_t)1 << 20)

/* Forks, does the work there, and waits for it. answer gets its octets appended; it may be NULL. Returns what the work
 * returned, with its error. ERR_TOKEN_UNAVAILABLE with nothing appended where the module ended the process. */
int child_run(child_work *work, void *argument, struct buf *answer, struct error *err);

#endif
