"""The whole story, in a namespace without a network: a root and two intermediates, a running server, and years later
another root. Who trusts the first root, the one from before it or the one after it verifies all the time.

The commands of the ceremonies have not even a loopback interface; the server has that alone.
"""

import os

from support import network
from support.ceremony import CRL, Room, closing
from support.client import pem_blocks
from support.harness import Tests, contains, equal, expect, run
from support.server import CA
from support.traffic import Traffic
from test_ceremony_import import imported, issuer_of, key_and_request, verify, warnings

URL = "http://pki.story.test"
SECOND = """
issuer "root-0" {
}
issuer "issuing-2" {
	token = "issuing"
	key = "pkcs11:object=issuing-2"
	parent = "root-1"
}
profile "devices" {
	kind = "client"
	issuer = "issuing-2"
}
"""
LATER = """
issuer "root-2" {
}
issuer "issuing-3" {
	token = "issuing"
	key = "pkcs11:object=issuing-3"
	parent = "root-2"
	follows = "issuing-1"
}
profile "intermediate-2" {
	kind = "intermediate"
	issuer = "root-2"
}
"""
CROSS = 'step "{of}-by-{issuer}" {{ kind = "cross" issuer = "{issuer}" of = "{of}" }}\n'
ROLL = ('step "{new}-by-{old}" {{ kind = "new-with-old" old = "{old}" new = "{new}" profile = "cross" }}\n'
        'step "{old}-by-{new}" {{ kind = "old-with-new" old = "{old}" new = "{new}" profile = "cross" }}\n')


class Story:
    """What each part of it leaves to the next."""

    def __init__(self, env):
        network.leave()
        self.env = env
        self.room = Room(env, before=network.NOWHERE)
        self.ca, self.first, self.later, self.old_leaves = None, None, None, []

    def root(self, name):
        """The certificate of a root, from the directory of its ceremony."""
        folder = {"root-0": f"{self.first}/inputs", "root-1": f"{self.first}/out", "root-2": f"{self.later}/out"}[name]
        return f"{folder}/{name}.pem"

    def crls(self, *issuers):
        return [self.ca.crl(issuer) for issuer in issuers]

    def through(self, leaf, root, issuers, *more):
        """Verified by openssl and GnuTLS under this root alone, with the lists of these issuers; more: certificates that
        the server of this leaf sends besides its chain."""
        untrusted = os.path.join(self.env.folder("through"), "untrusted.pem")
        with open(untrusted, "w", encoding="ascii") as out:
            for part in more or (os.path.join(leaf, "chain.pem"),):
                with open(part, encoding="ascii") as file:
                    out.write(file.read())
        verify(os.path.join(leaf, "cert.pem"), untrusted, self.root(root), *self.crls(*issuers))


tests = Tests(Story)


@tests.rule(90)
def a_first_ceremony_makes_a_root_two_intermediates_and_a_responder(story):
    env, room = story.env, story.room
    done = run(*network.NOWHERE, "sh", "-c", "cat /proc/net/dev; cat /proc/net/route; cat /proc/net/if_inet6").stdout
    equal([line.split(":")[0].strip() for line in done.splitlines() if ":" in line], ["lo"], "interfaces of a ceremony")
    expect("127.0.0.1" not in run(*network.NOWHERE, "cat", "/proc/net/fib_trie").stdout, "a ceremony has an address")
    before, _ = room.ceremony(room.plan("before", room.root("root-0", "old"), url=URL))
    ca = story.ca = CA(env, "story", start=False, init=("--offline-root", env.path("to-come"), "--url", URL))
    ca.configure(lambda text: text.replace('profiles = { "server-dv", "client"', 'profiles = { "server-dv", "devices", '
                                                                               '"client"') + SECOND)
    waits = ca.json("init", "--state", ca.state, "--offline-root", env.path("to-come"))
    equal([row["issuer"] for row in waits["requests"]], ["issuing-1", "issuing-2"], "what waits for the ceremony")
    for name in ("issuing-1", "issuing-2"):
        room.put_request(name, ca.file(f"{name}.csr"))
    plan = room.plan(
        "first", room.issuer("root-0", f"{before}/out/root-0.pem", "pkcs11:token=old;object=root-0"),
        room.root("root-1"), room.certificate("issuing-1", "root-1"), room.certificate("issuing-2", "root-1"),
        CROSS.format(issuer="root-0", of="issuing-1"), room.certificate("responder-1", "root-1", "responder"),
        CRL.format(issuer="root-1"), CRL.format(issuer="root-0"), url=URL)
    contains(room.cli("check", plan).stdout, "issuing-1-by-root-0", "the script of the day")
    story.first, shown = room.ceremony(plan)
    contains(shown, "The last step: the closing hash", "what was shown")
    contains(room.verify(story.first, closing(story.first)).stdout, "Verified", "the proof")


