#include "httpd/validate/dnssec.h"

#include <poll.h>
#include <stdio.h>
#include <unbound.h>

#define QUESTION_MS 8000
#define CLASS_IN 1
/* Debian's package dns-root-data. */
#define ROOT_ANCHOR "/usr/share/dns/root.key"

struct dnssec {
	struct ub_ctx *context;
};

/* Whether `name` is one of the zone's suffixes, or below one. */
static bool is_zones(const struct ca_config_zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->suffixes.count; i++)
		if (dns_is_within(name, zone->suffixes.items[i] + (zone->suffixes.items[i][0] == '.')))
			return true;
	return false;
}

/* ---- the context ---- */

/* "127.0.0.1:53" and "[::1]:53" as libunbound has them: "127.0.0.1@53". */
static void forward_text(const char *resolver, char out[64])
{
	const char *colon = strrchr(resolver, ':');
	size_t len = colon ? (size_t)(colon - resolver) : strlen(resolver);
	bool bracketed = resolver[0] == '[' && len >= 2;
	(void)snprintf(out, 64, "%.*s@%s", (int)(bracketed ? len - 2 : len), resolver + bracketed,
		       colon ? colon + 1 : "53");
}

/* libunbound would answer these itself. */
static int remove_built_in_zones(struct ub_ctx *context)
{
	static const char *const zones[] = { "test.", "invalid.", "onion.", "localhost.", "home.arpa." };
	int failed = 0;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]) && failed == 0; i++)
		failed = ub_ctx_zone_remove(context, zones[i]);
	return failed;
}

static int configure(struct ub_ctx *context, const struct job *job, const char *anchors)
{
	static const struct {
		const char *option, *value;
	} settings[] = {
		{ "do-not-query-localhost:", "no" }, { "unblock-lan-zones:", "yes" }, { "insecure-lan-zones:", "no" },
		{ "msg-cache-size:", "256k" },       { "rrset-cache-size:", "256k" }, { "key-cache-size:", "128k" },
		{ "neg-cache-size:", "64k" },
	};
	/* Else it writes what it thinks of each answer to standard error. */
	int failed = ub_ctx_debugout(context, NULL);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]) && failed == 0; i++)
		failed = ub_ctx_set_option(context, settings[i].option, settings[i].value);
	for (size_t i = 0; i < job->resolver_count && failed == 0; i++) {
		char forward[64];
		forward_text(job->resolvers[i], forward);
		failed = ub_ctx_set_fwd(context, forward);
	}
	if (failed == 0)
		failed = ub_ctx_add_ta_file(context, anchors);
	if (failed == 0)
		failed = ub_ctx_async(context, 1);
	/* Last: it settles what was set before. */
	return failed ? failed : remove_built_in_zones(context);
}

static const char *anchors_of(const struct job *job)
{
	return job->zone->dnssec_anchors[0] ? job->zone->dnssec_anchors : ROOT_ANCHOR;
}

/* The job's context; NULL where there can be none, and `why` says so. */
static struct dnssec *context_of(struct job *job, char *why, size_t size)
{
	if (job->dnssec)
		return job->dnssec;
	if (access(anchors_of(job), R_OK) != 0) {
		(void)snprintf(why, size, "the trust anchors in %s cannot be read", anchors_of(job));
		return NULL;
	}
	struct dnssec *dnssec = calloc(1, sizeof(*dnssec));
	struct ub_ctx *context = dnssec ? ub_ctx_create() : NULL;
	int failed = context ? configure(context, job, anchors_of(job)) : UB_NOMEM;
	if (failed) {
		(void)snprintf(why, size, "DNSSEC cannot be checked: %s", ub_strerror(failed));
		if (context)
			ub_ctx_delete(context);
		free(dnssec);
		return NULL;
	}
	dnssec->context = context;
	return job->dnssec = dnssec;
}

