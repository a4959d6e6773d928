"""Each request that must be refused: its name, what it is, and which answer it must get.

`make` gives the body; status and codes are those of the contract; `says` is what the
detail must make clear, so that the person knows which of many faults it was.
"""

import os
import random
import tempfile

from . import csr, der
from .harness import run

KEY = csr.EcKey(1)
GOOD = csr.for_names(KEY, "good.test")


class Case:
    def __init__(self, name, make, *codes, says=None, status=400, profile="server-dv", days=None):
        self.name, self.make, self.codes, self.says = name, make, codes, says
        self.status, self.profile, self.days = status, profile, days


def rsa(p_size=1024, seed=7, **more):
    return csr.RsaKey(csr.random_prime(p_size, seed), csr.random_prime(p_size, seed + 1), **more)


def names(*texts):
    return lambda: csr.for_names(KEY, *texts)


def general(*general_names):
    return lambda: csr.request(KEY, attribute_set=csr.attributes(csr.san(*general_names)))


def with_spki(make_spki):
    """A request around another key; its signature is by KEY, which does not matter any more."""
    return lambda: csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("key.test"))), spki=make_spki())


def by_openssl(*options):
    """A request and its key from the openssl command."""
    def make():
        with tempfile.TemporaryDirectory() as folder:
            return run("openssl", "req", "-new", "-nodes", "-subj", "/CN=key.test", "-keyout",
                       os.path.join(folder, "key"), *options).stdout
    return make


def bad_signature():
    damaged = bytearray(GOOD)
    damaged[-3] ^= 1
    return bytes(damaged)


def foreign_signature():
    """Somebody else's public key, signed by our own."""
    return csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("stolen.test"))), signer=csr.EcKey(2))


def certificate():
    with tempfile.TemporaryDirectory() as folder:
        return run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                   "/CN=self.test", "-days", "2", "-keyout", os.path.join(folder, "key")).stdout


def private_key(kind="PKCS#8"):
    def make():
        if kind == "PKCS#8":
            return run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").stdout
        return KEY.private_pem()
    return make


def private_key_der():
    return der.unpem(KEY.private_pem())


def info_of(request):
    """CertificationRequestInfo, algorithm, signature: the three elements of a request."""
    parts, body = [], request[2 + (request[1] & 0x7F if request[1] & 0x80 else 0):]
    while body:
        size, head = body[1], 2
        if size & 0x80:
            head = 2 + (size & 0x7F)
            size = int.from_bytes(body[2:head], "big")
        parts.append(body[:head + size])
        body = body[head + size:]
    return parts


def non_minimal():
    info, algorithm, signature = info_of(GOOD)
    return der.sequence(der.long_form(info), algorithm, signature)


def ber_indefinite():
    return der.indefinite(*info_of(GOOD))


def ber_boolean():
    """cA TRUE written as 01 instead of ff: BER, not DER (the value itself is refused as well)."""
    extension = der.sequence(der.oid(csr.OID["keyUsage"]), b"\x01\x01\x01", der.octets(der.bits(b"\x80", 7)))
    return csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("ber.test")), extension))


def deep_nesting():
    inner = b""
    for _ in range(5000):
        inner = der.sequence(inner)
    return inner


def deep_attribute():
    inner = der.null()
    for _ in range(3000):
        inner = der.sequence(inner)
    other = der.sequence(der.oid("1.2.3.4"), der.set_of(inner))
    return csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("deep.test")), others=[other])) + b"\0"


def many_names():
    return csr.for_names(KEY, *(f"n{number}.test" for number in range(1000)))


def ten_thousand_names():
    digits = "abcdefghijklmnopqrstuvwxyz"
    return csr.for_names(KEY, *[a + b + c for a in digits for b in digits for c in digits[:15]][:10000])


def huge_san():
    """One name of 63 KiB: the whole stays just below what a request may have."""
    return csr.for_names(KEY, "a" * 63 * 1024)


def too_large():
    return csr.for_names(KEY, "a" * 70 * 1024)


def san_extension_twice():
    return csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("a.test")), csr.san(csr.dns("b.test"))))


def requested_ca():
    value = der.sequence(der.boolean(True))
    constraints = csr.extension("basicConstraints", value, critical=True)
    return csr.request(KEY, attribute_set=csr.attributes(csr.san(csr.dns("ca.test")), constraints))


def other_name():
    value = der.context(0, der.utf8("user@test"))
    return der.context(0, der.oid("1.3.6.1.4.1.311.20.2.3"), value)


def explicit_parameters():
    return by_openssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")()


def point_off_curve():
    return KEY.spki(point=b"\x04" + KEY.point[0].to_bytes(32, "big") + (KEY.point[1] ^ 1).to_bytes(32, "big"))


def point_beyond_field():
    return KEY.spki(point=b"\x04" + (KEY.P + 5).to_bytes(32, "big") + KEY.point[1].to_bytes(32, "big"))


