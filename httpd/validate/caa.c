#include "httpd/validate/caa.h"

#include <strings.h>

static bool is_letter_or_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_tag(struct bytes tag)
{
	for (size_t i = 0; i < tag.len; i++)
		if (!is_letter_or_digit(tag.data[i]))
			return false;
	return tag.len > 0;
}

static bool is_same(struct bytes a, const char *text)
{
	return a.len == strlen(text) && strncasecmp((const char *)a.data, text, a.len) == 0;
}

bool caa_record_read(struct bytes rdata, struct caa_record *record)
{
	struct reader r = reader_of(rdata);
	record->critical = (reader_u8(&r) & 0x80) != 0;
	record->tag = reader_take(&r, reader_u8(&r));
	record->value = reader_take(&r, r.left);
	return !r.failed && is_tag(record->tag);
}

/* ---- the value of issue and issuewild (RFC 8659 section 4.2) ---- */

static struct bytes trimmed(struct bytes text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = BYTES(text.data + 1, text.len - 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* What stands before the next `mark`; rest moves behind it, and is empty where there is none. */
static struct bytes part(struct bytes *rest, uint8_t mark)
{
	const uint8_t *at = rest->len ? memchr(rest->data, mark, rest->len) : NULL;
	size_t len = at ? (size_t)(at - rest->data) : rest->len;
	struct bytes first = BYTES(rest->data, len);
	*rest = at ? BYTES(at + 1, rest->len - len - 1) : BYTES_NONE;
	return first;
}

/* Labels of letters, digits and inner hyphens. */
static bool is_domain(struct bytes text)
{
	bool begins = true;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '.' ? begins || text.data[i - 1] == '-' : c == '-' ? begins : !is_letter_or_digit(c))
			return false;
		begins = c == '.';
	}
	return text.len > 0 && !begins && text.data[text.len - 1] != '-';
}

static bool is_parameter_value(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ';')
			return false;
	return true;
}

static bool read_parameter(struct bytes text, struct caa_issue *issue)
{
	if (issue->parameter_count == CAA_PARAMETERS_MAX || !memchr(text.data, '=', text.len))
		return false;
	struct caa_parameter *parameter = &issue->parameters[issue->parameter_count++];
	parameter->tag = trimmed(part(&text, '='));
	parameter->value = trimmed(text);
	return is_tag(parameter->tag) && is_parameter_value(parameter->value);
}

bool caa_issue_read(struct bytes value, struct caa_issue *issue)
{
	issue->parameter_count = 0;
	issue->domain = trimmed(part(&value, ';'));
	if (issue->domain.len > 0 && !is_domain(issue->domain))
		return false;
	value = trimmed(value);
	while (value.len > 0) {
		struct bytes text = trimmed(part(&value, ';'));
		/* Nothing between two semicolons, or behind the last, is no parameter, and no harm. */
		if (text.len > 0 && !read_parameter(text, issue))
			return false;
	}
	return true;
}

/* ---- the parameters of RFC 8657 ---- */

static uint8_t method_bit(struct bytes name)
{
	static const char *const names[] = { "ca-grant", "ca-dns-txt", "ca-dns-cname", "ca-http", "ca-mail" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_same(name, names[i]))
			return (uint8_t)(1U << i);
	return 0;
}

static uint8_t methods_of(struct bytes list)
{
	uint8_t methods = 0;
	while (list.len > 0)
		methods |= method_bit(trimmed(part(&list, ',')));
	return methods;
}

/* What one property that names us leaves of the methods; 0: nothing, and `why` says what it asks for. A parameter that
 * stands twice contradicts itself (RFC 8657 sections 3 and 4); others than these two are not ours to understand. */
