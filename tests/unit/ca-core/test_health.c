#include "ca-core/health.h"

#include <stdio.h>

#include "tests/unit/ca-core/fixture.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* What the signer says of itself; the texts live in payload. */
static void ask(struct fixture *f, struct message_health *health, struct buf *payload)
{
	struct error err = ERR_INIT;
	const struct ca_health_extra extra = { .queue_length = 3, .in_flight = 2 };
	buf_clear(payload);
	CHECK_OK(ca_health(f->ca, &extra, payload, &err) == 0, &err);
	CHECK_OK(message_health_read(buf_bytes(payload), health, &err) == 0, &err);
}

static bool contains(struct bytes text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static bool warns(const struct message_health *health, const char *part)
{
	for (uint32_t i = 0; i < health->warning_count; i++)
		if (contains(health->warnings[i], part))
			return true;
	return false;
}

/* -1 where there is no such counter. */
static int64_t counter(const struct message_health *health, const char *name)
{
	for (uint32_t i = 0; i < health->counter_count; i++)
		if (bytes_are(health->counters[i].name, name))
			return (int64_t)health->counters[i].value;
	return -1;
}

static void a_fresh_ca_is_ready_and_warns_of_nothing(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	ask(&f, &health, &payload);
	CHECK(health.ready);
	CHECK_INT(health.warning_count, 0);
	CHECK_BYTES(health.store_state, bytes_of("ok"));
	/* The root's token is not logged in to by intent: nothing to warn of. */
	CHECK_INT(health.token_count, 2);
	for (uint32_t i = 0; i < health.token_count; i++)
		CHECK(bytes_are(health.tokens[i].state, bytes_are(health.tokens[i].name, "root") ? "offline" : "up"));
	CHECK_INT(counter(&health, "chancery_signer_queue_length"), 3);
	CHECK_INT(counter(&health, "chancery_signer_in_flight"), 2);
}

static void what_was_issued_is_counted_by_profile(void)
{
	auto_fixture f = { .now_ms = 0 };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	const struct ca_actor alice = fixture_actor("alice", ROLE_REQUESTER);
	(void)fixture_issue(&f, &alice, "www.alice.test", NULL);
	ask(&f, &health, &payload);
	CHECK_INT(counter(&health, "chancery_certificates_issued_total{profile=\"server-dv\"}"), 1);
	CHECK_INT(counter(&health, "chancery_certificates_issued_total{profile=\"client\"}"), 0);
	CHECK_INT(counter(&health, "chancery_certificates_issued_total{profile=\"front\"}"), -1);
}

/* Nobody makes lists here: what the keeper would have prevented is seen. */
static void says_until_when_each_list_is_good_and_warns_before_its_end(void)
{
	auto_fixture f = { .now_ms = 1795262400000 };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	const int64_t begin_ms = f.now_ms, begin_s = begin_ms / 1000;
	ask(&f, &health, &payload);
	CHECK_INT(counter(&health, "chancery_crl_next_update_seconds{issuer=\"issuing-1\"}"), begin_s + 86400);
	CHECK_INT(counter(&health, "chancery_crl_next_update_seconds{issuer=\"root-1\"}"),
		  begin_s + (int64_t)8760 * 3600);
	f.now_ms = begin_ms + 19 * HOUR_MS; /* due since three hours, of eight */
	ask(&f, &health, &payload);
	CHECK_INT(health.warning_count, 0);
	f.now_ms = begin_ms + 21 * HOUR_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "issuing-1 is overdue, and good until 2026-11-22T12:00:00Z"));
	CHECK(health.ready);
	f.now_ms = begin_ms + 25 * HOUR_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "issuing-1 has ended"));
	CHECK(!warns(&health, "root-1"));
	f.now_ms = begin_ms + 336 * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "root-1 is good until 2027-11-21T12:00:00Z"));
	f.now_ms = begin_ms + 366 * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "root-1 has ended"));
}

static void warns_a_year_before_an_issuer_ends(void)
{
	auto_fixture f = { .now_ms = 1795262400000 };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	const int64_t begin_ms = f.now_ms;
	f.now_ms = begin_ms + (1825 - 367) * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(!warns(&health, "certificate of issuer issuing-1"));
	f.now_ms = begin_ms + (1825 - 364) * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "the certificate of issuer issuing-1 ends at 2031-11-20"));
	f.now_ms = begin_ms + 1826 * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "the certificate of issuer issuing-1 has ended"));
}

/* Nobody can carry a list of ten days for a month. */
static void a_short_list_of_the_root_is_spoken_of_in_its_last_quarter(void)
{
	static const struct fixture_change short_list[] = { { "crl-hours = 8760", "crl-hours = 240" }, { NULL, NULL } };
	auto_fixture f = { .now_ms = 1795262400000, .changes = short_list };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	const int64_t begin_ms = f.now_ms;
	f.now_ms = begin_ms + 7 * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(!warns(&health, "list of issuer root-1"));
	f.now_ms = begin_ms + 8 * DAY_MS;
	ask(&f, &health, &payload);
	CHECK(warns(&health, "root-1 is good until 2026-12-01T12:00:00Z: sign a new one with its token"));
}

static void an_issuer_that_is_to_follow_is_awaited(void)
{
	auto_fixture f = { .more = "issuer \"root-2\" {\n}\n"
				   "issuer \"issuing-2\" {\n\ttoken = \"issuing\"\n"
				   "\tkey = \"pkcs11:object=issuing-2\"\n\tparent = \"root-2\"\n"
				   "\tfollows = \"issuing-1\"\n}\n" };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	ask(&f, &health, &payload);
	CHECK(health.ready);
	CHECK(warns(&health, "issuer issuing-2 waits for its certificate, to follow issuing-1"));
	CHECK(warns(&health, "issuer root-2 has no certificate"));
	CHECK(counter(&health, "chancery_issuer_not_after_seconds{issuer=\"issuing-1\"}") > 0);
	CHECK_INT(counter(&health, "chancery_issuer_not_after_seconds{issuer=\"issuing-2\"}"), -1);
}

static void a_clock_that_went_back_is_not_ready(void)
{
	auto_fixture f = { .now_ms = 1795262400000 };
	struct message_health health;
	auto_buf payload = BUF_INIT;
	fixture_open(&f);
	f.now_ms -= DAY_MS;
	ask(&f, &health, &payload);
	CHECK(!health.ready);
	CHECK(warns(&health, "clock"));
}

SUITE(health)
{
	TEST(a_fresh_ca_is_ready_and_warns_of_nothing);
	TEST(what_was_issued_is_counted_by_profile);
	TEST(says_until_when_each_list_is_good_and_warns_before_its_end);
	TEST(warns_a_year_before_an_issuer_ends);
	TEST(a_short_list_of_the_root_is_spoken_of_in_its_last_quarter);
	TEST(an_issuer_that_is_to_follow_is_awaited);
	TEST(a_clock_that_went_back_is_not_ready);
}
