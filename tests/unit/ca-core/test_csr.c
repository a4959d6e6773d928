#include "ca-core/csr_private.h"

#include <stdio.h>

#include "base/text.h"
#include "tests/unit/ca-core/pure.h"

/* ---- the whole way of a request through the front: 0, or -1 with err ---- */

static int accept_request(struct bytes input, const struct ca_profile *profile, struct ca_names *names,
			  char common_name[65], struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(input, 100, err);
	if (!csr || ca_key_check_made_well(&csr->key, err) || ca_csr_verify(csr, err))
		return -1;
	return ca_csr_names(csr, profile, names, common_name, err);
}

static int try_request(struct bytes input, struct error *err)
{
	struct ca_profile profile;
	char common_name[65];
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_SERVER, &profile);
	return accept_request(input, &profile, &names, common_name, err);
}

static void data_name(char path[128], const char *file)
{
	(void)snprintf(path, 128, "csr/%s", file);
}

/* ---- tests/data/csr: each file, and the code that it must get ---- */

/* True where code is one of the comma-separated ones. */
static bool is_one_of(const char *code, const char *codes)
{
	size_t len = strlen(code);
	for (const char *at = codes; *at;) {
		size_t next = strcspn(at, ",");
		if (next == len && strncmp(at, code, len) == 0)
			return true;
		at += next + (at[next] == ',');
	}
	return false;
}

static void check_line(char *line)
{
	char path[128];
	struct error err = ERR_INIT;
	char *codes = strchr(line, ' ');
	REQUIRE(codes != NULL);
	*codes++ = '\0';
	data_name(path, line);
	const char *code = try_request(unit_data(path), &err) ? err_class(err.code)->slug : "ok";
	if (!is_one_of(code, codes))
		(void)fprintf(stderr, "%s: %s instead of %s: %s\n", line, code, codes, err.message);
	CHECK(is_one_of(code, codes));
	if (strcmp(code, "ok") != 0)
		CHECK(err.message[0] != '\0');
}

