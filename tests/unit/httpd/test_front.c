/* The whole front: issuing, sessions, the signer's absence, its own certificate, stop. */
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ca-core/message.h"
#include "tests/unit/httpd/rig.h"

static const char issue_path[] = "/api/v1/certificates?profile=server-dv";

static struct credential admin_of(struct rig *rig)
{
	return rig_credential(&rig->issuing, "admin", "clientAuth", -60, 3600, BYTES_NONE);
}

/* Waits, with a bound, until a counter of the played signer has come to this value. */
static bool await_count(_Atomic uint64_t *counter, uint64_t value)
{
	for (int i = 0; i < 2000 && *counter < value; i++)
		(void)usleep(5000);
	return *counter >= value;
}

static void issues_over_https_with_an_enrolled_certificate(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_https(rig, &admin, "POST", "/api/v1/certificates?profile=server-dv&days=7",
				       CSR_TYPE "Idempotency-Key: one-1\r\n", rig_csr("DNS:a.test,IP:192.0.2.1"));
	CHECK_INT(reply.status, 201);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/pem-certificate-chain");
	CHECK_TEXT(reply_header(&reply, "Location"), "/api/v1/certificates/01abcd");
	CHECK(reply_header(&reply, "X-Request-Id")[0] != '\0');
	const char *second = strstr(reply_text(&reply) + 1, "-----BEGIN CERTIFICATE-----");
	CHECK(second != NULL && strstr(second + 1, "-----BEGIN") == NULL);
	struct message_issue asked;
	struct error err = ERR_INIT;
	CHECK(message_issue_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_BYTES(asked.profile, bytes_of("server-dv"));
	CHECK_INT(asked.days, 7);
	CHECK_INT(asked.name_count, 2);
	CHECK_BYTES(asked.names[0], bytes_of("dns:a.test"));
	CHECK_BYTES(asked.idempotency_key, bytes_of("one-1"));
	CHECK(asked.deadline_ms > clock_monotonic_ms());
	reply_free(&reply);
	credential_free(&admin);
	rig_stop(rig);
}

static void opens_one_session_for_a_kept_alive_connection(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	struct client c = client_https(rig, &admin);
	for (int i = 0; i < 3; i++) {
		struct reply reply;
		client_ask(&c, "POST", issue_path, CSR_TYPE, rig_csr("DNS:a.test"), &reply);
		CHECK_INT(reply.status, 201);
		reply_free(&reply);
	}
	CHECK_INT(rig->signer.opened, 1);
	client_close(&c);
	CHECK(await_count(&rig->signer.closed, 1));
	credential_free(&admin);
	rig_stop(rig);
}

static void opens_a_session_anew_that_the_signer_has_forgotten(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	struct client c = client_https(rig, &admin);
	for (int i = 0; i < 2; i++) {
		struct reply reply;
		client_ask(&c, "POST", issue_path, CSR_TYPE, rig_csr("DNS:a.test"), &reply);
		CHECK_INT(reply.status, 201);
		reply_free(&reply);
		rig->signer.forget_sessions = true;
	}
	CHECK_INT(rig->signer.opened, 2);
	client_close(&c);
	credential_free(&admin);
	rig_stop(rig);
}

static void forgets_sessions_that_the_signer_drops(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	struct client c = client_https(rig, &admin);
	struct reply reply;
	client_ask(&c, "POST", issue_path, CSR_TYPE, rig_csr("DNS:a.test"), &reply);
	reply_free(&reply);
	auto_buf payload = BUF_INIT;
	struct message_name gone = { bytes_of("admin") };
	message_name_write(&gone, &payload);
	rig_tell(rig, MSG_SESSIONS_DROP, buf_bytes(&payload));
	/* The channel keeps its order: once health is answered, the news has been taken. */
	reply = ask_http(rig, "GET", "/ca/roots.pem", "");
	reply_free(&reply);
	client_ask(&c, "GET", "/readyz", "", BYTES_NONE, &reply);
	reply_free(&reply);
	client_ask(&c, "POST", issue_path, CSR_TYPE, rig_csr("DNS:a.test"), &reply);
	CHECK_INT(reply.status, 201);
	CHECK_INT(rig->signer.opened, 2);
	reply_free(&reply);
	client_close(&c);
	credential_free(&admin);
	rig_stop(rig);
}

/* One request with what this client shows; the code that the refusal has. */
static void check_refused(struct rig *rig, const struct credential *shown, const char *headers, int status,
			  const char *code, const char *detail)
{
	auto_buf all = BUF_INIT;
	buf_printf(&all, CSR_TYPE "%s", headers);
	struct reply reply = ask_https(rig, shown, "POST", issue_path, buf_text(&all), rig_csr("DNS:a.test"));
	char member[64];
	(void)snprintf(member, sizeof(member), "\"code\":\"%s\"", code);
	CHECK_INT(reply.status, status);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/problem+json");
	CHECK(strstr(reply_text(&reply), member) != NULL);
	if (!strstr(reply_text(&reply), detail))
		CHECK_TEXT(reply_text(&reply), detail);
	if (status == 401)
		CHECK_TEXT(reply_header(&reply, "WWW-Authenticate"), "Bearer realm=\"chancery\"");
	if (status == 503)
		CHECK_TEXT(reply_header(&reply, "Retry-After"), "2");
	reply_free(&reply);
}

static void refuses_who_is_not_an_enrolled_client(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	struct credential stranger = rig_credential(&rig->issuing, "stranger", "clientAuth", -60, 3600, BYTES_NONE);
	struct credential expired = rig_credential(&rig->issuing, "admin", "clientAuth", -3600, -60, BYTES_NONE);
	struct credential early = rig_credential(&rig->issuing, "admin", "clientAuth", 600, 3600, BYTES_NONE);
	struct credential server = rig_credential(&rig->issuing, "admin", "serverAuth", -60, 3600, BYTES_NONE);
	struct credential other_root = rig_credential(NULL, "elsewhere", NULL, -60, 3600, BYTES_NONE);
	struct credential other = rig_credential(&other_root, "admin", "clientAuth", -60, 3600, BYTES_NONE);
	struct credential false_root = rig_credential(NULL, "root", NULL, -60, 3600, BYTES_NONE);
	struct credential forged = rig_credential(&false_root, "admin", "clientAuth", -60, 3600, BYTES_NONE);
	check_refused(rig, NULL, "", 401, "identity-required", "no client certificate was shown");
	check_refused(rig, &stranger, "", 401, "identity-required", "nobody is enrolled");
	check_refused(rig, &expired, "", 401, "identity-required", "expired at");
	check_refused(rig, &early, "", 401, "identity-required", "valid only from");
	check_refused(rig, &server, "", 401, "identity-required", "not for TLS clients");
	check_refused(rig, &other, "", 401, "identity-required", "not issued by this CA");
	check_refused(rig, &forged, "", 401, "identity-required", "a signature in its chain is wrong");
	check_refused(rig, NULL, "Authorization: Bearer chy_bad\r\n", 401, "identity-required", "nobody is enrolled");
	check_refused(rig, NULL, "Authorization: Basic YTpi\r\n", 401, "identity-required",
		      "does not carry an API token");
	struct credential *all[] = { &stranger, &expired, &early, &server, &other_root, &other, &false_root, &forged };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		credential_free(all[i]);
	rig_stop(rig);
}

static void takes_an_api_token_without_a_certificate(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_https(rig, NULL, "POST", issue_path, CSR_TYPE "Authorization: Bearer chy_good\r\n",
				       rig_csr("DNS:a.test"));
	CHECK_INT(reply.status, 201);
	reply_free(&reply);
	rig_stop(rig);
}

static void answers_what_the_signer_refuses_on_a_kept_alive_connection(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	rig->signer.refuse = ERR_IDENTITY_REVOKED;
	check_refused(rig, &admin, "", 403, "identity-revoked", "refused as the test wants it");
	rig->signer.refuse = ERR_TOKEN_UNAVAILABLE;
	check_refused(rig, &admin, "", 503, "token-unavailable", "");
	rig->signer.refuse = ERR_STORE_FULL;
	check_refused(rig, &admin, "", 503, "store-full", "");
	rig->signer.refuse = ERR_INTERNAL;
	check_refused(rig, &admin, "", 500, "internal", "its log says more under");
	credential_free(&admin);
	rig_stop(rig);
}

static void serves_published_files_while_the_signer_is_away_and_takes_a_fresh_channel(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	rig_end_signer(rig);
	check_refused(rig, &admin, "", 503, "token-unavailable", "");
	struct reply reply = ask_http(rig, "GET", "/ca/roots.pem", "");
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	reply = ask_https(rig, NULL, "GET", "/healthz", "", BYTES_NONE);
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	reply = ask_https(rig, NULL, "GET", "/readyz", "", BYTES_NONE);
	CHECK_INT(reply.status, 503);
	reply_free(&reply);

	rig_new_signer(rig);
	for (int i = 0; i < 200; i++) {
		reply = ask_https(rig, NULL, "GET", "/readyz", "", BYTES_NONE);
		int status = reply.status;
		reply_free(&reply);
		if (status == 200)
			break;
	}
	reply = ask_https(rig, &admin, "POST", issue_path, CSR_TYPE, rig_csr("DNS:a.test"));
	CHECK_INT(reply.status, 201);
	reply_free(&reply);
	credential_free(&admin);
	rig_stop(rig);
}

static void starts_without_a_signer_on_plain_http(void)
{
	struct rig *rig = rig_start_alone(NULL);
	struct reply reply = ask_http(rig, "GET", "/ca/issuing-1.pem", "");
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	rig_new_signer(rig);
	CHECK(rig_await_ready(rig));
	rig_stop(rig);
}

static void short_requests(struct ca_config *config)
{
	config->listen.request_seconds = 1;
}

static void answers_503_where_the_signer_does_not_answer_in_time(void)
{
	struct rig *rig = rig_start(short_requests);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	rig->signer.hold = true;
	check_refused(rig, &admin, "", 503, "busy", "did not answer in time");
	rig->signer.hold = false;
	credential_free(&admin);
	rig_stop(rig);
}

static void stops_after_what_is_in_flight(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = admin_of(rig);
	CHECK(rig_await_ready(rig));
	rig->signer.hold = true;
	struct client c = client_https(rig, &admin);
	struct bytes csr = rig_csr("DNS:a.test");
	auto_buf out = BUF_INIT;
	buf_printf(&out, "POST %s HTTP/1.1\r\nHost: localhost\r\n" CSR_TYPE "Content-Length: %zu\r\n\r\n", issue_path,
		   csr.len);
	buf_add_bytes(&out, csr);
	CHECK(client_send(&c, buf_bytes(&out)));
	CHECK(await_count(&rig->signer.held_id, 1));
	CHECK(kill(rig->front, SIGTERM) == 0);
	for (int i = 0; i < 100 && port_admits(rig->https); i++)
		(void)usleep(5000);
	CHECK(!port_admits(rig->https));
	rig_release(rig);
	struct reply reply;
	client_read(&c, false, &reply);
	CHECK_INT(reply.status, 201);
	CHECK_TEXT(reply_header(&reply, "Connection"), "close");
	reply_free(&reply);
	client_close(&c);
	credential_free(&admin);
	rig_stop(rig);
}

static void checks_its_own_certificate_when_asked(struct rig *rig)
{
	CHECK(kill(rig->front, SIGHUP) == 0);
	/* Two round trips through the main loop's wake: the check has been made. */
	for (int i = 0; i < 2; i++) {
		struct reply reply = ask_https(rig, NULL, "GET", "/readyz", "", BYTES_NONE);
		CHECK_INT(reply.status, 200);
		reply_free(&reply);
		(void)usleep(300000);
	}
}

static void renews_its_own_certificate_at_two_thirds_of_its_life(void)
{
	struct rig *rig = rig_start(NULL);
	CHECK(rig_await_ready(rig));
	struct stat key;
	CHECK(stat(unit_path("front/key.pem"), &key) == 0 && (key.st_mode & 0777) == 0600);
	CHECK_INT(rig->signer.front_certificates, 1);
	checks_its_own_certificate_when_asked(rig); /* half of its life is over: not due */
	CHECK_INT(rig->signer.front_certificates, 1);
	rig_stop(rig);
}

static void replaces_an_old_certificate_while_running(void)
{
	struct rig *rig = rig_start_with_front_age(90);
	CHECK(rig_await_ready(rig));
	struct client before = client_https(rig, NULL);
	rig->signer.front_age_percent = 10;
	CHECK(kill(rig->front, SIGHUP) == 0);
	CHECK(await_count(&rig->signer.front_certificates, 2));
	for (int i = 0; i < 200; i++) {
		struct client after = client_https(rig, NULL);
		X509 *first = SSL_get1_peer_certificate(before.ssl), *second = SSL_get1_peer_certificate(after.ssl);
		bool changed = X509_cmp(first, second) != 0;
		X509_free(first);
		X509_free(second);
		client_close(&after);
		if (changed)
			break;
		CHECK(i < 199);
	}
	struct reply reply;
	client_ask(&before, "GET", "/readyz", "", BYTES_NONE, &reply);
	CHECK_INT(reply.status, 200);
	reply_free(&reply);
	client_close(&before);
	rig_stop(rig);
}

SUITE(front)
{
	TEST(issues_over_https_with_an_enrolled_certificate);
	TEST(opens_one_session_for_a_kept_alive_connection);
	TEST(opens_a_session_anew_that_the_signer_has_forgotten);
	TEST(forgets_sessions_that_the_signer_drops);
	TEST(refuses_who_is_not_an_enrolled_client);
	TEST(takes_an_api_token_without_a_certificate);
	TEST(answers_what_the_signer_refuses_on_a_kept_alive_connection);
	TEST(serves_published_files_while_the_signer_is_away_and_takes_a_fresh_channel);
	TEST(starts_without_a_signer_on_plain_http);
	TEST(answers_503_where_the_signer_does_not_answer_in_time);
	TEST(stops_after_what_is_in_flight);
	TEST(renews_its_own_certificate_at_two_thirds_of_its_life);
	TEST(replaces_an_old_certificate_while_running);
}
