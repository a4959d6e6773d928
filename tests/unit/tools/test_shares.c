#include "tools/shares.h"

#include <ctype.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static const char PIN_HEX[] = "00ff1234567890abcdef00ff123456ab";
static const char LETTERS[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static struct secret *pin_of(const char *text)
{
	struct error err = ERR_INIT;
	struct secret *pin = secret_new(bytes_of(text), &err);
	CHECK_OK(pin != NULL, &err);
	return pin;
}

static void split(const char *text, unsigned count, unsigned threshold, struct share *out)
{
	struct error err = ERR_INIT;
	auto_secret *pin = pin_of(text);
	CHECK_OK(shares_split(pin, SHARES_PIN_USER, count, threshold, out, &err) == 0, &err);
}

static void check_combined(const struct share *shares, size_t count, const char *expected)
{
	struct error err = ERR_INIT;
	auto_secret *pin = shares_combine(shares, count, &err);
	CHECK_OK(pin != NULL, &err);
	CHECK_BYTES(secret_bytes(pin), bytes_of(expected));
}

/* ---- splitting ---- */

/* Those shares whose bit is set. */
static size_t choose(const struct share *all, unsigned count, unsigned set, struct share *out)
{
	size_t chosen = 0;
	for (unsigned i = 0; i < count; i++)
		if (set >> i & 1U)
			out[chosen++] = all[i];
	return chosen;
}

static void any_m_of_n_give_the_pin_back_and_fewer_do_not(void)
{
	struct share all[8], some[8];
	for (unsigned n = 2; n <= 8; n++) {
		for (unsigned m = 2; m <= n; m++) {
			split(PIN_HEX, n, m, all);
			for (unsigned set = 1; set < 1U << n; set++) {
				struct error err = ERR_INIT;
				size_t chosen = choose(all, n, set, some);
				if (chosen >= m)
					check_combined(some, chosen, PIN_HEX);
				else
					CHECK_FAILS(!shares_combine(some, chosen, &err), &err, ERR_CONFLICT);
			}
		}
	}
}

static void the_order_of_shares_does_not_matter(void)
{
	struct share all[5];
	split(PIN_HEX, 5, 3, all);
	const struct share some[] = { all[4], all[0], all[2] };
	check_combined(some, 3, PIN_HEX);
}

static void pins_of_every_form_come_back(void)
{
	static const char *const pins[] = {
		"0",
		"z",
		"12345678",
		"zzzzzzzz",
		"8chars0z",
		"0123456789012345678901234567890123456789",
		"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
		"zyxwvtsrqpnmkjhgfedcba9876543210zyxwvtsrqpnmkjhgfedcba9876543210",
	};
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct share all[3], read[3];
		struct error err = ERR_INIT;
		split(pins[i], 3, 2, all);
		for (size_t j = 0; j < 3; j++) {
			auto_buf text = BUF_INIT;
			share_write(&all[j], &text);
			CHECK_OK(share_read(buf_bytes(&text), &read[j], &err) == 0, &err);
			CHECK(all[j].value_len >= 16);
		}
		check_combined(read + 1, 2, pins[i]);
	}
}

static void numbers_out_of_range_and_other_pins_are_refused(void)
{
	static const unsigned numbers[][2] = { { 3, 0 }, { 3, 1 }, { 3, 4 }, { 33, 2 }, { 1, 1 }, { 0, 0 } };
	struct share out[SHARES_MAX];
	struct error err = ERR_INIT;
	auto_secret *pin = pin_of(PIN_HEX);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		CHECK_FAILS(shares_split(pin, SHARES_PIN_USER, numbers[i][0], numbers[i][1], out, &err) == -1, &err,
			    ERR_USAGE);
	static const char *const others[] = {
		"", "ABC", "no u", "hello", "00000000000000000000000000000000000000000000000000000000000000000" /* 65 */
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		auto_secret *other = pin_of(others[i]);
		CHECK_FAILS(shares_split(other, SHARES_PIN_USER, 3, 2, out, &err) == -1, &err, ERR_CONFIG);
	}
	CHECK_OK(shares_split(pin, SHARES_PIN_SO, SHARES_MAX, SHARES_MAX, out, &err) == 0, &err);
	check_combined(out, SHARES_MAX, PIN_HEX);
}

static void shares_of_another_split_and_duplicates_are_refused(void)
{
	struct share one[3], other[3];
	struct error err = ERR_INIT;
	split(PIN_HEX, 3, 2, one);
	split(PIN_HEX, 3, 2, other);
	CHECK(strcmp(one[0].split, other[0].split) != 0);
	CHECK(memcmp(one[0].value, other[0].value, one[0].value_len) != 0);
	const struct share mixed[] = { one[0], other[1] }, twice[] = { one[1], one[1] };
	CHECK_FAILS(!shares_combine(mixed, 2, &err), &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "different splits") != NULL);
	CHECK_FAILS(!shares_combine(twice, 2, &err), &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "share 2 is there twice") != NULL);
	CHECK_FAILS(!shares_combine(one, 0, &err), &err, ERR_CONFLICT);
	CHECK_FAILS(!shares_combine(one, 1, &err), &err, ERR_CONFLICT);
	CHECK(strstr(err.message, "too few shares: there are 1, and 2 are needed") != NULL);
}

