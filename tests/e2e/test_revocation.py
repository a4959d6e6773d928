"""Revocation, hold, the lists that carry it, and how they are published."""

import hashlib
import re

from support import csr
from support.client import refused
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA


def allow_hold(text):
    """The client profile allows certificateHold."""
    changed, count = re.subn(r'(?m)^(profile "?client"? \{)$', r"\1\n\tallow-hold = true", text)
    return changed if count else text


def setup(env):
    ca = CA(env, config=allow_hold)
    ca.admin, ca.keys = ca.client(), 0
    return ca


tests = Tests(setup, san=True)


def issue(ca, name="rev.test", profile="server-dv", key=None):
    ca.keys += 1
    key = key or csr.EcKey(1000 + ca.keys)
    if profile == "client":
        return ca.admin.issue(csr.request(key, csr.name(("CN", name))), profile)[1]
    return ca.admin.issue(csr.for_names(key, name), profile)[1]


def crl_text(ca, issuer="issuing-1"):
    return run("openssl", "crl", "-noout", "-text", "-in", ca.crl(issuer)).stdout


def entry(ca, serial):
    """What the CRL says of a serial, or None."""
    found = re.search(rf"Serial Number: {serial}\n(.*?)(?=    Serial Number:|    Signature Algorithm)", crl_text(ca),
                      re.S | re.I)
    return found[1] if found else None


def wait_listed(ca, serial):
    return wait_until(lambda: entry(ca, serial), 15, f"{serial} on the CRL")


@tests.rule()
def a_revoked_certificate_is_on_the_next_crl_with_its_reason(ca):
    for reason, shown in (("superseded", "Superseded"), ("keyCompromise", "Key Compromise"),
                          ("cessationOfOperation", "Cessation Of Operation"),
                          ("affiliationChanged", "Affiliation Changed"), ("privilegeWithdrawn", "Privilege Withdrawn")):
        serial = issue(ca)
        answer = ca.admin.revoke(serial, reason)
        equal(answer.status, 200, f"revocation for {reason}: {answer.text}")
        contains(answer.text, f"http://localhost:{ca.http_port}/crl/issuing-1.crl", "the answer")
        contains(wait_listed(ca, serial), shown, f"the entry for {reason}")
        row = ca.admin.row(serial)
        equal((row["status"], row["reason"]), ("revoked", reason), "row")


@tests.rule()
def unspecified_is_no_reason_code(ca):
    serial = issue(ca)
    equal(ca.admin.revoke(serial, "unspecified").status, 200, "revocation")
    expect("Reason Code" not in wait_listed(ca, serial), "reasonCode for unspecified (RFC 5280 5.3.1)")


@tests.rule()
def an_invalidity_date_is_carried(ca):
    serial = issue(ca)
    when = "2026-01-02T03:04:05Z"
    equal(ca.admin.revoke(serial, "keyCompromise", invalidityDate=when).status, 200, "revocation")
    contains(wait_listed(ca, serial), "Jan  2 03:04:05 2026", "the entry")


@tests.rule()
def reasons_that_are_none_of_a_leafs_are_refused(ca):
    serial = issue(ca)
    for reason in ("cACompromise", "aACompromise", "certificateHold", "Superseded", "7", ""):
        answer = ca.admin.revoke(serial, reason)
        expect(400 <= answer.status < 500, f"{reason!r}: {answer}")
        refused(answer, answer.status, "bad-request", "order-state")
    equal(ca.admin.row(serial)["status"], "valid", "status")


@tests.rule()
def a_revoked_one_may_only_become_key_compromise(ca):
    serial = issue(ca)
    equal(ca.admin.revoke(serial, "superseded").status, 200, "revocation")
    first = ca.admin.row(serial)["revokedAt"]
    answer = ca.admin.revoke(serial, "affiliationChanged")
    expect(400 <= answer.status < 500, f"another reason later: {answer}")
    equal(ca.admin.revoke(serial, "keyCompromise").status, 200, "keyCompromise later")
    row = ca.admin.row(serial)
    equal((row["reason"], row["revokedAt"]), ("keyCompromise", first), "reason and time")


@tests.rule()
def a_compromised_key_is_never_certified_again(ca):
    key = csr.EcKey(4242)
    serial, other = issue(ca, "a.test", key=key), issue(ca, "b.test", key=key)
    answer = ca.admin.revoke(serial, "keyCompromise")
    equal(answer.status, 200, "revocation")
    contains(answer.text, other, "the answer (other certificates of the key)")
    refused(ca.admin.post_csr(csr.for_names(key, "c.test")), 400, "blocked-key")


@tests.rule()
def an_unknown_serial_cannot_be_revoked(ca):
    refused(ca.admin.revoke("ab" * 18), 404, "not-found")
    refused(ca.admin.revoke("00"), 404, "not-found")


@tests.rule()
def a_held_certificate_can_come_back(ca):
    serial = issue(ca, "held-client", "client")
    ca.cli("cert", "hold", serial)
    contains(wait_listed(ca, serial), "Certificate Hold", "the entry")
    equal(ca.admin.row(serial)["status"], "held", "status")
    ca.cli("cert", "unhold", serial)
    wait_until(lambda: entry(ca, serial) is None, 15, "the end of the hold on the CRL")
    equal(ca.admin.row(serial)["status"], "valid", "status")
    ca.cli("cert", "hold", serial)
    ca.cli("cert", "revoke", serial, "--reason", "keyCompromise")
    wait_until(lambda: "Key Compromise" in (entry(ca, serial) or ""), 15, "revocation of a held one")
    done = ca.cli("cert", "unhold", serial, check=False)
    equal(done.returncode, 1, "status of unhold after revocation")


