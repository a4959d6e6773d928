#include "ca-core/lint_private.h"

#include "ca-core/oid.h"

#define DAY_S ((int64_t)86400)
#define CLOCK_WINDOW_S (2 * DAY_S)

int lint_broken(struct error *err, const char *rule)
{
	return err_set(err, ERR_INTEGRITY, "not signed: the certificate would break %s", rule);
}

/* ---- the frame ---- */

static int read_frame(struct bytes whole, struct lint *l, struct error *err)
{
	struct der outer = der_of(whole), tbs, version, validity, extensions;
	der_enter(&outer, DER_SEQUENCE, &tbs);
	der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(0), &version);
	if (der_small_integer(&version, 2) != 2 || !der_done(&version))
		return lint_broken(err, "RFC 5280 4.1.2.1: version must be v3");
	l->serial = der_integer(&tbs);
	l->signature_algorithm = der_take_whole(&tbs, DER_SEQUENCE);
	l->issuer_name = der_take_whole(&tbs, DER_SEQUENCE);
	der_enter(&tbs, DER_SEQUENCE, &validity);
	l->not_before_s = der_time(&validity);
	l->not_after_s = der_time(&validity);
	if (!der_done(&validity))
		return lint_broken(err, "RFC 5280 4.1.2.5: validity is two times, in their one form");
	l->subject = der_take_whole(&tbs, DER_SEQUENCE);
	l->spki = der_take_whole(&tbs, DER_SEQUENCE);
	/* Unique identifiers [1] and [2] would stand here: RFC 5280 4.1.2.8 forbids them. */
	der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(3), &extensions);
	l->extensions = der_take(&extensions, DER_SEQUENCE);
	if (!der_done(&extensions) || !der_done(&tbs) || !der_done(&outer))
		return lint_broken(err, "RFC 5280 4.1: the fields of a TBSCertificate in DER, and nothing else");
	return 0;
}

/* ---- field by field ---- */

static int check_serial(const struct lint *l, struct error *err)
{
	if (l->serial.len == 0 || (l->serial.data[0] & 0x80) || (l->serial.len == 1 && l->serial.data[0] == 0))
		return lint_broken(err, "RFC 5280 4.1.2.2: the serial number must be positive");
	if (l->serial.len > 20)
		return lint_broken(err, "RFC 5280 4.1.2.2: the serial number must have at most 20 octets");
	if (l->serial.len < 9)
		return lint_broken(err, "BR 7.1: the serial number must hold at least 64 bits from a CSPRNG");
	return 0;
}

/* The one AlgorithmIdentifier that a key of this type signs with here. */
static bool fits_key(const struct ca_key *key, struct bytes algorithm)
{
	static const uint8_t rsa_sha256[] = { 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0 };
	static const uint8_t ecdsa[] = { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3 };
	static const uint8_t ed25519[] = { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 };
	uint8_t hash = 0;
	switch (key->type) {
	case CA_KEY_RSA:
		return bytes_equal(algorithm, BYTES(rsa_sha256, sizeof(rsa_sha256)));
	case CA_KEY_ED25519:
		return bytes_equal(algorithm, BYTES(ed25519, sizeof(ed25519)));
	case CA_KEY_P256:
		hash = 2;
		break;
	case CA_KEY_P384:
		hash = 3;
		break;
	case CA_KEY_P521:
		hash = 4;
		break;
	}
	return algorithm.len == sizeof(ecdsa) + 1 && memcmp(algorithm.data, ecdsa, sizeof(ecdsa)) == 0 &&
	       algorithm.data[sizeof(ecdsa)] == hash;
}

static int check_signature_algorithm(const struct lint *l, struct error *err)
{
	struct ca_key signer = l->key;
	if (l->issuer && ca_key_parse(buf_bytes(&l->issuer->spki), &signer, err))
		return -1;
	if (!fits_key(&signer, l->signature_algorithm))
		return lint_broken(err, "RFC 5280 4.1.2.3: the signature algorithm must be that of the issuer's key");
	return 0;
}

static int check_issuer_name(const struct lint *l, struct error *err)
{
	struct bytes expected = l->issuer ? buf_bytes(&l->issuer->subject) : l->subject;
	if (l->issuer_name.len <= 2)
		return lint_broken(err, "RFC 5280 4.1.2.4: the issuer must have a name");
	if (!bytes_equal(l->issuer_name, expected))
		return lint_broken(err, "RFC 5280 6.1.3: the issuer field must be the issuer's subject, byte for byte");
	if (l->issuer && bytes_equal(l->issuer_name, l->subject))
		return lint_broken(err, "RFC 5280 3.2: only a root may be its own issuer");
	return 0;
}

/* Life counts both ends: RFC 5280 4.1.2.5 makes notAfter inclusive. */
static int check_validity(const struct lint *l, struct error *err)
{
	int64_t life_s = l->not_after_s - l->not_before_s + 1;
	if (life_s <= 1)
		return lint_broken(err, "RFC 5280 4.1.2.5: notAfter must be later than notBefore");
	if (life_s > (int64_t)l->profile->days_max * DAY_S)
		return lint_broken(err, "the profile's longest validity");
	if (lint_is_server(l) && !(l->profile->waivers & CA_WAIVER_VALIDITY) &&
	    life_s > (int64_t)ca_profile_br_days(l->now_s) * DAY_S)
		return lint_broken(err, "BR 6.3.2: a server's certificate of this date may not live so long");
	if (l->not_before_s > l->now_s + CLOCK_WINDOW_S || l->not_before_s < l->now_s - CLOCK_WINDOW_S)
		return lint_broken(err, "BR 7.1.2.7: notBefore must be within 48 hours of signing");
	if (l->issuer && l->not_after_s > l->issuer->not_after_s)
		return lint_broken(err, "PKI.md 1: notAfter must not be past the issuer's own");
	if (l->profile->revocation_none && life_s > 7 * DAY_S)
		return lint_broken(err, "RFC 9608 4: without revocation a certificate lives at most 7 days here");
	return 0;
}

static int check_key(struct lint *l, struct error *err)
{
	if (ca_key_parse(l->spki, &l->key, err))
		return -1;
	if (l->issuer && bytes_equal(l->spki, buf_bytes(&l->issuer->spki)))
		return lint_broken(err, "BR 6.1.1.3: the issuer's own key is not certified by itself");
	return 0;
}

int ca_lint_tbs(struct bytes tbs, const struct ca_profile *profile, const struct ca_issuer_info *issuer, int64_t now_s,
		struct error *err)
{
	struct lint l = { .profile = profile, .issuer = issuer, .now_s = now_s };
	if ((profile->kind == CA_KIND_ROOT) != (issuer == NULL))
		return lint_broken(err, "RFC 5280 3.2: a root is self-signed, and nothing else is");
	if (read_frame(tbs, &l, err) || check_key(&l, err) || check_serial(&l, err) ||
	    check_signature_algorithm(&l, err) || check_issuer_name(&l, err) || check_validity(&l, err) ||
	    lint_subject(&l, err) || lint_extensions(&l, err))
		return -1;
	return 0;
}
