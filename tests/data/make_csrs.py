#!/usr/bin/env python3
"""Makes tests/data/csr: requests by name, right ones and wrong ones, and the list of what each must get.

    python3 tests/data/make_csrs.py

The wrong ones are those of the end-to-end tests, and more that only a parser meets. Keys are made anew where the
openssl command makes them: what is committed changes with every run, what it is an example of does not.
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from support import bad_csr, csr, der  # noqa: E402

KEY = bad_csr.KEY
OUT = os.path.join(HERE, "csr")


def openssl(*arguments, config=None, subject="/CN=www.example.test"):
    """A request by the openssl command, as guides have people make it."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["openssl", "req", "-new", "-nodes", "-keyout", os.path.join(folder, "key")]
        if subject:
            command += ["-subj", subject]
        if config:
            path = os.path.join(folder, "config")
            with open(path, "w", encoding="ascii") as file:
                file.write(config)
            command += ["-config", path]
        return subprocess.run([*command, *arguments], check=True, capture_output=True).stdout


GUIDE = """[req]
distinguished_name = dn
attributes = attributes
prompt = no
[dn]
C = DE
ST = Berlin
L = Berlin
O = Example GmbH
OU = IT
CN = www.example.test
emailAddress = admin@example.test
[attributes]
challengePassword = secret-of-the-sender
unstructuredName = An optional company name
"""
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def with_extensions(*extensions, **more):
    return csr.request(KEY, attribute_set=csr.attributes(*extensions), **more)


def many(count):
    return csr.for_names(KEY, *(f"n{number}.test" for number in range(count)))


GOOD = {
    "rsa_2048": lambda: openssl("-newkey", "rsa:2048"),
    "rsa_3072_sha384": lambda: openssl("-newkey", "rsa:3072", "-sha384"),
    "rsa_4096_sha512": lambda: openssl("-newkey", "rsa:4096", "-sha512"),
    "p256": lambda: openssl(*P256),
    "p384": lambda: openssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "p521": lambda: openssl("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "ed25519": lambda: openssl("-newkey", "ed25519"),
    "guide": lambda: openssl(*P256, config=GUIDE, subject=None),
    "names": lambda: openssl(*P256, "-addext", "subjectAltName=DNS:a.test,DNS:*.b.test,IP:127.0.0.1,IP:::1"),
    "new_label": lambda: openssl(*P256, "-newhdr"),
    "crlf": lambda: openssl(*P256).replace(b"\n", b"\r\n"),
    "text_before": lambda: b"What follows was made today:\n\n" + openssl(*P256),
    "der": lambda: openssl(*P256, "-outform", "DER"),
    "ca_false": lambda: with_extensions(csr.san(csr.dns("a.test")), csr.extension("basicConstraints", der.sequence())),
    "no_attributes_element": lambda: csr.request(KEY, csr.name(("CN", "a.test")), b""),
    "same_name_twice": lambda: csr.for_names(KEY, "a.test", "A.TEST", "a.test"),
    "a_hundred_names": lambda: many(100),
    "a_label": lambda: csr.for_names(KEY, "xn--bcher-kva.test"),
    "title_beside_names": lambda: csr.for_names(KEY, "a.test", common_name="My Web Server"),
}

BAD = {
    "two_versions_of_extensions": (lambda: csr.request(KEY, attribute_set=der.context(0, *2 * [
        der.sequence(der.oid(csr.OID["extensionRequest"]), der.set_of(der.sequence(csr.san(csr.dns("a.test")))))])),
        "bad-csr"),
    "two_values_of_extensions": (lambda: csr.request(KEY, attribute_set=der.context(0, der.sequence(
        der.oid(csr.OID["extensionRequest"]), der.set_of(*2 * [der.sequence(csr.san(csr.dns("a.test")))])))),
        "bad-csr"),
    "attributes_twice": (lambda: csr.request(KEY, csr.name(("CN", "a.test")), csr.attributes() + csr.attributes()),
                         "bad-csr"),
    "san_with_bytes_behind": (lambda: with_extensions(csr.extension(
        "subjectAltName", der.sequence(csr.dns("a.test")) + der.null())), "bad-csr"),
    "hundred_and_one_names": (lambda: many(101), "too-many-names"),
    "nul_in_common_name": (lambda: csr.request(KEY, csr.name(("CN", b"a.test\0.example"))), "bad-name"),
    "wildcard_over_one_label": (lambda: csr.for_names(KEY, "*.test"), "bad-name"),
    "address_mapped": (lambda: with_extensions(csr.san(csr.ip(bytes(10) + b"\xff\xff\x7f\0\0\1"))), "bad-name"),
    "x400_name": (lambda: with_extensions(csr.san(der.context(3, der.null()))), "bad-name"),
    "empty_rdn": (lambda: csr.request(KEY, der.sequence(der.set_of())), "bad-csr"),
    "rsa_negative_exponent": (lambda: bad_csr.with_spki(lambda: der.sequence(
        der.sequence(der.oid(csr.OID["rsaEncryption"]), der.null()),
        der.bits(der.sequence(der.integer(bad_csr.rsa().n), der.integer(-3)))))(), "bad-csr"),
    "rsa_without_parameters": (lambda: bad_csr.with_spki(lambda: der.sequence(
        der.sequence(der.oid(csr.OID["rsaEncryption"])),
        der.bits(der.sequence(der.integer(bad_csr.rsa().n), der.integer(65537)))))(), "bad-csr"),
    "algorithm_of_another_key": (lambda: algorithm_of_another_key(), "bad-csr,bad-signature"),
    "signature_with_unused_bits": (lambda: unused_bits(), "bad-csr"),
    "rsa_pss": (lambda: openssl("-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss"), "weak-algorithm"),
    "dsa": (lambda: dsa(), "weak-key"),
}


def algorithm_of_another_key():
    info, _, signature = bad_csr.info_of(bad_csr.GOOD)
    return der.sequence(info, der.sequence(der.oid(csr.OID["rsa-sha256"]), der.null()), signature)


def unused_bits():
    info, algorithm, _ = bad_csr.info_of(bad_csr.GOOD)
    return der.sequence(info, algorithm, der.bits(b"\x30\x00", 4))


def dsa():
    with tempfile.TemporaryDirectory() as folder:
        parameters = os.path.join(folder, "parameters")
        subprocess.run(["openssl", "dsaparam", "-out", parameters, "1024"], check=True, capture_output=True)
        return openssl("-newkey", f"dsa:{parameters}")


def write(name, content, codes, manifest):
    if isinstance(content, str):
        content = content.encode("latin-1")
    file = f"{name}.der" if content[:1] == b"\x30" else f"{name}.txt"
    with open(os.path.join(OUT, file), "wb") as out:
        out.write(content)
    manifest.append(f"{file} {codes}")


def main():
    os.makedirs(OUT, exist_ok=True)
    for old in os.listdir(OUT):
        os.remove(os.path.join(OUT, old))
    manifest = []
    for name, make in GOOD.items():
        write(f"good_{name}", make(), "ok", manifest)
    for name, (make, codes) in BAD.items():
        write(f"bad_{name}", make(), codes, manifest)
    for case in bad_csr.SYNTAX + bad_csr.SIGNATURES + bad_csr.KEYS + bad_csr.NAMES:
        if case.name != "star_below_a_public_suffix":  # a matter of grants
            write(f"bad_{case.name}", case.make(), ",".join(case.codes), manifest)
    with open(os.path.join(OUT, "expected"), "w", encoding="ascii") as out:
        out.write("\n".join(sorted(manifest)) + "\n")


if __name__ == "__main__":
    main()
