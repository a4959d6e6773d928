"""Hostile and mistaken HTTP: who asks, how, and in which bytes."""

import os
import socket
import ssl
import time

from support import csr, der
from support.client import Client, Raw, refused
from support.harness import Tests, equal, expect, run, wait_until
from support.server import CA, serial_in, with_option

REQUEST = der.pem(csr.for_names(csr.EcKey(1), "http.test"))
ISSUE = "/api/v1/certificates?profile=server-dv"
SECONDS = 3  # a request's total deadline here


def setup(env):
    ca = CA(env, config=lambda text: with_option(text, "listen", "request-seconds", SECONDS))
    ca.admin, ca.nobody = ca.client(), ca.client(identity=None)
    ca.before = ca.roles()
    ca.strangers = strangers(env)
    return ca


def strangers(env):
    """Identities of another CA: one good, one expired."""
    folder = env.folder("other-ca")
    ca_key, ca_cert = os.path.join(folder, "ca.key"), os.path.join(folder, "ca.pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca_key,
        "-out", ca_cert, "-subj", "/O=Example/CN=Example Issuing CA", "-days", "30")
    made = {}
    for name, days in (("valid", 10), ("expired", -1)):
        home = os.path.join(folder, name)
        os.makedirs(home)
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            os.path.join(home, "key.pem"), "-out", os.path.join(home, "csr.pem"), "-subj", "/CN=admin")
        run("openssl", "x509", "-req", "-in", os.path.join(home, "csr.pem"), "-CA", ca_cert, "-CAkey", ca_key,
            "-out", os.path.join(home, "cert.pem"), "-days", str(days), "-set_serial", "7")
        made[name] = home
    return made


tests = Tests(setup, san=True)


def raw(ca, identity="admin"):
    return Raw(ca.port, ca.context(identity))


def head(*lines):
    return "\r\n".join([*lines, "", ""])


# ---- who asks ----

@tests.rule()
def no_certificate_gets_401(ca):
    for method, path in (("POST", ISSUE), ("GET", "/api/v1/certificates"), ("GET", "/api/v1/audit"),
                         ("POST", "/api/v1/csr/decode")):
        body = REQUEST if method == "POST" else None
        answer = ca.nobody.request(method, path, body, content_type="application/pkcs10" if body else None)
        refused(answer, 401, "identity-required")
        expect("WWW-Authenticate" in answer.headers, f"{path}: 401 without WWW-Authenticate")


@tests.rule()
def an_unknown_token_gets_401(ca):
    for token in ("chy_" + "A" * 43, "x", "A" * 5000):
        answer = ca.client(identity=None, token=token).get("/api/v1/certificates")
        expect(answer.status in (401, 431), f"token of {len(token)} characters: {answer}")
        if answer.status == 401:
            refused(answer, 401, "identity-required")


@tests.rule()
def a_malformed_authorization_gets_401(ca):
    for value in ("Bearer", "Bearer ", "Basic YTpi", "bearer x y", "Bearer \x01"):
        answer = ca.nobody.request("GET", "/api/v1/certificates", headers={"Authorization": value})
        expect(answer.status in (400, 401), f"Authorization {value!r}: {answer}")


@tests.rule()
def a_certificate_that_is_not_enrolled_gets_401(ca):
    out = ca.issue("not-enrolled", "just-a-client", profile="client")
    refused(ca.client(identity=out).post_csr(REQUEST), 401, "identity-required")


def stranger_is_refused(ca, which):
    """Refused by an answer, or already in the handshake."""
    client = ca.client(identity=ca.strangers[which])
    try:
        answer = client.post_csr(REQUEST)
    except (ssl.SSLError, ConnectionError):
        return
    refused(answer, 401, "identity-required")


@tests.rule()
def a_certificate_of_another_ca_gets_401(ca):
    stranger_is_refused(ca, "valid")


@tests.rule()
def an_expired_certificate_of_another_ca_gets_401(ca):
    stranger_is_refused(ca, "expired")


