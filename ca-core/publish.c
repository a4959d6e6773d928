#include "ca-core/publish.h"

#include <stdio.h>

#include "base/file.h"
#include "base/text.h"
#include "ca-core/audit.h"
#include "ca-core/crl.h"
#include "ca-core/import.h"

int ca_publish_file(struct ca *ca, const char *folder, const char *name, const char *suffix, struct bytes content,
		    struct error *err)
{
	char path[512], whole[1024];
	if (!ca->published)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", ca->published, folder) >= (int)sizeof(path))
		return err_set(err, ERR_CONFIG, "the path of the published files is too long");
	(void)snprintf(whole, sizeof(whole), "%s/%s%s", path, name, suffix);
	if (file_make_dir(path, 0755, err))
		return -1;
	return file_replace(whole, content, 0644, err);
}

void ca_publish_add_chain(struct ca *ca, const struct ca_issuer *issuer, struct buf *pem)
{
	/* The configuration's check has made sure that parents end at a root. */
	for (size_t depth = 0;
	     issuer && issuer->certified && issuer->config->parent[0] && depth < CA_CONFIG_ISSUERS_MAX; depth++) {
		text_add_pem(pem, "CERTIFICATE", buf_bytes(&issuer->info.certificate));
		issuer = ca_issuer_find(ca, bytes_of(issuer->config->parent));
	}
}

static int publish_issuer(struct ca *ca, struct ca_issuer *issuer, struct error *err)
{
	const char *name = issuer->config->name;
	char folder[sizeof(issuer->config->name) + 3];
	auto_buf pem = BUF_INIT, chain = BUF_INIT, cross = BUF_INIT;
	text_add_pem(&pem, "CERTIFICATE", buf_bytes(&issuer->info.certificate));
	ca_publish_add_chain(ca, issuer, &chain);
	if (ca_cross_add_pem(ca, issuer, &cross, err))
		return -1;
	if (pem.failed || chain.failed || cross.failed)
		return err_set(err, ERR_INTERNAL, "no memory to publish %s", name);
	(void)snprintf(folder, sizeof(folder), "ca/%s", name);
	if (ca_publish_file(ca, "ca", name, ".pem", buf_bytes(&pem), err) ||
	    ca_publish_file(ca, "ca", name, ".crt", buf_bytes(&issuer->info.certificate), err) ||
	    (chain.len && ca_publish_file(ca, folder, "chain", ".pem", buf_bytes(&chain), err)) ||
	    (cross.len && ca_publish_file(ca, folder, "cross", ".pem", buf_bytes(&cross), err)))
		return -1;
	return 0;
}

int ca_publish_certificates(struct ca *ca, struct error *err)
{
	auto_buf roots = BUF_INIT;
	if (!ca->published)
		return 0;
	for (size_t i = 0; i < ca->issuer_count; i++) {
		struct ca_issuer *issuer = &ca->issuers[i];
		if (!issuer->certified)
			continue;
		if (publish_issuer(ca, issuer, err))
			return -1;
		if (!issuer->config->parent[0])
			text_add_pem(&roots, "CERTIFICATE", buf_bytes(&issuer->info.certificate));
	}
	if (roots.failed)
		return err_set(err, ERR_INTERNAL, "no memory to publish the roots");
	return roots.len ? ca_publish_file(ca, "ca", "roots", ".pem", buf_bytes(&roots), err) : 0;
}

int ca_publish_lists(struct ca *ca, struct error *err)
{
	if (!ca->published)
		return 0;
	for (size_t i = 0; i < ca->issuer_count; i++)
		if (ca->issuers[i].certified && ca_crl_publish(ca, &ca->issuers[i], err))
			return -1;
	return ca_audit_publish_head(ca, err);
}

int ca_publish_all(struct ca *ca, struct error *err)
{
	return ca_publish_certificates(ca, err) || ca_publish_lists(ca, err) ? -1 : 0;
}
