#include "httpd/validate/dns_method.h"

struct search {
	struct job *job;
	const struct dns_method *method;
	struct attempt *attempt;
};

/* The first name's failure is what its owner has to hear of; a wrong value above it says more than nothing at it. */
static void note(struct attempt *attempt, const char *code)
{
	if (!attempt->code || strcmp(code, "wrong-value") == 0)
		attempt->code = code;
}

static bool found(const struct dns_answer *answer, const struct dns_method *method)
{
	if (method->alone && answer->count > 1)
		return false;
	for (size_t i = 0; i < answer->count; i++)
		if (method->is_expected(answer->records[i], method->expected))
			return true;
	return false;
}

static void tell_difference(const struct dns_answer *answer, const struct dns_method *method, struct buf *text)
{
	buf_add_text(text, ": expected ");
	dns_print_string(bytes_of(method->expected), text);
	buf_add_text(text, ", found ");
	if (answer->count)
		dns_print_records(answer, method->type, text);
	else
		buf_printf(text, "the name, but no %s record", dns_type_name(method->type));
	if (answer->alias[0])
		buf_printf(text, " at %s, of which it is an alias", answer->alias);
	buf_printf(text, " (%s)", answer->source);
}

static bool look(void *arg, struct bytes name)
{
	struct search *s = arg;
	struct buf *text = &s->attempt->text;
	char where[CA_CHALLENGE_NAME_SIZE];
	auto_dns_answer answer = DNS_ANSWER_INIT;
	s->method->where(s->method, name, where);
	resolver_ask(s->job, where, s->method->type, &answer);
	bool shown = answer.outcome == DNS_ANSWERED && found(&answer, s->method);
	if (shown)
		buf_clear(text);
	else if (text->len)
		buf_add_text(text, "; ");
	buf_printf(text, "%s at %s", dns_type_name(s->method->type), where);
	if (shown) {
		s->attempt->code = "ok";
		buf_add_text(text, ": ");
		dns_print_string(bytes_of(s->method->expected), text);
		buf_printf(text, " (%s, TTL %u)", answer.source, answer.ttl);
	} else if (answer.outcome == DNS_ANSWERED) {
		note(s->attempt, answer.count ? "wrong-value" : "no-record");
		tell_difference(&answer, s->method, text);
	} else {
		note(s->attempt, dns_outcome_code(answer.outcome));
		buf_printf(text, ": %s", answer.why);
	}
	return shown;
}

void dns_method_try(struct job *job, const struct message_validate *ask, const struct dns_method *method,
		    struct attempt *attempt)
{
	struct search search = { job, method, attempt };
	validate_each_name(ask, look, &search);
}
