"""Ceremonies: rehearsed, run before a terminal, refused, and verified years later."""

import json
import os
import shutil

from support.ceremony import CRL, PINS, Room, closing, files, lines, read, sha256
from support.harness import Tests, contains, equal, expect, run

tests = Tests(Room, san=True)


def grouped(digits):
    return " ".join(digits[i:i + 4] for i in range(0, len(digits), 4))


@tests.rule(limit=60)
def a_root_its_certificates_and_its_list_are_made_as_they_were_rehearsed(room):
    plan = room.plan("first", room.root("root-1"), room.certificate("issuing-1", "root-1"),
                     room.certificate("responder-1", "root-1", "responder"), CRL.format(issuer="root-1"))
    out, shown = room.ceremony(plan)
    equal(files(f"{out}/out"), ["issuing-1.pem", "responder-1.pem", "root-1-crl.crl", "root-1.pem"], "what is made")
    for name in ("issuing-1", "responder-1"):
        run("openssl", "verify", "-x509_strict", "-CAfile", f"{out}/out/root-1.pem", f"{out}/out/{name}.pem")
    run("openssl", "crl", "-inform", "DER", "-in", f"{out}/out/root-1-crl.crl", "-CAfile", f"{out}/out/root-1.pem",
        "-noout")
    wide = [line for line in shown.splitlines() if len(line) > 80 and room.folder not in line]
    expect(not wide, f"lines of more than 80 columns: {wide}")
    wide = [line for line in read(f"{out}/transcript.txt").decode().splitlines() if len(line) > 80]
    expect(not wide, f"lines of more than 80 columns: {wide}")
    contains(shown, grouped(closing(out)[:32]), "what was shown")
    contains(room.verify(out, closing(out)).stdout, "Verified", "verify")
    contains(room.verify(out, grouped(closing(out)).upper()).stdout, "Verified", "verify, as it is written on paper")
    contains(room.verify(out).stdout, "Consistent, not anchored", "verify")
    equal([line["event"] for line in lines(out)[-4:]], ["finished", "attested", "signed", "closed"], "the end")


def first_root(room):
    """The root of before, made by a ceremony; its section for later plans."""
    if not hasattr(room, "old_root"):
        room.old_root, _ = room.ceremony(room.plan("old", room.root("root-0", "old")))
    return room.issuer("root-0", f"{room.old_root}/out/root-0.pem", "pkcs11:token=old;object=root-0")


@tests.rule(limit=60)
def a_root_is_rolled_over_and_clients_verify_through_both(room):
    plan = room.plan(
        "roll", first_root(room), room.root("root-9"), room.certificate("issuing-9", "root-9"),
        'step "issuing-9-by-root-0" { kind = "cross" issuer = "root-0" of = "issuing-9" }\n'
        'step "root-9-by-root-0" { kind = "new-with-old" old = "root-0" new = "root-9" profile = "cross" }\n'
        'step "root-0-by-root-9" { kind = "old-with-new" old = "root-0" new = "root-9" profile = "cross" }\n',
        'step "old-list" { kind = "crl" issuer = "root-0" next-update-days = 365\n'
        '  revoked = { "0a0b0c0d0e0f10111213 2026-11-01T00:00:00Z superseded" } }\n')
    out, shown = room.ceremony(plan)
    contains(shown, "byte for byte, the bytes that were rehearsed", "what was shown of the old root's list")
    contains(shown, "0a0b0c0d0e0f10111213", "what was shown of the old root's list")
    room.verify(out, closing(out))
    old, new = f"{out}/inputs/root-0.pem", f"{out}/out/root-9.pem"
    run("openssl", "verify", "-x509_strict", "-CAfile", new, f"{out}/out/issuing-9.pem")
    run("openssl", "verify", "-x509_strict", "-CAfile", old, f"{out}/out/issuing-9-by-root-0.pem")
    run("openssl", "verify", "-x509_strict", "-CAfile", old, "-untrusted", f"{out}/out/root-9-by-root-0.pem",
        f"{out}/out/issuing-9.pem")
    run("openssl", "verify", "-x509_strict", "-CAfile", new, "-untrusted", f"{out}/out/root-0-by-root-9.pem",
        f"{out}/out/issuing-9-by-root-0.pem")


def import_key(room, token, label, seed):
    path = room.path(f"{seed}.p8")
    if not os.path.exists(path):
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    run("softhsm2-util", "--import", path, "--token", token, "--label", label, "--id", sha256(label.encode())[:8],
        "--pin", PINS[token], env=room.environment())


