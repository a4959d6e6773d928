/* The configuration file as libconfuse reads it, stricter: once each, every brace closed, lines remembered. */
#include "ca-core/config_private.h"

#include <stdio.h>

#include "base/file.h"
#include "base/text.h"

#define FILE_MAX ((size_t)1 << 20)
#define OPTIONS_MAX 32
#define SECTIONS_MAX 16

/* libconfuse takes the end of the file for a closing brace. This option, appended, is unknown where one is missing. */
#define END_MARK "end-of-file"

/* libconfuse's callbacks get no argument of ours. Set only while config_source_open runs. */
static _Thread_local struct config_source *parsing;

/* ---- while parsing ---- */

static void remember_error(cfg_t *section, const char *fmt, va_list arguments)
{
	char message[256];
	if (parsing->err->code != ERR_NONE)
		return;
	(void)vsnprintf(message, sizeof(message), fmt, arguments);
	if (strstr(message, END_MARK))
		(void)snprintf(message, sizeof(message), "the file ends inside a section: a } is missing");
	(void)err_set(parsing->err, ERR_CONFIG, "%s:%d: %s", parsing->path, section ? section->line : 0, message);
}

static const struct config_seen *find_seen(const struct config_source *source, const cfg_opt_t *option)
{
	for (size_t i = 0; i < source->seen_count; i++)
		if (source->seen[i].option == option)
			return &source->seen[i];
	return NULL;
}

static int remember(struct config_source *source, const cfg_t *section, const cfg_opt_t *option)
{
	if (source->seen_count == source->seen_capacity) {
		size_t capacity = source->seen_capacity ? source->seen_capacity * 2 : 256;
		struct config_seen *grown = realloc(source->seen, capacity * sizeof(*grown));
		if (!grown)
			return err_set(source->err, ERR_INTERNAL, "no memory for the configuration");
		source->seen = grown;
		source->seen_capacity = capacity;
	}
	source->seen[source->seen_count++] = (struct config_seen){ section, option, section->line };
	return 0;
}

/* Called with each value as it is read; the first of a list, and a scalar, begin an assignment. */
static int take_value(cfg_t *section, cfg_opt_t *option, const char *value, void *result)
{
	const struct config_seen *before = find_seen(parsing, option);
	bool begins = !(option->flags & CFGF_LIST) || cfg_opt_size(option) <= 1;
	if (begins && before)
		return err_set(parsing->err, ERR_CONFIG, "%s:%d: %s is given twice, first on line %d", parsing->path,
			       section->line, option->name, before->line);
	if (begins && remember(parsing, section, option))
		return -1;
	if (!text_is_utf8(bytes_of(value)) || text_has_control(bytes_of(value)))
		return err_set(parsing->err, ERR_CONFIG, "%s:%d: %s holds control characters, or is not UTF-8",
			       parsing->path, section->line, option->name);
	*(const char **)result = value;
	return 0;
}

static int take_section(cfg_t *parent, cfg_opt_t *option)
{
	const struct config_seen *before = find_seen(parsing, option);
	if (before)
		return err_set(parsing->err, ERR_CONFIG, "%s:%d: section %s is given twice, first on line %d",
			       parsing->path, parent->line, option->name, before->line);
	return remember(parsing, parent, option);
}

/* ---- the tables in libconfuse's form ---- */

static size_t add_options(const struct config_option *from, cfg_opt_t *out)
{
	size_t count = 0;
	for (; from[count].name; count++) {
		cfg_flag_t list = from[count].type->is_list ? CFGF_LIST : CFGF_NONE;
		out[count] = (cfg_opt_t){ .name = from[count].name,
					  .type = CFGT_STR,
					  .flags = CFGF_NODEFAULT | list,
					  .parsecb = take_value };
	}
	out[count] = (cfg_opt_t)CFG_END();
	return count;
}

