"""The inventory: filters, order, pages, single rows."""

from support import csr
from support.client import pem_blocks, refused
from support.harness import Tests, equal, expect, run
from support.server import CA

COUNT = 25


def setup(env):
    ca = CA(env)
    ca.admin = ca.client()
    ca.serials = []
    for number, body in enumerate(csr.distinct(COUNT, "n{}.inventory.test")):
        ca.serials.append(ca.admin.issue(body, "short-lived" if number % 5 == 0 else "server-dv")[1])
    ca.admin.issue(csr.for_names(csr.EcKey(5), "*.inventory.test", "inventory.test"))
    ca.revoked = ca.serials[3]
    equal(ca.admin.revoke(ca.revoked, "superseded").status, 200, "revocation")
    return ca


tests = Tests(setup, san=True)


def rows(ca, query=""):
    answer = ca.admin.get("/api/v1/certificates" + query)
    equal(answer.status, 200, f"{query}: {answer.text[:200]}")
    return answer.json()["certificates"]


def all_pages(ca, query, limit):
    found, cursor = [], None
    while True:
        at = f"?limit={limit}{query}" + (f"&cursor={cursor}" if cursor else "")
        page = ca.admin.get("/api/v1/certificates" + at).json()
        expect(len(page["certificates"]) <= limit, f"a page of {len(page['certificates'])} with limit {limit}")
        found += page["certificates"]
        cursor = page.get("next")
        if not cursor:
            return found


@tests.rule()
def a_row_says_all_that_the_contract_lists(ca):
    row = ca.admin.row(ca.revoked)
    for member in ("serial", "status", "names", "subject", "issuer", "profile", "notBefore", "notAfter", "requester",
                   "revokedAt", "reason"):
        expect(member in row, f"no {member}: {row}")
    equal((row["serial"], row["status"], row["issuer"], row["profile"], row["requester"], row["reason"]),
          (ca.revoked, "revoked", "issuing-1", "server-dv", "admin", "superseded"), "row")
    row = ca.admin.row(ca.serials[1])
    expect("revokedAt" not in row and "reason" not in row, f"a valid one says how it was revoked: {row}")


@tests.rule()
def a_certificate_comes_in_each_form(ca):
    base = f"/api/v1/certificates/{ca.serials[1]}"
    pem = ca.admin.get(base + ".pem")
    equal((pem.status, len(pem_blocks(pem.text))), (200, 1), ".pem")
    der = ca.admin.get(base + ".crt")
    run("openssl", "x509", "-inform", "DER", "-noout", data=der.body)
    equal(len(pem_blocks(ca.admin.get(base + "/chain.pem").text)), 2, "certificates in chain.pem")
    refused(ca.admin.get("/api/v1/certificates/" + "ab" * 18), 404, "not-found")


@tests.rule()
def pages_have_every_row_once_newest_first(ca):
    whole = [row["serial"] for row in all_pages(ca, "&profile=server-dv", 500)]
    equal(len(whole), len(set(whole)), "rows and distinct rows")
    for limit in (1, 7, 100):
        equal([row["serial"] for row in all_pages(ca, "&profile=server-dv", limit)], whole, f"pages of {limit}")
    mine = [serial for serial in whole if serial in ca.serials]
    equal(mine, [s for n, s in reversed(list(enumerate(ca.serials))) if n % 5], "order")


@tests.rule()
def pages_stay_right_while_certificates_are_issued(ca):
    first = ca.admin.get("/api/v1/certificates?limit=10").json()
    ca.admin.issue(csr.for_names(csr.EcKey(6), "between.other.test"))
    rest, cursor = [], first["next"]
    while cursor:
        page = ca.admin.get(f"/api/v1/certificates?limit=10&cursor={cursor}").json()
        rest += [row["serial"] for row in page["certificates"]]
        cursor = page.get("next")
    seen = [row["serial"] for row in first["certificates"]] + rest
    equal(len(seen), len(set(seen)), "rows and distinct rows")
    expect(set(ca.serials) <= set(seen), "a row was missed")


@tests.rule()
def filters_find_what_they_say(ca):
    equal([row["serial"] for row in rows(ca, "?name=n7.inventory.test")], [ca.serials[7]], "by exact name")
    equal(rows(ca, "?name=N7.inventory.test")[0]["serial"] if rows(ca, "?name=N7.inventory.test") else ca.serials[7],
          ca.serials[7], "by name in capitals")
    below = rows(ca, "?name=.inventory.test&limit=500")
    expect(set(ca.serials) <= {row["serial"] for row in below}, f"by suffix: {len(below)}")
    expect(all("inventory.test" in str(row["names"]) for row in below), "a foreign name by suffix")
    equal([row["serial"] for row in rows(ca, "?status=revoked")], [ca.revoked], "by status")
    short = {row["serial"] for row in rows(ca, "?profile=short-lived&limit=500")}
    equal(short, {serial for number, serial in enumerate(ca.serials) if number % 5 == 0}, "by profile")
    equal(rows(ca, "?issuer=nobody"), [], "by an issuer that is not there")
    expect(rows(ca, "?issuer=issuing-1"), "by issuer")


@tests.rule()
def filters_combine(ca):
    equal(rows(ca, "?name=n3.inventory.test&status=valid"), [], "name and status")
    equal([row["serial"] for row in rows(ca, "?name=.inventory.test&status=revoked&profile=server-dv")], [ca.revoked],
          "name, status and profile")


@tests.rule()
def expiring_finds_what_ends_soon(ca):
    soon = {row["serial"] for row in rows(ca, "?expiring=8d&limit=500")}
    short = {serial for number, serial in enumerate(ca.serials) if number % 5 == 0}
    expect(short <= soon, f"within 8 days: {len(soon)}")
    expect(not soon & (set(ca.serials) - short), "within 8 days: one that lives for 90")


@tests.rule()
def wrong_questions_are_refused(ca):
    for query in ("?limit=0", "?limit=501", "?limit=x", "?status=maybe", "?cursor=zz", "?cursor=00", "?expiring=soon",
                  "?colour=red", "?name=" + "a" * 400, "?limit=1&limit=2"):
        refused(ca.admin.get("/api/v1/certificates" + query), 400, "bad-request", "bad-name")


@tests.rule()
def a_forged_cursor_shows_nothing_of_others(ca):
    cursor = ca.admin.get("/api/v1/certificates?limit=2").json()["next"]
    for at in range(0, len(cursor), 3):
        forged = cursor[:at] + ("0" if cursor[at] != "0" else "1") + cursor[at + 1:]
        answer = ca.admin.get(f"/api/v1/certificates?limit=2&cursor={forged}")
        expect(answer.status in (200, 400), f"cursor with character {at} changed: {answer}")
    equal(ca.health().status, 200, "readyz")


@tests.rule()
def the_command_line_shows_the_same(ca):
    shown = ca.json("cert", "list", "--name", "n7.inventory.test")
    expect(ca.serials[7] in str(shown), f"cert list: {shown}")
    shown = ca.json("cert", "show", ca.serials[7])
    expect("n7.inventory.test" in str(shown), f"cert show: {shown}")
    ca.cli("cert", "show", "ab" * 18, status=1)
    text = ca.cli("cert", "list", "--expiring", "8d").stdout
    expect(ca.serials[0] in text and ca.serials[1] not in text, f"cert list --expiring: {text[:400]}")
    out = ca.cli("cert", "export", ca.serials[7]).stdout
    equal(len(pem_blocks(out)) >= 1, True, f"cert export: {out[:200]}")
