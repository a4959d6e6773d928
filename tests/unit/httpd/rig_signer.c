/* The played signer: a thread that answers the front's questions as the real one would. */
#include "tests/unit/httpd/rig.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ca-core/message.h"
#include "tests/unit/httpd/rig_private.h"

void rig_answer(struct rig *rig, uint16_t type, uint64_t id, const struct buf *payload)
{
	struct error err = ERR_INIT;
	(void)channel_send(rig->signer.channel, type, id, buf_bytes(payload), &err);
}

void rig_refuse(struct rig *rig, uint64_t id, enum err_code code, const char *text)
{
	struct error refused = ERR_INIT;
	auto_buf payload = BUF_INIT;
	(void)err_set(&refused, code, "%s", text);
	message_error_write(&refused, &payload);
	rig_answer(rig, MSG_ERROR, id, &payload);
}

/* ---- sessions ---- */

static void common_name(struct bytes der, char *out, int size)
{
	const unsigned char *at = der.data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
	out[0] = '\0';
	if (certificate)
		(void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, size);
	X509_free(certificate);
}

static void open_session(struct rig *rig, const struct frame *frame)
{
	struct message_session_open question;
	struct error err = ERR_INIT;
	char name[65] = "robot";
	CHECK(message_session_open_read(frame->payload, &question, &err) == 0);
	if (question.proof_type == MESSAGE_PROOF_CERTIFICATE)
		common_name(question.proof, name, sizeof(name));
	else if (!bytes_are(question.proof, "chy_good"))
		name[0] = '\0';
	if (name[0] == '\0' || strcmp(name, "stranger") == 0) {
		rig_refuse(rig, frame->id, ERR_IDENTITY_REQUIRED, "nobody is enrolled with this");
		return;
	}
	rig->signer.opened++;
	auto_buf payload = BUF_INIT;
	struct message_session session = { .session = ++rig->signer.sessions,
					   .identity = bytes_of(name),
					   .roles = rig->signer.roles,
					   .expires_s = INT64_C(4000000000) };
	message_session_write(&session, &payload);
	rig_answer(rig, MSG_SESSION, frame->id, &payload);
}

/* ---- issuing ---- */

static void sign(struct rig *rig, struct bytes spki, const char *name, int age_percent, struct buf *der)
{
	long begun_s = -864L * age_percent;
	struct credential made = rig_credential(&rig->issuing, name, "serverAuth", begun_s, begun_s + 86400, spki);
	unsigned char *bytes = NULL;
	int len = i2d_X509(made.certificate, &bytes);
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
	credential_free(&made);
}

static void reply_issued(struct rig *rig, uint64_t id, struct bytes spki, const char *name, int age_percent)
{
	static const uint8_t serial[] = { 0x01, 0xab, 0xcd };
	auto_buf der = BUF_INIT, payload = BUF_INIT;
	sign(rig, spki, name, age_percent, &der);
	struct message_issued issued = { .issuer = bytes_of("issuing-1"),
					 .serial = BYTES(serial, sizeof(serial)),
					 .certificate = buf_bytes(&der) };
	message_issued_write(&issued, &payload);
	rig_answer(rig, MSG_ISSUED, id, &payload);
}

static void issue(struct rig *rig, const struct frame *frame)
{
	struct message_issue question;
	struct error err = ERR_INIT;
	auto_buf nothing = BUF_INIT;
	CHECK(message_issue_read(frame->payload, &question, &err) == 0);
	if (question.dry_run && rig->signer.dry_run_refuses && bytes_are(question.profile, "client")) {
		rig_refuse(rig, frame->id, ERR_NAME_NOT_ALLOWED, "no grant covers this name");
	} else if (rig->signer.makes_orders) {
		rig_answer_with_order(rig, frame->id, question.dry_run);
	} else if (question.dry_run) {
		rig_answer(rig, MSG_DONE, frame->id, &nothing);
	} else if (rig->signer.hold) {
		buf_clear(&rig->signer.held_spki);
		buf_add_bytes(&rig->signer.held_spki, question.spki);
		rig->signer.held_id = frame->id;
	} else {
		rig->signer.issued++;
		reply_issued(rig, frame->id, question.spki, "issued.test", 1);
	}
}

static void issue_for_front(struct rig *rig, const struct frame *frame)
{
	struct message_front_certificate question;
	struct error err = ERR_INIT;
	CHECK(message_front_certificate_read(frame->payload, &question, &err) == 0);
	rig->signer.front_certificates++;
	reply_issued(rig, frame->id, question.spki, "localhost", rig->signer.front_age_percent);
}

/* ---- the inventory ---- */

static const uint8_t shown_serial[] = { 0x01, 0xab, 0xcd };
static struct message_certificate shown_row(struct bytes der)
{
	struct message_certificate row = { .issuer = bytes_of("issuing-1"),
					   .serial = BYTES(shown_serial, sizeof(shown_serial)),
					   .profile = bytes_of("server-dv"),
					   .requester = bytes_of("admin"),
					   .subject = bytes_of("CN=a.test"),
					   .not_before_s = 1700000000,
					   .not_after_s = 1800000000,
					   .status = 2,
					   .reason = 1,
					   .revoked_ms = 1750000000000,
					   .name_count = 1,
					   .certificate = der };
	row.names[0] = bytes_of("dns:a.test");
	return row;
}

static void list_certificates(struct rig *rig, uint64_t id)
{
	auto_buf row_payload = BUF_INIT, payload = BUF_INIT;
	struct message_certificate row = shown_row(BYTES_NONE);
	message_certificate_write(&row, &row_payload);
	struct message_certificates page = { .count = 1, .next = bytes_of("more") };
	page.rows[0] = buf_bytes(&row_payload);
	message_certificates_write(&page, &payload);
	rig_answer(rig, MSG_CERTIFICATES, id, &payload);
}

