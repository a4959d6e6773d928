"""Two tokens: each with an issuer of its own, in one module or in two; and both with the same key."""

import contextlib
import time

from support.faulty import Faulty
from support.harness import Tests, equal, expect, run, wait_until
from support.kills import kill_role
from support.p11kit import behind_p11kit
from support.tokens import (CALL, DOWN, REQUEST, Ground, in_section, patient, running, taken_away, token_section,
                            token_state, with_second_issuer)
from support.traffic import HEALED, Pulse, Traffic, balance, slowest

IN_TIME = REQUEST + 1
LOST = 1.2  # seconds for which a token is lost
LATE = 3.0  # seconds for which a token is away from the start
# Seconds until a token is used again that only a restart of its module shows: beside another token that takes no more
# than a hundredth of the time, so one that took 50 ms, on a busy machine, allows the next after five seconds.
RETURNED = 10.0
UNDISTURBED = 1.0  # seconds for the slowest certificate of the other issuer, at most
STILL = 0.25  # seconds: a pause of the machine that may have held one up for longer, which takes several of its steps

tests = Tests(None)


# ---- two issuers ----

TWO_ISSUERS = Ground(tokens=("second",), change=with_second_issuer)
PROFILES = {"issuing": "server-dv", "second": "server-2"}


class Pair:
    """Traffic for both issuers."""

    def __init__(self, ca):
        self.ca = ca
        self.loads = {label: Traffic(ca, clients=3, profile=profile, within=IN_TIME)
                      for label, profile in PROFILES.items()}
        self.stack = self.pulse = None

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.pulse = self.stack.enter_context(Pulse(self.ca.env))
        for load in self.loads.values():
            self.stack.enter_context(load)
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    def settle(self):
        for load in self.loads.values():
            load.flows(30)

    def loses(self, label, lose, what, back=HEALED):
        """While one token is lost the other's issuer goes on; then the lost one comes back, within `back` seconds."""
        other = next(load for name, load in self.loads.items() if name != label)
        for _ in range(5):
            since = time.monotonic()
            worst = self.lost_once(label, other, lose(), what, back)
            # Nothing can be seen of the tokens while the machine itself stands still: then it is looked at once more.
            still = self.pulse.longest(since)
            if worst < UNDISTURBED or still < STILL:
                break
        expect(worst < UNDISTURBED, f"{what}: the other issuer's certificates took up to {worst:.2f} s, while the machine "
               f"paused for {still:.2f} s at most")

    def lost_once(self, label, other, loss, what, back):
        """Seconds that the slowest certificate of the other issuer took."""
        # What began before may have waited for the other token, which was the lost one a moment ago.
        well = time.monotonic()
        self.settle()
        with loss:
            since = time.monotonic()
            wait_until(lambda: token_state(self.ca, label) in DOWN, CALL + 2, f"{what}: the state")
            time.sleep(LOST)
            other.flows(30)
            during = other.issued(since, begun=well)
        self.loads[label].heals(time.monotonic(), what, back)
        wait_until(lambda: token_state(self.ca, label) == "up", HEALED, f"{what}: the state up")
        other.none_refused(since, begun=well)
        return slowest(during)


@tests.rule(60)
def two_issuers_in_two_tokens_sign(env):
    """Without any option of the tokens' supervisor."""
    with running(env, "both", prepare=TWO_ISSUERS) as ca:
        with Pair(ca) as pair:
            pair.settle()
        for load in pair.loads.values():
            load.none_refused()
        balance(ca, pair.loads.values())


@contextlib.contextmanager
def two_issuers_behind_faulty(env, name):
    faulty = Faulty(env, f"{name}-faulty")

    def change(text):
        for label in PROFILES:
            text = in_section(text, "token", label, module=faulty.module)
        return patient(text, *PROFILES)

    with running(env, name, change, faulty.environment, prepare=TWO_ISSUERS) as ca:
        try:
            yield ca, faulty
        finally:
            faulty.off()


@tests.rule(150)
def of_two_tokens_of_a_module_one_is_lost_without_the_other(env):
    with two_issuers_behind_faulty(env, "module") as (ca, faulty):
        with Pair(ca) as pair:
            for label in ("second", "issuing"):
                pair.loses(label, lambda: faulty.told(f"token {label} all CKR_DEVICE_REMOVED"), f"{label} removed")
                pair.loses(label, lambda: faulty.told(f"token {label} all hang"), f"{label} hanging")
        balance(ca, pair.loads.values(), faulty)


