"""Organization and extended validation: vetted records, officers who approve exact bytes, and everybody who may not."""

import hashlib
import json
import time

from support import csr, der
from support.client import refused
from support.harness import Tests, contains, equal, expect, run
from support.orders import PEOPLE, RECORD, SECRET, Town
from support.server import serial_in


def setup(env):
    town = Town(env, people={**PEOPLE, "otto": ("officer",)})
    # Names of one organization are shown once; its orders reuse that.
    town.vetted("example")
    return town


tests = Tests(setup, san=True)


def subject_of(path):
    return run("openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253,sname", "-in", path).stdout.strip()


def tbs_of(town, order):
    return town.get("oscar", f"orders/{order.id}/tbs").body


def ov(town, name, who="alice", profile="server-ov", organization="example", **more):
    """An order under organization validation that waits for its officer."""
    return town.shown(who, name, profile=profile, organization=organization, **more).wait("pending-approval")


def ev(town, name, **more):
    return ov(town, name, profile="server-ev", **more)


# ---- the stories ----

@tests.rule(60)
def under_organization_validation_one_officer_approves_the_bytes_that_are_signed(town):
    order = ov(town, "www.example.org", subject=(("O", "Elsewhere Ltd"), ("OU", "Sales"), ("C", "FR")))
    contains(order.data["waitsFor"], "approval by 1 more officer", "what it waits for")
    contains(order.data["askedSubject"], "Elsewhere", "what officers see of the request")
    tbs = tbs_of(town, order)
    equal(order.data["tbsHash"], hashlib.sha256(tbs).hexdigest(), "tbsHash")
    town.approve("oscar", order, reason="names and record agree")
    order.wait("issued")
    path = order.certificate()
    with open(path, encoding="ascii") as file:
        expect(tbs in der.unpem(file.read()), "the certificate does not hold the bytes that were approved")
    equal(subject_of(path), "subject=CN=www.example.org,O=Example GmbH,L=Berlin,C=DE", "subject")
    told = order.data["approvals"]
    equal([(one["officer"], one["decision"], one["reason"]) for one in told],
          [("oscar", "approve", "names and record agree")], "approvals")
    for status in ("pending-validation", "pending-approval", "issued"):
        town.hook.wait(f"order.{status}", SECRET, order=order.id)


@tests.rule(60)
def under_extended_validation_two_officers_approve_and_the_subject_says_who_it_is(town):
    order = ev(town, "shop.example.org", subject=(("O", "Elsewhere Ltd"), ("C", "FR")))
    tbs = tbs_of(town, order)
    equal(town.approve("oscar", order)["status"], "pending-approval", "status after one of two")
    contains(order.refresh().data["waitsFor"], "approval by 1 more officer", "what it waits for")
    equal(tbs_of(town, order), tbs, "the bytes after one approval")
    town.approve("otto", order)
    order.wait("issued")
    subject = subject_of(order.certificate())
    for part in ("O=Example GmbH", "C=DE", "L=Berlin", "businessCategory=Private Organization", "serialNumber=HRB 1234",
                 "jurisdictionC=DE"):
        contains(subject, part, "subject")
    expect("Elsewhere" not in subject and "FR" not in subject, f"the request's own subject: {subject}")


@tests.rule(60)
def what_is_denied_stays_denied(town):
    order = ov(town, "denied.example.org")
    answer = town.decide("oscar", order, "deny", reason="not ours")
    equal((answer.status, answer.json()["status"]), (200, "denied"), f"denying: {answer}")
    refused(town.decide("otto", order, sha256="00" * 32), 409, "order-state")
    equal(order.refresh().data["approvals"][0]["reason"], "not ours", "the reason")
    expect("certificate" not in order.data, "a certificate")
    town.hook.wait("order.denied", SECRET, order=order.id)


@tests.rule(60)
def an_officers_key_may_be_of_any_type_that_is_enrolled(town):
    for kind, digest in (("p384", "-sha384"), ("ed25519", None), ("rsa3072", "-sha256")):
        name = f"olga-{kind}"
        town.folders[name] = town.env.path(f"id-{name}")
        town.ca.cli("identity", "add", name, "--role", "officer", "--key-type", kind, "--out", town.folders[name])
        order = ov(town, f"{kind}.example.org")
        text = town.statement(f"order {order.id}", order.data["tbsHash"], "approve", name)
        answer = town.act(name, order, "approve", town.signed(name, text, digest=digest))
        equal(answer.status, 200, f"{kind}: {answer}")
        order.wait("issued")