@tests.rule(limit=60)
def a_backup_is_compared_and_a_key_destroyed_for_good(room):
    import_key(room, "root", "kept", "kept")
    import_key(room, "backup", "kept", "kept")
    import_key(room, "backup", "other", "other")
    steps = 'step "backup" {{ kind = "compare" key = "pkcs11:token=root;object=kept" backup = "pkcs11:token=backup;object={}" }}\n'
    gone = 'step "gone" { kind = "destroy" key = "pkcs11:token=root;object=kept" }\n'
    plan = room.plan("compare-other", steps.format("other"))
    _, shown = room.run(plan, room.rehearse(plan), status=4)
    contains(shown, "is not a backup of", "a backup of another key")
    plan = room.plan("compare", steps.format("kept") + gone)
    rehearsal = room.rehearse(plan)
    with room.tokens_as_now():
        _, shown = room.run(plan, rehearsal, status=1, wrong={"types its label: ": "yes"})
        contains(shown, "nothing of it was done", "a key whose end nobody confirms")
        out, shown = room.run(plan, rehearsal)
        room.verify(out, closing(out))
        equal([line["event"] for line in lines(out)[-2:]], ["unsigned", "closed"], "the end without a key")
        _, shown = room.run(plan, rehearsal, status=1)
        contains(shown, "there is no key", "once more")


# ---- what is refused ----

def simple(room, name, **more):
    """A plan with a root, its rehearsal."""
    plan = room.plan(name, room.root(name), **more)
    return plan, room.rehearse(plan)


@tests.rule(limit=60)
def a_run_that_cannot_begin_leaves_nothing(room):
    plan, rehearsal = simple(room, "refused")

    def refused(what, status=1, **more):
        out = room.new("refused")
        _, shown = room.run(more.pop("plan", plan), more.pop("rehearsal", rehearsal), out=out, status=status, **more)
        contains(shown, what, "the refusal")
        expect(not os.path.exists(out), f"{out} is there")

    refused("PIN", status=3, pins={"root": "000000"})
    room.run(plan, rehearsal)  # the wrong PIN was tried once, and the token is not locked
    refused("there is a key already", rehearsal=rehearsal)
    changed = room.write("refused-changed.conf", read(plan).decode() + "# one more word\n")
    refused("not the one that was rehearsed", plan=changed)
    missing = room.plan("missing", room.issuer("root-x", f"{first_run(room)}/out/first-of-all.pem",
                                               "pkcs11:token=root;object=nowhere"), CRL.format(issuer="root-x"))
    refused("there is no key", plan=missing, rehearsal=room.rehearse(missing))
    other = room.plan("other", room.issuer("root-y", f"{first_run(room)}/out/first-of-all.pem",
                                           "pkcs11:token=root;object=refused"), CRL.format(issuer="root-y"))
    refused("another key", status=4, plan=other, rehearsal=room.rehearse(other))
    gone = room.plan("gone", room.root("gone")).replace("gone.conf", "gone-2.conf")
    room.write("gone-2.conf", read(room.path("gone.conf")).decode().replace("token=root", "token=elsewhere"))
    refused("token \"elsewhere\"", status=3, plan=gone, rehearsal=room.rehearse(gone))
    early, rehearsal = simple(room, "early", start=3600)
    refused("window", plan=early, rehearsal=rehearsal)


def first_run(room):
    if not hasattr(room, "first"):
        room.first, _ = room.ceremony(room.plan("first-of-all", room.root("first-of-all")))
    return room.first


@tests.rule(limit=60)
def a_folder_with_something_in_it_is_left_alone(room):
    plan, rehearsal = simple(room, "full")
    out = room.new("full")
    os.makedirs(out)
    room.write(os.path.join(out, "something"), "mine")
    _, shown = room.run(plan, rehearsal, out=out, status=1)
    contains(shown, "is not empty", "the refusal")
    equal(files(out), ["something"], "what is there")
    room.cli("rehearse", plan, "--out", out, status=1)
    equal(files(out), ["something"], "what is there")


@tests.rule(limit=60)
def what_the_operator_does_not_confirm_is_not_signed(room):
    plan, rehearsal = simple(room, "doubt")
    out, shown = room.run(plan, rehearsal, status=1, wrong={"the first four of them: ": "yes"})
    equal(shown.count("That is not it"), 3, "times that it was asked again")
    equal(files(f"{out}/out"), [], "what is made")
    equal(lines(out)[-1]["event"], "intent", "the last line")
    room.verify(out, status=4)
    room.run(plan, rehearsal, out=out, status=1)  # without --resume
    room.run(plan, rehearsal, "--resume", out=out)
    room.verify(out, closing(out))
    equal(files(f"{out}/out"), ["doubt.pem"], "what is made")


