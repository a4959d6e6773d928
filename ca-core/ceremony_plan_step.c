/* A section `step` of a plan: which words its kind has, and what they say. */
#include <stdio.h>

#include "base/clock.h"
#include "ca-core/ceremony_plan_private.h"
#include "hsm/key.h"
#include "hsm/uri.h"

static const char *const kind_names[CEREMONY_KINDS + 1] = {
	[CEREMONY_KEY] = "key",
	[CEREMONY_ROOT] = "root",
	[CEREMONY_CERTIFICATE] = "certificate",
	[CEREMONY_CROSS] = "cross",
	[CEREMONY_OLD_WITH_NEW] = "old-with-new",
	[CEREMONY_NEW_WITH_OLD] = "new-with-old",
	[CEREMONY_CRL] = "crl",
	[CEREMONY_DESTROY] = "destroy",
	[CEREMONY_COMPARE] = "compare",
};

const char *ceremony_kind_name(enum ceremony_kind kind)
{
	return (unsigned)kind < CEREMONY_KINDS ? kind_names[kind] : "?";
}

bool ceremony_kind_certifies(enum ceremony_kind kind)
{
	return kind == CEREMONY_ROOT || kind == CEREMONY_CERTIFICATE || kind == CEREMONY_CROSS ||
	       kind == CEREMONY_OLD_WITH_NEW || kind == CEREMONY_NEW_WITH_OLD;
}

bool ceremony_kind_signs(enum ceremony_kind kind)
{
	return ceremony_kind_certifies(kind) || kind == CEREMONY_CRL;
}

/* ---- which words a kind has ---- */

enum {
	KEY = 1 << CEREMONY_KEY,
	ROOT = 1 << CEREMONY_ROOT,
	LEAF = 1 << CEREMONY_CERTIFICATE,
	CROSS = 1 << CEREMONY_CROSS,
	ROLL = 1 << CEREMONY_OLD_WITH_NEW | 1 << CEREMONY_NEW_WITH_OLD,
	LIST = 1 << CEREMONY_CRL,
	DESTROY = 1 << CEREMONY_DESTROY,
	COMPARE = 1 << CEREMONY_COMPARE,
	CERTIFIES = ROOT | LEAF | CROSS | ROLL,
};
static const struct {
	const char *word;
	unsigned may, must; /* of kinds */
} words[] = {
	{ "key", KEY | ROOT | LEAF | DESTROY | COMPARE, KEY | ROOT | DESTROY | COMPARE },
	{ "backup", COMPARE, COMPARE },
	{ "type", KEY, KEY },
	{ "issuer", LEAF | CROSS | LIST, LEAF | CROSS | LIST },
	{ "of", CROSS, CROSS },
	{ "old", ROLL, ROLL },
	{ "new", ROLL, ROLL },
	{ "csr", LEAF, 0 },
	{ "csr-sha256", LEAF, 0 },
	{ "profile", CERTIFIES, ROOT | LEAF | ROLL },
	{ "common-name", ROOT | LEAF, ROOT | LEAF },
	{ "organization", ROOT | LEAF, 0 },
	{ "country", ROOT | LEAF, 0 },
	{ "state", ROOT | LEAF, 0 },
	{ "locality", ROOT | LEAF, 0 },
	{ "not-before", CERTIFIES, 0 },
	{ "not-after", CERTIFIES, 0 },
	{ "days", CERTIFIES, 0 },
	{ "serial", CERTIFIES, 0 },
	{ "this-update", LIST, 0 },
	{ "next-update-days", LIST, LIST },
	{ "number", LIST, 0 },
	{ "revoked", LIST, 0 },
};

static int check_words(const struct config_section *s, const struct ceremony_step *step)
{
	unsigned kind = 1U << step->kind;
	const char *name = ceremony_kind_name(step->kind);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		bool given = cfg_size(s->cfg, words[i].word) > 0;
		if (given && !(words[i].may & kind))
			return config_bad(s, words[i].word, "a step of kind %s has no such word", name);
		if (!given && (words[i].must & kind))
			return config_bad(s, words[i].word, "a step of kind %s needs it", name);
	}
	return 0;
}

/* ---- values ---- */

