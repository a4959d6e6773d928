"""The same stories by the command line: what a requester and officers type, each with their own key."""

import json
import os
import re

from support.client import refused
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.liar import Liar
from support.orders import CHALLENGE, Town
from support.tokens import PIN, SO_PIN, SOFTHSM


def setup(env):
    town = Town(env)
    town.desk = env.folder("desk")
    return town


tests = Tests(setup, san=True)


def cli(town, who, *words, **more):
    folder = town.folders[who]
    return town.ca.cli(*words, "--cert", os.path.join(folder, "cert.pem"), "--key", os.path.join(folder, "key.pem"),
                       cwd=town.desk, **more)


def asked(town, who, *words, **more):
    """The answer as JSON."""
    return json.loads(cli(town, who, *words, "--json", **more).stdout)


def request(town, name, *names, subject="/"):
    """A key and a request on the desk."""
    san = ",".join(f"DNS:{one}" for one in names)
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        f"{name}.key", "-subj", subject, "-addext", f"subjectAltName={san}", "-out", f"{name}.csr", cwd=town.desk)
    return f"{name}.csr"


def status(town, who, order):
    return asked(town, who, "order", "show", order)["status"]


def submit_shown(town, who, *words):
    """A draft, its records in the DNS, and then submitted; the order's id."""
    order = asked(town, who, "submit", *words, "--draft")["order"]
    town.put_txt(order)
    asked(town, who, "order", "submit", order["id"])
    return order["id"]


def wait(town, who, order, wanted):
    wait_until(lambda: status(town, who, order) == wanted, 20, f"the order to be {wanted}", pause=0.1)


@tests.rule(60)
def a_requester_gets_a_certificate_for_a_name_by_what_the_command_says(town):
    csr = request(town, "www", "cli.example.org")
    printed = cli(town, "alice", "submit", csr, "--profile", "server-dv", "--out", "www.pem").stdout
    contains(printed, f"{CHALLENGE}.cli.example.org", "what to put where")
    order = asked(town, "alice", "order", "list", "--mine", "--limit", "1")["orders"][0]["id"]
    contains(printed, order, "the order's id")
    shown = asked(town, "alice", "order", "show", order, "--csr", csr)
    town.put_txt(shown)
    contains(cli(town, "alice", "order", "check", order).stdout, order, "what check says")
    wait(town, "alice", order, "issued")
    serial = asked(town, "alice", "order", "show", order)["certificate"]
    cli(town, "alice", "cert", "export", serial, "--chain", "--out", "www.pem")
    run("openssl", "verify", "-CAfile", town.ca.root, "-untrusted", "www.pem", "www.pem", cwd=town.desk)


@tests.rule(60)
def values_of_another_key_are_found_out(town):
    request(town, "mine", "lie.example.org")
    request(town, "other", "lie.example.org")
    order = asked(town, "alice", "submit", "mine.csr", "--profile", "server-dv")["order"]["id"]
    cli(town, "alice", "order", "show", order, "--csr", "mine.csr")
    contains(cli(town, "alice", "order", "show", order, "--csr", "other.csr", status=4).stderr, "key", "what is said")


@tests.rule(60)
def a_code_from_a_mail_is_confirmed_without_being_an_argument(town):
    csr = request(town, "mailed", "mailed.example.org")
    order = asked(town, "alice", "submit", csr, "--profile", "server-dv")["order"]
    with open(os.path.join(town.desk, "code"), "w", encoding="ascii") as file:
        file.write(town.mail.code("admin@mailed.example.org", order["id"]) + "\n")
    os.chmod(os.path.join(town.desk, "code"), 0o600)
    cli(town, "alice", "order", "confirm", order["id"], "--name", "mailed.example.org", "--code", "file:code")
    wait(town, "alice", order["id"], "issued")


@tests.rule(60)
def drafts_are_submitted_copied_and_cancelled(town):
    order = asked(town, "alice", "submit", request(town, "draft", "draft.example.org"), "--profile", "server-dv",
                  "--draft", "--contact", "technical:ops@example.org")["order"]
    equal((order["status"], order["contacts"]), ("draft", [{"role": "technical", "mail": "ops@example.org"}]), "draft")
    copy = asked(town, "alice", "order", "copy", order["id"])["id"]
    cli(town, "alice", "order", "submit", order["id"])
    for one in (order["id"], copy):
        cli(town, "alice", "order", "cancel", one)
        equal(status(town, "alice", one), "cancelled", "status")
    cli(town, "alice", "order", "check", order["id"], status=1)
    cli(town, "bob", "order", "show", order["id"], status=1)


