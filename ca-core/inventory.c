#include "ca-core/inventory.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "ca-core/cursor.h"

/* What one request may cost: records looked at, and octets of its answer. */
#define VISITS_MAX 20000
#define PAGE_BYTES_MAX ((size_t)600 << 10)

bool ca_inventory_may_see(const struct ca_actor *actor, const struct record_certificate *record)
{
	if (!actor->may_read)
		return false;
	if (actor->roles & (ROLE_OFFICER | ROLE_AUDITOR))
		return true;
	return bytes_are(record->requester, actor->identity);
}

void ca_inventory_row(const struct record_certificate *record, bool with_certificate, struct message_certificate *row)
{
	*row = (struct message_certificate){
		.issuer = record->issuer,
		.serial = record->serial,
		.profile = record->profile,
		.requester = record->requester,
		.subject = record->subject,
		.order = record->order,
		.not_before_s = record->not_before_s,
		.not_after_s = record->not_after_s,
		.issued_ms = record->issued_ms,
		.revoked_ms = record->revoked_ms,
		.invalidity_s = record->invalidity_s,
		.status = (uint8_t)record->status,
		.reason = (uint8_t)record->reason,
		.no_revocation = record->no_revocation,
		.name_count = (uint32_t)record->name_count,
		.certificate = with_certificate ? record->der : BYTES_NONE,
	};
	memcpy(row->names, record->names, record->name_count * sizeof(record->names[0]));
}

int ca_inventory_find(struct store_snapshot *snap, const struct ca_config *config, struct bytes serial,
		      struct record_certificate *record, struct buf *key, uint64_t *version, struct error *err)
{
	auto_buf tried = BUF_INIT;
	if (serial.len == 0 || serial.len > STORE_SERIAL_MAX)
		return 0;
	for (size_t i = 0; i < config->issuer_count; i++) {
		struct bytes value;
		buf_clear(&tried);
		record_key_certificate(&tried, bytes_of(config->issuers[i].name), serial);
		int found = store_get(snap, STORE_CERTIFICATES, buf_bytes(&tried), &value, version, err);
		if (found < 0 || (found && record_certificate_decode(value, record, err)))
			return -1;
		if (found) {
			if (key)
				buf_add_bytes(key, buf_bytes(&tried));
			return 1;
		}
	}
	return 0;
}

int ca_inventory_get(struct store *store, const struct ca_config *config, const struct ca_actor *actor,
		     struct bytes serial, struct buf *out, struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(store, err);
	auto_free struct record_certificate *record = malloc(sizeof(*record));
	auto_free struct message_certificate *row = malloc(sizeof(*row));
	if (!snap)
		return -1;
	if (!record || !row)
		return err_set(err, ERR_INTERNAL, "no memory for a look-up");
	int found = ca_inventory_find(snap, config, serial, record, NULL, NULL, err);
	if (found < 0)
		return -1;
	if (!found || !ca_inventory_may_see(actor, record)) {
		char hex[2 * STORE_SERIAL_MAX + 1] = "";
		if (serial.len <= STORE_SERIAL_MAX)
			(void)text_hex(serial, hex);
		(void)err_set(err, ERR_NOT_FOUND, "no certificate with serial number %s that you may see", hex);
		return err_about(err, "serial", hex, NULL);
	}
	ca_inventory_row(record, true, row);
	message_certificate_write(row, out);
	return 0;
}

/* ---- pages ---- */

/* Which index is walked, and what of each record is asked besides. */
struct page {
	const struct ca_actor *actor;
	const struct message_certificate_list *request;
	struct ca_cursor place;
	bool exact; /* the whole index key must be the prefix */
	bool reverse;
	uint64_t last; /* not_after index: where to stop (exclusive), 0: nowhere */

	struct record_certificate record;
	struct message_certificate row;
	struct buf rows; /* encoded, one after the other */
	size_t ends[MESSAGE_ROWS_MAX];
	uint32_t count;
	size_t visits;
	bool more;
};

static void page_free(struct page *p)
{
	ca_cursor_free(&p->place);
	buf_free(&p->rows);
	free(p);
}
CLEANUP_POINTER(page, struct page, page_free)
#define auto_page CLEANUP(page_cleanup) struct page

static bool has_kind(struct bytes name)
{
	static const char *const kinds[] = { "dns:", "ip:", "email:", "uri:" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i]);
		if (name.len > len && memcmp(name.data, kinds[i], len) == 0)
			return true;
	}
	return false;
}

/* The kind that a name without one is meant to have. */
static const char *guess_kind(const char *name)
{
	struct in6_addr address;
	if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
		return "ip:";
	if (strstr(name, "://"))
		return "uri:";
	return strchr(name, '@') ? "email:" : "dns:";
}

