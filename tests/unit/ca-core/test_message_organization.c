#include "ca-core/message_order.h"
#include "tests/unit/ca-core/codec.h"

CODEC(organization)
CODEC(organizations)

static void an_organization_reads_back_and_refuses_every_truncation(void)
{
	ROUND_TRIP(organization, .session = 1, .id = TEXT("example"), .version = 3, .legal_name = TEXT("Example GmbH"),
		   .registration_number = TEXT("HRB 1"), .jurisdiction_country = TEXT("DE"),
		   .jurisdiction_state = TEXT("Berlin"), .jurisdiction_locality = TEXT("Charlottenburg"),
		   .street = TEXT("Weg 1"), .locality = TEXT("Berlin"), .state = TEXT("BE"),
		   .postal_code = TEXT("10115"), .country = TEXT("DE"),
		   .business_category = TEXT("Private Organization"), .standing = 1, .document_count = 2,
		   .documents = { { { 1 }, TEXT("extract"), TEXT("register"), 4 }, { { 2 }, TEXT(""), TEXT(""), 0 } },
		   .domain_count = 1, .domains = { TEXT("example.test") }, .agent_count = 2,
		   .agents = { TEXT("alice"), TEXT("bob") }, .status = TEXT("vetted"), .vetted_by = TEXT("olivia"),
		   .created_s = 5, .changed_s = 6, .vetted_s = 7, .valid_until_s = 8, .record_hash = { 9 });
	ROUND_TRIP(organizations, .count = 2,
		   .rows = { { TEXT("example"), TEXT("Example GmbH"), TEXT("DE"), TEXT("vetted"), 8 },
			     { .id = TEXT("other") } });
}

/* No two fields of the record may change places between writer and reader. */
static void each_text_of_the_record_stays_in_its_place(void)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	auto_free struct message_organization *m = calloc(1, sizeof(*m)), *back = calloc(1, sizeof(*m));
	REQUIRE(m && back);
	*m = (struct message_organization){ .legal_name = TEXT("a"),
					    .registration_number = TEXT("b"),
					    .jurisdiction_country = TEXT("c"),
					    .jurisdiction_state = TEXT("d"),
					    .jurisdiction_locality = TEXT("e"),
					    .street = TEXT("f"),
					    .locality = TEXT("g"),
					    .state = TEXT("h"),
					    .postal_code = TEXT("i"),
					    .country = TEXT("j"),
					    .business_category = TEXT("k"),
					    .standing = 3 };
	message_organization_write(m, &out);
	CHECK_OK(message_organization_read(buf_bytes(&out), back, &err) == 0, &err);
	CHECK_BYTES(back->legal_name, m->legal_name);
	CHECK_BYTES(back->registration_number, m->registration_number);
	CHECK_BYTES(back->jurisdiction_country, m->jurisdiction_country);
	CHECK_BYTES(back->jurisdiction_state, m->jurisdiction_state);
	CHECK_BYTES(back->jurisdiction_locality, m->jurisdiction_locality);
	CHECK_BYTES(back->street, m->street);
	CHECK_BYTES(back->locality, m->locality);
	CHECK_BYTES(back->state, m->state);
	CHECK_BYTES(back->postal_code, m->postal_code);
	CHECK_BYTES(back->country, m->country);
	CHECK_BYTES(back->business_category, m->business_category);
	CHECK_INT(back->standing, 3);
}

static void a_standing_that_means_nothing_is_refused(void)
{
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	m->standing = 1;
	check_octet_range(m, write_organization, read_organization, 8 + 4 + 8 + 11 * 4, 1, 3);
	auto_buf out = BUF_INIT;
	m->standing = 0;
	message_organization_write(m, &out);
	CHECK(out.failed);
}

static void lists_past_their_limits_are_not_written(void)
{
	auto_free struct message_organization *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	uint32_t *const counts[] = { &m->document_count, &m->domain_count, &m->agent_count };
	static const uint32_t limits[] = { MESSAGE_DOCUMENTS_MAX, MESSAGE_DOMAINS_MAX, MESSAGE_AGENTS_MAX };
	m->standing = 1;
	for (size_t i = 0; i < 3; i++) {
		for (uint32_t past = 0; past < 2; past++) {
			auto_buf out = BUF_INIT;
			*counts[i] = limits[i] + past;
			message_organization_write(m, &out);
			CHECK_INT(out.failed, past);
		}
		*counts[i] = 0;
	}
}

SUITE(message_organization)
{
	TEST(an_organization_reads_back_and_refuses_every_truncation);
	TEST(each_text_of_the_record_stays_in_its_place);
	TEST(a_standing_that_means_nothing_is_refused);
	TEST(lists_past_their_limits_are_not_written);
}
