/* chancery audit: the log into a file, and the proof of such a file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tools/audit_verify.h"
#include "tools/cmd.h"

#define PAGE 500
#define FILE_MAX ((size_t)256 << 20)

/* ---- export ---- */

static int write_line(FILE *to, json_t *line, struct error *err)
{
	int failed = !line || json_dumpf(line, to, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII) ||
		     fputc('\n', to) == EOF;
	json_decref(line);
	return failed ? err_errno(err, ERR_IO, "cannot write the export") : 0;
}

static int write_page(const json_t *entries, FILE *to, uint64_t *last, struct error *err)
{
	size_t i;
	json_t *entry;
	json_array_foreach(entries, i, entry)
	{
		*last = (uint64_t)json_integer_value(json_object_get(entry, "sequence"));
		if (write_line(to, json_incref(entry), err))
			return -1;
	}
	return 0;
}

static int export_entries(struct client *client, FILE *to, uint64_t *last, struct error *err)
{
	struct progress progress = progress_begin("audit entries");
	bool more = true;
	int failed = 0;
	while (more && !failed) {
		auto_buf path = BUF_INIT;
		buf_printf(&path, "/api/v1/audit?after=%" PRIu64 "&limit=%d", *last, PAGE);
		json_t *page = client_get_json(client, buf_text(&path), err);
		failed = !page || write_page(json_object_get(page, "entries"), to, last, err);
		more = page && json_is_true(json_object_get(page, "more")) &&
		       json_array_size(json_object_get(page, "entries")) > 0;
		json_decref(page);
		progress_step(&progress, *last, 0);
	}
	progress_end(&progress);
	return failed ? -1 : 0;
}

/* The head first, the entries then: so the log that is written holds all that the head was signed over. */
static int export_to(struct client *client, FILE *to, uint64_t *last, struct error *err)
{
	auto_buf roots = BUF_INIT;
	struct error none = ERR_INIT;
	json_t *head = client_get_json(client, "/audit/head", &none);
	if (!head && none.code != ERR_NOT_FOUND) {
		*err = none;
		return -1;
	}
	if (export_entries(client, to, last, err) || (head && write_line(to, json_pack("{s:O}", "head", head), err)) ||
	    client_get(client, "/ca/roots.pem", &roots, err) ||
	    write_line(to, json_pack("{s:s}", "roots", buf_text(&roots)), err)) {
		json_decref(head);
		return -1;
	}
	json_decref(head);
	return 0;
}

static int run_export(struct invocation *in)
{
	const char *out = NULL;
	const struct option_spec specs[] = { { "out", OPTION_TEXT, &out, "FILE", "where to write (standard output)" },
					     OPTIONS_END };
	if (options_read(in, specs, 0, 0))
		return in->status;
	auto_client *client = client_open(&in->common, &in->error);
	FILE *to = !client ? NULL : out ? fopen(out, "we") : stdout;
	uint64_t last = 0;
	if (client && !to)
		(void)err_errno(&in->error, ERR_IO, "cannot write %s", out);
	int failed = !to || export_to(client, to, &last, &in->error);
	if (out && to && fclose(to))
		failed = err_errno(&in->error, ERR_IO, "cannot write %s", out);
	if (failed)
		return refuse(in);
	if (out && in->common.json)
		output_json(json_pack("{s:s, s:I}", "file", out, "entries", (json_int_t)last));
	else if (out)
		(void)printf("%" PRIu64 " entries: %s. Prove them with `chancery audit verify %s`.\n", last, out, out);
	return 0;
}

/* ---- verify ---- */

struct verdict {
	struct audit_log log;
	const char *trust;                     /* where the trusted roots are from */
	struct audit_attested inside, outside; /* newest head of the export, and newest witness from elsewhere */
	struct audit_decided decided;
	size_t certificates; /* from elsewhere */
	json_t *lost;        /* files from elsewhere that lie in a gap: {"file", "time", ...} */
};

static void verdict_free(struct verdict *v)
{
	audit_log_free(&v->log);
	json_decref(v->lost);
}

static int trust(struct invocation *in, struct verdict *v)
{
	auto_free char *standard = state_path(&in->common, "trust/root.pem", &in->error);
	auto_buf pem = BUF_INIT;
	if (!standard)
		return -1;
	const char *file = in->common.ca ? in->common.ca : file_exists(standard) ? standard : NULL;
	v->trust = file ? "the given root" : "the export's own root, which nobody vouches for";
	if (file && file_read(file, 1 << 20, &pem, &in->error))
		return -1;
	return audit_log_trust(&v->log, file ? buf_bytes(&pem) : buf_bytes(&v->log.roots), &in->error);
}

