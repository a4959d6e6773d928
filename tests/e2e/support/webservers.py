"""nginx, haproxy and Node with what the CA issued, on free ports, as who runs the tests."""

import os
import pwd

from .client import Client, tls_context
from .harness import Stopped, free_port, wait_until


class WebServer:
    """port: TLS that asks for client certificates; plain: HTTP that redirects, or None."""

    def __init__(self, env, name, port, plain=None):
        self.env, self.name, self.port, self.plain = env, name, port, plain
        self.process = None

    def begin(self, *command):
        self.process = self.env.start(self.name, *command)

    def wait(self, trust):
        """Until the TLS handshake works, whatever the server says about a missing client certificate."""
        def answers():
            if self.process.poll() is not None:
                raise Stopped(f"{self.name} ended with status {self.process.returncode}")
            client = Client("localhost", self.port, tls_context(trust), timeout=2)
            try:
                return client.get("/").status
            except OSError as error:
                # A server that wants a certificate says so in an alert: it is up.
                return "ALERT" in str(error).upper() or "certificate required" in str(error).lower()
            finally:
                client.close()

        wait_until(answers, 15, self.name)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def joined(env, name, *files):
    """Several PEM files as one."""
    path = env.path(name)
    with open(path, "w", encoding="ascii") as out:
        for each in files:
            with open(each, encoding="ascii") as file:
                out.write(file.read())
    return path


def nginx(ca, issued, name="nginx"):
    env, home = ca.env, ca.env.folder(name)
    server = WebServer(env, name, free_port(), free_port())
    crls = joined(env, f"{name}/crls.pem", ca.crl("root-1"), ca.crl("issuing-1"))
    with open(os.path.join(home, "index.html"), "w", encoding="ascii") as file:
        file.write("served by nginx\n")
    os.chmod(home, 0o755)
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
    temp = "".join(f"    {kind}_temp_path {home}/{kind};\n"
                   for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = f"""{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
{temp}
    server {{
        listen 127.0.0.1:{server.plain};
        listen [::1]:{server.plain};
        return 301 https://localhost:{server.port}$request_uri;
    }}
    server {{
        listen 127.0.0.1:{server.port} ssl;
        listen [::1]:{server.port} ssl;
        server_name localhost;
        root {home};
        ssl_certificate {issued}/fullchain.pem;
        ssl_certificate_key {issued}/key.pem;
        ssl_client_certificate {ca.root};
        ssl_crl {crls};
        ssl_verify_depth 2;
        ssl_verify_client optional;
        location /open {{ try_files /index.html =404; }}
        location / {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            add_header X-Client $ssl_client_s_dn;
            try_files /index.html =404;
        }}
    }}
}}
"""
    path = os.path.join(home, "nginx.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    server.begin("nginx", "-c", path, "-p", home, "-e", "stderr")
    return server.wait(ca.root)


def haproxy(ca, issued, name="haproxy"):
    env, home = ca.env, ca.env.folder(name)
    server = WebServer(env, name, free_port(), free_port())
    pem = joined(env, f"{name}/site.pem", os.path.join(issued, "fullchain.pem"), os.path.join(issued, "key.pem"))
    os.chmod(pem, 0o600)
    crls = joined(env, f"{name}/crls.pem", ca.crl("root-1"), ca.crl("issuing-1"))
    bind = f"ssl crt {pem} ca-file {ca.root} crl-file {crls} verify required alpn http/1.1"
    config = f"""global
    log stderr format raw local0 notice
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend plain
    bind 127.0.0.1:{server.plain}
    http-request redirect scheme https code 301
frontend tls
    bind 127.0.0.1:{server.port} {bind}
    bind ::1:{server.port} {bind}
    http-request return status 200 content-type text/plain lf-string "served by haproxy for %[ssl_c_s_dn(cn)]\\n"
"""
    path = os.path.join(home, "haproxy.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write(config)
    server.begin("haproxy", "-db", "-f", path)
    return server.wait(ca.root)


def node(ca, issued, name="node"):
    env = ca.env
    server = WebServer(env, name, free_port())
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "node", "server.js")
    server.begin("node", script, str(server.port), issued, ca.root, ca.crl("root-1"), ca.crl("issuing-1"))
    return server.wait(ca.root)
