#include "httpd/validate/outward.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AUTHORITIES "/etc/ssl/certs"       /* of the machine, by hash */
#define OWN_ROOTS "published/ca/roots.pem" /* in the state directory, where every role works */

int outward_init(struct error *err)
{
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
	return code == CURLE_OK ? 0 : err_set(err, ERR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
}

void outward_end(void)
{
	curl_global_cleanup();
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	const struct outward *outward = arg;
	(void)down_all;
	(void)down;
	(void)up_all;
	(void)up;
	return atomic_load_explicit(outward->stopping, memory_order_relaxed) ? 1 : 0;
}

/* The last gate: whatever libcurl was told or found out, it connects to no other address. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	const struct outward *outward = arg;
	struct bytes address = BYTES_NONE;
	uint16_t port = 0;
	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (to->family == AF_INET && to->addrlen >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const void *)&to->addr;
		address = BYTES(&in->sin_addr, 4);
		port = ntohs(in->sin_port);
	} else if (to->family == AF_INET6 && to->addrlen >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in = (const void *)&to->addr;
		address = BYTES(&in->sin6_addr, 16);
		port = ntohs(in->sin6_port);
	}
	if (address.len == 0 || (outward->may_connect && !outward->may_connect(outward->arg, address, port)))
		return CURL_SOCKET_BAD;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

int outward_begin(struct outward *outward, const _Atomic bool *stopping, int64_t total_ms, struct error *err)
{
	CURL *c = curl_easy_init();
	*outward = (struct outward){ .curl = c, .stopping = stopping };
	if (!c)
		return err_set(err, ERR_INTERNAL, "no memory for a connection");
	if (curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) || curl_easy_setopt(c, CURLOPT_PROXY, "") ||
	    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) || curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L) ||
	    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) || curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)total_ms) ||
	    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)OUTWARD_CONNECT_MS) ||
	    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, outward->failure) ||
	    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open) ||
	    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, outward) || curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) ||
	    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) ||
	    curl_easy_setopt(c, CURLOPT_XFERINFODATA, outward) ||
	    curl_easy_setopt(c, CURLOPT_USERAGENT, "chancery/" CHANCERY_VERSION))
		return err_set(err, ERR_INTERNAL, "libcurl lacks what is needed");
	return 0;
}

void outward_end_transfer(struct outward *outward)
{
	curl_easy_cleanup(outward->curl);
	outward->curl = NULL;
}

/* By folder, where only what a chain needs is read; and beside them ours. */
void outward_verify(struct outward *outward)
{
	(void)curl_easy_setopt(outward->curl, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(outward->curl, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(outward->curl, CURLOPT_CAPATH, AUTHORITIES);
	(void)curl_easy_setopt(outward->curl, CURLOPT_CAINFO, access(OWN_ROOTS, R_OK) == 0 ? OWN_ROOTS : NULL);
}

void outward_do_not_verify(struct outward *outward)
{
	(void)curl_easy_setopt(outward->curl, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(outward->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	/* Nothing is looked up in it, so nothing is read. */
	(void)curl_easy_setopt(outward->curl, CURLOPT_CAINFO, NULL);
	(void)curl_easy_setopt(outward->curl, CURLOPT_CAPATH, NULL);
}

const char *outward_failure(struct outward *outward, CURLcode code)
{
	long number = 0;
	(void)curl_easy_getinfo(outward->curl, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_COULDNT_CONNECT && number != 0)
		(void)snprintf(outward->failure, sizeof(outward->failure), "%s", strerror((int)number));
	return outward->failure[0] ? outward->failure : curl_easy_strerror(code);
}

void outward_peer(const struct outward *outward, char out[64])
{
	char *address = NULL;
	long port = 0;
	out[0] = '\0';
	if (curl_easy_getinfo(outward->curl, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address && address[0] &&
	    curl_easy_getinfo(outward->curl, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK)
		(void)snprintf(out, 64, strchr(address, ':') ? "[%s]:%ld" : "%s:%ld", address, port);
}

bool outward_is_loopback(struct bytes address)
{
	static const uint8_t ipv6[16] = { [15] = 1 };
	return address.len == 4 ? address.data[0] == 127 : address.len == 16 && memcmp(address.data, ipv6, 16) == 0;
}

bool outward_is_loopback_host(const char *host)
{
	uint8_t address[16];
	char bare[64];
	size_t len = strlen(host);
	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, address) == 1)
		return outward_is_loopback(BYTES(address, 4));
	if (len < 3 || len >= sizeof(bare) || host[0] != '[' || host[len - 1] != ']')
		return false;
	(void)snprintf(bare, sizeof(bare), "%.*s", (int)len - 2, host + 1);
	return inet_pton(AF_INET6, bare, address) == 1 && outward_is_loopback(BYTES(address, 16));
}
