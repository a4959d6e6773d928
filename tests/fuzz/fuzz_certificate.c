/* Certificates of others and bytes to be signed: read, linted, shown, without a crash. */
#include <stdlib.h>

#include "ca-core/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void lint_as(struct bytes tbs, enum ca_kind kind, const struct ca_issuer_info *issuer)
{
	static const uint8_t audit_eku[] = { 0x88, 0x37, 1, 2 };
	struct ca_profile profile;
	struct error err = ERR_INIT;
	ca_profile_default(kind, &profile);
	if (kind != CA_KIND_ROOT)
		profile.issuer[0] = 'i';
	profile.waivers = CA_WAIVER_INTERNAL_NAME;
	require(ca_profile_prepare(&profile, CA_EKU_SERVER, BYTES(audit_eku, sizeof(audit_eku)), &err) == 0);
	(void)ca_lint_tbs(tbs, &profile, kind == CA_KIND_ROOT ? NULL : issuer, 1795262400, &err);
	ca_profile_clear(&profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes der = BYTES(data, size);
	struct ca_certificate_facts facts;
	struct ca_issuer_info info;
	struct error err = ERR_INIT;
	if (ca_certificate_read(der, &facts, &err)) {
		require(err.code == ERR_INTEGRITY);
		return 0;
	}
	auto_buf text = BUF_INIT;
	if (ca_subject_text(facts.subject, &text, &err))
		require(err.code == ERR_BAD_CSR);
	if (ca_issuer_info_load(&info, "issuing-1", der, "http://pki.test", &err))
		return 0;
	for (enum ca_kind kind = CA_KIND_ROOT; kind <= CA_KIND_AUDIT; kind++)
		lint_as(facts.tbs, kind, &info);
	ca_issuer_info_clear(&info);
	return 0;
}
