"""Tokens that fail in every way that PKCS#11 has a number for, and in a few that it has none for.

SoftHSM2 behind faulty.so (tests/modules/faulty.h), or with its folder taken away. CHANCERY_SEED repeats
what a failure names, as far as threads allow; CHANCERY_FAULT_SECONDS says how long faults come at random (9).
"""

import contextlib
import os
import random
import time

from support.client import refused
from support.faulty import Faulty
from support.harness import Failure, Tests, equal, expect, wait_until
from support.kills import kill_role
from support.tokens import (CALL, DOWN, REQUEST, change_pin, in_section, patient, running, taken_away, token_state,
                            write)
from support.traffic import HEALED, Traffic, balance, pool, probe, unfinished

SEED = int(os.environ.get("CHANCERY_SEED", random.randrange(1, 1 << 31)))
SECONDS = float(os.environ.get("CHANCERY_FAULT_SECONDS", "9"))
IN_TIME = REQUEST + 1
STUCK = 10 + CALL  # seconds after which a signer that cannot get out of a module has made room for another

tests = Tests(None, san=True)


def patience(text):
    return patient(text, "issuing")


@contextlib.contextmanager
def behind_faulty(env, name, rules=(), change=lambda text: text, **more):
    """A CA that runs, its issuing token behind faulty.so."""
    faulty = Faulty(env, f"{name}-faulty")
    faulty.script(*rules)
    text = lambda given: change(patience(in_section(given, "token", "issuing", module=faulty.module)))
    with running(env, name, text, faulty.environment, **more) as ca:
        try:
            yield ca, faulty
        finally:
            faulty.off()  # or a call that hangs would hold the stop up


def ask(ca, **more):
    client = ca.client(timeout=IN_TIME + 5)
    try:
        return client.post_csr(pool()[0], **more)
    finally:
        client.close()


def refused_for_good(ca):
    wait_until(lambda: token_state(ca, "issuing") == "pin-refused", 10, "the state pin-refused")


# ---- no faults: what the other tests rely on ----

@tests.rule(60)
def with_no_faults_it_issues_and_each_signature_is_counted(env):
    """Without any option of the tokens' supervisor."""
    faulty = Faulty(env, "none-faulty")
    change = lambda text: in_section(text, "token", "issuing", module=faulty.module)
    with running(env, "none", change, faulty.environment) as ca:
        with Traffic(ca) as load:
            load.flows(100)
        load.none_refused()
        balance(ca, [load], faulty)
        equal(len(faulty.lines("login")), 1, "logins")
        equal(faulty.lines("finalize"), [], "C_Finalize while it runs")
    equal(len(faulty.lines("finalize", answered="CKR_OK")), 1, "C_Finalize at the end")


@tests.rule(60)
def signatures_are_accounted_for_when_the_signer_is_killed(env):
    faulty = Faulty(env, "killed-faulty")
    change = lambda text: in_section(text, "token", "issuing", module=faulty.module)
    with running(env, "killed", change, faulty.environment) as ca:
        with Traffic(ca) as load:
            for _ in range(3):
                load.flows(30)
                kill_role(ca, "signer")
            load.flows(30)
        balance(ca, [load], faulty)


# ---- the token's folder ----

@tests.rule(60)
def a_token_that_is_taken_away_and_brought_back_heals(env):
    """SoftHSM2 itself, with nothing in between."""
    with running(env, "folder", patience) as ca:
        before = ca.roles()
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            for seconds in (0.3, 1.5):
                with taken_away(ca, "issuing"):
                    time.sleep(seconds)
                load.heals(time.monotonic(), f"after {seconds} s without its folder")
                load.flows(20)
            # One that is lost between C_SignInit and C_Sign may be unfinished.
            load.none_refused(beside=unfinished(ca))
            with taken_away(ca, "issuing"):
                gone = time.monotonic()
                wait_until(lambda: load.refusals(gone), IN_TIME, "a refusal")
                probe(ca)
            load.heals(time.monotonic(), "after a refusal")
        equal(ca.roles(), before, "the server's processes")
        balance(ca, [load])


# ---- PINs ----

def pin_file(ca):
    return ca.file("token", "issuing.pin")


