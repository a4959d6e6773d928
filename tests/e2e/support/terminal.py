"""A command with a terminal of its own, and answers to what it asks."""

import contextlib
import os
import pty
import select
import signal
import time

from support.harness import expect


def read(terminal, until):
    """What the terminal shows up to these bytes, or to the end (None)."""
    shown, deadline = b"", time.monotonic() + 20
    while until is None or not shown.endswith(until):
        expect(time.monotonic() < deadline, f"no {until!r} in {shown!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                chunk = b""
            expect(chunk or until is None, f"ended before {until!r}: {shown!r}")
            if not chunk:
                break
            shown += chunk
    return shown.decode(errors="replace")


def run_at_terminal(program, words, environment, answers):
    """Runs it and answers its questions; exit status, and all that was shown.

    An answer is a secret that must not be echoed, for a question that ends in ": ", or a pair: how the question ends,
    and what is typed.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(program, [os.path.basename(program), *words], environment)
    shown = ""
    try:
        for answer in answers:
            question, typed = (": ", answer) if isinstance(answer, str) else answer
            shown += read(terminal, question.encode())
            os.write(terminal, typed.encode() + b"\n")
        shown += read(terminal, None)
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for answer in answers:
        expect(not isinstance(answer, str) or answer not in shown, f"a secret is echoed: {shown!r}")
    return status, shown
