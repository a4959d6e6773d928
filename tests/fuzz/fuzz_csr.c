/* Requests: whatever arrives is read or refused for a reason of its own; what is read can be worked with. */
#include <stdlib.h>

#include "ca-core/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Every refusal is the sender's affair: a 4xx of the contract, with a text. */
static void require_refusal(const struct error *err)
{
	require(err_class(err->code)->http_status >= 400 && err_class(err->code)->http_status < 500);
	require(err->message[0] != '\0');
}

static void ask_for_names(const struct ca_csr *csr, enum ca_kind kind)
{
	struct ca_profile profile;
	struct error err = ERR_INIT;
	char common_name[65];
	auto_ca_names names = CA_NAMES_INIT;
	ca_profile_default(kind, &profile);
	if (ca_csr_names(csr, &profile, &names, common_name, &err)) {
		require_refusal(&err);
		return;
	}
	require(names.count <= profile.names_max && (names.count || common_name[0]));
	for (size_t i = 0; i < names.count; i++) {
		auto_buf printed = BUF_INIT;
		struct ca_name again;
		ca_name_print(&names.items[i], &printed);
		require(ca_name_parse(buf_bytes(&printed), &again, &err) == 0);
		require(strcmp(again.text, names.items[i].text) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERR_INIT;
	auto_ca_csr *csr = ca_csr_parse(BYTES(data, size), 100, &err);
	if (!csr) {
		require_refusal(&err);
		return 0;
	}
	require(csr->names.count <= 100 && csr->not_copied_count <= CA_CSR_NOT_COPIED_MAX);
	if (ca_csr_verify(csr, &err))
		require_refusal(&err);
	ask_for_names(csr, CA_KIND_SERVER);
	ask_for_names(csr, CA_KIND_CLIENT);
	return 0;
}
