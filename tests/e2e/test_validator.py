"""The validator's real process against real DNS and web servers; the signer is played."""

import glob
import http.server
import os
import random
import signal
import threading
import time

from support.dns import Dns, Silent
from support.harness import Tests, contains, equal, expect, free_port, wait_until
from support.pages import Pages
from support.kills import kill_role
from support.server import CA
from support.validator import (ALLOWS, DELIVER, DNS_CNAME, DNS_TXT, ERROR, FORBIDS, HTTP, UNKNOWN, VALIDATE, VALIDATED,
                               Validator)

VALUE = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"
CHALLENGE = "_chancery-challenge"
LABEL = f"_{VALUE[:16]}"
HERE = "127.0.0.2"  # of nginx; the zone opens it
ACCOUNT = "https://pki.test/identities/alice"

RECORDS = [
    f'{CHALLENGE}.right.example TXT "{VALUE}"',
    f'{CHALLENGE}.wrong.example TXT "something else" "in two strings"',
    "empty.example A 192.0.2.1",
    f"{CHALLENGE}.empty.example A 192.0.2.1",
    *(f'{CHALLENGE}.many.example TXT "{number:03} {"x" * 100}"' for number in range(40)),
    f'{CHALLENGE}.many.example TXT "{VALUE}"',
    f'{CHALLENGE}.parent.example TXT "{VALUE}"',
    f"{LABEL}.right.example CNAME {VALUE}.dcv.pki.test.",
    f"{LABEL}.wrong.example CNAME {VALUE}.dcv.elsewhere.test.",
    f"{LABEL}.text.example TXT \"{VALUE}\"",
    *(f"{host}.example A {HERE}" for host in
      ("web", "wrong", "missing", "large", "looping", "to-loopback", "to-link-local", "to-port", "to-inside", "on")),
    "loopback.example A 127.0.0.1",
    "metadata.example A 169.254.169.254",
    "closed.example A 127.0.0.3",
    'caa-ours.example CAA 0 issue "pki.test"',
    'caa-others.example CAA 0 issue "other.test"',
    'caa-nobody.example CAA 0 issue ";"',
    'caa-critical.example CAA 0 issue "pki.test"',
    'caa-critical.example CAA 128 future "x"',
    'caa-wild.example CAA 0 issue "pki.test"',
    'caa-wild.example CAA 0 issuewild ";"',
    f'caa-account.example CAA 0 issue "pki.test; accounturi={ACCOUNT}"',
    'caa-methods.example CAA 0 issue "pki.test; validationmethods=ca-dns-txt,dns-01"',
    "caa-alias.example CNAME caa-nobody.example",
    "caa-hollow.example CNAME empty.example",
    "caa-outside.example CNAME www.elsewhere.invalid.",
    "caa-circle.example CNAME caa-round.example",
    "caa-round.example CNAME caa-circle.example",
    "caa-referred.example NS ns.invalid.",
]
SIGNED = ["www A 127.0.0.2", f'{CHALLENGE}.www TXT "{VALUE}"', f'{CHALLENGE}.bad TXT "{VALUE}"',
          '@ CAA 0 issue "pki.test"', "plain A 127.0.0.2", "hollow CNAME www"]


def configuration(house):
    def zone(name, suffix, resolver, *more):
        return (f'zone "{name}" {{\n\tsuffixes = {{ "{suffix}", ".{suffix}" }}\n\tresolvers = {{ "{resolver}" }}\n'
                f"\tpublic = false\n" + "".join(f"\t{line}\n" for line in more) + "}\n")

    opened = f'connect-networks = {{ "{HERE}/32" , "127.0.0.3/32" }}'
    dnssec = ("dnssec = true", f'dnssec-anchors = "{house.dns.anchors}"')
    return "".join((
        'caa-identity = "pki.test"\ndns-cname-base = "dcv.pki.test"\n',
        zone("example", "example.test", house.dns.resolver, opened, f"connect-ports = {{ {house.web.port} }}"),
        zone("moving", "moving.test", house.dns.resolver, opened, f"connect-ports = {{ {house.mover_port} }}"),
        zone("silent", "silent.test", house.silent.resolver),
        zone("nobody", "nobody.test", f"127.0.0.1:{free_port()}"),
        zone("broken", "broken.test", house.dns.resolver),
        zone("unknown", "unknown.invalid", house.dns.resolver),
        zone("signed", "signed.test", house.dns.resolver, *dnssec),
        zone("unsigned", "unsigned.test", house.dns.resolver, *dnssec)))


