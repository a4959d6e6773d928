"""Orders under domain validation, from the request to the certificate: the whole server, real DNS, web and mail."""

import re

from support import csr
from support.client import pem_blocks, refused
from support.dns import Silent
from support.harness import Tests, contains, equal, expect, run, wait_until
from support.orders import CHALLENGE, HERE, SECRET, Order, Town

RECORDS = [
    f"page.example A {HERE}", f"many-http.example A {HERE}", f"inside.example A {HERE}", f"metadata.example A {HERE}",
    f"moving.example A {HERE}",
    'forbidden.example CAA 0 issue "other.example"',
    'closed.example CAA 0 issue ";"',
    'ours.example CAA 0 issue "pki.example"',
    'by-http.example CAA 0 issue "pki.example; validationmethods=ca-http"', f"by-http.example A {HERE}",
]


def setup(env):
    silent = Silent()
    town = Town(env, RECORDS, redirects={
        "inside.example.org": "http://127.0.0.1/.well-known/pki-validation/x",
        "metadata.example.org": "http://169.254.169.254/latest/meta-data/",
    }, more=f"""
zone "silent" {{
	suffixes = {{ "silent.example.org" }}
	resolvers = {{ "{silent.resolver}" }}
}}
""")
    town.silent = silent
    return town


tests = Tests(setup, san=True)


def text_of(path):
    return run("openssl", "x509", "-noout", "-text", "-in", path).stdout


def verify(town, path):
    run("openssl", "verify", "-CAfile", town.ca.root, "-untrusted",
        chain(town), path)


def chain(town):
    path = town.env.path("issuing-1.pem")
    with open(path, "wb") as file:
        file.write(town.ca.http().get("/ca/issuing-1.pem").body)
    return path


# ---- the ways to show a name ----

@tests.rule()
def a_name_is_shown_by_a_txt_record_and_issued(town):
    order = town.order("alice", "txt.example.org", draft=True,
                       subject=(("O", "Elsewhere Ltd"), ("CN", "txt.example.org")))
    equal(order.status, "draft", "status")
    contains("; ".join(order.data["notCopied"]), "Elsewhere", "what is not copied")
    method = order.method("txt.example.org", "dns-txt")
    equal(method, {"type": "dns-txt", "name": f"{CHALLENGE}.txt.example.org", "value": order.value("txt.example.org")},
          "what to put where")
    town.put_txt(order)
    order.submit().wait("issued")
    equal((order.data["waitsFor"], order.data["names"]), ("", ["dns:txt.example.org"]), "what it waits for, names")
    path = order.certificate()
    verify(town, path)
    contains(text_of(path), "DNS:txt.example.org", "the certificate")
    expect("Elsewhere" not in text_of(path), "the certificate has an organization that nobody vetted")
    events = [entry["event"] for entry in town.events(order)]
    for event in ("order.created", "order.pending-validation", "order.validated", "order.ready", "order.issuing",
                  "order.issued"):
        contains(events, event, "the order's entries")
    equal(town.client("alice").row(order.data["certificate"])["order"], order.id, "order of the certificate")


@tests.rule()
def a_wildcard_is_shown_at_its_base_by_dns_and_never_by_http(town):
    order = town.order("alice", "*.wild.example.org", draft=True)
    methods = {method["type"]: method for method in order.name("*.wild.example.org")["methods"]}
    equal(sorted(methods), ["dns-cname", "dns-txt", "mail"], "methods")
    equal(methods["dns-txt"]["name"], f"{CHALLENGE}.wild.example.org", "where")
    equal(methods["dns-txt"]["value"], order.value("wild.example.org"), "what")
    town.put_txt(order)
    order.submit().wait("issued")
    contains(text_of(order.certificate()), "DNS:*.wild.example.org", "the certificate")


@tests.rule(60)
def each_name_of_an_order_may_be_shown_in_another_way(town):
    names = ["many-txt.example.org", "many-cname.example.org", "many-http.example.org", "many-mail.example.org",
             "a.granted.example.org"]
    order = town.order("alice", *names, draft=True)
    cname, http = order.method(names[1], "dns-cname"), order.method(names[2], "http")
    equal(http["url"], f"http://{names[2]}:{town.web.port}/.well-known/pki-validation/{http['body'][:16]}.txt", "url")
    town.dns.add("org", f'{CHALLENGE}.many-txt.example TXT "{order.method(names[0], "dns-txt")["value"]}"',
                 f"{cname['name'].removesuffix('.org')} CNAME {cname['target']}.")
    town.web.put(names[2], http["body"])
    order.submit()
    code = town.mail.code(f"hostmaster@{names[3]}", order.id)
    answer = town.act("alice", order, "confirm", {"name": f"dns:{names[3]}", "code": code})
    equal(answer.status, 200, f"confirming: {answer}")
    order.wait("issued")
    shown = {name["name"]: [method["type"] for method in name["methods"]] for name in order.data["authorizations"]}
    equal(shown, {f"dns:{name}": [method] for name, method in zip(
        names, ("dns-txt", "dns-cname", "http", "mail", "grant"))}, "how each was shown")
    for name in names:
        contains(text_of(order.certificate()), f"DNS:{name}", "the certificate")


