/* chancery org add: a record from a file or from options, new or as the next version. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/cmd_org.h"

#define FILE_MAX ((size_t)256 << 10)
#define DOCUMENT_MAX ((size_t)64 << 20)

/* What the options say of each member that is one text; NULL: nothing. */
enum { TEXT_COUNT = 12 };
static const char *const members[TEXT_COUNT] = { "legalName",
						 "registrationNumber",
						 "jurisdictionCountry",
						 "jurisdictionState",
						 "jurisdictionLocality",
						 "street",
						 "postalCode",
						 "locality",
						 "state",
						 "country",
						 "businessCategory",
						 "standing" };

struct entry {
	const char *from, *texts[TEXT_COUNT];
	struct option_list domains, agents, documents;
	bool update;
};

static bool has_options(const struct entry *e)
{
	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (e->texts[i])
			return true;
	return e->domains.count || e->agents.count || e->documents.count;
}

/* ---- the record ---- */

static json_t *read_file(const char *path, struct error *err)
{
	auto_buf text = BUF_INIT;
	json_error_t why;
	if (file_read(path, FILE_MAX, &text, err))
		return NULL;
	json_t *record = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(record))
		return record;
	if (record)
		(void)err_set(err, ERR_BAD_REQUEST, "%s holds JSON, but no object", path);
	else
		(void)err_set(err, ERR_BAD_REQUEST, "%s:%d:%d: this is no JSON: %s", path, why.line, why.column,
			      why.text);
	json_decref(record);
	return NULL;
}

/* What the server answers besides what was entered. */
static void drop_answered(json_t *record)
{
	static const char *const answered[] = { "status",  "vettedBy", "vetted",    "validUntil",
						"created", "changed",  "recordHash" };
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		(void)json_object_del(record, answered[i]);
}

static int set_list(json_t *record, const char *member, const struct option_list *list, struct error *err)
{
	json_t *items = json_array();
	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(items, json_string(list->items[i]))) {
			json_decref(items);
			return err_set(err, ERR_USAGE, "a value of %s is not UTF-8", member);
		}
	if (list->count)
		return json_object_set_new(record, member, items);
	json_decref(items);
	return 0;
}

/* The document is kept by who enters it; the record has its hash. */
static int add_document(json_t *documents, const char *path, struct error *err)
{
	auto_buf content = BUF_INIT;
	struct stat status;
	uint8_t hash[32];
	char hex[65], time[CLOCK_TEXT_SIZE];
	if (file_read(path, DOCUMENT_MAX, &content, err))
		return -1;
	if (stat(path, &status))
		return err_errno(err, ERR_IO, "cannot look at %s", path);
	const char *name = strrchr(path, '/');
	sha256(content.data, content.len, hash);
	json_t *document = json_pack("{s:s, s:s, s:s}", "sha256", text_hex(BYTES(hash, sizeof(hash)), hex), "note",
				     name ? name + 1 : path, "date", clock_rfc3339(status.st_mtime, time));
	return document && json_array_append_new(documents, document) == 0
		       ? 0
		       : err_set(err, ERR_USAGE, "the name of a document is not UTF-8");
}

static int add_documents(json_t *record, const struct option_list *paths, struct error *err)
{
	json_t *documents = json_object_get(record, "documents");
	if (paths->count && !json_is_array(documents)) {
		documents = json_array();
		(void)json_object_set_new(record, "documents", documents);
	}
	for (size_t i = 0; i < paths->count; i++)
		if (add_document(documents, paths->items[i], err))
			return -1;
	return 0;
}

static int apply_options(const struct entry *e, json_t *record, struct error *err)
{
	for (size_t i = 0; i < TEXT_COUNT; i++)
		if (e->texts[i] && json_object_set_new(record, members[i], json_string(e->texts[i])))
			return err_set(err, ERR_USAGE, "the value of %s is not UTF-8", members[i]);
	return set_list(record, "domains", &e->domains, err) || set_list(record, "agents", &e->agents, err) ||
			       add_documents(record, &e->documents, err)
		       ? -1
		       : 0;
}

