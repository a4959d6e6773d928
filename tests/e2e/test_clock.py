"""Time that passes, and time that goes back: with the build whose clock can be shifted."""

import calendar
import os
import re
import time

from support import csr
from support.client import Client, Raw, refused, tls_context
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA
from test_operations import token_folder

HOUR, DAY = 3600, 86400


def setup(env):
    ca = CA(env)
    ca.key = csr.EcKey(1)
    return ca


tests = Tests(setup, san_only=True)


def client(ca, identity="admin"):
    """Believes any server: ours may live in another year than this machine."""
    folder = identity if os.path.isabs(identity) else ca.file(identity)
    context = tls_context(None, os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    return Client("127.0.0.1", ca.port, context)


def at(ca, seconds):
    """The server anew, with its clock shifted."""
    equal(ca.stop(), 0, "exit status")
    ca.start(wait=False, CHANCERY_CLOCK_OFFSET=seconds)

    def answers():
        return Client("127.0.0.1", ca.port, tls_context(None), timeout=5).get("/healthz").status == 200

    wait_until(answers, 40, "the server's answer")
    return client(ca)


@tests.rule(60)
def a_clock_behind_the_last_audit_entry_stops_issuing_loudly(ca):
    client(ca).issue(csr.for_names(ca.key, "before.test"))
    # Not so far that the identity's own certificate would not be valid yet: that has its own answer.
    back = at(ca, -200)
    answer = back.post_csr(csr.for_names(ca.key, "behind.test"))
    expect(answer.status >= 500, f"issued with a clock that went back: {answer}")
    contains(answer.text + ca.log(), "clock", "answer and log")
    warned = back.get("/readyz")
    equal(warned.status, 503, "readyz")
    contains(warned.text, "clock", "readyz")
    equal(back.get("/api/v1/certificates?limit=1").status, 200, "reading")
    at(ca, 0).issue(csr.for_names(ca.key, "after.test"))


@tests.rule(90)
def an_idempotency_key_holds_for_a_day(ca):
    request = csr.for_names(ca.key, "once.test")
    serial = client(ca).issue(request, idempotency="once-a-day")[1]
    equal(at(ca, 23 * HOUR).issue(request, idempotency="once-a-day")[1], serial, "the serial within the day")
    again = at(ca, 25 * HOUR).issue(request, idempotency="once-a-day")[1]
    expect(again != serial, "the key of yesterday gave yesterday's certificate")


@tests.rule(90)
def an_expired_identity_gets_401(ca):
    out = ca.env.path("short-identity")
    ca.cli("identity", "add", "shorty", "--role", "auditor", "--days", "1", "--out", out)
    equal(client(ca, out).get("/api/v1/audit").status, 200, "while it lasts")
    at(ca, 3 * DAY)
    refused(client(ca, out).get("/api/v1/audit"), 401, "identity-required", says="expired|ended|valid")


@tests.rule(90)
def the_servers_own_certificate_and_the_crl_are_made_anew_in_time(ca):
    def shown():
        with open(ca.file("front", "chain.pem"), encoding="ascii") as file:
            return run("openssl", "x509", "-noout", "-serial", data=file.read().encode()).stdout

    before, list_before = shown(), ca.http().get("/crl/issuing-1.crl").body
    at(ca, 19 * DAY)
    wait_until(lambda: ca.http().get("/crl/issuing-1.crl").body != list_before, 20, "a new CRL")
    equal(shown(), before, "the certificate before two thirds of its life")
    list_before = ca.http().get("/crl/issuing-1.crl").body
    at(ca, 25 * DAY)
    wait_until(lambda: shown() != before, 20, "a new certificate of the server")
    wait_until(lambda: ca.http().get("/crl/issuing-1.crl").body != list_before, 20, "a new CRL")


@tests.rule(90)
def an_expired_api_token_gets_401(ca):
    token = ca.add_token("admin", "--may", "read", "--days", "1")
    at(ca, 40 * DAY)
    late = Client("127.0.0.1", ca.port, tls_context(None), token=token)
    refused(late.get("/api/v1/certificates"), 401, "identity-required")


@tests.rule(90)
def an_entry_leaves_the_crl_only_after_one_list_past_its_end(ca):
    serial = at(ca, 50 * DAY).issue(csr.for_names(ca.key, "ending.test"), days=1)[1]
    equal(client(ca).revoke(serial).status, 200, "revocation")

    def listed():
        return serial.upper() in run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout.upper()

    wait_until(listed, 20, "the serial on the CRL")
    number = ca.http().get("/crl/issuing-1.crl").headers["ETag"]
    at(ca, 53 * DAY)
    wait_until(lambda: ca.http().get("/crl/issuing-1.crl").headers["ETag"] != number, 20, "the next CRL")
    expect(listed(), "gone from the first list after its end (RFC 5280 3.3)")
    ca.cli("crl", "now", "issuing-1")
    wait_until(lambda: not listed(), 20, "its end on the CRL")


def warnings(ca):
    answer = Client("127.0.0.1", ca.port, tls_context(None), timeout=5).get("/readyz")
    return "\n".join(answer.json()["warnings"])


@tests.rule(90)
def an_ended_certificate_of_the_server_is_served_with_a_warning(ca):
    """Nobody can renew it while the token is gone; what is published is still served."""
    def shown():
        with Raw(ca.port, tls_context(None)) as connection:
            return connection.socket.getpeercert(binary_form=True)

    folder, away = token_folder(ca), ca.file("token", "away")
    before = shown()
    os.rename(folder, away)
    try:
        late = at(ca, 90 * DAY)
        wait_until(lambda: "TLS certificate has expired" in warnings(ca), 10, "the warning")
        equal(shown(), before, "the server's certificate")
        equal(late.get("/crl/issuing-1.crl").status, 200, "the CRL")
    finally:
        os.rename(away, folder)
    wait_until(lambda: shown() != before, 60, "a new certificate once the token is back")
    expect("TLS certificate" not in warnings(ca), f"warnings: {warnings(ca)}")


@tests.rule(90)
def health_says_in_time_until_when_the_roots_list_is_good(ca):
    def next_update():
        text = run("openssl", "crl", "-noout", "-nextupdate", "-in", ca.crl("root-1")).stdout.strip()
        return calendar.timegm(time.strptime(text, "nextUpdate=%b %d %H:%M:%S %Y GMT"))

    def metric():
        text = Client("127.0.0.1", ca.port, tls_context(None)).get("/metrics").text
        return int(re.search(r'chancery_crl_next_update_seconds\{issuer="root-1"\} (\d+)', text)[1])

    expect("root-1" not in warnings(ca), f"a warning too early: {warnings(ca)}")
    equal(metric(), next_update(), "the metric")
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(next_update()))
    at(ca, 340 * DAY)
    contains(warnings(ca), f"root-1 is good until {end}", "warnings 25 days before its end")
    at(ca, 366 * DAY)
    contains(warnings(ca), "root-1 has ended", "warnings after its end")
    before = metric()
    ca.cli("crl", "now", "root-1")
    wait_until(lambda: metric() > before, 10, "the new list's end in the metric")
    expect("root-1" not in warnings(ca), f"a warning that is settled: {warnings(ca)}")
