"""What time does to orders: deadlines, ends, records and certificates that grow old; with the clock shifted."""

import re
import time

from support.client import refused
from support.harness import Tests, contains, equal, expect, wait_until
from support.orders import PEOPLE, SECRET, Town

HOUR, DAY = 3600, 86400


def day(days_ago):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - days_ago * DAY))


def setup(env):
    town = Town(env, people={**PEOPLE, "otto": ("officer",)})
    town.vetted("example")
    town.vetted("aging", by="otto", domains=["aging.example.org"], documents=[
        {"sha256": "cd" * 32, "note": "extract", "source": "register of companies", "date": day(395)}])
    town.open = {
        "lapsing": town.order("alice", "lapsing.example.org"),
        "draft": town.order("alice", "draft.example.org", draft=True),
        "late": town.shown("alice", "late.example.org", profile="server-ov", organization="example"),
        "aging": town.shown("alice", "aging.example.org", profile="server-ov", organization="aging"),
    }
    for name in ("late", "aging"):
        town.open[name].wait("pending-approval")
    town.open["ending"] = town.shown("alice", "ending.example.org", days=40, contacts=[
        {"role": "technical", "mail": "ops@example.org"}]).wait("issued")
    return town


tests = Tests(setup, san_only=True, setup_limit=120)


@tests.rule(60)
def a_notice_that_failed_is_sent_again_and_one_refused_for_good_is_kept_as_dead(town):
    town.hook.statuses = [500]  # for all that comes, also late of other orders
    town.hook.taken.clear()
    order = town.order("alice", "retry.example.org", contacts=[{"role": "technical", "mail": "nobody@example.org"},
                                                               {"role": "technical", "mail": "later@example.org"}])
    wait_until(lambda: [body for _, _, body in town.hook.taken if order.id.encode() in body], 20, "the first try")

    def dead():
        return [entry for entry in town.entries() if entry["event"] == "delivery.dead"]

    wait_until(dead, 20, "the log to tell of it", pause=0.3)
    contains(str(dead()), "550", "why it is dead")
    contains(str(dead()), "nobody@example.org", "whose mail is dead")
    town.act("alice", order, "cancel")
    tries, town.hook.statuses = len(town.hook.taken), [200]
    town.at(5 * 60)

    def taken_again():
        return [headers["X-Chancery-Delivery"] for _, headers, body in town.hook.taken[tries:]
                if order.id.encode() in body and b"order.pending-validation" in body]

    again = wait_until(taken_again, 30, "another try")
    contains([headers["X-Chancery-Delivery"] for _, headers, _ in town.hook.taken[:tries]], again[0], "its id before")
    town.hook.wait("order.pending-validation", SECRET, order=order.id, seconds=30, offset=town.offset)
    wait_until(lambda: re.search(r'chancery_deliveries\{state="dead"\} [1-9]',
                                 town.client("admin").get("/metrics").text), 20, "metrics")
    contains(town.client("admin").get("/readyz").text, "could not be delivered", "warnings")


@tests.rule(60)
def past_its_deadline_an_approval_is_none_and_new_bytes_are_made(town):
    order, old = town.open["late"], town.open["late"].data["tbsHash"]
    town.at(49 * HOUR)
    refused(town.decide("oscar", order, sha256=old), 409, "order-state", "approval-mismatch")
    wait_until(lambda: order.refresh().data.get("tbsHash", old) != old, 60, "new bytes")
    equal(order.status, "pending-approval", "status")
    refused(town.decide("oscar", order, sha256=old), 409, "approval-mismatch")
    equal(order.data["approvals"], [], "approvals")
    town.approve("oscar", order)
    order.wait("issued")
    unfinished = [entry for entry in town.events(order) if entry["event"] == "order.pending-approval"]
    expect(len(unfinished) >= 2 and unfinished[0]["detail"]["serial"] != unfinished[-1]["detail"]["serial"],
           f"the serial of the new bytes: {unfinished}")


@tests.rule(60)
def a_record_whose_data_are_too_old_stops_its_orders(town):
    order, sha = town.open["aging"], town.open["aging"].refresh().data["tbsHash"]
    equal(order.status, "pending-approval", "status before")
    town.at(4 * DAY)
    order.wait("pending-validation", seconds=30)
    contains(order.data["waitsFor"], "vetted too long ago", "what it waits for")
    refused(town.decide("oscar", order, sha256=sha), 409, "order-state")
    refused(town.post("alice", "aging.example.org", profile="server-ov", organization="aging"), 403,
            "organization-not-valid")
    equal(town.get("olivia", "organizations/aging").json()["status"], "expired", "status of the record")


@tests.rule(60)
def a_certificate_that_ends_soon_is_told_of_once(town):
    serial = town.open["ending"].data["certificate"]
    town.at(11 * DAY)
    told = town.hook.wait("certificate.expiring", SECRET, certificate=serial, offset=town.offset, seconds=30)
    equal((told["days"], told["names"], told["requester"]), (30, ["dns:ending.example.org"], "alice"), "told")
    contains(town.mail.wait("ops@example.org", serial, "ends in 30 days", seconds=30), "chancery renew", "the mail")
    town.at(12 * DAY)
    later = town.order("alice", "later.example.org")
    town.hook.wait("order.pending-validation", SECRET, order=later.id, seconds=30, offset=town.offset)
    equal(len({headers["X-Chancery-Delivery"] for _, headers, body in town.hook.taken
               if headers["X-Chancery-Event"] == "certificate.expiring" and serial.encode() in body}), 1,
          "notices of one threshold")


@tests.rule(60)
def an_order_that_nobody_completes_ends(town):
    town.at(31 * DAY)
    for name in ("lapsing", "draft"):
        town.open[name].wait("expired", seconds=30)
    town.put_txt(town.open["lapsing"])
    refused(town.act("alice", town.open["lapsing"], "check"), 409, "order-state", says="expired")
    copy = town.act("alice", town.open["lapsing"], "copy")
    equal(copy.status, 201, f"copying: {copy}")
    equal(town.get("alice", "certificates?name=lapsing.example.org").json()["certificates"], [], "certificates")
    town.ca.store_check()
