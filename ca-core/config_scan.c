/* The structure of chancery.conf: what stands on which line, and what libconfuse lets pass. */
#include <stdio.h>

#include "ca-core/config_private.h"

#define LINES_MAX 8192

void config_lines_free(struct config_lines *lines)
{
	free(lines->items);
	lines->items = NULL;
	lines->count = lines->capacity = 0;
}

static const struct config_line *find(const struct config_lines *lines, const char *section, const char *title,
				      const char *option)
{
	for (size_t i = 0; i < lines->count; i++) {
		const struct config_line *l = &lines->items[i];
		if (strcmp(l->section, section) == 0 && strcmp(l->title, title) == 0 && strcmp(l->option, option) == 0)
			return l;
	}
	return NULL;
}

bool config_given(const struct config_lines *lines, const char *section, const char *title, const char *option)
{
	return find(lines, section, title, option) != NULL;
}

int config_wrong(const struct config_lines *lines, struct error *err, const char *section, const char *title,
		 const char *option, const char *fmt, ...)
{
	char why[384];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	const struct config_line *at = find(lines, section, title, option);
	if (!at)
		at = find(lines, section, title, "");
	return err_set(err, ERR_CONFIG, "%s:%d: %s%s%s%s%s%s: %s", lines->path, at ? at->line : 1, section,
		       *title ? " \"" : "", title, *title ? "\"" : "", *section && *option ? ", " : "", option, why);
}

/* ---- tokens ---- */

enum token { TOKEN_END, TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_ASSIGN, TOKEN_OTHER, TOKEN_BAD };

struct scanner {
	const char *path;
	struct bytes left;
	int line;
	char word[128]; /* of TOKEN_WORD, cut where longer */
	struct error *err;
};

static int scan_wrong(struct scanner *s, const char *why)
{
	return err_set(s->err, ERR_CONFIG, "%s:%d: %s", s->path, s->line, why);
}

static void skip(struct scanner *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		s->line += s->left.data[i] == '\n';
	s->left = BYTES(s->left.data + count, s->left.len - count);
}

static bool at(const struct scanner *s, const char *text)
{
	size_t len = strlen(text);
	return s->left.len >= len && memcmp(s->left.data, text, len) == 0;
}

/* Blanks and comments. False where a comment does not end. */
static bool skip_blanks(struct scanner *s)
{
	while (s->left.len) {
		if (at(s, "#") || at(s, "//")) {
			const uint8_t *end = memchr(s->left.data, '\n', s->left.len);
			skip(s, end ? (size_t)(end - s->left.data) : s->left.len);
		} else if (at(s, "/*")) {
			const uint8_t *end = memmem(s->left.data, s->left.len, "*/", 2);
			if (!end)
				return false;
			skip(s, (size_t)(end - s->left.data) + 2);
		} else if (strchr(" \t\r\n", s->left.data[0]) && s->left.data[0]) {
			skip(s, 1);
		} else {
			break;
		}
	}
	return true;
}

static void add_to_word(struct scanner *s, size_t *used, uint8_t c)
{
	if (*used + 1 < sizeof(s->word))
		s->word[(*used)++] = (char)c;
}

static enum token scan_string(struct scanner *s, uint8_t quote)
{
	size_t used = 0, i = 1;
	for (; i < s->left.len && s->left.data[i] != quote; i++) {
		if (quote == '"' && s->left.data[i] == '$' && i + 1 < s->left.len && s->left.data[i + 1] == '{') {
			(void)scan_wrong(s, "${...} is not replaced by the environment here; write the value");
			return TOKEN_BAD;
		}
		if (s->left.data[i] == '\\' && i + 1 < s->left.len)
			i++;
		add_to_word(s, &used, s->left.data[i]);
	}
	s->word[used] = '\0';
	if (i >= s->left.len) {
		(void)scan_wrong(s, "a string starts here and does not end");
		return TOKEN_BAD;
	}
	skip(s, i + 1);
	return TOKEN_WORD;
}

static enum token scan_word(struct scanner *s)
{
	size_t used = 0, i = 0;
	if (at(s, "${")) {
		(void)scan_wrong(s, "${...} is not replaced by the environment here; write the value");
		return TOKEN_BAD;
	}
	for (; i < s->left.len && s->left.data[i] && !strchr(" \t\r\n\"'={}(),+#", s->left.data[i]); i++)
		add_to_word(s, &used, s->left.data[i]);
	s->word[used] = '\0';
	if (i == 0) {
		(void)scan_wrong(s, "a character that cannot stand here");
		return TOKEN_BAD;
	}
	skip(s, i);
	return TOKEN_WORD;
}

static enum token next_token(struct scanner *s)
{
	if (!skip_blanks(s)) {
		(void)scan_wrong(s, "a comment starts here and does not end");
		return TOKEN_BAD;
	}
	if (!s->left.len)
		return TOKEN_END;
	uint8_t c = s->left.data[0];
	if (c == '"' || c == '\'')
		return scan_string(s, c);
	if (at(s, "+=")) {
		skip(s, 2);
		return TOKEN_ASSIGN;
	}
	if (c && strchr("={},()", c)) {
		skip(s, 1);
		return c == '=' ? TOKEN_ASSIGN : c == '{' ? TOKEN_OPEN : c == '}' ? TOKEN_CLOSE : TOKEN_OTHER;
	}
	return scan_word(s);
}

