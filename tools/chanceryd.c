/*
 * chanceryd - the server. As started by a person or by systemd it is the supervisor; as
 * executed by the supervisor (--role NAME) it is one of the roles.
 */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/chanceryd_role.h"
#include "tools/chanceryd_supervise.h"
#include "tools/state.h"

static const char help[] = "Usage: chanceryd --config FILE\n"
			   "\n"
			   "Runs the certificate authority whose state directory holds FILE (chancery.conf), in the\n"
			   "foreground, until SIGTERM or SIGINT. SIGHUP looks at the server's own certificate now.\n"
			   "\n"
			   "  --config FILE  the configuration; its folder is the state directory\n"
			   "  --help         this text\n"
			   "  --version      the version\n"
			   "\n"
			   "Make a state directory with `chancery init`. Manual: chanceryd(8).\n";

static int give_up(const struct error *err)
{
	log_err(LOG_LEVEL_ERROR, "cannot start", err);
	return err_class(err->code)->exit_status;
}

/* Enters the folder of the configuration, which is the state directory; name gets the file's. */
static int enter_state(const char *config_file, char name[PATH_MAX], struct error *err)
{
	char folder[PATH_MAX], file[PATH_MAX];
	if ((size_t)snprintf(folder, sizeof(folder), "%s", config_file) >= sizeof(folder))
		return err_set(err, ERR_USAGE, "the path of the configuration is too long");
	(void)snprintf(file, sizeof(file), "%s", config_file);
	(void)snprintf(name, PATH_MAX, "%s", basename(file));
	if (access(config_file, R_OK))
		return err_errno(err, ERR_CONFIG, "cannot read the configuration %s", config_file);
	if (chdir(dirname(folder)))
		return err_errno(err, ERR_IO, "cannot enter the state directory of %s", config_file);
	return 0;
}

static int run(const char *config_file)
{
	struct error err = ERR_INIT;
	char name[PATH_MAX];
	log_open("supervisor", LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	if (role_close_up(&err) || enter_state(config_file, name, &err))
		return give_up(&err);
	auto_ca_config *config = ca_config_load(name, &err);
	if (!config)
		return give_up(&err);
	log_open("supervisor", config->process.log_format, config->process.log_level);
	auto_fd lock = listen_lock(&err);
	struct listeners listeners;
	if (lock < 0 || state_hand_over(config, &err) || listeners_open(config, &listeners, &err) ||
	    listeners_fetch_secrets(config, &listeners, &err))
		return give_up(&err);
	int status = supervise(config, name, &listeners);
	(void)unlink("admin.sock");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "role", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config_file = NULL, *role = NULL;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config_file = optarg;
			break;
		case 'r':
			role = optarg;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		case 'v':
			(void)printf("chanceryd %s\n", CHANCERY_VERSION);
			return 0;
		default:
			(void)fputs("chanceryd: try `chanceryd --help`\n", stderr);
			return 2;
		}
	}
	if (!config_file || optind != argc) {
		(void)fputs("chanceryd: --config FILE is needed, and nothing else; try `chanceryd --help`\n", stderr);
		return 2;
	}
	return role ? role_start(role, config_file) : run(config_file);
}
