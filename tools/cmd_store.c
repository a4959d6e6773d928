/* chancery store: check, copy, put back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "ca-core/restore.h"
#include "store/store.h"
#include "tools/admin.h"
#include "tools/chanceryd_listen.h"
#include "tools/cmd.h"

static void close_store(struct store **store)
{
	if (*store)
		store_close(*store);
}
#define auto_store CLEANUP(close_store) struct store

/* ---- check ---- */

struct findings {
	const struct invocation *in;
	json_t *lines;
	struct progress progress;
};

static void on_finding(void *arg, const char *line)
{
	struct findings *f = arg;
	(void)json_array_append_new(f->lines, json_string(line));
	if (!f->in->common.json)
		output_say("%s\n", line);
}

static void on_progress(void *arg, uint64_t done, uint64_t all)
{
	struct findings *f = arg;
	progress_step(&f->progress, done, all);
}

static int check(struct invocation *in, struct store *store)
{
	struct findings f = { in, json_array(), progress_begin("store") };
	struct store_status status;
	int failed = store_check(store, on_finding, on_progress, &f, &in->error);
	progress_end(&f.progress);
	store_status(store, &status);
	if (in->common.json)
		output_json(json_pack("{s:b, s:I, s:I, s:O}", "clean", !failed, "certificates",
				      (json_int_t)status.certificates, "unfinished", (json_int_t)status.unfinished,
				      "findings", f.lines));
	json_decref(f.lines);
	if (failed) {
		in->common.json = false; /* it has been said */
		return refuse(in);
	}
	if (!in->common.json)
		(void)printf("The store is clean: %llu certificates, %llu unfinished serials.\n",
			     (unsigned long long)status.certificates, (unsigned long long)status.unfinished);
	return 0;
}

static int run_check(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	struct error *err = &in->error;
	auto_free char *backup = in->operand_count ? path_absolute(in->operands[0], err) : NULL;
	if (in->operand_count && !backup)
		return refuse(in);
	auto_ca_config *config = state_config(&in->common, err);
	if (!config || state_enter(&in->common, err))
		return refuse(in);
	const struct store_options options = {
		.path = backup, .node = config->process.node, .clock = clock_system(), .read_only = true
	};
	auto_store *store = backup ? store_open(&options, err) : state_open_store(config, true, err);
	return store ? check(in, store) : refuse(in);
}

/* ---- copies of a folder of plain files ---- */

static int copy_file(const char *from, const char *to, struct error *err)
{
	auto_buf chunk = BUF_INIT;
	FILE *in = fopen(from, "rbe"), *out = in ? fopen(to, "wbxe") : NULL;
	int result = in && out ? 0 : err_errno(err, ERR_IO, "cannot copy %s to %s", from, to);
	uint8_t *data = result == 0 ? buf_extend(&chunk, 1 << 20) : NULL;
	size_t got;
	while (data && result == 0 && (got = fread(data, 1, 1 << 20, in)) > 0)
		if (fwrite(data, 1, got, out) != got)
			result = err_errno(err, ERR_IO, "cannot write %s", to);
	if (result == 0 && (!data || ferror(in) || fflush(out) || fchmod(fileno(out), 0600) || fsync(fileno(out))))
		result = err_errno(err, ERR_IO, "cannot copy %s to %s", from, to);
	if (in)
		(void)fclose(in);
	if (out)
		(void)fclose(out);
	return result;
}

