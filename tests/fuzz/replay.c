/*
 * Runs one fuzz target over its seeds without a fuzzer: replay NAME FOLDER. Every
 * input also runs cut off at a few places, for parsers must survive that.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/file.h"

#define SEED_MAX ((size_t)4 << 20)
#define CUTS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that reading one byte too many is noticed. */
static void run(struct bytes input)
{
	auto_free uint8_t *copy = malloc(input.len ? input.len : 1);
	if (!copy)
		abort();
	if (input.len)
		memcpy(copy, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(copy, input.len);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	DIR *folder = opendir(argv[2]);
	unsigned count = 0;
	const struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		auto_buf seed = BUF_INIT;
		auto_free char *path = file_join(argv[2], entry->d_name);
		struct error err = ERR_INIT;
		if (!path || file_read(path, SEED_MAX, &seed, &err)) {
			(void)printf("FAIL fuzz %s: %s\n", argv[1], err.message);
			return 1;
		}
		for (size_t cut = 1; cut <= CUTS; cut++)
			run(BYTES(seed.data, seed.len * cut / CUTS));
		count++;
	}
	if (folder)
		(void)closedir(folder);
	run(BYTES_NONE);
	(void)printf("%s fuzz %s: %u seeds\n", count ? "ok  " : "FAIL", argv[1], count);
	return count == 0;
}
