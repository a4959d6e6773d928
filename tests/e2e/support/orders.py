"""A CA that people order from: its server with all three roles, real DNS, web, mail and webhook servers around it,
and requesters, officers and an auditor with certificates of their own."""

import base64
import hashlib
import json
import os
import struct
import time

from . import csr, der
from .client import Client, pem_blocks, tls_context
from .dns import Dns
from .harness import Failure, Stopped, equal, expect, run, wait_until
from .hook import Hook
from .mail import Mail
from .pages import Pages
from .server import CA

HERE = "127.0.0.2"  # of nginx; the zone opens it
SECRET = b"a secret of the receiver"
OVER = ("issued", "denied", "cancelled", "expired", "failed")
PEOPLE = {"alice": ("requester",), "bob": ("requester",), "olivia": ("officer", "requester"), "oscar": ("officer",),
          "audrey": ("auditor",)}
CHALLENGE = "_chancery-challenge"
DATE = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
RECORD = {"legalName": "Example GmbH", "registrationNumber": "HRB 1234", "jurisdictionCountry": "DE",
          "street": "Hauptstr. 1", "locality": "Berlin", "postalCode": "10115", "country": "DE",
          "businessCategory": "Private Organization", "standing": "good",
          "documents": [{"sha256": "ab" * 32, "note": "extract", "source": "register of companies", "date": DATE}],
          "domains": ["example.org"], "agents": ["alice", "olivia", "admin"]}


def still_open(data):
    """The names of an order that are not shown yet."""
    return [name for name in data["authorizations"] if name["status"] != "valid"]


