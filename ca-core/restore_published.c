/* What published/ proves of a store that was lost: its newest signed head, its lists. */
#include "ca-core/restore.h"

#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "ca-core/crl.h"
#include "ca-core/key.h"
#include "ca-core/lint.h"

#define HEAD_FILE_MAX ((size_t)1 << 20)

/* ---- the head's file, as ca_audit_publish_head writes it ---- */

/* Moves *rest behind the text that it must begin with. */
static bool skip(struct bytes *rest, const char *text)
{
	size_t len = strlen(text);
	if (rest->len < len || memcmp(rest->data, text, len) != 0)
		return false;
	*rest = BYTES(rest->data + len, rest->len - len);
	return true;
}

/* What stands before the next `end`, which is passed over too. */
static bool until(struct bytes *rest, char end, struct bytes *out)
{
	const uint8_t *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;
	if (!at)
		return false;
	*out = BYTES(rest->data, (size_t)(at - rest->data));
	*rest = BYTES(at + 1, rest->len - out->len - 1);
	return true;
}

/* A head's text needs no escape but that of its line ends, as ca_audit_json_text writes them. */
static void unescape(struct bytes text, struct buf *out)
{
	struct bytes line_end = { 0 };
	while (text.len) {
		line_end = text;
		if (skip(&line_end, "\\u000a")) {
			buf_u8(out, '\n');
			text = line_end;
		} else {
			buf_u8(out, text.data[0]);
			text = BYTES(text.data + 1, text.len - 1);
		}
	}
}

static int split_file(struct bytes file, struct buf *text, struct buf *signature, struct error *err)
{
	struct bytes escaped, base64;
	if (!skip(&file, "{\"text\":\"") || !until(&file, '"', &escaped) || !skip(&file, ",\"signature\":\"") ||
	    !until(&file, '"', &base64))
		return err_set(err, ERR_INTEGRITY, "the published head has another form than this CA gives it");
	unescape(escaped, text);
	if (text_parse_base64(base64, false, signature, err))
		return err_wrap(err, ERR_INTEGRITY, "the signature of the published head is not base64");
	return text->failed || signature->failed ? err_set(err, ERR_INTERNAL, "no memory for the published head") : 0;
}

static int parse_number(struct bytes digits, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return -1;
		*out = *out * 10 + (uint64_t)(digits.data[i] - '0');
	}
	return digits.len > 0 && digits.len < 19 ? 0 : -1;
}

/* The six lines of a head: ca-core/audit_head.c. */
static int parse_text(struct ca *ca, struct bytes text, struct ca_witness *out, struct error *err)
{
	struct bytes root, node, sequence, hash, time;
	auto_buf octets = BUF_INIT;
	if (!skip(&text, "chancery-audit-head-v1\nca: ") || !until(&text, '\n', &root) || !skip(&text, "node: ") ||
	    !until(&text, '\n', &node) || !skip(&text, "sequence: ") || !until(&text, '\n', &sequence) ||
	    !skip(&text, "hash: ") || !until(&text, '\n', &hash) || !skip(&text, "time: ") ||
	    !until(&text, '\n', &time) || text.len)
		return err_set(err, ERR_INTEGRITY, "the text of the published head is malformed");
	if (!bytes_are(root, ca->root_hash))
		return err_set(err, ERR_INTEGRITY, "the published head is of another certificate authority");
	if (parse_number(sequence, &out->sequence) || text_parse_hex(hash, 32, &octets, err) || octets.len != 32 ||
	    clock_parse_rfc3339(time, &out->time_s, err))
		return err_set(err, ERR_INTEGRITY, "the text of the published head is malformed");
	memcpy(out->hash, octets.data, 32);
	return 0;
}

static int verify_head(struct ca *ca, struct bytes text, struct bytes signature, struct error *err)
{
	struct ca_certificate_facts facts;
	struct ca_key key;
	if (!ca->audit.certificate.len)
		return err_set(err, ERR_INTEGRITY, "the restored store has no audit certificate to verify it");
	if (ca_certificate_read(buf_bytes(&ca->audit.certificate), &facts, err) || ca_key_parse(facts.spki, &key, err))
		return -1;
	int good = ca_key_verify(&key, ca_key_digest_bits(key.type), text, signature, err);
	if (good)
		return good > 0 ? 0 : -1;
	return err_set(err, ERR_INTEGRITY, "the published head is not signed by the restored store's audit key");
}

int ca_restore_read_head(struct ca *ca, struct ca_witness *out, struct error *err)
{
	char path[512];
	auto_buf file = BUF_INIT, text = BUF_INIT, signature = BUF_INIT;
	*out = (struct ca_witness){ .kind = CA_WITNESS_ABSENT };
	(void)snprintf(path, sizeof(path), "%s/audit/head", ca->published);
	if (file_read(path, HEAD_FILE_MAX, &file, err)) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	out->kind = CA_WITNESS_GOOD;
	struct error fault = ERR_INIT;
	if (split_file(buf_bytes(&file), &text, &signature, &fault) ||
	    verify_head(ca, buf_bytes(&text), buf_bytes(&signature), &fault) ||
	    parse_text(ca, buf_bytes(&text), out, &fault)) {
		*out = (struct ca_witness){ .kind = CA_WITNESS_UNUSABLE };
		(void)snprintf(out->why, sizeof(out->why), "%.255s", fault.message);
		log_err(LOG_LEVEL_WARN, "the published head proves nothing", &fault);
	}
	return 0;
}

/* ---- lists ---- */

int ca_restore_read_list(struct ca *ca, struct ca_issuer *issuer, struct buf *der, struct ca_crl *crl,
			 struct error *err)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/crl/%s.crl", ca->published, issuer->config->name);
	if (file_read(path, STORE_VALUE_MAX, der, err)) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	struct error fault = ERR_INIT;
	if (ca_crl_check_frame(&issuer->info, buf_bytes(&ca->config->arc), buf_bytes(der), crl, &fault) == 0)
		return 1;
	log_err(LOG_LEVEL_WARN, "a published revocation list proves nothing", &fault);
	return 0;
}
