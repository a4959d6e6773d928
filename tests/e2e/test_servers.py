"""nginx, haproxy and Node serve what was issued; curl and Node believe it; the revoked stay outside."""

import os

from support import webservers
from support.harness import Tests, equal, expect, run, wait_until
from support.server import CA, serial_in

HERE = os.path.dirname(os.path.abspath(__file__))


def setup(env):
    ca = CA(env)
    ca.admin = ca.client()
    ca.site = ca.issue("site", "localhost", "www.site.test", "127.0.0.1", "::1")
    ca.good = ca.issue("good-client", "good-client", profile="client")
    ca.bad = ca.issue("bad-client", "bad-client", profile="client")
    revoke(ca, ca.bad, "keyCompromise")
    ca.web = {"nginx": webservers.nginx(ca, ca.site), "haproxy": webservers.haproxy(ca, ca.site),
              "node": webservers.node(ca, ca.site)}
    return ca


def revoke(ca, folder, reason):
    """Revokes and waits until the published CRL says so."""
    serial = serial_in(folder)
    equal(ca.admin.revoke(serial, reason).status, 200, "revocation")

    def listed():
        return serial.upper() in run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout.upper()

    wait_until(listed, 15, "the revoked serial on the CRL")


tests = Tests(setup)
SERVERS = ("nginx", "haproxy", "node")


def curl(server, *more, host="localhost"):
    return run("curl", "-sS", "-w", "\n%{http_code}", *more, f"https://{host}:{server.port}/", check=False)


def identity(folder):
    return ["--cert", os.path.join(folder, "fullchain.pem"), "--key", os.path.join(folder, "key.pem")]


def node_client(server, *words):
    script = os.path.join(HERE, "node", "client.js")
    return run("node", script, f"https://localhost:{server.port}/", *words, check=False)


def curl_is_served(name):
    def serves(ca):
        for host in ("localhost", "127.0.0.1"):
            done = curl(ca.web[name], "--cacert", ca.root, *identity(ca.good), host=host)
            expect(done.returncode == 0 and done.stdout.endswith("\n200"), f"{host}: {done.stdout} {done.stderr}")
            expect(f"served by {name}" in done.stdout, done.stdout)

    return serves


def curl_refuses_without_root(name):
    def refuses(ca):
        done = curl(ca.web[name], *identity(ca.good))
        equal(done.returncode, 60, f"curl's status without our root ({done.stderr.strip()})")

    return refuses


def clients_stay_outside(name):
    """Without a certificate, with a revoked one, and with one of another CA."""
    def refuses(ca):
        server = ca.web[name]
        for what, words in (("no certificate", []), ("a revoked certificate", identity(ca.bad))):
            done = curl(server, "--cacert", ca.root, *words)
            expect(done.returncode != 0 or done.stdout.endswith(("\n403", "\n400")),
                   f"{what} is served: {done.stdout} {done.stderr}")
            expect("served by" not in done.stdout, f"{what} is served: {done.stdout}")

    return refuses


def node_is_served(name):
    def serves(ca):
        done = node_client(ca.web[name], ca.root, ca.good, ca.crl("root-1"), ca.crl("issuing-1"))
        expect(done.stdout.startswith("200 served by"), f"{done.stdout} {done.stderr}")

    return serves


def node_refuses(name):
    """Node as a client: without our root, and as a revoked client."""
    def refuses(ca):
        done = node_client(ca.web[name], "-", ca.good)
        expect("refused: UNABLE" in done.stdout or "refused: SELF_SIGNED" in done.stdout, f"no root: {done.stdout}")
        done = node_client(ca.web[name], ca.root, ca.bad)
        expect("served by" not in done.stdout, f"revoked client: {done.stdout}")

    return refuses


for a_server in SERVERS:
    tests.add(f"{a_server}_serves_curl_that_trusts_only_our_root", curl_is_served(a_server))
    tests.add(f"{a_server}_is_not_believed_by_curl_without_our_root", curl_refuses_without_root(a_server))
    tests.add(f"{a_server}_keeps_unknown_and_revoked_clients_outside", clients_stay_outside(a_server))
    tests.add(f"{a_server}_serves_node_that_trusts_only_our_root", node_is_served(a_server))
    tests.add(f"{a_server}_is_not_believed_by_node_without_our_root", node_refuses(a_server))


@tests.rule()
def nginx_and_haproxy_redirect_from_plain_http(ca):
    for name in ("nginx", "haproxy"):
        done = run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                   f"http://localhost:{ca.web[name].plain}/path")
        expect(done.stdout.startswith("301 https://localhost"), f"{name}: {done.stdout}")
    done = run("curl", "-sSL", "--cacert", ca.root, *identity(ca.good),
               f"http://localhost:{ca.web['nginx'].plain}/open")
    expect("served by nginx" in done.stdout, done.stdout)


@tests.rule()
def a_revoked_server_is_not_believed_by_clients_with_the_crl(ca):
    site = ca.issue("revoked-site", "localhost")
    server = webservers.node(ca, site, "node-revoked")
    try:
        crls = (ca.crl("root-1"), ca.crl("issuing-1"))
        done = node_client(server, ca.root, ca.good, *crls)
        expect(done.stdout.startswith("200"), f"before: {done.stdout}")
        revoke(ca, site, "keyCompromise")
        crls = (ca.crl("root-1"), ca.crl("issuing-1"))
        done = node_client(server, ca.root, ca.good, *crls)
        equal(done.stdout.strip(), "refused: CERT_REVOKED", "Node with the CRL")
        bundle = webservers.joined(ca.env, "curl-crls.pem", *crls)
        done = curl(server, "--cacert", ca.root, "--crlfile", bundle, *identity(ca.good))
        expect(done.returncode == 60 and "revoked" in done.stderr, f"curl with the CRL: {done.stderr}")
    finally:
        server.stop()


@tests.rule()
def a_name_that_was_not_asked_for_is_not_believed(ca):
    port = ca.web["nginx"].port
    done = run("curl", "-sS", "--cacert", ca.root, *identity(ca.good), "--resolve", f"other.test:{port}:127.0.0.1",
               f"https://other.test:{port}/", check=False)
    equal(done.returncode, 60, f"curl's status for another name ({done.stderr.strip()})")


@tests.rule()
def the_p12_opens_in_other_programs(ca):
    out = ca.issue("p12", "p12-client", profile="client", more=["--p12"])
    files = [name for name in os.listdir(out) if name.endswith(".p12")]
    equal(len(files), 1, f".p12 files in {sorted(os.listdir(out))}")
    password = [name for name in os.listdir(out) if "password" in name]
    equal(len(password), 1, "password files")
    for name in files + password + ["key.pem"]:
        equal(oct(os.stat(os.path.join(out, name)).st_mode & 0o777), "0o600", f"mode of {name}")
    path, secret = os.path.join(out, files[0]), os.path.join(out, password[0])
    shown = run("openssl", "pkcs12", "-in", path, "-passin", f"file:{secret}", "-nodes").stdout
    expect("PRIVATE KEY" in shown and shown.count("BEGIN CERTIFICATE") >= 2, "what the .p12 holds")
    with open(secret, encoding="ascii") as file:
        text = file.read().strip()
    run("keytool", "-list", "-storetype", "PKCS12", "-keystore", path, "-storepass", text)
    done = run("curl", "-sS", "--cacert", ca.root, "--cert-type", "P12", "--cert", f"{path}:{text}",
               f"https://localhost:{ca.web['nginx'].port}/")
    expect("served by nginx" in done.stdout, done.stdout)
