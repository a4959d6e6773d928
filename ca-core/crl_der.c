#include "ca-core/crl_der.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/der.h"
#include "ca-core/oid.h"

/* ---- writing ---- */

void ca_crl_begin(struct ca_crl_writer *w, const struct ca_crl_head *head, struct buf *out)
{
	*w = (struct ca_crl_writer){ .out = out, .head = head, .tbs_mark = der_mark(out) };
	der_add_number(out, 1); /* v2: section 5.1.2.1 */
	buf_add_bytes(out, head->signature_algorithm);
	buf_add_bytes(out, head->issuer);
	der_add_time(out, head->this_update_s);
	der_add_time(out, head->next_update_s);
	w->list_mark = der_mark(out);
}

/* Extension without the critical flag, whose default is FALSE. */
static void close_extension(struct buf *out, size_t extension, size_t value)
{
	der_wrap(out, value, DER_OCTET_STRING);
	der_wrap(out, extension, DER_SEQUENCE);
}

static void add_reason(struct buf *out, unsigned reason)
{
	uint8_t octet = (uint8_t)reason;
	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_crl_reason.content);
	size_t value = der_mark(out);
	der_add(out, DER_ENUMERATED, BYTES(&octet, 1));
	close_extension(out, extension, value);
}

static void add_invalidity_date(struct buf *out, int64_t s)
{
	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_invalidity_date.content);
	size_t value = der_mark(out);
	/* Always GeneralizedTime, also before 2050: section 5.3.2. */
	char text[20];
	struct clock_civil c = clock_to_civil(s);
	(void)snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute,
		       c.second);
	der_add(out, DER_GENERALIZED_TIME, bytes_of(text));
	close_extension(out, extension, value);
}

void ca_crl_add(struct ca_crl_writer *w, const struct ca_crl_entry *entry)
{
	struct buf *out = w->out;
	size_t start = der_mark(out);
	der_add(out, DER_INTEGER, entry->serial);
	der_add_time(out, entry->revoked_s);
	if (entry->reason || entry->invalidity_s) {
		size_t extensions = der_mark(out);
		if (entry->reason)
			add_reason(out, entry->reason);
		if (entry->invalidity_s)
			add_invalidity_date(out, entry->invalidity_s);
		der_wrap(out, extensions, DER_SEQUENCE);
	}
	der_wrap(out, start, DER_SEQUENCE);
	w->entries++;
}

static void add_extensions(struct buf *out, const struct ca_crl_head *head)
{
	size_t extensions = der_mark(out);

	size_t extension = der_mark(out);
	der_add_oid(out, ca_oid_authority_key_id.content);
	size_t value = der_mark(out);
	der_add(out, DER_CONTEXT(0), head->aki);
	der_wrap(out, value, DER_SEQUENCE);
	close_extension(out, extension, value);

	extension = der_mark(out);
	der_add_oid(out, ca_oid_crl_number.content);
	value = der_mark(out);
	der_add_number(out, head->number);
	close_extension(out, extension, value);

	if (head->audit_oid.len) {
		extension = der_mark(out);
		der_add_oid(out, head->audit_oid);
		value = der_mark(out);
		der_add(out, DER_OCTET_STRING, head->audit_head);
		close_extension(out, extension, value);
	}
	der_wrap(out, extensions, DER_SEQUENCE);
	der_wrap(out, extensions, DER_CONTEXT_CONSTRUCTED(0));
}

int ca_crl_finish(struct ca_crl_writer *w, struct error *err)
{
	/* An empty list is left out altogether: section 5.1.2.6. */
	if (w->entries)
		der_wrap(w->out, w->list_mark, DER_SEQUENCE);
	add_extensions(w->out, w->head);
	der_wrap(w->out, w->tbs_mark, DER_SEQUENCE);
	if (w->out->failed)
		return err_set(err, ERR_INTERNAL, "no memory for a revocation list of %llu entries",
			       (unsigned long long)w->entries);
	return 0;
}

