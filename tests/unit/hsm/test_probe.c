#include "hsm/probe.h"

#include "hsm/probe_private.h"
#include "tests/unit/hsm/fixture.h"

#define RATE_MS 5

/* ---- a probe of a module whose answers are bent ---- */

static CK_RV without_rsa(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_half,
			 CK_ULONG public_count, CK_ATTRIBUTE_PTR private_half, CK_ULONG private_count,
			 CK_OBJECT_HANDLE_PTR public_object, CK_OBJECT_HANDLE_PTR private_object)
{
	if (mechanism->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN)
		return CKR_MECHANISM_INVALID; /* slow to make, and no different here */
	return bent.real->C_GenerateKeyPair(session, mechanism, public_half, public_count, private_half, private_count,
					    public_object, private_object);
}

static struct hsm_probe *probe_with(const struct hsm_probe_options *options, void (*bend)(void))
{
	struct error err = ERR_INIT;
	struct hsm_probe *report = calloc(1, sizeof(*report));
	auto_hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(report && m, &err);
	fixture_bend_module(m);
	bent.list.C_GenerateKeyPair = without_rsa;
	if (bend)
		bend();
	CHECK_OK(hsm_probe_module(m, options, report, &err) == 0, &err);
	return report;
}

static struct hsm_probe *probe(bool read_only, void (*bend)(void))
{
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	const struct hsm_probe_options options = {
		.uri = "pkcs11:token=unit", .pin = pin, .read_only = read_only, .rate_ms = RATE_MS
	};
	return probe_with(&options, bend);
}

static const struct hsm_probe_row *row_of(const struct hsm_probe *report, const char *subject, const char *name)
{
	for (size_t i = 0; i < report->row_count; i++)
		if (strcmp(report->rows[i].subject, subject) == 0 &&
		    strncmp(report->rows[i].name, name, strlen(name)) == 0)
			return &report->rows[i];
	return NULL;
}

static void check_row(const struct hsm_probe *report, const char *subject, const char *name,
		      enum hsm_probe_verdict verdict, const char *found)
{
	const struct hsm_probe_row *row = row_of(report, subject, name);
	REQUIRE(row != NULL);
	CHECK_TEXT(hsm_probe_verdict_name(row->verdict), hsm_probe_verdict_name(verdict));
	if (!strstr(row->found, found))
		CHECK_TEXT(row->found, found);
	CHECK(row->means && row->means[0]);
}

/* How many keys the token has, looked at without bends. */
static int keys_left(void)
{
	struct error err = ERR_INIT;
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE objects[64];
	const CK_ATTRIBUTE match[] = { HSM_ATTRIBUTE(CKA_TOKEN, &yes, sizeof(yes)) };
	auto_hsm_module *m = hsm_module_open(hsm_admin_find_softhsm(), &err);
	CHECK_OK(m != NULL, &err);
	auto_hsm_token *t = hsm_token_open(m, "pkcs11:token=unit", pin, 1, &err);
	CHECK_OK(t != NULL, &err);
	return hsm_objects_find(t, match, 1, objects, 64, &err);
}

/* ---- what is found ---- */

static void finds_that_softhsm_serves_every_type(void)
{
	struct error err = ERR_INIT;
	fixture_prepare();
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	const struct hsm_probe_options options = { .uri = "pkcs11:token=unit", .pin = pin, .rate_ms = RATE_MS };
	auto_hsm_probe *report = hsm_probe_run(hsm_admin_find_softhsm(), &options, &err);
	CHECK_OK(report != NULL, &err);
	for (int type = 0; type < HSM_PROBE_KEY_TYPES; type++) {
		const char *name = hsm_key_type_name((enum hsm_key_type)type);
		CHECK(report->issuing[type]);
		check_row(report, name, "generate", HSM_PROBE_OK, "all attributes");
		check_row(report, name, "signatures/s, 1 thread", HSM_PROBE_OK, "");
		check_row(report, name, "signatures/s, 8 threads", HSM_PROBE_OK, "");
	}
	check_row(report, "rsa2048", "sign PSS", HSM_PROBE_OK, "verified");
	CHECK(hsm_probe_can_issue(report) && report->pss);
	CHECK(report->sessions >= 2 && report->sessions <= 8);
	CHECK_INT(report->left_count, 0);
	CHECK_TEXT(report->token.label, "unit");
	CHECK(!report->failed && !report->stopped);
	CHECK_INT(keys_left(), 0);
}

