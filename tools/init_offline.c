#include "tools/init_offline.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/import.h"
#include "ca-core/lint.h"
#include "tools/ceremony_import.h"
#include "tools/token_request.h"

bool init_offline_has_output(const struct offline_ceremony *ceremony)
{
	auto_free char *out = ceremony->directory ? file_join(ceremony->directory, "out") : NULL;
	return out && file_exists(out);
}

int init_offline_name(const struct offline_ceremony *ceremony, char name[65], struct error *err)
{
	(void)snprintf(name, 65, "root-1");
	if (!init_offline_has_output(ceremony))
		return 0;
	auto_ceremony_output *output = ceremony_output_read(ceremony->directory, ceremony->closing, err);
	for (size_t i = 0; output && i < output->count; i++) {
		struct ca_certificate_facts facts;
		if (output->items[i].kind != MESSAGE_IMPORT_MADE)
			continue;
		if (ca_certificate_read(buf_bytes(&output->items[i].der), &facts, err))
			return err_wrap(err, ERR_BAD_REQUEST, "%s is no certificate", output->items[i].file);
		if (!bytes_equal(facts.issuer, facts.subject))
			continue;
		(void)snprintf(name, 65, "%s", output->items[i].name);
		return 0;
	}
	return output ? 0 : -1;
}

bool init_offline_is(const struct ca_config *config)
{
	for (size_t i = 0; i < config->issuer_count; i++)
		if (!config->issuers[i].parent[0] && config->issuers[i].token[0])
			return false;
	return true;
}

/* ---- what the ceremony made ---- */

int init_bring_in(struct ca *ca, const char *directory, const uint8_t *closing, struct error *err)
{
	const struct ca_actor root = {
		.identity = "root", .roles = 0xff, .may_request = true, .may_read = true, .peer = "init"
	};
	auto_free struct message_import *m = malloc(sizeof(*m));
	auto_free struct message_imported *imported = calloc(1, sizeof(*imported));
	if (!m || !imported)
		return err_set(err, ERR_INTERNAL, "no memory for an import");
	auto_ceremony_output *output = ceremony_output_read(directory, closing, err);
	if (!output)
		return -1;
	ceremony_output_message(output, m);
	return ca_import(ca, &root, m, imported, err);
}

/* ---- requests ---- */

static int write_request(void *arg, const struct ca_config_issuer *issuer, struct hsm_signer *signer,
			 struct bytes subject, struct error *err)
{
	bool *waits = arg;
	char path[80];
	auto_buf der = BUF_INIT, pem = BUF_INIT;
	struct ca_names none = CA_NAMES_INIT;
	*waits = true;
	(void)snprintf(path, sizeof(path), "%s.csr", issuer->name);
	/* A plan states the hash of the file: it stays as it is. */
	if (file_exists(path))
		return 0;
	if (token_request_make(signer, subject, &none, &der, err) ||
	    token_request_check(buf_bytes(&der), subject, &none, err))
		return -1;
	text_add_pem(&pem, "CERTIFICATE REQUEST", buf_bytes(&der));
	return pem.failed ? err_set(err, ERR_INTERNAL, "no memory for a request")
			  : file_create(path, buf_bytes(&pem), 0644, err);
}

static void close_ca(struct ca **ca)
{
	ca_close(*ca);
}

int init_offline_found(const struct ca_options *options, const struct offline_ceremony *ceremony,
		       const char *organization, struct error *err)
{
	CLEANUP(close_ca) struct ca *ca = ca_open(options, err);
	bool waits = false;
	if (!ca ||
	    (init_offline_has_output(ceremony) && init_bring_in(ca, ceremony->directory, ceremony->closing, err)) ||
	    ca_found_waiting(ca, organization, write_request, &waits, err))
		return -1;
	return waits ? 0 : 1;
}

/* ---- what to do next ---- */

static int hash_of(const char *path, char hex[65])
{
	auto_buf content = BUF_INIT;
	struct error none = ERR_INIT;
	uint8_t hash[32];
	if (file_read(path, 65536, &content, &none))
		return -1;
	sha256(content.data, content.len, hash);
	(void)text_hex(BYTES(hash, sizeof(hash)), hex);
	return 0;
}

static void say_step(const struct ca_config_issuer *issuer, const char *hash)
{
	(void)printf("  step \"%s\" {\n"
		     "    kind = \"certificate\"\n"
		     "    issuer = \"%s\"\n"
		     "    csr = \"%s.csr\"\n"
		     "    csr-sha256 = \"%s\"\n"
		     "    profile = \"intermediate\"\n"
		     "    common-name = \"...\"\n"
		     "  }\n",
		     issuer->name, issuer->parent, issuer->name, hash);
}

void init_offline_say(const struct invocation *in, const struct ca_config *config)
{
	const char *state = in->common.state;
	json_t *requests = json_array();
	if (!in->common.json)
		(void)printf("%s is begun; its root signs elsewhere. What waits for a certificate goes into the plan\n"
			     "of a ceremony, whose url is %s and whose arc is %s:\n",
			     state, config->listen.url, config->arc_text);
	for (size_t i = 0; i < config->issuer_count; i++) {
		char path[80], hash[65];
		(void)snprintf(path, sizeof(path), "%s.csr", config->issuers[i].name);
		if (!config->issuers[i].token[0] || hash_of(path, hash))
			continue;
		(void)json_array_append_new(requests, json_pack("{s:s, s:s++, s:s}", "issuer", config->issuers[i].name,
								"file", state, "/", path, "sha256", hash));
		if (!in->common.json)
			say_step(&config->issuers[i], hash);
	}
	if (!in->common.json)
		(void)printf("  profile \"intermediate\" {\n"
			     "    kind = \"intermediate\"\n"
			     "    purposes = { \"server\", \"client\", \"audit\" }\n"
			     "  }\n");
	if (in->common.json)
		output_json(json_pack("{s:s, s:b, s:b, s:O}", "state", state, "created", 1, "waits", 1, "requests",
				      requests));
	else
		(void)printf("The requests lie in %s. When the ceremony is over, `chancery init --state %s\n"
			     "--offline-root DIR --closing HASH` with its directory and the closing hash on paper "
			     "makes the rest.\n",
			     state, state);
	json_decref(requests);
}