static int read_type(const struct config_section *s, struct ceremony_step *step)
{
	static const struct {
		enum ca_key_type type;
		unsigned bits;
	} types[] = {
		[HSM_RSA_2048] = { CA_KEY_RSA, 2048 },   [HSM_RSA_3072] = { CA_KEY_RSA, 3072 },
		[HSM_RSA_4096] = { CA_KEY_RSA, 4096 },   [HSM_EC_P256] = { CA_KEY_P256, 256 },
		[HSM_EC_P384] = { CA_KEY_P384, 384 },    [HSM_EC_P521] = { CA_KEY_P521, 521 },
		[HSM_ED25519] = { CA_KEY_ED25519, 256 },
	};
	char text[32] = "";
	enum hsm_key_type type;
	struct error why = ERR_INIT;
	if (config_get_text(s, "type", text, sizeof(text)))
		return -1;
	if (!text[0])
		return 0;
	if (hsm_key_type_parse(text, &type, &why))
		return config_bad(s, "type", "\"%s\" is none of rsa2048, rsa3072, rsa4096, p256, p384, p521, ed25519",
				  text);
	step->type = types[type].type;
	step->bits = types[type].bits;
	return 0;
}

static int read_subject(const struct config_section *s, struct ceremony_step *step)
{
	static const struct {
		const char *word;
		enum ca_attribute attribute;
	} parts[] = {
		{ "common-name", CA_ATTR_COMMON_NAME }, { "organization", CA_ATTR_ORGANIZATION },
		{ "country", CA_ATTR_COUNTRY },         { "state", CA_ATTR_STATE },
		{ "locality", CA_ATTR_LOCALITY },
	};
	struct ca_subject subject = { 0 };
	struct error why = ERR_INIT;
	auto_buf name = BUF_INIT;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char text[513] = "";
		if (config_get_text(s, parts[i].word, text, sizeof(text)))
			return -1;
		if (cfg_size(s->cfg, parts[i].word) == 0)
			continue;
		char **value = &step->subject[parts[i].attribute];
		*value = strdup(text);
		if (!*value)
			return config_bad(s, parts[i].word, "no memory");
		subject = (struct ca_subject){ 0 };
		subject.values[parts[i].attribute] = *value;
		buf_clear(&name);
		if (ca_subject_encode(&subject, &name, &why))
			return config_bad(s, parts[i].word, "%s", why.message);
	}
	return 0;
}

static int read_life(const struct config_section *s, struct ceremony_step *step)
{
	bool list = step->kind == CEREMONY_CRL;
	if (plan_get_time(s, list ? "this-update" : "not-before", true, &step->not_before) ||
	    (!list && plan_get_time(s, "not-after", false, &step->not_after)) ||
	    config_get_number(s, list ? "next-update-days" : "days", 1, list ? 3650 : 36500, &step->days))
		return -1;
	if (step->days && step->not_after.given)
		return config_bad(s, "not-after", "days says already when it ends");
	if (step->not_after.given && step->not_before.given && !step->not_before.now &&
	    step->not_after.s <= step->not_before.s)
		return config_bad(s, "not-after", "it is not after not-before");
	return 0;
}

/* "SERIAL TIME [REASON]" */
static int read_revoked_entry(const struct config_section *s, const char *text, struct ceremony_revoked *r)
{
	static const char *const reasons[] = { "unspecified",        "keyCompromise", "cACompromise",
					       "affiliationChanged", "superseded",    "cessationOfOperation" };
	size_t serial = strcspn(text, " "), time = text[serial] ? strcspn(text + serial + 1, " ") : 0;
	const char *when = text + serial + (text[serial] != '\0'), *reason = when + time + (when[time] != '\0');
	struct error why = ERR_INIT;
	if (plan_parse_serial(s, "revoked", BYTES(text, serial), r->serial, &r->serial_len))
		return -1;
	if (clock_parse_rfc3339(BYTES(when, time), &r->revoked_s, &why))
		return config_bad(s, "revoked", "\"%.80s\" is not \"SERIAL 2026-12-01T09:00:00Z REASON\"", text);
	if (!*reason)
		return 0;
	while (r->reason < sizeof(reasons) / sizeof(reasons[0]) && strcmp(reasons[r->reason], reason) != 0)
		r->reason++;
	if (r->reason == sizeof(reasons) / sizeof(reasons[0]))
		return config_bad(s, "revoked",
				  "\"%.40s\" is none of unspecified, keyCompromise, cACompromise, affiliationChanged, "
				  "superseded, cessationOfOperation",
				  reason);
	return 0;
}

