#include "store/record_order.h"

#include <stdio.h>

#include "store/record_private.h"

/* Longest of each field; what is longer is neither written nor read. */
#define SPKI_MAX ((size_t)2048)
#define COMMON_NAME_MAX ((size_t)256) /* RFC 5280 appendix A: 64 characters, of at most four octets */
#define CONTACT_ROLE_MAX ((size_t)16)
#define MAIL_MAX ((size_t)320)
#define NOT_COPIED_MAX ((size_t)1024)
#define REASON_MAX ((size_t)500)
#define CODE_MAX RECORD_NAME_MAX
#define METHODS_ALL ((1U << RECORD_METHODS) - 1)

/* ---- names of states and methods ---- */

static const char *const statuses[] = {
	[ORDER_DRAFT] = "draft",
	[ORDER_PENDING_VALIDATION] = "pending-validation",
	[ORDER_PENDING_APPROVAL] = "pending-approval",
	[ORDER_READY] = "ready",
	[ORDER_ISSUING] = "issuing",
	[ORDER_ISSUED] = "issued",
	[ORDER_DENIED] = "denied",
	[ORDER_CANCELLED] = "cancelled",
	[ORDER_EXPIRED] = "expired",
	[ORDER_FAILED] = "failed",
};
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

static const char *const methods[RECORD_METHODS] = { "grant", "dns-txt", "dns-cname", "http", "mail" };

const char *record_order_status_name(enum record_order_status status)
{
	return (size_t)status < STATUS_COUNT ? statuses[status] : NULL;
}

static int refuse_name(struct bytes name, const char *what, const char *member, const char *allowed, struct error *err)
{
	char shown[64];
	(void)snprintf(shown, sizeof(shown), "%.*s", (int)(name.len < sizeof(shown) ? name.len : sizeof(shown)),
		       name.len ? (const char *)name.data : "");
	(void)err_set(err, ERR_BAD_REQUEST, "there is no such %s", what);
	return err_about(err, member, shown, allowed);
}

int record_order_status_parse(struct bytes name, enum record_order_status *status, struct error *err)
{
	for (size_t i = ORDER_DRAFT; i < STATUS_COUNT; i++) {
		if (!bytes_are(name, statuses[i]))
			continue;
		*status = (enum record_order_status)i;
		return 0;
	}
	return refuse_name(name, "status of an order", "status",
			   "draft, pending-validation, pending-approval, ready, issuing, issued, denied, cancelled, "
			   "expired, failed",
			   err);
}

bool record_order_is_over(enum record_order_status status)
{
	return status >= ORDER_ISSUED;
}

const char *record_method_name(enum record_method method)
{
	for (size_t i = 0; i < RECORD_METHODS; i++)
		if ((unsigned)method == 1U << i)
			return methods[i];
	return NULL;
}

int record_method_parse(struct bytes name, enum record_method *method, struct error *err)
{
	for (size_t i = 0; i < RECORD_METHODS; i++) {
		if (!bytes_are(name, methods[i]))
			continue;
		*method = (enum record_method)(1U << i);
		return 0;
	}
	return refuse_name(name, "way to show control of a name", "method", "grant, dns-txt, dns-cname, http, mail",
			   err);
}

/* ---- the rules of an order ---- */

static bool is_order_name(const struct record_order_name *n)
{
	if (!record_is_text(n->name, NAME_TEXT_MAX) || n->methods > METHODS_ALL || n->checked_ms < 0 ||
	    n->next_check_ms < 0 || n->expires_s < 0 || n->mail_until_s < 0 || n->caa_checked_s < 0)
		return false;
	if (!record_is_name_or_none(n->error_code) || n->error.len > RECORD_ERROR_MAX ||
	    n->evidence.len > RECORD_EVIDENCE_MAX)
		return false;
	if (n->status == AUTHORIZATION_VALID)
		return record_method_name((enum record_method)n->methods) != NULL;
	return n->status == AUTHORIZATION_PENDING;
}

static bool is_approval(const struct record_approval *a)
{
	return record_is_name(a->officer) && record_is_text(a->reason, REASON_MAX) && a->time_s > 0 &&
	       !record_is_zeros(a->statement);
}

static bool is_contact(const struct record_contact *c)
{
	return (bytes_are(c->role, "administrative") || bytes_are(c->role, "technical")) &&
	       record_is_text(c->mail, MAIL_MAX);
}

static bool are_parts(const struct record_order *r)
{
	if (r->name_count > RECORD_NAMES_MAX || r->approval_count > RECORD_APPROVALS_MAX ||
	    r->contact_count > RECORD_CONTACTS_MAX || r->not_copied_count > RECORD_NOT_COPIED_MAX)
		return false;
	bool good = true;
	for (size_t i = 0; good && i < r->name_count; i++)
		good = is_order_name(&r->names[i]);
	for (size_t i = 0; good && i < r->approval_count; i++)
		good = is_approval(&r->approvals[i]);
	for (size_t i = 0; good && i < r->contact_count; i++)
		good = is_contact(&r->contacts[i]);
	for (size_t i = 0; good && i < r->not_copied_count; i++)
		good = record_is_text(r->not_copied[i], NOT_COPIED_MAX);
	return good;
}

