/*
 * tools/options.h - the command line of `chancery`: a tree of commands, options declared as a
 * table that both parses and explains itself.
 *
 * A command declares its options on its own stack and asks for them to be read:
 *
 *     const char *profile = NULL;
 *     const struct option_spec specs[] = {
 *             { "profile", OPTION_TEXT, &profile, "P", "the profile to issue under" },
 *             OPTIONS_END
 *     };
 *     if (options_read(in, specs, 0, 0))
 *             return in->status;
 *
 * Every command also takes --state, --server, --ca, --cert, --key, --token-file, --json and
 * --help. An option may stand before or behind the words of the command.
 */
#ifndef CHANCERY_TOOLS_OPTIONS_H
#define CHANCERY_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum option_kind {
	OPTION_FLAG,   /* target: bool * */
	OPTION_TEXT,   /* target: const char ** */
	OPTION_NUMBER, /* target: unsigned *; 1 to 1,000,000 */
	OPTION_LIST,   /* target: struct option_list *; may be given several times */
};
#define OPTION_LIST_MAX 1000
struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t count;
};
struct option_spec {
	const char *name; /* without the dashes; NULL ends the table */
	enum option_kind kind;
	void *target;
	const char *value; /* "DIR" in the help; NULL for a flag */
	const char *help;
};
#define OPTIONS_END                                 \
	{                                           \
		NULL, OPTION_FLAG, NULL, NULL, NULL \
	}

/* What every command takes. Texts are borrowed from argv and the environment. */
struct common_options {
	const char *state; /* --state, CHANCERY_STATE, or "./var" */
	bool state_given;
	const char *server, *ca, *cert, *key, *token_file; /* NULL: from the state directory */
	bool json;
};

struct invocation;
struct command {
	const char *name;                  /* "list"; NULL ends a table */
	const char *arguments;             /* "SERIAL", or "" */
	const char *summary;               /* one line, no full stop */
	const char *detail;                /* what --help says besides, or NULL */
	const struct command *group;       /* commands below it; NULL where run is */
	int (*run)(struct invocation *in); /* the exit status */
};

#define COMMAND_DEPTH_MAX 4
struct invocation {
	const struct command *path[COMMAND_DEPTH_MAX]; /* from the outermost */
	size_t depth;
	int argc; /* what follows the words of the command, options included */
	char **argv;
	struct common_options common;
	char **operands; /* after options_read: what is not an option */
	size_t operand_count;
	int status;         /* after options_read returned true: the exit status */
	struct error error; /* for `return refuse(in)` */
};

/* Reads the options; least and most are the numbers of operands. True when the command is done already: help was
 * shown, or something was wrong and has been said; in->status is its exit status. */
bool options_read(struct invocation *in, const struct option_spec *specs, size_t least, size_t most);

/* Finds the command that argv names below `root` and runs it. Returns the exit status. */
int options_run(const struct command *root, int argc, char **argv);

/* Says in->error: a line on stderr, with what is allowed and what to do; with --json an object on stdout.
 * Returns the exit status that the code of the error asks for. */
int refuse(struct invocation *in);
/* The same with an error made here, of ERR_USAGE. */
int refuse_usage(struct invocation *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