/* What attests entries that are not here, and why that is no forgery. */
static void keep_lost(struct verdict *v, const char *file, const struct audit_attested *seen)
{
	json_t *row =
		json_pack("{s:s, s:s, s:I}", "file", file, "time", seen->time, "behind", (json_int_t)seen->gap->last);
	if (seen->sequence)
		(void)json_object_set_new(row, "sequence", json_integer((json_int_t)seen->sequence));
	(void)json_array_append_new(v->lost, row);
}

static void keep_newest(struct audit_attested *newest, const struct audit_attested *seen)
{
	if (seen->sequence > newest->sequence)
		*newest = *seen;
}

static int check_files(struct verdict *v, const struct option_list *files, bool crl, struct error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		auto_buf content = BUF_INIT;
		struct audit_attested seen;
		if (file_read(files->items[i], FILE_MAX, &content, err))
			return -1;
		int wrong = crl ? audit_log_check_crl(&v->log, buf_bytes(&content), &seen, err)
				: audit_log_check_head(&v->log, buf_bytes(&content), &seen, err);
		if (wrong) {
			(void)err_about(err, "file", files->items[i], NULL);
			return -1;
		}
		if (seen.gap)
			keep_lost(v, files->items[i], &seen);
		else
			keep_newest(&v->outside, &seen);
	}
	return 0;
}

static int want(struct verdict *v, const struct option_list *files, struct error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		auto_buf content = BUF_INIT;
		if (file_read(files->items[i], FILE_MAX, &content, err) ||
		    audit_log_want(&v->log, files->items[i], buf_bytes(&content), err)) {
			(void)err_about(err, "file", files->items[i], NULL);
			return -1;
		}
	}
	return 0;
}

static int check_all(struct invocation *in, struct verdict *v, const struct option_list *heads,
		     const struct option_list *crls, const struct option_list *certificates)
{
	struct error *err = &in->error;
	if (want(v, certificates, err) || audit_log_read(in->operands[0], &v->log, err) || trust(in, v) ||
	    audit_log_check_decisions(&v->log, err))
		return -1;
	audit_decisions_count(v->log.decisions, &v->decided);
	v->certificates = certificates->count;
	for (size_t i = 0; i < v->log.head_count; i++) {
		struct audit_attested seen;
		if (audit_log_check_head(&v->log, bytes_of(v->log.heads[i]), &seen, err))
			return -1;
		if (!seen.gap)
			keep_newest(&v->inside, &seen);
	}
	return check_files(v, heads, false, err) || check_files(v, crls, true, err) ? -1 : 0;
}

static json_t *gaps_json(const struct audit_log *log)
{
	json_t *list = json_array();
	for (size_t i = 0; i < log->gap_count; i++) {
		const struct audit_gap *gap = &log->gaps[i];
		json_t *row = json_pack("{s:I, s:I, s:s}", "segment", (json_int_t)gap->segment, "behind",
					(json_int_t)gap->last, "published", gap->published);
		if (gap->head)
			(void)json_object_set_new(row, "head",
						  json_pack("{s:I, s:s, s:s}", "sequence", (json_int_t)gap->head,
							    "hash", gap->hash, "time", gap->time));
		(void)json_array_append_new(list, row);
	}
	return list;
}

static json_t *decided_json(const struct audit_decided *d)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "approvals", (json_int_t)d->approvals, "denials",
			 (json_int_t)d->denials, "vettings", (json_int_t)d->vettings, "suspensions",
			 (json_int_t)d->suspensions, "certificates", (json_int_t)d->certificates, "lateOfficers",
			 (json_int_t)d->late_officers);
}

static void say_json(const struct verdict *v)
{
	output_json(json_pack("{s:b, s:I, s:s, s:s, s:{s:I, s:s}, s:{s:I, s:s}, s:o, s:O, s:o}", "intact", 1, "entries",
			      (json_int_t)v->log.count, "first", v->log.first_time, "last", v->log.last_time,
			      "attestedByExport", "sequence", (json_int_t)v->inside.sequence, "time", v->inside.time,
			      "attestedElsewhere", "sequence", (json_int_t)v->outside.sequence, "time", v->outside.time,
			      "gaps", gaps_json(&v->log), "inGaps", v->lost, "decisions", decided_json(&v->decided)));
}

static void say_decided(const struct verdict *v)
{
	const struct audit_decided *d = &v->decided;
	uint64_t all = d->approvals + d->denials + d->vettings + d->suspensions;
	if (all)
		(void)printf("Decisions: %" PRIu64
			     ", each signed by an officer of that time, about what its entry says: "
			     "%" PRIu64 " approvals, %" PRIu64 " denials, %" PRIu64 " vettings, %" PRIu64
			     " suspensions.\n",
			     all, d->approvals, d->denials, d->vettings, d->suspensions);
	if (d->certificates)
		(void)printf("Certificates that people approved: %" PRIu64 ", each the very bytes that enough officers "
			     "signed for.\n",
			     d->certificates);
	if (d->late_officers)
		(void)printf("To be looked at: %" PRIu64
			     " approvals with a certificate that was enrolled after the order "
			     "was made; the first is entry %" PRIu64 ".\n",
			     d->late_officers, d->first_late);
	if (v->certificates)
		(void)printf("The log tells of each of the %zu certificates given, and how those that name an "
			     "organization were approved.\n",
			     v->certificates);
}

