/* Clients that send exactly the bytes they are told, over TLS or not. */
#include "tests/unit/httpd/rig.h"

#include <poll.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SECONDS 20

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = READ_SECONDS };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

bool port_admits(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool admits = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	/* Who is not admitted finds the connection ended; who is, is waited for. */
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	if (admits && poll(&ended, 1, 100) > 0)
		admits = false;
	(void)close(fd);
	return admits;
}

struct client client_http(struct rig *rig)
{
	return (struct client){ .fd = connect_to(rig->http) };
}

struct client client_https(struct rig *rig, const struct credential *credential)
{
	struct client c = { .fd = connect_to(rig->https), .context = SSL_CTX_new(TLS_client_method()) };
	REQUIRE(c.context != NULL);
	(void)X509_STORE_add_cert(SSL_CTX_get_cert_store(c.context), rig->root.certificate);
	SSL_CTX_set_verify(c.context, SSL_VERIFY_PEER, NULL);
	if (credential) {
		(void)SSL_CTX_use_certificate(c.context, credential->certificate);
		(void)SSL_CTX_use_PrivateKey(c.context, credential->key);
	}
	c.ssl = SSL_new(c.context);
	(void)SSL_set1_host(c.ssl, "localhost");
	(void)SSL_set_fd(c.ssl, c.fd);
	CHECK_INT(SSL_connect(c.ssl), 1);
	return c;
}

void client_close(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->context);
	(void)close(c->fd);
}

bool client_send(struct client *c, struct bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t sent = c->ssl ? SSL_write(c->ssl, bytes.data, (int)bytes.len)
				      : send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		bytes = BYTES(bytes.data + sent, bytes.len - (size_t)sent);
	}
	return true;
}

static bool read_some(struct client *c, struct buf *in)
{
	uint8_t some[4096];
	ssize_t got = c->ssl ? SSL_read(c->ssl, some, sizeof(some)) : recv(c->fd, some, sizeof(some), 0);
	if (got > 0)
		buf_add(in, some, (size_t)got);
	return got > 0;
}

void client_read(struct client *c, bool head_only, struct reply *reply)
{
	auto_buf in = BUF_INIT;
	*reply = (struct reply){ .status = 0 };
	const uint8_t *end = NULL;
	while (!end) {
		if (!read_some(c, &in))
			return;
		end = memmem(in.data, in.len, "\r\n\r\n", 4);
	}
	size_t head = (size_t)(end - in.data) + 4;
	(void)snprintf(reply->head, sizeof(reply->head), "%.*s", (int)head, (const char *)in.data);
	size_t body = strtoul(reply_header(reply, "Content-Length"), NULL, 10);
	while (!head_only && in.len < head + body)
		if (!read_some(c, &in))
			return;
	buf_add(&reply->body, in.data + head, in.len - head);
	reply->status = (int)strtol(reply->head + strlen("HTTP/1.1 "), NULL, 10);
}

void reply_free(struct reply *reply)
{
	buf_free(&reply->body);
}

const char *reply_header(const struct reply *reply, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = strstr(reply->head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1 + strspn(line + len + 1, " ");
		auto_buf hex = BUF_INIT;
		for (; *line && *line != '\r'; line++)
			buf_printf(&hex, "%02x", (unsigned char)*line);
		buf_add_text(&hex, "00");
		return (const char *)unit_hex(buf_text(&hex)).data;
	}
	return "";
}

const char *reply_text(struct reply *reply)
{
	return buf_text(&reply->body);
}

void client_ask(struct client *c, const char *method, const char *path, const char *headers, struct bytes body,
		struct reply *reply)
{
	auto_buf out = BUF_INIT;
	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
	if (body.len || strcmp(method, "POST") == 0)
		buf_printf(&out, "Content-Length: %zu\r\n", body.len);
	buf_add_text(&out, "\r\n");
	buf_add_bytes(&out, body);
	(void)client_send(c, buf_bytes(&out));
	client_read(c, strcmp(method, "HEAD") == 0, reply);
}

struct reply ask_https(struct rig *rig, const struct credential *credential, const char *method, const char *path,
		       const char *headers, struct bytes body)
{
	struct reply reply;
	struct client c = client_https(rig, credential);
	client_ask(&c, method, path, headers, body, &reply);
	client_close(&c);
	return reply;
}

struct reply ask_as(struct rig *rig, const char *name, const char *method, const char *path, const char *headers,
		    struct bytes body)
{
	struct credential shown = rig_credential(&rig->issuing, name, "clientAuth", -60, 3600, BYTES_NONE);
	struct reply reply = ask_https(rig, &shown, method, path, headers, body);
	credential_free(&shown);
	return reply;
}

json_t *json_of(struct reply *reply)
{
	json_t *value = json_loadb((const char *)reply->body.data, reply->body.len, JSON_REJECT_DUPLICATES, NULL);
	CHECK(value != NULL);
	return value;
}

const char *text_at(json_t *value, const char *member)
{
	return json_string_value(json_object_get(value, member));
}

void check_status(struct rig *rig, const char *method, const char *path, const char *headers, const char *body,
		  int status, const char *in_answer)
{
	struct reply reply = ask_as(rig, "admin", method, path, headers, bytes_of(body));
	CHECK_INT(reply.status, status);
	if (!strstr(reply_text(&reply), in_answer))
		CHECK_TEXT(reply_text(&reply), in_answer);
	reply_free(&reply);
}

struct reply ask_http(struct rig *rig, const char *method, const char *path, const char *headers)
{
	struct reply reply;
	struct client c = client_http(rig);
	client_ask(&c, method, path, headers, BYTES_NONE, &reply);
	client_close(&c);
	return reply;
}