/* What of the record `id` is to be entered, and which version it replaces. */
static json_t *record_of(struct client *client, const struct entry *e, const char *id, struct error *err)
{
	auto_json *file = e->from ? read_file(e->from, err) : NULL;
	if (e->from && !file)
		return NULL;
	const char *of_file = member_text(file, "id");
	if (id && of_file[0] && strcmp(id, of_file) != 0) {
		(void)err_set(err, ERR_USAGE, "%s is the record of %s, not of %s", e->from, of_file, id);
		return NULL;
	}
	id = id ? id : of_file[0] ? of_file : NULL;
	if (!id) {
		(void)err_set(err, ERR_USAGE, "an organization has an id: give it, or as member \"id\" of the file");
		return NULL;
	}
	auto_json *present = e->update ? org_get(client, id, err) : NULL;
	if (e->update && !present)
		return NULL;
	json_t *record = file ? json_copy(file) : present ? json_copy(present) : json_object();
	drop_answered(record);
	(void)json_object_set_new(record, "id", json_string(id));
	if (present && !json_object_get(file, "version"))
		(void)json_object_set(record, "version", json_object_get(present, "version"));
	if (!json_object_get(record, "standing"))
		(void)json_object_set_new(record, "standing", json_string("unknown"));
	if (apply_options(e, record, err) == 0)
		return record;
	json_decref(record);
	return NULL;
}

/* ---- the command ---- */

static int add(struct invocation *in, const struct entry *e)
{
	auto_client *client = client_open(&in->common, &in->error);
	json_t *record = client ? record_of(client, e, in->operand_count ? in->operands[0] : NULL, &in->error) : NULL;
	auto_json *answer = record ? client_post_json(client, "/api/v1/organizations", record, &in->error) : NULL;
	if (!answer)
		return -1;
	if (in->common.json)
		output_json(json_incref(answer));
	else
		output_say("Organization %s, version %" JSON_INTEGER_FORMAT
			   ", is entered. An officer vets it: chancery org vet %s\n",
			   member_text(answer, "id"), json_integer_value(json_object_get(answer, "version")),
			   member_text(answer, "id"));
	return 0;
}

int org_add(struct invocation *in)
{
	auto_free struct entry *e = calloc(1, sizeof(*e));
	if (!e) {
		(void)err_set(&in->error, ERR_INTERNAL, "no memory for an organization");
		return refuse(in);
	}
	const struct option_spec specs[] = {
		{ "from", OPTION_TEXT, &e->from, "FILE", "the record as JSON; options replace its members" },
		{ "update", OPTION_FLAG, &e->update, NULL, "a new version of what is there" },
		{ "legal-name", OPTION_TEXT, &e->texts[0], "TEXT", "as the register has it" },
		{ "registration-number", OPTION_TEXT, &e->texts[1], "TEXT", "in that register" },
		{ "jurisdiction-country", OPTION_TEXT, &e->texts[2], "CC", "of the register, two letters" },
		{ "jurisdiction-state", OPTION_TEXT, &e->texts[3], "TEXT", "where the register is a state's" },
		{ "jurisdiction-locality", OPTION_TEXT, &e->texts[4], "TEXT", "where it is a locality's" },
		{ "street", OPTION_TEXT, &e->texts[5], "TEXT", "of its place of business" },
		{ "postal-code", OPTION_TEXT, &e->texts[6], "TEXT", "likewise" },
		{ "locality", OPTION_TEXT, &e->texts[7], "TEXT", "likewise: L of the subject" },
		{ "province", OPTION_TEXT, &e->texts[8], "TEXT", "state or province: ST of the subject" },
		{ "country", OPTION_TEXT, &e->texts[9], "CC", "two letters: C of the subject" },
		{ "business-category", OPTION_TEXT, &e->texts[10], "TEXT",
		  "Private Organization, Government Entity ..." },
		{ "standing", OPTION_TEXT, &e->texts[11], "S", "good, not-good, unknown" },
		{ "domain", OPTION_LIST, &e->domains, "D", "that it may use, with all below; several may be given" },
		{ "agent", OPTION_LIST, &e->agents, "NAME", "an identity that may act for it; several may be given" },
		{ "document", OPTION_LIST, &e->documents, "FILE", "evidence: its SHA-256 and date are entered" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	if (!e->from && !has_options(e))
		return refuse_usage(in, "--from, or options that say what the record has, are needed");
	return add(in, e) ? refuse(in) : 0;
}

const char org_add_detail[] =
	"Nothing is certified for it before an officer has vetted the record (chancery org vet). With --update the "
	"present\n"
	"version is replaced by the file, or by itself with what the options change; domains and agents that are "
	"given\n"
	"replace all that were there, documents are added. A new version has to be vetted anew.\n";
