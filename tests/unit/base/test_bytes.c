#include "tests/unit/unit.h"

static void reader_cannot_run_past_its_end(void)
{
	struct reader r = reader_of(unit_hex("0102 03"));
	CHECK_INT(reader_u16(&r), 0x0102);
	CHECK_INT(reader_u16(&r), 0);
	CHECK(r.failed);
	CHECK_INT(reader_u8(&r), 0);
	CHECK(!reader_done(&r));
}

SUITE(bytes)
{
	TEST(reader_cannot_run_past_its_end);
}
