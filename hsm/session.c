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
	*pool = (struct hsm_pool){ .fn = fn, .slot = slot, .max = max };
	pool->idle = calloc(max, sizeof(*pool->idle));
	pool->broken = calloc(max, sizeof(*pool->broken));
	if (!pool->idle || !pool->broken) {
		free(pool->idle);
		free(pool->broken);
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
	*pool = (struct hsm_pool){ 0 };
}

void hsm_pool_forget(struct hsm_pool *pool, CK_SLOT_ID slot)
{
	pthread_mutex_lock(&pool->lock);
	pool->idle_count = pool->broken_count = pool->open = 0;
	pool->slot = slot;
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock, which is let go while the token opens a session. Returns 1 with a session,
 * 0 where the token has no more sessions but the pool has some: wait for one; or -1. */
static int open_another(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err)
{
	pool->open++;
	pool->lent++;
	pthread_mutex_unlock(&pool->lock);
	CK_RV rv = p11_call(pool->fn, C_OpenSession, pool->slot, CKF_SERIAL_SESSION, NULL, NULL, session);
	pthread_mutex_lock(&pool->lock);
	if (rv == CKR_OK)
		return 1;
	pool->open--;
	pool->lent--;
	if (rv == CKR_SESSION_COUNT && pool->open > 0) {
		log_warn("token has fewer sessions than configured", KV_INT("sessions", pool->open));
		pool->max = pool->open;
		return 0;
	}
	/* A waiter may open the session that this thread could not. */
	pthread_cond_signal(&pool->freed);
	return hsm_ckr_error(err, "C_OpenSession", rv);
}

static int take_locked(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err)
{
	struct timespec deadline = wait_until(clock_monotonic_ms() + HSM_POOL_WAIT_MS);
	for (;;) {
		if (pool->idle_count > 0) {
			*session = pool->idle[--pool->idle_count];
			pool->lent++;
			return 0;
		}
		if (pool->lent == 0)
			close_broken(pool);
		if (pool->open < pool->max) {
			int opened = open_another(pool, session, err);
			if (opened)
				return opened > 0 ? 0 : -1;
			continue;
		}
		if (pthread_cond_timedwait(&pool->freed, &pool->lock, &deadline) == ETIMEDOUT)
			return err_set(err, ERR_TOKEN_UNAVAILABLE,
				       "all %zu sessions of the token were in use for %d ms", pool->max,
				       HSM_POOL_WAIT_MS);
	}
}

int hsm_pool_take(struct hsm_pool *pool, CK_SESSION_HANDLE *session, struct error *err)
{
	pthread_mutex_lock(&pool->lock);
	int taken = take_locked(pool, session, err);
	pthread_mutex_unlock(&pool->lock);
	return taken;
}

void hsm_pool_give(struct hsm_pool *pool, CK_SESSION_HANDLE session, bool broken)
{
	pthread_mutex_lock(&pool->lock);
	pool->lent--;
	if (broken)
		pool->broken[pool->broken_count++] = session;
	else
		pool->idle[pool->idle_count++] = session;
	if (pool->lent == 0)
		close_broken(pool);
	pthread_cond_signal(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}
