"""A web server that takes webhooks."""

import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time

from .harness import equal, expect, free_port, wait_until


class Hook:
    """Takes POSTs; answers each with the next of the statuses, the last one for ever."""

    def __init__(self, statuses=(200,), certificate=None, location=None):
        hook = self
        self.statuses, self.taken, self.port = list(statuses), [], free_port()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.taken.append((self.path, dict(self.headers.items()), body))
                self.send_response(hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0])
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(b"noted\n")

            def log_message(self, *_words):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", self.port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, event, secret, seconds=15, offset=0, **members):
        """The newest JSON of an event with these members; its signature must be right, and fresh by the server's
        clock, which is so much ahead."""

        def arrived():
            for _, headers, body in reversed(list(self.taken)):
                if headers["X-Chancery-Event"] == event:
                    told = json.loads(body)
                    if all(told.get(name) == value for name, value in members.items()):
                        return headers, body, told
            return None

        headers, body, told = wait_until(arrived, seconds, f"a webhook {event} with {members}")
        stamp, mac = (part.partition("=")[2] for part in headers["X-Chancery-Signature"].split(","))
        expect(abs(int(stamp) - time.time() - offset) < 300, f"the signature's time {stamp}")
        equal(mac, hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest(), f"HMAC of {event}")
        equal(told["event"], event, "event in the body")
        return told

    def close(self):
        self.server.shutdown()
        self.server.server_close()
