/*
 * tests/unit/httpd/rig.h - a front in a process of its own, with a signer that is played by the
 * test, and clients that send exactly the bytes they are told.
 */
#ifndef CHANCERY_TESTS_UNIT_HTTPD_RIG_H
#define CHANCERY_TESTS_UNIT_HTTPD_RIG_H

#include <jansson.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/channel.h"
#include "ca-core/config.h"
#include "tests/unit/unit.h"

struct credential {
	EVP_PKEY *key;
	X509 *certificate;
};

/* How the played signer answers; set before or while the front runs. */
struct rig_signer {
	pthread_t thread;
	struct channel *channel;
	_Atomic uint64_t sessions, opened, closed, issued, front_certificates;
	_Atomic bool forget_sessions;  /* the next request's session is unknown, once */
	_Atomic bool hold;             /* MSG_ISSUE is not answered */
	_Atomic int refuse;            /* enum err_code for every request under a session; 0: none */
	_Atomic bool dry_run_refuses;  /* csr/decode: name-not-allowed for profile "client" */
	_Atomic bool makes_orders;     /* MSG_ISSUE becomes an order */
	_Atomic uint32_t order_names;  /* > 0: an order has so many, all of their texts as long as they may be */
	_Atomic uint8_t roles;         /* of every identity */
	_Atomic int front_age_percent; /* how much of a day's life is over when the front gets its certificate */
	_Atomic uint64_t held_id;      /* of the MSG_ISSUE that is held */
	struct buf held_spki;
	pthread_mutex_t lock; /* for what follows */
	struct buf last;      /* the last question under a session */
	uint16_t last_type;
};

struct rig {
	pid_t front;
	int control; /* the supervisor's end */
	uint16_t https, http;
	struct ca_config *config;
	struct credential root, issuing;
	struct rig_signer signer;
	int stop_status; /* of the front, after rig_stop */
};

/* Starts everything, in unit_folder(); tune may change the configuration first, or be NULL. */
struct rig *rig_start(void (*tune)(struct ca_config *config));
/* The same without a signer: the front's channel is closed from the beginning. */
struct rig *rig_start_alone(void (*tune)(struct ca_config *config));
struct rig *rig_start_with_front_age(int percent);
/* Answers the held MSG_ISSUE. */
void rig_release(struct rig *rig);
/* Stops the front by SIGTERM, checks that it returned 0, frees all. */
void rig_stop(struct rig *rig);
/* A fresh channel to the front, by the control socket, with a signer behind it. */
void rig_new_signer(struct rig *rig);
/* The signer goes away. */
void rig_end_signer(struct rig *rig);
/* Sends a message under id 0. */
void rig_tell(struct rig *rig, uint16_t type, struct bytes payload);
/* How often the text stands in the front's memory; 0 where nobody may look. */
size_t rig_count_in_memory(struct rig *rig, const char *text);
/* Waits until the front has sent 'R'. */
bool rig_await_ready(struct rig *rig);

/* A certificate of issuer (NULL: self-signed) for subject CN name; eku: "clientAuth" or "serverAuth";
 * life from now + begins_s to now + ends_s. spki NULL: a new P-256 key. */
struct credential rig_credential(const struct credential *issuer, const char *name, const char *eku, long begins_s,
				 long ends_s, struct bytes spki);
void credential_free(struct credential *c);
/* A signing request in PEM for these SAN ("DNS:a.test,IP:192.0.2.1"); valid until the test ends. */
struct bytes rig_csr(const char *san);
/* The same with `parts` times OU=part in one RDN of its subject, and a challenge password. */
struct bytes rig_csr_of(int parts, const char *part, const char *san);

/* ---- clients ---- */
struct client {
	int fd;
	SSL *ssl;
	SSL_CTX *context;
};
struct reply {
	int status; /* 0: none came */
	char head[8192];
	struct buf body;
};
/* credential NULL: shows none. */
struct client client_https(struct rig *rig, const struct credential *credential);
struct client client_http(struct rig *rig);
/* Whether anybody listens on the port. */
bool port_admits(uint16_t port);
void client_close(struct client *c);
bool client_send(struct client *c, struct bytes bytes);
/* One whole answer; head_only: of a HEAD request. status 0 where the connection ended or 20 s passed. */
void client_read(struct client *c, bool head_only, struct reply *reply);
void reply_free(struct reply *reply);
/* A header's value, or "" ; valid until the test ends. */
const char *reply_header(const struct reply *reply, const char *name);
const char *reply_text(struct reply *reply);

/* Sends "METHOD PATH HTTP/1.1", Host, more header lines (each ended by CRLF, may be ""), a
 * Content-Length where there is a body, and reads the answer. */
void client_ask(struct client *c, const char *method, const char *path, const char *headers, struct bytes body,
		struct reply *reply);
/* The same in one: connects, asks, closes. */
struct reply ask_https(struct rig *rig, const struct credential *credential, const char *method, const char *path,
		       const char *headers, struct bytes body);
/* As the identity of this name. */
struct reply ask_as(struct rig *rig, const char *name, const char *method, const char *path, const char *headers,
		    struct bytes body);
/* As admin: the answer has this status, and this text in it. body: text. */
void check_status(struct rig *rig, const char *method, const char *path, const char *headers, const char *body,
		  int status, const char *in_answer);
/* The answer's content, freed by the caller; and a text that is a member. */
json_t *json_of(struct reply *reply);
const char *text_at(json_t *value, const char *member);
struct reply ask_http(struct rig *rig, const char *method, const char *path, const char *headers);
#define CSR_TYPE "Content-Type: application/pkcs10\r\n"
#define JSON_TYPE "Content-Type: application/json\r\n"

#endif