@tests.rule()
def hold_needs_a_profile_that_allows_it(ca):
    done = ca.cli("cert", "hold", issue(ca), check=False)
    equal(done.returncode, 1, f"status of hold ({done.stderr})")


@tests.rule()
def the_list_is_what_rfc_5280_asks(ca):
    serial = issue(ca)
    ca.admin.revoke(serial)
    wait_listed(ca, serial)
    for issuer in ("issuing-1", "root-1"):
        text = crl_text(ca, issuer)
        for part in ("Version 2 (0x1)", "X509v3 CRL Number", "X509v3 Authority Key Identifier", "Next Update"):
            contains(text, part, f"CRL of {issuer}")
        certificate = ca.env.path(f"{issuer}.pem")
        with open(certificate, "wb") as file:
            file.write(ca.http().get(f"/ca/{issuer}.pem").body)
        done = run("openssl", "crl", "-noout", "-verify", "-CAfile", certificate, "-in", ca.crl(issuer), check=False)
        contains(done.stdout + done.stderr, "verify OK", f"signature of the CRL of {issuer}")


def number(ca):
    shown = run("openssl", "crl", "-noout", "-crlnumber", "-in", ca.crl("issuing-1")).stdout
    return int(shown.strip().partition("=")[2], 16)


@tests.rule()
def its_number_rises_with_each_list(ca):
    before = number(ca)
    ca.cli("crl", "now", "issuing-1")
    wait_until(lambda: number(ca) > before, 10, "a higher number")


@tests.rule()
def der_and_pem_are_the_same_list(ca):
    der = ca.http().get("/crl/issuing-1.crl")
    equal(der.headers.get_content_type(), "application/pkix-crl", "content type")
    run("openssl", "crl", "-inform", "DER", "-noout", data=der.body)
    pem = ca.http().get("/crl/issuing-1.pem")
    converted = run("openssl", "crl", "-inform", "DER", "-outform", "PEM", data=der.body).stdout
    equal(pem.text.split(), converted.split(), "PEM of the DER")


@tests.rule()
def published_files_can_be_cached(ca):
    for client in (ca.http(), ca.client(identity=None)):
        for path in ("/crl/issuing-1.crl", "/ca/issuing-1.crt", "/ca/roots.pem", "/ca/issuing-1/chain.pem",
                     "/audit/head"):
            whole = client.get(path)
            equal(whole.status, 200, path)
            tag = whole.headers["ETag"]
            expect(hashlib.sha256(whole.body).hexdigest() in tag, f"{path}: ETag {tag} is not the SHA-256")
            expect("max-age" in whole.headers.get("Cache-Control", ""), f"{path}: no Cache-Control")
            head = client.head(path)
            equal((head.status, head.body, head.headers["ETag"], head.headers["Content-Length"]),
                  (200, b"", tag, str(len(whole.body))), f"HEAD {path}")
            for value in (tag, "*", f'"other", {tag}', f"W/{tag}"):
                answer = client.get(path, If_None_Match=value)
                equal((answer.status, answer.body), (304, b""), f"{path} with If-None-Match {value}")
            equal(client.get(path, If_None_Match='"other"').status, 200, f"{path} with another tag")
            since = whole.headers["Last-Modified"]
            equal(client.get(path, If_Modified_Since=since).status, 304, f"{path} not modified since {since}")
            since = "Mon, 01 Jan 2001 00:00:00 GMT"
            equal(client.get(path, If_Modified_Since=since).status, 200, f"{path} modified since {since}")


@tests.rule()
def many_revocations_make_few_lists(ca):
    serials = [issue(ca) for _ in range(30)]
    before = ca.admin.get("/metrics").text
    for serial in serials:
        equal(ca.admin.revoke(serial).status, 200, "revocation")
    for serial in serials:
        wait_listed(ca, serial)

    def builds(text):
        found = re.search(r"^chancery_crls_total (\d+)", text, re.M)
        expect(found, f"no count of CRLs in the metrics: {text[:800]}")
        return int(found[1])

    made = builds(ca.admin.get("/metrics").text) - builds(before)
    expect(1 <= made < 15, f"{made} lists for 30 revocations")


@tests.rule()
def the_crls_of_root_and_issuer_survive_a_restart(ca):
    serial = issue(ca)
    ca.admin.revoke(serial)
    wait_listed(ca, serial)
    before = number(ca)
    ca.admin.close()
    run("rm", "-rf", ca.file("published", "crl"))
    ca.restart()
    # It is made anew beside the first requests: a large one would hold them up.
    wait_until(lambda: ca.http().get("/crl/issuing-1.pem").status == 200, 10, "the list, published anew")
    expect(entry(ca, serial), "the entry is lost")
    expect(number(ca) >= before, "the number went back")


@tests.rule()
def the_store_agrees_after_all(ca):
    ca.store_check()


@tests.rule()
def the_roots_crl_is_made_with_the_roots_own_pin(ca):
    before = crl_text(ca, "root-1")
    ca.cli("crl", "now", "root-1")
    wait_until(lambda: crl_text(ca, "root-1") != before, 10, "a new CRL of the root")
    shown = ca.cli("crl", "show", "root-1").stdout
    contains(shown, "Example Root 1", "crl show")
