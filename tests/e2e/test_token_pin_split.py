"""PINs that M of N people hold: split, typed at a terminal, cut off at every moment, split again; SO PINs, too."""

import contextlib
import json
import os
import re
import shlex
import signal

from support.harness import Tests, contains, equal, expect, run
from support.server import children
from support.terminal import run_at_terminal
from test_token_tools import Rig, SOFTHSM

MISTAKES = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "1234567890BCDEFGHJKMNPQRSTVWXYZA")
SPLIT = ["--shares", "5", "--threshold", "3"]
GO_ON = "go on: "


class House(Rig):
    """The rig of the tools' tests, and folders of shares."""

    def folder(self, name):
        return self.env.path(name)

    def split(self, name, out, *words, status=0, limit=30):
        self.forget_calls()
        return self.cli("token", "pin", "split", name, *(words or SPLIT), "--out", out, status=status,
                        environment=self.watching(), limit=limit)

    def at_terminal(self, words, answers):
        self.forget_calls()
        environment = self.env.environment(CHANCERY_STATE=self.state, **self.watching())
        return run_at_terminal(self.env.program("chancery"), words, environment, answers)

    def without_terminal(self, *words):
        self.forget_calls()
        environment = self.env.environment(CHANCERY_STATE=self.state, **self.watching())
        return run("setsid", "--wait", self.env.program("chancery"), *words, check=False, env=environment)

    def section_pin(self, name, reference):
        """The section of this token, with another reference to its PIN."""
        self.token(name, module=self.watched, pin=reference, init=False)


def columns(shown):
    """The lines that are wider than a terminal of 80 columns."""
    screens = re.sub("\x1b[^A-Z]*[A-Z]", "", shown.replace("\r", ""))
    return [line for line in screens.split("\n") if len(line) > 80]


tests = Tests(House, san=True, setup_limit=90)


def share(folder, number):
    """The text of a share, as it stands on its paper."""
    with open(os.path.join(folder, f"share-{number}.txt"), encoding="ascii") as file:
        return file.read().split("\n\n")[1].strip()


def one_line(folder, number):
    return share(folder, number).replace("\n", " ")


def mode(path):
    return oct(os.stat(path).st_mode & 0o7777)


def split_token(house, name, *words):
    """A token of this name, its PIN in five shares, of which three give it."""
    house.token(name, module=house.watched)
    folder = house.folder(f"{name}-shares")
    return folder, house.split(name, folder, *words)



# ---- splitting ----

@tests.rule()
def a_split_writes_shares_sets_the_pin_and_tries_it(house):
    folder, done = split_token(house, "first")
    equal(house.calls(), ["C_SetPIN", "C_Login"], "calls")
    equal(sorted(os.listdir(folder)), [f"share-{i}.txt" for i in range(1, 6)] + ["sheet.txt"], "files")
    equal([mode(os.path.join(folder, name)) for name in ("share-1.txt", "share-5.txt", "sheet.txt", ".")],
          ["0o600", "0o600", "0o644", "0o700"], "modes")
    for number in range(1, 6):
        expect(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}[ \n]?){12}", share(folder, number)), "a share's form")
        expect(share(folder, number).split()[5] not in done.stdout + done.stderr, "a share is printed")
    contains(done.stdout, "5 shares, of which any 3 give it", "what it says")
    expect(not house.logs_in("first"), "the PIN of before is still the token's")


@tests.rule()
def a_split_tells_machines_where_everything_is(house):
    house.token("told", module=house.watched)
    folder = house.folder("told-shares")
    told = json.loads(house.split("told", folder, *SPLIT, "--json").stdout)
    equal((told["token"], told["pin"], told["shares"], told["threshold"], told["completed"]),
          ("told", "user", 5, 3, False), "what it tells")
    equal(told["reference"], f"shares:{folder}/sheet.txt", "the reference")


