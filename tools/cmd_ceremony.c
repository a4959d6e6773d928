/* chancery ceremony: a root that a room of people can trust. */
#include "tools/cmd_ceremony.h"

static const struct command commands[] = {
	{ "check", "PLAN", "Check a plan without a token, and print the script of the day",
	  "PLAN is a file in the syntax of chancery.conf (docs/ceremonies.md); the files that it names\n"
	  "lie in its folder. The last line is the plan's SHA-256.\n",
	  NULL, ceremony_run_check },
	{ "rehearse", "PLAN", "Do it all with keys that are thrown away, and fix serial numbers and times",
	  ceremony_rehearse_detail, NULL, ceremony_rehearse_command },
	{ "run", "PLAN", "Do it, as it was rehearsed", ceremony_run_detail, NULL, ceremony_run_command },
	{ "verify", "DIR", "Prove what happened, from its directory and the closing hash", ceremony_verify_detail, NULL,
	  ceremony_verify_command },
	{ "import", "DIR", "Bring what a ceremony signed into the running CA",
	  "The directory is verified first, as by `ceremony verify`, with the closing hash where it is given.\n"
	  "All that is of this CA comes in at once, or nothing: certificates for the issuers that the\n"
	  "configuration names, cross-certificates, new roots, the roots' lists. Each is verified, linted and\n"
	  "held against the key in its token. Other CAs' certificates are left, and named.\n",
	  NULL, ceremony_run_import },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_ceremony = {
	"ceremony", "", "Ceremonies with an offline root, and what they made brought in", NULL, commands, NULL
};
