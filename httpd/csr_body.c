#include "httpd/csr_body.h"

#include <stdlib.h>

#include "ca-core/tbs.h"

#define CUT " (cut)"
#define MORE "and more that is not listed"

struct csr_told {
	const struct ca_csr *csr;
	struct ca_names names;
	char common_name[65];
	struct buf texts; /* what follows borrows from it */
	struct bytes subject;
	uint32_t not_copied_count;
	struct bytes not_copied[MESSAGE_NOT_COPIED_MAX];
	struct bytes printed[MESSAGE_NAMES_MAX];
};

/* ---- reading ---- */

struct ca_csr *csr_body_read(struct request *r, struct bytes text, struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(text, CA_NAMES_MAX, err);
	if (csr && ca_key_check_made_well(&csr->key, err) == 0 && ca_csr_verify(csr, err) == 0)
		return TAKE(csr);
	buf_wipe(&r->body);
	return NULL;
}

/* ---- telling ---- */

/* For people: a subject that no certificate could hold is cut, and says so. */
static int print_subject(const struct ca_csr *csr, struct buf *out, struct error *err)
{
	size_t begin = out->len, most = MESSAGE_SUBJECT_MAX - strlen(CUT);
	if (ca_subject_text(csr->subject, out, err) != 0)
		return -1;
	if (out->len - begin <= MESSAGE_SUBJECT_MAX)
		return 0;
	while (most > 0 && (out->data[begin + most] & 0xc0) == 0x80)
		most--;
	out->len = begin + most;
	buf_add_text(out, CUT);
	return 0;
}

static void list_not_copied(struct csr_told *told)
{
	const struct ca_csr *csr = told->csr;
	bool all = csr->not_copied_count <= MESSAGE_NOT_COPIED_MAX;
	told->not_copied_count = all ? (uint32_t)csr->not_copied_count : MESSAGE_NOT_COPIED_MAX;
	for (size_t i = 0; i < told->not_copied_count; i++)
		told->not_copied[i] = bytes_of(csr->not_copied[i]);
	if (!all)
		told->not_copied[MESSAGE_NOT_COPIED_MAX - 1] = bytes_of(MORE);
}

static int print_texts(struct csr_told *told, struct error *err)
{
	size_t ends[MESSAGE_NAMES_MAX] = { 0 }, count = told->names.count, begin = 0;
	if (count > MESSAGE_NAMES_MAX)
		return err_set(err, ERR_TOO_MANY_NAMES, "the request has %zu names", count);
	for (size_t i = 0; i < count; i++) {
		ca_name_print(&told->names.items[i], &told->texts);
		ends[i] = told->texts.len;
	}
	size_t names_end = told->texts.len;
	if (print_subject(told->csr, &told->texts, err) != 0)
		return -1;
	if (told->texts.failed)
		return err_set(err, ERR_INTERNAL, "no memory for names");
	/* Only now: texts may have moved while it grew. */
	for (size_t i = 0; i < count; begin = ends[i++])
		told->printed[i] = BYTES(told->texts.data + begin, ends[i] - begin);
	told->subject = BYTES(told->texts.data + names_end, told->texts.len - names_end);
	return 0;
}

struct csr_told *csr_tell(const struct ca_csr *csr, const struct ca_profile *profile, struct error *err)
{
	auto_csr_told *told = malloc(sizeof(*told));
	if (!told) {
		(void)err_set(err, ERR_BUSY, "no memory for a request");
		return NULL;
	}
	told->csr = csr;
	told->names = CA_NAMES_INIT;
	told->texts = BUF_INIT;
	if (ca_csr_names(csr, profile, &told->names, told->common_name, err) != 0 || print_texts(told, err) != 0)
		return NULL;
	list_not_copied(told);
	return TAKE(told);
}

const struct ca_names *csr_told_names(const struct csr_told *told)
{
	return &told->names;
}

/* Both messages name these members alike. */
#define TELL(told, question)                                                                                  \
	do {                                                                                                  \
		(question)->common_name = bytes_of((told)->common_name);                                      \
		(question)->name_count = (uint32_t)(told)->names.count;                                       \
		memcpy((question)->names, (told)->printed, (told)->names.count * sizeof((told)->printed[0])); \
		(question)->spki = (told)->csr->key.spki;                                                     \
		memcpy((question)->csr_hash, (told)->csr->sha256, sizeof((question)->csr_hash));              \
		(question)->asked_subject = (told)->subject;                                                  \
		(question)->not_copied_count = (told)->not_copied_count;                                      \
		memcpy((question)->not_copied, (told)->not_copied,                                            \
		       (told)->not_copied_count * sizeof((told)->not_copied[0]));                             \
	} while (0)

void csr_told_issue(const struct csr_told *told, struct message_issue *question)
{
	TELL(told, question);
}

void csr_told_order(const struct csr_told *told, struct message_order_create *question)
{
	TELL(told, question);
}

void csr_told_free(struct csr_told *told)
{
	if (!told)
		return;
	ca_names_free(&told->names);
	buf_free(&told->texts);
	free(told);
}
