#include "httpd/validate/validator.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "base/channel.h"
#include "base/log.h"
#include "httpd/validate/deliver.h"
#include "httpd/validate/outward.h"
#include "httpd/validate/pool.h"
#include "httpd/validate/resolver.h"

#define CHECKS_MAX 64       /* at once; further ones wait */
#define SECURE_CHECKS_MAX 8 /* those by DNSSEC: each takes megabytes while it runs */
#define CHECKS_WAITING_MAX 4096
#define DELIVERIES_MAX 8
#define DELIVERIES_WAITING_MAX 256 /* a body may be long */

struct validator {
	const struct role *role;
	struct channel *signer;
	struct pool *checks, *secure_checks, *deliveries;
	struct deliverer deliverer;
	_Atomic bool stopping;
};

/* One question of the signer, with its payload behind it. */
struct asked {
	struct pool_job job;
	void (*work)(struct validator *v, uint64_t id, struct bytes payload, const char *why);
	struct validator *validator;
	uint64_t id;
	size_t len;
	uint8_t payload[];
};

/* ---- answers ---- */

static void answer(struct validator *v, uint16_t type, uint64_t id, const struct buf *payload)
{
	struct error err = ERR_INIT;
	if (payload->failed)
		log_error("no memory for an answer to the signer");
	else if (channel_send(v->signer, type, id, buf_bytes(payload), &err) && err.code != ERR_UNREACHABLE)
		log_err(LOG_LEVEL_ERROR, "cannot answer the signer", &err);
}

static void answer_error(struct validator *v, uint64_t id, const struct error *refusal)
{
	auto_buf payload = BUF_INIT;
	message_error_write(refusal, &payload);
	answer(v, MSG_ERROR, id, &payload);
}

/* ---- checks and deliveries; why NULL: do it, else: it is not done ---- */

static void check(struct validator *v, uint64_t id, struct bytes payload, const char *why)
{
	struct message_validate ask;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	if (message_validate_read(payload, &ask, &err)) {
		answer_error(v, id, &err);
		return;
	}
	if (why)
		validate_refuse(&ask, why, &out);
	else
		validate_run(v->role->config, v->role->clock, &v->stopping, &ask, &out);
	answer(v, MSG_VALIDATED, id, &out);
}

static void deliver(struct validator *v, uint64_t id, struct bytes payload, const char *why)
{
	struct message_deliver ask;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	if (message_deliver_read(payload, &ask, &err)) {
		answer_error(v, id, &err);
		return;
	}
	if (why)
		deliver_refuse(why, &out);
	else
		deliver_run(&v->deliverer, &ask, &out);
	answer(v, MSG_DELIVERED, id, &out);
}

/* ---- questions ---- */

static void run(struct pool_job *job)
{
	struct asked *asked = (struct asked *)job;
	asked->work(asked->validator, asked->id, BYTES(asked->payload, asked->len), NULL);
}

/* A zone whose resolver hangs holds up its like alone. */
static struct pool *pool_of(struct validator *v, const struct frame *frame)
{
	struct message_validate ask;
	struct error ignored = ERR_INIT;
	if (frame->type == MSG_DELIVER)
		return v->deliveries;
	if (message_validate_read(frame->payload, &ask, &ignored))
		return v->checks; /* where it is refused */
	const struct ca_config_zone *zone = ca_config_zone_of(v->role->config, ask.name);
	return zone && zone->dnssec ? v->secure_checks : v->checks;
}

static void take(struct validator *v, const struct frame *frame)
{
	bool is_check = frame->type == MSG_VALIDATE;
	if (!is_check && frame->type != MSG_DELIVER) {
		struct error err = ERR_INIT;
		(void)err_set(&err, ERR_BAD_REQUEST, "the validator takes no message of type %s",
			      message_type_name(frame->type));
		answer_error(v, frame->id, &err);
		return;
	}
	struct asked *asked = malloc(sizeof(*asked) + frame->payload.len);
	if (asked) {
		*asked = (struct asked){ .job = { .run = run },
					 .work = is_check ? check : deliver,
					 .validator = v,
					 .id = frame->id,
					 .len = frame->payload.len };
		if (frame->payload.len)
			memcpy(asked->payload, frame->payload.data, frame->payload.len);
		if (pool_submit(pool_of(v, frame), &asked->job))
			return;
		free(asked);
	}
	(is_check ? check : deliver)(v, frame->id, frame->payload, "the validator has too much to do");
}

static void read_channel(struct validator *v)
{
	struct frame frame;
	struct error err = ERR_INIT;
	while (channel_receive(v->signer, &frame, -1, &err) == 1)
		take(v, &frame);
	if (err.code == ERR_UNREACHABLE)
		log_info("the signer has closed the channel");
	else
		log_err(LOG_LEVEL_ERROR, "the signer's channel is of no further use", &err);
}

/* ---- life ---- */

static int open_all(struct validator *v, struct secret **password, struct error *err)
{
	const struct role *role = v->role;
	if (role->channel < 0)
		return err_set(err, ERR_USAGE, "the validator needs a channel to the signer; chanceryd starts it");
	if (role->mail_password >= 0) {
		char reference[32];
		(void)snprintf(reference, sizeof(reference), "fd:%d", role->mail_password);
		*password = secret_get(reference, "password of the mail server", err);
		if (!*password)
			return -1;
	}
	v->deliverer = (struct deliverer){
		.config = role->config, .clock = role->clock, .mail_password = *password, .stopping = &v->stopping
	};
	if (!(v->checks = pool_new(CHECKS_MAX, CHECKS_WAITING_MAX, err)) ||
	    !(v->secure_checks = pool_new(SECURE_CHECKS_MAX, CHECKS_WAITING_MAX, err)) ||
	    !(v->deliveries = pool_new(DELIVERIES_MAX, DELIVERIES_WAITING_MAX, err)) ||
	    !(v->signer = channel_new(role->channel, err)))
		return -1;
	return 0;
}

static void close_all(struct validator *v)
{
	atomic_store(&v->stopping, true);
	pool_free(v->checks);
	pool_free(v->secure_checks);
	pool_free(v->deliveries);
	channel_free(v->signer);
}

int httpd_validator_main(const struct role *role)
{
	/* On a terminal both reach us with the front; we leave when the signer does. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Many threads, each with little: one heap for all of them. */
	(void)mallopt(M_ARENA_MAX, 1);
	struct error err = ERR_INIT;
	struct validator v = { .role = role };
	auto_secret *password = NULL;
	bool libraries = outward_init(&err) == 0 && resolver_init(&err) == 0;
	bool started = libraries && open_all(&v, &password, &err) == 0;
	if (started) {
		log_info("validator ready");
		read_channel(&v);
	} else {
		log_err(LOG_LEVEL_ERROR, "the validator cannot start", &err);
	}
	close_all(&v);
	if (libraries) {
		resolver_end();
		outward_end();
	}
	return started ? 0 : 1;
}