/* What stands in the record says the same as the status. A serial stands for the bytes that have it; while the
 * order goes on, the bytes have theirs, and nobody has approved but bytes. */
static bool is_coherent(const struct record_order *r)
{
	bool has_serial = record_is_serial(r->serial), has_tbs = r->tbs.len > 0, over = record_order_is_over(r->status);
	if (!record_order_status_name(r->status) || (has_serial && !has_tbs) || (has_tbs && !has_serial && !over))
		return false;
	if (r->approval_count > 0 && !has_tbs && !over)
		return false;
	switch (r->status) {
	case ORDER_DRAFT:
		return !has_tbs && r->certificate.len == 0;
	case ORDER_ISSUING:
		return has_tbs && r->certificate.len == 0;
	case ORDER_ISSUED:
		return record_is_name(r->issuer) && record_is_serial(r->certificate) &&
		       (!has_serial || bytes_equal(r->serial, r->certificate));
	default:
		return r->certificate.len == 0;
	}
}

static bool is_order(const struct record_order *r)
{
	if (!record_is_id(r->id) || !record_is_name(r->profile) || !record_is_requester(r->requester) ||
	    !record_is_name_or_none(r->issuer) || (r->organization.len > 0 && !record_is_id(r->organization)) ||
	    (r->organization.len > 0) != (r->organization_version > 0) ||
	    (r->copied_from.len > 0 && !record_is_id(r->copied_from)))
		return false;
	if (r->created_ms < 0 || r->changed_ms < 0 || r->expires_s < 0 || r->approve_before_s < 0 || r->due_ms < 0)
		return false;
	if (!record_is_text(r->spki, SPKI_MAX) || r->common_name.len > COMMON_NAME_MAX ||
	    r->asked_subject.len > SUBJECT_MAX || r->tbs.len > CERTIFICATE_MAX || r->serial.len > SERIAL_MAX ||
	    !record_is_name_or_none(r->failure_code) || r->failure.len > RECORD_ERROR_MAX)
		return false;
	return is_coherent(r) && are_parts(r);
}

/* ---- parts of an order, writer and reader side by side ---- */

static void add_name(struct buf *out, const struct record_order_name *n)
{
	buf_field(out, n->name);
	buf_u8(out, (uint8_t)n->status);
	buf_u8(out, n->methods);
	buf_u8(out, n->reused);
	record_add_time(out, n->checked_ms);
	record_add_time(out, n->next_check_ms);
	buf_u32(out, n->tries);
	record_add_time(out, n->expires_s);
	buf_field(out, n->error_code);
	buf_field(out, n->error);
	buf_field(out, n->evidence);
	buf_add(out, n->mail_code_hash, sizeof(n->mail_code_hash));
	buf_u8(out, n->mail_tries);
	record_add_time(out, n->mail_until_s);
	record_add_time(out, n->caa_checked_s);
}

static void read_name(struct reader *r, struct record_order_name *n)
{
	n->name = reader_field(r, NAME_TEXT_MAX);
	n->status = (enum record_authorization_status)reader_u8(r);
	n->methods = reader_u8(r);
	n->reused = record_read_bool(r);
	n->checked_ms = record_read_time(r);
	n->next_check_ms = record_read_time(r);
	n->tries = reader_u32(r);
	n->expires_s = record_read_time(r);
	n->error_code = reader_field(r, CODE_MAX);
	n->error = reader_field(r, RECORD_ERROR_MAX);
	n->evidence = reader_field(r, RECORD_EVIDENCE_MAX);
	reader_copy(r, n->mail_code_hash, sizeof(n->mail_code_hash));
	n->mail_tries = reader_u8(r);
	n->mail_until_s = record_read_time(r);
	n->caa_checked_s = record_read_time(r);
}

static void add_names(struct buf *out, const struct record_order *r)
{
	buf_u16(out, (uint16_t)r->name_count);
	for (size_t i = 0; i < r->name_count; i++)
		add_name(out, &r->names[i]);
}

static void read_names(struct reader *reader, struct record_order *r)
{
	r->name_count = record_read_count(reader, RECORD_NAMES_MAX);
	for (size_t i = 0; i < r->name_count; i++)
		read_name(reader, &r->names[i]);
}

static void add_approvals(struct buf *out, const struct record_order *r)
{
	buf_u16(out, (uint16_t)r->approval_count);
	for (size_t i = 0; i < r->approval_count; i++) {
		const struct record_approval *a = &r->approvals[i];
		buf_field(out, a->officer);
		buf_u8(out, a->approve);
		buf_field(out, a->reason);
		record_add_time(out, a->time_s);
		buf_add(out, a->statement, sizeof(a->statement));
	}
}

