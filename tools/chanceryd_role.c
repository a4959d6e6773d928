#include "tools/chanceryd_role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd/front.h"
#include "httpd/validate/validator.h"
#include "tools/users.h"

/* LeakSanitizer looks at the process as a debugger does. */
#ifdef __SANITIZE_ADDRESS__
#define DUMPABLE 1
#else
#define DUMPABLE 0
#endif

const struct role_row role_table[ROLE_PROCESS_COUNT] = {
	[ROLE_SIGNER_PROCESS] = { "signer", ca_signer_main,
				  ROLE_WANTS_CONTROL | ROLE_WANTS_ADMIN | ROLE_WANTS_PINS | ROLE_WANTS_VALIDATOR,
				  false },
	[ROLE_FRONT_PROCESS] = { "front", httpd_front_main, ROLE_WANTS_LISTENERS | ROLE_WANTS_CONTROL, true },
	[ROLE_VALIDATOR_PROCESS] = { "validator", httpd_validator_main, ROLE_WANTS_MAIL, false },
};

const char *role_user(const struct ca_config *config, enum role_id id)
{
	return id == ROLE_SIGNER_PROCESS  ? config->process.signer_user
	       : id == ROLE_FRONT_PROCESS ? config->process.front_user
					  : config->process.validator_user;
}

/* ---- descriptors from the environment ---- */

static int number_from(const char **text)
{
	char *end = NULL;
	errno = 0;
	long value = strtol(*text, &end, 10);
	if (end == *text || errno || value < 0 || value > 1 << 20)
		return -1;
	*text = end;
	return (int)value;
}

static int fd_from(const char *variable)
{
	const char *text = getenv(variable);
	int fd = text ? number_from(&text) : -1;
	return fd >= 0 && *text == '\0' ? fd : -1;
}

static size_t fds_from(const char *variable, int *fds)
{
	const char *text = getenv(variable);
	size_t count = 0;
	while (text && *text != '\0' && count < ROLE_DESCRIPTORS_MAX) {
		int fd = number_from(&text);
		if (fd < 0)
			break;
		fds[count++] = fd;
		if (*text != ',')
			break;
		text++;
	}
	return count;
}

static void read_environment(struct role *role)
{
	role->channel = fd_from("CHANCERY_CHANNEL");
	role->control = fd_from("CHANCERY_CONTROL");
	role->validator = fd_from("CHANCERY_VALIDATOR");
	role->webhook_secret = fd_from("CHANCERY_WEBHOOK_SECRET");
	role->mail_password = fd_from("CHANCERY_MAIL_PASSWORD");
	role->admin = fd_from("CHANCERY_ADMIN");
	role->https_count = fds_from("CHANCERY_LISTEN_HTTPS", role->https);
	role->http_count = fds_from("CHANCERY_LISTEN_HTTP", role->http);
	const char *uid = getenv("CHANCERY_ADMIN_UID");
	role->admin_uid = uid ? (unsigned)strtoul(uid, NULL, 10) : 0;
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++) {
		char variable[32];
		(void)snprintf(variable, sizeof(variable), "CHANCERY_PIN_%zu", i);
		role->pins[i] = fd_from(variable);
	}
}

/* ---- giving up what is not needed ---- */

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Every descriptor above the standard three that the role was not given. */
static void close_others(const struct role *role)
{
	const int single[] = { role->channel,   role->control,        role->admin,
			       role->validator, role->webhook_secret, role->mail_password };
	int kept[sizeof(single) / sizeof(single[0]) + (size_t)2 * ROLE_DESCRIPTORS_MAX + CA_CONFIG_TOKENS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		kept[count++] = single[i];
	for (size_t i = 0; i < role->https_count; i++)
		kept[count++] = role->https[i];
	for (size_t i = 0; i < role->http_count; i++)
		kept[count++] = role->http[i];
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		kept[count++] = role->pins[i];
	qsort(kept, count, sizeof(kept[0]), compare_fds);
	unsigned from = STDERR_FILENO + 1;
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)from)
			continue;
		if (kept[i] > (int)from)
			(void)close_range(from, (unsigned)kept[i] - 1, 0);
		(void)fcntl(kept[i], F_SETFD, FD_CLOEXEC);
		from = (unsigned)kept[i] + 1;
	}
	(void)close_range(from, ~0U, 0);
}

int role_close_up(struct error *err)
{
	const struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0))
		return err_errno(err, ERR_IO, "cannot give up core dumps and new privileges");
	return 0;
}

static int drop(enum role_id id, const struct ca_config *config, struct error *err)
{
	struct user user;
	char text[128];
	const char *why = text;
	user_for_role(role_user(config, id), ".", &user, text);
	if (!user.set)
		log_info("the walls are thinner: this role runs as who started the server", KV("why", why));
	/* To become another user makes a process dumpable by the system's own rule: closed up after that. */
	if (user_become(&user, err) || role_close_up(err))
		return -1;
	/* What the supervisor's end would otherwise leave behind: a front that still holds the listeners. */
	if (role_table[id].ends_by_signal && prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0))
		return err_errno(err, ERR_IO, "cannot ask for the signal at the supervisor's end");
	(void)umask(077);
	return 0;
}

int role_start(const char *name, const char *config_file)
{
	size_t id = 0;
	while (id < ROLE_PROCESS_COUNT && strcmp(role_table[id].name, name) != 0)
		id++;
	if (id == ROLE_PROCESS_COUNT) {
		log_error("unknown role", KV("role", name));
		return 2;
	}
	(void)prctl(PR_SET_NAME, "chanceryd", 0, 0, 0);
	struct error err = ERR_INIT;
	auto_ca_config *config = ca_config_load(config_file, &err);
	if (!config) {
		log_err(LOG_LEVEL_ERROR, "configuration", &err);
		return err_class(err.code)->exit_status;
	}
	log_open(role_table[id].name, config->process.log_format, config->process.log_level);
	struct role role = { .config = config, .clock = clock_system() };
	read_environment(&role);
	close_others(&role);
	if (drop((enum role_id)id, config, &err)) {
		log_err(LOG_LEVEL_ERROR, "cannot start", &err);
		return err_class(err.code)->exit_status;
	}
	return role_table[id].main(&role);
}
