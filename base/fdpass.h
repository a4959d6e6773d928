/*
 * base/fdpass.h - a descriptor handed to another of our processes, with one letter that says what
 * it is for, over a connected AF_UNIX socket of type SOCK_SEQPACKET.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_FDPASS_H
#define CHANCERY_BASE_FDPASS_H

#include "base/err.h"

/* The peer gets a copy of fd; ours stays open. ERR_UNREACHABLE. */
int fdpass_send(int socket, char letter, int fd, struct error *err);

/* Waits for one message. Returns 1 with its letter and its descriptor (close-on-exec, the caller's; -1 where
 * it carried none), 0 once the peer has closed. */
int fdpass_receive(int socket, char *letter, int *fd);

#endif
