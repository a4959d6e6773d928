#include "tests/unit/ca-core/pure.h"

static struct ca_config *load_good(void)
{
	struct error err = ERR_INIT;
	struct ca_config *c = pure_config_with("arc = ", "arc = ", &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

/* ---- asking ---- */

static void a_request_gets_requesters_profiles_alone(void)
{
	auto_ca_config *c = load_good();
	struct error err = ERR_INIT;
	CHECK(ca_config_profile_for_request(c, bytes_of("server-dv"), &err) == ca_config_profile(c, "server-dv"));
	CHECK_FAILS(ca_config_profile_for_request(c, bytes_of("front"), &err) == NULL, &err, ERR_PROFILE_UNKNOWN);
	CHECK_TEXT(err.member, "profile");
	CHECK_TEXT(err.allowed, "server-dv, server-ov, server-ev, client, peer, short-lived");
	CHECK_FAILS(ca_config_profile_for_request(c, BYTES_NONE, &err) == NULL, &err, ERR_PROFILE_UNKNOWN);
	CHECK_FAILS(ca_config_profile_for_request(c, BYTES("server-dv\0", 10), &err) == NULL, &err,
		    ERR_PROFILE_UNKNOWN);
}

/* Asks for one printed name ("dns:x") under the profile. */
static int ask(const struct ca_config *c, const char *identity, const char *profile, const char *printed,
	       const char *common_name, struct error *err)
{
	auto_ca_names names = CA_NAMES_INIT;
	struct ca_name name;
	if (printed) {
		CHECK_OK(ca_name_parse(bytes_of(printed), &name, err) == 0, err);
		CHECK_OK(ca_names_add(&names, &name, 10, err) == 0, err);
	}
	return ca_config_granted(c, identity, ca_config_profile(c, profile), &names, common_name, err);
}

static void a_grant_is_exact_to_the_label(void)
{
	static const char *const granted[] = { "dns:localhost",     "dns:a.localhost", "dns:a.test",
					       "dns:a.b.test",      "dns:*.a.test",    "dns:x.internal",
					       "dns:x.home.arpa",   "dns:*.home.arpa", "dns:*.a.localhost",
					       "ip:127.0.0.1",      "ip:127.255.0.9",  "ip:10.1.2.3",
					       "ip:172.31.255.255", "ip:192.168.7.7",  "ip:::1",
					       "ip:fd00::1" };
	static const char *const refused[] = {
		"dns:test",   "dns:eviltest",  "dns:a.test.com", "dns:internal", "dns:example.com", "dns:xlocalhost",
		"ip:8.8.8.8", "ip:172.32.0.1", "ip:11.0.0.1",    "ip:fe80::1",   "ip:::2",          "ip:2001:db8::1"
	};
	auto_ca_config *c = load_good();
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_OK(ask(c, "admin", "server-dv", granted[i], "", &err) == 0, &err);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct error err = ERR_INIT;
		CHECK_FAILS(ask(c, "admin", "server-dv", refused[i], "", &err), &err, ERR_NAME_NOT_ALLOWED);
		CHECK_TEXT(err.value, strchr(refused[i], ':') + 1);
		CHECK(err.allowed[0] != '\0');
	}
}

static void a_grant_is_for_its_identities_and_profiles_alone(void)
{
	auto_ca_config *c = load_good();
	struct error err = ERR_INIT;
	CHECK_FAILS(ask(c, "alice", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admi", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admin", "front", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

/* The configuration with a second grant, to alice. */
static struct ca_config *with_grant(const char *options)
{
	auto_buf text = BUF_INIT;
	struct error err = ERR_INIT;
	buf_printf(&text,
		   "grant \"alice\" {\n\tidentities = { \"alice\" }\n\tprofiles = { \"server-dv\", \"client\" }\n%s}\n"
		   "arc = ",
		   options);
	struct ca_config *c = pure_config_with("arc = ", buf_text(&text), &err);
	CHECK_OK(c != NULL, &err);
	return c;
}

/* PKI.md section 2: never over a public suffix, but for the zone that was granted itself. */
static void a_wildcard_needs_the_grant_to_say_so(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *plain = with_grant("\tsuffixes = { \"alice.test\", \".alice.test\" }\n");
	CHECK_OK(ask(plain, "alice", "server-dv", "dns:alice.test", "", &err) == 0, &err);
	CHECK_OK(ask(plain, "alice", "server-dv", "dns:www.alice.test", "", &err) == 0, &err);
	CHECK_FAILS(ask(plain, "alice", "server-dv", "dns:*.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_TEXT(err.value, "*.alice.test");
	auto_ca_config *broad = with_grant("\tsuffixes = { \".uk\" }\n\twildcards = true\n");
	CHECK_OK(ask(broad, "alice", "server-dv", "dns:*.example.co.uk", "", &err) == 0, &err);
	CHECK_FAILS(ask(broad, "alice", "server-dv", "dns:*.co.uk", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	auto_ca_config *zone = with_grant("\tsuffixes = { \".co.uk\" }\n\twildcards = true\n");
	CHECK_OK(ask(zone, "alice", "server-dv", "dns:*.co.uk", "", &err) == 0, &err);
	auto_ca_config *exact = with_grant("\tsuffixes = { \"alice.test\" }\n\twildcards = true\n");
	CHECK_FAILS(ask(exact, "alice", "server-dv", "dns:*.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(exact, "alice", "server-dv", "dns:www.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

static void a_clients_common_name_is_what_the_grant_allows(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = with_grant("\tcommon-names = { \"alice*\", \"*.svc\", \"exact\" }\n");
	static const char *const granted[] = { "alice", "alice laptop", "a.svc", ".svc", "exact" };
	static const char *const refused[] = { "bob laptop", "malice", "svc", "exact ", "exac", "*" };
	for (size_t i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
		CHECK_OK(ask(c, "alice", "client", NULL, granted[i], &err) == 0, &err);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CHECK_FAILS(ask(c, "alice", "client", NULL, refused[i], &err), &err, ERR_NAME_NOT_ALLOWED);
		CHECK_TEXT(err.value, refused[i]);
		CHECK_TEXT(err.allowed, "alice*, *.svc, exact");
	}
	CHECK_OK(ask(c, "admin", "client", NULL, "Anybody At All", &err) == 0, &err);
	CHECK_FAILS(ask(c, "admin", "server-dv", "dns:a.test", "b.test", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "admin", "server-dv", "dns:a.test", "a.test", &err) == 0, &err);
}

static void mail_is_granted_by_its_domain(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = with_grant("\tsuffixes = { \"alice.test\" }\n");
	CHECK_OK(ask(c, "alice", "client", "email:me@alice.test", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "alice", "client", "email:me@x.alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "alice", "client", "email:alice.test@bob.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "alice", "client", "uri:https://alice.test/x", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "alice", "client", "uri:https://bob.test/alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "alice", "client", "uri:urn:alice.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
}

/* BR 4.2.2 */
static void internal_names_need_their_waiver(void)
{
	struct error err = ERR_INIT;
	/* The profile ends where the further grant begins, which then ends where the profile did. */
	auto_ca_config *c = pure_config_with("common-name = true\n\twaivers = { \"internal-names\" }",
					     "common-name = true\n}\n\ngrant \"public\" {\n\tidentities = { \"admin\" "
					     "}\n\tprofiles = { \"server-dv\" }\n"
					     "\tsuffixes = { \".example.com\" }\n\tnetworks = { \"192.0.2.0/24\" }",
					     &err);
	CHECK_OK(c != NULL, &err);
	CHECK_OK(ask(c, "admin", "server-dv", "dns:www.example.com", "", &err) == 0, &err);
	CHECK_FAILS(ask(c, "admin", "server-dv", "dns:a.test", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_FAILS(ask(c, "admin", "server-dv", "ip:10.0.0.1", "", &err), &err, ERR_NAME_NOT_ALLOWED);
	CHECK_OK(ask(c, "admin", "peer", "dns:a.test", "", &err) == 0, &err);
}

SUITE(config_grant)
{
	TEST(a_request_gets_requesters_profiles_alone);
	TEST(a_grant_is_exact_to_the_label);
	TEST(a_grant_is_for_its_identities_and_profiles_alone);
	TEST(a_wildcard_needs_the_grant_to_say_so);
	TEST(a_clients_common_name_is_what_the_grant_allows);
	TEST(mail_is_granted_by_its_domain);
	TEST(internal_names_need_their_waiver);
}
