#include "tools/own_request.h"

#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "ca-core/challenge.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/unit.h"
#include "tools/keys.h"
#include "tools/output.h"

static const uint8_t nonce[32] = { 1, 2, 3 };

/* A request for www.example.test and the wildcard, with its key. */
struct rig {
	EVP_PKEY *key;
	struct buf csr, spki;
	struct own_request own;
	json_t *order;
};

static void add_name(struct ca_names *names, const char *text)
{
	struct error err = ERR_INIT;
	struct ca_name name;
	CHECK_OK(name_of(text, &name, &err) == 0, &err);
	CHECK_OK(ca_names_add(names, &name, 10, &err) == 0, &err);
}

/* What an honest server says of a name, for the key whose hash this is. */
static json_t *authorization(const char *name, const uint8_t spki_hash[32], const char *requester)
{
	char value[CA_CHALLENGE_VALUE_SIZE], txt[CA_CHALLENGE_NAME_SIZE], cname[CA_CHALLENGE_NAME_SIZE],
		target[CA_CHALLENGE_NAME_SIZE], url[CA_CHALLENGE_NAME_SIZE + 64];
	ca_challenge_value(nonce, spki_hash, bytes_of(name), bytes_of(requester), value);
	ca_challenge_txt_name(bytes_of(name), txt);
	ca_challenge_cname_name(bytes_of(name), value, cname);
	ca_challenge_cname_target(value, "challenges.example", target);
	ca_challenge_http_url(bytes_of(name), value, 80, url);
	return json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:[s]}]}", "name",
			 name, "status", "pending", "methods", "type", "dns-txt", "name", txt, "value", value, "type",
			 "dns-cname", "name", cname, "target", target, "type", "http", "url", url, "body", value,
			 "type", "mail", "to", "admin@example.test");
}

static json_t *order_for(const uint8_t spki_hash[32], const char *requester)
{
	char nonce_hex[65], spki_hex[65];
	return json_pack("{s:s, s:s, s:s, s:[o, o]}", "requester", requester, "nonce",
			 text_hex(BYTES(nonce, 32), nonce_hex), "spkiSha256", text_hex(BYTES(spki_hash, 32), spki_hex),
			 "authorizations", authorization("dns:www.example.test", spki_hash, requester),
			 authorization("dns:*.example.test", spki_hash, requester));
}

static void rig_open(struct rig *r)
{
	struct error err = ERR_INIT;
	auto_ca_names names = CA_NAMES_INIT;
	*r = (struct rig){ .own = { .names = CA_NAMES_INIT, .requester = "alice" } };
	r->key = key_generate("p256", &err);
	add_name(&names, "www.example.test");
	add_name(&names, "*.example.test");
	CHECK_OK(key_request(r->key, "www.example.test", &names, &r->csr, &err) == 0, &err);
	CHECK_OK(own_request_of_csr(buf_bytes(&r->csr), &r->own, &err) == 0, &err);
	r->order = order_for(r->own.spki_hash, "alice");
	REQUIRE(r->order != NULL);
}

static void rig_close(struct rig *r)
{
	EVP_PKEY_free(r->key);
	buf_free(&r->csr);
	buf_free(&r->spki);
	own_request_free(&r->own);
	json_decref(r->order);
}
#define auto_rig CLEANUP(rig_close) struct rig

static json_t *method(json_t *order, size_t name, size_t at)
{
	json_t *authorization = json_array_get(json_object_get(order, "authorizations"), name);
	return json_array_get(json_object_get(authorization, "methods"), at);
}

static void an_honest_order_is_taken(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	CHECK_OK(own_request_check(&r.own, r.order, &err) == 0, &err);
	CHECK_INT(json_array_size(
			  json_object_get(json_array_get(json_object_get(r.order, "authorizations"), 0), "methods")),
		  4);
}

