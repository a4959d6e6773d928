#include "tools/subject.h"

#include <stdarg.h>
#include <stdio.h>

#define EXAMPLE "\"/C=CH/O=Example/CN=Issuing 2\""
#define TYPES "businessCategory, jurisdictionC, jurisdictionST, jurisdictionL, serialNumber, C, ST, L, O, CN"

static const char *const types[CA_ATTR_COUNT] = {
	[CA_ATTR_BUSINESS_CATEGORY] = "businessCategory",
	[CA_ATTR_JURISDICTION_COUNTRY] = "jurisdictionC",
	[CA_ATTR_JURISDICTION_STATE] = "jurisdictionST",
	[CA_ATTR_JURISDICTION_LOCALITY] = "jurisdictionL",
	[CA_ATTR_SERIAL_NUMBER] = "serialNumber",
	[CA_ATTR_COUNTRY] = "C",
	[CA_ATTR_STATE] = "ST",
	[CA_ATTR_LOCALITY] = "L",
	[CA_ATTR_ORGANIZATION] = "O",
	[CA_ATTR_COMMON_NAME] = "CN",
};

static int wrong(struct error *err, const char *whole, const char *why, ...) __attribute__((format(printf, 3, 4)));
static int wrong(struct error *err, const char *whole, const char *why, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, why);
	(void)vsnprintf(text, sizeof(text), why, arguments);
	va_end(arguments);
	(void)err_set(err, ERR_USAGE, "%s", text);
	return err_about(err, "subject", whole, NULL);
}

/* Takes escapes out of the value at *at, in place. *at becomes the part behind it, or NULL at the end. */
static int take_value(const char *whole, char **at, struct error *err)
{
	char *from = *at, *to = *at;
	while (*from && *from != '/') {
		if (*from == '\\' && !*++from)
			return wrong(err, whole, "the subject ends in a backslash with nothing behind it");
		*to++ = *from++;
	}
	*at = *from ? from + 1 : NULL;
	*to = '\0'; /* perhaps where the slash stood */
	return 0;
}

/* The part at *at, which stands behind its slash. */
static int take_part(const char *whole, char **at, struct ca_subject *out, struct error *err)
{
	char *type = *at;
	char *value = type + strcspn(type, "=/");
	if (*value != '=')
		return wrong(
			err, whole,
			"the part \"%.*s\" of the subject has no \"=\": a part is TYPE=VALUE, and a slash within a "
			"value is written \"\\/\"",
			(int)strcspn(type, "/"), type);
	*value++ = '\0';
	*at = value;
	if (take_value(whole, at, err))
		return -1;
	for (size_t i = 0; i < CA_ATTR_COUNT; i++) {
		if (strcmp(types[i], type) != 0)
			continue;
		if (out->values[i])
			return wrong(err, whole, "the subject has %s twice", type);
		if (value[0] == '\0')
			return wrong(err, whole, "%s of the subject has no value", type);
		out->values[i] = value;
		return 0;
	}
	(void)wrong(err, whole, "\"%s\" is no type of a subject's part here", type);
	return err_about(err, "subject", whole, TYPES);
}

int subject_parse(const char *text, struct subject *out, struct error *err)
{
	*out = (struct subject){ .text = "" };
	if (strlen(text) > SUBJECT_TEXT_MAX)
		return err_set(err, ERR_USAGE, "the subject has more than %d octets", SUBJECT_TEXT_MAX);
	if (text[0] != '/')
		return wrong(err, text, "a subject begins with a slash, like " EXAMPLE);
	memcpy(out->text, text, strlen(text) + 1);
	char *at = out->text + 1;
	while (at)
		if (take_part(text, &at, &out->names, err))
			return -1;
	return 0;
}
