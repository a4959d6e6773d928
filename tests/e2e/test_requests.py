"""Requests as real tools make them, and what becomes of each."""

import json
import os
import re

from support import verify
from support.client import pem_blocks
from support.harness import Tests, equal, expect, run
from support.server import CA

HERE = os.path.dirname(os.path.abspath(__file__))


def setup(env):
    ca = CA(env)
    ca.admin = ca.client()
    return ca


tests = Tests(setup)


def issue(ca, name, request, profile="server-dv"):
    if isinstance(request, str) and os.path.exists(request):
        with open(request, "rb") as file:
            request = file.read()
    blocks, _ = ca.admin.issue(request, profile)
    return verify.Chain(ca, ca.env.path(f"got-{name}"), "".join(blocks))


def same_key(chain, key_file, *how):
    """The certificate is over the key that the tool made."""
    certified = run("openssl", "x509", "-noout", "-pubkey", "-in", chain.leaf).stdout
    equal(run("openssl", "pkey", "-pubout", "-in", key_file, *how).stdout, certified, "certified key")


def openssl_request(ca, name, newkey, *more, subject="/CN=www.tool.test", config=None):
    folder = ca.env.folder(f"openssl-{name}")
    key, request = os.path.join(folder, "key.pem"), os.path.join(folder, "req.pem")
    words = ["openssl", "req", "-new", "-newkey", *newkey, "-nodes", "-keyout", key, "-out", request, "-subj", subject]
    if config:
        path = os.path.join(folder, "req.cnf")
        with open(path, "w", encoding="ascii") as file:
            file.write(config)
        words += ["-config", path]
    run(*words, *more)
    return key, request


KEYS = {
    "rsa2048": ["rsa:2048"], "rsa3072": ["rsa:3072"], "rsa4096": ["rsa:4096"], "ed25519": ["ed25519"],
    "p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
}


def openssl_key(kind):
    def issues(ca):
        host = f"{kind}.tool.test"
        key, request = openssl_request(ca, kind, KEYS[kind], "-addext", f"subjectAltName=DNS:{host}", subject="/")
        chain = issue(ca, kind, request)
        same_key(chain, key)
        equal(chain.names(), [f"DNS:{host}"], "names")
        verify.openssl(chain, "sslserver", "-verify_hostname", host)
        verify.gnutls(chain, "sslserver", "--verify-hostname", host)

    return issues


for a_kind in KEYS:
    tests.add(f"issues_for_openssl_{a_kind}", openssl_key(a_kind), 60)


@tests.rule()
def issues_for_openssl_the_way_most_guides_make_it(ca):
    """CN only, with country, organization, unit, mail and a challenge password."""
    config = """[req]
prompt = no
distinguished_name = dn
attributes = attrs
[dn]
C = DE
ST = Bavaria
L = Munich
O = Some Company GmbH
OU = IT
CN = www.guide.test
emailAddress = admin@guide.test
[attrs]
challengePassword = hunter2-hunter2
unstructuredName = An optional company name
"""
    folder = ca.env.folder("guide")
    path, key, request = (os.path.join(folder, name) for name in ("req.cnf", "key.pem", "req.pem"))
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-config", path)
    chain = issue(ca, "guide", request)
    equal(chain.names(), ["DNS:www.guide.test"], "names from the CN")
    subject = chain.subject()
    expect("Company" not in subject and "IT" not in subject and "@" not in subject, f"subject {subject!r}")
    verify.openssl(chain, "sslserver", "-verify_hostname", "www.guide.test")
    with open(request, "rb") as file:
        decoded = ca.admin.request("POST", "/api/v1/csr/decode", file.read(), content_type="application/pkcs10").json()
    said = json.dumps(decoded)
    for what in ("Some Company", "IT", "admin@guide.test", "challengePassword", "unstructuredName"):
        expect(what in said, f"csr/decode does not list {what} as not copied: {said[:600]}")
    expect("hunter2" not in said, "csr/decode shows the challenge password")


@tests.rule()
def issues_for_openssl_that_asks_for_what_the_profile_decides(ca):
    """Requested usages and lives do not count; the certificate is the profile's."""
    _, request = openssl_request(ca, "asks", KEYS["p256"], "-addext", "subjectAltName=DNS:asks.test", "-addext",
                                 "extendedKeyUsage=codeSigning,emailProtection", "-addext", "keyUsage=keyCertSign",
                                 "-addext", "basicConstraints=CA:FALSE", subject="/CN=asks.test")
    text = issue(ca, "asks", request).text()
    expect("TLS Web Server Authentication" in text and "Code Signing" not in text and "Certificate Sign" not in text,
           f"usages: {text}")


