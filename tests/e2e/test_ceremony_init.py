"""The ceremony that `chancery init` holds by itself: proved by its directory, and finished whenever it was cut off."""

import glob
import json
import os
import re
import shutil
import signal

from support.harness import Tests, contains, equal, expect, run
from support.server import CA
from support.tokens import CONF, SOFTHSM, Ground, running


class House:
    def __init__(self, env):
        self.env = env
        # To a program that is killed the disk makes no difference, and waiting for it would be most of the time. Where this
        # may not be mounted it only takes longer.
        self.memory = env.folder("memory")
        run("mount", "-t", "tmpfs", "-o", "size=256m", "none", self.memory, check=False)
        self.library = env.path("stop_at.so")
        run("gcc", "-shared", "-fPIC", "-o", self.library,
            os.path.join(env.root, "tests", "e2e", "support", "stop_at.c"), "-ldl")

    def init(self, state, *words, check=True, **environment):
        done = run(self.env.program("chancery"), "init", "--state", state, "--org", "Example", *words, check=False,
                   env=self.env.environment(**environment))
        expect(not check or done.returncode == 0, f"init: status {done.returncode}: {done.stderr[-600:]}")
        return done

    def stopped(self, state, moment):
        """init, ended at this moment; True where that came before its end."""
        shutil.rmtree(state, ignore_errors=True)
        done = self.init(state, check=False, LD_PRELOAD=self.library, STOP_AT=str(moment))
        # A child that is ended has the command say so.
        expect(done.returncode in (0, 3, -signal.SIGKILL), f"status {done.returncode} at moment {moment}")
        return done.returncode != 0

    def stopped_when(self, state, enough, moment=100):
        """init, ended at the first moment from this one on at which the state is so; returns it."""
        while self.stopped(state, moment):
            if enough():
                return moment
            moment += 2
        raise AssertionError("no such moment")

    def verify(self, state, **more):
        """The ceremony's directory by the closing hash that init kept."""
        with open(f"{state}/ceremony-closing", encoding="ascii") as file:
            closing = file.read()
        done = run(self.env.program("chancery"), "ceremony", "verify", f"{state}/ceremony", "--closing", closing, "--json",
                   check=False, env=self.env.environment())
        equal(done.returncode, more.get("status", 0), f"status of verify ({done.stderr})")
        return json.loads(done.stdout)

    def whole(self, state):
        """All is there and proved, the root is that of the ceremony, and nothing lies about."""
        equal(self.verify(state)["anchored"], True, "anchored")
        expect(not os.path.exists(f"{state}/ceremony-plan"), "the plan's folder is still there")
        equal(read(f"{state}/ceremony/out/root-1.pem"), read(f"{state}/trust/root.pem"), "the root that is trusted")
        equal(read(f"{state}/ceremony/out/issuing-1.pem"), read(f"{state}/published/ca/issuing-1.pem"), "the issuer")
        equal(keys(self.env, state, "root"), ["root-1"], "keys in the root's token")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def lines(state):
    """The transcript's, but for one that is torn."""
    path = f"{state}/ceremony/transcript.jsonl"
    return [json.loads(line) for line in read(path).decode().split("\n")[:-1]] if os.path.exists(path) else []


def has_key(state):
    """The root's key is made, and its certificate not yet."""
    return [line for line in lines(state) if line["event"] == "result"] and not os.path.exists(
        f"{state}/ceremony/out/root-1.pem")


def keys(env, state, label):
    pin = read(f"{state}/token/{label}.pin").decode().strip()
    found = run("p11tool", "--provider", SOFTHSM, "--list-all-privkeys", "--login", "--set-pin", pin,
                f"pkcs11:token={label}", cwd=state, env=env.environment(SOFTHSM2_CONF=CONF)).stdout
    return sorted(line.split()[1] for line in found.splitlines() if "Label:" in line)


tests = Tests(House, setup_limit=60)


@tests.rule(60)
def its_root_is_proved_by_a_directory_and_a_hash(house):
    ca = CA(house.env, "proved", start=False)
    house.whole(ca.state)
    said = ca.json("init")
    equal((said["ceremony"], said["closing"]), (f"{ca.state}/ceremony", house.verify(ca.state)["closing"]),
          "what init says")
    equal(os.stat(ca.file("ceremony")).st_mode & 0o777, 0o700, "mode of the directory")
    begun = lines(ca.state)[0]
    equal((begun["mode"], begun["attended"]), ("run", "no"), "the first line")
    contains(ca.read("ceremony", "transcript.txt"), "attended        no", "the transcript")
    contains(ca.read("ceremony", "plan.conf"), "attended = false", "the plan")
    pin = ca.read("token", "root.pin").strip().encode()
    for path in glob.glob(ca.file("ceremony", "**"), recursive=True):
        expect(not os.path.isfile(path) or pin not in read(path), f"{path} has the PIN")
    ca.start()
    ca.issue("proved-first", "first.test")
    contains(ca.cli("crl", "now", "root-1").stdout, "root-1", "a list that follows the ceremony's")
    ca.cli("audit", "export", "--out", house.env.path("proved.jsonl"))
    ca.cli("audit", "verify", house.env.path("proved.jsonl"))
    imported = [line for line in read(house.env.path("proved.jsonl")).decode().splitlines() if "ceremony.imported" in line]
    equal(len(imported), 1, "imports in the audit log")
    contains(imported[0], said["closing"], "the entry of the import")
    equal(ca.stop(), 0, "exit status of the server")
    ca.store_check()
    # The administrator's is made anew, long after: the ceremony's list is not the present one any more.
    os.remove(ca.file("admin", "cert.pem"))
    ca.cli("init")
    house.whole(ca.state)


