/* chancery ceremony check: is the plan right, and what will happen on the day? */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "tools/ceremony_pin.h"
#include "tools/ceremony_script.h"
#include "tools/cmd_ceremony.h"

static void clear(struct ceremony_checked *checked)
{
	ceremony_checked_clear(checked);
}

static int write_html(const json_t *script, const char *path, struct error *err)
{
	auto_buf page = BUF_INIT;
	ceremony_script_html(script, &page);
	return page.failed ? err_set(err, ERR_INTERNAL, "no memory for the page")
			   : file_replace(path, buf_bytes(&page), 0644, err);
}

int ceremony_run_check(struct invocation *in)
{
	const char *html = NULL;
	const struct option_spec specs[] = {
		{ "html", OPTION_TEXT, &html, "FILE", "write the script as a page to print, too" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	const struct clock clock = clock_system();
	const struct ceremony_check_options options = { .now_s = clock_now_ms(&clock) / 1000 };
	auto_ceremony_plan *plan = ceremony_plan_load(in->operands[0], &in->error);
	auto_free char *path = strdup(in->operands[0]);
	CLEANUP(clear) struct ceremony_checked checked = { .count = 0 };
	if (!plan || !path)
		return refuse(in);
	if (ceremony_check(plan, dirname(path), &options, &checked, &in->error) ||
	    ceremony_pin_check(plan, &checked.inputs, &in->error))
		return refuse(in);
	auto_json *script = ceremony_script(plan, &checked, &in->error);
	if (!script || (html && write_html(script, html, &in->error)))
		return refuse(in);
	if (in->common.json) {
		output_json(json_incref(script));
		return 0;
	}
	auto_buf text = BUF_INIT;
	ceremony_script_text(script, &text);
	(void)fputs(buf_text(&text), stdout);
	return 0;
}
