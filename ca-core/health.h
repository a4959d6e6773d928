/*
 * ca-core/health.h - how the signer is: for /readyz, /metrics and the operator.
 * Thread-safety: any thread.
 */
#ifndef CHANCERY_CA_HEALTH_H
#define CHANCERY_CA_HEALTH_H

#include "ca-core/ca_private.h"

/* What the signer's own parts add. */
struct ca_health_extra {
	uint64_t queue_length, in_flight;
	uint64_t waiting, waits, timeouts; /* for a token that is away */
};

/* The payload of MSG_HEALTH, appended. ready: requests can be signed and stored now. */
int ca_health(struct ca *ca, const struct ca_health_extra *extra, struct buf *out, struct error *err);

#endif
