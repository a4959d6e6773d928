/* The signer's main: opens what it alone may open, reads the front's channel, stops in order. */
#include "ca-core/signer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/wait.h"
#include "ca-core/audit.h"
#include "ca-core/publish.h"

#define ADMINS_END_MS 8000 /* a backup may be under way; all of it is done before the supervisor loses patience */
#define THREADS_END_MS 3000
#define LEAVING_MS 200 /* for either, where it is known that some do not end */
#define DRAIN_MS 10000
#define STORE_FOLDER "store"
#define PUBLISHED_FOLDER "published"

int signer_thread(pthread_t *thread, void *(*main)(void *), void *arg, struct error *err)
{
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(thread, NULL, main, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return 0;
	errno = failed;
	return err_errno(err, ERR_INTERNAL, "cannot start a thread");
}

/* ---- what others in ca-core tell us ---- */

/* The front forgets what it keeps of that identity; we look at the store anyway, with each request. */
static void sessions_end(void *arg, const char *identity)
{
	struct signer *s = arg;
	struct error err = ERR_INIT;
	auto_buf payload = BUF_INIT;
	const struct message_name m = { bytes_of(identity) };
	message_name_write(&m, &payload);
	if (s->front && !payload.failed)
		(void)channel_send(s->front, MSG_SESSIONS_DROP, 0, buf_bytes(&payload), &err);
}

static void crl_due(void *arg, struct ca_issuer *issuer)
{
	signer_list_due(arg, issuer);
}

/* ---- start ---- */

struct pins {
	struct secret *secrets[CA_CONFIG_TOKENS_MAX];
};

static void free_pins(struct pins *pins)
{
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		if (pins->secrets[i])
			secret_free(pins->secrets[i]);
}

static int fetch_pins(const struct role *role, struct pins *pins, struct error *err)
{
	for (size_t i = 0; i < role->config->token_count; i++) {
		char reference[32], what[96];
		if (role->pins[i] < 0)
			continue;
		(void)snprintf(reference, sizeof(reference), "fd:%d", role->pins[i]);
		(void)snprintf(what, sizeof(what), "PIN of token %s", role->config->tokens[i].name);
		pins->secrets[i] = secret_get(reference, what, err);
		if (!pins->secrets[i])
			return -1;
	}
	return 0;
}

static int open_all(struct signer *s, const struct pins *pins, struct error *err)
{
	const struct role *role = s->role;
	const struct store_options store = { .path = STORE_FOLDER,
					     .node = role->config->process.node,
					     .clock = role->clock };
	s->store = store_open(&store, err);
	if (!s->store)
		return -1;
	const struct ca_options ca = { .config = role->config,
				       .store = s->store,
				       .clock = role->clock,
				       .pins = (const struct secret *const *)pins->secrets,
				       .published = PUBLISHED_FOLDER,
				       .attach_later = true };
	s->ca = ca_open(&ca, err);
	s->sessions = s->ca ? ca_sessions_new(s->ca, err) : NULL;
	if (!s->sessions)
		return -1;
	s->ca->on_sessions_end = sessions_end;
	s->ca->on_sessions_end_arg = s;
	s->ca->on_crl_due = crl_due;
	s->ca->on_crl_due_arg = s;
	s->ca->on_token_changed = signer_token_changed;
	s->ca->on_token_changed_arg = s;
	return 0;
}

static int record(struct signer *s, const char *event, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, s->ca, event, &self);
	ca_audit_subject(&entry, bytes_of(CHANCERY_VERSION));
	return ca_audit_record(&entry, err);
}

/* With a clock set back, or no room at all, the signer still answers: it says what is wrong. */
static void record_start(struct signer *s)
{
	struct error err = ERR_INIT;
	if (ca_clock_check(s->ca, ca_now_ms(s->ca), &err) == 0 && record(s, "signer.started", &err))
		log_err(LOG_LEVEL_ERROR, "start not recorded", &err);
}

/* On a full disk those of the last time are still there, and the signer revokes. */
static void publish_certificates(struct signer *s)
{
	struct error err = ERR_INIT;
	if (ca_publish_certificates(s->ca, &err))
		log_err(LOG_LEVEL_ERROR, "issuer certificates not published", &err);
}

static int start(struct signer *s, const struct pins *pins, struct error *err)
{
	if (open_all(s, pins, err))
		return -1;
	record_start(s);
	publish_certificates(s);
	if (s->role->channel >= 0) {
		s->front = channel_new(s->role->channel, err);
		if (!s->front)
			return -1;
	}
	return signer_tokens_start(s, err) || signer_lanes_start(s, err) || signer_keeper_start(s, err) ||
			       signer_orders_start(s, err) || signer_admin_start(s, err)
		       ? -1
		       : 0;
}

