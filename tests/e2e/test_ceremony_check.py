"""`chancery ceremony check`: plans right and wrong, and the script of the day. No token, no server."""

import datetime
import hashlib
import json
import os
import re
import time
from html.parser import HTMLParser

from support.harness import Tests, contains, equal, expect, run

PLAN = """title = "The second root of Example"
url = "http://pki.example"
arc = "2.999.1"
window-from = "@from@"
window-to = "@to@"
person "Ada Example" { roles = { "operator" } }
person "Grace Example" { roles = { "witness" } certificate = "grace.pem" }
attest { witnesses = 1 }
token "pkcs11:token=root" { module = "/usr/lib/softhsm/libsofthsm2.so" }
token "pkcs11:token=old" {
  module = "/usr/lib/softhsm/libsofthsm2.so"
  pin = "prompt"
}
profile "root" { kind = "root" days = 7300 }
profile "intermediate" { kind = "intermediate" days = 1825 purposes = { "server", "client", "audit" } }
profile "responder" { kind = "ocsp-responder" days = 30 }
profile "cross" { kind = "cross" }
issuer "root-0" {
  certificate = "root-0.pem"
  sha256 = "@root-0.pem@"
  key = "pkcs11:token=old;object=root-0"
  used-serials = { "0102030405060708090a" }
}
step "root-1-key" { kind = "key" key = "pkcs11:token=root;object=root-1" type = "p384" }
step "root-1" {
  kind = "root"
  key = "pkcs11:token=root;object=root-1"
  profile = "root"
  common-name = "Example Root 1"
  days = 7300
}
step "issuing-1" {
  kind = "certificate"
  issuer = "root-1"
  csr = "issuing-1.csr"
  csr-sha256 = "@issuing-1.csr@"
  profile = "intermediate"
  common-name = "Example Issuing 1"
}
step "responder-1" {
  kind = "certificate"
  issuer = "root-1"
  csr = "responder.csr"
  csr-sha256 = "@responder.csr@"
  profile = "responder"
  common-name = "Example OCSP 1"
}
step "root-1-by-root-0" { kind = "new-with-old" old = "root-0" new = "root-1" profile = "cross" }
step "issuing-1-by-root-0" {
  kind = "cross"
  issuer = "root-0"
  of = "issuing-1"
}
step "root-1-crl" { kind = "crl" issuer = "root-1" next-update-days = 365 }
"""