@tests.rule()
def a_server_certificate_is_no_identity(ca):
    out = ca.issue("server-as-client", "server-as-client.test")
    client = ca.client(identity=out)
    try:
        answer = client.get("/api/v1/certificates")
    except (ssl.SSLError, ConnectionError):
        return
    refused(answer, 401, "identity-required")


@tests.rule()
def a_revoked_identity_is_refused_on_a_kept_connection(ca):
    who = ca.client(identity=ca.add_identity("mallory", "requester"))
    equal(who.get("/api/v1/certificates").status, 200, "before the revocation")
    equal(ca.admin.revoke(serial_in(ca.env.path("ca-id-mallory")), "keyCompromise").status, 200, "revocation")
    refused(who.get("/api/v1/certificates"), 403, "identity-revoked")
    refused(who.post_csr(REQUEST), 403, "identity-revoked")
    equal(who.connections, 1, "connections of the revoked client")
    again = ca.client(identity=ca.env.path("ca-id-mallory"))
    try:
        answer = again.get("/api/v1/certificates")
    except (ssl.SSLError, ConnectionError):
        return
    refused(answer, 403, "identity-revoked")


@tests.rule()
def a_removed_identity_is_refused_on_a_kept_connection(ca):
    who = ca.client(identity=ca.add_identity("leaver", "requester"))
    equal(who.get("/api/v1/certificates").status, 200, "before the removal")
    ca.cli("identity", "remove", "leaver")
    refused(who.get("/api/v1/certificates"), 403, "identity-revoked")
    equal(who.connections, 1, "connections of the removed client")


@tests.rule()
def old_tls_is_refused(ca):
    for option in ("-tls1", "-tls1_1"):
        done = run("openssl", "s_client", "-connect", f"127.0.0.1:{ca.port}", option, "-cipher", "ALL@SECLEVEL=0",
                   check=False, data=b"")
        expect(done.returncode != 0 or "Cipher is (NONE)" in done.stdout, f"{option} was accepted")
    for option in ("-tls1_2", "-tls1_3"):
        run("openssl", "s_client", "-connect", f"127.0.0.1:{ca.port}", option, "-CAfile", ca.root,
            "-verify_return_error", data=b"")


# ---- methods, types, paths ----

@tests.rule()
def a_wrong_method_gets_405_with_allow(ca):
    for method, path, allowed in (("DELETE", "/api/v1/certificates", {"GET", "POST"}), ("POST", "/healthz", {"GET"}),
                                  ("PUT", "/crl/issuing-1.crl", {"GET"}), ("GET", "/api/v1/csr/decode", {"POST"}),
                                  ("BREW", "/readyz", {"GET"})):
        answer = ca.admin.request(method, path)
        refused(answer, 405, "method-not-allowed")
        said = {word.strip() for word in answer.headers.get("Allow", "").split(",")}
        expect(allowed <= said and method not in said, f"{method} {path}: Allow {said}")


@tests.rule()
def a_wrong_content_type_gets_415(ca):
    for kind in ("text/html", "application/json", "application/pkcs7-mime", "application/pkcs10x"):
        problem = refused(ca.admin.post_csr(REQUEST, content_type=kind), 415, "unsupported-media-type")
        expect("application/pkcs10" in str(problem.get("allowed")), f"{kind}: allowed {problem.get('allowed')}")
    answer = ca.admin.request("POST", ISSUE, REQUEST)
    expect(answer.status in (201, 415), f"without a type: {answer}")
    answer = ca.admin.post_csr(REQUEST, content_type="Application/PKCS10; charset=us-ascii")
    equal(answer.status, 201, "with parameters")


@tests.rule()
def the_profile_is_required(ca):
    answer = ca.admin.request("POST", "/api/v1/certificates", REQUEST, content_type="application/pkcs10")
    refused(answer, 400, "bad-request", "profile-unknown", says="profile")


@tests.rule()
def an_unknown_path_gets_404(ca):
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/certificates/zz", "/api/v1/certificates/00ff00ff",
                 "/crl/nobody.crl", "/ca/", "/problems/no-such-problem"):
        answer = ca.admin.get(path)
        expect(answer.status in (400, 404), f"{path}: {answer}")
        refused(answer, answer.status, "not-found", "bad-request")