@tests.rule()
def issues_a_wildcard(ca):
    _, request = openssl_request(ca, "wild", KEYS["p256"], "-addext", "subjectAltName=DNS:*.wild.test,DNS:wild.test",
                                 subject="/")
    chain = issue(ca, "wild", request)
    equal(sorted(chain.names()), ["DNS:*.wild.test", "DNS:wild.test"], "names")
    verify.openssl(chain, "sslserver", "-verify_hostname", "a.wild.test")
    verify.gnutls(chain, "sslserver", "--verify-hostname", "a.wild.test")
    done = verify.openssl(chain, "sslserver", "-verify_hostname", "a.b.wild.test", check=False)
    expect(done.returncode != 0, "a wildcard covers two labels")


@tests.rule()
def issues_for_several_domains(ca):
    hosts = [f"h{number}.multi{number % 3}.internal" for number in range(40)]
    san = ",".join(f"DNS:{host}" for host in hosts)
    _, request = openssl_request(ca, "multi", KEYS["p384"], "-addext", f"subjectAltName={san}",
                                 subject=f"/CN={hosts[0]}")
    chain = issue(ca, "multi", request)
    equal(sorted(chain.names()), sorted(f"DNS:{host}" for host in hosts), "names")
    for host in (hosts[0], hosts[-1]):
        verify.openssl(chain, "sslserver", "-verify_hostname", host)


@tests.rule()
def issues_for_addresses(ca):
    san = "IP:127.0.0.1,IP:::1,IP:10.1.2.3,IP:fd00::5,DNS:localhost"
    _, request = openssl_request(ca, "ip", KEYS["p256"], "-addext", f"subjectAltName={san}", subject="/CN=127.0.0.1")
    chain = issue(ca, "ip", request)
    equal(len(chain.names()), 5, f"number of names {chain.names()}")
    for address in ("127.0.0.1", "::1", "10.1.2.3", "fd00::5"):
        verify.openssl(chain, "sslserver", "-verify_ip", address)
    verify.openssl(chain, "sslserver", "-verify_hostname", "localhost")


@tests.rule()
def issues_for_an_address_in_the_common_name(ca):
    _, request = openssl_request(ca, "cn-ip", KEYS["p256"], subject="/CN=192.168.7.9")
    equal(issue(ca, "cn-ip", request).names(), ["IP Address:192.168.7.9"], "names")


@tests.rule()
def issues_a_client_certificate(ca):
    _, request = openssl_request(ca, "client", KEYS["p256"], subject="/O=Ignored/CN=Jane Doe")
    chain = issue(ca, "client", request, "client")
    contains_cn = chain.subject()
    expect("Jane Doe" in contains_cn and "Ignored" not in contains_cn, f"subject {contains_cn!r}")
    verify.openssl(chain, "sslclient")
    verify.gnutls(chain, "sslclient")


@tests.rule()
def issues_for_gnutls_certtool(ca):
    for kind, how in (("ecdsa", ["--ecc", "--curve", "secp256r1"]), ("rsa", ["--rsa", "--bits", "2048"]),
                      ("ed25519", ["--key-type", "ed25519"])):
        folder = ca.env.folder(f"certtool-{kind}")
        key, template, request = (os.path.join(folder, name) for name in ("key.pem", "t.cfg", "req.pem"))
        host = f"{kind}.gnutls.test"
        with open(template, "w", encoding="ascii") as file:
            file.write(f'cn = "{host}"\norganization = "Example"\ndns_name = "{host}"\ndns_name = "www.{host}"\n'
                       "tls_www_server\nsigning_key\nencryption_key\n")
        run("certtool", "--generate-privkey", *how, "--no-text", "--outfile", key)
        run("certtool", "--generate-request", "--load-privkey", key, "--template", template, "--no-text", "--outfile",
            request)
        chain = issue(ca, f"certtool-{kind}", request)
        equal(sorted(chain.names()), sorted([f"DNS:{host}", f"DNS:www.{host}"]), "names")
        verify.gnutls(chain, "sslserver", "--verify-hostname", f"www.{host}")


@tests.rule(60)
def issues_for_java_keytool_and_its_keystore_takes_the_chain(ca):
    folder = ca.env.folder("keytool")
    store, request = os.path.join(folder, "store.p12"), os.path.join(folder, "req.pem")
    common = ["-keystore", store, "-storepass", "changeit", "-storetype", "PKCS12", "-alias", "web"]
    run("keytool", "-genkeypair", *common, "-keyalg", "EC", "-groupname", "secp256r1", "-dname",
        "CN=java.tool.test, OU=Dev, O=Example, C=DE")
    run("keytool", "-certreq", *common, "-ext", "SAN=dns:java.tool.test,dns:alt.java.tool.test", "-file", request)
    with open(request, encoding="ascii") as file:
        expect("BEGIN NEW CERTIFICATE REQUEST" in file.read(), "keytool writes another label than it did")
    chain = issue(ca, "keytool", request)
    equal(sorted(chain.names()), ["DNS:alt.java.tool.test", "DNS:java.tool.test"], "names")
    run("keytool", "-importcert", "-noprompt", "-trustcacerts", "-keystore", store, "-storepass", "changeit", "-alias",
        "root", "-file", ca.root)
    run("keytool", "-importcert", "-noprompt", *common, "-file", chain.full)
    shown = run("keytool", "-list", "-v", *common).stdout
    expect("Certificate chain length: 3" in shown, f"the keystore's entry: {shown[:400]}")


