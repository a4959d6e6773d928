"""Who may what: identities, API tokens, grants, idempotency."""

import json
import os
import threading

from support import csr, der
from support.client import refused
from support.harness import Tests, equal, expect, run
from support.server import CA, serial_in

GRANTS = """
grant "e2e-requesters" {
	identities = { "alice", "bob", "carol" }
	profiles = { "server-dv", "client" }
	suffixes = { "alice.test", ".alice.test" }
	common-names = { "alice*" }
}
"""
ROLES = {"alice": ["requester"], "bob": ["requester"], "olivia": ["officer"], "audrey": ["auditor"], "adam": ["admin"]}


def setup(env):
    ca = CA(env, config=GRANTS)
    ca.admin = ca.client()
    ca.key = csr.EcKey(1)
    ca.who = {name: ca.client(identity=ca.add_identity(name, *roles)) for name, roles in ROLES.items()}
    return ca


tests = Tests(setup, san=True)


def request(ca, name):
    return csr.for_names(ca.key, name)


def fresh(ca, name="www.alice.test"):
    """A serial that alice owns."""
    return ca.who["alice"].issue(request(ca, name))[1]


# ---- roles ----

@tests.rule()
def a_requester_requests_within_the_grant_alone(ca):
    fresh(ca)
    fresh(ca, "alice.test")
    for name in ("bob.test", "notalice.test", "localhost", "*.alice.test"):
        refused(ca.who["alice"].post_csr(request(ca, name)), 403, "name-not-allowed", says=name.replace("*", r"\*"))


@tests.rule()
def a_grant_holds_for_its_profiles_alone(ca):
    refused(ca.who["alice"].post_csr(request(ca, "www.alice.test"), "peer"), 403, "name-not-allowed")


@tests.rule()
def a_client_name_needs_the_grant(ca):
    def named(common_name):
        return csr.request(ca.key, csr.name(("CN", common_name)))

    ca.who["alice"].issue(named("alice laptop"), "client")
    refused(ca.who["alice"].post_csr(named("bob laptop"), "client"), 403, "name-not-allowed", says="bob laptop")


@tests.rule()
def only_requesters_request(ca):
    for name in ("olivia", "audrey", "adam"):
        refused(ca.who[name].post_csr(request(ca, "www.alice.test")), 403, "role-required", says="requester")


@tests.rule()
def a_requester_sees_own_certificates_alone(ca):
    serial = fresh(ca)
    theirs = ca.admin.issue(request(ca, "secret.internal"))[1]
    equal(ca.who["alice"].row(serial)["requester"], "alice", "requester")
    for client in (ca.who["alice"], ca.who["bob"]):
        answer = client.get(f"/api/v1/certificates/{theirs}")
        refused(answer, answer.status, "not-found", "role-required")
    for serials in (ca.who["alice"].get("/api/v1/certificates").json()["certificates"],):
        expect(serials and all(row["requester"] == "alice" for row in serials), f"alice sees {serials}")
    rows = ca.who["bob"].get("/api/v1/certificates").json()["certificates"]
    equal({row["requester"] for row in rows}, {"bob"}, "whose certificates bob sees (that of his identity is his)")


@tests.rule()
def officers_and_auditors_see_all(ca):
    serial = fresh(ca)
    for name in ("olivia", "audrey"):
        equal(ca.who[name].get(f"/api/v1/certificates/{serial}").status, 200, name)
        rows = ca.who[name].get("/api/v1/certificates?limit=500").json()["certificates"]
        expect({"alice", "admin"} <= {row["requester"] for row in rows} | {"admin"}, f"{name} sees {len(rows)}")


@tests.rule()
def only_owner_and_officer_revoke(ca):
    serial = fresh(ca)
    for name in ("bob", "audrey", "adam"):
        answer = ca.who[name].revoke(serial)
        refused(answer, answer.status, "role-required", "not-found")
    equal(ca.admin.row(serial)["status"], "valid", "status after refusals")
    equal(ca.who["alice"].revoke(serial).status, 200, "the owner's revocation")
    equal(ca.who["olivia"].revoke(fresh(ca)).status, 200, "the officer's revocation")


@tests.rule()
def only_auditors_read_the_audit(ca):
    for name in ("alice", "olivia", "adam"):
        refused(ca.who[name].get("/api/v1/audit"), 403, "role-required", says="auditor")
    expect(ca.who["audrey"].get("/api/v1/audit").status == 200, "the auditor is refused")