@tests.rule(60)
def any_three_custodians_unlock_the_token_at_a_terminal(house):
    folder, _ = split_token(house, "strongroom")
    house.section_pin("strongroom", f"shares:{folder}/sheet.txt")
    for chosen in ((1, 2, 3), (5, 1, 4)):
        answers = [one_line(folder, number) for number in chosen]
        words = ["token", "keygen", "strongroom", "--label", f"key-{chosen[0]}"]
        status, shown = house.at_terminal(words, answers)
        equal(status, 0, shown)
        equal(house.calls(), ["C_Login"], "one login")
        equal(shown.count("\x1b[2J"), 4, "how often the screen is cleared")
        contains(shown, "PIN of token strongroom: 3 of the 5 shares of split", "what it shows")
        equal(columns(shown.split("pkcs11:")[0]), [], "lines of more than 80 columns")


@tests.rule(60)
def a_share_may_be_typed_line_by_line_in_small_letters(house):
    folder, _ = split_token(house, "typed")
    house.section_pin("typed", f"shares:{folder}/sheet.txt")
    first = share(folder, 2).lower().replace(" ", "").split("\n")
    second = share(folder, 3).replace("0", "o").replace("1", "l").replace("\n", "-").replace(" ", "-")
    answers = [first[0], (GO_ON, first[1]), (GO_ON, first[2]), second, one_line(folder, 4)]
    status, shown = house.at_terminal(["token", "keygen", "typed", "--label", "key"], answers)
    equal(status, 0, shown)
    contains(shown, "32 of 48 characters; go on", "progress")


@tests.rule(60)
def a_wrong_share_is_named_before_any_pin_is_tried(house):
    folder, _ = split_token(house, "named")
    other, _ = split_token(house, "others")
    house.section_pin("named", f"shares:{folder}/sheet.txt")
    right = one_line(folder, 1)
    answers = [right[:27] + right[27].translate(MISTAKES) + right[28:], one_line(other, 1), right[:-3], (GO_ON, ""),
               right, right, one_line(folder, 2), ("Share: ", "")]
    status, shown = house.at_terminal(["token", "keygen", "named", "--label", "key"], answers)
    equal(status, 1, shown)
    equal(house.calls(), [], "no PIN is tried")
    for says in ("look at group 6 (line 2)", "this is share 1 of another split", "3 too few",
                 "share 1 was given already", "too few shares: 2 of the 3 that are needed were given"):
        contains(shown, says, "what it says")
    equal(columns(shown.split("chancery: ")[0]), [], "lines of more than 80 columns")


@tests.rule()
def without_a_terminal_or_a_sheet_nothing_is_tried(house):
    folder, _ = split_token(house, "alone")
    house.section_pin("alone", f"shares:{folder}/sheet.txt")
    done = house.without_terminal("token", "keygen", "alone", "--label", "key")
    expect(done.returncode and "no terminal" in done.stderr, f"{done.returncode}: {done.stderr}")
    with open(os.path.join(folder, "sheet.txt"), "a", encoding="ascii") as file:
        file.write("\n")
    done = house.cli("token", "keygen", "alone", "--label", "key", status=2, environment=house.watching())
    contains(done.stderr, "line 14 of the sheet", "what it says of a sheet that was changed")
    equal(house.calls(), [], "attempts")


@tests.rule(60)
def shares_are_shown_on_the_terminal_only_where_asked_for(house):
    house.token("shown", module=house.watched)
    folder = house.folder("shown-shares")
    words = ["token", "pin", "split", "shown", "--shares", "3", "--threshold", "2", "--out", folder, "--print"]
    done = house.without_terminal(*words)
    expect(done.returncode == 2 and "no terminal" in done.stderr, f"{done.returncode}: {done.stderr}")
    expect(not os.path.exists(folder), "something was written without a terminal")
    status, shown = house.at_terminal(words, [("clears the screen: ", "")] * 3)
    equal(status, 0, shown)
    papers = shown.replace("\r", "").split("\x1b[2J")[1:]
    for number in range(1, 4):
        contains(papers[number - 1], share(folder, number), f"paper {number}")
    equal(len(papers), 4, "the screen is cleared after the last one")


