/*
 * base/err.h - the one error idiom.
 *
 * A function that can fail returns int (0, or -1) or a pointer (or NULL), and
 * takes a `struct error *err` as its last parameter. On failure it fills err
 * with a code from the one enum, a message for the person who has to act (what
 * happened, with which value, what to do about it), and the chain of causes for
 * the log. On success err is left as it was. err is never NULL.
 *
 *     if (file_read(path, 65536, &pin, err))
 *             return err_wrap(err, ERR_TOKEN_UNAVAILABLE, "cannot log in to token %s", label);
 *
 * One table (err.c) maps each code to an HTTP status, the RFC 9457 problem
 * type, the ACME error type and the exit status of the command line.
 *
 * Thread-safety: every function works only on its arguments.
 */
#ifndef CHANCERY_BASE_ERR_H
#define CHANCERY_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum err_code {
	ERR_NONE = 0,
	/* ours alone: never the caller's fault */
	ERR_INTERNAL,    /* a bug, or a library that failed without a reason */
	ERR_IO,          /* the operating system refused; the message says what */
	ERR_USAGE,       /* the command line is wrong */
	ERR_CONFIG,      /* the configuration is wrong; the message has file:line */
	ERR_INTEGRITY,   /* data that must agree does not: store, audit, signature */
	ERR_CONFLICT,    /* an expectation of a batch did not hold; look again */
	ERR_UNREACHABLE, /* the server, or its socket, does not answer */
	/* the token failed in C_Sign: it may have signed. Becomes ERR_TOKEN_UNAVAILABLE once that is accounted for */
	ERR_SIGNATURE_UNCERTAIN,
	/* what is refused, in the order of the contract's table */
	ERR_BAD_REQUEST,
	ERR_BAD_CSR,
	ERR_BAD_SIGNATURE,
	ERR_WEAK_ALGORITHM,
	ERR_WEAK_KEY,
	ERR_BLOCKED_KEY,
	ERR_BAD_NAME,
	ERR_PROFILE_UNKNOWN,
	ERR_VALIDITY_TOO_LONG,
	ERR_TOO_MANY_NAMES,
	ERR_IDENTITY_REQUIRED,
	ERR_IDENTITY_REVOKED,
	ERR_ROLE_REQUIRED,
	ERR_NAME_NOT_ALLOWED,
	ERR_CAA_FORBIDS,
	ERR_ORGANIZATION_NOT_VALID,
	ERR_APPROVAL_NOT_ALLOWED,
	ERR_NOT_FOUND,
	ERR_METHOD_NOT_ALLOWED,
	ERR_TOO_LARGE,
	ERR_UNSUPPORTED_MEDIA_TYPE,
	ERR_ORDER_STATE,
	ERR_VALIDATION_FAILED,
	ERR_APPROVAL_MISMATCH,
	ERR_TOKEN_UNAVAILABLE,
	ERR_PIN_REFUSED,
	ERR_STORE_FULL,
	ERR_BUSY,
	ERR_CODE_COUNT
};

/* Fixed size, so that it can stand on any stack and cross the channel whole.
 * Every array is a NUL-terminated string; text that does not fit is cut. */
struct error {
	enum err_code code;
	char message[512]; /* for the person: what, which value, what to do */
	char member[64];   /* RFC 9457 extension: the offending member, or "" */
	char value[256];   /* the offending value, or "" */
	char allowed[256]; /* what would be accepted, or "" */
	char causes[512];  /* "inner: innermost", for the log only, or "" */
};

#define ERR_INIT ((struct error){ .code = ERR_NONE })

/* How one code shows itself to each kind of caller. */
struct err_class {
	enum err_code code;
	const char *slug;   /* "bad-csr": stable, part of the contract; the log's name too */
	const char *title;  /* RFC 9457 title, one sentence without a full stop */
	int http_status;    /* RFC 9110 */
	const char *acme;   /* RFC 8555 section 6.7, without the urn prefix */
	int exit_status;    /* 1 refused, 2 usage, 3 unreachable, 4 integrity */
	bool problem;       /* true: has a page under /problems/ */
	const char *remedy; /* the problem page's text: what to do about it */
};

/* The table's row for code; an unknown code gives the row of ERR_INTERNAL. Static. */
const struct err_class *err_class(enum err_code code);

/* The row with this slug, or NULL. */
const struct err_class *err_class_by_slug(const char *slug);

/* The arguments of the format may be texts of err itself: they are read before it changes. */

/* Fills err anew; no causes. Returns -1, so that `return err_set(...)` reads well. */
int err_set(struct error *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The present message becomes the head of the causes; code and message are new. Returns -1. */
int err_wrap(struct error *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with ": " and the text of errno at the end. Returns -1. */
int err_errno(struct error *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Names what was wrong: member, its value, and what is allowed (each may be NULL).
 * Bytes of value outside printable ASCII are shown as \xNN. Returns -1. */
int err_about(struct error *err, const char *member, const char *value, const char *allowed);

/* What analysis cannot see from here: these always return -1. */
#ifdef __clang_analyzer__
#define err_set(...) ((void)(err_set)(__VA_ARGS__), -1)
#define err_wrap(...) ((void)(err_wrap)(__VA_ARGS__), -1)
#define err_errno(...) ((void)(err_errno)(__VA_ARGS__), -1)
#define err_about(...) ((void)(err_about)(__VA_ARGS__), -1)
#endif

#endif
