"""Hostile and mistaken requests over HTTPS: each is refused for what is wrong with it."""

import re

from support import bad_csr, csr, der
from support.client import pem_blocks, refused
from support.harness import Tests, equal, expect
from support.server import CA


def by_grant_alone(text):
    """What no grant covers is refused at once, and does not become an order."""
    return re.sub(r'(profile "(?:server-dv|peer|short-lived)" \{\n)', r'\1\tmethods = { "grant" }\n', text)


def setup(env):
    ca = CA(env, config=by_grant_alone)
    ca.admin = ca.client()
    ca.before = ca.roles()
    return ca


tests = Tests(setup, san=True)


def check(case):
    def refuses(ca):
        answer = ca.admin.post_csr(case.make(), case.profile, days=case.days)
        status = case.status or answer.status
        expect(400 <= status < 500, f"status {status}: {answer}")
        problem = refused(answer, status, *case.codes, says=case.says)
        expect("PRIVATE KEY" not in answer.text, f"the answer shows what was sent: {problem}")
        # A refusal never costs the connection's client its next request.
        equal(ca.admin.get("/readyz").status, 200, "readyz afterwards")

    return refuses


for a_case in bad_csr.ALL:
    tests.add(f"refuses_{a_case.name}", check(a_case))


@tests.rule(60)
def refuses_a_request_truncated_at_every_byte(ca):
    for cut in range(1, len(bad_csr.GOOD)):
        refused(ca.admin.post_csr(bad_csr.GOOD[:cut]), 400, "bad-csr")


@tests.rule(60)
def refuses_pem_truncated_at_every_byte(ca):
    text = der.pem(bad_csr.GOOD).rstrip("\n")
    for cut in range(1, len(text)):
        refused(ca.admin.post_csr(text[:cut]), 400, "bad-csr")


@tests.rule(60)
def refuses_a_request_with_one_bit_flipped_anywhere(ca):
    for at in range(len(bad_csr.GOOD)):
        damaged = bytearray(bad_csr.GOOD)
        damaged[at] ^= 1 << (at % 8)
        answer = ca.admin.post_csr(bytes(damaged))
        expect(400 <= answer.status < 500, f"bit {at % 8} of byte {at}: {answer}")
        refused(answer, answer.status, "bad-csr", "bad-signature", "weak-key", "weak-algorithm", "bad-name",
                "name-not-allowed")


@tests.rule(60)
def decode_refuses_what_issuing_refuses(ca):
    for case in bad_csr.SYNTAX + bad_csr.SIGNATURES:
        answer = ca.admin.request("POST", "/api/v1/csr/decode", case.make(), content_type="application/pkcs10")
        refused(answer, 400, *case.codes, says=case.says)


@tests.rule()
def a_private_key_is_neither_stored_nor_logged(ca):
    answer = ca.admin.post_csr(bad_csr.KEY.private_pem())
    problem = refused(answer, 400, "bad-csr", says="private key")
    expect("away" in problem["detail"] or "again" in problem["detail"] or "new key" in problem["detail"],
           f"does not say that the key is lost: {problem['detail']}")
    body = bad_csr.KEY.private_pem().splitlines()[1]
    expect(body not in ca.log() and "PRIVATE KEY-----" not in ca.log(), "the log shows the private key")


@tests.rule()
def accepts_what_careful_and_careless_tools_send(ca):
    key = csr.EcKey(3)
    request = csr.for_names(key, "ok.test")
    for body in (der.pem(request), der.pem(request, newline="\r\n"), der.pem(request, "NEW CERTIFICATE REQUEST"),
                 request, der.pem(request) + "\n\n", der.pem(request, width=76)):
        ca.admin.issue(body)


@tests.rule()
def merges_a_name_that_stands_twice(ca):
    chain, serial = ca.admin.issue(csr.for_names(csr.EcKey(4), "twice.test", "TWICE.test", "twice.test",
                                                 common_name="twice.test"))
    names = ca.admin.row(serial)["names"]
    expect(len(names) == 1 and "twice.test" in str(names[0]), f"names {names}")
    expect(len(chain) >= 2, "the chain has only the leaf")


@tests.rule()
def tolerates_the_challenge_password_and_never_shows_it(ca):
    password = der.sequence(der.oid(csr.OID["challengePassword"]), der.set_of(der.utf8("hunter2-hunter2")))
    request = csr.request(csr.EcKey(6), attribute_set=csr.attributes(csr.san(csr.dns("pw.test")), others=[password]))
    chain, _ = ca.admin.issue(request)
    expect(b"hunter2" not in der.unpem(chain[0]), "the certificate carries the challenge password")
    decoded = ca.admin.request("POST", "/api/v1/csr/decode", request, content_type="application/pkcs10")
    equal(decoded.status, 200, "csr/decode")
    expect("challengePassword" in decoded.text and "hunter2" not in decoded.text, f"csr/decode: {decoded.text[:400]}")
    expect("hunter2" not in ca.log(), "the log shows the challenge password")


@tests.rule()
def the_same_request_twice_gives_two_certificates(ca):
    request = csr.for_names(csr.EcKey(8), "again.test")
    serials = {ca.admin.issue(request)[1] for _ in range(2)}
    equal(len(serials), 2, "serials of two posts without an idempotency key")


@tests.rule()
def is_unharmed_by_all_of_it(ca):
    equal(ca.roles(), ca.before, "processes (none may have been restarted)")
    answer = ca.health()
    equal(answer.status, 200, "readyz")
    chain, _ = ca.admin.issue(csr.for_names(csr.EcKey(9), "after.test"))
    equal(len(pem_blocks("".join(chain))), 2, "length of the chain without the root")
    ca.store_check()
