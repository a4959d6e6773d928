"""A ceremony whose token is unlocked by its custodians: shares that are too few, wrong, of another split, and right."""

import os

from support.ceremony import CRL, PINS, SOFTHSM, Room, closing, files, lines, read, sha256
from support.harness import Tests, contains, equal, expect, run

CUSTODIANS = "".join(f'person "{name} Example" {{ roles = {{ "custodian" }} }}\n' for name in ("Carl", "Dora", "Emma"))


class Vault(Room):
    """The PIN of "root" is in three shares, of which two give it; a module tells when it is tried."""

    def __init__(self, env):
        super().__init__(env)
        self.watched, self.calls = env.path("watched.so"), self.path("calls")
        run("gcc", "-shared", "-fPIC", "-o", self.watched, f'-DSOFTHSM="{SOFTHSM}"', "-I/usr/include/p11-kit-1",
            os.path.join(env.root, "tests", "e2e", "support", "watched_module.c"), "-ldl")
        self.old = self.split("root", "old-shares")
        self.shares = self.split("root", "shares")
        self.others = self.split("backup", "shares-of-others")
        self.write("root.sheet", read(f"{self.shares}/sheet.txt").decode())

    def split(self, token, name):
        """The token's first PIN gives way to one in shares. The tokens are kept as they are then, and put back."""
        folder, pin = self.path(name), self.write(f"{name}.pin", PINS[token] + "\n")
        os.chmod(pin, 0o600)
        with self.tokens_as_now():
            run(self.env.program("chancery"), "token", "pin", "split", "--module", SOFTHSM, "--token", token, "--pin",
                f"file:{pin}", "--shares", "3", "--threshold", "2", "--out", folder, env=self.environment())
            kept = self.path(f"{name}-tokens")
            run("cp", "-a", self.tokens, kept)
        self.kept = {**getattr(self, "kept", {}), name: kept}
        return folder

    def share(self, folder, number):
        return read(f"{folder}/share-{number}.txt").decode().split("\n\n")[1].strip().replace("\n", " ")

    def shared(self, name, *sections):
        """A plan of a root, with the sheet; what it names as module is the one that tells."""
        plan = self.plan(name, self.root(name), CRL.format(issuer=name), CUSTODIANS, *sections, pin="shares:root.sheet")
        return self.write(f"{name}.conf", read(plan).decode().replace(SOFTHSM, self.watched))

    def attended(self, plan, rehearsal, shares, status=0, **more):
        """With the token as the last split left it; how often the PIN was tried as well."""
        self.write("calls", "")
        with self.tokens_as_now():
            self.put_tokens(self.kept["shares"])
            out, shown = self.run(plan, rehearsal, shares=shares, status=status, more={"WATCHED_LOG": self.calls}, **more)
        tried = [line for line in read(self.calls).decode().splitlines() if line.startswith("before C_Login")]
        return out, shown, len(tried)


tests = Tests(Vault, setup_limit=60)


@tests.rule(60)
def the_script_says_who_brings_what(room):
    plan = room.shared("script")
    shown = room.cli("check", plan).stdout
    sheet = dict(line.split(": ") for line in read(room.path("root.sheet")).decode().splitlines()[1:])
    contains(shown, f"2 of the 3 shares of split {sheet['split'][:5]}-{sheet['split'][5:]}", "the script")
    for name in ("Carl", "Dora", "Emma"):
        contains(shown, f"{name} Example brings a share", "the script")
    out = room.rehearse(plan)
    equal(lines(out)[0]["mode"], "rehearsal", "a rehearsal without a share")


@tests.rule(60)
def a_sheet_that_is_not_the_tokens_is_an_error_of_the_plan(room):
    def refused(sheet, says):
        text = read(room.shared("refused")).decode().replace("root.sheet", sheet)
        done = room.cli("check", room.write("refused.conf", text), status=2)
        contains(done.stderr, says, f"the refusal of {sheet}")
        contains(done.stderr, "refused.conf:", "the refusal")
        return room.cli("rehearse", room.path("refused.conf"), "--out", room.new("refused"), status=2)

    refused("none.sheet", "none.sheet")
    room.write("others.sheet", read(f"{room.others}/sheet.txt").decode())
    refused("others.sheet", "the sheet of another token")
    room.write("broken.sheet", read(room.path("root.sheet")).decode().replace("threshold: 2", "threshold: 4"))
    refused("broken.sheet", "broken.sheet: ")
    room.write("so.sheet", read(room.path("root.sheet")).decode().replace("pin: user", "pin: so"))
    refused("so.sheet", "an SO PIN")
    text = read(room.shared("refused")).decode().replace(CUSTODIANS, "")
    contains(room.cli("check", room.write("refused.conf", text), status=2).stderr, "nobody is a custodian", "the refusal")


@tests.rule(60)
def too_few_shares_try_no_pin_and_leave_nothing(room):
    plan = room.shared("too-few")
    out, shown, tried = room.attended(plan, room.rehearse(plan), [room.share(room.shares, 3), ""], status=1)
    contains(shown, "too few shares: 1 of the 2", "the refusal")
    equal(tried, 0, "how often the PIN was tried")
    expect(not os.path.exists(out), "something was begun")


@tests.rule(60)
def a_wrong_share_is_named_before_the_right_ones_unlock_the_token(room):
    plan = room.shared("unlocked")
    right, first = room.share(room.shares, 2), room.share(room.shares, 1)
    digit = "7" if right[22] != "7" else "8"
    typed = [right[:22] + digit + right[23:], room.share(room.old, 1), room.share(room.others, 1), right, right,
             first.lower().replace(" ", "")]
    out, shown, tried = room.attended(plan, room.rehearse(plan), typed)
    for says in ("look at group 5", "this is share 1 of another split", "share 2 was given already",
                 "PIN of token root: 2 of 2 shares are there"):
        contains(shown, says, "what was shown")
    equal(shown.count("this is share 1 of another split"), 2, "shares of other splits that were named")
    # People may attest with tokens of the same module: it is left meanwhile, and entered once more to sign the end.
    equal(tried, 2, "how often the PIN was tried")
    for text in (right, first, first.lower().replace(" ", "")):
        expect(text not in shown, "a share is shown")
    room.verify(out, closing(out))
    contains(" ".join(files(out)), "inputs/root.sheet", "what is kept")
    told = lines(out)
    equal([line["source"] for line in told if line["event"] == "pin"], ["shares"], "where the PIN came from")
    contains([(line["file"], line["sha256"]) for line in told if line["event"] == "input"],
             ("root.sheet", sha256(read(room.path("root.sheet")))), "what was read")


@tests.rule(60)
def a_run_that_is_resumed_asks_for_shares_again(room):
    plan = room.shared("resumed")
    rehearsal = room.rehearse(plan)
    shares = [room.share(room.shares, number) for number in (1, 2)]
    room.write("calls", "")
    with room.tokens_as_now():
        room.put_tokens(room.kept["shares"])
        more = {"WATCHED_LOG": room.calls}
        out, _ = room.run(plan, rehearsal, shares=shares, status=1, wrong={"the first four of them: ": "no"}, more=more)
        room.run(plan, rehearsal, "--resume", out=out, shares=shares[::-1], more=more)
    room.verify(out, closing(out))