/* ---- reading ---- */

static int broken(struct error *err, const char *rule)
{
	return err_set(err, ERR_INTEGRITY, "the revocation list breaks RFC 5280 %s", rule);
}

/* Extensions of a list or an entry: the next one's OID and value. */
static bool next_extension(struct der *list, struct bytes *oid, bool *critical, struct bytes *value)
{
	struct der extension;
	der_enter(list, DER_SEQUENCE, &extension);
	*oid = der_oid(&extension);
	*critical = der_peek(&extension) == DER_BOOLEAN && der_boolean(&extension);
	*value = der_take(&extension, DER_OCTET_STRING);
	return der_done(&extension);
}

static bool read_key_id(struct bytes value, struct bytes *key_id)
{
	struct der outer = der_of(value), inner;
	der_enter(&outer, DER_SEQUENCE, &inner);
	*key_id = der_take(&inner, DER_CONTEXT(0));
	return der_done(&inner) && der_done(&outer) && key_id->len > 0;
}

static bool read_number(struct bytes value, uint64_t *number)
{
	struct der d = der_of(value);
	*number = der_small_integer(&d, UINT64_MAX >> 1);
	return der_done(&d);
}

static bool read_audit_head(struct bytes value, struct bytes *head)
{
	struct der d = der_of(value);
	*head = der_take(&d, DER_OCTET_STRING);
	return der_done(&d) && head->len == 32;
}

static int read_extensions(struct der *tbs, struct bytes audit_oid, struct ca_crl_head *head, struct error *err)
{
	struct der tagged, list;
	bool has_number = false;
	der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0), &tagged);
	der_enter(&tagged, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct bytes oid, value;
		bool critical;
		if (!next_extension(&list, &oid, &critical, &value))
			return broken(err, "5.2: an extension is malformed");
		if (critical)
			return broken(err, "5.2: an extension of ours is never critical");
		if (bytes_equal(oid, ca_oid_authority_key_id.content)) {
			if (head->aki.len || !read_key_id(value, &head->aki))
				return broken(err, "5.2.1: authority key identifier");
		} else if (bytes_equal(oid, ca_oid_crl_number.content)) {
			if (has_number || !read_number(value, &head->number))
				return broken(err, "5.2.3: CRL number");
			has_number = true;
		} else if (audit_oid.len && bytes_equal(oid, audit_oid)) {
			if (head->audit_head.len || !read_audit_head(value, &head->audit_head))
				return err_set(err, ERR_INTEGRITY, "the revocation list's audit head is malformed");
			head->audit_oid = oid;
		}
	}
	if (!der_done(&list) || !der_done(&tagged))
		return broken(err, "5.1.2.7: extensions");
	if (!head->aki.len || !has_number)
		return broken(err, "5.2: authority key identifier and CRL number must be there");
	return 0;
}

static int read_tbs(struct bytes whole, struct bytes audit_oid, struct ca_crl *crl, struct error *err)
{
	struct der outer = der_of(whole), tbs;
	der_enter(&outer, DER_SEQUENCE, &tbs);
	if (der_small_integer(&tbs, 1) != 1)
		return broken(err, "5.1.2.1: version must be v2");
	crl->head.signature_algorithm = der_take_whole(&tbs, DER_SEQUENCE);
	crl->head.issuer = der_take_whole(&tbs, DER_SEQUENCE);
	crl->head.this_update_s = der_time(&tbs);
	crl->head.next_update_s = der_time(&tbs);
	if (tbs.failed)
		return broken(err, "5.1.2: signature, issuer, thisUpdate or nextUpdate");
	if (crl->head.next_update_s <= crl->head.this_update_s)
		return broken(err, "5.1.2.5: nextUpdate must be after thisUpdate");
	if (der_take_if(&tbs, DER_SEQUENCE, &crl->entries) && crl->entries.len == 0)
		return broken(err, "5.1.2.6: an empty list must be absent");
	if (read_extensions(&tbs, audit_oid, &crl->head, err))
		return -1;
	if (!der_done(&tbs))
		return broken(err, "5.1: something stands behind the extensions");
	return 0;
}

