/*
 * httpd/validate/outward.h - libcurl as all of the validator uses it: no proxy, no cookies, no stored credentials, no
 * redirects of its own, no signals, deadlines, and a connection for each transfer. Private to httpd/validate.
 *
 * Thread-safety: a struct outward belongs to one thread.
 */
#ifndef CHANCERY_HTTPD_VALIDATE_OUTWARD_H
#define CHANCERY_HTTPD_VALIDATE_OUTWARD_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/err.h"

/* Once in a process, before threads start. */
int outward_init(struct error *err);
void outward_end(void);

#define OUTWARD_CONNECT_MS 5000

struct outward {
	CURL *curl;
	const _Atomic bool *stopping; /* ends the transfer */
	/* Asked for each address before a connection is opened; NULL: every one will do. */
	bool (*may_connect)(void *arg, struct bytes address, uint16_t port);
	void *arg;
	char failure[CURL_ERROR_SIZE]; /* of the last transfer: libcurl's words, or "" */
};

/* total_ms: of the whole transfer. ERR_INTERNAL. */
int outward_begin(struct outward *outward, const _Atomic bool *stopping, int64_t total_ms, struct error *err);
void outward_end_transfer(struct outward *outward);
#define auto_outward CLEANUP(outward_end_transfer) struct outward

/* Verifies TLS against the machine's certification authorities and this CA's own roots. */
void outward_verify(struct outward *outward);
/* TLS that is not verified. */
void outward_do_not_verify(struct outward *outward);

/* The words for people of a failed transfer: libcurl's, or the system's where a connection was not made. */
const char *outward_failure(struct outward *outward, CURLcode code);

/* Where the transfer was connected to: "192.0.2.1:80"; "" where nowhere. */
void outward_peer(const struct outward *outward, char out[64]);

/* True for 127.0.0.0/8 and ::1. */
bool outward_is_loopback(struct bytes address);
/* True for "localhost", and an address of loopback as it stands in a URL ("[::1]"). */
bool outward_is_loopback_host(const char *host);

CLEANUP_POINTER(curl_list, struct curl_slist, curl_slist_free_all)
#define auto_curl_list CLEANUP(curl_list_cleanup) struct curl_slist
CLEANUP_POINTER(curl_address, CURLU, curl_url_cleanup)
#define auto_curl_url CLEANUP(curl_address_cleanup) CURLU
CLEANUP_POINTER(curl_text, char, curl_free)
#define auto_curl_text CLEANUP(curl_text_cleanup) char

#endif