# ---- cut off ----

def cut_off(house, name, moment):
    house.token(name, module=house.watched)
    folder = house.folder(f"{name}-shares")
    house.cut_off(moment, "token", "pin", "split", name, *SPLIT, "--out", folder)
    expect("sheet.new" in os.listdir(folder) and "sheet.txt" not in os.listdir(folder), os.listdir(folder))
    equal(len(os.listdir(folder)), 6, "shares and sheet are on the disk before the token is touched")
    return folder


@tests.rule(60)
def cut_off_before_the_token_knew_the_old_pin_stays(house):
    folder = cut_off(house, "early", "before C_SetPIN")
    expect(house.logs_in("early"), "the old PIN")
    done = house.split("early", folder, status=1)
    equal(house.calls(), ["C_Login"], "one login decides")
    contains(done.stderr, "before the token knew of it", "what it says")
    expect(not os.path.exists(folder), "void shares are left")
    house.split("early", folder)
    expect(not house.logs_in("early"), "the next split did not work")


@tests.rule(120)
def cut_off_after_the_token_knew_the_split_is_completed(house):
    for number, moment in enumerate(("after C_SetPIN", "before C_Login", "after C_Login")):
        name = f"late-{number}"
        folder = cut_off(house, name, moment)
        shares = [share(folder, i) for i in range(1, 6)]
        done = house.split(name, folder)
        equal(house.calls(), ["C_Login"], "one login decides")
        contains(done.stdout, "is complete", "what it says")
        equal([share(folder, i) for i in range(1, 6)], shares, "the shares")
        house.section_pin(name, f"shares:{folder}/sheet.txt")
        status, shown = house.at_terminal(["token", "keygen", name, "--label", "key"],
                                          [one_line(folder, i) for i in (2, 3, 5)])
        equal(status, 0, shown)


@tests.rule(60)
def cut_off_and_handed_out_already_the_custodians_complete_it(house):
    folder = cut_off(house, "given", "after C_SetPIN")
    answers = [one_line(folder, i) for i in (1, 3, 4)]
    os.unlink(os.path.join(folder, "share-2.txt"))
    status, shown = house.at_terminal(["token", "pin", "split", "given", *SPLIT, "--out", folder], answers)
    equal(status, 0, shown)
    expect(os.path.exists(os.path.join(folder, "sheet.txt")), "no sheet")


@tests.rule(60)
def what_is_undecided_is_kept(house):
    folder = cut_off(house, "away", "after C_SetPIN")
    kept = sorted(os.listdir(folder))
    tokens = house.file("token", "tokens")
    os.rename(tokens, tokens + ".away")
    try:
        done = house.split("away", folder, status=3)
    finally:
        if os.path.exists(tokens):
            os.rmdir(tokens)
        os.rename(tokens + ".away", tokens)
    equal((house.calls(), sorted(os.listdir(folder))), ([], kept), f"calls and files: {done.stderr}")
    house.cli("token", "pin", "split", "away", *SPLIT, "--out", folder, status=3,
              environment=house.watching(WATCHED_FINAL_TRY=1))
    equal((house.calls(), sorted(os.listdir(folder))), ([], kept), "calls and files with one try left")
    house.token("stranger", module=house.watched)
    done = house.split("stranger", folder, status=1)
    contains(done.stderr, "an interrupted split of the PIN of token away", "what it says of another token's folder")
    house.section_pin("away", "file:token/away.pin")
    contains(house.split("away", folder).stdout, "is complete", "what it says")


@tests.rule(60)
def shares_of_a_change_whose_outcome_nobody_knows_are_kept(house):
    house.token("unknown", module=house.watched)
    folder = house.folder("unknown-shares")
    with house.stopped("after C_SetPIN", "token", "pin", "split", "unknown", *SPLIT, "--out", folder) as tool:
        for pid in children(tool.pid):
            os.kill(pid, signal.SIGKILL)  # as a module that crashes
        equal(tool.wait(20), 3, "exit status")
    with open(house.env.logs["stopped"], encoding="utf-8") as file:
        contains(file.read(), "is not known", "what it says")
    contains(house.split("unknown", folder).stdout, "is complete", "what it says")
    equal(house.calls(), ["C_Login"], "one login decides")


