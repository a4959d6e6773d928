"""What a ceremony signed comes into a CA: a running one, and one whose root's key was never here."""

import glob
import json
import os
import re
import time

from support.outside_roots import Directory, Root, imported, refused
from support.client import Client, pem_blocks, tls_context
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA, serial_in
from support.traffic import Traffic

tests = Tests(None)

LINE = """
issuer "root-0" {
}
issuer "root-2" {
}
issuer "issuing-2" {
	token = "issuing"
	key = "pkcs11:object=issuing-2"
	parent = "root-2"
	follows = "issuing-1"
}
profile "intermediate-2" {
	kind = "intermediate"
	issuer = "root-2"
}
"""


def warnings(ca):
    return "\n".join(ca.health().json()["warnings"])


def verify(leaf, untrusted, root, *crls):
    """Strictly, with lists, by openssl and by GnuTLS, trusting this root alone."""
    folder = os.path.dirname(untrusted)
    words = [word for crl in crls for word in ("-CRLfile", crl)]
    done = run("openssl", "verify", "-x509_strict", "-crl_check_all", "-no-CApath", "-no-CAstore", "-CAfile", root,
               "-untrusted", untrusted, "-purpose", "sslserver", *words, leaf, check=False)
    expect(done.returncode == 0, f"openssl verify under {root}: {(done.stdout + done.stderr)[-500:]}")
    chain, lists = os.path.join(folder, "gnutls-chain.pem"), os.path.join(folder, "gnutls-crls.pem")
    for path, parts in ((chain, (leaf, untrusted)), (lists, crls)):
        with open(path, "w", encoding="ascii") as out:
            for part in parts:
                with open(part, encoding="ascii") as file:
                    out.write("".join(file.read()))
    done = run("certtool", "--verify", "--load-ca-certificate", root, "--load-crl", lists, "--infile", chain,
               "--verify-purpose", "1.3.6.1.5.5.7.3.1", check=False)
    expect(done.returncode == 0, f"certtool under {root}: {(done.stdout + done.stderr)[-500:]}")


def issuer_of(folder):
    return run("openssl", "x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in",
               os.path.join(folder, "cert.pem")).stdout.strip()


def fetched(ca, path, name):
    """A published file, as a file of ours."""
    answer = ca.http().get(path)
    equal(answer.status, 200, f"status of {path}")
    target = ca.env.path(name)
    with open(target, "wb") as file:
        file.write(answer.body)
    return target


def key_and_request(ca, name="issuing-2"):
    ca.cli("token", "keygen", "issuing", "--label", name)
    out = ca.env.path(f"{ca.name}-{name}.csr")
    ca.cli("token", "csr", "issuing", "--label", name, "--subject", f"/O=Example/CN={name}", "--out", out)
    return out


class House:
    """A CA that issuing-2 is to join, and the roots of the ceremony."""

    def __init__(self, env, name):
        self.env = env
        self.ca = CA(env, name, config=LINE)
        url = f"http://localhost:{self.ca.http_port}"
        self.old, self.new = Root(env, "root-0", url), Root(env, "root-2", url)

    def directory(self, name, request):
        """All that the ceremony leaves."""
        directory = Directory(self.env, name)
        self.new.certify(request, "issuing-2", directory.out("issuing-2.pem"))
        self.old.cross(self.new, directory.out("root-2-by-root-0.pem"))
        self.new.list(directory.out("root-2-crl.crl"))
        self.old.list(directory.out("root-0-crl.crl"))
        directory.put(self.new.certificate)
        directory.put(self.old.certificate, folder="inputs")
        return directory


# ---- a roll-over while the server runs ----

