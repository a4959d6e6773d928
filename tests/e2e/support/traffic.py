"""Clients that ask for certificates one after the other, and the books afterwards.

Whatever happens to tokens, an answer is a certificate (201) or a problem (503 with its code and
Retry-After): anything else, a dropped connection and an answer after the deadline are strange.
"""

import base64
import hashlib
import json
import os
import re
import threading
import time

from . import csr
from .client import Client, refused
from .harness import equal, expect, wait_until

HEALED = 2.0  # seconds from a token's return to the next certificate, at most
POOL = []  # requests with keys of their own, made once in a process


def pool():
    if not POOL:
        POOL.extend(csr.distinct(32, "fault-{}.test", seed=7))
    return POOL


class Answer:
    def __init__(self, begun, ended, response):
        self.begun, self.ended = begun, ended
        self.issued = response.status == 201
        self.serial = response.headers["Location"].rpartition("/")[2] if self.issued else None
        self.pem = response.text if self.issued else None
        self.code = None if self.issued else refused(response, 503, "token-unavailable", "busy")["code"]

    @property
    def took(self):
        return self.ended - self.begun

    def __repr__(self):
        return f"{self.code or self.serial} after {self.took:.2f} s"


class Traffic:
    """Runs in a `with`; afterwards nobody asks any more, and what is strange has been reported.

    within: seconds after which an answer is too late, the server's own deadline of a request.
    """

    def __init__(self, ca, clients=4, profile="server-dv", within=30):
        self.ca, self.profile, self.within = ca, profile, within
        self.lock, self.over = threading.Lock(), threading.Event()
        self.answers, self.strange = [], []  # guarded by lock
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        pool()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            equal(self.strange[:3], [], f"answers that are neither certificate nor problem ({len(self.strange)})")

    def _ask(self, number):
        client = self.ca.client(timeout=self.within + 5)
        turn = number * 7
        while not self.over.is_set():
            turn += 1
            try:
                answer = self._one(client, pool()[turn % len(pool())])
            except Exception as error:  # pylint: disable=broad-except
                with self.lock:
                    self.strange.append(f"{type(error).__name__}: {error}")
                client.close()
                answer = None
            if answer is None or not answer.issued:
                self.over.wait(0.05)
        client.close()

    def _one(self, client, body):
        begun = time.monotonic()
        response = client.post_csr(body, profile=self.profile)
        answer = Answer(begun, time.monotonic(), response)
        expect(answer.took <= self.within, f"an answer after {answer.took:.1f} s")
        with self.lock:
            self.answers.append(answer)
        return answer

    # ---- what there is so far ----

    def issued(self, since=0.0, begun=0.0):
        """Answers with a certificate that ended after a time, to requests that began after another."""
        with self.lock:
            return [answer for answer in self.answers
                    if answer.issued and answer.ended >= since and answer.begun >= begun]

    def refusals(self, since=0.0, begun=0.0):
        with self.lock:
            return [answer for answer in self.answers
                    if not answer.issued and answer.ended >= since and answer.begun >= begun]

    def none_refused(self, since=0.0, beside=0, begun=0.0):
        """Nobody had to wait longer than requests may: then none of them fails.

        beside: how many serials are unfinished. A request whose signature may have been made is not signed again.
        """
        refusals = self.refusals(since, begun)
        expect(len(refusals) <= beside, f"{len(refusals)} refusals beside {len(self.issued(since))} certificates and "
               f"{beside} unfinished serials: {refusals[:3]}")

    def flows(self, more=20, seconds=20):
        """Waits until so many certificates more have come."""
        before = len(self.issued())
        wait_until(lambda: len(self.issued()) >= before + more, seconds, f"{more} certificates more", pause=0.005)

    def next_after(self, moment, seconds=30):
        """When the first certificate asked for or not yet answered at that time came."""
        return wait_until(lambda: min((answer.ended for answer in self.issued(moment)), default=None), seconds,
                          "a certificate", pause=0.002)

    def heals(self, moment, what, within=HEALED):
        """The token is well again since that time: the next certificate comes soon. Returns how soon."""
        took, limit = self.next_after(moment) - moment, within * (2 if self.ca.env.san else 1)
        expect(took <= limit, f"{what}: the next certificate came {took:.2f} s after the token, expected {limit} s")
        return took


def slowest(answers):
    return max((answer.took for answer in answers), default=0.0)


class Pulse:
    """How long the machine itself stands still now and then: a small write that reaches the disk, again and again, on
    the file system of the stores. Runs in a `with`."""

    def __init__(self, env):
        self.path, self.over = env.path("pulse"), threading.Event()
        self.beats, self.thread = [], None  # (ended, took), in order

    def __enter__(self):
        self.thread = threading.Thread(target=self._beat)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _beat(self):
        with open(self.path, "wb", buffering=0) as file:
            before = time.monotonic()
            while not self.over.wait(0.01):
                file.write(bytes(4096))
                os.fdatasync(file.fileno())
                file.seek(0)
                now = time.monotonic()
                self.beats.append((now, now - before))
                before = now

    def longest(self, since):
        """Seconds of the longest pause that ended after that time."""
        return max((took for ended, took in self.beats if ended >= since), default=0.0)