@tests.rule(60)
def a_token_of_short_pins_gets_the_longest_and_shares_as_long_as_any(house):
    house.token("short", module=house.watched)
    folder = house.folder("short-shares")
    house.forget_calls()
    house.cli("token", "pin", "split", "short", *SPLIT, "--out", folder,
              environment=house.watching(WATCHED_PIN_MOST="8"))
    equal(len(share(folder, 1).split()), 12, "groups of a share")
    house.section_pin("short", f"shares:{folder}/sheet.txt")
    status, shown = house.at_terminal(["token", "keygen", "short", "--label", "key"],
                                      [one_line(folder, i) for i in (1, 2, 5)])
    equal(status, 0, shown)


@tests.rule()
def a_wrong_present_pin_is_tried_once_and_leaves_no_shares(house):
    house.token("mistaken", module=house.watched)
    with open(house.file("token", "mistaken.pin"), "w", encoding="ascii") as file:
        file.write("not this one\n")
    folder = house.folder("mistaken-shares")
    done = house.split("mistaken", folder, status=3)
    equal(house.calls(), ["C_SetPIN"], "attempts")
    contains(done.stderr, "refused the present PIN", "what it says")
    expect(not os.path.exists(folder), "shares of no PIN are left")


# ---- again, and the SO PIN ----

@tests.rule(60)
def a_new_split_makes_the_old_shares_void(house):
    old, _ = split_token(house, "renewed")
    house.section_pin("renewed", f"shares:{old}/sheet.txt")
    new = house.folder("renewed-again")
    status, shown = house.at_terminal(
        ["token", "pin", "split", "renewed", "--shares", "4", "--threshold", "2", "--out", new],
        [one_line(old, i) for i in (1, 2, 3)])
    equal(status, 0, shown)
    status, shown = house.at_terminal(["token", "keygen", "renewed", "--label", "key"],
                                      [one_line(old, i) for i in (1, 2, 3)])
    equal(status, 3, shown)
    house.section_pin("renewed", f"shares:{new}/sheet.txt")
    status, shown = house.at_terminal(["token", "keygen", "renewed", "--label", "key"],
                                      [one_line(old, 1), one_line(new, 4), one_line(new, 2)])
    equal(status, 0, shown)
    contains(shown, "another split", "what it says of an old share")


@tests.rule(60)
def the_so_pin_is_split_likewise_and_then_destroyed(house):
    house.token("officer", module=house.watched)
    folder, grave = house.folder("officer-shares"), house.folder("officer-records")
    done = house.split("officer", folder, "--so", "--shares", "3", "--threshold", "2")
    contains(done.stdout, "The SO PIN of token officer is in 3 shares", "what it says")
    contains(open(os.path.join(folder, "sheet.txt"), encoding="ascii").read(), "\npin: so\n", "the sheet")
    expect(house.logs_in("officer"), "the user PIN is not as before")
    house.split("officer", grave, "--destroy-so", "--yes", status=3)
    expect(not os.path.exists(os.path.join(grave, "so-pin-destroyed.txt")), "a record of what was not done")
    words = ["token", "pin", "split", "officer", "--destroy-so", "--so-pin", f"shares:{folder}/sheet.txt", "--out", grave]
    status, shown = house.at_terminal(words, [("(yes or no): ", "no")])
    equal(status, 1, shown)
    answers = [("(yes or no): ", "yes"), one_line(folder, 3), one_line(folder, 1)]
    status, shown = house.at_terminal(words, answers)
    equal(status, 0, shown)
    contains(open(os.path.join(grave, "so-pin-destroyed.txt"), encoding="ascii").read(), "\ntoken: officer\nserial: ",
             "the record")
    contains(house.cli(*words, status=1).stderr, "is not overwritten", "a second time")
    status, shown = house.at_terminal([*words[:-1], house.folder("elsewhere"), "--yes"], answers[1:])
    equal(status, 3, shown)
    expect(house.logs_in("officer"), "the user PIN is not as before")


