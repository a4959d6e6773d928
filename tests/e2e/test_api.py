"""What the interface says of itself: health, metrics, openapi.json, problem pages, its own certificate."""

import json
import os
import re
import ssl

from support import csr, der
from support.client import Raw, refused
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA


def setup(env):
    ca = CA(env)
    ca.admin, ca.nobody = ca.client(), ca.client(identity=None)
    return ca


tests = Tests(setup)


@tests.rule()
def health_says_what_the_contract_lists(ca):
    for path in ("/healthz", "/readyz"):
        answer = ca.nobody.get(path)
        equal(answer.status, 200, path)
        said = answer.json()
        equal(said["store"]["state"], "ok", f"{path}: store")
        equal(said["token"]["state"], "up", f"{path}: token")
        expect(isinstance(said["token"]["tokens"], list) and said["token"]["tokens"], f"{path}: tokens {said}")
        expect(isinstance(said["warnings"], list), f"{path}: warnings {said}")


@tests.rule()
def metrics_are_prometheus_text(ca):
    answer = ca.nobody.get("/metrics")
    equal(answer.status, 200, "metrics from loopback")
    for line in answer.text.splitlines():
        expect(re.fullmatch(r'# (TYPE|HELP) .*|[a-z_:]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.eE+-]+', line),
               f"a line that is none of Prometheus: {line!r}")
    counted = re.compile(r'chancery_certificates_issued_total\{profile="server-dv"\} (\d+)')
    before = int((counted.search(answer.text) or [0, 0])[1])
    ca.admin.issue(csr.for_names(csr.EcKey(1), "metric.test"))
    equal(int(counted.search(ca.nobody.get("/metrics").text)[1]), before + 1, "certificates issued")


@tests.rule()
def openapi_describes_what_is_served(ca):
    described = ca.nobody.get("/api/v1/openapi.json").json()
    expect(described["openapi"].startswith("3."), f"openapi {described['openapi']}")
    paths = described["paths"]
    known = {"{issuer}": "issuing-1", "{serial}": "ab" * 18, "{code}": "bad-csr"}
    for path, method in (("/api/v1/certificates", "post"), ("/api/v1/certificates", "get"),
                         ("/api/v1/certificates/{serial}", "get"), ("/api/v1/certificates/{serial}/revoke", "post"),
                         ("/api/v1/csr/decode", "post"), ("/api/v1/audit", "get"), ("/healthz", "get"),
                         ("/readyz", "get"), ("/metrics", "get"), ("/crl/{issuer}.crl", "get"),
                         ("/ca/{issuer}.pem", "get"), ("/audit/head", "get"), ("/api/v1/orders", "post"),
                         ("/api/v1/orders", "get"), ("/api/v1/orders/{id}", "get"), ("/api/v1/orders/{id}", "patch"),
                         ("/api/v1/orders/{id}/tbs", "get"), ("/api/v1/organizations", "post"),
                         ("/api/v1/organizations", "get"), ("/api/v1/organizations/{id}", "get"),
                         ("/api/v1/organizations/{id}/record", "get"), ("/api/v1/explain/{what}", "get"),
                         *((f"/api/v1/orders/{{id}}/{action}", "post") for action in
                           ("submit", "copy", "cancel", "check", "confirm", "approve", "deny")),
                         *((f"/api/v1/organizations/{{id}}/{action}", "post") for action in ("vet", "suspend"))):
        expect(method in paths.get(path, {}), f"openapi.json lacks {method} {path}: {sorted(paths)}")
    for path, item in paths.items():
        for method in item:
            if method in ("parameters", "summary", "description"):
                continue
            real = re.sub(r"\{\w+\}", lambda part: known.get(part[0], "none-of-this-name"), path)
            sends = method in ("post", "patch")
            answer = ca.admin.request(method.upper(), real, b"" if sends else None,
                                      content_type="application/json" if sends else None)
            expect(answer.status != 405, f"openapi.json has {method} {path}, the server does not")
            if answer.status == 404:
                # This CA has no cross-certificate.
                expect(re.search(r"\{(serial|id|what)\}|/cross\.pem$", path), f"{path} is described and not found")


@tests.rule()
def every_problem_has_its_page(ca):
    codes = """bad-request bad-csr bad-signature weak-algorithm weak-key blocked-key bad-name profile-unknown
        validity-too-long too-many-names identity-required identity-revoked role-required name-not-allowed caa-forbids
        organization-not-valid approval-not-allowed not-found method-not-allowed too-large unsupported-media-type
        order-state validation-failed approval-mismatch token-unavailable store-full busy""".split()
    for code in codes:
        answer = ca.nobody.get(f"/problems/{code}")
        equal(answer.status, 200, f"/problems/{code}")
        contains(answer.text, code, f"/problems/{code}")
    refused(ca.nobody.get("/problems/unheard-of"), 404, "not-found")


@tests.rule()
def every_answer_has_an_id_that_the_log_knows(ca):
    for path in ("/readyz", "/api/v1/certificates", "/nothing"):
        answer = ca.admin.get(path)
        name = answer.headers.get("X-Request-Id")
        expect(name and re.fullmatch(r"[A-Za-z0-9-]{4,64}", name), f"{path}: X-Request-Id {name!r}")
        wait_until(lambda shown=name: shown in ca.log(), 5, f"request {name} in the log")


