"""faulty.so: a PKCS#11 module before SoftHSM2 that fails as it is told. Its script and log: tests/modules/faulty.h."""

import contextlib
import os
import re
import shutil

from .harness import equal, expect
from .tokens import SOFTHSM, write


class Line:
    """One line of the log: at (time.monotonic()), pid, what, and its pairs as attributes."""

    def __init__(self, text):
        at, pid, self.what, *pairs = text.split()
        self.at, self.pid, self.text = float(at), int(pid), text
        self.token = self.key = self.made = self.answered = self.call = ""
        for pair in pairs:
            name, _, value = pair.partition("=")
            setattr(self, name, value)

    def __repr__(self):
        return self.text


class Faulty:
    """The module, readable for the signer's user, and its files in a folder of the test's own."""

    def __init__(self, env, name="faulty", module=SOFTHSM):
        built = os.path.join(env.build, "tests", "modules", "faulty.so")
        expect(os.access(built, os.R_OK), f"{built} is not built")
        self.folder = env.folder(name)
        self.module = shutil.copy(built, self.folder)
        os.chmod(self.folder, 0o711)
        os.chmod(self.module, 0o755)
        self.control = os.path.join(self.folder, "control")
        self.log = write(os.path.join(self.folder, "log"), "")
        os.chmod(self.log, 0o666)
        env.logs[name] = self.log
        self.environment = {"FAULTY_MODULE": module, "FAULTY_CONTROL": self.control, "FAULTY_LOG": self.log}

    def script(self, *rules):
        """From the next call on these hold and no others."""
        fresh = write(self.control + ".new", "".join(rule + "\n" for rule in rules))
        os.chmod(fresh, 0o644)
        os.rename(fresh, self.control)

    def off(self):
        self.script()

    @contextlib.contextmanager
    def told(self, *rules):
        """These rules for a while, then none."""
        self.script(*rules)
        try:
            yield
        finally:
            self.off()

    def lines(self, what=None, since=0.0, **values):
        """The log's lines of this sort, with these values, from a time on."""
        with open(self.log, encoding="ascii") as file:
            text = file.read()
        found = [Line(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        equal([line for line in found if line.what == "control-error"], [], "lines of a script that are no rule")
        expect(not re.search("is no PKCS#11 module", text), f"the log: {text[:300]}")
        return [line for line in found if (what is None or line.what == what) and line.at >= since and
                all(getattr(line, name) == value for name, value in values.items())]

    def signatures(self, **values):
        """C_Sign calls by which a signature was really made."""
        return self.lines("sign", made="CKR_OK", **values)

    def refused_logins(self):
        """C_Login calls that were answered with something about the PIN."""
        return [line for line in self.lines("login") if line.answered.startswith("CKR_PIN_")]
