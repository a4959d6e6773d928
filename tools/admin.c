#include "tools/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/output.h"
#include "tools/state.h"

#define ANSWER_MS 600000 /* a backup or a list of a million entries takes its time */

struct admin {
	struct channel *channel;
	uint64_t next_id;
};

/* A path of any length: the folder is entered for the moment of connecting. */
static int connect_at(const struct common_options *common, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", common->state) >=
	    sizeof(address.sun_path))
		return err_set(err, ERR_USAGE,
			       "the path of the state directory %s is too long for a socket: use a "
			       "relative one",
			       common->state);
	auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_errno(err, ERR_UNREACHABLE,
				 "no server answers on %s (start it with `chanceryd --config %s/%s`)", address.sun_path,
				 common->state, STATE_CONFIG);
	int kept = fd;
	fd = -1;
	return kept;
}

struct admin *admin_open(const struct common_options *common, struct error *err)
{
	int fd = connect_at(common, err);
	if (fd < 0)
		return NULL;
	auto_admin *admin = calloc(1, sizeof(*admin));
	if (!admin) {
		(void)close(fd);
		(void)err_set(err, ERR_INTERNAL, "no memory");
		return NULL;
	}
	admin->next_id = 1;
	admin->channel = channel_new(fd, err);
	return admin->channel ? TAKE(admin) : NULL;
}

void admin_free(struct admin *admin)
{
	if (admin->channel) {
		channel_shutdown(admin->channel);
		channel_free(admin->channel);
	}
	free(admin);
}

/* The frame with the answer to question id; shows that it waits. */
static int wait_answer(struct admin *admin, uint64_t id, struct frame *frame, struct error *err)
{
	struct progress progress = progress_begin("waiting for the server");
	int64_t deadline = progress.started_ms + ANSWER_MS;
	int got = 0;
	while (got == 0 && clock_monotonic_ms() < deadline) {
		got = channel_receive(admin->channel, frame, 200, err);
		if (got > 0 && frame->id != id)
			got = 0;
		progress_wait(&progress);
	}
	progress_end(&progress);
	if (got < 0)
		return err_wrap(err, ERR_UNREACHABLE, "the server closed its administration socket");
	if (got == 0)
		return err_set(err, ERR_UNREACHABLE, "the server does not answer on its administration socket");
	return 0;
}

int admin_ask(struct admin *admin, enum message_type question, struct bytes payload, enum message_type expected,
	      struct buf *answer, struct error *err)
{
	uint64_t id = admin->next_id++;
	struct frame frame;
	if (channel_send(admin->channel, (uint16_t)question, id, payload, err))
		return -1;
	if (wait_answer(admin, id, &frame, err))
		return -1;
	if (frame.type == MSG_ERROR) {
		struct error peer = ERR_INIT;
		if (message_error_read(frame.payload, &peer, err))
			return -1;
		*err = peer;
		return -1;
	}
	if (frame.type != (uint16_t)expected)
		return err_set(err, ERR_INTEGRITY, "the server answered %s with %s",
			       message_type_name((uint16_t)question), message_type_name(frame.type));
	if (answer)
		buf_add_bytes(answer, frame.payload);
	return answer && answer->failed ? err_set(err, ERR_INTERNAL, "no memory for the answer") : 0;
}

int admin_ask_once(const struct common_options *common, enum message_type question, const char *name,
		   enum message_type expected, struct buf *answer, struct error *err)
{
	auto_admin *admin = admin_open(common, err);
	auto_buf payload = BUF_INIT;
	const struct message_name named = { bytes_of(name) };
	if (name)
		message_name_write(&named, &payload);
	return admin ? admin_ask(admin, question, buf_bytes(&payload), expected, answer, err) : -1;
}

int admin_remove(struct invocation *in, enum message_type question, const char *member, const char *kind,
		 const char *consequence)
{
	const struct option_spec specs[] = { OPTIONS_END };
	if (options_read(in, specs, 1, 1))
		return in->status;
	const char *name = in->operands[0];
	if (admin_ask_once(&in->common, question, name, MSG_DONE, NULL, &in->error))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s, s:b}", member, name, "removed", 1));
	else
		(void)printf("%s %s is removed%s.\n", kind, name, consequence);
	return 0;
}