static uint8_t methods_left(const struct caa_issue *issue, struct bytes account, const char **why)
{
	unsigned accounts = 0, lists = 0;
	uint8_t methods = CAA_METHODS_ALL;
	bool is_account = true;
	for (size_t i = 0; i < issue->parameter_count; i++) {
		const struct caa_parameter *parameter = &issue->parameters[i];
		if (is_same(parameter->tag, "accounturi")) {
			accounts++;
			is_account = account.len > 0 && bytes_equal(parameter->value, account);
		} else if (is_same(parameter->tag, "validationmethods")) {
			lists++;
			methods = methods_of(parameter->value);
		}
	}
	*why = accounts > 1 || lists > 1 ? "a parameter stands twice in it"
	       : !is_account             ? "its accounturi is another one than the requester's"
					 : "its validationmethods names none of this CA's";
	return accounts > 1 || lists > 1 || !is_account ? 0 : methods;
}

/* ---- the decision ---- */

/* Properties that say nothing about who may issue for a server's name. */
static bool says_nothing(struct bytes tag)
{
	static const char *const tags[] = { "iodef", "contactemail", "contactphone", "issuemail" };
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (is_same(tag, tags[i]))
			return true;
	return false;
}

struct tally {
	size_t issue, issuewild;
	struct bytes unknown; /* the first critical property that is not known */
	bool unreadable;
};

static struct tally count_properties(const struct bytes *records, size_t count)
{
	struct tally t = { .unknown = BYTES_NONE };
	for (size_t i = 0; i < count; i++) {
		struct caa_record record;
		if (!caa_record_read(records[i], &record))
			t.unreadable = true;
		else if (is_same(record.tag, "issue"))
			t.issue++;
		else if (is_same(record.tag, "issuewild"))
			t.issuewild++;
		else if (record.critical && !says_nothing(record.tag) && t.unknown.len == 0)
			t.unknown = record.tag;
	}
	return t;
}

/* The union of what the properties of this tag leave us. */
static uint8_t allowed_methods(const struct bytes *records, size_t count, const char *tag,
			       const struct caa_question *question, const char **why)
{
	uint8_t methods = 0;
	for (size_t i = 0; i < count; i++) {
		struct caa_record record;
		struct caa_issue issue;
		if (!caa_record_read(records[i], &record) || !is_same(record.tag, tag) ||
		    !caa_issue_read(record.value, &issue) || question->identity.len == 0 ||
		    issue.domain.len != question->identity.len ||
		    strncasecmp((const char *)issue.domain.data, (const char *)question->identity.data,
				issue.domain.len) != 0)
			continue;
		methods |= methods_left(&issue, question->account, why);
	}
	return methods;
}

enum caa_verdict caa_decide(const struct bytes *records, size_t count, const struct caa_question *question,
			    uint8_t *methods, struct buf *reason)
{
	const struct tally t = count_properties(records, count);
	const char *tag = question->wildcard && t.issuewild ? "issuewild" : "issue";
	*methods = CAA_METHODS_ALL;
	if (t.unreadable) {
		buf_add_text(reason, "a record cannot be read");
		return CAA_UNKNOWN;
	}
	if (t.unknown.len) {
		buf_printf(reason, "the critical property %.*s is unknown here", (int)t.unknown.len,
			   (const char *)t.unknown.data);
		return CAA_FORBIDS;
	}
	if (t.issue == 0 && !(question->wildcard && t.issuewild)) {
		buf_add_text(reason, "no property says who may issue");
		return CAA_ALLOWS;
	}
	const char *why = NULL;
	*methods = allowed_methods(records, count, tag, question, &why);
	if (*methods) {
		buf_printf(reason, "%s names this CA", tag);
		return CAA_ALLOWS;
	}
	if (why)
		buf_printf(reason, "%s names this CA, but %s", tag, why);
	else if (question->identity.len == 0)
		buf_printf(reason, "%s names others, and the configuration gives this CA no caa-identity", tag);
	else
		buf_printf(reason, "no %s property names %.*s", tag, (int)question->identity.len,
			   (const char *)question->identity.data);
	return CAA_FORBIDS;
}