@tests.rule()
def a_path_cannot_leave_what_is_published(ca):
    with raw(ca) as connection:
        for path in ("/crl/../../admin/key.pem", "/crl/..%2f..%2fadmin/key.pem", "/ca/%2e%2e/%2e%2e/token/issuing.pin",
                     "/..%2f..%2f..%2fetc/passwd", "/crl/issuing-1.crl%00.pem", "//etc/passwd", "/ca/./roots.pem",
                     "/crl/%zz", "/crl/\\..\\..\\admin\\key.pem", "/" + "a" * 3000, "/../chancery.conf"):
            connection.send(head(f"GET {path} HTTP/1.1", "Host: localhost"))
            answer = connection.response()
            expect(answer is not None and 400 <= answer.status < 500, f"{path}: {answer}")
            expect("PRIVATE" not in answer.text and "root:" not in answer.text and "token" not in answer.text[:40],
                   f"{path}: {answer}")
            if answer.headers.get("Connection", "").lower() == "close":
                connection.close()
                connection.__init__(ca.port, ca.context())


@tests.rule()
def json_that_is_none_gets_400(ca):
    out = ca.issue("json-serial", "json-serial.test")
    serial = serial_in(out)
    path = f"/api/v1/certificates/{serial}/revoke"
    for body in ("", "{", "[]", "null", '{"reason": 7}', '{"reason": "noSuchReason"}', "[" * 100000,
                 '{"reason": "superseded", "reason": "keyCompromise"}', '{"reason": "superseded"} x',
                 '{"reason": "\\ud800"}',
                 '{"reason": "superseded", "invalidityDate": "yesterday"}', '{"reason": "superseded", "extra": 1}'):
        answer = ca.admin.request("POST", path, body, content_type="application/json")
        refused(answer, 400, "bad-request")
    equal(ca.admin.row(serial)["status"], "valid", "status afterwards")


# ---- sizes ----

@tests.rule()
def an_oversize_body_gets_its_413(ca):
    for size in (65 << 10, 300 << 10, 1 << 20, 4 << 20):
        answer = ca.client().post_csr(b"A" * size)
        refused(answer, 413, "too-large")


@tests.rule()
def curl_sees_the_413_of_an_oversize_body(ca):
    body = ca.env.path("big")
    with open(body, "wb") as file:
        file.write(b"A" * (1 << 20))
    for more in ([], ["-H", "Expect:"], ["--http1.0"], ["-H", "Transfer-Encoding: chunked"]):
        done = run("curl", "-sS", "--cacert", ca.root, "--cert", ca.file("admin/cert.pem"), "--key",
                   ca.file("admin/key.pem"), "-w", "%{http_code}", "-H", "Content-Type: application/pkcs10", *more,
                   "--data-binary", f"@{body}", ca.url + ISSUE, check=False)
        expect(done.returncode == 0 and done.stdout.endswith("413") and "too-large" in done.stdout,
               f"{more}: {done.stdout[-200:]} {done.stderr[-200:]}")


@tests.rule()
def a_body_beyond_all_measure_is_cut(ca):
    with raw(ca) as connection:
        connection.send(head(f"POST {ISSUE} HTTP/1.1", "Host: localhost", "Content-Type: application/pkcs10",
                             "Content-Length: 9999999999"))
        sent = 0
        try:
            while sent < 64 << 20:
                connection.send(b"A" * 65536)
                sent += 65536
        except (OSError, ssl.SSLError):
            pass
        expect(sent < 32 << 20, f"the server took {sent} octets of a body that it will not read")
    equal(ca.health().status, 200, "readyz")


@tests.rule()
def chunked_bodies_work_up_to_the_cap(ca):
    def chunks(size, piece=1000):
        data = REQUEST.encode() + b"\n" * size
        return iter([data[at:at + piece] for at in range(0, len(data), piece)])

    answer = ca.admin.request("POST", ISSUE, chunks(0, 100), content_type="application/pkcs10")
    equal(answer.status, 201, "a chunked request")
    refused(ca.client().request("POST", ISSUE, chunks(70000), content_type="application/pkcs10"), 413, "too-large")