@tests.rule()
def every_act_names_its_actor_in_the_audit(ca):
    serial = fresh(ca)
    ca.who["olivia"].revoke(serial, "superseded")
    told, after = [], 0
    while True:
        page = ca.who["audrey"].get(f"/api/v1/audit?after={after}").json()
        rows = page["entries"]
        if not rows:
            break
        told += [row["entry"] if isinstance(row["entry"], dict) else json.loads(row["entry"]) for row in rows]
        after = rows[-1]["sequence"]
    mine = [(entry["event"], entry["actor"]) for entry in told if serial in entry.get("subject", "")]
    equal(mine, [("certificate.issued", "alice"), ("certificate.revoked", "olivia")], f"entries about {serial}")
    expect(any(e["event"].startswith("identity.") and "alice" in json.dumps(e) for e in told), "no entry for alice")


# ---- API tokens ----

@tests.rule()
def a_token_requests_and_reads_in_its_identitys_name(ca):
    token = ca.client(identity=None, token=ca.add_token("alice"))
    serial = token.issue(request(ca, "token.alice.test"))[1]
    equal(token.get(f"/api/v1/certificates/{serial}").status, 200, "reading what it requested")
    refused(token.post_csr(request(ca, "bob.test")), 403, "name-not-allowed")
    expect(any(row["serial"] == serial for row in ca.who["alice"].get("/api/v1/certificates").json()["certificates"])
           or ca.admin.row(serial)["requester"] != "alice", "alice cannot see it")


@tests.rule()
def a_token_never_revokes_nor_administers(ca):
    token = ca.client(identity=None, token=ca.add_token("alice"))
    refused(token.revoke(fresh(ca)), 403, "role-required")
    refused(token.get("/api/v1/audit"), 403, "role-required")


@tests.rule()
def a_tokens_scope_holds(ca):
    reader = ca.client(identity=None, token=ca.add_token("alice", "--may", "read"))
    refused(reader.post_csr(request(ca, "www.alice.test")), 403, "role-required")
    equal(reader.get("/api/v1/certificates").status, 200, "reading with a reading token")
    writer = ca.client(identity=None, token=ca.add_token("alice", "--may", "request"))
    equal(writer.post_csr(request(ca, "www.alice.test")).status, 201, "requesting with a requesting token")
    refused(writer.get("/api/v1/certificates"), 403, "role-required")
    narrow = ca.client(identity=None, token=ca.add_token("alice", "--may", "request", "--profile", "client"))
    answer = narrow.post_csr(request(ca, "www.alice.test"))
    refused(answer, 403, "role-required", "name-not-allowed")


@tests.rule()
def a_removed_token_is_refused_at_once(ca):
    tokens = ca.json("apitoken", "list")["apitokens"]
    text = ca.add_token("alice", "--may", "read")
    client = ca.client(identity=None, token=text)
    equal(client.get("/api/v1/certificates").status, 200, "before")
    added = {row["id"] for row in ca.json("apitoken", "list")["apitokens"]} - {row["id"] for row in tokens}
    equal(len(added), 1, "new rows of apitoken list")
    ca.cli("apitoken", "remove", added.pop())
    answer = client.get("/api/v1/certificates")
    refused(answer, answer.status, "identity-required", "identity-revoked")
    expect(answer.status in (401, 403), f"status {answer.status}")


@tests.rule()
def a_token_is_shown_once_and_stored_hashed(ca):
    text = ca.add_token("alice", "--may", "read")
    expect(text not in ca.cli("apitoken", "list").stdout, "apitoken list shows the token")
    expect(text not in ca.log(), "the log shows the token")
    found = run("grep", "-rl", "--binary-files=text", text, ca.state, check=False).stdout
    equal(found, "", "files of the state that hold the token's text")


# ---- idempotency ----

@tests.rule()
def an_idempotency_key_gives_the_same_certificate(ca):
    body = request(ca, "idem.alice.test")
    first = ca.who["alice"].issue(body, idempotency="order-1")
    equal(ca.who["alice"].issue(body, idempotency="order-1"), first, "the second answer")
    expect(ca.who["alice"].issue(body, idempotency="order-2")[1] != first[1], "another key, the same certificate")
    expect(ca.who["alice"].issue(body)[1] != first[1], "no key, the same certificate")


@tests.rule()
def an_idempotency_key_belongs_to_its_requester(ca):
    body = request(ca, "idem.alice.test")
    first = ca.who["alice"].issue(body, idempotency="shared")
    expect(ca.who["bob"].issue(body, idempotency="shared")[1] != first[1], "bob got alice's certificate")


@tests.rule()
def an_idempotency_key_with_another_request_is_refused(ca):
    ca.who["alice"].issue(request(ca, "one.alice.test"), idempotency="mixed")
    answer = ca.who["alice"].post_csr(request(ca, "two.alice.test"), idempotency="mixed")
    expect(400 <= answer.status < 500, f"{answer}")
    refused(answer, answer.status, "bad-request", "order-state", says="idempotency")


