/* chancery token pin retry: a running server tries the PIN again, because a person asks for it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#include "tools/admin.h"
#include "tools/cmd_token.h"

#define WAIT_MS 15000
#define PAUSE_NS 50000000 /* between two looks */

const char token_pin_retry_detail[] =
	"Reads the PIN anew where the configuration says that it is, and hands it to the running server, which tries\n"
	"it once. A PIN that the token refused is never tried again before somebody asks for it so, or it has\n"
	"changed and the server is started again. Exit status 1 where the token refuses it.\n";

int token_hand_pin(const struct common_options *common, const char *name, const struct secret *pin, struct error *err)
{
	auto_secret_buf question = BUF_INIT;
	auto_buf answer = BUF_INIT;
	const struct message_token_pin m = { .name = bytes_of(name), .pin = secret_bytes(pin) };
	auto_admin *admin = admin_open(common, err);
	message_token_pin_write(&m, &question);
	if (!admin || question.failed)
		return admin ? err_set(err, ERR_INTERNAL, "no memory for a PIN") : -1;
	return admin_ask(admin, MSG_TOKEN_PIN, buf_bytes(&question), MSG_DONE, &answer, err);
}

static int state_of(struct admin *admin, const char *name, struct buf *state, struct buf *why, struct error *err)
{
	auto_buf answer = BUF_INIT;
	auto_free struct message_health *health = calloc(1, sizeof(*health));
	if (!health)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (admin_ask(admin, MSG_HEALTH_GET, BYTES_NONE, MSG_HEALTH, &answer, err) ||
	    message_health_read(buf_bytes(&answer), health, err))
		return -1;
	for (uint32_t i = 0; i < health->token_count; i++) {
		if (!bytes_are(health->tokens[i].name, name))
			continue;
		buf_add_bytes(state, health->tokens[i].state);
		buf_add_bytes(why, health->tokens[i].why);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "the server has no token \"%s\"", name);
}

/* Until the server has tried it: up, refused again, or away. */
static int await(const struct common_options *common, const char *name, struct buf *state, struct error *err)
{
	auto_admin *admin = admin_open(common, err);
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	const struct timespec pause = { 0, PAUSE_NS };
	auto_buf why = BUF_INIT;
	do {
		buf_clear(state);
		buf_clear(&why);
		if (!admin || state_of(admin, name, state, &why, err))
			return -1;
		if (strcmp(buf_text(state), "up") == 0 || strcmp(buf_text(state), "degraded") == 0)
			return 0;
		if (strcmp(buf_text(state), "pin-refused") == 0)
			return err_set(err, ERR_CONFLICT, "token %s refuses this PIN, too; it is not tried again%s%s",
				       name, why.len ? ": " : "", buf_text(&why));
		(void)nanosleep(&pause, NULL);
	} while (clock_monotonic_ms() < until_ms);
	return err_set(err, ERR_TOKEN_UNAVAILABLE, "the server has the PIN, but token %s is %s: %s", name,
		       buf_text(state), buf_text(&why));
}

int token_pin_retry(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	/* Before token_enter: the socket is named from where we are. */
	auto_free char *state_folder = path_absolute(in->common.state, &in->error);
	auto_ca_config *config = state_folder ? token_enter(in) : NULL;
	const struct ca_config_token *token = config ? token_named(config, in->operands[0], &in->error) : NULL;
	auto_secret *pin = token ? secret_get(token->pin, token->name, &in->error) : NULL;
	struct common_options common = in->common;
	auto_buf state = BUF_INIT;
	common.state = state_folder;
	if (!pin || token_hand_pin(&common, token->name, pin, &in->error) ||
	    await(&common, token->name, &state, &in->error))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s, s:s}", "token", token->name, "state", buf_text(&state)));
	else
		(void)printf("Token %s took the PIN: it is %s.\n", token->name, buf_text(&state));
	return 0;
}
