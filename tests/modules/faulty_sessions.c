/* Sessions and slots, as far as limits and the log need to know them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/modules/faulty.h"

#define SESSIONS_MAX 4096 /* answers that get lost leave sessions open, as in a real token */
#define SLOTS_MAX 64

struct session {
	CK_SESSION_HANDLE handle;
	CK_SLOT_ID slot;
	char key[FAULTY_LABEL];
};

struct slot {
	CK_SLOT_ID id;
	char label[FAULTY_LABEL];
	int64_t used_us;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct session sessions[SESSIONS_MAX];
static size_t session_count;
static struct slot slots[SLOTS_MAX];
static size_t slot_count;

/* ---- under the lock ---- */

static struct session *find(CK_SESSION_HANDLE handle)
{
	for (size_t i = 0; i < session_count; i++)
		if (sessions[i].handle == handle)
			return &sessions[i];
	return NULL;
}

static void drop(struct session *s)
{
	*s = sessions[--session_count];
}

static struct slot *slot_of(CK_SLOT_ID id)
{
	for (size_t i = 0; i < slot_count; i++)
		if (slots[i].id == id)
			return &slots[i];
	if (slot_count == SLOTS_MAX)
		abort(); /* made for tests with a few */
	slots[slot_count] = (struct slot){ .id = id };
	return &slots[slot_count++];
}

/* ---- sessions ---- */

void faulty_session_opened(CK_SESSION_HANDLE session, CK_SLOT_ID slot)
{
	(void)pthread_mutex_lock(&lock);
	struct session *s = find(session);
	if (!s && session_count < SESSIONS_MAX)
		s = &sessions[session_count++];
	if (!s)
		abort();
	*s = (struct session){ .handle = session, .slot = slot };
	(void)pthread_mutex_unlock(&lock);
}

void faulty_session_closed(CK_SESSION_HANDLE session)
{
	(void)pthread_mutex_lock(&lock);
	struct session *s = find(session);
	if (s)
		drop(s);
	(void)pthread_mutex_unlock(&lock);
}

void faulty_sessions_closed(CK_SLOT_ID slot)
{
	(void)pthread_mutex_lock(&lock);
	for (size_t i = session_count; i > 0; i--)
		if (sessions[i - 1].slot == slot)
			drop(&sessions[i - 1]);
	(void)pthread_mutex_unlock(&lock);
}

void faulty_sessions_forget(void)
{
	(void)pthread_mutex_lock(&lock);
	session_count = 0;
	(void)pthread_mutex_unlock(&lock);
}

bool faulty_session_slot(CK_SESSION_HANDLE session, CK_SLOT_ID *slot)
{
	(void)pthread_mutex_lock(&lock);
	const struct session *s = find(session);
	if (s)
		*slot = s->slot;
	(void)pthread_mutex_unlock(&lock);
	return s != NULL;
}

size_t faulty_session_count(CK_SLOT_ID slot)
{
	size_t count = 0;
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < session_count; i++)
		count += sessions[i].slot == slot;
	(void)pthread_mutex_unlock(&lock);
	return count;
}

size_t faulty_session_of_each(CK_SESSION_HANDLE found[], CK_SLOT_ID of[], size_t max)
{
	size_t count = 0;
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < session_count && count < max; i++) {
		bool seen = false;
		for (size_t n = 0; n < count; n++)
			seen = seen || of[n] == sessions[i].slot;
		if (seen)
			continue;
		found[count] = sessions[i].handle;
		of[count++] = sessions[i].slot;
	}
	(void)pthread_mutex_unlock(&lock);
	return count;
}

void faulty_session_set_key(CK_SESSION_HANDLE session, const char label[FAULTY_LABEL])
{
	(void)pthread_mutex_lock(&lock);
	struct session *s = find(session);
	if (s)
		memcpy(s->key, label, FAULTY_LABEL);
	(void)pthread_mutex_unlock(&lock);
}

void faulty_session_key(CK_SESSION_HANDLE session, char label[FAULTY_LABEL])
{
	label[0] = '\0';
	(void)pthread_mutex_lock(&lock);
	const struct session *s = find(session);
	if (s)
		memcpy(label, s->key, FAULTY_LABEL);
	(void)pthread_mutex_unlock(&lock);
}

/* ---- slots ---- */

void faulty_slot_label(CK_SLOT_ID slot, char label[FAULTY_LABEL])
{
	(void)pthread_mutex_lock(&lock);
	memcpy(label, slot_of(slot)->label, FAULTY_LABEL);
	(void)pthread_mutex_unlock(&lock);
}

void faulty_slot_set_label(CK_SLOT_ID slot, const char label[FAULTY_LABEL])
{
	(void)pthread_mutex_lock(&lock);
	memcpy(slot_of(slot)->label, label, FAULTY_LABEL);
	(void)pthread_mutex_unlock(&lock);
}

int64_t faulty_slot_rested(CK_SLOT_ID slot, bool done)
{
	int64_t now = faulty_now_us();
	(void)pthread_mutex_lock(&lock);
	struct slot *s = slot_of(slot);
	int64_t since = s->used_us ? now - s->used_us : 0;
	if (done || !s->used_us)
		s->used_us = now;
	(void)pthread_mutex_unlock(&lock);
	return since;
}
