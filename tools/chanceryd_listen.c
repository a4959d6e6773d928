#include "tools/chanceryd_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/secret.h"

#define LOCK_FILE "chanceryd.lock"
#define ADMIN_SOCKET "admin.sock"
#define BACKLOG 512

int listen_lock(struct error *err)
{
	auto_fd fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, ERR_IO, "cannot open %s in the state directory", LOCK_FILE);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, ERR_IO, "cannot lock %s", LOCK_FILE);
		char pid[16] = "";
		ssize_t got = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[got > 0 ? strcspn(pid, "\n") : 0] = '\0';
		return err_set(err, ERR_CONFLICT,
			       "another server (process %s) runs on this state directory; stop it first", pid);
	}
	char pid[16];
	int length = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)length, 0) != length)
		return err_errno(err, ERR_IO, "cannot write %s", LOCK_FILE);
	int kept = fd;
	fd = -1;
	return kept;
}

/* "host:port" or "[address]:port" into its two parts. */
static int split_address(const char *text, char host[256], char port[8], struct error *err)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	const char *from = text;
	if (length >= 2 && from[0] == '[' && from[length - 1] == ']') {
		from++;
		length -= 2;
	}
	if (!colon || length == 0 || length >= 256 || strlen(colon + 1) == 0 || strlen(colon + 1) > 5)
		return err_set(err, ERR_CONFIG, "cannot listen on \"%s\": write ADDRESS:PORT or [ADDRESS]:PORT", text);
	(void)snprintf(host, 256, "%.*s", (int)length, from);
	(void)snprintf(port, 8, "%s", colon + 1);
	return 0;
}

static int listen_on(const struct addrinfo *address)
{
	auto_fd fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -1;
	/* One socket for each family: what an IPv6 socket says of an IPv4 peer would need a second form. */
	if (address->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG))
		return -1;
	int kept = fd;
	fd = -1;
	return kept;
}

static bool family_is_missing(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static int open_address(const char *text, int *out, struct error *err)
{
	char host[256], port[8];
	if (split_address(text, host, port, err))
		return -1;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	int failure = getaddrinfo(host, port, &hints, &found);
	if (failure)
		return err_set(err, ERR_CONFIG, "cannot listen on \"%s\": %s", text, gai_strerror(failure));
	*out = listen_on(found);
	int error = errno;
	bool passed_over = *out < 0 && found->ai_family == AF_INET6 && family_is_missing(error);
	freeaddrinfo(found);
	if (passed_over) {
		log_info("address passed over: this machine does not have it", KV("address", text));
		return 0;
	}
	errno = error;
	if (*out < 0)
		return err_errno(err, ERR_IO, "cannot listen on %s", text);
	log_info("listening", KV("address", text));
	return 0;
}

static int open_addresses(const char *kind, const struct ca_texts *addresses, int *fds, size_t *count,
			  struct error *err)
{
	bool given = *count > 0; /* by systemd */
	for (size_t i = 0; !given && i < addresses->count; i++) {
		int fd = -1;
		if (*count == ROLE_DESCRIPTORS_MAX)
			return err_set(err, ERR_CONFIG, "at most %d addresses for %s", ROLE_DESCRIPTORS_MAX, kind);
		if (open_address(addresses->items[i], &fd, err))
			return -1;
		if (fd >= 0)
			fds[(*count)++] = fd;
	}
	if (*count == 0 && addresses->count > 0)
		return err_set(err, ERR_IO, "none of the addresses for %s could be opened", kind);
	return 0;
}

static void take_passed(struct listeners *out)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);
	for (int i = 0; i < count; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (strcmp(names[i], "https") == 0 && out->https_count < ROLE_DESCRIPTORS_MAX) {
			out->https[out->https_count++] = fd;
		} else if (strcmp(names[i], "http") == 0 && out->http_count < ROLE_DESCRIPTORS_MAX) {
			out->http[out->http_count++] = fd;
		} else {
			log_warn("passed socket has a name that is not https or http: left alone",
				 KV("name", names[i]));
		}
		free(names[i]);
	}
	free(names);
}

