/*
 * tools/chanceryd_listen.h - what the supervisor opens before any role runs: the lock on the
 * state directory, the listeners, the local administration socket, PINs and other secrets.
 *
 * The working directory is the state directory. Every descriptor is close-on-exec.
 */
#ifndef CHANCERY_TOOLS_CHANCERYD_LISTEN_H
#define CHANCERY_TOOLS_CHANCERYD_LISTEN_H

#include "ca-core/role.h"

struct listeners {
	int https[ROLE_DESCRIPTORS_MAX], http[ROLE_DESCRIPTORS_MAX];
	size_t https_count, http_count;
	int admin;
	int pins[CA_CONFIG_TOKENS_MAX];    /* by token section; -1: none */
	int webhook_secret, mail_password; /* -1: none */
};

/* Takes STATE/chanceryd.lock for this process: the descriptor to keep, or -1: ERR_CONFLICT
 * where another server has it (the message has its process id), ERR_IO. */
int listen_lock(struct error *err);

/* Opens all that `config` asks for; sockets passed by systemd under the names "https" and "http"
 * (sd_listen_fds(3)) take the place of the configured addresses of that kind. An address of a
 * family that this machine does not have is passed over where another of its kind could be opened.
 * ERR_IO: an address that is taken, or is not ours. ERR_CONFIG: a malformed one. ERR_CONFLICT:
 * admin.sock is answered by another process. */
int listeners_open(const struct ca_config *config, struct listeners *out, struct error *err);

/* Fetches the PIN of each online token, and the other secrets, into sealed memory files. May ask on the terminal. */
int listeners_fetch_secrets(const struct ca_config *config, struct listeners *out, struct error *err);
/* Fetches those anew that can be read again (file:, credential:): for a role that is started again after one was
 * changed. One that cannot be read stays as it was. */
void listeners_renew_secrets(const struct ca_config *config, struct listeners *listeners);

#endif
