/* What is known of keys and certificates while a ceremony goes on. */
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ceremony_draft_private.h"
#include "ca-core/csr.h"
#include "ca-core/lint.h"

/* ---- keys ---- */

const char *known_uri_of(const struct ceremony_known *known, struct bytes spki)
{
	for (size_t i = 0; i < known->key_count; i++)
		if (bytes_equal(buf_bytes(&known->keys[i].spki), spki))
			return known->keys[i].uri;
	return NULL;
}

struct bytes ceremony_known_key(const struct ceremony_known *known, const char *key)
{
	for (size_t i = 0; i < known->key_count; i++)
		if (strcmp(known->keys[i].uri, key) == 0)
			return buf_bytes(&known->keys[i].spki);
	return BYTES_NONE;
}

int ceremony_known_add_key(struct ceremony_known *known, const char *key, struct bytes spki, struct error *err)
{
	struct ca_key parsed;
	const char *other = known_uri_of(known, spki);
	if (ceremony_known_key(known, key).len)
		return err_set(err, ERR_CONFLICT, "there is a key %s already", key);
	if (other)
		return err_set(err, ERR_CONFLICT, "%s has the public key of %s: a key has one use", key, other);
	if (ca_key_parse(spki, &parsed, err))
		return -1;
	size_t made = ceremony_plan_key_step(known->plan, key);
	const struct ceremony_step *step = made == CEREMONY_NOWHERE ? NULL : &known->plan->steps[made];
	if (step && (step->type != parsed.type || step->bits != parsed.bits)) {
		char is[32];
		return err_set(err, ERR_CONFLICT, "%s is %s, and the plan asks for another type", key,
			       ca_key_describe(&parsed, is));
	}
	if (known->key_count == known->plan->step_count + known->plan->issuer_count)
		return err_set(err, ERR_INTERNAL, "more keys than the plan has");
	struct known_key *k = &known->keys[known->key_count++];
	k->uri = strdup(key);
	buf_add_bytes(&k->spki, spki);
	return k->uri && !k->spki.failed ? 0 : err_set(err, ERR_INTERNAL, "no memory for a key");
}

/* ---- certificates ---- */

const struct known_certificate *known_find(const struct ceremony_known *known, const char *name)
{
	for (size_t i = 0; i < known->certificate_count; i++)
		if (strcmp(known->certificates[i].name, name) == 0)
			return &known->certificates[i];
	return NULL;
}

struct bytes ceremony_known_certificate(const struct ceremony_known *known, const char *name)
{
	const struct known_certificate *c = known_find(known, name);
	return c ? buf_bytes(&c->der) : BYTES_NONE;
}

const struct ca_issuer_info *ceremony_known_issuer(const struct ceremony_known *known, const char *name)
{
	const struct known_certificate *c = known_find(known, name);
	return c && c->is_ca ? &c->info : NULL;
}

/* RFC 5280 section 4.2.1.9: what the issuer allows below itself, less one; an intermediate allows nothing. */
static int path_below(const struct ceremony_known *known, const char *name)
{
	size_t at = ceremony_plan_step(known->plan, name);
	if (at == CEREMONY_NOWHERE || known->plan->steps[at].kind == CEREMONY_ROOT)
		return PATH_UNLIMITED;
	const struct ca_profile *p = ceremony_step_profile(known->plan, &known->plan->steps[at]);
	const struct known_certificate *issuer = known_find(known, known->plan->steps[at].issuer);
	int above = !issuer || issuer->path == PATH_UNLIMITED ? PATH_UNLIMITED : issuer->path - 1;
	return p && p->kind == CA_KIND_INTERMEDIATE ? 0 : above;
}

int ceremony_known_add_certificate(struct ceremony_known *known, const char *name, struct bytes der, struct error *err)
{
	struct ca_certificate_facts facts;
	if (known_find(known, name))
		return err_set(err, ERR_CONFLICT, "there is a certificate of \"%s\" already", name);
	if (known->certificate_count == known->plan->step_count + known->plan->issuer_count)
		return err_set(err, ERR_INTERNAL, "more certificates than the plan has");
	if (ca_certificate_read(der, &facts, err))
		return -1;
	struct known_certificate *c = &known->certificates[known->certificate_count];
	*c = (struct known_certificate){ .is_ca = facts.ca, .path = path_below(known, name) };
	if (facts.ca && ca_issuer_info_load(&c->info, name, der, known->plan->url, err))
		return -1;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	buf_add_bytes(&c->der, der);
	known->certificate_count++;
	return c->der.failed ? err_set(err, ERR_INTERNAL, "no memory for a certificate") : 0;
}

/* ---- issuers that are there ---- */

/* What the form of ours does not have, and others' certificates may: path length and name constraints. */
static int read_limits(struct known_certificate *c, struct error *err)
{
	const uint8_t *at = c->der.data;
	auto_x509 *x = d2i_X509(NULL, &at, (long)c->der.len);
	int critical = 0;
	if (!x)
		return err_openssl(err, ERR_CONFIG, "OpenSSL cannot read the certificate");
	long path = X509_get_pathlen(x);
	c->path = path < 0 || path > PATH_UNLIMITED ? PATH_UNLIMITED : (int)path;
	c->constraints = X509_get_ext_d2i(x, NID_name_constraints, &critical, NULL);
	return c->constraints || critical == -1 ? 0 : err_set(err, ERR_CONFIG, "its name constraints cannot be read");
}

