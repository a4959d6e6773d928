/* STATE/admin.sock: root, and who started the server. What grants power comes through here alone. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/health.h"
#include "ca-core/identity.h"
#include "ca-core/import.h"
#include "ca-core/lint.h"
#include "ca-core/restore.h"
#include "ca-core/signer.h"

#define IDLE_MS 30000

/* Each gives the answer's type, or -1 with err. */
typedef int handler(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
		    struct error *err);

/* ---- identities ---- */

static int add(struct signer *s, const struct ca_actor *actor, struct bytes in, bool known, bool revoke_earlier,
	       struct buf *out, struct error *err)
{
	struct message_identity_add m;
	auto_buf certificate = BUF_INIT;
	struct store_serial serial;
	struct ca_certificate_facts facts;
	if (message_identity_add_read(in, &m, err))
		return -1;
	signer_wait_for_token(s, signer_issuer_of(s, m.profile.len ? m.profile : bytes_of("client")));
	if (ca_identity_add(s->ca, actor, &m, known, revoke_earlier, &certificate, &serial, err) ||
	    ca_certificate_read(buf_bytes(&certificate), &facts, err))
		return -1;
	const struct ca_issuer *issuer = ca_issuer_of(s->ca, facts.issuer);
	const struct message_issued answer = { .issuer = bytes_of(issuer ? issuer->config->name : ""),
					       .serial = BYTES(serial.octets, serial.len),
					       .certificate = buf_bytes(&certificate) };
	message_issued_write(&answer, out);
	return MSG_ISSUED;
}

static int identity_add(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			struct error *err)
{
	return add(s, actor, in, false, false, out, err);
}

static int identity_renew(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			  struct error *err)
{
	return add(s, actor, in, true, false, out, err);
}

static int identity_recover(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			    struct error *err)
{
	return add(s, actor, in, true, true, out, err);
}

static int identity_remove(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			   struct error *err)
{
	struct message_name m;
	(void)out;
	return message_name_read(in, &m, err) || ca_identity_remove(s->ca, actor, m.name, err) ? -1 : MSG_DONE;
}

static int identity_list(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			 struct error *err)
{
	struct message_name m;
	(void)actor;
	return message_name_read(in, &m, err) || ca_identity_list(s->ca, m.name, out, err) ? -1 : MSG_IDENTITIES;
}

/* ---- API tokens, keys ---- */

static int apitoken_add(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			struct error *err)
{
	struct message_apitoken m;
	(void)out;
	return message_apitoken_read(in, &m, err) || ca_apitoken_add(s->ca, actor, &m, err) ? -1 : MSG_DONE;
}

static int apitoken_remove(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			   struct error *err)
{
	struct message_name m;
	(void)out;
	return message_name_read(in, &m, err) || ca_apitoken_remove(s->ca, actor, m.name, err) ? -1 : MSG_DONE;
}

static int apitoken_list(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			 struct error *err)
{
	struct message_name m;
	(void)actor;
	/* A list has nothing to say; tools may send an empty name. */
	if (in.len && message_name_read(in, &m, err))
		return -1;
	return ca_apitoken_list(s->ca, out, err) ? -1 : MSG_APITOKENS;
}

static int key_block(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
		     struct error *err)
{
	struct message_block m;
	(void)out;
	return message_block_read(in, &m, err) || ca_key_block(s->ca, actor, &m, err) ? -1 : MSG_DONE;
}

/* ---- store, lists, health ---- */

static int store_copy(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
		      struct error *err)
{
	struct message_name m;
	char folder[1024];
	struct ca_audit_entry entry;
	(void)out;
	if (message_name_read(in, &m, err))
		return -1;
	if (m.name.len == 0 || m.name.len >= sizeof(folder) || memchr(m.name.data, 0, m.name.len))
		return err_set(err, ERR_BAD_REQUEST, "the folder of a backup has 1 to %zu bytes", sizeof(folder) - 1);
	memcpy(folder, m.name.data, m.name.len);
	folder[m.name.len] = '\0';
	if (store_backup(s->store, folder, err))
		return -1;
	ca_audit_begin(&entry, s->ca, "store.backup", actor);
	ca_audit_subject(&entry, m.name);
	return ca_audit_record(&entry, err) ? -1 : MSG_DONE;
}

static int restore_confirm(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
			   struct error *err)
{
	(void)out;
	if (in.len)
		return err_set(err, ERR_BAD_REQUEST, "malformed message: restore-confirm has no content");
	return ca_restore_confirm(s->ca, actor, err) ? -1 : MSG_DONE;
}

