/* ca-core/explain_private.h - JSON in the order of the calls, for explain*.c. Thread-safety: only on the arguments. */
#ifndef CHANCERY_CA_EXPLAIN_PRIVATE_H
#define CHANCERY_CA_EXPLAIN_PRIVATE_H

#include "ca-core/order_private.h"

/* The member's name, with the comma that may have to stand before it; its value follows. NULL: an element of a list. */
void explain_key(struct buf *out, const char *key);
void explain_open(struct buf *out, const char *key, char bracket); /* '{' or '[' */
static inline void explain_close(struct buf *out, char bracket)
{
	buf_u8(out, (uint8_t)bracket);
}
void explain_text(struct buf *out, const char *key, struct bytes value);
void explain_text_if(struct buf *out, const char *key, struct bytes value); /* nothing where it is empty */
void explain_hex(struct buf *out, const char *key, struct bytes value);
void explain_base64(struct buf *out, const char *key, struct bytes value);
void explain_number(struct buf *out, const char *key, int64_t value);
void explain_time(struct buf *out, const char *key, int64_t s); /* nothing for 0 */
void explain_flag(struct buf *out, const char *key, bool value);
void explain_error(struct buf *out, const struct error *why); /* an element: code and detail */

/* The entries of the log that name `needle`, written between the two times, and what joins the last of them to a signed
 * head. */
int explain_audit(struct ca *ca, struct store_snapshot *snap, struct bytes needle, int64_t from_s, int64_t to_s,
		  struct buf *out, struct error *err);
/* The certificate with its chain and its state. */
int explain_certificate(struct ca *ca, const struct record_certificate *record, struct buf *out, struct error *err);

#endif