static int add_issuer(struct ceremony_known *known, const struct ceremony_issuer *i, const struct ceremony_input *in,
		      const char **option, struct error *err)
{
	auto_buf der = BUF_INIT;
	uint8_t hash[32];
	char hex[65];
	struct ca_key key;
	if (ceremony_input_certificate(in, &der, err))
		return -1;
	sha256(der.data, der.len, hash);
	*option = "sha256";
	if (memcmp(hash, i->sha256, sizeof(hash)) != 0)
		return err_set(err, ERR_CONFIG, "the certificate in %s has the SHA-256 %s", i->certificate,
			       text_hex(BYTES(hash, sizeof(hash)), hex));
	*option = "certificate";
	if (ceremony_known_add_certificate(known, i->name, buf_bytes(&der), err))
		return -1;
	struct known_certificate *c = &known->certificates[known->certificate_count - 1];
	if (!c->is_ca)
		return err_set(err, ERR_CONFIG, "it is not a CA's certificate (RFC 5280 4.2.1.9)");
	if (read_limits(c, err) || ca_key_parse(buf_bytes(&c->info.spki), &key, err) ||
	    ca_key_check_made_well(&key, err))
		return -1;
	*option = "key";
	return i->key ? ceremony_known_add_key(known, i->key, key.spki, err) : 0;
}

static int add_issuers(struct ceremony_known *known, const struct ceremony_inputs *inputs, struct error *err)
{
	for (size_t i = 0; i < known->plan->issuer_count; i++) {
		const struct ceremony_issuer *issuer = &known->plan->issuers[i];
		const struct ceremony_input *in = ceremony_inputs_find(inputs, issuer->certificate);
		const char *option = "certificate";
		struct error why = ERR_INIT;
		if (!in)
			return ceremony_plan_wrong(known->plan, err, "issuer", issuer->name, option,
						   "the file %s is not there", issuer->certificate);
		if (add_issuer(known, issuer, in, &option, &why))
			return ceremony_plan_wrong(known->plan, err, "issuer", issuer->name, option, "%s", why.message);
	}
	return 0;
}

/* ---- CSRs ---- */

static int add_csr(struct ceremony_known *known, size_t step, const struct ceremony_input *in, const char **option,
		   struct error *err)
{
	const struct ceremony_step *s = &known->plan->steps[step];
	char hex[65];
	*option = "csr-sha256";
	if (memcmp(in->sha256, s->csr_sha256, sizeof(in->sha256)) != 0)
		return err_set(err, ERR_CONFIG, "%s has changed since the plan was written: its SHA-256 is %s", s->csr,
			       text_hex(BYTES(in->sha256, sizeof(in->sha256)), hex));
	*option = "csr";
	auto_ca_csr *csr = ca_csr_parse_for_ceremony(buf_bytes(&in->content), CA_NAMES_MAX, err);
	if (!csr || ca_csr_verify(csr, err) || ca_key_check_made_well(&csr->key, err))
		return -1;
	for (size_t i = 0; i < step; i++)
		if (bytes_equal(buf_bytes(&known->csr_spki[i]), csr->key.spki))
			return err_set(err, ERR_CONFIG, "step \"%s\" certifies this key already",
				       known->plan->steps[i].name);
	for (size_t i = 0; i < known->certificate_count; i++)
		if (bytes_equal(buf_bytes(&known->certificates[i].info.spki), csr->key.spki))
			return err_set(err, ERR_CONFIG, "it is the key of issuer \"%s\"", known->certificates[i].name);
	buf_add_bytes(&known->csr_spki[step], csr->key.spki);
	return known->csr_spki[step].failed ? err_set(err, ERR_INTERNAL, "no memory for a key") : 0;
}

static int add_csrs(struct ceremony_known *known, const struct ceremony_inputs *inputs, struct error *err)
{
	for (size_t i = 0; i < known->plan->step_count; i++) {
		const struct ceremony_step *s = &known->plan->steps[i];
		const char *option = "csr";
		struct error why = ERR_INIT;
		if (!s->csr[0])
			continue;
		const struct ceremony_input *in = ceremony_inputs_find(inputs, s->csr);
		if (!in)
			return ceremony_plan_wrong(known->plan, err, "step", s->name, option,
						   "the file %s is not there", s->csr);
		if (add_csr(known, i, in, &option, &why))
			return ceremony_plan_wrong(known->plan, err, "step", s->name, option, "%s", why.message);
	}
	return 0;
}

/* ---- the whole ---- */

struct ceremony_known *ceremony_known_new(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
					  struct error *err)
{
	size_t most = plan->step_count + plan->issuer_count;
	auto_ceremony_known *known = calloc(1, sizeof(*known));
	if (known) {
		known->plan = plan;
		known->keys = calloc(most, sizeof(*known->keys));
		known->certificates = calloc(most, sizeof(*known->certificates));
		known->csr_spki = calloc(plan->step_count, sizeof(*known->csr_spki));
	}
	if (!known || !known->keys || !known->certificates || !known->csr_spki) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a ceremony");
		return NULL;
	}
	return add_issuers(known, inputs, err) || add_csrs(known, inputs, err) ? NULL : TAKE(known);
}

void ceremony_known_free(struct ceremony_known *known)
{
	if (!known)
		return;
	for (size_t i = 0; i < known->key_count; i++) {
		free(known->keys[i].uri);
		buf_free(&known->keys[i].spki);
	}
	for (size_t i = 0; i < known->certificate_count; i++) {
		buf_free(&known->certificates[i].der);
		ca_issuer_info_clear(&known->certificates[i].info);
		NAME_CONSTRAINTS_free(known->certificates[i].constraints);
	}
	for (size_t i = 0; known->csr_spki && i < known->plan->step_count; i++)
		buf_free(&known->csr_spki[i]);
	free(known->keys);
	free(known->certificates);
	free(known->csr_spki);
	free(known);
}
