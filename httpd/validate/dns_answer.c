#include "httpd/validate/dns_answer.h"

#include <ares.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define HEADER_SIZE 12
#define RECORDS_READ_MAX 256 /* of all kinds in one answer */
#define SHOWN_MAX 3          /* records for people */
#define STRING_SHOWN_MAX 120 /* octets of one string for people */
#define CLASS_IN 1
#define TYPE_NS 2
#define TYPE_SOA 6

const char *dns_type_name(enum dns_type type)
{
	return type == DNS_A       ? "A"
	       : type == DNS_CNAME ? "CNAME"
	       : type == DNS_TXT   ? "TXT"
	       : type == DNS_AAAA  ? "AAAA"
				   : "CAA";
}

const char *dns_outcome_code(enum dns_outcome outcome)
{
	static const char *const codes[] = {
		[DNS_ANSWERED] = "no-record", [DNS_NXDOMAIN] = "nxdomain", [DNS_TIMEOUT] = "timeout",
		[DNS_REFUSED] = "refused",    [DNS_SERVFAIL] = "servfail", [DNS_BOGUS] = "bogus",
		[DNS_BROKEN] = "broken",
	};
	return codes[outcome];
}

void dns_answer_free(struct dns_answer *answer)
{
	buf_free(&answer->data);
}

/* ---- reading ---- */

struct record {
	size_t owner, rdata; /* where they begin in the message */
	uint16_t type, class, len;
	uint32_t ttl;
};

struct message {
	struct bytes all;
	size_t at;
	bool failed, authoritative;
	struct record records[RECORDS_READ_MAX];
	size_t answers, count; /* the answer's records, behind them the authority's */
};

/* The name at this place as text, without a dot at its end; how many octets it takes there. False where it is none. */
static bool name_at(const struct message *m, size_t at, char name[DNS_NAME_SIZE], size_t *length)
{
	char *text = NULL;
	long encoded = 0;
	if (at >= m->all.len ||
	    ares_expand_name(m->all.data + at, m->all.data, (int)m->all.len, &text, &encoded) != ARES_SUCCESS)
		return false;
	size_t len = strlen(text);
	bool fits = len < DNS_NAME_SIZE && encoded > 0;
	if (fits) {
		memcpy(name, text, len + 1);
		*length = (size_t)encoded;
	}
	ares_free_string(text);
	return fits;
}

static void pass_name(struct message *m)
{
	char name[DNS_NAME_SIZE];
	size_t length = 0;
	m->failed = m->failed || !name_at(m, m->at, name, &length);
	m->at += length;
}

/* A cursor over what follows the present place, for fields of fixed size. */
static struct reader take(struct message *m, size_t len)
{
	m->failed = m->failed || m->at > m->all.len || m->all.len - m->at < len;
	if (m->failed)
		return reader_of(BYTES_NONE);
	struct reader r = reader_of(BYTES(m->all.data + m->at, len));
	m->at += len;
	return r;
}

static void read_record(struct message *m)
{
	struct record record = { .owner = m->at };
	pass_name(m);
	struct reader r = take(m, 10);
	record.type = reader_u16(&r);
	record.class = reader_u16(&r);
	record.ttl = reader_u32(&r);
	record.len = reader_u16(&r);
	record.rdata = m->at;
	(void)take(m, record.len);
	if (!m->failed)
		m->records[m->count++] = record;
}

static void read_records(struct message *m, unsigned count)
{
	for (unsigned i = 0; i < count && !m->failed; i++)
		read_record(m);
}

/* The header, the question, and the records of answer and authority. Returns the answer's code, or -1 where it is no
 * answer to one question. */
static int read_message(struct message *m, const char *name, enum dns_type type)
{
	char asked[DNS_NAME_SIZE] = "";
	size_t length = 0;
	struct reader r = take(m, HEADER_SIZE);
	(void)reader_u16(&r);
	uint16_t flags = reader_u16(&r), questions = reader_u16(&r);
	unsigned answers = reader_u16(&r), authorities = reader_u16(&r);
	const uint16_t is_answer = 0x8000, opcode = 0x7800, authoritative = 0x0400, truncated = 0x0200, code = 0x000f;
	if (m->failed || !(flags & is_answer) || (flags & (opcode | truncated)) || questions != 1 ||
	    answers + authorities > RECORDS_READ_MAX || !name_at(m, m->at, asked, &length))
		return -1;
	m->authoritative = (flags & authoritative) != 0;
	m->at += length;
	r = take(m, 4);
	if (reader_u16(&r) != type || reader_u16(&r) != CLASS_IN || strcasecmp(asked, name) != 0)
		return -1;
	read_records(m, answers);
	m->answers = m->count;
	read_records(m, authorities);
	return m->failed ? -1 : flags & code;
}

