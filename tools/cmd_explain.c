#include "tools/cmd.h"
const struct command cmd_explain = { "explain", "", "x", NULL, NULL, NULL };
