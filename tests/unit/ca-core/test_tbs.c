#include "ca-core/tbs.h"

#include <stdio.h>

#include "base/file.h"
#include "base/ossl.h"
#include "ca-core/lint.h"
#include "tests/unit/ca-core/pure.h"

/* ---- golden certificates: one a profile, as `openssl x509 -text` shows it ---- */

struct golden {
	const char *profile, *key, *common_name, *names; /* names printed, separated by blanks */
	const char *file;                                /* where it is not the profile */
};

static void as_text(struct bytes certificate, struct buf *out)
{
	const uint8_t *at = certificate.data;
	auto_x509 *x509 = d2i_X509(NULL, &at, (long)certificate.len);
	auto_bio *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	REQUIRE(x509 && bio && X509_print_ex(bio, x509, XN_FLAG_RFC2253, 0) == 1);
	long len = BIO_get_mem_data(bio, &text);
	buf_add(out, text, (size_t)len);
}

/* With UPDATE_GOLDEN in the environment the files are written instead of compared. */
static void compare(const char *name, struct bytes text)
{
	char path[96];
	(void)snprintf(path, sizeof(path), "tests/data/golden/%s.txt", name);
	if (getenv("UPDATE_GOLDEN")) {
		struct error err = ERR_INIT;
		CHECK_OK(file_replace(path, text, 0644, &err) == 0, &err);
		return;
	}
	struct bytes golden = unit_data(path + strlen("tests/data/"));
	if (!bytes_equal(golden, text)) {
		auto_buf shown = BUF_INIT;
		buf_add_bytes(&shown, text);
		(void)fprintf(stderr, "%s\n", buf_text(&shown));
	}
	CHECK(bytes_equal(golden, text));
}

static void check_golden(const struct ca_config *c, const struct golden *g)
{
	static const uint8_t ecdsa_sha384[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 };
	struct error err = ERR_INIT;
	struct ca_issuer_info root, issuing;
	auto_buf subject = BUF_INIT, tbs = BUF_INIT, certificate = BUF_INIT, text = BUF_INIT;
	auto_ca_names names = pure_names(g->names);
	const struct ca_profile *profile = ca_config_profile(c, g->profile);
	REQUIRE(profile != NULL);
	pure_root(c, &root);
	pure_issuing(c, &issuing);
	const struct ca_issuer_info *issuer = profile->kind == CA_KIND_ROOT           ? NULL
					      : profile->kind == CA_KIND_INTERMEDIATE ? &root
										      : &issuing;
	struct ca_tbs in = pure_tbs(profile, issuer, g->key, g->common_name, &names, &subject);
	in.signature_algorithm = issuer ? BYTES_NONE : BYTES(ecdsa_sha384, sizeof(ecdsa_sha384));
	struct bytes algorithm = issuer ? buf_bytes(&issuer->signature_algorithm) : in.signature_algorithm;
	CHECK_OK(ca_tbs_build(&in, &tbs, &err) == 0, &err);
	CHECK_OK(ca_lint_tbs(buf_bytes(&tbs), profile, issuer, PURE_NOW_S, &err) == 0, &err);
	ca_certificate_assemble(buf_bytes(&tbs), algorithm, BYTES("no signature", 12), &certificate);
	as_text(buf_bytes(&certificate), &text);
	compare(g->file ? g->file : g->profile, buf_bytes(&text));
	ca_issuer_info_clear(&root);
	ca_issuer_info_clear(&issuing);
}

static void matches_the_golden_certificate_of_each_profile(void)
{
	static const struct golden certificates[] = {
		{ "root", "p384", "Example Ltd Root 1", "", NULL },
		{ "intermediate", "p256-issuing", "Example Ltd Issuing 1", "", NULL },
		{ "audit", "p256", "Example Ltd Audit ca1", "", NULL },
		{ "front", "p256", "localhost", "dns:localhost ip:127.0.0.1 ip:::1", NULL },
		{ "server-dv", "p256", "www.a.test", "dns:www.a.test dns:*.a.test ip:10.0.0.1", NULL },
		{ "server-dv", "rsa2048", "www.a.test", "dns:www.a.test", "server-dv-rsa" },
		{ "server-dv", "ed25519", "", "dns:www.a.test", "server-dv-no-subject" },
		{ "client", "p256", "alice", "", NULL },
		{ "client", "p521", "", "email:alice@a.test", "client-mail" },
		{ "peer", "p384", "node.a.test", "dns:node.a.test", NULL },
		{ "short-lived", "p256", "job.a.test", "dns:job.a.test", NULL },
	};
	auto_ca_config *c = pure_config();
	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++)
		check_golden(c, &certificates[i]);
}

