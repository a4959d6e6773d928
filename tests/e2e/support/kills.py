"""kill -9: of a role, of all processes at once; and what SoftHSM2 loses by it."""

import contextlib
import glob
import os
import signal
import time

from .harness import wait_until
from .server import children, has_ended, state_of


class KeptTokens:
    """SoftHSM2 empties token.object and writes it anew at every login: a kill in between leaves it empty, and the token
    is gone. Whoever runs it keeps a copy, as the operator's guide says, and puts it back."""

    def __init__(self, ca):
        self.folder, self.lost = ca.file("token"), 0
        self.files = wait_until(self.whole, 5, "whole tokens to keep")

    def whole(self):
        """The content by path, once none is in the middle of its login."""
        files = {}
        for path in glob.glob(os.path.join(self.folder, "**", "token.object"), recursive=True):
            with open(path, "rb") as file:
                files[path] = file.read()
        return files if all(files.values()) else None

    def put_back(self):
        for path, content in self.files.items():
            # An empty one may be in the middle of its login.
            if all(self.empty_after(path, pause) for pause in (0, 0.2)):
                with open(path, "wb") as file:
                    file.write(content)
                self.lost += 1

    @staticmethod
    def empty_after(path, pause):
        time.sleep(pause)
        return os.path.exists(path) and os.path.getsize(path) == 0


def kill_role(ca, role, number=signal.SIGKILL):
    """Kills a role and returns its pid once another has taken its place."""
    kept, old = KeptTokens(ca), ca.roles()[role]
    os.kill(old, number)
    try:
        wait_until(lambda: ca.roles().get(role, old) != old, 15, f"a new {role}")
    finally:
        kept.put_back()
    return old


def kill_all(ca):
    """All processes at once, and those that are just being started."""
    # A supervisor that is stopped starts nobody between the look at its children and its end.
    ca.server.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_of(ca.server.pid) in ("T", "Z", ""), 5, "the supervisor's stop", pause=0.001)
    pids = children(ca.server.pid)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    ca.server.kill()
    ca.server.wait()
    wait_until(lambda: all(has_ended(pid) for pid in pids), 10, "their end")


def power_cut(ca, kept):
    """All processes at once; then a new server."""
    kill_all(ca)
    kept.put_back()
    ca.start()
