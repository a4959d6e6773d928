#include "ca-core/inventory.h"

#include "tests/unit/ca-core/fixture.h"

static struct message_certificates *list(struct fixture *f, const struct ca_actor *actor,
					 const struct message_certificate_list *request, struct buf *text)
{
	struct error err = ERR_INIT;
	struct message_certificates *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	buf_clear(text);
	CHECK_OK(ca_inventory_list(f->store, actor, request, &f->ca->clock, text, &err) == 0, &err);
	CHECK_OK(message_certificates_read(buf_bytes(text), m, &err) == 0, &err);
	return m;
}

static size_t count(struct fixture *f, const struct ca_actor *actor, const struct message_certificate_list *request)
{
	auto_buf text = BUF_INIT;
	auto_free struct message_certificates *m = list(f, actor, request, &text);
	CHECK_INT(m->next.len, 0);
	return m->count;
}

static void a_requester_sees_its_own_and_officers_see_all(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER),
			      bob = fixture_actor("bob", ROLE_REQUESTER), officer = fixture_actor("olga", ROLE_OFFICER),
			      admin = fixture_actor("adm", ROLE_ADMIN);
	struct store_serial serial = fixture_issue(&f, &alice, "www.alice.test", NULL);
	(void)fixture_issue(&f, &bob, "bob.alice.test", NULL);
	const struct message_certificate_list all = { .limit = 100 };
	CHECK_INT(count(&f, &alice, &all), 1);
	CHECK_INT(count(&f, &bob, &all), 1);
	CHECK_INT(count(&f, &officer, &all), 5);
	CHECK_INT(count(&f, &admin, &all), 0);
	struct bytes octets = BYTES(serial.octets, serial.len);
	CHECK_OK(ca_inventory_get(f.store, f.config, &alice, octets, &text, &err) == 0, &err);
	CHECK_FAILS(ca_inventory_get(f.store, f.config, &bob, octets, &text, &err) == -1, &err, ERR_NOT_FOUND);
	struct ca_actor token = alice;
	token.may_read = false;
	CHECK_FAILS(ca_inventory_get(f.store, f.config, &token, octets, &text, &err) == -1, &err, ERR_NOT_FOUND);
}

static void filters_combine(void)
{
	auto_fixture f = { .now_ms = 0 };
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER),
			      auditor = fixture_actor("a", ROLE_AUDITOR);
	(void)fixture_issue(&f, &alice, "www.alice.test", NULL);
	(void)fixture_issue(&f, &alice, "www.a.alice.test", NULL);
	struct message_certificate_list m = { .limit = 100, .name = bytes_of("www.alice.test") };
	CHECK_INT(count(&f, &auditor, &m), 1);
	m.name = bytes_of(".alice.test");
	CHECK_INT(count(&f, &auditor, &m), 2);
	m.profile = bytes_of("client");
	CHECK_INT(count(&f, &auditor, &m), 0);
	m.profile = bytes_of("server-dv");
	m.issuer = bytes_of("issuing-1");
	m.status = RECORD_VALID;
	CHECK_INT(count(&f, &auditor, &m), 2);
	m.status = RECORD_REVOKED;
	CHECK_INT(count(&f, &auditor, &m), 0);
	m = (struct message_certificate_list){ .limit = 100,
					       .expiring_before_s = ca_now_ms(f.ca) / 1000 + (int64_t)91 * 24 * 3600 };
	CHECK_INT(count(&f, &auditor, &m), 2);
}

static void pages_cover_everything_once(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf text = BUF_INIT, cursor = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	for (int i = 0; i < 7; i++)
		(void)fixture_issue(&f, &alice, "www.alice.test", NULL);
	static const char *const names[] = { "", "www.alice.test" };
	for (size_t n = 0; n < 2; n++) {
		size_t seen = 0, pages = 0;
		buf_clear(&cursor);
		do {
			const struct message_certificate_list m = { .limit = 3,
								    .cursor = buf_bytes(&cursor),
								    .name = bytes_of(names[n]) };
			auto_free struct message_certificates *page = list(&f, &alice, &m, &text);
			seen += page->count;
			buf_clear(&cursor);
			buf_add_bytes(&cursor, page->next);
		} while (cursor.len && ++pages < 10);
		CHECK_INT(seen, 7);
	}
}

static void a_cursor_that_is_not_ours_is_refused(void)
{
	auto_fixture f = { .now_ms = 0 };
	auto_buf text = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	static const char *const cursors[] = { "00", "zz", "0500000001aa00000001bb", "ff" };
	for (size_t i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
		struct error err = ERR_INIT;
		const struct message_certificate_list m = { .limit = 3, .cursor = bytes_of(cursors[i]) };
		CHECK_FAILS(ca_inventory_list(f.store, &alice, &m, &f.ca->clock, &text, &err) == -1, &err,
			    ERR_BAD_REQUEST);
	}
}

SUITE(inventory)
{
	TEST(a_requester_sees_its_own_and_officers_see_all);
	TEST(filters_combine);
	TEST(pages_cover_everything_once);
	TEST(a_cursor_that_is_not_ours_is_refused);
}