@tests.rule(60)
def the_log_holds_no_secret(ca):
    """At its most talkative."""
    loud = CA(ca.env, "loud", config=lambda text: re.sub(
        r'(?m)^(\s*)#?\s*log-level\s*=.*$', r'\1log-level = "debug"', text))
    request = csr.for_names(csr.EcKey(1), "secret.test")
    token = loud.add_token("admin", "--may", "request")
    equal(loud.client(identity=None, token=token).post_csr(request).status, 201, "a request by token")
    equal(loud.client().post_csr(der.pem(request)).status, 201, "a request in PEM")
    equal(loud.client().post_csr(der.pem(request)[:200]).status, 400, "half a request")
    equal(loud.client(identity=None, token="chy_" + "S" * 43).get("/api/v1/certificates").status, 401, "a wrong token")
    equal(loud.stop(), 0, "exit status")
    log = loud.log()
    contains(log, "<7>", "a log that is at level debug")
    for name in os.listdir(loud.file("token")):
        if name.endswith("pin"):
            with open(loud.file("token", name), encoding="ascii") as file:
                expect(file.read().strip() not in log, f"the log shows {name}")
    for what, text in (("a token", token), ("a token that is none", "S" * 43), ("a request", "BEGIN CERTIFICATE"),
                       ("a request's base64", der.pem(request).splitlines()[1]),
                       ("a request in hex", request[:32].hex())):
        expect(text not in log, f"the log shows {what}")


@tests.rule()
def the_servers_own_certificate_is_of_this_ca(ca):
    with Raw(ca.port, ca.context(None)) as connection:
        shown = connection.socket.getpeercert()
    names = {value for _, value in shown["subjectAltName"]}
    expect({"localhost", "127.0.0.1"} <= names, f"names {names}")
    # The chain is complete: a client needs the root alone.
    run("curl", "-sS", "--fail", "--cacert", ca.root, f"https://localhost:{ca.port}/readyz")


def peer(connection):
    return connection.socket.getpeercert(binary_form=True)


@tests.rule(60)
def its_certificate_is_replaced_while_a_connection_goes_on(ca):
    """A new key and certificate on SIGHUP when the old is due; the kept connection does not notice."""
    kept = Raw(ca.port, ca.context("admin"))
    before = peer(kept)
    for name in ("chain.pem", "key.pem"):
        os.unlink(ca.file("front", name))
    ca.server.send_signal(1)

    def renewed():
        with Raw(ca.port, ca.context(None)) as connection:
            return peer(connection) != before

    wait_until(renewed, 20, "a new certificate")
    kept.send("GET /api/v1/certificates?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = kept.response()
    expect(answer is not None and answer.status == 200, f"the kept connection: {answer}")
    equal(peer(kept), before, "the kept connection's certificate")
    kept.close()
    equal(oct(os.stat(ca.file("front", "key.pem")).st_mode & 0o777), "0o600", "mode of front/key.pem")


@tests.rule()
def files_of_the_state_have_their_modes(ca):
    def mode(*parts):
        return oct(os.stat(ca.file(*parts)).st_mode & 0o777)

    equal(mode(), "0o711", "STATE")
    for folder in ("store", "token", "front", "admin", "identities", "first"):
        equal(mode(folder), "0o700", folder)
    equal(mode("published"), "0o755", "published")
    for name in ("admin/key.pem", "admin/admin.p12", "admin/p12-password", "token/issuing.pin", "token/root.pin",
                 "token/issuing.so-pin", "token/root.so-pin", "admin.sock"):
        expect(mode(name) in ("0o600", "0o400"), f"{name} has mode {mode(name)}")
    for folder, _, names in os.walk(ca.file("published")):
        for name in names:
            equal(mode(os.path.relpath(os.path.join(folder, name), ca.state)), "0o644", name)
    expect("PRIVATE" not in ca.read("trust", "root.pem"), "trust/root.pem")
    # What the roles own they own because they run as that user; the rest stays with who started it.
    owner = {}
    for role, pid in ca.roles().items():
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            owner[role] = int(re.search(r"(?m)^Uid:\t(\d+)", file.read())[1])
    for path, uid in {"store": owner["signer"], "token": owner["signer"], "published": owner["signer"],
                      "front": owner["front"], "front/key.pem": owner["front"], "store/data.mdb": owner["signer"],
                      "admin": os.getuid(), "identities": os.getuid(), "first": os.getuid(),
                      "token/root.pin": os.getuid(), "admin.sock": os.getuid()}.items():
        equal(os.stat(ca.file(*path.split("/"))).st_uid, uid, f"owner of {path}")


@tests.rule()
def http2_offers_and_renegotiation_do_no_harm(ca):
    run("curl", "-sS", "--fail", "--http2", "--cacert", ca.root, f"https://localhost:{ca.port}/readyz")
    context = ca.context(None)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with Raw(ca.port, context) as connection:
        expect(connection.socket.selected_alpn_protocol() in (None, "http/1.1"), "h2 was agreed on")
    context = ca.context(None)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Raw(ca.port, context) as connection:
        connection.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        equal(connection.response().status, 200, "over TLS 1.2")


@tests.rule()
def a_json_log_is_json(ca):
    """process.log-format json: every line of the server is one object."""
    other = CA(ca.env, "json-log", config=lambda text: re.sub(
        r'(?m)^(\s*)#?\s*log-format\s*=.*$', r'\1log-format = "json"', text))
    equal(other.client().get("/readyz").status, 200, "readyz")
    equal(other.stop(), 0, "exit status")
    lines = other.log().splitlines()
    expect(len(lines) >= 3, f"a log of {len(lines)} lines")
    for line in lines:
        try:
            json.loads(line)
        except ValueError:
            expect(False, f"a line that is no JSON: {line[:200]}")