@tests.rule()
def what_a_grant_covers_is_issued_at_once_and_by_any_road(town):
    town.order("alice", "b.granted.example.org").wait("issued")
    town.client("alice").issue(csr.for_names(town.key, "c.granted.example.org"))


@tests.rule()
def a_request_that_no_grant_covers_becomes_an_order_and_is_issued_after_a_check(town):
    answer = town.client("alice").post_csr(csr.for_names(town.key, "posted.example.org"))
    equal(answer.status, 202, f"posting: {answer}")
    order = answer.json()
    equal(answer.headers["Location"], f"/api/v1/orders/{order['id']}", "Location")
    order = Order(town, "alice", order)
    detail = order.wait_error("posted.example.org", "nxdomain")
    contains(detail, f"{CHALLENGE}.posted.example.org", "the cause")
    contains(order.data["waitsFor"], "posted.example.org", "what it waits for")
    town.put_txt(order)
    order.check()
    order.wait("issued")


@tests.rule()
def where_no_way_could_show_the_names_a_request_is_refused(town):
    answer = town.client("alice").post_csr(csr.for_names(town.key, "x", common_name="somebody"), profile="client")
    refused(answer, 403, "name-not-allowed")


# ---- what was shown counts again ----

@tests.rule()
def what_was_shown_counts_for_the_same_requester_alone(town):
    town.shown("alice", "again.example.org").wait("issued")
    town.dns.set("org", [record for record in town.dns.zones["org"] if ".again." not in record])
    again = town.order("alice", "again.example.org").wait("issued")
    contains(str(town.get("alice", f"explain/{again.id}").json()["validation"]), "'reused': True", "the explanation")
    town.order("alice", "*.again.example.org").wait("issued")
    stranger = town.order("bob", "again.example.org")
    stranger.wait_error("again.example.org", "nxdomain")
    expect(stranger.value("again.example.org") != again.value("again.example.org"), "the same value for another")


# ---- drafts ----

@tests.rule()
def a_draft_is_changed_submitted_copied_and_cancelled(town):
    contacts = [{"role": "technical", "mail": "ops@example.org"}]
    draft = town.order("alice", "draft.example.org", draft=True, days=30)
    contains(draft.data["waitsFor"], "submit", "what it waits for")
    changed = town.ask("alice", f"orders/{draft.id}", {"csr": town.request("draft.example.org", "other.example.org"),
                                                       "contacts": contacts, "days": None}, "PATCH")
    equal(changed.status, 200, f"changing: {changed}")
    equal((changed.json()["names"], changed.json()["contacts"], changed.json().get("days")),
          (["dns:draft.example.org", "dns:other.example.org"], contacts, None), "the changed draft")
    draft.submit()
    equal(draft.status, "pending-validation", "status")
    refused(town.ask("alice", f"orders/{draft.id}", {"days": 10}, "PATCH"), 409, "order-state")
    refused(town.act("alice", draft, "submit"), 409, "order-state")
    copy = town.act("alice", draft, "copy")
    equal(copy.status, 201, f"copying: {copy}")
    copied = copy.json()
    equal((copied["status"], copied["names"], copied["contacts"]),
          ("draft", ["dns:draft.example.org", "dns:other.example.org"], contacts), "the copy")
    expect(copied["nonce"] != draft.data["nonce"], "the copy has the same nonce")
    for identifier in (copied["id"], draft.id):
        equal(town.act("alice", identifier, "cancel").json()["status"], "cancelled", "status")
    refused(town.act("alice", draft, "cancel"), 409, "order-state")
    listed = town.get("alice", "orders?status=cancelled&limit=100").json()["orders"]
    expect({copied["id"], draft.id} <= {row["id"] for row in listed}, "the list of the cancelled")


@tests.rule()
def a_cancelled_order_is_never_issued_whatever_is_shown_later(town):
    order = town.order("alice", "late.example.org")
    order.wait_error("late.example.org", "nxdomain")
    equal(town.act("alice", order, "cancel").status, 200, "cancelling")
    town.put_txt(order)
    refused(town.act("alice", order, "check"), 409, "order-state", says="cancelled")
    equal(order.refresh().status, "cancelled", "status")
    equal(town.get("alice", "certificates?name=late.example.org").json()["certificates"], [], "certificates")


