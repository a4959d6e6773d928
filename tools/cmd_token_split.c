/* chancery token pin split: a new random PIN that M of N people hold, or an SO PIN that nobody holds. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "tools/ask.h"
#include "tools/child.h"
#include "tools/cmd_token.h"
#include "tools/pin.h"
#include "tools/shares_collect.h"
#include "tools/split_folder.h"

/*
 * Shares and sheet.new are on the disk, and read back, before the token hears of the new PIN; sheet.new becomes sheet.txt
 * once a login with the PIN of these very files has worked (tools/split_folder.h). Whoever finds sheet.new knows that a split
 * was interrupted: the same command finds out with one login whether the token has its PIN, and either completes the
 * split, or removes its files, for then the old PIN is the token's.
 */
struct split {
	/* the command line */
	const char *module, *label, *pin, *so_pin, *out;
	unsigned shares, threshold;
	bool so, destroy, digits, print, yes;
	/* what comes of it */
	const struct ca_config *config; /* NULL: a token that is in no configuration */
	struct ca_config_token token;   /* its section, or made up of the options */
	struct buf present;             /* reference of the present PIN */
	struct split_folder folder;
	enum shares_pin kind;
	struct hsm_token_info info;
	struct shares_sheet sheet;
	struct share all[SHARES_MAX];
	struct secret *old_pin, *new_pin;
};

static void split_free(struct split *s)
{
	buf_free(&s->present);
	split_folder_free(&s->folder);
	shares_wipe(s->all, SHARES_MAX);
	secret_free(s->old_pin);
	secret_free(s->new_pin);
}

/* ---- in processes of their own, as the token's user ---- */

static int become_user(const struct split *s, struct error *err)
{
	return s->config ? token_become_user(s->config, &s->token, err) : 0;
}

static int ask_facts(void *argument, struct buf *answer, struct error *err)
{
	const struct split *s = argument;
	struct hsm_token_info info;
	if (become_user(s, err) || hsm_admin_token_info(s->token.module, s->token.uri, &info, err))
		return -1;
	buf_add(answer, &info, sizeof(info));
	return 0;
}

/* Answers with the outcome, which stays unsaid where the module ends the process. */
static int set_pin(void *argument, struct buf *answer, struct error *err)
{
	const struct split *s = argument;
	enum hsm_pin_outcome outcome = HSM_PIN_UNCHANGED;
	int done = become_user(s, err);
	if (done == 0)
		done = (s->kind == SHARES_PIN_SO ? hsm_admin_change_so_pin
						 : hsm_admin_change_pin)(s->token.module, s->token.uri, s->old_pin,
									 s->new_pin, &outcome, err);
	buf_u8(answer, (uint8_t)outcome);
	return done;
}

static int try_new(void *argument, struct buf *answer, struct error *err)
{
	const struct split *s = argument;
	bool accepted = false;
	if (become_user(s, err) ||
	    (s->kind == SHARES_PIN_SO ? hsm_admin_try_so_pin : hsm_admin_try_pin)(s->token.module, s->token.uri,
										  s->new_pin, &accepted, err))
		return -1;
	buf_u8(answer, accepted);
	return 0;
}

/* One login with the new PIN. */
static int log_in(struct split *s, bool *accepted, struct error *err)
{
	auto_buf answer = BUF_INIT;
	if (child_run(try_new, s, &answer, err))
		return -1;
	*accepted = answer.len == 1 && answer.data[0];
	return answer.len == 1 ? 0 : err_set(err, ERR_INTERNAL, "the module's answer was lost");
}

static int get_facts(struct split *s, struct error *err)
{
	auto_buf answer = BUF_INIT;
	if (child_run(ask_facts, s, &answer, err))
		return -1;
	if (answer.len != sizeof(s->info))
		return err_set(err, ERR_INTERNAL, "the module's answer was lost");
	memcpy(&s->info, answer.data, sizeof(s->info));
	output_clean(s->info.label); /* from here on for people, and as sheets have them */
	output_clean(s->info.serial);
	return 0;
}

/* ---- the change, the same for shares and for a PIN that nobody keeps ---- */

static const char *pin_name(const struct split *s)
{
	return shares_pin_name(s->kind);
}