static void tells_what_handles_sessions_and_module_answer_at_their_end(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, NULL);
	check_row(report, "login", "second C_Login", HSM_PROBE_OK, "CKR_USER_ALREADY_LOGGED_IN");
	check_row(report, "login", "holds for every session", HSM_PROBE_OK, "state 1");
	check_row(report, "objects", "seen by other sessions", HSM_PROBE_OK, "yes");
	/* Keys as we make them may not be changed, and so not copied either. */
	check_row(report, "objects", "C_CopyObject", HSM_PROBE_NO, "CKR_ATTRIBUTE_READ_ONLY");
	check_row(report, "objects", "stale object handle", HSM_PROBE_OK, "CKR_OBJECT_HANDLE_INVALID");
	check_row(report, "sessions", "closed session", HSM_PROBE_OK, "CKR_SESSION_HANDLE_INVALID");
	check_row(report, "finalize", "C_GetSlotList", HSM_PROBE_OK, "CKR_CRYPTOKI_NOT_INITIALIZED");
	check_row(report, "finalize", "C_OpenSession", HSM_PROBE_OK, "CKR_CRYPTOKI_NOT_INITIALIZED");
	check_row(report, "finalize", "C_Initialize again", HSM_PROBE_OK, "CKR_OK");
	check_row(report, "finalize", "login again", HSM_PROBE_OK, "CKR_OK");
	check_row(report, "finalize", "key by its CKA_ID", HSM_PROBE_OK, "found, signs");
	check_row(report, "p256", "CKA_EC_POINT", HSM_PROBE_OK, "DER OCTET STRING");
	check_row(report, "rsa2048", "generate", HSM_PROBE_NO, "CKR_MECHANISM_INVALID");
	CHECK(!report->issuing[HSM_RSA_2048] && report->issuing[HSM_EC_P256] && !report->pss);
	CHECK_INT(keys_left(), 0);
}

static CK_RV keep_two_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes,
				 CK_ULONG count)
{
	CK_RV rv = bent.real->C_GetAttributeValue(session, object, attributes, count);
	if (rv == CKR_OK && (attributes[0].type == CKA_DERIVE || attributes[0].type == CKA_MODIFIABLE))
		*(CK_BBOOL *)attributes[0].pValue = CK_TRUE;
	return rv;
}

static void bend_attributes(void)
{
	bent.list.C_GetAttributeValue = keep_two_attributes;
}

static void names_every_attribute_that_the_token_keeps_otherwise(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_attributes);
	check_row(report, "p384", "generate", HSM_PROBE_NO, "CKA_MODIFIABLE true instead of false");
	check_row(report, "p384", "generate", HSM_PROBE_NO, "CKA_DERIVE true instead of false");
	check_row(report, "summary", "issuing keys", HSM_PROBE_NO, "none");
	CHECK(!hsm_probe_can_issue(report));
	CHECK_INT(keys_left(), 0);
}

static CK_RV give_bare_points(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes,
			      CK_ULONG count)
{
	CK_RV rv = bent.real->C_GetAttributeValue(session, object, attributes, count);
	uint8_t *point = attributes[0].pValue;
	if (rv != CKR_OK || attributes[0].type != CKA_EC_POINT || !point)
		return rv;
	size_t head = point[1] & 0x80 ? 3 : 2;
	attributes[0].ulValueLen -= head;
	memmove(point, point + head, attributes[0].ulValueLen);
	return rv;
}

static void bend_points(void)
{
	bent.list.C_GetAttributeValue = give_bare_points;
}