def point_compressed():
    return KEY.spki(point=bytes([2 + KEY.point[1] % 2]) + KEY.point[0].to_bytes(32, "big"))


def signed_by(make_key, digest="sha256"):
    return lambda: csr.for_names(make_key(), "key.test", digest=digest)


def even_modulus():
    return csr.RsaKey(3, 5, modulus=(3 << 2046) | random.Random(3).getrandbits(2046) & ~1)


def exponent_3():
    return csr.RsaKey(csr.random_prime(1024, 41, 3), csr.random_prime(1024, 42, 3), 3)


def small_factor():
    return csr.RsaKey(csr.SMALL_PRIMES[200], csr.random_prime(2038, 11))


def close_primes():
    p = csr.random_prime(1024, 21)
    return csr.RsaKey(p, csr.next_prime(p + 2))


def roca():
    return csr.RsaKey(csr.roca_prime(1024, 31), csr.roca_prime(1024, 32))


LONG_LABEL = "a" * 64 + ".test"
LONG_NAME = ".".join(["a" * 60] * 5) + ".test"

SYNTAX = [
    Case("empty", lambda: b"", "bad-csr", "bad-request", says="empty"),
    Case("trailing_bytes_in_der", lambda: GOOD + b"\0", "bad-csr", says="after|behind|trailing|follow"),
    Case("trailing_bytes_inside_info", lambda: csr.for_names(KEY, "t.test", info_tail=der.null()), "bad-csr"),
    Case("indefinite_length", ber_indefinite, "bad-csr"),
    Case("non_minimal_length", non_minimal, "bad-csr"),
    Case("boolean_that_is_not_der", ber_boolean, "bad-csr"),
    Case("deep_nesting", deep_nesting, "bad-csr"),
    Case("deep_nesting_in_an_attribute_with_a_byte_behind", deep_attribute, "bad-csr"),
    Case("wrong_pem_label", lambda: der.pem(GOOD, "X509 CRL"), "bad-csr", says="label|X509 CRL|CERTIFICATE REQUEST"),
    Case("pem_labels_that_differ", lambda: der.pem(GOOD).replace("END CERTIFICATE", "END NEW CERTIFICATE"), "bad-csr"),
    Case("two_pem_blocks", lambda: der.pem(GOOD) * 2, "bad-csr", says="one|two|second"),
    Case("a_certificate", certificate, "bad-csr", says="x509toreq"),
    Case("a_private_key", private_key(), "bad-csr", says="private key"),
    Case("an_ec_private_key", private_key("SEC1"), "bad-csr", says="private key"),
    Case("a_private_key_in_der", private_key_der, "bad-csr"),
    Case("request_and_private_key", lambda: der.pem(GOOD) + KEY.private_pem(), "bad-csr", says="private key"),
    Case("text_that_is_no_request", lambda: "hello, please give me a certificate\n", "bad-csr"),
    Case("version_that_does_not_exist", lambda: csr.for_names(KEY, "v.test", version=1), "bad-csr", says="version"),
    Case("damaged_base64", lambda: der.pem(GOOD).replace("MI", "M*", 1), "bad-csr"),
]

SIGNATURES = [
    Case("a_damaged_signature", bad_signature, "bad-signature"),
    Case("a_signature_by_another_key", foreign_signature, "bad-signature"),
    Case("a_sha1_signature", signed_by(lambda: KEY, "sha1"), "weak-algorithm", says="SHA-?1"),
    Case("an_rsa_sha1_signature", signed_by(rsa, "sha1"), "weak-algorithm", says="SHA-?1"),
    Case("an_rsa_md5_signature", signed_by(rsa, "md5"), "weak-algorithm", says="MD5"),
]