# ---- the process ----

def memory_kib(pid):
    """What a process holds of its own: neither files nor the store's map."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        found = re.search(r"RssAnon:\s+(\d+) kB", file.read())
    expect(found, f"no RssAnon of process {pid}")
    return int(found[1])


# ---- the books ----

def signed_digest(pem):
    """SHA-256 of what C_Sign got for a certificate signed with P-256: the hash of its tbsCertificate."""
    der = base64.b64decode("".join(pem.split("-----")[2].split()))
    start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    head = 2 + (der[start + 1] & 0x7F if der[start + 1] & 0x80 else 0)
    size = int.from_bytes(der[start + 2:start + head], "big") if head > 2 else der[start + 1]
    tbs = der[start:start + head + size]
    return hashlib.sha256(hashlib.sha256(tbs).digest()).hexdigest()


def inventory(ca):
    """Every row, by serial."""
    client, rows, cursor = ca.client(), {}, ""
    while cursor is not None:
        page = client.get(f"/api/v1/certificates?limit=500{cursor}").json()
        rows.update((row["serial"], row) for row in page["certificates"])
        cursor = f"&cursor={page['next']}" if page.get("next") else None
    client.close()
    return rows


def audit_entries(ca):
    """The log verified, and its entries."""
    path = ca.env.path(f"{ca.name}-books.jsonl")
    text = ca.cli("audit", "export", limit=60).stdout
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    ca.cli("audit", "verify", path, limit=60)
    lines = [json.loads(line).get("entry") for line in text.splitlines()]
    return [json.loads(entry) if isinstance(entry, str) else entry for entry in lines if entry]


def unfinished(ca):
    """How many serials are recorded as unfinished, in a store that is whole."""
    told = json.loads(ca.cli("store", "check", "--json", limit=60).stdout)
    equal((told["clean"], told["findings"]), (True, []), "store check")
    return told["unfinished"]


def balance(ca, traffics, faulty=None):
    """The inventory has what clients have, the store and the log are whole, and no signature is missing.

    faulty: whose log says what the tokens really signed since the server was started.
    Returns how many serials are recorded as unfinished.
    """
    issued = [answer for traffic in traffics for answer in traffic.issued()]
    serials = [answer.serial for answer in issued]
    equal(len(set(serials)), len(serials), "distinct serials, and certificates that clients got")
    rows = inventory(ca)
    equal([serial for serial in serials if serial not in rows][:3], [], "serials that the inventory lacks")
    entries = audit_entries(ca)
    count = unfinished(ca)
    if faulty:
        balance_signatures(ca, faulty, issued, rows, count, entries)
    return count


def balance_signatures(ca, faulty, issued, rows, count, entries):
    """Each signature by an issuer's key is a certificate, a list, or recorded as unfinished."""
    made = {line.sha256 for line in faulty.signatures() if line.key.startswith("issuing-")}
    known = {signed_digest(answer.pem) for answer in issued}
    equal(len(known - made), 0, "certificates whose signature the module has not seen")
    client, got = ca.client(), {answer.serial for answer in issued}
    for serial in rows:
        if serial not in got:
            answer = client.get(f"/api/v1/certificates/{serial}.pem")
            equal(answer.status, 200, f"status of certificate {serial}")
            known.add(signed_digest(answer.text))
    client.close()
    # What init signed, it signed without the module.
    events = [entry["event"] for entry in entries]
    lists = events[events.index("signer.started"):].count("crl.issued")
    nameless = len(made - known)
    expect(nameless <= count + lists, f"{nameless} signatures of issuers are no certificate, but only {count} serials "
           f"are recorded as unfinished (and {lists} lists were made)")


def probe(ca, seconds=1.0):
    """What needs no token answers at once: health, inventory, a revocation list."""
    for what, ask in (("healthz", lambda: ca.health("/healthz")),
                      ("inventory", lambda: _get(ca, "/api/v1/certificates?limit=5")),
                      ("CRL", lambda: ca.http().get("/crl/issuing-1.crl")),
                      ("metrics", lambda: _get(ca, "/metrics"))):
        begun = time.monotonic()
        equal(ask().status, 200, f"status of {what} without the token")
        took = time.monotonic() - begun
        expect(took < seconds, f"{what} took {took:.2f} s without the token")


def _get(ca, path):
    client = ca.client(timeout=20)
    try:
        return client.get(path)
    finally:
        client.close()
