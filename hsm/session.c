/*
 * The pool of sessions that sign. Handles go around in a stack, so that few sessions stay
 * warm. A session is closed only while none is in use: modules crash when one is closed
 * under the feet of others that sign. That moment comes by itself: broken sessions are not
 * lent again, so the latest when all are broken none is in use.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "hsm/private.h"

int hsm_pool_init(struct hsm_pool *pool, CK_FUNCTION_LIST_PTR fn, CK_SLOT_ID slot, size_t max, struct error *err)
{
	*pool = (struct hsm_pool){ .fn = fn, .slot = slot, .max = max, .wanted = max };
	pool->idle = calloc(2 * max, sizeof(*pool->idle));
	pool->broken = calloc(2 * max, sizeof(*pool->broken));
	pool->leases = calloc(2 * max, sizeof(*pool->leases));
	if (!pool->idle || !pool->broken || !pool->leases) {
		free(pool->idle);
		free(pool->broken);
		free(pool->leases);
		*pool = (struct hsm_pool){ 0 };
		return err_set(err, ERR_INTERNAL, "no memory for %zu sessions", max);
	}
	pthread_mutex_init(&pool->lock, NULL);
	wait_cond_init(&pool->freed);
	return 0;
}

/* Under the lock, with nothing lent. */
static void close_broken(struct hsm_pool *pool)
{
	while (pool->broken_count > 0) {
		(void)p11_call(pool->fn, C_CloseSession, pool->broken[--pool->broken_count]);
		pool->open--;
	}
}

void hsm_pool_close(struct hsm_pool *pool)
{
	if (!pool->idle)
		return;
	close_broken(pool);
	while (pool->idle_count > 0)
		(void)p11_call(pool->fn, C_CloseSession, pool->idle[--pool->idle_count]);
	pthread_cond_destroy(&pool->freed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->idle);
	free(pool->broken);
	free(pool->leases);
	*pool = (struct hsm_pool){ 0 };
}

void hsm_pool_forget(struct hsm_pool *pool, CK_SLOT_ID slot)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle_count = pool->broken_count = pool->open = 0;
	pool->slot = slot;
	pool->max = pool->wanted;
	pthread_mutex_unlock(&pool->lock);
}

void hsm_pool_retire(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->idle_count > 0)
		pool->broken[pool->broken_count++] = pool->idle[--pool->idle_count];
	if (pool->lent == 0)
		close_broken(pool);
	pthread_mutex_unlock(&pool->lock);
}

bool hsm_pool_end_all(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	bool unused = pool->lent == 0;
	if (unused) {
		(void)p11_call(pool->fn, C_CloseAllSessions, pool->slot);
		pool->idle_count = pool->broken_count = pool->open = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return unused;
}

/* ---- leases; all under the lock ---- */

static void lease(struct hsm_pool *pool, CK_SESSION_HANDLE session)
{
	pool->leases[pool->lent++] = (struct hsm_lease){ .session = session, .since_ms = clock_monotonic_ms() };
}

static void end_lease(struct hsm_pool *pool, CK_SESSION_HANDLE session)
{
	size_t at = 0;
	while (at + 1 < pool->lent && pool->leases[at].session != session)
		at++;
	pool->lost -= pool->leases[at].lost;
	pool->leases[at] = pool->leases[--pool->lent];
}

int64_t hsm_pool_oldest_ms(struct hsm_pool *pool)
{
	int64_t oldest_ms = INT64_MAX;
	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < pool->lent; i++)
		if (!pool->leases[i].lost && pool->leases[i].since_ms < oldest_ms)
			oldest_ms = pool->leases[i].since_ms;
	pthread_mutex_unlock(&pool->lock);
	return oldest_ms;
}

void hsm_pool_write_off(struct hsm_pool *pool, int64_t before_ms)
{
	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < pool->lent && pool->lost < pool->wanted; i++) {
		struct hsm_lease *l = &pool->leases[i];
		if (l->lost || l->since_ms > before_ms)
			continue;
		l->lost = true;
		pool->lost++;
		log_error("a call into the token does not return: its session and its thread are written off",
			  KV_INT("seconds", (clock_monotonic_ms() - l->since_ms) / 1000));
	}
	pthread_cond_broadcast(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}

size_t hsm_pool_lost(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	size_t lost = pool->lost;
	pthread_mutex_unlock(&pool->lock);
	return lost;
}

int64_t hsm_pool_first_ms(struct hsm_pool *pool)
{
	int64_t first_ms = INT64_MAX;
	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < pool->lent; i++)
		if (pool->leases[i].since_ms < first_ms)
			first_ms = pool->leases[i].since_ms;
	pthread_mutex_unlock(&pool->lock);
	return first_ms;
}

size_t hsm_pool_lent(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	size_t lent = pool->lent;
	pthread_mutex_unlock(&pool->lock);
	return lent;
}