class House:
    def __init__(self, env):
        self.env = env
        self.dns = Dns(env, {"test": RECORDS, "moving.test": [f"www A {HERE}"], "broken.test": None,
                             "signed.test": SIGNED, "unsigned.test": [f'{CHALLENGE}.www TXT "{VALUE}"']},
                       signed=("signed.test",))
        self.dns.tamper("signed.test", f'{CHALLENGE}.bad.signed.test. 60	TXT	"{VALUE}"',
                        f'{CHALLENGE}.bad.signed.test. 60	TXT	"{VALUE[::-1]}"')
        self.silent = Silent()
        self.web = Pages(env)
        self.mover_port = free_port()
        self.make_pages()
        self.ca = CA(env, start=False, config=lambda text: text + configuration(self))
        self.validator = Validator(env, self.ca.state)

    def make_pages(self):
        port = self.web.port
        self.web.stop()
        self.web.redirects = {
            "on.example.test": f"http://web.example.test:{port}$request_uri",
            "looping.example.test": f"http://looping.example.test:{port}$request_uri",
            "to-loopback.example.test": f"http://127.0.0.1:{port}/",
            "to-link-local.example.test": "http://169.254.169.254/latest/meta-data/",
            "to-port.example.test": f"http://{HERE}:{port + 1}/",
            "to-inside.example.test": f"http://loopback.example.test:{port}/",
        }
        self.web.start()
        self.web.put("web.example.test", VALUE)
        self.web.put("wrong.example.test", VALUE, body="not the value")
        self.web.put("large.example.test", VALUE, body="x" * 4097)
        self.web.put(HERE, VALUE)

    def attempt(self, name, method, **more):
        return self.validator.attempt(name, method, VALUE, **more)

    def caa(self, name, **more):
        seen = self.validator.validate(name, caa=True, identity="pki.test", account=ACCOUNT, **more)
        return seen["caa"], seen["caa_text"], seen["caa_methods"]


tests = Tests(House, san=True)


# ---- dns-txt ----

@tests.rule()
def the_right_txt_shows_a_name(house):
    code, text = house.attempt("dns:right.example.test", DNS_TXT)
    equal(code, "ok", text)
    contains(text, f"TXT at {CHALLENGE}.right.example.test: \"{VALUE}\" (from {house.dns.resolver}, TTL 60), seen 20",
             "the evidence")
    equal(house.attempt("dns:*.right.example.test", DNS_TXT)[0], "ok", "the wildcard")


@tests.rule()
def a_wrong_txt_is_shown_as_it_was_seen(house):
    code, text = house.attempt("dns:wrong.example.test", DNS_TXT)
    equal(code, "wrong-value", text)
    contains(text, f'expected "{VALUE}", found "something elsein two strings" (from {house.dns.resolver})', "the text")


@tests.rule()
def a_name_that_is_not_there_and_one_without_the_record_are_told_apart(house):
    code, text = house.attempt("dns:nothing.example.test", DNS_TXT)
    equal(code, "nxdomain", text)
    contains(text, f"{CHALLENGE}.nothing.example.test: NXDOMAIN from {house.dns.resolver}", "the text")
    code, text = house.attempt("dns:empty.example.test", DNS_TXT)
    equal(code, "no-record", text)


@tests.rule()
def an_answer_too_long_for_udp_comes_by_tcp(house):
    equal(house.attempt("dns:many.example.test", DNS_TXT)[0], "ok", "code")


@tests.rule()
def a_parent_counts_only_where_it_may(house):
    equal(house.attempt("dns:a.b.parent.example.test", DNS_TXT)[0], "nxdomain", "without parents")
    code, text = house.attempt("dns:a.b.parent.example.test", DNS_TXT, parents=True)
    equal(code, "ok", text)
    contains(text, f"{CHALLENGE}.parent.example.test", "the evidence")


@tests.rule()
def a_resolver_that_does_not_answer_is_a_timeout(house):
    before, start = house.silent.questions, time.monotonic()
    code, text = house.attempt("dns:www.silent.test", DNS_TXT)
    equal(code, "timeout", text)
    contains(text, f"no answer in time from {house.silent.resolver}", "the text")
    expect(time.monotonic() - start < 15, "it took longer than 15 s")
    expect(house.silent.questions - before >= 2, "it asked only once")


@tests.rule()
def a_resolver_that_fails_or_refuses_is_named(house):
    code, text = house.attempt("dns:www.broken.test", DNS_TXT)
    equal(code, "servfail", text)
    contains(text, f"SERVFAIL from {house.dns.resolver}", "the text")
    code, text = house.attempt("dns:www.unknown.invalid", DNS_TXT)
    equal(code, "refused", text)
    contains(text, f"REFUSED from {house.dns.resolver}", "the text")
    code, text = house.attempt("dns:www.nobody.test", DNS_TXT)
    equal(code, "refused", text)
    contains(text, "connection refused by 127.0.0.1:", "the text")


