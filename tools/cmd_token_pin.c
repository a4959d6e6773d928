/* chancery token pin change: another user PIN, that survives a crash at any moment. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "tools/child.h"
#include "tools/cmd_token.h"
#include "tools/pin.h"

/*
 * Where the PIN is in a file, the new one is on the disk as FILE.new before the token hears of it, and becomes FILE
 * afterwards. Whoever finds a FILE.new knows that a change was interrupted, but not whether the token has it. Then
 * FILE.new is what is tried, once: nobody else ever tried it, while FILE's PIN may have been refused to a server
 * already. Accepted, it becomes FILE; refused, it is removed. So no PIN is refused twice.
 */
struct change {
	const struct ca_config *config;
	const struct ca_config_token *token;
	char *file, *new_file; /* NULL where the PIN is in no file */
	int lock;              /* on file, for as long as this process or its child lives; or -1 */
	struct secret *pin, *new_pin;
	struct common_options common; /* with the state directory as an absolute path */
	const char *made;             /* the file that --new-pin names, where it was made here; or NULL. Borrowed */
};

static void change_free(struct change *c)
{
	if (c->lock >= 0)
		(void)close(c->lock);
	free(c->file);
	free(c->new_file);
	secret_free(c->pin);
	secret_free(c->new_pin);
}

/* ---- in processes of their own, as the token's user ---- */

static int ask_limits(void *argument, struct buf *answer, struct error *err)
{
	const struct change *c = argument;
	struct hsm_token_info info;
	if (token_become_user(c->config, c->token, err) ||
	    hsm_admin_token_info(c->token->module, c->token->uri, &info, err))
		return -1;
	const struct pin_limits limits = { info.pin_min, info.pin_max };
	buf_add(answer, &limits, sizeof(limits));
	return 0;
}

/* Answers with the outcome, which stays unsaid where the module ends the process. */
static int set_pin(void *argument, struct buf *answer, struct error *err)
{
	const struct change *c = argument;
	enum hsm_pin_outcome outcome = HSM_PIN_UNCHANGED;
	int done =
		token_become_user(c->config, c->token, err) ||
				hsm_admin_change_pin(c->token->module, c->token->uri, c->pin, c->new_pin, &outcome, err)
			? -1
			: 0;
	buf_u8(answer, (uint8_t)outcome);
	return done;
}

static int try_new(void *argument, struct buf *answer, struct error *err)
{
	const struct change *c = argument;
	bool accepted = false;
	if (token_become_user(c->config, c->token, err) ||
	    hsm_admin_try_pin(c->token->module, c->token->uri, c->new_pin, &accepted, err))
		return -1;
	buf_u8(answer, accepted);
	return 0;
}

/* ---- files ---- */

/* Two changes at once would take each other's FILE.new for left over. */
static int lock_file(struct change *c, struct error *err)
{
	c->lock = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (c->lock < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s, the PIN of token %s",
				 c->file, c->token->name);
	struct stat locked, named;
	bool held = flock(c->lock, LOCK_EX | LOCK_NB) == 0;
	if (!held && errno != EWOULDBLOCK)
		return err_errno(err, ERR_IO, "cannot lock %s", c->file);
	/* The file may have been replaced since it was opened. */
	if (held && fstat(c->lock, &locked) == 0 && stat(c->file, &named) == 0 && locked.st_ino == named.st_ino)
		return 0;
	return err_set(err, ERR_CONFLICT, "another change of this PIN is under way (%s is locked)", c->file);
}

/* A PIN in a file is found where it really lies, and locked. */
static int find_file(struct change *c, struct error *err)
{
	const char *path = pin_file(c->token->pin);
	char real[PATH_MAX];
	if (!path)
		return 0;
	if (!realpath(path, real))
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot find %s, the PIN of token %s",
				 path, c->token->name);
	c->file = strdup(real);
	if (!c->file || asprintf(&c->new_file, "%s.new", real) < 0) {
		c->new_file = NULL;
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	}
	return lock_file(c, err);
}

