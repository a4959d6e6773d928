/* What is to come in, held against every rule, as if nobody had looked at it before. */
#include <stdio.h>

#include "ca-core/import_private.h"

#include "base/text.h"

/* ---- certificates ---- */

static int check_time(struct import *x, const struct import_part *p, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t now_s = ca_now_ms(x->ca) / 1000;
	if (p->facts.not_after_s < now_s)
		return import_wrong(p, err, "it ended at %s", clock_rfc3339(p->facts.not_after_s, time));
	if (p->facts.not_before_s > now_s)
		return import_wrong(p, err, "it is valid only from %s", clock_rfc3339(p->facts.not_before_s, time));
	return 0;
}

static int check_signature(const struct import *x, const struct import_part *p, struct error *err)
{
	const struct ca_issuer_info *by = import_info(x, p->signer);
	struct ca_key key;
	if (ca_key_parse(buf_bytes(&by->spki), &key, err))
		return -1;
	if (!bytes_equal(p->facts.signature_algorithm, buf_bytes(&by->signature_algorithm)))
		return import_wrong(p, err, "its signature algorithm is not that of the key of %s", by->name);
	int good = ca_key_verify(&key, ca_key_digest_bits(key.type), p->facts.tbs, p->facts.signature, err);
	if (good)
		return good > 0 ? 0 : -1;
	return import_wrong(p, err, "its signature is not by the key of %s", by->name);
}

/* What the signer's path length leaves room for: RFC 5280 4.2.1.9. */
static int check_path_length(const struct import *x, const struct import_part *p, struct error *err)
{
	struct ca_certificate_facts above;
	const struct ca_issuer_info *by = import_info(x, p->signer);
	int below = p->issuer->config->parent[0] ? 1 : 2; /* CAs that follow in a path */
	if (ca_certificate_read(buf_bytes(&by->certificate), &above, err))
		return -1;
	if (above.path_len >= 0 && above.path_len < below)
		return import_wrong(p, err, "the path length %d of %s leaves no room for it (RFC 5280 4.2.1.9)",
				    above.path_len, by->name);
	return 0;
}

/* Of issuers that are used here the key is blocked for leaves; one that somebody blocked is not taken. */
static int check_not_blocked(const struct import *x, const struct import_part *p, struct error *err)
{
	struct bytes value;
	struct record_blocked blocked;
	int found =
		store_get(x->snap, STORE_BLOCKED, BYTES(p->key.spki_hash, sizeof(p->key.spki_hash)), &value, NULL, err);
	if (found <= 0)
		return found;
	if (record_blocked_decode(value, &blocked, err))
		return -1;
	return err_set(err, ERR_BLOCKED_KEY, "%s: its key is on the block list: %.*s", p->name, (int)blocked.note.len,
		       (const char *)blocked.note.data);
}

static int check_serial(const struct import *x, const struct import_part *p, struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes value;
	char hex[2 * STORE_SERIAL_MAX + 1];
	if (p->facts.serial.len == 0 || p->facts.serial.len > STORE_SERIAL_MAX)
		return import_wrong(p, err, "its serial number has more than 20 octets (RFC 5280 4.1.2.2)");
	record_key_certificate(&key, bytes_of(p->signer->config->name), p->facts.serial);
	int found = store_get(x->snap, STORE_CERTIFICATES, buf_bytes(&key), &value, NULL, err);
	if (found <= 0)
		return found;
	return err_set(err, ERR_CONFLICT, "%s: %s has used its serial number %s before", p->name,
		       p->signer->config->name, text_hex(p->facts.serial, hex));
}

/* ---- the issuer's key ---- */

struct hsm_key *import_seat_key(const struct ca_issuer *issuer, size_t seat, struct error *err)
{
	return ca_key_in_token(issuer->seats[seat].token, issuer->config->key, false, HSM_EC_P256, err);
}

