/* What has to be done by the clock without a token, by one thread: published files, clean-up. */
#include "base/log.h"
#include "base/wait.h"
#include "ca-core/publish.h"
#include "ca-core/restore.h"
#include "ca-core/signer.h"

#define EXPIRE_MS 60000

/* What was recovered after a restore, or only by an older list than the world has seen, goes out at once. */
static void want_restored_lists(struct signer *s)
{
	struct error restored = ERR_INIT;
	for (size_t i = 0; ca_restore_check(s->ca, &restored) && i < s->ca->issuer_count; i++)
		if (ca_issuer_is_ours(&s->ca->issuers[i]))
			signer_list_due(s, &s->ca->issuers[i]);
}

/* True where the signer stops. */
static bool rest(struct signer *s)
{
	struct timespec until = wait_until(clock_monotonic_ms() + EXPIRE_MS);
	(void)pthread_mutex_lock(&s->lock);
	while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
	bool stopping = s->stopping;
	(void)pthread_mutex_unlock(&s->lock);
	return stopping;
}

static void *keep(void *arg)
{
	struct signer *s = arg;
	struct error err = ERR_INIT;
	if (ca_publish_lists(s->ca, &err))
		log_err(LOG_LEVEL_ERROR, "not every list could be published", &err);
	want_restored_lists(s);
	while (!rest(s))
		store_expire(s->store);
	return NULL;
}

int signer_keeper_start(struct signer *s, struct error *err)
{
	if (signer_thread(&s->keeper, keep, s, err))
		return -1;
	s->keeper_runs = true;
	return 0;
}

void signer_keeper_stop(struct signer *s)
{
	if (!s->keeper_runs)
		return;
	(void)pthread_join(s->keeper, NULL);
	s->keeper_runs = false;
}
