/* A played resolver: answers each question from a table, or fails as it is told. */
#include "tests/unit/validate/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 50

/* A name in its form on the wire. */
static void write_name(const char *name, struct buf *out)
{
	while (*name) {
		size_t len = strcspn(name, ".");
		buf_u8(out, (uint8_t)len);
		buf_add(out, name, len);
		name += len + (name[len] == '.');
	}
	buf_u8(out, 0);
}

static void write_record(const char *name, uint16_t type, const uint8_t *rdata, size_t len, struct buf *out)
{
	write_name(name, out);
	buf_u16(out, type);
	buf_u16(out, 1);
	buf_u32(out, 60);
	buf_u16(out, (uint16_t)len);
	buf_add(out, rdata, len);
}

static struct bytes read_name(struct bytes message, size_t at, char name[256])
{
	size_t len = 0;
	while (at < message.len && message.data[at] != 0) {
		size_t label = message.data[at++];
		REQUIRE(label < 64 && at + label <= message.len && len + label + 2 < 256);
		memcpy(name + len, message.data + at, label);
		len += label;
		name[len++] = '.';
		at += label;
	}
	name[len ? len - 1 : 0] = '\0';
	return BYTES(message.data + at + 1, message.len - at - 1);
}

static unsigned count_asked(struct rig_dns *dns, const char *question)
{
	unsigned count = 0;
	for (size_t i = 0; i < dns->asked_count; i++)
		count += strcmp(dns->asked[i], question) == 0;
	return count;
}

/* With the lock. Appends what the table says about this name; the code, or how to fail. */
static int look_up(struct rig_dns *dns, const char *name, uint16_t type, const char *question, struct buf *answers,
		   uint16_t *count)
{
	bool exists = false;
	for (size_t i = 0; i < dns->record_count; i++) {
		const struct rig_record *r = &dns->records[i];
		if (strcasecmp(r->name, name) != 0)
			continue;
		exists = true;
		if (r->type == 0)
			return r->failure;
		if (r->questions && r->questions != count_asked(dns, question))
			continue;
		if (r->type == type || r->type == DNS_CNAME) {
			write_record(name, r->type, r->rdata, r->len, answers);
			(*count)++;
		}
		if (r->type == DNS_CNAME && type != DNS_CNAME && !dns->leaves_aliases) {
			char target[256];
			(void)read_name(BYTES(r->rdata, r->len), 0, target);
			return look_up(dns, target, type, question, answers, count);
		}
	}
	return exists ? 0 : RIG_NXDOMAIN;
}

static void answer(struct rig_dns *dns, struct bytes message, struct buf *out)
{
	char name[256], question[256 + 16];
	struct bytes rest = read_name(message, 12, name);
	struct reader r = reader_of(rest);
	uint16_t type = reader_u16(&r), count = 0;
	auto_buf answers = BUF_INIT;
	(void)snprintf(question, sizeof(question), "%s %s", dns_type_name((enum dns_type)type), name);
	(void)pthread_mutex_lock(&dns->lock);
	if (dns->asked_count < RIG_RECORDS_MAX)
		(void)snprintf(dns->asked[dns->asked_count++], sizeof(dns->asked[0]), "%.255s", question);
	int code = look_up(dns, name, type, question, &answers, &count);
	(void)pthread_mutex_unlock(&dns->lock);
	if (code == RIG_SILENT)
		return;
	buf_add(out, message.data, 2);
	buf_u16(out, (uint16_t)(0x8180 | (code < 16 ? code : 0)));
	buf_u16(out, 1);
	buf_u16(out, code == RIG_GARBAGE ? 3 : count);
	buf_u32(out, 0);
	write_name(name, out);
	buf_u16(out, type);
	buf_u16(out, 1);
	buf_add_bytes(out, buf_bytes(&answers));
}

