#!/usr/bin/python3
"""A real SMTP server (aiosmtpd) that keeps each mail in a folder: N.eml, and N.json with its envelope.

    server.py PORT FOLDER [CERTIFICATE KEY [USER PASSWORD]]

With a certificate it offers STARTTLS, with a user it wants a login. A recipient whose local part is "nobody" is refused
for good, "later" for now, and a mail with "refuse this text" in it for good.
"""

import json
import os
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    async def handle_RCPT(self, _server, _session, envelope, address, options):
        local = address.partition("@")[0]
        if local == "nobody":
            return "550 5.1.1 There is no such person"
        if local == "later":
            return "451 4.3.0 Come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope):
        if b"refuse this text" in envelope.content:
            return "554 5.7.1 This text is not wanted"
        self.count += 1
        path = os.path.join(self.folder, f"{self.count}")
        with open(path + ".eml", "wb") as file:
            file.write(envelope.content)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                       "user": (session.auth_data or {}).get("user")}, file)
        os.rename(path + ".tmp", path + ".json")
        return f"250 2.0.0 Kept as {self.count}"


def main():
    port, folder, *more = sys.argv[1:]
    options = {}
    if len(more) >= 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(more[0], more[1])
        options["tls_context"] = context
    if len(more) == 4:
        def authenticate(_server, _session, _envelope, _mechanism, data):
            right = data.login.decode() == more[2] and data.password.decode() == more[3]
            return AuthResult(success=right, auth_data={"user": data.login.decode()})

        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=False)
    controller = Controller(Keeper(folder), hostname="127.0.0.1", port=int(port), **options)
    controller.start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
