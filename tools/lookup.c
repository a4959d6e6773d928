#include "tools/lookup.h"

#include "base/ossl.h"

#define FIRST 64

struct lookup_slot {
	uint8_t *key; /* owned; NULL: free */
	size_t key_len;
	uint64_t hash;
	void *value; /* owned */
};

/* Keys come from a file that anybody may have written: a hash that nobody can aim at one slot. */
static uint64_t hash_of(struct bytes key)
{
	uint8_t whole[32];
	uint64_t hash;
	sha256(key.data, key.len, whole);
	memcpy(&hash, whole, sizeof(hash));
	return hash;
}

/* Where the key is, or where it would go. */
static struct lookup_slot *slot_of(const struct lookup *l, struct bytes key, uint64_t hash)
{
	size_t at = hash & (l->capacity - 1);
	for (; l->slots[at].key; at = (at + 1) & (l->capacity - 1))
		if (l->slots[at].hash == hash && bytes_equal(BYTES(l->slots[at].key, l->slots[at].key_len), key))
			break;
	return &l->slots[at];
}

static bool grow(struct lookup *l)
{
	struct lookup larger = { .capacity = l->capacity ? 2 * l->capacity : FIRST, .count = l->count };
	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (size_t i = 0; i < l->capacity; i++)
		if (l->slots[i].key)
			*slot_of(&larger, BYTES(l->slots[i].key, l->slots[i].key_len), l->slots[i].hash) = l->slots[i];
	free(l->slots);
	*l = larger;
	return true;
}

void *lookup_find(const struct lookup *l, struct bytes key)
{
	return l->capacity ? slot_of(l, key, hash_of(key))->value : NULL;
}

void *lookup_add(struct lookup *l, struct bytes key, size_t size)
{
	if (2 * (l->count + 1) > l->capacity && !grow(l))
		return NULL;
	uint64_t hash = hash_of(key);
	struct lookup_slot *slot = slot_of(l, key, hash);
	void *value = calloc(1, size);
	uint8_t *copy = malloc(key.len ? key.len : 1);
	if (!value || !copy) {
		free(value);
		free(copy);
		return NULL;
	}
	if (key.len)
		memcpy(copy, key.data, key.len);
	*slot = (struct lookup_slot){ copy, key.len, hash, value };
	l->count++;
	return value;
}

int lookup_each(const struct lookup *l, int (*each)(void *arg, void *value, struct error *err), void *arg,
		struct error *err)
{
	int result = 0;
	for (size_t i = 0; i < l->capacity && result == 0; i++)
		if (l->slots[i].value)
			result = each(arg, l->slots[i].value, err);
	return result;
}

void lookup_free(struct lookup *l, void (*clear)(void *value))
{
	for (size_t i = 0; i < l->capacity; i++) {
		if (l->slots[i].value && clear)
			clear(l->slots[i].value);
		free(l->slots[i].value);
		free(l->slots[i].key);
	}
	free(l->slots);
	*l = LOOKUP_INIT;
}
