"""What other programs say about a chain: openssl, GnuTLS, NSS."""

import os
import re

from .client import pem_blocks
from .harness import contains, expect, run


class Chain:
    """Files of one issued certificate: leaf.pem, chain.pem (no root), and the CRLs of its issuers."""

    def __init__(self, ca, folder, pem_text):
        self.ca, self.folder = ca, folder
        os.makedirs(folder, exist_ok=True)
        blocks = pem_blocks(pem_text)
        expect(len(blocks) >= 2, f"a chain of {len(blocks)} certificates")
        self.leaf = self._write("leaf.pem", blocks[0])
        self.chain = self._write("chain.pem", "".join(blocks[1:]))
        self.full = self._write("fullchain.pem", "".join(blocks))

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def text(self):
        return run("openssl", "x509", "-noout", "-text", "-in", self.leaf).stdout

    def policy(self):
        found = re.search(r"Policy: ([0-9.]+)", self.text())
        expect(found, "the certificate names no policy")
        return found[1]

    def subject(self):
        return run("openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", self.leaf).stdout.strip()[8:]

    def serial(self):
        return run("openssl", "x509", "-noout", "-serial", "-in", self.leaf).stdout.strip()[7:].lower()

    def names(self):
        """The SAN as openssl shows it: ["DNS:a.test", "IP Address:127.0.0.1"]."""
        shown = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", self.leaf).stdout
        lines = shown.splitlines()
        return [word.strip() for word in lines[1].split(",")] if len(lines) > 1 else []


def openssl(chain, purpose, *more, check=True):
    """`openssl verify`, as strict as it can be: policies required, every CRL looked at."""
    ca = chain.ca
    done = run("openssl", "verify", "-x509_strict", "-crl_check_all", "-explicit_policy", "-policy", chain.policy(),
               "-no-CApath", "-no-CAstore", "-CAfile", ca.root, "-untrusted", chain.chain, "-CRLfile", ca.crl("root-1"),
               "-CRLfile", ca.crl("issuing-1"), "-purpose", purpose, *more, chain.leaf, check=False)
    if check:
        expect(done.returncode == 0 and done.stdout.strip().endswith(": OK"),
               f"openssl verify: {(done.stdout + done.stderr).strip()}")
    return done


def gnutls(chain, purpose, *more, check=True):
    """certtool --verify of the chain up to the one trusted root, with both CRLs."""
    ca = chain.ca
    crls = os.path.join(chain.folder, "crls.pem")
    with open(crls, "w", encoding="ascii") as out:
        for issuer in ("root-1", "issuing-1"):
            with open(ca.crl(issuer), encoding="ascii") as file:
                out.write(file.read())
    oid = {"sslserver": "1.3.6.1.5.5.7.3.1", "sslclient": "1.3.6.1.5.5.7.3.2"}[purpose]
    done = run("certtool", "--verify", "--load-ca-certificate", ca.root, "--load-crl", crls, "--infile", chain.full,
               "--verify-purpose", oid, *more, check=False)
    if check:
        expect(done.returncode == 0, f"certtool --verify: {(done.stdout + done.stderr)[-500:]}")
        contains(done.stdout, "Chain verification output: Verified.", "certtool")
    return done


class Nss:
    """An NSS database of its own, with our root trusted and our CRLs in it."""

    def __init__(self, ca, folder):
        self.ca, self.folder = ca, f"sql:{folder}"
        os.makedirs(folder, exist_ok=True)
        run("certutil", "-N", "-d", self.folder, "--empty-password")
        run("certutil", "-A", "-d", self.folder, "-n", "root", "-t", "CT,,", "-a", "-i", ca.root)
        self.crls()

    def crls(self):
        for issuer in ("issuing-1",):
            pem = run("openssl", "x509", "-in", os.path.join(self.ca.state, "published", "ca", f"{issuer}.pem")).stdout
            run("certutil", "-A", "-d", self.folder, "-n", issuer, "-t", ",,", "-a", data=pem.encode(), check=False)
        for issuer in ("root-1", "issuing-1"):
            der = self.ca.crl(issuer) + ".der"
            run("openssl", "crl", "-in", self.ca.crl(issuer), "-outform", "DER", "-out", der)
            run("crlutil", "-I", "-d", self.folder, "-t", "1", "-i", der)

    def verify(self, chain, purpose, check=True):
        """vfychain with the library's newer engine; usage 1 is a TLS server, 0 a client."""
        usage = {"sslserver": "1", "sslclient": "0"}[purpose]
        certificates = ["-a", chain.leaf]
        for number, block in enumerate(pem_blocks(open(chain.chain, encoding="ascii").read())):
            path = os.path.join(chain.folder, f"nss-{number}.pem")
            with open(path, "w", encoding="ascii") as file:
                file.write(block)
            certificates += ["-a", path]
        done = run("vfychain", "-d", self.folder, "-pp", "-g", "leaf", "-m", "crl", "-u", usage, *certificates,
                   check=False)
        if check:
            contains(done.stdout + done.stderr, "Chain is good!", "vfychain")
        return done