@tests.rule()
def issues_for_cfssl(ca):
    for kind, key in (("ecdsa", {"algo": "ecdsa", "size": 256}), ("rsa", {"algo": "rsa", "size": 2048})):
        folder = ca.env.folder(f"cfssl-{kind}")
        path = os.path.join(folder, "csr.json")
        host = f"{kind}.cfssl.test"
        with open(path, "w", encoding="ascii") as file:
            json.dump({"CN": host, "hosts": [host, "10.0.0.7"], "key": key,
                       "names": [{"C": "US", "O": "Example", "OU": "WWW"}]}, file)
        made = json.loads(run("cfssl", "genkey", path).stdout)
        chain = issue(ca, f"cfssl-{kind}", made["csr"].encode())
        equal(sorted(chain.names()), [f"DNS:{host}", "IP Address:10.0.0.7"], "names")
        verify.openssl(chain, "sslserver", "-verify_hostname", host)


@tests.rule()
def issues_for_node(ca):
    for kind in ("ec", "rsa", "ed25519"):
        host = f"{kind}.node.test"
        made = json.loads(run("node", os.path.join(HERE, "node", "csr.js"), kind, host, f"www.{host}").stdout)
        chain = issue(ca, f"node-{kind}", made["csr"].encode())
        equal(sorted(chain.names()), sorted([f"DNS:{host}", f"DNS:www.{host}"]), "names")
        verify.openssl(chain, "sslserver", "-verify_hostname", host)


@tests.rule()
def curl_needs_no_more_than_one_command(ca):
    """The README's way: post a file, get the chain."""
    key, request = openssl_request(ca, "curl", KEYS["p256"], subject="/CN=curl.test")
    done = run("curl", "-sS", "--fail-with-body", "--cacert", ca.root, "--cert", ca.file("admin/cert.pem"), "--key",
               ca.file("admin/key.pem"), "-H", "Content-Type: application/pkcs10", "--data-binary", f"@{request}",
               f"https://localhost:{ca.port}/api/v1/certificates?profile=server-dv")
    equal(len(pem_blocks(done.stdout)), 2, "certificates in the answer")
    chain = verify.Chain(ca, ca.env.path("got-curl"), done.stdout)
    same_key(chain, key)


@tests.rule()
def decode_says_what_each_profile_would_do(ca):
    _, request = openssl_request(ca, "decode", KEYS["p256"], subject="/O=Example/CN=decode.test")
    with open(request, "rb") as file:
        answer = ca.admin.request("POST", "/api/v1/csr/decode", file.read(), content_type="application/pkcs10")
    equal(answer.status, 200, f"csr/decode: {answer.text[:300]}")
    said = answer.json()
    profiles = {row["profile"]: row for row in said["profiles"]}
    expect({"server-dv", "client", "peer", "short-lived"} <= set(profiles), f"profiles {sorted(profiles)}")
    for name in ("server-dv", "peer", "short-lived", "client"):
        equal(profiles[name]["would"], "issue", f"{name}: {profiles[name]}")
    expect("decode.test" in str(profiles["server-dv"].get("names")), f"names {profiles['server-dv']}")
    _, request = openssl_request(ca, "decode2", KEYS["p256"], subject="/CN=www.example.com")
    with open(request, "rb") as file:
        said = ca.admin.request("POST", "/api/v1/csr/decode", file.read(), content_type="application/pkcs10").json()
    row = {row["profile"]: row for row in said["profiles"]}["server-dv"]
    equal(row["would"], "order", "what server-dv would do")
    before = ca.admin.get("/api/v1/certificates?name=decode.test").json()["certificates"]
    equal(before, [], "certificates that a decoding left behind")


@tests.rule()
def the_life_asked_for_is_the_life_given(ca):
    _, request = openssl_request(ca, "days", KEYS["p256"], subject="/CN=days.test")
    with open(request, "rb") as file:
        body = file.read()
    for days in (1, 7, 30):
        blocks, serial = ca.admin.issue(body, days=days)
        row = ca.admin.row(serial)
        chain = verify.Chain(ca, ca.env.path(f"got-days-{days}"), "".join(blocks))
        ends = run("openssl", "x509", "-noout", "-dates", "-dateopt", "iso_8601", "-in", chain.leaf).stdout
        after = re.search(r"notAfter=(\S+) (\S+)Z", ends)
        equal(row["notAfter"], f"{after[1]}T{after[2]}Z", "notAfter of API and certificate")
        still = run("openssl", "x509", "-noout", "-checkend", str(int((days - 0.1) * 86400)), "-in", chain.leaf,
                    check=False)
        equal(still.returncode, 0, f"{days} days: still good just before its end")
        gone = run("openssl", "x509", "-noout", "-checkend", str(days * 86400 + 60), "-in", chain.leaf, check=False)
        equal(gone.returncode, 1, f"{days} days: over after its end")