# ---- who may not ----

@tests.rule(60)
def nobody_approves_but_an_officer_who_did_not_ask_and_did_not_approve_yet(town):
    order = ev(town, "who.example.org", who="olivia")
    sha = order.data["tbsHash"]
    refused(town.decide("audrey", order, sha256=sha), 403, "approval-not-allowed", says="officer")
    refused(town.decide("bob", order, sha256=sha), 404, "not-found")
    refused(town.decide("olivia", order, sha256=sha), 403, "approval-not-allowed", says="who asks does not approve")
    town.approve("oscar", order)
    refused(town.decide("oscar", order, sha256=sha), 403, "approval-not-allowed", says="decides once")
    equal([one["officer"] for one in order.refresh().data["approvals"]], ["oscar"], "who approved")
    equal(order.status, "pending-approval", "status")


@tests.rule(60)
def an_api_token_decides_nothing(town):
    order = ov(town, "token.example.org")
    token = town.ca.add_token("oscar", "--may", "read", "--days", "1")
    client = town.ca.client(None, token=token)
    body = town.signed("oscar", town.statement(f"order {order.id}", order.data["tbsHash"], "approve", "oscar"))
    # A token asks and reads in the name of its owner, as a requester would: not even this order.
    refused(client.post_json(f"/api/v1/orders/{order.id}/approve", body), 404, "not-found")
    equal(order.refresh().status, "pending-approval", "status")


@tests.rule(60)
def who_vetted_the_record_is_only_one_of_the_two_under_extended_validation(town):
    town.vetted("vetter", by="otto", domains=["vetter.example.org"])
    order = ev(town, "vetter.example.org", organization="vetter")
    town.approve("otto", order)
    equal(town.approve("oscar", order)["status"] in ("ready", "issuing", "issued"), True, "status after the second")
    order.wait("issued")


@tests.rule(60)
def an_administrator_who_enrols_himself_as_second_officer_is_seen(town):
    order = ev(town, "coup.example.org")
    town.approve("oscar", order)
    time.sleep(1)  # enrolment counts in seconds
    town.folders["mallory"] = town.ca.add_identity("mallory", "officer")
    town.approve("mallory", order)
    order.wait("issued")
    approvals = town.get("alice", f"explain/{order.id}").json()["approvals"]
    equal([(one["officer"], one["enrolledAfterOrder"]) for one in approvals], [("oscar", False), ("mallory", True)],
          "what the explanation says")
    entries = town.entries()
    added = [entry for entry in entries if entry["event"] == "identity.added" and "mallory" in str(entry)]
    expect(added, "his enrolment is not in the log")
    approved = [entry for entry in town.events(order) if entry["event"] == "order.approved"]
    equal([entry["detail"].get("enrolledAfterOrder") for entry in approved], [None, "yes"], "what the log says")
    verified = town.ca.cli("audit", "verify", town.export(), limit=60).stdout
    contains(verified, "enrolled after the order", "what the verification says")


@tests.rule(60)
def an_approval_of_somebody_who_was_removed_counts_no_more(town):
    town.folders["gone"] = town.ca.add_identity("gone", "officer")
    order = ev(town, "gone.example.org")
    town.approve("gone", order)
    town.ca.cli("identity", "remove", "gone")
    town.approve("otto", order)
    equal(order.refresh().status, "pending-approval", "status")
    equal([one["officer"] for one in order.data["approvals"]], ["otto"], "who approved")
    contains(str([entry["event"] for entry in town.events(order)]), "order.approval-void", "the log")


# ---- what is no approval ----

