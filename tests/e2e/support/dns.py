"""A real DNS server (Knot DNS, authoritative) with zones that the tests make, signed ones too."""

import contextlib
import os
import socket
import threading

from .harness import Stopped, expect, free_port, run, wait_until

ADDRESS = "127.0.0.1"


class Dns:
    """zones: {"test": ["www 60 A 127.0.0.2", ...]}, names relative to their zone. A zone whose records are None is
    configured and not loaded: SERVFAIL. What is in no zone is REFUSED. signed: zones that are signed; their trust
    anchors stand in the file `anchors`. The server answers on `resolver`, "127.0.0.1:PORT"."""

    def __init__(self, env, zones, signed=(), name="knot"):
        self.env, self.name, self.zones, self.signed = env, name, dict(zones), set(signed)
        self.home = env.folder(name)
        self.port = free_port()
        self.resolver = f"{ADDRESS}:{self.port}"
        self.anchors = os.path.join(self.home, "anchors")
        self.serial = 1
        self.process = None
        for folder in ("db", "unsigned", "served"):
            os.makedirs(os.path.join(self.home, folder), exist_ok=True)
        self.write_configuration()
        for domain in self.zones:
            self.write(domain)
        self.write_anchors()
        self.start()

    # ---- files ----

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def write_configuration(self):
        zones = "".join(f"  - domain: {domain}.\n    file: {domain}.zone\n" for domain in self.zones)
        text = f"""server:
    listen: {ADDRESS}@{self.port}
    rundir: {self.home}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {self.home}/db
policy:
  - id: tests
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: {self.home}/FOLDER
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
    dnssec-policy: tests
zone:
{zones}"""
        for folder in ("unsigned", "served"):
            with open(self.path(f"{folder}.conf"), "w", encoding="ascii") as file:
                file.write(text.replace("FOLDER", folder))

    def write(self, domain):
        """The zone's file, signed where it is to be."""
        records = self.zones[domain]
        folder = "unsigned" if domain in self.signed else "served"
        file = self.path(folder, f"{domain}.zone")
        if records is None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(file)
            return
        with open(file, "w", encoding="utf-8") as out:
            out.write(f"$ORIGIN {domain}.\n$TTL 60\n"
                      f"@ SOA ns.invalid. hostmaster.invalid. {self.serial} 3600 600 86400 1\n@ NS ns.invalid.\n")
            out.writelines(f"{record}\n" for record in records)
        if domain in self.signed:
            run("kzonesign", "-c", self.path("unsigned.conf"), "-o", self.path("served"), f"{domain}.")

    def write_anchors(self):
        with open(self.anchors, "w", encoding="ascii") as out:
            for domain in self.signed:
                with open(self.path("served", f"{domain}.zone"), encoding="utf-8") as file:
                    out.writelines(line for line in file if "\tDNSKEY\t" in line)
        os.chmod(self.anchors, 0o644)

    # ---- the server ----

    def start(self):
        self.process = self.env.start(self.name, "knotd", "-c", self.path("served.conf"))
        missing = sum(records is None for records in self.zones.values())

        def loaded():
            if self.process.poll() is not None:
                raise Stopped(f"knotd ended with status {self.process.returncode}")
            status = self.control("zone-status")
            return status.count("serial: ") - status.count("serial: -") >= len(self.zones) - missing

        wait_until(loaded, 15, "the DNS server")

    def control(self, *words, check=False):
        return run("knotc", "-c", self.path("served.conf"), *words, check=check).stdout

    def set(self, domain, records):
        """Other records for a zone that is there already."""
        self.zones[domain] = records
        self.serial += 1
        self.write(domain)
        self.control("-b", "zone-reload", f"{domain}.", check=True)

    def add(self, domain, *records):
        self.set(domain, [*self.zones[domain], *records])

    def tamper(self, domain, old, new):
        """Changes the text of a signed zone behind its signatures."""
        file = self.path("served", f"{domain}.zone")
        with open(file, encoding="utf-8") as zone:
            text = zone.read()
        expect(old in text, f"{old!r} is not in the zone {domain}")
        with open(file, "w", encoding="utf-8") as zone:
            zone.write(text.replace(old, new))
        self.control("-b", "-f", "zone-reload", f"{domain}.", check=True)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


class Silent:
    """A resolver that takes questions and never answers; `resolver` as of Dns."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 0))
        self.resolver = f"{ADDRESS}:{self.socket.getsockname()[1]}"
        self.questions = 0
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        while True:
            self.socket.recv(4096)
            self.questions += 1