static void gives_each_request_what_it_must_get(void)
{
	auto_buf list = BUF_INIT;
	buf_add_bytes(&list, unit_data("csr/expected"));
	size_t count = 0;
	char *rest = NULL;
	REQUIRE(buf_text(&list)[0] != '\0');
	for (char *line = strtok_r((char *)list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		check_line(line);
		count++;
	}
	CHECK(count > 100);
}

/* ---- what the refusal says ---- */

static void says(const char *file, const char *what)
{
	char path[128];
	struct error err = ERR_INIT;
	data_name(path, file);
	CHECK(try_request(unit_data(path), &err) != 0);
	if (!strstr(err.message, what))
		CHECK_TEXT(err.message, what);
	CHECK(strstr(err.message, what) != NULL);
}

static void says_what_was_wrong(void)
{
	says("bad_a_certificate.txt", "openssl x509 -x509toreq");
	says("bad_a_private_key.txt", "private key");
	says("bad_a_private_key_in_der.der", "private key");
	says("bad_request_and_private_key.txt", "private key");
	says("bad_trailing_bytes_in_der.der", "behind");
	says("bad_ca_true.der", "CA");
	says("bad_rsa_1024.der", "1024");
	says("bad_rsa_exponent_3.der", "exponent");
	says("bad_rsa_roca.der", "ROCA");
	says("bad_rsa_small_factor.der", "factor");
	says("bad_rsa_close_primes.der", "close");
	says("bad_address_in_a_dns_name.der", "address");
	says("bad_u_label.der", "ASCII");
}

static void never_repeats_a_challenge_password(void)
{
	struct error err = ERR_INIT;
	auto_ca_csr *csr = ca_csr_parse(unit_data("csr/good_guide.txt"), 100, &err);
	CHECK_OK(csr != NULL, &err);
	bool listed = false;
	for (size_t i = 0; i < csr->not_copied_count; i++) {
		listed = listed || strcmp(csr->not_copied[i], "attribute challengePassword") == 0;
		CHECK(strstr(csr->not_copied[i], "secret") == NULL);
	}
	CHECK(listed);
}

static void lists_what_is_not_copied(void)
{
	static const char *const expected[] = { "subject C=DE", "subject O=Example GmbH", "subject OU=IT",
						"subject emailAddress=admin@example.test",
						"attribute unstructuredName" };
	struct error err = ERR_INIT;
	auto_ca_csr *csr = ca_csr_parse(unit_data("csr/good_guide.txt"), 100, &err);
	CHECK_OK(csr != NULL, &err);
	for (size_t e = 0; e < sizeof(expected) / sizeof(expected[0]); e++) {
		bool found = false;
		for (size_t i = 0; i < csr->not_copied_count; i++)
			found = found || strcmp(csr->not_copied[i], expected[e]) == 0;
		if (!found)
			CHECK_TEXT("(not listed)", expected[e]);
		CHECK(found);
	}
	CHECK_TEXT(csr->common_name, "www.example.test");
}

static void cuts_a_long_value_between_characters(void)
{
	auto_ca_csr *csr = calloc(1, sizeof(*csr));
	auto_buf value = BUF_INIT;
	REQUIRE(csr != NULL);
	buf_add_text(&value, "x");
	for (int i = 0; i < 100; i++)
		buf_add_text(&value, "\xc3\xbc");
	csr_not_copied(csr, "subject", "O", buf_bytes(&value));
	struct bytes line = bytes_of(csr->not_copied[0]);
	CHECK(text_is_utf8(line));
	CHECK_INT(line.len, strlen("subject O=") + 127);
}

/* ---- damage ---- */

static void refuses_der_cut_at_every_byte(void)
{
	struct bytes whole = unit_data("csr/good_der.der");
	for (size_t len = 0; len < whole.len; len++) {
		struct error err = ERR_INIT;
		uint8_t *exact = malloc(len ? len : 1); /* so that a read past the end is seen */
		REQUIRE(exact != NULL);
		memcpy(exact, whole.data, len);
		struct ca_csr *csr = ca_csr_parse(BYTES(exact, len), 100, &err);
		CHECK(csr == NULL);
		CHECK_INT(err.code, ERR_BAD_CSR);
		ca_csr_free(csr);
		free(exact);
	}
}

static void refuses_pem_cut_at_every_byte(void)
{
	struct bytes whole = unit_data("csr/good_p256.txt");
	while (whole.len && whole.data[whole.len - 1] == '\n')
		whole.len--;
	for (size_t len = 0; len < whole.len; len++) {
		struct error err = ERR_INIT;
		auto_ca_csr *csr = ca_csr_parse(BYTES(whole.data, len), 100, &err);
		CHECK(csr == NULL);
		CHECK_INT(err.code, ERR_BAD_CSR);
	}
}

static void refuses_each_flipped_bit(void)
{
	struct bytes whole = unit_data("csr/good_der.der");
	auto_buf damaged = BUF_INIT;
	buf_add_bytes(&damaged, whole);
	for (size_t bit = 0; bit < 8 * whole.len; bit++) {
		struct error err = ERR_INIT;
		damaged.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		CHECK(try_request(buf_bytes(&damaged), &err) != 0);
		CHECK_INT(err_class(err.code)->http_status, 400);
		damaged.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	struct error err = ERR_INIT;
	CHECK_OK(try_request(buf_bytes(&damaged), &err) == 0, &err);
}

static void refuses_more_than_64_kib_before_reading(void)
{
	struct error err = ERR_INIT;
	auto_buf large = BUF_INIT;
	REQUIRE(buf_extend(&large, CA_CSR_MAX + 1) != NULL);
	memset(large.data, 0x30, large.len);
	CHECK_FAILS(ca_csr_parse(buf_bytes(&large), 100, &err) == NULL, &err, ERR_TOO_LARGE);
}

/* ---- what a profile makes of a request ---- */

static int names_under(const char *file, const struct ca_profile *profile, struct ca_names *names, char common_name[65],
		       struct error *err)
{
	char path[128];
	data_name(path, file);
	auto_ca_csr *csr = ca_csr_parse(unit_data(path), 100, err);
	return csr ? ca_csr_names(csr, profile, names, common_name, err) : -1;
}

static void takes_a_servers_common_name_as_a_name(void)
{
	struct ca_profile server;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_SERVER, &server);
	CHECK_OK(names_under("good_guide.txt", &server, &names, common_name, &err) == 0, &err);
	CHECK_INT(names.count, 1);
	CHECK_TEXT(names.items[0].text, "www.example.test");
	CHECK_TEXT(common_name, "www.example.test");
}

static void leaves_the_subject_empty_where_the_profile_says_so(void)
{
	struct ca_profile server;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_SERVER, &server);
	server.common_name = false;
	CHECK_OK(names_under("good_guide.txt", &server, &names, common_name, &err) == 0, &err);
	CHECK_INT(names.count, 1);
	CHECK_TEXT(common_name, "");
}

