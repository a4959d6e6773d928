/* The run against its rehearsal: the same bytes, but for keys that the ceremony makes and their identifiers. */
#include <stdio.h>

#include "base/der.h"
#include "ca-core/ceremony_draft_private.h"
#include "ca-core/crl_der.h"
#include "ca-core/lint.h"

const char *ceremony_place_name(enum ceremony_place place)
{
	switch (place) {
	case CEREMONY_PLACE_KEY:
		return "public key";
	case CEREMONY_PLACE_SUBJECT_ID:
		return "subject key identifier";
	case CEREMONY_PLACE_AUTHORITY_ID:
		return "authority key identifier";
	}
	return "?";
}

/* Where in a tbs keys and their identifiers stand; all borrowed from it. */
struct places {
	struct bytes at[3]; /* of enum ceremony_place; none where the tbs has none */
};

static int read_places(struct bytes tbs, struct places *places, struct error *err)
{
	struct ca_certificate_facts facts;
	if (ca_tbs_read(tbs, &facts, err))
		return -1;
	*places = (struct places){ .at = {
					   [CEREMONY_PLACE_KEY] = facts.spki,
					   [CEREMONY_PLACE_SUBJECT_ID] = facts.ski,
					   [CEREMONY_PLACE_AUTHORITY_ID] = facts.aki,
				   } };
	return 0;
}

/* Of a list: a copy with a signature that nobody looks at is what its reader takes. */
static int read_list_places(struct bytes tbs, struct places *places, struct error *err)
{
	struct der outer = der_of(tbs), inside;
	static const uint8_t nothing[8] = { 0 };
	auto_buf whole = BUF_INIT;
	struct ca_crl crl;
	der_enter(&outer, DER_SEQUENCE, &inside);
	(void)der_integer(&inside);
	struct bytes algorithm = der_take_whole(&inside, DER_SEQUENCE);
	ca_certificate_assemble(tbs, algorithm, BYTES(nothing, sizeof(nothing)), &whole);
	*places = (struct places){ .at = { BYTES_NONE } };
	if (whole.failed || ca_crl_read(buf_bytes(&whole), BYTES_NONE, &crl, err))
		return whole.failed ? err_set(err, ERR_INTERNAL, "no memory for a list") : -1;
	size_t offset = (size_t)(crl.head.aki.data - crl.tbs.data);
	places->at[CEREMONY_PLACE_AUTHORITY_ID] = BYTES(tbs.data + offset, crl.head.aki.len);
	return 0;
}

/* ---- which value may stand for which ---- */

/* The identifier that a key of this public half gets here: RFC 7093 method 1. */
static bool is_value_of(enum ceremony_place place, struct bytes spki, struct bytes value)
{
	struct ca_key key;
	struct error ignored = ERR_INIT;
	uint8_t id[CA_KEY_ID_SIZE];
	if (place == CEREMONY_PLACE_KEY)
		return bytes_equal(spki, value);
	if (!spki.len || ca_key_parse(spki, &key, &ignored))
		return false;
	ca_key_id(&key, id);
	return bytes_equal(value, BYTES(id, sizeof(id)));
}

/* The key that the ceremony makes of which rehearsed is the stand-in's value here, and actual the real one. */
static const char *key_of(const struct ceremony_plan *plan, enum ceremony_place place,
			  const struct ceremony_known *rehearsal, struct bytes rehearsed,
			  const struct ceremony_known *known, struct bytes actual)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		const struct ceremony_step *step = &plan->steps[i];
		if (step->kind == CEREMONY_KEY && rehearsed.len && actual.len == rehearsed.len &&
		    is_value_of(place, ceremony_known_key(rehearsal, step->key), rehearsed) &&
		    is_value_of(place, ceremony_known_key(known, step->key), actual))
			return step->key;
	}
	return NULL;
}

/* ---- what else differs ---- */

static int differs(struct error *err, const char *field)
{
	return err_set(err, ERR_INTEGRITY, "not signed: it is not what was rehearsed: %s differs", field);
}

/* Names the first field that is not the same; both are read already, so they have the form. */
static int name_difference(struct bytes rehearsed, struct bytes actual, struct error *err)
{
	struct ca_certificate_facts a, b;
	struct error ignored = ERR_INIT;
	if (ca_tbs_read(rehearsed, &a, &ignored) || ca_tbs_read(actual, &b, &ignored))
		return differs(err, "the revocation list");
	if (!bytes_equal(a.serial, b.serial))
		return differs(err, "the serial number");
	if (!bytes_equal(a.signature_algorithm, b.signature_algorithm))
		return differs(err, "the signature algorithm");
	if (!bytes_equal(a.issuer, b.issuer))
		return differs(err, "the issuer's name");
	if (a.not_before_s != b.not_before_s || a.not_after_s != b.not_after_s)
		return differs(err, "the validity");
	if (!bytes_equal(a.subject, b.subject))
		return differs(err, "the subject");
	return differs(err, "an extension");
}

int ceremony_draft_match(const struct ceremony_plan *plan, size_t at, const struct ceremony_known *rehearsal,
			 struct bytes rehearsed, const struct ceremony_known *known, struct bytes actual,
			 struct ceremony_match *match, struct error *err)
{
	bool list = plan->steps[at].kind == CEREMONY_CRL;
	struct places was, is;
	auto_buf expected = BUF_INIT;
	match->count = 0;
	if (list ? read_list_places(rehearsed, &was, err) || read_list_places(actual, &is, err)
		 : read_places(rehearsed, &was, err) || read_places(actual, &is, err))
		return -1;
	buf_add_bytes(&expected, rehearsed);
	if (expected.failed)
		return err_set(err, ERR_INTERNAL, "no memory for a draft");
	for (int n = 0; n < 3; n++) {
		enum ceremony_place place = (enum ceremony_place)n;
		if (bytes_equal(was.at[n], is.at[n]))
			continue;
		const char *key = key_of(plan, place, rehearsal, was.at[n], known, is.at[n]);
		if (!key || !is.at[n].data)
			return differs(err, ceremony_place_name(place));
		memcpy(expected.data + (was.at[n].data - rehearsed.data), is.at[n].data, is.at[n].len);
		match->items[match->count++] = (struct ceremony_difference){ place, key, was.at[n], is.at[n] };
	}
	return bytes_equal(buf_bytes(&expected), actual) ? 0 : name_difference(rehearsed, actual, err);
}