void dnssec_free(struct dnssec *dnssec)
{
	if (!dnssec)
		return;
	ub_ctx_delete(dnssec->context);
	free(dnssec);
}

/* ---- asking ---- */

struct waiting {
	struct ub_result *result;
	int failed;
	bool done;
};

static void on_result(void *arg, int failed, struct ub_result *result)
{
	struct waiting *w = arg;
	w->done = true;
	w->failed = failed;
	w->result = result;
}

static void fail(struct dns_answer *answer, enum dns_outcome outcome, const char *what, const char *where)
{
	answer->outcome = outcome;
	(void)snprintf(answer->why, sizeof(answer->why), "%s %s", what, where);
}

/* Where its time is over, the question is taken back: then nobody writes to w any more. */
static void await(const struct job *job, struct ub_ctx *context, int id, struct waiting *w)
{
	int64_t until_ms = clock_monotonic_ms() + QUESTION_MS;
	while (!w->done) {
		int64_t question_ms = until_ms - clock_monotonic_ms();
		int64_t left_ms = question_ms > 0 ? job_left_ms(job, question_ms) : 0;
		struct pollfd ready = { .fd = ub_fd(context), .events = POLLIN };
		if (left_ms == 0) {
			(void)ub_cancel(context, id);
			return;
		}
		if (poll(&ready, 1, (int)(left_ms < VALIDATE_STOP_MS ? left_ms : VALIDATE_STOP_MS)) > 0)
			(void)ub_process(context);
	}
}

static void judge(const struct job *job, const char *name, enum dns_type type, const struct ub_result *result,
		  const char *where, struct dns_answer *answer)
{
	char failure[256];
	dns_answer_read(BYTES(result->answer_packet, result->answer_len), name, type, answer);
	(void)snprintf(answer->source, sizeof(answer->source), "%s, %s", where,
		       result->secure ? "secure by DNSSEC" : "not signed");
	if (result->bogus) {
		(void)snprintf(failure, sizeof(failure), "the answer is bogus: %.200s;",
			       result->why_bogus ? result->why_bogus : "it does not validate");
		fail(answer, DNS_BOGUS, failure, where);
	} else if (answer->outcome != DNS_ANSWERED && answer->outcome != DNS_NXDOMAIN) {
		(void)snprintf(failure, sizeof(failure), "%.200s", answer->why);
		fail(answer, answer->outcome, failure, where);
	} else if (!result->secure && is_zones(job->zone, name)) {
		fail(answer, DNS_BOGUS,
		     "the answer is not signed by a chain from the trust anchors, which its zone demands;", where);
	} else if (answer->outcome == DNS_NXDOMAIN) {
		fail(answer, DNS_NXDOMAIN, "NXDOMAIN", answer->source);
	}
}

void dnssec_ask(struct job *job, const char *name, enum dns_type type, struct dns_answer *answer)
{
	struct waiting w = { .done = false };
	char where[128], why[256] = "";
	int id = 0;
	(void)snprintf(where, sizeof(where), "from %s%s", job->resolvers[0],
		       job->resolver_count > 1 ? " or the next" : "");
	const struct dnssec *dnssec = context_of(job, why, sizeof(why));
	if (!dnssec) {
		answer->outcome = DNS_BROKEN;
		(void)snprintf(answer->why, sizeof(answer->why), "%s", why);
		return;
	}
	int failed = ub_resolve_async(dnssec->context, name, (int)type, CLASS_IN, &w, on_result, &id);
	if (failed == 0)
		await(job, dnssec->context, id, &w);
	if (failed == 0 && !w.done) {
		fail(answer, DNS_TIMEOUT, "no answer in time", where);
		return;
	}
	failed = failed ? failed : w.failed;
	if (failed)
		fail(answer, DNS_BROKEN, ub_strerror(failed), where);
	else
		judge(job, name, type, w.result, where, answer);
	ub_resolve_free(w.result);
}
