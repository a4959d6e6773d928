/* Which of a ceremony's files is whose: by its name where an issuer has that name, else by the key. */
#include <stdio.h>

#include "ca-core/import_private.h"

static void leave(struct import_part *p, const char *why)
{
	p->role = IMPORT_LEFT;
	p->why = why;
}

/* ---- certificates ---- */

static int read_certificate(struct import_part *p, struct error *err)
{
	return ca_certificate_read(p->der, &p->facts, err) || ca_key_parse(p->facts.spki, &p->key, err)
		       ? import_because(p, err)
		       : 0;
}

/* The issuer's first certificate. */
static int take_certificate(struct import *x, struct import_part *p, struct ca_issuer *issuer, enum import_role role,
			    struct error *err)
{
	for (struct import_part *other = x->parts; other < p; other++) {
		if (other->issuer != issuer || other->role != role)
			continue;
		if (!bytes_equal(other->der, p->der))
			return err_set(err, ERR_CONFLICT, "%s and %s are both certificates of issuer %s", other->name,
				       p->name, issuer->config->name);
		p->role = IMPORT_THERE;
		p->issuer = issuer;
		return 0;
	}
	for (size_t i = 0; i < x->ca->issuer_count; i++) {
		const struct ca_issuer_info *info = import_info(x, &x->ca->issuers[i]);
		if (info && bytes_equal(buf_bytes(&info->subject), p->facts.subject))
			return err_set(err, ERR_CONFLICT, "%s: the subject is that of issuer %s; each has its own",
				       p->name, info->name);
	}
	p->role = role;
	p->issuer = issuer;
	return ca_issuer_info_load(&p->info, issuer->config->name, p->der, x->ca->config->listen.url, err)
		       ? import_because(p, err)
		       : 0;
}

static int is_there(struct import_part *p, struct ca_issuer *issuer)
{
	p->role = IMPORT_THERE;
	p->issuer = issuer;
	return 0;
}

static int sort_root(struct import *x, struct import_part *p, struct error *err)
{
	struct ca_issuer *issuer = ca_issuer_find(x->ca, bytes_of(p->name)),
			 *same = ca_issuer_of(x->ca, p->facts.subject);
	if (same && bytes_equal(buf_bytes(&same->info.certificate), p->der))
		return is_there(p, same);
	if (!issuer) {
		leave(p, "the configuration has no root of this name");
		return 0;
	}
	if (issuer->config->parent[0])
		return err_set(err, ERR_CONFIG, "%s: this is a root's certificate, but issuer %s has the parent %s",
			       p->name, p->name, issuer->config->parent);
	if (issuer->certified)
		return err_set(err, ERR_CONFLICT, "%s: issuer %s has another certificate; a new root gets a new name",
			       p->name, p->name);
	p->signer = issuer;
	return take_certificate(x, p, issuer, IMPORT_ROOT, err);
}

/* A certificate of somebody whose name an issuer has that is no root. */
static int sort_named(struct import *x, struct import_part *p, struct ca_issuer *issuer, struct error *err)
{
	if (!issuer->config->parent[0])
		return err_set(err, ERR_CONFIG, "%s: issuer %s is a root, but this certificate is signed by another",
			       p->name, p->name);
	if (!issuer->certified)
		return take_certificate(x, p, issuer, IMPORT_INTERMEDIATE, err);
	if (bytes_equal(buf_bytes(&issuer->info.certificate), p->der))
		return is_there(p, issuer);
	if (!bytes_equal(buf_bytes(&issuer->info.spki), p->facts.spki))
		return err_set(err, ERR_CONFLICT,
			       "%s: issuer %s has a certificate for another key; a new key gets a new name", p->name,
			       p->name);
	p->role = IMPORT_CROSS;
	p->issuer = issuer;
	return 0;
}

/* An issuer without a certificate whose token has this key. */
static struct ca_issuer *waiting_with_key(struct import *x, struct bytes spki)
{
	for (size_t i = 0; i < x->ca->issuer_count; i++) {
		struct ca_issuer *issuer = &x->ca->issuers[i];
		for (size_t n = 0; !issuer->certified && issuer->config->parent[0] && n < issuer->seat_count; n++) {
			struct error none = ERR_INIT;
			auto_hsm_key *key = import_seat_key(issuer, n, &none);
			if (key && bytes_equal(hsm_key_spki(key), spki))
				return issuer;
		}
	}
	return NULL;
}

static int sort_by_key(struct import *x, struct import_part *p, struct error *err)
{
	for (size_t i = 0; i < x->ca->issuer_count; i++) {
		struct ca_issuer *issuer = &x->ca->issuers[i];
		const struct ca_issuer_info *info = import_info(x, issuer);
		if (!info || !bytes_equal(buf_bytes(&info->spki), p->facts.spki))
			continue;
		p->issuer = issuer;
		p->role = bytes_equal(buf_bytes(&info->certificate), p->der) ? IMPORT_THERE : IMPORT_CROSS;
		return 0;
	}
	struct ca_issuer *waits = p->kind == MESSAGE_IMPORT_MADE ? waiting_with_key(x, p->facts.spki) : NULL;
	if (waits)
		return take_certificate(x, p, waits, IMPORT_INTERMEDIATE, err);
	leave(p, "no issuer of the configuration has this name or key");
	return 0;
}

