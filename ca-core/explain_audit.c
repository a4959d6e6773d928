/* What the log says of a thing, and how that hangs on a signed head. */
#include "ca-core/explain_private.h"

#define SCAN_MAX 200000                     /* entries that are looked through */
#define PATH_MAX_ENTRIES 1000               /* from the last entry to the head */
#define WHOLE_BYTES_MAX ((size_t)480 << 10) /* of the explanation: a message's text holds 512 KiB */
#define PART_BYTES_MAX ((size_t)128 << 10)  /* of its entries, and of the way to the head */
#define MAJOR_BYTES ((size_t)48 << 10)      /* kept for decisions and signatures */
#define SLACK_S 5                           /* threads append in any order */

/* ---- where to begin: entries are in the order of time, but for the slack ---- */

static int take_time(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	static const char before[] = "{\"v\":1,\"time\":\"";
	const size_t skip = sizeof(before) - 1, time_len = 20;
	(void)sequence;
	(void)hash;
	if (entry.len < skip + time_len)
		return err_set(err, ERR_INTEGRITY, "an audit entry does not begin with its time");
	return clock_parse_rfc3339(BYTES(entry.data + skip, time_len), arg, err);
}

static int first_since(struct store_snapshot *snap, uint64_t last, int64_t from_s, uint64_t *first, struct error *err)
{
	uint64_t low = 1, high = last + 1;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int64_t time_s = 0;
		if (store_chain_scan(snap, CA_AUDIT_CHAIN, middle, middle, take_time, &time_s, err) < 0)
			return -1;
		if (time_s < from_s)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	return 0;
}

/* ---- its entries ---- */

/* Half of what is left, for each of two parts. */
static size_t budget(const struct buf *out)
{
	size_t left = out->len < WHOLE_BYTES_MAX ? (WHOLE_BYTES_MAX - out->len) / 2 : 0;
	return left < PART_BYTES_MAX ? left : PART_BYTES_MAX;
}

struct search {
	struct bytes needle;
	uint64_t first;     /* the entry before it is scanned for its hash alone */
	uint8_t before[32]; /* hash of the entry before; zeros before the first of all */
	int64_t to_s;
	struct buf *out;
	uint64_t last; /* entry that was found; 0: none */
	uint64_t seen;
	size_t end;
	bool cut;
};

/* before: hash of the entry before it, from which its own follows; NULL where that one stands before it. */
static void add_entry(struct buf *out, uint64_t sequence, const uint8_t before[32], const uint8_t hash[32],
		      struct bytes entry)
{
	explain_open(out, NULL, '{');
	explain_number(out, "sequence", (int64_t)sequence);
	if (before)
		explain_hex(out, "previous", BYTES(before, 32));
	explain_hex(out, "hash", BYTES(hash, 32));
	explain_text(out, "entry", entry);
	explain_close(out, '}');
}

/* What an order of very many names has very many of: left out where room gets short, so that who decided and what was
 * signed is there. */
static bool is_minor(struct bytes entry)
{
	static const char *const events[] = { "\"event\":\"order.validated\"", "\"event\":\"order.check-failed\"",
					      "\"event\":\"order.code-mailed\"" };
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (memmem(entry.data, entry.len, events[i], strlen(events[i])))
			return true;
	return false;
}

static int look(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct search *s = arg;
	int64_t time_s = 0;
	uint8_t before[32];
	memcpy(before, s->before, sizeof(before));
	memcpy(s->before, hash, sizeof(s->before));
	if (sequence < s->first)
		return 0;
	if (take_time(&time_s, sequence, hash, entry, err))
		return -1;
	if (time_s > s->to_s)
		return 1;
	if (++s->seen > SCAN_MAX || s->out->len > s->end) {
		s->cut = true;
		return 1;
	}
	if (!memmem(entry.data, entry.len, s->needle.data, s->needle.len))
		return 0;
	if (s->out->len + MAJOR_BYTES > s->end && is_minor(entry)) {
		s->cut = true;
		return 0;
	}
	s->last = sequence;
	add_entry(s->out, sequence, before, hash, entry);
	return 0;
}

