"""nginx with pages for validation by http: a folder a host, redirects by host, on an address of its own."""

import os
import pwd
import socket

from .harness import Stopped, free_port, wait_until

FOLDER = ".well-known/pki-validation"


class Pages:
    """redirects: {"a.example.test": "http://...", ...}, answered to every path of that host with 302."""

    def __init__(self, env, address="127.0.0.2", redirects=None, name="pages"):
        self.env, self.address, self.name, self.port = env, address, name, free_port()
        self.home = env.folder(name)
        os.chmod(self.home, 0o755)
        self.redirects = dict(redirects or {})
        self.process = None
        self.start()

    def configuration(self):
        user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
        temp = "".join(f"    {kind}_temp_path {self.home}/{kind};\n"
                       for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        hosts = "".join(f"    server {{ listen {self.address}:{self.port}; server_name {host}; return 302 {to}; }}\n"
                        for host, to in self.redirects.items())
        return f"""{user}
daemon off;
worker_processes 1;
pid {self.home}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log {self.home}/access.log;
    server_names_hash_bucket_size 128;
{temp}
    server {{ listen {self.address}:{self.port} default_server; root {self.home}/hosts/$host; }}
{hosts}
}}
"""

    def start(self):
        path = os.path.join(self.home, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.configuration())
        self.process = self.env.start(self.name, "nginx", "-c", path, "-p", self.home, "-e", "stderr")

        def listens():
            if self.process.poll() is not None:
                raise Stopped(f"nginx ended with status {self.process.returncode}")
            with socket.create_connection((self.address, self.port), 2):
                return True

        wait_until(listens, 15, "nginx")

    def put(self, host, value, body=None):
        """The page of this value for a host; body: something else than the value."""
        folder = os.path.join(self.home, "hosts", host, FOLDER)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{value[:16]}.txt"), "w", encoding="ascii") as file:
            file.write(value if body is None else body)

    def requests(self):
        with open(os.path.join(self.home, "access.log"), encoding="utf-8") as file:
            return len(file.readlines())

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
