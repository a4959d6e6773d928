"""The provider as a module: the stock `openssl` with keys in tokens."""

import os

from support.harness import Tests, contains, equal, expect, run

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "271828"
KEYS = {  # label: how the key is made
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ec384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "ed25519": ("-algorithm", "ED25519"),
}
WITH_DIGEST = ("rsa", "ec", "ec384")

CA_CONFIG = """
[ca]
default_ca = ours
[ours]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
certificate = {folder}/ca.pem
private_key = "{key}"
default_md = sha256
default_days = 1
default_crl_days = 1
policy = any
[any]
commonName = supplied
"""


class Token:
    """A SoftHSM2 token with one key of each type, and a software copy of each to compare with."""

    def __init__(self, env):
        self.env, self.folder = env, env.folder("token")
        self.softhsm = self.write("softhsm2.conf", f"directories.tokendir = {env.folder('token/tokens')}\n"
                                  "objectstore.backend = file\nlog.level = ERROR\n")
        self.environment = env.environment(SOFTHSM2_CONF=self.softhsm, OPENSSL_CONF="/dev/null")
        self.pin = self.write("pin", PIN + "\n")
        self.providers = ("-provider-path", os.path.join(env.build, "lib", "ossl-modules"),
                          "-provider", "default", "-provider", "chancery")
        self.tool("softhsm2-util", "--init-token", "--free", "--label", "stock", "--pin", PIN, "--so-pin", "31415926")
        for number, (label, how) in enumerate(KEYS.items(), 1):
            self.tool("openssl", "genpkey", *how, "-out", self.path(f"{label}.key"))
            self.tool("openssl", "pkey", "-in", self.path(f"{label}.key"), "-pubout", "-out", self.path(f"{label}.pub"))
            self.tool("softhsm2-util", "--import", self.path(f"{label}.key"), "--token", "stock", "--pin", PIN,
                      "--label", label, "--id", f"{number:02x}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def tool(self, *command, check=True):
        return run(*command, env=self.environment, cwd=self.folder, check=check)

    def openssl(self, command, *arguments, check=True):
        return self.tool("openssl", command, *self.providers, *arguments, check=check)

    def uri(self, label=None, token="stock", module=MODULE, pin=None):
        key = f";object={label}" if label else ""
        return f"pkcs11:token={token}{key}?module-path={module}&pin-source={pin or 'file:' + self.pin}"

    def authority(self, label):
        """A self-signed CA certificate of the token's key, made once."""
        name = f"{label}-ca.pem"
        if not os.path.exists(self.path(name)):
            self.openssl("req", "-new", "-x509", "-key", self.uri(label), "-subj", f"/CN={label} CA", "-days", "2",
                         "-out", name)
        return name

    def request(self, name):
        """A request of a software key."""
        self.tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        return f"{name}.csr"

    def refuses(self, uri, *reasons):
        """The command fails as commands do, saying why: no signal, no success, nothing written."""
        result = self.openssl("req", "-new", "-key", uri, "-subj", "/CN=x", "-out", "refused.csr", check=False)
        equal(result.returncode, 1, f"exit status with {uri}: {result.stderr}")
        for reason in reasons:
            contains(result.stderr, reason, "what openssl said")
        expect(not os.path.exists(self.path("refused.csr")), "a request was written")
        return result.stderr


tests = Tests(Token)


@tests.rule()
def the_module_offers_a_store_for_pkcs11_uris(token):
    contains(token.openssl("list", "-store-loaders").stdout, "pkcs11 @ chancery", "store loaders")
    contains(token.openssl("list", "-providers").stdout, "name: Chancery", "providers")


@tests.rule()
def the_module_shows_one_symbol(token):
    symbols = token.tool("nm", "-D", "--defined-only", os.path.join(token.providers[1], "chancery.so")).stdout.split()
    equal(symbols[2::3], ["OSSL_provider_init"], "symbols of the module")


@tests.rule()
def the_module_offers_no_digests_ciphers_and_random_numbers(token):
    for kind in ("-digest-algorithms", "-cipher-algorithms", "-random-generators", "-mac-algorithms"):
        listed = token.openssl("list", kind).stdout
        contains(listed, "@ default", kind)
        expect("@ chancery" not in listed, f"{kind} lists ours: {listed}")


@tests.rule()
def a_token_lists_its_keys_as_uris_that_open_them(token):
    listed = token.openssl("storeutl", token.uri()).stdout
    names = [line.split("Name: ", 1)[1] for line in listed.splitlines() if "Name: " in line]
    equal(len(names), len(KEYS), f"keys listed in {listed}")
    for name in names:
        contains(token.openssl("storeutl", "-noout", name).stdout, "0: Pkey", name)


@tests.rule()
def requests_are_signed_by_keys_of_every_type(token):
    for label in KEYS:
        token.openssl("req", "-new", "-key", token.uri(label), "-subj", f"/CN={label}", "-out", f"{label}.csr")
        token.tool("openssl", "req", "-verify", "-noout", "-in", f"{label}.csr")
        inside = token.tool("openssl", "req", "-in", f"{label}.csr", "-pubkey", "-noout").stdout
        equal(inside.encode(), token.read(f"{label}.pub"), f"public key in the request of {label}")


@tests.rule()
def requests_are_signed_with_rsa_pss(token):
    token.openssl("req", "-new", "-key", token.uri("rsa"), "-subj", "/CN=pss", "-out", "pss.csr",
                  "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
    token.tool("openssl", "req", "-verify", "-noout", "-in", "pss.csr")
    contains(token.tool("openssl", "req", "-in", "pss.csr", "-text", "-noout").stdout, "rsassaPss", "the request")


@tests.rule()
def the_public_half_is_given_alone(token):
    for label in KEYS:
        made = token.openssl("pkey", "-pubin", "-in", token.uri(label), "-pubout").stdout
        equal(made.encode(), token.read(f"{label}.pub"), f"public key of {label}")


@tests.rule()
def x509_issues_with_the_tokens_key(token):
    for label in KEYS:
        authority, request = token.authority(label), token.request(f"x509-{label}")
        token.openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", token.uri(label),
                      "-days", "1", "-out", f"x509-{label}.pem")
        token.tool("openssl", "verify", "-CAfile", authority, f"x509-{label}.pem")


@tests.rule()
def ca_issues_and_signs_lists_with_the_tokens_key(token):
    for label in WITH_DIGEST:
        folder = token.env.folder(f"token/ca-{label}")
        token.write(f"ca-{label}/index.txt", "")
        token.write(f"ca-{label}/ca.pem", token.read(token.authority(label)).decode())
        config = token.write(f"ca-{label}/ca.conf", CA_CONFIG.format(folder=folder, key=token.uri(label)))
        request = token.request(f"ca-{label}-leaf")
        token.openssl("ca", "-config", config, "-batch", "-notext", "-in", request, "-out", f"{folder}/leaf.pem")
        token.openssl("ca", "-config", config, "-revoke", f"{folder}/leaf.pem")
        token.openssl("ca", "-config", config, "-gencrl", "-out", f"{folder}/crl.pem")
        token.tool("openssl", "verify", "-CAfile", f"{folder}/ca.pem", f"{folder}/leaf.pem")
        contains(token.tool("openssl", "crl", "-in", f"{folder}/crl.pem", "-CAfile", f"{folder}/ca.pem", "-noout").stderr,
                 "verify OK", "the list")


@tests.rule()
def cms_is_signed_and_verifies(token):
    message = token.write("message", "to be signed\n")
    for label in WITH_DIGEST:
        authority = token.authority(label)
        token.openssl("cms", "-sign", "-in", message, "-signer", authority, "-inkey", token.uri(label), "-nodetach",
                      "-outform", "DER", "-out", f"{label}.cms")
        token.tool("openssl", "cms", "-verify", "-in", f"{label}.cms", "-inform", "DER", "-CAfile", authority,
                   "-purpose", "any", "-out", f"{label}.out")
        contains(token.read(f"{label}.out").decode(), "to be signed", "the message")


@tests.rule()
def ocsp_answers_are_signed(token):
    for label in WITH_DIGEST:
        authority, request = token.authority(label), token.request(f"ocsp-{label}")
        leaf = f"ocsp-{label}.pem"
        token.openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", token.uri(label), "-set_serial", "0x5A",
                      "-days", "1", "-out", leaf)
        index = token.write(f"ocsp-{label}.txt", f"V\t491231235959Z\t\t5A\tunknown\t/CN=ocsp-{label}\n")
        token.tool("openssl", "ocsp", "-issuer", authority, "-cert", leaf, "-reqout", f"{label}.req", "-no_nonce")
        token.openssl("ocsp", "-index", index, "-CA", authority, "-rsigner", authority, "-rkey", token.uri(label),
                      "-reqin", f"{label}.req", "-respout", f"{label}.resp", "-ndays", "1")
        answer = token.tool("openssl", "ocsp", "-respin", f"{label}.resp", "-issuer", authority, "-cert", leaf,
                            "-CAfile", authority)
        contains(answer.stderr, "Response verify OK", "the answer")
        contains(answer.stdout, f"{leaf}: good", "the answer")


