/*
 * tools/ceremony_verify_private.h - what the files of the verification share.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_VERIFY_PRIVATE_H
#define CHANCERY_TOOLS_CEREMONY_VERIFY_PRIVATE_H

#include "tools/ceremony_rehearsal.h"
#include "tools/ceremony_verify.h"

struct verification {
	const char *directory;
	struct ceremony_verified *v;
	struct ceremony_rehearsal rehearsal;
	struct ceremony_known *rehearsed;
};

/* ERR_INTEGRITY "line N of the transcript: ...". line NULL: of no line. Returns -1. */
int verify_wrong(struct error *err, const struct ca_transcript_line *line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for what err says already. */
int verify_wrap(struct error *err, const struct ca_transcript_line *line, const char *what);

/* What analysis cannot see from here: these always return -1. */
#ifdef __clang_analyzer__
#define verify_wrong(...) ((void)(verify_wrong)(__VA_ARGS__), -1)
#define verify_wrap(...) ((void)(verify_wrap)(__VA_ARGS__), -1)
#endif

/* Reads the file (appended), which has to have the SHA-256 (hex) that the line states. */
int verify_file(const struct verification *w, const struct ca_transcript_line *line, const char *name, const char *hex,
		struct buf *out, struct error *err);

/* ---- ceremony_verify_steps.c ---- */
/* The steps of the plan against the lines; fills v->known. */
int verify_steps(struct verification *w, struct error *err);

/* ---- ceremony_verify_end.c ---- */
/* Behind the last step: attestations and the signature of the ceremony's key. */
int verify_end(struct verification *w, struct error *err);
/* Each file is one that has to be there. */
int verify_no_other_file(const struct verification *w, struct error *err);

#endif
