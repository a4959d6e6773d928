"""Mails and webhooks by the validator's real process, to a real SMTP server and a web server; the signer is played."""

import base64
import hashlib
import hmac
import os
import time

from support.harness import Tests, contains, equal, expect, run
from support.hook import Hook
from support.mail import Mail
from support.server import CA
from support.validator import MAIL, WEBHOOK, Validator

PASSWORD = "mail-" + "password-of-tests"


class House:
    def __init__(self, env):
        self.env = env
        self.mail = Mail(env, *certificate_for(env, "mail"), "ca", PASSWORD)
        self.ca = CA(env, start=False, config=f"""
mail {{
	server = "smtp://127.0.0.1:{self.mail.port}"
	from = "ca@pki.test"
	user = "ca"
	password = "file:mail-password"
}}
""")
        self.validator = Validator(env, self.ca.state, mail_password=PASSWORD)


def certificate_for(env, name):
    """A certificate that nobody trusts."""
    certificate, key = env.path(f"{name}.pem"), env.path(f"{name}.key")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
        "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-days", "2")
    return certificate, key


tests = Tests(House, san=True)


# ---- mail ----

@tests.rule()
def a_mail_arrives_as_it_was_written(house):
    body = "Your code: abcdefghijklmnopqrstuvwxyz\n.\nA line with one dot is above.\n"
    result = house.validator.deliver(MAIL, "admin@example.test", "Code for example.test", body, "d-7")
    expect(result["good"] and not result["final"], f"{result}")
    contains(result["text"], "250 2.0.0 Kept as", "the server's answer")
    envelope, mail, _ = house.mail.taken()[-1]
    equal((envelope["from"], envelope["to"], envelope["user"]), ("ca@pki.test", ["admin@example.test"], "ca"),
          "envelope")
    expect(envelope["tls"], "the server offered TLS, and it was not taken")
    equal((mail["Subject"], mail["Message-ID"], mail["Auto-Submitted"]),
          ("Code for example.test", "<d-7@pki.test>", "auto-generated"), "header")
    expect(abs(mail["Date"].datetime.timestamp() - time.time()) < 60, f"Date: {mail['Date']}")
    equal(mail.get_content().replace("\r\n", "\n"), body, "body")


@tests.rule()
def a_mail_that_is_not_ascii_arrives_whole(house):
    subject, body = "Bestellung für größe.test wartet auf Ihre Zustimmung", "Grüße\n" + "ä" * 2000 + "\n"
    result = house.validator.deliver(MAIL, "admin@example.test", subject, body)
    expect(result["good"], f"{result}")
    _, mail, raw = house.mail.taken()[-1]
    equal((mail["Subject"], mail.get_content().replace("\r\n", "\n")), (subject, body), "subject and body")
    expect(all(len(line) <= 998 for line in raw.split(b"\r\n")) and raw.isascii(), "long lines, or octets above 127")


@tests.rule()
def a_refused_mail_says_whether_another_try_is_worth_it(house):
    for to, body, final, says in (("nobody@example.test", "x", True, "550 5.1.1 There is no such person"),
                                  ("later@example.test", "x", False, "451 4.3.0 Come back later"),
                                  ("admin@example.test", "refuse this text", True, "554 5.7.1 This text is not wanted")):
        result = house.validator.deliver(MAIL, to, "subject", body)
        equal((result["good"], result["final"]), (False, final), f"{to}: {result['text']}")
        contains(result["text"], says, to)


@tests.rule()
def nothing_gets_into_a_mail_but_what_belongs_there(house):
    before = len(house.mail.taken())
    for to, subject, identifier in (("admin@example.test\r\nBcc: other@example.test", "subject", "d-1"),
                                    ("admin@example.test", "subject\r\nBcc: other@example.test", "d-1"),
                                    ("admin@example.test", "subject\nX: y", "d-1"),
                                    ("admin@example.test", "subject", "d-1>\r\nX: y"),
                                    ("admin@example.test> SIZE=1", "subject", "d-1"), ("", "subject", "d-1")):
        result = house.validator.deliver(MAIL, to, subject, "body", identifier)
        equal((result["good"], result["final"]), (False, True), f"{to!r} {subject!r}: {result['text']}")
    equal(len(house.mail.taken()), before, "mails")


