#include "tools/audit_verify.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/audit_head.h"
#include "tools/output.h"

#define HEADS_MAX 10000

void audit_log_free(struct audit_log *log)
{
	for (size_t i = 0; i < log->head_count; i++)
		free(log->heads[i]);
	free(log->heads);
	free(log->hashes);
	free(log->gaps);
	buf_free(&log->roots);
	certificates_free(log->trusted);
	certificates_free(log->known);
	audit_decisions_free(log->decisions);
	*log = (struct audit_log){ .count = 0 };
}

/* ---- the chain ---- */

static int parse_hash(const char *hex, uint8_t out[32], struct error *err)
{
	auto_buf hash = BUF_INIT;
	if (!hex || text_parse_hex(bytes_of(hex), 32, &hash, err) || hash.len != 32)
		return err_set(err, ERR_INTEGRITY, "a hash is not 64 hexadecimal digits");
	memcpy(out, hash.data, 32);
	return 0;
}

static void keep_time(struct audit_log *log, const json_t *value)
{
	const char *time = json_string_value(json_object_get(value, "time"));
	if (!time)
		return;
	if (log->count == 1)
		(void)snprintf(log->first_time, sizeof(log->first_time), "%s", time);
	(void)snprintf(log->last_time, sizeof(log->last_time), "%s", time);
}

static void copy_text(const json_t *object, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));
	(void)snprintf(out, size, "%s", text ? text : "");
}

/* The entry of a restore names a gap, and from where on: that must be this very log. */
static int keep_gap(struct audit_log *log, const json_t *value, struct error *err)
{
	const json_t *detail = json_object_get(value, "detail");
	struct audit_gap gap = { .segment = log->count };
	char time[32], last_time[32], last_hash[65];
	uint8_t hash[32];
	gap.last = (uint64_t)json_integer_value(json_object_get(detail, "lastSequence"));
	gap.head = (uint64_t)json_integer_value(json_object_get(detail, "headSequence"));
	copy_text(detail, "published", gap.published, sizeof(gap.published));
	copy_text(detail, "headHash", gap.hash, sizeof(gap.hash));
	copy_text(detail, "headTime", gap.time, sizeof(gap.time));
	copy_text(detail, "lastHash", last_hash, sizeof(last_hash));
	copy_text(detail, "lastTime", last_time, sizeof(last_time));
	copy_text(value, "time", time, sizeof(time));
	if (clock_parse_rfc3339(bytes_of(last_time), &gap.from_s, err) ||
	    clock_parse_rfc3339(bytes_of(time), &gap.until_s, err) || parse_hash(last_hash, hash, err))
		return err_set(err, ERR_INTEGRITY, "entry %" PRIu64 " names a gap without its limits", log->count);
	if (gap.last == 0 || gap.last >= log->count || memcmp(log->hashes[gap.last - 1], hash, 32) != 0)
		return err_set(err, ERR_INTEGRITY,
			       "entry %" PRIu64 " names a gap behind an entry that this log does not have", log->count);
	struct audit_gap *grown = reallocarray(log->gaps, log->gap_count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, ERR_INTERNAL, "no memory for the log");
	log->gaps = grown;
	log->gaps[log->gap_count++] = gap;
	return 0;
}

static int look_into(struct audit_log *log, const json_t *entry, struct error *err)
{
	auto_json *value = json_loadb(json_string_value(entry), json_string_length(entry), 0, NULL);
	const char *event = json_string_value(json_object_get(value, "event"));
	keep_time(log, value);
	if (event && strcmp(event, "audit.segment") == 0)
		return keep_gap(log, value, err);
	return audit_decisions_entry(log->decisions, log->count, value, err);
}

static int add_entry(struct audit_log *log, const json_t *line, struct error *err)
{
	uint8_t stated[32], input[32] = { 0 };
	const json_t *entry = json_object_get(line, "entry");
	uint64_t sequence = (uint64_t)json_integer_value(json_object_get(line, "sequence"));
	if (sequence != log->count + 1)
		return err_set(err, ERR_INTEGRITY, "entry %" PRIu64 " is missing: %" PRIu64 " stands in its place",
			       log->count + 1, sequence);
	if (!json_is_string(entry) || parse_hash(json_string_value(json_object_get(line, "hash")), stated, err))
		return err_set(err, ERR_INTEGRITY, "entry %" PRIu64 " has no text or no hash", sequence);
	if (log->count > 0)
		memcpy(input, log->hashes[log->count - 1], 32);
	auto_buf hashed = BUF_INIT;
	buf_add(&hashed, input, sizeof(input));
	buf_add(&hashed, json_string_value(entry), json_string_length(entry));
	if ((log->count & (log->count + 1)) == 0) { /* grows by doubling */
		void *grown = reallocarray(log->hashes, 2 * (log->count + 1), 32);
		if (!grown)
			return err_set(err, ERR_INTERNAL, "no memory for the log");
		log->hashes = grown;
	}
	sha256(hashed.data, hashed.len, log->hashes[log->count]);
	if (memcmp(log->hashes[log->count], stated, 32) != 0)
		return err_set(err, ERR_INTEGRITY, "entry %" PRIu64 " was changed: its hash does not follow from it",
			       sequence);
	log->count++;
	return look_into(log, entry, err);
}