static int crl_import(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
		      struct error *err)
{
	struct message_name m;
	(void)out;
	if (message_name_read(in, &m, err) || ca_crl_import(s->ca, actor, m.name, err))
		return -1;
	return ca_audit_sign_head(s->ca, false, err) ? -1 : MSG_DONE;
}

static int import(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out, struct error *err)
{
	auto_free struct message_import *m = malloc(sizeof(*m));
	auto_free struct message_imported *imported = calloc(1, sizeof(*imported));
	if (!m || !imported)
		return err_set(err, ERR_INTERNAL, "no memory for an import");
	if (message_import_read(in, m, err) || ca_import(s->ca, actor, m, imported, err))
		return -1;
	signer_token_changed(s); /* an issuer that was waited for may sign now */
	if (ca_audit_sign_head(s->ca, false, err))
		return -1;
	message_imported_write(imported, out);
	return MSG_IMPORTED;
}

static int crl_now(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out, struct error *err)
{
	struct message_crl_now m;
	struct message_crl_made made;
	if (message_crl_now_read(in, &m, err))
		return -1;
	struct ca_issuer *issuer = ca_issuer_find(s->ca, m.issuer);
	if (!issuer)
		return err_set(err, ERR_NOT_FOUND, "there is no such issuer");
	signer_wait_for_token(s, issuer);
	if (ca_crl_make(s->ca, issuer, actor, &made, err) || ca_audit_sign_head(s->ca, false, err))
		return -1;
	message_crl_made_write(&made, out);
	return MSG_CRL_MADE;
}

static int health(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out, struct error *err)
{
	const struct ca_health_extra extra = signer_health(s);
	(void)actor;
	if (in.len)
		return err_set(err, ERR_BAD_REQUEST, "malformed message: health-get has no content");
	return ca_health(s->ca, &extra, out, err) ? -1 : MSG_HEALTH;
}

/* ---- tokens ---- */

/* The tool has read it where the configuration says that it is. */
static int token_pin(struct signer *s, const struct ca_actor *actor, struct bytes in, struct buf *out,
		     struct error *err)
{
	struct message_token_pin m;
	(void)out;
	if (message_token_pin_read(in, &m, err))
		return -1;
	auto_secret *pin = secret_new(m.pin, err);
	explicit_bzero((void *)(uintptr_t)m.pin.data, m.pin.len);
	struct ca_token *token = ca_token_find(s->ca, m.name);
	if (!token)
		return err_set(err, ERR_NOT_FOUND, "the configuration has no token of this name");
	struct ca_audit_entry entry;
	ca_audit_begin(&entry, s->ca, "token.pin-retried", actor);
	ca_audit_subject(&entry, m.name);
	/* First the entry: what is tried stands in the log. */
	if (ca_audit_record(&entry, err) || !pin || ca_token_set_pin(token, pin, err))
		return -1;
	signer_token_changed(s);
	return MSG_DONE;
}

static const struct {
	uint16_t type;
	handler *handle;
} rows[] = {
	{ MSG_IDENTITY_ADD, identity_add },
	{ MSG_IDENTITY_RENEW, identity_renew },
	{ MSG_IDENTITY_REMOVE, identity_remove },
	{ MSG_IDENTITY_RECOVER, identity_recover },
	{ MSG_IDENTITY_LIST, identity_list },
	{ MSG_APITOKEN_ADD, apitoken_add },
	{ MSG_APITOKEN_LIST, apitoken_list },
	{ MSG_APITOKEN_REMOVE, apitoken_remove },
	{ MSG_STORE_BACKUP, store_copy },
	{ MSG_CRL_IMPORT, crl_import },
	{ MSG_IMPORT, import },
	{ MSG_KEY_BLOCK, key_block },
	{ MSG_TOKEN_PIN, token_pin },
	{ MSG_RESTORE_CONFIRM, restore_confirm },
	{ MSG_CRL_NOW, crl_now },
	{ MSG_HEALTH_GET, health },
};

/* ---- one connection ---- */

static int handle(struct admin_connection *a, const struct frame *frame, struct buf *out, struct error *err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == frame->type)
			return rows[i].handle(a->signer, &a->actor, frame->payload, out, err);
	return err_set(err, ERR_BAD_REQUEST, "this question is not answered on this socket");
}

static bool answer(struct admin_connection *a, const struct frame *frame)
{
	auto_buf out = BUF_INIT;
	struct error err = ERR_INIT;
	int type = handle(a, frame, &out, &err);
	if (type >= 0 && out.failed)
		type = err_set(&err, ERR_INTERNAL, "the answer is too large");
	if (type < 0) {
		log_err(LOG_LEVEL_WARN, "admin request refused", &err);
		buf_free(&out);
		message_error_write(&err, &out);
		type = MSG_ERROR;
	}
	return channel_send(a->channel, (uint16_t)type, frame->id, buf_bytes(&out), &err) == 0;
}

