/*
 * tools/explain_text.h - an explanation (the JSON of GET /api/v1/explain/...) as a person reads it.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_TOOLS_EXPLAIN_TEXT_H
#define CHANCERY_TOOLS_EXPLAIN_TEXT_H

#include "tools/output.h"

void explain_text_add(const json_t *file, struct buf *out);

#endif
