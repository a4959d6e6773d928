/*
 * tests/unit/ca-core/pure.h - what the tests of ca-core's pure parts share: the default configuration,
 * keys with their spki, an issuer that exists only in memory.
 */
#ifndef CHANCERY_TESTS_CA_PURE_H
#define CHANCERY_TESTS_CA_PURE_H

#include <openssl/evp.h>

#include "ca-core/config.h"
#include "ca-core/tbs.h"
#include "tests/unit/unit.h"

#define PURE_NOW_S ((int64_t)1795262400) /* 2026-11-21T12:00:00Z */

/* The configuration that `chancery init` writes, for http://pki.test and arc 2.999.1; freed by the caller. */
struct ca_config *pure_config(void);
/* Loads this text as a configuration. NULL with err. */
struct ca_config *pure_config_of(const char *text, struct error *err);
/* The default configuration's text with `what` replaced by `with` (the first time that it stands there). */
struct ca_config *pure_config_with(const char *what, const char *with, struct error *err);

/* tests/data/keys/NAME.spki.der: fixed keys "p256", "p384", "p521", "ed25519", "rsa2048". */
struct ca_key pure_key(const char *name);

/* root-1 (P-384) and issuing-1 (P-256) as their certificates would make them: fixed keys, serials and times, and a
 * signature that is none. Cleared by the caller. */
void pure_root(const struct ca_config *c, struct ca_issuer_info *info);
void pure_issuing(const struct ca_config *c, struct ca_issuer_info *info);

/* Names in the printed form, separated by blanks; freed by the caller. */
struct ca_names pure_names(const char *printed);

/* What a certificate of this profile is built from, with fixed serial and times; names and key_name as above;
 * common_name "" for none. Points into subject and names, which the caller frees. */
struct ca_tbs pure_tbs(const struct ca_profile *profile, const struct ca_issuer_info *issuer, const char *key_name,
		       const char *common_name, const struct ca_names *names, struct buf *subject);

#endif
