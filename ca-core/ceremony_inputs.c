/* The files that a plan names. */
#include <stdio.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/ceremony_plan.h"

const struct ceremony_input *ceremony_inputs_find(const struct ceremony_inputs *inputs, const char *name)
{
	for (size_t i = 0; i < inputs->count; i++)
		if (strcmp(inputs->items[i].name, name) == 0)
			return &inputs->items[i];
	return NULL;
}

void ceremony_inputs_free(struct ceremony_inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		buf_free(&inputs->items[i].content);
	free(inputs->items);
	*inputs = CEREMONY_INPUTS_INIT;
}

static int add(const struct ceremony_plan *plan, const char *folder, const char *section, const char *title,
	       const char *option, const char *name, struct ceremony_inputs *inputs, struct error *err)
{
	struct error why = ERR_INIT;
	if (!name[0] || ceremony_inputs_find(inputs, name))
		return 0;
	auto_free char *path = file_join(folder, name);
	struct ceremony_input *in = &inputs->items[inputs->count];
	if (!path)
		return err_set(err, ERR_INTERNAL, "no memory for a path");
	if (file_read(path, CEREMONY_INPUT_MAX, &in->content, &why)) {
		buf_free(&in->content);
		return ceremony_plan_wrong(plan, err, section, title, option, "%s", why.message);
	}
	(void)snprintf(in->name, sizeof(in->name), "%s", name);
	sha256(in->content.data, in->content.len, in->sha256);
	inputs->count++;
	return 0;
}

int ceremony_inputs_read(const struct ceremony_plan *plan, const char *folder, struct ceremony_inputs *inputs,
			 struct error *err)
{
	size_t most = plan->person_count + plan->token_count + plan->issuer_count + plan->step_count;
	inputs->items = calloc(most + 1, sizeof(*inputs->items));
	if (!inputs->items)
		return err_set(err, ERR_INTERNAL, "no memory for the plan's files");
	for (size_t i = 0; i < plan->person_count; i++)
		if (add(plan, folder, "person", plan->people[i].name, "certificate", plan->people[i].certificate,
			inputs, err))
			return -1;
	for (size_t i = 0; i < plan->token_count; i++)
		if (add(plan, folder, "token", plan->tokens[i].title, "pin", plan->tokens[i].sheet, inputs, err))
			return -1;
	for (size_t i = 0; i < plan->issuer_count; i++)
		if (add(plan, folder, "issuer", plan->issuers[i].name, "certificate", plan->issuers[i].certificate,
			inputs, err))
			return -1;
	for (size_t i = 0; i < plan->step_count; i++)
		if (add(plan, folder, "step", plan->steps[i].name, "csr", plan->steps[i].csr, inputs, err))
			return -1;
	return 0;
}

int ceremony_input_certificate(const struct ceremony_input *in, struct buf *der, struct error *err)
{
	struct bytes content = buf_bytes(&in->content);
	char label[64];
	if (content.len && content.data[0] == 0x30) {
		buf_add_bytes(der, content);
		return der->failed ? err_set(err, ERR_INTERNAL, "no memory for a certificate") : 0;
	}
	auto_buf other = BUF_INIT;
	if (text_next_pem(&content, label, der, err) != 1 || strcmp(label, "CERTIFICATE") != 0)
		return err_set(err, ERR_CONFIG, "it holds no certificate");
	if (text_next_pem(&content, label, &other, err) != 0)
		return err_set(err, ERR_CONFIG, "it holds more than one certificate");
	return 0;
}
