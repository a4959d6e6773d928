"""The operator's guide, "Your first ceremony": every ```sh block, typed at a terminal of a machine without a network."""

import os
import re
import shlex

from support import network
from support.ceremony import GROUPS, People, closing
from support.harness import Tests, contains, equal, expect
from support.server import CA
from test_docs import blocks_of

PART = "Your first ceremony"
KEEP = "{ declare -p | grep -E '^declare -[-a]* [a-z_]+='; export -p | grep SOFTHSM2_CONF || true; } > .typed"


class House(CA):
    """A folder with nothing in it, whose ./var is to be the state; and the room's people."""

    def __init__(self, env):  # pylint: disable=super-init-not-called
        network.leave()
        self.house = env.folder("house")
        self.closing = ""
        # The guide's own words make the state.
        super().__init__(env, "ceremony", start=False, state=os.path.join(self.house, "var"), init=("--help",))

    def path(self, *parts):
        return os.path.join(self.house, *parts)

    def people(self):
        """Two of the custodians, the operator and the witness."""
        shares = []
        for number in (3, 1):
            if os.path.exists(self.path(f"safe/shares/share-{number}.txt")):
                with open(self.path(f"safe/shares/share-{number}.txt"), encoding="ascii") as file:
                    shares.append(file.read().split("\n\n")[1].strip().replace("\n", " "))
        return People(None, pins={}, keys={"Grace": "safe/grace.key"}, shares=shares,
                      wrong={"from the paper: ": self.closing})

    def type(self, text):
        """In one shell, as it were: variables go on from block to block. What was shown."""
        before = "source ./.typed\n" if os.path.exists(self.path(".typed")) else ""
        there = text.replace("chancery init", f"chancery init --port {self.port} --http-port {self.http_port}")
        path = os.path.join(self.env.build, "bin") + ":" + os.environ["PATH"]
        script = f"cd {shlex.quote(self.house)} && {before}{there}\n{KEEP}"
        status, shown = self.people().attend(["bash", "-euo", "pipefail", "-c", script],
                                             self.env.environment(PATH=path, HOME=self.env.folder("home")))
        equal(status, 0, f"status of:\n{text}\n{shown[-1500:]}\n")
        if "---- The last step: the closing hash" in shown:
            self.closing = GROUPS.findall(shown)[-1].replace("\n", " ").strip()
        return shown


tests = Tests(House)
BLOCKS = blocks_of("docs/operators-guide.md", PART)


def typed(text):
    def works(house):
        if "chancery issue" in text:
            house.start()
        shown = house.type(text)
        if "ceremony run" in text:
            equal(house.closing.replace(" ", ""), closing(house.path(re.findall(r"--out (\S+)", text)[-1])),
                  "the closing hash on the paper")
        if "ceremony verify" in text:
            contains(shown, "Verified", "the proof")
        if "--closing" in text:
            expect("not anchored" not in shown.lower(), "it is not anchored")

    return works


for a_number, (a_heading, a_text) in enumerate(BLOCKS, 1):
    tests.add(re.sub(r"[^a-z0-9]+", "_", f"{a_number} {a_heading}".lower()).strip("_"), typed(a_text), 60)


@tests.rule(60)
def the_new_list_of_the_root_is_published_and_the_server_ends_well(house):
    equal(len(BLOCKS), 11, "blocks that are typed")
    answer = house.http().get("/crl/root-1.crl")
    with open(house.path("stick/next-run/out/root-1-crl.crl"), "rb") as file:
        equal(answer.body, file.read(), "the list that is published")
    equal(house.stop(), 0, "exit status of the server")
    house.store_check()