@tests.rule(60)
def a_statement_is_about_this_order_these_bytes_and_this_authority(town):
    order, other = ov(town, "one.example.org"), ov(town, "two.example.org")
    sha, right = order.data["tbsHash"], f"order {order.id}"

    def send(text, signer="oscar", **more):
        return town.act("oscar", order, "approve", town.signed(signer, text, **more))

    for text, says in (
            (town.statement(right, other.data["tbsHash"], "approve", "oscar"), "bytes"),
            (town.statement(f"order {other.id}", sha, "approve", "oscar"), "another order"),
            (town.statement(right, sha, "approve", "otto"), "somebody else"),
            (town.statement(right, sha, "approve", "oscar", when=time.time() - 400), "five minutes"),
            (town.statement(right, sha, "approve", "oscar", when=time.time() + 400), "five minutes"),
            (town.statement(right, sha, "approve", "oscar").replace(town.root_hash(), "ab" * 32), "authority"),
            (town.statement(right, sha, "vet", "oscar"), ""),
            (town.statement(right, sha, "approve", "oscar", reason="two\nlines"), ""),
            (town.statement(right, sha, "approve", "oscar", reason=""), ""),
            (town.statement(right, sha, "approve", "oscar", reason="x" * 501), ""),
            (town.statement(right, sha, "approve", "oscar") + "more: x\n", ""),
            (town.statement(right, sha, "approve", "oscar").replace("\n", "\r\n"), "")):
        refused(send(text), 409, "approval-mismatch", says=says)
    good = town.statement(right, sha, "approve", "oscar")
    refused(send(good, signer="otto", certificate_of="oscar"), 409, "approval-mismatch")
    refused(send(good, signer="otto"), 403, "approval-not-allowed")
    body = town.signed("oscar", good)
    changed = {**body, "statement": good.replace("looked at it", "did not look")}
    refused(town.act("oscar", order, "approve", changed), 409, "approval-mismatch")
    equal(order.refresh().data["approvals"], [], "approvals")
    # The same, sent by his own hand: the rest was wrong with them.
    equal(town.act("oscar", order, "approve", body).status, 200, "the right one")
    refused(town.act("oscar", other, "approve", body), 409, "approval-mismatch", says="another order")
    order.wait("issued")
    refused(town.act("oscar", order, "approve", body), 409, "order-state")


@tests.rule(60)
def an_approval_of_older_bytes_is_none(town):
    town.vetted("moving", by="otto", domains=["moving.example.org"])
    order = ov(town, "moving.example.org", organization="moving")
    old, serial = order.data["tbsHash"], tbs_of(town, order)
    town.enter("moving", version=1, domains=["moving.example.org"], locality="Hamburg")
    order.wait("pending-validation")
    contains(order.data["waitsFor"], "version 2, was not vetted", "what it waits for")
    equal(town.decide_record("otto", "moving", "vet").status, 200, "vetting the new version")
    order.wait("pending-approval")
    expect(order.data["tbsHash"] != old and tbs_of(town, order) != serial, "the same bytes")
    refused(town.decide("oscar", order, sha256=old), 409, "approval-mismatch", says="bytes")
    town.approve("oscar", order)
    order.wait("issued")
    contains(subject_of(order.certificate()), "L=Hamburg", "subject")


@tests.rule(60)
def a_record_that_changes_after_an_approval_voids_it(town):
    town.vetted("fickle", by="otto", domains=["fickle.example.org"])
    order = ev(town, "fickle.example.org", organization="fickle")
    town.approve("oscar", order)
    town.enter("fickle", version=1, domains=["fickle.example.org"], legalName="Other GmbH")
    order.wait("pending-validation")
    equal(order.data["approvals"], [], "approvals")
    equal(town.decide_record("otto", "fickle", "vet").status, 200, "vetting")
    order.wait("pending-approval")
    equal(order.data["approvals"], [], "approvals of the new bytes")
    contains(order.data["waitsFor"], "approval by 2 more", "what it waits for")


@tests.rule(60)
def a_cancelled_order_is_approved_by_nobody(town):
    order = ov(town, "cancelled.example.org")
    sha = order.data["tbsHash"]
    equal(town.act("alice", order, "cancel").status, 200, "cancelling")
    refused(town.decide("oscar", order, sha256=sha), 409, "order-state", says="cancelled")


# ---- records ----

@tests.rule(60)
def only_a_vetted_record_in_good_standing_is_used_by_its_agents_for_its_domains(town):
    town.enter("raw", domains=["raw.example.org"])
    for organization, name, who, code, says in (
            ("raw", "raw.example.org", "alice", "organization-not-valid", "vet"),
            ("nobody", "www.example.org", "alice", "organization-not-valid", ""),
            ("example", "www.example.org", "bob", "organization-not-valid", "act for"),
            ("example", "www.example.com", "alice", "name-not-allowed", "domain")):
        refused(town.post(who, name, profile="server-ov", organization=organization), 403, code, says=says)
    refused(town.post("alice", "www.example.org", profile="server-ov"), 403, "organization-not-valid", says="none")
    town.enter("poor", standing="not-good")
    refused(town.decide_record("otto", "poor", "vet"), 403, "organization-not-valid", says="standing")
    for who in ("alice", "audrey"):
        refused(town.ask(who, "organizations", {"id": "mine", **RECORD}), 403, "role-required")
        refused(decide_with(town, who), 403, "approval-not-allowed", "not-found")
    refused(town.ask("admin", "organizations", {"id": "raw", **RECORD, "version": 7}), 409, "order-state", "conflict")


