"""A room with tokens, people and a plan; and who sits at the terminal of its ceremony."""

import contextlib
import glob
import hashlib
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import time

from .harness import equal, expect, run

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PINS = {"root": "314159", "old": "271828", "backup": "141421"}
SO_PIN = "161803"
GROUPS = re.compile(r"(?:^ {4}(?:[0-9a-f]{4} ?){8}\r?\n){2}", re.M)
HEAD = """
title = "{title}"
url = "{url}"
arc = "2.999.1"
window-from = "{start}"
window-to = "{end}"
person "Ada Example" {{ roles = {{ "operator" }} }}
person "Grace Example" {{ roles = {{ "witness" }} certificate = "grace.pem" }}
person "Émilie Example" {{ roles = {{ "auditor" }} certificate = "emilie.pem" }}
attest {{ witnesses = 1 }}
"""
TOKEN = 'token "pkcs11:token={label}" {{ module = "{module}" softhsm-conf = "{conf}" pin = "{pin}" }}\n'
PROFILES = {
    "root": 'profile "root" { kind = "root" days = 7300 }\n',
    "intermediate": 'profile "intermediate" { kind = "intermediate" days = 1825 purposes = { "server", "client", "audit" } }\n',
    "responder": 'profile "responder" { kind = "ocsp-responder" days = 30 }\n',
    "cross": 'profile "cross" { kind = "cross" }\n',
}
FIRST = """
step "{name}-key" {{ kind = "key" key = "pkcs11:token={token};object={name}" type = "{key_type}" }}
step "{name}" {{
  kind = "root" key = "pkcs11:token={token};object={name}" profile = "root"
  common-name = "Example {name}" organization = "Example Ltd" country = "DE" not-before = "now" days = 7300
}}
"""
CERTIFICATE = """
step "{name}" {{
  kind = "certificate" issuer = "{issuer}" csr = "{name}.csr" csr-sha256 = "{sha256}"
  profile = "{profile}" common-name = "Example {name}" organization = "Example Ltd"
}}
"""
CRL = 'step "{issuer}-crl" {{ kind = "crl" issuer = "{issuer}" next-update-days = 365 }}\n'
ISSUER = 'issuer "{name}" {{ certificate = "{name}.pem" sha256 = "{sha256}" key = "{key}" }}\n'


def sha256(octets):
    return hashlib.sha256(octets).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def utc(shift):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + shift))


class Room:
    """Tokens "root", "old" and "backup", keys of two people who attest, and a folder for plans.

    before: words before each command of a ceremony."""

    def __init__(self, env, name="room", before=()):
        self.before = list(before)
        self.env, self.count = env, 0
        self.folder = env.folder(name)
        self.conf = os.path.join(self.folder, "softhsm2.conf")
        self.tokens = os.path.join(self.folder, "tokens")
        os.makedirs(self.tokens)
        self.write("softhsm2.conf", f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\n"
                                    "log.level = ERROR\nslots.removable = false\n")
        for label, pin in PINS.items():
            run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", SO_PIN,
                env=self.environment())
        for name, common_name in (("grace", "Grace"), ("emilie", "Emilie")):
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.path(f"{name}.key"), "-out", self.path(f"{name}.pem"), "-subj", f"/CN={common_name}", "-days", "9")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def environment(self, **more):
        return self.env.environment(SOFTHSM2_CONF=self.conf, TMPDIR=self.env.folder("temporary"), **more)

    def new(self, name):
        """The path of a folder that does not exist."""
        self.count += 1
        return self.path(f"{name}-{self.count}")

    @contextlib.contextmanager
    def tokens_as_now(self):
        """What happens to the tokens meanwhile is undone."""
        kept = self.new("tokens-kept")
        shutil.copytree(self.tokens, kept)
        try:
            yield
        finally:
            self.put_tokens(kept)

    def put_tokens(self, kept):
        shutil.rmtree(self.tokens)
        shutil.copytree(kept, self.tokens)

    # ---- plans ----

    def csr(self, name):
        if not os.path.exists(self.path(f"{name}.csr")):
            run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.path(f"{name}.key"), "-out", self.path(f"{name}.csr"), "-subj", f"/CN={name}")
        return sha256(read(self.path(f"{name}.csr")))

    def put_request(self, name, path):
        """A request that was made elsewhere."""
        shutil.copy(path, self.path(f"{name}.csr"))

    def certificate(self, name, issuer, profile="intermediate"):
        return CERTIFICATE.format(name=name, issuer=issuer, profile=profile, sha256=self.csr(name))

    def root(self, name, token="root", key_type="p384"):
        return FIRST.format(name=name, token=token, key_type=key_type)

    def issuer(self, name, pem, key):
        """The section of an issuer that is there already."""
        shutil.copy(pem, self.path(f"{name}.pem"))
        der = run("openssl", "x509", "-in", pem, "-outform", "DER", "-out", self.path(f"{name}.der"))
        expect(der.returncode == 0, "no certificate")
        return ISSUER.format(name=name, key=key, sha256=sha256(read(self.path(f"{name}.der"))))

    def plan(self, name, *sections, start=0, end=86400, pin="prompt", url="http://pki.example"):
        steps = "".join(sections)
        head = HEAD.format(title=f"The ceremony {name}", url=url, start=utc(start), end=utc(end))
        head += "".join(TOKEN.format(label=label, module=SOFTHSM, conf=self.conf, pin=pin) for label in PINS
                        if f"token={label};" in steps)
        head += "".join(text for profile, text in PROFILES.items() if f'profile = "{profile}"' in steps)
        return self.write(f"{name}.conf", head + steps)

    # ---- commands ----

    def cli(self, *words, status=0, **more):
        done = run(*self.before, self.env.program("chancery"), "ceremony", *words, check=False, env=self.environment(**more))
        equal(done.returncode, status, f"status of {words}: {done.stdout}{done.stderr}")
        return done

    def rehearse(self, plan):
        out = self.new("rehearsal")
        self.cli("rehearse", plan, "--out", out)
        return out

    def run(self, plan, rehearsal, *words, out=None, status=0, more=None, most_octets=None, **answers):
        """A run before the terminal: its folder, and what was shown. status None: any, and given as well."""
        out = out or self.new("run")
        environment = self.environment(**(more or {}))
        people = People(self, **answers)
        command = [*self.before, self.env.program("chancery"), "ceremony", "run", plan, "--rehearsal", rehearsal, "--out",
                   out, *words]
        got, shown = people.attend(command, environment, most_octets=most_octets)
        if status is None:
            return out, shown, got
        equal(got, status, f"status of a run that showed {shown[-1500:]}")
        return out, shown

    def ceremony(self, plan):
        """Rehearsed and run: the folder, and what was shown."""
        return self.run(plan, self.rehearse(plan))

    def verify(self, out, closing=None, status=0):
        words = ("--closing", closing) if closing else ()
        return self.cli("verify", out, *words, status=status)


