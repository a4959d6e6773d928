/* The text of a share, and the sheet of a split: what is read is written again, and is read the same. */
#include <stdlib.h>

#include "tools/shares_sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_share(struct bytes in)
{
	struct share s, again;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT, second = BUF_INIT;
	size_t typed, needed;
	share_progress(in, &typed, &needed);
	if (share_read(in, &s, &err)) {
		if (err.code != ERR_BAD_REQUEST)
			abort();
		return;
	}
	share_write(&s, &text);
	if (typed != needed || share_read(buf_bytes(&text), &again, &err))
		abort();
	share_write(&again, &second);
	if (!bytes_equal(buf_bytes(&text), buf_bytes(&second)))
		abort();
}

static void check_sheet(struct bytes in)
{
	struct shares_sheet sheet;
	struct error err = ERR_INIT;
	auto_buf text = BUF_INIT;
	if (shares_sheet_read(in, &sheet, &err)) {
		if (err.code != ERR_CONFIG)
			abort();
		return;
	}
	shares_sheet_write(&sheet, &text);
	if (!bytes_equal(buf_bytes(&text), in))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_share(BYTES(data, size));
	check_sheet(BYTES(data, size));
	return 0;
}