def add_organization(town, identifier="example"):
    with open(os.path.join(town.desk, "extract.txt"), "w", encoding="ascii") as file:
        file.write("HRB 1234, Example GmbH, Berlin\n")
    cli(town, "admin", "org", "add", identifier, "--legal-name", "Example GmbH", "--registration-number", "HRB 1234",
        "--jurisdiction-country", "DE", "--street", "Hauptstr. 1", "--locality", "Berlin", "--postal-code", "10115",
        "--country", "DE", "--business-category", "Private Organization", "--standing", "good", "--domain",
        "example.org", "--agent", "alice", "--agent", "olivia", "--document", "extract.txt")
    cli(town, "olivia", "org", "vet", identifier, "--reason", "register of companies looked up", "--yes")
    contains(cli(town, "alice", "org", "show", identifier).stdout, "vetted", "the record")
    contains(cli(town, "audrey", "org", "list").stdout, identifier, "the list")


@tests.rule(60)
def under_organization_validation_an_officer_sees_the_bytes_and_approves_them(town):
    add_organization(town)
    order = submit_shown(town, "alice", request(town, "ov", "ov.example.org", subject="/O=Elsewhere"), "--profile",
                         "server-ov", "--org", "example")
    wait(town, "alice", order, "pending-approval")
    contains(cli(town, "audrey", "order", "approve", order, "--reason", "x", "--yes", status=1).stderr, "officer",
             "an auditor")
    cli(town, "alice", "order", "approve", order, "--yes", status=1)
    contains(cli(town, "oscar", "order", "approve", order, "--reason", "two\nlines", "--yes", check=False).stderr,
             "reason", "a line break in the reason")
    printed = cli(town, "oscar", "order", "approve", order, "--reason", "names and record agree", "--yes").stdout
    for part in ("Example GmbH", "ov.example.org", "alice"):
        contains(printed, part, "what the officer is shown")
    wait(town, "alice", order, "issued")
    contains(cli(town, "oscar", "order", "approve", order, "--yes", status=1).stderr, "issued", "approving once more")


@tests.rule(60)
def an_officers_key_may_lie_in_a_token_of_his_own(town):
    town.ca.cli("identity", "add", "otto", "--role", "officer", "--csr",
                os.path.join(town.desk, request(town, "otto", "otto.example.org", subject="/CN=otto")), "--out",
                os.path.join(town.desk, "otto"))
    conf = os.path.join(town.desk, "softhsm2.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {town.env.folder('otto-token')}\nobjectstore.backend = file\n")
    with open(os.path.join(town.desk, "pin"), "w", encoding="ascii") as file:
        file.write(PIN)
    os.chmod(os.path.join(town.desk, "pin"), 0o600)
    environment = town.env.environment(SOFTHSM2_CONF=conf)
    run("softhsm2-util", "--init-token", "--free", "--label", "otto", "--pin", PIN, "--so-pin", SO_PIN, env=environment)
    run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "otto.key", "-out", "otto.p8", cwd=town.desk)
    run("softhsm2-util", "--import", "otto.p8", "--token", "otto", "--pin", PIN, "--label", "otto", "--id", "01",
        env=environment, cwd=town.desk)
    for name in ("otto.key", "otto.p8"):
        os.remove(os.path.join(town.desk, name))
    key = f"pkcs11:token=otto;object=otto?module-path={SOFTHSM}&pin-source=file:{town.desk}/pin"

    def as_otto(*words, **more):
        return town.ca.cli(*words, "--cert", os.path.join(town.desk, "otto", "cert.pem"), "--key", key,
                           environment={"SOFTHSM2_CONF": conf}, cwd=town.desk, **more)

    order = submit_shown(town, "alice", request(town, "ev", "ev.example.org"), "--profile", "server-ev", "--org",
                         "example")
    wait(town, "alice", order, "pending-approval")
    contains(as_otto("order", "list").stdout, order, "what he sees")
    as_otto("order", "approve", order, "--reason", "looked at it", "--yes")
    cli(town, "oscar", "order", "approve", order, "--reason", "looked at it, too", "--yes")
    wait(town, "alice", order, "issued")
    as_otto("order", "approve", order, "--yes", status=1)