static bool somebody_answers(const struct sockaddr_un *address)
{
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int open_admin(int *out, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = ADMIN_SOCKET };
	struct stat status;
	if (lstat(ADMIN_SOCKET, &status) == 0) {
		if (!S_ISSOCK(status.st_mode))
			return err_set(err, ERR_IO, "%s exists and is no socket; remove it", ADMIN_SOCKET);
		if (somebody_answers(&address))
			return err_set(err, ERR_CONFLICT, "another server answers on %s; stop it first", ADMIN_SOCKET);
		if (unlink(ADMIN_SOCKET))
			return err_errno(err, ERR_IO, "cannot replace the stale %s", ADMIN_SOCKET);
	}
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0177);
	int failed = fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 16);
	int error = errno;
	(void)umask(before);
	errno = error;
	if (failed)
		return err_errno(err, ERR_IO, "cannot listen on %s", ADMIN_SOCKET);
	*out = fd;
	fd = -1;
	return 0;
}

int listeners_open(const struct ca_config *config, struct listeners *out, struct error *err)
{
	*out = (struct listeners){ .admin = -1, .webhook_secret = -1, .mail_password = -1 };
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		out->pins[i] = -1;
	take_passed(out);
	if (open_addresses("https", &config->listen.https, out->https, &out->https_count, err) ||
	    open_addresses("http", &config->listen.http, out->http, &out->http_count, err))
		return -1;
	return open_admin(&out->admin, err);
}

/* ---- secrets ---- */

/* One secret of the configuration: where it is, what it is, and the memory file that holds it. */
struct secret_row {
	const char *reference;
	char what[96];
	int *fd;
};
#define SECRETS_MAX (CA_CONFIG_TOKENS_MAX + 2)

static size_t list_secrets(const struct ca_config *config, struct listeners *l, struct secret_row rows[SECRETS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < config->token_count; i++) {
		const struct ca_config_token *token = &config->tokens[i];
		if (!token->online)
			continue;
		rows[count] = (struct secret_row){ .reference = token->pin, .fd = &l->pins[i] };
		(void)snprintf(rows[count++].what, sizeof(rows[0].what), "PIN of token %s", token->name);
	}
	rows[count++] =
		(struct secret_row){ config->notify.webhook_secret, "secret of the webhook", &l->webhook_secret };
	rows[count++] = (struct secret_row){ config->mail.password, "password of the mail server", &l->mail_password };
	return count;
}

static int fetch(const struct secret_row *row, struct error *err)
{
	auto_secret *secret = secret_get(row->reference, row->what, err);
	return secret ? secret_to_memfd(secret, err) : -1;
}

int listeners_fetch_secrets(const struct ca_config *config, struct listeners *out, struct error *err)
{
	struct secret_row rows[SECRETS_MAX];
	size_t count = list_secrets(config, out, rows);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].reference[0] == '\0')
			continue;
		*rows[i].fd = fetch(&rows[i], err);
		if (*rows[i].fd < 0)
			return -1;
	}
	return 0;
}

void listeners_renew_secrets(const struct ca_config *config, struct listeners *listeners)
{
	struct secret_row rows[SECRETS_MAX];
	size_t count = list_secrets(config, listeners, rows);
	for (size_t i = 0; i < count; i++) {
		const char *reference = rows[i].reference;
		struct error err = ERR_INIT;
		if (*rows[i].fd < 0 ||
		    (strncmp(reference, "file:", 5) != 0 && strncmp(reference, "credential:", 11) != 0))
			continue;
		int renewed = fetch(&rows[i], &err);
		if (renewed < 0) {
			log_err(LOG_LEVEL_WARN, "secret not read again: the role gets the one from before", &err);
			continue;
		}
		(void)close(*rows[i].fd);
		*rows[i].fd = renewed;
	}
}