@tests.rule()
def files_are_signed_by_dgst(token):
    message = token.write("file", "content\n")
    for label in WITH_DIGEST:
        token.openssl("dgst", "-sha256", "-sign", token.uri(label), "-out", f"{label}.sig", message)
        contains(token.tool("openssl", "dgst", "-sha256", "-verify", f"{label}.pub", "-signature", f"{label}.sig",
                            message).stdout, "Verified OK", label)


@tests.rule()
def pkeyutl_signs_with_keys_of_every_type(token):
    message = token.write("raw", "content\n")
    for label in KEYS:
        how = ("-rawin",) if label == "ed25519" else ("-rawin", "-digest", "sha256")
        token.openssl("pkeyutl", "-sign", "-inkey", token.uri(label), *how, "-in", message, "-out", f"{label}.raw")
        token.tool("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{label}.pub", *how, "-in", message,
                   "-sigfile", f"{label}.raw")


@tests.rule()
def software_keys_work_beside_the_tokens(token):
    for label in KEYS:
        token.openssl("req", "-new", "-key", f"{label}.key", "-subj", "/CN=software", "-out", f"software-{label}.csr")
        token.openssl("req", "-verify", "-noout", "-in", f"software-{label}.csr")


@tests.rule()
def the_other_order_of_providers_neither_hangs_nor_recurses(token):
    turned = ("-provider-path", token.providers[1], "-provider", "chancery", "-provider", "default")
    for label in KEYS:
        token.tool("openssl", "req", *turned, "-new", "-key", token.uri(label), "-subj", "/CN=turned", "-out", "turned.csr")
        token.tool("openssl", "req", "-verify", "-noout", "-in", "turned.csr")