static void drops_a_title_beside_a_servers_names(void)
{
	struct ca_profile server;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_SERVER, &server);
	CHECK_OK(names_under("good_title_beside_names.der", &server, &names, common_name, &err) == 0, &err);
	CHECK_INT(names.count, 1);
	CHECK_TEXT(common_name, "a.test");
}

static void keeps_a_clients_common_name_as_it_is(void)
{
	struct ca_profile client;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_CLIENT, &client);
	CHECK_OK(names_under("bad_common_name_that_is_no_host.der", &client, &names, common_name, &err) == 0, &err);
	CHECK_INT(names.count, 0);
	CHECK_TEXT(common_name, "My Web Server");
}

static void refuses_a_client_without_any_name(void)
{
	struct ca_profile client;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_CLIENT, &client);
	CHECK_FAILS(names_under("bad_no_usable_name.der", &client, &names, common_name, &err) != 0, &err, ERR_BAD_NAME);
}

static void refuses_kinds_of_names_that_the_profile_has_not(void)
{
	struct ca_profile server;
	char common_name[65];
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT, again = CA_NAMES_INIT;
	ca_profile_default(CA_KIND_SERVER, &server);
	server.allow_wildcard = false;
	CHECK_FAILS(names_under("good_names.txt", &server, &names, common_name, &err) != 0, &err, ERR_BAD_NAME);
	server.allow_wildcard = true;
	server.allow_ip = false;
	CHECK_FAILS(names_under("good_names.txt", &server, &again, common_name, &err) != 0, &err, ERR_BAD_NAME);
}

static void merges_a_name_that_stands_twice(void)
{
	struct error err = ERR_INIT;
	auto_ca_csr *csr = ca_csr_parse(unit_data("csr/good_same_name_twice.der"), 100, &err);
	CHECK_OK(csr != NULL, &err);
	CHECK_INT(csr->names.count, 1);
	CHECK_TEXT(csr->names.items[0].text, "a.test");
}

static void counts_names_against_the_callers_limit(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(ca_csr_parse(unit_data("csr/good_names.txt"), 3, &err) == NULL, &err, ERR_TOO_MANY_NAMES);
	auto_ca_csr *csr = ca_csr_parse(unit_data("csr/good_names.txt"), 4, &err);
	CHECK(csr != NULL);
}

SUITE(csr)
{
	TEST(gives_each_request_what_it_must_get);
	TEST(says_what_was_wrong);
	TEST(never_repeats_a_challenge_password);
	TEST(lists_what_is_not_copied);
	TEST(cuts_a_long_value_between_characters);
	TEST(refuses_der_cut_at_every_byte);
	TEST(refuses_pem_cut_at_every_byte);
	TEST(refuses_each_flipped_bit);
	TEST(refuses_more_than_64_kib_before_reading);
	TEST(takes_a_servers_common_name_as_a_name);
	TEST(leaves_the_subject_empty_where_the_profile_says_so);
	TEST(drops_a_title_beside_a_servers_names);
	TEST(keeps_a_clients_common_name_as_it_is);
	TEST(refuses_a_client_without_any_name);
	TEST(refuses_kinds_of_names_that_the_profile_has_not);
	TEST(merges_a_name_that_stands_twice);
	TEST(counts_names_against_the_callers_limit);
}
