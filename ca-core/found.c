/* ca_found(): what a CA lacks of keys, certificates and first lists, each through the same line as any other. */
#include <stdio.h>

#include "base/der.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/issuance.h"
#include "ca-core/publish.h"

/* What has to become true together with a certificate of our own. */
struct own_fact {
	const char *meta_key; /* where STORE_META keeps the certificate */
	const char *note;
};

/* The certificate as a fact, and its key on the block list: no leaf is ever issued for it. */
static int add_own(void *arg, struct store_batch *batch, const struct ca_issuance *i, struct error *err)
{
	const struct own_fact *fact = arg;
	const struct record_blocked blocked = { .own = true, .since_ms = i->now_ms, .note = bytes_of(fact->note) };
	auto_buf value = BUF_INIT;
	record_blocked_encode(&blocked, &value);
	if (value.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the key block list");
	store_expect_absent(batch, STORE_META, bytes_of(fact->meta_key));
	store_put(batch, STORE_META, bytes_of(fact->meta_key), buf_bytes(&i->certificate));
	store_put(batch, STORE_BLOCKED, BYTES(i->key.spki_hash, sizeof(i->key.spki_hash)), buf_bytes(&value));
	return 0;
}

void ca_found_name(const char *organization, const char *name, char common_name[CA_FOUND_NAME_SIZE])
{
	char title[65];
	(void)snprintf(title, sizeof(title), "%s", name);
	if (title[0] >= 'a' && title[0] <= 'z')
		title[0] = (char)(title[0] - 'a' + 'A');
	for (char *c = title; *c; c++)
		if (*c == '-')
			*c = ' ';
	const char *whose = organization[0] ? organization : "Chancery";
	/* ub-common-name is 64 (RFC 5280 appendix A.1): a long organization's name stands in O alone. */
	if (snprintf(common_name, CA_FOUND_NAME_SIZE, "%s %s", whose, title) > 64)
		(void)snprintf(common_name, CA_FOUND_NAME_SIZE, "%s", title);
}

static int subject_of(const char *organization, const char *name, struct buf *out, struct error *err)
{
	char common_name[CA_FOUND_NAME_SIZE];
	struct ca_subject subject = { 0 };
	ca_found_name(organization, name, common_name);
	subject.values[CA_ATTR_ORGANIZATION] = organization[0] ? organization : NULL;
	subject.values[CA_ATTR_COMMON_NAME] = common_name;
	return ca_subject_encode(&subject, out, err);
}

/* O of a root that is there already: issuers that come later bear the same. */
static void organization_of_root(struct ca *ca, struct buf *out)
{
	static const uint8_t organization[] = { 0x55, 0x04, 0x0a }; /* 2.5.4.10 */
	for (size_t i = 0; i < ca->issuer_count; i++) {
		const struct ca_issuer *root = &ca->issuers[i];
		if (root->config->parent[0] || !root->certified)
			continue;
		struct der outer = der_of(buf_bytes(&root->info.subject)), rdns;
		der_enter(&outer, DER_SEQUENCE, &rdns);
		while (rdns.left.len && !rdns.failed) {
			struct der rdn, pair;
			struct bytes value, whole;
			der_enter(&rdns, DER_SET, &rdn);
			der_enter(&rdn, DER_SEQUENCE, &pair);
			struct bytes oid = der_oid(&pair);
			int tag = der_any(&pair, &value, &whole);
			if (!pair.failed && bytes_equal(oid, BYTES(organization, sizeof(organization))) &&
			    ca_subject_value_utf8(tag, value, out) == 0)
				return;
		}
	}
}

/* The configuration's first profile of a kind. */
static const struct ca_profile *profile_of(const struct ca_config *config, enum ca_kind kind, struct error *err)
{
	for (size_t i = 0; i < config->profile_count; i++)
		if (config->profiles[i].kind == kind)
			return &config->profiles[i];
	(void)err_set(err, ERR_CONFIG, "the configuration has no profile of kind %s", ca_kind_name(kind));
	return NULL;
}

/* ---- issuers, from the root down ---- */

static int certify_issuer(struct ca *ca, struct ca_issuer *issuer, struct hsm_key *key, struct hsm_signer *signer,
			  const char *organization, struct error *err)
{
	bool root = !issuer->config->parent[0];
	const struct ca_profile *profile = profile_of(ca->config, root ? CA_KIND_ROOT : CA_KIND_INTERMEDIATE, err);
	struct ca_issuer *parent = root ? issuer : ca_issuer_find(ca, bytes_of(issuer->config->parent));
	auto_buf subject = BUF_INIT, certificate = BUF_INIT;
	if (!profile || subject_of(organization, issuer->config->name, &subject, err))
		return -1;
	if (!parent)
		return err_set(err, ERR_CONFIG, "issuer %s has no parent %s", issuer->config->name,
			       issuer->config->parent);
	char meta_key[sizeof(CA_META_ISSUER) + sizeof(issuer->config->name)];
	(void)snprintf(meta_key, sizeof(meta_key), CA_META_ISSUER "%s", issuer->config->name);
	struct own_fact fact = { meta_key, issuer->config->name };
	const struct ca_actor self = ca_actor_self();
	const struct ca_own_issue issue = {
		.actor = &self,
		.requester = "ca",
		.profile = profile,
		.issuer = parent,
		.self_signer = root ? signer : NULL,
		.spki = hsm_key_spki(key),
		.subject = buf_bytes(&subject),
		.extend = add_own,
		.extend_arg = &fact,
	};
	if (ca_issue_own(ca, &issue, &certificate, NULL, err))
		return -1;
	return ca_issuer_certify(ca, issuer, buf_bytes(&certificate), err);
}

static int found_issuer(struct ca *ca, struct ca_issuer *issuer, const char *organization, struct error *err)
{
	if (issuer->certified)
		return 0;
	enum hsm_key_type type = issuer->config->parent[0] ? HSM_EC_P256 : HSM_EC_P384;
	struct ca_seat *seat = &issuer->seats[0];
	if (!seat->token)
		return err_set(err, ERR_CONFIG, "issuer %s has no token here", issuer->config->name);
	auto_hsm_key *key = ca_key_in_token(seat->token, issuer->config->key, true, type, err);
	auto_hsm_signer *signer = NULL;
	if (!key)
		return err_wrap(err, err->code, "cannot make the key of issuer %s", issuer->config->name);
	signer = hsm_signer_new(ca->provider, key, err);
	if (!signer || certify_issuer(ca, issuer, key, signer, organization, err))
		return err_wrap(err, err->code, "cannot make the certificate of issuer %s", issuer->config->name);
	seat->key = TAKE(key);
	atomic_store_explicit(&seat->signer, TAKE(signer), memory_order_release);
	log_info("issuer founded", KV("issuer", issuer->config->name));
	return 0;
}

/* Its certificate comes from elsewhere: a root whose key is not here, and who has such a root above. */
static bool waits_for_ceremony(struct ca *ca, const struct ca_issuer *issuer)
{
	const struct ca_issuer *parent = ca_issuer_find(ca, bytes_of(issuer->config->parent));
	const struct ca_issuer *root = parent ? parent : issuer;
	return !issuer->certified && !root->config->token[0];
}

/* A parent before its children, in whatever order the configuration has them. */
static int found_issuers(struct ca *ca, const char *organization, struct error *err)
{
	for (size_t round = 0; round < ca->issuer_count; round++) {
		for (size_t i = 0; i < ca->issuer_count; i++) {
			struct ca_issuer *issuer = &ca->issuers[i];
			const struct ca_issuer *parent = ca_issuer_find(ca, bytes_of(issuer->config->parent));
			bool ready = !issuer->config->parent[0] || (parent && parent->certified);
			if (ready && !waits_for_ceremony(ca, issuer) && found_issuer(ca, issuer, organization, err))
				return -1;
		}
	}
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (!ca->issuers[i].certified && !waits_for_ceremony(ca, &ca->issuers[i]))
			return err_set(err, ERR_CONFIG, "issuer %s hangs from no root", ca->issuers[i].config->name);
	return 0;
}

static int give_waiting(struct ca *ca, const struct ca_issuer *issuer, const char *organization, ca_waiting *each,
			void *arg, struct error *err)
{
	auto_buf subject = BUF_INIT;
	auto_hsm_key *key = ca_key_in_token(issuer->seats[0].token, issuer->config->key, true, HSM_EC_P256, err);
	if (!key)
		return err_wrap(err, err->code, "cannot make the key of issuer %s", issuer->config->name);
	auto_hsm_signer *signer = hsm_signer_new(ca->provider, key, err);
	if (!signer || subject_of(organization, issuer->config->name, &subject, err))
		return -1;
	return each(arg, issuer->config, signer, buf_bytes(&subject), err);
}

int ca_found_waiting(struct ca *ca, const char *organization, ca_waiting *each, void *arg, struct error *err)
{
	for (size_t i = 0; i < ca->issuer_count; i++) {
		struct ca_issuer *issuer = &ca->issuers[i];
		if (waits_for_ceremony(ca, issuer) && issuer->seat_count &&
		    give_waiting(ca, issuer, organization, each, arg, err))
			return -1;
	}
	return 0;
}

/* ---- the audit key ---- */

static int found_audit(struct ca *ca, const char *organization, struct error *err)
{
	struct ca_audit_key *audit = &ca->audit;
	if (audit->certificate.len || !audit->token)
		return 0;
	const struct ca_profile *profile = profile_of(ca->config, CA_KIND_AUDIT, err);
	auto_hsm_key *key = ca_key_in_token(audit->token, ca->config->audit.key, true, HSM_EC_P256, err);
	auto_hsm_signer *signer = NULL;
	auto_buf subject = BUF_INIT, certificate = BUF_INIT;
	char name[sizeof(ca->config->process.node) + 7];
	(void)snprintf(name, sizeof(name), "audit-%s", ca->config->process.node);
	if (!profile || !key || subject_of(organization, name, &subject, err))
		return err_wrap(err, err->code, "cannot make the audit key");
	signer = hsm_signer_new(ca->provider, key, err);
	struct ca_issuer *issuer = ca_issuer_for(ca, profile);
	if (!signer || !issuer)
		return err_wrap(err, signer ? ERR_CONFIG : err->code, "cannot certify the audit key");
	struct own_fact fact = { CA_META_AUDIT_CERTIFICATE, "audit" };
	const struct ca_actor self = ca_actor_self();
	const struct ca_own_issue issue = {
		.actor = &self,
		.requester = "ca",
		.profile = profile,
		.issuer = issuer,
		.spki = hsm_key_spki(key),
		.subject = buf_bytes(&subject),
		.extend = add_own,
		.extend_arg = &fact,
	};
	if (ca_issue_own(ca, &issue, &certificate, NULL, err))
		return err_wrap(err, err->code, "cannot certify the audit key");
	audit->certificate = certificate;
	certificate = BUF_INIT;
	audit->key = TAKE(key);
	atomic_store_explicit(&audit->signer, TAKE(signer), memory_order_release);
	return 0;
}

/* ---- the first lists, the first head, the files ---- */

static int found_lists(struct ca *ca, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (!atomic_load(&ca->issuers[i].crl_number) && ca_issuer_is_ours(&ca->issuers[i]) &&
		    ca_crl_make(ca, &ca->issuers[i], &self, NULL, err))
			return err_wrap(err, err->code, "cannot make the first revocation list of %s",
					ca->issuers[i].config->name);
	return 0;
}

static int write_trust_root(struct ca *ca, const char *path, struct error *err)
{
	auto_buf pem = BUF_INIT;
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (!ca->issuers[i].config->parent[0] && ca->issuers[i].certified)
			text_add_pem(&pem, "CERTIFICATE", buf_bytes(&ca->issuers[i].info.certificate));
	if (pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for the trust root");
	return file_replace(path, buf_bytes(&pem), 0644, err);
}

static void close_ca(struct ca **ca)
{
	ca_close(*ca);
}

int ca_found(const struct ca_foundation *in, struct error *err)
{
	const struct ca_options options = { .config = in->config,
					    .store = in->store,
					    .clock = in->clock,
					    .pins = in->pins,
					    .published = in->published };
	CLEANUP(close_ca) struct ca *ca = ca_open(&options, err);
	auto_buf known = BUF_INIT;
	const char *organization = in->organization ? in->organization : "";
	if (ca && !organization[0]) {
		organization_of_root(ca, &known);
		organization = buf_text(&known);
	}
	if (!ca || found_issuers(ca, organization, err) || found_audit(ca, organization, err) || found_lists(ca, err) ||
	    ca_audit_sign_head(ca, false, err) || ca_publish_all(ca, err))
		return -1;
	return in->root_pem ? write_trust_root(ca, in->root_pem, err) : 0;
}