@tests.rule(60)
def a_pin_changed_underneath_is_tried_once_whatever_is_killed(env):
    with behind_faulty(env, "changed") as (ca, faulty):
        with open(pin_file(ca), encoding="ascii") as file:
            old = file.read().strip()
        change_pin(ca, "issuing", old, "31415926535")
        equal(ask(ca).status, 201, "issuing on the login that there is")
        equal(faulty.refused_logins(), [], "refused logins")
        for _ in range(3):
            kill_role(ca, "signer")
            refused_for_good(ca)
            equal(len(faulty.refused_logins()), 1, "refused logins in all")
        time.sleep(1.5)  # longer than any of its own pauses
        equal(ca.health().status, 503, "readyz")
        refused(ask(ca), 503, "token-unavailable")
        probe(ca)
        equal(len(faulty.refused_logins()), 1, "refused logins in all, after a while")
        write(pin_file(ca), "31415926535\n", 0o600)
        ca.cli("token", "pin", "retry", "issuing")
        wait_until(lambda: ask(ca).status == 201, HEALED, "issuing with the new PIN")
        wait_until(lambda: token_state(ca, "issuing") == "up", HEALED, "the state")
        equal(len(faulty.refused_logins()), 1, "refused logins in all, at the end")
        kill_role(ca, "signer")
        wait_until(lambda: ask(ca).status == 201, 15, "issuing by another signer with the new PIN")
        equal(len(faulty.refused_logins()), 1, "refused logins in all, by another signer")


@tests.rule(60)
def a_pin_refused_while_it_runs_waits_for_the_operator(env):
    with behind_faulty(env, "refused") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            faulty.script("forget-login", "C_Login CKR_PIN_INCORRECT")
            refused_for_good(ca)
            kill_role(ca, "signer")
            refused_for_good(ca)
            time.sleep(1)
            equal(len(faulty.refused_logins()), 1, "refused logins in all")
            # Asked to by the operator it tries once more, and that was in vain.
            ca.cli("token", "pin", "retry", "issuing", check=False)
            wait_until(lambda: len(faulty.refused_logins()) == 2, 5, "the operator's try")
            time.sleep(1)
            equal(len(faulty.refused_logins()), 2, "refused logins, with one that was asked for")
            faulty.off()
            time.sleep(1)
            refused_for_good(ca)
            ca.cli("token", "pin", "retry", "issuing")
            load.heals(time.monotonic(), "after the operator's word")
        equal(len(faulty.refused_logins()), 2, "refused logins at the end")
        balance(ca, [load], faulty)


# ---- logins and sessions ----

@tests.rule(60)
def a_login_or_sessions_that_are_gone_are_made_anew_gently(env):
    """Neither needs C_Finalize, which would end everybody's sessions of the module."""
    with behind_faulty(env, "gentle") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for deed in ("forget-login", "invalidate-sessions", "forget-login"):
                load.flows(20)
                logins = len(faulty.lines("login", answered="CKR_OK"))
                faulty.script(deed)
                load.heals(time.monotonic(), f"after {deed}")
                load.flows(20)
                expect(len(faulty.lines("login", answered="CKR_OK")) > logins, f"no login after {deed}")
        equal(faulty.lines("finalize"), [], "C_Finalize")
        equal(faulty.refused_logins(), [], "refused logins")
        load.none_refused(beside=balance(ca, [load], faulty))


def few_sessions(env, count):
    with behind_faulty(env, f"sessions-{count}", rules=[f"sessions {count}"]) as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(100)
            # All that it had are gone: the places are free again.
            faulty.script(f"sessions {count}", "invalidate-sessions")
            load.heals(time.monotonic(), "after its sessions were gone")
            load.flows(50)
        load.none_refused(beside=balance(ca, [load], faulty))
        ca.cli("crl", "now", "issuing-1")


@tests.rule(60)
def a_token_with_one_session_signs(env):
    few_sessions(env, 1)


@tests.rule(60)
def a_token_with_two_sessions_signs(env):
    few_sessions(env, 2)


@tests.rule(60)
def sessions_that_run_out_later_are_done_without(env):
    """Others use the token too: what was open is gone, and there is room for less."""
    with behind_faulty(env, "scarce") as (ca, faulty):
        with Traffic(ca, within=IN_TIME, clients=6) as load:
            load.flows(50)
            faulty.script("sessions 1", "invalidate-sessions")
            load.heals(time.monotonic(), "with one session left")
            load.flows(20)
            faulty.script("C_OpenSession CKR_SESSION_COUNT", "invalidate-sessions")
            time.sleep(0.5)
            faulty.off()
            load.heals(time.monotonic(), "after there were none")
        load.none_refused(beside=balance(ca, [load], faulty))


@tests.rule(60)
def an_idle_token_is_found_again_by_the_next_request(env):
    with behind_faulty(env, "idle", rules=["idle 700"]) as (ca, faulty):
        for _ in range(2):
            equal(ask(ca).status, 201, "issuing")
            time.sleep(1.2)
        equal(faulty.refused_logins(), [], "refused logins")


