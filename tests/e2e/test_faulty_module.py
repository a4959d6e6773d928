"""faulty.so itself, of which the tests of tokens believe what it does and counts (tests/modules/faulty.h)."""

import os
import threading
import time

from support import pkcs11
from support.faulty import Faulty
from support.harness import Failure, Tests, equal, expect, run, wait_until
from support.tokens import PIN, SO_PIN, write

OK, DEVICE_ERROR, DEVICE_REMOVED, SESSION_COUNT, SESSION_HANDLE_INVALID = 0, 0x30, 0x32, 0xB1, 0xB3
USER_NOT_LOGGED_IN, PIN_INCORRECT, OBJECT_HANDLE_INVALID = 0x101, 0xA0, 0x82
DIGEST = bytes(range(32))


def setup(env):
    """Two tokens with one key each, in this process, which is the module's own."""
    folder = env.folder("tokens")
    conf = write(os.path.join(folder, "softhsm2.conf"), f"directories.tokendir = {folder}\nlog.level = ERROR\n")
    key = os.path.join(folder, "key.pem")
    environment = env.environment(SOFTHSM2_CONF=conf)
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    for label in ("one", "two"):
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN,
            env=environment)
        run("softhsm2-util", "--import", key, "--token", label, "--pin", PIN, "--label", f"key-{label}", "--id", "01",
            env=environment)
    faulty = Faulty(env)
    os.environ.update(faulty.environment, SOFTHSM2_CONF=conf)
    return Driver(faulty)


tests = Tests(setup)


class Driver:
    def __init__(self, faulty):
        self.faulty, self.module = faulty, pkcs11.Module(faulty.module)

    def fresh(self, *rules, label="one"):
        """The module initialized anew, one session logged in; then the rules."""
        self.faulty.off()
        try:
            self.module.call("C_Finalize", None)
        except pkcs11.Refused:
            pass  # the first time
        self.module.initialize()
        session = self.module.open(self.module.slot(label))
        self.module.login(session, PIN)
        self.began = time.monotonic()
        self.faulty.script(*rules)
        return session

    def sign(self, session, key):
        """What the signing came to."""
        return answer(lambda: self.module.sign(session, key, DIGEST))

    def key(self, session, label="one"):
        return self.module.private_key(session, f"key-{label}")


def answer(act):
    try:
        act()
        return OK
    except pkcs11.Refused as refused:
        return refused.answer


@tests.rule()
def without_rules_all_passes_and_is_counted(driver):
    session = driver.fresh()
    equal(driver.sign(session, driver.key(session)), OK, "C_Sign")
    signatures = driver.faulty.signatures(since=driver.began)
    equal([(line.token, line.key, line.answered) for line in signatures], [("one", "key-one", "CKR_OK")], "signatures")
    equal(signatures[0].sha256, "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd", "hash of the input")
    equal(driver.faulty.refused_logins(), [], "refused logins")


@tests.rule()
def a_rule_counts_calls_before_it_fails_and_how_often(driver):
    session = driver.fresh("C_SignInit CKR_DEVICE_ERROR after 2 times 3  # and no more")
    key = driver.key(session)
    got = [driver.sign(session, key) for _ in range(7)]
    equal(got, [OK, OK, DEVICE_ERROR, DEVICE_ERROR, DEVICE_ERROR, OK, OK], "answers")


@tests.rule()
def a_lost_answer_was_a_signature(driver):
    session = driver.fresh("C_Sign CKR_DEVICE_ERROR lost times 1", "C_Sign 0x32 after 0 times 1")
    key = driver.key(session)
    equal([driver.sign(session, key) for _ in range(2)], [DEVICE_ERROR, DEVICE_REMOVED], "answers")
    made = [(line.made, line.answered) for line in driver.faulty.lines("sign", since=driver.began)]
    equal(made, [("CKR_OK", "CKR_DEVICE_ERROR"), ("-", "CKR_DEVICE_REMOVED")], "what was made, and answered")
    equal(len(driver.faulty.signatures(since=driver.began)), 1, "signatures that were made")