@tests.rule()
def a_bad_idempotency_key_is_refused(ca):
    for key in ("a" * 129, "with space", "\x7f"):
        refused(ca.who["alice"].post_csr(request(ca, "www.alice.test"), idempotency=key), 400, "bad-request",
                says="idempotency")


@tests.rule(60)
def an_idempotency_key_holds_for_requests_at_once(ca):
    body = request(ca, "race.alice.test")
    for turn in range(5):
        serials, lock = [], threading.Lock()

        def ask(key=f"race-{turn}"):
            client = ca.client(identity=ca.env.path("ca-id-alice"))
            serial = client.issue(body, idempotency=key)[1]
            with lock:
                serials.append(serial)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal((len(serials), len(set(serials))), (8, 1), "answers and certificates for one key")
    ca.store_check()


@tests.rule()
def an_idempotency_key_outlives_a_restart(ca):
    body = request(ca, "idem.alice.test")
    first = ca.who["alice"].issue(body, idempotency="across")
    ca.restart()
    for client in [ca.admin, *ca.who.values()]:
        client.close()
    equal(ca.who["alice"].issue(body, idempotency="across"), first, "the answer after a restart")


# ---- enrolment ----

@tests.rule()
def a_removed_identity_may_do_nothing_and_its_certificates_are_revoked(ca):
    carol = ca.client(identity=ca.add_identity("carol", "requester"))
    carol.issue(request(ca, "carol.alice.test"))
    ca.cli("identity", "remove", "carol")
    refused(carol.get("/api/v1/certificates"), 403, "identity-revoked")
    serial = serial_in(ca.env.path("ca-id-carol"))
    status = ca.admin.row(serial)["status"]
    equal(status, "revoked", "status of the identity's certificate")


@tests.rule()
def a_renewed_identity_keeps_its_roles_under_both_certificates(ca):
    first = ca.client(identity=ca.add_identity("dora", "auditor"))
    out = ca.env.path("dora-2")
    ca.cli("identity", "renew", "dora", "--out", out)
    second = ca.client(identity=out)
    for client in (first, second):
        equal(client.get("/api/v1/audit").status, 200, "reading the audit")


@tests.rule()
def a_recovered_identity_loses_its_earlier_certificates(ca):
    first = ca.client(identity=ca.add_identity("eve", "auditor"))
    equal(first.get("/api/v1/audit").status, 200, "before the recovery")
    out = ca.env.path("eve-2")
    ca.cli("identity", "recover", "eve", "--out", out)
    for client in (first, ca.client(identity=ca.env.path("ca-id-eve"))):
        answer = client.get("/api/v1/audit")
        refused(answer, 403, "identity-revoked")
    equal(ca.client(identity=out).get("/api/v1/audit").status, 200, "after the recovery")


@tests.rule()
def an_identity_may_bring_its_own_request(ca):
    key = csr.EcKey(77)
    path = ca.env.path("frank.csr")
    with open(path, "w", encoding="ascii") as file:
        file.write(der.pem(csr.request(key, csr.name(("CN", "whatever")))))
    out = ca.env.path("frank")
    ca.cli("identity", "add", "frank", "--role", "auditor", "--csr", path, "--out", out)
    expect("key.pem" not in os.listdir(out), f"made a key beside the person's own: {os.listdir(out)}")
    with open(os.path.join(out, "key.pem"), "w", encoding="ascii") as file:
        file.write(key.private_pem())
    equal(ca.client(out).get("/api/v1/audit?limit=1").status, 200, "frank reads the audit")
    subject = run("openssl", "x509", "-noout", "-subject", "-in", os.path.join(out, "cert.pem")).stdout
    expect("whatever" not in subject, f"the request named itself: {subject}")
    equal(ca.json("identity", "show", "frank")["roles"], ["auditor"], "roles")
    with open(path, "w", encoding="ascii") as file:
        file.write("rubbish\n")
    ca.cli("identity", "add", "grace", "--role", "auditor", "--csr", path, "--out", ca.env.path("grace"), status=1)


@tests.rule()
def a_name_cannot_be_enrolled_twice_nor_be_one_of_ours(ca):
    for name in ("alice", "ca", "root", "front", "a b", "../x", "", "x" * 65):
        done = ca.cli("identity", "add", name, "--role", "auditor", "--out", ca.env.path("never"), check=False)
        expect(done.returncode in (1, 2), f"{name!r}: status {done.returncode} {done.stderr}")