@tests.rule(60)
def a_token_that_is_kept_alive_is_never_idle(env):
    change = lambda text: in_section(text, "token", "issuing", keep_alive_seconds=1)
    with behind_faulty(env, "alive", rules=["idle 2500"], change=change) as (ca, faulty):
        equal(ask(ca).status, 201, "issuing")
        before = len(faulty.lines("login"))
        time.sleep(4)
        equal(ask(ca).status, 201, "issuing after a rest")
        equal(len(faulty.lines("login")), before, "logins")


# ---- calls ----

@tests.rule(60)
def a_call_that_hangs_marks_the_token_down_and_holds_nothing_else_up(env):
    with behind_faulty(env, "hangs") as (ca, faulty):
        before = ca.roles()
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            hung = time.monotonic()
            faulty.script("C_Sign hang")
            wait_until(lambda: token_state(ca, "issuing") in DOWN, CALL + 2, "the state")
            probe(ca)
            # Those inside the call are answered by the server's deadline, those who wait before.
            wait_until(lambda: load.refusals(hung), IN_TIME, "a refusal")
            probe(ca)
            faulty.off()
            load.heals(time.monotonic(), "after the call returned")
            load.flows(20)
        equal(ca.roles(), before, "the server's processes")
        balance(ca, [load], faulty)


@tests.rule(60)
def any_call_may_hang_for_a_while(env):
    """Whatever holds the token up: sessions, logins, looks at it."""
    with behind_faulty(env, "slow") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for rules in (["C_SignInit hang"], ["all hang"], ["forget-login", "C_Login hang"],
                          ["invalidate-sessions", "C_OpenSession hang"]):
                load.flows(20)
                faulty.script(*rules)
                time.sleep(CALL + 0.5)
                probe(ca)
                faulty.off()
                load.heals(time.monotonic(), f"after {rules}")
        equal(faulty.refused_logins(), [], "refused logins")
        balance(ca, [load], faulty)


@tests.rule(60)
def a_token_that_hangs_and_then_fails_heals_too(env):
    """As where a frozen device is pulled out and put in again."""
    with behind_faulty(env, "pulled") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            faulty.script("all hang")
            time.sleep(CALL + 0.5)
            faulty.script("all CKR_DEVICE_REMOVED")
            time.sleep(0.5)
            faulty.off()
            load.heals(time.monotonic(), "after it hung and was gone")
            load.flows(20)
        balance(ca, [load], faulty)


@tests.rule(60)
def a_call_that_never_returns_costs_no_more_than_itself(env):
    """Some modules wait for ever for what will not come, in one of their threads."""
    with behind_faulty(env, "wedged", orderly=False) as (ca, faulty):
        before = ca.roles()["front"]
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            faulty.script("C_Sign wedge times 1")
            time.sleep(CALL + 1)
            faulty.off()
            load.heals(time.monotonic(), "while one call is lost")
            load.flows(20)
        equal(ca.roles()["front"], before, "the front's process")
        balance(ca, [load], faulty)


@tests.rule(60)
def a_module_that_has_to_be_initialized_anew_is(env):
    """As p11-kit's client, once its connection broke, and some network HSMs'."""
    with behind_faulty(env, "anew") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for _ in range(3):
                load.flows(20)
                faulty.script("all CKR_DEVICE_ERROR until-initialize")
                load.heals(time.monotonic(), "after the module was broken")
        balance(ca, [load], faulty)


@tests.rule(60)
def where_only_a_new_process_helps_there_is_one(env):
    """p11-kit's client 0.24.1: of the threads that wait as its connection breaks, all but one wait for ever.

    The one that looks after the token may be among them, and without C_Finalize the module does not come back.
    """
    with behind_faulty(env, "stuck", orderly=False) as (ca, faulty):
        before = ca.roles()["front"]
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            faulty.script("C_GetTokenInfo wedge times 1", "C_Sign wedge times 1",
                          "all CKR_DEVICE_ERROR until-initialize")
            wait_until(lambda: "a new process takes over" in ca.log(), STUCK, "the end of the signer")
            faulty.off()  # what was wrong with the old process is not so with the new one
            load.flows(20)
        equal(ca.roles()["front"], before, "the front's process")
        balance(ca, [load], faulty)


