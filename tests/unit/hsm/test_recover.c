#include <semaphore.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/unit/hsm/fixture.h"

static const uint8_t digest[32] = { 7 };

static int sign(struct hsm_key *k, struct error *err)
{
	auto_buf signature = BUF_INIT;
	*err = ERR_INIT;
	return hsm_key_sign_raw(k, CKM_ECDSA, NULL, 0, BYTES(digest, sizeof(digest)), &signature, err);
}

static atomic_int told, refusals_told;

static void changed(void *arg)
{
	(void)arg;
	told++;
}

static void refused(void *arg)
{
	(void)arg;
	refusals_told++;
}

/* A token with a key, cared for by the test itself, its module bent. */
struct case_ {
	struct fixture f;
	struct hsm_key *key;
	struct error err;
};

static struct case_ begin(unsigned keep_alive_ms)
{
	struct case_ c = { .f = fixture_open(), .err = ERR_INIT };
	const struct hsm_token_care care = {
		.call_ms = 60000, .keep_alive_ms = keep_alive_ms, .changed = changed, .pin_refused = refused
	};
	c.key = fixture_key(&c.f, HSM_EC_P256);
	c.f.token->care = care;
	fixture_bend(c.f.module, c.f.token);
	told = refusals_told = 0;
	return c;
}

static void end(struct case_ *c)
{
	bent.list = *bent.real;
	hsm_key_free(c->key);
	fixture_close(&c->f);
}

static enum hsm_token_state state(struct case_ *c)
{
	return hsm_token_state(c->f.token);
}

/* ---- bent calls ---- */

static CK_RV answer;
static atomic_int times, logins, finalized, touched;

static CK_RV sign_init_fails(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return times-- > 0 ? answer : bent.real->C_SignInit(session, mechanism, key);
}

static CK_RV sign_fails(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			CK_ULONG_PTR signature_len)
{
	return times-- > 0 ? answer : bent.real->C_Sign(session, data, len, signature, signature_len);
}

static CK_RV login_counted(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	logins++;
	return bent.real->C_Login(session, user, pin, len);
}

static CK_RV finalize_counted(void *reserved)
{
	finalized++;
	return bent.real->C_Finalize(reserved);
}

static CK_RV random_counted(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG len)
{
	touched++;
	return times-- > 0 ? answer : bent.real->C_GenerateRandom(session, out, len);
}

/* ---- one failure after the other ---- */

static void three_failures_in_a_row_are_down_and_one_more_after_that(void)
{
	struct case_ c = begin(0);
	bent.list.C_Sign = sign_fails;
	answer = CKR_DEVICE_ERROR;
	times = 3;
	for (int i = 0; i < 2; i++) {
		CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_SIGNATURE_UNCERTAIN);
		CHECK_INT(state(&c), HSM_TOKEN_DEGRADED);
	}
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_SIGNATURE_UNCERTAIN);
	CHECK_INT(state(&c), HSM_TOKEN_DOWN);
	CHECK_INT(told, 5); /* each failure, and each of two changes */
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(times, 0); /* a token that is down is not asked */

	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	times = 1;
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_SIGNATURE_UNCERTAIN);
	CHECK_INT(state(&c), HSM_TOKEN_DOWN);
	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	end(&c);
}

static void each_recovery_without_a_signature_goes_one_step_further(void)
{
	struct case_ c = begin(0);
	bent.list.C_Sign = sign_fails;
	bent.list.C_Login = login_counted;
	bent.list.C_Finalize = finalize_counted;
	answer = CKR_DEVICE_ERROR;
	times = 1000;
	logins = finalized = 0;
	static const int logins_after[] = { 0, 1, 2 }, finalized_after[] = { 0, 0, 1 };
	for (size_t round = 0; round < 3; round++) {
		while (state(&c) != HSM_TOKEN_DOWN)
			(void)sign(c.key, &c.err);
		CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
		CHECK_INT(state(&c), round == 0 ? HSM_TOKEN_UP : HSM_TOKEN_DEGRADED);
		CHECK_INT(logins, logins_after[round]);
		CHECK_INT(finalized, finalized_after[round]);
	}
	times = 0;
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	CHECK_INT(c.f.token->cures, 0);
	end(&c);
}

static CK_RV token_info_counted(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	touched++;
	return bent.real->C_GetTokenInfo(slot, info);
}

