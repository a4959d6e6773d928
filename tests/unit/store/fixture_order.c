#include "tests/unit/store/fixture_order.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ossl.h"

#define NOW_S (FIXTURE_NOW_MS / 1000)

static void fill_name(struct record_order_name *n, const char *name)
{
	*n = (struct record_order_name){
		.name = bytes_of(name),
		.status = AUTHORIZATION_PENDING,
		.methods = METHOD_DNS_TXT | METHOD_MAIL,
		.checked_ms = FIXTURE_NOW_MS + 1000,
		.next_check_ms = FIXTURE_NOW_MS + 61000,
		.tries = 3,
		.error_code = bytes_of("wrong-value"),
		.error = bytes_of("looked for TXT at _chancery-challenge.www.example.test: saw \"other\""),
		.mail_code_hash = { 4, 5, 6 },
		.mail_tries = 2,
		.mail_until_s = NOW_S + 2592000,
		.caa_checked_s = NOW_S + 7,
	};
}

struct record_order *fixture_order(const char *id, enum record_order_status status, struct bytes serial)
{
	static struct record_order r;
	r = (struct record_order){
		.id = bytes_of(id),
		.status = status,
		.profile = bytes_of("server-ov"),
		.requester = bytes_of("ann"),
		.days = 30,
		.nonce = { 1, 2, 3 },
		.created_ms = FIXTURE_NOW_MS,
		.changed_ms = FIXTURE_NOW_MS + 5,
		.expires_s = NOW_S + 2592001,
		.spki = bytes_of("0-spki"),
		.common_name = bytes_of("www.example.test"),
		.csr_hash = { 7, 8, 9 },
		.asked_subject = bytes_of("CN=www.example.test,OU=Web"),
		.not_copied_count = 2,
		.not_copied = { bytes_of("OU"), bytes_of("challengePassword") },
		.contact_count = 1,
		.contacts = { { bytes_of("technical"), bytes_of("ops@example.test") } },
		.organization = bytes_of("org-1"),
		.organization_version = 1,
		.issuer = bytes_of("issuing-1"),
		.copied_from = bytes_of("o0"),
		.due_ms = record_order_is_over(status) ? 0 : FIXTURE_NOW_MS + 60000,
		.name_count = 2,
	};
	fill_name(&r.names[0], "dns:www.example.test");
	fill_name(&r.names[1], "dns:*.example.test");
	r.names[1].status = AUTHORIZATION_VALID;
	r.names[1].methods = METHOD_DNS_CNAME;
	r.names[1].reused = true;
	r.names[1].expires_s = NOW_S + 86400;
	r.names[1].evidence = bytes_of("CNAME seen from 127.0.0.1:5353");
	if (status == ORDER_FAILED) {
		r.failure_code = bytes_of("caa-forbids");
		r.failure = bytes_of("CAA of example.test names other.example");
	}
	if (status == ORDER_ISSUED)
		r.certificate = serial;
	if (serial.len == 0)
		return &r;
	r.tbs = bytes_of("0-tbs");
	r.serial = serial;
	r.approve_before_s = NOW_S + 172800;
	r.approval_count = 1;
	r.approvals[0] = (struct record_approval){ .officer = bytes_of("olga"),
						   .approve = true,
						   .reason = bytes_of("seen in the register"),
						   .time_s = NOW_S + 9 };
	char subject[80];
	(void)snprintf(subject, sizeof(subject), "order %s", id);
	(void)fixture_statement("olga", subject, r.approvals[0].statement);
	return &r;
}

struct record_organization *fixture_organization(const char *id)
{
	static struct record_organization r;
	r = (struct record_organization){
		.id = bytes_of(id),
		.version = 1,
		.legal_name = bytes_of("Example Limited"),
		.registration_number = bytes_of("12345"),
		.jurisdiction_country = bytes_of("DE"),
		.jurisdiction_state = bytes_of("Hessen"),
		.jurisdiction_locality = bytes_of("Kassel"),
		.street = bytes_of("Weg 1"),
		.locality = bytes_of("Fulda"),
		.state = bytes_of("Bayern"),
		.postal_code = bytes_of("36037"),
		.country = bytes_of("AT"),
		.business_category = bytes_of("Private Organization"),
		.standing = STANDING_GOOD,
		.document_count = 1,
		.documents = { { { 1, 1 }, bytes_of("extract"), bytes_of("register"), NOW_S - 1 } },
		.domain_count = 2,
		.domains = { bytes_of("example.test"), bytes_of("example.internal") },
		.agent_count = 1,
		.agents = { bytes_of("ann") },
		.created_ms = FIXTURE_NOW_MS - 2,
		.changed_ms = FIXTURE_NOW_MS - 1,
		.changed_by = bytes_of("oscar"),
		.vetted_by = bytes_of("olga"),
		.vetted_s = NOW_S,
		.valid_until_s = NOW_S + 34387200,
	};
	char subject[80];
	(void)snprintf(subject, sizeof(subject), "organization %s", id);
	(void)fixture_statement("olga", subject, r.vet_statement);
	return &r;
}

