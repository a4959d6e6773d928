"""What lies beside the programs: the installed layout, manual pages, completion, `make help`."""

import os
import re

from support.harness import Tests, contains, equal, expect, run
from test_cli import COMMANDS

PREFIX = "/opt/chancery"
INSTALLED = {  # what `make install` puts where, and with which mode
    "bin/chancery": "0o755",
    "bin/chanceryd": "0o755",
    "lib/ossl-modules/chancery.so": "0o644",
    "lib/systemd/system/chanceryd.service": "0o644",
    "lib/systemd/system/chanceryd.socket": "0o644",
    "lib/systemd/system/chanceryd-http.socket": "0o644",
    "share/bash-completion/completions/chancery": "0o644",
    "share/man/man1/chancery.1": "0o644",
    "share/man/man5/chancery.conf.5": "0o644",
    "share/man/man8/chanceryd.8": "0o644",
}
TARGETS = ("deps", "test-deps", "all", "run", "test", "check", "bench", "fuzz", "install", "help")


class Staged:
    """A build installed below a folder, as a package is made of it."""

    def __init__(self, env):
        self.env, self.stage = env, env.folder("stage")
        run(os.path.join(env.root, "tools", "install.sh"), cwd=env.root,
            env=env.environment(BUILD=env.build, PREFIX=PREFIX, DESTDIR=self.stage))

    def path(self, name):
        return self.stage + os.path.join(PREFIX, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def help(self, command):
        return run(self.path("bin/chancery"), *command.split(), "--help", env=self.env.environment()).stdout


tests = Tests(Staged)


@tests.rule()
def install_puts_each_file_in_its_place_and_no_other(staged):
    found = {}
    for folder, _, names in os.walk(staged.stage):
        for name in names:
            path = os.path.join(folder, name)
            found[path[len(staged.stage):]] = oct(os.stat(path).st_mode & 0o777)
    equal(found, {f"{PREFIX}/{name}": mode for name, mode in INSTALLED.items()}, "installed files")


@tests.rule()
def units_start_what_was_installed(staged):
    unit = staged.read("lib/systemd/system/chanceryd.service")
    contains(unit, f"ExecStart={PREFIX}/bin/chanceryd --config ", "the unit")
    contains(unit, "Type=notify\n", "the unit")
    expect("@" not in unit, f"a place that was not filled in: {unit}")
    for name, kind in (("chanceryd.socket", "https"), ("chanceryd-http.socket", "http")):
        contains(staged.read(f"lib/systemd/system/{name}"), f"FileDescriptorName={kind}\n", name)


@tests.rule()
def the_installed_programs_run(staged):
    for name in ("chancery", "chanceryd"):
        expect(re.search(r"\d+\.\d+\.\d+", run(staged.path(f"bin/{name}"), "--version").stdout), f"{name} --version")


def options_of(text):
    """The command's own options, without those of every command."""
    return re.findall(r"(?m)^  --([a-z0-9-]+)", text.partition("Options of every command")[0])


@tests.rule()
def the_manual_page_has_every_command_and_option(staged):
    page = staged.read("share/man/man1/chancery.1")
    for command in COMMANDS:
        expect(re.search(rf"\bCm {command}\b", page), f"chancery(1) lacks the command {command}")
        for option in options_of(staged.help(command)):
            expect(re.search(rf"\bFl -{option}\b", page), f"chancery(1) lacks --{option} of {command}")
    page = staged.read("share/man/man8/chanceryd.8")
    for option in ("config", "help", "version"):
        expect(re.search(rf"\bFl -{option}\b", page), f"chanceryd(8) lacks --{option}")


def completed(staged, *words):
    """What the shell offers for the last of these words."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _chancery; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = run("bash", "-c", script, "-", staged.path("share/bash-completion/completions/chancery"),
               staged.path("bin/chancery"), *words, env=staged.env.environment())
    return set(done.stdout.split())


@tests.rule()
def completion_knows_every_command_and_option(staged):
    firsts = {command.split()[0] for command in COMMANDS}
    equal(completed(staged, ""), firsts | {word for word in completed(staged, "") if word.startswith("--")},
          "commands offered")
    for command in COMMANDS:
        *before, last = command.split()
        expect(last in completed(staged, *before, last[:-1]), f"{command} is not offered")
        offered = completed(staged, *command.split(), "--")
        for option in options_of(staged.help(command)):
            expect(f"--{option}" in offered, f"--{option} is not offered for {command}: {sorted(offered)}")
    offered = completed(staged, "issue", "--out", "some folder", "--name", "a.test", "--ke")
    expect("--key-type" in offered, f"behind values of options: {sorted(offered)}")
    expect("ed25519" in completed(staged, "issue", "--key-type", "ed"), "types of keys are not offered")


@tests.rule()
def make_help_lists_every_target_of_the_contract(staged):
    printed = run("make", "--no-print-directory", "help", cwd=staged.env.root, env=staged.env.environment()).stdout
    for target in TARGETS:
        expect(re.search(rf"(?m)^  make {target} +\S", printed), f"make help lacks {target}: {printed}")