class People:
    """They type what they are asked for; wrong: {question: answer} is typed instead, each time that it is asked.

    shares: what custodians type, one after the other."""

    def __init__(self, room, pins=None, keys=None, wrong=None, shares=()):
        self.shares = list(shares)
        self.pins = pins or PINS
        self.keys = keys or {"Grace": room.path("grace.key"), "Émilie": ""}
        self.wrong, self.shown = wrong or {}, ""

    def answer(self):
        """What to type behind what is shown now; None: nothing is asked."""
        for question, typed in self.wrong.items():
            if self.shown.endswith(question):
                return typed
        if self.shown.endswith("Share: ") and self.shares:
            return self.shares.pop(0)
        if self.shown.endswith("the first four of them: "):
            return GROUPS.findall(self.shown)[-1].split()[0]
        if self.shown.endswith("the name of the step: "):
            return re.findall(r"---- Step \d+ of \d+: (\S+)", self.shown)[-1]
        if self.shown.endswith("types its label: "):
            return re.findall(r"  key +\S*object=(\S+)", self.shown)[-1]
        asked = re.search(r"PIN of token (\S+): \Z", self.shown)
        if asked:
            return self.pins[asked[1]]
        asked = re.search(r"\n(\S+) [^\n]* attests [^\n]*\n[^\n]*to pass\): \Z", self.shown)
        return self.keys[asked[1]] if asked else None

    def attend(self, command, environment, limit=60, most_octets=None):
        """Exit status, and what was shown. most_octets: no file may become larger."""
        pid, terminal = pty.fork()
        if pid == 0:
            if most_octets:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_octets, most_octets))
            os.execvpe(command[0], command, environment)
        deadline, octets = time.monotonic() + limit, b""
        try:
            while True:
                expect(time.monotonic() < deadline, f"nothing more is shown: {self.shown[-800:]!r}")
                if not select.select([terminal], [], [], 0.2)[0]:
                    continue
                try:
                    chunk = os.read(terminal, 65536)
                except OSError:  # the other side is closed
                    break
                octets += chunk
                self.shown = octets.decode(errors="replace").replace("\r\n", "\n")
                typed = self.answer() if chunk else None
                if typed is not None:
                    os.write(terminal, typed.encode() + b"\n")
                if not chunk:
                    break
        finally:
            os.close(terminal)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, self.shown


def closing(out):
    """The closing hash, computed here."""
    return sha256(read(os.path.join(out, "transcript.jsonl")).splitlines()[-1])


def lines(out):
    return [json.loads(line) for line in read(os.path.join(out, "transcript.jsonl")).decode().splitlines()]


def files(out):
    return sorted(os.path.relpath(path, out) for path in glob.glob(f"{out}/**", recursive=True) if os.path.isfile(path))
