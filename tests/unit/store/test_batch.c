#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "tests/unit/store/fixture.h"

static const char key_text[] = "a";

static struct store_batch *put_meta(struct store *s, const char *key, const char *value)
{
	struct store_batch *b = store_batch_new(s);
	REQUIRE(b != NULL);
	store_put(b, STORE_META, bytes_of(key), bytes_of(value));
	return b;
}

static uint64_t version_of(struct store *s, const char *key)
{
	struct error err = ERR_INIT;
	struct bytes value;
	uint64_t version = 0;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	CHECK_OK(store_get(snap, STORE_META, bytes_of(key), &value, &version, &err) >= 0, &err);
	return version;
}

static void a_records_version_grows_with_each_put(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	CHECK_INT(version_of(s, key_text), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK_OK(store_submit_wait(s, put_meta(s, key_text, "v"), NULL, &err) == 0, &err);
		CHECK_INT(version_of(s, key_text), i);
	}
	store_close(s);
}

static void what_exists_is_not_absent(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_outcome outcome;
	for (int i = 0; i < 2; i++) {
		struct store_batch *b = put_meta(s, key_text, i ? "second" : "first");
		store_expect_absent(b, STORE_META, bytes_of("never"));
		store_expect_absent(b, STORE_META, bytes_of(key_text));
		int rc = store_submit_wait(s, b, &outcome, &err);
		if (i == 0) {
			CHECK_OK(rc == 0, &err);
			continue;
		}
		CHECK_FAILS(rc == -1, &err, ERR_CONFLICT);
		CHECK_INT(outcome.result, STORE_EXPECTATION);
		CHECK_INT(outcome.failed, 1);
	}
	CHECK_INT(version_of(s, key_text), 1);
	store_close(s);
}

static void a_decision_on_an_old_version_changes_nothing(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	CHECK_OK(store_submit_wait(s, put_meta(s, key_text, "1"), NULL, &err) == 0, &err);
	struct store_batch *b = put_meta(s, key_text, "2");
	store_expect_version(b, STORE_META, bytes_of(key_text), 1);
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);

	b = put_meta(s, key_text, "3");
	store_put(b, STORE_META, bytes_of("other"), bytes_of("x"));
	store_append(b, "audit", bytes_of("entry"));
	store_expect_version(b, STORE_META, bytes_of(key_text), 1);
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_CONFLICT);
	CHECK_INT(version_of(s, key_text), 2);
	CHECK_INT(version_of(s, "other"), 0);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct store_head head;
	CHECK_OK(store_chain_head(snap, "audit", &head, &err) == 0, &err);
	CHECK_INT(head.sequence, 0);
	store_snapshot_free(TAKE(snap));
	store_close(s);
}

struct group {
	sem_t answers;
	pthread_mutex_t order;
	size_t committed, refused;
};

static void count_answer(void *arg, const struct store_outcome *outcome)
{
	struct group *g = arg;
	(void)pthread_mutex_lock(&g->order);
	g->committed += outcome->result == STORE_COMMITTED;
	g->refused += outcome->result == STORE_EXPECTATION;
	(void)pthread_mutex_unlock(&g->order);
	(void)sem_post(&g->answers);
}

/* Every third of 200 batches in flight is wrong; the rest must not suffer. */
static void batches_of_one_group_fail_alone(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct group g = { .order = PTHREAD_MUTEX_INITIALIZER };
	(void)sem_init(&g.answers, 0, 0);
	for (uint32_t i = 0; i < 200; i++) {
		uint8_t key[4] = { 'k', (uint8_t)(i >> 8), (uint8_t)i, 1 };
		struct store_batch *b = store_batch_new(s);
		store_put(b, STORE_META, BYTES(key, 4), bytes_of("v"));
		store_append(b, "audit", bytes_of("entry"));
		if (i % 3 == 0)
			store_expect_version(b, STORE_META, BYTES(key, 4), 7);
		CHECK_OK(store_submit(s, b, count_answer, &g, &err) == 0, &err);
	}
	for (int i = 0; i < 200; i++)
		(void)sem_wait(&g.answers);
	CHECK_INT(g.committed, 133);
	CHECK_INT(g.refused, 67);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct store_head head;
	uint64_t count = 0;
	CHECK_OK(store_chain_head(snap, "audit", &head, &err) == 0, &err);
	CHECK_OK(store_count(snap, STORE_META, &count, &err) == 0, &err);
	CHECK_INT(head.sequence, 133);
	CHECK_INT(count, 133);
	store_snapshot_free(TAKE(snap));
	struct store_status status;
	store_status(s, &status);
	CHECK_INT(status.batches, 200);
	CHECK(status.commits < 200);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

static void an_expectation_sees_the_batches_queued_before(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct group g = { .order = PTHREAD_MUTEX_INITIALIZER };
	(void)sem_init(&g.answers, 0, 0);
	for (int i = 0; i < 50; i++) {
		struct store_batch *b = put_meta(s, key_text, "v");
		store_expect_absent(b, STORE_META, bytes_of(key_text));
		CHECK_OK(store_submit(s, b, count_answer, &g, &err) == 0, &err);
	}
	for (int i = 0; i < 50; i++)
		(void)sem_wait(&g.answers);
	CHECK_INT(g.committed, 1);
	CHECK_INT(g.refused, 49);
	store_close(s);
}

static void refuses_a_record_that_could_not_be_read_back(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_CERTIFICATES, BYTES("issuing-1\0x", 11), bytes_of("no record"));
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_INTERNAL);

	b = store_batch_new(s);
	uint8_t key[STORE_KEY_MAX + 1] = { 1 };
	store_put(b, STORE_META, BYTES(key, sizeof(key)), bytes_of("x"));
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_INTERNAL);

	b = store_batch_new(s);
	store_append(b, "a chain whose name is longer than 32", bytes_of("x"));
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_INTERNAL);
	store_close(s);
}

