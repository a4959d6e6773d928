"""The command line: exit statuses, help, JSON, files that it writes, backup and restore."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import time

from support import csr, der
from support.client import pem_blocks
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.server import CA, serial_in
from support.terminal import run_at_terminal

COMMANDS = """init|issue|submit|renew|cert list|cert show|cert revoke|cert hold|cert unhold|cert export|identity add
|identity list|identity show|identity renew|identity remove|identity recover|apitoken add|apitoken list|apitoken remove
|crl show|crl now|audit export|audit verify|store check|store backup|store restore|config check|config show|token list
|token probe|token init|token keygen|token csr|token status|token pin change|order list|order show|order submit
|order copy|order cancel|order check|order confirm|order approve|order deny|org add|org vet|org suspend|org list|org show
|explain|ceremony check
|ceremony rehearse|ceremony run|ceremony verify|ceremony import""".replace("\n", "").split("|")


def configured(text):
    """Certificates may be held; organization validation is for internal names, which a grant of the admin's covers."""
    text = text.replace("# allow-hold = true ", "allow-hold = true ")
    text = text.replace('# waivers = { "internal-names" } ', 'waivers = { "internal-names" } ', 1)
    return text.replace('profiles = { "server-dv",', 'profiles = { "server-dv", "server-ov",', 1)


def setup(env):
    ca = CA(env, config=configured)
    ca.admin = ca.client()
    return ca


def request(ca, name, seed=4):
    """A file with a request for the name."""
    path = ca.env.path(f"{name}.csr")
    with open(path, "w", encoding="ascii") as file:
        file.write(der.pem(csr.for_names(csr.EcKey(seed), name)))
    return path


DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")
tests = Tests(setup, san=True, setup_limit=90)


@tests.rule(60)
def every_command_explains_itself(ca):
    for command in COMMANDS:
        done = ca.cli(*command.split(), "--help", environment={"CHANCERY_STATE": "/nonexistent"})
        contains(done.stdout, f"chancery {command}", f"{command} --help")
        contains(done.stdout, "--json", f"{command} --help")
    whole = ca.cli("--help").stdout
    for word in {command.split()[0] for command in COMMANDS}:
        contains(whole, word, "chancery --help")
    expect(re.search(r"\d+\.\d+\.\d+", ca.cli("--version").stdout), "--version shows none")


@tests.rule(60)
def wrong_usage_is_status_2(ca):
    for words in (["nothing"], ["cert"], ["cert", "nothing"], ["issue", "--nothing"], ["cert", "show"],
                  ["cert", "show", "a", "b"], ["issue", "--profile"], ["issue", "--profile", "server-dv"],
                  ["renew"], ["identity", "add"], ["identity", "add", "x", "--role", "king"],
                  ["config", "check", "--limit"], ["audit", "verify"], ["order"], ["order", "show"], ["explain"],
                  ["order", "deny", "x"], ["order", "confirm", "x"], ["org", "add"], ["org", "suspend", "x"],
                  ["explain", "x", "--verify", "y"], ["explain", "x", "--head", "y"]):
        done = ca.cli(*words, status=2)
        expect(done.stderr.strip() and not done.stdout.strip(), f"{words}: says {done.stdout!r} {done.stderr!r}")


@tests.rule()
def what_is_refused_or_not_found_is_status_1(ca):
    out = ca.env.path("never")
    for words in (["cert", "show", "ab" * 18], ["cert", "revoke", "ab" * 18], ["identity", "show", "nobody"],
                  ["identity", "remove", "nobody"], ["apitoken", "remove", "nobody"],
                  ["order", "show", "nobody"], ["order", "approve", "nobody"], ["org", "show", "nobody"],
                  ["org", "vet", "nobody"], ["explain", "nobody"],
                  ["issue", "--profile", "client", "--name", "x", "--name", "www.example.com", "--out", out],
                  ["issue", "--profile", "gold", "--name", "a.test", "--out", out]):
        done = ca.cli(*words, status=1)
        expect(done.stderr.strip(), f"{words}: says nothing")
    expect(not os.path.exists(os.path.join(out, "cert.pem")), "a refused issue left a certificate")


