/* What the tokens of one module do to each other. */
#include <dirent.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/hsm/fixture.h"

static atomic_int finalized, closed_sessions;

static CK_RV finalize_counted(void *reserved)
{
	finalized++;
	return bent.real->C_Finalize(reserved);
}

static void changed(void *arg)
{
	(void)arg;
}

static const struct hsm_token_care care = { .changed = changed };

/* ---- two tokens, "unit" and "second" ---- */

struct pair {
	struct hsm_module *module;
	struct hsm_token *first, *second;
	struct secret *pin;
	struct error err;
};

static struct hsm_token *open_token(struct pair *p, const char *uri)
{
	p->err = ERR_INIT;
	return hsm_token_open_with_care(p->module, uri, p->pin, 2, &care, &p->err);
}

static void open_module(struct pair *p)
{
	p->module = hsm_module_open(hsm_admin_find_softhsm(), &p->err);
	CHECK_OK(p->module != NULL, &p->err);
	fixture_bend_module(p->module);
	finalized = closed_sessions = 0;
	bent.list.C_Finalize = finalize_counted;
	p->first = open_token(p, "pkcs11:token=unit");
	CHECK_OK(p->first != NULL, &p->err);
}

static struct pair make_pair(void)
{
	struct pair p = { .err = ERR_INIT };
	fixture_prepare();
	p.pin = fixture_pin(FIXTURE_PIN);
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "second", p.pin, p.pin, &p.err) == 0, &p.err);
	return p;
}

static struct pair open_pair(void)
{
	struct pair p = make_pair();
	open_module(&p);
	p.second = open_token(&p, "pkcs11:token=second");
	CHECK_OK(p.second != NULL, &p.err);
	return p;
}

static void close_pair(struct pair *p)
{
	bent.list = *bent.real;
	hsm_token_close(p->first);
	hsm_token_close(p->second);
	hsm_module_close(p->module);
	secret_free(p->pin);
}

/* ---- a token that comes later ---- */

/* The folder of the token with this label, below the tokens' folder. */
static void find_folder(const char *label, char *out, size_t size)
{
	DIR *tokens = opendir(fixture_tokens());
	REQUIRE(tokens != NULL);
	const struct dirent *entry;
	out[0] = '\0';
	while ((entry = readdir(tokens)) && !out[0]) {
		char path[600], content[4096] = "";
		(void)snprintf(path, sizeof(path), "%s/%s/token.object", fixture_tokens(), entry->d_name);
		FILE *file = fopen(path, "re");
		size_t len = file ? fread(content, 1, sizeof(content), file) : 0;
		if (file)
			(void)fclose(file);
		if (len && memmem(content, len, label, strlen(label)))
			(void)snprintf(out, size, "%s/%s", fixture_tokens(), entry->d_name);
	}
	(void)closedir(tokens);
	REQUIRE(out[0] != '\0');
}

static void a_token_that_comes_later_is_there_after_a_refresh_that_disturbs_the_others_seldom(void)
{
	char folder[600], away[300];
	struct pair p = make_pair();
	find_folder("second  ", folder, sizeof(folder));
	(void)snprintf(away, sizeof(away), "%s.second", fixture_tokens());
	REQUIRE(rename(folder, away) == 0);
	open_module(&p);
	CHECK_FAILS(!open_token(&p, "pkcs11:token=second"), &p.err, ERR_TOKEN_UNAVAILABLE);
	REQUIRE(rename(away, folder) == 0);
	/* SoftHSM2 does not look again, and the first token is in use. */
	CHECK_FAILS(!open_token(&p, "pkcs11:token=second"), &p.err, ERR_TOKEN_UNAVAILABLE);
	for (int i = 0; i < 3; i++)
		CHECK_FAILS(hsm_module_refresh(p.module, 0, &p.err) == -1, &p.err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 0);
	p.module->drained_ms -= HSM_DRAIN_LEAST_MS;
	CHECK_OK(hsm_module_refresh(p.module, 0, &p.err) == 0, &p.err);
	CHECK_INT(finalized, 1);
	CHECK_INT(hsm_token_state(p.first), HSM_TOKEN_UP);
	p.second = open_token(&p, "pkcs11:token=second");
	CHECK_OK(p.second != NULL, &p.err);
	/* One that stays away does so at longer and longer intervals, and the other is none the worse for it. */
	p.module->drain_took_ms = 0; /* whatever it took on this machine */
	for (int i = 0; i < 3; i++) {
		p.module->drained_ms -= 9000;
		CHECK_FAILS(hsm_module_refresh(p.module, 3600000, &p.err) == -1, &p.err, ERR_TOKEN_UNAVAILABLE);
		p.module->drained_ms -= 1000;
		CHECK_OK(hsm_module_refresh(p.module, 3600000, &p.err) == 0, &p.err);
		CHECK_INT(hsm_token_state(p.first), HSM_TOKEN_UP);
		p.module->drain_took_ms = 0;
	}
	CHECK_INT(finalized, 4);
	close_pair(&p);
}

