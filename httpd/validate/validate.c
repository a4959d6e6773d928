#include "httpd/validate/validate.h"

#include <stdio.h>

#include "ca-core/challenge.h"
#include "httpd/validate/caa.h"
#include "httpd/validate/dnssec.h"
#include "httpd/validate/resolver.h"

#define PREFIX_LEN 4 /* "dns:" */

int64_t job_left_ms(const struct job *job, int64_t most)
{
	int64_t left_ms = job->deadline_ms - clock_monotonic_ms();
	if (left_ms <= 0 || atomic_load_explicit(job->stopping, memory_order_relaxed))
		return 0;
	return left_ms < most ? left_ms : most;
}

void validate_each_name(const struct message_validate *ask, bool (*look)(void *arg, struct bytes name), void *arg)
{
	char at[PREFIX_LEN + CA_NAME_TEXT_MAX + 1];
	struct bytes host = ca_challenge_host(ask->name);
	if (host.len == 0 || host.len >= sizeof(at) - PREFIX_LEN)
		return;
	(void)snprintf(at, sizeof(at), "dns:%.*s", (int)host.len, (const char *)host.data);
	while (!look(arg, bytes_of(at)) && ask->parents) {
		const char *dot = strchr(at + PREFIX_LEN, '.');
		if (!dot || !ca_name_wildcard_base_allowed(dot + 1))
			return;
		memmove(at + PREFIX_LEN, dot + 1, strlen(dot + 1) + 1);
	}
}

/* ---- the methods ---- */

static const struct {
	uint8_t bit;
	void (*run)(struct job *job, const struct message_validate *ask, struct attempt *attempt);
} methods[] = {
	{ MESSAGE_DNS_TXT, dns_txt_try },
	{ MESSAGE_DNS_CNAME, dns_cname_try },
	{ MESSAGE_HTTP, http_try },
};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

static void run_method(size_t i, struct job *job, const struct message_validate *ask, struct attempt *attempt)
{
	if ((ca_challenge_methods(ask->name, methods[i].bit) & methods[i].bit) == 0) {
		attempt->code = "not-offered";
		buf_add_text(&attempt->text, "this method cannot show such a name");
	} else if (job_left_ms(job, 1) == 0) {
		attempt->code = "timeout";
		buf_printf(&attempt->text, "the check was over its %d s before this method's turn",
			   VALIDATE_JOB_MS / 1000);
	} else {
		methods[i].run(job, ask, attempt);
	}
}

/* What a check saw is kept as evidence, with when. */
static void add_time(const struct job *job, struct buf *text)
{
	char time[CLOCK_TEXT_SIZE];
	buf_printf(text, ", seen %s", clock_rfc3339(clock_now_ms(&job->clock) / 1000, time));
}

static void cut(struct buf *text, size_t most)
{
	static const char end[] = " ...";
	if (text->len <= most)
		return;
	text->len = most - (sizeof(end) - 1);
	buf_add_text(text, end);
}

/* The methods one after the other, until one shows the name. */
static void run_methods(struct job *job, const struct message_validate *ask, struct attempt attempts[METHOD_COUNT],
			struct message_validated *out)
{
	for (size_t i = 0; i < METHOD_COUNT && !out->shown; i++) {
		if ((ask->methods & methods[i].bit) == 0)
			continue;
		struct attempt *attempt = &attempts[out->attempt_count];
		run_method(i, job, ask, attempt);
		if (!attempt->code)
			attempt->code = "broken";
		bool shown = strcmp(attempt->code, "ok") == 0;
		if (shown)
			add_time(job, &attempt->text);
		cut(&attempt->text, shown ? MESSAGE_EVIDENCE_MAX : VALIDATE_TEXT_MAX);
		out->shown = shown ? methods[i].bit : 0;
		out->attempts[out->attempt_count++] = (struct message_attempt){
			.method = methods[i].bit,
			.code = bytes_of(attempt->code),
			.text = buf_bytes(&attempt->text),
		};
	}
}

void validate_run(const struct ca_config *config, struct clock clock, const _Atomic bool *stopping,
		  const struct message_validate *ask, struct buf *answer)
{
	struct ca_name name;
	struct error err = ERR_INIT;
	if (ca_name_parse(ask->name, &name, &err)) {
		validate_refuse(ask, err.message, answer);
		return;
	}
	struct job job = { .config = config,
			   .zone = ca_config_zone_of(config, ask->name),
			   .clock = clock,
			   .deadline_ms = clock_monotonic_ms() + VALIDATE_JOB_MS,
			   .stopping = stopping };
	struct attempt attempts[METHOD_COUNT] = { { .code = NULL } };
	struct message_validated out = { .shown = 0 };
	auto_buf caa_text = BUF_INIT;
	resolver_choose(&job);
	run_methods(&job, ask, attempts, &out);
	if (ask->caa) {
		caa_look_up(&job, &name, ask, &out, &caa_text);
		add_time(&job, &caa_text);
		cut(&caa_text, MESSAGE_EVIDENCE_MAX);
		out.caa_text = buf_bytes(&caa_text);
	}
	message_validated_write(&out, answer);
	dnssec_free(job.dnssec);
	for (size_t i = 0; i < METHOD_COUNT; i++)
		buf_free(&attempts[i].text);
}

void validate_refuse(const struct message_validate *ask, const char *why, struct buf *answer)
{
	struct message_validated out = { .shown = 0 };
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (ask->methods & methods[i].bit)
			out.attempts[out.attempt_count++] =
				(struct message_attempt){ methods[i].bit, bytes_of("broken"), bytes_of(why) };
	if (ask->caa) {
		out.caa = CAA_UNKNOWN;
		out.caa_text = bytes_of(why);
	}
	message_validated_write(&out, answer);
}