/* ---- following ---- */

static bool is_at(const struct message *m, const struct record *record, uint16_t type, const char *name)
{
	char owner[DNS_NAME_SIZE];
	size_t length = 0;
	return record->type == type && record->class == CLASS_IN && name_at(m, record->owner, owner, &length) &&
	       strcasecmp(owner, name) == 0;
}

/* The name that an alias record points to: nothing but that name stands in it. */
static bool target_of(const struct message *m, const struct record *record, char target[DNS_NAME_SIZE])
{
	size_t length = 0;
	return name_at(m, record->rdata, target, &length) && length == record->len;
}

/* Whether `name` is an alias in this message; then it becomes what it is an alias of, "" where that is no name. */
static bool follow(const struct message *m, char name[DNS_NAME_SIZE])
{
	for (size_t i = 0; i < m->answers; i++) {
		if (!is_at(m, &m->records[i], DNS_CNAME, name))
			continue;
		if (!target_of(m, &m->records[i], name))
			name[0] = '\0';
		return true;
	}
	return false;
}

/* From `at` to the end of its aliases. NULL, or why they have no end. */
static const char *follow_all(const struct message *m, char at[DNS_NAME_SIZE], struct dns_answer *answer)
{
	for (unsigned i = 0; follow(m, at); i++) {
		if (i == DNS_ALIASES_MAX)
			return "aliases in a circle, or too many of them";
		if (at[0] == '\0')
			return "an alias of what is no name";
		(void)snprintf(answer->alias, sizeof(answer->alias), "%s", at);
	}
	return NULL;
}

bool dns_is_within(const char *name, const char *zone)
{
	size_t len = strlen(name), zone_len = strlen(zone);
	if (zone_len == 0)
		return true;
	return len >= zone_len && strcasecmp(name + len - zone_len, zone) == 0 &&
	       (len == zone_len || name[len - zone_len - 1] == '.');
}

/* Whether the authority section has such a record of a zone that the name is in. */
static bool has_authority(const struct message *m, uint16_t type, const char *name)
{
	for (size_t i = m->answers; i < m->count; i++) {
		const struct record *record = &m->records[i];
		char zone[DNS_NAME_SIZE];
		size_t length = 0;
		if (record->type == type && record->class == CLASS_IN && name_at(m, record->owner, zone, &length) &&
		    dns_is_within(name, zone))
			return true;
	}
	return false;
}

static bool has_its_length(enum dns_type type, size_t len)
{
	return type == DNS_A ? len == 4 : type == DNS_AAAA ? len == 16 : true;
}

/* False where there are more than can be looked at: one of the others might be the one that forbids. */
static bool take_records(const struct message *m, const char *name, enum dns_type type, struct dns_answer *answer)
{
	size_t ends[DNS_RECORDS_MAX] = { 0 };
	for (size_t i = 0; i < m->answers; i++) {
		const struct record *record = &m->records[i];
		char target[DNS_NAME_SIZE];
		if (!is_at(m, record, (uint16_t)type, name) || !has_its_length(type, record->len))
			continue;
		if (answer->count == DNS_RECORDS_MAX)
			return false;
		if (type != DNS_CNAME)
			buf_add(&answer->data, m->all.data + record->rdata, record->len);
		else if (target_of(m, record, target))
			buf_add_text(&answer->data, target);
		else
			continue;
		answer->ttl = answer->count == 0 || record->ttl < answer->ttl ? record->ttl : answer->ttl;
		ends[answer->count++] = answer->data.len;
	}
	/* Only now does the buffer move no more. */
	for (size_t i = 0; i < answer->count; i++) {
		size_t begin = i ? ends[i - 1] : 0;
		answer->records[i] = ends[i] > begin ? BYTES(answer->data.data + begin, ends[i] - begin) : BYTES_NONE;
	}
	return !answer->data.failed;
}

static void fail(struct dns_answer *answer, enum dns_outcome outcome, const char *why)
{
	answer->outcome = outcome;
	(void)snprintf(answer->why, sizeof(answer->why), "%s", why);
}

/* No record of the type is here. A zone's SOA says that there is none; without it an alias may have been left for the
 * asker to follow, and a referral says nothing but who might know. */
static void settle_empty(const struct message *m, const char *at, struct dns_answer *answer)
{
	answer->outcome = DNS_ANSWERED;
	if (has_authority(m, TYPE_SOA, at))
		return;
	if (answer->alias[0]) {
		fail(answer, DNS_SERVFAIL, "an alias, and nothing about what it leads to");
		answer->unfinished = true;
	} else if (!m->authoritative && has_authority(m, TYPE_NS, at)) {
		fail(answer, DNS_SERVFAIL, "a referral to other servers, and no answer");
	}
}