bool hsm_pool_is_empty(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	bool empty = pool->open == 0;
	pthread_mutex_unlock(&pool->lock);
	return empty;
}

/* ---- taking and giving ---- */

/* Under the lock, which is let go while the token opens a session. CKR_OK with a session, or
 * CKR_SESSION_COUNT where the token has no more but the pool has some: wait for one. */
static CK_RV open_another(struct hsm_pool *pool, CK_SESSION_HANDLE *session)
{
	CK_SESSION_HANDLE opened = CK_INVALID_HANDLE;
	pool->open++;
	lease(pool, CK_INVALID_HANDLE);
	pthread_mutex_unlock(&pool->lock);
	CK_RV rv = p11_call(pool->fn, C_OpenSession, pool->slot, CKF_SERIAL_SESSION, NULL, NULL, &opened);
	pthread_mutex_lock(&pool->lock);
	end_lease(pool, CK_INVALID_HANDLE);
	if (rv == CKR_OK) {
		lease(pool, opened);
		*session = opened;
		return CKR_OK;
	}
	pool->open--;
	if (rv == CKR_SESSION_COUNT && pool->open > 0) {
		log_warn("token has fewer sessions than configured", KV_INT("sessions", pool->open));
		pool->max = pool->open;
		pool->limited_ms = clock_monotonic_ms();
		return rv;
	}
	/* A waiter may open the session that this thread could not. */
	pthread_cond_signal(&pool->freed);
	return rv;
}

/* Others may have given sessions back to the token since it had none left. */
static void forget_limit(struct hsm_pool *pool)
{
	if (pool->max < pool->wanted && clock_monotonic_ms() - pool->limited_ms >= HSM_POOL_LIMIT_MS)
		pool->max = pool->wanted;
}

static CK_RV take_locked(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err)
{
	struct timespec deadline = wait_until(clock_monotonic_ms() + HSM_POOL_WAIT_MS);
	for (;;) {
		if (pool->idle_count > 0) {
			*session = pool->idle[--pool->idle_count];
			lease(pool, *session);
			return CKR_OK;
		}
		if (pool->lent == 0)
			close_broken(pool);
		forget_limit(pool);
		if (pool->open - pool->lost < pool->max && pool->lent < 2 * pool->wanted) {
			CK_RV rv = open_another(pool, session);
			if (rv == CKR_OK)
				return rv;
			if (rv == CKR_SESSION_COUNT && pool->open > 0)
				continue;
			(void)hsm_ckr_error(err, "C_OpenSession", rv);
			return rv;
		}
		if (pthread_cond_timedwait(&pool->freed, &pool->lock, &deadline) == ETIMEDOUT) {
			(void)err_set(err, ERR_TOKEN_UNAVAILABLE, "all %zu sessions of the token were in use for %d ms",
				      pool->max, HSM_POOL_WAIT_MS);
			return CKR_SESSION_COUNT;
		}
	}
}

CK_RV hsm_pool_take(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err)
{
	pthread_mutex_lock(&pool->lock);
	CK_RV rv = take_locked(pool, session, err);
	pthread_mutex_unlock(&pool->lock);
	return rv;
}

void hsm_pool_give(struct hsm_pool *pool, CK_SESSION_HANDLE session, bool broken)
{
	pthread_mutex_lock(&pool->lock);
	end_lease(pool, session);
	if (broken)
		pool->broken[pool->broken_count++] = session;
	else
		pool->idle[pool->idle_count++] = session;
	if (pool->lent == 0)
		close_broken(pool);
	pthread_cond_signal(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- keeping idle sessions alive ---- */

CK_RV hsm_session_touch(CK_FUNCTION_LIST_PTR fn, CK_SESSION_HANDLE session)
{
	CK_BYTE octet;
	CK_SESSION_INFO info;
	/* It reaches the device, and makes nothing. */
	CK_RV rv = p11_call(fn, C_GenerateRandom, session, &octet, sizeof(octet));
	return hsm_ckr_class(rv) == HSM_CKR_ARGUMENT ? p11_call(fn, C_GetSessionInfo, session, &info) : rv;
}

CK_RV hsm_pool_touch(struct hsm_pool *pool)
{
	CK_RV worst = CKR_OK;
	pthread_mutex_lock(&pool->lock);
	size_t count = pool->idle_count;
	/* From the bottom of the stack, where those lie that nobody uses. */
	for (size_t i = 0; i < count && pool->idle_count > 0; i++) {
		CK_SESSION_HANDLE session = pool->idle[0];
		memmove(pool->idle, pool->idle + 1, --pool->idle_count * sizeof(*pool->idle));
		lease(pool, session);
		pthread_mutex_unlock(&pool->lock);
		CK_RV rv = hsm_session_touch(pool->fn, session);
		hsm_pool_give(pool, session, rv != CKR_OK);
		worst = rv == CKR_OK ? worst : rv;
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return worst;
}