static int get_pins(struct split *s, struct error *err)
{
	char what[160];
	const struct pin_limits limits = { s->info.pin_min, s->info.pin_max };
	(void)snprintf(what, sizeof(what), "present %s of token %s", pin_name(s), s->info.label);
	s->old_pin = pin_get(buf_text(&s->present), what, err);
	s->new_pin = s->old_pin ? shares_draw_pin(limits, s->digits, err) : NULL;
	return s->new_pin ? 0 : -1;
}

static enum hsm_pin_outcome change(struct split *s, struct error *err)
{
	auto_buf answer = BUF_INIT;
	(void)child_run(set_pin, s, &answer, err);
	return answer.len == 1 ? (enum hsm_pin_outcome)answer.data[0] : HSM_PIN_UNKNOWN;
}

/* ---- shares ---- */

/* Whether the token has the new PIN is open; err says why. */
static int left_open(const struct split *s, struct error *err)
{
	struct error cause = *err;
	return err_wrap(
		err, cause.code == ERR_NONE ? ERR_TOKEN_UNAVAILABLE : cause.code,
		"whether token %s has the %s of the shares in %s is not known: %s. Keep them, and the old %s; run "
		"the same command again once the token answers: it finds out with one login",
		s->info.label, pin_name(s), s->folder.path, cause.message, pin_name(s));
}

static int confirm(struct split *s, struct error *err)
{
	bool accepted = false;
	if (log_in(s, &accepted, err))
		return left_open(s, err);
	if (!accepted)
		return err_set(err, ERR_INTEGRITY,
			       "token %s took a new %s and refuses it now: keep everything in %s, and the old %s",
			       s->info.label, pin_name(s), s->folder.path, pin_name(s));
	return split_folder_confirm(&s->folder, err);
}

/* Draws the PIN, splits it, and has it on the disk. */
static int write_shares(struct split *s, struct error *err)
{
	struct clock clock = clock_system();
	if (get_pins(s, err) || shares_split(s->new_pin, s->kind, s->shares, s->threshold, s->all, err))
		return -1;
	shares_sheet_make(s->info.label, s->info.serial, clock_now_ms(&clock) / 1000, s->all, s->shares, &s->sheet);
	if (split_folder_write(&s->folder, &s->sheet, s->all, err))
		return -1;
	auto_secret *read = split_folder_combine(&s->folder, &s->sheet, err);
	if (read && bytes_equal_secret(secret_bytes(read), secret_bytes(s->new_pin)))
		return 0;
	return read ? err_set(err, ERR_INTEGRITY, "the shares do not give the PIN back") : -1;
}

static int split(struct split *s, struct error *err)
{
	struct error ignored = ERR_INIT;
	if (split_folder_make(&s->folder, err))
		return -1;
	enum hsm_pin_outcome outcome = write_shares(s, err) ? HSM_PIN_UNCHANGED : change(s, err);
	if (outcome == HSM_PIN_CHANGED)
		return confirm(s, err);
	if (outcome == HSM_PIN_UNKNOWN)
		return left_open(s, err);
	(void)split_folder_remove(&s->folder, s->shares, &ignored);
	return -1;
}

/* The PIN of the files; where they were given to their custodians already, these are asked. */
static struct secret *get_left_pin(const struct split *s, struct error *err)
{
	struct error cause = ERR_INIT;
	struct secret *pin = split_folder_combine(&s->folder, &s->sheet, &cause);
	if (pin)
		return pin;
	if (cause.code == ERR_NOT_FOUND)
		return shares_get(s->folder.new_sheet, "an interrupted split", err);
	*err = cause;
	return NULL;
}

static int finish_interrupted(struct split *s, struct error *err)
{
	bool accepted = false;
	if (shares_sheet_load(s->folder.new_sheet, &s->sheet, err))
		return -1;
	if (strcmp(s->sheet.token, s->info.label) != 0 || strcmp(s->sheet.serial, s->info.serial) != 0 ||
	    s->sheet.pin != s->kind)
		return err_set(err, ERR_CONFLICT,
			       "%s has an interrupted split of the %s of token %s (serial %s): give that one's command "
			       "again, or another folder",
			       s->folder.path, shares_pin_name(s->sheet.pin), s->sheet.token, s->sheet.serial);
	s->new_pin = get_left_pin(s, err);
	if (!s->new_pin || log_in(s, &accepted, err))
		return left_open(s, err);
	if (accepted)
		return split_folder_confirm(&s->folder, err);
	if (split_folder_remove(&s->folder, s->sheet.count, err))
		return -1;
	return err_set(
		err, ERR_CONFLICT,
		"a split of token %s's %s was interrupted before the token knew of it: it refused the PIN of the "
		"shares in %s, which are removed. The %s is as before; run the command again to split it",
		s->info.label, pin_name(s), s->folder.path, pin_name(s));
}