@tests.rule()
def strangers_do_not_learn_that_an_order_is_there(town):
    order = town.order("alice", "secret.example.org", draft=True)
    for path in ("", "/tbs"):
        refused(town.ask("bob", f"orders/{order.id}{path}"), 404, "not-found")
    for action in ("submit", "check", "cancel", "copy"):
        refused(town.act("bob", order, action), 404, "not-found")
    expect(all(row["requester"] == "bob" for row in town.get("bob", "orders").json()["orders"]), "others in the list")
    equal(town.get("audrey", f"orders/{order.id}").json()["id"], order.id, "what an auditor sees")
    refused(town.act("audrey", order, "submit"), 403, "role-required")
    refused(town.ask("audrey", "orders", {"csr": town.request("a.example.org"), "profile": "server-dv"}), 403,
            "role-required")


# ---- what shows nothing ----

@tests.rule(90)
def what_shows_nothing_is_told_with_its_exact_cause(town):
    wrong, elsewhere = town.order("alice", "wrong.example.org", draft=True), town.order("alice", "alias.example.org",
                                                                                     draft=True)
    cname = elsewhere.method("alias.example.org", "dns-cname")
    town.dns.add("org", f'{CHALLENGE}.wrong.example TXT "something else"',
                 f"{cname['name'].removesuffix('.org')} CNAME {cname['target'].split('.')[0]}.dcv.elsewhere.example.")
    page = town.order("alice", "page.example.org", draft=True)
    town.web.put("page.example.org", page.method("page.example.org", "http")["body"], body="another value")
    orders = {name: town.order("alice", f"{name}.example.org") for name in
              ("nothing", "silent", "inside", "metadata")}
    for name, order, codes, says in (
            ("wrong", wrong.submit(), ("wrong-value",), f'found "something else" (from {town.dns.resolver})'),
            ("alias", elsewhere.submit(), ("wrong-value",), "dcv.elsewhere.example"),
            ("page", page.submit(), ("wrong-value",), 'found "another value"'),
            ("nothing", orders["nothing"], ("nxdomain",), f"NXDOMAIN from {town.dns.resolver}"),
            ("inside", orders["inside"], ("forbidden-redirect",), "is loopback"),
            ("metadata", orders["metadata"], ("forbidden-redirect",), "is link-local"),
            ("silent", orders["silent"], ("timeout",), f"no answer in time from {town.silent.resolver}")):
        contains(order.wait_error(f"{name}.example.org", *codes, seconds=40), says, name)
        equal(order.status, "pending-validation", f"status of {name}")
        contains(order.data["waitsFor"], codes[0], f"what {name} waits for")
        contains(str([entry for entry in town.events(order) if entry["event"] == "order.check-failed"]), codes[0],
                 f"the entries of {name}")


@tests.rule()
def an_answer_that_changes_between_checks_is_recorded_each_time(town):
    order = town.order("alice", "moving.example.org", draft=True)
    method = order.method("moving.example.org", "dns-txt")
    town.dns.add("org", f'{CHALLENGE}.moving.example TXT "{method["value"][::-1]}"')
    contains(order.submit().wait_error("moving.example.org", "wrong-value"), method["value"][::-1], "what was seen")
    others = [record for record in town.dns.zones["org"] if "moving.example" not in record]
    town.dns.set("org", [*others, "moving.example A 127.0.0.1"])
    order.check()
    contains(order.wait_error("moving.example.org", "forbidden-address"), "127.0.0.1", "what was seen then")
    town.put_txt(order)
    order.check()
    order.wait("issued")
    told = [(entry["event"], str(entry["detail"])) for entry in town.events(order)
            if entry["event"] in ("order.check-failed", "order.validated")]
    equal([event for event, _ in told], ["order.check-failed", "order.check-failed", "order.validated"], "entries")
    contains(told[2][1], method["value"], "the evidence")


# ---- CAA ----

@tests.rule(60)
def caa_forbids_although_the_name_is_shown(town):
    orders = {name: town.shown("alice", f"{name}.example.org") for name in ("forbidden", "closed")}
    for name, order in orders.items():
        detail = order.wait_error(f"{name}.example.org", "caa-forbids")
        contains(detail, f"{name}.example.org", "the cause")
        equal(order.status, "pending-validation", f"status of {name}")
    town.shown("alice", "ours.example.org").wait("issued")
    # The owner changes his mind: the same order goes on.
    town.dns.set("org", [record for record in town.dns.zones["org"] if not record.startswith("forbidden.example CAA")])
    orders["forbidden"].check()
    orders["forbidden"].wait("issued")