@tests.rule(60)
def a_look_for_keys_that_fails_is_made_again(env):
    """Sessions are gone, and one of the calls that find the keys again fails: no key is given up for that."""
    rules = [f"C_GetAttributeValue {name} after {calls} times 1" for calls in range(6)
             for name in ("CKR_DEVICE_ERROR", "CKR_PIN_EXPIRED")]
    rules += ["C_FindObjectsInit CKR_GENERAL_ERROR times 2", "C_FindObjects CKR_PIN_EXPIRED times 1",
              "C_FindObjectsFinal CKR_FUNCTION_FAILED times 1", "C_FindObjects CKR_USER_NOT_LOGGED_IN times 1"]
    with behind_faulty(env, "look") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for rule in rules:
                load.flows(10)
                faulty.script("invalidate-sessions", rule)
                time.sleep(0.1)
                load.heals(time.monotonic(), f"after {rule}")
        equal(faulty.refused_logins(), [], "refused logins")
        balance(ca, [load], faulty)


@tests.rule(60)
def a_signature_whose_answer_is_lost_is_recorded(env):
    """The token signed, and said that it did not: no serial of such a signature is forgotten."""
    with behind_faulty(env, "lost") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for name in ("CKR_DEVICE_ERROR", "CKR_GENERAL_ERROR", "CKR_SESSION_CLOSED", "CKR_BUFFER_TOO_SMALL"):
                load.flows(20)
                faulty.script(f"C_Sign {name} lost times 5")
                load.flows(20)
        lost = [line for line in faulty.signatures() if line.answered != "CKR_OK"]
        equal(len(lost), 20, "signatures whose answer was lost")
        balance(ca, [load], faulty)


@tests.rule(60)
def a_call_that_fails_before_the_signature_is_made_again(env):
    """On another session, with another login, or when the token is well again: nobody is refused."""
    with behind_faulty(env, "once") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for rule in ("C_SignInit CKR_SESSION_HANDLE_INVALID times 1", "C_SignInit CKR_KEY_HANDLE_INVALID times 1",
                         "C_SignInit CKR_USER_NOT_LOGGED_IN times 1", "C_SignInit CKR_DEVICE_REMOVED times 3",
                         "C_SignInit CKR_DEVICE_ERROR times 5", "C_SignInit CKR_TOKEN_NOT_PRESENT times 2",
                         "C_SignInit CKR_GENERAL_ERROR times 1", "C_OpenSession CKR_DEVICE_MEMORY times 3"):
                faulty.script(rule)
                load.heals(time.monotonic(), f"after {rule}")
                load.flows(20)
        load.none_refused()
        balance(ca, [load], faulty)


@tests.rule(60)
def a_signature_that_fails_is_recorded_and_costs_one_request(env):
    """The real C_Sign was not even called, but who asks cannot know."""
    with behind_faulty(env, "failed") as (ca, faulty):
        with Traffic(ca, within=IN_TIME) as load:
            for rule in ("C_Sign CKR_DEVICE_ERROR times 1", "C_Sign CKR_DEVICE_REMOVED times 3",
                         "C_Sign CKR_TOKEN_NOT_PRESENT times 1", "C_Sign CKR_FUNCTION_FAILED times 2"):
                faulty.script(rule)
                load.heals(time.monotonic(), f"after {rule}")
                load.flows(20)
        load.none_refused(beside=balance(ca, [load], faulty))
        expect(len(load.refusals()) <= 7, f"{len(load.refusals())} refusals for 7 calls that failed")


@tests.rule(SECONDS + 60)
def whatever_a_token_answers_it_heals_when_that_ends(env):
    try:
        random_faults(env)
    except Failure as failure:
        raise Failure(f"CHANCERY_SEED={SEED} repeats this: {failure}") from None


def random_faults(env):
    with behind_faulty(env, "random") as (ca, faulty):
        before = ca.roles()
        with Traffic(ca, within=IN_TIME, clients=6) as load:
            load.flows(20)
            for turn, percent in enumerate((3, 15, 50)):
                faulty.script(f"random {SEED + turn} {percent}")
                time.sleep(SECONDS / 3)
                probe(ca)
                faulty.off()
                load.heals(time.monotonic(), f"after faults in {percent} of 100 calls")
                load.flows(20)
        equal(ca.roles(), before, "the server's processes")
        equal(faulty.refused_logins(), [], "refused logins")
        wait_until(lambda: token_state(ca, "issuing") == "up", HEALED, "the state up")
        faults = faulty.lines("fault")
        kinds = {(line.call, line.lost) for line in faults}
        expect({("C_Sign", "0"), ("C_Sign", "1")} <= kinds, "C_Sign did not fail in both ways")
        balance(ca, [load], faulty)
    pairs = {(line.call, line.answered) for line in faults}
    print(f"# seed {SEED}: {len(faults)} faults, {len(pairs)} different, at {len({call for call, _ in pairs})} calls; "
          f"{len(load.issued())} certificates, {len(load.refusals())} refusals", flush=True)
