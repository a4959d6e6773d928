#include "base/clock.h"
#include "tests/unit/hsm/fixture.h"

static atomic_int opened, closed;
static int sessions_left;

static CK_RV open_limited(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR session)
{
	if (sessions_left-- <= 0)
		return CKR_SESSION_COUNT;
	opened++;
	return bent.real->C_OpenSession(slot, flags, application, notify, session);
}

static CK_RV close_counted(CK_SESSION_HANDLE session)
{
	closed++;
	return bent.real->C_CloseSession(session);
}

static struct fixture open_bent(int limit)
{
	struct fixture f = fixture_open();
	fixture_bend(f.module, f.token);
	bent.list.C_OpenSession = open_limited;
	bent.list.C_CloseSession = close_counted;
	sessions_left = limit;
	opened = closed = 0;
	return f;
}

static void lends_the_session_that_was_used_last(void)
{
	struct error err = ERR_INIT;
	struct fixture f = open_bent(100);
	CK_SESSION_HANDLE session;
	for (int i = 0; i < 50; i++) {
		CHECK_OK(hsm_pool_take(&f.token->pool, &session, &err) == CKR_OK, &err);
		hsm_pool_give(&f.token->pool, session, false);
	}
	CHECK_INT(opened, 1);
	fixture_close(&f);
}

static void closes_broken_sessions_only_when_none_is_in_use(void)
{
	struct error err = ERR_INIT;
	struct fixture f = open_bent(100);
	struct hsm_pool *pool = &f.token->pool;
	CK_SESSION_HANDLE first, second;
	CHECK_OK(hsm_pool_take(pool, &first, &err) == CKR_OK, &err);
	CHECK_OK(hsm_pool_take(pool, &second, &err) == CKR_OK, &err);
	hsm_pool_give(pool, first, true);
	CHECK_INT(closed, 0);
	hsm_pool_give(pool, second, false);
	CHECK_INT(closed, 1);
	CHECK_INT(pool->open, 1);
	fixture_close(&f);
}

static void makes_do_with_the_sessions_that_the_token_has(void)
{
	struct error err = ERR_INIT;
	struct fixture f = open_bent(1);
	struct hsm_pool *pool = &f.token->pool;
	CK_SESSION_HANDLE session, none;
	CHECK_OK(hsm_pool_take(pool, &session, &err) == CKR_OK, &err);
	int64_t begun = clock_monotonic_ms();
	CHECK_FAILS(hsm_pool_take(pool, &none, &err) != CKR_OK, &err, ERR_TOKEN_UNAVAILABLE);
	int64_t waited = clock_monotonic_ms() - begun;
	CHECK(waited >= HSM_POOL_WAIT_MS && waited < HSM_POOL_WAIT_MS + 1000);
	CHECK_INT(pool->max, 1);
	hsm_pool_give(pool, session, false);
	CHECK_OK(hsm_pool_take(pool, &session, &err) == CKR_OK, &err);
	hsm_pool_give(pool, session, false);
	fixture_close(&f);
}

static void fails_at_once_when_there_is_no_session_at_all(void)
{
	struct error err = ERR_INIT;
	struct fixture f = open_bent(0);
	CK_SESSION_HANDLE none;
	int64_t begun = clock_monotonic_ms();
	CHECK_FAILS(hsm_pool_take(&f.token->pool, &none, &err) != CKR_OK, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK(clock_monotonic_ms() - begun < HSM_POOL_WAIT_MS);
	CHECK_INT(f.token->pool.open, 0);
	fixture_close(&f);
}

SUITE(session)
{
	TEST(lends_the_session_that_was_used_last);
	TEST(closes_broken_sessions_only_when_none_is_in_use);
	TEST(makes_do_with_the_sessions_that_the_token_has);
	TEST(fails_at_once_when_there_is_no_session_at_all);
}