struct record_statement *fixture_statement(const char *by, const char *subject, uint8_t key[32])
{
	static struct record_statement r;
	static char text[256], kept_by[65], kept_subject[96];
	(void)snprintf(kept_by, sizeof(kept_by), "%s", by);
	(void)snprintf(kept_subject, sizeof(kept_subject), "%s", subject);
	(void)snprintf(text, sizeof(text), "chancery-statement-v1\nsubject: %s\nby: %s\n", subject, by);
	r = (struct record_statement){
		.text = bytes_of(text),
		.certificate = bytes_of("0-officer"),
		.signature = bytes_of("signature"),
		.by = bytes_of(kept_by),
		.subject = bytes_of(kept_subject),
		.received_ms = FIXTURE_NOW_MS,
	};
	sha256(text, strlen(text), key);
	return &r;
}

static void put(struct store_batch *b, enum store_table table, const struct buf *key, const struct buf *record)
{
	if (!b || key->failed || record->failed)
		abort();
	store_put(b, table, buf_bytes(key), buf_bytes(record));
}

void fixture_add_order(struct store_batch *b, const struct record_order *r)
{
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	buf_add_bytes(&key, r->id);
	record_order_encode(r, &record);
	put(b, STORE_ORDERS, &key, &record);
}

void fixture_add_organization(struct store_batch *b, const struct record_organization *r)
{
	auto_buf key = BUF_INIT;
	auto_buf version = BUF_INIT;
	auto_buf record = BUF_INIT;
	buf_add_bytes(&key, r->id);
	record_key_organization_version(&version, r->id, r->version);
	record_organization_encode(r, &record);
	put(b, STORE_ORGANIZATIONS, &key, &record);
	put(b, STORE_ORGANIZATION_VERSIONS, &version, &record);
}

void fixture_add_statement(struct store_batch *b, const struct record_statement *r)
{
	uint8_t hash[32];
	sha256(r->text.data, r->text.len, hash);
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	buf_add(&key, hash, sizeof(hash));
	record_statement_encode(r, &record);
	put(b, STORE_STATEMENTS, &key, &record);
}

void fixture_add_authorization(struct store_batch *b, const char *owner, const char *name, int64_t expires_s)
{
	const struct record_authorization r = { .owner = bytes_of(owner),
						.name = bytes_of(name),
						.method = METHOD_HTTP,
						.order = bytes_of("o1"),
						.expires_s = expires_s };
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	record_key_authorization(&key, r.owner, r.name);
	record_authorization_encode(&r, &record);
	put(b, STORE_AUTHORIZATIONS, &key, &record);
}

void fixture_add_delivery(struct store_batch *b, uint64_t number, int64_t created_ms, int64_t due_ms)
{
	const struct record_delivery r = {
		.kind = DELIVERY_MAIL, .to = bytes_of("ann@example.test"), .created_ms = created_ms, .due_ms = due_ms
	};
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	buf_u64(&key, (uint64_t)created_ms);
	buf_u64(&key, number);
	record_delivery_encode(&r, &record);
	put(b, STORE_DELIVERIES, &key, &record);
}

void fixture_put_order(struct store *s, const struct record_order *r)
{
	struct error err = ERR_INIT;
	struct store_batch *b = store_batch_new(s);
	fixture_add_order(b, r);
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
}

void fixture_put_story(struct store *s, struct store_serial serials[2])
{
	struct error err = ERR_INIT;
	uint8_t key[32];
	CHECK_OK(store_serial_take(s, &serials[0], &err) == 0 && store_serial_take(s, &serials[1], &err) == 0, &err);
	struct bytes first = BYTES(serials[0].octets, serials[0].len);
	struct record_certificate *certificate = fixture_certificate("issuing-1", first, "dns:www.example.test");
	certificate->order = bytes_of("o1");
	struct store_batch *b = fixture_put(s, certificate);
	fixture_add_statement(b, fixture_statement("olga", "organization org-1", key));
	fixture_add_statement(b, fixture_statement("olga", "order o1", key));
	fixture_add_statement(b, fixture_statement("olga", "order o2", key));
	fixture_add_organization(b, fixture_organization("org-1"));
	fixture_add_order(b, fixture_order("o1", ORDER_ISSUED, first));
	fixture_add_order(b, fixture_order("o2", ORDER_PENDING_APPROVAL, BYTES(serials[1].octets, serials[1].len)));
	fixture_add_authorization(b, "ann", "dns:www.example.test", INT64_MAX);
	fixture_add_delivery(b, 1, FIXTURE_NOW_MS, FIXTURE_NOW_MS + 1);
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
}
