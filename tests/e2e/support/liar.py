"""A front that was taken over, as people see it: it shows a certificate of the CA, passes on what they ask in their
name, and lies in its answers."""

import http.server
import json
import os
import ssl
import threading

from .harness import free_port


class Liar:
    """lie(path, body) gets each answer's body and returns what is answered instead. certificate: a folder. The real
    server is asked as `who`: one person at a time. ask(path): another path that is asked for instead."""

    def __init__(self, town, certificate, who, lie, ask=lambda path: path):
        liar = self
        self.town, self.who, self.lie, self.port, self.asked = town, who, lie, free_port(), []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                liar.asked.append((self.command, self.path, body))
                client = liar.town.ca.client(liar.town.folders[liar.who])
                answer = client.request(self.command, ask(self.path), body or None,
                                        content_type=self.headers.get("Content-Type"))
                told = liar.lie(self.path, answer.body) if answer.status < 300 else answer.body
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = pass_on

            def log_message(self, *_words):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(certificate, "fullchain.pem"), os.path.join(certificate, "key.pem"))
        context.load_verify_locations(town.ca.root)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def posted(self, end):
        """The bodies that were posted to paths with this end."""
        return [json.loads(body) for method, path, body in self.asked if method == "POST" and path.endswith(end)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