static int read_revoked(const struct config_section *s, struct ceremony_step *step)
{
	struct ca_texts entries = { 0 };
	int rc = config_get_texts(s, "revoked", CEREMONY_REVOKED_MAX, &entries);
	if (rc == 0 && entries.count) {
		step->revoked = calloc(entries.count, sizeof(*step->revoked));
		if (!step->revoked)
			rc = config_bad(s, "revoked", "no memory");
	}
	for (size_t i = 0; rc == 0 && step->revoked && i < entries.count; i++) {
		struct ceremony_revoked *r = &step->revoked[i];
		rc = read_revoked_entry(s, entries.items[i], r);
		step->revoked_count = i + 1;
		for (size_t other = 0; rc == 0 && other < i; other++)
			if (bytes_equal(BYTES(r->serial, r->serial_len),
					BYTES(step->revoked[other].serial, step->revoked[other].serial_len)))
				rc = config_bad(s, "revoked", "serial %.44s is revoked twice", entries.items[i]);
	}
	config_texts_free(&entries);
	return rc;
}

/* ---- the whole ---- */

static int read_csr(const struct config_section *s, struct ceremony_step *step)
{
	bool has_sha256 = false;
	if (config_get_name(s, "csr", step->csr, sizeof(step->csr)) ||
	    plan_get_sha256(s, "csr-sha256", step->csr_sha256, &has_sha256))
		return -1;
	if (step->kind != CEREMONY_CERTIFICATE)
		return 0;
	if (!step->csr[0] == !step->key)
		return config_bad(s, "csr", "either csr says whose key is certified, or key");
	if (step->csr[0] && !has_sha256)
		return config_bad(s, "csr-sha256", "the SHA-256 of the CSR's file is missing");
	return step->csr[0] || !has_sha256 ? 0 : config_bad(s, "csr-sha256", "there is no csr");
}

/* A roll-over is a cross-certificate between the root of before and the new one. */
static int read_issuers(const struct config_section *s, struct ceremony_step *step)
{
	const char *issuer = "issuer", *of = "of";
	if (step->kind == CEREMONY_OLD_WITH_NEW || step->kind == CEREMONY_NEW_WITH_OLD) {
		issuer = step->kind == CEREMONY_OLD_WITH_NEW ? "new" : "old";
		of = step->kind == CEREMONY_OLD_WITH_NEW ? "old" : "new";
	}
	return config_get_name(s, issuer, step->issuer, sizeof(step->issuer)) ||
			       config_get_name(s, of, step->of, sizeof(step->of))
		       ? -1
		       : 0;
}

static int read_serial(const struct config_section *s, struct ceremony_step *step)
{
	char text[64] = "";
	if (config_get_text(s, "serial", text, sizeof(text)))
		return -1;
	return text[0] ? plan_parse_serial(s, "serial", bytes_of(text), step->serial, &step->serial_len) : 0;
}

/* The label of a key that is made is the one that the plan gives; its id is drawn. */
static int check_new_key(const struct config_section *s, const struct ceremony_step *step)
{
	struct hsm_uri uri = { 0 };
	if (step->kind != CEREMONY_KEY)
		return 0;
	if (hsm_uri_parse(step->key, &uri, s->err))
		return -1;
	return uri.parts == (HSM_URI_TOKEN | HSM_URI_OBJECT)
		       ? 0
		       : config_bad(s, "key", "a key that is made is named by token and object alone");
}

int plan_read_step(const struct config_section *s, struct ceremony_step *step)
{
	unsigned kind = CEREMONY_KINDS;
	(void)snprintf(step->name, sizeof(step->name), "%s", s->title);
	if (config_check_name(s, "", s->title) || config_get_choice(s, "kind", kind_names, &kind))
		return -1;
	if (kind == CEREMONY_KINDS)
		return config_bad(s, "kind", "the step has no kind");
	step->kind = (enum ceremony_kind)kind;
	if (check_words(s, step) || plan_get_key(s, "key", &step->key) || plan_get_key(s, "backup", &step->backup) ||
	    check_new_key(s, step) || read_type(s, step) || read_issuers(s, step) || read_csr(s, step) ||
	    config_get_name(s, "profile", step->profile, sizeof(step->profile)) || read_subject(s, step) ||
	    read_life(s, step) || read_serial(s, step) ||
	    config_get_count(s, "number", 1, CEREMONY_NUMBER_MAX, &step->number) || read_revoked(s, step))
		return -1;
	return 0;
}

void plan_free_step(struct ceremony_step *step)
{
	free(step->key);
	free(step->backup);
	for (size_t i = 0; i < CA_ATTR_COUNT; i++)
		free(step->subject[i]);
	free(step->revoked);
}
