/* Transcripts of ceremonies: what is read is exactly what writing its lines again gives. */
#include <stdlib.h>

#include "ca-core/ceremony_transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERR_INIT;
	auto_ca_transcript t = CA_TRANSCRIPT_INIT, again = CA_TRANSCRIPT_INIT, torn = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT, shown = BUF_INIT;
	size_t whole = 0;
	if (ca_transcript_read(BYTES(data, size), &torn, &whole, &err) == 0 && whole > size)
		abort();
	if (ca_transcript_read(BYTES(data, size), &t, NULL, &err)) {
		if (err.code != ERR_INTEGRITY)
			abort();
		return 0;
	}
	for (size_t i = 0; i < t.count; i++)
		if (ca_transcript_add(&again, t.lines[i].event, t.lines[i].time_s,
				      (const char *const *)t.lines[i].values, &text, &err))
			abort();
	if (!bytes_equal(buf_bytes(&text), BYTES(data, size)) || ca_transcript_text(&t, &shown, &err))
		abort();
	return 0;
}
