"""Tokens by hand: initialized, keys and requests made in them, probed, and their PINs changed."""

import contextlib
import glob
import json
import os
import pwd
import re
import signal
import time

from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA, children
from support.terminal import run_at_terminal

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
P11_CLIENT = next(iter(glob.glob("/usr/lib/*/pkcs11/p11-kit-client.so")), "p11-kit-modules is not installed")
TYPES = {  # type: (how openssl names the signature, how it names the key)
    "rsa2048": ("sha256WithRSAEncryption", "2048 bit"),
    "rsa3072": ("sha256WithRSAEncryption", "3072 bit"),
    "p256": ("ecdsa-with-SHA256", "256 bit"),
    "p384": ("ecdsa-with-SHA384", "384 bit"),
    "p521": ("ecdsa-with-SHA512", "521 bit"),
    "ed25519": ("ED25519", "ED25519"),
}
SECTION = """
token "{name}" {{
	module = "{module}"
	softhsm-conf = "token/softhsm2.conf"
	uri = "pkcs11:token={name}"
	pin = "{pin}"
	online = false
}}
"""


class Rig(CA):
    """A state directory whose server does not run, with tokens of the tests' own beside the CA's."""

    def __init__(self, env):
        super().__init__(env, start=False)
        self.watched = env.path("watched.so")
        self.calls_log = env.path("calls")
        run("gcc", "-shared", "-fPIC", "-o", self.watched, f'-DSOFTHSM="{SOFTHSM}"', "-I/usr/include/p11-kit-1",
            os.path.join(env.root, "tests", "e2e", "support", "watched_module.c"), "-ldl")
        self.configured = self.read("chancery.conf")
        self.token("second")
        self.configured = self.read("chancery.conf")

    def token(self, name, module=None, pin=None, init=True):
        """A section for a token of this name, in place of the last one's, and the token, unless it is left out."""
        section = SECTION.format(name=name, module=module or SOFTHSM, pin=pin or f"file:token/{name}.pin")
        self.configure(lambda _: self.configured + section)
        if init:
            self.forget_calls()
            self.cli("token", "init", name, environment=self.watching())
        return name

    def pin(self, name, ending="pin"):
        return self.read("token", f"{name}.{ending}").strip()

    # ---- the watched module ----

    def watching(self, **more):
        return {"WATCHED_LOG": self.calls_log, **more}

    def forget_calls(self):
        with open(self.calls_log, "w", encoding="ascii"):
            pass
        os.chmod(self.calls_log, 0o666)

    def calls(self):
        with open(self.calls_log, encoding="ascii") as file:
            return [line.split()[1] for line in file if line.startswith("before ")]

    @contextlib.contextmanager
    def stopped(self, stop, *words):
        """The command under way, stopped at this moment; at the end all its processes are killed: the power is gone."""
        self.forget_calls()
        tool = self.env.start("stopped", self.env.program("chancery"), *words, start_new_session=True,
                              env=self.env.environment(CHANCERY_STATE=self.state, **self.watching(WATCHED_STOP=stop)))

        def is_there():
            expect(tool.poll() is None, f"ended with status {tool.poll()}")
            with open(self.calls_log, encoding="ascii") as file:
                return stop in file.read().splitlines()

        try:
            wait_until(is_there, 20, f"the moment {stop}")
            yield tool
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(tool.pid, signal.SIGKILL)
            tool.wait()

    def cut_off(self, stop, *words):
        """Ends the command at this moment; what is then in the folder of the tokens."""
        with self.stopped(stop, *words):
            return os.listdir(self.file("token"))

    def change(self, name, *words, status=0):
        """`token pin change`, and the calls that it made."""
        self.forget_calls()
        done = self.cli("token", "pin", "change", name, *words, status=status, environment=self.watching())
        return done, self.calls()

    def logs_in(self, name):
        """Whether the PIN in the token's file is the token's."""
        done = self.cli("token", "probe", name, "--read-only", "--json", check=False, environment=self.watching())
        rows = json.loads(done.stdout)["rows"]
        return [row["result"] for row in rows if row["subject"] == "login" and row["name"] == "C_Login"] == ["ok"]