@tests.rule()
def a_changed_answer_is_seen_at_the_next_check(house):
    equal(house.attempt("dns:www.moving.test", DNS_TXT)[0], "nxdomain", "before")
    house.dns.add("moving.test", f'{CHALLENGE}.www TXT "{VALUE}"')
    equal(house.attempt("dns:www.moving.test", DNS_TXT)[0], "ok", "after")


# ---- dns-cname ----

@tests.rule()
def an_alias_of_the_value_shows_a_name(house):
    code, text = house.attempt("dns:right.example.test", DNS_CNAME)
    equal(code, "ok", text)
    contains(text, f'CNAME at {LABEL}.right.example.test: "{VALUE}.dcv.pki.test"', "the evidence")
    code, text = house.attempt("dns:wrong.example.test", DNS_CNAME)
    equal(code, "wrong-value", text)
    contains(text, f'found "{VALUE}.dcv.elsewhere.test"', "the text")
    equal(house.attempt("dns:text.example.test", DNS_CNAME)[0], "no-record", "a TXT record there")
    equal(house.attempt("dns:nothing.example.test", DNS_CNAME)[0], "nxdomain", "nothing there")


# ---- http ----

@tests.rule()
def the_right_page_shows_a_name(house):
    code, text = house.attempt("dns:web.example.test", HTTP)
    equal(code, "ok", text)
    contains(text, f"http://web.example.test:{house.web.port}/.well-known/pki-validation/{VALUE[:16]}.txt: the body is",
             "the evidence")
    contains(text, f"(from {HERE}:{house.web.port}), seen 20", "the evidence")
    equal(house.attempt("dns:on.example.test", HTTP)[0], "ok", "a redirect to it")


@tests.rule()
def another_page_shows_nothing(house):
    code, text = house.attempt("dns:wrong.example.test", HTTP)
    equal(code, "wrong-value", text)
    contains(text, 'found "not the value"', "the text")
    code, text = house.attempt("dns:missing.example.test", HTTP)
    equal(code, "http-status", text)
    contains(text, "status 404, not 200", "the text")
    equal(house.attempt("dns:large.example.test", HTTP)[0], "too-large", "a page of 4,097 octets")
    equal(house.attempt("dns:closed.example.test", HTTP)[0], "refused", "nobody listens")
    equal(house.attempt("dns:nothing.example.test", HTTP)[0], "nxdomain", "no such name")


@tests.rule()
def a_wildcard_is_not_shown_by_http(house):
    equal(house.attempt("dns:*.web.example.test", HTTP)[0], "not-offered", "code")


@tests.rule()
def validation_cannot_be_led_inside(house):
    for name, code, says in (("loopback", "forbidden-address", "127.0.0.1"),
                             ("metadata", "forbidden-address", "169.254.169.254"),
                             ("to-loopback", "forbidden-redirect", "is loopback"),
                             ("to-link-local", "forbidden-redirect", "is link-local"),
                             ("to-port", "forbidden-redirect", "at a port that the zone does not open"),
                             ("to-inside", "forbidden-redirect", "is loopback"),
                             ("looping", "forbidden-redirect", "more than 10 redirects")):
        got, text = house.attempt(f"dns:{name}.example.test", HTTP)
        equal(got, code, f"{name}: {text}")
        contains(text, says, name)
    equal(house.attempt("ip:127.0.0.1", HTTP)[0], "forbidden-address", "an address")