/* ---- the head ---- */

struct head_search {
	struct record_head head;
	bool found;
};

static int take_head(void *arg, const struct store_row *row, struct error *err)
{
	struct head_search *h = arg;
	if (record_head_decode(row->value, &h->head, err))
		return -1;
	h->found = true;
	return 1;
}

struct path {
	struct buf *out;
	size_t end;
	bool too_long;
};

static int add_step(void *arg, uint64_t sequence, const uint8_t hash[32], struct bytes entry, struct error *err)
{
	struct path *p = arg;
	(void)err;
	p->too_long = p->out->len > p->end;
	if (p->too_long)
		return 1;
	add_entry(p->out, sequence, NULL, hash, entry);
	return 0;
}

/* Each entry's hash is SHA-256(hash of the one before, entry): from the last one named here to the head, without a gap. */
static int add_path(struct store_snapshot *snap, uint64_t from, uint64_t to, struct buf *out, struct error *err)
{
	const size_t start = out->len;
	struct path p = { .out = out, .end = start + budget(out) };
	bool long_way = to - from > PATH_MAX_ENTRIES;
	explain_open(out, "path", '[');
	if (!long_way && from < to && store_chain_scan(snap, CA_AUDIT_CHAIN, from + 1, to, add_step, &p, err) < 0)
		return -1;
	if (long_way || p.too_long)
		out->len = start;
	else
		explain_close(out, ']');
	if (long_way || p.too_long)
		explain_text(out, "pathNote", bytes_of("the way to the head is long: `chancery audit export` has it"));
	return 0;
}

static int add_head(struct ca *ca, struct store_snapshot *snap, uint64_t last, struct buf *out, struct error *err)
{
	struct head_search h = { .found = false };
	auto_buf from = BUF_INIT;
	record_key_u64(&from, last);
	const struct store_range range = { .from = buf_bytes(&from) };
	if (store_scan(snap, STORE_HEADS, &range, take_head, &h, err) < 0)
		return -1;
	if (!h.found) {
		explain_text(out, "headNote",
			     bytes_of(ca->audit.certificate.len
					      ? "no head was signed since: one is at the latest in an hour"
					      : "no audit key is configured: heads are not signed"));
		return 0;
	}
	explain_open(out, "head", '{');
	explain_number(out, "sequence", (int64_t)h.head.sequence);
	explain_hex(out, "hash", BYTES(h.head.hash, sizeof(h.head.hash)));
	explain_text(out, "text", h.head.text);
	explain_base64(out, "signature", h.head.signature);
	explain_base64(out, "certificate", buf_bytes(&ca->audit.certificate));
	explain_close(out, '}');
	return add_path(snap, last, h.head.sequence, out, err);
}

int explain_audit(struct ca *ca, struct store_snapshot *snap, struct bytes needle, int64_t from_s, int64_t to_s,
		  struct buf *out, struct error *err)
{
	struct store_head head;
	uint64_t first = 1;
	if (store_chain_head(snap, CA_AUDIT_CHAIN, &head, err) ||
	    first_since(snap, head.sequence, from_s - SLACK_S, &first, err))
		return -1;
	explain_open(out, "audit", '{');
	explain_open(out, "entries", '[');
	struct search s = {
		.needle = needle, .first = first, .to_s = to_s + SLACK_S, .out = out, .end = out->len + budget(out)
	};
	uint64_t from = first > 1 ? first - 1 : 1;
	if (first <= head.sequence && store_chain_scan(snap, CA_AUDIT_CHAIN, from, head.sequence, look, &s, err) < 0)
		return -1;
	explain_close(out, ']');
	if (s.cut)
		explain_text(out, "entriesNote", bytes_of("there may be more: `chancery audit export` has them all"));
	if (s.last && add_head(ca, snap, s.last, out, err))
		return -1;
	explain_close(out, '}');
	return 0;
}