/* ---- an SO PIN that nobody keeps ---- */

static int record_destroyed(const struct split *s, const char *path, struct error *err)
{
	char time[CLOCK_TEXT_SIZE];
	struct clock clock = clock_system();
	auto_buf text = BUF_INIT;
	buf_printf(&text, "chancery-so-pin-destroyed-v1\ntoken: %s\nserial: %s\ntime: %s\n", s->info.label,
		   s->info.serial, clock_rfc3339(clock_now_ms(&clock) / 1000, time));
	if (text.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a record");
	return file_create(path, buf_bytes(&text), 0644, err);
}

static int destroy(struct split *s, struct error *err)
{
	char question[160];
	bool accepted = false;
	auto_free char *record = file_join(s->folder.path, "so-pin-destroyed.txt");
	if (!record)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_exists(record))
		return err_set(err, ERR_CONFLICT, "%s is there already, and is not overwritten", record);
	(void)snprintf(question, sizeof(question), "Give token %s a random SO PIN that nobody will ever know",
		       s->info.label);
	if ((!s->yes && ask_yes(question, err)) || file_make_dir(s->folder.path, 0700, err) || get_pins(s, err))
		return -1;
	enum hsm_pin_outcome outcome = change(s, err);
	if (outcome == HSM_PIN_UNCHANGED)
		return -1;
	if (outcome == HSM_PIN_CHANGED && log_in(s, &accepted, err) == 0 && accepted)
		return record_destroyed(s, record, err);
	struct error cause = *err;
	return err_wrap(
		err, cause.code == ERR_NONE ? ERR_INTEGRITY : cause.code,
		"whether token %s has its old SO PIN is not known: %s. Run the command again: where the old SO PIN is "
		"refused, nobody has one any more",
		s->info.label, cause.code == ERR_NONE ? "it refuses the new one" : cause.message);
}

/* ---- the command ---- */

static int open_terminal(struct error *err)
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	return terminal >= 0 ? terminal
			     : err_set(err, ERR_USAGE, "there is no terminal to show shares on: leave out --print");
}

/* The paper on the terminal, whatever stdout is, until someone types Enter. */
static int show_paper(int terminal, const struct buf *paper, struct error *err)
{
	char enter[64];
	for (size_t done = 0; done < paper->len;) {
		ssize_t written = write(terminal, paper->data + done, paper->len - done);
		if (written <= 0)
			return err_errno(err, ERR_IO, "cannot show a share on the terminal");
		done += (size_t)written;
	}
	return read(terminal, enter, sizeof(enter)) > 0 ? 0 : err_set(err, ERR_IO, "the terminal is gone");
}

/* One paper after the other, for whoever writes them by hand. */
static int print_papers(const struct split *s, struct error *err)
{
	auto_fd terminal = open_terminal(err);
	if (terminal < 0)
		return -1;
	for (unsigned i = 0; i < s->shares; i++) {
		auto_secret_buf paper = BUF_INIT;
		shares_reserve(&paper);
		buf_add_text(&paper, CLEAR_SCREEN);
		split_folder_paper(&s->sheet, &s->all[i], &paper);
		buf_add_text(&paper, "\nWritten down and compared? Enter clears the screen: ");
		if (paper.failed)
			return err_set(err, ERR_INTERNAL, "no memory for a share");
		if (show_paper(terminal, &paper, err))
			return -1;
	}
	(void)dprintf(terminal, CLEAR_SCREEN);
	return 0;
}

static void say_destroyed(const struct invocation *in, const struct split *s)
{
	if (in->common.json)
		output_json(json_pack("{s:s, s:s, s:s}", "token", s->info.label, "soPin", "destroyed", "folder",
				      s->folder.path));
	else
		(void)printf("Token %s has an SO PIN that nobody knows; the record is in %s.\n", s->info.label,
			     s->folder.path);
}

