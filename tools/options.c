#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"

#define SPECS_MAX 48

/* ---- saying what is wrong ---- */

static void refuse_json(const struct error *err)
{
	const struct err_class *class = err_class(err->code);
	json_t *body = json_pack("{s:s, s:s, s:s}", "code", class->slug, "title", class->title, "detail", err->message);
	if (err->member[0])
		(void)json_object_set_new(body, "member", json_string(err->member));
	if (err->value[0])
		(void)json_object_set_new(body, "value", json_string(err->value));
	if (err->allowed[0])
		(void)json_object_set_new(body, "allowed", json_string(err->allowed));
	output_json(json_pack("{s:o}", "error", body));
}

int refuse(struct invocation *in)
{
	struct error *err = &in->error;
	const struct err_class *class = err_class(err->code);
	/* Much of it is what a server says, or stands in files of others; err_about has seen to the rest. */
	output_make_safe(err->message);
	output_make_safe(err->causes);
	(void)fprintf(stderr, "chancery: %s\n", err->message);
	if (err->causes[0])
		(void)fprintf(stderr, "because: %s\n", err->causes);
	if (err->member[0] && err->value[0])
		(void)fprintf(stderr, "%s: %s\n", err->member, err->value);
	if (err->allowed[0])
		(void)fprintf(stderr, "allowed: %s\n", err->allowed);
	/* The others happen here as well as in the server, and then their messages say what to do. */
	bool policy = class->exit_status == 1 && err->code != ERR_CONFLICT && err->code != ERR_NOT_FOUND;
	if (policy && class->remedy[0])
		(void)fprintf(stderr, "hint: %s\n", class->remedy);
	if (in->common.json)
		refuse_json(err);
	return in->status = class->exit_status;
}

static void print_path(FILE *to, const struct invocation *in)
{
	for (size_t i = 0; i < in->depth; i++)
		(void)fprintf(to, "%s%s", i ? " " : "", in->path[i]->name);
}

int refuse_usage(struct invocation *in, const char *fmt, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, arguments);
	va_end(arguments);
	(void)err_set(&in->error, ERR_USAGE, "%s", text);
	(void)refuse(in);
	(void)fputs("hint: try `", stderr);
	print_path(stderr, in);
	(void)fputs(" --help`\n", stderr);
	return in->status;
}

/* ---- help ---- */

static void print_spec(const struct option_spec *spec)
{
	char left[64];
	(void)snprintf(left, sizeof(left), "--%s%s%s", spec->name, spec->value ? " " : "",
		       spec->value ? spec->value : "");
	(void)printf("  %-22s %s\n", left, spec->help);
}

static void print_specs(const char *title, const struct option_spec *specs)
{
	if (!specs->name)
		return;
	(void)printf("\n%s\n", title);
	for (; specs->name; specs++)
		print_spec(specs);
}

static void print_help(const struct invocation *in, const struct option_spec *own, const struct option_spec *common)
{
	const struct command *command = in->path[in->depth - 1];
	(void)fputs("Usage: ", stdout);
	print_path(stdout, in);
	(void)printf("%s%s [OPTIONS]\n\n%s.\n", command->arguments[0] ? " " : "", command->arguments, command->summary);
	if (command->detail)
		(void)printf("\n%s", command->detail);
	print_specs("Options:", own);
	print_specs("Options of every command:", common);
}

static int print_group(struct invocation *in)
{
	const struct command *group = in->path[in->depth - 1];
	(void)fputs("Usage: ", stdout);
	print_path(stdout, in);
	(void)printf(" COMMAND [OPTIONS]\n\n%s.\n", group->summary);
	if (group->detail)
		(void)printf("\n%s", group->detail);
	(void)fputs("\nCommands:\n", stdout);
	for (const struct command *command = group->group; command && command->name; command++)
		(void)printf("  %-12s %s\n", command->name, command->summary);
	(void)fputs("\nEach command explains itself with --help.\n", stdout);
	return 0;
}

/* ---- reading ---- */

static int take_number(struct invocation *in, const struct option_spec *spec, const char *text)
{
	char *end = NULL;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno || value < 1 || value > 1000000)
		return refuse_usage(in, "--%s wants a number from 1 to 1000000, not \"%s\"", spec->name, text);
	*(unsigned *)spec->target = (unsigned)value;
	return 0;
}

static int take(struct invocation *in, const struct option_spec *spec, const char *text)
{
	struct option_list *list = spec->target;
	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)spec->target = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)spec->target = text;
		return 0;
	case OPTION_NUMBER:
		return take_number(in, spec, text);
	case OPTION_LIST:
		break;
	}
	if (list->count == OPTION_LIST_MAX)
		return refuse_usage(in, "--%s is given more than %d times", spec->name, OPTION_LIST_MAX);
	list->items[list->count++] = text;
	return 0;
}

