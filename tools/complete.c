#include "tools/complete.h"

#include <stdio.h>

#include "base/file.h"
#include "base/secret.h"
#include "ca-core/ca.h"
#include "tools/chanceryd_listen.h"
#include "tools/pin.h"

static bool is_published(const struct ca_config_issuer *issuer)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "published/ca/%s.pem", issuer->name);
	return file_exists(path);
}

/* A root whose key is not here certifies by a ceremony. */
static bool is_certified_here(const struct ca_config *config, const struct ca_config_issuer *issuer)
{
	const struct ca_config_issuer *root = issuer->parent[0] ? ca_config_issuer(config, issuer->parent) : issuer;
	return issuer->token[0] && root && root->token[0];
}

bool complete_is_due(const struct ca_config *config)
{
	for (size_t i = 0; i < config->issuer_count; i++)
		if (is_certified_here(config, &config->issuers[i]) && !is_published(&config->issuers[i]))
			return true;
	return false;
}

struct completion {
	struct secret *pins[CA_CONFIG_TOKENS_MAX];
	struct store *store;
};

static void completion_end(struct completion *c)
{
	if (c->store)
		store_close(c->store);
	for (size_t i = 0; i < CA_CONFIG_TOKENS_MAX; i++)
		secret_free(c->pins[i]);
}

/* The PINs' files are whose who started the server; what is made belongs to the signer's user. */
static int begin(struct completion *c, const struct ca_config *config, struct error *err)
{
	for (size_t i = 0; i < config->token_count; i++) {
		const struct ca_config_token *token = &config->tokens[i];
		if (!token->pin[0])
			continue;
		c->pins[i] = pin_get(token->pin, token->name, err);
		if (!c->pins[i])
			return -1;
	}
	c->store = state_open_store(config, false, err);
	return c->store ? 0 : -1;
}

static int found(const struct completion *c, const struct ca_config *config, const char *organization,
		 struct error *err)
{
	const struct ca_foundation foundation = {
		.config = config,
		.store = c->store,
		.clock = clock_system(),
		.pins = (const struct secret *const *)c->pins,
		.organization = organization,
		.published = "published",
	};
	return ca_found(&foundation, err);
}

int complete_issuers(const struct ca_config *config, const char *organization, struct error *err)
{
	auto_fd lock = listen_lock(err);
	if (lock < 0)
		return err_wrap(err, err->code, "the configuration has issuers without a certificate, but %s",
				err->message);
	CLEANUP(completion_end) struct completion c = { .store = NULL };
	return begin(&c, config, err) || found(&c, config, organization, err) ? -1 : 0;
}
