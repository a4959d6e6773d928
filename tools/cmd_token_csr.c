/* chancery token csr: a request for a certificate of a token's key. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "hsm/key.h"
#include "tools/child.h"
#include "tools/cmd_token.h"
#include "tools/pin.h"
#include "tools/subject.h"
#include "tools/token_request.h"

struct asked {
	const struct ca_config *config;
	const struct ca_config_token *token;
	const struct secret *pin;
	struct hsm_uri key;
	struct buf subject; /* DER */
	struct ca_names names;
};

static void asked_free(struct asked *a)
{
	buf_free(&a->subject);
	ca_names_free(&a->names);
}

static int name_key(const char *label, const char *id, struct hsm_uri *key, struct error *err)
{
	auto_buf octets = BUF_INIT;
	if (label && (label[0] == '\0' || strlen(label) > HSM_URI_OBJECT_MAX))
		return err_set(err, ERR_USAGE, "--label has 1 to %d octets", HSM_URI_OBJECT_MAX);
	if (label) {
		key->parts |= HSM_URI_OBJECT;
		(void)snprintf(key->object, sizeof(key->object), "%s", label);
		return 0;
	}
	if (text_parse_hex(bytes_of(id), HSM_URI_ID_MAX, &octets, err) || octets.len == 0)
		return err_set(err, ERR_USAGE, "--id is the CKA_ID of the key in hex digits, not \"%.64s\"", id);
	key->parts |= HSM_URI_ID;
	memcpy(key->id, octets.data, octets.len);
	key->id_len = octets.len;
	return 0;
}

static int take_names(const struct option_list *list, struct ca_names *names, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		struct ca_name name;
		if (name_of(list->items[i], &name, err) || ca_names_add(names, &name, CA_NAMES_MAX, err))
			return -1;
	}
	return 0;
}

/* ---- in a process of its own, as the token's user ---- */

static int sign_with(struct hsm_token *token, const struct asked *a, struct buf *out, struct error *err)
{
	auto_buf uri = BUF_INIT;
	hsm_uri_format(&a->key, &uri);
	auto_hsm_key *key = hsm_key_find(token, buf_text(&uri), err);
	struct hsm_provider *provider = key ? hsm_provider_new(err) : NULL;
	struct hsm_signer *signer = provider ? hsm_signer_new(provider, key, err) : NULL;
	int made = signer ? token_request_make(signer, buf_bytes(&a->subject), &a->names, out, err) : -1;
	hsm_signer_free(signer);
	hsm_provider_free(provider);
	return made;
}

static int sign_request(void *argument, struct buf *answer, struct error *err)
{
	const struct asked *a = argument;
	if (token_become_user(a->config, a->token, err))
		return -1;
	auto_hsm_module *module = hsm_module_open(a->token->module, err);
	auto_hsm_token *token = module ? hsm_token_open(module, a->token->uri, a->pin, 1, err) : NULL;
	return token ? sign_with(token, a, answer, err) : -1;
}

/* ---- the command ---- */

static int write_out(const struct invocation *in, const struct buf *der, const char *out, struct error *err)
{
	auto_buf pem = BUF_INIT;
	text_add_pem(&pem, "CERTIFICATE REQUEST", buf_bytes(der));
	if (pem.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a request");
	if (out && file_replace(out, buf_bytes(&pem), 0644, err))
		return -1;
	if (in->common.json)
		output_json(out ? json_pack("{s:s, s:s}", "file", out, "request", buf_text(&pem))
				: json_pack("{s:s}", "request", buf_text(&pem)));
	else if (!out)
		(void)fputs(buf_text(&pem), stdout);
	return 0;
}

static int make_request(struct invocation *in, struct asked *a, const char *out)
{
	struct error *err = &in->error;
	auto_ca_config *config = token_enter(in);
	a->config = config;
	a->token = config ? token_named(config, in->operands[0], err) : NULL;
	auto_secret *pin = a->token ? pin_get(a->token->pin, a->token->name, err) : NULL;
	a->pin = pin;
	auto_buf der = BUF_INIT;
	if (!pin || child_run(sign_request, a, &der, err) ||
	    token_request_check(buf_bytes(&der), buf_bytes(&a->subject), &a->names, err))
		return -1;
	return write_out(in, &der, out, err);
}

int token_csr(struct invocation *in)
{
	const char *label = NULL, *id = NULL, *text = NULL, *out = NULL;
	struct option_list names = { .count = 0 };
	const struct option_spec specs[] = {
		{ "label", OPTION_TEXT, &label, "NAME", "the key's label" },
		{ "id", OPTION_TEXT, &id, "HEX", "the key's CKA_ID, where no label names it" },
		{ "subject", OPTION_TEXT, &text, "NAME", "the subject: /C=CH/O=Example/CN=Issuing 2" },
		{ "name", OPTION_LIST, &names, "NAME", "a name for the subjectAltName; several may be given" },
		{ "out", OPTION_TEXT, &out, "FILE", "write the request there, not to standard output" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (!label == !id || !text)
		return refuse_usage(in, "--subject is needed, and --label or --id to name the key");
	CLEANUP(asked_free) struct asked asked = { .subject = BUF_INIT, .names = CA_NAMES_INIT };
	struct subject subject;
	auto_free char *path = out ? path_absolute(out, &in->error) : NULL;
	if ((out && !path) || name_key(label, id, &asked.key, &in->error) ||
	    subject_parse(text, &subject, &in->error) ||
	    ca_subject_encode(&subject.names, &asked.subject, &in->error) ||
	    take_names(&names, &asked.names, &in->error) || make_request(in, &asked, path))
		return refuse(in);
	return 0;
}

const char token_csr_detail[] =
	"The subject is written /TYPE=VALUE/TYPE=VALUE, with \"\\/\" for a slash within a value. Types: C, ST, L, O, "
	"CN,\n"
	"serialNumber, businessCategory, jurisdictionC, jurisdictionST, jurisdictionL; they are encoded in the order\n"
	"that the public rules want, whatever the order here. The request is read again and verified before it is "
	"written.\n";
