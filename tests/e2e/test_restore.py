"""A store put back from a backup: what it learns again from published/, and that nobody is served before the operator
has confirmed."""

import os
import re
import shutil

from support import csr
from support.client import refused
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA


def number_of(crl):
    return int(run("openssl", "crl", "-noout", "-crlnumber", "-in", crl).stdout.strip().partition("=")[2], 16)


def entry_of(ca, serial, issuer="issuing-1"):
    text = run("openssl", "crl", "-noout", "-text", "-in", ca.crl(issuer)).stdout
    found = re.search(rf"Serial Number: {serial}\n(.*?)(?=    Serial Number:|    Signature Algorithm)", text, re.S | re.I)
    return found[1] if found else None


def lose_and_restore(ca, backup, limit=60):
    """The store is gone, the backup comes in its place, the server starts and reads."""
    equal(ca.stop(), 0, "exit status")
    shutil.rmtree(ca.file("store"))
    ca.cli("store", "restore", backup, limit=limit)
    ca.store_check()
    ca.start(wait=False)
    wait_until(lambda: answers(ca), 20, "the restored server's answer")


def answers(ca):
    try:
        return "restored from a backup" in ca.health().text
    except OSError:
        return False


def verify(ca, name, *more, status=0):
    export = ca.env.path(name)
    ca.cli("audit", "export", "--out", export)
    return ca.cli("audit", "verify", export, *more, status=status)


def setup(env):
    ca = CA(env)
    admin = ca.client()
    ca.untouched = admin.issue(csr.for_names(csr.EcKey(11), "untouched.restore.test"))[1]
    ca.key = csr.EcKey(12)
    ca.known = admin.issue(csr.for_names(ca.key, "known.restore.test"))[1]
    ca.add_identity("leaver", "requester")
    backup = env.path("backup")
    ca.cli("store", "backup", backup, limit=60)

    ca.cli("identity", "remove", "leaver")
    ca.lost = admin.issue(csr.for_names(csr.EcKey(13), "lost.restore.test"))[1]
    equal(admin.revoke(ca.known, "keyCompromise", invalidityDate="2026-01-02T03:04:05Z").status, 200, "revocation")
    equal(admin.revoke(ca.lost, "superseded").status, 200, "revocation")
    ca.cli("crl", "now", "issuing-1")
    ca.cli("crl", "now", "root-1")
    wait_until(lambda: entry_of(ca, ca.lost), 10, "the list with both")
    equal(ca.stop(), 0, "exit status")  # the newest head of all is published
    ca.numbers = {name: number_of(ca.file("published", "crl", f"{name}.pem")) for name in ("issuing-1", "root-1")}
    ca.head, ca.crl_kept = env.path("lost-head.json"), env.path("lost.crl")
    shutil.copy(ca.file("published", "audit", "head"), ca.head)
    shutil.copy(ca.file("published", "crl", "issuing-1.crl"), ca.crl_kept)
    lose_and_restore(ca, backup)
    return ca


tests = Tests(setup, san=True, setup_limit=120)


@tests.rule()
def nothing_is_issued_or_revoked_before_the_operator_confirms(ca):
    client = ca.client()
    says = "restored from a backup of 20.*after entry [0-9]+.*store restore --confirm"
    refused(client.post_csr(csr.for_names(csr.EcKey(14), "early.restore.test")), 503, "busy", says=says)
    refused(client.revoke(ca.untouched), 503, "busy", says=says)
    health = ca.health()
    equal(health.status, 503, "status of readyz")
    expect(re.search(says, health.text), f"readyz does not say why: {health.text}")
    done = ca.cli("identity", "add", "early", "--role", "requester", "--out", ca.env.path("early"), check=False)
    expect(done.returncode != 0, "an identity is enrolled before the confirmation")


@tests.rule()
def reading_goes_on_meanwhile(ca):
    client = ca.client()
    equal(client.row(ca.untouched)["status"], "valid", "status of a certificate that nobody touched")
    equal(client.get("/ca/roots.pem").status, 200, "the roots")
    equal(client.get("/audit/head").status, 200, "the audit head")


@tests.rule()
def an_identity_that_came_back_can_be_removed_before_the_confirmation(ca):
    ca.cli("identity", "remove", "leaver")
    ca.cli("identity", "remove", "leaver", status=1)


@tests.rule()
def what_published_knew_of_revocations_is_kept(ca):
    row = ca.client().row(ca.known)
    equal(row["status"], "revoked", "status of the certificate that was revoked after the backup")
    entry = entry_of(ca, ca.known)
    expect(entry and "Key Compromise" in entry and "Jan  2 03:04:05 2026" in entry, f"its entry: {entry}")
    expect(entry_of(ca, ca.lost), "the serial whose certificate is lost is on no list")
    events = ca.client().get("/api/v1/audit?after=0&limit=500").text
    equal(events.count("revocation.recovered"), 3, "audit entries of recovered revocations")