@tests.rule()
def an_unreachable_server_is_status_3(ca):
    for words in (["cert", "list"], ["identity", "list"], ["crl", "now"],
                  ["issue", "--profile", "server-dv", "--name", "a.test", "--out", ca.env.path("never3")]):
        silent = ca.env.folder("silent")
        run("cp", "-a", ca.file("chancery.conf"), ca.file("trust"), ca.file("admin"), silent)
        with open(os.path.join(silent, "chancery.conf"), "r+", encoding="utf-8") as file:
            text = file.read().replace(f":{ca.port}", ":9")
            file.seek(0)
            file.write(text)
            file.truncate()
        done = ca.cli(*words, environment={"CHANCERY_STATE": silent}, status=3)
        expect(done.stderr.strip(), f"{words}: says nothing")


@tests.rule()
def a_server_of_another_ca_is_not_believed(ca):
    other = ca.env.path("other.pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        ca.env.path("other.key"), "-out", other, "-subj", "/CN=Other")
    done = ca.cli("cert", "list", "--server", f"https://localhost:{ca.port}", "--ca", other, "--cert",
                  ca.file("admin/cert.pem"), "--key", ca.file("admin/key.pem"), check=False)
    expect(done.returncode in (3, 4), f"status {done.returncode}: {done.stderr}")


@tests.rule()
def server_trust_and_identity_can_be_given(ca):
    done = ca.cli("cert", "list", "--server", f"https://localhost:{ca.port}", "--ca", ca.root, "--cert",
                  ca.file("admin/cert.pem"), "--key", ca.file("admin/key.pem"), "--json",
                  environment={"CHANCERY_STATE": "/nonexistent"})
    json.loads(done.stdout)
    token = ca.env.path("token")
    with open(token, "w", encoding="ascii") as file:
        file.write(ca.add_token("admin", "--may", "read") + "\n")
    os.chmod(token, 0o600)
    ca.cli("cert", "list", "--server", f"https://localhost:{ca.port}", "--ca", ca.root, "--token-file", token,
           environment={"CHANCERY_STATE": "/nonexistent"})


@tests.rule(90)
def issue_makes_key_and_files(ca):
    for kind, shown in (("p256", "256 bit"), ("p384", "384 bit"), ("p521", "521 bit"), ("rsa2048", "2048 bit"),
                        ("rsa3072", "3072 bit"), ("ed25519", "ED25519")):
        out = ca.issue(f"kind-{kind}", f"{kind}.cli.test", more=["--key-type", kind])
        equal(oct(os.stat(os.path.join(out, "key.pem")).st_mode & 0o777), "0o600", "mode of key.pem")
        text = run("openssl", "x509", "-noout", "-text", "-in", os.path.join(out, "cert.pem")).stdout
        expect(shown.lower() in text.lower(), f"{kind}: {text[:600]}")
        equal(run("openssl", "pkey", "-pubout", "-in", os.path.join(out, "key.pem")).stdout,
              run("openssl", "x509", "-noout", "-pubkey", "-in", os.path.join(out, "cert.pem")).stdout, "the key")
        counts = []
        for name in ("cert.pem", "chain.pem", "fullchain.pem"):
            with open(os.path.join(out, name), encoding="ascii") as file:
                counts.append(len(pem_blocks(file.read())))
        equal(counts, [1, 1, 2], "certificates in cert, chain, fullchain")


@tests.rule()
def issue_never_overwrites_without_force(ca):
    out = ca.issue("once", "once.cli.test")
    with open(os.path.join(out, "key.pem"), encoding="ascii") as file:
        before = file.read()
    done = ca.cli("issue", "--profile", "server-dv", "--name", "once.cli.test", "--out", out, check=False)
    expect(done.returncode in (1, 2), f"status {done.returncode}")
    with open(os.path.join(out, "key.pem"), encoding="ascii") as file:
        equal(file.read(), before, "key.pem")
    ca.cli("issue", "--profile", "server-dv", "--name", "once.cli.test", "--out", out, "--force")


@tests.rule()
def submit_writes_the_chain(ca):
    path = ca.env.path("submit.csr")
    with open(path, "w", encoding="ascii") as file:
        file.write(der.pem(csr.for_names(csr.EcKey(1), "submit.cli.test")))
    equal(len(pem_blocks(ca.cli("submit", path, "--profile", "server-dv", "--days", "3").stdout)), 2, "certificates")
    with open(path, "w", encoding="ascii") as file:
        file.write("rubbish\n")
    ca.cli("submit", path, "--profile", "server-dv", status=1)


@tests.rule()
def what_became_an_order_keeps_its_key(ca):
    out = ca.env.path("ordered")
    done = ca.cli("issue", "--profile", "server-dv", "--name", "ordered.example.com", "--out", out)
    order = re.search(r"(?m)^order: +(\S+)$", done.stdout).group(1)
    contains(done.stdout, "_chancery-challenge.ordered.example.com", "what to put where")
    equal(sorted(os.listdir(out)), ["key.pem", "request.csr"], "files")
    equal(oct(os.stat(os.path.join(out, "key.pem")).st_mode & 0o777), "0o600", "mode of key.pem")
    shown = ca.cli("order", "show", order, "--csr", os.path.join(out, "request.csr")).stdout
    contains(shown, "computed here, from your request", "order show")
    contains(ca.cli("order", "show", order, "--csr", os.path.join(out, "key.pem")).stdout, "computed here", "by the key")
    done = ca.cli("issue", "--profile", "server-dv", "--name", "ordered.example.com", "--out", out, status=1)
    contains(done.stderr, "key.pem", "an order's key would be overwritten")


@tests.rule()
def a_server_that_hands_out_values_for_another_key_is_found_out(ca):
    order = ca.json("submit", request(ca, "values.example.com"), "--profile", "server-dv")["order"]["id"]
    done = ca.cli("order", "show", order, "--csr", request(ca, "other.example.com", seed=5), status=4)
    expect("_chancery-challenge" not in done.stdout, f"shows values: {done.stdout}")


def at_terminal(ca, words, answers):
    return run_at_terminal(ca.env.program("chancery"), words, ca.env.environment(CHANCERY_STATE=ca.state), answers)


@tests.rule()
def the_passphrase_of_an_encrypted_key_is_asked_for_once(ca):
    key = ca.env.path("encrypted.pem")
    run("openssl", "pkey", "-in", ca.file("admin/key.pem"), "-aes256", "-passout", "pass:0pen sesame", "-out", key)
    words = ["cert", "list", "--limit", "1", "--cert", ca.file("admin/cert.pem"), "--key", key]
    status, shown = at_terminal(ca, words, ["0pen sesame"])
    equal(status, 0, shown)
    contains(shown, "SERIAL", "what is shown")
    status, shown = at_terminal(ca, words, ["sesame, 0pen"])
    equal(status, 1, shown)
    ca.cli(*words, status=3)


@tests.rule(60)
def nothing_is_signed_without_a_yes(ca):
    ca.cli("identity", "add", "oscar", "--role", "officer")
    oscar = ["--cert", ca.file("identities/oscar/cert.pem"), "--key", ca.file("identities/oscar/key.pem")]
    ca.cli("org", "add", "asked", "--legal-name", "Asked Ltd", "--locality", "Bern", "--country", "CH", "--standing",
           "good", "--domain", "test", "--agent", "admin")
    for answer in ("no", "", "y", "YES"):
        status, shown = at_terminal(ca, ["org", "vet", "asked", *oscar], [("(yes or no): ", answer)])
        equal(status, 1, shown)
        contains(shown, "legal-name: Asked Ltd", "what is shown")
    equal(ca.json("org", "show", "asked")["status"], "unvetted", "the record")
    status, shown = at_terminal(ca, ["org", "vet", "asked", *oscar], [("(yes or no): ", "yes")])
    equal(status, 0, shown)
    order = ca.json("submit", request(ca, "asked.test"), "--profile", "server-ov", "--org", "asked")["order"]["id"]
    done = ca.cli("order", "approve", order, *oscar, status=2)
    contains(done.stdout, "O=Asked Ltd", "what is shown")
    contains(done.stderr, "--yes", "without a terminal")
    status, shown = at_terminal(ca, ["order", "approve", order, *oscar], [("(yes or no): ", "yes")])
    equal(status, 0, shown)
    expect(ca.json("order", "show", order)["approvals"], "not approved")


@tests.rule()
def renew_keeps_names_and_profile(ca):
    out = ca.issue("renewed", "renew.cli.test", "www.renew.cli.test", profile="peer")
    old = serial_in(out)
    with open(os.path.join(out, "key.pem"), encoding="ascii") as file:
        key = file.read()
    ca.cli("renew", old, "--reuse-key", "--out", out)
    new = serial_in(out)
    expect(new != old, "the same certificate")
    rows = [ca.admin.row(serial) for serial in (old, new)]
    for member in ("names", "profile", "subject"):
        equal(rows[1][member], rows[0][member], member)
    with open(os.path.join(out, "key.pem"), encoding="ascii") as file:
        equal(file.read(), key, "the reused key")
    ca.cli("renew", new, "--out", out)
    with open(os.path.join(out, "key.pem"), encoding="ascii") as file:
        expect(file.read() != key, "a renewal without --reuse-key kept the key")
    equal(run("openssl", "pkey", "-pubout", "-in", os.path.join(out, "key.pem")).stdout,
          run("openssl", "x509", "-noout", "-pubkey", "-in", os.path.join(out, "cert.pem")).stdout, "the new key")


def orders_in_json(ca, said):
    ca.cli("identity", "add", "olivia", "--role", "officer")
    olivia = ["--cert", ca.file("identities/olivia/cert.pem"), "--key", ca.file("identities/olivia/key.pem"), "--yes"]
    outside = said("submit", request(ca, "json.example.com"), "--profile", "server-dv")["order"]["id"]
    equal(said("order", "show", outside)["id"], outside, "order show")
    equal(said("order", "check", outside)["id"], outside, "order check")
    copy = said("order", "copy", outside)
    equal((copy["status"], copy["names"]), ("draft", ["dns:json.example.com"]), "order copy")
    equal(said("order", "submit", copy["id"])["status"], "pending-validation", "order submit")
    equal(said("order", "cancel", copy["id"])["status"], "cancelled", "order cancel")
    expect(said("order", "list", "--status", "cancelled")["orders"], "order list")
    equal(said("org", "add", "json", "--legal-name", "Jason", "--locality", "Berlin", "--country", "DE", "--standing",
               "good", "--domain", "test", "--agent", "admin")["version"], 1, "org add")
    equal(said("org", "vet", "json", *olivia)["status"], "vetted", "org vet")
    equal(said("org", "show", "json")["legalName"], "Jason", "org show")
    expect(said("org", "list")["organizations"], "org list")
    words = ["submit", request(ca, "ov.json.test"), "--profile", "server-ov", "--org", "json"]
    first, second = (said(*words)["order"]["id"] for _ in range(2))
    expect(said("order", "approve", first, *olivia)["approvals"], "order approve")
    equal(said("order", "deny", second, "--reason", "twice", *olivia)["status"], "denied", "order deny")
    equal(said("explain", second)["order"]["id"], second, "explain")
    equal(said("org", "suspend", "json", "--reason", "gone", *olivia)["status"], "suspended", "org suspend")


@tests.rule(120)
def every_command_answers_in_json(ca):
    serial = ca.admin.issue(csr.for_names(csr.EcKey(2), "json.cli.test"))[1]
    request, out, log = ca.env.path("json.csr"), ca.env.path("json-out"), ca.env.path("json-log")
    with open(request, "w", encoding="ascii") as file:
        file.write(der.pem(csr.for_names(csr.EcKey(3), "json.cli.test")))
    done = set()

    def said(*words, **more):
        done.add(next(command for command in COMMANDS if list(words[:len(command.split())]) == command.split()))
        return ca.json(*words, limit=60, **more)

    said("init", "--state", ca.state)
    said("issue", "--profile", "client", "--name", "json", "--out", out)
    client = serial_in(out)
    said("renew", client, "--out", out)
    contains(said("submit", request, "--profile", "server-dv")["chain"], "BEGIN CERTIFICATE", "submit")
    equal(said("cert", "show", serial)["serial"], serial, "cert show")
    expect(said("cert", "list", "--limit", "3")["certificates"], "cert list")
    contains(said("cert", "export", serial)["pem"], "BEGIN CERTIFICATE", "cert export")
    equal(base64.b64decode(said("cert", "export", serial, "--der")["der"])[0], 0x30, "cert export --der")
    said("cert", "hold", client)
    said("cert", "unhold", client)
    said("cert", "revoke", serial, "--reason", "superseded")
    said("identity", "add", "jason", "--role", "auditor")
    equal(said("identity", "show", "jason")["name"], "jason", "identity show")
    said("identity", "list")
    for word in ("renew", "recover", "remove"):
        said("identity", word, "jason")
    token = said("apitoken", "add", "admin", "--may", "read")["id"]
    said("apitoken", "list")
    said("apitoken", "remove", token)
    said("crl", "show", "issuing-1")
    equal(said("crl", "now", "issuing-1")["issuer"], "issuing-1", "crl now")
    said("audit", "export", "--out", log)
    expect(said("audit", "verify", log)["intact"], "audit verify")
    orders_in_json(ca, said)
    said("config", "show")
    said("config", "check")
    said("store", "check")
    said("store", "backup", ca.env.path("json-backup"))
    said("token", "list")
    said("token", "status")
    said("token", "keygen", "issuing", "--label", "json-key")
    made = said("token", "csr", "issuing", "--label", "json-key", "--subject", "/CN=x")
    contains(made["request"], "BEGIN CERTIFICATE REQUEST", "token csr")
    expect(said("token", "probe", "issuing", "--read-only")["rows"], "token probe")
    equal(said("token", "pin", "change", "root")["token"], "root", "token pin change")
    folder = ca.env.folder("json-softhsm")
    with open(os.path.join(folder, "conf"), "w", encoding="ascii") as file:
        file.write(f"directories.tokendir = {folder}\n")
    made = said("token", "init", "--module", said("token", "list")["tokens"][0]["module"], "--label", "json", "--pin",
                f"file:{folder}/pin", environment={"SOFTHSM2_CONF": f"{folder}/conf"})
    expect(made["pinMade"] and made["soPinMade"], f"token init: {made}")
    with open(os.path.join(DATA, "fuzz", "plan", "small.conf"), encoding="ascii") as file:
        plan = file.read().replace("2026-12-01T09", "2099-12-01T09").replace("2026-12-01T18", "2099-12-01T18")
    with open(os.path.join(folder, "plan"), "w", encoding="ascii") as file:
        file.write(plan)
    equal(len(said("ceremony", "check", f"{folder}/plan")["sha256"]), 64, "the digits of the plan's SHA-256")
    made = said("ceremony", "rehearse", f"{folder}/plan", "--out", f"{folder}/rehearsal")
    equal(made["rehearsal"], f"{folder}/rehearsal", "ceremony rehearse")
    # A mail with a code to confirm is test_orders_cli's, a run before a terminal and what comes of it test_ceremony_run's
    # and test_ceremony_import's.
    equal(set(COMMANDS) - done, {"store restore", "order confirm", "ceremony run", "ceremony verify", "ceremony import"},
          "commands without JSON tried")
    refusal = ca.cli("cert", "show", "ab" * 18, "--json", status=1)
    contains(json.dumps(json.loads(refusal.stdout)), "not-found", "a refusal as JSON")


@tests.rule()
def init_run_again_changes_nothing(ca):
    def fingerprint():
        found = {}
        for folder in ("trust", "admin", "token"):
            for name in sorted(os.listdir(ca.file(folder))):
                path = ca.file(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[f"{folder}/{name}"] = file.read()
        return found

    before = fingerprint()
    done = ca.cli("init", "--state", ca.state)
    expect(done.stdout.strip() or done.stderr.strip(), "says nothing")
    equal(fingerprint() == before, True, "files are as before")


@tests.rule(60)
def an_interrupted_init_can_be_run_again(ca):
    """Killed at several moments; then it finishes, and the CA works."""
    state = ca.env.path("interrupted")
    words = [ca.env.program("chancery"), "init", "--state", state, "--org", "Example"]
    for pause in (0.02, 0.05, 0.1, 0.15, 0.25):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ca.env.environment(),
                                 start_new_session=False)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
    time.sleep(0.3)
    again = CA(ca.env, "interrupted", state=state, start=False)
    again.configure(lambda text: text.replace(":8443", f":{again.port}").replace(":8080", f":{again.http_port}"))
    again.start()
    again.client().issue(csr.for_names(csr.EcKey(3), "interrupted.test"))
    equal(again.stop(), 0, "exit status")
    again.store_check()


BAD_CONFIGURATIONS = {
    "an unknown option": lambda t: t.replace("listen {", "listen {\n\tcolour = 7", 1),
    "an option twice": lambda t: re.sub(r'(?m)^(\s*url\s*=.*)$', r"\1\n\1", t, count=1),
    "a value out of range": lambda t: t.replace("listen {", "listen {\n\trequest-seconds = 1000000", 1),
    "a profile of an unknown issuer": lambda t: t + '\nprofile "x" {\n\tkind = "server"\n\tissuer = "nobody"\n}\n',
    "a grant of an unknown profile": lambda t: t + '\ngrant "x" {\n\tidentities = {"a"}\n\tprofiles = {"nothing"}\n}\n',
    "a PIN in the file": lambda t: re.sub(r'(?m)^(\s*)pin\s*=.*$', r'\1pin = "1234"', t, count=1),
    "a section that is not closed": lambda t: t + "\nlisten {\n",
    "not a configuration at all": lambda t: "\x00\x01\x02",
}


@tests.rule(60)
def config_check_names_file_and_line(ca):
    ca.cli("config", "check")
    folder = ca.env.folder("bad-config")
    path = os.path.join(folder, "chancery.conf")
    for what, change in BAD_CONFIGURATIONS.items():
        text = ca.read("chancery.conf")
        bad = change(text)
        expect(bad != text, f"{what}: nothing was changed")
        with open(path, "w", encoding="utf-8") as file:
            file.write(bad)
        done = ca.cli("config", "check", "--state", folder, check=False)
        equal(done.returncode, 2, f"{what}: status of config check ({done.stderr})")
        expect(re.search(r"chancery\.conf:\d+", done.stdout + done.stderr), f"{what}: no file and line: {done.stderr}")
        expect("1234" not in done.stderr or what != "a PIN in the file", f"{what}: shows it")
        done = run(ca.env.program("chanceryd"), "--config", path, check=False, env=ca.env.environment())
        equal(done.returncode, 2, f"{what}: status of chanceryd ({done.stderr[-300:]})")


@tests.rule()
def config_show_lists_the_waivers(ca):
    contains(ca.cli("config", "show").stdout, "waiver", "config show")


@tests.rule()
def token_commands_see_the_tokens(ca):
    listed = ca.cli("token", "list").stdout + ca.cli("token", "status").stdout
    for name in ("root", "issuing"):
        contains(listed, name, "token list and status")


def reachable(ca):
    with contextlib.suppress(OSError):
        return ca.health().status > 0
    return False


@tests.rule(90)
def backup_and_restore_make_the_same_ca(ca):
    serial = ca.admin.issue(csr.for_names(csr.EcKey(4), "backup.cli.test"))[1]
    backup = ca.env.path("backup")
    ca.cli("store", "backup", backup, limit=60)
    later = ca.admin.issue(csr.for_names(csr.EcKey(4), "after-backup.cli.test"))[1]

    other = CA(ca.env, "restored", start=False)
    done = other.cli("store", "restore", backup, check=False)
    expect(done.returncode in (1, 2), f"a restore over a store that is there: status {done.returncode}")
    run("rm", "-rf", other.state)
    run("cp", "-a", ca.state, other.state)
    other.configure(lambda text: text.replace(f":{ca.port}", f":{other.port}").replace(f":{ca.http_port}",
                                                                                     f":{other.http_port}"))
    run("sh", "-c", f"rm -rf {other.file('store')}/* {other.file('published')}/* {other.file('admin.sock')}")
    equal(other.json("store", "restore", backup, limit=60)["restored"], backup, "what was restored")
    other.store_check()
    other.start(wait=False)
    wait_until(lambda: reachable(other), 20, "the restored server's answer")
    equal(other.json("store", "restore", "--confirm"), {"confirmed": True}, "the confirmation")
    other.wait_ready()
    mine = other.client()
    equal(mine.get(f"/api/v1/certificates/{serial}").status, 200, "a certificate from before the backup")
    equal(mine.get(f"/api/v1/certificates/{later}").status, 404, "a certificate from after the backup")
    mine.issue(csr.for_names(csr.EcKey(5), "restored.cli.test"))
    equal(other.stop(), 0, "exit status")


@tests.rule()
def restore_is_refused_while_the_server_runs(ca):
    backup = ca.env.path("backup-2")
    ca.cli("store", "backup", backup, limit=60)
    done = ca.cli("store", "restore", backup, check=False)
    expect(done.returncode in (1, 2), f"status {done.returncode}: {done.stderr}")
    wait_until(lambda: ca.health().status == 200, 5, "readiness")
    ca.store_check()


@tests.rule(60)
def store_check_finds_damage(ca):
    """Octets of a copy overwritten: status 4, never a crash."""
    copy = ca.env.path("damaged")
    run("cp", "-a", ca.state, copy)
    data = os.path.join(copy, "store", "data.mdb")
    expect(os.path.exists(data), f"no data.mdb in {os.listdir(os.path.join(copy, 'store'))}")
    with open(data, "r+b") as file:
        whole = file.read()
        # Pages are copied before they are changed: each copy of the words, old or new.
        forged = whole.replace(b"certificate.issued", b"certificate.forged")
        expect(forged != whole, "no audit entry found in the file")
        file.seek(0)
        file.write(forged)
    run("rm", "-f", os.path.join(copy, "admin.sock"))
    done = ca.cli("store", "check", "--state", copy, check=False, limit=60)
    equal(done.returncode, 4, f"status of store check ({done.stdout[-200:]} {done.stderr[-200:]})")
