"""The audit log: what it says, its heads, and that no change of it goes unnoticed."""

import base64
import hashlib
import json
import re

from support import csr
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA


def setup(env):
    ca = CA(env)
    ca.admin = ca.client()
    for number, body in enumerate(csr.distinct(12, "audit-{}.test")):
        serial = ca.admin.issue(body)[1]
        if number % 4 == 0:
            equal(ca.admin.revoke(serial).status, 200, "revocation")
    ca.admin.post_csr(b"garbage")
    ca.cli("crl", "now", "issuing-1")  # signs a head as well
    ca.export = env.path("export.jsonl")
    ca.lines = export(ca, ca.export)
    ca.head = env.path("head.json")
    with open(ca.head, "wb") as file:
        file.write(ca.http().get("/audit/head").body)
    return ca


def export(ca, path):
    done = ca.cli("audit", "export")
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    return done.stdout.splitlines(keepends=True)


tests = Tests(setup)


def entries(lines):
    """Places of the lines that are entries of the chain."""
    return [at for at, line in enumerate(lines) if "entry" in json.loads(line)]


def verify(ca, lines, *more, status=None):
    path = ca.env.path("tampered.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return ca.cli("audit", "verify", path, *more, status=status, check=status is not None)


@tests.rule()
def an_export_verifies_with_files_alone(ca):
    """Not even a state directory: the command needs nothing but what it is given."""
    done = ca.cli("audit", "verify", ca.export, environment={"CHANCERY_STATE": "/nonexistent"}, cwd="/")
    expect(done.stdout, "verify says nothing")
    ca.cli("audit", "verify", ca.export, "--head", ca.head)
    crl = ca.env.path("witness.crl")
    with open(crl, "wb") as file:
        file.write(ca.http().get("/crl/issuing-1.crl").body)
    ca.cli("audit", "verify", ca.export, "--crl", crl)


@tests.rule()
def without_a_head_from_elsewhere_it_says_up_to_when(ca):
    said = ca.cli("audit", "verify", ca.export).stdout
    expect("20" in said and ("attest" in said or "head" in said), f"audit verify: {said}")


@tests.rule()
def every_change_has_its_entry(ca):
    events = [json.loads(json.loads(line)["entry"])["event"] if isinstance(json.loads(line)["entry"], str)
              else json.loads(line)["entry"]["event"] for line in ca.lines if "entry" in json.loads(line)]
    for event, least in (("certificate.issued", 12), ("certificate.revoked", 3), ("crl.issued", 2)):
        expect(events.count(event) >= least, f"{events.count(event)} entries {event}, expected {least}: {set(events)}")
    expect(any(event.startswith("identity.") for event in events), f"no entry of an enrolment: {set(events)}")
    expect(any(event.startswith("signer.") for event in events), f"no entry of a start: {set(events)}")


def tampered(change, *more):
    def is_detected(ca):
        lines = change(list(ca.lines))
        expect(lines != ca.lines, "nothing was changed")
        done = verify(ca, lines, *(word(ca) if callable(word) else word for word in more))
        equal(done.returncode, 4, f"exit status ({done.stdout[-200:]} {done.stderr[-300:]})")
        expect(done.stderr.strip(), "does not say what is wrong")

    return is_detected


def without(lines, which):
    places = entries(lines)
    del lines[places[which]]
    return lines


def swapped(lines):
    places = entries(lines)
    a, b = places[5], places[6]
    lines[a], lines[b] = lines[b], lines[a]
    return lines


def altered(lines):
    at = entries(lines)[6]
    expect("admin" in lines[at] or "test" in lines[at], f"an entry without a name: {lines[at]}")
    lines[at] = lines[at].replace("admin", "mallet").replace("audit-", "other-")
    return lines


def altered_whole_rest(lines):
    """The forger recomputes every hash behind the change: only a signed head tells."""
    before, changed = b"\0" * 32, False
    for at in entries(lines):
        row = json.loads(lines[at])
        text = row["entry"]
        if not changed and '"certificate.issued"' in text:
            text, changed = text.replace("certificate.issued", "certificate.denied"), True
        before = hashlib.sha256(before + text.encode()).digest()
        row["entry"], row["hash"] = text, before.hex()
        lines[at] = json.dumps(row, separators=(",", ":")) + "\n"
    expect(changed, "no entry to forge")
    return lines


def truncated(lines):
    """The last entries are missing, and the heads that know of them."""
    places = entries(lines)
    keep = places[len(places) // 2]
    sequence = json.loads(lines[keep])["sequence"]
    kept = []
    for at, line in enumerate(lines):
        row = json.loads(line)
        if "entry" in row and row["sequence"] > sequence:
            continue
        if "entry" not in row and row.get("sequence", 0) > sequence:
            continue
        if "entry" not in row and "sequence:" in line and head_sequence(line) > sequence:
            continue
        kept.append(line)
    return kept


def head_sequence(line):
    found = re.search(r"sequence: (\d+)", line)
    return int(found[1]) if found else 0


def head_of(ca):
    return ca.head


tests.add("a_deleted_entry_is_detected", tampered(lambda lines: without(lines, 7)))
tests.add("a_deleted_first_entry_is_detected", tampered(lambda lines: without(lines, 0)))
tests.add("a_changed_entry_is_detected", tampered(altered))
tests.add("reordered_entries_are_detected", tampered(swapped))
tests.add("a_forged_chain_is_detected_by_its_heads", tampered(altered_whole_rest))
tests.add("a_truncated_chain_is_detected_by_a_kept_head", tampered(truncated, "--head", head_of))
tests.add("an_entry_twice_is_detected", tampered(lambda lines: lines[:3] + [lines[2]] + lines[3:]))
tests.add("garbage_is_detected", tampered(lambda lines: lines[:4] + ["{]\n"] + lines[4:]))


@tests.rule()
def a_forged_head_is_detected(ca):
    with open(ca.head, encoding="utf-8") as file:
        text = file.read()
    forged = ca.env.path("forged-head.json")
    with open(forged, "w", encoding="utf-8") as file:
        file.write(re.sub("hash: (.)", lambda found: "hash: " + ("0" if found[1] == "f" else "f"), text, count=1))
    done = ca.cli("audit", "verify", ca.export, "--head", forged, check=False)
    equal(done.returncode, 4, f"exit status ({done.stderr})")


@tests.rule()
def a_head_is_signed_by_a_key_that_the_ca_certified(ca):
    """Checked with openssl alone, as someone without our tools would."""
    head = json.loads(ca.http().get("/audit/head").body)
    text, signature, certificate = head["text"], head["signature"], head["certificate"]
    for line in ("chancery-audit-head-v1\n", "\nsequence: ", "\nhash: ", "\ntime: "):
        contains(text, line, "the head's text")
    files = {name: ca.env.path(f"head-{name}") for name in ("text", "signature", "certificate", "chain", "pub")}
    with open(files["text"], "w", encoding="utf-8") as file:
        file.write(text)
    with open(files["signature"], "wb") as file:
        file.write(base64.b64decode(signature))
    with open(files["certificate"], "w", encoding="utf-8") as file:
        file.write(certificate)
    with open(files["pub"], "w", encoding="utf-8") as file:
        file.write(run("openssl", "x509", "-noout", "-pubkey", "-in", files["certificate"]).stdout)
    run("openssl", "dgst", "-sha256", "-verify", files["pub"], "-signature", files["signature"], files["text"])
    with open(files["chain"], "wb") as file:
        file.write(ca.http().get("/ca/issuing-1.pem").body)
    run("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile", ca.root, "-untrusted", files["chain"],
        files["certificate"])


@tests.rule()
def the_crl_carries_the_audit_head(ca):
    shown = run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout
    expect("2.999.1.1" in shown, f"no extension below the arc: {shown[:800]}")


@tests.rule()
def a_head_follows_a_change(ca):
    before = head_sequence(ca.http().get("/audit/head").text)
    ca.admin.issue(csr.for_names(csr.EcKey(99), "later.test"))
    ca.cli("crl", "now", "issuing-1")
    wait_until(lambda: head_sequence(ca.http().get("/audit/head").text) > before, 10, "a newer head")


@tests.rule()
def the_api_gives_the_same_entries(ca):
    first = ca.admin.get("/api/v1/audit?after=0").json()
    mine = json.loads(ca.lines[entries(ca.lines)[0]])
    row = first["entries"][0]
    equal((row["sequence"], row["hash"]), (mine["sequence"], mine["hash"]), "the first entry")
    after = first["entries"][4]["sequence"]
    equal(ca.admin.get(f"/api/v1/audit?after={after}").json()["entries"][0]["sequence"], after + 1, "after")
