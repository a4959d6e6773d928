/* Climbs the tree for the CAA records that count for a name. Source: RFC 8659 section 3. */
#include "httpd/validate/caa.h"
#include "httpd/validate/resolver.h"

/* The name, or the next one above it, whose record set decides; false where the tree ends without one, or a question
 * failed (then answer says how). where: in the name, out where the records are. */
static bool climb(struct job *job, const char **where, struct dns_answer *answer, struct buf *passed)
{
	for (;;) {
		resolver_ask(job, *where, DNS_CAA, answer);
		if (answer->outcome != DNS_ANSWERED && answer->outcome != DNS_NXDOMAIN)
			return false;
		if (answer->outcome == DNS_ANSWERED && answer->count > 0)
			return true;
		buf_printf(passed, "%s%s", passed->len ? ", " : "", *where);
		const char *dot = strchr(*where, '.');
		if (!dot)
			return false;
		*where = dot + 1;
	}
}

static void decide(const struct ca_name *name, const struct message_validate *ask, const char *where,
		   const struct dns_answer *answer, struct message_validated *out, struct buf *text)
{
	auto_buf reason = BUF_INIT;
	const struct caa_question question = { name->wildcard, ask->caa_identity, ask->account };
	enum caa_verdict verdict = caa_decide(answer->records, answer->count, &question, &out->caa_methods, &reason);
	out->caa = (uint8_t)verdict;
	buf_printf(text, "CAA at %s %s: %s; found ", where,
		   verdict == CAA_ALLOWS    ? "allows"
		   : verdict == CAA_FORBIDS ? "forbids"
					    : "refuses",
		   buf_text(&reason));
	dns_print_records(answer, DNS_CAA, text);
	buf_printf(text, " (%s)", answer->source);
}

void caa_look_up(struct job *job, const struct ca_name *name, const struct message_validate *ask,
		 struct message_validated *out, struct buf *text)
{
	out->caa = CAA_ALLOWS;
	out->caa_methods = CAA_METHODS_ALL;
	if (name->type != CA_NAME_DNS) {
		buf_add_text(text, "there is no CAA for addresses");
		return;
	}
	auto_dns_answer answer = DNS_ANSWER_INIT;
	auto_buf passed = BUF_INIT;
	const char *where = name->text + (name->wildcard ? 2 : 0);
	if (climb(job, &where, &answer, &passed)) {
		decide(name, ask, where, &answer, out, text);
	} else if (answer.outcome == DNS_ANSWERED || answer.outcome == DNS_NXDOMAIN) {
		buf_printf(text, "no CAA record at %s (%s)", buf_text(&passed), answer.source);
	} else {
		out->caa = CAA_UNKNOWN;
		buf_printf(text, "CAA at %s cannot be known, which refuses: %s", where, answer.why);
	}
}
