#include "tests/bench/support/libp11.h"

#include <libp11.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/ossl.h"

struct libp11_child {
	pid_t pid;
	int channel;
};

struct request {
	char label[32];
	size_t threads;
	double seconds;
};

struct answer {
	struct crew_slice slice;
	struct error error; /* ERR_NONE: the slice was measured */
};

/* Requests and answers have a size of their own each; a peer that ended gives less. */
static bool hear(int channel, void *out, size_t size)
{
	return recv(channel, out, size, MSG_WAITALL) == (ssize_t)size;
}

static bool say(int channel, const void *what, size_t size)
{
	return send(channel, what, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* ---- the child ---- */

struct state {
	const struct libp11_options *options;
	PKCS11_CTX *context;
	bool loaded;
	PKCS11_SLOT *slots;
	unsigned slot_count;
	PKCS11_KEY *keys;
	unsigned key_count;
	struct crew *crew;
	EVP_MD_CTX *signing[CREW_MAX];
	/* of the slice */
	EVP_PKEY *key;
	const EVP_MD *digest;
};

static int open_token(struct state *s, struct error *err)
{
	s->crew = crew_new(err);
	if (!s->crew)
		return -1;
	for (size_t i = 0; i < CREW_MAX; i++)
		s->signing[i] = EVP_MD_CTX_new();
	s->context = PKCS11_CTX_new();
	s->loaded = s->context && PKCS11_CTX_load(s->context, s->options->module) == 0;
	if (!s->loaded || PKCS11_enumerate_slots(s->context, &s->slots, &s->slot_count) != 0)
		return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "libp11 does not load %s", s->options->module);
	for (unsigned i = 0; i < s->slot_count; i++) {
		PKCS11_TOKEN *t = s->slots[i].token;
		if (!t || !t->label || strcmp(t->label, s->options->token) != 0)
			continue;
		if (PKCS11_login(&s->slots[i], 0, (const char *)secret_bytes(s->options->pin).data) != 0 ||
		    PKCS11_enumerate_keys(t, &s->keys, &s->key_count) != 0)
			return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "libp11 does not find the keys of %s", t->label);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "libp11 does not find the token %s", s->options->token);
}

/* Keys, then slots, then the module: libp11 follows pointers from one to the other. */
static void close_token(struct state *s)
{
	crew_free(s->crew);
	for (size_t i = 0; i < CREW_MAX; i++)
		EVP_MD_CTX_free(s->signing[i]);
	EVP_PKEY_free(s->key);
	if (s->slots)
		PKCS11_release_all_slots(s->context, s->slots, s->slot_count);
	if (s->loaded)
		PKCS11_CTX_unload(s->context);
	if (s->context)
		PKCS11_CTX_free(s->context);
}

static int sign(void *argument, size_t number, struct error *err)
{
	struct state *s = argument;
	unsigned char signature[1024];
	size_t len = sizeof(signature);
	EVP_MD_CTX *c = s->signing[number];
	struct bytes message = s->options->message;
	if (EVP_MD_CTX_reset(c) == 1 && EVP_DigestSignInit(c, NULL, s->digest, NULL, s->key) == 1 &&
	    EVP_DigestSign(c, signature, &len, message.data, message.len) == 1)
		return 0;
	return err_openssl(err, ERR_TOKEN_UNAVAILABLE, "libp11 does not sign");
}

static int run(struct state *s, const struct request *r, struct crew_slice *out, struct error *err)
{
	if (!s->context && open_token(s, err))
		return -1;
	EVP_PKEY_free(s->key);
	s->key = NULL;
	for (unsigned i = 0; !s->key && i < s->key_count; i++) {
		if (s->keys[i].label && strcmp(s->keys[i].label, r->label) == 0)
			s->key = PKCS11_get_private_key(&s->keys[i]);
	}
	if (!s->key)
		return err_set(err, ERR_NOT_FOUND, "libp11 does not find the key %s", r->label);
	s->digest = EVP_PKEY_get_bits(s->key) == 384 ? EVP_sha384() : EVP_sha256();
	return crew_run(s->crew, r->threads, r->seconds, sign, s, out, err);
}

static void serve(int channel, const struct libp11_options *options)
{
	struct state s = { .options = options };
	struct request r;
	while (hear(channel, &r, sizeof(r))) {
		struct answer a = { .error = ERR_INIT };
		(void)run(&s, &r, &a.slice, &a.error);
		if (!say(channel, &a, sizeof(a)))
			break;
	}
	close_token(&s);
}

/* ---- the parent ---- */

struct libp11_child *libp11_start(const struct libp11_options *options, struct error *err)
{
	auto_free struct libp11_child *c = calloc(1, sizeof(*c));
	int ends[2];
	if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		(void)err_errno(err, ERR_IO, "cannot talk to a process for libp11");
		return NULL;
	}
	c->pid = fork();
	if (c->pid == 0) {
		(void)close(ends[0]);
		serve(ends[1], options);
		_exit(0);
	}
	(void)close(ends[1]);
	c->channel = ends[0];
	if (c->pid > 0)
		return TAKE(c);
	(void)close(ends[0]);
	(void)err_errno(err, ERR_IO, "cannot start a process for libp11");
	return NULL;
}

void libp11_stop(struct libp11_child *c)
{
	if (!c)
		return;
	(void)close(c->channel);
	(void)waitpid(c->pid, NULL, 0);
	free(c);
}

int libp11_run(struct libp11_child *c, const char *label, size_t threads, double seconds, struct crew_slice *out,
	       struct error *err)
{
	struct request r = { .threads = threads, .seconds = seconds };
	struct answer a;
	size_t len = strlen(label);
	if (len >= sizeof(r.label))
		return err_set(err, ERR_INTERNAL, "%s is too long for a label", label);
	memcpy(r.label, label, len);
	if (!say(c->channel, &r, sizeof(r)) || !hear(c->channel, &a, sizeof(a)))
		return err_set(err, ERR_UNREACHABLE, "the process of libp11 has ended");
	*out = a.slice;
	if (a.error.code == ERR_NONE)
		return 0;
	*err = a.error;
	return -1;
}