/* Roots before those whom they sign, names before keys: what comes later is held against what came before. */
static int sort_certificates(struct import *x, int round, struct error *err)
{
	for (size_t i = 0; i < x->count; i++) {
		struct import_part *p = &x->parts[i];
		if (p->kind == MESSAGE_IMPORT_LIST || p->why)
			continue;
		bool root = bytes_equal(p->facts.issuer, p->facts.subject);
		struct ca_issuer *named = root ? NULL : ca_issuer_find(x->ca, bytes_of(p->name));
		/* What was there before the ceremony comes in as a root that signed a cross-certificate, or not at all. */
		if (!root && p->kind == MESSAGE_IMPORT_KNOWN)
			named = NULL;
		int failed = round == 0 && root              ? sort_root(x, p, err)
			     : round == 1 && named           ? sort_named(x, p, named, err)
			     : round == 2 && !root && !named ? sort_by_key(x, p, err)
							     : 0;
		if (failed)
			return -1;
	}
	return 0;
}

/* ---- who signed them ---- */

static int find_signer(struct import *x, struct import_part *p, struct error *err)
{
	for (size_t i = 0; i < x->ca->issuer_count && !p->signer; i++) {
		const struct ca_issuer_info *info = import_info(x, &x->ca->issuers[i]);
		if (info && bytes_equal(buf_bytes(&info->subject), p->facts.issuer))
			p->signer = &x->ca->issuers[i];
	}
	if (!p->signer)
		return import_wrong(p, err,
				    "it is signed by nobody whose certificate is there or comes with it; the "
				    "configuration names each, a root without a token too");
	if (p->role == IMPORT_INTERMEDIATE && strcmp(p->signer->config->name, p->issuer->config->parent) != 0)
		return import_wrong(p, err, "it is signed by %s, but the parent of issuer %s is %s",
				    p->signer->config->name, p->issuer->config->name, p->issuer->config->parent);
	return 0;
}

static int settle_cross(struct import *x, struct import_part *p, struct error *err)
{
	const struct ca_issuer_info *info = import_info(x, p->issuer);
	struct bytes others;
	uint64_t version;
	if (!bytes_equal(buf_bytes(&info->subject), p->facts.subject))
		return import_wrong(p, err, "it certifies the key of issuer %s under another subject",
				    p->issuer->config->name);
	if (p->kind == MESSAGE_IMPORT_KNOWN) {
		leave(p, "it was there before the ceremony, and is no root's");
		return 0;
	}
	int has = import_has_cross(x->snap, p->issuer, p->der, &others, &version, err);
	if (has > 0)
		p->role = IMPORT_THERE;
	return has < 0 ? -1 : 0;
}

/* ---- lists ---- */

static int sort_list(struct import *x, struct import_part *p, struct error *err)
{
	struct ca_crl crl;
	if (ca_crl_read(p->der, BYTES_NONE, &crl, err))
		return import_because(p, err);
	for (size_t i = 0; i < x->ca->issuer_count && !p->issuer; i++) {
		const struct ca_issuer_info *info = import_info(x, &x->ca->issuers[i]);
		if (info && bytes_equal(buf_bytes(&info->subject), crl.head.issuer))
			p->issuer = &x->ca->issuers[i];
	}
	p->role = IMPORT_LIST;
	if (!p->issuer)
		leave(p, "it is the list of no issuer of the configuration");
	for (struct import_part *other = x->parts; p->issuer && other < p; other++)
		if (other->role == IMPORT_LIST && other->issuer == p->issuer)
			return err_set(err, ERR_CONFLICT, "%s and %s are both lists of issuer %s", other->name, p->name,
				       p->issuer->config->name);
	return 0;
}

/* ---- all of it ---- */

static int read_parts(struct import *x, struct error *err)
{
	for (uint32_t i = 0; i < x->in->count; i++) {
		struct import_part *p = &x->parts[x->count++];
		p->kind = x->in->items[i].kind;
		p->der = x->in->items[i].der;
		(void)snprintf(p->name, sizeof(p->name), "%.*s", (int)x->in->items[i].name.len,
			       (const char *)x->in->items[i].name.data);
		if (p->kind == MESSAGE_IMPORT_LIST)
			continue;
		if (read_certificate(p, err))
			return -1;
		if (!p->facts.ca && ca_issuer_find(x->ca, bytes_of(p->name)))
			return import_wrong(p, err, "it is no CA's certificate (RFC 5280 4.2.1.9)");
		if (!p->facts.ca)
			leave(p, "it is no CA's certificate");
	}
	return 0;
}

int import_sort(struct import *x, struct error *err)
{
	if (read_parts(x, err))
		return -1;
	for (int round = 0; round < 3; round++)
		if (sort_certificates(x, round, err))
			return -1;
	for (size_t i = 0; i < x->count; i++) {
		struct import_part *p = &x->parts[i];
		if ((p->role == IMPORT_CROSS && settle_cross(x, p, err)) ||
		    ((p->role == IMPORT_INTERMEDIATE || p->role == IMPORT_CROSS) && find_signer(x, p, err)) ||
		    (p->kind == MESSAGE_IMPORT_LIST && sort_list(x, p, err)))
			return -1;
	}
	return 0;
}