static void read_approvals(struct reader *reader, struct record_order *r)
{
	r->approval_count = record_read_count(reader, RECORD_APPROVALS_MAX);
	for (size_t i = 0; i < r->approval_count; i++) {
		struct record_approval *a = &r->approvals[i];
		a->officer = reader_field(reader, RECORD_NAME_MAX);
		a->approve = record_read_bool(reader);
		a->reason = reader_field(reader, REASON_MAX);
		a->time_s = record_read_time(reader);
		reader_copy(reader, a->statement, sizeof(a->statement));
	}
}

/* What was asked for. */
static void add_asked(struct buf *out, const struct record_order *r)
{
	buf_field(out, r->spki);
	buf_field(out, r->common_name);
	buf_add(out, r->csr_hash, sizeof(r->csr_hash));
	buf_field(out, r->asked_subject);
	buf_u16(out, (uint16_t)r->not_copied_count);
	for (size_t i = 0; i < r->not_copied_count; i++)
		buf_field(out, r->not_copied[i]);
	buf_u16(out, (uint16_t)r->contact_count);
	for (size_t i = 0; i < r->contact_count; i++) {
		buf_field(out, r->contacts[i].role);
		buf_field(out, r->contacts[i].mail);
	}
}

static void read_asked(struct reader *reader, struct record_order *r)
{
	r->spki = reader_field(reader, SPKI_MAX);
	r->common_name = reader_field(reader, COMMON_NAME_MAX);
	reader_copy(reader, r->csr_hash, sizeof(r->csr_hash));
	r->asked_subject = reader_field(reader, SUBJECT_MAX);
	r->not_copied_count = record_read_count(reader, RECORD_NOT_COPIED_MAX);
	for (size_t i = 0; i < r->not_copied_count; i++)
		r->not_copied[i] = reader_field(reader, NOT_COPIED_MAX);
	r->contact_count = record_read_count(reader, RECORD_CONTACTS_MAX);
	for (size_t i = 0; i < r->contact_count; i++) {
		r->contacts[i].role = reader_field(reader, CONTACT_ROLE_MAX);
		r->contacts[i].mail = reader_field(reader, MAIL_MAX);
	}
}

/* ---- the order ---- */

void record_order_encode(const struct record_order *r, struct buf *out)
{
	record_begin(out, is_order(r));
	if (out->failed)
		return;
	buf_field(out, r->id);
	buf_u8(out, (uint8_t)r->status);
	buf_field(out, r->profile);
	buf_field(out, r->requester);
	buf_u32(out, r->days);
	buf_add(out, r->nonce, sizeof(r->nonce));
	record_add_time(out, r->created_ms);
	record_add_time(out, r->changed_ms);
	record_add_time(out, r->expires_s);
	add_asked(out, r);
	buf_field(out, r->organization);
	buf_u64(out, r->organization_version);
	buf_field(out, r->tbs);
	buf_field(out, r->serial);
	record_add_time(out, r->approve_before_s);
	add_approvals(out, r);
	buf_field(out, r->issuer);
	buf_field(out, r->certificate);
	buf_field(out, r->failure_code);
	buf_field(out, r->failure);
	buf_field(out, r->copied_from);
	record_add_time(out, r->due_ms);
	add_names(out, r);
}

int record_order_decode(struct bytes in, struct record_order *r, struct error *err)
{
	struct reader reader = record_begin_reading(in);
	r->id = reader_field(&reader, RECORD_ID_MAX);
	r->status = (enum record_order_status)reader_u8(&reader);
	r->profile = reader_field(&reader, RECORD_NAME_MAX);
	r->requester = reader_field(&reader, REQUESTER_MAX);
	r->days = reader_u32(&reader);
	reader_copy(&reader, r->nonce, sizeof(r->nonce));
	r->created_ms = record_read_time(&reader);
	r->changed_ms = record_read_time(&reader);
	r->expires_s = record_read_time(&reader);
	read_asked(&reader, r);
	r->organization = reader_field(&reader, RECORD_ID_MAX);
	r->organization_version = reader_u64(&reader);
	r->tbs = reader_field(&reader, CERTIFICATE_MAX);
	r->serial = reader_field(&reader, SERIAL_MAX);
	r->approve_before_s = record_read_time(&reader);
	read_approvals(&reader, r);
	r->issuer = reader_field(&reader, RECORD_NAME_MAX);
	r->certificate = reader_field(&reader, SERIAL_MAX);
	r->failure_code = reader_field(&reader, CODE_MAX);
	r->failure = reader_field(&reader, RECORD_ERROR_MAX);
	r->copied_from = reader_field(&reader, RECORD_ID_MAX);
	r->due_ms = record_read_time(&reader);
	read_names(&reader, r);
	return record_finish(&reader, is_order(r), "order", err);
}
