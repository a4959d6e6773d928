#include "tools/init_ceremony.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/der.h"
#include "base/file.h"
#include "base/log.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/import.h"
#include "hsm/key.h"
#include "hsm/uri.h"
#include "tools/ceremony_folder.h"
#include "tools/ceremony_run.h"
#include "tools/ceremony_verify.h"
#include "tools/child.h"
#include "tools/init_offline.h"
#include "tools/init_plan.h"
#include "tools/token_request.h"

#define STAGE "ceremony-plan"
#define STAGE_PLAN STAGE "/plan.conf"
#define STAGE_REHEARSAL STAGE "/rehearsal"
/* A list's thisUpdate and a certificate's notBefore are at most 48 hours before it is signed (BR 7.1.2.7). */
#define WINDOW_S ((int64_t)24 * 3600)
#define HASH_LEN 32

/* ---- which root, which key ---- */

static const struct ca_config_issuer *root_of(const struct ca_config *config)
{
	for (size_t i = 0; i < config->issuer_count; i++)
		if (!config->issuers[i].parent[0] && config->issuers[i].token[0])
			return &config->issuers[i];
	return NULL;
}

static const struct secret *pin_of(const struct init_ceremony *in, const struct ca_config_token *token)
{
	return in->pins[token - in->config->tokens];
}

#define STEP_SUFFIX 4 /* "-key", "-crl" */

/* The key as a plan names it: with its token's label. False where the configuration names one or the other by what
 * only a token gives out, so that no plan could say it beforehand, or at a length that no plan takes. */
static bool name_key(const struct ca_config *config, const struct ca_config_issuer *root, struct buf *key)
{
	struct hsm_uri uri, object;
	struct error ignored = ERR_INIT;
	const struct ca_config_token *token = ca_config_token(config, root->token);
	if (!token || hsm_uri_parse(token->uri, &uri, &ignored) || hsm_uri_parse(root->key, &object, &ignored) ||
	    !(uri.parts & HSM_URI_TOKEN) || (uri.parts & HSM_URI_SLOT) || object.parts != HSM_URI_OBJECT ||
	    strlen(token->uri) >= sizeof(((struct ceremony_token *)NULL)->title) ||
	    strlen(root->name) + STEP_SUFFIX >= sizeof(((struct ceremony_step *)NULL)->name))
		return false;
	uri.parts |= HSM_URI_OBJECT;
	memcpy(uri.object, object.object, sizeof(uri.object));
	hsm_uri_format(&uri, key);
	return !key->failed;
}

/* ---- in a process of its own: the tokens before the ceremony ---- */

struct asked {
	const struct init_ceremony *in;
	const struct ca_config_issuer *root;
};

struct opened {
	struct hsm_module *module;
	struct hsm_token *token;
};

static void opened_close(struct opened *o)
{
	if (o->token)
		hsm_token_close(o->token);
	if (o->module)
		hsm_module_close(o->module);
}
#define auto_opened CLEANUP(opened_close) struct opened

static int open_token(const struct init_ceremony *in, const char *name, struct opened *o, struct error *err)
{
	const struct ca_config_token *token = ca_config_token(in->config, name);
	if (token->softhsm_conf[0] && setenv("SOFTHSM2_CONF", token->softhsm_conf, 1))
		return err_errno(err, ERR_IO, "cannot set SOFTHSM2_CONF");
	o->module = hsm_module_open(token->module, err);
	o->token = o->module ? hsm_token_open(o->module, token->uri, pin_of(in, token), 1, err) : NULL;
	return o->token ? 0 : -1;
}

/* Found, or made: an interrupted init may have been here before. */
static struct hsm_key *key_for(struct hsm_token *token, const struct ca_config_issuer *issuer, struct error *err)
{
	struct hsm_uri uri;
	struct hsm_key *key = hsm_key_find(token, issuer->key, err);
	if (key || err->code != ERR_NOT_FOUND || hsm_uri_parse(issuer->key, &uri, err))
		return key;
	if (uri.parts & HSM_URI_OBJECT)
		return hsm_key_generate(token, HSM_EC_P256, uri.object, err);
	(void)err_set(err, ERR_CONFIG, "the key %s cannot be made: its URI names no object", issuer->key);
	return NULL;
}

