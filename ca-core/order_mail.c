/* Codes by mail: BR 3.2.2.4.4. The mail goes to addresses of the name; only who reads it learns the code. */
#include "ca-core/order_private.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/challenge.h"
#include "ca-core/notify.h"

#define CODE_OCTETS 16 /* 128 bits */
#define TRIES_MAX 5
#define MAIL_PAUSE_S ((int64_t)60) /* a code that is still good is not followed by another sooner */
#define MAILS_MAX 1000             /* in one batch */
#define MAILS_PAUSE_MS 1000

static bool has_code(const struct record_order_name *n)
{
	static const uint8_t none[32] = { 0 };
	return memcmp(n->mail_code_hash, none, sizeof(none)) != 0;
}

/* ---- where to ---- */

static void add_five(struct bytes host, struct buf *out)
{
	static const char *const boxes[] = { "admin", "administrator", "webmaster", "hostmaster", "postmaster" };
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++)
		buf_printf(out, "%s%s@%.*s", out->len ? "," : "", boxes[i], (int)host.len, (const char *)host.data);
}

void order_mail_addresses(const struct ca *ca, const struct ca_profile *profile, struct bytes name, struct buf *out)
{
	if (!(order_methods(ca, profile, name) & METHOD_MAIL))
		return;
	struct bytes host = ca_challenge_host(name);
	add_five(host, out);
	/* The domains above, where the profile takes those: never a public suffix. */
	for (const uint8_t *dot; profile->parent_domains && (dot = memchr(host.data, '.', host.len));) {
		char text[CA_NAME_TEXT_MAX + 1];
		host = BYTES(dot + 1, host.len - (size_t)(dot + 1 - host.data));
		(void)snprintf(text, sizeof(text), "%.*s", (int)host.len, (const char *)host.data);
		if (!ca_name_wildcard_base_allowed(text) || out->len > 4096)
			break;
		add_five(host, out);
	}
	const struct ca_config_zone *zone = ca_config_zone_of(ca->config, name);
	for (size_t i = 0; zone && i < zone->mail.count && out->len < 8000; i++)
		buf_printf(out, "%s%s", out->len ? "," : "", zone->mail.items[i]);
}

/* ---- sending ---- */

static void add_text(const struct order_work *w, const struct record_order_name *n, const char *code, struct buf *out)
{
	const struct record_order *o = w->order;
	uint8_t spki_hash[32];
	order_spki_hash(o, spki_hash);
	buf_printf(out,
		   "%.*s has asked this certificate authority for a certificate with the name\n\n    %.*s\n\n"
		   "You get this mail because the address is one of those by which the owner of that name can be "
		   "reached.\n\nIf the certificate is wanted, give the requester this code, who confirms it for order "
		   "%.*s:\n\n    %s\n\nThe names that the certificate would have:\n\n",
		   (int)o->requester.len, (const char *)o->requester.data, (int)n->name.len, (const char *)n->name.data,
		   (int)o->id.len, (const char *)o->id.data, code);
	for (size_t i = 0; i < o->name_count && i < 100; i++)
		buf_printf(out, "    %.*s\n", (int)o->names[i].name.len, (const char *)o->names[i].name.data);
	buf_add_text(out, "\nSHA-256 of the public key that it would certify:\n\n    ");
	text_add_hex(out, BYTES(spki_hash, sizeof(spki_hash)));
	buf_add_text(out, "\n\nIf it is not wanted, do nothing: without the code there is no certificate.\n");
}

static int mail_code(struct order_work *w, struct record_order_name *n, const struct buf *addresses, struct error *err)
{
	uint8_t random[CODE_OCTETS];
	auto_secret_buf code = BUF_INIT, text = BUF_INIT;
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random number for a code");
	text_add_base32(&code, BYTES(random, sizeof(random)));
	sha256(code.data, code.len, n->mail_code_hash);
	n->mail_tries = 0;
	n->mail_until_s = order_now_s(w) + ORDER_MAIL_S;
	add_text(w, n, buf_text(&code), &text);
	if (notify_mail(w->ca, buf_bytes(addresses), "Confirm a certificate request", buf_bytes(&text), w->order->id,
			w->batch, err))
		return -1;
	struct ca_audit_entry entry;
	order_tell(w, "order.code-mailed", &entry);
	ca_audit_text(&entry, "name", n->name);
	ca_audit_text(&entry, "to", buf_bytes(addresses));
	order_told(w, &entry);
	return 0;
}

