/* chancery explain: why a certificate is as it is, or what an order lacks; and the proof of such a file. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tools/cmd.h"
#include "tools/explain_text.h"
#include "tools/explain_verify.h"

#define FILE_MAX ((size_t)16 << 20)
#define HEADS_MAX 64

/* ---- fetched ---- */

static json_t *parse(struct bytes text, const char *whose, struct error *err)
{
	json_error_t why;
	json_t *value = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (value && json_is_object(value))
		return value;
	json_decref(value);
	(void)err_set(err, ERR_BAD_REQUEST, "%s is no JSON object: %s", whose,
		      value ? "it is something else" : why.text);
	return NULL;
}

static int explain(struct invocation *in, const char *out)
{
	struct error *err = &in->error;
	auto_buf path = BUF_INIT, body = BUF_INIT, text = BUF_INIT;
	auto_client *client = client_open(&in->common, err);
	buf_add_text(&path, "/api/v1/explain/");
	url_add_escaped(&path, in->operands[0]);
	if (!client || client_get(client, buf_text(&path), &body, err))
		return -1;
	auto_json *file = parse(buf_bytes(&body), "the server's answer", err);
	if (!file || (out && file_replace(out, buf_bytes(&body), 0644, err)))
		return -1;
	if (in->common.json) {
		output_json(out ? json_pack("{s:s}", "file", out) : json_incref(file));
		return 0;
	}
	explain_text_add(file, &text);
	output_text(&text, false);
	if (out)
		(void)printf("The whole: %s. What it proves: chancery explain --verify %s\n", out, out);
	return 0;
}

/* ---- proved ---- */

static int read_root(const struct invocation *in, struct buf *pem, struct error *err)
{
	auto_free char *standard = state_path(&in->common, "trust/root.pem", err);
	return standard ? file_read(in->common.ca ? in->common.ca : standard, FILE_MAX, pem, err) : -1;
}

struct heads {
	struct buf files[HEADS_MAX];
	struct bytes bytes[HEADS_MAX];
	size_t count;
};

static void heads_free(struct heads **heads)
{
	for (size_t i = 0; *heads && i < (*heads)->count; i++)
		buf_free(&(*heads)->files[i]);
	free(*heads);
}

static int read_heads(const struct option_list *list, struct heads *heads, struct error *err)
{
	if (list->count > HEADS_MAX)
		return err_set(err, ERR_USAGE, "at most %d heads can be given", HEADS_MAX);
	for (size_t i = 0; i < list->count; i++) {
		heads->count = i + 1;
		if (file_read(list->items[i], FILE_MAX, &heads->files[i], err))
			return -1;
		heads->bytes[i] = buf_bytes(&heads->files[i]);
	}
	return 0;
}

static void add_list(const char *title, const json_t *items, struct buf *out)
{
	size_t i;
	const json_t *item;
	if (json_array_size(items))
		buf_printf(out, "%s\n", title);
	json_array_foreach(items, i, item)
	{
		buf_add_text(out, "  ");
		output_add_safe(out, json_string_value(item), false);
		buf_u8(out, '\n');
	}
}

static void say(const struct invocation *in, const struct explain_verdict *v)
{
	auto_buf text = BUF_INIT;
	if (in->common.json) {
		output_json(json_pack("{s:b, s:O, s:O}", "intact", 1, "proved", v->proved, "claimed", v->claimed));
		return;
	}
	add_list("Proved, by the file and the root alone:", v->proved, &text);
	add_list("Said by the CA, and not proved by the file:", v->claimed, &text);
	output_text(&text, false);
}

static int verify(struct invocation *in, const char *path, const struct option_list *list)
{
	struct error *err = &in->error;
	auto_buf content = BUF_INIT, root = BUF_INIT;
	CLEANUP(heads_free) struct heads *heads = calloc(1, sizeof(*heads));
	CLEANUP(explain_verdict_free) struct explain_verdict v = { NULL, NULL };
	if (!heads)
		return err_set(err, ERR_INTERNAL, "no memory for an explanation");
	if (file_read(path, FILE_MAX, &content, err) || read_root(in, &root, err) || read_heads(list, heads, err))
		return -1;
	auto_json *file = parse(buf_bytes(&content), path, err);
	if (!file || explain_verify(file, buf_bytes(&root), heads->bytes, heads->count, &v, err))
		return -1;
	say(in, &v);
	return 0;
}

static int run(struct invocation *in)
{
	const char *out = NULL, *file = NULL;
	struct option_list heads = { .count = 0 };
	const struct option_spec specs[] = {
		{ "out", OPTION_TEXT, &out, "FILE", "write the whole there, as JSON" },
		{ "verify", OPTION_TEXT, &file, "FILE", "prove what such a file holds, without a server" },
		{ "head", OPTION_LIST, &heads, "FILE", "with --verify: a signed head kept elsewhere (/audit/head)" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	if (!file == !in->operand_count)
		return refuse_usage(in, "a SERIAL or ORDER is needed, or --verify FILE");
	if (heads.count && !file)
		return refuse_usage(in, "--head goes with --verify");
	return (file ? verify(in, file, &heads) : explain(in, out)) ? refuse(in) : 0;
}

static const char detail[] = "What was asked, what was copied and what not, how control of each name was shown, the "
			     "organization's record, who\n"
			     "approved, the bytes, the log; for an order not yet issued what would be refused, and "
			     "why. The JSON (--out, --json)\n"
			     "holds its own proofs: --verify checks them against --ca FILE, else STATE/trust/root.pem, "
			     "without a server, and\n"
			     "keeps apart what a file can only say. Exit status 4 at the first thing that is wrong.\n";

const struct command cmd_explain = {
	"explain", "[SERIAL|ORDER]", "Why a certificate is as it is, or what an order lacks", detail, NULL, run
};