static void a_token_that_nobody_cares_for_is_looked_at_seldom_by_those_who_fail(void)
{
	struct case_ c = begin(0);
	c.f.token->care = (struct hsm_token_care){ 0 };
	bent.list.C_Sign = sign_fails;
	bent.list.C_GetTokenInfo = token_info_counted;
	bent.list.C_Finalize = finalize_counted;
	answer = CKR_DEVICE_ERROR;
	times = 100000;
	touched = finalized = 0;
	int64_t begun_ms = clock_monotonic_ms();
	for (int i = 0; i < 200; i++)
		CHECK(sign(c.key, &c.err) == -1);
	int looks = 1 + (int)((clock_monotonic_ms() - begun_ms) / HSM_LOOK_MS);
	CHECK(touched >= 1);
	CHECK(touched <= 6 * looks); /* a login asks for its counter, a restart for every slot */
	CHECK(finalized < looks);
	/* It heals by those who come, though it was not looked at for a while. */
	times = 0;
	do {
		CHECK(clock_monotonic_ms() - begun_ms < 20000);
	} while (sign(c.key, &c.err) && clock_monotonic_ms() - begun_ms < 20000);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	end(&c);
}

/* Each answer of the table but the good one, once: whether what is signed then succeeds, at a second try. What can be
 * mended is, unless a signature may have been made and a second one is not to be. After it the token signs again. */
static void answer_each(struct case_ *c, bool perhaps_signed, enum err_code failure)
{
	const struct hsm_ckr *row;
	for (size_t i = 1; (row = hsm_ckr_row(i)); i++) {
		if (row->class == HSM_CKR_OK)
			continue;
		answer = row->rv;
		times = 1;
		bool mended = row->class != HSM_CKR_ARGUMENT && row->class != HSM_CKR_PIN &&
			      row->class != HSM_CKR_MODULE && row->class != HSM_CKR_AWAY &&
			      !(perhaps_signed && row->perhaps_signed);
		if (mended)
			CHECK_OK(sign(c->key, &c->err) == 0, &c->err);
		else
			CHECK_FAILS(sign(c->key, &c->err) == -1, &c->err, failure);
		CHECK(times <= 0);
		if (state(c) != HSM_TOKEN_UP)
			(void)hsm_token_probe(c->f.token, &c->err);
		CHECK_OK(sign(c->key, &c->err) == 0, &c->err);
	}
}

static void what_c_sign_init_answers_is_never_uncertain(void)
{
	struct case_ c = begin(0);
	bent.list.C_SignInit = sign_init_fails;
	answer_each(&c, false, ERR_TOKEN_UNAVAILABLE);
	end(&c);
}

static void what_c_sign_answers_is_uncertain_unless_another_try_signed(void)
{
	struct case_ c = begin(0);
	bent.list.C_Sign = sign_fails;
	answer_each(&c, true, ERR_SIGNATURE_UNCERTAIN);
	end(&c);
}

static void a_second_failure_is_not_tried_a_third_time(void)
{
	struct case_ c = begin(0);
	bent.list.C_SignInit = sign_init_fails;
	answer = CKR_SESSION_HANDLE_INVALID;
	times = 3;
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(times, 1);
	end(&c);
}

/* ---- login, sessions ---- */

static void a_login_that_ended_is_made_again_while_signing(void)
{
	struct case_ c = begin(0);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	bent.list.C_Login = login_counted;
	logins = 0;
	CHECK_INT(bent.real->C_Logout(c.f.token->anchor), CKR_OK);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	CHECK_INT(logins, 1);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	end(&c);
}

static void sessions_that_ended_are_replaced_in_one_round(void)
{
	struct case_ c = begin(0);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	CHECK_INT(bent.real->C_CloseAllSessions(c.f.token->slot), CKR_OK);
	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	CHECK_INT(c.f.token->entered[HSM_TOKEN_RECOVERING], 1);
	CHECK_INT(c.f.token->entered[HSM_TOKEN_DOWN], 0);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	end(&c);
}

static CK_RV login_refused(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	(void)session;
	(void)user;
	(void)pin;
	(void)len;
	logins++;
	return CKR_PIN_INCORRECT;
}

