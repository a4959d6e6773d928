/* A request's target and a JSON body: read within their limits or refused, and what was decoded
 * lies in its buffer. The first octet chooses. */
#include <stdlib.h>

#include "base/bytes.h"
#include "httpd/door.h"
#include "httpd/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_inside(const struct request *r, size_t room, struct bytes part)
{
	require(part.len == 0 || (part.data >= (const uint8_t *)r->decoded &&
				  part.data + part.len <= (const uint8_t *)r->decoded + room));
}

static void read_target(const char *target, size_t len)
{
	struct error err = ERR_INIT;
	struct request *r = calloc(1, sizeof(*r));
	auto_free char *decoded = malloc(len + 1);
	require(r && decoded);
	r->target = (char *)target;
	r->decoded = decoded;
	if (door_target(r, target, &err) == 0) {
		require(r->segment_count >= 1);
		for (size_t i = 0; i < r->segment_count; i++) {
			require_inside(r, len + 1, r->segments[i]);
			require(!bytes_are(r->segments[i], ".."));
		}
		for (size_t i = 0; i < r->argument_count; i++)
			require_inside(r, len + 1, r->arguments[i].value);
		(void)memcpy(r->method, "GET", 4);
		require(router_find(r, &err) || err.code == ERR_NOT_FOUND || err.code == ERR_METHOD_NOT_ALLOWED);
	} else {
		require(err.code == ERR_BAD_REQUEST);
	}
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERR_INIT;
	if (size < 1)
		return 0;
	if (data[0] & 1) {
		auto_json *value = json_parse(BYTES(data + 1, size - 1), &err);
		require(value ? json_is_object(value) : err.code == ERR_BAD_REQUEST);
		return 0;
	}
	auto_free char *target = strndup((const char *)data + 1, size - 1);
	require(target != NULL);
	read_target(target, strlen(target));
	return 0;
}
