"""How a test is written, and the few things that every test may use.

A module test_X.py has one `tests = Tests(setup)`. `setup(env)` makes the fixture that all
tests of the module share (a running CA, mostly) and may be None. Each test is a function of
one argument, the fixture, registered by `@tests.rule()` and named for the rule it guards.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Failure(Exception):
    """A rule that did not hold; the message is what the person sees."""


class Stopped(BaseException):
    """What is waited for will never come: raised by a check of wait_until to end the wait."""


class TimeUp(BaseException):
    """The test's own time limit. No test may catch it by catching Exception."""


class Tests:
    """The tests of one module, in the order in which they are written.

    san: also run with the sanitizer build; san_only: needs it (its clock can be shifted).
    setup_limit: seconds for the fixture.
    """

    def __init__(self, setup=None, san=False, san_only=False, setup_limit=60):
        self.setup, self.san, self.san_only, self.setup_limit = setup, san, san_only, setup_limit
        self.rules = []

    def rule(self, limit=30):
        def register(function):
            self.add(function.__name__, function, limit)
            return function

        return register

    def add(self, name, function, limit=30):
        if any(name == known for known, _, _ in self.rules):
            raise ValueError(f"two tests are named {name}")
        self.rules.append((name, function, limit))


def expect(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: {got!r}, expected {want!r}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what} lacks {part!r}: {text[-600:]!r}")


@contextlib.contextmanager
def time_limit(seconds):
    """Raises TimeUp in the code below after so many seconds."""

    def ring(_signal, _frame):
        raise TimeUp(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wait_until(check, seconds, what, pause=0.02):
    """Polls check() until it is true and returns what it gave; fails after the deadline.

    An exception of check() is an answer "not yet", shown if it stays so.
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            answer = check()
            if answer:
                return answer
            last = None
        except Stopped as stopped:
            raise Failure(f"{what}: {stopped}") from None
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(pause)


def free_port():
    """A port that nobody listens on, outside the range of outgoing connections."""
    while True:
        port = random.randint(20000, 31999)
        with socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            with contextlib.suppress(OSError):
                probe.bind(("::", port))
                return port


def run(*command, check=True, limit=60, env=None, cwd=None, data=None):
    """Runs a program to its end; text in, text out. check: a status other than 0 is a failure."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=limit, env=env, cwd=cwd, check=False,
            stdin=None if data is not None else subprocess.DEVNULL)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed (make test-deps)") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)[:200]}: took longer than {limit} s") from None
    done.stdout = done.stdout.decode(errors="replace")
    done.stderr = done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)[:300]}: status {done.returncode}: {(done.stdout + done.stderr)[-800:]}")
    return done


class Env:
    """Where a module runs: the build under test, a temporary folder, and its processes."""

    def __init__(self, build, root, san):
        self.build, self.root, self.san = os.path.abspath(build), root, san
        # The users of the roles must be able to pass through (the state itself keeps its own walls).
        self.temp = tempfile.mkdtemp(prefix="chancery-e2e-")
        os.chmod(self.temp, 0o711)
        self.children = []
        self.logs = {}

    def program(self, name):
        path = os.path.join(self.build, "bin", name)
        expect(os.access(path, os.X_OK), f"{path} is not built")
        return path

    def environment(self, **more):
        """What programs under test get: nothing of the caller's state, no proxy."""
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("CHANCERY_", "SOFTHSM2_")) and not k.lower().endswith("_proxy")
                 and k not in ("STATE", "PORT", "HTTP_PORT", "BUILD", "LISTEN_FDS", "NOTIFY_SOCKET",
                               "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PIP_CONFIG_FILE")}
        # The roles are not dumpable, so the leak checker cannot look at them; unit tests look for leaks.
        clean["ASAN_OPTIONS"] = "detect_leaks=0"
        clean["UBSAN_OPTIONS"] = "print_stacktrace=1"
        clean["LC_ALL"] = "C.UTF-8"
        clean.update({k: str(v) for k, v in more.items()})
        return clean

    def path(self, *parts):
        return os.path.join(self.temp, *parts)

    def folder(self, name):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, name, *command, env=None, cwd=None, **more):
        """Starts a program that goes on; its output goes to a log shown when a test fails."""
        log = self.path(f"{name}.log")
        self.logs[name] = log
        with open(log, "ab") as out:
            try:
                child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                         stderr=out, env=env or self.environment(), cwd=cwd, **more)
            except FileNotFoundError:
                raise Failure(f"{command[0]} is not installed (make test-deps)") from None
        self.children.append(child)
        return child

    def log_tails(self, size=3000):
        shown = []
        for name, path in self.logs.items():
            with contextlib.suppress(OSError):
                with open(path, "rb") as log:
                    log.seek(max(0, os.path.getsize(path) - size))
                    shown.append(f"--- {name}\n{log.read().decode(errors='replace')}")
        return "\n".join(shown)

    def sanitizer_reports(self):
        """The first sanitizer report in any log, or None. Each log is read from where it was left."""
        for path in self.logs.values():
            with contextlib.suppress(OSError):
                with open(path, "rb") as log:
                    for line in log.read().decode(errors="replace").splitlines():
                        if "Sanitizer" in line and ("ERROR" in line or "SUMMARY" in line) or "runtime error:" in line:
                            return line[:300]
        return None

    def remove(self):
        shutil.rmtree(self.temp, ignore_errors=True)


def session_members(session):
    """Pids of all living processes of a session."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(pid))
    return found
