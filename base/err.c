#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One row a code, in the order of the enum. The slugs are part of the contract. */
static const struct err_class classes[ERR_CODE_COUNT] = {
	{ ERR_NONE, "none", "No error", 200, "", 0, false, "" },
	{ ERR_INTERNAL, "internal", "The server failed", 500, "serverInternal", 4, true,
	  "This is a fault of the server. Look for the request's id in its log and report what stands there." },
	{ ERR_IO, "io", "The operating system refused", 500, "serverInternal", 3, false, "" },
	{ ERR_USAGE, "usage", "The command is not used as intended", 400, "malformed", 2, false, "" },
	{ ERR_CONFIG, "config", "The configuration is not valid", 500, "serverInternal", 2, false, "" },
	{ ERR_INTEGRITY, "integrity", "Data that must agree does not", 500, "serverInternal", 4, true,
	  "The server found its own records in disagreement and stopped the request. Run `chancery store check`." },
	{ ERR_CONFLICT, "conflict", "The record changed meanwhile", 409, "serverInternal", 1, true,
	  "Another request changed the same record first. Read it again and repeat the request." },
	{ ERR_UNREACHABLE, "unreachable", "The server does not answer", 503, "serverInternal", 3, false, "" },
	{ ERR_SIGNATURE_UNCERTAIN, "signature-uncertain", "The token failed while it signed", 503, "serverInternal", 3,
	  false, "" },
	{ ERR_BAD_REQUEST, "bad-request", "The request is malformed", 400, "malformed", 1, true,
	  "Compare the request with the API description under /api/v1/openapi.json; the detail names the part." },
	{ ERR_BAD_CSR, "bad-csr", "The certificate signing request is malformed", 400, "badCSR", 1, true,
	  "Make a new PKCS#10 request and send exactly one, as PEM or DER. The detail names the first thing "
	  "that is wrong." },
	{ ERR_BAD_SIGNATURE, "bad-signature", "The request's signature does not verify", 400, "badCSR", 1, true,
	  "The request must be signed by the key that it names. Make it again with the right key." },
	{ ERR_WEAK_ALGORITHM, "weak-algorithm", "The request uses an algorithm that is not accepted", 400,
	  "badSignatureAlgorithm", 1, true,
	  "Sign the request with SHA-256, SHA-384 or SHA-512, or use an Ed25519 key." },
	{ ERR_WEAK_KEY, "weak-key", "The public key is not accepted", 400, "badPublicKey", 1, true,
	  "Use RSA of 2048, 3072 or 4096 bits with exponent 65537, P-256, P-384, P-521 or Ed25519, freshly "
	  "made by a well-kept library." },
	{ ERR_BLOCKED_KEY, "blocked-key", "This key is blocked", 400, "badPublicKey", 1, true,
	  "The key was reported compromised, belongs to the CA, or is on the operator's list. Make a new key." },
	{ ERR_BAD_NAME, "bad-name", "A name in the request is not valid", 400, "rejectedIdentifier", 1, true,
	  "Correct the name that the detail shows. DNS names are sent as ASCII (A-labels), without a trailing "
	  "dot; a wildcard is only the whole left-most label." },
	{ ERR_PROFILE_UNKNOWN, "profile-unknown", "There is no such profile", 400, "malformed", 1, true,
	  "Choose one of the profiles listed under `allowed`, or add one to the configuration." },
	{ ERR_VALIDITY_TOO_LONG, "validity-too-long", "The validity asked for is too long", 400, "malformed", 1, true,
	  "Ask for at most the number of days given under `allowed`, or leave `days` out." },
	{ ERR_TOO_MANY_NAMES, "too-many-names", "The request has too many names", 400, "rejectedIdentifier", 1, true,
	  "Split the request: each certificate carries at most the number of names given under `allowed`." },
	{ ERR_IDENTITY_REQUIRED, "identity-required", "An enrolled identity is required", 401, "unauthorized", 1, true,
	  "Connect with an enrolled client certificate, or send an API token as `Authorization: Bearer`. "
	  "Identities are enrolled with `chancery identity add` on the CA's machine." },
	{ ERR_IDENTITY_REVOKED, "identity-revoked", "This identity was revoked", 403, "unauthorized", 1, true,
	  "Ask an administrator to enrol the identity anew." },
	{ ERR_ROLE_REQUIRED, "role-required", "The identity lacks the role for this", 403, "unauthorized", 1, true,
	  "Use an identity with one of the roles given under `allowed`." },
	{ ERR_NAME_NOT_ALLOWED, "name-not-allowed", "A name is outside what this requester may have", 403,
	  "rejectedIdentifier", 1, true,
	  "Ask for names below the requester's grants, or have a grant added to the configuration." },
	{ ERR_CAA_FORBIDS, "caa-forbids", "CAA records forbid this issuance", 403, "caa", 1, true,
	  "Add this CA's identity to the CAA records of the name, or ask for another name." },
	{ ERR_ORGANIZATION_NOT_VALID, "organization-not-valid", "The organization's record is not valid", 403,
	  "unauthorized", 1, true, "Have the organization's record vetted again." },
	{ ERR_APPROVAL_NOT_ALLOWED, "approval-not-allowed", "This person may not decide here", 403, "unauthorized", 1,
	  true, "Decisions are made by officers who are neither the requester nor the same person twice." },
	{ ERR_NOT_FOUND, "not-found", "There is no such thing", 404, "malformed", 1, true,
	  "Check the address, serial number or id." },
	{ ERR_METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not for this address", 405, "malformed", 1,
	  true, "Use one of the methods in the Allow header." },
	{ ERR_TOO_LARGE, "too-large", "The body is too large", 413, "malformed", 1, true,
	  "A certificate signing request has at most 64 KiB, a JSON body at most 256 KiB." },
	{ ERR_UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body has a type that is not accepted here", 415,
	  "malformed", 1, true, "Send the Content-Type given under `allowed`." },
	{ ERR_ORDER_STATE, "order-state", "The state does not allow this", 409, "orderNotReady", 1, true,
	  "The detail says which state it is in and what can be done from there." },
	{ ERR_VALIDATION_FAILED, "validation-failed", "Control of a name was not shown", 409, "incorrectResponse", 1,
	  true, "The detail says what was looked for, where, and what was seen instead." },
	{ ERR_APPROVAL_MISMATCH, "approval-mismatch", "The statement is about something else", 409, "malformed", 1,
	  true, "Fetch what is to be decided again, look at it, and sign a new statement." },
	{ ERR_TOKEN_UNAVAILABLE, "token-unavailable", "The signing token is not available", 503, "serverInternal", 3,
	  true,
	  "Try again after the time in Retry-After. If it stays so, the operator looks at `chancery token status`." },
	{ ERR_PIN_REFUSED, "pin-refused", "The token refused the PIN", 503, "serverInternal", 3, false, "" },
	{ ERR_STORE_FULL, "store-full", "The store has no room for new certificates", 503, "serverInternal", 3, true,
	  "The operator has to make room on the disk. Revocation and reading go on meanwhile." },
	{ ERR_BUSY, "busy", "The server is busy", 503, "rateLimited", 3, true,
	  "Try again after the time in Retry-After." },
};

