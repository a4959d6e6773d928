/* A room for ceremonies: a SoftHSM2 token "root", and plans that nobody attends. */
#ifndef CHANCERY_TESTS_UNIT_TOOLS_CEREMONY_ROOM_H
#define CHANCERY_TESTS_UNIT_TOOLS_CEREMONY_ROOM_H

#include "tests/unit/unit.h"
#include "tools/ceremony_run.h"

/* Token and a request "issuing-1.csr", in this test's folder. */
void room_open(void);
/* Writes NAME.conf: the head of every plan here, and these steps. @csr@ stands for the request's SHA-256. Its path. */
const char *room_plan(const char *name, const char *steps);

/* A key and a root of it. */
extern const char room_root[];
/* The same with a certificate for the request, and a list. */
extern const char room_whole[];

struct room_run {
	const char *plan, *rehearsal, *out; /* paths; rehearsal NULL: this is one */
	bool resume, attended_only;
	int64_t shift_s; /* of the clock */
	const char *pin; /* NULL: the token's */
};
int room_run(const struct room_run *run, uint8_t closing[32], struct error *err);
/* Rehearsed and run, below these names of the test's folder; all of it succeeds. */
void room_ceremony(const char *plan, const char *rehearsal, const char *out, uint8_t closing[32]);

#endif
