/* A played web server, one request after the other; and jobs that are pointed at the played parts. */
#include "tests/unit/validate/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 50

/* ---- the server ---- */

static bool has_ended(struct rig_http *http)
{
	(void)pthread_mutex_lock(&http->lock);
	bool ended = http->ended;
	(void)pthread_mutex_unlock(&http->lock);
	return ended;
}

/* With the lock. NULL: no such page. */
static const struct rig_page *page_of(const struct rig_http *http, const char *head)
{
	for (size_t i = 0; i < http->page_count; i++) {
		size_t len = strlen(http->pages[i].path);
		if (strncmp(head, "GET ", 4) == 0 && strncmp(head + 4, http->pages[i].path, len) == 0 &&
		    head[4 + len] == ' ')
			return &http->pages[i];
	}
	return NULL;
}

static void answer(struct rig_http *http, int fd, const char *head)
{
	auto_buf out = BUF_INIT;
	(void)pthread_mutex_lock(&http->lock);
	(void)snprintf(http->head, sizeof(http->head), "%s", head);
	http->requests++;
	const struct rig_page *page = page_of(http, head);
	bool silent = page && page->silent;
	if (page)
		buf_printf(&out, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", page->status,
			   page->headers, page->body.len);
	else
		buf_add_text(&out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	if (page)
		buf_add_bytes(&out, buf_bytes(&page->body));
	(void)pthread_mutex_unlock(&http->lock);
	if (!silent)
		(void)send(fd, out.data, out.len, MSG_NOSIGNAL);
	while (silent && !has_ended(http))
		(void)usleep(TICK_MS * 1000);
}

static void serve_one(struct rig_http *http, int fd)
{
	char head[4096] = "";
	size_t len = 0;
	while (len + 1 < sizeof(head) && !strstr(head, "\r\n\r\n")) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		if (poll(&ready, 1, 2000) != 1)
			return;
		ssize_t got = recv(fd, head + len, sizeof(head) - 1 - len, 0);
		if (got <= 0)
			return;
		len += (size_t)got;
		head[len] = '\0';
	}
	answer(http, fd, head);
}

static void *serve(void *arg)
{
	struct rig_http *http = arg;
	while (!has_ended(http)) {
		struct pollfd ready = { .fd = http->fd, .events = POLLIN };
		if (poll(&ready, 1, TICK_MS) != 1)
			continue;
		auto_fd fd = accept(http->fd, NULL, NULL);
		if (fd >= 0)
			serve_one(http, fd);
	}
	return NULL;
}

struct rig_http *rig_http_start(const char *address, uint16_t port)
{
	struct rig_http *http = calloc(1, sizeof(*http));
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(at);
	const int on = 1;
	REQUIRE(http != NULL && inet_pton(AF_INET, address, &at.sin_addr) == 1);
	http->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(setsockopt(http->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	REQUIRE(bind(http->fd, (struct sockaddr *)&at, len) == 0 && listen(http->fd, 16) == 0);
	REQUIRE(getsockname(http->fd, (struct sockaddr *)&at, &len) == 0);
	http->port = ntohs(at.sin_port);
	(void)pthread_mutex_init(&http->lock, NULL);
	REQUIRE(pthread_create(&http->thread, NULL, serve, http) == 0);
	return http;
}

void rig_http_stop(struct rig_http *http)
{
	(void)pthread_mutex_lock(&http->lock);
	http->ended = true;
	(void)pthread_mutex_unlock(&http->lock);
	(void)pthread_join(http->thread, NULL);
	(void)close(http->fd);
	for (size_t i = 0; i < http->page_count; i++)
		buf_free(&http->pages[i].body);
	free(http);
}

void rig_http_page(struct rig_http *http, const char *path, const char *status, const char *headers, struct bytes body)
{
	(void)pthread_mutex_lock(&http->lock);
	REQUIRE(http->page_count < sizeof(http->pages) / sizeof(http->pages[0]));
	struct rig_page *page = &http->pages[http->page_count++];
	(void)snprintf(page->path, sizeof(page->path), "%s", path);
	(void)snprintf(page->status, sizeof(page->status), "%s", status ? status : "");
	(void)snprintf(page->headers, sizeof(page->headers), "%s", headers);
	page->body = BUF_INIT;
	buf_add_bytes(&page->body, body);
	page->silent = !status;
	(void)pthread_mutex_unlock(&http->lock);
}

/* ---- jobs ---- */

struct ca_config *rig_config(const struct rig_dns *dns, const char *network, uint16_t port)
{
	static char *suffixes[] = { (char *)"example.test", (char *)".example.test" };
	static char resolver[64], port_text[8];
	static char *resolvers[] = { resolver }, *ports[] = { port_text };
	static struct ca_config_network networks[1];
	struct ca_config *config = calloc(1, sizeof(*config));
	REQUIRE(config != NULL);
	(void)snprintf(resolver, sizeof(resolver), "127.0.0.1:%u", dns->port);
	(void)snprintf(port_text, sizeof(port_text), "%u", port);
	networks[0] = (struct ca_config_network){ .address_len = 4, .prefix_len = 32 };
	REQUIRE(inet_pton(AF_INET, network, networks[0].address) == 1);
	(void)snprintf(config->dns_cname_base, sizeof(config->dns_cname_base), "dcv.pki.test");
	config->zone_count = 1;
	config->zones[0] = (struct ca_config_zone){ .name = "example",
						    .suffixes = { suffixes, 2 },
						    .resolvers = { resolvers, 1 },
						    .connect_networks = networks,
						    .connect_network_count = 1,
						    .connect_ports = { ports, 1 } };
	return config;
}

void rig_config_free(struct ca_config *config)
{
	free(config);
}

struct job rig_job(const struct ca_config *config, int64_t deadline_ms)
{
	static const _Atomic bool never = false;
	struct job job = { .config = config,
			   .zone = &config->zones[0],
			   .clock = clock_system(),
			   .deadline_ms = clock_monotonic_ms() + deadline_ms,
			   .stopping = &never };
	resolver_choose(&job);
	return job;
}

struct attempt rig_try(const struct ca_config *config,
		       void (*run)(struct job *job, const struct message_validate *ask, struct attempt *attempt),
		       const char *name, bool parents, int64_t deadline_ms)
{
	struct job job = rig_job(config, deadline_ms);
	const struct message_validate ask = {
		.name = bytes_of(name), .methods = 14, .parents = parents, .value = bytes_of(RIG_VALUE)
	};
	struct attempt attempt = { .text = BUF_INIT };
	run(&job, &ask, &attempt);
	return attempt;
}