def in_hours(hours):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Day:
    """A folder with a plan and its files, made by the stock command."""

    def __init__(self, env):
        self.env, self.folder = env, env.folder("day")
        for name in ("issuing-1", "responder"):
            self.openssl("req", "-new", "-subj", "/CN=whatever", "-out", f"{name}.csr", *self.key(name, "P-256"))
        self.openssl("req", "-x509", "-subj", "/CN=Grace Example", "-days", "30", "-out", "grace.pem",
                     *self.key("grace", "P-256"))
        self.make_root()
        self.text = PLAN.replace("@from@", in_hours(1)).replace("@to@", in_hours(9))
        self.plan = self.write("plan.conf", self.filled(self.text))

    def openssl(self, *words):
        return run("openssl", *words, cwd=self.folder).stdout

    @staticmethod
    def key(name, curve):
        return ("-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-keyout", f"{name}.key")

    def make_root(self, days=3000, constraints="CA:TRUE"):
        self.openssl("req", "-x509", "-subj", "/C=DE/O=Example/OU=Old House/CN=Example Root 0", "-days", str(days),
                     "-config", self.config(constraints), "-out", "root-0.pem",
                     *self.key("root-0", "P-384"))

    def config(self, constraints):
        return self.write("openssl.cnf", "[req]\ndistinguished_name = dn\nx509_extensions = ca\n[dn]\n[ca]\n"
                          f"basicConstraints = critical,{constraints}\nkeyUsage = critical,keyCertSign,cRLSign\n"
                          "subjectKeyIdentifier = hash\n")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def sha256(self, name):
        if name.endswith(".pem"):
            shown = self.openssl("x509", "-in", name, "-noout", "-fingerprint", "-sha256")
            return shown.split("=")[1].strip().replace(":", "").lower()
        with open(self.path(name), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def filled(self, text):
        return re.sub("@([^@\n]+)@", lambda found: self.sha256(found.group(1)), text)

    def check(self, *words, plan=None, status=0):
        done = run(self.env.program("chancery"), "ceremony", "check", plan or self.plan, *words, check=False,
                   env=self.env.environment())
        equal(done.returncode, status, f"status; it said {done.stdout[-200:]}{done.stderr}")
        return done

    def refused(self, before, after, reason, line_of=None):
        """The changed plan is refused, and the message begins with the line on which line_of (or before) stands."""
        text = self.filled(self.text)
        expect(before in text, f"the plan has no {before!r}")
        changed = text.replace(before, after, 1)
        plan = self.write("changed.conf", changed)
        done = self.check(plan=plan, status=2)
        mark = line_of or before
        where = changed if line_of else text
        line = where[:where.index(mark)].count("\n") + 1
        contains(done.stderr, f"changed.conf:{line}: ", "the message")
        contains(done.stderr, reason, "the message")
        equal(done.stdout, "", "stdout")
        return done


tests = Tests(Day, san=True)


@tests.rule()
def the_script_is_printed_and_ends_with_the_hash_of_the_plan(day):
    out = day.check().stdout
    equal(out.splitlines()[-1], day.sha256("plan.conf"), "the last line")
    widest = max(len(line) for line in out.splitlines())
    expect(widest <= 80, f"a line has {widest} columns")
    for part in ("[ ]  1. ", "root-1: a root certificate", "CN=Example Issuing 1", "out/root-1-crl.crl",
                 "May sign    Grace Example", "The closing hash", "[ ] Ada Example (operator)"):
        contains(out, part, "the script")
    numbers = [int(n) for n in re.findall(r"^\[ \] +(\d+)\. ", out, re.M)]
    equal(numbers, list(range(1, len(numbers) + 1)), "the numbers of the steps")


@tests.rule()
def the_same_is_told_to_machines(day):
    told = json.loads(day.check("--json").stdout)
    equal(told["sha256"], day.sha256("plan.conf"), "sha256")
    steps = [item["step"] for item in told["script"] if item["step"]]
    equal(steps, re.findall(r'^step "([^"]+)"', PLAN, re.M), "the steps")
    equal({file["name"]: file["sha256"] for file in told["files"]}["issuing-1.csr"], day.sha256("issuing-1.csr"),
          "the file's SHA-256")


@tests.rule()
def the_page_is_whole(day):
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.items = [], 0

        def handle_starttag(self, tag, attrs):
            self.items += tag == "li"
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag):
            equal(self.open.pop(), tag, "the element that ends")

    day.check("--html", day.path("page.html"))
    with open(day.path("page.html"), encoding="utf-8") as file:
        page = file.read()
    reader = Reader()
    reader.feed(page)
    equal(reader.open, [], "elements left open")
    expect(reader.items > 10, "the page has no steps")
    expect("src=" not in page and "href=" not in page, "the page needs other files")


@tests.rule()
def what_is_wrong_is_told_with_its_line(day):
    day.refused('arc = "2.999.1"', 'ark = "2.999.1"', "ark")
    day.refused('arc = "2.999.1"', 'arc = "2.999.1"\nurl = "http://x.example"', "given twice, first on line 2",
                'url = "http://x')
    day.refused('csr = "issuing-1.csr"', 'csr = "missing.csr"', "missing.csr")
    day.refused("  days = 7300\n", "  days = 9999\n", "longer than profile")
    day.refused('  of = "issuing-1"\n', '  of = "issuing-1"\n  days = 1900\n', "after the certificate of",
                "  days = 1900")
    day.refused('  of = "issuing-1"\n', '  of = "issuing-1"\n  serial = "0102030405060708090a"\n',
                "used this serial number before", "  serial = ")
    two = ('step "a" { kind = "certificate" key = "pkcs11:token=root;object=a" issuer = "b" profile = "intermediate" '
           'common-name = "A" }\nstep "b" { kind = "certificate" key = "pkcs11:token=root;object=b" issuer = "a" '
           'profile = "intermediate" common-name = "B" }\nstep "root-1-key"')
    day.refused('step "root-1-key"', two, 'steps "a" and "b" need each other')


