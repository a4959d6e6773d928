/* Certificates in the log: each that people had to approve is the bytes that enough of them signed for. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/ossl.h"
#include "base/text.h"
#include "tools/audit_private.h"

CLEANUP_POINTER(policies, CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free)
#define auto_policies CLEANUP(policies_cleanup) CERTIFICATEPOLICIES

/* ---- how many officers it takes ---- */

static bool subject_has(const X509 *x, int nid)
{
	return X509_NAME_get_index_by_NID(X509_get_subject_name(x), nid, -1) >= 0;
}

static bool has_policy(const X509 *x, const char *wanted)
{
	auto_policies *policies = X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
	for (int i = 0; policies && i < sk_POLICYINFO_num(policies); i++) {
		char text[64];
		(void)OBJ_obj2txt(text, sizeof(text), sk_POLICYINFO_value(policies, i)->policyid, 1);
		if (strcmp(text, wanted) == 0)
			return true;
	}
	return false;
}

/* EVG 7.1.4.2, BR 7.1.2.7: who registered the organization stands under extended validation alone, and an organization
 * under organization validation. The CA/Browser Forum's policies say the same. */
int audit_issued_needed(struct bytes der, unsigned *needed, struct error *err)
{
	const unsigned char *at = der.data;
	auto_x509 *x = d2i_X509(NULL, &at, (long)der.len);
	if (!x || at != der.data + der.len) {
		ERR_clear_error();
		return err_set(err, ERR_BAD_REQUEST, "this is no certificate");
	}
	bool ca = X509_check_ca(x) != 0;
	bool extended = subject_has(x, NID_jurisdictionCountryName) || subject_has(x, NID_businessCategory) ||
			has_policy(x, "2.23.140.1.1");
	bool organization = subject_has(x, NID_organizationName) || has_policy(x, "2.23.140.1.2.2");
	bool server = (X509_get_extended_key_usage(x) & XKU_SSL_SERVER) != 0;
	*needed = ca ? 0 : extended ? 2 : organization && server ? 1 : 0;
	return 0;
}

/* ---- one certificate ---- */

/* The certificate in the entry is the one that the entry is about. */
static int read_certificate(const struct audit_entry *e, struct buf *der, struct ca_certificate_facts *facts,
			    struct error *err)
{
	uint8_t hash[AUDIT_HASH_LEN], tbs[AUDIT_HASH_LEN];
	char hex[2 * AUDIT_HASH_LEN + 1];
	const char *serial = strrchr(e->subject, '/');
	auto_buf own = BUF_INIT;
	if (audit_detail_base64(e, "certificate", der, err))
		return -1;
	if (ca_certificate_read(buf_bytes(der), facts, err))
		return audit_wrong(e, err, "what it holds is no certificate");
	sha256(der->data, der->len, hash);
	if (!e->has_sha256 || memcmp(hash, e->sha256, sizeof(hash)) != 0)
		return audit_wrong(e, err, "it holds another certificate than the one it tells of");
	text_add_hex(&own, facts->serial);
	if (!serial || strcmp(serial + 1, buf_text(&own)) != 0)
		return audit_wrong(e, err, "its certificate has another serial number");
	sha256(facts->tbs.data, facts->tbs.len, tbs);
	if (strcmp(audit_detail(e, "tbs"), text_hex(BYTES(tbs, sizeof(tbs)), hex)) != 0)
		return audit_wrong(e, err, "its certificate is not of the bytes that it names");
	return 0;
}

static const struct audit_approval *find_listed(const struct audit_order *o, const char *hex)
{
	char own[2 * AUDIT_HASH_LEN + 1];
	for (size_t i = 0; i < o->approval_count; i++)
		if (!o->approvals[i].is_void &&
		    strcmp(text_hex(BYTES(o->approvals[i].statement, AUDIT_HASH_LEN), own), hex) == 0)
			return &o->approvals[i];
	return NULL;
}

/* Where the entry lists the statements that it counts, they are in the log. */
static int check_listed(const struct audit_entry *e, const struct audit_order *o, const uint8_t tbs[AUDIT_HASH_LEN],
			struct error *err)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(e->detail, "approvals"), i, item)
	{
		const char *hex = json_string_value(item);
		const struct audit_approval *a = hex ? find_listed(o, hex) : NULL;
		if (!a || memcmp(a->tbs, tbs, AUDIT_HASH_LEN) != 0)
			return audit_wrong(e, err, "it counts an approval that the log does not have");
	}
	return 0;
}

