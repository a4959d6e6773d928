/*
 * hsm/uri.h - names of tokens and keys: PKCS#11 URIs.
 *
 *     pkcs11:token=issuing;object=issuing-1;id=%01%ab;type=private
 *
 * Source: RFC 7512 section 2.3, read strictly: each attribute once, known attributes
 * only, text in UTF-8 without NUL. The query part (module, PIN) is refused: module
 * and PIN reference have places of their own in the configuration, and a PIN never
 * stands in one. Where there is no configuration, hsm_uri_split takes the query off
 * first. Thread-safety: pure functions.
 */
#ifndef CHANCERY_HSM_URI_H
#define CHANCERY_HSM_URI_H

#include "base/bytes.h"
#include "base/err.h"

#define HSM_URI_MAX 2048       /* characters of a URI that we read */
#define HSM_URI_OBJECT_MAX 255 /* octets of a label */
#define HSM_URI_ID_MAX 255     /* octets of an id */

/* Which attributes the URI gives. */
enum hsm_uri_part {
	HSM_URI_TOKEN = 1 << 0,
	HSM_URI_MANUFACTURER = 1 << 1,
	HSM_URI_SERIAL = 1 << 2,
	HSM_URI_MODEL = 1 << 3,
	HSM_URI_SLOT = 1 << 4,
	HSM_URI_OBJECT = 1 << 5,
	HSM_URI_ID = 1 << 6,
	HSM_URI_TYPE = 1 << 7,
};

struct hsm_uri {
	unsigned parts;                      /* of enum hsm_uri_part */
	char token[33], manufacturer[33];    /* as CK_TOKEN_INFO, without the blanks at the end */
	char serial[17], model[17];          /* likewise */
	unsigned long slot;                  /* slot-id, decimal */
	char object[HSM_URI_OBJECT_MAX + 1]; /* CKA_LABEL */
	uint8_t id[HSM_URI_ID_MAX];          /* CKA_ID */
	size_t id_len;
	char type[12]; /* public, private, cert, secret-key or data */
};

/* Reads text. ERR_CONFIG says what is wrong with which attribute; uri is then undefined. */
int hsm_uri_parse(const char *text, struct hsm_uri *uri, struct error *err);

/* The query of a URI, percent-decoded; "" where an attribute is not given. */
struct hsm_uri_query {
	char module_path[1024]; /* of the PKCS#11 module */
	char pin_source[1024];  /* as RFC 7512 section 2.4 has it: where the PIN is, never the PIN */
};

/* Splits text at its question mark: path (room for HSM_URI_MAX + 1) gets what hsm_uri_parse
 * reads, which is not looked at here, and query the rest. module-path and pin-source are
 * known, each once; pin-value is refused, and not shown. ERR_CONFIG.
 * Source: RFC 7512 sections 2.3 and 2.4. */
int hsm_uri_split(const char *text, char path[HSM_URI_MAX + 1], struct hsm_uri_query *query, struct error *err);

/* The reference (base/secret.h) in a pin-source: "/PATH" is short for "file:/PATH", and "file:///PATH" the long form
 * of it. Appended. ERR_CONFIG for one that would run a command. */
int hsm_uri_pin_reference(const char *pin_source, struct buf *out, struct error *err);

/* Appends the value of a query attribute, percent-encoded where it must be. */
void hsm_uri_add_query_value(struct buf *out, const char *value);

/* Appends the URI to out, attributes in the order of the struct; id wholly percent-encoded. */
void hsm_uri_format(const struct hsm_uri *uri, struct buf *out);

#endif
