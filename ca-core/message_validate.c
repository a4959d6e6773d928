/* Messages between the signer and the validator: what to look at and to deliver, and what came of it. */
#include "ca-core/message_codec.h"
#include "ca-core/message_order.h"
#include "store/record_order.h"

enum {
	METHODS_ALL = METHOD_GRANT | METHOD_DNS_TXT | METHOD_DNS_CNAME | METHOD_HTTP | METHOD_MAIL,
	METHODS_TRIED = MESSAGE_DNS_TXT | MESSAGE_DNS_CNAME | MESSAGE_HTTP,
	VALUE_LEN = 52, /* ca-core/challenge.h */
	CAA_LAST = 3,
};

_Static_assert((int)MESSAGE_DNS_TXT == METHOD_DNS_TXT && (int)MESSAGE_DNS_CNAME == METHOD_DNS_CNAME &&
		       (int)MESSAGE_HTTP == METHOD_HTTP,
	       "the methods have the same numbers in records and messages");

/* ---- validation ---- */

/* Something is to be tried, and for a method there is the value to look for. */
static bool makes_sense(const struct message_validate *m)
{
	return m->methods ? m->value.len == VALUE_LEN : m->caa && m->value.len == 0;
}

void message_validate_write(const struct message_validate *m, struct buf *out)
{
	codec_field(out, m->name, MESSAGE_TEXT_MAX);
	codec_bits(out, m->methods, METHODS_TRIED);
	codec_bool(out, m->parents);
	codec_field(out, m->value, VALUE_LEN);
	codec_bool(out, m->caa);
	codec_field(out, m->caa_identity, CODEC_NAME_MAX);
	codec_field(out, m->account, MESSAGE_TEXT_MAX);
	if (!makes_sense(m))
		out->failed = true;
}

int message_validate_read(struct bytes in, struct message_validate *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->name = reader_field(&r, MESSAGE_TEXT_MAX);
	m->methods = codec_read_bits(&r, METHODS_TRIED);
	m->parents = codec_read_bool(&r);
	m->value = reader_field(&r, VALUE_LEN);
	m->caa = codec_read_bool(&r);
	m->caa_identity = reader_field(&r, CODEC_NAME_MAX);
	m->account = reader_field(&r, MESSAGE_TEXT_MAX);
	if (!makes_sense(m))
		r.failed = true;
	return codec_done(&r, "validate", err);
}

static bool is_one_method(uint8_t bits)
{
	return bits && (bits & METHODS_TRIED) == bits && (bits & (bits - 1)) == 0;
}

/* The signer stands on this answer: a method that showed the name is one, and it was tried. */
static bool holds_together(const struct message_validated *m)
{
	bool tried = m->shown == 0;
	for (uint32_t i = 0; i < m->attempt_count && i < MESSAGE_ATTEMPTS_MAX; i++) {
		if (!is_one_method(m->attempts[i].method))
			return false;
		tried = tried || m->attempts[i].method == m->shown;
	}
	return tried;
}

void message_validated_write(const struct message_validated *m, struct buf *out)
{
	codec_bits(out, m->shown, METHODS_TRIED);
	codec_count(out, m->attempt_count, MESSAGE_ATTEMPTS_MAX);
	for (uint32_t i = 0; i < m->attempt_count && !out->failed; i++) {
		codec_bits(out, m->attempts[i].method, METHODS_TRIED);
		codec_field(out, m->attempts[i].code, CODEC_NAME_MAX);
		codec_field(out, m->attempts[i].text, MESSAGE_EVIDENCE_MAX);
	}
	codec_choice(out, m->caa, 0, CAA_LAST);
	codec_field(out, m->caa_text, MESSAGE_EVIDENCE_MAX);
	codec_bits(out, m->caa_methods, METHODS_ALL);
	if (!holds_together(m))
		out->failed = true;
}

int message_validated_read(struct bytes in, struct message_validated *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->shown = codec_read_bits(&r, METHODS_TRIED);
	m->attempt_count = codec_read_count(&r, MESSAGE_ATTEMPTS_MAX);
	for (uint32_t i = 0; i < m->attempt_count && !r.failed; i++) {
		m->attempts[i].method = codec_read_bits(&r, METHODS_TRIED);
		m->attempts[i].code = reader_field(&r, CODEC_NAME_MAX);
		m->attempts[i].text = reader_field(&r, MESSAGE_EVIDENCE_MAX);
	}
	m->caa = codec_read_choice(&r, 0, CAA_LAST);
	m->caa_text = reader_field(&r, MESSAGE_EVIDENCE_MAX);
	m->caa_methods = codec_read_bits(&r, METHODS_ALL);
	if (!r.failed && !holds_together(m))
		r.failed = true;
	return codec_done(&r, "validated", err);
}

/* ---- delivery ---- */

void message_deliver_write(const struct message_deliver *m, struct buf *out)
{
	codec_choice(out, m->kind, DELIVERY_MAIL, DELIVERY_WEBHOOK);
	codec_field(out, m->to, MESSAGE_TEXT_MAX);
	codec_field(out, m->subject, MESSAGE_TEXT_MAX);
	codec_field(out, m->body, MESSAGE_BODY_MAX);
	codec_field(out, m->signature, CODEC_NAME_MAX);
	codec_field(out, m->id, CODEC_NAME_MAX);
}

int message_deliver_read(struct bytes in, struct message_deliver *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->kind = codec_read_choice(&r, DELIVERY_MAIL, DELIVERY_WEBHOOK);
	m->to = reader_field(&r, MESSAGE_TEXT_MAX);
	m->subject = reader_field(&r, MESSAGE_TEXT_MAX);
	m->body = reader_field(&r, MESSAGE_BODY_MAX);
	m->signature = reader_field(&r, CODEC_NAME_MAX);
	m->id = reader_field(&r, CODEC_NAME_MAX);
	return codec_done(&r, "deliver", err);
}

void message_delivered_write(const struct message_delivered *m, struct buf *out)
{
	codec_bool(out, m->good);
	codec_bool(out, m->final);
	codec_field(out, m->text, MESSAGE_TEXT_MAX);
}

int message_delivered_read(struct bytes in, struct message_delivered *m, struct error *err)
{
	struct reader r = reader_of(in);
	m->good = codec_read_bool(&r);
	m->final = codec_read_bool(&r);
	m->text = reader_field(&r, MESSAGE_TEXT_MAX);
	return codec_done(&r, "delivered", err);
}