/* ---- stop ---- */

/* Nobody waits for a token any more, or begins anything new. */
static void begin_to_stop(struct signer *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

/* False where a thread is inside a call that does not return. */
static bool end_threads(struct signer *s)
{
	bool leaving = atomic_load(&s->leaving);
	bool ended = signer_admin_stop(s, clock_monotonic_ms() + (leaving ? LEAVING_MS : ADMINS_END_MS));
	signer_orders_stop(s);
	int64_t until_ms = clock_monotonic_ms() + (leaving ? LEAVING_MS : THREADS_END_MS);
	ended = signer_lanes_stop(s, until_ms) && ended;
	ended = signer_tokens_stop(s, until_ms) && ended;
	signer_lists_give_up(s, true);
	signer_keeper_stop(s);
	return ended;
}

/* Whatever was signed gets its commit and, as far as the front still listens, its answer. */
static void drain(struct signer *s)
{
	int64_t until_ms = clock_monotonic_ms() + DRAIN_MS;
	const struct timespec pause = { 0, 2000000 };
	while (atomic_load(&s->in_flight) > 0 && clock_monotonic_ms() < until_ms)
		(void)nanosleep(&pause, NULL);
	if (s->front)
		channel_flush(s->front, 1000);
}

static void record_stop(struct signer *s, bool sign_head)
{
	struct error err = ERR_INIT;
	if (ca_clock_check(s->ca, ca_now_ms(s->ca), &err) == 0 &&
	    (record(s, "signer.stopped", &err) || (sign_head && ca_audit_sign_head(s->ca, false, &err))))
		log_err(LOG_LEVEL_WARN, "stop not recorded", &err);
}

/* A call into a token's module that does not return cannot be ended, and its module not be finalized; nor may the
 * token be asked to sign a head. The store is closed only while nobody may use it; but it is whole at any time, and
 * commits are made in turn: with the one that records the stop those before it are on the disk. */
static void leave_stuck(struct signer *s)
{
	log_error("a thread does not end, as inside a call into a token: the signer leaves without finalizing its "
		  "module");
	if (s->front)
		channel_flush(s->front, 1000);
	_exit(atomic_load(&s->leaving) ? ROLE_AGAIN : 0);
}

static void stop(struct signer *s, bool started)
{
	begin_to_stop(s);
	bool ended = end_threads(s);
	if (s->front && ended)
		drain(s);
	if (started)
		record_stop(s, ended);
	if (!ended)
		leave_stuck(s);
	ca_sessions_free(s->sessions);
	if (s->store)
		store_close(s->store); /* the last commits still answer on the channel, and count in ca */
	ca_close(s->ca);
	signer_orders_free(s);
	if (s->front)
		channel_free(s->front);
}

/* ---- main ---- */

static void read_channel(struct signer *s)
{
	struct frame frame;
	struct error err = ERR_INIT;
	while (s->front && channel_receive(s->front, &frame, -1, &err) == 1)
		signer_take(s, &frame);
	if (err.code == ERR_UNREACHABLE)
		log_info("the front has closed the channel");
	else
		log_err(LOG_LEVEL_ERROR, "the front's channel is of no further use", &err);
}

static void init(struct signer *s, const struct role *role)
{
	*s = (struct signer){ .role = role, .admin_wake = -1 };
	(void)pthread_mutex_init(&s->lock, NULL);
	wait_cond_init(&s->changed);
	(void)pthread_mutex_init(&s->waiting.lock, NULL);
	wait_cond_init(&s->waiting.changed);
}

int ca_signer_main(const struct role *role)
{
	struct error err = ERR_INIT;
	/* On a terminal both reach us with the front; the front decides when to end. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	CLEANUP(free_pins) struct pins pins = { { NULL } };
	struct signer *s = malloc(sizeof(*s));
	if (!s)
		return 1;
	init(s, role);
	bool started = fetch_pins(role, &pins, &err) == 0 && start(s, &pins, &err) == 0;
	if (started) {
		log_info("signer ready", KV_INT("workers", role->config->process.workers));
		read_channel(s);
	} else {
		log_err(LOG_LEVEL_ERROR, "the signer cannot start", &err);
	}
	stop(s, started);
	(void)pthread_cond_destroy(&s->waiting.changed);
	(void)pthread_mutex_destroy(&s->waiting.lock);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	return started ? 0 : err_class(err.code)->exit_status;
}
