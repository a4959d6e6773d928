/* chancery config: is it right, and what does it come to? */
#include <stdio.h>
#include <string.h>

#include "tools/cmd.h"

static struct ca_config *load(struct invocation *in)
{
	return in->operand_count ? ca_config_load(in->operands[0], &in->error) : state_config(&in->common, &in->error);
}

static int run_check(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	auto_ca_config *config = load(in);
	if (!config)
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:b}", "valid", 1));
	else
		(void)printf("The configuration is valid: %zu profiles, %zu issuers, %zu grants.\n",
			     config->profile_count, config->issuer_count, config->grant_count);
	return 0;
}

static int run_show(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	auto_ca_config *config = load(in);
	if (!config)
		return refuse(in);
	auto_buf text = BUF_INIT;
	ca_config_print(config, &text);
	if (!in->common.json) {
		(void)fputs(buf_text(&text), stdout);
		return 0;
	}
	json_t *lines = json_array();
	auto_free char *copy = strdup(buf_text(&text));
	char *rest = copy;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (line[0])
			(void)json_array_append_new(lines, json_string(line));
	output_json(json_pack("{s:o}", "configuration", lines));
	return 0;
}

static const struct command commands[] = {
	{ "check", "[FILE]", "Check a configuration (STATE/chancery.conf)", NULL, NULL, run_check },
	{ "show", "[FILE]", "Show the effective configuration, every default and deviation", NULL, NULL, run_show },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_config = { "config", "", "The configuration: check, show", NULL, commands, NULL };