/* How many signed for these bytes. They are distinct, and none is the requester: that was looked at when they approved. A
 * version of a record is vetted by one (audit_decisions.c): of two, as extended validation wants them, one at most. */
static unsigned count(const struct audit_order *o, const uint8_t tbs[AUDIT_HASH_LEN])
{
	unsigned all = 0;
	for (size_t i = 0; i < o->approval_count; i++)
		all += !o->approvals[i].is_void && memcmp(o->approvals[i].tbs, tbs, AUDIT_HASH_LEN) == 0;
	return all;
}

static int check_organization(const struct audit_decisions *d, const struct audit_entry *e, const struct audit_order *o,
			      struct error *err)
{
	const struct audit_organization *organization =
		o->organization[0] ? lookup_find(&d->organizations, bytes_of(o->organization)) : NULL;
	if (!organization)
		return audit_wrong(e, err, "its order names no organization that the log knows");
	if (!organization->vetted_by[0] || organization->suspended)
		return audit_wrong(e, err, "the record of organization %s was %s when it was issued", o->organization,
				   organization->suspended ? "suspended" : "not vetted");
	return 0;
}

static int check_approvals(const struct audit_decisions *d, const struct audit_entry *e, const struct audit_order *o,
			   struct bytes der, const struct ca_certificate_facts *facts, struct error *err)
{
	uint8_t tbs[AUDIT_HASH_LEN];
	unsigned needed;
	sha256(facts->tbs.data, facts->tbs.len, tbs);
	if (audit_issued_needed(der, &needed, err))
		return audit_wrong(e, err, "what it holds is no certificate");
	if (needed && check_organization(d, e, o, err))
		return -1;
	unsigned all = count(o, tbs);
	if (all < (needed ? needed : 1))
		return audit_wrong(e, err, "%u officer%s signed for the bytes of its certificate, where it takes %u",
				   all, all == 1 ? "" : "s", needed ? needed : 1);
	return check_listed(e, o, tbs, err);
}

/* ---- certificate.issued ---- */

static bool has_approvals(const struct audit_order *o)
{
	for (size_t i = 0; i < o->approval_count; i++)
		if (!o->approvals[i].is_void)
			return true;
	return false;
}

/* As the entry has it: the requester where that is not who acted. */
static const char *requester_of(const struct audit_entry *e)
{
	const char *requester = audit_detail(e, "requester");
	return requester[0] ? requester : e->actor;
}

static int check_order(struct audit_decisions *d, const struct audit_entry *e, const char *id, bool *proved,
		       struct error *err)
{
	struct audit_order *o = lookup_find(&d->orders, bytes_of(id));
	auto_buf der = BUF_INIT;
	struct ca_certificate_facts facts;
	if (!o)
		return audit_wrong(e, err, "its order %s is not in the log", id);
	if (o->denied || o->issued)
		return audit_wrong(e, err, "its order %s was %s before", id, o->denied ? "denied" : "issued");
	if (strcmp(requester_of(e), o->requester) != 0)
		return audit_wrong(e, err, "its order %s was made by %s", id, o->requester);
	o->issued = true;
	bool has_certificate = audit_detail(e, "certificate")[0];
	if (!has_certificate && (has_approvals(o) || audit_detail(e, "tbs")[0]))
		return audit_wrong(e, err, "people approved its order, and the certificate is not there");
	if (!has_certificate)
		return 0;
	if (read_certificate(e, &der, &facts, err) || check_approvals(d, e, o, buf_bytes(&der), &facts, err))
		return -1;
	d->counts.certificates++;
	*proved = true;
	return 0;
}

int audit_issued_entry(struct audit_decisions *d, const struct audit_entry *e, struct error *err)
{
	const char *id = audit_detail(e, "order");
	bool proved = false;
	if (!id[0] && (audit_detail(e, "certificate")[0] || audit_detail(e, "tbs")[0]))
		return audit_wrong(e, err, "its certificate was approved for no order");
	if (id[0] && check_order(d, e, id, &proved, err))
		return -1;
	struct audit_wanted *wanted = e->has_sha256 ? lookup_find(&d->wanted, BYTES(e->sha256, AUDIT_HASH_LEN)) : NULL;
	if (wanted) {
		wanted->sequence = e->sequence;
		wanted->proved = proved;
	}
	return 0;
}