/* Each regular file of `from` into `to` (made here where to is not NULL), then away with it where `take`. */
static int copy_folder(const char *from, const char *to, bool take, struct error *err)
{
	if (to && mkdir(to, 0700))
		return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "cannot make %s", to);
	DIR *folder = opendir(from);
	if (!folder)
		return err_errno(err, ERR_IO, "cannot list %s", from);
	int result = 0;
	const struct dirent *entry;
	while (result == 0 && (entry = readdir(folder)) != NULL) {
		auto_free char *source = file_join(from, entry->d_name);
		auto_free char *target = to ? file_join(to, entry->d_name) : NULL;
		if (entry->d_name[0] == '.')
			continue;
		if (!source || (to && !target))
			result = err_set(err, ERR_INTERNAL, "no memory");
		else if (to)
			result = copy_file(source, target, err);
		if (result == 0 && take)
			(void)unlink(source);
	}
	(void)closedir(folder);
	if (result == 0 && take)
		(void)rmdir(from);
	return result;
}

/* ---- backup ---- */

static int backup_running(struct invocation *in, const char *folder)
{
	return admin_ask_once(&in->common, MSG_STORE_BACKUP, folder, MSG_DONE, NULL, &in->error);
}

/* In a process that becomes the store's user; the rest of us stays who we are. */
static int backup_stopped(const struct ca_config *config, const char *folder, struct error *err)
{
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		struct error failure = ERR_INIT;
		struct store *store = state_open_store(config, true, &failure);
		int failed = !store || store_backup(store, folder, &failure);
		if (store)
			store_close(store);
		if (failed)
			(void)fprintf(stderr, "chancery: %s\n", failure.message);
		_exit(failed ? 1 : 0);
	}
	int status = 1;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : err_set(err, ERR_IO, "the backup was not made");
}

static int backup_to(struct invocation *in, const struct ca_config *config, const char *folder)
{
	return state_server_runs() ? backup_running(in, folder) : backup_stopped(config, folder, &in->error);
}

static int backup(struct invocation *in, const struct ca_config *config, const char *target)
{
	struct user signer;
	char why[128];
	user_for_role(config->process.signer_user, ".", &signer, why);
	if (!signer.set)
		return backup_to(in, config, target);
	/* Its user may write into its own folder alone: copied there first, then out of it. */
	static const char inside[] = "store/backup";
	if (file_exists(inside) && copy_folder(inside, NULL, true, &in->error))
		return -1;
	return backup_to(in, config, inside) || copy_folder(inside, target, true, &in->error) ? -1 : 0;
}

static int run_backup(struct invocation *in)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	struct error *err = &in->error;
	auto_free char *target = path_absolute(in->operands[0], err);
	auto_ca_config *config = target ? state_config(&in->common, err) : NULL;
	if (!config)
		return refuse(in);
	if (file_exists(target)) {
		(void)err_set(err, ERR_CONFLICT, "%s is there already: name a new folder", target);
		return refuse(in);
	}
	if (state_enter(&in->common, err))
		return refuse(in);
	in->common.state = ".";
	if (backup(in, config, target))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s}", "backup", target));
	else
		(void)printf("The store is copied to %s. Tokens, PINs and chancery.conf are not in it.\n", target);
	return 0;
}

/* ---- restore ---- */

/* Only over nothing: what a store holds is never overwritten. */
static int require_empty_store(struct error *err)
{
	if (rmdir("store") && errno != ENOENT)
		return err_errno(
			err, ERR_CONFLICT,
			"the state directory has a store already: move store/ away first, if it is to be replaced");
	return 0;
}

#define ARRIVING "store.restored" /* the copy until it is marked: an unmarked one is never in the store's place */

static int check_backup(struct invocation *in, struct store *backup, struct error *err)
{
	struct findings f = { in, json_array(), progress_begin("backup") };
	int failed = !backup || store_check(backup, on_finding, on_progress, &f, err);
	progress_end(&f.progress);
	json_decref(f.lines);
	return failed ? -1 : 0;
}

