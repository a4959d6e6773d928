#!/usr/bin/env python3
"""Makes tests/data/statement: one statement, and what officers with each kind of key make of it with the openssl command.

    python3 tests/data/make_statements.py

NAME.der is the officer's certificate, NAME.sig the signature, by the commands of the operator's guide. Keys are made
anew: what is committed changes with every run, what it is an example of does not.
"""

import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "statement")

STATEMENT = (
    "chancery-statement-v1\n"
    "ca: " + "0123456789abcdef" * 4 + "\n"
    "subject: order o-7f3a\n"
    "sha256: " + "fedcba9876543210" * 4 + "\n"
    "decision: approve\n"
    "by: olivia\n"
    "reason: Gepr\u00fcft, Antrag 17\n"
    "time: 2026-11-21T12:00:00Z\n"
)

# The key, and how its officer signs.
KEYS = {
    "p256": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), ("dgst", "-sha256", "-sign")),
    "p384": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"), ("dgst", "-sha384", "-sign")),
    "p521": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"), ("dgst", "-sha512", "-sign")),
    "rsa": (("-newkey", "rsa:3072"), ("dgst", "-sha256", "-sign")),
    "ed25519": (("-newkey", "ed25519"), ("pkeyutl", "-sign", "-rawin", "-inkey")),
    # What must not pass: another hash than the key's, and keys that are not served.
    "p384_by_sha256": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"), ("dgst", "-sha256", "-sign")),
    "rsa_1024": (("-newkey", "rsa:1024"), ("dgst", "-sha256", "-sign")),
    "secp256k1": (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), ("dgst", "-sha256", "-sign")),
}


def make(folder, name, new_key, sign):
    key, certificate = os.path.join(folder, "key"), os.path.join(OUT, name + ".der")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=olivia", "-days", "3650", "-keyout", key]
        + ["-outform", "DER", "-out", certificate, *new_key],
        check=True,
        capture_output=True,
    )
    end = ("-in",) if sign[0] == "pkeyutl" else ()
    subprocess.run(
        ["openssl", *sign, key, "-out", os.path.join(OUT, name + ".sig"), *end, os.path.join(OUT, "order.txt")],
        check=True,
        capture_output=True,
    )


def main():
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, "order.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.write(STATEMENT)
    with tempfile.TemporaryDirectory() as folder:
        for name, (new_key, sign) in KEYS.items():
            make(folder, name, new_key, sign)


if __name__ == "__main__":
    main()