@tests.rule()
def a_pin_in_the_plan_is_refused_and_not_shown(day):
    done = day.refused('pin = "prompt"', 'pin = "471147114711"', "a PIN itself never stands in a plan")
    expect("4711" not in done.stderr, "the PIN is shown")
    day.refused('key = "pkcs11:token=root;object=root-1" type', 'key = "pkcs11:token=root;object=root-1?pin-value=1" type',
                "neither a PIN")


@tests.rule()
def a_request_that_changed_is_noticed(day):
    name = day.path("issuing-1.csr")
    with open(name, "r+b") as file:
        before = file.read()
        file.seek(0)
        file.write(before.replace(b"-----BEGIN", b" -----BEGIN", 1))
    try:
        done = day.check(status=2)
        contains(done.stderr, "issuing-1.csr has changed since the plan was written", "the message")
    finally:
        with open(name, "wb") as file:
            file.write(before)


@tests.rule()
def a_request_that_its_key_did_not_sign_is_refused(day):
    day.openssl("req", "-in", "responder.csr", "-outform", "DER", "-out", "bent.der")
    with open(day.path("bent.der"), "rb") as file:
        bent = bytearray(file.read())
    bent[bent.index(b"whatever")] ^= 1
    with open(day.path("bent.csr"), "wb") as file:
        file.write(bent)
    day.refused(day.filled('csr = "responder.csr"\n  csr-sha256 = "@responder.csr@"'),
                day.filled('csr = "bent.csr"\n  csr-sha256 = "@bent.csr@"'), "signature")


@tests.rule()
def path_length_and_end_of_an_older_root_bind(day):
    try:
        day.make_root(constraints="CA:TRUE,pathlen:1")
        day.refused('title = "The second', 'title = "The second', "room for 1 CA below itself",
                    'step "root-1-by-root-0"')
        day.make_root(days=300)
        day.refused('  of = "issuing-1"\n', '  of = "issuing-1"\n  days = 400\n', 'after the certificate of "root-0"',
                    "  days = 400")
    finally:
        day.make_root()
        day.write("plan.conf", day.filled(day.text))


@tests.rule()
def a_window_that_is_over_is_refused(day):
    text = day.filled(day.text)
    early = re.sub('window-from = "[^"]*"', f'window-from = "{in_hours(-5)}"', text)
    late = re.sub('window-to = "[^"]*"', f'window-to = "{in_hours(-1)}"', early)
    done = day.check(plan=day.write("late.conf", late), status=2)
    contains(done.stderr, "late.conf:5: window-to: the window was over", "the message")


@tests.rule()
def wrong_usage_is_status_2(day):
    for words in ((), ("a", "b")):
        done = run(day.env.program("chancery"), "ceremony", "check", *words, check=False, env=day.env.environment())
        equal(done.returncode, 2, "status")
    done = day.check(plan=day.path("none.conf"), status=1)
    contains(done.stderr, "none.conf", "the message")


@tests.rule()
def a_plan_of_a_hundred_steps_takes_less_than_a_second(day):
    text = day.filled(day.text)
    for number in range(1, 33):
        text += (f'step "k{number}" {{ kind = "key" key = "pkcs11:token=root;object=k{number}" type = "rsa3072" }}\n'
                 f'step "ca{number}" {{ kind = "certificate" issuer = "root-1" profile = "intermediate"\n'
                 f'  key = "pkcs11:token=root;object=k{number}" common-name = "CA {number}" }}\n'
                 f'step "x{number}" {{ kind = "cross" issuer = "root-0" of = "ca{number}" }}\n')
    plan = day.write("long.conf", text)
    expect(text.count("\nstep ") >= 100, "the plan is too short")
    began = time.monotonic()
    out = day.check(plan=plan).stdout
    took = time.monotonic() - began
    contains(out, "x32", "the script")
    expect(took < (10 if day.env.san else 1), f"it took {took:.2f} s")
