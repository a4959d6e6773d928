/* What several commands share. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tools/cmd.h"

#define ACCEPTED 202

json_t *certificate_row(struct client *client, const char *path, struct error *err)
{
	json_t *page = client_get_json(client, path, err);
	if (!page)
		return NULL;
	json_t *row = json_incref(json_array_get(json_object_get(page, "certificates"), 0));
	json_decref(page);
	if (!row)
		(void)err_set(err, ERR_NOT_FOUND, "there is no such certificate");
	return row;
}

int wanted_names_sort(const struct option_list *list, bool client, struct wanted_names *out, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		struct ca_name name;
		if (client && i == 0) {
			out->common_name = list->items[i];
			continue;
		}
		if (name_of(list->items[i], &name, err) || ca_names_add(&out->names, &name, CA_NAMES_MAX, err))
			return err_about(err, "name", list->items[i], NULL);
	}
	return 0;
}

bool profile_is_client(const struct common_options *common, const char *profile)
{
	struct error ignored = ERR_INIT;
	auto_ca_config *config = common->server ? NULL : state_config(common, &ignored);
	const struct ca_profile *found = config ? ca_config_profile(config, profile) : NULL;
	return found ? found->kind == CA_KIND_CLIENT : strcmp(profile, "client") == 0;
}

int post_request(struct client *client, const char *profile, unsigned days, struct bytes csr, struct buf *chain,
		 json_t **order, struct error *err)
{
	auto_buf path = BUF_INIT;
	auto_reply reply = REPLY_INIT;
	buf_add_text(&path, "/api/v1/certificates");
	url_add_query(&path, "profile", profile);
	if (days)
		buf_printf(&path, "&days=%u", days);
	const struct request request = {
		.method = "POST", .path = buf_text(&path), .type = "application/pkcs10", .body = csr
	};
	*order = NULL;
	if (client_call(client, &request, &reply, err))
		return -1;
	if (reply.status == ACCEPTED) {
		*order = reply_json(&reply, err);
		return *order ? 0 : -1;
	}
	buf_add_bytes(chain, buf_bytes(&reply.body));
	return chain->failed ? err_set(err, ERR_INTERNAL, "no memory for the certificate") : 0;
}

char *folder_for_name(const char *name, struct error *err)
{
	auto_buf path = BUF_INIT;
	buf_add_text(&path, name[0] == '.' ? "./_" : "./");
	for (const char *c = name; *c; c++) {
		if (*c == '*')
			buf_add_text(&path, "_wildcard");
		else
			buf_u8(&path, *c == '/' || *c == ':' || (unsigned char)*c < 0x20 ? '_' : (uint8_t)*c);
	}
	char *copy = strdup(buf_text(&path));
	if (!copy)
		(void)err_set(err, ERR_INTERNAL, "no memory for a path");
	return copy;
}

static char *time_text(const ASN1_TIME *time, char out[CLOCK_TEXT_SIZE])
{
	struct tm parts = { .tm_year = 70, .tm_mday = 1 };
	(void)ASN1_TIME_to_tm(time, &parts);
	const struct clock_civil civil = { parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
					   parts.tm_hour,        parts.tm_min,     parts.tm_sec };
	return clock_rfc3339(clock_from_civil(civil), out);
}

void say_issued(const struct invocation *in, const X509 *certificate, const struct key_folder *folder, bool with_key)
{
	struct error ignored = ERR_INIT;
	auto_buf serial = BUF_INIT;
	char until[CLOCK_TEXT_SIZE];
	(void)certificate_serial(certificate, &serial, &ignored);
	(void)time_text(X509_get0_notAfter(certificate), until);
	if (in->common.json) {
		output_json(json_pack("{s:s, s:s, s:s}", "serial", buf_text(&serial), "notAfter", until, "folder",
				      folder->path));
		return;
	}
	(void)printf("Certificate %s, valid until %s.\n", buf_text(&serial), until);
	(void)printf("  %s/%s\n", folder->path,
		     with_key ? "key.pem cert.pem chain.pem fullchain.pem" : "cert.pem chain.pem fullchain.pem");
	if (with_key && folder->p12)
		(void)printf("  %s/%s.p12, its password in %s/%s\n", folder->path, folder->p12, folder->path,
			     folder->p12_password);
}

int duration_of(const char *text, int64_t *seconds, struct error *err)
{
	char *end = NULL;
	long value = strtol(text, &end, 10);
	int64_t unit = strcmp(end, "d") == 0 ? 86400 : strcmp(end, "h") == 0 ? 3600 : strcmp(end, "m") == 0 ? 60 : 0;
	if (end == text || unit == 0 || value < 1 || value > 100000)
		return err_set(err, ERR_USAGE, "\"%s\" is no duration: write 30d, 12h or 90m", text);
	*seconds = value * unit;
	return 0;
}