static cfg_t *make_grammar(void)
{
	cfg_opt_t root[OPTIONS_MAX + SECTIONS_MAX + 1], options[SECTIONS_MAX][OPTIONS_MAX];
	size_t count = add_options(config_root_options, root);
	root[count++] = (cfg_opt_t)CFG_STR(END_MARK, NULL, CFGF_NODEFAULT);
	for (size_t i = 0; config_sections[i].name; i++) {
		const cfg_flag_t titled = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
		(void)add_options(config_sections[i].options, options[i]);
		root[count++] = (cfg_opt_t){ .name = config_sections[i].name,
					     .type = CFGT_SEC,
					     .flags = config_sections[i].titled ? titled : CFGF_NONE,
					     .subopts = options[i],
					     .validcb = config_sections[i].titled ? NULL : take_section };
	}
	root[count] = (cfg_opt_t)CFG_END();
	return cfg_init(root, CFGF_NONE); /* copies all of it */
}

/* ---- opening ---- */

static int read_text(struct config_source *source, struct buf *text, struct error *err)
{
	if (file_read(source->path, FILE_MAX, text, err))
		return err_wrap(err, err->code, "cannot read the configuration %s", source->path);
	if (text->len && memchr(text->data, '\0', text->len))
		return err_set(err, ERR_CONFIG, "%s:1: a NUL octet stands in it", source->path);
	/* libconfuse puts the environment's variable there: the file is to be the whole configuration. */
	if (text->len && memmem(text->data, text->len, "${", 2))
		return err_set(err, ERR_CONFIG, "%s:1: ${...} has no place in the configuration", source->path);
	buf_add_text(text, "\n" END_MARK " = reached\n");
	return text->failed ? err_set(err, ERR_INTERNAL, "no memory for the configuration") : 0;
}

int config_source_open(struct config_source *source, const char *path, struct error *err)
{
	struct error failure = ERR_INIT;
	auto_buf text = BUF_INIT;
	*source = (struct config_source){ .path = path, .err = &failure };
	if (read_text(source, &text, err))
		return -1;
	source->root = make_grammar();
	if (!source->root)
		return err_set(err, ERR_INTERNAL, "no memory for the configuration");
	(void)cfg_set_error_function(source->root, remember_error);
	parsing = source;
	int result = cfg_parse_buf(source->root, buf_text(&text));
	parsing = NULL;
	if (result == CFG_SUCCESS && failure.code == ERR_NONE && cfg_size(source->root, END_MARK) == 1)
		return 0;
	if (failure.code == ERR_NONE)
		(void)err_set(&failure, ERR_CONFIG, "%s:%d: a comment or a text is not closed", path,
			      source->root->line);
	*err = failure;
	return -1;
}

void config_source_close(struct config_source *source)
{
	if (source->root)
		(void)cfg_free(source->root);
	free(source->seen);
	*source = (struct config_source){ 0 };
}

/* ---- messages ---- */

static int line_of(const struct config_source *source, const struct config_place *place)
{
	cfg_t *section =
		place->section ? cfg_getnsec(source->root, place->section, (unsigned)place->index) : source->root;
	cfg_opt_t *option = section && place->option ? cfg_getopt(section, place->option) : NULL;
	const struct config_seen *seen = option ? find_seen(source, option) : NULL;
	if (seen)
		return seen->line;
	/* What is missing has no line: the first that its section does have is the next best. */
	for (size_t i = 0; i < source->seen_count; i++)
		if (source->seen[i].section == section)
			return source->seen[i].line;
	return section ? section->line : 0;
}

int config_refuse(const struct config_source *source, const struct config_place *place, struct error *err,
		  const char *fmt, ...)
{
	char message[400], where[200] = "";
	va_list arguments;
	va_start(arguments, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, arguments);
	va_end(arguments);
	cfg_t *section = place->section ? cfg_getnsec(source->root, place->section, (unsigned)place->index) : NULL;
	const char *title = section ? cfg_title(section) : NULL;
	if (place->section)
		(void)snprintf(where, sizeof(where), title ? "%s \"%s\": " : "%s: ", place->section, title);
	return err_set(err, ERR_CONFIG, "%s:%d: %s%s", source->path, line_of(source, place), where, message);
}
