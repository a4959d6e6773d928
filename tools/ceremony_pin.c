#include "tools/ceremony_pin.h"

#include <stdio.h>

struct secret *ceremony_pin(const struct ceremony_token *token, struct error *err)
{
	char reference[24] = "prompt", what[64];
	(void)snprintf(what, sizeof(what), "PIN of token %s", token->label);
	switch (token->pin) {
	case CEREMONY_PIN_FD:
		(void)snprintf(reference, sizeof(reference), "fd:%d", token->pin_fd);
		return secret_get(reference, what, err);
	case CEREMONY_PIN_SHARES:
		(void)err_set(err, ERR_CONFIG, "token %s: PINs are not put together from shares here", token->label);
		return NULL;
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
