"""What the documents say to type, typed: every ```sh block of the documents below.

The blocks run in order in a folder whose ./var is the state of a running CA, as after
`make run`; its ports stand in place of 8443 and 8080, and a free one in that of the DNS server's 5300. Blocks that
install, build or start are not typed (the first hour's tests do that); where one adds a zone, the server
is started again.
"""

import os
import re

from support.harness import Tests, expect, free_port, run
from support.server import CA

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = ("README.md", "docs/operators-guide.md", "docs/api.md", "docs/ceremonies.md")
NOT_TYPED = re.compile(r"^\s*(sudo|apt-get|apt|git clone|cd |make\b|systemctl|chanceryd|build/bin/chanceryd|nginx)\b",
                       re.M)


PARTS_OF_THEIR_OWN = {"Your first ceremony"}  # test_docs_ceremony.py types them


def blocks_of(document, part=None):
    """(heading, text) of each ```sh block that can be typed; of this part (##) alone, or of all that have no test of
    their own."""
    path = os.path.join(ROOT, document)
    if not os.path.exists(path):
        return []
    found, heading, level, block = [], "", "", None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if block is None and line.startswith("#"):
                heading = line.strip("# \n")
                level = heading if line.startswith("## ") else level
            elif line.startswith("```"):
                if block is None:
                    block = [] if line.strip() == "```sh" else False
                else:
                    if block and (level == part if part else level not in PARTS_OF_THEIR_OWN):
                        found.append((heading, "".join(block)))
                    block = None
            elif block not in (None, False):
                block.append(line)
    return [(title, text) for title, text in found if not NOT_TYPED.search(text)]


def setup(env):
    house = env.folder("house")
    ca = CA(env, state=os.path.join(house, "var"))
    for name in ("build", "tools", "docs"):
        target = env.build if name == "build" else os.path.join(ROOT, name)
        os.symlink(target, os.path.join(house, name))
    # What `make run` leaves in first/.
    for name, profile, host in (("server", "server-dv", "localhost"), ("client", "client", "first-client")):
        ca.cli("issue", "--profile", profile, "--name", host, "--out", ca.file("first", name))
    ca.dns_port = free_port()
    return ca


tests = Tests(setup)


KEEP = "{ declare -f; declare -p | grep -E '^declare -[-a]* [a-z_]+='; } > ../.typed"


def typed(text, first):
    """Functions and variables of one document's blocks go on from block to block, as in one shell."""
    def works(ca):
        before = "" if first else "source ../.typed\n"
        text_here = text.replace("8443", str(ca.port)).replace("8080", str(ca.http_port))
        text_here = text_here.replace("5300", str(ca.dns_port))
        path = os.path.join(ca.env.build, "bin") + ":" + os.environ["PATH"]
        done = run("bash", "-euo", "pipefail", "-c", f"{before}{text_here}\n{KEEP}", check=False,
                   cwd=os.path.dirname(ca.state), env=ca.env.environment(PATH=path, HOME=ca.env.folder("home")))
        said = done.stdout[-500:] + done.stderr[-500:]
        expect(done.returncode == 0, f"status {done.returncode} of:\n{text_here}\n{said}")
        if ">> var/chancery.conf" in text and "\nzone " in text:
            ca.restart()

    return works


for a_document in DOCUMENTS:
    for number, (a_heading, a_text) in enumerate(blocks_of(a_document), 1):
        a_name = f"{os.path.basename(a_document)[:-3]} {number} {a_heading}".lower()
        tests.add(re.sub(r"[^a-z0-9]+", "_", a_name).strip("_"), typed(a_text, number == 1), 60)


@tests.rule()
def the_documents_have_examples(_):
    for document in ("README.md", "docs/operators-guide.md"):
        expect(blocks_of(document), f"{document} has no ```sh block")