tests = Tests(Rig, san=True, setup_limit=90)


def write_pin(path, pin):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(pin + "\n")
    return path


def owner(path):
    return pwd.getpwuid(os.stat(path).st_uid).pw_name


def signer_of_tokens(rig):
    return owner(rig.file("token", "softhsm2.conf"))


# ---- init ----

@tests.rule()
def init_makes_pins_of_whoever_started_it_and_a_token_of_its_user(rig):
    me, user = pwd.getpwuid(os.geteuid()).pw_name, signer_of_tokens(rig)
    pins = [rig.file("token", "second.pin"), rig.file("token", "second.so-pin")]
    for path in pins:
        equal((oct(os.stat(path).st_mode & 0o7777), owner(path)), ("0o600", me), path)
    expect(rig.pin("second") != rig.pin("second", "so-pin"), "PIN and SO PIN are the same")
    expect(re.fullmatch(r"[0-9a-f]{32}", rig.pin("second")), "the PIN has another form than those of init")
    for folder, _, names in os.walk(rig.file("token", "tokens")):
        for name in names:
            equal(owner(os.path.join(folder, name)), user, os.path.join(folder, name))
    expect(any(row["label"] == "second" for row in rig.json("token", "list")["tokens"]), "no such token")
    expect(rig.logs_in("second"), "the PIN in the file is not the token's")


@tests.rule()
def init_has_the_pins_on_the_disk_before_it_touches_the_token(rig):
    rig.token("early", module=rig.watched, init=False)
    found = rig.cut_off("before C_InitToken", "token", "init", "early")
    expect("early.pin" in found and "early.so-pin" in found, f"not there when the token was touched: {found}")
    pins = rig.pin("early"), rig.pin("early", "so-pin")
    rig.cli("token", "init", "early", environment=rig.watching())
    equal((rig.pin("early"), rig.pin("early", "so-pin")), pins, "the PINs of the interrupted run")
    expect(rig.logs_in("early"), "the PIN in the file is not the token's")


@tests.rule()
def init_says_of_a_token_that_it_was_left_without_a_pin(rig):
    rig.token("half", module=rig.watched, init=False)
    rig.cut_off("after C_InitToken", "token", "init", "half")
    done = rig.cli("token", "init", "half", status=1, environment=rig.watching())
    contains(done.stderr, "whose user PIN was never set", "what it says")


@tests.rule()
def init_prints_no_pin(rig):
    rig.token("silent", init=False)
    done = rig.cli("token", "init", "silent", "--json")
    told = json.loads(done.stdout)
    equal((told["token"], told["pinMade"], told["soPinMade"]), ("silent", True, True), "what it tells")
    for secret in (rig.pin("silent"), rig.pin("silent", "so-pin")):
        expect(secret not in done.stdout + done.stderr, "a PIN is printed")


@tests.rule()
def init_refuses_a_label_that_is_taken_and_makes_no_pin_for_it(rig):
    pin = rig.pin("second")
    done = rig.cli("token", "init", "second", status=1)
    contains(done.stderr, "has a token with the label second already", "what it says")
    equal(rig.pin("second"), pin, "the PIN's file")
    rig.configure(SECTION.format(name="again", module=SOFTHSM, pin="file:token/again.pin").replace(
        "token=again", "token=second"))
    rig.cli("token", "init", "again", status=1)
    expect(not [name for name in os.listdir(rig.file("token")) if name.startswith("again")],
           "a PIN was made for a token that has another")


@tests.rule()
def init_takes_a_token_that_is_in_no_configuration(rig):
    folder = rig.env.folder("elsewhere")
    os.makedirs(os.path.join(folder, "tokens"))
    with open(os.path.join(folder, "conf"), "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {folder}/tokens\n")
    environment = {"SOFTHSM2_CONF": f"{folder}/conf", "CHANCERY_STATE": "/nonexistent"}
    words = ["token", "init", "--module", SOFTHSM, "--label", "stand-alone", "--pin", "file:key.pin"]
    rig.cli(*words, "--so-pin", "file:officer", environment=environment, cwd=folder)
    equal(sorted(os.listdir(folder)), ["conf", "key.pin", "officer", "tokens"], "files")
    listed = json.loads(rig.cli("token", "list", "--module", SOFTHSM, "--json", environment=environment).stdout)
    expect("stand-alone" in [row["label"] for row in listed["tokens"]], f"not there: {listed}")
    rig.cli(*words, environment=environment, cwd=folder, status=1)


