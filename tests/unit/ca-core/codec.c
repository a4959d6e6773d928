#include "tests/unit/ca-core/codec.h"

void round_trip(const void *m, size_t size, codec_writer *write_it, codec_reader *read_it)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, again = BUF_INIT;
	auto_free void *read_back = calloc(1, size);
	REQUIRE(read_back != NULL);
	write_it(m, &out);
	CHECK(!out.failed);
	CHECK_OK(read_it(buf_bytes(&out), read_back, &err) == 0, &err);
	write_it(read_back, &again);
	CHECK_BYTES(buf_bytes(&again), buf_bytes(&out));
	for (size_t len = 0; len < out.len; len++)
		CHECK_FAILS(read_it(BYTES(out.data, len), read_back, &err) == -1, &err, ERR_BAD_REQUEST);
	buf_u8(&out, 0);
	CHECK_FAILS(read_it(buf_bytes(&out), read_back, &err) == -1, &err, ERR_BAD_REQUEST);
}

void check_octet_range(const void *m, codec_writer *write_it, codec_reader *read_it, size_t at, unsigned min,
		       unsigned max)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	auto_free void *read_back = calloc(1, CODEC_STRUCT_MAX);
	REQUIRE(read_back != NULL);
	write_it(m, &out);
	REQUIRE(!out.failed && at < out.len);
	for (unsigned value = 0; value < 256; value++) {
		out.data[at] = (uint8_t)value;
		CHECK((read_it(buf_bytes(&out), read_back, &err) == 0) == (value >= min && value <= max));
	}
}
