"""Tokens and issuers besides the two that `chancery init` makes, and what tests do to tokens from outside."""

import contextlib
import os
import pwd
import re
import shutil
import sys

from . import pkcs11
from .harness import Failure, equal, expect, run
from .kills import kill_all
from .server import CA

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
SIGNER = "chancery-signer"
CONF = "token/softhsm2.conf"  # where init puts SoftHSM2's configuration, in the state
DOWN = ("down", "recovering", "degraded")  # what readyz says of a token that does not sign
PIN = "27182818"
SO_PIN = "31415926"


def as_signer(*command):
    """The command as the user that the signer becomes: what it makes must be that user's."""
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam(SIGNER)
        if os.getuid() == 0:
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
    return list(command)


def for_signer(path):
    """The file or folder is the signer's."""
    with contextlib.suppress(KeyError):
        user = pwd.getpwnam(SIGNER)
        if os.getuid() == 0:
            os.chown(path, user.pw_uid, user.pw_gid)
    return path


def write(path, text, mode=0o644):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    return path


# ---- the configuration ----

def in_section(text, section, title, **options):
    """chancery.conf with these options in front of the others of one section; title None: an untitled one.

    Numbers, texts and lists of texts; call_seconds is call-seconds.
    """
    def value(given):
        if isinstance(given, int):
            return str(given)
        if isinstance(given, str):
            return f'"{given}"'
        return "{ " + ", ".join(f'"{item}"' for item in given) + " }"

    head = section if title is None else f'{section} "{title}"'
    for name, given in options.items():
        name = name.replace("_", "-")
        block = re.search(rf"(?ms)^{re.escape(head)} \{{\n(.*?)^\}}", text)
        expect(block, f"chancery.conf has no section {head}")
        inside = re.sub(rf"(?m)^\s*{name}\s*=.*\n", "", block[1])
        text = f"{text[:block.start(1)]}\t{name} = {value(given)}\n{inside}{text[block.end(1):]}"
    return text


WAIT, CALL = 3, 1  # of patient(): how long a request waits for a token, and a call may take
REQUEST = WAIT + CALL + 3  # whatever happens to the token, an answer comes within these seconds


def patient(text, *labels):
    """Short limits for these tokens, so that no test waits for those of real ones."""
    text = in_section(text, "process", None, signing_wait_seconds=WAIT)
    text = in_section(text, "listen", None, request_seconds=REQUEST)
    for label in labels:
        text = in_section(text, "token", label, call_seconds=CALL)
    return text


def token_section(name, module=SOFTHSM, conf=CONF):
    softhsm = f'\tsofthsm-conf = "{conf}"\n' if conf else ""
    return (f'\ntoken "{name}" {{\n\tmodule = "{module}"\n{softhsm}\turi = "pkcs11:token={name}"\n'
            f'\tpin = "file:token/{name}.pin"\n}}\n')


def with_second_issuer(text):
    """issuing-2 in a token of its own, "second", and profile server-2, which the admin may ask for."""
    text += token_section("second")
    text += ('\nissuer "issuing-2" {\n\ttoken = "second"\n\tkey = "pkcs11:object=issuing-2"\n\tparent = "root-1"\n'
             "\tcrl-hours = 24\n}\n"
             '\nprofile "server-2" {\n\tkind = "server"\n\tvalidation = "domain"\n\tissuer = "issuing-2"\n'
             '\tdays = 90\n\tdays-max = 200\n\twaivers = { "internal-names" }\n}\n')
    return text.replace('profiles = { "server-dv",', 'profiles = { "server-2", "server-dv",')


# ---- a CA founded on them ----

class Ground:
    """What stands in a state before init: its configuration, tokens with their PINs, imported keys.

    tokens: labels of tokens to make; keys: {label of token: {label of key: PEM file}};
    change: chancery.conf as init would write it -> as it is to be.
    """

    def __init__(self, tokens=(), keys=None, change=lambda text: text):
        self.tokens, self.keys, self.change = tokens, keys or {}, change

    def __call__(self, ca):
        os.makedirs(ca.state, mode=0o711, exist_ok=True)
        os.makedirs(ca.file("token", "tokens"), mode=0o700)
        write(ca.file(CONF), "directories.tokendir = token/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
              "slots.removable = false\n", 0o600)
        write(ca.file("chancery.conf"), self.change(draft(ca)))
        for label in self.tokens:
            write(ca.file("token", f"{label}.pin"), PIN + "\n", 0o600)
            softhsm(ca, "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)
        for token, keys in self.keys.items():
            for number, (label, path) in enumerate(keys.items(), 1):
                softhsm(ca, "--import", path, "--token", token, "--pin", PIN, "--label", label, "--id", f"{number:02x}")


def draft(ca):
    """chancery.conf as init writes it for this CA's ports."""
    folder = ca.env.path(f"{ca.name}-draft")
    ca.cli("init", "--state", folder, "--org", "Example", "--url", f"http://localhost:{ca.http_port}",
           "--port", ca.port, "--http-port", ca.http_port, limit=60)
    with open(os.path.join(folder, "chancery.conf"), encoding="utf-8") as file:
        text = file.read()
    shutil.rmtree(folder)
    return text


def softhsm(ca, *words):
    return run("softhsm2-util", *words, cwd=ca.state, env=ca.env.environment(SOFTHSM2_CONF=CONF))


@contextlib.contextmanager
def running(env, name, change=None, environment=None, orderly=True, **more):
    """A CA that runs while the test does, and stops in order, or is just killed.

    change: chancery.conf after init; environment: for the server, or a function that makes it from the CA.
    """
    ca = CA(env, name, config=change, start=False, **more)
    ca.start(**(environment(ca) if callable(environment) else environment or {}))
    try:
        yield ca
        if orderly:
            equal(ca.stop(), 0, "exit status of the server")
    finally:
        if ca.server:
            kill_all(ca)


# ---- tokens from outside ----

def folder_of(ca, label):
    """SoftHSM2's folder of one token."""
    tokens = ca.file("token", "tokens")
    for name in os.listdir(tokens):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(tokens, name, "token.object"), "rb") as file:
                if label.encode().ljust(32) in file.read():
                    return os.path.join(tokens, name)
    raise Failure(f"no token {label} in {tokens}")


@contextlib.contextmanager
def taken_away(ca, label):
    """The token's folder is elsewhere, as if it were pulled out."""
    folder = folder_of(ca, label)
    away = ca.file("token", f"away-{label}")
    os.rename(folder, away)
    try:
        yield
    finally:
        os.rename(away, folder)


def change_pin(ca, label, old, new):
    """C_SetPIN by another process, the signer's user. The PINs go through its standard input."""
    # As text: that user may not be able to read where the tests are.
    with open(pkcs11.__file__, encoding="utf-8") as file:
        program = file.read()
    run(*as_signer(sys.executable, "-I", "-c", program, "set-pin", SOFTHSM, label), cwd=ca.state,
        env=ca.env.environment(SOFTHSM2_CONF=CONF), data=f"{old}\n{new}\n".encode())


def token_state(ca, name):
    """What readyz says of one token, or None while nobody says anything."""
    for token in ca.health().json().get("token", {}).get("tokens", []):
        if token["name"] == name:
            return token["state"]
    return None
