#!/usr/bin/python3
"""Runs the end-to-end tests: real programs, real clients, against a finished build.

    python3 tests/e2e/run.py --build build [--san-build build/san] [-k PATTERN] [-v] [--list] [--jobs N]

Each module runs in a process and session of its own, so that whatever it started can be
ended by that session. Prints `ok NAME (s)` or `FAIL NAME: why`, and last how many.
"""

import argparse
import contextlib
import glob
import importlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from support import harness  # noqa: E402

LIVING = set()  # sessions of modules that run now
GRACE = 20  # seconds beyond a test's own limit until its whole session is killed


class Job:
    """One module with one build, and which of its tests are wanted."""

    def __init__(self, module, build, san, pattern):
        self.tests = importlib.import_module(module).tests
        self.build, self.san = build, san
        self.name = module.removeprefix("test_") + ("[san]" if san else "")
        self.rules = [(f"{self.name}.{name}", function, limit) for name, function, limit in self.tests.rules
                      if re.search(pattern, f"{self.name}.{name}")]


def collect(arguments):
    jobs = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = os.path.basename(path).removesuffix(".py")
        tests = importlib.import_module(module).tests
        if not tests.san_only:
            jobs.append(Job(module, arguments.build, False, arguments.k))
        if arguments.san_build and (tests.san or tests.san_only):
            jobs.append(Job(module, arguments.san_build, True, arguments.k))
    jobs = [job for job in jobs if job.rules]
    # The long ones first, so that the last of two workers does not end alone.
    jobs.sort(key=lambda job: -sum(limit for _, _, limit in job.rules))
    return jobs


def describe(error, verbose):
    if isinstance(error, (harness.Failure, harness.TimeUp)) and not verbose:
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{os.path.basename(f.filename)}:{f.lineno}" for f in frames if f.filename.startswith(HERE)]
    return f"{type(error).__name__}: {error} [{' '.join(where[-4:])}]"


def child(job, out, verbose):
    """In the module's own process: fixture, tests, a line of JSON for each thing that happens."""

    def tell(**what):
        os.write(out, (json.dumps(what) + "\n").encode())

    env = harness.Env(job.build, ROOT, job.san)
    fixture, broken = None, None
    tell(event="start", name=f"{job.name}.setup", limit=job.tests.setup_limit, temp=env.temp)
    try:
        with harness.time_limit(job.tests.setup_limit):
            fixture = job.tests.setup(env) if job.tests.setup else env
    except (Exception, harness.TimeUp) as error:  # pylint: disable=broad-except
        broken = f"setup: {describe(error, verbose)}"
        report = env.sanitizer_reports()
        broken += f" (sanitizer: {report})" if report else ""
    for name, function, limit in job.rules:
        limit = limit * 4 if job.san else limit
        tell(event="start", name=name, limit=limit)
        began, why = time.monotonic(), broken
        if not broken:
            try:
                with harness.time_limit(limit):
                    function(fixture)
                report = env.sanitizer_reports() if job.san else None
                if report:
                    why = broken = f"sanitizer: {report}"
            except (Exception, harness.TimeUp) as error:  # pylint: disable=broad-except
                why = describe(error, verbose) or type(error).__name__
        # A fixture that never came up has one log and one reason, shown once.
        again = why is not None and why == broken and name != job.rules[0][0]
        logs = env.log_tails() if why and not again else ""
        why = f"not run: see {job.rules[0][0]}" if again and fixture is None else why
        tell(event="end", name=name, seconds=time.monotonic() - began, why=why, logs=logs)
    tell(event="done")


def end_session(session):
    for _ in range(50):
        members = harness.session_members(session)
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def clear_away(temp):
    """Removes a module's folder, and first what is still mounted below it."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        below = [line.split()[1] for line in mounts if line.split()[1].startswith(temp + "/")]
    for point in reversed(below):
        subprocess.run(["umount", "-l", point], check=False)
    shutil.rmtree(temp, ignore_errors=True)


class Printer:
    """Counts and prints; one lock, since two modules may run at once."""

    def __init__(self, verbose):
        self.lock, self.verbose = threading.Lock(), verbose
        self.passed, self.failed = 0, 0

    def result(self, name, seconds, why, logs=""):
        with self.lock:
            if why is None:
                self.passed += 1
                print(f"ok {name} ({seconds:.1f} s)", flush=True)
                return
            self.failed += 1
            print(f"FAIL {name}: " + " ".join(why.split()), flush=True)
            if logs:
                print("    " + logs.replace("\n", "\n    "), flush=True)


def watch(job, reader, pid, printer):
    """Reads what the module's process tells; kills its session when a limit has passed."""
    waiting = [name for name, _, _ in job.rules]
    current, deadline, began = f"{job.name}.setup", time.monotonic() + 60, time.monotonic()
    pending, temp, done = b"", None, False
    while not done:
        ready, _, _ = select.select([reader], [], [], max(0, deadline - time.monotonic()))
        chunk = os.read(reader, 65536) if ready else b""
        if not chunk:
            why = "its process ended" if ready else "took much longer than its limit and was killed"
            break
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["event"] == "start":
                current, began = event["name"], time.monotonic()
                deadline = began + event["limit"] + GRACE
                temp = event.get("temp", temp)
            elif event["event"] == "end":
                waiting.remove(event["name"])
                printer.result(event["name"], event["seconds"], event["why"], event["logs"])
            else:
                done = True
    end_session(pid)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    if not done:
        for name in waiting:
            printer.result(name, 0, why if name == current else f"not run: {current} {why}")
    return temp


def run_job(job, printer, keep):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            os.close(reader)
            child(job, writer, printer.verbose)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(writer)
    LIVING.add(pid)
    temp = watch(job, reader, pid, printer)
    LIVING.discard(pid)
    os.close(reader)
    if temp and not keep:
        clear_away(temp)
    elif temp:
        print(f"# {job.name}: kept {temp}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="end-to-end tests")
    parser.add_argument("--build", default="build", help="folder of the build under test")
    parser.add_argument("--san-build", help="folder of the sanitizer build")
    parser.add_argument("-k", default="", help="only tests whose name matches this regular expression")
    parser.add_argument("-v", action="store_true", help="say where each failure is")
    parser.add_argument("--list", action="store_true", help="name the tests, run none")
    parser.add_argument("--jobs", type=int, default=2, help="modules at once (2)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folders")
    arguments = parser.parse_args()
    jobs = collect(arguments)
    if arguments.list:
        for job in jobs:
            for name, _, _ in job.rules:
                print(name)
        return 0

    printer = Printer(arguments.v)
    queue, lock = list(jobs), threading.Lock()

    def work():
        while True:
            with lock:
                if not queue:
                    return
                job = queue.pop(0)
            run_job(job, printer, arguments.keep)

    def stop(number, _frame):
        for session in list(LIVING):
            end_session(session)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    workers = [threading.Thread(target=work) for _ in range(max(1, arguments.jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"e2e: {printer.passed} passed, {printer.failed} failed")
    return 0 if printer.failed == 0 and printer.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
