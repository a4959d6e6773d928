/* A mail to the configured server. */
#include <stdio.h>

#include "httpd/validate/deliver.h"
#include "httpd/validate/outward.h"

struct sending {
	struct bytes left;
	char said[256]; /* the server's last line about the mail */
};

static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
	struct sending *s = arg;
	size_t len = size * count < s->left.len ? size * count : s->left.len;
	if (len > 0)
		memcpy(data, s->left.data, len);
	s->left = BYTES(s->left.data + len, s->left.len - len);
	return len;
}

/* For the texts of people and the log: what is not printable is not shown. */
static size_t on_line(char *data, size_t size, size_t count, void *arg)
{
	struct sending *s = arg;
	size_t kept = 0;
	/* The good-bye after QUIT says nothing about the mail. */
	if (size * count >= 3 && memcmp(data, "221", 3) == 0)
		return size * count;
	for (size_t i = 0; i < size * count && kept + 1 < sizeof(s->said); i++)
		if (data[i] >= ' ' && data[i] < 0x7f)
			s->said[kept++] = data[i];
	s->said[kept] = '\0';
	return size * count;
}

/* ---- the server ---- */

static bool server_is_here(const char *url)
{
	auto_curl_url *parts = curl_url();
	auto_curl_text *host = NULL;
	return parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	       curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && outward_is_loopback_host(host);
}

static int set_server(struct outward *outward, const struct deliverer *d, struct error *err)
{
	const struct ca_config_mail *mail = &d->config->mail;
	CURL *c = outward->curl;
	bool implicit = strncmp(mail->server, "smtps:", 6) == 0;
	bool demanded = implicit || (mail->user[0] && !server_is_here(mail->server));
	if (demanded)
		outward_verify(outward);
	else
		outward_do_not_verify(outward);
	if (curl_easy_setopt(c, CURLOPT_URL, mail->server) ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, implicit ? "smtps" : "smtp") ||
	    curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(demanded ? CURLUSESSL_ALL : CURLUSESSL_TRY)))
		return err_set(err, ERR_INTERNAL, "libcurl cannot send mail");
	if (mail->user[0] && d->mail_password &&
	    (curl_easy_setopt(c, CURLOPT_USERNAME, mail->user) ||
	     curl_easy_setopt(c, CURLOPT_PASSWORD, (const char *)secret_bytes(d->mail_password).data)))
		return err_set(err, ERR_INTERNAL, "libcurl cannot log in to a mail server");
	return 0;
}

/* ---- sending ---- */

/* A recipient or a text that the server does not want will not be wanted later. Of everything else, its configuration
 * included, there is hope. */
static bool is_final(const struct outward *outward, CURLcode code)
{
	long reply = 0;
	(void)curl_easy_getinfo(outward->curl, CURLINFO_RESPONSE_CODE, &reply);
	bool recipient = strncmp(outward->failure, "RCPT failed", strlen("RCPT failed")) == 0;
	return reply >= 500 && reply <= 599 && (recipient || code == CURLE_WEIRD_SERVER_REPLY);
}

static void judge(struct outward *outward, CURLcode code, const struct sending *s, const char *server,
		  struct delivery *delivery)
{
	delivery->good = code == CURLE_OK;
	if (delivery->good) {
		buf_printf(&delivery->text, "%s: %s", server, s->said);
		return;
	}
	delivery->final = is_final(outward, code);
	buf_printf(&delivery->text, "%s: %s", server, outward_failure(outward, code));
	if (s->said[0])
		buf_printf(&delivery->text, "; it said: %s", s->said);
}

static int transfer(const struct deliverer *d, const struct mail_text *mail, struct delivery *delivery,
		    struct error *err)
{
	auto_buf text = BUF_INIT;
	auto_buf from = BUF_INIT;
	auto_buf to = BUF_INIT;
	if (mail_text_write(mail, &text, err))
		return -1;
	buf_printf(&from, "<%.*s>", (int)mail->from.len, (const char *)mail->from.data);
	buf_printf(&to, "<%.*s>", (int)mail->to.len, (const char *)mail->to.data);
	auto_curl_list *recipients = curl_slist_append(NULL, buf_text(&to));
	auto_outward outward = { .curl = NULL };
	struct sending sending = { .left = buf_bytes(&text) };
	if (outward_begin(&outward, d->stopping, DELIVER_MS, err) || set_server(&outward, d, err))
		return -1;
	CURL *c = outward.curl;
	if (!recipients || curl_easy_setopt(c, CURLOPT_MAIL_FROM, buf_text(&from)) ||
	    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, recipients) || curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) ||
	    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)text.len) ||
	    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) || curl_easy_setopt(c, CURLOPT_READDATA, &sending) ||
	    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_line) || curl_easy_setopt(c, CURLOPT_HEADERDATA, &sending))
		return err_set(err, ERR_INTERNAL, "libcurl cannot send mail");
	CURLcode code = curl_easy_perform(c);
	judge(&outward, code, &sending, d->config->mail.server, delivery);
	return 0;
}

void mail_send(const struct deliverer *d, const struct message_deliver *ask, struct delivery *delivery)
{
	struct error err = ERR_INIT;
	const struct ca_config_mail *server = &d->config->mail;
	const struct mail_text mail = { .from = bytes_of(server->from),
					.to = ask->to,
					.subject = ask->subject,
					.body = ask->body,
					.id = ask->id,
					.now_s = clock_now_ms(&d->clock) / 1000 };
	if (!server->server[0]) {
		deliver_fail_for_good(delivery, "the configuration names no mail server (section mail)");
	} else if (transfer(d, &mail, delivery, &err)) {
		deliver_fail_for_good(delivery, err.message);
		delivery->final = err.code == ERR_BAD_REQUEST;
	}
}
