"""Ceremonies that end in the middle: the power goes, the stick is full or read-only; each goes on from its folder."""

import json
import os
import re
import signal

from support.ceremony import CRL, PINS, SOFTHSM, Room, closing, files, read
from support.harness import Tests, contains, equal, expect, run


SPARE = """
step "spare" { kind = "key" key = "pkcs11:token=root;object=spare" type = "p256" }
step "gone" { kind = "destroy" key = "pkcs11:token=root;object=spare" }
"""


class StoppedRoom(Room):
    """With a plan of one root, its list and a key that is destroyed again, and a library that ends programs at a moment."""

    def __init__(self, env):
        # To a program that is killed the disk makes no difference, and waiting for it would be most of the time. Where this
        # may not be mounted it only takes longer.
        run("mount", "-t", "tmpfs", "-o", "size=256m", "none", env.folder("room"), check=False)
        super().__init__(env)
        self.library = env.path("stop_at.so")
        run("gcc", "-shared", "-fPIC", "-o", self.library,
            os.path.join(env.root, "tests", "e2e", "support", "stop_at.c"), "-ldl")
        self.simple = self.plan("stopped", self.root("root-1", key_type="p256"), CRL.format(issuer="root-1"), SPARE)
        self.rehearsal = self.rehearse(self.simple)
        self.empty = self.path("tokens-empty")
        run("cp", "-a", self.tokens, self.empty)

    def go_on(self, out):
        """--resume, and a look at the whole."""
        _, shown = self.run(self.simple, self.rehearsal, "--resume", out=out)
        self.verify(out, closing(out))
        equal(files(f"{out}/out"), ["root-1-crl.crl", "root-1.pem"], "what is made")
        there = run("p11tool", "--provider", SOFTHSM, "--list-all-privkeys", "--login", "--set-pin", PINS["root"],
                    "pkcs11:token=root", env=self.environment()).stdout
        equal(sorted(re.findall(r"Label: (\S+)", there)), ["root-1"], "keys in the token")
        return shown


tests = Tests(StoppedRoom, setup_limit=60)


def stopped_at(room, moment):
    """Whether the run was ended at this moment, before it was at its own end."""
    room.put_tokens(room.empty)
    out, shown, status = room.run(room.simple, room.rehearsal, status=None,
                                  more={"LD_PRELOAD": room.library, "STOP_AT": moment})
    expect(status in (0, -signal.SIGKILL), f"status {status} at moment {moment}: {shown[-800:]}")
    if not os.path.exists(out):
        return True  # nothing was begun
    if whole_lines(out) and whole_lines(out)[-1]["event"] != "closed":
        room.verify(out, status=4)
    intents = [line["step"] for line in whole_lines(out) if line["event"] == "intent"]
    made = files(f"{out}/out") if os.path.isdir(f"{out}/out") else []
    for name in made:
        expect(name.endswith(".tmp") or ".pem." in name or name.partition(".")[0] in intents,
               f"{name} is there at moment {moment}, and its intent is not")
    room.go_on(out)
    return status != 0


def whole_lines(out):
    """What is in the transcript, but for a line that is torn."""
    if not os.path.exists(f"{out}/transcript.jsonl"):
        return []
    return [json.loads(line) for line in read(f"{out}/transcript.jsonl").decode().split("\n")[:-1]]


def add_part(part, parts):
    """Every moment that is `part` of so many, in tests of their own: they are many."""
    def a_power_cut_at_any_moment_leaves_what_goes_on(room):
        moment = part + 1
        while stopped_at(room, moment):
            moment += parts
        expect(moment > 60, f"only {moment} moments")

    tests.add(f"a_power_cut_at_any_moment_leaves_what_goes_on_{part + 1}_of_{parts}",
              a_power_cut_at_any_moment_leaves_what_goes_on, 300)


for each in range(4):
    add_part(each, 4)


@tests.rule(limit=120)
def a_full_disk_stops_the_ceremony_and_room_lets_it_go_on(room):
    stopped = 0
    for most in range(4096, 16384, 1024):
        room.put_tokens(room.empty)
        out, shown, status = room.run(room.simple, room.rehearsal, status=None, most_octets=most)
        if status == 0:
            break
        stopped += 1
        contains(shown, "there is no room for", f"a file of at most {most} octets")
        room.go_on(out)
    expect(stopped > 3, f"only {stopped} runs were stopped by a full disk")


@tests.rule(limit=60)
def a_disk_that_is_small_or_read_only_is_told_of(room):
    disk = room.new("disk")
    os.makedirs(disk)
    if os.getuid() != 0 or run("mount", "-t", "tmpfs", "-o", "size=24k", "none", disk, check=False).returncode != 0:
        os.chmod(disk, 0o555)
        _, shown = room.run(room.simple, room.rehearsal, out=f"{disk}/out", status=3)
        contains(shown, "Permission denied", "a folder that takes nothing")
        return
    try:
        room.put_tokens(room.empty)
        out, shown = room.run(room.simple, room.rehearsal, out=f"{disk}/out", status=3)
        contains(shown, "there is no room for", "a full disk")
        run("mount", "-o", "remount,ro", disk)
        _, shown = room.run(room.simple, room.rehearsal, "--resume", out=out, status=3)
        contains(shown, "Read-only file system", "a disk that is read-only")
        run("mount", "-o", "remount,rw,size=1m", disk)
        room.go_on(out)
    finally:
        run("umount", "-l", disk)


@tests.rule(limit=60)
def a_stick_without_links_and_modes_takes_a_ceremony(room):
    """FAT, as sticks have it from the shop."""
    fat, stick = room.path("fat.so"), room.new("stick")
    run("gcc", "-shared", "-fPIC", "-D_FORTIFY_SOURCE=0", "-o", fat,
        os.path.join(room.env.root, "tests", "e2e", "support", "fat.c"), "-ldl")
    os.makedirs(stick)
    more = {"LD_PRELOAD": fat, "FAT": stick}
    room.put_tokens(room.empty)
    rehearsal, out = os.path.join(stick, "rehearsal"), os.path.join(stick, "run")
    room.cli("rehearse", room.simple, "--out", rehearsal, **more)
    room.run(room.simple, rehearsal, out=out, status=1, wrong={"types its label: ": "no"}, more=more)
    room.run(room.simple, rehearsal, "--resume", out=out, more=more)
    equal(oct(os.stat(f"{out}/out/root-1.pem").st_mode & 0o777), "0o755", "a mode that nobody asked for")
    equal([name for name in files(out) if name.endswith(".tmp")], [], "what is left half-written")
    room.verify(out, closing(out))
    pin = room.write("fat.pin", PINS["backup"] + "\n")
    os.chmod(pin, 0o600)
    done = run(room.env.program("chancery"), "token", "pin", "split", "--module", SOFTHSM, "--token", "backup", "--pin",
               f"file:{pin}", "--shares", "3", "--threshold", "2", "--out", os.path.join(stick, "shares"), check=False,
               env=room.environment(**more))
    equal(done.returncode, 3, "status of shares that everybody could read")
    contains(done.stderr, "keeps no modes: mount it with umask=077", "what it says of them")