static void add_specs(const struct option_spec *from, const struct option_spec **all, struct option *options,
		      size_t *count)
{
	for (; from->name && *count < SPECS_MAX; from++) {
		options[*count] =
			(struct option){ from->name, from->kind == OPTION_FLAG ? no_argument : required_argument, NULL,
					 (int)(256 + *count) };
		all[(*count)++] = from;
	}
	options[*count] = (struct option){ NULL, 0, NULL, 0 };
}

static void fill_defaults(struct common_options *c)
{
	const char *from_environment = getenv("CHANCERY_STATE");
	c->state_given = c->state != NULL;
	if (!c->state)
		c->state = from_environment && from_environment[0] ? from_environment : "./var";
}

bool options_read(struct invocation *in, const struct option_spec *specs, size_t least, size_t most)
{
	bool help = false;
	struct common_options *c = &in->common;
	const struct option_spec common[] = {
		{ "state", OPTION_TEXT, &c->state, "DIR", "the state directory (CHANCERY_STATE, else ./var)" },
		{ "server", OPTION_TEXT, &c->server, "URL", "the server, where it is another machine" },
		{ "ca", OPTION_TEXT, &c->ca, "FILE", "what to trust (STATE/trust/root.pem)" },
		{ "cert", OPTION_TEXT, &c->cert, "FILE", "the identity's certificate (STATE/admin/cert.pem)" },
		{ "key", OPTION_TEXT, &c->key, "FILE", "its key (STATE/admin/key.pem)" },
		{ "token-file", OPTION_TEXT, &c->token_file, "FILE", "an API token, in place of a certificate" },
		{ "json", OPTION_FLAG, &c->json, NULL, "answer as JSON" },
		{ "help", OPTION_FLAG, &help, NULL, "this text" },
		OPTIONS_END,
	};
	const struct option_spec *all[SPECS_MAX];
	struct option options[SPECS_MAX + 1];
	size_t count = 0;
	add_specs(specs, all, options, &count);
	add_specs(common, all, options, &count);
	opterr = 0;
	optind = 0;
	in->status = 0;
	int option;
	while ((option = getopt_long(in->argc, in->argv, "", options, NULL)) != -1) {
		if (option < 256) {
			(void)refuse_usage(in, "\"%s\" is no option here, or wants a value", in->argv[optind - 1]);
			return true;
		}
		if (take(in, all[option - 256], optarg))
			return true;
	}
	fill_defaults(c);
	if (help) {
		print_help(in, specs, common);
		return true;
	}
	in->operands = in->argv + optind;
	in->operand_count = (size_t)(in->argc - optind);
	if (in->operand_count >= least && in->operand_count <= most)
		return false;
	const char *wanted = in->path[in->depth - 1]->arguments;
	(void)refuse_usage(in, in->operand_count < least ? "%s is missing" : "too much: wanted only %s",
			   wanted[0] ? wanted : "options");
	return true;
}

/* ---- finding the command ---- */

static const struct command *below(const struct command *group, const char *name)
{
	for (const struct command *command = group->group; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* Takes argv[at] out; those before it move up. */
static void remove_word(char **argv, int at)
{
	char *program = argv[0];
	for (int i = at; i > 0; i--)
		argv[i] = argv[i - 1];
	argv[0] = program;
}

/* Options before the words of the command that take a value of their own. */
static bool takes_value(const char *word)
{
	static const char *const names[] = { "--state", "--server", "--ca", "--cert", "--key", "--token-file" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(word, names[i]) == 0)
			return true;
	return false;
}

int options_run(const struct command *root, int argc, char **argv)
{
	struct invocation in = { .path = { root }, .depth = 1, .argc = argc, .argv = argv, .error = ERR_INIT };
	bool help = false;
	int at = 1;
	while (in.path[in.depth - 1]->group && at < in.argc) {
		char *word = in.argv[at];
		if (word[0] == '-') {
			help = help || strcmp(word, "--help") == 0;
			at += takes_value(word) ? 2 : 1;
			continue;
		}
		const struct command *found = below(in.path[in.depth - 1], word);
		if (!found || in.depth == COMMAND_DEPTH_MAX)
			return refuse_usage(&in, "there is no command \"%s\" here", word);
		in.path[in.depth++] = found;
		remove_word(in.argv, at);
		in.argv++;
		in.argc--;
	}
	const struct command *command = in.path[in.depth - 1];
	if (command->run)
		return command->run(&in);
	if (help || in.depth == 1) {
		(void)print_group(&in);
		return help ? 0 : 2;
	}
	return refuse_usage(&in, "which of its commands? See `--help`");
}