@tests.rule()
def caa_may_ask_for_one_method(town):
    order = town.order("alice", "by-http.example.org", draft=True)
    town.put_txt(order)
    order.submit()
    contains(order.wait_error("by-http.example.org", "caa-forbids"), "dns-txt", "the cause")
    expect(order.status != "issued", "issued against CAA")


# ---- codes by mail ----

@tests.rule(60)
def a_code_is_taken_by_post_from_the_requester_and_guessing_ends_it(town):
    order = town.order("alice", "post.example.org")
    text = town.mail.wait("admin@post.example.org", order.id)
    spki = order.data["spkiSha256"]
    for part in ("alice", "dns:post.example.org", spki):
        contains(text, part, "the mail")
    expect("http" not in text.lower(), "the mail has a link")
    equal(sorted(order.method("post.example.org", "mail")["to"]), sorted(
        [*(f"{box}@post.example.org" for box in ("admin", "administrator", "webmaster", "hostmaster", "postmaster")),
         "pki@example.org"]), "who gets a code")
    code = town.mail.code("postmaster@post.example.org", order.id)
    body = {"name": "dns:post.example.org", "code": code}
    for path in (f"orders/{order.id}/confirm?name=dns:post.example.org&code={code}", f"orders/{order.id}/confirm"):
        refused(town.ask("alice", path), 405, "method-not-allowed")
    refused(town.act("bob", order, "confirm", body), 404, "not-found")
    equal(order.refresh().status, "pending-validation", "status after a code by GET and by a stranger")
    for number in range(5):
        guess = {"name": "dns:post.example.org", "code": code[:-1] + "abcde"[number] if code[-1] not in "abcde"
                 else code[:-1] + "fghij"[number]}
        refused(town.act("alice", order, "confirm", guess), 409, "validation-failed")
    refused(town.act("alice", order, "confirm", body), 409, "validation-failed", says="no code is open")
    order.check()

    def another():
        return town.mail.code("admin@post.example.org", order.id) not in (code,)

    wait_until(another, 15, "another code")
    body["code"] = town.mail.code("admin@post.example.org", order.id)
    equal(town.act("alice", order, "confirm", body).status, 200, "the right code")
    order.wait("issued")
    log = town.export()
    with open(log, encoding="utf-8") as file:
        expect(code not in file.read(), "a code stands in the audit log")
    expect(code not in town.ca.log() and body["code"] not in town.ca.log(), "a code stands in the server's log")


# ---- notices ----

@tests.rule()
def contacts_and_the_webhook_hear_of_each_change(town):
    order = town.shown("alice", "notice.example.org",
                       contacts=[{"role": "administrative", "mail": "boss@example.org"}]).wait("issued")
    for status in ("pending-validation", "issued"):
        contains(town.mail.wait("boss@example.org", order.id, status), "notice.example.org", "the mail")
        told = town.hook.wait(f"order.{status}", SECRET, order=order.id)
        equal((told["status"], told["names"], told["requester"]), (status, ["dns:notice.example.org"], "alice"), "told")
    equal(town.hook.wait("order.issued", SECRET, order=order.id)["certificate"],
          order.data["certificate"], "the certificate")


# ---- the whole, proved ----

@tests.rule(60)
def the_log_proves_itself_and_each_order_is_explained(town):
    order = town.shown("alice", "explained.example.org").wait("issued")
    for what in (order.id, order.data["certificate"]):
        told = town.get("alice", f"explain/{what}").json()
        equal(told["order"]["id"], order.id, "the order")
        equal(told["validation"][0]["method"], "dns-txt", "the method")
        contains(told["validation"][0]["evidence"], town.dns.resolver, "the evidence")
        equal(told["certificate"]["lint"], "clean", "lint")
    waiting = town.order("alice", "waiting.example.org")
    waiting.wait_error("waiting.example.org", "nxdomain")
    refusal = town.get("alice", f"explain/{waiting.id}").json()["wouldBeRefused"]
    contains(str(refusal), "waiting.example.org", "what would be refused")
    refused(town.ask("bob", f"explain/{order.id}"), 404, "not-found")
    town.ca.cli("crl", "now", "issuing-1")
    town.ca.cli("audit", "verify", town.export(), limit=60)
    town.ca.store_check()
    expect(len(pem_blocks(town.get("alice", f"certificates/{order.data['certificate']}/chain.pem").text)) >= 1, "chain")
    expect(re.fullmatch("[0-9a-f]{64}", order.data["spkiSha256"]), "spkiSha256")
