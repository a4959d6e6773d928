/*
 * tests/bench/load.c - load for the issuing interface over HTTPS with keep-alive.
 *
 *     load --url https://127.0.0.1:8443 --ca FILE --cert FILE --key FILE --clients N --seconds S --profile P
 *          [--distinct N]
 *
 * One process, one thread, epoll: it runs on the same cores as what it measures. Requests for
 * distinct P-256 keys are made before the clock runs. Prints one line of key=value: certificates,
 * errors, seconds, rate, p50_ms, p99_ms, cpu_s (its own). Exits 1 where nothing was issued.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define ANSWER_MAX 32768
#define SAMPLES_MAX 4000000

struct options {
	const char *url, *ca, *cert, *key, *profile;
	long clients, seconds, distinct;
	char host[256], port[16];
};

struct client {
	int fd;
	SSL *ssl;
	struct bytes request; /* what is left to write */
	char answer[ANSWER_MAX];
	size_t answer_len;
	int64_t begun_us;
	uint32_t waits; /* epoll events asked for */
};

struct load {
	struct options options;
	SSL_CTX *context;
	struct addrinfo *address;
	int epoll;
	struct buf *requests; /* whole HTTP requests */
	size_t next_request;
	struct client *clients;
	uint32_t *samples_us;
	size_t certificates, errors, open;
	int64_t end_us;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "load: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- requests, made beforehand ---- */

static void make_csr(long i, struct buf *der)
{
	char san[64];
	(void)snprintf(san, sizeof(san), "DNS:host-%ld.bench.test", i);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509_REQ *csr = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	if (!key || !csr || !extensions)
		die("cannot make a request");
	(void)sk_X509_EXTENSION_push(extensions, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
	(void)X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN", MBSTRING_ASC,
					 (const unsigned char *)san + strlen("DNS:"), -1, -1, 0);
	(void)X509_REQ_add_extensions(csr, extensions);
	(void)X509_REQ_set_pubkey(csr, key);
	if (X509_REQ_sign(csr, key, EVP_sha256()) <= 0)
		die("cannot sign a request");
	unsigned char *bytes = NULL;
	int len = i2d_X509_REQ(csr, &bytes);
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	X509_REQ_free(csr);
	EVP_PKEY_free(key);
}

static void make_requests(struct load *load)
{
	load->requests = calloc((size_t)load->options.distinct, sizeof(*load->requests));
	if (!load->requests)
		die("no memory");
	for (long i = 0; i < load->options.distinct; i++) {
		auto_buf der = BUF_INIT;
		make_csr(i, &der);
		buf_printf(&load->requests[i],
			   "POST /api/v1/certificates?profile=%s HTTP/1.1\r\nHost: %s:%s\r\n"
			   "Content-Type: application/pkcs10\r\nContent-Length: %zu\r\n\r\n",
			   load->options.profile, load->options.host, load->options.port, der.len);
		buf_add_bytes(&load->requests[i], buf_bytes(&der));
	}
}

/* ---- clients ---- */

static void wait_for(struct load *load, struct client *c, uint32_t events)
{
	if (c->waits == events)
		return;
	struct epoll_event event = { .events = events, .data.ptr = c };
	(void)epoll_ctl(load->epoll, c->waits ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event);
	c->waits = events;
}

static void next_request(struct load *load, struct client *c)
{
	c->request = buf_bytes(&load->requests[load->next_request++ % (size_t)load->options.distinct]);
	c->answer_len = 0;
	c->begun_us = now_us();
}

/* Connects and shakes hands, waiting: before the clock runs, or after an error. */
static void connect_client(struct load *load, struct client *c)
{
	int one = 1;
	c->fd = socket(load->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, load->address->ai_addr, load->address->ai_addrlen) != 0)
		die("cannot connect");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->ssl = SSL_new(load->context);
	(void)SSL_set_fd(c->ssl, c->fd);
	if (SSL_connect(c->ssl) != 1)
		die("the handshake failed");
	(void)fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
	c->waits = 0;
	load->open++;
}

static void close_client(struct load *load, struct client *c)
{
	SSL_free(c->ssl);
	(void)close(c->fd);
	c->ssl = NULL;
	load->open--;
}