static int add_head(struct audit_log *log, const json_t *head, struct error *err)
{
	char **grown =
		log->head_count < HEADS_MAX ? reallocarray(log->heads, log->head_count + 1, sizeof(char *)) : NULL;
	if (!grown)
		return err_set(err, ERR_INTEGRITY, "more signed heads than can be kept");
	log->heads = grown;
	log->heads[log->head_count] = json_dumps(head, JSON_COMPACT);
	return log->heads[log->head_count++] ? 0 : err_set(err, ERR_INTERNAL, "no memory");
}

static int add_line(struct audit_log *log, struct bytes text, struct error *err)
{
	auto_json *line = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *head = json_object_get(line, "head");
	const char *roots = json_string_value(json_object_get(line, "roots"));
	if (!line)
		return err_set(err, ERR_INTEGRITY, "the line behind entry %" PRIu64 " is not JSON", log->count);
	if (head)
		return add_head(log, head, err);
	if (!roots)
		return add_entry(log, line, err);
	buf_add_text(&log->roots, roots);
	return 0;
}

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

int audit_log_read(const char *path, struct audit_log *log, struct error *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	if (!file)
		return err_errno(err, file_exists(path) ? ERR_IO : ERR_NOT_FOUND, "cannot open %s", path);
	log->trusted = sk_X509_new_null();
	log->known = sk_X509_new_null();
	if (!log->decisions)
		log->decisions = audit_decisions_new(err);
	if (!log->trusted || !log->known || !log->decisions)
		return err_set(err, ERR_INTERNAL, "no memory for the log");
	auto_free char *line = NULL;
	size_t room = 0;
	ssize_t length;
	while ((length = getline(&line, &room, file)) > 0) {
		if ((size_t)length > AUDIT_LINE_MAX)
			return err_set(err, ERR_INTEGRITY, "the line behind entry %" PRIu64 " is too long", log->count);
		if (add_line(log, BYTES(line, (size_t)length), err))
			return -1;
	}
	if (ferror(file))
		return err_errno(err, ERR_IO, "cannot read %s", path);
	return log->count > 0 ? 0 : err_set(err, ERR_INTEGRITY, "%s holds no entries", path);
}

/* ---- certificates ---- */

int audit_log_trust(struct audit_log *log, struct bytes pem, struct error *err)
{
	return trust_add_pem(log->trusted, pem) > 0 ? 0 : err_set(err, ERR_BAD_REQUEST, "no root certificate to trust");
}

/* ---- decisions ---- */

int audit_log_want(struct audit_log *log, const char *file, struct bytes content, struct error *err)
{
	auto_buf der = BUF_INIT;
	char label[64];
	if (!log->decisions)
		log->decisions = audit_decisions_new(err);
	if (!log->decisions)
		return -1;
	if (content.len && content.data[0] == 0x30)
		return audit_decisions_want(log->decisions, file, content, err);
	if (text_next_pem(&content, label, &der, err) != 1 || strcmp(label, "CERTIFICATE") != 0)
		return err_set(err, ERR_BAD_REQUEST, "%s holds no certificate", file);
	return audit_decisions_want(log->decisions, file, buf_bytes(&der), err);
}

static bool is_trusted(void *arg, const uint8_t ca[32])
{
	const struct audit_log *log = arg;
	for (int i = 0; i < sk_X509_num(log->trusted); i++) {
		uint8_t hash[32];
		trust_hash(sk_X509_value(log->trusted, i), hash);
		if (memcmp(hash, ca, sizeof(hash)) == 0)
			return true;
	}
	return false;
}

int audit_log_check_decisions(const struct audit_log *log, struct error *err)
{
	return audit_decisions_check_roots(log->decisions, is_trusted, (void *)(uintptr_t)log, err) ||
			       audit_decisions_check_wanted(log->decisions, err)
		       ? -1
		       : 0;
}

/* ---- heads ---- */

/* The gap that holds a head which this log lacks: behind the restored end, not behind the newest head that the
 * restore knew of, and signed before it. A gap of unknown end ends with the restore. */
