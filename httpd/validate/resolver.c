#include "httpd/validate/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>

#include "httpd/validate/dnssec.h"

#define TRY_MS 1500 /* the first wait for one resolver; the second, its last, is twice as long */
#define TRIES 2
#define SOCKETS_MAX 4 /* a channel has one server, and to it one for UDP, one for TCP */
#define UDP_SIZE 1232 /* answers that are not torn into fragments on the way */

int resolver_init(struct error *err)
{
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	return status == ARES_SUCCESS ? 0 : err_set(err, ERR_INTERNAL, "c-ares: %s", ares_strerror(status));
}

void resolver_end(void)
{
	ares_library_cleanup();
}

/* ---- which resolvers ---- */

static void print_server(const struct ares_addr_port_node *server, char out[64])
{
	char address[INET6_ADDRSTRLEN] = "";
	int port = server->udp_port ? server->udp_port : 53;
	(void)inet_ntop(server->family, &server->addr, address, sizeof(address));
	(void)snprintf(out, 64, server->family == AF_INET6 ? "[%s]:%d" : "%s:%d", address, port);
}

static void choose_machines(struct job *job)
{
	ares_channel channel;
	struct ares_addr_port_node *servers = NULL;
	if (ares_init(&channel) != ARES_SUCCESS)
		return;
	if (ares_get_servers_ports(channel, &servers) == ARES_SUCCESS) {
		for (const struct ares_addr_port_node *s = servers; s; s = s->next)
			if (job->resolver_count < VALIDATE_RESOLVERS_MAX)
				print_server(s, job->resolvers[job->resolver_count++]);
		ares_free_data(servers);
	}
	ares_destroy(channel);
}

/* "10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]:5353": always with a port. */
static void print_configured(const char *text, char out[64])
{
	const char *colon = strchr(text, ':');
	bool bare_ipv6 = text[0] != '[' && colon && strchr(colon + 1, ':');
	bool has_port = text[0] == '[' ? strstr(text, "]:") != NULL : colon && !bare_ipv6;
	(void)snprintf(out, 64, bare_ipv6 ? "[%s]:53" : has_port ? "%s" : "%s:53", text);
}

void resolver_choose(struct job *job)
{
	job->resolver_count = 0;
	if (!job->zone || job->zone->resolvers.count == 0) {
		choose_machines(job);
		return;
	}
	for (size_t i = 0; i < job->zone->resolvers.count && i < VALIDATE_RESOLVERS_MAX; i++)
		print_configured(job->zone->resolvers.items[i], job->resolvers[job->resolver_count++]);
}

/* ---- asking one of them ---- */

struct question {
	const char *name;
	enum dns_type type;
	struct dns_answer *answer;
	int status;
	bool done;
};

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int len)
{
	struct question *q = arg;
	(void)timeouts;
	q->done = true;
	q->status = status;
	if (message && len > 0) {
		q->status = ARES_SUCCESS;
		dns_answer_read(BYTES(message, len), q->name, q->type, q->answer);
	}
}

/* Hands c-ares its readable and writable sockets, once, or tells it that time has passed. */
static void turn(ares_channel channel, int64_t most_ms)
{
	ares_socket_t sockets[SOCKETS_MAX];
	struct pollfd waited[SOCKETS_MAX];
	unsigned bits = (unsigned)ares_getsock(channel, sockets, SOCKETS_MAX);
	nfds_t count = 0;
	for (int i = 0; i < SOCKETS_MAX; i++) {
		bool readable = ARES_GETSOCK_READABLE(bits, i), writable = ARES_GETSOCK_WRITABLE(bits, i);
		if (readable || writable)
			waited[count++] = (struct pollfd){
				.fd = sockets[i],
				.events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0)),
			};
	}
	struct timeval most = { .tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000 }, next;
	const struct timeval *wait = ares_timeout(channel, &most, &next);
	int ready = poll(waited, count, (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000));
	if (ready <= 0)
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (nfds_t i = 0; ready > 0 && i < count; i++)
		if (waited[i].revents)
			ares_process_fd(channel, waited[i].revents & ~POLLOUT ? waited[i].fd : ARES_SOCKET_BAD,
					waited[i].revents & POLLOUT ? waited[i].fd : ARES_SOCKET_BAD);
}

static void open_failed(struct question *q, const char *resolver, int status)
{
	q->answer->outcome = DNS_BROKEN;
	(void)snprintf(q->answer->why, sizeof(q->answer->why), "the resolver %s cannot be asked: %s", resolver,
		       ares_strerror(status));
}

static void note_failure(struct question *q, const char *resolver)
{
	struct dns_answer *answer = q->answer;
	char why[64];
	switch (q->status) {
	case ARES_SUCCESS: /* there is an answer; where it is a refusal it lacks only the place */
		(void)snprintf(why, sizeof(why), "%.60s", answer->why);
		if (why[0] != '\0')
			(void)snprintf(answer->why, sizeof(answer->why), "%s from %s", why, resolver);
		break;
	case ARES_ECONNREFUSED:
		answer->outcome = DNS_REFUSED;
		(void)snprintf(answer->why, sizeof(answer->why), "connection refused by %s", resolver);
		break;
	case ARES_ETIMEOUT:
	case ARES_ECANCELLED:
	case ARES_EDESTRUCTION:
		answer->outcome = DNS_TIMEOUT;
		(void)snprintf(answer->why, sizeof(answer->why), "no answer in time from %s", resolver);
		break;
	case ARES_EBADRESP:
		answer->outcome = DNS_SERVFAIL;
		(void)snprintf(answer->why, sizeof(answer->why), "an answer that cannot be read from %s", resolver);
		break;
	default:
		open_failed(q, resolver, q->status);
	}
}