static void a_refused_pin_waits_for_another(void)
{
	struct case_ c = begin(0);
	bent.list.C_Login = login_refused;
	logins = 0;
	CHECK_INT(bent.real->C_Logout(c.f.token->anchor), CKR_OK);
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_TOKEN_UNAVAILABLE);
	for (int i = 0; i < 3; i++)
		CHECK_FAILS(hsm_token_probe(c.f.token, &c.err) == -1, &c.err, ERR_PIN_REFUSED);
	CHECK_INT(state(&c), HSM_TOKEN_PIN_REFUSED);
	CHECK_INT(logins, 1);
	CHECK_INT(refusals_told, 1);
	bent.list.C_Login = login_counted;
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	CHECK_OK(hsm_token_set_pin(c.f.token, pin, &c.err) == 0, &c.err);
	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK_INT(logins, 2);
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	end(&c);
}

static void keep_alive_reaches_every_idle_session(void)
{
	struct case_ c = begin(1);
	CK_SESSION_HANDLE sessions[3];
	for (size_t i = 0; i < 3; i++)
		CHECK_INT(hsm_pool_take(&c.f.token->pool, &sessions[i], &c.err), CKR_OK);
	for (size_t i = 0; i < 3; i++)
		hsm_pool_give(&c.f.token->pool, sessions[i], false);
	bent.list.C_GenerateRandom = random_counted;
	times = touched = 0;
	c.f.token->touched_ms = 0;
	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK_INT(touched, 4); /* the anchor besides */
	times = 1;             /* one that was dropped: it is replaced, and the token stays up */
	answer = CKR_SESSION_HANDLE_INVALID;
	CHECK_INT(hsm_pool_touch(&c.f.token->pool), CKR_SESSION_HANDLE_INVALID);
	CHECK_INT(c.f.token->pool.open, 2);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	end(&c);
}

static int sessions_left;

static CK_RV open_limited(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE_PTR session)
{
	return sessions_left-- <= 0 ? CKR_SESSION_COUNT
				    : bent.real->C_OpenSession(slot, flags, application, notify, session);
}

static void with_one_session_in_all_the_anchor_signs(void)
{
	struct case_ c = begin(0);
	hsm_pool_retire(&c.f.token->pool);
	sessions_left = 0;
	bent.list.C_OpenSession = open_limited;
	for (int i = 0; i < 3; i++)
		CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	CHECK_INT(c.f.token->pool.open, 0);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	end(&c);
}

/* ---- keys ---- */

static CK_RV attribute_of_another(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template,
				  CK_ULONG count)
{
	CK_RV rv = bent.real->C_GetAttributeValue(session, object, template, count);
	if (rv == CKR_OK && template->type == CKA_EC_POINT && template->ulValueLen > 60)
		((uint8_t *)template->pValue)[template->ulValueLen - 1] ^= 1;
	return rv;
}

static void another_key_under_the_same_id_does_not_sign(void)
{
	struct case_ c = begin(0);
	bent.list.C_SignInit = sign_init_fails;
	bent.list.C_GetAttributeValue = attribute_of_another;
	answer = CKR_KEY_HANDLE_INVALID;
	times = 1;
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_TOKEN_UNAVAILABLE);
	CHECK(strstr(c.err.causes, "another key") != NULL);
	CHECK(!hsm_key_is_there(c.key));
	CHECK_FAILS(sign(c.key, &c.err) == -1, &c.err, ERR_TOKEN_UNAVAILABLE);
	bent.list.C_GetAttributeValue = bent.real->C_GetAttributeValue;
	CHECK(hsm_token_rest_ms(c.f.token) <= HSM_BACKOFF_MOST_MS);
	CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
	CHECK(hsm_key_is_there(c.key));
	CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	end(&c);
}

/* ---- calls that do not return ---- */

#define NOTICED_MS 30000

static sem_t hold, inside;

static CK_RV sign_held(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
		       CK_ULONG_PTR signature_len)
{
	(void)sem_post(&inside);
	while (sem_wait(&hold))
		;
	return bent.real->C_Sign(session, data, len, signature, signature_len);
}

static void *sign_once(void *arg)
{
	struct case_ *c = arg;
	struct error err = ERR_INIT;
	return sign(c->key, &err) == 0 ? c : NULL;
}

