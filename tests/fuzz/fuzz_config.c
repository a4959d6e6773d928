/* Configurations: each is loaded whole or refused with the line that is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ca-core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_fd fd = memfd_create("chancery.conf", MFD_CLOEXEC);
	char path[32];
	struct error err = ERR_INIT;
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	auto_ca_config *c = ca_config_load(path, &err);
	if (!c) {
		require(err.code == ERR_CONFIG && strncmp(err.message, path, strlen(path)) == 0);
		return 0;
	}
	auto_buf shown = BUF_INIT;
	ca_config_print(c, &shown);
	require(!shown.failed && shown.len > 0);
	for (size_t i = 0; i < c->profile_count; i++)
		require(c->profiles[i].key_usage.len > 0);
	return 0;
}
