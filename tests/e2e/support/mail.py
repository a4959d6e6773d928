"""A real SMTP server (tests/e2e/smtp/server.py) and what it took."""

import email
import email.policy
import glob
import json
import os
import re
import socket

from .harness import free_port, wait_until

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "smtp", "server.py")


class Mail:
    """Keeps what it takes in a folder; more: certificate, key, user, password of the server."""

    def __init__(self, env, *more, name="smtp"):
        self.port, self.folder = free_port(), env.folder(f"{name}-mails")
        self.process = env.start(name, "/usr/bin/python3", SCRIPT, self.port, self.folder, *more)

        def listens():
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                return connection.recv(3) == b"220"

        wait_until(listens, 15, "the SMTP server")

    def taken(self):
        """[(envelope, mail, its octets)], in the order of arrival."""
        paths = sorted(glob.glob(os.path.join(self.folder, "*.json")),
                       key=lambda path: int(os.path.basename(path)[:-5]))
        found = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                envelope = json.load(file)
            with open(path[:-5] + ".eml", "rb") as file:
                raw = file.read()
            found.append((envelope, email.message_from_bytes(raw, policy=email.policy.default), raw))
        return found

    def wait(self, to, *parts, seconds=15):
        """The text of the newest mail to this address with all these parts in it or in its subject."""

        def arrived():
            for envelope, mail, _ in reversed(self.taken()):
                text = f"{mail['Subject']}\n{mail.get_content()}".replace("\r\n", "\n")
                if to in envelope["to"] and all(part in text for part in parts):
                    return text
            return None

        return wait_until(arrived, seconds, f"a mail to {to} with {parts}")

    def code(self, to, order):
        """The code that was mailed for this order."""
        return re.search(r"(?m)^ {4}([a-z2-7]{26})$", self.wait(to, order))[1]
