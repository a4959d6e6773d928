#include "tools/ceremony_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "hsm/admin.h"
#include "tools/child.h"

#define PIN_OCTETS 16

struct ceremony_stage {
	const struct ceremony_plan *plan;
	const char *module;
	char *folder, *configuration;
	struct secret *pin;
};

const char *ceremony_stage_module(const struct ceremony_stage *stage)
{
	return stage->module;
}

const char *ceremony_stage_configuration(const struct ceremony_stage *stage)
{
	return stage->configuration;
}

struct secret *ceremony_stage_pin(const struct ceremony_stage *stage, struct error *err)
{
	return secret_new(secret_bytes(stage->pin), err);
}

void ceremony_stage_remove(struct ceremony_stage *stage)
{
	if (!stage)
		return;
	struct error ignored = ERR_INIT;
	if (stage->folder && file_remove_tree(stage->folder, &ignored))
		log_warn("the rehearsal's tokens are still there", KV("folder", stage->folder));
	secret_free(stage->pin);
	free(stage->folder);
	free(stage->configuration);
	free(stage);
}

/* In a process of its own: libp11 initializes and finalizes the module. */
static int init_tokens(void *argument, struct buf *answer, struct error *err)
{
	const struct ceremony_stage *stage = argument;
	(void)answer;
	if (hsm_admin_make_softhsm(stage->folder, err))
		return -1;
	if (setenv("SOFTHSM2_CONF", stage->configuration, 1))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	for (size_t i = 0; i < stage->plan->token_count; i++)
		if (hsm_admin_init_token(stage->module, stage->plan->tokens[i].label, stage->pin, stage->pin, err))
			return -1;
	return 0;
}

static int prepare(struct ceremony_stage *stage, struct error *err)
{
	const char *below = getenv("TMPDIR");
	stage->module = hsm_admin_find_softhsm();
	if (!stage->module)
		return err_set(err, ERR_NOT_FOUND, "a rehearsal plays on SoftHSM2: `apt-get install softhsm2`");
	if (asprintf(&stage->folder, "%s/chancery-rehearsal-XXXXXX", below && below[0] ? below : "/tmp") < 0) {
		stage->folder = NULL;
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	}
	if (!mkdtemp(stage->folder)) {
		(void)err_errno(err, ERR_IO, "cannot make the folder %s", stage->folder);
		free(stage->folder);
		stage->folder = NULL;
		return -1;
	}
	if (asprintf(&stage->configuration, "%s/softhsm2.conf", stage->folder) < 0) {
		stage->configuration = NULL;
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	}
	stage->pin = secret_random(PIN_OCTETS, err);
	return stage->pin ? child_run(init_tokens, stage, NULL, err) : -1;
}

struct ceremony_stage *ceremony_stage_make(const struct ceremony_plan *plan, struct error *err)
{
	struct ceremony_stage *stage = calloc(1, sizeof(*stage));
	if (!stage) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a rehearsal");
		return NULL;
	}
	stage->plan = plan;
	if (prepare(stage, err) == 0)
		return stage;
	ceremony_stage_remove(stage);
	return NULL;
}