/* Whose values are handed out is whose certificate there would be. */
static void the_values_for_a_strangers_key_are_found_out(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	static const uint8_t stranger[32] = { 0xee };
	rig_open(&r);
	auto_json *openly = order_for(stranger, "alice");
	CHECK_FAILS(own_request_check(&r.own, openly, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_TEXT(err.member, "spkiSha256");
	/* and where the lie is hidden behind the right hash */
	auto_json *hidden = order_for(stranger, "alice");
	(void)json_object_set(hidden, "spkiSha256", json_object_get(r.order, "spkiSha256"));
	CHECK_FAILS(own_request_check(&r.own, hidden, &err) == -1, &err, ERR_INTEGRITY);
}

static void an_order_of_somebody_else_is_found_out(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	auto_json *other = order_for(r.own.spki_hash, "mallory");
	CHECK_FAILS(own_request_check(&r.own, other, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_TEXT(err.member, "requester");
	r.own.requester = NULL; /* with a token nobody knows better */
	CHECK_OK(own_request_check(&r.own, other, &err) == 0, &err);
}

static void each_value_and_each_place_must_be_right(void)
{
	static const struct {
		size_t method;
		const char *member, *lie;
	} lies[] = { { 0, "name", "_chancery-challenge.attacker.test" },
		     { 0, "value", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		     { 0, "value", "" },
		     { 1, "name", "_aaaaaaaaaaaaaaaa.www.example.test" },
		     { 1, "target", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.challenges.example" },
		     { 1, "target", "challenges.example" },
		     { 2, "url", "http://attacker.test/.well-known/pki-validation/a.txt" },
		     { 2, "url", "https://www.example.test/.well-known/pki-validation/a.txt" },
		     { 2, "body", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" } };
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		for (size_t name = 0; name < 2; name++) {
			struct error err = ERR_INIT;
			auto_rig r;
			rig_open(&r);
			(void)json_object_set_new(method(r.order, name, lies[i].method), lies[i].member,
						  json_string(lies[i].lie));
			CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
		}
}

static void another_nonce_makes_every_value_wrong(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	(void)json_object_set_new(r.order, "nonce",
				  json_string("0000000000000000000000000000000000000000000000000000000000000000"));
	CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
	(void)json_object_set_new(r.order, "nonce", json_string("00"));
	CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
	(void)json_object_del(r.order, "nonce");
	CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
}

static void a_name_that_was_not_asked_for_is_found_out(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	json_t *authorizations = json_object_get(r.order, "authorizations");
	(void)json_array_append_new(authorizations, authorization("dns:bank.test", r.own.spki_hash, "alice"));
	CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
	CHECK_TEXT(err.member, "names");
}

/* A key alone has no names: the values are checked all the same. */
static void a_key_checks_values_without_names(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	auto_own_request own = { .names = CA_NAMES_INIT, .requester = "alice" };
	auto_own_request public = { .names = CA_NAMES_INIT, .requester = "alice" };
	auto_buf spki = BUF_INIT, pem = BUF_INIT;
	rig_open(&r);
	people_write_key(r.key, unit_path("own.key"));
	CHECK_OK(own_request_read(unit_path("own.key"), &own, &err) == 0, &err);
	CHECK_OK(own_request_check(&own, r.order, &err) == 0, &err);
	CHECK_OK(key_spki(r.key, &spki, &err) == 0, &err);
	text_add_pem(&pem, "PUBLIC KEY", buf_bytes(&spki));
	CHECK_OK(file_create(unit_path("own.pub"), buf_bytes(&pem), 0644, &err) == 0, &err);
	CHECK_OK(own_request_read(unit_path("own.pub"), &public, &err) == 0, &err);
	CHECK_OK(own_request_check(&public, r.order, &err) == 0, &err);
	(void)json_object_set_new(method(r.order, 0, 0), "value", json_string("aaaa"));
	CHECK_FAILS(own_request_check(&public, r.order, &err) == -1, &err, ERR_INTEGRITY);
}

static void the_port_of_a_zone_may_be_another(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	char value[CA_CHALLENGE_VALUE_SIZE], url[CA_CHALLENGE_NAME_SIZE + 64];
	rig_open(&r);
	ca_challenge_value(nonce, r.own.spki_hash, bytes_of("dns:www.example.test"), bytes_of("alice"), value);
	ca_challenge_http_url(bytes_of("dns:www.example.test"), value, 8080, url);
	(void)json_object_set_new(method(r.order, 0, 2), "url", json_string(url));
	CHECK_OK(own_request_check(&r.own, r.order, &err) == 0, &err);
	(void)json_object_set_new(method(r.order, 0, 2), "url",
				  json_string("http://www.example.test:99999/.well-known/pki-validation/a.txt"));
	CHECK_FAILS(own_request_check(&r.own, r.order, &err) == -1, &err, ERR_INTEGRITY);
}

static void a_way_that_is_not_known_is_not_shown(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	json_t *methods = json_object_get(json_array_get(json_object_get(r.order, "authorizations"), 0), "methods");
	(void)json_array_insert_new(methods, 0, json_pack("{s:s, s:s}", "type", "dns-new", "value", "of somebody"));
	CHECK_OK(own_request_check(&r.own, r.order, &err) == 0, &err);
	CHECK_INT(json_array_size(methods), 4);
	CHECK_TEXT(json_string_value(json_object_get(json_array_get(methods, 0), "type")), "dns-txt");
}

static void what_is_shown_already_needs_no_values(void)
{
	struct error err = ERR_INIT;
	auto_rig r;
	rig_open(&r);
	json_t *shown = json_array_get(json_object_get(r.order, "authorizations"), 0);
	(void)json_object_set_new(shown, "status", json_string("valid"));
	(void)json_object_set_new(shown, "methods", json_pack("[{s:s}]", "type", "dns-txt"));
	CHECK_OK(own_request_check(&r.own, r.order, &err) == 0, &err);
}

static void files_that_hold_no_request_are_refused(void)
{
	struct error err = ERR_INIT;
	auto_own_request own = { .names = CA_NAMES_INIT };
	CHECK_OK(file_create(unit_path("rubbish"), bytes_of("rubbish\n"), 0644, &err) == 0, &err);
	CHECK_FAILS(own_request_read(unit_path("rubbish"), &own, &err) == -1, &err, ERR_BAD_CSR);
	CHECK_FAILS(own_request_read(unit_path("nothing"), &own, &err) == -1, &err, ERR_NOT_FOUND);
}

SUITE(own_request)
{
	TEST(an_honest_order_is_taken);
	TEST(the_values_for_a_strangers_key_are_found_out);
	TEST(an_order_of_somebody_else_is_found_out);
	TEST(each_value_and_each_place_must_be_right);
	TEST(another_nonce_makes_every_value_wrong);
	TEST(a_name_that_was_not_asked_for_is_found_out);
	TEST(a_key_checks_values_without_names);
	TEST(the_port_of_a_zone_may_be_another);
	TEST(a_way_that_is_not_known_is_not_shown);
	TEST(what_is_shown_already_needs_no_values);
	TEST(files_that_hold_no_request_are_refused);
}