@tests.rule(60)
def an_explanation_is_read_in_words_and_proves_itself_as_a_file(town):
    row = next(row for row in asked(town, "alice", "order", "list", "--status", "issued")["orders"]
               if row["profile"] == "server-ev")
    serial = asked(town, "alice", "order", "show", row["id"])["certificate"]
    town.ca.cli("crl", "now", "issuing-1")  # with a list comes a signed head of the log
    said = cli(town, "alice", "explain", serial, "--out", "why.json").stdout
    for part in ("ev.example.org", "otto", "oscar", "olivia", "dns-txt", town.dns.resolver):
        contains(said, part, "the words")
    proved = town.ca.cli("explain", "--verify", "why.json", cwd=town.desk).stdout
    expect(proved, "nothing is said of the proof")
    with open(os.path.join(town.desk, "why.json"), encoding="utf-8") as file:
        whole = json.load(file)
    for name, change in (
            ("statement", lambda told: told["approvals"][0].update(statement=told["approvals"][1]["statement"])),
            ("record", lambda told: told["organization"].update(
                record=told["organization"]["record"].replace("Berlin", "Bremen"))),
            ("without an officer", lambda told: told["approvals"].pop()),
            ("tbs", lambda told: told["certificate"].update(tbsSha256="00" * 32))):
        told = json.loads(json.dumps(whole))
        change(told)
        with open(os.path.join(town.desk, "changed.json"), "w", encoding="utf-8") as file:
            json.dump(told, file)
        done = town.ca.cli("explain", "--verify", "changed.json", cwd=town.desk, check=False)
        equal(done.returncode, 4, f"{name}: {done.stdout + done.stderr}")
    csr = request(town, "wait", "wait.example.org")
    waiting = asked(town, "alice", "submit", csr, "--profile", "server-dv")["order"]
    contains(cli(town, "alice", "explain", waiting["id"]).stdout, "wait.example.org", "what a waiting order lacks")
    cli(town, "bob", "explain", serial, status=1)


# ---- a front that was taken over ----

def by_liar(town, who, lie, *words, ask=lambda path: path, **more):
    """The command against a server that lies; what was said, and the liar."""
    out = town.env.path("liar")
    if not os.path.exists(out):
        town.ca.cli("issue", "--profile", "server-dv", "--name", "localhost", "--out", out)
    with Liar(town, out, who, lie, ask) as liar:
        return cli(town, who, *words, "--server", liar.url, "--ca", town.ca.root, **more), liar


def swap(old, new):
    return lambda _path, body: body.replace(old.encode(), new.encode())


@tests.rule(60)
def a_front_that_lies_has_no_other_key_shown(town):
    csr = request(town, "honest", "honest.example.org")
    order = asked(town, "alice", "submit", csr, "--profile", "server-dv")["order"]
    value = next(method["value"] for method in order["authorizations"][0]["methods"] if method["type"] == "dns-txt")
    show = ("order", "show", order["id"], "--csr", csr)
    by_liar(town, "alice", lambda _path, body: body, *show)
    for name, lie in (("value", swap(value, value[::-1])), ("nonce", swap(order["nonce"], "ab" * 32)),
                      ("key", swap(order["spkiSha256"], "ab" * 32)), ("requester", swap('"alice"', '"mallory"')),
                      ("place", swap("_chancery-challenge.honest", "_chancery-challenge.other"))):
        done, _ = by_liar(town, "alice", lie, *show, check=False)
        equal(done.returncode, 4, f"a lie about the {name}: {done.stdout + done.stderr}")


@tests.rule(60)
def a_front_that_lies_gets_no_approval_of_other_bytes(town):
    orders = {}
    for name in ("wanted", "foisted"):
        orders[name] = submit_shown(town, "alice", request(town, name, f"{name}.example.org"), "--profile", "server-ov",
                                    "--org", "example")
        wait(town, "alice", orders[name], "pending-approval")
    asked_for = {name: (town.get("oscar", f"orders/{order}").body, town.get("oscar", f"orders/{order}/tbs").body)
                 for name, order in orders.items()}
    approve = ("order", "approve", orders["wanted"], "--reason", "looked at it", "--yes")

    def other_bytes(path, body):
        return asked_for["foisted"][1] if path.endswith("/tbs") else body

    done, liar = by_liar(town, "oscar", other_bytes, *approve, check=False)
    equal((done.returncode, liar.posted("/approve")), (4, []), f"other bytes: {done.stdout + done.stderr}")

    # A lie in itself consistent: he sees what he signs for, and the signer does not take it for the other.
    def other_order(path, body):
        if path.endswith("/tbs"):
            return asked_for["wanted"][1]
        return asked_for["wanted"][0].replace(orders["wanted"].encode(), orders["foisted"].encode()) \
            if path.endswith(orders["foisted"]) else body

    done, liar = by_liar(town, "oscar", other_order, "order", "approve", orders["foisted"], "--reason", "looked at it",
                         "--yes", check=False)
    equal((done.returncode, len(liar.posted("/approve"))), (1, 1), f"another order's: {done.stdout + done.stderr}")
    for statement in liar.posted("/approve"):
        refused(town.act("oscar", orders["wanted"], "approve", statement), 409, "approval-mismatch")
    for order in orders.values():
        equal(asked(town, "alice", "order", "show", order)["approvals"], [], "approvals")
        equal(status(town, "alice", order), "pending-approval", "status")


