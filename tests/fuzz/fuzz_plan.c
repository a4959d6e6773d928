/* Plans of ceremonies: each is read whole or refused with the line that is wrong; what is read is checked. */
#include <stdlib.h>

#include "ca-core/ceremony_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct ceremony_plan *plan)
{
	const struct ceremony_check_options options = { .unattended_allowed = true };
	struct ceremony_checked checked;
	struct error err = ERR_INIT;
	if (ceremony_check(plan, "/nonexistent", &options, &checked, &err))
		require(err.code == ERR_CONFIG && strncmp(err.message, "plan:", 5) == 0);
	for (size_t i = 0; i < checked.count; i++)
		require(err.code != ERR_NONE ||
			!checked.drafts[i].tbs.len == !ceremony_kind_signs(plan->steps[i].kind));
	ceremony_checked_clear(&checked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERR_INIT;
	auto_ceremony_plan *plan = ceremony_plan_parse(BYTES(data, size), "plan", &err);
	if (!plan) {
		require(err.code == ERR_CONFIG && strncmp(err.message, "plan:", 5) == 0);
		return 0;
	}
	for (size_t i = 0; i < plan->step_count; i++) {
		char out[70];
		require(ceremony_plan_step(plan, plan->steps[i].name) == i);
		(void)ceremony_step_output(&plan->steps[i], out);
		require(!plan->steps[i].issuer[0] || ceremony_step_signer(plan, &plan->steps[i]) != NULL);
	}
	check(plan);
	return 0;
}