static struct secret *read_pin(const char *path, const char *what, struct error *err)
{
	auto_buf reference = BUF_INIT;
	buf_printf(&reference, "file:%s", path);
	return secret_get(buf_text(&reference), what, err);
}

/* The one place where a running server is told that the token has another PIN: it uses it at its next login. */
static void tell_server(const struct change *c)
{
	struct error err = ERR_INIT;
	if (state_server_runs() && token_hand_pin(&c->common, c->token->name, c->new_pin, &err))
		(void)fprintf(stderr,
			      "chancery: the running server knows the old PIN of token %s alone (%s): "
			      "`chancery token pin retry %s` before it has to log in again\n",
			      c->token->name, err.message, c->token->name);
}

static void say(const struct invocation *in, const struct change *c, bool completed)
{
	tell_server(c);
	if (in->common.json)
		output_json(json_pack("{s:s, s:s, s:b}", "token", c->token->name, "pin", c->token->pin, "completed",
				      (int)completed));
	else if (completed)
		(void)printf("The change of token %s's PIN that was interrupted is complete: %s has the PIN now.\n",
			     c->token->name, c->file);
	else
		(void)printf("Token %s has a new PIN%s%s.\n", c->token->name, c->file ? ", which is in " : "",
			     c->file ? c->file : "");
}

/* ---- what an interrupted change has left ---- */

static int refuse_left(struct change *c, struct error *err)
{
	if (unlink(c->new_file))
		return err_errno(
			err, ERR_IO,
			"the token refused the PIN in %s, of a change that was interrupted; remove that file, it is "
			"nobody's PIN",
			c->new_file);
	return err_set(
		err, ERR_CONFLICT,
		"a change of token %s's PIN was interrupted before the token knew of it: it refused the PIN in %s, "
		"which is removed. The PIN is still the one in %s, and was not changed; run the command again "
		"to change it",
		c->token->name, c->new_file, c->file);
}

static int finish_interrupted(struct change *c, struct error *err)
{
	auto_buf answer = BUF_INIT;
	struct error cause = ERR_INIT;
	c->new_pin = read_pin(c->new_file, "PIN of an interrupted change", &cause);
	if (!c->new_pin || child_run(try_new, c, &answer, &cause) || answer.len != 1) {
		*err = cause;
		return err_wrap(
			err, cause.code == ERR_NONE ? ERR_INTERNAL : cause.code,
			"a change of token %s's PIN was interrupted and left %s; whether the token has that PIN "
			"cannot be found out now: %s. Keep both files and run the command again",
			c->token->name, c->new_file, cause.message);
	}
	if (!answer.data[0])
		return refuse_left(c, err);
	return file_rename(c->new_file, c->file, err);
}

/* ---- the change ---- */

static struct secret *choose_new(struct change *c, const char *reference, struct error *err)
{
	auto_buf answer = BUF_INIT;
	struct pin_limits limits;
	char what[160];
	if (!reference && !c->file && strcmp(c->token->pin, "prompt") != 0) {
		(void)err_set(err, ERR_USAGE,
			      "--new-pin is needed: the PIN of token %s is %s, where no new one can be written",
			      c->token->name, c->token->pin);
		return NULL;
	}
	const char *given = reference ? pin_file(reference) : NULL;
	if (c->file && given && !file_exists(given)) {
		(void)err_set(err, ERR_NOT_FOUND, "there is no file %s with a new PIN; without --new-pin one is drawn",
			      given);
		return NULL;
	}
	if (child_run(ask_limits, c, &answer, err))
		return NULL;
	if (answer.len != sizeof(limits)) {
		(void)err_set(err, ERR_INTERNAL, "the module's answer was lost");
		return NULL;
	}
	memcpy(&limits, answer.data, sizeof(limits));
	if (!reference && c->file)
		return pin_draw(limits, err);
	(void)snprintf(what, sizeof(what), "new PIN of token %s", c->token->name);
	bool made = false;
	struct secret *pin = pin_to_set(reference ? reference : "prompt", what, limits, &made, err);
	c->made = made ? given : NULL;
	return pin;
}