/* ---- PINs ---- */

static void check_drawn(unsigned long least, unsigned long most, bool digits, size_t len, const char *letters)
{
	struct error err = ERR_INIT;
	auto_secret *pin = shares_draw_pin((struct pin_limits){ least, most }, digits, &err);
	CHECK_OK(pin != NULL, &err);
	struct bytes b = secret_bytes(pin);
	CHECK_INT(b.len, len);
	for (size_t i = 0; i < b.len; i++)
		CHECK(strchr(letters, b.data[i]) != NULL);
}

static void a_pin_has_128_bits_or_as_many_as_the_token_takes(void)
{
	static const char hex[] = "0123456789abcdef", dense[] = "0123456789abcdefghjkmnpqrstvwxyz";
	struct error err = ERR_INIT;
	check_drawn(4, 255, false, 32, hex);
	check_drawn(0, 0, false, 32, hex);
	check_drawn(~0UL, ~0UL, false, 32, hex); /* CK_UNAVAILABLE_INFORMATION */
	check_drawn(4, 32, false, 32, hex);
	check_drawn(4, 31, false, 26, dense);
	check_drawn(4, 26, false, 26, dense);
	check_drawn(4, 8, false, 8, dense);
	check_drawn(40, 64, false, 40, hex);
	check_drawn(4, 255, true, 39, "0123456789");
	check_drawn(4, 8, true, 8, "0123456789");
	CHECK_FAILS(!shares_draw_pin((struct pin_limits){ 65, 128 }, false, &err), &err, ERR_CONFIG);
}

/* ---- text ---- */

static void write_first(unsigned count, unsigned threshold, struct share *all, struct buf *text)
{
	split(PIN_HEX, count, threshold, all);
	share_write(&all[0], text);
	CHECK(!text->failed);
}

static void a_share_is_48_symbols_in_three_lines_of_four_groups(void)
{
	struct share all[5];
	auto_buf text = BUF_INIT;
	write_first(5, 3, all, &text);
	const char *at = buf_text(&text);
	CHECK_INT(text.len, 60);
	for (size_t i = 0; i < text.len; i++) {
		char expected = i % 20 == 19 ? '\n' : i % 5 == 4 ? ' ' : 'x';
		CHECK(expected == 'x' ? strchr(LETTERS, at[i]) != NULL : at[i] == expected);
	}
}

/* Made by another implementation of tools/shares.h's comment, with fixed coefficients: papers must be read for ever. */
static void shares_that_another_program_made_are_read(void)
{
	static const char *const texts[] = {
		"107K 3Q9X W2MA 2110 4QC3 P5VB 8YGR 165R B6P5 YYRQ J0DD 0EFM",
		"107K 3Q9X W2MA 2410 G5GB Q5W7 PXMQ 1REX 0KRP WNG2 5MJC AF2H",
		"107K 3Q9X W2MA 2610 MH3S 5D5T H1C5 QD4A BPH2 66A3 2RK3 SXY6",
	};
	struct share some[3];
	char id[SHARES_ID_LEN + 2];
	for (size_t i = 0; i < 3; i++) {
		struct error err = ERR_INIT;
		CHECK_OK(share_read(bytes_of(texts[i]), &some[i], &err) == 0, &err);
	}
	CHECK_INT(some[0].index, 2);
	CHECK_INT(some[2].index, 7);
	CHECK_TEXT(shares_id_text(some[0].split, id), "7K3Q9-XW2MA");
	check_combined(some, 3, PIN_HEX);
}

static void small_letters_look_alikes_and_other_groups_are_read_alike(void)
{
	struct share all[3], read;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, typed = BUF_INIT;
	write_first(3, 2, all, &text);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c == '0' || c == '1')
			buf_u8(&typed, (uint8_t)(c == '0' ? "oO"[i % 2] : "iIlL"[i % 4]));
		else if (c == ' ' || c == '\n')
			buf_add_text(&typed, i % 3 ? "-" : i % 2 ? "" : " \t");
		else
			buf_u8(&typed, (uint8_t)tolower(c));
	}
	CHECK_OK(share_read(buf_bytes(&typed), &read, &err) == 0, &err);
	CHECK_INT(read.index, 1);
	CHECK_INT(read.threshold, 2);
	CHECK_TEXT(read.split, all[0].split);
	CHECK(memcmp(read.value, all[0].value, all[0].value_len) == 0);
}

