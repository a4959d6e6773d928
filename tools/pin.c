#include "tools/pin.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tools/shares_collect.h"
#include "tools/state.h"

#define DIGITS 32 /* of a random PIN, where the token takes any */

struct secret *pin_draw(struct pin_limits limits, struct error *err)
{
	size_t digits = DIGITS;
	if (limits.most > 0 && limits.most < digits)
		digits = limits.most;
	if (limits.least > digits && limits.least <= SECRET_MAX / 2)
		digits = limits.least;
	auto_secret *random = secret_random((digits + 1) / 2, err);
	return random ? secret_new(BYTES(secret_bytes(random).data, digits), err) : NULL;
}

int pin_write(const char *path, const struct secret *pin, struct error *err)
{
	auto_secret_buf line = BUF_INIT;
	buf_add_bytes(&line, secret_bytes(pin));
	buf_u8(&line, '\n');
	return line.failed ? err_set(err, ERR_INTERNAL, "no memory for a PIN")
			   : file_create(path, buf_bytes(&line), 0600, err);
}

const char *pin_file(const char *reference)
{
	return strncmp(reference, "file:", 5) == 0 ? reference + 5 : NULL;
}

struct secret *pin_get(const char *reference, const char *what, struct error *err)
{
	const char *sheet = secret_shares_sheet(reference);
	return sheet ? shares_get(sheet, what, err) : secret_get(reference, what, err);
}

int pin_so_reference(const char *given, const char *pin, struct buf *out, struct error *err)
{
	const char *path = pin_file(pin);
	size_t len = strlen(pin);
	if (given)
		buf_add_text(out, given);
	else if (path)
		buf_printf(out, "%.*s.so-pin", (int)(len > 4 && strcmp(pin + len - 4, ".pin") == 0 ? len - 4 : len),
			   pin);
	else if (strcmp(pin, "prompt") == 0)
		buf_add_text(out, pin);
	else
		return err_set(err, ERR_USAGE, "--so-pin is needed where the PIN is in no file");
	if (path && strcmp(buf_text(out), pin) == 0)
		return err_set(err, ERR_USAGE, "PIN and SO PIN cannot be in one file: %s", path);
	return 0;
}

int pin_reference_absolute(const char *reference, struct buf *out, struct error *err)
{
	const char *file = pin_file(reference), *sheet = secret_shares_sheet(reference);
	const char *path = file ? file : sheet;
	auto_free char *absolute = path ? path_absolute(path, err) : NULL;
	if (path && !absolute)
		return -1;
	buf_printf(out, "%s%s", file ? "file:" : sheet ? "shares:" : reference, absolute ? absolute : "");
	return out->failed ? err_set(err, ERR_INTERNAL, "no memory for a path") : 0;
}

static struct secret *ask_twice(const char *what, struct error *err)
{
	char again[160];
	(void)snprintf(again, sizeof(again), "%s, once more", what);
	auto_secret *first = secret_get("prompt", what, err);
	auto_secret *second = first ? secret_get("prompt", again, err) : NULL;
	if (!second)
		return NULL;
	if (bytes_equal_secret(secret_bytes(first), secret_bytes(second)))
		return TAKE(first);
	(void)err_set(err, ERR_USAGE, "the two were not the same: %s", what);
	return NULL;
}

/* Of a file that may not be there yet. */
static struct secret *from_file(const char *reference, const char *what, struct pin_limits limits, bool *made,
				struct error *err)
{
	const char *path = pin_file(reference);
	if (file_exists(path))
		return secret_get(reference, what, err);
	auto_secret *pin = pin_draw(limits, err);
	if (!pin || pin_write(path, pin, err))
		return NULL;
	*made = true;
	return TAKE(pin);
}

static int check_length(const struct secret *pin, const char *what, struct pin_limits limits, struct error *err)
{
	size_t len = secret_bytes(pin).len;
	if (len >= limits.least && (limits.most == 0 || len <= limits.most))
		return 0;
	return err_set(err, ERR_CONFIG, "the %s has a length that the token does not take: %lu to %lu octets", what,
		       limits.least, limits.most);
}

struct secret *pin_to_set(const char *reference, const char *what, struct pin_limits limits, bool *made,
			  struct error *err)
{
	*made = false;
	if (secret_shares_sheet(reference)) {
		(void)err_set(err, ERR_CONFIG,
			      "the %s is in shares: they are made of a PIN that is set already "
			      "(`chancery token pin split`)",
			      what);
		return NULL;
	}
	auto_secret *pin = pin_file(reference)                ? from_file(reference, what, limits, made, err)
			   : strcmp(reference, "prompt") == 0 ? ask_twice(what, err)
							      : secret_get(reference, what, err);
	return pin && check_length(pin, what, limits, err) == 0 ? TAKE(pin) : NULL;
}
