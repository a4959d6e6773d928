/*
 * tools/ceremony_script.h - the script of the day: what a room of people does, in which order, and what it sees.
 *
 * Made of the plan and what its check found out; as text of at most 80 columns with a place to tick, and as one page of
 * HTML that needs nothing else and prints well.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_SCRIPT_H
#define CHANCERY_TOOLS_CEREMONY_SCRIPT_H

#include "ca-core/ceremony_check.h"
#include "tools/output.h"

/* {"title", "sha256", "windowFrom", "windowTo", "attended", "people": [{"name", "roles": []}], "tokens": [{"uri",
 * "module", "pin"}], "files": [{"name", "sha256"}], "script": [{"number", "step", "title", "lines": [{"who", "text", "sha256" where there is one: "" to be
 * written by hand}]}]};
 * step is the plan's name of it, "" for what stands around the steps. The caller's reference. NULL: ERR_INTERNAL. */
json_t *ceremony_script(const struct ceremony_plan *plan, const struct ceremony_checked *checked, struct error *err);

/* The same for people; the last line is the plan's SHA-256. */
void ceremony_script_text(const json_t *script, struct buf *out);
void ceremony_script_html(const json_t *script, struct buf *out);

/* A SHA-256 in hex as groups of four that can be read aloud, eight a line; indent blanks before each line, no line end
 * behind the last. */
void ceremony_add_groups(struct buf *out, const char *hex, size_t indent);
/* text broken at blanks so that no line has more than 80 columns; lines but the first begin with indent blanks; column:
 * where the first begins. No line end behind the last. */
void ceremony_add_wrapped(struct buf *out, const char *text, size_t column, size_t indent);

#endif
