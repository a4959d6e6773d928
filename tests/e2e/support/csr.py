"""Certificate requests, right and wrong, signed in Python by keys made here.

The arithmetic is slow and leaks everything: it is for tests alone.
"""

import hashlib
import random

from . import der

OID = {
    "CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11", "C": "2.5.4.6", "emailAddress": "1.2.840.113549.1.9.1",
    "ecPublicKey": "1.2.840.10045.2.1", "P-256": "1.2.840.10045.3.1.7", "rsaEncryption": "1.2.840.113549.1.1.1",
    "ecdsa-sha256": "1.2.840.10045.4.3.2", "ecdsa-sha1": "1.2.840.10045.4.1", "rsa-sha256": "1.2.840.113549.1.1.11",
    "rsa-sha1": "1.2.840.113549.1.1.5", "rsa-md5": "1.2.840.113549.1.1.4",
    "extensionRequest": "1.2.840.113549.1.9.14", "challengePassword": "1.2.840.113549.1.9.7",
    "subjectAltName": "2.5.29.17", "basicConstraints": "2.5.29.19", "keyUsage": "2.5.29.15",
}
DIGEST_INFO = {"sha256": "2.16.840.1.101.3.4.2.1", "sha1": "1.3.14.3.2.26", "md5": "1.2.840.113549.2.5"}


class EcKey:
    """P-256."""

    P = 2**256 - 2**224 + 2**192 + 2**96 - 1
    N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
         0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)

    def __init__(self, seed=None):
        self.d = random.Random(seed).randrange(1, self.N) if seed is not None else random.randrange(1, self.N)
        self.point = self.multiply(self.d, self.G)

    @classmethod
    def add(cls, a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0]:
            if (a[1] + b[1]) % cls.P == 0:
                return None
            slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, cls.P)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, cls.P)
        x = (slope * slope - a[0] - b[0]) % cls.P
        return x, (slope * (a[0] - x) - a[1]) % cls.P

    @classmethod
    def multiply(cls, k, point):
        total = None
        while k:
            if k & 1:
                total = cls.add(total, point)
            point, k = cls.add(point, point), k >> 1
        return total

    def encoded_point(self):
        return b"\x04" + self.point[0].to_bytes(32, "big") + self.point[1].to_bytes(32, "big")

    def spki(self, point=None, parameters=None):
        algorithm = der.sequence(der.oid(OID["ecPublicKey"]), parameters or der.oid(OID["P-256"]))
        return der.sequence(algorithm, der.bits(self.encoded_point() if point is None else point))

    def algorithm(self, digest):
        return der.sequence(der.oid(OID[f"ecdsa-{digest}"]))

    def sign(self, data, digest="sha256"):
        number = int.from_bytes(hashlib.new(digest, data).digest(), "big")
        while True:
            k = random.randrange(1, self.N)
            r = self.multiply(k, self.G)[0] % self.N
            s = pow(k, -1, self.N) * (number + r * self.d) % self.N
            if r and s:
                return der.sequence(der.integer(r), der.integer(s))

    def private_pem(self):
        """RFC 5915, as openssl ecparam writes it."""
        return der.pem(der.sequence(der.integer(1), der.octets(self.d.to_bytes(32, "big")),
                                    der.context(0, der.oid(OID["P-256"])),
                                    der.context(1, der.bits(self.encoded_point()))), "EC PRIVATE KEY")