static size_t count_addresses(const struct buf *addresses)
{
	size_t count = addresses->len > 0;
	for (size_t i = 0; i < addresses->len; i++)
		count += addresses->data[i] == ',';
	return count;
}

static bool wants_code(const struct order_work *w, const struct record_order_name *n, bool again)
{
	if (n->status != AUTHORIZATION_PENDING || !(n->methods & METHOD_MAIL))
		return false;
	if (!n->mail_until_s)
		return true;
	bool fresh = has_code(n) && n->mail_until_s - ORDER_MAIL_S + MAIL_PAUSE_S > order_now_s(w);
	return again && !fresh;
}

/* One batch holds so many; the order is due again for the rest. */
int order_mail_codes(struct order_work *w, bool again, struct error *err)
{
	size_t mails = 0;
	for (size_t i = 0; i < w->order->name_count; i++) {
		struct record_order_name *n = &w->order->names[i];
		auto_buf addresses = BUF_INIT;
		if (!wants_code(w, n, again))
			continue;
		order_mail_addresses(w->ca, w->profile, n->name, &addresses);
		mails += count_addresses(&addresses);
		if (mails > MAILS_MAX) {
			w->retry_ms = w->now_ms + MAILS_PAUSE_MS;
			return 0;
		}
		if (mail_code(w, n, &addresses, err))
			return -1;
	}
	return 0;
}

/* ---- confirming ---- */

static int wrong(struct order_work *w, struct record_order_name *n, struct error *err)
{
	struct ca_audit_entry entry;
	n->mail_tries++;
	if (n->mail_tries >= TRIES_MAX)
		memset(n->mail_code_hash, 0, sizeof(n->mail_code_hash));
	order_tell(w, "order.code-wrong", &entry);
	ca_audit_text(&entry, "name", n->name);
	ca_audit_number(&entry, "tries", n->mail_tries);
	order_told(w, &entry);
	(void)err_set(&w->refusal, ERR_VALIDATION_FAILED, "this is not the code that was mailed; %s",
		      has_code(n) ? "a code is void after five wrong ones"
				  : "it was the fifth wrong one, and the code is void: have another one mailed");
	(void)err_about(&w->refusal, "code", NULL, NULL);
	(void)err;
	return 0;
}

static int right(struct order_work *w, struct record_order_name *n, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	auto_buf text = BUF_INIT, addresses = BUF_INIT;
	order_mail_addresses(w->ca, w->profile, n->name, &addresses);
	buf_printf(&text, "at %s; mail: the code that was mailed to %s was confirmed by %s",
		   clock_rfc3339(order_now_s(w), time), buf_text(&addresses), w->actor->identity);
	n->evidence = order_keep(&w->memory,
				 BYTES(text.data, text.len < RECORD_EVIDENCE_MAX ? text.len : RECORD_EVIDENCE_MAX));
	n->checked_ms = w->now_ms;
	n->next_check_ms = 0;
	if (order_name_shown(w, n, METHOD_MAIL, err))
		return -1;
	if (order_caa(w->ca, w->profile, n) != CA_CAA_OFF)
		n->next_check_ms = w->now_ms;
	return 0;
}

int order_confirm(struct order_work *w, struct bytes name, struct bytes code, struct error *err)
{
	struct record_order *o = w->order;
	struct record_order_name *n = NULL;
	uint8_t hash[32];
	for (size_t i = 0; i < o->name_count; i++)
		if (bytes_equal(o->names[i].name, name))
			n = &o->names[i];
	if (!n) {
		(void)err_set(err, ERR_BAD_REQUEST, "the order has no such name");
		return err_about(err, "name", NULL, NULL);
	}
	if (o->status != ORDER_PENDING_VALIDATION || n->status != AUTHORIZATION_PENDING) {
		(void)err_set(err, ERR_ORDER_STATE, "the name does not wait for a code");
		return err_about(err, "status", record_order_status_name(o->status), "pending-validation");
	}
	if (!w->profile)
		return err_set(err, ERR_PROFILE_UNKNOWN, "the order's profile is not in the configuration any more");
	if (!has_code(n) || n->mail_until_s <= order_now_s(w) || !(n->methods & METHOD_MAIL))
		return err_set(err, ERR_VALIDATION_FAILED,
			       "no code is open for this name: ask for a check, and another one is mailed");
	sha256(code.data, code.len, hash);
	return CRYPTO_memcmp(hash, n->mail_code_hash, sizeof(hash)) ? wrong(w, n, err) : right(w, n, err);
}
