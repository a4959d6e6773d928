#include "tools/ceremony_pin.h"

#include <stdio.h>
#include <string.h>

#include "hsm/uri.h"
#include "tools/shares_collect.h"

static int wrong(const struct ceremony_plan *plan, const struct ceremony_token *token, struct error *err,
		 const char *what)
{
	return ceremony_plan_wrong(plan, err, "token", token->title, "pin", "%s: %s", token->sheet, what);
}

int ceremony_pin_sheet(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
		       const struct ceremony_token *token, struct shares_sheet *sheet, struct error *err)
{
	const struct ceremony_input *input = ceremony_inputs_find(inputs, token->sheet);
	struct error why = ERR_INIT;
	struct hsm_uri uri;
	if (!input)
		return wrong(plan, token, err, "the sheet was not read");
	if (shares_sheet_read(buf_bytes(&input->content), sheet, &why))
		return wrong(plan, token, err, why.message);
	if (hsm_uri_parse(token->uri, &uri, &why))
		return wrong(plan, token, err, why.message);
	if (strcmp(sheet->token, token->label) != 0 ||
	    ((uri.parts & HSM_URI_SERIAL) && strcmp(sheet->serial, uri.serial) != 0))
		return wrong(plan, token, err, "it is the sheet of another token");
	return sheet->pin == SHARES_PIN_USER ? 0 : wrong(plan, token, err, "it is the sheet of an SO PIN");
}

int ceremony_pin_check(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs, struct error *err)
{
	struct shares_sheet sheet;
	for (size_t i = 0; i < plan->token_count; i++)
		if (plan->tokens[i].pin == CEREMONY_PIN_SHARES &&
		    ceremony_pin_sheet(plan, inputs, &plan->tokens[i], &sheet, err))
			return -1;
	return 0;
}

struct secret *ceremony_pin(const struct ceremony_plan *plan, const struct ceremony_inputs *inputs,
			    const struct ceremony_token *token, struct error *err)
{
	char reference[24] = "prompt", what[64];
	struct shares_sheet sheet;
	(void)snprintf(what, sizeof(what), "PIN of token %s", token->label);
	switch (token->pin) {
	case CEREMONY_PIN_FD:
		(void)snprintf(reference, sizeof(reference), "fd:%d", token->pin_fd);
		return secret_get(reference, what, err);
	case CEREMONY_PIN_SHARES:
		return ceremony_pin_sheet(plan, inputs, token, &sheet, err) ? NULL : shares_ask(&sheet, what, err);
	default:
		return secret_get(reference, what, err);
	}
}

const char *ceremony_pin_name(const struct ceremony_token *token)
{
	static const char *const names[] = {
		[CEREMONY_PIN_PROMPT] = "prompt", [CEREMONY_PIN_FD] = "fd", [CEREMONY_PIN_SHARES] = "shares"
	};
	return names[token->pin];
}