@tests.rule(150)
def an_issuer_is_rolled_over_while_clients_get_certificates(env):
    house = House(env, "rolled")
    ca = house.ca
    contains(warnings(ca), "issuer issuing-2 waits for its certificate, to follow issuing-1", "warnings")
    equal(ca.health().status, 200, "readyz while issuing-2 is awaited")
    before = ca.issue("before", "before.test")
    directory = house.directory("rolled-ceremony", key_and_request(ca))
    with Traffic(ca, clients=3) as traffic:
        traffic.flows(20)
        rows = imported(ca, directory)
        moment = time.monotonic()
        traffic.flows(20)
    traffic.none_refused()
    equal(rows["out/issuing-2.pem"], ("issuer", "issuing-2"), "the intermediate")
    equal(rows["out/root-2.pem"], ("issuer", "root-2"), "the new root")
    equal(rows["inputs/root-0.pem"], ("issuer", "root-0"), "the older root")
    equal(rows["out/root-2-by-root-0.pem"], ("cross-certificate", "root-2"), "the cross-certificate")
    equal(rows["out/root-2-crl.crl"], ("list", "root-2"), "the new root's list")
    late = [answer for answer in traffic.answers if answer.issued and answer.begun > moment]
    expect(late, "no certificate after the import")
    for answer in late:
        path = os.path.join(env.folder("late"), "cert.pem")
        with open(path, "w", encoding="ascii") as file:
            file.write(pem_blocks(answer.pem)[0])
        contains(issuer_of(os.path.dirname(path)), "Elsewhere issuing-2", "issuer of a later certificate")
    expect("issuing-2" not in warnings(ca), f"warnings after the import: {warnings(ca)}")
    everybody_verifies(house, before, "after")
    ca.restart()
    everybody_verifies(house, before, "restarted")
    lists_of_both(ca, before, ca.issue("revoked-2", "revoked-2.test"))
    equal({result for result, _ in imported(ca, directory).values()}, {"there already"}, "a second import")
    books(ca, directory)
    equal(ca.stop(), 0, "exit status of the server")
    ca.store_check()


