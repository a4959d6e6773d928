"""What goes wrong in operation: the token, the disk, the store, a second server, the processes."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time

from support import csr
from support.client import Raw, refused
from support.harness import Failure, Tests, contains, equal, expect, run, wait_until
from support.kills import KeptTokens, kill_all, kill_role
from support.server import CA, children, with_option


SECONDS = 5  # a request's total deadline here


def setup(env):
    ca = CA(env, config=lambda text: with_option(text, "listen", "request-seconds", SECONDS))
    ca.admin = ca.client()
    ca.key = csr.EcKey(1)
    return ca


tests = Tests(setup, san=True)


def request(ca, name="ops.test"):
    return csr.for_names(ca.key, name)


def post(ca, **more):
    """One request on a connection of its own."""
    client = ca.client(timeout=20)
    try:
        return client.post_csr(request(ca), **more)
    finally:
        client.close()


def issues_again(ca, seconds=15):
    wait_until(lambda: post(ca).status == 201, seconds, "issuing again")


def token_folder(ca):
    for name in os.listdir(ca.file("token")):
        path = ca.file("token", name)
        if os.path.isfile(path) and name.endswith(".conf"):
            with open(path, encoding="utf-8") as file:
                found = re.search(r"directories\.tokendir\s*=\s*(\S+)", file.read())
            if found:
                return os.path.join(ca.state, found[1])
    raise Failure("no SoftHSM2 configuration in token/")


# ---- the token ----

@tests.rule(60)
def issuing_waits_for_a_token_that_is_gone_and_all_else_goes_on(ca):
    folder = token_folder(ca)
    away = os.path.join(ca.file("token"), "away")
    serial = ca.admin.issue(request(ca))[1]
    os.rename(folder, away)
    try:
        wait_until(lambda: post(ca).status == 503, 20, "a refusal")
        refused(post(ca), 503, "token-unavailable")
        equal(ca.client().get(f"/api/v1/certificates/{serial}").status, 200, "reading")
        equal(ca.http().get("/crl/issuing-1.crl").status, 200, "the CRL")
        health = ca.health()
        equal(health.status, 503, "readyz")
        expect(health.json()["token"]["state"] != "up", f"health: {health.text}")
        equal(ca.health("/healthz").status, 200, "healthz")
    finally:
        os.rename(away, folder)
    issues_again(ca)
    wait_until(lambda: ca.health().status == 200, 10, "readiness")
    # A revocation made meanwhile would be on a list by now: the signer still signs CRLs too.
    ca.cli("crl", "now", "issuing-1")


@tests.rule(60)
def a_revocation_without_the_token_is_recorded_and_listed_later(ca):
    folder, away = token_folder(ca), os.path.join(ca.file("token"), "away")
    ca.admin.close()  # it was idle for longer than the server keeps a connection
    serial = ca.admin.issue(request(ca))[1]
    os.rename(folder, away)
    try:
        wait_until(lambda: post(ca).status == 503, 20, "a refusal")
        equal(ca.client().revoke(serial).status, 200, "revocation without the token")
    finally:
        os.rename(away, folder)

    def listed():
        return serial.upper() in run("openssl", "crl", "-noout", "-text", "-in", ca.crl("issuing-1")).stdout.upper()

    wait_until(listed, 20, "the serial on the CRL")


@tests.rule(60)
def a_pin_changed_under_a_running_server_is_used_at_its_next_login(ca):
    folder, away = token_folder(ca), os.path.join(ca.file("token"), "away")
    equal(ca.cli("token", "pin", "change", "issuing").stderr, "", "what is said of the running server")
    os.rename(folder, away)
    wait_until(lambda: ca.json("token", "status", status=3)["tokens"], 10, "the loss of the token")
    os.rename(away, folder)
    ca.admin.close()
    issues_again(ca)
    wait_until(lambda: ca.health().status == 200, 10, "readiness")
    expect("pin-refused" not in ca.health().text, "the new PIN was not used")


@tests.rule(60)
def a_wrong_pin_is_tried_once_and_reads_go_on(ca):
    equal(ca.stop(), 0, "exit status")
    ca.admin.close()
    path = ca.file("token", "issuing.pin")
    with open(path, "r+", encoding="ascii") as file:
        right = file.read()
        file.seek(0)
        file.write("0" * len(right.strip()) + "\n")
        file.truncate()
    try:
        ca.start(wait=False)
        wait_until(lambda: ca.health().status, 20, "an answer")
        health = wait_until(lambda: ca.health() if "pin-refused" in ca.health().text else None, 10, "the refused PIN")
        equal(health.status, 503, "readyz")
        refused(post(ca), 503, "token-unavailable")
        equal(ca.client().get("/api/v1/certificates?limit=1").status, 200, "reading")
        # A restarted signer does not try it again.
        kill_role(ca, "signer")
        wait_until(lambda: "pin-refused" in ca.health().text, 15, "the refused PIN after a restart")
        # Nor does one of another start; a person asks for it, and it is tried once.
        equal(ca.stop(), 0, "exit status")
        ca.start(wait=False)
        wait_until(lambda: "pin-refused" in ca.health().text, 20, "the refused PIN after another start")
        contains(ca.cli("token", "pin", "retry", "issuing", status=1).stderr, "refuses this PIN", "the refusal")
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(right)
    equal(ca.json("token", "pin", "retry", "issuing")["state"], "up", "the token with its PIN")
    wait_until(lambda: ca.health().status == 200, 10, "readiness")
    entries = [json.loads(row["entry"]) for row in ca.client().get("/api/v1/audit?after=0&limit=500").json()["entries"]]
    equal(sum(entry["event"] == "token.pin-refused" for entry in entries), 2, "refused PINs in the log")
    issues_again(ca)


# ---- the disk ----

def filler(path, leave):
    """Takes all of the file system but `leave` octets."""
    free = os.statvfs(os.path.dirname(path))
    size = free.f_bavail * free.f_frsize - leave
    if size > 0:
        with open(path, "wb") as file:
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, size)


def a_full_disk_stops_issuing_and_nothing_else(ca):
    mount = ca.env.folder("small-disk")
    run("mount", "-t", "tmpfs", "-o", "size=320m,mode=0711", "none", mount)
    small = None
    try:
        small = CA(ca.env, "small", state=os.path.join(mount, "state"))
        small.key = ca.key
        serials = [small.client().issue(request(small))[1] for _ in range(3)]
        fill = os.path.join(mount, "filler")
        filler(fill, 1 << 20)  # the reserve of 64 MiB is a file: what is free beside it counts
        wait_until(lambda: post(small).status == 503, 10, "a refusal")
        refused(post(small), 503, "store-full")
        expect("full" in small.health().text, f"health: {small.health().text}")
        equal(small.client().revoke(serials[0]).status, 200, "revocation on a full disk")
        equal(small.client().get(f"/api/v1/certificates/{serials[1]}").status, 200, "reading")

        def listed():
            text = run("openssl", "crl", "-noout", "-text", "-in", small.crl("issuing-1")).stdout
            return serials[0].upper() in text.upper()

        wait_until(listed, 15, "the serial on the CRL")
        filler(os.path.join(mount, "filler-2"), 0)
        equal(small.client().revoke(serials[1]).status, 200, "revocation with no octet left")
        for name in ("filler", "filler-2"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(mount, name))
        issues_again(small)
        equal(small.stop(), 0, "exit status")
        small.store_check()
    finally:
        if small and small.server:
            kill_all(small)
        run("umount", "-l", mount, check=False)


if os.getuid() == 0:  # nobody else may mount a small tmpfs
    tests.add("a_full_disk_stops_issuing_and_nothing_else", a_full_disk_stops_issuing_and_nothing_else, 90)


# ---- the store ----

def rewrite_store(store, change):
    """The store with its dump changed, as another version of the server would have left it."""
    changed = change(run("mdb_dump", "-a", store).stdout)
    for name in ("data.mdb", "lock.mdb"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(store, name))
    run("mdb_load", store, data=changed.encode())
    owner = os.stat(store)
    for name in os.listdir(store):
        os.chown(os.path.join(store, name), owner.st_uid, owner.st_gid)


def with_format(dump, number):
    changed, count = re.subn(r"( 666f726d6174\n )[0-9a-f]{8}\n", rf"\g<1>{number:08x}\n", dump)
    equal(count, 1, "format records in the store")
    return changed


@tests.rule(60)
def a_store_of_a_newer_format_is_left_alone(ca):
    newer = CA(ca.env, "newer", start=False)
    store = newer.file("store")
    rewrite_store(store, lambda dump: with_format(dump, 99))
    with open(os.path.join(store, "data.mdb"), "rb") as file:
        before = file.read()
    done = newer.cli("store", "check", check=False)
    equal(done.returncode, 4, f"status of store check ({done.stderr})")
    contains(done.stdout + done.stderr, "99", "store check names the format")
    newer.start(wait=False)
    wait_until(lambda: "format 99" in newer.log(), 15, "the refusal in the log")
    newer.stop()
    with open(os.path.join(store, "data.mdb"), "rb") as file:
        expect(file.read() == before, "the store was changed")


# What format 2 brought.
NEW_IN_2 = {"orders", "authorizations", "organizations", "organization-versions", "statements", "deliveries",
            "by-ordered", "by-status", "by-due", "by-serial", "by-delivery", "by-lapse"}


def as_format_1(dump):
    sections = re.findall(r"VERSION=3\n.*?DATA=END\n", dump, re.DOTALL)
    kept = [section for section in sections if re.search(r"^database=(.*)$", section, re.M).group(1) not in NEW_IN_2]
    equal(len(sections) - len(kept), len(NEW_IN_2), "databases that format 2 brought")
    return with_format("".join(kept), 1)


@tests.rule(60)
def a_store_of_an_older_format_is_checked_as_it_is_and_brought_up_to_date_by_the_server(ca):
    older = CA(ca.env, "older", start=False)
    older.key = ca.key
    store = older.file("store")
    rewrite_store(store, as_format_1)
    older.store_check()
    older.cli("store", "backup", older.file("backup-1"))
    older.start()
    contains(older.log(), "brought up to the present format", "the server's log")
    issues_again(older)
    equal(older.stop(), 0, "exit status")
    older.store_check()
    names = set(re.findall(r"^database=(.*)$", run("mdb_dump", "-a", store).stdout, re.M))
    equal(NEW_IN_2 - names, set(), "databases that are missing")
    older.cli("store", "check", older.file("backup-1"))


@tests.rule()
def a_second_server_on_the_same_state_is_refused(ca):
    before = ca.roles()
    done = run(ca.env.program("chanceryd"), "--config", ca.file("chancery.conf"), check=False, limit=15,
               env=ca.env.environment())
    expect(done.returncode not in (0, -6, -11), f"status {done.returncode}")
    expect(re.search(r"already|another|running|in use|lock", done.stderr, re.I), f"says {done.stderr[-300:]}")
    equal(ca.roles(), before, "the first server's processes")
    equal(ca.health().status, 200, "readyz")
    issues_again(ca)


@tests.rule()
def a_taken_port_is_named(ca):
    other = CA(ca.env, "taken", start=False)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", other.port))
        holder.listen()
        done = run(other.env.program("chanceryd"), "--config", other.file("chancery.conf"), check=False, limit=15,
                   env=other.env.environment())
    expect(done.returncode not in (0, -6, -11), f"status {done.returncode}")
    contains(done.stderr, str(other.port), "the message")


# ---- the processes ----

@tests.rule(60)
def published_files_are_served_while_the_signer_is_away(ca):
    plain, secure = ca.http(), ca.client(identity=None)
    equal(secure.get("/crl/issuing-1.crl").status, 200, "before")
    kept, pid = KeptTokens(ca), ca.roles()["signer"]
    os.kill(pid, signal.SIGKILL)
    for _ in range(20):
        for path in ("/crl/issuing-1.crl", "/ca/roots.pem", "/audit/head"):
            equal(plain.get(path).status, 200, f"{path} over HTTP")
            equal(secure.get(path).status, 200, f"{path} over HTTPS")
        time.sleep(0.01)
    equal(secure.connections, 1, "connections: the front went on")
    wait_until(lambda: ca.roles().get("signer", pid) != pid, 10, "a new signer")
    kept.put_back()
    issues_again(ca)


@tests.rule(60)
def a_kept_connection_survives_the_signers_death(ca):
    """The session is opened anew for the same client, without a new handshake."""
    client = ca.client()
    client.issue(request(ca))
    front = ca.roles()["front"]
    kill_role(ca, "signer")
    wait_until(lambda: client.post_csr(request(ca)).status == 201, 15, "issuing on the kept connection")
    equal(client.connections, 1, "connections of the client")
    equal(ca.roles()["front"], front, "the front's process")


@tests.rule(90)
def a_signer_that_hangs_costs_no_more_than_the_deadline(ca):
    """Stopped, not dead: requests end in 503 in time, files go on, and nothing is lost when it wakes."""
    pid, body = ca.roles()["signer"], request(ca, "hang.test")
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = ca.client(timeout=60).post_csr(body, idempotency="while-it-hangs")
        refused(answer, 503, "busy", "token-unavailable")
        took = time.monotonic() - began
        expect(took < SECONDS + 5, f"the refusal took {took:.1f} s, with a deadline of {SECONDS} s")
        equal(ca.health().status, 503, "readyz")
        equal(ca.http().get("/crl/issuing-1.crl").status, 200, "the CRL")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: ca.health().status == 200, 20, "readiness")
    first = wait_until(lambda: ca.client().issue(body, idempotency="while-it-hangs"), 10, "the answer to the same key")
    equal(ca.client().issue(body, idempotency="while-it-hangs"), first, "the answer once more")
    ca.store_check()


@tests.rule(60)
def clients_that_leave_early_cost_nothing(ca):
    """Two hundred requests whose clients are gone before the answer."""
    body = request(ca, "leaver.test")
    head = (f"POST /api/v1/certificates?profile=server-dv HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    for turn in range(200):
        connection = Raw(ca.port, ca.context("admin"))
        connection.send(head + (body if turn % 2 else body[:50]))
        connection.plain.close() if turn % 3 else connection.close()

    def settled():
        metrics = ca.client(identity=None).get("/metrics").text
        return re.search(r"^chancery_signer_in_flight 0$", metrics, re.M)

    wait_until(settled, 20, "an end of what is in flight")
    issues_again(ca)
    ca.store_check()


@tests.rule(60)
def a_killed_front_comes_back(ca):
    kill_role(ca, "front")
    issues_again(ca)
    equal(ca.http().get("/crl/issuing-1.crl").status, 200, "plain HTTP")
    ca.store_check()


@tests.rule(60)
def a_killed_supervisor_leaves_nothing_behind(ca):
    """Without their supervisor the roles leave, and a new server can start at once."""
    pids = [ca.server.pid, *ca.roles().values()]
    ca.server.kill()
    ca.server.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]), 20, "the end of the roles")
    ca.start()
    issues_again(ca)
    ca.store_check()


@tests.rule(60)
def a_stop_finishes_what_is_in_flight(ca):
    """Every request gets an answer or none was taken; what was answered is in the store."""
    serials, strange, stop = [], [], threading.Event()

    def load():
        client = ca.client()
        while not stop.is_set():
            try:
                answer = client.post_csr(request(ca))
            except OSError:
                return
            except Exception as error:  # pylint: disable=broad-except
                if "Remote" not in type(error).__name__ and "Status" not in type(error).__name__:
                    strange.append(repr(error))
                return
            if answer.status == 201:
                serials.append(answer.headers["Location"].rpartition("/")[2])
            elif answer.status != 503:
                strange.append(repr(answer))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(serials) > 20, 20, "load")
    equal(ca.stop(), 0, "exit status")
    stop.set()
    for thread in threads:
        thread.join()
    equal(strange, [], "answers that are neither 201 nor 503")
    ca.store_check()
    ca.start()
    for serial in serials:
        equal(ca.client().get(f"/api/v1/certificates/{serial}").status, 200, f"certificate {serial}")


@tests.rule(60)
def control_c_in_a_terminal_stops_in_order(ca):
    """SIGINT reaches the whole foreground group."""
    other = CA(ca.env, "interrupt", start=False)
    other.server = other.env.start("interrupt", other.env.program("chanceryd"), "--config", other.file("chancery.conf"),
                                   env=other.env.environment(), process_group=0)
    other.wait_ready()
    pids = [other.server.pid, *other.roles().values()]
    os.killpg(other.server.pid, signal.SIGINT)
    equal(other.server.wait(20), 0, "exit status")
    expect(not any(os.path.exists(f"/proc/{pid}") for pid in pids[1:]), "a role was left")
    other.server = None
    other.store_check()


@tests.rule(60)
def systemd_hears_when_it_is_ready_and_when_it_stops(ca):
    other = CA(ca.env, "notify", start=False)
    path = ca.env.path("notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.settimeout(30)
        other.start(wait=False, NOTIFY_SOCKET=path)
        heard = b""
        while b"READY=1" not in heard:
            heard += listener.recv(4096) + b"\n"
        equal(other.health().status, 200, "readyz at READY=1")
        equal(other.stop(), 0, "exit status")
        while b"STOPPING=1" not in heard:
            heard += listener.recv(4096) + b"\n"


@tests.rule(60)
def it_takes_listeners_by_socket_activation(ca):
    other = CA(ca.env, "activated", start=False)
    sockets = []
    for port in (other.port, other.http_port):
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.listen(64)
        sockets.append(holder)
    # Numbers that the shell can name: a redirection takes one digit.
    script = ('exec 3<&$A 4<&$B; exec env LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=https:http '
              '"$0" --config "$1"')
    env = other.env.environment(A=sockets[0].fileno(), B=sockets[1].fileno())
    other.server = other.env.start("activated", "bash", "-c", script, other.env.program("chanceryd"),
                                   other.file("chancery.conf"), env=env,
                                   pass_fds=[holder.fileno() for holder in sockets])
    for holder in sockets:
        holder.close()
    other.wait_ready()
    equal(other.http().get("/ca/roots.pem").status, 200, "plain HTTP")
    equal(other.stop(), 0, "exit status")


def closed_up(ca):
    """No process of the server gains privileges, leaves a core, or can be looked into by its own user."""
    for name, pid in {"supervisor": ca.server.pid, **ca.roles()}.items():
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            contains(file.read(), "NoNewPrivs:\t1", name)
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            expect(re.search(r"Max core file size\s+0\s+0", file.read()), f"{name}: core dumps are allowed")
        # What cannot be dumped is root's in /proc. (LeakSanitizer needs to look.)
        expect(ca.env.san or os.stat(f"/proc/{pid}/environ").st_uid == 0, f"{name} can be looked into by its user")


def nobody_runs_it_just_as_closed(ca):
    """Started without root: one user for all, and the log says so."""
    other = CA(ca.env, "nobody", start=False)
    other.key = ca.key
    program = shutil.copy(other.env.program("chanceryd"), ca.env.path("chanceryd"))
    run("chown", "-R", "nobody", other.state)
    other.server = other.env.start("nobody", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", program,
                                   "--config", other.file("chancery.conf"), env=other.env.environment())
    other.wait_ready()
    contains(other.log(), "the walls are thinner", "the log")
    closed_up(other)
    other.client().issue(request(other))
    equal(other.stop(), 0, "exit status")


if os.getuid() == 0:
    tests.add("nobody_runs_it_just_as_closed", nobody_runs_it_just_as_closed, 60)


@tests.rule()
def the_walls_stand(ca):
    """Front and validator have no file of token or store open; nobody shows a PIN; signer and validator listen nowhere."""
    closed_up(ca)
    roles = wait_until(lambda: ca.roles() if len(ca.roles()) == 3 else None, 10, "all roles")
    equal(sorted(roles), ["front", "signer", "validator"], "roles")
    for role, pid in roles.items():
        try:
            opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
                maps = file.read()
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except PermissionError:  # not dumpable: even its own user may not look
            expect(os.getuid() != 0, f"root may not look at the {role}")
            continue
        expect(os.getuid() == 0, f"the {role} can be looked at by its user")
        if role != "signer":
            for path in opened:
                expect(not re.search("/store/|/token/|memfd:", path), f"the {role} has {path}")
            expect("softhsm" not in maps and "data.mdb" not in maps, f"the {role} has loaded the token or the store")
        with open(ca.file("token", "issuing.pin"), "rb") as file:
            expect(file.read().strip() not in environment, f"{role}: a PIN in the environment")
    listening = run("ss", "-ltnp").stdout
    for line in listening.splitlines():
        for role in ("signer", "validator"):
            expect(f"pid={roles[role]}," not in line, f"the {role} listens: {line}")


@tests.rule()
def the_supervisor_runs_no_thread_and_few_children(ca):
    equal(len(os.listdir(f"/proc/{ca.server.pid}/task")), 1, "threads of the supervisor")
    wait_until(lambda: len(children(ca.server.pid)) == 3, 10, "three children of the supervisor")


@tests.rule()
def the_store_agrees_after_all(ca):
    ca.store_check()