@tests.rule()
def without_the_default_provider_no_pin_is_tried(token):
    alone = ("-provider-path", token.providers[1], "-provider", "chancery")
    result = token.tool("openssl", "req", *alone, "-new", "-key", token.uri("ec"), "-subj", "/CN=x", check=False)
    equal(result.returncode, 1, "exit status")
    contains(result.stderr, "default provider is not active", "what openssl said")
    expect("PIN" not in result.stderr.replace("pin-source", ""), f"the PIN was tried: {result.stderr}")


@tests.rule()
def every_path_form_of_pin_source_is_read(token):
    for form in (token.pin, f"file:{token.pin}", f"file://{token.pin}", f"file:{token.pin.replace('/', '%2F')}"):
        token.openssl("storeutl", "-noout", token.uri("ec", pin=form))


@tests.rule()
def without_pin_source_the_command_asks_as_for_a_passphrase(token):
    uri = token.uri("ec").split("&pin-source")[0]
    token.openssl("req", "-new", "-key", uri, "-passin", f"file:{token.pin}", "-subj", "/CN=asked", "-out", "asked.csr")
    token.tool("openssl", "req", "-verify", "-noout", "-in", "asked.csr")


@tests.rule()
def the_module_path_may_stand_in_the_configuration(token):
    config = token.write("openssl.cnf", "openssl_conf = all\n[all]\nproviders = both\n[both]\ndefault = first\n"
                         "chancery = second\n[first]\nactivate = 1\n[second]\nactivate = 1\n"
                         f"module = {token.providers[1]}/chancery.so\npkcs11-module-path = {MODULE}\n")
    for label in KEYS:
        run("openssl", "req", "-new", "-config", "/dev/null", "-key",
            f"pkcs11:token=stock;object={label}?pin-source=file:{token.pin}",
            "-subj", "/CN=configured", "-out", "configured.csr", cwd=token.folder,
            env=dict(token.environment, OPENSSL_CONF=config))
        token.tool("openssl", "req", "-verify", "-noout", "-in", "configured.csr")


@tests.rule()
def a_private_key_does_not_leave_the_token(token):
    for label in KEYS:
        result = token.openssl("pkey", "-in", token.uri(label), check=False)
        expect(result.returncode == 1 and "PRIVATE KEY" not in result.stdout, f"exported: {result.stdout}")


@tests.rule()
def what_is_not_there_is_said(token):
    token.refuses(token.uri("none"), "has no private key pkcs11:token=stock;object=none")
    token.refuses(token.uri("ec", token="other"), "there is no such token")
    token.refuses(token.uri("ec", module="/nowhere/module.so"), "/nowhere/module.so", "No such file")
    token.refuses(token.uri("ec", module=token.pin), "cannot load the PKCS#11 module")
    token.refuses(token.uri("ec", pin="file:/nowhere/pin"), "/nowhere/pin")
    token.refuses(token.uri(), "names no key")
    token.refuses("pkcs11:object=ec", "names no module")
    token.refuses(token.uri("ec", module="libsofthsm2.so"), "not the whole path")


@tests.rule()
def a_pin_in_the_uri_is_refused_and_not_shown(token):
    said = token.refuses(f"pkcs11:token=stock;object=ec?module-path={MODULE}&pin-value=424242", "pin-value is refused")
    explained = said.split("pin-value is refused", 1)[1]
    expect("424242" not in explained, "the PIN is shown with the reason")


@tests.rule()
def a_pin_by_command_or_in_an_open_file_is_refused(token):
    token.refuses(token.uri("ec", pin="|/bin/cat%20" + token.pin), "runs no commands")
    open_pin = token.write("open-pin", PIN)
    os.chmod(open_pin, 0o644)
    token.refuses(token.uri("ec", pin=f"file:{open_pin}"), "make it 0600")


@tests.rule()
def unknown_attributes_are_refused(token):
    token.refuses(token.uri("ec") + "&module-name=softhsm2", "module-path, pin-source")
    token.refuses(token.uri("ec") + "&pin-source=file:/other", "given twice")
    token.refuses(token.uri("ec").replace("object=", "label="), "not known")


@tests.rule()
def a_refused_pin_is_tried_once(token):
    wrong = token.write("wrong-pin", "000000")
    said = token.refuses(token.uri("ec", pin=f"file:{wrong}"), "refused the PIN (CKR_PIN_INCORRECT)")
    equal(said.count("to=pin-refused"), 1, "tries")
    token.openssl("storeutl", "-noout", token.uri("ec"))
