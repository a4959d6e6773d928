/* The script: read when it changes, asked at each call. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/modules/faulty.h"

#define SCRIPT_MAX 8192
#define RULES_MAX 64
#define WORDS_MAX 12
#define HANG_LOOK_NS 2000000

struct rule {
	char token[FAULTY_LABEL]; /* "": any */
	int call;                 /* or FAULTY_ALL */
	bool hangs, wedges, lost;
	bool until_initialize, ended;
	CK_RV rv;
	unsigned long after, times; /* times 0: without end */
	unsigned long seen;
};

struct limit {
	char token[FAULTY_LABEL];
	enum { LIMIT_SESSIONS, LIMIT_IDLE } what;
	unsigned long value;
};

struct script {
	struct rule rules[RULES_MAX];
	struct limit limits[RULES_MAX];
	struct faulty_deed deeds[FAULTY_DEEDS];
	size_t rule_count, limit_count, deed_count;
	struct faulty_random random; /* percent 0: off */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct script script;
static struct stat known; /* of the file that script was read from */
static unsigned long generation;

/* ---- lines ---- */

/* Cuts the line at blanks; what stands behind # is not read. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;
	line[strcspn(line, "#")] = '\0';
	for (char *at = line + strspn(line, " \t"); *at && count < WORDS_MAX; at += strspn(at, " \t")) {
		words[count++] = at;
		at += strcspn(at, " \t");
		if (*at)
			*at++ = '\0';
	}
	return count;
}

static bool read_number(const char *text, unsigned long *out)
{
	char *end = NULL;
	*out = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static bool read_call(const char *text, int *call)
{
	*call = FAULTY_ALL;
	if (strcmp(text, "all") == 0)
		return true;
	for (int i = 0; i < FAULTY_CALLS; i++) {
		if (strcmp(faulty_call_name((enum faulty_call)i), text) == 0) {
			*call = i;
			return true;
		}
	}
	return false;
}

/* after N, times N, lost, until-initialize: in any order. */
static bool read_options(char *const words[], size_t count, struct rule *rule)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], "lost") == 0 && !rule->hangs) {
			rule->lost = true;
			continue;
		}
		if (strcmp(words[i], "until-initialize") == 0) {
			rule->until_initialize = true;
			continue;
		}
		unsigned long *number = strcmp(words[i], "after") == 0   ? &rule->after
					: strcmp(words[i], "times") == 0 ? &rule->times
									 : NULL;
		if (!number || ++i == count || !read_number(words[i], number))
			return false;
	}
	return true;
}

static bool read_rule(struct script *s, const char *token, char *const words[], size_t count)
{
	struct rule *rule = &s->rules[s->rule_count];
	if (s->rule_count == RULES_MAX || count < 2 || !read_call(words[0], &rule->call))
		return false;
	rule->wedges = strcmp(words[1], "wedge") == 0;
	rule->hangs = rule->wedges || strcmp(words[1], "hang") == 0;
	if ((!rule->hangs && !faulty_ckr_parse(words[1], &rule->rv)) || !read_options(words + 2, count - 2, rule))
		return false;
	(void)snprintf(rule->token, sizeof(rule->token), "%s", token);
	s->rule_count++;
	return true;
}

static bool read_limit(struct script *s, const char *token, char *const words[], size_t count)
{
	struct limit *limit = &s->limits[s->limit_count];
	if (s->limit_count == RULES_MAX || count != 2 || !read_number(words[1], &limit->value))
		return false;
	limit->what = strcmp(words[0], "sessions") == 0 ? LIMIT_SESSIONS : LIMIT_IDLE;
	(void)snprintf(limit->token, sizeof(limit->token), "%s", token);
	s->limit_count++;
	return true;
}

static bool read_deed(struct script *s, const char *token, char *const words[], size_t count)
{
	struct faulty_deed *deed = &s->deeds[s->deed_count];
	if (s->deed_count == FAULTY_DEEDS || count != 1)
		return false;
	deed->what = strcmp(words[0], "forget-login") == 0 ? FAULTY_FORGET_LOGIN : FAULTY_INVALIDATE_SESSIONS;
	(void)snprintf(deed->token, sizeof(deed->token), "%s", token);
	s->deed_count++;
	return true;
}

static bool read_random(struct script *s, char *const words[], size_t count)
{
	unsigned long seed, percent;
	int only = FAULTY_ALL;
	if (count < 3 || count > 4 || !read_number(words[1], &seed) || !read_number(words[2], &percent) ||
	    percent > 100 || (count == 4 && !read_call(words[3], &only)))
		return false;
	faulty_random_start(&s->random, seed, (unsigned)percent, only);
	return true;
}

static bool read_line(struct script *s, char *line)
{
	char *words[WORDS_MAX];
	size_t count = split(line, words), first = 0;
	const char *token = "";
	if (count == 0)
		return true;
	if (count > 2 && strcmp(words[0], "token") == 0) {
		token = words[1];
		first = 2;
		count -= 2;
	}
	char *const *rest = words + first;
	if (strlen(token) >= FAULTY_LABEL)
		return false;
	if (strcmp(rest[0], "sessions") == 0 || strcmp(rest[0], "idle") == 0)
		return read_limit(s, token, rest, count);
	if (strcmp(rest[0], "forget-login") == 0 || strcmp(rest[0], "invalidate-sessions") == 0)
		return read_deed(s, token, rest, count);
	if (strcmp(rest[0], "random") == 0)
		return first == 0 && read_random(s, rest, count);
	return read_rule(s, token, rest, count);
}