/* Tells the copy what it is: from this backup, to be held against published/, to be confirmed. */
static int mark(const struct ca_config *config, const char *from, struct error *err)
{
	const struct store_options options = { .path = ARRIVING,
					       .node = config->process.node,
					       .clock = clock_system() };
	struct ca_actor actor = ca_actor_self();
	(void)snprintf(actor.identity, sizeof(actor.identity), "root");
	(void)snprintf(actor.peer, sizeof(actor.peer), "uid %u", (unsigned)getuid());
	struct store *store = store_open(&options, err);
	if (!store)
		return -1;
	const struct ca_options unattended = { .config = config, .store = store, .clock = clock_system() };
	struct ca *ca = ca_open(&unattended, err);
	int failed = !ca || ca_restore_mark(ca, &actor, bytes_of(from), err);
	store_close(store);
	ca_close(ca);
	return failed ? -1 : 0;
}

static int put_in_place(struct error *err)
{
	if (rename(ARRIVING, "store"))
		return err_errno(err, ERR_IO, "cannot put the restored store into its place");
	auto_fd here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return here < 0 || fsync(here) ? err_errno(err, ERR_IO, "cannot sync the state directory") : 0;
}

static int restore(struct invocation *in, const struct ca_config *config, const char *from)
{
	struct error *err = &in->error;
	const struct store_options options = {
		.path = from, .node = config->process.node, .clock = clock_system(), .read_only = true
	};
	{
		auto_store *backup = store_open(&options, err);
		if (check_backup(in, backup, err) || require_empty_store(err) ||
		    (file_exists(ARRIVING) && copy_folder(ARRIVING, NULL, true, err)) ||
		    store_backup(backup, ARRIVING, err))
			return -1;
	}
	return mark(config, from, err) || put_in_place(err) ? -1 : state_hand_over(config, err);
}

static int confirm(struct invocation *in)
{
	if (admin_ask_once(&in->common, MSG_RESTORE_CONFIRM, NULL, MSG_DONE, NULL, &in->error))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:b}", "confirmed", 1));
	else
		(void)puts("The restored store is confirmed: the server issues and revokes again.");
	return 0;
}

static int run_restore(struct invocation *in)
{
	bool confirmed = false;
	const struct option_spec specs[] = { { "confirm", OPTION_FLAG, &confirmed, NULL,
					       "let the server issue from the store that was restored" },
					     OPTIONS_END };
	if (options_read(in, specs, 0, 1))
		return in->status;
	if (confirmed == (in->operand_count == 1))
		return refuse_usage(in,
				    "give the folder of a backup, or --confirm after the restored store was started");
	if (confirmed)
		return confirm(in);
	struct error *err = &in->error;
	auto_free char *from = path_absolute(in->operands[0], err);
	auto_ca_config *config = from ? state_config(&in->common, err) : NULL;
	if (!config || state_enter(&in->common, err))
		return refuse(in);
	auto_fd lock = listen_lock(err); /* no server meanwhile */
	if (lock < 0 || restore(in, config, from))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s}", "restored", from));
	else
		(void)printf(
			"The store is restored from %s. What was issued since that backup is not in it.\n"
			"Start the server: it takes from published/ which revocations the backup lacks, and issues\n"
			"nothing until you run `chancery store restore --confirm`.\n",
			from);
	return 0;
}

static const struct command commands[] = {
	{ "check", "[BACKUP]", "Check every record, index, chain and serial; exit status 4 where one is wrong",
	  "Beside a running server too. With BACKUP: of a copy.\n", NULL, run_check },
	{ "backup", "DIR", "Copy the store to a new folder, while the server runs or not", NULL, NULL, run_backup },
	{ "restore", "DIR | --confirm", "Put a backup into a state directory without a store, its server stopped",
	  "The backup is checked first. Leave published/ where it is: at its start the server takes from there\n"
	  "which revocations the backup lacks. It then reads, but issues and revokes nothing until --confirm;\n"
	  "remove before that which identities and API tokens have come back. Certificates issued since the\n"
	  "backup are not in it. CRL numbers never go back. The audit log names the gap.\n",
	  NULL, run_restore },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};
const struct command cmd_store = {
	"store",  "",  "The store: check, backup, restore", "On the server's machine, by its state directory.\n",
	commands, NULL
};
