"""What a ceremony signed comes into a CA: a running one, and one whose root's key was never here."""

import glob
import json
import os
import re
import shutil
import time

from support.ceremony import CRL, Room, closing, read
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


NEW_WITH_OLD = 'step "root-2-by-root-0" { kind = "new-with-old" old = "root-0" new = "root-2" profile = "cross" }\n'


class House:
    """A CA that issuing-2 is to join, and the room of its ceremonies, where root-0 has been for long."""

    def __init__(self, env, name):
        self.env = env
        self.ca = CA(env, name, config=LINE)
        self.url = f"http://localhost:{self.ca.http_port}"
        self.room = Room(env, f"{name}-room")
        before, _ = self.room.ceremony(self.room.plan("before", self.room.root("root-0", "old"), url=self.url))
        self.old, self.new = os.path.join(before, "out", "root-0.pem"), None
        self.key_of_old = self.room.issuer("root-0", self.old, "pkcs11:token=old;object=root-0")

    def plan(self, name, request, issuer="root-2", url=None):
        """The plan of all that the CA waits for."""
        room = self.room
        room.put_request("issuing-2", request)
        return room.plan(name, self.key_of_old, room.root("root-2"), room.certificate("issuing-2", issuer), NEW_WITH_OLD,
                         CRL.format(issuer="root-2"), CRL.format(issuer="root-0"), url=url or self.url)

    def ceremony(self, *words, **more):
        """The directory that it leaves."""
        directory, _ = self.room.ceremony(self.plan(*words, **more))
        self.new = os.path.join(directory, "out", "root-2.pem")
        return directory


def imported(ca, directory, *words):
    """`chancery ceremony import`: {file: (result, issuer)}."""
    answer = ca.json("ceremony", "import", directory, *words)
    equal((answer["closing"], answer["anchored"]), (closing(directory), bool(words)), "closing hash, and whether it was given")
    return {row["file"]: (row["result"], row["issuer"]) for row in answer["imported"]}


def refused(ca, directory, status, says, *words):
    done = ca.cli("ceremony", "import", directory, *words, status=status)
    contains(done.stderr, says, "what the import says")


# ---- a roll-over while the server runs ----