static int subject_of(const struct init_ceremony *in, const char *name, struct buf *out, struct error *err)
{
	/* Who certifies it takes the key alone; the name is for people who look at the request. */
	char common_name[CA_FOUND_NAME_SIZE];
	struct ca_subject subject = { 0 };
	ca_found_name(in->organization, name, common_name);
	subject.values[CA_ATTR_COMMON_NAME] = common_name;
	subject.values[CA_ATTR_ORGANIZATION] = in->organization[0] ? in->organization : NULL;
	return ca_subject_encode(&subject, out, err);
}

static int request_of(const struct init_ceremony *in, const struct ca_config_issuer *issuer, struct buf *out,
		      struct error *err)
{
	const struct ca_names none = CA_NAMES_INIT;
	auto_opened o = { NULL, NULL };
	auto_buf subject = BUF_INIT, der = BUF_INIT;
	if (open_token(in, issuer->token, &o, err) || subject_of(in, issuer->name, &subject, err))
		return -1;
	auto_hsm_key *key = key_for(o.token, issuer, err);
	if (!key)
		return err_wrap(err, err->code, "cannot make the key of issuer %s", issuer->name);
	struct hsm_provider *provider = hsm_provider_new(err);
	struct hsm_signer *signer = provider ? hsm_signer_new(provider, key, err) : NULL;
	int made = signer ? token_request_make(signer, buf_bytes(&subject), &none, &der, err) : -1;
	hsm_signer_free(signer);
	hsm_provider_free(provider);
	if (made || token_request_check(buf_bytes(&der), buf_bytes(&subject), &none, err))
		return -1;
	buf_add_bytes(out, buf_bytes(&der));
	return 0;
}

/* 1 there, 0 not, -1. */
static int has_key(const struct init_ceremony *in, const struct ca_config_issuer *root, struct error *err)
{
	auto_opened o = { NULL, NULL };
	struct error missing = ERR_INIT;
	if (open_token(in, root->token, &o, err))
		return -1;
	auto_hsm_key *key = hsm_key_find(o.token, root->key, &missing);
	if (key || missing.code == ERR_NOT_FOUND)
		return key ? 1 : 0;
	*err = missing;
	return -1;
}

static bool is_below(const struct ca_config_issuer *issuer, const struct ca_config_issuer *root)
{
	return issuer->token[0] && strcmp(issuer->parent, root->name) == 0;
}

/* Nothing where the root's key is there already; else an octet, and behind it the requests of the issuers below. */
static int look(void *argument, struct buf *answer, struct error *err)
{
	const struct asked *a = argument;
	const struct ca_config *config = a->in->config;
	int there = has_key(a->in, a->root, err);
	if (there)
		return there < 0 ? -1 : 0;
	buf_u8(answer, 1);
	for (size_t i = 0; i < config->issuer_count; i++)
		if (is_below(&config->issuers[i], a->root) && request_of(a->in, &config->issuers[i], answer, err))
			return -1;
	return 0;
}

static int destroy_key(void *argument, struct buf *answer, struct error *err)
{
	const struct asked *a = argument;
	auto_opened o = { NULL, NULL };
	struct error missing = ERR_INIT;
	(void)answer;
	if (open_token(a->in, a->root->token, &o, err))
		return -1;
	auto_hsm_key *key = hsm_key_find(o.token, a->root->key, &missing);
	if (key)
		return hsm_key_destroy(key, err);
	if (missing.code != ERR_NOT_FOUND)
		*err = missing;
	return missing.code == ERR_NOT_FOUND ? 0 : -1;
}

/* ---- the plan ---- */

