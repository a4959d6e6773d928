/* chancery ceremony: a root that a room of people can trust. */
#include "tools/cmd_ceremony.h"

static const struct command commands[] = {
	{ "check", "PLAN", "Check a plan without a token, and print the script of the day",
	  "PLAN is a file in the syntax of chancery.conf (docs/ceremonies.md); the files that it names\n"
	  "lie in its folder. The last line is the plan's SHA-256.\n",
	  NULL, ceremony_run_check },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_ceremony = { "ceremony", "", "Ceremonies with an offline root: check", NULL, commands, NULL };