@tests.rule(150)
def an_issuer_is_rolled_over_while_clients_get_certificates(env):
    house = House(env, "rolled")
    ca = house.ca
    contains(warnings(ca), "issuer issuing-2 waits for its certificate, to follow issuing-1", "warnings")
    equal(ca.health().status, 200, "readyz while issuing-2 is awaited")
    before = ca.issue("before", "before.test")
    directory = house.ceremony("rolled", key_and_request(ca))
    with Traffic(ca, clients=3) as traffic:
        traffic.flows(20)
        rows = imported(ca, directory, "--closing", closing(directory))
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
        contains(issuer_of(os.path.dirname(path)), "Example issuing-2", "issuer of a later certificate")
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
    contains(issuer_of(after), "Example issuing-2", "issuer of a new certificate")
    contains(issuer_of(before), "Issuing 1", "issuer of an old certificate")
    crls = {issuer: ca.crl(issuer) for issuer in ("root-0", "root-1", "root-2", "issuing-1", "issuing-2")}
    # trust/root.pem now has all three.
    first = fetched(ca, "/ca/root-1.pem", f"{name}-root-1.pem")
    verify(os.path.join(before, "cert.pem"), os.path.join(before, "chain.pem"), first, crls["root-1"], crls["issuing-1"])
    leaf, chain = os.path.join(after, "cert.pem"), os.path.join(after, "chain.pem")
    verify(leaf, chain, house.new, crls["root-2"], crls["issuing-2"])
    cross = fetched(ca, "/ca/issuing-2/cross.pem", f"{name}-cross.pem")
    both = os.path.join(env.folder(f"{name}-both"), "untrusted.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in (chain, cross):
            with open(part, encoding="ascii") as file:
                out.write(file.read())
    verify(leaf, both, house.old, crls["root-0"], crls["root-2"], crls["issuing-2"])
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
    entries = [line for line in text.splitlines() if "ceremony.imported" in line]
    equal(len(entries), 2, "entries of imports, with that of init's own ceremony")
    contains(entries[1], closing(directory), "the entry of the import")
    contains(entries[1].replace("\\", ""), '"anchored":"yes"', "the entry of the import")
    intermediate = run("openssl", "x509", "-noout", "-serial", "-in", f"{directory}/out/issuing-2.pem").stdout
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
    contains(issuer_of(folder), "Example issuing-2", "issuer of an identity's certificate")
    equal(ca.client(folder).get("/api/v1/certificates?limit=1").status, 200, "the latecomer's look at the inventory")
    metrics = Client("127.0.0.1", ca.port, tls_context(None)).get("/metrics").text
    expect(re.search(r'chancery_issuer_not_after_seconds\{issuer="issuing-2"\} \d+', metrics), "no metric of its end")


# ---- what is wrong is refused whole ----

@tests.rule(120)
def one_wrong_part_and_nothing_comes_in(env):
    house = House(env, "wrong")
    ca, room = house.ca, house.room
    request = key_and_request(ca)
    stranger = os.path.join(env.folder("stranger"), "stranger.csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
        "-keyout", stranger + ".key", "-out", stranger)
    elsewhere = f"{house.url}/elsewhere"
    cases = {
        "another-key": ((stranger,), {}, "another key than that of issuer"),
        "another-issuer": ((request,), {"issuer": "root-0"}, "the parent of issuer"),
        "another-url": ((request,), {"url": elsewhere}, f"must begin with {house.url}"),
    }
    for name, (words, more, says) in cases.items():
        with room.tokens_as_now():
            directory = house.ceremony(name, *words, **more)
        refused(ca, directory, 4, says, "--closing", closing(directory))
        waits_still(ca, name)
    with room.tokens_as_now():
        other, _ = room.ceremony(room.plan("of-others", room.root("root-of-others"), url=house.url))
    refused(ca, other, 1, "nothing of it")
    equal(ca.cli("ceremony", "import", env.path("nowhere"), check=False).returncode, 1, "status without a directory")
    # As it should be, after all of that.
    directory = house.ceremony("right", request)
    refused(ca, directory, 4, "the closing hash is", "--closing", closing(other))
    refused(ca, directory, 2, "64 hex digits", "--closing", "1234")
    imported(ca, directory)
    contains(issuer_of(ca.issue("right", "right.test")), "Example issuing-2", "issuer of a new certificate")
    export = ca.env.path("wrong-export")
    ca.cli("audit", "export", "--out", export)
    entry = [line for line in read(export).decode().splitlines() if "ceremony.imported" in line][-1]
    contains(entry, closing(directory), "the entry of the import")
    contains(entry.replace("\\", ""), '"anchored":"no"', "the entry of the import")
    equal(ca.stop(), 0, "exit status of the server")


def waits_still(ca, name):
    contains(warnings(ca), "issuing-2 waits", f"warnings after {name}")
    equal(ca.http().get("/ca/root-2.pem").status, 404, f"the new root after {name}")


def with_octet(directory, name):
    """A copy in which the last octet but five of this file is another."""
    copy = f"{directory}-{os.path.basename(name)}"
    shutil.copytree(directory, copy)
    octets = bytearray(read(os.path.join(copy, name)))
    octets[-6] ^= 1
    with open(os.path.join(copy, name), "wb") as file:
        file.write(octets)
    return copy


@tests.rule(120)
def only_a_run_that_is_at_its_end_and_unchanged_comes_in(env):
    house = House(env, "unverified")
    ca, room = house.ca, house.room
    plan = house.plan("whole", key_and_request(ca))
    rehearsal = room.rehearse(plan)
    expect(os.path.exists(f"{rehearsal}/out/issuing-2.pem"), "the rehearsal has made nothing")
    refused(ca, rehearsal, 4, "line 1 of the transcript")
    waits_still(ca, "a rehearsal")
    begun, _ = room.run(plan, rehearsal, status=1, wrong={"to pass): ": ""})
    expect(os.path.exists(f"{begun}/out/issuing-2.pem"), "the run that was interrupted has made nothing")
    refused(ca, begun, 4, "is not closed")
    waits_still(ca, "a run that is not at its end")
    directory, _ = room.run(plan, rehearsal, "--resume", out=begun)
    for name in ("out/issuing-2.pem", "out/root-2-crl.crl", "inputs/root-0.pem", "plan.conf", "rehearsal.json",
                 "transcript.jsonl", "transcript.txt"):
        refused(ca, with_octet(directory, name), 4, "line ")
        waits_still(ca, f"a changed octet of {name}")
    more = f"{directory}-more"
    shutil.copytree(directory, more)
    shutil.copy(house.old, f"{more}/out/root-3.pem")
    refused(ca, more, 4, "out/root-3.pem is in no line")
    only = f"{directory}-only"
    shutil.copytree(f"{directory}/out", f"{only}/out")
    refused(ca, only, 1, "transcript.jsonl")
    waits_still(ca, "certificates without a transcript")
    for wrong in (rehearsal, with_octet(directory, "attestations/" + sorted(os.listdir(f"{directory}/attestations"))[0])):
        done = ca.cli("init", "--state", env.path("never"), "--offline-root", wrong, status=4)
        contains(done.stderr, "line ", "what init says")
        expect(not os.path.exists(env.path("never", "chancery.conf")), "a configuration by a ceremony that is none")
    imported(ca, directory, "--closing", closing(directory).upper())
    equal(ca.stop(), 0, "exit status of the server")


# ---- init --offline-root ----

def begun(env, name, directory):
    """The first run of init: what it asks for."""
    return CA(env, name, start=False, init=("--offline-root", directory))


def finish(ca, directory, *words):
    again = ("init", "--state", ca.state, "--org", "Example", "--offline-root", directory)
    ca.cli(*again, "--closing", closing(directory)[::-1], status=4)
    expect(not os.path.exists(ca.file("trust", "root.pem")), "a root by another closing hash")
    done = ca.cli(*again, *words, limit=60)
    equal("not anchored" in done.stdout, not words, "whether it says that it is not anchored")


def works(ca, name, root):
    ca.start()
    equal(ca.health().status, 200, "readyz")
    folder = ca.issue(f"{ca.name}-first", "first.test")
    verify(os.path.join(folder, "cert.pem"), os.path.join(folder, "chain.pem"), root, ca.crl(name),
           ca.crl("issuing-1"))
    equal(len(pem_blocks(ca.read("trust", "root.pem"))), 1, "roots that are trusted")
    expect(not glob.glob(ca.file("token", "root*")), "there is a token of the root")
    contains(ca.cli("token", "status").stdout, "issuing", "token status")
    contains(ca.cli("crl", "now", name, status=1).stderr, "a ceremony signs its list", "crl now of the root")
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
    room = Room(env, "begun-room")
    room.put_request("issuing-1", request)
    plan = room.plan("begun", room.root("root-1"), room.certificate("issuing-1", "root-1"), CRL.format(issuer="root-1"),
                     url=f"http://localhost:{ca.http_port}")
    directory, _ = room.ceremony(plan)
    finish(ca, directory)
    works(ca, "root-1", f"{directory}/out/root-1.pem")


@tests.rule(90)
def a_root_that_is_there_already_gives_its_name(env):
    """The ceremony of the root was long ago; a second one certifies the issuing key."""
    room = Room(env, "later-room")
    first, _ = room.ceremony(room.plan("first", room.root("example-root"), CRL.format(issuer="example-root")))
    ca = CA(env, "later", start=False, init=("--offline-root", first, "--closing", closing(first), "--url",
                                             "http://pki.example"))
    contains(ca.read("chancery.conf"), 'issuer "example-root"', "configuration")
    contains(ca.read("chancery.conf"), 'parent = "example-root"', "configuration")
    room.put_request("issuing-1", ca.file("issuing-1.csr"))
    root = f"{first}/out/example-root.pem"
    second, _ = room.ceremony(room.plan(
        "second", room.issuer("example-root", root, "pkcs11:token=root;object=example-root"),
        room.certificate("issuing-1", "example-root")))
    finish(ca, second, "--closing", closing(second))
    works(ca, "example-root", root)


@tests.rule(60)
def an_offline_begin_is_refused_where_the_root_is_here(env):
    ca = CA(env, "online", start=False)
    os.remove(ca.file("admin", "cert.pem"))
    done = ca.cli("init", "--state", ca.state, "--offline-root", env.path("none"), check=False)
    expect(done.returncode != 0, "a root with a token was taken for one that is offline")
    contains(done.stderr, "it is not offline", "what it says")