/* One line for each restore: what is not here. */
static void say_gap(const struct audit_gap *gap)
{
	output_say("Restored from a backup: entry %" PRIu64 " goes on behind entry %" PRIu64 ". ", gap->segment,
		   gap->last);
	if (gap->head > gap->last)
		output_say("Entries %" PRIu64 " to %" PRIu64 " of the log before the restore are not here; attested "
			   "head %" PRIu64 " was %s (%s).\n",
			   gap->last + 1, gap->head, gap->head, gap->hash, gap->time);
	else if (strcmp(gap->published, "within") == 0)
		output_say("The head published then, of entry %" PRIu64 " (%s), is in this log: no lost entry is "
			   "attested.\n",
			   gap->head, gap->time);
	else if (gap->head)
		output_say("The head published then, of entry %" PRIu64 " (%s), is of another log: %s.\n", gap->head,
			   gap->time, gap->hash);
	else
		output_say("How many entries of the log before are not here is unknown: the published head was %s.\n",
			   gap->published);
}

static void say_lost(const struct verdict *v)
{
	size_t i;
	const json_t *row;
	json_array_foreach(v->lost, i, row)
	{
		json_int_t sequence = json_integer_value(json_object_get(row, "sequence"));
		output_say("%s (%s) ", json_string_value(json_object_get(row, "file")),
			   json_string_value(json_object_get(row, "time")));
		if (sequence)
			output_say("attests entry %" JSON_INTEGER_FORMAT " of the log before: it ", sequence);
		output_say("lies in the gap behind entry %" JSON_INTEGER_FORMAT ".\n",
			   json_integer_value(json_object_get(row, "behind")));
	}
}

static void say(const struct verdict *v)
{
	output_say("The log is whole: %" PRIu64 " entries, %s to %s.\n", v->log.count, v->log.first_time,
		   v->log.last_time);
	for (size_t i = 0; i < v->log.gap_count; i++)
		say_gap(&v->log.gaps[i]);
	say_lost(v);
	say_decided(v);
	if (v->outside.sequence)
		output_say("Attested from elsewhere up to entry %" PRIu64 " (%s).\n", v->outside.sequence,
			   v->outside.time);
	if (v->inside.sequence)
		output_say("Attested by its own signed head up to entry %" PRIu64 " (%s), under %s.\n",
			   v->inside.sequence, v->inside.time, v->trust);
	if (!v->outside.sequence)
		(void)puts(
			"No head or list from elsewhere was given: that nothing was cut off behind the attested entry\n"
			"is shown by nobody but the log's keeper. Keep heads and lists elsewhere; give them by --head "
			"and --crl.");
}

static int run_verify(struct invocation *in)
{
	struct option_list heads = { .count = 0 }, crls = { .count = 0 }, certificates = { .count = 0 };
	const struct option_spec specs[] = {
		{ "head", OPTION_LIST, &heads, "FILE", "a signed head kept elsewhere (/audit/head)" },
		{ "crl", OPTION_LIST, &crls, "FILE", "a revocation list kept elsewhere" },
		{ "certificate", OPTION_LIST, &certificates, "FILE", "a certificate met elsewhere" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	CLEANUP(verdict_free) struct verdict v = { .trust = "", .lost = json_array() };
	if (check_all(in, &v, &heads, &crls, &certificates))
		return refuse(in);
	if (in->common.json)
		say_json(&v);
	else
		say(&v);
	return 0;
}

static const struct command commands[] = {
	{ "export", "", "Write the whole log, its newest signed head and the roots as JSON lines", NULL, NULL,
	  run_export },
	{ "verify", "EXPORT", "Prove an exported log by files alone; exit status 4 at the first wrong thing",
	  "Checks every hash, every signed head, and that heads and lists which you kept elsewhere (each list\n"
	  "carries a hash of the log) belong to this log; that each approval, denial, vetting and suspension was "
	  "signed by\n"
	  "an officer of that time; that each certificate which people had to approve is the very bytes that enough "
	  "of\n"
	  "them signed for, and each --certificate one of them. Trusts --ca FILE, else STATE/trust/root.pem.\n",
	  NULL, run_verify },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_audit = { "audit", "", "The audit log: export, verify", NULL, commands, NULL };