@tests.rule()
def init_refuses_what_is_not_one_token(rig):
    for words in ([], ["second", "--module", SOFTHSM], ["--module", SOFTHSM, "--label", "x"],
                  ["--module", SOFTHSM, "--label", "x" * 33, "--pin", "file:/x"],
                  ["--module", SOFTHSM, "--pin", "file:x"],
                  ["--module", SOFTHSM, "--label", "x", "--pin", "file:/p", "--so-pin", "file:/p"]):
        done = rig.cli("token", "init", *words, status=2)
        expect(done.stderr.strip(), f"{words}: says nothing")
    rig.cli("token", "init", "nobody", status=1)
    done = rig.cli("token", "init", "--module", SOFTHSM, "--label", "x", "--pin", "271828", "--so-pin", "161803",
                   status=2)
    expect("271828" not in done.stderr and "161803" not in done.stderr, "a PIN from the command line is shown")


# ---- csr ----

@tests.rule(60)
def csr_of_every_type_of_key_is_one_that_openssl_verifies(rig):
    for kind, (signature, key) in TYPES.items():
        rig.cli("token", "keygen", "second", "--label", f"issuing-{kind}", "--type", kind)
        out = rig.env.path(f"{kind}.csr")
        rig.cli("token", "csr", "second", "--label", f"issuing-{kind}", "--subject", "/CN=Issuing 2/O=Example/C=CH",
                "--out", out)
        done = run("openssl", "req", "-verify", "-noout", "-text", "-in", out)
        contains(done.stdout + done.stderr, "verify OK", f"{kind}")
        contains(done.stdout, f"Signature Algorithm: {signature}", f"{kind}")
        contains(done.stdout, key, f"{kind}")
        contains(done.stdout, "Subject: C = CH, O = Example, CN = Issuing 2", f"{kind}")


@tests.rule()
def csr_has_names_and_the_string_types_of_the_rules(rig):
    rig.cli("token", "keygen", "second", "--label", "named")
    printed = rig.cli("token", "csr", "second", "--label", "named", "--subject", r"/O=A\/B Ältere/CN=x/C=CH",
                      "--name", "ca.example.test", "--name", "192.0.2.1").stdout
    text = run("openssl", "req", "-noout", "-text", "-nameopt", "RFC2253,show_type,-esc_msb,utf8",
               data=printed.encode()).stdout
    contains(text, "DNS:ca.example.test, IP Address:192.0.2.1", "the names")
    contains(text, "CN=UTF8STRING:x,O=UTF8STRING:A/B Ältere,C=PRINTABLESTRING:CH", "the subject")
    uri = rig.cli("token", "keygen", "second", "--label", "by-id", "--type", "ed25519").stdout
    identity = re.search(r"id=([%0-9A-F]+)", uri)[1].replace("%", "").lower()
    told = rig.json("token", "csr", "second", "--id", identity, "--subject", "/CN=by id")
    contains(run("openssl", "req", "-verify", "-noout", "-subject", data=told["request"].encode()).stdout, "CN = by id",
             "the request")


