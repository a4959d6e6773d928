/*
 * ca-core/role.h - how the supervisor starts a role, and what a role's main gets.
 *
 * chanceryd is one program. The supervisor (tools/chanceryd.c) parses nothing: it opens the
 * listeners, makes a fresh socket pair for each pair of roles that talk, fetches the PINs into
 * sealed memfds, forks and executes itself as `chanceryd --role NAME` with these descriptors,
 * and starts a dead role again with back-off. The role executes as the starting user, enters
 * STATE, drops to its own user, then runs its main.
 *
 * Descriptors and settings reach the role by its environment: CHANCERY_CHANNEL=FD,
 * CHANCERY_LISTEN_HTTPS=FD[,FD...], CHANCERY_LISTEN_HTTP=FD[,FD...], CHANCERY_ADMIN=FD,
 * CHANCERY_ADMIN_UID=N, CHANCERY_PIN_<n>=FD for the n-th token section of the configuration. They
 * hold no secret: a PIN is only behind its descriptor.
 *
 * Supervisor and front also share CHANCERY_CONTROL=FD (SOCK_SEQPACKET). The front sends one byte 'R' once it
 * serves and the signer has answered it. The supervisor sends one byte 'C' with one descriptor (SCM_RIGHTS): a
 * fresh channel, because the signer was started again; the front takes it in place of the dead one.
 */
#ifndef CHANCERY_CA_ROLE_H
#define CHANCERY_CA_ROLE_H

#include "base/clock.h"
#include "ca-core/config.h"

#define ROLE_DESCRIPTORS_MAX 16

struct role {
	const struct ca_config *config;
	int channel; /* to the other side; -1: none */
	int https[ROLE_DESCRIPTORS_MAX], http[ROLE_DESCRIPTORS_MAX];
	size_t https_count, http_count; /* listening sockets */
	int admin;                      /* listening AF_UNIX socket; -1: none */
	int control;                    /* the front's: SOCK_SEQPACKET to the supervisor; -1: none */
	unsigned admin_uid;             /* who besides root may speak on it */
	int pins[CA_CONFIG_TOKENS_MAX]; /* sealed memfds by token section; -1: none */
	struct clock clock;
};

/* The exit status of a role that asks for a new process at once, because it cannot help itself otherwise. */
#define ROLE_AGAIN 75

/* The signer: opens store and tokens, publishes, answers until its channel closes; then an orderly
 * stop. Ignores SIGTERM and SIGINT. Returns the process's exit status. Source: DESIGN section 4. */
int ca_signer_main(const struct role *role);

#endif
