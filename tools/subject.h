/*
 * tools/subject.h - a subject's name as a person types it.
 *
 *     /C=CH/O=Example Ltd/CN=Issuing 2
 *
 * Each part is "/TYPE=VALUE"; a backslash takes the character behind it as it is, so that a value may have
 * a slash ("\/"). Types: businessCategory, jurisdictionC, jurisdictionST, jurisdictionL, serialNumber, C, ST, L,
 * O, CN; each at most once, in any order: what is encoded has the order of ca_subject_encode.
 */
#ifndef CHANCERY_TOOLS_SUBJECT_H
#define CHANCERY_TOOLS_SUBJECT_H

#include "ca-core/tbs.h"

#define SUBJECT_TEXT_MAX 2048

struct subject {
	struct ca_subject names; /* borrows from text */
	char text[SUBJECT_TEXT_MAX + 1];
};

/* ERR_USAGE says which part is wrong, and how. What a value may be is for ca_subject_encode to say. */
int subject_parse(const char *text, struct subject *out, struct error *err);

#endif
