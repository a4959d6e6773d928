"""Roots whose keys are not the server's, as `openssl ca` keeps them, and directories like those of a ceremony."""

import hashlib
import os

from . import der
from .harness import equal, run
from .tokens import write

ARC = "2.999.1"
POLICIES = [f"{ARC}.3.{number}" for number in (1, 2, 3, 4, 5)]
AUDIT = f"{ARC}.2"


def key_identifier(public_pem):
    """RFC 7093, method 1: 160 bits of the SHA-256 of the subjectPublicKey, here the last field of a P-256 key."""
    return hashlib.sha256(der.unpem(public_pem)[-65:]).hexdigest()[:40].upper()


class Root:
    """A root's key, certificate and lists, in a folder of its own."""

    def __init__(self, env, name, url, days=7000, path_length=None):
        self.env, self.name, self.url = env, name, url
        self.folder = env.folder(f"root-{name}")
        self.key, self.certificate = self.path("key.pem"), self.path(f"{name}.pem")
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        write(self.path("index.txt"), "")
        write(self.path("crlnumber"), "01\n")
        write(self.path("ca.cnf"), f"""
[ca]
default_ca = own
[own]
database = {self.path("index.txt")}
new_certs_dir = {self.folder}
crlnumber = {self.path("crlnumber")}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
crl_extensions = list
[any]
commonName = supplied
organizationName = optional
[list]
authorityKeyIdentifier = keyid
""")
        self.subject = f"/O=Elsewhere/CN=Elsewhere {name}"
        request = self.request()
        constraints = "critical,CA:TRUE" + (f",pathlen:{path_length}" if path_length is not None else "")
        extensions = [f"basicConstraints = {constraints}", "keyUsage = critical,keyCertSign,cRLSign",
                      f"subjectKeyIdentifier = {self.identifier(request)}"]
        self._sign(request, self.subject, extensions, self.certificate, days, "-selfsign")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def request(self):
        """Of its own key."""
        path = self.path("own.csr")
        run("openssl", "req", "-new", "-key", self.key, "-subj", self.subject, "-out", path)
        return path

    @staticmethod
    def identifier(request):
        return key_identifier(run("openssl", "req", "-in", request, "-noout", "-pubkey").stdout)

    def _sign(self, request, subject, extensions, out, days, *more):
        write(self.path("extensions.cnf"), "[default]\n" + "\n".join(extensions) + "\n")
        issuer = [] if "-selfsign" in more else ["-cert", self.certificate]
        life = [] if "-enddate" in more else ["-days", days]
        run("openssl", "ca", "-config", self.path("ca.cnf"), "-batch", "-notext", "-preserveDN", "-utf8", "-in", request,
            "-subj", subject, "-keyfile", self.key, *issuer, "-extfile", self.path("extensions.cnf"), "-out", out, *life,
            *more)
        return out

    def _above(self):
        """What names this root in what it signs."""
        return ["authorityKeyIdentifier = keyid:always",
                f"crlDistributionPoints = URI:{self.url}/crl/{self.name}.crl",
                f"authorityInfoAccess = caIssuers;URI:{self.url}/ca/{self.name}.crt"]

    def certify(self, request, name, out, path_length=0, life=(), days=900):
        """An intermediate for the request's key. life: ("-startdate", TIME, "-enddate", TIME)."""
        extensions = [f"basicConstraints = critical,CA:TRUE,pathlen:{path_length}",
                      "keyUsage = critical,keyCertSign,cRLSign", f"subjectKeyIdentifier = {self.identifier(request)}",
                      f"extendedKeyUsage = serverAuth,clientAuth,{AUDIT}",
                      "certificatePolicies = " + ",".join(reversed(POLICIES)), *self._above()]
        return self._sign(request, f"/O=Elsewhere/CN=Elsewhere {name}", extensions, out, days, *life)

    def cross(self, other, out):
        """The other root's key under this one."""
        request = other.request()
        extensions = ["basicConstraints = critical,CA:TRUE", "keyUsage = critical,keyCertSign,cRLSign",
                      f"subjectKeyIdentifier = {self.identifier(request)}", "certificatePolicies = 2.5.29.32.0",
                      *self._above()]
        return self._sign(request, other.subject, extensions, out, 900)

    def list(self, out, days=300):
        run("openssl", "ca", "-config", self.path("ca.cnf"), "-gencrl", "-crldays", days, "-keyfile", self.key, "-cert",
            self.certificate, "-out", out)
        return out


class Directory:
    """What a ceremony leaves, as far as an import looks at it."""

    def __init__(self, env, name):
        self.path = env.path(name)
        os.makedirs(self.out())
        os.makedirs(os.path.join(self.path, "inputs"))

    def out(self, *parts):
        return os.path.join(self.path, "out", *parts)

    def put(self, source, name=None, folder="out"):
        with open(source, "rb") as file:
            content = file.read()
        with open(os.path.join(self.path, folder, name or os.path.basename(source)), "wb") as file:
            file.write(content)


def imported(ca, directory):
    """`chancery ceremony import`: {file: (result, issuer)}."""
    rows = ca.json("ceremony", "import", directory.path)["imported"]
    return {row["file"]: (row["result"], row["issuer"]) for row in rows}


def refused(ca, directory, status, *says):
    done = ca.cli("ceremony", "import", directory.path, status=status)
    for word in says:
        if word not in done.stdout + done.stderr:
            equal(done.stderr, word, "what the import says")
    return done