static void get_certificate(struct rig *rig, const struct frame *frame)
{
	struct message_certificate_get question;
	struct error err = ERR_INIT;
	CHECK(message_certificate_get_read(frame->payload, &question, &err) == 0);
	if (!bytes_equal(question.serial, BYTES(shown_serial, sizeof(shown_serial)))) {
		rig_refuse(rig, frame->id, ERR_NOT_FOUND, "there is no certificate of this serial");
		return;
	}
	auto_buf payload = BUF_INIT;
	struct message_certificate row = shown_row(bytes_of("DER"));
	message_certificate_write(&row, &payload);
	rig_answer(rig, MSG_CERTIFICATE, frame->id, &payload);
}

static void change_status(struct rig *rig, const struct frame *frame)
{
	struct message_status_change question;
	struct error err = ERR_INIT;
	CHECK(message_status_change_read(frame->payload, &question, &err) == 0);
	auto_buf payload = BUF_INIT;
	struct message_status_changed changed = { .crl_url = bytes_of("http://pki.test/crl/issuing-1.crl"),
						  .crl_from_s = 1790000000,
						  .crl_number = 1790000000000 };
	message_status_changed_write(&changed, &payload);
	rig_answer(rig, MSG_STATUS_CHANGED, frame->id, &payload);
}

static void list_audit(struct rig *rig, uint64_t id)
{
	auto_buf payload = BUF_INIT;
	struct message_audit_entries *page = calloc(1, sizeof(*page));
	page->count = 1;
	page->more = true;
	page->rows[0].sequence = 7;
	page->rows[0].entry = bytes_of("{\"what\":\"issue\"}");
	message_audit_entries_write(page, &payload);
	free(page);
	rig_answer(rig, MSG_AUDIT_ENTRIES, id, &payload);
}

static void tell_health(struct rig *rig, uint64_t id)
{
	auto_buf payload = BUF_INIT;
	struct message_health health = {
		.ready = true, .token_count = 1, .store_state = bytes_of("up"), .certificates = 12, .counter_count = 1
	};
	health.tokens[0].name = bytes_of("issuing");
	health.tokens[0].state = bytes_of("up");
	health.tokens[0].signatures = 5;
	health.counters[0].name = bytes_of("chancery_certificates_issued_total{profile=\"client\"}");
	health.counters[0].value = 3;
	message_health_write(&health, &payload);
	rig_answer(rig, MSG_HEALTH, id, &payload);
}

/* ---- the thread ---- */

static void remember(struct rig *rig, const struct frame *frame)
{
	(void)pthread_mutex_lock(&rig->signer.lock);
	buf_clear(&rig->signer.last);
	buf_add_bytes(&rig->signer.last, frame->payload);
	rig->signer.last_type = frame->type;
	(void)pthread_mutex_unlock(&rig->signer.lock);
}

static void answer_under_session(struct rig *rig, const struct frame *frame)
{
	remember(rig, frame);
	if (atomic_exchange(&rig->signer.forget_sessions, false))
		rig_refuse(rig, frame->id, ERR_CONFLICT, "this session is not open");
	else if (rig->signer.refuse != 0)
		rig_refuse(rig, frame->id, (enum err_code)rig->signer.refuse, "refused as the test wants it");
	else if (frame->type == MSG_ISSUE)
		issue(rig, frame);
	else if (frame->type == MSG_CERTIFICATE_LIST)
		list_certificates(rig, frame->id);
	else if (frame->type == MSG_CERTIFICATE_GET)
		get_certificate(rig, frame);
	else if (frame->type == MSG_STATUS_CHANGE)
		change_status(rig, frame);
	else if (frame->type == MSG_AUDIT_LIST)
		list_audit(rig, frame->id);
	else
		CHECK(rig_answer_about_orders(rig, frame));
}

static void *play(void *arg)
{
	struct rig *rig = arg;
	struct frame frame;
	struct error err = ERR_INIT;
	while (channel_receive(rig->signer.channel, &frame, -1, &err) == 1) {
		if (frame.type == MSG_SESSION_OPEN)
			open_session(rig, &frame);
		else if (frame.type == MSG_SESSION_CLOSE)
			rig->signer.closed++;
		else if (frame.type == MSG_FRONT_CERTIFICATE)
			issue_for_front(rig, &frame);
		else if (frame.type == MSG_HEALTH_GET)
			tell_health(rig, frame.id);
		else
			answer_under_session(rig, &frame);
	}
	return NULL;
}

void rig_play_signer(struct rig *rig, int fd)
{
	struct error err = ERR_INIT;
	rig->signer.channel = channel_new(fd, &err);
	REQUIRE(rig->signer.channel != NULL);
	REQUIRE(pthread_create(&rig->signer.thread, NULL, play, rig) == 0);
}

void rig_end_signer(struct rig *rig)
{
	if (!rig->signer.channel)
		return;
	channel_shutdown(rig->signer.channel);
	(void)pthread_join(rig->signer.thread, NULL);
	channel_free(rig->signer.channel);
	rig->signer.channel = NULL;
}

void rig_release(struct rig *rig)
{
	reply_issued(rig, rig->signer.held_id, buf_bytes(&rig->signer.held_spki), "issued.test", 1);
}

void rig_tell(struct rig *rig, uint16_t type, struct bytes payload)
{
	struct error err = ERR_INIT;
	CHECK(channel_send(rig->signer.channel, type, 0, payload, &err) == 0);
}
