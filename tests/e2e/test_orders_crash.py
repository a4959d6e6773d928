"""kill -9 of any process during the story of orders: none is stuck, none is issued twice.

CHANCERY_ORDER_CRASH_SECONDS says for how long (15).
"""

import json
import os
import random
import signal
import threading
import time

from support.client import Response
from support.harness import Tests, equal, expect, wait_until
from support.kills import KeptTokens, power_cut
from support.orders import Town
from test_crash import inventory

SECONDS = float(os.environ.get("CHANCERY_ORDER_CRASH_SECONDS", "15"))
ROUND = 6  # orders that one worker has in the air at once


def setup(env):
    town = Town(env)
    town.vetted("example", agents=["alice", "bob"])
    return town


tests = Tests(setup, san=True)


class Worker:
    """One requester with a connection of his own: rounds of orders, each until it is issued."""

    def __init__(self, town, who, profile, officers):
        self.town, self.who, self.profile, self.officers = town, who, profile, officers
        self.stop, self.ids, self.strange = threading.Event(), [], []
        self.clients, self.rounds = {}, 0
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stop.is_set() and not self.strange:
            self.rounds += 1
            try:
                self.round()
            except Exception as error:  # pylint: disable=broad-except
                self.strange.append(f"{self.who}, round {self.rounds}: {error}")

    # ---- what is asked again until there is an answer ----

    def ask(self, who, path, body=None, allowed=(200, 201)):
        deadline = time.monotonic() + 40
        last = None
        while time.monotonic() < deadline:
            client = self.clients.setdefault(who, self.town.ca.client(self.town.folders[who], timeout=10))
            try:
                method = "GET" if body is None else "POST"
                last = client.request(method, f"/api/v1/{path}", json.dumps(body) if body else None,
                                      content_type="application/json" if body else None)
            except Exception as error:  # pylint: disable=broad-except
                client.close()  # killed in between: any broken connection is expected
                last = error
            if isinstance(last, Response) and last.status in allowed:
                return last
            if isinstance(last, Response) and last.status != 503:
                break
            time.sleep(0.05)
        raise AssertionError(f"{path}: {last}")

    def order(self, number):
        name = f"{self.who}-{self.rounds}-{number}.example.org"
        wanted = {"csr": self.town.request(name), "profile": self.profile, "draft": True}
        if self.officers:
            wanted["organization"] = "example"
        # Asked twice where the first answer was lost: the draft that is left over stays one.
        return self.ask(self.who, "orders", wanted).json()

    def round(self):
        orders = [self.order(number) for number in range(ROUND)]
        with self.town.lock:
            self.town.put_txt(*orders)
        for order in orders:
            self.ids.append(order["id"])
            self.ask(self.who, f"orders/{order['id']}/submit", "", (200, 409))  # 409: the lost answer was 200
        for order in orders:
            self.bring_to_its_end(order["id"])

    def bring_to_its_end(self, order):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            data = self.ask(self.who, f"orders/{order}").json()
            if data["status"] == "issued":
                return
            if data["status"] == "pending-approval":
                self.approve(data)
            elif data["status"] == "pending-validation":
                self.ask(self.who, f"orders/{order}/check", "", (200, 409))
            time.sleep(0.1)
        raise AssertionError(f"stuck: {data['status']}, waits for {data['waitsFor']}, {data.get('failure')}")

    def approve(self, data):
        for officer in self.officers:
            if any(one["officer"] == officer for one in data["approvals"]):
                continue
            text = self.town.statement(f"order {data['id']}", data["tbsHash"], "approve", officer)
            with self.town.lock:
                body = self.town.signed(officer, text)
            # 403, 409: it was approved already, by the request whose answer was lost.
            self.ask(officer, f"orders/{data['id']}/approve", body, (200, 403, 409))


def kill_at_random(town, kept, workers):
    done, ends = 0, time.monotonic() + SECONDS
    while time.monotonic() < ends and not any(worker.strange for worker in workers):
        time.sleep(random.uniform(0.1, 0.9))
        kept.put_back()
        # The supervisor waits longer with each death of a role: a fresh start ends that.
        if done % 5 == 4:
            power_cut(town.ca, kept)
        else:
            victim = town.ca.roles().get(random.choice(("signer", "signer", "front", "validator")))
            if victim is None:
                continue
            os.kill(victim, signal.SIGKILL)
        done += 1
    return done


@tests.rule(SECONDS + 150)
def killed_at_random_no_order_is_stuck_and_none_is_issued_twice(town):
    town.lock, kept = threading.Lock(), KeptTokens(town.ca)
    workers = [Worker(town, "alice", "server-dv", ()), Worker(town, "bob", "server-ov", ("oscar",))]
    try:
        kills = kill_at_random(town, kept, workers)
    finally:
        kept.put_back()
        for worker in workers:
            worker.stop.set()
        if town.ca.server.poll() is not None:
            town.ca.start()
        for worker in workers:
            worker.thread.join()
    equal([text for worker in workers for text in worker.strange], [], "what no kill explains")
    ids = [identifier for worker in workers for identifier in worker.ids]
    expect(kills >= 5 and len(ids) >= ROUND, f"only {kills} kills, {len(ids)} orders")
    wait_until(lambda: town.ca.health().status == 200, 20, "readiness")
    rows = [row for row in inventory(town.ca.client()) if row.get("order")]
    equal(sorted(row["order"] for row in rows), sorted(ids), "orders with a certificate, each with one")
    print(f"# {kills} kills, {len(ids)} orders, {kept.lost} tokens put back", flush=True)


@tests.rule(90)
def the_log_and_the_store_are_whole_after_the_kills(town):
    town.clients = {}
    town.ca.cli("crl", "now", "issuing-1")
    town.ca.cli("audit", "verify", town.export(), limit=60)
    town.ca.store_check()
    equal(town.ca.stop(), 0, "exit status")
    town.ca.store_check()
