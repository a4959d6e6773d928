#include "tests/unit/ca-core/pure.h"

#include <ctype.h>

#include "base/file.h"

static void print(const struct ca_config *c, struct buf *out)
{
	ca_config_print(c, out);
	REQUIRE(!out->failed);
}

/* The option of "section name.option = value"; false where the line is another. */
static bool option_of(const char *line, char option[64])
{
	const char *equals = strstr(line, " = ");
	const char *from = equals;
	while (from && from > line && (islower((unsigned char)from[-1]) || from[-1] == '-'))
		from--;
	if (!equals || from == equals || (size_t)(equals - from) >= 62)
		return false;
	option[0] = '`'; /* as the reference writes it */
	memcpy(option + 1, from, (size_t)(equals - from));
	option[1 + (equals - from)] = '`';
	option[2 + (equals - from)] = '\0';
	return true;
}

/* The reference for people has each option that there is. */
static void every_option_stands_in_the_reference(void)
{
	struct error err = ERR_INIT;
	auto_ca_config *c = pure_config_with("audit {", "zone \"z\" { suffixes = { \"example.com\" } }\naudit {", &err);
	auto_buf shown = BUF_INIT, reference = BUF_INIT;
	CHECK_OK(c != NULL, &err);
	char *rest = NULL;
	size_t count = 0;
	print(c, &shown);
	CHECK_OK(file_read("docs/configuration.md", 1 << 20, &reference, &err) == 0, &err);
	REQUIRE(buf_text(&shown)[0] != '\0' && buf_text(&reference)[0] != '\0');
	for (char *line = strtok_r((char *)shown.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char option[64];
		if (!option_of(line, option))
			continue;
		count++;
		if (!strstr((char *)reference.data, option))
			CHECK_TEXT("(not in docs/configuration.md)", option);
	}
	CHECK(count > 100);
}

static void shows_deviations_last(void)
{
	auto_ca_config *c = pure_config();
	auto_buf shown = BUF_INIT;
	print(c, &shown);
	const char *text = buf_text(&shown), *first = strstr(text, "waiver profile ");
	REQUIRE(first != NULL);
	for (const char *line = first; *line; line = strchr(line, '\n') + 1)
		CHECK(strncmp(line, "waiver ", 7) == 0);
	CHECK(strstr(text, "waiver profile server-dv.internal-names = ") != NULL);
	CHECK(strstr(text, "waiver profile client.") == NULL);
}

static void shows_a_reference_to_a_pin_and_never_a_pin(void)
{
	auto_ca_config *c = pure_config();
	auto_buf shown = BUF_INIT;
	print(c, &shown);
	CHECK(strstr(buf_text(&shown), "token issuing.pin = file:token/issuing.pin\n") != NULL);
}

static void shows_defaults_as_they_hold(void)
{
	auto_ca_config *c = pure_config();
	auto_buf shown = BUF_INIT;
	print(c, &shown);
	CHECK(strstr(buf_text(&shown), "issuer issuing-1.crl-overlap-hours = 8\n") != NULL);
	CHECK(strstr(buf_text(&shown), "grant admin.networks = 127.0.0.0/8, ::1/128, ") != NULL);
	CHECK(strstr(buf_text(&shown), "profile intermediate.policies = 2.999.1.3.1, 2.999.1.3.2, 2.999.1.3.3, "
				       "2.999.1.3.4, 2.999.1.3.5\n") != NULL);
}

static void shows_zones_mail_and_notices_with_references_alone(void)
{
	static const char *const lines[] = {
		"\nprofile server-dv.methods = grant, dns-txt, http, mail\n",
		"\nprofile server-dv.caa = enforce\n",
		"\nprofile server-ev.approvals = 2\n",
		"\nprofile server-ev.reuse-days = 398\n",
		"\nzone in.suffixes = .corp.internal\n",
		"\nzone in.networks = 10.0.0.0/8\n",
		"\nzone in.resolvers = [fd00::53]:53\n",
		"\nzone in.public = false\n",
		"\nzone in.connect-networks = fd00::/8\n",
		"\nzone in.connect-ports = 80\n",
		"\nzone in.caa = \n",
		"\nmail.server = smtp://127.0.0.1:25\n",
		"\nmail.password = credential:smtp\n",
		"\nnotify.webhook-secret = file:secret\n",
		"\nnotify.expiry-days = 30, 14, 7, 1\n",
	};
	struct error err = ERR_INIT;
	auto_ca_config *c = pure_config_with(
		"audit {",
		"zone \"in\" { suffixes = { \".corp.internal\" } networks = { \"10.0.0.0/8\" } public = false "
		"resolvers = { \"[fd00::53]:53\" } connect-networks = { \"fd00::/8\" } }\n"
		"mail { server = \"smtp://127.0.0.1:25\" from = \"a@b.test\" user = \"u\" password = "
		"\"credential:smtp\" }\n"
		"notify { webhook = \"https://h.test/\" webhook-secret = \"file:secret\" }\naudit {",
		&err);
	auto_buf shown = BUF_INIT;
	CHECK_OK(c != NULL, &err);
	print(c, &shown);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK_TEXT(strstr(buf_text(&shown), lines[i]) ? lines[i] : "(not shown)", lines[i]);
	CHECK(strstr(buf_text(&shown), "profile front.methods") == NULL); /* nobody orders the CA's own */
}

SUITE(config_print)
{
	TEST(every_option_stands_in_the_reference);
	TEST(shows_deviations_last);
	TEST(shows_a_reference_to_a_pin_and_never_a_pin);
	TEST(shows_defaults_as_they_hold);
	TEST(shows_zones_mail_and_notices_with_references_alone);
}