KEYS = [
    Case("rsa_1024", signed_by(lambda: rsa(512)), "weak-key", says="1024"),
    Case("rsa_exponent_3", signed_by(exponent_3), "weak-key", says="exponent"),
    Case("rsa_even_modulus", signed_by(even_modulus), "weak-key", says="even|odd"),
    Case("rsa_small_factor", signed_by(small_factor), "weak-key", says="factor"),
    Case("rsa_close_primes", signed_by(close_primes), "weak-key", says="close|fermat"),
    Case("rsa_roca", signed_by(roca), "weak-key", says="ROCA|2017-15361"),
    Case("ed448", by_openssl("-newkey", "ed448"), "weak-key", "bad-csr"),
    Case("p192", by_openssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"), "weak-key"),
    Case("secp256k1", by_openssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "weak-key"),
    Case("explicit_curve_parameters", explicit_parameters, "weak-key", "bad-csr", says="explicit|parameters|named"),
    Case("point_not_on_the_curve", with_spki(point_off_curve), "weak-key", "bad-csr", says="curve"),
    Case("point_beyond_the_field", with_spki(point_beyond_field), "weak-key", "bad-csr", says="curve|point"),
    Case("point_at_infinity", with_spki(lambda: KEY.spki(point=b"\0")), "weak-key", "bad-csr", says="infinity|point"),
    Case("compressed_point", with_spki(point_compressed), "weak-key", "bad-csr", says="compressed|point"),
]

NAMES = [
    Case("a_thousand_names", many_names, "too-many-names", says="100"),
    Case("ten_thousand_names", ten_thousand_names, "too-many-names", says="100"),
    Case("a_name_of_63_kib", huge_san, "bad-name", "too-large", status=None),
    Case("a_request_over_64_kib", too_large, "too-large", status=413, says="65536|64"),
    Case("san_extension_twice", san_extension_twice, "bad-csr", says="twice|subjectAltName|duplicate|second"),
    Case("directory_name_in_san", general(der.context(4, csr.name(("CN", "x.test")))), "bad-name", "bad-csr"),
    Case("other_name_in_san", general(other_name()), "bad-name", "bad-csr"),
    Case("registered_id_in_san", general(der.tlv(0x88, b"\x2a\x03")), "bad-name", "bad-csr"),
    Case("uri_in_san_of_a_server", general(der.tlv(0x86, b"https://a.test/")), "bad-name", "bad-csr"),
    Case("mail_in_san_of_a_server", general(der.tlv(0x81, b"a@a.test")), "bad-name", "bad-csr"),
    Case("nul_in_a_name", names(b"good.test\0.evil.example"), "bad-name"),
    Case("star_alone", names("*"), "bad-name", says="wildcard|\\*"),
    Case("two_stars", names("*.*.test"), "bad-name", says="wildcard|\\*"),
    Case("star_not_left_most", names("a.*.test"), "bad-name", says="wildcard|\\*"),
    Case("star_in_a_label", names("f*o.test"), "bad-name", says="wildcard|\\*"),
    Case("star_below_a_public_suffix", names("*.co.uk"), "bad-name", "name-not-allowed", status=None),
    Case("trailing_dot", names("dot.test."), "bad-name", says="dot"),
    Case("empty_label", names("a..test"), "bad-name", says="empty|label"),
    Case("leading_dot", names(".a.test"), "bad-name", says="empty|label|dot"),
    Case("over_long_label", names(LONG_LABEL), "bad-name", says="63|label"),
    Case("over_long_name", names(LONG_NAME), "bad-name", says="253|long"),
    Case("leading_hyphen", names("-a.test"), "bad-name", says="hyphen|label|-"),
    Case("u_label", names("b\u00fccher.test".encode()), "bad-name", says="ASCII|A-label|xn--"),
    Case("bad_a_label", names("xn--a.test"), "bad-name", says="A-label|IDN|xn--"),
    Case("address_in_a_dns_name", names("127.0.0.1"), "bad-name", says="address"),
    Case("url_in_a_dns_name", names("https://a.test/x"), "bad-name"),
    Case("port_in_a_dns_name", names("a.test:443"), "bad-name"),
    Case("underscore", names("a_b.test"), "bad-name", says="underscore|_"),
    Case("address_of_three_octets", general(csr.ip(b"\x7f\0\0")), "bad-name", "bad-csr"),
    Case("empty_san", general(), "bad-csr", "bad-name"),
    Case("no_usable_name", lambda: csr.request(KEY, csr.name(("O", "Example"))), "bad-name", says="name"),
    Case("common_name_that_is_no_host", lambda: csr.request(KEY, csr.name(("CN", "My Web Server"))), "bad-name"),
    Case("ca_true", requested_ca, "bad-csr", says="CA"),
]

DECISIONS = [
    Case("a_name_outside_the_grant", names("www.example.com"), "name-not-allowed", status=403, says="example.com"),
    Case("one_name_of_two_outside_the_grant", names("a.test", "b.example.com"), "name-not-allowed", status=403,
         says="b.example.com"),
    Case("a_public_address", general(csr.ip(bytes([192, 0, 2, 1]))), "name-not-allowed", status=403, says="192.0.2.1"),
    Case("a_suffix_that_only_looks_granted", names("eviltest"), "name-not-allowed", "bad-name", status=None),
    Case("an_unknown_profile", names("a.test"), "profile-unknown", profile="gold", says="server-dv"),
    Case("an_internal_profile", names("a.test"), "profile-unknown", profile="intermediate"),
    Case("a_validity_above_the_limit", names("a.test"), "validity-too-long", days=5000),
    Case("a_validity_of_none", names("a.test"), "bad-request", "validity-too-long", days=-1),
    Case("a_validity_that_is_no_number", names("a.test"), "bad-request", days="9x"),
    Case("a_life_over_a_week_without_revocation", names("a.test"), "validity-too-long", profile="short-lived", days=8),
]

ALL = SYNTAX + SIGNATURES + KEYS + NAMES + DECISIONS