static void tells_a_bare_point_from_a_wrapped_one(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_points);
	check_row(report, "p256", "CKA_EC_POINT", HSM_PROBE_OK, "the bare point, 65 octets");
	check_row(report, "p521", "CKA_EC_POINT", HSM_PROBE_OK, "the bare point, 133 octets");
	check_row(report, "ed25519", "CKA_EC_POINT", HSM_PROBE_OK, "the bare point, 32 octets");
	CHECK(report->issuing[HSM_EC_P256] && report->issuing[HSM_EC_P521] && report->issuing[HSM_ED25519]);
}

static CK_RV answer_otherwise(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	CK_RV rv = bent.real->C_SignInit(session, mechanism, key);
	return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_FUNCTION_FAILED : rv;
}

static void bend_stale_handles(void)
{
	bent.list.C_SignInit = answer_otherwise;
}

static void says_where_a_stale_handle_cannot_be_told(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_stale_handles);
	check_row(report, "objects", "stale object handle", HSM_PROBE_PARTLY, "CKR_FUNCTION_FAILED");
}

/* ---- sessions ---- */

static int sessions_now, sessions_most;

static CK_RV open_few(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
		      CK_SESSION_HANDLE_PTR session)
{
	if (sessions_now >= sessions_most)
		return CKR_SESSION_COUNT;
	CK_RV rv = bent.real->C_OpenSession(slot, flags, application, notify, session);
	sessions_now += rv == CKR_OK;
	return rv;
}

static CK_RV close_few(CK_SESSION_HANDLE session)
{
	CK_RV rv = bent.real->C_CloseSession(session);
	sessions_now -= rv == CKR_OK;
	return rv;
}

static void bend_sessions(void)
{
	bent.list.C_OpenSession = open_few;
	bent.list.C_CloseSession = close_few;
	sessions_now = 0;
}

static void counts_the_sessions_and_leaves_two(void)
{
	fixture_prepare();
	sessions_most = 5;
	auto_hsm_probe *report = probe(true, bend_sessions);
	check_row(report, "sessions", "at once", HSM_PROBE_OK, "5, then CKR_SESSION_COUNT");
	CHECK_INT(row_of(report, "sessions", "at once")->number, 5);
	CHECK_INT(report->sessions, 3);
	check_row(report, "summary", "sessions", HSM_PROBE_PARTLY, "3");
	CHECK_INT(sessions_now, 0);
}

static void says_that_a_single_session_is_too_few(void)
{
	fixture_prepare();
	sessions_most = 1;
	auto_hsm_probe *report = probe(true, bend_sessions);
	check_row(report, "sessions", "at once", HSM_PROBE_NO, "1, then CKR_SESSION_COUNT");
	check_row(report, "summary", "sessions", HSM_PROBE_NO, "1");
}

static atomic_int signing_now;

static CK_RV sign_alone(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len, CK_BYTE_PTR signature,
			CK_ULONG_PTR signature_len)
{
	int others = atomic_fetch_add(&signing_now, 1);
	(void)usleep(2000);
	CK_RV rv = bent.real->C_Sign(session, data, len, signature, signature_len);
	(void)atomic_fetch_sub(&signing_now, 1);
	return others > 0 ? CKR_FUNCTION_FAILED : rv;
}

static void bend_parallel(void)
{
	bent.list.C_Sign = sign_alone;
}

static void recommends_one_session_where_several_fail_together(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_parallel);
	check_row(report, "p256", "signatures/s, 1 thread", HSM_PROBE_OK, "");
	check_row(report, "p256", "signatures/s, 8 threads", HSM_PROBE_NO, "CKR_FUNCTION_FAILED");
	CHECK_INT(report->sessions, 1);
	CHECK_INT(keys_left(), 0);
}

/* ---- PINs ---- */

static int logins, strange_logins;

static CK_RV count_logins(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	logins++;
	strange_logins += user != CKU_USER || len != strlen(FIXTURE_PIN) || memcmp(pin, FIXTURE_PIN, len) != 0;
	return bent.real->C_Login(session, user, pin, len);
}