@tests.rule(60)
def an_so_split_that_was_cut_off_is_decided_by_one_login(house):
    for moment, status in (("before C_SetPIN", 1), ("after C_SetPIN", 0)):
        name = "so-" + moment.split()[0]
        house.token(name, module=house.watched)
        folder = house.folder(f"{name}-shares")
        house.cut_off(moment, "token", "pin", "split", name, "--so", *SPLIT, "--out", folder)
        house.split(name, folder, "--so", *SPLIT, status=status)
        equal(os.path.exists(os.path.join(folder, "sheet.txt")), status == 0, "the sheet")


# ---- what is refused ----

@tests.rule()
def nothing_is_overwritten(house):
    house.token("guarded", module=house.watched)
    folder = house.folder("guarded-shares")
    os.makedirs(folder)
    with open(os.path.join(folder, "share-1.txt"), "w", encoding="ascii") as file:
        file.write("somebody's")
    contains(house.split("guarded", folder, status=1).stderr, "is not empty", "what it says")
    equal((house.calls(), os.listdir(folder)), ([], ["share-1.txt"]), "calls and files")
    house.split("guarded", "/proc/none", status=3)
    equal(house.calls(), [], "attempts where no folder can be made")
    expect(house.logs_in("guarded"), "the PIN")


@contextlib.contextmanager
def stick(house, options):
    """A file system of its own, with these options."""
    place = house.env.folder("stick")
    run("mount", "-t", "tmpfs", "-o", options, "none", place)
    try:
        yield place
    finally:
        run("umount", place)


def a_stick_that_is_full_or_read_only_leaves_the_token_as_it_was(house):
    house.token("cramped", module=house.watched)
    for options in ("size=64k,nr_inodes=5", "size=64k,ro", "size=64k,nr_inodes=8"):
        with stick(house, options) as place:
            done = house.split("cramped", os.path.join(place, "shares"), status=3)
            equal((house.calls(), os.listdir(place)), ([], []), f"calls and files with {options}")
            contains(done.stderr, place, "what it says")
    expect(house.logs_in("cramped"), "the PIN")
    with stick(house, "size=64k,nr_inodes=12") as place:
        house.split("cramped", os.path.join(place, "shares"))


if os.getuid() == 0:  # nobody else may mount
    tests.add("a_stick_that_is_full_or_read_only_leaves_the_token_as_it_was",
              a_stick_that_is_full_or_read_only_leaves_the_token_as_it_was, 60)


@tests.rule()
def what_is_no_split_is_refused(house):
    out = ["--out", house.folder("never")]
    for words in (["--shares", "3", *out], ["--threshold", "2", *out], ["--shares", "3", "--threshold", "1", *out],
                  ["--shares", "3", "--threshold", "4", *out], ["--shares", "33", "--threshold", "2", *out], SPLIT,
                  ["--destroy-so", *SPLIT, *out], ["--so-pin", "file:/x", *SPLIT, *out], ["--pin", "file:/x", *SPLIT, *out],
                  ["--so", "--so-pin", "271828", *SPLIT, *out], ["--module", SOFTHSM, *SPLIT, *out]):
        done = house.cli("token", "pin", "split", "second", *words, status=2)
        expect(done.stderr.strip() and "271828" not in done.stderr, f"{words}: {done.stderr}")
    done = house.cli("token", "pin", "split", "issuing", *SPLIT, *out, status=1)
    contains(done.stderr, "cannot ask people for shares", "an online token")
    house.configure(lambda text: text.replace('pin = "file:token/issuing.pin"', 'pin = "shares:sheet.txt"'))
    contains(house.cli("config", "check", status=2).stderr, "shares are typed by people", "an online token's section")
    house.configure(lambda _: house.configured)
    expect(not os.path.exists(house.folder("never")), "a folder was made")