@tests.rule()
def the_password_is_nowhere_to_be_seen(house):
    for part in ("environ", "cmdline"):
        with open(f"/proc/{house.validator.process.pid}/{part}", "rb") as file:
            expect(PASSWORD.encode() not in file.read(), f"the password stands in {part}")
    with open(house.env.logs["validator"], encoding="utf-8", errors="replace") as file:
        log = file.read()
    expect(PASSWORD not in log and base64.b64encode(PASSWORD.encode()).decode() not in log, "it stands in the log")


# ---- webhooks ----

def post(house, url, body='{"event": "order.issued"}', **more):
    secret = b"a secret of the receiver"
    stamp = int(time.time())
    mac = hmac.new(secret, f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    signature = more.pop("signature", f"t={stamp},v1={mac}")
    return house.validator.deliver(WEBHOOK, url, more.pop("subject", "order.issued"), body, "d-9", signature)


@tests.rule()
def a_webhook_arrives_with_its_signature_over_the_very_body(house):
    hook = Hook((500, 200))
    url, body = f"http://127.0.0.1:{hook.port}/hook?x=1", '{"event": "order.issued", "names": ["größe.test"]}'
    first = post(house, url, body)
    equal((first["good"], first["final"]), (False, False), f"status 500: {first['text']}")
    contains(first["text"], "status 500", "the text")
    second = post(house, url, body)
    expect(second["good"], f"{second}")
    equal(len(hook.taken), 2, "deliveries")
    path, headers, got = hook.taken[-1]
    equal((path, got.decode()), ("/hook?x=1", body), "path and body")
    stamp, mac = (part.partition("=")[2] for part in headers["X-Chancery-Signature"].split(","))
    equal(mac, hmac.new(b"a secret of the receiver", f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest(), "HMAC")
    equal((headers["X-Chancery-Delivery"], headers["X-Chancery-Event"], headers["Content-Type"]),
          ("d-9", "order.issued", "application/json"), "headers")
    hook.close()


@tests.rule()
def a_webhook_follows_no_redirect_and_goes_in_the_clear_to_this_machine_alone(house):
    hook = Hook((302,), location="http://127.0.0.1:1/")
    result = post(house, f"http://localhost:{hook.port}/")
    equal((result["good"], result["final"]), (False, False), f"{result}")
    contains(result["text"], "status 302", "the text")
    hook.close()
    for url in ("http://192.0.2.1/", f"http://127.0.0.1@192.0.2.1:{hook.port}/", "ftp://127.0.0.1/", "file:///etc/passwd",
                "http://localhost.example.test/", "nonsense", ""):
        result = post(house, url)
        equal((result["good"], result["final"]), (False, True), f"{url}: {result['text']}")
    result = post(house, f"http://127.0.0.1:{hook.port}/")
    equal((result["good"], result["final"]), (False, False), f"nobody listens: {result['text']}")
    contains(result["text"], "refused", "the text")
    result = post(house, f"http://127.0.0.1:{hook.port}/", signature="t=1\r\nX: y")
    equal((result["good"], result["final"]), (False, True), f"a line break in a header: {result['text']}")


@tests.rule()
def a_webhook_by_https_verifies_whom_it_speaks_to(house):
    hook = Hook(certificate=certificate_for(house.env, "hook"))
    url = f"https://localhost:{hook.port}/"
    result = post(house, url)
    expect(not result["good"] and "certificate" in result["text"], f"a stranger's certificate: {result}")
    equal(hook.taken, [], "what the stranger got")
    # This CA's own roots are trusted, wherever they are published.
    os.makedirs(house.ca.file("published", "ca"), exist_ok=True)
    with open(house.env.path("hook.pem"), encoding="ascii") as file, \
            open(house.ca.file("published", "ca", "roots.pem"), "w", encoding="ascii") as out:
        out.write(file.read())
    result = post(house, url)
    expect(result["good"], f"{result}")
    result = post(house, url.replace("localhost", "localhost.localdomain"))
    expect(not result["good"], f"another name: {result}")
    hook.close()
