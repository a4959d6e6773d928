/* The whole front: published files, health, issuing, sessions, stop. */
#include <openssl/pem.h>
#include <stdio.h>

#include "ca-core/message.h"
#include "tests/unit/httpd/rig.h"

static void issues_over_https_with_an_enrolled_certificate(void)
{
	struct rig *rig = rig_start(NULL);
	struct credential admin = rig_credential(&rig->issuing, "admin", "clientAuth", -60, 3600, BYTES_NONE);
	CHECK(rig_await_ready(rig));
	struct reply reply = ask_https(rig, &admin, "POST", "/api/v1/certificates?profile=server-dv&days=7", CSR_TYPE,
				       rig_csr("DNS:a.test,IP:192.0.2.1"));
	CHECK_INT(reply.status, 201);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "application/pem-certificate-chain");
	CHECK_TEXT(reply_header(&reply, "Location"), "/api/v1/certificates/01abcd");
	const char *second = strstr(reply_text(&reply) + 1, "-----BEGIN CERTIFICATE-----");
	CHECK(second != NULL && strstr(second + 1, "-----BEGIN") == NULL);
	struct message_issue asked;
	struct error err = ERR_INIT;
	CHECK(message_issue_read(buf_bytes(&rig->signer.last), &asked, &err) == 0);
	CHECK_BYTES(asked.profile, bytes_of("server-dv"));
	CHECK_INT(asked.days, 7);
	CHECK_INT(asked.name_count, 2);
	CHECK_BYTES(asked.names[0], bytes_of("dns:a.test"));
	reply_free(&reply);
	credential_free(&admin);
	rig_stop(rig);
}

SUITE(front)
{
	TEST(issues_over_https_with_an_enrolled_certificate);
}