static void *serve(void *arg)
{
	struct rig_dns *dns = arg;
	for (;;) {
		uint8_t message[1500];
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		struct pollfd ready = { .fd = dns->fd, .events = POLLIN };
		(void)pthread_mutex_lock(&dns->lock);
		bool ended = dns->ended;
		(void)pthread_mutex_unlock(&dns->lock);
		if (ended)
			return NULL;
		if (poll(&ready, 1, TICK_MS) != 1)
			continue;
		ssize_t got = recvfrom(dns->fd, message, sizeof(message), 0, (struct sockaddr *)&from, &len);
		auto_buf out = BUF_INIT;
		if (got > 12)
			answer(dns, BYTES(message, got), &out);
		if (out.len)
			(void)sendto(dns->fd, out.data, out.len, 0, (struct sockaddr *)&from, len);
	}
}

struct rig_dns *rig_dns_start(void)
{
	struct rig_dns *dns = calloc(1, sizeof(*dns));
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	REQUIRE(dns != NULL);
	dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(dns->fd >= 0 && bind(dns->fd, (struct sockaddr *)&address, len) == 0);
	REQUIRE(getsockname(dns->fd, (struct sockaddr *)&address, &len) == 0);
	dns->port = ntohs(address.sin_port);
	(void)pthread_mutex_init(&dns->lock, NULL);
	REQUIRE(pthread_create(&dns->thread, NULL, serve, dns) == 0);
	return dns;
}

void rig_dns_stop(struct rig_dns *dns)
{
	(void)pthread_mutex_lock(&dns->lock);
	dns->ended = true;
	(void)pthread_mutex_unlock(&dns->lock);
	(void)pthread_join(dns->thread, NULL);
	(void)close(dns->fd);
	free(dns);
}

static void add(struct rig_dns *dns, const char *name, uint16_t type, int failure, struct bytes rdata, unsigned n)
{
	(void)pthread_mutex_lock(&dns->lock);
	REQUIRE(dns->record_count < RIG_RECORDS_MAX && rdata.len <= sizeof(dns->records[0].rdata));
	struct rig_record *r = &dns->records[dns->record_count++];
	*r = (struct rig_record){ .type = type, .failure = failure, .len = rdata.len, .questions = n };
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	if (rdata.len)
		memcpy(r->rdata, rdata.data, rdata.len);
	(void)pthread_mutex_unlock(&dns->lock);
}

void rig_dns_add(struct rig_dns *dns, const char *name, enum dns_type type, struct bytes rdata)
{
	add(dns, name, (uint16_t)type, 0, rdata, 0);
}

void rig_dns_fails(struct rig_dns *dns, const char *name, int failure)
{
	add(dns, name, 0, failure, BYTES_NONE, 0);
}

void rig_dns_txt(struct rig_dns *dns, const char *name, const char *string)
{
	auto_buf rdata = BUF_INIT;
	buf_u8(&rdata, (uint8_t)strlen(string));
	buf_add_text(&rdata, string);
	rig_dns_add(dns, name, DNS_TXT, buf_bytes(&rdata));
}

void rig_dns_cname(struct rig_dns *dns, const char *name, const char *target)
{
	auto_buf rdata = BUF_INIT;
	write_name(target, &rdata);
	rig_dns_add(dns, name, DNS_CNAME, buf_bytes(&rdata));
}

void rig_dns_caa(struct rig_dns *dns, const char *name, const char *tag, const char *value)
{
	auto_buf rdata = BUF_INIT;
	buf_u8(&rdata, 0);
	buf_u8(&rdata, (uint8_t)strlen(tag));
	buf_add_text(&rdata, tag);
	buf_add_text(&rdata, value);
	rig_dns_add(dns, name, DNS_CAA, buf_bytes(&rdata));
}

void rig_dns_a(struct rig_dns *dns, const char *name, const char *address, unsigned n)
{
	uint8_t octets[4];
	REQUIRE(inet_pton(AF_INET, address, octets) == 1);
	add(dns, name, DNS_A, 0, BYTES(octets, 4), n);
}

unsigned rig_dns_asked(struct rig_dns *dns, const char *question)
{
	(void)pthread_mutex_lock(&dns->lock);
	unsigned count = count_asked(dns, question);
	(void)pthread_mutex_unlock(&dns->lock);
	return count;
}