@tests.rule(120)
def a_token_that_only_a_new_start_of_the_module_shows_comes_back_beside_another(env):
    """SoftHSM2 never again looks at a token whose folder it missed: C_Finalize, which ends the other's sessions too."""
    with two_issuers_behind_faulty(env, "restarted") as (ca, faulty):
        with Pair(ca) as pair:
            for label in ("second", "issuing"):
                pair.loses(label, lambda: taken_away(ca, label), f"{label} without its folder", back=RETURNED)
        balance(ca, pair.loads.values(), faulty)


@tests.rule(60)
def a_token_that_was_never_there_comes_beside_another_without_a_new_process(env):
    """Its module was initialized without it, by a server that was started while its folder was away."""
    with running(env, "late", lambda text: patient(text, *PROFILES), prepare=TWO_ISSUERS) as ca:
        equal(ca.stop(), 0, "exit status of the server")
        with taken_away(ca, "second"):
            ca.start(wait=False)
            wait_until(lambda: token_state(ca, "issuing") == "up", 20, "the state of the other token")
            before = ca.roles()
            with Traffic(ca, clients=3, within=IN_TIME) as alone:
                alone.flows(50)
                equal(token_state(ca, "second"), "down", "the state of the token that is away")
                time.sleep(LATE)
                alone.flows(50)
            alone.none_refused()
        with Traffic(ca, clients=3, within=IN_TIME) as other:
            wait_until(lambda: ca.health().status == 200, RETURNED, "readiness with both tokens")
            with Traffic(ca, clients=3, profile="server-2", within=IN_TIME) as own:
                own.flows(20)
                other.flows(20)
            own.none_refused()
        other.none_refused()
        equal(ca.roles(), before, "the server's processes")
        balance(ca, [alone, other, own])


@tests.rule(150)
def of_two_tokens_in_two_modules_one_is_lost_without_the_other(env):
    change = lambda text: patient(text, *PROFILES)
    with behind_p11kit(env, "modules", change, label="second", prepare=TWO_ISSUERS) as (ca, kit):
        with Pair(ca) as pair:
            pair.loses("second", kit.unplugged, "second unplugged")
            pair.loses("issuing", lambda: taken_away(ca, "issuing"), "issuing without its folder")
            pair.loses("second", kit.frozen, "second frozen")
        balance(ca, pair.loads.values())


# ---- one key in two tokens ----

def with_spare(text):
    return in_section(text + token_section("spare"), "issuer", "issuing-1", alternatives=["spare"])


@contextlib.contextmanager
def one_key_in_two_tokens(env, name):
    faulty = Faulty(env, f"{name}-faulty")
    key = env.path(f"{name}-key.pem")
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    ground = Ground(tokens=("issuing", "spare"), keys={label: {"issuing-1": key} for label in ("issuing", "spare")})

    def change(text):
        text = with_spare(text)
        for label in ("issuing", "spare"):
            text = in_section(text, "token", label, module=faulty.module)
        return patient(text, "issuing", "spare")

    with running(env, name, change, faulty.environment, prepare=ground) as ca:
        try:
            yield ca, faulty
        finally:
            faulty.off()


@tests.rule(60)
def a_key_in_two_tokens_outlives_either(env):
    with one_key_in_two_tokens(env, "alternatives") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for dead, other, how in (("issuing", "spare", "CKR_DEVICE_REMOVED"),
                                     ("spare", "issuing", "CKR_DEVICE_ERROR"), ("issuing", "spare", "hang")):
                load.flows(30)
                with faulty.told(f"token {dead} all {how}"):
                    since = time.monotonic()
                    load.flows(30)
                    time.sleep(CALL if how == "hang" else 0.3)
                    load.flows(30)
                    expect(faulty.signatures(token=other, since=since), f"no signature by {other} without {dead}")
                    equal(ca.health().status, 200, f"readyz without {dead}")
                load.flows(30)
                wait_until(lambda label=dead: token_state(ca, label) == "up", HEALED, f"the state of {dead}")
        load.none_refused(beside=balance(ca, [load], faulty))


@tests.rule(60)
def where_both_tokens_of_a_key_are_gone_one_that_returns_is_enough(env):
    with one_key_in_two_tokens(env, "both-gone") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(30)
            faulty.script("all CKR_DEVICE_REMOVED")
            wait_until(lambda: token_state(ca, "issuing") in DOWN, 5, "the state")
            faulty.script("token issuing all CKR_DEVICE_REMOVED")
            load.heals(time.monotonic(), "with the second token back")
            # A signer that is started while the first is away does with the second, too.
            kill_role(ca, "signer")
            load.flows(30)
        balance(ca, [load], faulty)
