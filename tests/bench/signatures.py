#!/usr/bin/env python3
"""Signatures a second through our OpenSSL provider, held against the raw token in one run.

    python3 tests/bench/signatures.py --build build [--json FILE] [ARGUMENT OF bench_sign]...

The head comment of tests/bench/bench_sign.c says what is measured and how. run.py shows the same
table as a part of `make bench`.
"""

import argparse
import json
import os
import re
import subprocess
import sys

# Rate of the provider (its verification off) by that of the raw token, at least.
GOALS = {"rsa": 0.95, "p256": 0.85, "p384": 0.85, "ed25519": 0.85}


def goal(key):
    return GOALS["rsa" if key.startswith("rsa") else key]


def measure(build, *arguments):
    """The rows of bench_sign: one for each key and number of threads, numbers as numbers."""
    done = subprocess.run([os.path.join(build, "bench/bench_sign"), *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench_sign: exit {done.returncode}")
    rows = []
    for line in done.stdout.splitlines():
        row = dict(re.findall(r"(\w+)=(\S+)", line))
        rows.append({name: value if name == "key" else float(value) for name, value in row.items()})
    return rows


# Each column: its head, of two lines, its width, and what stands in it of a row.
COLUMNS = (
    ("", "key", -8, lambda r: r["key"]),
    ("thr-", "eads", 4, lambda r: "%.0f" % r["threads"]),
    ("raw", "/s", 7, lambda r: "%.0f" % r["raw"]),
    ("ours", "/s", 7, lambda r: "%.0f" % r["provider"]),
    ("of raw", "", 7, lambda r: "%.3f" % r["provider_of_raw"]),
    ("quartiles", "", 10, lambda r: "%.2f-%.2f" % (r["provider_of_raw_low"], r["provider_of_raw_high"])),
    ("goal", "", 5, lambda r: "%.2f" % goal(r["key"])),
    ("raw", "scales", 7, lambda r: "%.2f" % r["raw_scaling"]),
    ("ours,", "of that", 8, lambda r: "%.3f" % r["provider_scaling_of_raw"]),
    ("CPU us", "raw", 9, lambda r: "%.1f" % r["raw_cpu_us"]),
    ("", "ours", 7, lambda r: "%.1f" % r["provider_cpu_us"]),
    ("of raw", "", 7, lambda r: "%.3f" % r["provider_cpu_of_raw"]),
    ("", "verifying", 10, lambda r: "%.1f" % r["verifying_us"]),
    ("verified", "/s", 9, lambda r: "%.0f" % r["verified"]),
    ("", "of raw", 7, lambda r: "%.2f" % r["verified_of_raw"]),
    ("pool,", "of raw", 7, lambda r: "%.2f" % r["pooled_of_raw"]),
    ("libp11", "/s", 7, lambda r: "%.0f" % r["libp11"] if "libp11" in r else "none"),
    ("", "of raw", 7, lambda r: "%.2f" % r["libp11_of_raw"] if "libp11" in r else ""),
)


def show(cells):
    print("".join("%*s" % (width, cell) for (_, _, width, _), cell in zip(COLUMNS, cells)).rstrip())


def report(rows):
    print("signatures/s, SoftHSM2. raw: C_SignInit and C_Sign, given the digest (Ed25519: the message). ours: hsm_sign,")
    print("which also hashes the 600 octets; its verification off, and then on. Medians; ratios within each round.")
    show([column[0] for column in COLUMNS])
    show([column[1] for column in COLUMNS])
    for row in rows:
        show([column[3](row) for column in COLUMNS])
    print("(goal of scaling: no less than raw's, so 1 in the column behind it)")
    print("CPU us of OpenSSL alone, to verify and to hash:  " + "   ".join(
        "%s %.1f %s" % (row["key"], row["verify_cpu_us"], "%.1f" % row["hash_cpu_us"] if "hash" in row else "-")
        for row in rows if row["threads"] == 1))
    missed = ["%s with %.0f threads: %.3f (by CPU %.3f)" % (
        row["key"], row["threads"], row["provider_of_raw"], row["provider_cpu_of_raw"])
        for row in rows if row["provider_of_raw"] < goal(row["key"])]
    print("goals missed: " + ("; ".join(missed) or "none"))
    print()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--json")
    arguments, others = parser.parse_known_args()
    rows = measure(os.path.abspath(arguments.build), *others)
    report(rows)
    if arguments.json:
        with open(arguments.json, "w") as out:
            json.dump(rows, out, indent=1)


if __name__ == "__main__":
    main()