const struct err_class *err_class(enum err_code code)
{
	if (code < 0 || code >= ERR_CODE_COUNT)
		code = ERR_INTERNAL;
	return &classes[code];
}

const struct err_class *err_class_by_slug(const char *slug)
{
	for (size_t i = 0; i < ERR_CODE_COUNT; i++)
		if (strcmp(classes[i].slug, slug) == 0)
			return &classes[i];
	return NULL;
}

__attribute__((format(printf, 3, 0))) static void write_message(struct error *err, enum err_code code, const char *fmt,
								va_list args)
{
	/* The arguments may be texts of err itself. */
	char message[sizeof(err->message)];
	(void)vsnprintf(message, sizeof(message), fmt, args);
	err->code = code;
	err->member[0] = err->value[0] = err->allowed[0] = '\0';
	memcpy(err->message, message, sizeof(message));
}

/* The names stand in parentheses because the analyzer is given macros for them (err.h). */
int(err_set)(struct error *err, enum err_code code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	write_message(err, code, fmt, args);
	va_end(args);
	err->causes[0] = '\0';
	return -1;
}

int(err_wrap)(struct error *err, enum err_code code, const char *fmt, ...)
{
	char causes[sizeof(err->causes) + sizeof(err->message) + 2];
	(void)snprintf(causes, sizeof(causes), "%s%s%s", err->message, err->causes[0] ? ": " : "", err->causes);

	va_list args;
	va_start(args, fmt);
	write_message(err, code, fmt, args);
	va_end(args);
	(void)snprintf(err->causes, sizeof(err->causes), "%.*s", (int)sizeof(err->causes) - 1, causes);
	return -1;
}

int(err_errno)(struct error *err, enum err_code code, const char *fmt, ...)
{
	char reason[128];
	const char *text = strerror_r(errno, reason, sizeof(reason));

	va_list args;
	va_start(args, fmt);
	write_message(err, code, fmt, args);
	va_end(args);
	size_t used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", text);
	err->causes[0] = '\0';
	return -1;
}

static void copy_printable(char *to, size_t size, const char *from)
{
	size_t used = 0;
	for (; *from && used + 5 < size; from++) {
		unsigned char c = (unsigned char)*from;
		if (c >= 0x20 && c < 0x7f)
			to[used++] = (char)c;
		else
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", c);
	}
	to[used] = '\0';
}

int(err_about)(struct error *err, const char *member, const char *value, const char *allowed)
{
	copy_printable(err->member, sizeof(err->member), member ? member : "");
	copy_printable(err->value, sizeof(err->value), value ? value : "");
	copy_printable(err->allowed, sizeof(err->allowed), allowed ? allowed : "");
	return -1;
}