static void *serve(void *arg)
{
	struct admin_connection *a = arg;
	struct frame frame;
	struct error err = ERR_INIT;
	while (channel_receive(a->channel, &frame, IDLE_MS, &err) == 1 && answer(a, &frame))
		;
	channel_flush(a->channel, 1000);
	(void)pthread_mutex_lock(&a->signer->lock);
	struct channel *channel = a->channel;
	a->channel = NULL;
	(void)pthread_mutex_unlock(&a->signer->lock);
	channel_free(channel);
	return NULL;
}

/* ---- accepting ---- */

static bool may_speak(const struct signer *s, int fd, struct ucred *peer)
{
	socklen_t size = sizeof(*peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size))
		return false;
	if (peer->uid == 0 || peer->uid == s->role->admin_uid)
		return true;
	log_warn("admin.sock refused", KV_INT("uid", peer->uid), KV_INT("pid", peer->pid));
	return false;
}

/* A place whose thread has ended, or none. */
static struct admin_connection *free_place(struct signer *s)
{
	for (size_t i = 0; i < SIGNER_ADMINS_MAX; i++) {
		struct admin_connection *a = &s->admins[i];
		(void)pthread_mutex_lock(&s->lock);
		bool ended = a->used && !a->channel;
		(void)pthread_mutex_unlock(&s->lock);
		if (ended) {
			(void)pthread_join(a->thread, NULL);
			a->used = false;
		}
		if (!a->used)
			return a;
	}
	return NULL;
}

static void welcome(struct signer *s, int fd)
{
	struct error err = ERR_INIT;
	struct ucred peer;
	struct admin_connection *a = may_speak(s, fd, &peer) ? free_place(s) : NULL;
	if (!a) {
		(void)close(fd);
		return;
	}
	*a = (struct admin_connection){ .signer = s };
	a->actor = (struct ca_actor){ .roles = ROLE_REQUESTER | ROLE_OFFICER | ROLE_AUDITOR | ROLE_ADMIN,
				      .may_request = true,
				      .may_read = true };
	(void)snprintf(a->actor.identity, sizeof(a->actor.identity), "root");
	(void)snprintf(a->actor.peer, sizeof(a->actor.peer), "uid %u", (unsigned)peer.uid);
	a->channel = channel_new(fd, &err);
	if (!a->channel)
		return;
	a->used = true;
	if (signer_thread(&a->thread, serve, a, &err)) {
		log_err(LOG_LEVEL_ERROR, "admin.sock cannot be served", &err);
		channel_free(a->channel);
		a->channel = NULL;
		a->used = false;
	}
}

static void *accept_all(void *arg)
{
	struct signer *s = arg;
	for (;;) {
		struct pollfd ready[] = { { .fd = s->role->admin, .events = POLLIN },
					  { .fd = s->admin_wake, .events = POLLIN } };
		int count = poll(ready, 2, -1);
		if (count < 0 && errno != EINTR)
			return NULL;
		if (count <= 0)
			continue;
		if (ready[1].revents)
			return NULL;
		int fd = accept4(s->role->admin, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(s, fd);
		else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN)
			return NULL;
	}
}

int signer_admin_start(struct signer *s, struct error *err)
{
	if (s->role->admin < 0)
		return 0;
	s->admin_wake = eventfd(0, EFD_CLOEXEC);
	if (s->admin_wake < 0)
		return err_errno(err, ERR_IO, "cannot make an eventfd");
	if (signer_thread(&s->admin, accept_all, s, err))
		return -1;
	s->admin_runs = true;
	return 0;
}

bool signer_admin_stop(struct signer *s, int64_t until_ms)
{
	const uint64_t one = 1;
	bool ended = true;
	if (s->admin_runs) {
		if (write(s->admin_wake, &one, sizeof(one)) != sizeof(one))
			log_warn("cannot wake the thread of admin.sock");
		(void)pthread_join(s->admin, NULL);
		s->admin_runs = false;
	}
	for (size_t i = 0; i < SIGNER_ADMINS_MAX; i++) {
		struct admin_connection *a = &s->admins[i];
		if (!a->used)
			continue;
		(void)pthread_mutex_lock(&s->lock);
		if (a->channel)
			channel_shutdown(a->channel);
		(void)pthread_mutex_unlock(&s->lock);
		a->used = !signer_join(a->thread, until_ms);
		ended = ended && !a->used;
	}
	if (s->admin_wake >= 0)
		(void)close(s->admin_wake);
	s->admin_wake = -1;
	return ended;
}
