"""kill -9 of any process at random moments under load: nothing that was answered is lost.

CHANCERY_KILLS says how many kills (40; by hand 500), CHANCERY_CRASH_SECONDS how long at most.
"""

import os
import random
import signal
import threading
import time

from support import csr
from support.harness import Tests, equal, expect, run, wait_until
from support.kills import KeptTokens, power_cut
from support.server import CA

KILLS = int(os.environ.get("CHANCERY_KILLS", "40"))
SECONDS = float(os.environ.get("CHANCERY_CRASH_SECONDS", "45"))


def setup(env):
    ca = CA(env)
    ca.bodies = csr.distinct(64, "crash-{}.test")
    return ca


tests = Tests(setup, san=True)


class Load:
    """Clients that ask with an idempotency key of their own, again and again until they are answered."""

    def __init__(self, ca, clients=6):
        self.ca, self.stop, self.lock = ca, threading.Event(), threading.Lock()
        self.answered, self.strange, self.tries = {}, [], 0
        self.threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def ask(self, number):
        client, turn = self.ca.client(timeout=20), 0
        while not self.stop.is_set():
            turn += 1
            self.ask_until_answered(client, f"crash-{number}-{turn}", self.ca.bodies[(number * 31 + turn) % 64])
        client.close()

    def ask_until_answered(self, client, key, body):
        # What was begun is brought to its end, also after the stop: an open key would prove nothing.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.tries += 1
            try:
                answer = client.post_csr(body, idempotency=key)
            except Exception:  # pylint: disable=broad-except
                client.close()  # killed in between: any broken connection is expected
                time.sleep(0.02)
                continue
            if answer.status == 201:
                with self.lock:
                    self.answered[key] = answer.headers["Location"].rpartition("/")[2]
                return
            if answer.status != 503:
                with self.lock:
                    self.strange.append(f"{key}: {answer}")
                return
            time.sleep(0.05)
        self.strange.append(f"{key}: no answer within 60 s")

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@tests.rule(SECONDS + 120)
def nothing_answered_is_lost_by_kills_at_random_moments(ca):
    kept, load = KeptTokens(ca), Load(ca)
    done, ends, before = 0, time.monotonic() + SECONDS, 0
    try:
        while done < KILLS and time.monotonic() < ends:
            time.sleep(random.uniform(0.01, 0.5))
            kept.put_back()
            # Only a server that works again is worth a kill; the back-off of dying roles ends with a fresh start.
            if len(load.answered) == before:
                continue
            before = len(load.answered)
            victim = random.choice(("signer", "signer", "front", "validator", "all"))
            if victim == "all" or done % 5 == 4:
                power_cut(ca, kept)
            elif victim in ca.roles():
                try:
                    os.kill(ca.roles()[victim], signal.SIGKILL)
                except (KeyError, ProcessLookupError):
                    continue
            else:
                continue
            done += 1
    finally:
        kept.put_back()
        load.end()
    equal(load.strange, [], "answers that no kill explains")
    expect(done >= min(KILLS, 10), f"only {done} kills in {SECONDS} s")
    serials = list(load.answered.values())
    equal(len(serials), len(set(serials)), f"serials and distinct serials, after {done} kills")
    wait_until(lambda: ca.health().status == 200, 20, "readiness")
    admin = ca.client()
    for serial in serials:
        equal(admin.get(f"/api/v1/certificates/{serial}").status, 200, f"certificate {serial}")
    issued = sum(1 for row in inventory(admin) if any("crash-" in str(name) for name in row["names"]))
    equal(issued, len(serials), "certificates in the inventory and those that clients received")
    ca.store_check()
    equal(ca.stop(), 0, "exit status")
    ca.store_check()
    print_figures(done, len(serials), load.tries, kept.lost)


def inventory(client):
    found, cursor = [], ""
    while True:
        page = client.get(f"/api/v1/certificates?limit=500{cursor}").json()
        found += page["certificates"]
        if not page.get("next"):
            return found
        cursor = f"&cursor={page['next']}"


def print_figures(kills, certificates, tries, lost):
    print(f"# {kills} kills, {certificates} certificates, {tries} requests, {lost} tokens put back", flush=True)


@tests.rule(60)
def the_audit_is_whole_after_the_kills(ca):
    if ca.server is None:
        ca.start()
    ca.cli("crl", "now", "issuing-1")
    path = ca.env.path("after-kills.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.write(ca.cli("audit", "export", limit=60).stdout)
    ca.cli("audit", "verify", path, limit=60)
    run("openssl", "crl", "-noout", "-in", ca.crl("issuing-1"))