static const struct audit_gap *gap_of(const struct audit_log *log, const struct audit_head *head)
{
	char hash[65];
	(void)text_hex(BYTES(head->hash, sizeof(head->hash)), hash);
	for (size_t i = 0; i < log->gap_count; i++) {
		const struct audit_gap *gap = &log->gaps[i];
		bool known = gap->head > gap->last;
		bool other = known && head->sequence == gap->head && strcmp(hash, gap->hash) != 0;
		bool behind = known && head->sequence > gap->head;
		if (head->sequence > gap->last && !behind && !other && head->time_s >= gap->from_s &&
		    head->time_s <= gap->until_s)
			return gap;
	}
	return NULL;
}

static int check_place(const struct audit_log *log, const struct audit_head *head, struct audit_attested *out,
		       struct error *err)
{
	uint64_t sequence = head->sequence;
	bool here = sequence > 0 && sequence <= log->count;
	if (here && memcmp(log->hashes[sequence - 1], head->hash, 32) == 0)
		return 0;
	out->gap = gap_of(log, head);
	if (out->gap)
		return 0;
	if (!here)
		return err_set(err, ERR_INTEGRITY,
			       "a signed head knows %" PRIu64 " entries, the log has %" PRIu64 ": its end is missing",
			       sequence, log->count);
	return err_set(err, ERR_INTEGRITY, "the log up to entry %" PRIu64 " is not the one that a head was signed over",
		       sequence);
}

int audit_log_check_head(struct audit_log *log, struct bytes json, struct audit_attested *out, struct error *err)
{
	struct audit_head head;
	*out = (struct audit_attested){ .sequence = 0 };
	if (audit_head_read(json, log->trusted, log->known, &head, err) || check_place(log, &head, out, err))
		return -1;
	out->sequence = head.sequence;
	(void)snprintf(out->time, sizeof(out->time), "%s", head.time);
	return 0;
}

/* ---- revocation lists as witnesses ---- */

static X509_CRL *read_crl(struct bytes content, struct error *err)
{
	const unsigned char *at = content.data;
	auto_bio *bio = BIO_new_mem_buf(content.data, (int)content.len);
	bool der = content.len > 0 && content.data[0] == 0x30;
	X509_CRL *crl = der ? d2i_X509_CRL(NULL, &at, (long)content.len) : PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	if (!crl)
		(void)err_openssl(err, ERR_BAD_REQUEST, "this is no revocation list");
	return crl;
}

static bool signed_by_any(X509_CRL *crl, const STACK_OF(X509) * list)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		X509 *issuer = sk_X509_value(list, i);
		if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1)
			return true;
	}
	ERR_clear_error();
	return false;
}

/* The value of the one private extension that is an OCTET STRING of 32 octets; the arc below
 * which its identifier stands is the CA's own. */
static bool carried_hash(const X509_CRL *crl, uint8_t out[32])
{
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
		const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
		const unsigned char *data = ASN1_STRING_get0_data(value);
		if (OBJ_obj2nid(X509_EXTENSION_get_object(extension)) != NID_undef || ASN1_STRING_length(value) != 34 ||
		    data[0] != 0x04 || data[1] != 32)
			continue;
		memcpy(out, data + 2, 32);
		return true;
	}
	return false;
}

static int64_t time_of(const X509_CRL *crl)
{
	struct tm parts = { .tm_year = 70, .tm_mday = 1 };
	(void)ASN1_TIME_to_tm(X509_CRL_get0_lastUpdate(crl), &parts);
	const struct clock_civil civil = { parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
					   parts.tm_hour,        parts.tm_min,     parts.tm_sec };
	return clock_from_civil(civil);
}

int audit_log_check_crl(struct audit_log *log, struct bytes content, struct audit_attested *out, struct error *err)
{
	uint8_t hash[32];
	auto_x509_crl *crl = read_crl(content, err);
	if (!crl)
		return -1;
	if (!signed_by_any(crl, log->trusted) && !signed_by_any(crl, log->known))
		return err_set(err, ERR_INTEGRITY, "a revocation list is signed by none of this CA's issuers");
	if (!carried_hash(crl, hash))
		return err_set(err, ERR_INTEGRITY, "a revocation list carries no hash of the audit log");
	int64_t made_s = time_of(crl);
	*out = (struct audit_attested){ .sequence = log->count };
	(void)clock_rfc3339(made_s, out->time);
	for (; out->sequence > 0; out->sequence--)
		if (memcmp(log->hashes[out->sequence - 1], hash, 32) == 0)
			return 0;
	for (size_t i = 0; i < log->gap_count && !out->gap; i++)
		if (made_s >= log->gaps[i].from_s && made_s <= log->gaps[i].until_s)
			out->gap = &log->gaps[i];
	if (out->gap)
		return 0;
	return err_set(err, ERR_INTEGRITY,
		       "the revocation list of %s saw a log that this one does not contain (the log ends at %s)",
		       out->time, log->last_time);
}