@tests.rule()
def csr_says_what_is_wrong(rig):
    out = rig.env.path("never.csr")
    ask = ["token", "csr", "second", "--out", out]
    for words, status, says in (
            (["--label", "nothing", "--subject", "/CN=x"], 1, "has no private key"),
            (["--id", "xyz", "--subject", "/CN=x"], 2, "hex digits"),
            (["--subject", "/CN=x"], 2, "--label or --id"),
            (["--label", "named", "--id", "00", "--subject", "/CN=x"], 2, "--label or --id"),
            (["--label", "named"], 2, "--subject is needed"),
            (["--label", "named", "--subject", "CN=x"], 2, "begins with a slash"),
            (["--label", "named", "--subject", "/OU=x/CN=x"], 2, "no type of a subject's part"),
            (["--label", "named", "--subject", "/C=Switzerland/CN=x"], 1, "countryName"),
            (["--label", "named", "--subject", "/CN=" + "x" * 65], 1, "longer than RFC 5280 allows"),
            (["--label", "named", "--subject", "/CN=x", "--name", "a..test"], 1, "a..test")):
        done = rig.cli(*ask, *words, status=status)
        contains(done.stderr, says, f"{words}")
    expect(not os.path.exists(out), "a refused request was written")


# ---- probe ----

def row_of(report, subject, name):
    found = [row for row in report["rows"] if row["subject"] == subject and row["name"].startswith(name)]
    expect(len(found) == 1, f"{len(found)} rows {subject}: {name}")
    return found[0]


def keys_of(report):
    return sorted(row["name"] for row in report["rows"] if row["subject"] == "keys" and row["name"] != "existing")


@tests.rule(120)
def probe_tells_what_a_token_serves_and_leaves_it_as_it_was(rig):
    rig.token("probed")
    rig.cli("token", "keygen", "probed", "--label", "mine")
    report = rig.json("token", "probe", "probed", limit=100)
    equal(report["summary"]["issuing"], ["rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521", "ed25519"], "issuing")
    equal((report["summary"]["pss"], report["summary"]["left"]), (True, []), "summary")
    expect(1 <= report["summary"]["sessions"] <= 8, f"sessions: {report['summary']}")
    for kind in report["summary"]["issuing"]:
        expect(row_of(report, kind, "signatures/s, 1 thread")["number"] > 0, f"no rate of {kind}")
        expect(row_of(report, kind, "signatures/s, 8 threads")["number"] > 0, f"no rate of {kind}")
    contains(row_of(report, "finalize", "key by its CKA_ID")["found"], "found, signs", "after C_Finalize")
    contains(row_of(report, "login", "second C_Login")["found"], "CKR_USER_ALREADY_LOGGED_IN", "second login")
    expect({"0x0", "0x1041"} <= {mechanism["type"] for mechanism in report["mechanisms"]}, "mechanisms are missing")
    for row in report["rows"]:
        expect(row["result"] in ("ok", "partly", "no") and row["means"], f"row {row}")
    equal(keys_of(rig.json("token", "probe", "probed", "--read-only")), ["mine"], "keys afterwards")
    user = signer_of_tokens(rig)
    for folder, _, names in os.walk(rig.file("token", "tokens")):
        equal({owner(os.path.join(folder, name)) for name in names} - {user}, set(), "owners of the token's files")


@tests.rule()
def probe_prints_a_table_for_people(rig):
    lines = rig.cli("token", "probe", "second", "--read-only").stdout.splitlines()
    expect(re.match(r"TRIED +RESULT +FOUND +WHAT IT MEANS$", lines[0]), f"heading: {lines[0]}")
    expect(any(re.match(r"mechanism: CKM_ECDSA +ok +112 to 521 +ECDSA signatures", line) for line in lines), lines)
    expect(lines[-1].startswith("summary: sessions"), f"the last line: {lines[-1]}")