/* In a thread; until it has taken too long. */
static pthread_t hold_a_call(struct case_ *c)
{
	pthread_t thread;
	CHECK_INT(sem_init(&hold, 0, 0), 0);
	CHECK_INT(sem_init(&inside, 0, 0), 0);
	bent.list.C_Sign = sign_held;
	c->f.token->care.call_ms = 5;
	CHECK(!hsm_token_watch(c->f.token));
	REQUIRE(pthread_create(&thread, NULL, sign_once, c) == 0);
	/* Late enough for whoever bends C_Sign anew behind it. */
	while (sem_wait(&inside))
		;
	int64_t until_ms = clock_monotonic_ms() + NOTICED_MS;
	while (!hsm_token_watch(c->f.token))
		REQUIRE(clock_monotonic_ms() < until_ms);
	return thread;
}

/* It returns, and has signed. */
static void let_the_call_go(pthread_t thread)
{
	void *signed_ = NULL;
	CHECK_INT(sem_post(&hold), 0);
	CHECK_INT(pthread_join(thread, &signed_), 0);
	CHECK(signed_ != NULL);
	(void)sem_destroy(&hold);
	(void)sem_destroy(&inside);
}

static void a_call_that_does_not_return_is_down_until_it_does(void)
{
	struct case_ c = begin(0);
	pthread_t thread = hold_a_call(&c);
	CHECK_INT(state(&c), HSM_TOKEN_DOWN);
	struct hsm_token_facts facts;
	hsm_token_facts(c.f.token, &facts);
	CHECK(strstr(facts.why, "has not returned") != NULL);
	CHECK_INT(facts.busy, 1);
	let_the_call_go(thread);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	CHECK(!hsm_token_watch(c.f.token));
	end(&c);
}

static void a_call_that_never_returns_is_written_off_where_the_token_answers_others(void)
{
	struct case_ c = begin(0);
	bent.list.C_Finalize = finalize_counted;
	finalized = 0;
	pthread_t thread = hold_a_call(&c);
	bent.list.C_Sign = bent.real->C_Sign;
	for (int i = 0; i < 5; i++) {
		CHECK_OK(hsm_token_probe(c.f.token, &c.err) == 0, &c.err);
		CHECK_INT(state(&c), HSM_TOKEN_DEGRADED);
		CHECK(!hsm_token_watch(c.f.token));
	}
	CHECK_INT(hsm_token_lost(c.f.token), 1);
	for (int i = 0; i < 10; i++)
		CHECK_OK(sign(c.key, &c.err) == 0, &c.err);
	CHECK_INT(state(&c), HSM_TOKEN_UP);
	CHECK_INT(finalized, 0); /* with someone inside it could not be done */
	let_the_call_go(thread);
	CHECK_INT(hsm_token_lost(c.f.token), 0);
	end(&c);
}

/* ---- the module, where another token is up ---- */

static CK_SLOT_ID slot_away;
static bool initialize_fails;

static CK_RV token_info_of_one_away(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	return slot == slot_away ? CKR_DEVICE_ERROR : bent.real->C_GetTokenInfo(slot, info);
}

static CK_RV initialize_once_failing(void *arguments)
{
	if (!initialize_fails)
		return bent.real->C_Initialize(arguments);
	initialize_fails = false;
	return CKR_DEVICE_ERROR;
}

struct two {
	struct hsm_module *module;
	struct hsm_token *first, *second;
};

static struct two open_two(void)
{
	struct error err = ERR_INIT;
	struct two t;
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	const struct hsm_token_care care = { .changed = changed };
	fixture_prepare();
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "second", pin, pin, &err) == 0, &err);
	t.module = hsm_module_open(hsm_admin_find_softhsm(), &err);
	REQUIRE(t.module != NULL);
	bent.real = t.module->fn;
	bent.list = *t.module->fn;
	t.module->fn = &bent.list;
	t.first = hsm_token_open_with_care(t.module, "pkcs11:token=unit", pin, 2, &care, &err);
	t.second = hsm_token_open_with_care(t.module, "pkcs11:token=second", pin, 2, &care, &err);
	REQUIRE(t.first != NULL && t.second != NULL);
	finalized = 0;
	bent.list.C_Finalize = finalize_counted;
	slot_away = t.first->slot;
	bent.list.C_GetTokenInfo = token_info_of_one_away;
	return t;
}

static void close_two(struct two *t)
{
	bent.list = *bent.real;
	hsm_token_close(t->first);
	hsm_token_close(t->second);
	hsm_module_close(t->module);
}

