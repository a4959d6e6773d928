"""What `make install` puts where, and the completion that comes with it."""

import os
import re

from support.harness import Tests, contains, equal, expect, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def setup(env):
    env.stage = env.folder("stage")
    run(os.path.join(ROOT, "tools", "install.sh"), cwd=ROOT,
        env=env.environment(BUILD=env.build, PREFIX="/usr", DESTDIR=env.stage))
    return env


tests = Tests(setup)


def installed(env, *parts):
    return os.path.join(env.stage, "usr", *parts)


@tests.rule()
def the_programs_run_from_where_they_are_installed(env):
    for name in ("chancery", "chanceryd"):
        path = installed(env, "bin", name)
        equal(oct(os.stat(path).st_mode & 0o777), "0o755", f"mode of {name}")
        contains(run(path, "--help").stdout, name, f"{name} --help")


@tests.rule()
def each_program_and_the_configuration_have_a_manual_page(env):
    for page in ("man1/chancery.1", "man5/chancery.conf.5", "man8/chanceryd.8"):
        expect(os.path.exists(installed(env, "share", "man", page)), f"no {page}")


@tests.rule()
def the_units_name_the_installed_program(env):
    with open(installed(env, "lib", "systemd", "system", "chanceryd.service"), encoding="utf-8") as file:
        unit = file.read()
    contains(unit, "ExecStart=/usr/bin/chanceryd", "the unit")
    contains(unit, "Type=notify", "the unit")
    expect(not re.search(r"@[a-z]+@", unit), "a place that was not filled in")


@tests.rule()
def completion_knows_the_commands(env):
    script = installed(env, "share", "bash-completion", "completions", "chancery")

    def complete(*words):
        typed = " ".join(f"'{word}'" for word in words)
        asked = (f"source '{script}'; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
                 f"f=$(complete -p chancery | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p'); "
                 f"$f chancery '{words[-1]}' '{words[-2]}'; echo \"${{COMPREPLY[@]}}\"")
        path = installed(env, "bin") + ":" + os.environ["PATH"]
        return run("bash", "-c", asked, env=env.environment(PATH=path)).stdout.split()

    commands = complete("chancery", "")
    expect({"init", "issue", "cert", "identity", "crl", "audit", "store", "config", "token"} <= set(commands),
           f"commands: {commands}")
    expect("revoke" in complete("chancery", "cert", "re"), "cert re<TAB>")