static void settle(const struct message *m, int code, const char *name, enum dns_type type, struct dns_answer *answer)
{
	char at[DNS_NAME_SIZE];
	(void)snprintf(at, sizeof(at), "%s", name);
	const char *endless = type == DNS_CNAME ? NULL : follow_all(m, at, answer);
	if (endless)
		fail(answer, DNS_SERVFAIL, endless);
	else if (code != 0)
		fail(answer, DNS_NXDOMAIN, "NXDOMAIN");
	else if (!take_records(m, at, type, answer))
		fail(answer, DNS_SERVFAIL, "an answer with too many records");
	else if (answer->count == 0)
		settle_empty(m, at, answer);
	else
		answer->outcome = DNS_ANSWERED;
}

void dns_answer_read(struct bytes message, const char *name, enum dns_type type, struct dns_answer *answer)
{
	enum { NOERROR = 0, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED };
	struct message m = { .all = message };
	int code = message.len <= UINT16_MAX ? read_message(&m, name, type) : -1;
	answer->count = 0;
	answer->unfinished = false;
	answer->alias[0] = answer->why[0] = '\0';
	buf_clear(&answer->data);
	switch (code) {
	case NOERROR:
	case NXDOMAIN:
		settle(&m, code, name, type, answer);
		break;
	case REFUSED:
		fail(answer, DNS_REFUSED, "REFUSED");
		break;
	case SERVFAIL:
		fail(answer, DNS_SERVFAIL, "SERVFAIL");
		break;
	case FORMERR:
	case NOTIMP:
		fail(answer, DNS_SERVFAIL, code == FORMERR ? "FORMERR" : "NOTIMP");
		break;
	default:
		fail(answer, DNS_SERVFAIL, "an answer that cannot be read");
	}
}

/* ---- for people ---- */

void dns_print_string(struct bytes string, struct buf *out)
{
	buf_u8(out, '"');
	for (size_t i = 0; i < string.len && i < STRING_SHOWN_MAX; i++) {
		uint8_t c = string.data[i];
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			buf_u8(out, c);
		else
			buf_printf(out, "\\%03u", c);
	}
	buf_add_text(out, string.len > STRING_SHOWN_MAX ? "...\"" : "\"");
}

size_t dns_txt_strings(struct bytes rdata, struct buf *out)
{
	struct reader r = reader_of(rdata);
	size_t count = 0;
	while (r.left > 0) {
		struct bytes string = reader_take(&r, reader_u8(&r));
		if (r.failed)
			return 0;
		buf_add_bytes(out, string);
		count++;
	}
	return count;
}

static void print_caa(struct bytes rdata, struct buf *out)
{
	struct reader r = reader_of(rdata);
	unsigned flags = reader_u8(&r);
	struct bytes tag = reader_take(&r, reader_u8(&r));
	if (r.failed) {
		dns_print_string(rdata, out);
		return;
	}
	auto_buf shown = BUF_INIT;
	dns_print_string(tag, &shown);
	buf_printf(out, "%u ", flags);
	if (shown.len > 2)
		buf_add(out, shown.data + 1, shown.len - 2); /* without its quotes, as zone files have it */
	buf_u8(out, ' ');
	dns_print_string(BYTES(r.at, r.left), out);
}

static void print_record(struct bytes record, enum dns_type type, struct buf *out)
{
	auto_buf joined = BUF_INIT;
	char address[INET6_ADDRSTRLEN] = "";
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		(void)inet_ntop(type == DNS_A ? AF_INET : AF_INET6, record.data, address, sizeof(address));
		buf_add_text(out, address);
		break;
	case DNS_TXT:
		if (dns_txt_strings(record, &joined) == 0)
			buf_clear(&joined);
		dns_print_string(buf_bytes(&joined), out);
		break;
	case DNS_CAA:
		print_caa(record, out);
		break;
	default:
		dns_print_string(record, out);
	}
}

void dns_print_records(const struct dns_answer *answer, enum dns_type type, struct buf *out)
{
	for (size_t i = 0; i < answer->count && i < SHOWN_MAX; i++) {
		buf_add_text(out, i ? ", " : "");
		print_record(answer->records[i], type, out);
	}
	if (answer->count > SHOWN_MAX)
		buf_printf(out, " and %zu more", answer->count - SHOWN_MAX);
	else if (answer->count == 0)
		buf_add_text(out, "nothing");
}
