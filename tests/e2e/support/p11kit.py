"""A token behind another process: `p11-kit server` before SoftHSM2, to be killed, frozen, and started again.

The signer loads p11-kit-client.so, which finds the server by one variable of its environment: one
server a CA. The server forks a child for each connection, and that child is the token.
"""

import contextlib
import os
import signal
import time

from .harness import Failure, expect, wait_until
from .kills import KeptTokens
from .server import children
from .tokens import SOFTHSM, as_signer, for_signer, in_section, running, write

CLIENT = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"


class P11Kit:
    """Serves one token of a CA that init has made, as the signer's user."""

    def __init__(self, ca, label="issuing"):
        self.ca, self.label = ca, label
        folder = ca.env.folder(f"{ca.name}-p11kit")
        os.chmod(folder, 0o711)
        self.place = for_signer(ca.env.folder(f"{ca.name}-p11kit/socket"))
        self.socket = os.path.join(self.place, "p11")
        tokens = ca.file("token", "tokens")
        self.conf = write(os.path.join(folder, "softhsm2.conf"), f"directories.tokendir = {tokens}\n"
                          "objectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n")
        os.chmod(self.conf, 0o644)
        self.environment = {"P11_KIT_SERVER_ADDRESS": f"unix:path={self.socket}"}
        self.process = None

    def configure(self, text):
        """chancery.conf with this token behind the server."""
        return in_section(text, "token", self.label, module=CLIENT, softhsm_conf="")

    def start(self):
        """Returns when it listens: the time (time.monotonic()) of that."""
        expect(os.path.exists(CLIENT), f"{CLIENT} is not installed (make test-deps)")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)  # of one that was killed
        self.process = self.ca.env.start(
            f"{self.ca.name}-p11kit", *as_signer("p11-kit", "server", "-f", "--provider", SOFTHSM, "-n", self.socket,
                                                 f"pkcs11:token={self.label}"),
            env=self.ca.env.environment(SOFTHSM2_CONF=self.conf), cwd="/")
        wait_until(lambda: os.path.exists(self.socket), 10, "p11-kit's socket", pause=0.002)
        return time.monotonic()

    def pids(self):
        """Those who hold the token, and last the one who listens."""
        return [*children(self.process.pid), self.process.pid]

    def _signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def unplug(self):
        """All of it at once, without a word to its clients but the end of the connection."""
        kept = KeptTokens(self.ca)
        # The listener is stopped first: it would take the next connection meanwhile.
        os.kill(self.process.pid, signal.SIGSTOP)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        kept.put_back()

    @contextlib.contextmanager
    def unplugged(self):
        """For a while; it listens again at the end."""
        self.unplug()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def frozen(self):
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def stop(self):
        if self.process:
            self.thaw()
            self.unplug()

    def remote(self):
        """The pid of the one child through which the signer reaches the token."""
        found = children(self.process.pid)
        if len(found) != 1:
            raise Failure(f"{len(found)} connections to p11-kit, expected the signer's")
        return found[0]


@contextlib.contextmanager
def behind_p11kit(env, name, change=lambda text: text, label="issuing", **more):
    """A CA that runs, and the process that one of its tokens is in. change: chancery.conf after init."""
    kits = []

    def configure(ca):
        kits.append(P11Kit(ca, label))
        ca.configure(lambda text: change(kits[0].configure(text)))
        kits[0].start()
        return kits[0].environment

    try:
        with running(env, name, environment=configure, **more) as ca:
            yield ca, kits[0]
    finally:
        for kit in kits:
            kit.stop()
