/*
 * ca-core/config_private.h - shared by config*.c alone: where in the file each option stands,
 * and the steps of loading.
 */
#ifndef CHANCERY_CA_CONFIG_PRIVATE_H
#define CHANCERY_CA_CONFIG_PRIVATE_H

#include "ca-core/config.h"

/* One option as it stands in the file, or with option "" the head of a section. */
struct config_line {
	char section[24], title[65], option[32];
	int line;
};
struct config_lines {
	const char *path; /* for messages; borrowed */
	struct config_line *items;
	size_t count, capacity;
};
void config_lines_free(struct config_lines *lines);
#define auto_config_lines CLEANUP(config_lines_free) struct config_lines

/* Reads the text's structure: libconfuse silently keeps the last of two values, accepts a file that ends
 * within a section or string, and replaces ${NAME} by the environment; each is refused here. ERR_CONFIG.
 * (config_scan.c) */
int config_scan(struct bytes text, struct config_lines *lines, struct error *err);
/* Comments of a text that config_scan took become blanks: libconfuse counts their lines wrong. (config_scan.c) */
void config_blank_comments(struct buf *text);

/* ERR_CONFIG "path:line: section "title": option: ...", at the option's line, else the section's. option and title
 * may be "". */
int config_wrong(const struct config_lines *lines, struct error *err, const char *section, const char *title,
		 const char *option, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Whether the option stands in the file at all. (config_scan.c) */
bool config_given(const struct config_lines *lines, const char *section, const char *title, const char *option);

/* A grant's or zone's suffix covers this DNS name, wildcard or not; a network this address. (config_grant.c) */
bool config_suffix_covers(const char *suffix, const char *name);
bool config_network_contains(const struct ca_config_network *n, const struct ca_name *address);

/* What holds without a section `notify`; what zones own. (config_zone.c) */
void config_default_notify(struct ca_config_notify *n);
void config_zones_free(struct ca_config *c);
/* What zones, mail, notify and the profiles' methods say of each other. ERR_CONFIG. (config_zone.c) */
int config_check_zones(struct ca_config *c, const struct config_lines *lines, struct error *err);

/* What no option can say alone: references, policies, purposes; prepares the profiles. ERR_CONFIG.
 * (config_check.c) */
int config_check(struct ca_config *c, const struct config_lines *lines, struct error *err);

#endif