/* The whole length of the answer, 0 while its head is not complete. */
static size_t answer_size(const struct client *c)
{
	const char *end = memmem(c->answer, c->answer_len, "\r\n\r\n", 4);
	if (!end)
		return 0;
	const char *length = strcasestr(c->answer, "\r\nContent-Length:");
	size_t body = length && length < end ? (size_t)strtoul(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	return (size_t)(end - c->answer) + 4 + body;
}

static void count_answer(struct load *load, struct client *c)
{
	if (strncmp(c->answer, "HTTP/1.1 201", 12) == 0) {
		if (load->certificates < SAMPLES_MAX)
			load->samples_us[load->certificates] = (uint32_t)(now_us() - c->begun_us);
		load->certificates++;
	} else {
		if (load->errors++ == 0)
			(void)fprintf(stderr, "load: first error: %.*s\n", (int)c->answer_len, c->answer);
	}
}

enum progress { WAITS, ENDED, BROKEN };

static enum progress stuck(struct load *load, struct client *c, int result)
{
	int why = SSL_get_error(c->ssl, result);
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return BROKEN;
	wait_for(load, c, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
	return WAITS;
}

/* Goes on until the socket must be waited for, or the clock has run out. */
static enum progress drive(struct load *load, struct client *c)
{
	for (;;) {
		while (c->request.len > 0) {
			int sent = SSL_write(c->ssl, c->request.data, (int)c->request.len);
			if (sent <= 0)
				return stuck(load, c, sent);
			c->request = BYTES(c->request.data + sent, c->request.len - (size_t)sent);
		}
		size_t size = answer_size(c);
		while (size == 0 || c->answer_len < size) {
			int got = SSL_read(c->ssl, c->answer + c->answer_len, (int)(ANSWER_MAX - 1 - c->answer_len));
			if (got <= 0)
				return stuck(load, c, got);
			c->answer_len += (size_t)got;
			c->answer[c->answer_len] = '\0';
			size = answer_size(c);
		}
		count_answer(load, c);
		if (now_us() >= load->end_us)
			return ENDED;
		next_request(load, c);
	}
}

static void go_on(struct load *load, struct client *c)
{
	enum progress progress = drive(load, c);
	if (progress == WAITS)
		return;
	close_client(load, c);
	if (progress == ENDED)
		return;
	load->errors++;
	if (now_us() >= load->end_us)
		return;
	connect_client(load, c);
	next_request(load, c);
	wait_for(load, c, EPOLLIN | EPOLLOUT);
}

/* ---- the run ---- */

static void run(struct load *load)
{
	load->end_us = now_us() + load->options.seconds * 1000000;
	for (long i = 0; i < load->options.clients; i++) {
		next_request(load, &load->clients[i]);
		go_on(load, &load->clients[i]);
	}
	while (load->open > 0) {
		struct epoll_event events[64];
		int count = epoll_wait(load->epoll, events, 64, 30000);
		if (count == 0)
			die("the server does not answer");
		for (int i = 0; i < count; i++)
			go_on(load, events[i].data.ptr);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double cpu_s(void)
{
	struct rusage used;
	(void)getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Of the sorted samples, in milliseconds. */
static double percentile(const struct load *load, size_t count, size_t percent)
{
	size_t at = count * percent / 100;
	return count ? load->samples_us[at] / 1e3 : 0;
}

static void report(struct load *load, double seconds, double cpu)
{
	size_t count = load->certificates < SAMPLES_MAX ? load->certificates : SAMPLES_MAX;
	qsort(load->samples_us, count, sizeof(*load->samples_us), compare);
	(void)printf(
		"clients=%ld certificates=%zu errors=%zu seconds=%.3f rate=%.1f p50_ms=%.3f p99_ms=%.3f cpu_s=%.3f\n",
		load->options.clients, load->certificates, load->errors, seconds, (double)load->certificates / seconds,
		percentile(load, count, 50), percentile(load, count, 99), cpu);
}

/* ---- start ---- */

static void read_url(struct options *o)
{
	if (strncmp(o->url, "https://", 8) != 0)
		die("--url must begin with https://");
	const char *host = o->url + 8, *colon = strrchr(host, ':');
	if (!colon || colon - host >= (long)sizeof(o->host))
		die("--url must be https://HOST:PORT");
	(void)snprintf(o->host, sizeof(o->host), "%.*s", (int)(colon - host), host);
	(void)snprintf(o->port, sizeof(o->port), "%.*s", (int)strspn(colon + 1, "0123456789"), colon + 1);
}

static void read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "ca", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "profile", required_argument, NULL, 'p' },
		{ "clients", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' },
		{ "distinct", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	*o = (struct options){ .profile = "server-dv", .clients = 1, .seconds = 5, .distinct = 4096 };
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'u':
			o->url = optarg;
			break;
		case 'a':
			o->ca = optarg;
			break;
		case 'c':
			o->cert = optarg;
			break;
		case 'k':
			o->key = optarg;
			break;
		case 'p':
			o->profile = optarg;
			break;
		case 'n':
			o->clients = strtol(optarg, NULL, 10);
			break;
		case 's':
			o->seconds = strtol(optarg, NULL, 10);
			break;
		case 'd':
			o->distinct = strtol(optarg, NULL, 10);
			break;
		default:
			exit(2);
		}
	}
	if (!o->url || !o->ca || !o->cert || !o->key || o->clients < 1 || o->clients > 4096 || o->seconds < 1 ||
	    o->distinct < 1)
		die("usage: load --url https://HOST:PORT --ca FILE --cert FILE --key FILE [--clients N] [--seconds S] "
		    "[--profile P] [--distinct N]");
	read_url(o);
}

static void open_load(struct load *load)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	load->context = SSL_CTX_new(TLS_client_method());
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->clients = calloc((size_t)load->options.clients, sizeof(*load->clients));
	load->samples_us = malloc(SAMPLES_MAX * sizeof(*load->samples_us));
	if (!load->context || load->epoll < 0 || !load->clients || !load->samples_us)
		die("cannot start");
	SSL_CTX_set_verify(load->context, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_session_cache_mode(load->context, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_load_verify_locations(load->context, load->options.ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(load->context, load->options.cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(load->context, load->options.key, SSL_FILETYPE_PEM) != 1)
		die("cannot read the certificates");
	if (getaddrinfo(load->options.host, load->options.port, &hints, &load->address) != 0)
		die("cannot find the host");
	for (long i = 0; i < load->options.clients; i++)
		connect_client(load, &load->clients[i]);
}

int main(int argc, char **argv)
{
	struct load load = { .certificates = 0 };
	read_options(argc, argv, &load.options);
	make_requests(&load);
	open_load(&load);
	int64_t begun_us = now_us();
	double cpu_before = cpu_s();
	run(&load);
	report(&load, (double)(now_us() - begun_us) / 1e6, cpu_s() - cpu_before);
	return load.certificates ? 0 : 1;
}