/* ".example.test" asks for all below it; anything else for exactly that name. */
static int by_name(struct page *p, struct bytes name, struct error *err)
{
	char text[256];
	if (name.len >= sizeof(text) || memchr(name.data, '\0', name.len)) {
		(void)err_set(err, ERR_BAD_REQUEST, "the name to look for is too long or holds a NUL");
		return err_about(err, "name", NULL, "at most 255 octets");
	}
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');

	bool below = text[0] == '.';
	auto_buf full = BUF_INIT;
	if (!has_kind(name))
		buf_add_text(&full, guess_kind(text));
	buf_add_text(&full, text + (below ? 1 : 0));
	p->place.index = STORE_BY_NAME;
	record_key_name(&p->place.prefix, buf_bytes(&full));
	if (below)
		buf_u8(&p->place.prefix, '.');
	p->exact = !below;
	return 0;
}

/* The most selective index that the filters allow; the rest is asked of each record. */
static int choose_index(struct page *p, const struct clock *clock, struct error *err)
{
	const struct message_certificate_list *request = p->request;
	if (request->name.len)
		return by_name(p, request->name, err);
	if (request->expiring_before_s) {
		p->place.index = STORE_BY_NOT_AFTER;
		record_key_u64(&p->place.from, (uint64_t)(clock_now_ms(clock) / 1000));
		p->last = (uint64_t)request->expiring_before_s;
		return 0;
	}
	p->reverse = true;
	if (p->actor->roles & (ROLE_OFFICER | ROLE_AUDITOR)) {
		p->place.index = STORE_BY_ISSUED;
		return 0;
	}
	p->place.index = STORE_BY_REQUESTER;
	buf_add_text(&p->place.prefix, p->actor->identity);
	buf_u8(&p->place.prefix, 0);
	return 0;
}

static bool matches(const struct page *p, const struct record_certificate *record)
{
	const struct message_certificate_list *request = p->request;
	if (request->status && request->status != (uint8_t)record->status)
		return false;
	if (request->profile.len && !bytes_equal(request->profile, record->profile))
		return false;
	if (request->issuer.len && !bytes_equal(request->issuer, record->issuer))
		return false;
	if (request->expiring_before_s && record->not_after_s >= request->expiring_before_s)
		return false;
	return ca_inventory_may_see(p->actor, record);
}

static uint64_t number_of(struct bytes index_key)
{
	struct reader r = reader_of(index_key);
	return reader_u64(&r);
}

static int visit(void *arg, const struct store_row *row, struct error *err)
{
	struct page *p = arg;
	if (p->exact && !bytes_equal(row->index_key, buf_bytes(&p->place.prefix)))
		return 1;
	if (p->last && number_of(row->index_key) >= p->last)
		return 1;
	if (p->count == p->request->limit || p->visits == VISITS_MAX || p->rows.len > PAGE_BYTES_MAX) {
		p->more = true;
		return 1;
	}
	p->visits++;
	ca_cursor_pass(&p->place, row);
	if (record_certificate_decode(row->value, &p->record, err))
		return -1;
	if (!matches(p, &p->record))
		return 0;
	ca_inventory_row(&p->record, false, &p->row);
	message_certificate_write(&p->row, &p->rows);
	p->ends[p->count++] = p->rows.len;
	return 0;
}

static int write_page(const struct page *p, struct buf *out, struct error *err)
{
	auto_free struct message_certificates *answer = calloc(1, sizeof(*answer));
	auto_buf cursor = BUF_INIT;
	if (!answer || p->rows.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a page of the inventory");
	size_t start = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		answer->rows[i] = BYTES(p->rows.data + start, p->ends[i] - start);
		start = p->ends[i];
	}
	answer->count = p->count;
	if (p->more) {
		ca_cursor_write(&p->place, &cursor);
		answer->next = buf_bytes(&cursor);
	}
	message_certificates_write(answer, out);
	return 0;
}

int ca_inventory_list(struct store *store, const struct ca_actor *actor, const struct message_certificate_list *request,
		      const struct clock *clock, struct buf *out, struct error *err)
{
	auto_page *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory for a page of the inventory");
	p->actor = actor;
	p->request = request;
	if (!actor->may_read)
		return err_set(err, ERR_ROLE_REQUIRED, "this API token may request, not read");
	if (request->limit == 0 || request->limit > MESSAGE_ROWS_MAX) {
		(void)err_set(err, ERR_BAD_REQUEST, "a page has 1 to %d certificates", MESSAGE_ROWS_MAX);
		return err_about(err, "limit", NULL, "1 to 500");
	}
	if (choose_index(p, clock, err) || ca_cursor_read(&p->place, request->cursor, err))
		return -1;

	auto_store_snapshot *snap = store_snapshot_new(store, err);
	if (!snap)
		return -1;
	const struct store_range range = ca_cursor_range(&p->place, p->reverse);
	if (store_scan_index(snap, p->place.index, &range, visit, p, err) < 0)
		return -1;
	return write_page(p, out, err);
}