@tests.rule()
def a_rule_may_be_for_one_token(driver):
    one = driver.fresh()
    first, second = driver.module.slot("one"), driver.module.slot("two")
    driver.faulty.script("token two all CKR_DEVICE_REMOVED")
    equal(driver.sign(one, driver.key(one)), OK, "signing with the other token")
    equal(answer(lambda: driver.module.open(first)), OK, "a session of the other token")
    equal(answer(lambda: driver.module.open(second)), DEVICE_REMOVED, "the token itself")


@tests.rule()
def no_more_sessions_than_allowed(driver):
    first = driver.fresh("sessions 2")
    slot = driver.module.slot("one")
    second = driver.module.open(slot)
    equal(answer(lambda: driver.module.open(slot)), SESSION_COUNT, "the third session")
    driver.module.call("C_CloseSession", second)
    equal(answer(lambda: driver.module.open(slot)), OK, "another in the place of one that was closed")
    equal(answer(lambda: driver.key(first)), OK, "the first goes on")


@tests.rule()
def a_login_is_forgotten_once(driver):
    session = driver.fresh()
    key = driver.key(session)
    driver.faulty.script("forget-login")
    expect(driver.sign(session, key) in (USER_NOT_LOGGED_IN, OBJECT_HANDLE_INVALID), "signing without a login")
    driver.module.login(session, PIN)
    equal(driver.sign(session, driver.key(session)), OK, "signing after another login")
    pins = [(line.made, line.pin) for line in driver.faulty.lines("login", since=driver.began)]
    equal(pins, [("CKR_OK", "same")], "logins")


@tests.rule()
def sessions_are_taken_away_once(driver):
    session = driver.fresh()
    key = driver.key(session)
    driver.faulty.script("invalidate-sessions")
    equal(driver.sign(session, key), SESSION_HANDLE_INVALID, "signing with a session that is gone")
    again = driver.module.open(driver.module.slot("one"))
    driver.module.login(again, PIN)  # it went with the last session
    equal(driver.sign(again, driver.key(again)), OK, "signing with another session")


@tests.rule()
def an_idle_token_drops_its_sessions(driver):
    session = driver.fresh("idle 400")
    key = driver.key(session)
    for _ in range(4):
        time.sleep(0.15)
        equal(driver.sign(session, key), OK, "while it is used")
    time.sleep(0.5)
    equal(driver.sign(session, key), SESSION_HANDLE_INVALID, "after a rest")


@tests.rule()
def a_wrong_pin_is_counted_and_never_written(driver):
    session = driver.fresh("C_Login CKR_PIN_INCORRECT")
    before = len(driver.faulty.refused_logins())
    equal(answer(lambda: driver.module.login(session, "31313131")), PIN_INCORRECT, "C_Login")
    last = driver.faulty.refused_logins()
    equal(len(last) - before, 1, "refused logins")
    equal((last[-1].made, last[-1].pin), ("-", "other"), "the real token was not asked, and the PIN was another")
    with open(driver.faulty.log, encoding="ascii") as file:
        text = file.read()
    expect(PIN not in text and "31313131" not in text, "a PIN in the log")


@tests.rule()
def a_call_hangs_until_the_script_changes(driver):
    session = driver.fresh()
    key, got = driver.key(session), []
    driver.faulty.script("C_Sign hang")
    thread = threading.Thread(target=lambda: got.append(driver.sign(session, key)))
    thread.start()
    time.sleep(0.3)
    hung = thread.is_alive()
    driver.faulty.off()
    thread.join(5)
    expect(hung and not thread.is_alive(), "it did not hang, or did not end")
    equal(got, [OK], "what came of it")


@tests.rule()
def a_wedged_call_never_returns_and_others_do(driver):
    session = driver.fresh()
    key = driver.key(session)
    other = driver.module.open(driver.module.slot("one"))
    driver.faulty.script("C_Sign wedge times 1")
    thread = threading.Thread(target=lambda: driver.sign(session, key), daemon=True)
    thread.start()
    thread.join(0.2)
    equal(driver.sign(other, key), OK, "another call")
    driver.faulty.off()
    thread.join(0.3)
    expect(thread.is_alive(), "it returned")