/* ---- times ---- */

static void changes_the_type_of_time_at_2050(void)
{
	static const int64_t last_of_2049 = 2524607999;
	auto_ca_config *c = pure_config();
	struct error err = ERR_INIT;
	struct ca_issuer_info issuing;
	auto_buf subject = BUF_INIT, utc = BUF_INIT, generalized = BUF_INIT;
	auto_ca_names names = pure_names("dns:a.test");
	pure_issuing(c, &issuing);
	struct ca_tbs in = pure_tbs(ca_config_profile(c, "server-dv"), &issuing, "p256", "a.test", &names, &subject);
	in.not_after_s = last_of_2049;
	CHECK_OK(ca_tbs_build(&in, &utc, &err) == 0, &err);
	CHECK(memmem(utc.data, utc.len,
		     "\x17\x0d"
		     "491231235959Z",
		     15) != NULL);
	in.not_after_s = last_of_2049 + 1;
	CHECK_OK(ca_tbs_build(&in, &generalized, &err) == 0, &err);
	CHECK(memmem(generalized.data, generalized.len,
		     "\x18\x0f"
		     "20500101000000Z",
		     17) != NULL);
	ca_issuer_info_clear(&issuing);
}

/* ---- what is never built ---- */

static void refuses_serials_that_are_not_positive_or_too_long(void)
{
	static const uint8_t long_serial[21] = { 1 };
	static const struct bytes bad[] = { { NULL, 0 },
					    { (const uint8_t *)"\0", 1 },
					    { (const uint8_t *)"\x80\1", 2 },
					    { long_serial, sizeof(long_serial) } };
	auto_ca_config *c = pure_config();
	struct ca_issuer_info issuing;
	auto_buf subject = BUF_INIT;
	auto_ca_names names = pure_names("dns:a.test");
	pure_issuing(c, &issuing);
	struct ca_tbs in = pure_tbs(ca_config_profile(c, "server-dv"), &issuing, "p256", "a.test", &names, &subject);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_buf out = BUF_INIT;
		struct error err = ERR_INIT;
		in.serial = bad[i];
		CHECK_FAILS(ca_tbs_build(&in, &out, &err) != 0, &err, ERR_INTERNAL);
		CHECK_INT(out.len, 0);
	}
	ca_issuer_info_clear(&issuing);
}

static void refuses_a_self_signed_leaf_and_a_root_with_an_issuer(void)
{
	auto_ca_config *c = pure_config();
	struct ca_issuer_info root;
	auto_buf subject = BUF_INIT, again = BUF_INIT, out = BUF_INIT;
	struct error err = ERR_INIT;
	auto_ca_names names = pure_names("dns:a.test");
	pure_root(c, &root);
	struct ca_tbs leaf = pure_tbs(ca_config_profile(c, "server-dv"), NULL, "p256", "a.test", &names, &subject);
	CHECK_FAILS(ca_tbs_build(&leaf, &out, &err) != 0, &err, ERR_INTERNAL);
	struct ca_tbs second = pure_tbs(ca_config_profile(c, "root"), &root, "p256", "Root", NULL, &again);
	CHECK_FAILS(ca_tbs_build(&second, &out, &err) != 0, &err, ERR_INTERNAL);
	ca_issuer_info_clear(&root);
}

static void refuses_an_unprepared_profile(void)
{
	struct ca_profile profile;
	auto_buf subject = BUF_INIT, out = BUF_INIT;
	struct error err = ERR_INIT;
	ca_profile_default(CA_KIND_ROOT, &profile);
	struct ca_tbs in = pure_tbs(&profile, NULL, "p256", "Root", NULL, &subject);
	in.signature_algorithm = BYTES("\x30\0", 2);
	CHECK_FAILS(ca_tbs_build(&in, &out, &err) != 0, &err, ERR_INTERNAL);
}

SUITE(tbs)
{
	TEST(matches_the_golden_certificate_of_each_profile);
	TEST(changes_the_type_of_time_at_2050);
	TEST(refuses_serials_that_are_not_positive_or_too_long);
	TEST(refuses_a_self_signed_leaf_and_a_root_with_an_issuer);
	TEST(refuses_an_unprepared_profile);
}
