#include "tools/chanceryd_supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "tools/chanceryd_role.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS 5000
#define BACKOFF_FORGET_MS 60000 /* who lived this long begins again with the shortest wait */
#define STOP_MS 20000           /* for an orderly stop; then SIGKILL */

struct process {
	pid_t pid;           /* 0: not running */
	int64_t started_ms;  /* monotonic, as every time here */
	int64_t start_at_ms; /* when not running: not before */
	int64_t backoff_ms;  /* of the next death */
	int64_t kill_at_ms;  /* 0, or when it is killed for not leaving */
};

struct supervisor {
	const struct ca_config *config;
	const char *config_file;
	struct listeners *listeners;
	struct process processes[ROLE_PROCESS_COUNT];
	int control[ROLE_PROCESS_COUNT]; /* our ends; -1: none */
	int channel[ROLE_PROCESS_COUNT]; /* ends of a fresh channel that wait for their role's start; -1: none */
	int validator;                   /* the signer's end of its channel to the validator; the same */
	bool stopping, was_ready, killed;
};

/* ---- what a role is given ---- */

struct environment {
	struct buf text; /* NUL-ended "NAME=value" one after the other */
	int fds[64];     /* to be inherited */
	size_t fd_count;
};

static void give(struct environment *e, const char *name, const int *fds, size_t count)
{
	size_t given = 0;
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0 || e->fd_count == sizeof(e->fds) / sizeof(e->fds[0]))
			continue;
		if (given++ == 0)
			buf_printf(&e->text, "%s=%d", name, fds[i]);
		else
			buf_printf(&e->text, ",%d", fds[i]);
		e->fds[e->fd_count++] = fds[i];
	}
	if (given > 0)
		buf_u8(&e->text, '\0');
}

static void describe(const struct supervisor *s, enum role_id id, int control, struct environment *e)
{
	const struct listeners *l = s->listeners;
	unsigned wants = role_table[id].wants;
	give(e, "CHANCERY_CHANNEL", &s->channel[id], 1);
	if (wants & ROLE_WANTS_CONTROL)
		give(e, "CHANCERY_CONTROL", &control, 1);
	if (wants & ROLE_WANTS_LISTENERS) {
		give(e, "CHANCERY_LISTEN_HTTPS", l->https, l->https_count);
		give(e, "CHANCERY_LISTEN_HTTP", l->http, l->http_count);
	}
	if (wants & ROLE_WANTS_ADMIN) {
		give(e, "CHANCERY_ADMIN", &l->admin, 1);
		buf_printf(&e->text, "CHANCERY_ADMIN_UID=%u", (unsigned)getuid());
		buf_u8(&e->text, '\0');
	}
	if (wants & ROLE_WANTS_VALIDATOR)
		give(e, "CHANCERY_VALIDATOR", &s->validator, 1);
	for (size_t i = 0; (wants & ROLE_WANTS_PINS) && i < CA_CONFIG_TOKENS_MAX; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "CHANCERY_PIN_%zu", i);
		give(e, name, &l->pins[i], 1);
	}
	if (wants & ROLE_WANTS_PINS)
		give(e, "CHANCERY_WEBHOOK_SECRET", &l->webhook_secret, 1);
	if (wants & ROLE_WANTS_MAIL)
		give(e, "CHANCERY_MAIL_PASSWORD", &l->mail_password, 1);
}