def decide_with(town, who):
    """A vetting by who is no officer."""
    record = town.get("admin", "organizations/raw/record").body
    text = town.statement("organization raw", hashlib.sha256(record).hexdigest(), "vet", who)
    return town.ask(who, "organizations/raw/vet", town.signed(who, text))


@tests.rule(60)
def a_suspended_record_stops_its_orders(town):
    town.vetted("suspended", by="otto", domains=["suspended.example.org"])
    order = ov(town, "suspended.example.org", organization="suspended")
    sha = order.data["tbsHash"]
    equal(town.decide_record("oscar", "suspended", "suspend", reason="insolvent").status, 200, "suspending")
    order.wait("pending-validation")
    contains(order.data["waitsFor"], "suspend", "what it waits for")
    refused(town.decide("oscar", order, sha256=sha), 409, "order-state")
    refused(town.post("alice", "suspended.example.org", profile="server-ov", organization="suspended"), 403,
            "organization-not-valid", says="suspend")
    refused(town.decide_record("otto", "suspended", "vet", reason="once more"), 409, "order-state", says="suspended")
    contains(str(town.get("alice", f"explain/{order.id}").json()["wouldBeRefused"]), "suspend", "the explanation")


@tests.rule(60)
def extended_validation_takes_no_wildcard_no_address_and_no_grant(town):
    for name in ("*.example.org", "www.example.internal"):
        answer = town.post("alice", name, profile="server-ev", organization="example")
        expect(answer.status in (400, 403), f"{name}: {answer}")
        contains(("bad-name", "name-not-allowed"), answer.json()["code"], f"{name}: {answer}")
    order = town.order("alice", "a.granted.example.org", profile="server-ev", organization="example")
    equal(order.status, "pending-validation", "status under a grant")
    expect(all(method["type"] != "grant" for method in order.name("a.granted.example.org")["methods"]), "a grant")
    for missing in ("businessCategory", "registrationNumber", "jurisdictionCountry"):
        town.vetted(f"no-{missing}".lower(), by="otto", **{missing: ""})
        refused(town.post("alice", "x.example.org", profile="server-ev", organization=f"no-{missing}".lower()), 403,
                "organization-not-valid")


# ---- the whole, proved ----

def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [line for line in file if line.strip()]