static int check_new(const struct change *c, struct error *err)
{
	struct bytes new = secret_bytes(c->new_pin);
	if (bytes_equal_secret(secret_bytes(c->pin), new))
		return err_set(err, ERR_USAGE, "the new PIN of token %s is the one that it has", c->token->name);
	if (c->file && (memchr(new.data, '\n', new.len) || memchr(new.data, '\0', new.len)))
		return err_set(err, ERR_CONFIG, "a PIN with a line end or a NUL in it cannot be kept in %s", c->file);
	return 0;
}

/* The token has it, or has not, or nobody knows. */
static int settle(struct change *c, enum hsm_pin_outcome outcome, struct error *err)
{
	struct error cause = *err;
	if (outcome == HSM_PIN_CHANGED && c->file && file_rename(c->new_file, c->file, err)) {
		cause = *err;
		return err_wrap(err, cause.code,
				"token %s has the new PIN, which is in %s: move that file over %s (%s)", c->token->name,
				c->new_file, c->file, cause.message);
	}
	if (outcome == HSM_PIN_UNCHANGED && c->file)
		(void)unlink(c->new_file);
	if (outcome == HSM_PIN_UNCHANGED && c->made)
		(void)unlink(c->made);
	if (outcome != HSM_PIN_UNKNOWN)
		return outcome == HSM_PIN_CHANGED ? 0 : -1;
	return err_wrap(
		err, ERR_TOKEN_UNAVAILABLE,
		c->file ? "whether token %s has its new PIN is not known: %s. The new PIN is in %s; run the command "
			  "again once the token answers: it finds out with one login"
			: "whether token %s has its new PIN is not known: %s. Try the new one first%s",
		c->token->name, cause.message, c->file ? c->new_file : "");
}

static int change(struct change *c, const char *reference, struct error *err)
{
	auto_buf answer = BUF_INIT;
	c->pin = c->file ? read_pin(c->file, c->token->name, err) : pin_get(c->token->pin, c->token->name, err);
	c->new_pin = c->pin ? choose_new(c, reference, err) : NULL;
	if (!c->new_pin || check_new(c, err) || (c->file && pin_write(c->new_file, c->new_pin, err)))
		return -1;
	(void)child_run(set_pin, c, &answer, err);
	return settle(c, answer.len == 1 ? (enum hsm_pin_outcome)answer.data[0] : HSM_PIN_UNKNOWN, err);
}

int token_pin_change(struct invocation *in)
{
	const char *new_pin = NULL;
	const struct option_spec specs[] = {
		{ "new-pin", OPTION_TEXT, &new_pin, "REF", "the new PIN: file:PATH, credential:NAME, fd:N, prompt" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (new_pin && !secret_is_reference(new_pin))
		return refuse_usage(in, "--new-pin wants file:PATH, credential:NAME, fd:N or prompt, not a PIN");
	auto_buf reference = BUF_INIT;
	if (new_pin && pin_reference_absolute(new_pin, &reference, &in->error))
		return refuse(in);
	new_pin = new_pin ? buf_text(&reference) : NULL;
	auto_free char *state_folder = path_absolute(in->common.state, &in->error);
	auto_ca_config *config = state_folder ? token_enter(in) : NULL;
	CLEANUP(change_free) struct change c = { .config = config, .lock = -1, .common = in->common };
	c.common.state = state_folder;
	c.token = config ? token_named(config, in->operands[0], &in->error) : NULL;
	if (!c.token || find_file(&c, &in->error))
		return refuse(in);
	bool interrupted = c.new_file && file_exists(c.new_file);
	if (interrupted ? finish_interrupted(&c, &in->error) : change(&c, new_pin, &in->error))
		return refuse(in);
	say(in, &c, interrupted);
	return 0;
}

const char token_pin_change_detail[] =
	"Without --new-pin a PIN is drawn at random, or asked for where the section says `prompt`. Where the section\n"
	"names a file, the new PIN lies beside it as FILE.new before the token is told, and replaces it afterwards.\n"
	"Where that was interrupted, the same command finds out with one login which PIN the token has.\n";