/* What is the supervisor's own business stays out of its children's environment. */
static bool is_private(const char *variable)
{
	static const char *const prefixes[] = { "NOTIFY_SOCKET=",
						"LISTEN_FDS=",
						"LISTEN_PID=",
						"LISTEN_FDNAMES=",
						"WATCHDOG_PID=",
						"WATCHDOG_USEC=",
						"CHANCERY_CHANNEL=",
						"CHANCERY_LISTEN",
						"CHANCERY_ADMIN",
						"CHANCERY_PIN_",
						"CHANCERY_CONTROL=",
						"CHANCERY_VALIDATOR=",
						"CHANCERY_WEBHOOK_SECRET=",
						"CHANCERY_MAIL_PASSWORD=" };
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

#define VARIABLES_MAX 512

static void execute(const struct supervisor *s, enum role_id id, const struct environment *e)
{
	char *variables[VARIABLES_MAX + 1];
	size_t count = 0;
	for (size_t at = 0; at < e->text.len && count < VARIABLES_MAX; at += strlen((char *)e->text.data + at) + 1)
		variables[count++] = (char *)e->text.data + at;
	for (char **v = environ; *v && count < VARIABLES_MAX; v++)
		if (!is_private(*v))
			variables[count++] = *v;
	variables[count] = NULL;
	for (size_t i = 0; i < e->fd_count; i++)
		(void)fcntl(e->fds[i], F_SETFD, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	char program[] = "chanceryd", role[] = "--role", file[] = "--config";
	char name[32], path[PATH_MAX];
	(void)snprintf(name, sizeof(name), "%s", role_table[id].name);
	(void)snprintf(path, sizeof(path), "%s", s->config_file);
	char *arguments[] = { program, role, name, file, path, NULL };
	(void)execve("/proc/self/exe", arguments, variables);
	log_error("cannot execute a role", KV("role", role_table[id].name), KV_INT("errno", errno));
	_exit(127);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void start(struct supervisor *s, enum role_id id, int64_t now)
{
	int control[2] = { -1, -1 };
	if ((role_table[id].wants & ROLE_WANTS_CONTROL) &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control))
		log_error("no socket pair for a role", KV_INT("errno", errno));
	if (role_table[id].wants & (ROLE_WANTS_PINS | ROLE_WANTS_MAIL))
		listeners_renew_secrets(s->config, s->listeners);
	struct environment e = { .text = BUF_INIT };
	describe(s, id, control[1], &e);
	pid_t pid = fork();
	if (pid == 0)
		execute(s, id, &e);
	buf_free(&e.text);
	struct process *p = &s->processes[id];
	p->pid = pid > 0 ? pid : 0;
	p->started_ms = now;
	p->kill_at_ms = 0;
	if (pid < 0) {
		log_error("cannot fork for a role", KV("role", role_table[id].name), KV_INT("errno", errno));
		p->start_at_ms = now + BACKOFF_MOST_MS;
	} else {
		log_info("role started", KV("role", role_table[id].name), KV_INT("pid", pid));
		close_end(&s->channel[id]);
		if (role_table[id].wants & ROLE_WANTS_VALIDATOR)
			close_end(&s->validator);
	}
	if (control[0] >= 0) {
		close_end(&s->control[id]);
		(void)fcntl(control[0], F_SETFL, O_NONBLOCK);
		s->control[id] = control[0];
	}
	close_end(&control[1]);
}

/* ---- channels ---- */

static void fresh_channel(int *first, int *second)
{
	int ends[2];
	close_end(first);
	close_end(second);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		log_error("no socket pair for the channel", KV_INT("errno", errno));
		return;
	}
	const int size = 1 << 20;
	for (size_t i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*first = ends[0];
	*second = ends[1];
}

/* A role that runs gets its end of a fresh channel on its control socket. */
static void hand_channel(const struct supervisor *s, enum role_id id, char letter, int *end)
{
	struct error err = ERR_INIT;
	if (*end >= 0 && fdpass_send(s->control[id], letter, *end, &err))
		log_err(LOG_LEVEL_ERROR, "a role gets no fresh channel", &err);
	close_end(end);
}

/* ---- life and death ---- */

static bool is_due(const struct supervisor *s, enum role_id id, int64_t now)
{
	return !s->processes[id].pid && now >= s->processes[id].start_at_ms;
}

/* Where its validator may start, too, the two begin together. */
static void start_signer(struct supervisor *s, int64_t now)
{
	if (is_due(s, ROLE_VALIDATOR_PROCESS, now)) {
		fresh_channel(&s->validator, &s->channel[ROLE_VALIDATOR_PROCESS]);
		start(s, ROLE_VALIDATOR_PROCESS, now);
	}
	start(s, ROLE_SIGNER_PROCESS, now);
}

static void start_due(struct supervisor *s, int64_t now)
{
	bool signer_runs = s->processes[ROLE_SIGNER_PROCESS].pid != 0;
	int *signer_end = &s->channel[ROLE_SIGNER_PROCESS], *front_end = &s->channel[ROLE_FRONT_PROCESS];
	/* Both ends of a channel begin together: a dead front waits until its signer has left. */
	if (is_due(s, ROLE_FRONT_PROCESS, now) && !signer_runs) {
		fresh_channel(signer_end, front_end);
		start(s, ROLE_FRONT_PROCESS, now);
		start_signer(s, now);
	} else if (is_due(s, ROLE_SIGNER_PROCESS, now) && s->processes[ROLE_FRONT_PROCESS].pid) {
		fresh_channel(signer_end, front_end);
		hand_channel(s, ROLE_FRONT_PROCESS, 'C', front_end);
		start_signer(s, now);
	}
	if (is_due(s, ROLE_VALIDATOR_PROCESS, now) && s->processes[ROLE_SIGNER_PROCESS].pid) {
		fresh_channel(&s->validator, &s->channel[ROLE_VALIDATOR_PROCESS]);
		hand_channel(s, ROLE_SIGNER_PROCESS, 'V', &s->validator);
		start(s, ROLE_VALIDATOR_PROCESS, now);
	}
}

/* Its channel closed with the other: it is leaving, in order, but not for ever. */
static void must_leave(struct process *p, int64_t now)
{
	if (p->pid && !p->kill_at_ms)
		p->kill_at_ms = now + STOP_MS;
}

static void died(struct supervisor *s, enum role_id id, int status, int64_t now)
{
	struct process *p = &s->processes[id];
	log_at(s->stopping ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "role ended", KV("role", role_table[id].name),
	       KV_INT("pid", p->pid),
	       WIFSIGNALED(status) ? KV_INT("signal", WTERMSIG(status)) : KV_INT("status", WEXITSTATUS(status)));
	bool again = WIFEXITED(status) && WEXITSTATUS(status) == ROLE_AGAIN;
	if (again || p->backoff_ms == 0 || now - p->started_ms >= BACKOFF_FORGET_MS)
		p->backoff_ms = BACKOFF_FIRST_MS;
	p->start_at_ms = now + p->backoff_ms;
	p->backoff_ms = p->backoff_ms * 2 < BACKOFF_MOST_MS ? p->backoff_ms * 2 : BACKOFF_MOST_MS;
	p->pid = 0;
	p->kill_at_ms = 0;
	if (id == ROLE_FRONT_PROCESS)
		must_leave(&s->processes[ROLE_SIGNER_PROCESS], now);
	if (id == ROLE_SIGNER_PROCESS)
		must_leave(&s->processes[ROLE_VALIDATOR_PROCESS], now);
}

static void reap(struct supervisor *s, int64_t now)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++)
			if (s->processes[id].pid == pid)
				died(s, (enum role_id)id, status, now);
}

