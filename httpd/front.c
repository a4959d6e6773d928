#include "httpd/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "httpd/control.h"
#include "httpd/json.h"
#include "httpd/own.h"
#include "httpd/published.h"
#include "httpd/server.h"
#include "httpd/session.h"
#include "httpd/tls.h"
#include "httpd/trust.h"

#define TICK_MS 250
#define STOP_MS 10000       /* for what is in flight */
#define STOP_ANSWER_MS 2000 /* for sending the 503 of what was not finished */
#define HEALTH_MS 5000
#define QUESTIONS_MORE 64 /* questions of our own beside one for each connection */

/* What only the main thread needs. */
struct main_loop {
	struct front front;
	struct listener listeners[2 * ROLE_DESCRIPTORS_MAX];
	size_t listener_count;
	struct control *control;
	int signals;
	bool told_ready;
	_Atomic bool signer_answered;
	bool asked_health;
};

/* ---- what the link tells ---- */

static void on_link_up(void *arg)
{
	struct main_loop *loop = arg;
	own_check_now(loop->front.own);
}

static void on_link_down(void *arg)
{
	struct main_loop *loop = arg;
	connections_forget(&loop->front.connections, NULL);
}

static void on_link_told(void *arg, const struct frame *news)
{
	struct main_loop *loop = arg;
	struct message_name gone;
	struct error err = ERR_INIT;
	if (news->type != MSG_SESSIONS_DROP)
		return;
	if (message_name_read(news->payload, &gone, &err) == 0)
		connections_forget(&loop->front.connections, &gone.name);
	else
		connections_forget(&loop->front.connections, NULL);
}

/* ---- ready ---- */

static void on_health(void *arg, const struct frame *answer, const struct error *err)
{
	struct main_loop *loop = arg;
	(void)err;
	loop->signer_answered = answer && answer->type == MSG_HEALTH;
	if (!loop->signer_answered)
		loop->asked_health = false;
	(void)eventfd_write(loop->front.wake, 1);
}

static bool all_listening(const struct main_loop *loop)
{
	for (size_t i = 0; i < loop->listener_count; i++)
		if (!loop->listeners[i].daemon)
			return false;
	return true;
}

/* The supervisor hears once that everything is there: listeners, certificate, signer. */
static void tell_when_ready(struct main_loop *loop)
{
	struct error err = ERR_INIT;
	if (loop->told_ready || !all_listening(loop))
		return;
	if (loop->signer_answered) {
		loop->told_ready = true;
		log_info("ready", KV_INT("https_port", loop->front.https_port));
		control_tell_ready(loop->control);
	} else if (!loop->asked_health && link_is_up(loop->front.link)) {
		loop->asked_health = true;
		if (link_ask(loop->front.link, MSG_HEALTH_GET, BYTES_NONE, clock_monotonic_ms() + HEALTH_MS, on_health,
			     loop, &err) != 0)
			loop->asked_health = false;
	}
}

/* ---- the loop ---- */

/* HTTPS waits for its certificate; plain HTTP for nothing. */
static void start_listeners(struct main_loop *loop)
{
	for (size_t i = 0; i < loop->listener_count; i++) {
		struct listener *listener = &loop->listeners[i];
		struct error err = ERR_INIT;
		if (listener->daemon || listener->fd < 0 || (listener->tls && !own_is_loaded(loop->front.own)))
			continue;
		if (serve_start(listener, &err) != 0)
			log_err(LOG_LEVEL_ERROR, "listener", &err);
	}
}

static void tick(struct main_loop *loop)
{
	struct front *front = &loop->front;
	int64_t now_ms = clock_monotonic_ms();
	link_expire(front->link, now_ms);
	size_t slow = connections_expire(&front->connections, now_ms);
	if (slow > 0) {
		atomic_fetch_add_explicit(&front->counters.expired, slow, memory_order_relaxed);
		log_info("slow connections closed", KV_INT("count", slow));
	}
	own_tick(front->own, now_ms);
	start_listeners(loop);
	tell_when_ready(loop);
}