static int put_request(const struct ca_config_issuer *issuer, struct bytes der, struct init_request *request,
		       struct error *err)
{
	char path[sizeof(STAGE) + sizeof(request->file)];
	uint8_t hash[HASH_LEN];
	auto_buf pem = BUF_INIT;
	request->issuer = issuer;
	(void)snprintf(request->file, sizeof(request->file), "%s.csr", issuer->name);
	(void)snprintf(path, sizeof(path), STAGE "/%s", request->file);
	text_add_pem(&pem, "CERTIFICATE REQUEST", der);
	if (pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a request");
	sha256(pem.data, pem.len, hash);
	(void)text_hex(BYTES(hash, sizeof(hash)), request->sha256);
	return file_create(path, buf_bytes(&pem), 0644, err);
}

static int write_plan(const struct asked *a, const char *key, struct bytes requests, struct error *err)
{
	const struct ca_config *config = a->in->config;
	int64_t now_s = clock_now_ms(&a->in->clock) / 1000;
	struct der all = der_of(requests);
	auto_free struct init_plan *plan = calloc(1, sizeof(*plan));
	auto_buf text = BUF_INIT;
	if (!plan)
		return err_set(err, ERR_INTERNAL, "no memory for a plan");
	plan->config = config;
	plan->root = a->root;
	plan->key = key;
	plan->organization = a->in->organization;
	plan->from_s = now_s;
	plan->to_s = now_s + WINDOW_S;
	for (size_t i = 0; i < config->issuer_count; i++)
		if (is_below(&config->issuers[i], a->root) &&
		    put_request(&config->issuers[i], der_take_whole(&all, DER_SEQUENCE),
				&plan->requests[plan->request_count++], err))
			return -1;
	return init_plan_write(plan, &text, err) || file_create(STAGE_PLAN, buf_bytes(&text), 0644, err) ? -1 : 0;
}

/* ---- rehearsed and run ---- */

static struct secret *give_pin(void *argument, const struct ceremony_token *token, struct error *err)
{
	const struct asked *a = argument;
	(void)token; /* the root's is the only one of the plan */
	return secret_new(secret_bytes(pin_of(a->in, ca_config_token(a->in->config, a->root->token))), err);
}

static int run(struct asked *a, bool resume, struct error *err)
{
	uint8_t closing[HASH_LEN];
	const struct ceremony_run_options options = {
		.plan = STAGE_PLAN,
		.rehearsal = STAGE_REHEARSAL,
		.out = INIT_CEREMONY,
		.resume = resume,
		.unattended_allowed = true,
		.clock = a->in->clock,
		.pin = give_pin,
		.argument = a,
	};
	return ceremony_run(&options, closing, err);
}

/* 1 held, 0 the root's key is there already, -1. Until the run has begun, each init plans anew: its configuration may
 * have been mended since. */
static int hold_anew(struct asked *a, const char *key, struct error *err)
{
	uint8_t ignored[HASH_LEN];
	auto_buf requests = BUF_INIT;
	const struct ceremony_run_options rehearsal = {
		.plan = STAGE_PLAN, .out = STAGE_REHEARSAL, .unattended_allowed = true, .clock = a->in->clock
	};
	if (child_run(look, a, &requests, err))
		return -1;
	if (requests.len == 0) {
		log_info("the root's key is there already: no ceremony is held", KV("issuer", a->root->name));
		return 0;
	}
	if (file_remove_tree(STAGE, err) || file_make_dir(STAGE, 0700, err) ||
	    write_plan(a, key, BYTES(requests.data + 1, requests.len - 1), err) ||
	    ceremony_run(&rehearsal, ignored, err) || file_make_dir(INIT_CEREMONY, 0700, err) || run(a, false, err))
		return -1;
	return 1;
}

/* ---- interrupted ---- */

static int read_transcript(struct ca_transcript *t, struct error *err)
{
	auto_buf text = BUF_INIT;
	size_t whole;
	if (file_read(INIT_CEREMONY "/" CEREMONY_TRANSCRIPT, CA_TRANSCRIPT_MAX, &text, err))
		return -1;
	return ca_transcript_read(buf_bytes(&text), t, &whole, err);
}

/* Whether the window of the plan is still open; a plan that is not there has none. */
static bool is_in_time(const struct asked *a)
{
	struct error ignored = ERR_INIT;
	auto_ceremony_plan *plan = ceremony_plan_load(STAGE_PLAN, &ignored);
	return plan && clock_now_ms(&a->in->clock) / 1000 <= plan->window_to_s;
}

/* The key first: as long as the transcript says that it was to be made, it is known as the ceremony's own. */
static int give_up(struct asked *a, const char *why, struct error *err)
{
	auto_ca_transcript transcript = CA_TRANSCRIPT_INIT;
	struct error missing = ERR_INIT;
	log_warn("the interrupted ceremony cannot go on, and is held anew", KV("why", why));
	if (read_transcript(&transcript, &missing) && missing.code != ERR_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	if (ca_transcript_find(&transcript, TRANSCRIPT_INTENT, "kind", "key") && child_run(destroy_key, a, NULL, err))
		return -1;
	return file_remove_tree(INIT_CEREMONY, err);
}

/* 1 it was held to its end, 0 it is to be held anew, -1. */
static int go_on(struct asked *a, struct error *err)
{
	struct error why = ERR_INIT;
	if (!file_exists(INIT_CEREMONY))
		return 0;
	if (!is_in_time(a))
		return give_up(a, "its window is over", err);
	if (run(a, true, &why) == 0)
		return 1;
	if (why.code == ERR_CONFLICT)
		return give_up(a, why.message, err);
	*err = why;
	return -1;
}

/* ---- the whole ---- */

/* What its directory says, and the last thing that is written: until then the run goes on, and cleans up. */
static int keep_closing(struct error *err)
{
	auto_ca_transcript transcript = CA_TRANSCRIPT_INIT;
	auto_buf text = BUF_INIT;
	if (file_exists(INIT_CEREMONY_CLOSING))
		return 0;
	if (read_transcript(&transcript, err))
		return -1;
	if (transcript.count == 0)
		return err_set(err, ERR_INTEGRITY, "the transcript of the ceremony is empty");
	ca_transcript_groups(ca_transcript_last(&transcript)->hash, 0, &text);
	return file_create(INIT_CEREMONY_CLOSING, buf_bytes(&text), 0644, err);
}

int init_ceremony_hold(const struct init_ceremony *in, struct error *err)
{
	struct asked a = { .in = in, .root = root_of(in->config) };
	auto_buf key = BUF_INIT;
	int held = file_exists(INIT_CEREMONY_CLOSING) ? 1 : 0;
	if (!held && (!a.root || !name_key(in->config, a.root, &key)))
		return 0;
	if (!held)
		held = go_on(&a, err);
	if (!held)
		held = hold_anew(&a, buf_text(&key), err);
	if (held <= 0)
		return held;
	return keep_closing(err) || file_remove_tree(STAGE, err) ? -1 : 1;
}

static void close_ca(struct ca **ca)
{
	ca_close(*ca);
}

int init_ceremony_bring_in(const struct ca_options *options, struct error *err)
{
	uint8_t closing[HASH_LEN];
	auto_ceremony_verified verified = CEREMONY_VERIFIED_INIT;
	CLEANUP(close_ca) struct ca *ca = ca_open(options, err);
	const struct ca_config_issuer *root = root_of(options->config);
	if (!ca)
		return -1;
	/* One batch brought all of it in; its list may have been followed by others since. */
	const struct ca_issuer *known = root ? ca_issuer_find(ca, bytes_of(root->name)) : NULL;
	if (known && known->certified)
		return 0;
	if (!init_ceremony_closing(closing))
		return err_set(err, ERR_INTEGRITY, "%s does not hold the closing hash of the ceremony",
			       INIT_CEREMONY_CLOSING);
	return ceremony_verify(INIT_CEREMONY, closing, &verified, err) || init_bring_in(ca, INIT_CEREMONY, closing, err)
		       ? -1
		       : 0;
}

bool init_ceremony_closing(uint8_t closing[HASH_LEN])
{
	auto_buf text = BUF_INIT, digits = BUF_INIT, octets = BUF_INIT;
	struct error ignored = ERR_INIT;
	if (file_read(INIT_CEREMONY_CLOSING, 256, &text, &ignored))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != ' ' && text.data[i] != '\n')
			buf_u8(&digits, text.data[i]);
	if (text_parse_hex(buf_bytes(&digits), HASH_LEN, &octets, &ignored) || octets.len != HASH_LEN)
		return false;
	memcpy(closing, octets.data, HASH_LEN);
	return true;
}