/* ---- structure ---- */

static int add(struct config_lines *lines, const struct config_line *line, struct error *err)
{
	const struct config_line *first = find(lines, line->section, line->title, line->option);
	if (first && line->option[0])
		return err_set(err, ERR_CONFIG, "%s:%d: %s is given twice, first on line %d", lines->path, line->line,
			       line->option, first->line);
	if (first)
		return err_set(err, ERR_CONFIG, "%s:%d: section %s%s%s stands twice, first on line %d", lines->path,
			       line->line, line->section, *line->title ? " " : "", line->title, first->line);
	if (lines->count == lines->capacity) {
		size_t capacity = lines->capacity ? 2 * lines->capacity : 64;
		struct config_line *items = NULL;
		if (capacity <= LINES_MAX)
			items = realloc(lines->items, capacity * sizeof(*items));
		if (!items)
			return err_set(err, ERR_CONFIG, "%s:%d: the file has too many options", lines->path,
				       line->line);
		lines->items = items;
		lines->capacity = capacity;
	}
	lines->items[lines->count++] = *line;
	return 0;
}

/* What has been read since the last complete thing. */
struct state {
	char words[2][128];
	int word_line; /* of words[0] */
	size_t word_count;
	bool in_section, in_list, assigned;
	int open_line;
	struct config_line section;
};

static int on_assign(struct state *st, struct config_lines *lines, struct error *err)
{
	struct config_line option = st->section;
	size_t last = st->word_count ? st->word_count - 1 : 0;
	(void)snprintf(option.option, sizeof(option.option), "%s", st->word_count ? st->words[last] : "");
	option.line = st->word_line;
	st->word_count = 0;
	st->assigned = true;
	return option.option[0] ? add(lines, &option, err) : 0;
}

static int on_open(struct state *st, struct config_lines *lines, int line, struct error *err)
{
	st->open_line = line;
	if (st->assigned) {
		st->in_list = true;
		return 0;
	}
	if (st->in_section)
		return err_set(err, ERR_CONFIG, "%s:%d: a section within a section (is a } missing before it?)",
			       lines->path, line);
	st->in_section = true;
	st->section = (struct config_line){ .line = st->word_count ? st->word_line : line };
	(void)snprintf(st->section.section, sizeof(st->section.section), "%s", st->word_count ? st->words[0] : "");
	(void)snprintf(st->section.title, sizeof(st->section.title), "%s", st->word_count > 1 ? st->words[1] : "");
	st->word_count = 0;
	return add(lines, &st->section, err);
}

static int on_close(struct state *st, const struct config_lines *lines, int line, struct error *err)
{
	if (!st->in_list && !st->in_section)
		return err_set(err, ERR_CONFIG, "%s:%d: a } without its {", lines->path, line);
	if (st->in_list)
		st->in_list = false;
	else
		st->in_section = false;
	st->assigned = false;
	st->word_count = 0;
	if (!st->in_section)
		st->section = (struct config_line){ 0 };
	return 0;
}

static void on_word(struct state *st, const struct scanner *s, int line)
{
	if (st->assigned && !st->in_list) { /* the value of a scalar */
		st->assigned = false;
		return;
	}
	if (st->in_list)
		return;
	if (st->word_count == 2) { /* libconfuse will say what is wrong with a third */
		memcpy(st->words[0], st->words[1], sizeof(st->words[0]));
		st->word_count = 1;
	}
	if (st->word_count == 0)
		st->word_line = line;
	(void)snprintf(st->words[st->word_count++], sizeof(st->words[0]), "%s", s->word);
}

static int step(enum token token, struct state *st, struct scanner *s, struct config_lines *lines, int line)
{
	switch (token) {
	case TOKEN_ASSIGN:
		return st->in_list ? 0 : on_assign(st, lines, s->err);
	case TOKEN_OPEN:
		return on_open(st, lines, line, s->err);
	case TOKEN_CLOSE:
		return on_close(st, lines, line, s->err);
	case TOKEN_WORD:
		on_word(st, s, line);
		return 0;
	case TOKEN_BAD:
		return -1;
	default:
		return 0;
	}
}

int config_scan(struct bytes text, struct config_lines *lines, struct error *err)
{
	struct scanner s = { .path = lines->path, .left = text, .line = 1, .err = err };
	struct state st = { .word_line = 1 };
	for (;;) {
		(void)skip_blanks(&s);
		int line = s.line;
		enum token token = next_token(&s);
		if (token == TOKEN_END)
			break;
		if (step(token, &st, &s, lines, line))
			return -1;
	}
	if (st.in_section || st.in_list)
		return err_set(err, ERR_CONFIG, "%s:%d: the { here is never closed", lines->path, st.open_line);
	return 0;
}

void config_blank_comments(struct buf *text)
{
	struct error ignored = ERR_INIT;
	struct scanner s = { .path = "", .left = buf_bytes(text), .line = 1, .err = &ignored };
	enum token token = TOKEN_END;
	do {
		size_t from = text->len - s.left.len;
		(void)skip_blanks(&s);
		for (size_t i = from; i < text->len - s.left.len; i++)
			if (text->data[i] != '\n')
				text->data[i] = ' ';
		token = next_token(&s);
	} while (token != TOKEN_END && token != TOKEN_BAD);
}
