/*
 * ca-core/key_private.h - shared by key*.c alone.
 */
#ifndef CHANCERY_CA_KEY_PRIVATE_H
#define CHANCERY_CA_KEY_PRIVATE_H

#include <openssl/ec.h>

#include "ca-core/key.h"

/* The curve of an EC key type, made once and never changed; NULL for other types, or without memory. */
const EC_GROUP *key_group(enum ca_key_type type);

#endif