static void bend_login(void)
{
	bent.list.C_Login = count_logins;
	logins = strange_logins = 0;
}

static void gives_the_right_pin_once_a_login_and_no_other(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_login);
	CHECK(hsm_probe_can_issue(report));
	CHECK_INT(logins, 3); /* to begin, while logged in, after C_Finalize */
	CHECK_INT(strange_logins, 0);
}

static void tries_a_refused_pin_once_and_still_tells_the_facts(void)
{
	fixture_prepare();
	auto_secret *wrong = fixture_pin("not the PIN");
	const struct hsm_probe_options options = { .uri = "pkcs11:token=unit", .pin = wrong, .rate_ms = RATE_MS };
	auto_hsm_probe *report = probe_with(&options, bend_login);
	CHECK_INT(logins, 1);
	check_row(report, "login", "C_Login", HSM_PROBE_NO, "CKR_PIN_INCORRECT");
	check_row(report, "mechanism", "CKM_ECDSA", HSM_PROBE_OK, "112 to 521");
	CHECK(!hsm_probe_can_issue(report));
	CHECK(!strstr(row_of(report, "login", "C_Login")->found, "not the PIN"));
}

/* ---- what is made, and taken away ---- */

static int made;

static CK_RV count_pairs(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_half,
			 CK_ULONG public_count, CK_ATTRIBUTE_PTR private_half, CK_ULONG private_count,
			 CK_OBJECT_HANDLE_PTR public_object, CK_OBJECT_HANDLE_PTR private_object)
{
	made++;
	return without_rsa(session, mechanism, public_half, public_count, private_half, private_count, public_object,
			   private_object);
}

static CK_RV count_objects(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count,
			   CK_OBJECT_HANDLE_PTR object)
{
	made++;
	return bent.real->C_CreateObject(session, attributes, count, object);
}

static CK_RV count_copies(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE from, CK_ATTRIBUTE_PTR attributes, CK_ULONG count,
			  CK_OBJECT_HANDLE_PTR object)
{
	made++;
	return bent.real->C_CopyObject(session, from, attributes, count, object);
}

static CK_RV count_ends(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	made++;
	return bent.real->C_DestroyObject(session, object);
}

static void bend_making(void)
{
	bent.list.C_GenerateKeyPair = count_pairs;
	bent.list.C_CreateObject = count_objects;
	bent.list.C_CopyObject = count_copies;
	bent.list.C_DestroyObject = count_ends;
	made = 0;
}

static void makes_nothing_when_it_may_only_read(void)
{
	struct fixture f = fixture_open();
	struct hsm_key *k = fixture_key(&f, HSM_EC_P384);
	hsm_key_free(k);
	fixture_close(&f);
	auto_hsm_probe *report = probe(true, bend_making);
	CHECK_INT(made, 0);
	CHECK_INT(row_of(report, "keys", "existing")->number, 1);
	check_row(report, "keys", "p384", HSM_PROBE_OK, "p384, id ");
	CHECK(report->read_only && report->issuing[HSM_RSA_4096] && report->issuing[HSM_ED25519] && report->pss);
	check_row(report, "summary", "issuing keys", HSM_PROBE_PARTLY, "rsa2048");
}

static void needs_no_pin_to_read_facts(void)
{
	fixture_prepare();
	const struct hsm_probe_options options = { .uri = "pkcs11:token=unit", .read_only = true };
	auto_hsm_probe *report = probe_with(&options, bend_login);
	CHECK_INT(logins, 0);
	check_row(report, "keys", "existing", HSM_PROBE_PARTLY, "not looked for");
	struct error err = ERR_INIT;
	const struct hsm_probe_options making = { .uri = "pkcs11:token=unit" };
	CHECK_FAILS(!hsm_probe_run(hsm_admin_find_softhsm(), &making, &err), &err, ERR_USAGE);
}

static CK_RV destroys_nothing(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	(void)session;
	(void)object;
	return CKR_ACTION_PROHIBITED;
}