static void every_wrong_character_is_noticed_and_its_group_named(void)
{
	struct share all[3], read;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	for (size_t i = 0, symbol = 0; i < text.len; i++) {
		uint8_t was = text.data[i];
		if (was == ' ' || was == '\n')
			continue;
		char group[64];
		(void)snprintf(group, sizeof(group), "look at group %zu (line %zu)", symbol / 4 + 1, symbol / 16 + 1);
		for (const char *other = LETTERS; *other; other++) {
			struct error err = ERR_INIT;
			if ((uint8_t)*other == was)
				continue;
			text.data[i] = (uint8_t)*other;
			CHECK_FAILS(share_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_BAD_REQUEST);
			CHECK(strstr(err.message, group) != NULL);
		}
		text.data[i] = was;
		symbol++;
	}
}

static void characters_that_are_none_are_noticed(void)
{
	struct share all[3], read;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	uint8_t was = text.data[7];
	for (unsigned c = 1; c < 256; c++) {
		struct error err = ERR_INIT;
		if (isalnum((int)c) && tolower((int)c) != 'u')
			continue;
		text.data[7] = (uint8_t)c;
		CHECK_FAILS(share_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_BAD_REQUEST);
	}
	text.data[7] = was;
	text.data[7] = 'U';
	struct error err = ERR_INIT;
	CHECK_FAILS(share_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK(strstr(err.message, "group 2 has a character") != NULL);
}

static void neighbours_that_changed_places_are_named(void)
{
	struct share all[3], read;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	for (size_t i = 0; i + 1 < text.len; i++) {
		struct error err = ERR_INIT;
		uint8_t first = text.data[i], second = text.data[i + 1];
		if (isspace(first) || isspace(second) || first == second)
			continue;
		text.data[i] = second;
		text.data[i + 1] = first;
		CHECK_FAILS(share_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK(strstr(err.message, "look at group") != NULL);
		text.data[i] = first;
		text.data[i + 1] = second;
	}
}

static void characters_left_out_or_put_in_are_counted(void)
{
	struct share all[3], read;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	for (size_t cut = 0; cut < text.len; cut++) {
		auto_buf typed = BUF_INIT;
		struct error err = ERR_INIT;
		if (isspace(text.data[cut]))
			continue;
		buf_add(&typed, text.data, cut);
		buf_add(&typed, text.data + cut + 1, text.len - cut - 1);
		CHECK_FAILS(share_read(buf_bytes(&typed), &read, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK(cut < 19 || strstr(err.message, "47 were typed: 1 too few") != NULL);
		buf_clear(&typed);
		buf_add(&typed, text.data, cut + 1);
		buf_add(&typed, text.data + cut, text.len - cut);
		CHECK_FAILS(share_read(buf_bytes(&typed), &read, &err) == -1, &err, ERR_BAD_REQUEST);
		CHECK(cut < 19 || strstr(err.message, "49 were typed: 1 too many") != NULL);
	}
	struct error err = ERR_INIT;
	CHECK_FAILS(share_read(BYTES_NONE, &read, &err) == -1, &err, ERR_BAD_REQUEST);
	CHECK_FAILS(share_read(BYTES(text.data, 15), &read, &err) == -1, &err, ERR_BAD_REQUEST);
}

static void no_message_repeats_what_was_typed(void)
{
	struct share all[3], read;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	text.data[30] = text.data[30] == '2' ? '3' : '2';
	CHECK_FAILS(share_read(buf_bytes(&text), &read, &err) == -1, &err, ERR_BAD_REQUEST);
	for (size_t i = 0; i + 4 < text.len; i += 5) {
		char group[5] = "";
		memcpy(group, text.data + i, 4);
		CHECK(!strstr(err.message, group));
	}
}

static void progress_is_told_while_a_share_is_typed(void)
{
	struct share all[3];
	size_t typed = 1, needed = 1;
	auto_buf text = BUF_INIT;
	write_first(3, 2, all, &text);
	share_progress(BYTES(text.data, 18), &typed, &needed);
	CHECK(typed == 15 && needed == 0);
	share_progress(BYTES(text.data, 20), &typed, &needed);
	CHECK(typed == 16 && needed == 48);
	share_progress(buf_bytes(&text), &typed, &needed);
	CHECK(typed == 48 && needed == 48);
}

SUITE(shares)
{
	TEST(any_m_of_n_give_the_pin_back_and_fewer_do_not);
	TEST(the_order_of_shares_does_not_matter);
	TEST(pins_of_every_form_come_back);
	TEST(numbers_out_of_range_and_other_pins_are_refused);
	TEST(shares_of_another_split_and_duplicates_are_refused);
	TEST(a_pin_has_128_bits_or_as_many_as_the_token_takes);
	TEST(a_share_is_48_symbols_in_three_lines_of_four_groups);
	TEST(shares_that_another_program_made_are_read);
	TEST(small_letters_look_alikes_and_other_groups_are_read_alike);
	TEST(every_wrong_character_is_noticed_and_its_group_named);
	TEST(characters_that_are_none_are_noticed);
	TEST(neighbours_that_changed_places_are_named);
	TEST(characters_left_out_or_put_in_are_counted);
	TEST(no_message_repeats_what_was_typed);
	TEST(progress_is_told_while_a_share_is_typed);
}