/* One place with the key is enough; a key that is another's is wrong wherever it is. */
static int ready_keys(struct import *x, struct import_part *p, struct error *err)
{
	const struct ca_issuer *issuer = p->issuer;
	bool any = false;
	struct error away = ERR_INIT;
	for (size_t i = 0; i < issuer->seat_count; i++) {
		const char *token = issuer->seats[i].token->config->name;
		p->keys[i] = import_seat_key(issuer, i, &away);
		if (!p->keys[i])
			continue;
		if (!bytes_equal(hsm_key_spki(p->keys[i]), p->facts.spki))
			return import_wrong(p, err, "it is for another key than that of issuer %s in token %s",
					    issuer->config->name, token);
		p->signers[i] = hsm_signer_new(x->ca->provider, p->keys[i], err);
		if (!p->signers[i])
			return -1;
		any = true;
	}
	if (any)
		return 0;
	return err_set(err, away.code == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_TOKEN_UNAVAILABLE,
		       "%s: the key of issuer %s: %s", p->name, issuer->config->name, away.message);
}

/* ---- lists ---- */

static int check_list(struct import *x, struct import_part *p, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	int64_t now_s = ca_now_ms(x->ca) / 1000;
	const struct ca_issuer_info *info = import_info(x, p->issuer);
	(void)pthread_mutex_lock(&p->issuer->crl_lock);
	p->locked = true;
	/* Not of the snapshot that the rest is read from: nobody makes a list of this issuer any more, from here on. */
	auto_store_snapshot *snap = store_snapshot_new(x->ca->store, err);
	int newer = snap ? ca_crl_arrive(snap, info, buf_bytes(&x->ca->config->arc), p->der, &p->list, err) : -1;
	if (newer < 0)
		return import_because(p, err);
	if (p->list.there) {
		p->role = IMPORT_THERE;
		return 0;
	}
	if (!newer)
		return err_set(err, ERR_CONFLICT, "%s: it has number %llu, and the present list of %s has %llu",
			       p->name, (unsigned long long)p->list.record.number, info->name,
			       (unsigned long long)p->list.before);
	if (p->list.record.next_update_s <= now_s)
		return import_wrong(p, err, "it ended at %s", clock_rfc3339(p->list.record.next_update_s, time));
	if (p->list.record.this_update_s > now_s)
		return import_wrong(p, err, "it begins only at %s", clock_rfc3339(p->list.record.this_update_s, time));
	return ca_crl_arrival_check(snap, info, &p->list, err) ? import_because(p, err) : 0;
}

/* ---- all of it ---- */

static int check_certificate(struct import *x, struct import_part *p, struct error *err)
{
	bool root = p->role == IMPORT_ROOT;
	if (check_time(x, p, err) || check_signature(x, p, err) || (!root && check_path_length(x, p, err)) ||
	    check_serial(x, p, err) || (p->role != IMPORT_CROSS && check_not_blocked(x, p, err)))
		return -1;
	/* A root from before is taken as it is: others trust it already. */
	if (p->kind == MESSAGE_IMPORT_MADE && import_lint(x, p, err))
		return -1;
	return p->role == IMPORT_INTERMEDIATE ? ready_keys(x, p, err) : 0;
}

/* Their locks in one order, whoever else wants several. */
static int check_lists(struct import *x, struct error *err)
{
	for (size_t i = 0; i < x->ca->issuer_count; i++)
		for (size_t n = 0; n < x->count; n++)
			if (x->parts[n].role == IMPORT_LIST && x->parts[n].issuer == &x->ca->issuers[i] &&
			    check_list(x, &x->parts[n], err))
				return -1;
	return 0;
}

int import_check(struct import *x, struct error *err)
{
	for (size_t i = 0; i < x->count; i++) {
		struct import_part *p = &x->parts[i];
		if ((p->role == IMPORT_ROOT || p->role == IMPORT_INTERMEDIATE || p->role == IMPORT_CROSS) &&
		    check_certificate(x, p, err))
			return -1;
	}
	return check_lists(x, err);
}