class RsaKey:
    """From two primes, whatever they are."""

    def __init__(self, p, q, e=65537, modulus=None):
        self.n, self.e = modulus or p * q, e
        try:
            self.d = pow(e, -1, (p - 1) * (q - 1))
        except ValueError:  # no inverse: what it signs is wrong, and never looked at
            self.d = 3

    def spki(self):
        key = der.sequence(der.integer(self.n), der.integer(self.e))
        return der.sequence(der.sequence(der.oid(OID["rsaEncryption"]), der.null()), der.bits(key))

    def algorithm(self, digest):
        return der.sequence(der.oid(OID[f"rsa-{digest}"]), der.null())

    def sign(self, data, digest="sha256"):
        size = (self.n.bit_length() + 7) // 8
        info = der.sequence(der.sequence(der.oid(DIGEST_INFO[digest]), der.null()),
                            der.octets(hashlib.new(digest, data).digest()))
        block = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return pow(int.from_bytes(block, "big"), self.d, self.n).to_bytes(size, "big")


SMALL_PRIMES = [p for p in range(2, 2000) if all(p % q for q in range(2, int(p**0.5) + 1))]


def is_prime(n, rounds=8):
    if any(n % p == 0 for p in SMALL_PRIMES):
        return n in SMALL_PRIMES
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    chooser = random.Random(n)
    for _ in range(rounds):
        x = pow(chooser.randrange(2, n - 1), d, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def next_prime(n, e=65537):
    n |= 1
    while not (is_prime(n) and (n - 1) % e):
        n += 2
    return n


def random_prime(bit_size, seed, e=65537):
    top = 3 << (bit_size - 2)
    return next_prime(top | random.Random(seed).getrandbits(bit_size - 2), e)


def roca_prime(bit_size, seed):
    """k * M + 65537^a mod M, M the product of the first 126 primes (CVE-2017-15361)."""
    m = 1
    for p in SMALL_PRIMES[:126]:
        m *= p
    chooser = random.Random(seed)
    while True:
        base = pow(65537, chooser.getrandbits(64), m)
        k = chooser.randrange((3 << (bit_size - 2)) // m, (1 << bit_size) // m)
        p = k * m + base
        if p.bit_length() == bit_size and is_prime(p) and (p - 1) % 65537:
            return p


# ---- the request ----

def name(*attributes):
    """RDNs in order, each ("CN", text)."""
    return der.sequence(*(der.set_of(der.sequence(der.oid(OID[kind]), der.utf8(text))) for kind, text in attributes))


def dns(text):
    return der.context(2, text if isinstance(text, bytes) else text.encode(), constructed=False)


def ip(address):
    return der.context(7, address, constructed=False)


def extension(kind, value, critical=False):
    parts = [der.oid(OID.get(kind, kind))] + ([der.boolean(True)] if critical else []) + [der.octets(value)]
    return der.sequence(*parts)


def san(*general_names):
    return extension("subjectAltName", der.sequence(*general_names))


def attributes(*extensions, others=()):
    asked = []
    if extensions:
        asked = [der.sequence(der.oid(OID["extensionRequest"]), der.set_of(der.sequence(*extensions)))]
    return der.context(0, *others, *asked)


def request(key, subject=b"\x30\x00", attribute_set=None, digest="sha256", version=0, signer=None, spki=None,
            signature=None, info_tail=b""):
    """A whole CertificationRequest, DER."""
    info = der.sequence(der.integer(version), subject, spki or key.spki(),
                        attribute_set if attribute_set is not None else attributes(), info_tail)
    signed = signature if signature is not None else (signer or key).sign(info, digest)
    return der.sequence(info, key.algorithm(digest), der.bits(signed))


def for_names(key, *dns_names, common_name=None, **more):
    """A request with these dNSNames (text or bytes) as SAN."""
    subject = name(("CN", common_name)) if common_name else b"\x30\x00"
    asked = attributes(san(*map(dns, dns_names))) if dns_names else attributes()
    return request(key, subject, asked, **more)


def distinct(count, host="load-{}.test", seed=1):
    """That many PEM requests, each with its own key and name; cheap: consecutive keys."""
    key = EcKey(seed)
    made = []
    for number in range(count):
        made.append(der.pem(for_names(key, host.format(number))))
        key.d, key.point = (key.d + 1) % key.N, key.add(key.point, key.G)
    return made
