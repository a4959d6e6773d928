"""A CA under test: a state directory, its server, the command line, and clients for it."""

import contextlib
import json
import os
import re
import signal
import subprocess

from .client import Client, tls_context
from .harness import Failure, Stopped, equal, expect, free_port, run, wait_until


class CA:
    """`chancery init` in a folder of its own, and chanceryd on free ports.

    config: text appended to chancery.conf, or a function that gets the text and returns it.
    prepare: called with the CA before init, which finishes what it finds begun.
    """

    def __init__(self, env, name="ca", config=None, start=True, init=(), state=None, prepare=None):
        self.env, self.name = env, name
        self.state = state or env.path(name)
        self.port, self.http_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.http_url = f"http://127.0.0.1:{self.http_port}"
        self.server = None
        self.extra_environment = {}
        if prepare:
            prepare(self)
        self.cli("init", "--state", self.state, "--org", "Example", "--url", f"http://localhost:{self.http_port}",
                 "--port", self.port, "--http-port", self.http_port, *init, limit=60)
        if config:
            self.configure(config)
        if start:
            self.start()

    # ---- files of the state ----

    def file(self, *parts):
        return os.path.join(self.state, *parts)

    @property
    def root(self):
        return self.file("trust", "root.pem")

    def read(self, *parts):
        with open(self.file(*parts), encoding="utf-8") as file:
            return file.read()

    def configure(self, change):
        text = self.read("chancery.conf")
        text = change(text) if callable(change) else text + "\n" + change
        with open(self.file("chancery.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    # ---- processes ----

    def start(self, wait=True, **environment):
        self.extra_environment = environment or self.extra_environment
        self.server = self.env.start(self.name, self.env.program("chanceryd"), "--config", self.file("chancery.conf"),
                                     env=self.env.environment(**self.extra_environment))
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=20):
        def ready():
            if self.server.poll() is not None:
                raise Stopped(f"chanceryd ended with status {self.server.returncode}")
            return self.health("/readyz").status == 200

        wait_until(ready, seconds * (3 if self.env.san else 1), "the server's readiness")

    def health(self, path="/readyz"):
        client = self.client(identity=None, timeout=5)
        try:
            return client.get(path)
        finally:
            client.close()

    def stop(self, limit=15):
        """SIGTERM; returns the exit status. Everything of the server must be gone."""
        if self.server is None:
            return 0
        pids = [self.server.pid, *self.roles().values()]
        self.server.send_signal(signal.SIGTERM)
        try:
            status = self.server.wait(limit * (2 if self.env.san else 1))
        except subprocess.TimeoutExpired:
            raise Failure(f"the server did not stop within {limit} s") from None
        self.server = None
        left = [pid for pid in pids if state_of(pid) not in ("", "Z")]
        expect(not left, f"processes left after the stop: {left}")
        return status

    def restart(self, **environment):
        status = self.stop()
        equal(status, 0, "exit status of the server")
        self.start(**environment)

    def roles(self):
        """The server's processes by role: {"front": pid, "signer": pid}."""
        found = {}
        for pid in children(self.server.pid):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().decode().split("\0")
                if "--role" in words:
                    found[words[words.index("--role") + 1]] = pid
        return found

    def log(self):
        with open(self.env.logs[self.name], encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- clients ----

    def context(self, identity="admin", trust=True):
        cert = key = None
        if identity:
            folder = identity if os.path.isabs(identity) else self.file(identity)
            cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        return tls_context(self.root if trust else None, cert, key)

    def client(self, identity="admin", token=None, timeout=30):
        """identity: a folder with cert.pem and key.pem (relative to the state), or None."""
        return Client("127.0.0.1", self.port, self.context(identity), token, timeout)

    def http(self):
        return Client("127.0.0.1", self.http_port)

    def cli(self, *words, check=True, status=None, limit=30, environment=None, data=None, cwd=None):
        """`chancery WORDS`, on this state; status: the exit status that must come."""
        # The tool lives in the same time as the server.
        shifted = {name: value for name, value in self.extra_environment.items() if name == "CHANCERY_CLOCK_OFFSET"}
        env = self.env.environment(**{"CHANCERY_STATE": self.state, **shifted, **(environment or {})})
        done = run(self.env.program("chancery"), *words, check=False, env=env, limit=limit, data=data, cwd=cwd)
        wanted = 0 if status is None and check else status
        if wanted is not None and done.returncode != wanted:
            raise Failure(f"chancery {' '.join(map(str, words))[:200]}: status {done.returncode}, expected {wanted}: "
                          f"{(done.stdout + done.stderr)[-600:]}")
        return done

    def json(self, *words, **more):
        done = self.cli(*words, "--json", **more)
        try:
            return json.loads(done.stdout)
        except ValueError:
            command = " ".join(map(str, words))
            raise Failure(f"chancery {command} --json printed no JSON: {done.stdout[:300]!r}") from None

    def issue(self, folder, *names, profile="server-dv", more=()):
        """`chancery issue` into a folder of the temporary directory; returns the folder."""
        out = self.env.path(folder)
        words = [word for name in names for word in ("--name", name)]
        self.cli("issue", "--profile", profile, *words, "--out", out, *more)
        return out

    def add_identity(self, name, *roles):
        out = self.env.path(f"{self.name}-id-{name}")
        words = [word for role in roles for word in ("--role", role)]
        self.cli("identity", "add", name, *words, "--out", out)
        return out

    def add_token(self, *words):
        """A new API token's text."""
        printed = self.cli("apitoken", "add", *words).stdout
        token = re.search(r"chy_[A-Za-z0-9_-]{43}", printed)
        expect(token, f"apitoken add printed no token: {printed!r}")
        return token[0]

    # ---- what is published ----

    def crl(self, issuer):
        """A file with the present CRL, PEM."""
        answer = self.http().get(f"/crl/{issuer}.pem")
        equal(answer.status, 200, f"status of /crl/{issuer}.pem")
        path = self.env.path(f"{self.name}-{issuer}.crl.pem")
        with open(path, "wb") as file:
            file.write(answer.body)
        return path

    def store_check(self):
        done = self.cli("store", "check", check=False, limit=60)
        expect(done.returncode == 0, f"store check: status {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
        return done.stdout


def with_option(text, section, option, value):
    """chancery.conf with this option of an untitled section, whether it stands there, is a comment, or is missing."""
    changed, count = re.subn(rf"(?m)^(\s*)#?\s*{option}\s*=\s*\S+.*$", rf"\1{option} = {value}", text, count=1)
    return changed if count else re.sub(rf"(?m)^{section}\s*\{{", f"{section} {{\n\t{option} = {value}", text, count=1)


def children(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    return []


def state_of(pid):
    """The letter that the kernel has for it, as Z of a zombie or T of one that is stopped; "" where it is gone."""
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    return ""


def has_ended(pid):
    """No thread of it is left: of a process whose first thread is a zombie others may still hold its ports."""
    with contextlib.suppress(OSError):
        return state_of(pid) in ("", "Z") and len(os.listdir(f"/proc/{pid}/task")) <= 1
    return True


def serial_in(folder):
    """Content octets of the serial of folder/cert.pem, lower-case hex, as URLs have it."""
    printed = run("openssl", "x509", "-noout", "-serial", "-in", os.path.join(folder, "cert.pem")).stdout
    return printed.strip().partition("=")[2].lower()