@tests.rule()
def a_rule_may_last_until_the_module_is_initialized_anew(driver):
    session = driver.fresh("all CKR_DEVICE_ERROR until-initialize")
    for _ in range(3):
        equal(answer(lambda: driver.key(session)), DEVICE_ERROR, "a call")
    driver.module.call("C_Finalize", None)
    driver.module.initialize()
    again = driver.module.open(driver.module.slot("one"))
    driver.module.login(again, PIN)
    equal(driver.sign(again, driver.key(again)), OK, "signing afterwards")


@tests.rule()
def a_seed_makes_each_value_come_at_a_call_and_the_same_ones_again(driver):
    def faults(seed):
        session = driver.fresh()
        driver.faulty.script(f"random {seed} 100 C_GetSessionInfo")
        for _ in range(200):
            answer(lambda: driver.module.call("C_GetSessionInfo", session, bytes(64)))
        return [(line.answered, line.lost) for line in driver.faulty.lines("fault", since=driver.began)]

    first, second, third = faults(7), faults(7), faults(8)
    equal(first, second, "what a seed does")
    expect(first != third, "another seed does the same")
    equal(len(first), 200, "faults in 200 calls")
    expect(len({name for name, _ in first}) >= 90, "not every value came")
    lost = sum(1 for _, kind in first if kind == "1")
    expect(60 < lost < 140, f"{lost} of 200 answers were lost")
    equal([name for name, _ in first if name in ("CKR_OK", "CKR_?")], [], "values that are no failure")


@tests.rule()
def at_random_no_login_is_told_that_its_pin_is_wrong(driver):
    session = driver.fresh("random 5 100 C_Login")
    for _ in range(200):
        answer(lambda: driver.module.login(session, PIN))
    told = {line.answered for line in driver.faulty.lines("fault", since=driver.began)}
    expect(len(told) > 80, f"only {len(told)} values")
    told |= {line.answered for line in driver.faulty.lines("login", since=driver.began)}
    equal([name for name in told if "_PIN_" in name or "OTP" in name], [], "answers about the PIN")


@tests.rule()
def what_is_no_rule_is_not_passed_over(driver):
    for rule in ("C_Sgin CKR_DEVICE_ERROR", "C_Sign CKR_NOTHING", "C_Sign", "C_Sign CKR_DEVICE_ERROR after",
                 "sessions", "sessions two", "all 0x30 until", "random 1 101", "token two random 1 5", "C_Sign hang lost", "0x30"):
        session = driver.fresh(rule)
        driver.key(session)
        try:
            driver.faulty.lines(since=driver.began)
        except Failure as failure:
            expect("control-error" in str(failure), str(failure))
        else:
            raise Failure(f"taken for a rule: {rule}")
        # Or every later look would find it again.
        write(driver.faulty.log, "")


@tests.rule()
def calls_and_changes_may_come_from_many_threads(driver):
    session = driver.fresh()
    slot, over, wrong = driver.module.slot("one"), threading.Event(), []
    allowed = {OK, DEVICE_ERROR, SESSION_COUNT, SESSION_HANDLE_INVALID, USER_NOT_LOGGED_IN, OBJECT_HANDLE_INVALID}

    def work():
        mine = driver.module.open(slot)
        key = driver.key(mine)
        while not over.is_set():
            got = driver.sign(mine, key)
            if got not in allowed:
                wrong.append(hex(got))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        driver.faulty.script("C_Sign CKR_DEVICE_ERROR after 5 times 1" if turn % 2 else "C_SignInit 0x30 times 1")
        time.sleep(0.02)
    driver.faulty.off()
    over.set()
    for thread in threads:
        thread.join(5)
    # An operation that a failure left open is SoftHSM2's own affair.
    equal([code for code in wrong if code != "0x90"], [], "answers that nothing explains")
    wait_until(lambda: len(driver.faulty.signatures(since=driver.began)) > 50, 1, "signatures in the log")