@tests.rule(limit=60)
def too_few_who_attest_leave_the_ceremony_open(room):
    plan, rehearsal = simple(room, "alone")
    out, shown = room.run(plan, rehearsal, status=1, keys={"Grace": "", "Émilie": room.path("emilie.key")})
    contains(shown, "--resume", "the refusal")
    out, shown = room.run(plan, rehearsal, "--resume", out=out)
    expect("Émilie Example (auditor) attests" not in shown, "who has attested is asked again")
    room.verify(out, closing(out))
    people = [line["by"] for line in lines(out) if line["event"] == "attested"]
    equal(people, ["Émilie Example", "Grace Example"], "who attests")
    number = [line["line"] for line in lines(out) if line["event"] == "attested"][1]
    for form, wanted in (("statement", 4), ("signature", 4), ("pem", 4)):
        name = f"{out}/attestations/{number}.{form}"
        content = read(name)
        for at in range(0, len(content), 7):
            with open(name, "r+b") as file:
                file.seek(at)
                file.write(bytes([content[at] ^ 1]))
            expect("line " in room.verify(out, status=wanted).stderr, "no line is named")
            with open(name, "wb") as file:
                file.write(content)
    room.verify(out, closing(out))


@tests.rule(limit=60)
def someone_attests_with_a_key_in_a_token_of_the_same_module(room):
    pem = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
              room.path("own.key"), "-out", room.path("grace.pem.own"), "-subj", "/CN=Grace", "-days", "9")
    equal(pem.returncode, 0, "a certificate")
    shutil.copy(room.path("grace.pem"), room.path("grace.pem.kept"))
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", room.path("own.key"), "-out", room.path("own.p8"))
    run("softhsm2-util", "--import", room.path("own.p8"), "--token", "backup", "--label", "grace", "--id", "77", "--pin",
        PINS["backup"], env=room.environment())
    room.write("backup.pin", PINS["backup"] + "\n")
    os.chmod(room.path("backup.pin"), 0o600)
    shutil.copy(room.path("grace.pem.own"), room.path("grace.pem"))
    try:
        plan, rehearsal = simple(room, "own-token")
        key = f"pkcs11:token=backup;object=grace?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:{room.path('backup.pin')}"
        out, _ = room.run(plan, rehearsal, keys={"Grace": key, "Émilie": ""})
        room.verify(out, closing(out))
        _, shown = room.run(*simple(room, "wrong-name"), "--attest", "Nobody=x", status=2)
        contains(shown, "--attest is NAME=KEY", "the refusal")
    finally:
        shutil.copy(room.path("grace.pem.kept"), room.path("grace.pem"))


@tests.rule(limit=60)
def pins_may_come_by_descriptor(room):
    plan = room.plan("by-descriptor", room.root("by-descriptor"), pin="fd:7")
    rehearsal = room.rehearse(plan)
    reading, writing = os.pipe()
    os.write(writing, PINS["root"].encode() + b"\n")
    os.close(writing)
    os.dup2(reading, 7, inheritable=True)
    try:
        out, shown = room.run(plan, rehearsal)
    finally:
        os.close(reading)
        os.close(7)
    expect("PIN of" not in shown, "a PIN was asked for")
    room.verify(out, closing(out))


@tests.rule(limit=60)
def of_several_operators_the_one_at_the_keyboard_is_recorded(room):
    plan = room.plan("operators", room.root("operators"), 'person "Alan Example" { roles = { "operator" } }\n')
    rehearsal = room.rehearse(plan)
    _, shown = room.run(plan, rehearsal, status=1, wrong={"The number before the name: ": "3"})
    contains(shown, "is not the number of an operator", "the refusal")
    out, _ = room.run(plan, rehearsal, wrong={"The number before the name: ": "2"})
    equal({line["by"] for line in lines(out) if line["event"] == "confirmed"}, {"Alan Example"}, "who confirms")
    room.verify(out, closing(out))


@tests.rule(limit=60)
def run_and_verify_answer_in_json(room):
    out, shown = room.run(*simple(room, "json"), "--json")
    answer = json.loads(shown[shown.rindex("{"):])
    equal(answer, {"directory": out, "closing": closing(out)}, "the run")
    answer = json.loads(room.cli("verify", out, "--closing", closing(out), "--json").stdout)
    equal((answer["anchored"], answer["closing"], answer["steps"]), (True, closing(out), 2), "verify")
    expect(not json.loads(room.cli("verify", out, "--json").stdout)["anchored"], "anchored without a closing hash")


@tests.rule(limit=60)
def an_unattended_plan_is_for_init_alone(room):
    plan = room.plan("unattended", "attended = false\n" + room.root("unattended"))
    done = room.cli("rehearse", plan, "--out", room.new("unattended"), status=2)
    contains(done.stderr, "attended", "the refusal")
