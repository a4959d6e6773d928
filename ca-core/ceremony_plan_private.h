/*
 * ca-core/ceremony_plan_private.h - shared by ceremony_plan*.c alone: the steps of reading a plan. All return 0, or -1
 * with ERR_CONFIG and the line.
 */
#ifndef CHANCERY_CA_CEREMONY_PLAN_PRIVATE_H
#define CHANCERY_CA_CEREMONY_PLAN_PRIVATE_H

#include "ca-core/ceremony_plan.h"
#include "ca-core/config_read.h"

/* "now", where it may be, or a time of RFC 3339. */
int plan_get_time(const struct config_section *s, const char *option, bool may_be_now, struct ceremony_time *out);
/* Hex of exactly 32 octets; *given tells whether it is there. */
int plan_get_sha256(const struct config_section *s, const char *option, uint8_t out[32], bool *given);
/* A serial number in hex: positive, at most 20 octets. */
int plan_parse_serial(const struct config_section *s, const char *option, struct bytes hex, uint8_t out[20],
		      size_t *len);
/* A key: token and object or id. *out is allocated, in one form; it stays NULL where the option is not given. */
int plan_get_key(const struct config_section *s, const char *option, char **out);
/* 1 to 64 octets of UTF-8: what config_lines keeps of a title. */
int plan_check_title(const struct config_section *s);

/* A section `step`. (ceremony_plan_step.c) */
int plan_read_step(const struct config_section *s, struct ceremony_step *step);
void plan_free_step(struct ceremony_step *step);

/* A section `profile`, and preparing all of them once every section is read. (ceremony_plan_profile.c) */
int plan_read_profile(const struct config_section *s, struct ca_profile *profile, unsigned *purposes);
int plan_prepare_profiles(struct ceremony_plan *plan, const unsigned *purposes, struct error *err);

/* What sections say of each other. (ceremony_plan_refer.c) */
int plan_check_references(const struct ceremony_plan *plan, struct error *err);

#endif
