#include "tests/unit/unit.h"

#include <stdio.h>

#include "base/file.h"
#include "tools/client.h"

static void escapes_what_a_query_cannot_carry(void)
{
	auto_buf path = BUF_INIT;
	buf_add_text(&path, "/x");
	url_add_query(&path, "name", "*.a b/&=\xc3\xa4");
	url_add_query(&path, "left-out", NULL);
	url_add_query(&path, "limit", "5");
	CHECK_TEXT(buf_text(&path), "/x?name=%2A.a%20b%2F%26%3D%C3%A4&limit=5");
}

static void refuses_a_server_without_tls(void)
{
	struct error err = ERR_INIT;
	const struct common_options common = { .state = unit_folder(), .server = "http://localhost:8443" };
	CHECK_FAILS(client_open(&common, &err) == NULL, &err, ERR_USAGE);
}

static void certificate_and_key_belong_together(void)
{
	struct error err = ERR_INIT;
	const struct common_options common = { .state = unit_folder(),
					       .server = "https://localhost:8443",
					       .cert = "x" };
	CHECK_FAILS(client_open(&common, &err) == NULL, &err, ERR_USAGE);
}

static void without_a_state_directory_it_says_how_to_get_one(void)
{
	struct error err = ERR_INIT;
	const struct common_options common = { .state = "/nonexistent" };
	CHECK_FAILS(client_open(&common, &err) == NULL, &err, ERR_NOT_FOUND);
	CHECK(strstr(err.message, "chancery init") != NULL);
}

static void a_token_that_others_can_read_is_refused(void)
{
	struct error err = ERR_INIT;
	auto_free char *path = file_join(unit_folder(), "token");
	const struct common_options common = { .state = unit_folder(),
					       .server = "https://localhost:8443",
					       .token_file = path };
	CHECK_OK(file_create(path, bytes_of("chy_x"), 0644, &err) == 0, &err);
	CHECK_FAILS(client_open(&common, &err) == NULL, &err, ERR_CONFIG);
}

static void nobody_listening_is_unreachable(void)
{
	struct error err = ERR_INIT;
	auto_buf body = BUF_INIT;
	auto_free char *path = file_join(unit_folder(), "token");
	const struct common_options common = { .state = unit_folder(),
					       .server = "https://127.0.0.1:1",
					       .ca = "/etc/ssl/certs/ca-certificates.crt",
					       .token_file = path };
	CHECK_OK(file_create(path, bytes_of("chy_x"), 0600, &err) == 0, &err);
	auto_client *client = client_open(&common, &err);
	CHECK_OK(client != NULL, &err);
	CHECK_FAILS(client_get(client, "/healthz", &body, &err) == -1, &err, ERR_UNREACHABLE);
}

SUITE(client)
{
	TEST(escapes_what_a_query_cannot_carry);
	TEST(refuses_a_server_without_tls);
	TEST(certificate_and_key_belong_together);
	TEST(without_a_state_directory_it_says_how_to_get_one);
	TEST(a_token_that_others_can_read_is_refused);
	TEST(nobody_listening_is_unreachable);
}
