/*
 * tools/ceremony_folder.h - the directory of a ceremony while it comes to be: copies of what was read, the transcript,
 * line after line, and what the steps have made.
 *
 *     plan.conf  rehearsal.json  inputs/  transcript.jsonl  transcript.txt  out/  attestations/
 *
 * A file appears under its final name only when it is complete, and nothing is overwritten. A line of the transcript is
 * on disk when ceremony_folder_line returns. A run that was interrupted is opened again: what it left half-written (a
 * torn line, files under temporary names) is taken away, and counted.
 *
 * Thread-safety: one thread at a time.
 */
#ifndef CHANCERY_TOOLS_CEREMONY_FOLDER_H
#define CHANCERY_TOOLS_CEREMONY_FOLDER_H

#include "base/clock.h"
#include "ca-core/ceremony_transcript.h"

#define CEREMONY_TRANSCRIPT "transcript.jsonl"
#define CEREMONY_TRANSCRIPT_TEXT "transcript.txt"
#define CEREMONY_PLAN_COPY "plan.conf"
#define CEREMONY_REHEARSAL "rehearsal.json"
#define CEREMONY_FILE_MAX ((size_t)4 << 20) /* octets of a file in it, but for the transcript */

struct ceremony_folder {
	char *path; /* owned */
	int transcript_fd;
	int lock_fd;
	struct ca_transcript transcript;
	size_t torn;        /* octets of a line that was not complete, when the folder was opened again */
	size_t octets;      /* of the transcript on disk */
	struct clock clock; /* for the lines' times */
};

/* Whether path does not exist yet, or is an empty folder. ERR_CONFLICT where something is in it, with what to do; ERR_IO. */
int ceremony_folder_is_free(const char *path, struct error *err);
/* A new one there. Errors as above. */
int ceremony_folder_begin(struct ceremony_folder *folder, const char *path, struct clock clock, struct error *err);
/* The folder of a run that was interrupted. ERR_NOT_FOUND; ERR_INTEGRITY where the transcript is not whole up to its last
 * complete line; ERR_CONFLICT where another run works in it at this moment. */
int ceremony_folder_resume(struct ceremony_folder *folder, const char *path, struct clock clock, struct error *err);
void ceremony_folder_close(struct ceremony_folder *folder);
#define CEREMONY_FOLDER_INIT \
	((struct ceremony_folder){ .transcript_fd = -1, .lock_fd = -1, .transcript = CA_TRANSCRIPT_INIT })
#define auto_ceremony_folder CLEANUP(ceremony_folder_close) struct ceremony_folder

/* Adds a line, now, and has it on disk. Errors as ca_transcript_add; ERR_CONFLICT where the clock is behind the last
 * line; ERR_STORE_FULL where there is no room, ERR_IO. After one of the last two the line is not in the transcript, and
 * nothing may follow in this process. */
int ceremony_folder_line(struct ceremony_folder *folder, enum ca_transcript_event event, const char *const *values,
			 struct error *err);

/* Writes a file (0644) of this name ("out/root-1.pem"), durably. One of the same content may be there already, from
 * before an interruption. ERR_CONFLICT where there is another; ERR_STORE_FULL, ERR_IO. */
int ceremony_folder_write(struct ceremony_folder *folder, const char *name, struct bytes content, struct error *err);
/* Reads it; appended. ERR_NOT_FOUND, ERR_IO. */
int ceremony_folder_read(const struct ceremony_folder *folder, const char *name, struct buf *out, struct error *err);

#endif
