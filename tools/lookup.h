/*
 * tools/lookup.h - values found again by a key of octets, for what is read once from front to end.
 *
 * Thread-safety: one thread.
 */
#ifndef CHANCERY_TOOLS_LOOKUP_H
#define CHANCERY_TOOLS_LOOKUP_H

#include "base/bytes.h"
#include "base/err.h"

struct lookup_slot;
struct lookup {
	struct lookup_slot *slots; /* owned */
	size_t capacity, count;
};
#define LOOKUP_INIT ((struct lookup){ NULL, 0, 0 })

/* The value under the key, or NULL. It stays where it is until lookup_free. */
void *lookup_find(const struct lookup *l, struct bytes key);
/* A new value of `size` octets, all zeros, under a key that is not there yet (copied). NULL without memory. */
void *lookup_add(struct lookup *l, struct bytes key, size_t size);
/* Calls each for all of them, in no order, until one returns other than 0, which is returned. */
int lookup_each(const struct lookup *l, int (*each)(void *arg, void *value, struct error *err), void *arg,
		struct error *err);
/* clear: frees what a value owns besides itself; may be NULL. */
void lookup_free(struct lookup *l, void (*clear)(void *value));

#endif