@tests.rule()
def crl_numbers_go_on_from_the_published_ones(ca):
    wait_until(lambda: number_of(ca.crl("issuing-1")) > ca.numbers["issuing-1"], 15, "a higher number")
    equal(number_of(ca.crl("root-1")), ca.numbers["root-1"], "number of the root's list, which only its token can sign")
    expect(entry_of(ca, ca.known) and entry_of(ca, ca.lost), "the new list lacks an entry")


@tests.rule()
def a_restart_changes_nothing_of_it(ca):
    equal(ca.stop(), 0, "exit status")
    ca.start(wait=False)
    wait_until(lambda: answers(ca), 20, "the restored server's answer")
    equal(ca.client().get("/api/v1/audit?after=0&limit=500").text.count("audit.segment"), 1, "segments")
    expect(entry_of(ca, ca.known) and entry_of(ca, ca.lost), "the list lacks an entry")


@tests.rule(60)
def the_operator_confirms_and_it_serves(ca):
    ca.cli("store", "restore", "--confirm")
    ca.wait_ready()
    client = ca.client()
    client.issue(csr.for_names(csr.EcKey(15), "after.restore.test"))
    equal(client.revoke(ca.untouched).status, 200, "revocation")
    refused(client.post_csr(csr.for_names(ca.key, "known.restore.test")), 400, "blocked-key")
    ca.cli("store", "restore", "--confirm", status=1)
    ca.cli("store", "restore", status=2)
    ca.restart()
    ca.store_check()
    client.close()
    client.issue(csr.for_names(csr.EcKey(16), "again.restore.test"))


@tests.rule()
def audit_verify_names_the_gap(ca):
    done = verify(ca, "with-gap.jsonl", "--head", ca.head, "--crl", ca.crl_kept).stdout
    expect(re.search(r"Entries \d+ to \d+ of the log before the restore are not here; attested head \d+ was [0-9a-f]{64}",
                     done), f"audit verify: {done}")
    equal(done.count("lies in the gap behind entry"), 2, f"witnesses of the lost part in: {done}")
    shown = ca.json("audit", "verify", ca.env.path("with-gap.jsonl"), "--head", ca.head)
    equal(len(shown["gaps"]), 1, "gaps")
    equal(shown["gaps"][0]["head"]["sequence"], shown["inGaps"][0]["sequence"], "the head that was lost")


@tests.rule()
def a_head_that_no_gap_covers_is_still_a_truncation(ca):
    """Without its entries from the restore on, the log is one whose end is missing."""
    with open(ca.env.path("with-gap.jsonl"), encoding="utf-8") as file:
        lines = file.readlines()
    end = next(at for at, line in enumerate(lines) if "store.restored" in line)
    cut = ca.env.path("cut.jsonl")
    with open(cut, "w", encoding="utf-8") as file:
        file.writelines(lines[:end] + [line for line in lines if '"roots"' in line])
    done = ca.cli("audit", "verify", cut, "--head", ca.head, status=4)
    contains(done.stderr, "its end is missing", "audit verify")


@tests.rule(120)
def without_published_the_gap_is_of_unknown_length(ca):
    backup = ca.env.path("backup-2")
    ca.cli("store", "backup", backup, limit=60)
    equal(ca.stop(), 0, "exit status")
    later = ca.env.path("later-head.json")
    shutil.copy(ca.file("published", "audit", "head"), later)
    shutil.rmtree(ca.file("published"))
    os.mkdir(ca.file("published"))
    shutil.rmtree(ca.file("store"))
    ca.cli("store", "restore", backup, limit=60)
    ca.start(wait=False)
    wait_until(lambda: answers(ca), 20, "the restored server's answer")
    ca.cli("store", "restore", "--confirm")
    ca.wait_ready()
    done = verify(ca, "unknown.jsonl", "--head", later).stdout
    contains(done, "is unknown: the published head was absent", "audit verify")
    contains(done, "lies in the gap", "audit verify")


@tests.rule(90)
def a_backup_that_lacks_nothing_names_no_lost_entry(ca):
    equal(ca.stop(), 0, "exit status")
    backup = ca.env.path("backup-3")
    ca.cli("store", "backup", backup, limit=60)
    shutil.rmtree(ca.file("store"))
    ca.cli("store", "restore", backup, limit=60)
    ca.start(wait=False)
    wait_until(lambda: answers(ca), 20, "the restored server's answer")
    recovered = ca.client().get("/api/v1/audit?after=0&limit=500").text.count("revocation.recovered")
    equal(recovered, 3, "audit entries of recovered revocations: those of the first restore")
    ca.cli("store", "restore", "--confirm")
    ca.wait_ready()
    contains(verify(ca, "no-gap.jsonl").stdout, "no lost entry is attested", "audit verify")
    ca.store_check()
    equal(ca.stop(), 0, "exit status")