def damaged(town, name, lines):
    path = town.env.path(f"{name}.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


@tests.rule(90)
def an_export_proves_each_approval_and_shows_each_tampering(town):
    order = ov(town, "proved.example.org")
    town.approve("oscar", order)
    order.wait("issued")
    town.ca.cli("crl", "now", "issuing-1")
    head = town.env.path("head.json")
    with open(head, "wb") as file:
        file.write(town.ca.http().get("/audit/head").body)
    whole = lines_of(town.export())
    town.ca.cli("audit", "verify", damaged(town, "whole", whole), "--head", head, limit=60)
    entries = [number for number, line in enumerate(whole) if "entry" in json.loads(line)]
    approved = next(number for number in entries if "order.approved" in whole[number] and order.id in whole[number])
    changed = list(whole)
    changed[approved] = changed[approved].replace("looked at it", "looked at us")
    expect(changed[approved] != whole[approved], "nothing was changed")
    swapped = list(whole)
    swapped[approved], swapped[approved - 1] = swapped[approved - 1], swapped[approved]
    for name, lines in (("deleted", whole[:approved] + whole[approved + 1:]), ("changed", changed),
                        ("reordered", swapped),
                        ("truncated", [line for number, line in enumerate(whole)
                                       if number not in entries[len(entries) - 3:]])):
        town.ca.cli("audit", "verify", damaged(town, name, lines), "--head", head, status=4, limit=60)
    town.ca.store_check()


def forged(town, name, lines, change):
    """The export with a chain made anew over changed entries, no heads: change gets an entry's JSON and returns it,
    or None where it is to be left out."""
    made, hash_before, sequence = [], bytes(32), 0
    for line in map(json.loads, lines):
        if "head" in line:
            continue
        if "entry" in line:
            entry = change(json.loads(line["entry"]))
            if entry is None:
                continue
            sequence += 1
            text = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
            hash_before = hashlib.sha256(hash_before + text.encode()).digest()
            line = {**line, "sequence": sequence, "hash": hash_before.hex(), "entry": text}
        made.append(json.dumps(line) + "\n")
    return damaged(town, name, made)


@tests.rule(90)
def who_makes_the_whole_chain_anew_cannot_make_the_officers_signatures(town):
    order, other = ov(town, "forged.example.org"), ov(town, "stranger.example.org")
    for one in (order, other):
        town.approve("oscar", one)
        one.wait("issued")
    lines = lines_of(town.export())
    subject = f"order {order.id}"
    entries = [json.loads(json.loads(line)["entry"]) for line in lines if "entry" in json.loads(line)]
    approvals = [entry["detail"] for entry in entries if entry["event"] == "order.approved"]
    foreign = approvals[-1]

    def approved(entry, **detail):
        if entry["event"] == "order.approved" and entry["subject"] == subject:
            entry["detail"].update(detail)
        return entry

    def swapped(entry):
        """The issued certificate in the log is another order's."""
        if entry["event"] == "certificate.issued" and entry["detail"].get("order") == order.id:
            entry["detail"]["certificate"] = next(
                one["detail"]["certificate"] for one in entries
                if one["event"] == "certificate.issued" and one["detail"].get("order") == other.id)
        return entry

    town.ca.cli("audit", "verify", forged(town, "same", lines, lambda entry: entry), limit=60)
    for name, change in (
            ("another's signature", lambda entry: approved(entry, signature=foreign["signature"])),
            ("another's statement", lambda entry: approved(entry, statement=foreign["statement"],
                                                           signature=foreign["signature"])),
            ("without the approval", lambda entry: None if entry["event"] == "order.approved"
             and entry["subject"] == subject else entry),
            ("another certificate", swapped),
            ("an officer who never was one", lambda entry: None if entry["event"] == "identity.added"
             and "oscar" in str(entry) else entry)):
        path = forged(town, name.replace(" ", "-").replace("'", ""), lines, change)
        said = town.ca.cli("audit", "verify", path, check=False, limit=60)
        equal(said.returncode, 4, f"{name}: {said.stdout + said.stderr}")


@tests.rule(60)
def an_explanation_holds_what_proves_it(town):
    order = ev(town, "why.example.org")
    town.approve("oscar", order)
    town.approve("otto", order)
    order.wait("issued")
    told = town.get("alice", f"explain/{order.data['certificate']}").json()
    equal(told["certificate"]["tbsSha256"], approved_hash(told), "the bytes of the certificate and of its approvals")
    equal(hashlib.sha256(told["organization"]["record"].encode()).hexdigest(), told["organization"]["recordSha256"],
          "the record's hash")
    contains(told["organization"]["vetting"]["statement"], told["organization"]["recordSha256"], "the vetting")
    equal(told["certificate"]["lint"], "clean", "lint")
    equal([one["officer"] for one in told["approvals"]], ["oscar", "otto"], "who approved")


def approved_hash(told):
    hashes = {line.partition(": ")[2] for one in told["approvals"] for line in one["statement"].splitlines()
              if line.startswith("sha256: ")}
    equal(len(hashes), 1, "hashes that were approved")
    return hashes.pop()


@tests.rule(60)
def an_identity_certificate_that_was_revoked_decides_nothing(town):
    town.folders["lost"] = town.ca.add_identity("lost", "officer")
    order = ov(town, "lost.example.org")
    body = town.signed("lost", town.statement(f"order {order.id}", order.data["tbsHash"], "approve", "lost"))
    serial = serial_in(town.folders["lost"])
    equal(town.client("admin").revoke(serial, "keyCompromise").status, 200, "revoking")
    answer = town.act("lost", order, "approve", body)
    expect(answer.status in (401, 403), f"approving with a revoked certificate: {answer}")
    equal(order.refresh().status, "pending-approval", "status")


@tests.rule()
def the_fast_road_under_a_grant_stays_open(town):
    town.client("alice").issue(csr.for_names(town.key, "fast.granted.example.org"))
