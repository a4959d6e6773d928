/*
 * tests/unit/validate/rig.h - a played resolver and a played web server on loopback, and a job that asks them.
 */
#ifndef CHANCERY_TESTS_UNIT_VALIDATE_RIG_H
#define CHANCERY_TESTS_UNIT_VALIDATE_RIG_H

#include <pthread.h>

#include "httpd/validate/resolver.h"
#include "tests/unit/unit.h"

/* ---- DNS ---- */

#define RIG_RECORDS_MAX 64
enum { RIG_NXDOMAIN = 3, RIG_SERVFAIL = 2, RIG_REFUSED = 5, RIG_SILENT = 100, RIG_GARBAGE };

struct rig_record {
	char name[256];
	uint16_t type; /* 0: every question for the name ends so: */
	int failure;   /* a code, RIG_SILENT, RIG_GARBAGE */
	uint8_t rdata[512];
	size_t len;
	unsigned questions; /* of an address: only the n-th question for it gets this answer; 0: every one does */
};

struct rig_dns {
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	bool ended;
	bool leaves_aliases; /* to the asker; set before the first question */
	struct rig_record records[RIG_RECORDS_MAX];
	size_t record_count;
	char asked[RIG_RECORDS_MAX][256]; /* "TXT _x.example.test", in the order of the questions */
	size_t asked_count;
};
struct rig_dns *rig_dns_start(void);
void rig_dns_stop(struct rig_dns *dns);
void rig_dns_add(struct rig_dns *dns, const char *name, enum dns_type type, struct bytes rdata);
void rig_dns_txt(struct rig_dns *dns, const char *name, const char *string);
void rig_dns_cname(struct rig_dns *dns, const char *name, const char *target);
void rig_dns_caa(struct rig_dns *dns, const char *name, const char *tag, const char *value);
/* The n-th question for the name's address is answered so, n from 1; 0: every one. */
void rig_dns_a(struct rig_dns *dns, const char *name, const char *address, unsigned n);
void rig_dns_fails(struct rig_dns *dns, const char *name, int failure);
/* How often this was asked. */
unsigned rig_dns_asked(struct rig_dns *dns, const char *question);

/* ---- HTTP ---- */

struct rig_page {
	char path[300];
	char status[64];    /* "200 OK" */
	char headers[4096]; /* each ended by CRLF */
	struct buf body;
	bool silent; /* says nothing, and keeps the connection */
};
struct rig_http {
	int fd;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	bool ended;
	struct rig_page pages[32];
	size_t page_count;
	char head[4096]; /* of the last request */
	unsigned requests;
};
/* Listens on this address of loopback, at port (0: a free one). */
struct rig_http *rig_http_start(const char *address, uint16_t port);
void rig_http_stop(struct rig_http *http);
void rig_http_page(struct rig_http *http, const char *path, const char *status, const char *headers, struct bytes body);

/* ---- a job ---- */

/* A configuration with one zone, "example.test" and all below it, resolved by dns; connect-networks is `network` (an
 * address of IPv4, one host), connect-ports port. Freed by rig_config_free. */
struct ca_config *rig_config(const struct rig_dns *dns, const char *network, uint16_t port);
void rig_config_free(struct ca_config *config);

#define RIG_VALUE "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"
/* An attempt that the test frees; `run` is one of the methods. deadline_ms: of the job. */
struct attempt rig_try(const struct ca_config *config,
		       void (*run)(struct job *job, const struct message_validate *ask, struct attempt *attempt),
		       const char *name, bool parents, int64_t deadline_ms);
struct job rig_job(const struct ca_config *config, int64_t deadline_ms);

#endif