@tests.rule()
def too_large_headers_are_refused(ca):
    with raw(ca) as connection:
        try:
            connection.send(head("GET /readyz HTTP/1.1", "Host: localhost", "X-Long: " + "a" * 200000))
            answer = connection.response()
        except (OSError, ssl.SSLError):
            answer = None
        expect(answer is None or answer.status in (400, 413, 431), f"headers of 200 KB: {answer}")
    equal(ca.health().status, 200, "readyz")


@tests.rule()
def an_oversize_json_body_gets_its_413(ca):
    path = "/api/v1/certificates/" + "ab" * 18 + "/revoke"
    body = '{"reason": "superseded", "x": "' + "a" * (300 << 10) + '"}'
    refused(ca.client().request("POST", path, body, content_type="application/json"), 413, "too-large")


@tests.rule()
def pipelined_requests_are_answered_in_order(ca):
    with raw(ca) as connection:
        first = head(*POST, SIZE) + REQUEST
        connection.send(first + head("GET /ca/roots.pem HTTP/1.1", "Host: localhost") + first +
                        head("GET /nothing HTTP/1.1", "Host: localhost", "Connection: close"))
        equal(statuses(connection, 4), [201, 200, 201, 404], "statuses")


def statuses(connection, count):
    """Of so many answers; what was read too far with one belongs to the next."""
    reader, found = connection.socket.makefile("rb"), []
    for _ in range(count):
        found.append(int(reader.readline().split()[1]))
        size = 0
        while (line := reader.readline().strip()):
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        reader.read(size)
    return found


@tests.rule()
def http_1_0_clients_are_served(ca):
    with raw(ca, None) as connection:
        connection.send(head("GET /readyz HTTP/1.0"))
        equal(connection.response().status, 200, "status")
        expect(connection.closed(), "the connection stays open")


@tests.rule()
def a_body_is_asked_for_where_the_client_waits(ca):
    with raw(ca) as connection:
        connection.send(head(*POST, SIZE, "Expect: 100-continue"))
        line = connection.socket.recv(4096)
        expect(line.startswith(b"HTTP/1.1 100"), f"before the body: {line[:80]!r}")
        connection.send(REQUEST)
        equal(connection.response().status, 201, "status")


# ---- bytes that mean two things ----

def ambiguous(*lines, body=""):
    def refuses(ca):
        with raw(ca) as connection:
            connection.send(head(*lines) + body)
            answer = connection.response()
            expect(answer is None or 400 <= answer.status < 500 or answer.status in (501, 505), f"{lines}: {answer}")
            if answer is not None:
                # What follows on a connection whose framing is doubtful must not be believed.
                expect(connection.closed(), "the connection goes on after ambiguous framing")

    return refuses


