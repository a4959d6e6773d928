#!/usr/bin/env python3
"""What orders cost: 10,000 that wait, between their checks; and one under a grant beside a plain request.

    python3 tests/bench/orders.py --build build [--orders 10000] [--seconds 30] [--json FILE]

The real server on a fresh state, with a real DNS server that knows none of the names. Exits 0 whatever the figures are.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from support import csr, der  # noqa: E402
from support.harness import Env, wait_until  # noqa: E402
from support.orders import Town  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PACE = 3600  # seconds that pauses between two checks of one name grow to


def cpu(town):
    """CPU seconds of all roles, each."""
    used = {}
    for role, pid in town.ca.roles().items():
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        used[role] = (int(fields[11]) + int(fields[12])) / TICK
    return used


def own_memory(town):
    """MiB of each role that are its own."""
    sizes = {}
    for role, pid in town.ca.roles().items():
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            sizes[role] = sum(int(line.split()[1]) for line in file if line.startswith(("Private_", "Swap:"))) / 1024
    return sizes


def counter(town, name):
    text = town.client("admin").get("/metrics").text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def waiting(build, town, count, seconds):
    """Orders whose checks have backed off, and what they take of the machine."""
    empty = own_memory(town)
    town.ca.stop()
    fill = os.path.join(build, "bench", "fill_orders")
    subprocess.run([fill, town.ca.file("store"), str(count), str(PACE)], check=True)
    town.clients = {}
    town.ca.start()
    wait_until(lambda: counter(town, "chancery_checks_total") > 0, 30, "the first check")
    before, checks, began = cpu(town), counter(town, "chancery_checks_total"), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    after, more = cpu(town), counter(town, "chancery_checks_total")
    return {"orders": count, "checks_per_s": (more - checks) / took, "memory_empty": empty, "memory": own_memory(town),
            "core_percent": {role: 100 * (after[role] - before[role]) / took for role in after}}


def granted(town, count):
    """Microseconds of CPU for each certificate under a grant: asked for plainly, and by an order."""
    bodies = csr.distinct(count, "host-{}.granted.example.org")
    client = town.ca.client(town.folders["alice"])
    figures = {}

    def measure(name, ask, finish):
        before = cpu(town)
        asked = [ask(body) for body in bodies]
        finish(asked)
        after = cpu(town)
        figures[name] = {role: 1e6 * (after[role] - before[role]) / count for role in after}

    def plain(body):
        return client.issue(body)

    def order(body):
        answer = client.post_json("/api/v1/orders", {"csr": body, "profile": "server-dv"})
        assert answer.status == 201, answer
        return answer.json()["id"]

    def all_issued(ids):
        wait_until(lambda: client.get(f"/api/v1/orders/{ids[-1]}").json()["status"] == "issued", 60, "the last order")

    client.issue(der.pem(csr.for_names(town.key, "warm.granted.example.org")))
    measure("plain", plain, lambda _: None)
    measure("order", order, all_issued)
    return figures


def report(figures):
    w, g = figures["waiting"], figures["granted"]
    print(f"{w['orders']} orders wait, {w['checks_per_s']:.1f} checks/s (each name once in {PACE} s)")
    print("memory of its own, MiB   " + "   ".join(
        f"{role} {size:.1f} (empty {w['memory_empty'].get(role, 0):.1f})" for role, size in w["memory"].items())
        + f"   all: {sum(w['memory'].values()):.1f} (goal 100)")
    print("of a core, %             " + "   ".join(f"{role} {part:.2f}" for role, part in w["core_percent"].items())
          + f"   all: {sum(w['core_percent'].values()):.2f} (goal 5)")
    plain, order = sum(g["plain"].values()), sum(g["order"].values())
    print(f"CPU under a grant, us    plain {plain:.0f}   by an order {order:.0f}   "
          f"more: {order - plain:.0f} (goal 1000)")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--orders", type=int, default=10000)
    parser.add_argument("--certificates", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    env = Env(build, ROOT, False)
    town = None
    try:
        # Without notices: what is measured is orders.
        town = Town(env, notices=False)
        print("measuring orders under a grant ...", flush=True)
        figures = {"granted": granted(town, arguments.certificates)}
        print(f"measuring {arguments.orders} orders that wait ...", flush=True)
        figures["waiting"] = waiting(build, town, arguments.orders, arguments.seconds)
        report(figures)
    finally:
        with contextlib.suppress(Exception):
            town.ca.stop()
        for child in env.children:
            with contextlib.suppress(OSError):
                child.kill()
        env.remove()
    if arguments.json:
        with open(arguments.json, "w", encoding="ascii") as out:
            json.dump(figures, out, indent=1)


if __name__ == "__main__":
    main()