static void a_token_that_is_up_is_drained_seldom(void)
{
	struct error err = ERR_INIT;
	struct two t = open_two();
	for (int i = 0; i < 5; i++)
		CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(hsm_token_state(t.first), HSM_TOKEN_DOWN);
	CHECK_INT(hsm_token_state(t.second), HSM_TOKEN_UP);
	CHECK_INT(finalized, 0);
	t.module->drained_ms -= HSM_DRAIN_LEAST_MS;
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 1);
	CHECK_INT(hsm_token_state(t.second), HSM_TOKEN_UP);
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 1);
	/* One that is down for long is worth less of it, and so is one whose restart takes long. */
	t.module->drain_took_ms = 0; /* whatever it took on this machine */
	t.first->since_ms -= 120000;
	t.module->drained_ms -= 3500;
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 1);
	t.module->drained_ms -= 1000;
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 2);
	CHECK_INT(hsm_token_state(t.second), HSM_TOKEN_UP); /* nothing of it failed, however often */
	t.module->drain_took_ms = 1000;
	t.module->drained_ms -= 90000;
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 2);
	slot_away = (CK_SLOT_ID)-1;
	CHECK_OK(hsm_token_probe(t.first, &err) == 0, &err);
	CHECK_INT(hsm_token_state(t.first), HSM_TOKEN_UP);
	close_two(&t);
}

static void a_drain_that_took_a_token_away_is_the_last(void)
{
	struct error err = ERR_INIT;
	struct two t = open_two();
	bent.list.C_Initialize = initialize_once_failing;
	for (int i = 0; i < 2; i++)
		CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	t.module->drained_ms -= HSM_DRAIN_LEAST_MS;
	initialize_fails = true;
	CHECK_FAILS(hsm_token_probe(t.first, &err) == -1, &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_INT(finalized, 1);
	CHECK_INT(hsm_token_state(t.second), HSM_TOKEN_DOWN);
	CHECK(t.module->drain_hurts);
	/* With both down nobody is disturbed by another. */
	CHECK_OK(hsm_token_probe(t.second, &err) == 0, &err);
	CHECK_INT(finalized, 2);
	CHECK_INT(hsm_token_state(t.second), HSM_TOKEN_UP);
	close_two(&t);
}

static void rests_grow_to_half_a_second_and_are_long_while_it_is_up(void)
{
	struct case_ c = begin(0);
	CHECK_INT(hsm_token_rest_ms(c.f.token), HSM_LOOK_UP_MS);
	hsm_token_set_state(c.f.token, HSM_TOKEN_DOWN, "of the test");
	CHECK(hsm_token_rest_ms(c.f.token) <= 60);
	c.f.token->since_ms -= 10000;
	bool differ = false;
	for (int i = 0; i < 100; i++) {
		int64_t rest_ms = hsm_token_rest_ms(c.f.token);
		CHECK(rest_ms >= 300 && rest_ms <= HSM_BACKOFF_MOST_MS);
		differ = differ || rest_ms != hsm_token_rest_ms(c.f.token);
	}
	CHECK(differ);
	end(&c);
}

SUITE(recover)
{
	TEST(three_failures_in_a_row_are_down_and_one_more_after_that);
	TEST(each_recovery_without_a_signature_goes_one_step_further);
	TEST(a_token_that_nobody_cares_for_is_looked_at_seldom_by_those_who_fail);
	TEST(what_c_sign_init_answers_is_never_uncertain);
	TEST(what_c_sign_answers_is_uncertain_unless_another_try_signed);
	TEST(a_second_failure_is_not_tried_a_third_time);
	TEST(a_login_that_ended_is_made_again_while_signing);
	TEST(sessions_that_ended_are_replaced_in_one_round);
	TEST(a_refused_pin_waits_for_another);
	TEST(keep_alive_reaches_every_idle_session);
	TEST(with_one_session_in_all_the_anchor_signs);
	TEST(another_key_under_the_same_id_does_not_sign);
	TEST(a_call_that_does_not_return_is_down_until_it_does);
	TEST(a_call_that_never_returns_is_written_off_where_the_token_answers_others);
	TEST(a_token_that_is_up_is_drained_seldom);
	TEST(a_drain_that_took_a_token_away_is_the_last);
	TEST(rests_grow_to_half_a_second_and_are_long_while_it_is_up);
}