@tests.rule(60)
def an_address_that_changes_between_two_hops_is_looked_at_again(house):
    """The web server points its own name inside before it answers with a redirect to itself."""
    arrived = []

    class Mover(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            arrived.append(self.client_address[0])
            house.dns.set("moving.test", ["www A 127.0.0.1"])
            self.send_response(302)
            self.send_header("Location", f"http://www.moving.test:{house.mover_port}/inside")
            self.end_headers()

        def log_message(self, *_words):
            pass

    servers = [http.server.HTTPServer((address, house.mover_port), Mover) for address in (HERE, "127.0.0.1")]
    house.dns.set("moving.test", [f"www A {HERE}"])
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    code, text = house.attempt("dns:www.moving.test", HTTP)
    equal(code, "forbidden-redirect", text)
    contains(text, "the address 127.0.0.1", "the text")
    equal(len(arrived), 1, "requests that arrived")
    for server in servers:
        server.shutdown()
        server.server_close()


# ---- several methods ----

@tests.rule()
def methods_are_tried_until_one_shows_the_name(house):
    seen = house.validator.validate("dns:web.example.test", DNS_TXT | DNS_CNAME | HTTP, VALUE, caa=True,
                                    identity="pki.test")
    equal([(a["method"], a["code"]) for a in seen["attempts"]],
          [(DNS_TXT, "nxdomain"), (DNS_CNAME, "nxdomain"), (HTTP, "ok")], "attempts")
    equal((seen["shown"], seen["caa"]), (HTTP, ALLOWS), "what was shown, CAA")
    seen = house.validator.validate("dns:right.example.test", DNS_TXT | HTTP, VALUE)
    equal([a["method"] for a in seen["attempts"]], [DNS_TXT], "attempts after the first that shows it")
    equal(seen["caa"], 0, "CAA that was not asked for")


# ---- CAA ----

@tests.rule()
def caa_decides_by_the_nearest_records(house):
    for name, verdict, says in (
            ("dns:caa-ours.example.test", ALLOWS, "issue names this CA"),
            ("dns:deep.below.caa-ours.example.test", ALLOWS, "CAA at caa-ours.example.test allows"),
            ("dns:caa-others.example.test", FORBIDS, 'found 0 issue "other.test"'),
            ("dns:caa-nobody.example.test", FORBIDS, "no issue property names pki.test"),
            ("dns:caa-critical.example.test", FORBIDS, "the critical property future is unknown"),
            ("dns:caa-wild.example.test", ALLOWS, "issue names this CA"),
            ("dns:*.caa-wild.example.test", FORBIDS, "no issuewild property"),
            ("dns:*.caa-ours.example.test", ALLOWS, "issue names this CA"),
            ("dns:caa-alias.example.test", FORBIDS, "no issue property"),
            ("dns:caa-free.example.test", ALLOWS, "no CAA record at caa-free.example.test, example.test, test"),
            ("dns:caa-hollow.example.test", ALLOWS, "no CAA record at caa-hollow.example.test, example.test, test"),
            ("dns:caa-outside.example.test", UNKNOWN, "asked for www.elsewhere.invalid, where an alias led"),
            ("dns:caa-circle.example.test", UNKNOWN, "aliases in a circle"),
            ("dns:www.caa-referred.example.test", UNKNOWN, "a referral to other servers"),
            ("dns:hollow.signed.test", ALLOWS, "CAA at signed.test allows"),
            ("dns:www.silent.test", UNKNOWN, "no answer in time"),
            ("dns:www.broken.test", UNKNOWN, "SERVFAIL"),
            ("ip:192.0.2.1", ALLOWS, "addresses")):
        got, text, _ = house.caa(name)
        equal(got, verdict, f"{name}: {text}")
        contains(text, says, name)
        expect("seen 20" in text, f"{name}: no time in {text}")


@tests.rule()
def caa_looks_at_account_and_methods(house):
    equal(house.caa("dns:caa-account.example.test")[0], ALLOWS, "the account itself")
    seen = house.validator.validate("dns:caa-account.example.test", caa=True, identity="pki.test", account="another")
    equal(seen["caa"], FORBIDS, seen["caa_text"])
    verdict, _, methods = house.caa("dns:caa-methods.example.test")
    equal((verdict, methods), (ALLOWS, DNS_TXT), "verdict and methods")
    equal(house.caa("dns:caa-ours.example.test")[2], 31, "methods where none are named")


# ---- DNSSEC ----

@tests.rule()
def where_dnssec_is_demanded_a_signed_answer_counts(house):
    code, text = house.attempt("dns:www.signed.test", DNS_TXT)
    equal(code, "ok", text)
    contains(text, "secure by DNSSEC", "the evidence")
    code, text = house.attempt("dns:nothing.signed.test", DNS_TXT)
    equal(code, "nxdomain", text)
    contains(text, "secure by DNSSEC", "the denial")
    verdict, text, _ = house.caa("dns:www.signed.test")
    equal(verdict, ALLOWS, text)
    contains(text, "secure by DNSSEC", "CAA")


@tests.rule()
def where_dnssec_is_demanded_nothing_else_counts(house):
    code, text = house.attempt("dns:bad.signed.test", DNS_TXT)
    equal(code, "bogus", text)
    contains(text, "bogus", "the text")
    code, text = house.attempt("dns:www.unsigned.test", DNS_TXT)
    equal(code, "bogus", text)
    contains(text, "not signed", "the text")
    equal(house.caa("dns:www.unsigned.test")[0], UNKNOWN, "CAA without a signature")


# ---- the process ----

@tests.rule()
def what_is_no_question_is_refused_and_the_rest_goes_on(house):
    validator = house.validator
    for kind, payload in ((VALIDATE, b""), (DELIVER, b"\x01"), (17, b""), (VALIDATED, b"x" * 100),
                          (VALIDATE, validator.question("dns:a.test", 64, VALUE)),
                          (VALIDATE, validator.question("dns:a.test", DNS_TXT, "short")),
                          (DELIVER, random.Random(7).randbytes(500))):
        answer = validator.send(kind, payload).get(timeout=10)
        expect(answer and answer[0] == ERROR, f"type {kind}: {answer}")
    seen = validator.validate("dns:not a name", DNS_TXT, VALUE)
    equal([a["code"] for a in seen["attempts"]], ["broken"], "a name that is none")
    equal(house.attempt("dns:right.example.test", DNS_TXT)[0], "ok", "afterwards")


@tests.rule(60)
def slow_checks_do_not_hold_up_each_other(house):
    start = time.monotonic()
    question = house.validator.question("dns:www.silent.test", DNS_TXT, VALUE)
    slow = [house.validator.send(VALIDATE, question) for _ in range(63)]
    equal(house.attempt("dns:right.example.test", DNS_TXT)[0], "ok", "a quick one beside 63 slow ones")
    expect(time.monotonic() - start < 4, "the quick one waited for the slow ones")
    for answer in slow:
        equal(answer.get(timeout=30)[0], VALIDATED, "a slow one's answer")
    expect(time.monotonic() - start < 20, "63 slow ones took longer than one after the other would explain")


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@tests.rule(60)
def at_rest_it_takes_little_memory_and_no_time(house):
    pid = house.validator.process.pid
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        own = sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty", "Private_Clean")))
    expect(house.env.san or own < 20 * 1024, f"{own} KiB of its own")
    wait_until(lambda: int(status_of(pid)["Threads"]) <= 3, 30, "the threads' end")
    before = cpu_ticks(pid)
    time.sleep(2)
    equal(cpu_ticks(pid) - before, 0, "clock ticks of CPU in two idle seconds")


@tests.rule()
def it_holds_nothing_that_it_was_not_given(house):
    pid = house.validator.process.pid
    kinds = [os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*") if int(os.path.basename(path)) > 2]
    sockets = [kind for kind in kinds if kind.startswith("socket:")]
    equal(len(sockets), 1, f"sockets beside the channel: {kinds}")
    expect(all("chancery" not in kind for kind in kinds if kind.startswith("/") and "memfd" not in kind), f"{kinds}")
    status = status_of(pid)
    equal((status["NoNewPrivs"], status["State"][0]), ("1", "S"), "privileges and state")


@tests.rule()
def it_ignores_sigterm_and_leaves_with_its_channel(house):
    other = Validator(house.env, house.ca.state, "second-validator")
    equal(other.attempt("dns:right.example.test", DNS_TXT, VALUE)[0], "ok", "a check")
    for number in (signal.SIGTERM, signal.SIGINT):
        other.process.send_signal(number)
    equal(other.attempt("dns:right.example.test", DNS_TXT, VALUE)[0], "ok", "a check after SIGTERM")
    waiting = other.send(VALIDATE, other.question("dns:www.silent.test", DNS_TXT, VALUE))
    start = time.monotonic()
    equal(other.stop(), 0, "exit status")
    expect(time.monotonic() - start < 3, "it took longer than 3 s to leave")
    waiting.get(timeout=5)


@tests.rule()
def without_a_channel_it_does_not_start(house):
    process = house.env.start("lonely", house.env.program("chanceryd"), "--config", "chancery.conf", "--role",
                              "validator", cwd=house.ca.state)
    equal(process.wait(10), 1, "exit status")


# ---- as the supervisor runs it ----

@tests.rule(120)
def a_dead_validator_is_started_again_and_the_signer_gets_its_channel(house):
    ca = house.ca
    ca.start()
    roles = ca.roles()
    equal(set(roles), {"front", "signer", "validator"}, "roles")
    kill_role(ca, "validator")
    wait_until(lambda: "fresh channel to the validator" in ca.log(), 10, "the signer's fresh channel")
    now = ca.roles()
    equal((now["front"], now["signer"]), (roles["front"], roles["signer"]), "the other roles")
    kill_role(ca, "signer")
    wait_until(lambda: len(ca.roles()) == 3 and ca.roles()["validator"] != now["validator"], 20, "all three again")
    equal(ca.roles()["front"], roles["front"], "the front")
    ca.wait_ready()
    equal(ca.stop(), 0, "exit status")


@tests.rule()
def the_validator_stops_at_the_end(house):
    equal(house.validator.stop(), 0, "exit status")
