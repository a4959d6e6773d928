/* PEM, base64, hex and UTF-8: what is accepted reads back as it was written. */
#include <stdlib.h>

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void read_blocks(struct bytes text)
{
	int found;
	do {
		char label[64];
		struct error err = ERR_INIT;
		auto_buf der = BUF_INIT;
		size_t before = text.len;
		found = text_next_pem(&text, label, &der, &err);
		require(found < 0 ? err.code == ERR_BAD_REQUEST : err.code == ERR_NONE);
		require(found <= 0 || (der.len > 0 && text.len < before));
		if (found > 0) {
			auto_buf written = BUF_INIT, again = BUF_INIT;
			text_add_pem(&written, label, buf_bytes(&der));
			struct bytes rest = buf_bytes(&written);
			require(text_next_pem(&rest, label, &again, &err) == 1);
			require(bytes_equal(buf_bytes(&der), buf_bytes(&again)));
		}
	} while (found > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = BYTES(data, size);
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT, again = BUF_INIT;
	read_blocks(text);
	if (text_parse_base64(text, false, &out, &err) == 0) {
		text_add_base64(&again, buf_bytes(&out));
		require(bytes_equal(text, buf_bytes(&again)));
	}
	buf_clear(&out);
	(void)text_parse_base64(text, true, &out, &err);
	buf_clear(&out);
	if (text_parse_hex(text, 4096, &out, &err) == 0)
		require(out.len * 2 == size);
	(void)text_is_utf8(text);
	(void)text_has_control(text);
	return 0;
}