/* True where the signal means stop. */
static bool take_signals(struct main_loop *loop)
{
	struct signalfd_siginfo signal;
	bool stop = false;
	while (read(loop->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
		if (signal.ssi_signo == SIGHUP)
			own_check_now(loop->front.own);
		else
			stop = true;
	}
	return stop;
}

static void run(struct main_loop *loop)
{
	for (;;) {
		tick(loop);
		struct pollfd ready[] = { { .fd = loop->signals, .events = POLLIN },
					  { .fd = loop->front.wake, .events = POLLIN } };
		(void)poll(ready, 2, TICK_MS);
		eventfd_t count;
		if (ready[1].revents & POLLIN)
			(void)eventfd_read(loop->front.wake, &count);
		if (take_signals(loop))
			return;
	}
}

static void nap(int64_t ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	(void)nanosleep(&time, NULL);
}

static void await_idle(struct main_loop *loop, int64_t most_ms)
{
	int64_t until_ms = clock_monotonic_ms() + most_ms;
	while (atomic_load(&loop->front.active) > 0 && clock_monotonic_ms() < until_ms) {
		link_expire(loop->front.link, clock_monotonic_ms());
		(void)connections_expire(&loop->front.connections, clock_monotonic_ms());
		nap(5);
	}
}

/* From `stopping` on, no listener takes more; what is in flight ends; what does not is refused. libmicrohttpd must not
 * be stopped while a connection is suspended: link_refuse resumes them all. */
static void stop(struct main_loop *loop)
{
	log_info("stopping", KV_INT("in_flight", atomic_load(&loop->front.active)));
	atomic_store(&loop->front.stopping, true);
	await_idle(loop, STOP_MS);
	link_refuse(loop->front.link);
	await_idle(loop, STOP_ANSWER_MS);
	for (size_t i = 0; i < loop->listener_count; i++)
		serve_stop(&loop->listeners[i]);
}

/* ---- life ---- */

static void add_listeners(struct main_loop *loop, const int *fds, size_t count, bool tls)
{
	for (size_t i = 0; i < count; i++)
		loop->listeners[loop->listener_count++] =
			(struct listener){ .front = &loop->front, .tls = tls, .fd = fds[i] };
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return address.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&address)->sin_port) : 0;
}

/* A connection is a descriptor, and an answer's file is another. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Before any thread starts: all inherit the mask, the main loop reads the signals. */
static int open_signals(struct error *err)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_errno(err, ERR_IO, "cannot read signals");
}

static int open_parts(struct main_loop *loop, const struct role *role, struct error *err)
{
	struct front *front = &loop->front;
	uint8_t prefix[4];
	front->config = role->config;
	front->clock = role->clock;
	front->https_port = role->https_count ? port_of(role->https[0]) : 0;
	connections_init(&front->connections);
	if (RAND_bytes(prefix, sizeof(prefix)) != 1)
		return err_set(err, ERR_INTERNAL, "no random bytes");
	(void)text_hex(BYTES(prefix, sizeof(prefix)), front->id_prefix);
	front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->signals = open_signals(err);
	if (front->wake < 0 || loop->signals < 0)
		return err_errno(err, ERR_IO, "cannot wait for events");
	const struct link_events events = { on_link_up, on_link_down, on_link_told, loop };
	size_t most = ((size_t)role->config->listen.connections + 1) * (role->https_count + role->http_count) +
		      QUESTIONS_MORE;
	if (!(front->tls = tls_new(err)) || !(front->published = published_new(err)) ||
	    !(front->trust = trust_new(front->config, front->clock, err)) || !(front->own = own_new(front, err)) ||
	    !(front->link = link_new(role->channel, most < 65536 ? most : 65536, &events, err)))
		return -1;
	if (role->control >= 0 && !(loop->control = control_new(role->control, front->link, err)))
		return -1;
	return 0;
}

static void close_parts(struct main_loop *loop)
{
	control_free(loop->control);
	link_free(loop->front.link);
	own_free(loop->front.own);
	trust_free(loop->front.trust);
	published_free(loop->front.published);
	tls_free(loop->front.tls);
	fd_cleanup(&loop->signals);
	fd_cleanup(&loop->front.wake);
}

int httpd_front_main(const struct role *role)
{
	struct main_loop loop = { .front = { .wake = -1 }, .signals = -1 };
	struct error err = ERR_INIT;
	raise_descriptor_limit();
	json_wipe_freed();
	if (open_parts(&loop, role, &err) != 0) {
		log_err(LOG_LEVEL_ERROR, "front cannot start", &err);
		close_parts(&loop);
		return 1;
	}
	add_listeners(&loop, role->https, role->https_count, true);
	add_listeners(&loop, role->http, role->http_count, false);
	run(&loop);
	stop(&loop);
	close_parts(&loop);
	log_info("stopped");
	return 0;
}
