#include "tests/unit/unit.h"

#include "base/text.h"
#include "httpd/validate/deliver.h"

static struct mail_text usual(void)
{
	return (struct mail_text){ .from = bytes_of("ca@pki.test"),
				   .to = bytes_of("admin@example.test"),
				   .subject = bytes_of("Order 17 waits"),
				   .body = bytes_of("One line.\n.\nAnother\n"),
				   .id = bytes_of("d-17_A"),
				   .now_s = 784111777 };
}

static void plain_text_goes_as_it_is(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	const struct mail_text mail = usual();
	CHECK_OK(mail_text_write(&mail, &out, &err) == 0, &err);
	CHECK_TEXT(buf_text(&out), "Date: Sun, 06 Nov 1994 08:49:37 +0000\r\n"
				   "From: <ca@pki.test>\r\n"
				   "To: <admin@example.test>\r\n"
				   "Message-ID: <d-17_A@pki.test>\r\n"
				   "Subject: Order 17 waits\r\n"
				   "Auto-Submitted: auto-generated\r\n"
				   "MIME-Version: 1.0\r\n"
				   "Content-Type: text/plain; charset=utf-8\r\n"
				   "Content-Transfer-Encoding: 7bit\r\n"
				   "\r\n"
				   "One line.\r\n.\r\nAnother\r\n");
}

/* What stands after the empty line, decoded. */
static void decode_body(struct buf *mail, struct buf *out)
{
	struct error err = ERR_INIT;
	const char *at = strstr(buf_text(mail), "\r\n\r\n");
	REQUIRE(at != NULL);
	auto_buf joined = BUF_INIT;
	for (at += 4; *at; at++)
		if (*at != '\r' && *at != '\n')
			buf_u8(&joined, (uint8_t)*at);
	CHECK_OK(text_parse_base64(buf_bytes(&joined), false, out, &err) == 0, &err);
}

static void what_is_not_ascii_or_too_long_is_encoded(void)
{
	auto_buf long_line = BUF_INIT;
	for (unsigned i = 0; i < 999; i++)
		buf_u8(&long_line, 'a');
	struct bytes bodies[] = { bytes_of("Grüße\nan alle"), bytes_of("a\rb"), bytes_of("bell \a"),
				  buf_bytes(&long_line) };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct error err = ERR_INIT;
		auto_buf out = BUF_INIT, body = BUF_INIT;
		struct mail_text mail = usual();
		mail.body = bodies[i];
		CHECK_OK(mail_text_write(&mail, &out, &err) == 0, &err);
		CHECK(strstr(buf_text(&out), "Content-Transfer-Encoding: base64\r\n") != NULL);
		decode_body(&out, &body);
		for (size_t at = 0, line = 0; at < out.len; at++, line = out.data[at - 1] == '\n' ? 0 : line + 1)
			CHECK(line <= 78);
		CHECK(body.len >= bodies[i].len + 2);
		CHECK(body.len > 2 && memcmp(body.data + body.len - 2, "\r\n", 2) == 0);
	}
}

static void a_subject_that_is_not_ascii_becomes_encoded_words(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct mail_text mail = usual();
	mail.subject = bytes_of("Schlüssel für äöü äöü äöü äöü äöü äöü äöü äöü äöü");
	CHECK_OK(mail_text_write(&mail, &out, &err) == 0, &err);
	const char *subject = strstr(buf_text(&out), "Subject: =?utf-8?B?");
	REQUIRE(subject != NULL);
	auto_buf decoded = BUF_INIT;
	size_t words = 0;
	for (const char *at = subject; (at = strstr(at, "=?utf-8?B?")) != NULL; words++) {
		at += strlen("=?utf-8?B?");
		const char *end = strstr(at, "?=");
		REQUIRE(end != NULL && end - at <= 60);
		size_t before = decoded.len;
		CHECK_OK(text_parse_base64(BYTES(at, end - at), false, &decoded, &err) == 0, &err);
		CHECK(text_is_utf8(BYTES(decoded.data + before, decoded.len - before)));
	}
	CHECK(words > 1);
	CHECK_BYTES(buf_bytes(&decoded), mail.subject);
}

static void a_subject_that_looks_encoded_is_encoded(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	struct mail_text mail = usual();
	mail.subject = bytes_of("=?utf-8?B?aGk=?=");
	CHECK_OK(mail_text_write(&mail, &out, &err) == 0, &err);
	CHECK(strstr(buf_text(&out), "Subject: =?utf-8?B?PT91") != NULL);
}

static void refused(struct mail_text mail, const char *says)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	CHECK_FAILS(mail_text_write(&mail, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_TEXT(strstr(err.message, says) ? "" : err.message, "");
}

static void nothing_can_add_a_header_or_a_recipient(void)
{
	static const char *const addresses[] = { "a@example.test\r\nBcc: b@example.test",
						 "a@example.test, b@example.test",
						 "<a@example.test>",
						 "a@example.test>",
						 "a b@example.test",
						 "",
						 "example.test",
						 "a@",
						 "@example.test",
						 "a@example.test\n" };
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct mail_text mail = usual();
		mail.to = bytes_of(addresses[i]);
		refused(mail, "recipient");
		mail = usual();
		mail.from = bytes_of(addresses[i]);
		refused(mail, "sender");
	}
	static const char *const subjects[] = {
		"a\nBcc: b@example.test", "a\r\nBcc: b@example.test", "a\rb", "a\x7f", "a\xc2\x85", "\xff"
	};
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		struct mail_text mail = usual();
		mail.subject = bytes_of(subjects[i]);
		refused(mail, "subject");
	}
	static const char *const ids[] = { "", "a>", "a\r\nX: y", "a b", "a@b" };
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct mail_text mail = usual();
		mail.id = bytes_of(ids[i]);
		refused(mail, "id");
	}
	struct mail_text mail = usual();
	mail.to = BYTES("a\0@example.test", 15);
	refused(mail, "recipient");
	mail = usual();
	mail.body = bytes_of("\xfe");
	refused(mail, "UTF-8");
}

SUITE(mail_text)
{
	TEST(plain_text_goes_as_it_is);
	TEST(what_is_not_ascii_or_too_long_is_encoded);
	TEST(a_subject_that_is_not_ascii_becomes_encoded_words);
	TEST(a_subject_that_looks_encoded_is_encoded);
	TEST(nothing_can_add_a_header_or_a_recipient);
}
