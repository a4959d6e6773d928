/*
 * ca-core/config_private.h - the file as libconfuse read it, and the tables that say what
 * may stand in it. For the files config*.c alone.
 *
 * Every option is read as text or a list of texts and turned into its type here, because
 * libconfuse takes 010 for eight, says "invalid" without a range, and silently keeps the
 * last of two values.
 */
#ifndef CHANCERY_CA_CONFIG_PRIVATE_H
#define CHANCERY_CA_CONFIG_PRIVATE_H

#include <confuse.h>

#include "ca-core/config.h"

/* ---- the file (config_source.c) ---- */

/* Where an option was given, for messages and against a second one. */
struct config_seen {
	const cfg_t *section;
	const cfg_opt_t *option;
	int line;
};
struct config_source {
	const char *path; /* borrowed, for messages */
	cfg_t *root;
	struct config_seen *seen;
	size_t seen_count, seen_capacity;
	struct error *err; /* while parsing */
};

/* Reads and parses the file against the tables. ERR_CONFIG with "path:line: ...", ERR_IO, ERR_NOT_FOUND. */
int config_source_open(struct config_source *source, const char *path, struct error *err);
void config_source_close(struct config_source *source);
#define auto_config_source CLEANUP(config_source_close) struct config_source

/* A place in the file: section NULL for the outermost, index among sections of that name, option or NULL. */
struct config_place {
	const char *section;
	size_t index;
	const char *option;
};
/* ERR_CONFIG: "path:line: ..." with the line of the option, or else of its section. Returns -1. */
int config_refuse(const struct config_source *source, const struct config_place *place, struct error *err,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- what may stand in it (config_options.c) ---- */

struct config_option;
/* How the texts of one option become a field of a struct, and back. */
struct config_type {
	bool is_list;
	int (*read)(const struct config_option *option, cfg_opt_t *values, void *field, const char **why);
	void (*print)(const struct config_option *option, const void *field, struct buf *out);
};
struct config_word {
	const char *text; /* NULL ends the list */
	unsigned value;
};
struct config_option {
	const char *name; /* NULL ends the list */
	const struct config_type *type;
	size_t offset; /* of the field in the section's struct */
	bool required;
	unsigned min, max; /* numbers: limits; texts: max is the field's size, its NUL counted */
	const struct config_word *words;
};
struct config_section {
	const char *name; /* NULL ends the list */
	const struct config_option *options;
	bool titled;         /* any number, each with a name, which is the struct's first field */
	size_t offset, size; /* in struct ca_config: the struct, or the array and its element's size */
	size_t max, count_offset;
};
extern const struct config_option config_root_options[];
extern const struct config_section config_sections[];

/* Fills the struct from the file, defaults where nothing stands; no look at what belongs together. */
int config_read(const struct config_source *source, struct ca_config *config, struct error *err);

/* ---- what belongs together (config_check.c) ---- */

/* References, keys used once, addresses, grants; decides what follows from the whole (CRL hours, policies,
 * purposes of intermediates) and prepares the profiles. */
int config_check(const struct config_source *source, struct ca_config *config, struct error *err);

#endif
