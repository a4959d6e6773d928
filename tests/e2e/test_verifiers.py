"""openssl, GnuTLS and NSS agree on every profile, and on what is revoked."""

import os
import re

from support import verify
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA

PROFILES = {  # name to ask for, and the uses that must verify
    "server-dv": ("www.verify.test", ["sslserver"]),
    "client": ("verify-client", ["sslclient"]),
    "peer": ("peer.verify.test", ["sslserver", "sslclient"]),
    "short-lived": ("short.verify.test", ["sslserver"]),
}


def setup(env):
    ca = CA(env)
    ca.admin = ca.client()
    ca.chains = {}
    for profile, (name, _) in PROFILES.items():
        ca.chains[profile] = chain_of(ca, ca.issue(f"issued-{profile}", name, profile=profile))
    ca.nss = verify.Nss(ca, env.path("nss"))
    return ca


def chain_of(ca, folder):
    with open(os.path.join(folder, "fullchain.pem"), encoding="ascii") as file:
        return verify.Chain(ca, os.path.join(folder, "verify"), file.read())


tests = Tests(setup)


def agree(profile):
    def all_agree(ca):
        chain = ca.chains[profile]
        name, purposes = PROFILES[profile]
        for purpose in ("sslserver", "sslclient"):
            done = [verify.openssl(chain, purpose, check=purpose in purposes),
                    verify.gnutls(chain, purpose, check=purpose in purposes),
                    ca.nss.verify(chain, purpose, check=purpose in purposes)]
            if purpose not in purposes:
                expect(done[0].returncode != 0, f"openssl takes a {profile} certificate for {purpose}")
                expect(done[1].returncode != 0, f"GnuTLS takes a {profile} certificate for {purpose}")
                contains(done[2].stdout + done[2].stderr, "Chain is bad!", f"NSS on {profile} for {purpose}")
        if "sslserver" in purposes:
            verify.openssl(chain, "sslserver", "-verify_hostname", name)
            verify.gnutls(chain, "sslserver", "--verify-hostname", name)

    return all_agree


for a_profile in PROFILES:
    tests.add(f"openssl_gnutls_and_nss_agree_on_{a_profile.replace('-', '_')}", agree(a_profile), 60)


def revoked(ca, profile, purpose, reason):
    chain = chain_of(ca, ca.issue(f"revoked-{profile}", PROFILES[profile][0], profile=profile))
    equal(ca.admin.revoke(chain.serial(), reason).status, 200, "revocation")
    wait_for_crl(ca, chain.serial())
    done = verify.openssl(chain, purpose, check=False)
    contains(done.stdout + done.stderr, "revoked", "openssl on a revoked certificate")
    done = verify.gnutls(chain, purpose, check=False)
    expect(done.returncode != 0 and "revoked" in done.stdout, f"GnuTLS on a revoked certificate: {done.stdout[-300:]}")
    nss = verify.Nss(ca, ca.env.path(f"nss-revoked-{profile}"))
    done = nss.verify(chain, purpose, check=False)
    contains(done.stdout + done.stderr, "revoked", "NSS on a revoked certificate")


def wait_for_crl(ca, serial):
    def listed():
        return serial.upper() in run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout.upper()

    wait_until(listed, 15, f"serial {serial} on the CRL")


@tests.rule(60)
def openssl_gnutls_and_nss_agree_on_a_revoked_server(ca):
    revoked(ca, "server-dv", "sslserver", "superseded")


@tests.rule(60)
def openssl_gnutls_and_nss_agree_on_a_revoked_client(ca):
    revoked(ca, "client", "sslclient", "keyCompromise")


@tests.rule()
def nothing_verifies_without_our_root(ca):
    chain = ca.chains["server-dv"]
    other = ca.env.path("other-root.pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        ca.env.path("other-root.key"), "-out", other, "-subj", "/O=Example/CN=Example Root 1")
    done = run("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", other, "-untrusted", chain.chain,
               chain.leaf, check=False)
    expect(done.returncode != 0, "openssl verifies without our root")
    done = run("certtool", "--verify", "--load-ca-certificate", other, "--infile", chain.full, check=False)
    expect(done.returncode != 0, "GnuTLS verifies without our root")


@tests.rule()
def the_root_and_the_issuer_are_what_they_should_be(ca):
    root = run("openssl", "x509", "-noout", "-text", "-in", ca.root).stdout
    for part in ("CA:TRUE", "Certificate Sign, CRL Sign", "NIST CURVE: P-384", "ecdsa-with-SHA384"):
        contains(root, part, "the root")
    for part in ("Extended Key Usage", "Authority Key Identifier", "CRL Distribution", "Certificate Policies"):
        expect(part not in root, f"the root has {part}")
    issuing = run("openssl", "x509", "-noout", "-text", "-in", ca.chains["client"].chain).stdout
    for part in ("CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "NIST CURVE: P-256",
                 "TLS Web Server Authentication", "TLS Web Client Authentication", "/crl/root-1.crl", "/ca/root-1.crt"):
        contains(issuing, part, "the issuing CA")
    for text in (root, issuing):
        contains(text, "X509v3 Basic Constraints: critical", "a CA certificate")
        contains(text, "X509v3 Key Usage: critical", "a CA certificate")


@tests.rule()
def a_short_lived_certificate_says_that_it_is_never_revoked(ca):
    text = ca.chains["short-lived"].text()
    expect("2.5.29.56" in text or "No Revocation Available" in text, f"no noRevAvail: {text}")
    expect("CRL Distribution" not in text, "a short-lived certificate names a CRL")
    text = ca.chains["server-dv"].text()
    contains(text, f"URI:http://localhost:{ca.http_port}/crl/issuing-1.crl", "the server certificate")
    contains(text, f"URI:http://localhost:{ca.http_port}/ca/issuing-1.crt", "the server certificate")


@tests.rule()
def the_urls_in_a_certificate_lead_where_they_say(ca):
    text = ca.chains["server-dv"].text()
    for url in re.findall(r"URI:(http://\S+)", text):
        got = ca.env.path("fetched")
        run("curl", "-sS", "--fail", "-o", got, url)
        run("openssl", "crl" if url.endswith(".crl") else "x509", "-inform", "DER", "-noout", "-in", got)


@tests.rule()
def revoking_a_short_lived_certificate_says_that_clients_will_not_learn_of_it(ca):
    chain = chain_of(ca, ca.issue("revoked-short", "gone.verify.test", profile="short-lived"))
    answer = ca.admin.revoke(chain.serial(), "keyCompromise")
    equal(answer.status, 200, "revocation")
    said = answer.text.lower()
    expect("not learn" in said or "no_revocation" in said or "norevocation" in said or "noRevAvail".lower() in said,
           f"the answer promises a CRL: {answer.text}")
    done = ca.cli("crl", "now", "issuing-1")
    equal(done.returncode, 0, "crl now")
    shown = run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout
    expect(chain.serial().upper() not in shown.upper(), "a certificate without revocation is on the CRL")