@tests.rule(60)
def a_token_that_is_in_no_configuration_is_split_too(house):
    folder = house.env.folder("no-configuration")
    os.makedirs(os.path.join(folder, "tokens"))
    with open(os.path.join(folder, "conf"), "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {folder}/tokens\n")
    environment = {"SOFTHSM2_CONF": f"{folder}/conf", "CHANCERY_STATE": "/nonexistent"}
    known = {"environment": environment, "cwd": folder}
    house.cli("token", "init", "--module", SOFTHSM, "--label", "cold", "--pin", "file:pin", "--so-pin", "file:so", **known)
    house.cli("token", "pin", "split", "--module", SOFTHSM, "--token", "cold", "--pin", "file:pin", "--shares", "3",
              "--threshold", "2", "--out", "shares", "--digits", **known)
    house.cli("token", "pin", "split", "--module", SOFTHSM, "--token", "cold", "--destroy-so", "--so-pin", "file:so",
              "--out", "shares", "--yes", **known)
    shares = os.path.join(folder, "shares")
    status, shown = run_at_terminal(
        house.env.program("chancery"),
        ["token", "probe", "--module", SOFTHSM, "--token", "cold", "--pin", f"shares:{shares}/sheet.txt", "--read-only"],
        house.env.environment(**environment), [one_line(shares, 1), one_line(shares, 3)])
    equal(status, 0, shown)
    expect(re.search(r"login: C_Login +ok", shown), shown)


# ---- what the operator's guide says, and a list of the root's ----

def guide(house):
    """The blocks of the guide's section, in order: (typed in a shell, or at a terminal; the text)."""
    with open(os.path.join(house.env.root, "docs", "operators-guide.md"), encoding="utf-8") as file:
        section = file.read().split("\n## PINs that M of N people hold\n")[1].split("\n## ")[0]
    return re.findall(r"^```(sh)?\n(.*?)^```$", section, re.M | re.S)


@tests.rule(60)
def the_guides_commands_do_what_it_says(house):
    place = house.env.folder("guide")
    os.symlink(house.state, os.path.join(place, "var"))
    house.configure(lambda _: house.configured)
    shares = os.path.join(place, "vault-shares")
    path = os.path.join(house.env.build, "bin") + ":" + os.environ["PATH"]
    at_terminal = 0
    for shell, text in guide(house):
        if shell:
            run("bash", "-euo", "pipefail", "-c", text, cwd=place, env=house.env.environment(PATH=path))
            continue
        for line in text.splitlines():
            at_terminal += 1
            script = f"cd {shlex.quote(place)} && exec {line}"
            status, shown = run_at_terminal("/bin/bash", ["-c", script], house.env.environment(PATH=path),
                                            [one_line(shares, number) for number in (1, 3, 5)])
            equal(status, 0, f"{line}: {shown}")
    equal(at_terminal, 3, "commands at a terminal")
    contains(run("openssl", "req", "-verify", "-noout", "-subject", "-in", os.path.join(place, "root-2.csr")).stdout,
             "CN = Root 2", "the request")
    equal(sorted(os.listdir(os.path.join(place, "vault-shares-2"))),
          ["share-1.txt", "share-2.txt", "share-3.txt", "sheet.txt"], "the second split")


@tests.rule(60)
def the_roots_list_is_signed_by_its_custodians(house):
    folder = house.folder("root-shares")
    house.configure(lambda _: house.configured)
    house.split("root", folder)
    house.configure(lambda text: text.replace('pin = "file:token/root.pin"', f'pin = "shares:{folder}/sheet.txt"'))
    contains(house.read("chancery.conf"), folder, "the root's section")
    house.start()
    try:
        before = house.http().get("/crl/root-1.crl").body
        expect(before, "there is no list")
        status, shown = house.at_terminal(["crl", "now", "root-1"], [one_line(folder, number) for number in (4, 2, 3)])
        equal(status, 0, shown)
        expect(house.http().get("/crl/root-1.crl").body not in (before, b""), "the list is the one of before")
    finally:
        house.stop()
