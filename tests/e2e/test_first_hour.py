"""The first hour: one command on an empty folder, and what it promises."""

import os
import re
import signal
import stat

from support import verify
from support.client import Client, tls_context
from support.harness import Stopped, Tests, contains, equal, expect, free_port, run, wait_until
from support.server import children, state_of


class House:
    """tools/run.sh with a state of its own."""

    def __init__(self, env):
        self.env, self.state = env, env.path("var")
        self.port, self.http_port = free_port(), free_port()
        self.process = None

    def start(self, name):
        environment = self.env.environment(STATE=self.state, PORT=self.port, HTTP_PORT=self.http_port,
                                           BUILD=self.env.build)
        self.process = self.env.start(name, os.path.join(self.env.root, "tools", "run.sh"), env=environment,
                                      cwd=self.env.root)

        def ready():
            if self.process.poll() is not None:
                raise Stopped(f"run.sh ended with status {self.process.returncode}")
            return f"ready https://localhost:{self.port}" in self.said(name)

        wait_until(ready, 60, "the line ready")
        return self.said(name)

    def said(self, name):
        with open(self.env.logs[name], encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, number=signal.SIGTERM):
        pids = descendants(self.process.pid)
        self.process.send_signal(number)
        status = self.process.wait(20)
        left = [pid for pid in pids if state_of(pid) not in ("", "Z")]
        equal(left, [], "processes left")
        return status

    # What verify.Chain wants of a CA.
    @property
    def root(self):
        return os.path.join(self.state, "trust", "root.pem")

    def crl(self, issuer):
        path = self.env.path(f"{issuer}.crl.pem")
        with open(path, "wb") as file:
            file.write(Client("127.0.0.1", self.http_port).get(f"/crl/{issuer}.pem").body)
        return path


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def setup(env):
    house = House(env)
    house.printed = house.start("first")
    return house


tests = Tests(setup, setup_limit=90)


@tests.rule()
def the_last_line_is_ready(house):
    printed = [line for line in house.printed.splitlines() if line.strip()]
    wanted = f"ready https://localhost:{house.port}"
    expect(wanted in printed, f"printed {printed[-3:]}")
    after = printed[printed.index(wanted) + 1:]
    expect(all(re.search(r"level=|\{", line) or "=" in line for line in after), f"after it: {after[:3]}")


@tests.rule()
def it_prints_urls_trust_and_what_to_do_next(house):
    for part in (f"https://localhost:{house.port}", f"http://localhost:{house.http_port}", "trust/root.pem", "nginx",
                 "revoke", "issue", "2.999.1 (the arc for examples"):
        contains(house.printed, part, "what run.sh prints")


@tests.rule()
def the_first_certificates_verify(house):
    for name, purpose, more in (("server", "sslserver", ["-verify_hostname", "localhost"]),
                                ("client", "sslclient", [])):
        folder = os.path.join(house.state, "first", name)
        with open(os.path.join(folder, "fullchain.pem"), encoding="ascii") as file:
            chain = verify.Chain(house, house.env.path(f"first-{name}"), file.read())
        verify.openssl(chain, purpose, *more)
        equal(oct(stat.S_IMODE(os.stat(os.path.join(folder, "key.pem")).st_mode)), "0o600", f"mode of {name}'s key")


@tests.rule()
def the_state_is_as_the_contract_says(house):
    for path in ("chancery.conf", "trust/root.pem", "admin/cert.pem", "admin/key.pem", "admin/admin.p12",
                 "admin/p12-password", "token", "store", "front", "published", "admin.sock", "first/server",
                 "first/client"):
        expect(os.path.exists(os.path.join(house.state, path)), f"no {path}")
    with open(os.path.join(house.state, "admin", "p12-password"), encoding="ascii") as file:
        password = file.read().strip()
    shown = run("openssl", "pkcs12", "-in", os.path.join(house.state, "admin", "admin.p12"), "-nodes", "-passin",
                f"pass:{password}").stdout
    contains(shown, "PRIVATE KEY", "admin.p12")
    with open(os.path.join(house.state, "chancery.conf"), encoding="utf-8") as file:
        text = file.read()
    for section in ("process", "listen", "token", "issuer", "profile", "grant", "audit"):
        expect(re.search(rf"(?m)^{section}\b", text), f"chancery.conf has no section {section}")
    expect(text.count("#") > 20, "chancery.conf is not commented")


@tests.rule()
def the_roles_run_as_their_own_users_where_there_are_such(house):
    """As root with the system users there, no role is root, and none is another."""
    if os.getuid() != 0:
        contains(house.printed, "wall", "run.sh as somebody says that the walls are thinner")
        return
    users = {}
    for pid in descendants(house.process.pid):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode().split("\0")
        if "--role" in words:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                users[words[words.index("--role") + 1]] = re.search(r"(?m)^Uid:\t(\d+)", file.read())[1]
    expect(len(users) >= 3 and "0" not in users.values() and len(set(users.values())) == len(users),
           f"user ids of the roles: {users}")


def may_read(user, path):
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return run(*drop, "cat", path, check=False).returncode == 0


def no_role_reads_what_is_anothers(house):
    """Front and validator cannot read token, store or PIN; nobody else the front's key; none an identity's key."""
    store, token = os.path.join(house.state, "store", "data.mdb"), os.path.join(house.state, "token")
    front, admin = os.path.join(house.state, "front", "key.pem"), os.path.join(house.state, "admin", "key.pem")
    pins = [os.path.join(token, name) for name in os.listdir(token) if "pin" in name]
    for path in [store, admin, os.path.join(token, "softhsm2.conf"), *pins]:
        expect(not may_read("chancery-front", path), f"the front may read {path}")
        expect(not may_read("chancery-validator", path), f"the validator may read {path}")
    for path in [front, admin, *pins]:
        expect(not may_read("chancery-signer", path), f"the signer may read {path}")
    expect(not may_read("chancery-validator", front), "the validator may read the front's key")
    expect(may_read("chancery-front", front) and may_read("chancery-signer", store), "not even their own")


if os.getuid() == 0:  # else all roles are one user
    tests.add("no_role_reads_what_is_anothers", no_role_reads_what_is_anothers)


@tests.rule(120)
def run_again_it_finds_its_state_and_goes_on(house):
    def get(path):
        context = tls_context(house.root, os.path.join(house.state, "admin", "cert.pem"),
                              os.path.join(house.state, "admin", "key.pem"))
        return Client("127.0.0.1", house.port, context).get(path)

    before = {row["serial"] for row in get("/api/v1/certificates?limit=500").json()["certificates"]}
    with open(house.root, encoding="ascii") as file:
        root = file.read()
    equal(house.stop(), 0, "exit status after SIGTERM")
    house.start("second")
    with open(house.root, encoding="ascii") as file:
        equal(file.read(), root, "the root")
    after = {row["serial"] for row in get("/api/v1/certificates?limit=500").json()["certificates"]}
    expect(before <= after, "certificates were lost")
    first = {serial for serial in after - before}
    expect(len(first) <= 1, f"it issued its first certificates again: {len(first)}")  # the front may renew its own
    equal(house.stop(signal.SIGINT), 0, "exit status after SIGINT")