@tests.rule(60)
def its_responder_answers_for_the_root(story):
    """By the stock command: the server's own comes later."""
    out, room = f"{story.first}/out", story.room
    serial = run("openssl", "x509", "-noout", "-serial", "-in", f"{out}/issuing-1.pem").stdout.strip()[7:]
    room.write("index.txt", f"V\t400101000000Z\t\t{serial}\tunknown\t/CN=Example issuing-1\n")
    names = {name: room.path(f"ocsp-{name}.der") for name in ("request", "answer")}
    about = ("-issuer", f"{out}/root-1.pem", "-cert", f"{out}/issuing-1.pem")
    run("openssl", "ocsp", *about, "-no_nonce", "-reqout", names["request"])
    run("openssl", "ocsp", "-index", room.path("index.txt"), "-CA", f"{out}/root-1.pem", "-rsigner",
        f"{out}/responder-1.pem", "-rkey", room.path("responder-1.key"), "-reqin", names["request"], "-respout",
        names["answer"])
    done = run("openssl", "ocsp", *about, "-no_nonce", "-respin", names["answer"], "-CAfile", f"{out}/root-1.pem")
    contains(done.stdout + done.stderr, "Response verify OK", "the response")
    contains(done.stdout, "issuing-1.pem: good", "the response")


@tests.rule(60)
def a_server_begins_with_it_and_clients_verify_through_both_roots(story):
    ca = story.ca
    done = ca.cli("init", "--state", ca.state, "--org", "Example", "--offline-root", story.first, "--closing",
                  closing(story.first), limit=60)
    expect("not anchored" not in done.stdout, done.stdout)
    ca.start()
    equal(ca.health().status, 200, "readyz")
    server, device = ca.issue("server", "www.story.test"), ca.issue("device", "device-1.story.test", profile="devices")
    contains(issuer_of(server), "Example issuing-1", "issuer of the server's certificate")
    contains(issuer_of(device), "Example issuing-2", "issuer of the device's certificate")
    story.through(server, "root-1", ("root-1", "issuing-1"))
    cross = f"{story.first}/out/issuing-1-by-root-0.pem"
    contains(ca.http().get("/ca/issuing-1/cross.pem").text.replace("\n", ""), pem_text(cross), "the cross-certificate")
    story.through(server, "root-0", ("root-0", "issuing-1"), cross)
    crls = [word for crl in story.crls("root-1", "issuing-2") for word in ("-CRLfile", crl)]
    run("openssl", "verify", "-x509_strict", "-crl_check_all", "-CAfile", story.root("root-1"), "-untrusted",
        f"{device}/chain.pem", "-purpose", "sslclient", *crls, f"{device}/cert.pem")
    story.old_leaves = [server]


def pem_text(path):
    with open(path, encoding="ascii") as file:
        return pem_blocks(file.read())[0].replace("\n", "")


