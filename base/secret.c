#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/file.h"
#include "base/text.h"

struct secret {
	size_t mapped; /* bytes of this mapping */
	size_t capacity, len;
	uint8_t data[]; /* capacity + 1, for the NUL */
};

/* ---- memory ---- */

/* Pages of its own: only whole pages can be locked and kept out of core dumps. */
static struct secret *allocate(size_t capacity, struct error *err)
{
	size_t size = sizeof(struct secret) + capacity + 1;
	// cppcheck-suppress invalidFunctionArg
	struct secret *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED) {
		(void)err_errno(err, ERR_INTERNAL, "no memory for a secret");
		return NULL;
	}
	(void)mlock(s, size); /* where the limit allows */
	(void)madvise(s, size, MADV_DONTDUMP);
	s->mapped = size;
	s->capacity = capacity;
	return s;
}

void secret_free(struct secret *s)
{
	if (!s)
		return;
	size_t size = s->mapped;
	OPENSSL_cleanse(s, size);
	(void)munmap(s, size);
}

struct bytes secret_bytes(const struct secret *s)
{
	return BYTES(s->data, s->len);
}

struct secret *secret_new(struct bytes value, struct error *err)
{
	if (value.len > SECRET_MAX) {
		(void)err_set(err, ERR_TOO_LARGE, "a secret has at most %d bytes", SECRET_MAX);
		return NULL;
	}
	struct secret *s = allocate(value.len, err);
	if (!s)
		return NULL;
	if (value.len)
		memcpy(s->data, value.data, value.len);
	s->len = value.len;
	return s;
}

struct secret *secret_random(size_t octets, struct error *err)
{
	uint8_t random[SECRET_MAX / 2];
	if (octets == 0 || octets > sizeof(random)) {
		(void)err_set(err, ERR_TOO_LARGE, "a random secret has 1 to %d bytes", SECRET_MAX / 2);
		return NULL;
	}
	if (RAND_priv_bytes(random, (int)octets) != 1) {
		(void)err_set(err, ERR_INTERNAL, "no random numbers for a secret");
		return NULL;
	}
	struct secret *s = allocate(2 * octets, err);
	if (s) {
		(void)text_hex(BYTES(random, octets), (char *)s->data);
		s->len = 2 * octets;
	}
	OPENSSL_cleanse(random, sizeof(random));
	return s;
}

/* ---- the forms of a reference ---- */

static bool is_credential_name(const char *name)
{
	return *name != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The number of "fd:N", or -1. */
static int descriptor_of(const char *digits)
{
	int fd = 0;
	if (*digits == '\0')
		return -1;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9' || fd > 100000)
			return -1;
		fd = fd * 10 + (*digits - '0');
	}
	return fd;
}

/* What follows the prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

bool secret_is_reference(const char *text)
{
	const char *rest;
	if ((rest = after(text, "file:")))
		return *rest != '\0';
	if ((rest = after(text, "credential:")))
		return is_credential_name(rest);
	if ((rest = after(text, "fd:")))
		return descriptor_of(rest) >= 0;
	return strcmp(text, "prompt") == 0;
}

const char *secret_shares_sheet(const char *text)
{
	const char *path = after(text, "shares:");
	return path && *path ? path : NULL;
}

bool secret_is_pin_reference(const char *text)
{
	return secret_is_reference(text) || secret_shares_sheet(text);
}

/* ---- fetching ---- */

/* Reads fd to its end. */
static struct secret *read_whole(int fd, const char *what, struct error *err)
{
	auto_secret *s = allocate(SECRET_MAX + 1, err); /* one more than allowed shows that there is more */
	if (!s)
		return NULL;
	while (s->len < s->capacity) {
		ssize_t got = read(fd, s->data + s->len, s->capacity - s->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			(void)err_errno(err, ERR_IO, "cannot read the %s", what);
			return NULL;
		}
		if (got == 0)
			return TAKE(s);
		s->len += (size_t)got;
	}
	(void)err_set(err, ERR_CONFIG, "the %s has more than %d bytes", what, SECRET_MAX);
	return NULL;
}

static void cut(struct secret *s, size_t len)
{
	OPENSSL_cleanse(s->data + len, s->len - len);
	s->len = len;
}

static void cut_line_end(struct secret *s)
{
	while (s->len > 0 && (s->data[s->len - 1] == '\n' || s->data[s->len - 1] == '\r'))
		cut(s, s->len - 1);
}

/* Keeps the first line alone, or cuts trailing CR and LF only. */
static struct secret *trim(struct secret *s, bool first_line, const char *what, struct error *err)
{
	const uint8_t *end = first_line ? memchr(s->data, '\n', s->len) : NULL;
	if (end)
		cut(s, (size_t)(end - s->data));
	cut_line_end(s);
	if (s->len > 0)
		return s;
	secret_free(s);
	(void)err_set(err, ERR_CONFIG, "the %s is empty", what);
	return NULL;
}

