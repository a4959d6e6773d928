/*
 * tools/init_ceremony.h - the ceremony that `chancery init` holds by itself, for a root whose token is on this machine.
 *
 *     STATE/ceremony/         its directory, as any ceremony's (tools/ceremony_folder.h)
 *     STATE/ceremony-closing  its closing hash, in groups
 *     STATE/ceremony-plan/    plan, requests and rehearsal while it is held; gone afterwards
 *
 * It is the code of `chancery ceremony rehearse` and `run`, without a terminal. Interrupted, it goes on where it was;
 * where it cannot any more (its window is over, the program is another by now), what it made is taken away again, the
 * key too, and it is held anew: nothing of it has come into the CA before it was closed.
 *
 * One thread at a time, in the state directory. Not in a process with threads, or one that has a PKCS#11 module open.
 */
#ifndef CHANCERY_TOOLS_INIT_CEREMONY_H
#define CHANCERY_TOOLS_INIT_CEREMONY_H

#include "ca-core/ca.h"

#define INIT_CEREMONY "ceremony"
#define INIT_CEREMONY_CLOSING "ceremony-closing"

struct init_ceremony {
	const struct ca_config *config;
	struct secret *const *pins; /* by token section */
	const char *organization;   /* "" for none */
	struct clock clock;
};

/* Holds it, for the first root of the configuration whose token is here and for the issuers below that one. 1: it was
 * held, now or before; 0: there is none to hold: no such root, its key was in the token before, or no plan could
 * name that (then it is certified by ca_found, like whatever else is not of this root); -1. Errors as ceremony_run's. */
int init_ceremony_hold(const struct init_ceremony *in, struct error *err);

/* Verifies its directory, and brings what it made into the CA; nothing happens where that was done before.
 * ERR_INTEGRITY, and errors as ca_import's. */
int init_ceremony_bring_in(const struct ca_options *options, struct error *err);

/* Its closing hash. False where init has held none. */
bool init_ceremony_closing(uint8_t closing[32]);

#endif