static void refuses_a_record_under_the_key_of_another(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	auto_buf record = BUF_INIT;
	record_certificate_encode(fixture_certificate("issuing-1", bytes_of("\1\2"), "dns:a.test"), &record);
	struct store_batch *b = store_batch_new(s);
	store_put(b, STORE_CERTIFICATES, BYTES("issuing-1\0\1\3", 12), buf_bytes(&record));
	CHECK_FAILS(store_submit_wait(s, b, NULL, &err) == -1, &err, ERR_INTERNAL);
	store_close(s);
}

static void index_entries_follow_their_record(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct bytes serial = bytes_of("\1\2\3"), issuer = BYTES("issuing-1\0", 10);
	struct record_certificate *r = fixture_certificate("issuing-1", serial, "dns:www.example.test");
	CHECK_OK(store_submit_wait(s, fixture_put(s, r), NULL, &err) == 0, &err);
	CHECK_INT(fixture_count(s, STORE_BY_NAME, bytes_of("dns:test.example.")), 1);
	CHECK_INT(fixture_count(s, STORE_BY_REVOCATION, issuer), 0);

	r->status = RECORD_REVOKED;
	r->reason = REASON_SUPERSEDED;
	r->revoked_ms = FIXTURE_NOW_MS + 1;
	r->names[0] = bytes_of("dns:mail.example.test");
	CHECK_OK(store_submit_wait(s, fixture_put(s, r), NULL, &err) == 0, &err);
	CHECK_INT(fixture_count(s, STORE_BY_REVOCATION, issuer), 1);
	CHECK_INT(fixture_count(s, STORE_BY_NAME, bytes_of("dns:test.example.www")), 0);
	CHECK_INT(fixture_count(s, STORE_BY_NAME, bytes_of("dns:test.example.mail")), 1);
	CHECK_INT(fixture_count(s, STORE_BY_SPKI, BYTES(r->spki_hash, 32)), 1);
	CHECK_INT(fixture_check(s, NULL), 0);

	struct store_batch *b = store_batch_new(s);
	store_delete(b, STORE_CERTIFICATES, BYTES("issuing-1\0\1\2\3", 13));
	store_delete(b, STORE_CERTIFICATES, BYTES("issuing-1\0\1\2\4", 13)); /* not there: no harm */
	CHECK_OK(store_submit_wait(s, b, NULL, &err) == 0, &err);
	for (int i = 0; i < STORE_INDEX_COUNT; i++)
		CHECK_INT(fixture_count(s, (enum store_index)i, BYTES_NONE), 0);
	store_close(s);
}

static void an_appended_entry_is_chained_to_the_one_before(void)
{
	struct error err = ERR_INIT;
	struct store *s = fixture_open("s");
	struct store_outcome outcome;
	struct store_batch *b = store_batch_new(s);
	store_append(b, "audit", bytes_of("one"));
	store_append(b, "other", bytes_of("elsewhere"));
	store_append(b, "audit", bytes_of("two"));
	CHECK_OK(store_submit_wait(s, b, &outcome, &err) == 0, &err);
	CHECK_INT(outcome.sequence, 2);
	/* SHA-256(SHA-256(32 zero octets, "one"), "two"), computed elsewhere */
	CHECK_BYTES(BYTES(outcome.hash, 32),
		    unit_hex("b9f0cc527d38ea48d83c4c438121181ab01d99e83415306be2ac88792c40a8f3"));
	store_close(s);

	s = fixture_open("s"); /* and goes on after a restart */
	b = store_batch_new(s);
	store_append(b, "audit", bytes_of("three"));
	CHECK_OK(store_submit_wait(s, b, &outcome, &err) == 0, &err);
	CHECK_INT(outcome.sequence, 3);
	CHECK_INT(fixture_check(s, NULL), 0);
	store_close(s);
}

struct relay {
	struct store *store;
	sem_t ended;
	int left;
};

static void submit_next(void *arg, const struct store_outcome *outcome)
{
	struct relay *r = arg;
	struct error err = ERR_INIT;
	if (outcome->result != STORE_COMMITTED || r->left-- == 0) {
		(void)sem_post(&r->ended);
		return;
	}
	struct store_batch *b = store_batch_new(r->store);
	store_put(b, STORE_META, bytes_of("relay"), bytes_of("x"));
	if (store_submit(r->store, b, submit_next, r, &err))
		(void)sem_post(&r->ended);
}

static void a_callback_may_submit_further_batches(void)
{
	struct store *s = fixture_open("s");
	struct relay r = { .store = s, .left = 10 };
	(void)sem_init(&r.ended, 0, 0);
	submit_next(&r, &(struct store_outcome){ .result = STORE_COMMITTED });
	(void)sem_wait(&r.ended);
	CHECK_INT(version_of(s, "relay"), 10);
	store_close(s);
}

SUITE(batch)
{
	TEST(a_records_version_grows_with_each_put);
	TEST(what_exists_is_not_absent);
	TEST(a_decision_on_an_old_version_changes_nothing);
	TEST(batches_of_one_group_fail_alone);
	TEST(an_expectation_sees_the_batches_queued_before);
	TEST(refuses_a_record_that_could_not_be_read_back);
	TEST(refuses_a_record_under_the_key_of_another);
	TEST(index_entries_follow_their_record);
	TEST(an_appended_entry_is_chained_to_the_one_before);
	TEST(a_callback_may_submit_further_batches);
}