POST = (f"POST {ISSUE} HTTP/1.1", "Host: localhost", "Content-Type: application/pkcs10")
SIZE = f"Content-Length: {len(REQUEST)}"
AMBIGUOUS = {
    "two_content_lengths": ambiguous(*POST, SIZE, "Content-Length: 5", body=REQUEST),
    "two_equal_content_lengths": ambiguous(*POST, SIZE, SIZE, body=REQUEST),
    "a_list_of_content_lengths": ambiguous(*POST, f"{SIZE}, {len(REQUEST)}", body=REQUEST),
    "a_signed_content_length": ambiguous(*POST, "Content-Length: +5", body="hello"),
    "a_negative_content_length": ambiguous(*POST, "Content-Length: -5", body="hello"),
    "a_content_length_with_chunked": ambiguous(*POST, SIZE, "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "an_unknown_transfer_encoding": ambiguous(*POST, "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"),
    "two_transfer_encodings": ambiguous(*POST, "Transfer-Encoding: chunked", "Transfer-Encoding: identity",
                                        body="0\r\n\r\n"),
    "two_hosts": ambiguous("GET /readyz HTTP/1.1", "Host: localhost", "Host: elsewhere"),
    "no_host": ambiguous("GET /readyz HTTP/1.1", "Accept: */*"),
    "a_space_before_the_colon": ambiguous(*POST, f"Content-Length : {len(REQUEST)}", body=REQUEST),
    "a_folded_header": ambiguous("GET /readyz HTTP/1.1", "Host: localhost", "X-A: b", " Content-Length: 5"),
    "a_control_byte_in_the_path": ambiguous("GET /ready\x01z HTTP/1.1", "Host: localhost"),
    "a_version_that_does_not_exist": ambiguous("GET /readyz HTTP/9.9", "Host: localhost"),
    "no_http_at_all": ambiguous("\x16\x03\x01 hello"),
}
for rule, function in AMBIGUOUS.items():
    tests.add(f"refuses_{rule}", function)


@tests.rule()
def plain_http_on_the_tls_port_is_harmless(ca):
    with Raw(ca.port) as connection:
        connection.send(head("GET / HTTP/1.1", "Host: localhost"))
        expect(connection.closed(), "the connection stays open")


# ---- slowness ----

def cut_off(ca, send, seconds=SECONDS):
    """The server must end the connection near its deadline, however busy the client looks."""
    began = time.monotonic()
    with raw(ca) as connection:
        try:
            while time.monotonic() - began < 4 * seconds:
                send(connection)
                time.sleep(0.2)
        except (OSError, ssl.SSLError):
            pass
    took = time.monotonic() - began
    expect(took < 3 * seconds + 1, f"a slow client was kept for {took:.1f} s, with a deadline of {seconds} s")


@tests.rule(40)
def slow_headers_are_cut_off(ca):
    started = []

    def send(connection):
        connection.send("GET /readyz HTTP/1.1\r\n" if not started else "X-A: b\r\n")
        started.append(1)

    cut_off(ca, send)


@tests.rule(40)
def a_slow_body_is_cut_off(ca):
    started = []

    def send(connection):
        connection.send(head(*POST, SIZE) if not started else "A")
        started.append(1)

    cut_off(ca, send)


@tests.rule(60)
def many_idle_connections_do_not_keep_others_out(ca):
    """From one address: what is over the limit is refused, what is there already goes on."""
    idle = []
    try:
        for _ in range(200):
            connection = socket.create_connection(("127.0.0.1", ca.port), timeout=5)
            idle.append(connection)
        wait_until(lambda: ca.http().get("/crl/issuing-1.crl").status == 200, 10, "plain HTTP beside idle connections")
    finally:
        for connection in idle:
            connection.close()
    wait_until(lambda: ca.health().status == 200, 15, "readiness after idle connections")


# ---- the plain listener ----

@tests.rule()
def plain_http_serves_only_what_is_published(ca):
    plain = ca.http()
    equal(plain.get("/crl/issuing-1.crl").status, 200, "the CRL")
    equal(plain.get("/ca/roots.pem").status, 200, "the roots")
    answer = plain.get("/api/v1/certificates")
    expect(answer.status in (301, 308, 403, 404), f"the API over plain HTTP: {answer}")
    if answer.status in (301, 308):
        expect(answer.headers["Location"].startswith("https://"), f"Location {answer.headers['Location']}")
    answer = plain.post_csr(REQUEST)
    expect(400 <= answer.status < 500, f"issuing over plain HTTP: {answer}")
    answer = Client("127.0.0.1", ca.http_port, token="chy_" + "A" * 43).get("/api/v1/certificates")
    expect(answer.status in (301, 308, 400, 403, 404), f"a token over plain HTTP: {answer}")


@tests.rule()
def the_redirect_does_not_believe_the_host_header(ca):
    with Raw(ca.http_port) as connection:
        connection.send(head("GET /api/v1/certificates HTTP/1.1", "Host: evil.example"))
        answer = connection.response()
    expect("evil.example" not in (answer.headers.get("Location") or ""), f"redirected to {answer.headers['Location']}")


@tests.rule()
def is_unharmed_by_all_of_it(ca):
    equal(ca.roles(), ca.before, "processes (none may have been restarted)")
    equal(ca.health().status, 200, "readyz")
    ca.client().issue(REQUEST)
    ca.store_check()