static void stop(struct supervisor *s, int64_t now)
{
	if (!s->stopping)
		(void)sd_notify(0, "STOPPING=1");
	s->stopping = true;
	close_end(&s->validator);
	for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++) {
		struct process *p = &s->processes[id];
		close_end(&s->channel[id]);
		if (!p->pid)
			continue;
		if (role_table[id].ends_by_signal)
			(void)kill(p->pid, SIGTERM);
		if (!p->kill_at_ms)
			p->kill_at_ms = now + STOP_MS;
	}
}

static void kill_overdue(struct supervisor *s, int64_t now)
{
	for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++) {
		struct process *p = &s->processes[id];
		if (!p->pid || !p->kill_at_ms || now < p->kill_at_ms)
			continue;
		log_error("role does not leave: killed", KV("role", role_table[id].name), KV_INT("pid", p->pid));
		(void)kill(p->pid, SIGKILL);
		p->kill_at_ms = now + STOP_MS;
		s->killed = true;
	}
}

/* ---- what happens ---- */

static void on_signal(struct supervisor *s, int signals, int64_t now)
{
	struct signalfd_siginfo info;
	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
			if (!s->stopping)
				log_info("stopping");
			stop(s, now);
		} else if (info.ssi_signo == SIGHUP && s->processes[ROLE_FRONT_PROCESS].pid) {
			(void)kill(s->processes[ROLE_FRONT_PROCESS].pid, SIGHUP);
		}
	}
	reap(s, now);
}

static void on_control(struct supervisor *s)
{
	char letter = 0;
	int *control = &s->control[ROLE_FRONT_PROCESS];
	ssize_t got = recv(*control, &letter, 1, MSG_DONTWAIT);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		close_end(control);
	} else if (got == 1 && letter == 'R') {
		if (!s->was_ready)
			log_info("ready");
		s->was_ready = true;
		(void)sd_notify(0, "READY=1");
	}
}

/* Milliseconds until something is due; -1: nothing is. */
static int until_due(const struct supervisor *s, int64_t now)
{
	int64_t next = INT64_MAX;
	for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++) {
		const struct process *p = &s->processes[id];
		int64_t due = p->pid ? (p->kill_at_ms ? p->kill_at_ms : INT64_MAX) : p->start_at_ms;
		if (!p->pid && s->stopping)
			continue;
		/* One that waits for the other is started by the other's end, which a signal tells. */
		if (!p->pid && due <= now)
			continue;
		if (due < next)
			next = due;
	}
	if (next == INT64_MAX)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}

static int open_signals(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool all_have_left(const struct supervisor *s)
{
	for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++)
		if (s->processes[id].pid)
			return false;
	return true;
}

int supervise(const struct ca_config *config, const char *config_file, struct listeners *listeners)
{
	struct supervisor s = {
		.config = config,
		.config_file = config_file,
		.listeners = listeners,
		.validator = -1,
	};
	for (size_t id = 0; id < ROLE_PROCESS_COUNT; id++)
		s.control[id] = s.channel[id] = -1;
	auto_fd signals = open_signals();
	if (signals < 0) {
		log_error("no descriptor for signals", KV_INT("errno", errno));
		return 3;
	}
	while (!(s.stopping && all_have_left(&s))) {
		int64_t now = clock_monotonic_ms();
		if (!s.stopping)
			start_due(&s, now);
		kill_overdue(&s, now);
		struct pollfd waited[2] = { { .fd = signals, .events = POLLIN },
					    { .fd = s.control[ROLE_FRONT_PROCESS], .events = POLLIN } };
		if (poll(waited, 2, until_due(&s, now)) < 0 && errno != EINTR)
			log_error("poll", KV_INT("errno", errno));
		if (waited[0].revents)
			on_signal(&s, signals, clock_monotonic_ms());
		if (waited[1].fd >= 0 && waited[1].fd == s.control[ROLE_FRONT_PROCESS] && waited[1].revents)
			on_control(&s);
	}
	log_info("stopped");
	return s.killed ? 3 : 0;
}
