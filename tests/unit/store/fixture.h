/*
 * tests/unit/store/fixture.h - a store in the test's folder, and records to put into it.
 */
#ifndef CHANCERY_TESTS_STORE_FIXTURE_H
#define CHANCERY_TESTS_STORE_FIXTURE_H

#include "store/record.h"
#include "store/store.h"
#include "tests/unit/unit.h"

#define FIXTURE_NOW_MS 1795262400000 /* 2026-11-21T12:00:00Z */

/* Options for a new store in unit_path(name), whose folder is made. */
struct store_options fixture_options(const char *name);
/* Opens it; ends the test where that fails. */
struct store *fixture_open(const char *name);
struct store *fixture_open_with(const struct store_options *options);
/* A certificate's record as an issuing CA writes it; borrows what it points to. */
struct record_certificate *fixture_certificate(const char *issuer, struct bytes serial, const char *name);
/* A batch that puts the record under its own key. */
struct store_batch *fixture_put(struct store *s, const struct record_certificate *r);
/* Takes a serial and puts a certificate with it; NULL serial: not wanted. */
int fixture_issue(struct store *s, const char *name, struct store_serial *serial, struct error *err);
/* The certificate's record, 1 or 0 where there is none; into the fixture's own memory. */
int fixture_find(struct store *s, const char *issuer, struct bytes serial, struct record_certificate **r,
		 uint64_t *version);
/* Entries of an index that begin with prefix. */
size_t fixture_count(struct store *s, enum store_index index, struct bytes prefix);
/* store_check with its findings counted, the first kept in line (may be NULL). */
size_t fixture_check(struct store *s, char line[256]);

/* Decodes a record and encodes it again. 0, or -1 where it does not decode. */
typedef int fixture_recoder(struct bytes in, struct buf *out, struct error *err);
/* What was written reads back; not an octet less, not one more, no other version; and with any octet changed it is
 * refused, or is another record in its one form. */
void fixture_check_strict(struct buf *written, fixture_recoder *recode);

#endif