/* ---- the file ---- */

static void read_script(int fd)
{
	static char text[SCRIPT_MAX + 1];
	ssize_t len = fd < 0 ? 0 : read(fd, text, SCRIPT_MAX);
	text[len > 0 ? len : 0] = '\0';
	memset(&script, 0, sizeof(script));
	unsigned long number = 0;
	for (char *line = text; *line;) {
		char *end = line + strcspn(line, "\n");
		bool last = *end == '\0';
		*end = '\0';
		number++;
		if (!read_line(&script, line))
			faulty_log("control-error line=%lu", number);
		line = last ? end : end + 1;
	}
	faulty_log("control rules=%zu",
		   script.rule_count + script.limit_count + script.deed_count + (script.random.percent > 0));
}

static bool is_known(const struct stat *now)
{
	return now->st_ino == known.st_ino && now->st_dev == known.st_dev && now->st_size == known.st_size &&
	       now->st_mtim.tv_sec == known.st_mtim.tv_sec && now->st_mtim.tv_nsec == known.st_mtim.tv_nsec;
}

/* Under the lock. */
static void refresh(void)
{
	const char *path = getenv("FAULTY_CONTROL");
	struct stat now = { 0 };
	if (!path || (stat(path, &now) == 0 && is_known(&now)))
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 ? known.st_ino == 0 : fstat(fd, &now) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	read_script(fd);
	known = now;
	generation++;
	if (fd >= 0)
		(void)close(fd);
}

size_t faulty_control_read(struct faulty_deed deeds[FAULTY_DEEDS])
{
	(void)pthread_mutex_lock(&lock);
	refresh();
	size_t count = script.deed_count;
	memcpy(deeds, script.deeds, count * sizeof(deeds[0]));
	script.deed_count = 0;
	(void)pthread_mutex_unlock(&lock);
	return count;
}

/* ---- judging ---- */

static bool is_about(const char *wanted, const char *token)
{
	return wanted[0] == '\0' || strcmp(wanted, token) == 0;
}

static bool applies(struct rule *rule, enum faulty_call call, const char *token)
{
	bool meant = rule->call == FAULTY_ALL ? call >= C_GET_SLOT_INFO : rule->call == (int)call;
	if (!meant || rule->ended || !is_about(rule->token, token))
		return false;
	rule->seen++;
	return rule->seen > rule->after && (rule->times == 0 || rule->seen <= rule->after + rule->times);
}

/* Under the lock. held_by: the rule that holds the call up, or NULL. */
static struct faulty_verdict judge(enum faulty_call call, const char *token, const struct rule **held_by)
{
	struct faulty_verdict verdict = { FAULTY_PASS, CKR_OK };
	bool lost = false;
	*held_by = NULL;
	for (size_t i = 0; i < script.rule_count; i++) {
		struct rule *rule = &script.rules[i];
		if (!applies(rule, call, token))
			continue;
		if (rule->hangs)
			*held_by = rule;
		else
			verdict = (struct faulty_verdict){ rule->lost ? FAULTY_LOSE : FAULTY_REFUSE, rule->rv };
		return verdict;
	}
	if (script.random.percent && faulty_random_draw(&script.random, call, &verdict.rv, &lost)) {
		verdict.kind = lost ? FAULTY_LOSE : FAULTY_REFUSE;
		faulty_log("fault call=%s answered=%s lost=%d", faulty_call_name(call), faulty_ckr_name(verdict.rv),
			   lost);
	}
	return verdict;
}

/* Until the script is another than the one that says so, or for good. */
static void hang(unsigned long since, bool for_good)
{
	const struct timespec pause = { 0, HANG_LOOK_NS };
	for (bool waits = true; waits;) {
		(void)nanosleep(&pause, NULL);
		(void)pthread_mutex_lock(&lock);
		refresh();
		waits = for_good || generation == since;
		(void)pthread_mutex_unlock(&lock);
	}
}

struct faulty_verdict faulty_control_judge(enum faulty_call call, const char *token)
{
	for (;;) {
		const struct rule *held_by;
		(void)pthread_mutex_lock(&lock);
		struct faulty_verdict verdict = judge(call, token, &held_by);
		bool hangs = held_by, for_good = held_by && held_by->wedges;
		unsigned long since = generation;
		(void)pthread_mutex_unlock(&lock);
		if (!hangs)
			return verdict;
		hang(since, for_good);
	}
}

void faulty_control_initialized(void)
{
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < script.rule_count; i++)
		script.rules[i].ended = script.rules[i].until_initialize;
	(void)pthread_mutex_unlock(&lock);
}

/* ---- limits ---- */

static unsigned long limit_of(int what, const char *token)
{
	unsigned long value = 0;
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < script.limit_count; i++)
		if ((int)script.limits[i].what == what && is_about(script.limits[i].token, token))
			value = script.limits[i].value;
	(void)pthread_mutex_unlock(&lock);
	return value;
}

size_t faulty_control_sessions(const char *token)
{
	return limit_of(LIMIT_SESSIONS, token);
}

int64_t faulty_control_idle_us(const char *token)
{
	return (int64_t)limit_of(LIMIT_IDLE, token) * 1000;
}
