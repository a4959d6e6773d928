"""HTTP clients: a well-behaved one over Python's ssl module, and raw bytes for the rest."""

import http.client
import json
import re
import socket
import ssl

from .harness import Failure, equal, expect


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failure(f"status {self.status} with a body that is no JSON: {self.text[:300]!r}") from None

    def __repr__(self):
        return f"{self.status} {self.text[:400]!r}"


def tls_context(trust, cert=None, key=None):
    """Trusts the one root given, nothing else; shows a certificate where there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust:
        context.load_verify_locations(trust)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Client:
    """One keep-alive connection, opened when needed, with or without an identity."""

    def __init__(self, host, port, context=None, token=None, timeout=30):
        self.host, self.port, self.context, self.token, self.timeout = host, port, context, token, timeout
        self.connection = None
        self.connections = 0  # how many were opened

    def _connect(self):
        self.connections += 1
        if self.context:
            self.connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout,
                                                          context=self.context)
        else:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def request(self, method, path, body=None, headers=None, content_type=None):
        headers = dict(headers or {})
        if content_type:
            headers["Content-Type"] = content_type
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        fresh = self.connection is None
        if fresh:
            self._connect()
        try:
            return self._exchange(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError, BrokenPipeError):
            self.close()
            if fresh or method == "POST":
                raise
            self._connect()
            return self._exchange(method, path, body, headers)

    def _exchange(self, method, path, body, headers):
        try:
            self.connection.request(method, path, body=body, headers=headers)
            answer = self.connection.getresponse()
            data = answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return Response(answer.status, answer.headers, data)

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def head(self, path):
        return self.request("HEAD", path)

    def post_json(self, path, value):
        return self.request("POST", path, json.dumps(value), content_type="application/json")

    def post_csr(self, csr, profile="server-dv", days=None, idempotency=None, content_type="application/pkcs10"):
        path = f"/api/v1/certificates?profile={profile}" + (f"&days={days}" if days is not None else "")
        if isinstance(csr, str):
            csr = csr.encode()
        headers = {"Idempotency-Key": idempotency} if idempotency else {}
        return self.request("POST", path, csr, headers=headers, content_type=content_type)

    def issue(self, csr, profile="server-dv", **more):
        """The chain as PEM blocks (leaf first) and the serial; anything but 201 is a failure."""
        answer = self.post_csr(csr, profile, **more)
        expect(answer.status == 201, f"issuing under {profile}: {answer}")
        equal(answer.headers.get_content_type(), "application/pem-certificate-chain", "content type of the chain")
        serial = re.fullmatch(r"/api/v1/certificates/([0-9a-f]{2,40})", answer.headers["Location"] or "")
        expect(serial, f"Location {answer.headers['Location']!r}")
        return pem_blocks(answer.text), serial[1]

    def row(self, serial):
        """What the inventory says of one certificate."""
        answer = self.get(f"/api/v1/certificates/{serial}")
        equal(answer.status, 200, f"status of certificate {serial}")
        rows = answer.json()["certificates"]
        equal(len(rows), 1, "rows of one serial")
        return rows[0]

    def revoke(self, serial, reason="superseded", **more):
        return self.post_json(f"/api/v1/certificates/{serial}/revoke", {"reason": reason, **more})

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


def pem_blocks(text, label="CERTIFICATE"):
    return re.findall(rf"-----BEGIN {label}-----\n.*?-----END {label}-----\n", text, re.S)


def refused(answer, status, *codes, says=None, member=None):
    """The answer is a problem of RFC 9457 as the contract has it, with one of these codes."""
    expect(answer.status == status, f"status {answer.status}, expected {status} {'/'.join(codes)}: {answer.text[:300]}")
    equal(answer.headers.get_content_type(), "application/problem+json", "content type of a refusal")
    problem = answer.json()
    expect(problem.get("code") in codes, f"code {problem.get('code')!r}, expected {'/'.join(codes)}: {problem}")
    equal(problem.get("type"), f"/problems/{problem['code']}", "type")
    equal(problem.get("status"), status, "status in the body")
    for part in ("title", "detail"):
        expect(isinstance(problem.get(part), str) and problem[part], f"no {part}: {problem}")
    if says:
        said = " ".join(str(problem.get(part, "")) for part in ("detail", "member", "value", "allowed"))
        expect(re.search(says, said, re.I), f"does not say /{says}/: {problem}")
    if member:
        equal(problem.get("member"), member, "member")
    if status == 503:
        expect(answer.headers.get("Retry-After", "").isdigit(), "503 without Retry-After")
    return problem


class Raw:
    """A connection on which a test writes what bytes it likes."""

    def __init__(self, port, context=None, timeout=15):
        self.plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket = context.wrap_socket(self.plain, server_hostname="127.0.0.1") if context else self.plain

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def response(self):
        """The next whole answer, or None where the server closed without one."""
        answer = http.client.HTTPResponse(self.socket)
        try:
            answer.begin()
        except (http.client.RemoteDisconnected, http.client.BadStatusLine, ConnectionResetError, ssl.SSLEOFError,
                ssl.SSLZeroReturnError, BrokenPipeError):
            return None
        return Response(answer.status, answer.headers, answer.read())

    def closed(self):
        """True when the server has closed: reads whatever still comes until the end."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