@contextlib.contextmanager
def served_by_p11_kit(rig, name):
    """The token behind a process boundary: an environment in which p11-kit-client.so shows it."""
    socket = rig.env.path("p11-kit.sock")
    server = rig.env.start("p11-kit", "p11-kit", "server", "-f", "--provider", SOFTHSM, "-n", socket,
                           f"pkcs11:token={name}", cwd=rig.state, start_new_session=True,
                           env=rig.env.environment(SOFTHSM2_CONF="token/softhsm2.conf"))
    try:
        wait_until(lambda: os.path.exists(socket), 10, "the socket of p11-kit server")
        yield {"P11_KIT_SERVER_ADDRESS": f"unix:path={socket}"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@tests.rule(120)
def probe_finds_out_what_another_module_lacks(rig):
    rig.token("remote")
    pin = write_pin(rig.env.path("remote.pin"), rig.pin("remote"))
    with served_by_p11_kit(rig, "remote") as environment:
        report = rig.json("token", "probe", "--module", P11_CLIENT, "--token", "remote", "--pin", f"file:{pin}",
                          environment=environment, limit=100)
    expect("p256" in report["summary"]["issuing"] and "ed25519" not in report["summary"]["issuing"],
           f"issuing: {report['summary']}")
    equal(row_of(report, "mechanism", "CKM_EDDSA")["result"], "no", "EdDSA")
    contains(row_of(report, "ed25519", "generate")["found"], "CKR_MECHANISM_INVALID", "Ed25519")
    contains(row_of(report, "finalize", "key by its CKA_ID")["found"], "found, signs", "after C_Finalize")
    equal(report["summary"]["left"], [], "what is left")


@tests.rule()
def probe_reads_facts_without_a_pin(rig):
    environment = {"SOFTHSM2_CONF": rig.file("token", "softhsm2.conf")}
    words = ["token", "probe", "--module", SOFTHSM, "--token", "second"]
    done = rig.cli(*words, "--read-only", "--json", environment=environment, cwd=rig.state)
    contains(row_of(json.loads(done.stdout), "keys", "existing")["found"], "not looked for", "keys")
    rig.cli(*words, environment=environment, cwd=rig.state, status=2)


@tests.rule()
def probe_tries_a_wrong_pin_once(rig):
    wrong = write_pin(rig.env.path("wrong.pin"), "not this one")
    rig.forget_calls()
    done = rig.cli("token", "probe", "--module", rig.watched, "--token", "second", "--pin", f"file:{wrong}", "--json",
                   environment=rig.watching(SOFTHSM2_CONF=rig.file("token", "softhsm2.conf")), cwd=rig.state, status=1)
    equal(rig.calls(), ["C_Login"], "logins")
    contains(row_of(json.loads(done.stdout), "login", "C_Login")["found"], "CKR_PIN_INCORRECT", "the login")
    expect("not this one" not in done.stdout + done.stderr, "the PIN is printed")


@tests.rule()
def probe_says_that_there_is_no_such_token(rig):
    for words, status in ((["nobody"], 1), (["--module", SOFTHSM, "--token", "nobody", "--read-only"], 3),
                          (["--module", "/nowhere/module.so", "--token", "x", "--read-only"], 3), ([], 2)):
        done = rig.cli("token", "probe", *words, status=status,
                       environment={"SOFTHSM2_CONF": rig.file("token", "softhsm2.conf")}, cwd=rig.state)
        expect(done.stderr.strip(), f"{words}: says nothing")


# ---- pin change ----

def watched_token(rig, name):
    return rig.token(name, module=rig.watched)


@tests.rule()
def pin_change_draws_a_new_one_and_replaces_the_file(rig):
    before = rig.pin(watched_token(rig, "changed"))
    done, calls = rig.change("changed")
    after = rig.pin("changed")
    expect(after != before and re.fullmatch(r"[0-9a-f]{32}", after), "the file has no new PIN")
    equal(calls, ["C_SetPIN"], "calls")
    expect(before not in done.stdout + done.stderr and after not in done.stdout + done.stderr, "a PIN is printed")
    equal(done.stderr, "", "what is said where no server runs")
    equal((oct(os.stat(rig.file("token", "changed.pin")).st_mode & 0o7777), owner(rig.file("token", "changed.pin"))),
          ("0o600", pwd.getpwuid(os.geteuid()).pw_name), "the file")
    expect(not os.path.exists(rig.file("token", "changed.pin.new")), "the new file is still there")
    expect(rig.logs_in("changed"), "the PIN in the file is not the token's")


@tests.rule()
def pin_change_takes_a_pin_by_reference_alone(rig):
    watched_token(rig, "given")
    given = write_pin(rig.env.path("given.new"), "a PIN of the owner's")
    told = json.loads(rig.change("given", "--new-pin", f"file:{given}", "--json")[0].stdout)
    equal((told["token"], told["completed"]), ("given", False), "what it tells")
    equal(rig.pin("given"), "a PIN of the owner's", "the file")
    expect(rig.logs_in("given"), "the PIN in the file is not the token's")
    done, calls = rig.change("given", "--new-pin", "271828", status=2)
    expect("271828" not in done.stderr and not calls, "a PIN from the command line")
    contains(rig.change("given", "--new-pin", f"file:{given}", status=2)[0].stderr, "the one that it has", "the same")
    contains(rig.change("given", "--new-pin", "file:/nowhere/pin", status=1)[0].stderr, "/nowhere/pin", "no file")
    write_pin(given, "abc")
    contains(rig.change("given", "--new-pin", f"file:{given}", status=2)[0].stderr, "4 to 255", "a short PIN")
    equal(rig.pin("given"), "a PIN of the owner's", "the file after what was refused")
    expect(not os.path.exists(rig.file("token", "given.pin.new")), "a refused PIN is left")


@tests.rule()
def pin_change_tries_a_wrong_pin_once_and_leaves_nothing(rig):
    watched_token(rig, "mistaken")
    right = rig.pin("mistaken")
    write_pin(rig.file("token", "mistaken.pin"), "not this one")
    done, calls = rig.change("mistaken", status=3)
    equal(calls, ["C_SetPIN"], "attempts")
    contains(done.stderr, "refused the present PIN", "what it says")
    equal(rig.pin("mistaken"), "not this one", "the file")
    expect(not os.path.exists(rig.file("token", "mistaken.pin.new")), "the new file is left")
    write_pin(rig.file("token", "mistaken.pin"), right)
    expect(rig.logs_in("mistaken"), "the token's PIN has changed")


@tests.rule()
def pin_change_does_not_use_up_the_last_try(rig):
    watched_token(rig, "final")
    rig.forget_calls()
    done = rig.cli("token", "pin", "change", "final", status=3, environment=rig.watching(WATCHED_FINAL_TRY=1))
    contains(done.stderr, "one try left", "what it says")
    equal(rig.calls(), [], "attempts")
    write_pin(rig.file("token", "final.pin.new"), "of an interrupted change")
    rig.cli("token", "pin", "change", "final", status=3, environment=rig.watching(WATCHED_FINAL_TRY=1))
    equal(rig.calls(), [], "attempts for what an interrupted change left")
    expect(os.path.exists(rig.file("token", "final.pin.new")), "what was left is gone, undecided")


@tests.rule()
def pin_change_that_was_cut_off_before_the_token_knew_is_undone(rig):
    before = rig.pin(watched_token(rig, "undone"))
    found = rig.cut_off("before C_SetPIN", "token", "pin", "change", "undone")
    expect("undone.pin.new" in found, f"no new PIN was on the disk: {found}")
    done, calls = rig.change("undone", status=1)
    equal(calls, ["C_Login"], "one login decides")
    contains(done.stderr, "run the command again", "what it says")
    equal(rig.pin("undone"), before, "the file")
    expect(not os.path.exists(rig.file("token", "undone.pin.new")), "the new file is still there")
    equal(rig.change("undone")[1], ["C_SetPIN"], "calls of the next change")
    expect(rig.pin("undone") != before and rig.logs_in("undone"), "the next change did not work")


@tests.rule()
def pin_change_that_was_cut_off_after_the_token_knew_is_completed(rig):
    before = rig.pin(watched_token(rig, "completed"))
    rig.cut_off("after C_SetPIN", "token", "pin", "change", "completed")
    equal(rig.pin("completed"), before, "the file, of the old PIN")
    new = rig.pin("completed", "pin.new")
    done, calls = rig.change("completed")
    equal(calls, ["C_Login"], "one login decides")
    contains(done.stdout, "is complete", "what it says")
    equal(rig.pin("completed"), new, "the file")
    expect(not os.path.exists(rig.file("token", "completed.pin.new")), "the new file is still there")
    expect(rig.logs_in("completed"), "the PIN in the file is not the token's")


@tests.rule()
def pin_change_keeps_both_files_while_the_token_cannot_be_asked(rig):
    watched_token(rig, "away")
    rig.cut_off("after C_SetPIN", "token", "pin", "change", "away")
    tokens = rig.file("token", "tokens")
    os.rename(tokens, tokens + ".away")
    try:
        done, calls = rig.change("away", status=3)
    finally:
        if os.path.exists(tokens):
            os.rmdir(tokens)
        os.rename(tokens + ".away", tokens)
    equal(calls, [], "attempts")
    contains(done.stderr, "Keep both files", "what it says")
    rig.change("away")
    expect(rig.logs_in("away"), "the PIN in the file is not the token's")


@tests.rule()
def pin_change_whose_outcome_nobody_knows_keeps_the_new_pin(rig):
    watched_token(rig, "unknown")
    with rig.stopped("after C_SetPIN", "token", "pin", "change", "unknown") as tool:
        for pid in children(tool.pid):
            os.kill(pid, signal.SIGKILL)  # as a module that crashes
        equal(tool.wait(20), 3, "exit status")
    with open(rig.env.logs["stopped"], encoding="utf-8") as file:
        contains(file.read(), "whether token unknown has its new PIN is not known", "what it says")
    equal(rig.change("unknown")[1], ["C_Login"], "one login decides")
    expect(rig.logs_in("unknown"), "the PIN in the file is not the token's")


@tests.rule()
def two_pin_changes_at_once_are_refused(rig):
    watched_token(rig, "busy")
    with rig.stopped("before C_SetPIN", "token", "pin", "change", "busy"):
        new = rig.pin("busy", "pin.new")
        done = rig.cli("token", "pin", "change", "busy", status=1, environment=rig.watching())
        contains(done.stderr, "another change of this PIN is under way", "what it says")
        equal((rig.calls(), rig.pin("busy", "pin.new")), (["C_SetPIN"], new), "calls, and the new PIN's file")


@tests.rule()
def pin_change_needs_a_place_for_the_new_one(rig):
    credentials = rig.env.folder("credentials")
    write_pin(os.path.join(credentials, "pin"), "of a credential")
    environment = rig.watching(CREDENTIALS_DIRECTORY=credentials)
    rig.token("credited", module=rig.watched, pin="credential:pin", init=False)
    rig.forget_calls()
    rig.cli("token", "init", "credited", status=2, environment=environment)
    rig.cli("token", "init", "credited", "--so-pin", "file:" + rig.env.path("credited.so-pin"), environment=environment)
    done = rig.cli("token", "pin", "change", "credited", status=2, environment=environment)
    contains(done.stderr, "--new-pin is needed", "what it says")
    new = rig.env.path("credited.pin")
    rig.cli("token", "pin", "change", "credited", "--new-pin", f"file:{new}", environment=environment)
    os.rename(new, os.path.join(credentials, "pin"))
    rig.cli("token", "keygen", "credited", "--label", "x", environment=environment)


# ---- at a terminal ----

def at_terminal(rig, words, answers):
    environment = rig.env.environment(CHANCERY_STATE=rig.state)
    return run_at_terminal(rig.env.program("chancery"), words, environment, answers)


@tests.rule(60)
def at_a_prompt_both_pins_are_asked_for_and_the_new_one_twice(rig):
    rig.token("asked", pin="prompt", init=False)
    status, shown = at_terminal(rig, ["token", "init", "asked"], ["0fficer", "0fficer", "f1rst", "f1rst"])
    equal(status, 0, shown)
    status, shown = at_terminal(rig, ["token", "pin", "change", "asked"], ["f1rst", "s3cond", "0ther"])
    equal(status, 2, shown)
    contains(shown, "were not the same", "what it says")
    status, shown = at_terminal(rig, ["token", "pin", "change", "asked"], ["f1rst", "s3cond", "s3cond"])
    equal(status, 0, shown)
    status, shown = at_terminal(rig, ["token", "keygen", "asked", "--label", "x"], ["s3cond"])
    equal(status, 0, shown)