@tests.rule(60)
def a_changed_directory_is_found_out(house):
    state = house.env.path("changed")
    house.init(state)
    certificate = f"{state}/ceremony/out/issuing-1.pem"
    with open(certificate, "ab") as file:
        file.write(b"\n")
    with open(f"{state}/ceremony-closing", encoding="ascii") as file:
        closing = file.read()
    done = run(house.env.program("chancery"), "ceremony", "verify", f"{state}/ceremony", "--closing", closing, check=False,
               env=house.env.environment())
    equal(done.returncode, 4, f"status of verify ({done.stderr})")


def add_part(part, parts):
    """The ceremony's own moments closely, those before and behind it now and then."""
    def killed_at_any_moment_it_is_finished_by_running_it_again(house):
        state = os.path.join(house.memory, f"killed-{part}")
        moment, within = 1 + part, 0
        while house.stopped(state, moment):
            inside = os.path.exists(f"{state}/ceremony") and os.path.exists(f"{state}/ceremony-plan")
            within += inside
            house.init(state)
            house.whole(state)
            moment += parts if inside else 6 * parts
        expect(within > 15, f"only {within} moments within the ceremony")

    tests.add(f"killed_at_any_moment_it_is_finished_by_running_it_again_{part + 1}_of_{parts}",
              killed_at_any_moment_it_is_finished_by_running_it_again, 300)


for each in range(3):
    add_part(each, 3)


@tests.rule(180)
def a_ceremony_that_cannot_go_on_is_held_anew(house):
    state = house.env.path("too-late")
    moment = house.stopped_when(state, lambda: has_key(state))
    equal(keys(house.env, state, "root"), ["root-1"], "keys before")
    plan = f"{state}/ceremony-plan/plan.conf"
    text = read(plan).decode()
    with open(plan, "w", encoding="utf-8") as file:
        file.write(re.sub(r'(window-(?:from|to)) = "\d+', r'\1 = "2020', text))
    contains(house.init(state).stderr, "its window is over", "what is said")
    house.whole(state)
    house.stopped_when(state, lambda: has_key(state), moment - 10)
    with open(plan, "a", encoding="utf-8") as file:
        file.write("# another\n")
    contains(house.init(state).stderr, "held anew", "a plan that was changed")
    house.whole(state)


@tests.rule(60)
def a_configuration_that_was_mended_is_the_one_that_is_planned(house):
    """Until the run has begun nothing is settled but chancery.conf."""
    state = house.env.path("mended")
    house.stopped_when(state, lambda: os.path.exists(f"{state}/ceremony-plan/plan.conf")
                       and not os.path.exists(f"{state}/ceremony"))
    text = read(f"{state}/chancery.conf").decode()
    with open(f"{state}/chancery.conf", "w", encoding="utf-8") as file:
        file.write(text.replace("days = 7300", "days = 3650"))
    house.init(state)
    house.whole(state)
    contains(read(f"{state}/ceremony/plan.conf").decode(), "days = 3650", "the plan")


@tests.rule(60)
def another_module_is_named_by_the_plan(house):
    folder = house.env.folder("another-tokens")
    conf = os.path.join(folder, "softhsm2.conf")
    os.makedirs(os.path.join(folder, "tokens"))
    with open(conf, "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    module = shutil.copy(SOFTHSM, os.path.join(folder, "another.so"))
    state = house.env.path("another")
    house.init(state, "--module", module, SOFTHSM2_CONF=conf)
    equal(house.verify(state)["anchored"], True, "anchored")
    plan = read(f"{state}/ceremony/plan.conf").decode()
    contains(plan, module, "the plan")
    expect("softhsm-conf" not in plan, "the plan names a configuration of another module")


@tests.rule(60)
def a_key_that_was_there_before_is_certified_without_a_ceremony(house):
    key = house.env.path("before.pem")
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key)
    ground = Ground(tokens=("root",), keys={"root": {"root-1": key}})
    with running(house.env, "before", prepare=ground) as ca:
        expect(not glob.glob(ca.file("ceremony*")), "a ceremony was held")
        ca.issue("before-first", "first.test")
        equal(run("openssl", "x509", "-in", ca.root, "-noout", "-pubkey").stdout,
              run("openssl", "pkey", "-in", key, "-pubout").stdout, "the root's key")
