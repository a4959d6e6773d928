/* chancery - everything that a person types: client, administration, proof. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tools/cmd.h"

static const char detail[] =
	"It finds server, trust and identity from --state DIR (CHANCERY_STATE, else ./var), or from\n"
	"--server URL --ca FILE --cert FILE --key FILE. With --json the answer is for machines.\n"
	"Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 server or token unreachable,\n"
	"4 integrity failure. `chancery --version` tells the version. Manual: chancery(1).\n";

int main(int argc, char **argv)
{
	/* In the order in which somebody meets them. */
	const struct command commands[] = {
		cmd_init,
		cmd_issue,
		cmd_submit,
		cmd_renew,
		cmd_order,
		cmd_org,
		cmd_cert,
		cmd_explain,
		cmd_identity,
		cmd_apitoken,
		cmd_crl,
		cmd_audit,
		cmd_store,
		cmd_config,
		cmd_token,
		cmd_ceremony,
		{ NULL, NULL, NULL, NULL, NULL, NULL },
	};
	const struct command root = { "chancery", "",       "A private certificate authority: the command line",
				      detail,     commands, NULL };
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("chancery %s\n", CHANCERY_VERSION);
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	log_open("chancery", LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	return options_run(&root, argc, argv);
}