def everybody_verifies(house, before, name):
    """Who trusts the first root, the new one, or the one that there was before."""
    env, ca = house.env, house.ca
    after = ca.issue(name, f"{name}.test")
    contains(issuer_of(after), "Elsewhere issuing-2", "issuer of a new certificate")
    contains(issuer_of(before), "Issuing 1", "issuer of an old certificate")
    crls = {issuer: ca.crl(issuer) for issuer in ("root-0", "root-1", "root-2", "issuing-1", "issuing-2")}
    # trust/root.pem now has all three.
    first = fetched(ca, "/ca/root-1.pem", f"{name}-root-1.pem")
    verify(os.path.join(before, "cert.pem"), os.path.join(before, "chain.pem"), first, crls["root-1"], crls["issuing-1"])
    leaf, chain = os.path.join(after, "cert.pem"), os.path.join(after, "chain.pem")
    verify(leaf, chain, house.new.certificate, crls["root-2"], crls["issuing-2"])
    cross = fetched(ca, "/ca/issuing-2/cross.pem", f"{name}-cross.pem")
    both = os.path.join(env.folder(f"{name}-both"), "untrusted.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in (chain, cross):
            with open(part, encoding="ascii") as file:
                out.write(file.read())
    verify(leaf, both, house.old.certificate, crls["root-0"], crls["root-2"], crls["issuing-2"])
    equal(len(pem_blocks(ca.http().get("/ca/roots.pem").text)), 3, "roots that are published")
    equal(len(pem_blocks(ca.read("trust", "root.pem"))), 3, "roots in trust/root.pem")
    # The server's own certificate, and the first administrator's from before the roll-over, go on.
    equal(Client("127.0.0.1", ca.port, tls_context(ca.root)).get("/readyz").status, 200, "a client that trusts all")
    equal(ca.client().get("/api/v1/certificates?limit=1").status, 200, "the administrator's certificate from before")


def lists_of_both(ca, old, new):
    """Each issuer lists what it issued."""
    for issuer, folder in (("issuing-1", old), ("issuing-2", new)):
        serial = serial_in(folder)
        ca.cli("cert", "revoke", serial, "--reason", "superseded")

        def is_listed(issuer=issuer, serial=serial):
            text = run("openssl", "crl", "-noout", "-text", "-in", ca.crl(issuer)).stdout
            return re.search(rf"Serial Number: {serial.upper()}", text)

        wait_until(is_listed, 20, f"the revoked certificate on the list of {issuer}")
        equal(ca.client().row(serial)["issuer"], issuer, "issuer in the inventory")


def books(ca, directory):
    """Log, inventory and explanations know of it."""
    export = ca.env.path("rolled-export")
    ca.cli("audit", "export", "--out", export)
    ca.cli("audit", "verify", export)
    with open(export, encoding="utf-8") as file:
        text = file.read()
    equal(text.count("ceremony.imported"), 1, "entries of the import")
    intermediate = run("openssl", "x509", "-noout", "-serial", "-in", directory.out("issuing-2.pem")).stdout
    serial = intermediate.strip()[7:].lower()
    row = ca.client().row(serial)
    equal((row["issuer"], row["profile"], row["status"]), ("root-2", "intermediate-2", "valid"), "the intermediate's row")
    explained = ca.json("explain", serial)
    expect("issuer.certified" in json.dumps(explained), "the explanation has no entry of the import")
    # Of a certificate by the new issuer, proved by the roots that are trusted here.
    leaf = serial_in(ca.issue("explained", "explained.test"))
    path = ca.env.path("explained.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(ca.cli("explain", leaf, "--json").stdout)
    ca.cli("explain", "--verify", path)
    # Who is enrolled by the new issuer is known.
    folder = ca.add_identity("latecomer", "requester")
    contains(issuer_of(folder), "Elsewhere issuing-2", "issuer of an identity's certificate")
    equal(ca.client(folder).get("/api/v1/certificates?limit=1").status, 200, "the latecomer's look at the inventory")
    metrics = Client("127.0.0.1", ca.port, tls_context(None)).get("/metrics").text
    expect(re.search(r'chancery_issuer_not_after_seconds\{issuer="issuing-2"\} \d+', metrics), "no metric of its end")


# ---- what is wrong is refused whole ----

@tests.rule(90)
def one_wrong_part_and_nothing_comes_in(env):
    house = House(env, "wrong")
    ca, new = house.ca, house.new
    request = key_and_request(ca)
    stranger = os.path.join(env.folder("stranger"), "stranger.csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
        "-keyout", stranger + ".key", "-out", stranger)

    def changed_octet(path):
        der = path + ".der"
        run("openssl", "x509", "-in", path, "-outform", "DER", "-out", der)
        with open(der, "rb") as file:
            octets = bytearray(file.read())
        octets[-5] ^= 1
        with open(path, "wb") as file:
            file.write(octets)
        os.remove(der)

    elsewhere = Root(env, "root-2", f"http://localhost:{ca.http_port}/elsewhere")
    short = Root(env, "root-9", f"http://localhost:{ca.http_port}", path_length=0)
    ended = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    cases = {
        "another key": (lambda out: new.certify(stranger, "issuing-2", out), 4, "another key than that of issuer"),
        "not signed by its root": (lambda out: house.old.certify(request, "issuing-2", out), 4, "the parent of issuer"),
        "path length": (lambda out: new.certify(request, "issuing-2", out, path_length=1), 4, "an intermediate has 0"),
        "ended": (lambda out: new.certify(request, "issuing-2", out, life=ended), 4, "it ended at 2021-01-01"),
        "a changed octet": (lambda out: changed_octet(new.certify(request, "issuing-2", out)), 4, "signature"),
    }
    for name, (make, status, says) in cases.items():
        directory = house.directory(f"wrong {name}", request)
        make(directory.out("issuing-2.pem"))
        refused(ca, directory, status, says)
        contains(warnings(ca), "issuing-2 waits", f"warnings after {name}")
        equal(ca.http().get("/ca/root-2.pem").status, 404, f"the new root after {name}")
    directory = Directory(env, "wrong url")
    elsewhere.certify(request, "issuing-2", directory.out("issuing-2.pem"))
    directory.put(elsewhere.certificate)
    refused(ca, directory, 4, f"must begin with http://localhost:{ca.http_port}")
    directory = Directory(env, "wrong root")
    directory.put(short.certificate, "root-2.pem")
    refused(ca, directory, 4, "a root has no pathLenConstraint")
    empty = Directory(env, "wrong empty")
    refused(ca, empty, 1, "nothing of it")
    equal(ca.cli("ceremony", "import", env.path("nowhere"), check=False).returncode, 1, "status without a directory")
    # As it should be, after all of that.
    imported(ca, house.directory("right", request))
    contains(issuer_of(ca.issue("right", "right.test")), "Elsewhere issuing-2", "issuer of a new certificate")
    equal(ca.stop(), 0, "exit status of the server")


# ---- init --offline-root ----

def begun(env, name, directory):
    """The first run of init: what it asks for."""
    return CA(env, name, start=False, init=("--offline-root", directory))


def finish(ca, directory):
    ca.cli("init", "--state", ca.state, "--org", "Example", "--offline-root", directory.path, limit=60)


def works(ca, root):
    ca.start()
    equal(ca.health().status, 200, "readyz")
    folder = ca.issue(f"{ca.name}-first", "first.test")
    verify(os.path.join(folder, "cert.pem"), os.path.join(folder, "chain.pem"), root.certificate, ca.crl(root.name),
           ca.crl("issuing-1"))
    equal(len(pem_blocks(ca.read("trust", "root.pem"))), 1, "roots that are trusted")
    expect(not glob.glob(ca.file("token", "root*")), "there is a token of the root")
    contains(ca.cli("token", "status").stdout, "issuing", "token status")
    contains(ca.cli("crl", "now", root.name, status=1).stderr, "a ceremony signs its list", "crl now of the root")
    equal(ca.stop(), 0, "exit status of the server")
    ca.store_check()


@tests.rule(90)
def a_ca_begins_with_a_request_and_ends_with_a_ceremony(env):
    ca = begun(env, "begun", env.path("not-yet"))
    expect(not os.path.exists(ca.file("trust", "root.pem")), "a root before the ceremony")
    request = ca.file("issuing-1.csr")
    with open(request, "rb") as file:
        kept = file.read()
    contains(run("openssl", "req", "-verify", "-noout", "-subject", "-in", request, "-nameopt", "RFC2253").stdout,
             "Example Issuing 1", "subject of the request")
    # Once more: the same request, which a plan may name by its hash already.
    again = ca.json("init", "--state", ca.state, "--offline-root", env.path("not-yet"))
    equal((again["waits"], [row["issuer"] for row in again["requests"]]), (True, ["issuing-1"]), "a second run")
    with open(request, "rb") as file:
        equal(file.read(), kept, "the request after a second run")
    root = Root(env, "root-1", f"http://localhost:{ca.http_port}")
    directory = Directory(env, "begun-ceremony")
    directory.put(root.certificate)
    root.list(directory.out("root-1-crl.crl"))
    root.certify(request, "issuing-1", directory.out("issuing-1.pem"))
    finish(ca, directory)
    works(ca, root)


@tests.rule(90)
def a_root_that_is_there_already_gives_its_name(env):
    """The ceremony of the root was long ago; a second one certifies the issuing key."""
    port_of_url = "http://pki.example"
    root = Root(env, "example-root", port_of_url)
    first = Directory(env, "root-ceremony")
    first.put(root.certificate)
    root.list(first.out("example-root-crl.crl"))
    ca = CA(env, "later", start=False, init=("--offline-root", first.path, "--url", port_of_url))
    contains(ca.read("chancery.conf"), 'issuer "example-root"', "configuration")
    contains(ca.read("chancery.conf"), 'parent = "example-root"', "configuration")
    second = Directory(env, "issuing-ceremony")
    root.certify(ca.file("issuing-1.csr"), "issuing-1", second.out("issuing-1.pem"))
    finish(ca, second)
    works(ca, root)


@tests.rule(60)
def an_offline_begin_is_refused_where_the_root_is_here(env):
    ca = CA(env, "online", start=False)
    os.remove(ca.file("admin", "cert.pem"))
    done = ca.cli("init", "--state", ca.state, "--offline-root", env.path("none"), check=False)
    expect(done.returncode != 0, "a root with a token was taken for one that is offline")
    contains(done.stderr, "it is not offline", "what it says")