static void bend_destroying(void)
{
	bent.list.C_DestroyObject = destroys_nothing;
}

static void says_which_keys_it_could_not_destroy_and_the_next_probe_too(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_destroying);
	/* P-256, P-384, P-521, Ed25519, and one each for objects and C_Finalize */
	CHECK_INT(report->left_count, 6);
	for (size_t i = 0; i < report->left_count; i++)
		CHECK(strncmp(report->left[i], HSM_PROBE_LABEL, strlen(HSM_PROBE_LABEL)) == 0);
	check_row(report, "keys", "destroy", HSM_PROBE_NO, report->left[0]);
	auto_hsm_probe *next = probe(true, NULL);
	CHECK_INT(next->left_count, 6);
}

static bool initialized_once;

static CK_RV initialize_once(void *arguments)
{
	if (initialized_once)
		return CKR_GENERAL_ERROR;
	return bent.real->C_Initialize(arguments);
}

static void bend_initialize(void)
{
	initialized_once = true; /* before the bend */
	bent.list.C_Initialize = initialize_once;
}

static void says_where_the_module_does_not_come_back(void)
{
	fixture_prepare();
	auto_hsm_probe *report = probe(false, bend_initialize);
	check_row(report, "finalize", "C_Initialize again", HSM_PROBE_NO, "CKR_GENERAL_ERROR");
	CHECK(!row_of(report, "finalize", "login again"));
	CHECK_INT(report->left_count, 1); /* the key that was to be found again */
	CHECK(strstr(report->left[0], "-finalize") != NULL);
	CHECK(hsm_probe_can_issue(report));
}

static bool stop_at_last_type(void *argument)
{
	int *steps = argument;
	return ++*steps > 8;
}

static void leaves_nothing_when_it_is_stopped(void)
{
	fixture_prepare();
	int steps = 0;
	auto_secret *pin = fixture_pin(FIXTURE_PIN);
	const struct hsm_probe_options options = { .uri = "pkcs11:token=unit",
						   .pin = pin,
						   .rate_ms = RATE_MS,
						   .stop = stop_at_last_type,
						   .argument = &steps };
	auto_hsm_probe *report = probe_with(&options, NULL);
	CHECK(report->stopped);
	CHECK(row_of(report, "p521", "generate") != NULL);
	CHECK(!row_of(report, "ed25519", "generate"));
	CHECK_INT(report->left_count, 0);
	CHECK_INT(keys_left(), 0);
}

static void says_that_there_is_no_such_token(void)
{
	struct error err = ERR_INIT;
	fixture_prepare();
	const struct hsm_probe_options options = { .uri = "pkcs11:token=none", .read_only = true };
	CHECK_FAILS(!hsm_probe_run(hsm_admin_find_softhsm(), &options, &err), &err, ERR_TOKEN_UNAVAILABLE);
	CHECK_FAILS(!hsm_probe_run("/nowhere/module.so", &options, &err), &err, ERR_TOKEN_UNAVAILABLE);
}

SUITE(probe)
{
	TEST(finds_that_softhsm_serves_every_type);
	TEST(tells_what_handles_sessions_and_module_answer_at_their_end);
	TEST(names_every_attribute_that_the_token_keeps_otherwise);
	TEST(tells_a_bare_point_from_a_wrapped_one);
	TEST(says_where_a_stale_handle_cannot_be_told);
	TEST(counts_the_sessions_and_leaves_two);
	TEST(says_that_a_single_session_is_too_few);
	TEST(recommends_one_session_where_several_fail_together);
	TEST(gives_the_right_pin_once_a_login_and_no_other);
	TEST(tries_a_refused_pin_once_and_still_tells_the_facts);
	TEST(makes_nothing_when_it_may_only_read);
	TEST(needs_no_pin_to_read_facts);
	TEST(says_which_keys_it_could_not_destroy_and_the_next_probe_too);
	TEST(says_where_the_module_does_not_come_back);
	TEST(leaves_nothing_when_it_is_stopped);
	TEST(says_that_there_is_no_such_token);
}