@tests.rule(150)
def a_later_ceremony_rolls_the_root_over_and_clients_verify_all_through_it(story):
    ca, room = story.ca, story.room
    ca.configure(LATER)
    ca.restart()
    contains(warnings(ca), "issuer issuing-3 waits for its certificate, to follow issuing-1", "warnings")
    room.put_request("issuing-3", key_and_request(ca, "issuing-3"))
    newest = run("openssl", "crl", "-inform", "DER", "-in", ca.file("published", "crl", "root-1.crl"), "-noout",
                 "-crlnumber").stdout
    number = int(newest.partition("=")[2], 16)
    first = room.issuer("root-1", story.root("root-1"), "pkcs11:token=root;object=root-1")
    plan = room.plan(
        "later", first.replace("key =", f"crl-number = {number} key ="), room.root("root-2"),
        room.certificate("issuing-3", "root-2"), ROLL.format(old="root-1", new="root-2"), CRL.format(issuer="root-1"),
        CRL.format(issuer="root-2"), url=URL)
    with Traffic(ca, clients=2) as traffic:
        traffic.flows(10)
        story.later, _ = room.ceremony(plan)
        traffic.flows(10)
        rows = imported(ca, story.later, "--closing", closing(story.later))
        traffic.flows(10)
    traffic.none_refused()
    equal(rows["out/issuing-3.pem"], ("issuer", "issuing-3"), "the intermediate")
    equal(rows["out/root-2-by-root-1.pem"], ("cross-certificate", "root-2"), "the new root by the old one")
    equal(rows["out/root-1-by-root-2.pem"], ("cross-certificate", "root-1"), "the old root by the new one")
    equal(rows["out/root-1-crl.crl"], ("list", "root-1"), "the old root's list")
    everybody_verifies(story)
    everyone_who_asked_meanwhile(story, traffic)
    ca.restart()
    everybody_verifies(story)
    equal(ca.stop(), 0, "exit status of the server")
    ca.store_check()


def everybody_verifies(story):
    """Old certificates and new ones, under each root that they have a way to."""
    ca, out, old = story.ca, f"{story.later}/out", story.old_leaves[0]
    new = ca.issue(f"new-{len(story.old_leaves)}", "new.story.test")
    story.old_leaves.append(new)
    contains(issuer_of(new), "Example issuing-3", "issuer of a new certificate")
    new_chain, old_chain = os.path.join(new, "chain.pem"), os.path.join(old, "chain.pem")
    story.through(old, "root-1", ("root-1", "issuing-1"))
    story.through(old, "root-0", ("root-0", "issuing-1"), f"{story.first}/out/issuing-1-by-root-0.pem")
    story.through(old, "root-2", ("root-2", "root-1", "issuing-1"), old_chain, f"{out}/root-1-by-root-2.pem")
    story.through(new, "root-2", ("root-2", "issuing-3"))
    story.through(new, "root-1", ("root-1", "root-2", "issuing-3"), new_chain, f"{out}/root-2-by-root-1.pem")


def everyone_who_asked_meanwhile(story, traffic):
    """Each certificate around the moment of the import has a way to the root that everybody trusts, and to the new one."""
    issuers = {}
    for number, answer in enumerate(sorted(traffic.issued(), key=lambda answer: answer.ended)):
        folder, blocks = story.env.folder(f"meanwhile-{number}"), pem_blocks(answer.pem)
        for name, part in (("cert.pem", blocks[:1]), ("chain.pem", blocks[1:])):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write("".join(part))
        issuers.setdefault(issuer_of(folder).rpartition("CN=")[2].split(",")[0].rpartition(" ")[2], []).append(folder)
    equal(sorted(issuers), ["issuing-1", "issuing-3"], "who issued meanwhile")
    crls = {issuer: story.ca.crl(issuer) for issuer in ("root-1", "root-2", "issuing-1", "issuing-3")}
    for folder in issuers["issuing-1"][-20:] + issuers["issuing-3"][:20]:
        for root, cross in (("root-1", "root-2-by-root-1"), ("root-2", "root-1-by-root-2")):
            words = [word for crl in crls.values() for word in ("-CRLfile", crl)]
            run("openssl", "verify", "-x509_strict", "-crl_check_all", "-CAfile", story.root(root), "-untrusted",
                f"{folder}/chain.pem", "-untrusted", f"{story.later}/out/{cross}.pem", *words, f"{folder}/cert.pem")