class Town:
    """records: of the zone "org". more: text appended to the configuration. notices: by mail and webhook, codes too."""

    def __init__(self, env, records=(), redirects=None, more="", people=None, notices=True):
        self.env, self.notices = env, notices
        self.dns = Dns(env, {"org": [f"www.example A {HERE}", *records]})
        self.web = Pages(env, redirects=redirects)
        self.mail, self.hook = Mail(env), Hook()
        self.key, self.offset = csr.EcKey(5), 0
        self.ca = CA(env, start=False, config=lambda text: text + self.configuration() + more)
        with open(self.ca.file("webhook-secret"), "wb") as file:
            file.write(SECRET)
        os.chmod(self.ca.file("webhook-secret"), 0o600)
        self.ca.start()
        self.folders, self.clients = {"admin": self.ca.file("admin")}, {}
        for name, roles in (people or PEOPLE).items():
            self.folders[name] = self.ca.add_identity(name, *roles)

    def configuration(self):
        return f"""
caa-identity = "pki.example"
dns-cname-base = "dcv.example.net"
zone "example" {{
	suffixes = {{ "example.org", ".example.org" }}
	resolvers = {{ "{self.dns.resolver}" }}
	connect-networks = {{ "{HERE}/32" }}
	connect-ports = {{ {self.web.port} }}
	mail = {{ "pki@example.org" }}
}}
{self.configuration_of_notices() if self.notices else ""}
grant "alice" {{
	identities = {{ "alice" }}
	profiles = {{ "server-dv" }}
	suffixes = {{ ".granted.example.org" }}
}}
"""

    def configuration_of_notices(self):
        return f"""
mail {{
	server = "smtp://127.0.0.1:{self.mail.port}"
	from = "ca@example.org"
}}
notify {{
	mail = true
	webhook = "http://127.0.0.1:{self.hook.port}/hook"
	webhook-secret = "file:webhook-secret"
}}
"""

    # ---- people ----

    def client(self, who):
        """One connection a person; anew after a while, for the server closes idle ones."""
        client, used = self.clients.get(who, (None, 0))
        if client is None or time.monotonic() - used > 5:
            client = self.client_anew(who)
        self.clients[who] = (client, time.monotonic())
        return client

    def client_anew(self, who):
        if not self.offset:
            return self.ca.client(self.folders[who])
        # A server that lives in another year is believed whoever it is.
        folder = self.folders[who]
        context = tls_context(None, os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
        return Client("127.0.0.1", self.ca.port, context)

    def at(self, seconds):
        """The server anew, with its clock shifted: for the build whose clock can be."""
        equal(self.ca.stop(), 0, "exit status")
        self.clients, self.offset = {}, seconds
        self.ca.start(wait=False, CHANCERY_CLOCK_OFFSET=seconds)
        wait_until(lambda: self.ask("admin", "certificates?limit=1").status == 200, 60, "the server's answer")

    def ask(self, who, path, body=None, method=None):
        method = method or ("GET" if body is None else "POST")
        text = json.dumps(body) if body is not None and body != "" else None
        return self.client(who).request(method, f"/api/v1/{path}", text,
                                        content_type="application/json" if text is not None else None)

    def get(self, who, path):
        answer = self.ask(who, path)
        equal(answer.status, 200, f"GET {path}: {answer}")
        return answer

    def act(self, who, order, action, body=""):
        """POST orders/ID/ACTION: the answer, whatever it is."""
        return self.ask(who, f"orders/{getattr(order, 'id', order)}/{action}", body)

    # ---- orders ----

    def request(self, *names, subject=()):
        """A signing request, PEM."""
        return der.pem(csr.request(self.key, csr.name(*subject), csr.attributes(csr.san(*map(csr.dns, names)))))

    def post(self, who, *names, profile="server-dv", subject=(), **more):
        return self.ask(who, "orders", {"csr": self.request(*names, subject=subject), "profile": profile, **more})

    def order(self, who, *names, **more):
        answer = self.post(who, *names, **more)
        equal(answer.status, 201, f"ordering {names}: {answer}")
        order = Order(self, who, answer.json())
        equal(answer.headers["Location"], f"/api/v1/orders/{order.id}", "Location")
        return order

    def shown(self, who, *names, **more):
        """An order whose names are shown by TXT records before it is submitted: the first check sees them."""
        order = self.order(who, *names, draft=True, **more)
        self.put_txt(order)
        order.submit()
        return order

    def put_txt(self, *orders):
        """What shows the names of these orders (or of what was answered about them) by dns-txt."""
        self.dns.add("org", *(
            f'{method["name"].removesuffix(".org")} TXT "{method["value"]}"' for order in orders
            for name in still_open(getattr(order, "data", order)) for method in name["methods"]
            if method["type"] == "dns-txt"))

    # ---- officers ----

    def root_hash(self):
        with open(self.ca.root, encoding="ascii") as file:
            return hashlib.sha256(der.unpem(file.read())).hexdigest()

    def statement(self, subject, sha256, decision, by, reason="looked at it", when=None):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((when or time.time()) + self.offset))
        return (f"chancery-statement-v1\nca: {self.root_hash()}\nsubject: {subject}\nsha256: {sha256}\n"
                f"decision: {decision}\nby: {by}\nreason: {reason}\ntime: {stamp}\n")

    def signed(self, who, text, certificate_of=None, digest="-sha256"):
        """The body of a decision: text, signed by the key of who; digest None: by Ed25519."""
        path, key = self.env.path(f"statement-{who}"), os.path.join(self.folders[who], "key.pem")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if digest:
            run("openssl", "dgst", digest, "-sign", key, "-out", f"{path}.sig", path)
        else:
            run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path, "-out", f"{path}.sig")
        with open(f"{path}.sig", "rb") as file:
            signature = base64.b64encode(file.read()).decode()
        with open(os.path.join(self.folders[certificate_of or who], "cert.pem"), encoding="ascii") as file:
            certificate = pem_blocks(file.read())[0]
        return {"statement": text, "certificate": certificate, "signature": signature}

    def decide(self, who, order, decision="approve", sha256=None, **more):
        """An officer fetches the bytes, signs about them, and sends that."""
        if sha256 is None:
            sha256 = hashlib.sha256(self.get(who, f"orders/{order.id}/tbs").body).hexdigest()
        body = self.signed(who, self.statement(f"order {order.id}", sha256, decision, who, **more))
        return self.act(who, order, decision, body)

    def approve(self, who, order, **more):
        answer = self.decide(who, order, **more)
        equal(answer.status, 200, f"{who} approves: {answer}")
        return answer.json()

    # ---- organizations ----

    def enter(self, identifier, who="admin", version=0, **changes):
        record = {"id": identifier, **RECORD, **changes}
        answer = self.ask(who, "organizations", {**record, **({"version": version} if version else {})})
        expect(answer.status == (200 if version else 201), f"entering {identifier}: {answer}")
        return answer.json()

    def decide_record(self, who, identifier, decision, reason="register of companies looked up"):
        record = self.get(who, f"organizations/{identifier}/record").body
        text = self.statement(f"organization {identifier}", hashlib.sha256(record).hexdigest(), decision, who, reason)
        return self.ask(who, f"organizations/{identifier}/{decision}", self.signed(who, text))

    def vetted(self, identifier, by="olivia", **changes):
        self.enter(identifier, **changes)
        answer = self.decide_record(by, identifier, "vet")
        equal(answer.status, 200, f"{by} vets {identifier}: {answer}")
        return answer.json()

    # ---- the log ----

    def export(self, name="export.jsonl"):
        path = self.env.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.ca.cli("audit", "export", limit=60).stdout)
        return path

    def entries(self):
        """The log's entries, as JSON."""
        with open(self.export("entries.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return [json.loads(line["entry"]) for line in lines if "entry" in line]

    def events(self, order):
        return [entry for entry in self.entries() if entry.get("subject") == f"order {order.id}"]


class Order:
    def __init__(self, town, who, data):
        self.town, self.who, self.data, self.id = town, who, data, data["id"]

    def refresh(self):
        self.data = self.town.get(self.who, f"orders/{self.id}").json()
        return self

    @property
    def status(self):
        return self.data["status"]

    def name(self, name):
        return next(one for one in self.data["authorizations"] if one["name"] == f"dns:{name}")

    def method(self, name, kind):
        """What this method says to put where; fails where it is not offered."""
        found = [method for method in self.name(name)["methods"] if method["type"] == kind]
        expect(found, f"{kind} is not offered for {name}: {self.name(name)}")
        return found[0]

    def value(self, name):
        """What shows the name, computed as a requester can who trusts nobody between."""
        spki = hashlib.sha256(self.town.key.spki()).digest()
        texts = b"".join(struct.pack("!H", len(text)) + text.encode() for text in (f"dns:{name}", self.who))
        digest = hashlib.sha256(bytes.fromhex(self.data["nonce"]) + spki + texts).digest()
        return base64.b32encode(digest).decode().rstrip("=").lower()

    def submit(self):
        answer = self.town.act(self.who, self, "submit")
        equal(answer.status, 200, f"submitting: {answer}")
        self.data = answer.json()
        return self

    def check(self):
        answer = self.town.act(self.who, self, "check")
        equal(answer.status, 200, f"check: {answer}")

    def wait(self, *statuses, seconds=20):
        """Until it is in one of these states; an order that is over stays as it is."""

        def arrived():
            self.refresh()
            if self.status in statuses:
                return True
            if self.status in OVER:
                raise Stopped(f"it is {self.status}: {self.data.get('failure')}")
            raise Failure(f"{self.status}, waits for {self.data['waitsFor']!r}")

        wait_until(arrived, seconds * (3 if self.town.env.san else 1), f"order {self.id} to be {'/'.join(statuses)}",
                   pause=0.05)
        return self

    def wait_error(self, name, *codes, seconds=15):
        """Until a check of the name failed; the detail of why."""

        def failed():
            last = self.refresh().name(name).get("lastError", {})
            if last.get("code") in codes:
                return last
            raise Failure(f"{last or self.data['waitsFor']}")

        return wait_until(failed, seconds, f"{name} to fail with {'/'.join(codes)}", pause=0.05)["detail"]

    def certificate(self):
        """The leaf of an issued order as a file."""
        answer = self.town.get(self.who, f"certificates/{self.data['certificate']}.pem")
        path = self.town.env.path(f"{self.id}.pem")
        with open(path, "wb") as file:
            file.write(answer.body)
        return path
