/* A webhook: POST of JSON, signed by the signer. */
#include <stdio.h>

#include "base/text.h"
#include "httpd/validate/deliver.h"
#include "httpd/validate/outward.h"

#define ANSWER_SHOWN_MAX 120

struct answer {
	char text[ANSWER_SHOWN_MAX + 1]; /* what people are shown of the body */
	size_t len;
};

/* The whole answer is read, little of it kept. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct answer *a = arg;
	for (size_t i = 0; i < size * count && a->len < ANSWER_SHOWN_MAX; i++)
		a->text[a->len++] = data[i] >= ' ' && data[i] < 0x7f ? data[i] : ' ';
	return size * count;
}

static bool only_loopback(void *arg, struct bytes address, uint16_t port)
{
	(void)arg;
	(void)port;
	return outward_is_loopback(address);
}

/* https anywhere, http to this machine alone. */
static int check_url(const char *url, bool *https, struct error *err)
{
	auto_curl_url *parts = curl_url();
	auto_curl_text *scheme = NULL;
	auto_curl_text *host = NULL;
	if (!parts || curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(parts, CURLUPART_HOST, &host, 0))
		return err_set(err, ERR_BAD_REQUEST, "the webhook's URL cannot be read");
	*https = strcmp(scheme, "https") == 0;
	if (*https || (strcmp(scheme, "http") == 0 && outward_is_loopback_host(host)))
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "a webhook goes by https, or by http to this machine alone");
}

/* A header that nothing can end before its time. */
static int add_header(struct curl_slist **headers, const char *name, struct bytes value, struct error *err)
{
	auto_buf line = BUF_INIT;
	if (!text_is_utf8(value) || text_has_control(value))
		return err_set(err, ERR_BAD_REQUEST, "the header %s is not one line of text", name);
	buf_printf(&line, "%s: %.*s", name, (int)value.len, (const char *)value.data);
	struct curl_slist *longer = curl_slist_append(*headers, buf_text(&line));
	if (!longer)
		return err_set(err, ERR_INTERNAL, "no memory for a header");
	*headers = longer;
	return 0;
}

static int add_headers(struct curl_slist **headers, const struct message_deliver *ask, struct error *err)
{
	return add_header(headers, "Content-Type", bytes_of("application/json"), err) ||
			       add_header(headers, "X-Chancery-Event", ask->subject, err) ||
			       add_header(headers, "X-Chancery-Delivery", ask->id, err) ||
			       add_header(headers, "X-Chancery-Signature", ask->signature, err) ||
			       add_header(headers, "Expect", BYTES_NONE, err)
		       ? -1
		       : 0;
}

static void judge(struct outward *outward, CURLcode code, const struct answer *answer, const char *url,
		  struct delivery *delivery)
{
	long status = 0;
	char peer[64];
	(void)curl_easy_getinfo(outward->curl, CURLINFO_RESPONSE_CODE, &status);
	outward_peer(outward, peer);
	delivery->good = code == CURLE_OK && status >= 200 && status <= 299;
	buf_printf(&delivery->text, "%.300s: ", url);
	if (code != CURLE_OK)
		buf_add_text(&delivery->text, outward_failure(outward, code));
	else
		buf_printf(&delivery->text, "status %ld from %s", status, peer);
	if (code == CURLE_OK && !delivery->good && answer->len)
		buf_printf(&delivery->text, ": %s", answer->text);
}

static int post(const struct deliverer *d, const struct message_deliver *ask, const char *url,
		struct delivery *delivery, struct error *err)
{
	struct answer answer = { .len = 0 };
	auto_curl_list *headers = NULL;
	auto_outward outward = { .curl = NULL };
	bool https = false;
	if (check_url(url, &https, err) || add_headers(&headers, ask, err) ||
	    outward_begin(&outward, d->stopping, WEBHOOK_MS, err))
		return -1;
	CURL *c = outward.curl;
	outward_verify(&outward);
	outward.may_connect = https ? NULL : only_loopback;
	if (curl_easy_setopt(c, CURLOPT_URL, url) ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, https ? "https" : "http") ||
	    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) ||
	    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len) ||
	    curl_easy_setopt(c, CURLOPT_POSTFIELDS, ask->body.len ? (const char *)ask->body.data : "") ||
	    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) || curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer))
		return err_set(err, ERR_INTERNAL, "libcurl cannot post");
	CURLcode code = curl_easy_perform(c);
	judge(&outward, code, &answer, url, delivery);
	return 0;
}

void webhook_send(const struct deliverer *d, const struct message_deliver *ask, struct delivery *delivery)
{
	struct error err = ERR_INIT;
	auto_buf url = BUF_INIT;
	buf_add_bytes(&url, ask->to);
	if (memchr(ask->to.len ? (const char *)ask->to.data : "", '\0', ask->to.len)) {
		deliver_fail_for_good(delivery, "the webhook's URL holds a NUL");
	} else if (post(d, ask, buf_text(&url), delivery, &err)) {
		deliver_fail_for_good(delivery, err.message);
		delivery->final = err.code == ERR_BAD_REQUEST;
	}
}