static void say(const struct invocation *in, const struct split *s, bool completed)
{
	char id[SHARES_ID_LEN + 2];
	auto_buf reference = BUF_INIT, papers = BUF_INIT;
	buf_printf(&reference, "shares:%s", s->folder.sheet);
	buf_printf(&papers, "%s/share-1.txt to share-%u.txt: one for each custodian, then destroy the files",
		   s->folder.path, s->sheet.count);
	if (in->common.json) {
		output_json(json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:b}", "token", s->info.label, "pin",
				      s->kind == SHARES_PIN_SO ? "so" : "user", "split", s->sheet.split, "shares",
				      (int)s->sheet.count, "threshold", (int)s->sheet.threshold, "folder",
				      s->folder.path, "reference", buf_text(&reference), "completed", (int)completed));
		return;
	}
	(void)printf("%sThe %s of token %s is in %u shares, of which any %u give it (split %s).\n",
		     completed ? "The split that was interrupted is complete. " : "", pin_name(s), s->info.label,
		     s->sheet.count, s->sheet.threshold, shares_id_text(s->sheet.split, id));
	output_fact("shares", buf_text(&papers));
	output_fact("sheet", s->folder.sheet);
	output_fact("reference", buf_text(&reference));
	(void)printf("A login with it has worked: the %s of before, and shares of it, are void.\n", pin_name(s));
}

static int find_token(struct invocation *in, struct split *s, const struct ca_config *config)
{
	const struct ca_config_token *token = config ? token_named(config, in->operands[0], &in->error) : NULL;
	if (!token)
		return -1;
	s->config = config;
	s->token = *token;
	if (token->online && s->kind == SHARES_PIN_USER)
		return err_set(&in->error, ERR_CONFLICT,
			       "the server logs in to token %s, and cannot ask people for shares: split the PIN of a "
			       "token with online = false",
			       token->name);
	return 0;
}

/* A token that is in no configuration: its section is made up. */
static int make_section(struct split *s, struct error *err)
{
	struct hsm_uri name = { .parts = HSM_URI_TOKEN };
	auto_buf uri = BUF_INIT;
	auto_free char *path = path_absolute(s->module, err);
	if (!path)
		return -1;
	if (strncmp(s->label, "pkcs11:", 7) == 0) {
		buf_add_text(&uri, s->label);
	} else {
		if (strlen(s->label) >= sizeof(name.token))
			return err_set(err, ERR_USAGE, "--token is a label of at most %zu octets, or an RFC 7512 URI",
				       sizeof(name.token) - 1);
		(void)snprintf(name.token, sizeof(name.token), "%s", s->label);
		hsm_uri_format(&name, &uri);
	}
	const char *pin = s->pin ? s->pin : "prompt";
	if (strlen(path) >= sizeof(s->token.module) || strlen(pin) >= sizeof(s->token.pin) ||
	    uri.len >= sizeof(s->token.uri))
		return err_set(err, ERR_USAGE, "--module, --token or --pin is too long");
	(void)snprintf(s->token.module, sizeof(s->token.module), "%s", path);
	(void)snprintf(s->token.uri, sizeof(s->token.uri), "%s", buf_text(&uri));
	(void)snprintf(s->token.pin, sizeof(s->token.pin), "%s", pin);
	return 0;
}

static int name_present_pin(struct split *s, struct error *err)
{
	if (s->kind == SHARES_PIN_SO)
		return pin_so_reference(s->so_pin, s->token.pin, &s->present, err);
	buf_add_text(&s->present, s->token.pin);
	return s->present.failed ? err_set(err, ERR_INTERNAL, "no memory for a path") : 0;
}

static int carry_out(struct invocation *in, struct split *s)
{
	struct error *err = &in->error;
	if (name_present_pin(s, err) || get_facts(s, err))
		return -1;
	if (s->destroy) {
		if (destroy(s, err))
			return -1;
		say_destroyed(in, s);
		return 0;
	}
	if (s->print) { /* before anything changes */
		auto_fd terminal = open_terminal(err);
		if (terminal < 0)
			return -1;
	}
	bool interrupted = file_exists(s->folder.new_sheet);
	if (interrupted ? finish_interrupted(s, err) : split(s, err))
		return -1;
	say(in, s, interrupted);
	return s->print && !interrupted ? print_papers(s, err) : 0;
}

