"""A token behind another process, p11-kit before SoftHSM2, that is unplugged, frozen, and late.

CHANCERY_UNPLUGS says how often it is unplugged (6; by hand 50).
"""

import os
import random
import threading
import time

from support.client import refused
from support.harness import Tests, equal, expect, wait_until
from support.kills import kill_role
from support.p11kit import behind_p11kit
from support.tokens import CALL, DOWN, REQUEST, WAIT, patient, token_state
from support.traffic import HEALED, Traffic, balance, memory_kib, pool, probe

UNPLUGS = int(os.environ.get("CHANCERY_UNPLUGS", "6"))
IN_TIME = REQUEST + 1
STUCK = 10 + CALL  # seconds until another signer has taken the place of one that cannot get out of its module

tests = Tests(None)


def patience(text):
    return patient(text, "issuing")


def ask(ca):
    client = ca.client(timeout=IN_TIME + 5)
    try:
        return client.post_csr(pool()[0])
    finally:
        client.close()


@tests.rule(60)
def a_token_in_another_process_signs(env):
    with behind_p11kit(env, "plain") as (ca, kit):
        with Traffic(ca) as load:
            load.flows(100)
        kit.remote()
        load.none_refused()
        balance(ca, [load])


def signer_memory(ca):
    """Of the signer that there is now, which may be another than before."""
    return wait_until(lambda: memory_kib(ca.roles()["signer"]), 5, "the signer")


@tests.rule(60 + 8 * UNPLUGS)
def unplugged_again_and_again_it_needs_no_restart(env):
    with behind_p11kit(env, "unplugged", patience) as (ca, kit):
        before, memory, times = ca.roles()["front"], [], []
        with Traffic(ca, within=IN_TIME) as load:
            for turn in range(UNPLUGS):
                load.flows(20)
                memory.append(signer_memory(ca))
                kit.unplug()
                time.sleep(random.uniform(0.1, 0.7))
                times.append(load.heals(kit.start(), f"round {turn + 1}"))
            load.flows(20)
        equal(ca.roles()["front"], before, "the front's process")
        # p11-kit's client 0.24.1 may keep all but one of those that wait as its connection breaks: then there is a new
        # process, and each client has at most one request in the old one.
        taken_over = ca.log().count("a new process takes over")
        load.none_refused(beside=balance(ca, [load]) + taken_over * len(load.threads))
        # The first rounds fill what is then used again.
        grown = signer_memory(ca) - memory[1]
        expect(grown < 1024 + 8 * UNPLUGS, f"the signer grew by {grown} KiB over {UNPLUGS} rounds: {memory}")
    print(f"# {UNPLUGS} times unplugged, {len(load.issued())} certificates, healed within {max(times):.2f} s, "
          f"{taken_over} new processes, memory {memory[0]} to {memory[-1]} KiB", flush=True)


@tests.rule(60)
def a_token_that_is_gone_for_long_is_waited_for_and_then_said_to_be_gone(env):
    with behind_p11kit(env, "gone", patience) as (ca, kit):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            kit.unplug()
            gone = time.monotonic()
            wait_until(lambda: token_state(ca, "issuing") in DOWN, CALL + 2, "the state")
            equal(ca.health().status, 503, "readyz")
            probe(ca)
            waited = wait_until(lambda: [answer for answer in load.refusals(gone) if answer.took > WAIT - 0.5],
                                IN_TIME, "a refusal after some waiting")
            equal(waited[0].code, "token-unavailable", "code")
            load.heals(kit.start(), "after a long time")
            wait_until(lambda: ca.health().status == 200, HEALED, "readiness")
        # Who was refused without waiting may have been signed for when the token went.
        at_once = [answer for answer in load.refusals() if answer.took < WAIT - 0.5]
        expect(len(at_once) <= balance(ca, [load]), f"refused without waiting: {at_once}")


@tests.rule(90)
def a_frozen_token_stops_signing_and_nothing_else(env):
    with behind_p11kit(env, "frozen", patience) as (ca, kit):
        before = ca.roles()
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            serial = load.issued()[-1].serial
            kit.freeze()
            frozen = time.monotonic()
            wait_until(lambda: token_state(ca, "issuing") in DOWN, CALL + 2, "the state")
            probe(ca)
            began = time.monotonic()
            equal(ca.client().revoke(serial).status, 200, "revocation while the token is frozen")
            expect(time.monotonic() - began < 1, "the revocation waited for the token")
            first = wait_until(lambda: load.refusals(frozen), IN_TIME, "a refusal")[0]
            equal(first.code, "token-unavailable", "code")
            probe(ca)
            kit.thaw()
            load.heals(time.monotonic(), "after the thaw")
            load.flows(20)
        equal(ca.roles(), before, "the server's processes")
        balance(ca, [load])


@tests.rule(60)
def a_server_stops_in_order_while_its_token_is_frozen(env):
    with behind_p11kit(env, "stopping", patience) as (ca, kit):
        equal(ask(ca).status, 201, "issuing")
        kit.freeze()
        asking = threading.Thread(target=ask, args=(ca,))
        asking.start()
        try:
            wait_until(lambda: token_state(ca, "issuing") in DOWN, CALL + 2, "the state")
            equal(ca.stop(limit=30), 0, "exit status of the server")
        finally:
            asking.join()
    ca.store_check()


@tests.rule(60)
def a_token_that_comes_after_the_server_is_taken(env):
    with behind_p11kit(env, "late", patience) as (ca, kit):
        equal(ask(ca).status, 201, "issuing")
        equal(ca.stop(), 0, "exit status of the server")
        kit.unplug()
        ca.start(wait=False)
        wait_until(lambda: ca.health("/healthz").status == 200, 15, "healthz")
        probe(ca)
        refused(ask(ca), 503, "token-unavailable")
        with Traffic(ca, within=IN_TIME) as load:
            load.heals(kit.start(), "after the server's start")
        balance(ca, [load])


@tests.rule(60)
def a_signer_killed_while_its_token_is_gone_finds_it_later(env):
    with behind_p11kit(env, "both", patience) as (ca, kit):
        with Traffic(ca, within=IN_TIME) as load:
            load.flows(20)
            kit.unplug()
            kill_role(ca, "signer")
            wait_until(lambda: token_state(ca, "issuing") in DOWN, 10, "the state")
            load.heals(kit.start(), "after the signer's death")
        balance(ca, [load])