int ca_crl_read(struct bytes der, struct bytes audit_oid, struct ca_crl *crl, struct error *err)
{
	*crl = (struct ca_crl){ 0 };
	struct der outer = der_of(der), list;
	der_enter(&outer, DER_SEQUENCE, &list);
	crl->tbs = der_take_whole(&list, DER_SEQUENCE);
	struct bytes algorithm = der_take_whole(&list, DER_SEQUENCE);
	crl->signature = der_bit_string(&list);
	if (!der_done(&list) || !der_done(&outer))
		return broken(err, "5.1.1: it is not one CertificateList in DER");
	if (read_tbs(crl->tbs, audit_oid, crl, err))
		return -1;
	if (!bytes_equal(algorithm, crl->head.signature_algorithm))
		return broken(err, "5.1.1.2: the two signature algorithms differ");
	return 0;
}

static bool read_reason(struct bytes value, unsigned *reason)
{
	struct der d = der_of(value);
	struct bytes octets = der_take(&d, DER_ENUMERATED);
	if (!der_done(&d) || octets.len != 1)
		return false;
	*reason = octets.data[0];
	return *reason >= 1 && *reason <= 10 && *reason != 7;
}

static bool read_invalidity_date(struct bytes value, int64_t *s)
{
	struct der d = der_of(value);
	struct bytes text = der_take(&d, DER_GENERALIZED_TIME);
	char rfc3339[CLOCK_TEXT_SIZE];
	struct error ignored = ERR_INIT;
	if (!der_done(&d) || text.len != 15)
		return false;
	const char *t = (const char *)text.data;
	(void)snprintf(rfc3339, sizeof(rfc3339), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%.1s", t, t + 4, t + 6, t + 8, t + 10,
		       t + 12, t + 14);
	return clock_parse_rfc3339(bytes_of(rfc3339), s, &ignored) == 0;
}

static int read_entry_extensions(struct der *item, struct ca_crl_entry *entry, struct error *err)
{
	struct der list;
	der_enter(item, DER_SEQUENCE, &list);
	while (list.left.len && !list.failed) {
		struct bytes oid, value;
		bool critical;
		if (!next_extension(&list, &oid, &critical, &value) || critical)
			return broken(err, "5.3: an entry's extension is malformed or critical");
		if (bytes_equal(oid, ca_oid_crl_reason.content)) {
			if (entry->reason || !read_reason(value, &entry->reason))
				return broken(err, "5.3.1: reason code");
		} else if (bytes_equal(oid, ca_oid_invalidity_date.content)) {
			if (entry->invalidity_s || !read_invalidity_date(value, &entry->invalidity_s))
				return broken(err, "5.3.2: invalidity date");
		} else {
			return broken(err, "5.3: an entry has an extension that is not ours");
		}
	}
	return der_done(&list) ? 0 : broken(err, "5.3: an entry's extensions");
}

int ca_crl_next(struct bytes *entries, struct ca_crl_entry *entry, struct error *err)
{
	*entry = (struct ca_crl_entry){ 0 };
	if (entries->len == 0)
		return 0;
	struct der list = der_of(*entries), item;
	der_enter(&list, DER_SEQUENCE, &item);
	entry->serial = der_integer(&item);
	entry->revoked_s = der_time(&item);
	if (item.failed || entry->serial.len > 20 || (entry->serial.data[0] & 0x80))
		return broken(err, "5.1.2.6: an entry's serial number or date");
	if (item.left.len && read_entry_extensions(&item, entry, err))
		return -1;
	if (!der_done(&item))
		return broken(err, "5.1.2.6: something stands behind an entry's extensions");
	*entries = list.left;
	return 1;
}