static int open_channel(const char *resolver, ares_channel *channel)
{
	struct ares_options options = { .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
						 ARES_FLAG_EDNS,
					.timeout = TRY_MS,
					.tries = TRIES,
					.ednspsz = UDP_SIZE,
					.lookups = (char *)"b" };
	int status = ares_init_options(channel, &options,
				       ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
					       ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS);
	if (status != ARES_SUCCESS)
		return status;
	status = ares_set_servers_ports_csv(*channel, resolver);
	if (status != ARES_SUCCESS)
		ares_destroy(*channel);
	return status;
}

/* A channel for each question: a fresh port and, with it, less for a forger to guess. */
static void ask_one(const struct job *job, const char *resolver, struct question *q)
{
	ares_channel channel;
	q->done = false;
	q->answer->unfinished = false;
	q->status = open_channel(resolver, &channel);
	if (q->status != ARES_SUCCESS) {
		open_failed(q, resolver, q->status);
		return;
	}
	ares_query(channel, q->name, 1, (int)q->type, on_answer, q);
	while (!q->done) {
		int64_t left_ms = job_left_ms(job, VALIDATE_STOP_MS);
		if (left_ms == 0)
			ares_cancel(channel);
		else
			turn(channel, left_ms);
	}
	ares_destroy(channel);
	(void)snprintf(q->answer->source, sizeof(q->answer->source), "from %s", resolver);
	note_failure(q, resolver);
}

/* ---- asking ---- */

static bool is_final(const struct dns_answer *answer)
{
	return answer->outcome == DNS_ANSWERED || answer->outcome == DNS_NXDOMAIN || answer->unfinished;
}

static void ask_each(const struct job *job, const char *name, enum dns_type type, struct dns_answer *answer)
{
	char failures[sizeof(answer->why)] = "";
	for (size_t i = 0; i < job->resolver_count; i++) {
		struct question q = { .name = name, .type = type, .answer = answer };
		ask_one(job, job->resolvers[i], &q);
		if (is_final(answer))
			return;
		size_t len = strlen(failures);
		(void)snprintf(failures + len, sizeof(failures) - len, "%s%s", len ? "; " : "", answer->why);
	}
	(void)snprintf(answer->why, sizeof(answer->why), "%s", failures);
}

/* Some resolvers leave aliases that lead out of their own data to the asker. What such a one leads to is asked for
 * here, until there is an answer: that nothing came with the alias does not mean that nothing is there. */
static void finish(const struct job *job, enum dns_type type, struct dns_answer *answer)
{
	char at[DNS_NAME_SIZE], why[sizeof(answer->why)];
	for (unsigned i = 0; i < DNS_ALIASES_MAX && answer->unfinished; i++) {
		(void)snprintf(at, sizeof(at), "%s", answer->alias);
		ask_each(job, at, type, answer);
		if (answer->outcome != DNS_ANSWERED && !answer->unfinished) {
			(void)snprintf(why, sizeof(why), "%s", answer->why);
			(void)snprintf(answer->why, sizeof(answer->why), "%.200s, asked for %.150s, where an alias led",
				       why, at);
		}
		if (answer->alias[0] == '\0')
			(void)snprintf(answer->alias, sizeof(answer->alias), "%s", at);
	}
	if (answer->unfinished)
		(void)snprintf(answer->why, sizeof(answer->why), "aliases in a circle, or too many of them, %s",
			       answer->source);
	answer->unfinished = false;
}

void resolver_ask(struct job *job, const char *name, enum dns_type type, struct dns_answer *answer)
{
	if (job->resolver_count == 0) {
		answer->outcome = DNS_BROKEN;
		(void)snprintf(answer->why, sizeof(answer->why),
			       "no resolver is configured, neither here nor for the machine");
	} else if (job->zone && job->zone->dnssec) {
		dnssec_ask(job, name, type, answer);
	} else {
		ask_each(job, name, type, answer);
		finish(job, type, answer);
	}
}

static size_t take_addresses(const struct dns_answer *answer, struct resolver_address *out, size_t count)
{
	for (size_t i = 0; i < answer->count && count < RESOLVER_ADDRESSES_MAX; i++) {
		struct resolver_address *address = &out[count];
		if (answer->records[i].len > sizeof(address->octets))
			continue;
		address->len = (uint8_t)answer->records[i].len;
		memcpy(address->octets, answer->records[i].data, address->len);
		count++;
	}
	return count;
}

size_t resolver_addresses(struct job *job, const char *name, struct resolver_address out[RESOLVER_ADDRESSES_MAX],
			  struct dns_answer *failed)
{
	auto_dns_answer second = DNS_ANSWER_INIT;
	resolver_ask(job, name, DNS_A, failed);
	size_t count = failed->outcome == DNS_ANSWERED ? take_addresses(failed, out, 0) : 0;
	/* Who does not answer the one question will not answer the other; and there is no name without either. */
	if (failed->outcome != DNS_ANSWERED)
		return 0;
	resolver_ask(job, name, DNS_AAAA, &second);
	if (second.outcome == DNS_ANSWERED)
		return take_addresses(&second, out, count);
	if (count == 0) {
		failed->outcome = second.outcome;
		(void)snprintf(failed->why, sizeof(failed->why), "%s", second.why);
	}
	return count;
}