/* ---- a token that is closed meanwhile ---- */

static sem_t inside, hold;
static CK_SLOT_ID slot_away, slot_held;

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		continue;
}

static CK_RV token_info_away_or_held(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	if (slot == slot_away)
		return CKR_DEVICE_ERROR;
	if (slot == slot_held) {
		slot_held = (CK_SLOT_ID)-1;
		(void)sem_post(&inside);
		wait_for(&hold);
	}
	return bent.real->C_GetTokenInfo(slot, info);
}

static CK_RV close_session_counted(CK_SESSION_HANDLE session)
{
	closed_sessions++;
	return bent.real->C_CloseSession(session);
}

static CK_RV close_session_held(CK_SESSION_HANDLE session)
{
	(void)sem_post(&inside);
	wait_for(&hold);
	return bent.real->C_CloseSession(session);
}

static void *probe_first(void *arg)
{
	struct pair *p = arg;
	struct error err = ERR_INIT;
	(void)hsm_token_probe(p->first, &err);
	return NULL;
}

static atomic_bool is_closed;

static void *close_second(void *arg)
{
	struct pair *p = arg;
	hsm_token_close(p->second);
	is_closed = true;
	return NULL;
}

/* Time for what must not happen. */
static void pause_for_faults(void)
{
	const struct timespec pause = { 0, 50000000 };
	(void)nanosleep(&pause, NULL);
}

static struct pair begin_recovery(void)
{
	struct pair p = open_pair();
	CHECK_INT(sem_init(&inside, 0, 0), 0);
	CHECK_INT(sem_init(&hold, 0, 0), 0);
	slot_away = p.first->slot;
	slot_held = (CK_SLOT_ID)-1;
	is_closed = false;
	bent.list.C_GetTokenInfo = token_info_away_or_held;
	CHECK_FAILS(hsm_token_probe(p.first, &p.err) == -1, &p.err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(hsm_token_state(p.first), HSM_TOKEN_DOWN);
	return p;
}

static void end_recovery(struct pair *p)
{
	bent.list = *bent.real;
	p->second = NULL;
	CHECK_OK(hsm_token_probe(p->first, &p->err) == 0, &p->err);
	CHECK_INT(hsm_token_state(p->first), HSM_TOKEN_UP);
	close_pair(p);
	(void)sem_destroy(&inside);
	(void)sem_destroy(&hold);
}

static void a_token_that_anothers_recovery_looks_at_is_closed_after_that(void)
{
	struct pair p = begin_recovery();
	pthread_t recovering, closing;
	slot_held = p.second->slot;
	bent.list.C_CloseSession = close_session_counted;
	CHECK_INT(pthread_create(&recovering, NULL, probe_first, &p), 0);
	wait_for(&inside);
	CHECK_INT(pthread_create(&closing, NULL, close_second, &p), 0);
	pause_for_faults();
	CHECK(!is_closed);
	CHECK_INT(closed_sessions, 0);
	CHECK_INT(sem_post(&hold), 0);
	CHECK_INT(pthread_join(recovering, NULL), 0);
	CHECK_INT(pthread_join(closing, NULL), 0);
	CHECK_INT(closed_sessions, 1); /* its anchor */
	end_recovery(&p);
}

/* Handles are counted anew by a restart: one from before may be that of another's session. */
static void no_restart_comes_between_while_a_token_is_closed(void)
{
	struct pair p = begin_recovery();
	pthread_t recovering, closing;
	bent.list.C_CloseSession = close_session_held;
	CHECK_INT(pthread_create(&closing, NULL, close_second, &p), 0);
	wait_for(&inside);
	CHECK_INT(pthread_create(&recovering, NULL, probe_first, &p), 0);
	pause_for_faults();
	CHECK_INT(finalized, 0);
	CHECK_INT(sem_post(&hold), 0);
	CHECK_INT(pthread_join(closing, NULL), 0);
	CHECK_INT(pthread_join(recovering, NULL), 0);
	CHECK_INT(finalized, 1);
	end_recovery(&p);
}

SUITE(module)
{
	TEST(a_token_that_comes_later_is_there_after_a_refresh_that_disturbs_the_others_seldom);
	TEST(a_token_that_anothers_recovery_looks_at_is_closed_after_that);
	TEST(no_restart_comes_between_while_a_token_is_closed);
}
