#include "httpd/csr_body.h"

#include "httpd/server.h"

struct ca_csr *csr_body_read(struct request *r, struct error *err)
{
	auto_ca_csr *csr = ca_csr_parse(buf_bytes(&r->body), CA_NAMES_MAX, err);
	if (csr && ca_key_check_made_well(&csr->key, err) == 0 && ca_csr_verify(csr, err) == 0)
		return TAKE(csr);
	buf_wipe(&r->body);
	return NULL;
}

int csr_body_question(const struct request *r, const struct ca_csr *csr, const struct ca_names *names,
		      const char *common_name, struct message_issue *question, struct buf *texts, struct error *err)
{
	size_t ends[MESSAGE_NAMES_MAX];
	if (names->count > MESSAGE_NAMES_MAX)
		return err_set(err, ERR_TOO_MANY_NAMES, "the request has %zu names", names->count);
	for (size_t i = 0; i < names->count; i++) {
		ca_name_print(&names->items[i], texts);
		ends[i] = texts->len;
	}
	if (texts->failed)
		return err_set(err, ERR_INTERNAL, "no memory for names");
	/* Only now: texts may have moved while it grew. */
	for (size_t i = 0, begin = 0; i < names->count; begin = ends[i++])
		question->names[i] = BYTES(texts->data + begin, ends[i] - begin);
	question->session = r->session.number;
	question->name_count = (uint32_t)names->count;
	question->common_name = bytes_of(common_name);
	question->spki = csr->key.spki;
	question->deadline_ms = r->deadline_ms;
	memcpy(question->csr_hash, csr->sha256, sizeof(question->csr_hash));
	return 0;
}