/* forbidden: the mode bits that must not be set. */
static struct secret *read_file(const char *path, mode_t forbidden, const char *what, struct error *err)
{
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	if (fd < 0 || fstat(fd, &status)) {
		(void)err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s, the %s", path, what);
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		(void)err_set(err, ERR_CONFIG, "%s, the %s, is not a regular file", path, what);
		return NULL;
	}
	if (status.st_mode & forbidden) {
		(void)err_set(err, ERR_CONFIG, "%s, the %s, has mode %04o: make it 0600 (chmod 600)", path, what,
			      (unsigned)status.st_mode & 07777U);
		return NULL;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		(void)err_set(err, ERR_CONFIG, "%s, the %s, belongs to user %u: it must be root's or user %u's", path,
			      what, (unsigned)status.st_uid, (unsigned)geteuid());
		return NULL;
	}
	struct secret *s = read_whole(fd, what, err);
	return s ? trim(s, true, what, err) : NULL;
}

static struct secret *read_credential(const char *name, const char *what, struct error *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	if (!folder || !*folder) {
		(void)err_set(err, ERR_NOT_FOUND,
			      "the %s is the credential %s, but CREDENTIALS_DIRECTORY is not set: "
			      "start this by a systemd unit with LoadCredential=%s",
			      what, name, name);
		return NULL;
	}
	auto_free char *path = file_join(folder, name);
	if (!path) {
		(void)err_set(err, ERR_INTERNAL, "no memory");
		return NULL;
	}
	/* systemd lets the unit's user in by an access list, which shows as a group's right to read. */
	return read_file(path, 07137, what, err);
}

static struct secret *read_descriptor(int number, const char *what, struct error *err)
{
	auto_fd fd = number; /* read once: closed behind us */
	if (fcntl(fd, F_GETFD) < 0) {
		(void)err_set(err, ERR_IO, "the %s is expected on descriptor %d, which is not open", what, number);
		fd = -1;
		return NULL;
	}
	(void)lseek(fd, 0, SEEK_SET); /* others may have read an inherited memfd before; a pipe cannot */
	struct secret *s = read_whole(fd, what, err);
	return s ? trim(s, false, what, err) : NULL;
}

/* Interrupting arrives as a character, so that the terminal is always set back. */
struct secret *secret_ask(int terminal, const char *what, struct error *err)
{
	struct termios before;
	if (tcgetattr(terminal, &before)) {
		(void)err_errno(err, ERR_IO, "cannot ask for the %s on the terminal", what);
		return NULL;
	}
	struct termios silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ISIG);
	auto_secret *s = allocate(SECRET_MAX, err);
	if (!s)
		return NULL;
	if (tcsetattr(terminal, TCSAFLUSH, &silent)) {
		(void)err_errno(err, ERR_IO, "cannot ask for the %s without echo", what);
		return NULL;
	}
	(void)dprintf(terminal, "%s: ", what);
	ssize_t got = read(terminal, s->data, s->capacity);
	(void)tcsetattr(terminal, TCSAFLUSH, &before);
	(void)dprintf(terminal, "\n");
	if (got < 0) {
		(void)err_errno(err, ERR_IO, "cannot read the %s from the terminal", what);
		return NULL;
	}
	s->len = (size_t)got;
	if (memchr(s->data, 3, s->len)) {
		(void)err_set(err, ERR_IO, "asking for the %s was interrupted", what);
		return NULL;
	}
	cut_line_end(s);
	return TAKE(s);
}

static struct secret *ask(const char *what, struct error *err)
{
	auto_fd tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		(void)err_errno(err, ERR_IO, "there is no terminal to ask for the %s on", what);
		return NULL;
	}
	struct secret *s = secret_ask(tty, what, err);
	return s ? trim(s, false, what, err) : NULL;
}

struct secret *secret_get(const char *reference, const char *what, struct error *err)
{
	if (!secret_is_reference(reference)) {
		/* The text is not shown: it may be the secret itself. */
		(void)err_set(err, ERR_CONFIG,
			      "the %s must be given by reference: file:PATH, credential:NAME, fd:N or prompt", what);
		return NULL;
	}
	const char *rest;
	if ((rest = after(reference, "file:")))
		return read_file(rest, 07177, what, err);
	if ((rest = after(reference, "credential:")))
		return read_credential(rest, what, err);
	if ((rest = after(reference, "fd:")))
		return read_descriptor(descriptor_of(rest), what, err);
	return ask(what, err);
}

/* ---- handing on ---- */

int secret_to_memfd(const struct secret *s, struct error *err)
{
	auto_fd fd = memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno(err, ERR_IO, "cannot make a memory file for a secret");
	size_t done = 0;
	while (done < s->len) {
		ssize_t written = write(fd, s->data + done, s->len - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return err_errno(err, ERR_IO, "cannot write a secret to a memory file");
		done += (size_t)written;
	}
	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return err_errno(err, ERR_IO, "cannot seal the memory file of a secret");
	int sealed = fd;
	fd = -1;
	return sealed;
}