@tests.rule(60)
def a_front_that_lies_gets_no_record_vetted_that_nobody_saw(town):
    cli(town, "admin", "org", "add", "bent", "--legal-name", "Bent GmbH", "--locality", "Bremen", "--country", "DE",
        "--standing", "good", "--domain", "bent.example.org", "--agent", "alice")

    def shown_otherwise(path, body):
        return body.replace(b"Bent GmbH", b"Fair GmbH")

    done, _ = by_liar(town, "olivia", shown_otherwise, "org", "vet", "bent", "--reason", "looked up", "--yes",
                      check=False)
    expect(done.returncode in (1, 4), f"vetting what is not there: {done.stdout + done.stderr}")
    equal(asked(town, "olivia", "org", "show", "bent")["status"], "unvetted", "status of the record")


def in_colours(value):
    """Every text of an answer with what would move a terminal's cursor or turn a line around."""
    if isinstance(value, dict):
        return {name: in_colours(one) for name, one in value.items()}
    if isinstance(value, list):
        return [in_colours(one) for one in value]
    return f"{value}\x1b[2J\x9b1A\u202e" if isinstance(value, str) else value


@tests.rule(60)
def a_front_that_lies_moves_no_terminal(town):
    town.ca.cli("issue", "--profile", "client", "--name", "shown", "--out", town.env.path("shown"))
    serial = town.ca.json("cert", "list", "--limit", "1")["certificates"][0]["serial"]
    csr = request(town, "gaudy", "gaudy.example.org")
    order = asked(town, "alice", "submit", csr, "--profile", "server-dv", "--draft")["order"]["id"]

    def lie(path, body):
        return json.dumps(in_colours(json.loads(body))).encode() if path.startswith("/api/") else body

    for words in (("org", "add", "gaudy", "--legal-name", "Gaudy GmbH", "--country", "DE"), ("org", "show", "gaudy"),
                  ("org", "list"), ("cert", "list"), ("cert", "show", serial), ("cert", "revoke", serial),
                  ("order", "list"), ("order", "show", order), ("explain", serial), ("audit", "export")):
        done, _ = by_liar(town, "admin", lie, *words)
        said = done.stdout + done.stderr
        expect(said, f"{words}: nothing is said")
        for mark in ("\x1b", "\x9b", "\u202e"):
            expect(mark not in said, f"{words}: {mark!r} in {said!r}")


@tests.rule(60)
def a_list_of_several_pages_is_shown_as_one(town):
    csr = request(town, "page", "page.example.org")
    for _ in range(3):
        town.ca.cli("issue", "--profile", "client", "--name", "page", "--out", town.env.path("page"), "--force")
        asked(town, "alice", "submit", csr, "--profile", "server-dv", "--draft")

    def small_pages(path):
        return re.sub(r"limit=\d+", "limit=1", path)

    for kind in ("cert", "order"):
        words = (kind, "list", "--limit", "3")
        done, liar = by_liar(town, "admin", lambda _path, body: body, *words, "--json", ask=small_pages)
        equal(json.loads(done.stdout), asked(town, "admin", *words), f"{kind}: the pages together")
        limits = [path.rpartition("limit=")[2] for _, path, _ in liar.asked]
        equal(limits, ["3", "2", "1"], f"{kind}: what was asked for")


# ---- the end of things ----

@tests.rule(60)
def what_an_officer_denies_is_over(town):
    order = submit_shown(town, "alice", request(town, "no", "no.example.org"), "--profile", "server-ov", "--org",
                         "example")
    wait(town, "alice", order, "pending-approval")
    expect(cli(town, "oscar", "order", "deny", order, "--yes", check=False).returncode == 2, "denied without a reason")
    cli(town, "oscar", "order", "deny", order, "--reason", "not ours", "--yes")
    contains(cli(town, "alice", "order", "show", order).stdout, "not ours", "what the requester sees")


@tests.rule(60)
def a_record_is_suspended_and_entered_anew(town):
    cli(town, "oscar", "org", "suspend", "example", "--reason", "insolvent", "--yes")
    contains(cli(town, "alice", "submit", request(town, "late", "late.example.org"), "--profile", "server-ov", "--org",
                 "example", status=1).stderr, "suspended", "what is said")
    cli(town, "admin", "org", "add", "example", "--update", "--locality", "Hamburg")
    cli(town, "olivia", "org", "vet", "example", "--reason", "looked up anew", "--yes")
    contains(cli(town, "alice", "org", "show", "example").stdout, "Hamburg", "the record")
    export = town.export()
    town.ca.cli("audit", "verify", export, limit=60)