/* Which options go together; NULL where they do. */
static const char *usage_of(const struct split *s, size_t operands)
{
	bool other = s->module || s->label;
	if (operands == 1 ? other || s->pin : !s->module || !s->label || (!s->pin && s->kind == SHARES_PIN_USER))
		return "name a token of the configuration, or --module, --token and --pin of another";
	if (!s->out)
		return "--out is needed";
	if (s->destroy ? s->so || s->shares || s->threshold || s->print : !s->shares || !s->threshold)
		return "--shares and --threshold are needed, or --destroy-so without them";
	if (!s->destroy && (s->threshold < SHARES_LEAST || s->threshold > s->shares || s->shares > SHARES_MAX))
		return "--threshold is at least 2, and at most --shares, which is at most 32";
	if (s->so_pin && s->kind == SHARES_PIN_USER)
		return "--so-pin goes with --so or --destroy-so";
	if (operands == 0 && s->kind == SHARES_PIN_SO && !s->so_pin)
		return "--so-pin is needed for a token that is in no configuration";
	if ((s->pin && !secret_is_pin_reference(s->pin)) || (s->so_pin && !secret_is_pin_reference(s->so_pin)))
		return "--pin and --so-pin want file:PATH, credential:NAME, fd:N, prompt or shares:SHEET, not a PIN";
	return NULL;
}

int token_pin_split(struct invocation *in)
{
	CLEANUP(split_free) struct split s = { .present = BUF_INIT };
	const struct option_spec specs[] = {
		{ "shares", OPTION_NUMBER, &s.shares, "N", "how many shares: 2 to 32" },
		{ "threshold", OPTION_NUMBER, &s.threshold, "M", "how many of them give the PIN: 2 to N" },
		{ "out", OPTION_TEXT, &s.out, "DIR", "a new folder for shares and sheet" },
		{ "so", OPTION_FLAG, &s.so, NULL, "the SO PIN, not the user PIN" },
		{ "destroy-so", OPTION_FLAG, &s.destroy, NULL,
		  "a random SO PIN that nobody keeps; the record goes to --out" },
		{ "so-pin", OPTION_TEXT, &s.so_pin, "REF", "where the present SO PIN is (a file beside the PIN's)" },
		{ "digits", OPTION_FLAG, &s.digits, NULL, "a PIN of decimal digits, for tokens that take no other" },
		{ "print", OPTION_FLAG, &s.print, NULL, "show each share on the terminal as well, one at a time" },
		{ "yes", OPTION_FLAG, &s.yes, NULL, "do not ask before the SO PIN is destroyed" },
		{ "module", OPTION_TEXT, &s.module, "PATH", "PKCS#11 module of a token that is in no configuration" },
		{ "token", OPTION_TEXT, &s.label, "LABEL", "the label of such a token, or its RFC 7512 URI" },
		{ "pin", OPTION_TEXT, &s.pin, "REF", "where its present PIN is" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 0, 1))
		return in->status;
	s.kind = s.so || s.destroy ? SHARES_PIN_SO : SHARES_PIN_USER;
	const char *usage = usage_of(&s, in->operand_count);
	if (usage)
		return refuse_usage(in, "%s", usage);
	shares_guard_process();
	shares_lock(&s, sizeof(s));
	auto_free char *out = path_absolute(s.out, &in->error);
	auto_buf pin = BUF_INIT, so_pin = BUF_INIT;
	if (!out || split_folder_name(out, &s.folder, &in->error) ||
	    (s.pin && pin_reference_absolute(s.pin, &pin, &in->error)) ||
	    (s.so_pin && pin_reference_absolute(s.so_pin, &so_pin, &in->error)))
		return refuse(in);
	s.pin = s.pin ? buf_text(&pin) : NULL;
	s.so_pin = s.so_pin ? buf_text(&so_pin) : NULL;
	auto_ca_config *config = in->operand_count ? token_enter(in) : NULL;
	bool found = in->operand_count ? find_token(in, &s, config) == 0 : make_section(&s, &in->error) == 0;
	return found && carry_out(in, &s) == 0 ? 0 : refuse(in);
}

const char token_pin_split_detail[] =
	"Draws a new random PIN of 128 bits, or of as many as the token takes, and writes it as N shares, of which any "
	"M\n"
	"give it: DIR/share-1.txt ..., to be put on paper, and DIR/sheet.txt, which is public. Then the token gets the "
	"PIN,\n"
	"and a login with it is tried; only then sheet.txt has its name, and the PIN of before is void. Where that "
	"was\n"
	"interrupted, the same command finds out with one login which PIN the token has.\n";
