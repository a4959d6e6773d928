#include "tools/audit_decisions.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/unit/tools/people.h"
#include "tests/unit/tools/story.h"
#include "tests/unit/unit.h"
#include "tools/audit_verify.h"
#include "tools/keys.h"
#include "tools/output.h"

/* The log as it stands in the story, written, read and trusted. */
static int read_back(struct story *s, struct audit_log *log, struct error *err)
{
	story_write(s, unit_path("export.jsonl"));
	if (audit_log_read(unit_path("export.jsonl"), log, err))
		return -1;
	CHECK_OK(audit_log_trust(log, buf_bytes(&s->root_pem), err) == 0, err);
	return audit_log_check_decisions(log, err);
}

static void proves_what_was_decided_and_issued(void)
{
	struct error err = ERR_INIT;
	struct audit_decided decided;
	auto_story s;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	story_open(&s);
	CHECK_OK(read_back(&s, &log, &err) == 0, &err);
	audit_decisions_count(log.decisions, &decided);
	CHECK_INT(decided.approvals, 3);
	CHECK_INT(decided.denials, 1);
	CHECK_INT(decided.vettings, 1);
	CHECK_INT(decided.suspensions, 1);
	CHECK_INT(decided.certificates, 2);
	CHECK_INT(decided.late_officers, 0);
}

/* ---- a keeper who rewrites the log, with hashes that follow ---- */

static void set(json_t *object, const char *member, const char *value)
{
	(void)json_object_set_new(object, member, json_string(value));
}

static void drop(struct story *s, enum story_entry at)
{
	(void)json_array_remove(s->entries, at);
}

/* Signs the entry's decision anew. */
static void sign_anew(struct story *s, enum story_entry at, struct credential *by, enum ca_decision decision,
		      const char *id, const struct buf *tbs)
{
	story_sign(s, story_detail(s, at), by, decision, id, buf_bytes(tbs), "anew", true);
}

/* Changes one letter in the member's base64. */
static void spoil(json_t *detail, const char *member)
{
	auto_buf text = BUF_INIT;
	buf_add_text(&text, json_string_value(json_object_get(detail, member)));
	uint8_t *middle = &text.data[text.len / 2];
	*middle = *middle == 'A' ? 'B' : 'A';
	set(detail, member, buf_text(&text));
}

static void statement_spoiled(struct story *s)
{
	spoil(story_detail(s, STORY_OV_APPROVED), "statement");
}
static void signature_spoiled(struct story *s)
{
	spoil(story_detail(s, STORY_OV_APPROVED), "signature");
}
static void certificate_of_officer_spoiled(struct story *s)
{
	spoil(story_detail(s, STORY_OV_APPROVED), "certificate");
}
static void statement_left_out(struct story *s)
{
	(void)json_object_del(story_detail(s, STORY_VETTED), "statement");
}
static void signature_is_no_base64(struct story *s)
{
	set(story_detail(s, STORY_DENIED), "signature", "*");
}
static void detail_left_out(struct story *s)
{
	(void)json_object_del(story_entry(s, STORY_SUSPENDED), "detail");
}
static void decision_of_somebody_else(struct story *s)
{
	set(story_entry(s, STORY_OV_APPROVED), "actor", "olga");
}
static void signed_by_another_officer(struct story *s)
{
	sign_anew(s, STORY_OV_APPROVED, s->olga, DECISION_APPROVE, "ov", &s->ov_tbs);
}
static void about_another_order(struct story *s)
{
	sign_anew(s, STORY_OV_APPROVED, s->otto, DECISION_APPROVE, "ev", &s->ov_tbs);
}
static void about_other_bytes(struct story *s)
{
	sign_anew(s, STORY_OV_APPROVED, s->otto, DECISION_APPROVE, "ov", &s->ev_tbs);
}
static void denied_in_truth(struct story *s)
{
	sign_anew(s, STORY_OV_APPROVED, s->otto, DECISION_DENY, "ov", &s->ov_tbs);
}
static void used_twice(struct story *s)
{
	(void)json_array_insert(s->entries, STORY_OV_ISSUED, story_entry(s, STORY_OV_APPROVED));
}
static void at_another_time(struct story *s)
{
	char time[CLOCK_TEXT_SIZE];
	set(story_entry(s, STORY_OV_APPROVED), "time", clock_rfc3339(s->now_s + 301, time));
}
static void no_officer_any_more(struct story *s)
{
	set(story_detail(s, STORY_OTTO), "roles", "requester");
}
static void officer_was_removed(struct story *s)
{
	char time[CLOCK_TEXT_SIZE];
	(void)json_array_insert_new(s->entries, STORY_OV_APPROVED,
				    json_pack("{s:s, s:s, s:s, s:s}", "event", "identity.removed", "actor", "root",
					      "subject", "otto", "time", clock_rfc3339(s->now_s, time)));
}
static void officers_certificate_was_revoked(struct story *s)
{
	char time[CLOCK_TEXT_SIZE];
	(void)json_array_insert_new(s->entries, STORY_OV_APPROVED,
				    json_pack("{s:s, s:s, s:s, s:s}", "event", "certificate.revoked", "actor", "root",
					      "subject", "issuing-1/0b", "time", clock_rfc3339(s->now_s, time)));
}
static void officer_was_never_enrolled(struct story *s)
{
	drop(s, STORY_OTTO);
}
static void approval_left_out(struct story *s)
{
	drop(s, STORY_OV_APPROVED);
}
static void one_of_two_left_out(struct story *s)
{
	drop(s, STORY_EV_APPROVED_OTTO);
}
static void one_officer_twice(struct story *s)
{
	set(story_entry(s, STORY_EV_APPROVED_OTTO), "actor", "olga");
	story_sign(s, story_detail(s, STORY_EV_APPROVED_OTTO), s->olga, DECISION_APPROVE, "ev", buf_bytes(&s->ev_tbs),
		   "once more", true);
}
static void requester_approves(struct story *s)
{
	set(story_entry(s, STORY_OV), "actor", "otto");
	set(story_detail(s, STORY_OV_ISSUED), "requester", "otto");
}
static void another_requester(struct story *s)
{
	set(story_detail(s, STORY_OV_ISSUED), "requester", "mallory");
}
static void certificate_left_out(struct story *s)
{
	(void)json_object_del(story_detail(s, STORY_OV_ISSUED), "certificate");
}
static void another_certificate(struct story *s)
{
	(void)json_object_set(story_detail(s, STORY_OV_ISSUED), "certificate",
			      json_object_get(story_detail(s, STORY_EV_ISSUED), "certificate"));
}
static void another_certificate_with_its_hash(struct story *s)
{
	const char *const members[] = { "sha256", "subject" };
	another_certificate(s);
	for (size_t i = 0; i < 2; i++)
		(void)json_object_set(story_entry(s, STORY_OV_ISSUED), members[i],
				      json_object_get(story_entry(s, STORY_EV_ISSUED), members[i]));
}
static void another_certificate_and_its_tbs(struct story *s)
{
	another_certificate_with_its_hash(s);
	(void)json_object_set(story_detail(s, STORY_OV_ISSUED), "tbs",
			      json_object_get(story_detail(s, STORY_EV_ISSUED), "tbs"));
}
static void serial_of_another(struct story *s)
{
	set(story_entry(s, STORY_OV_ISSUED), "subject", "issuing-1/0102");
}
static void order_is_unknown(struct story *s)
{
	drop(s, STORY_DV);
}
static void denied_and_issued(struct story *s)
{
	set(story_detail(s, STORY_DV_ISSUED), "order", "denied");
}
static void issued_twice(struct story *s)
{
	set(story_detail(s, STORY_DV_ISSUED), "order", "ov");
}
static void approved_without_an_order(struct story *s)
{
	(void)json_object_del(story_detail(s, STORY_OV_ISSUED), "order");
}
static void approved_after_it_was_issued(struct story *s)
{
	set(story_entry(s, STORY_DENIED), "event", "order.approved");
	set(story_entry(s, STORY_DENIED), "subject", "order ov");
	story_sign(s, story_detail(s, STORY_DENIED), s->olga, DECISION_APPROVE, "ov",
		   bytes_of("the tbs of a denied order"), "late", true);
}
static void organization_not_vetted(struct story *s)
{
	drop(s, STORY_VETTED);
}
static void vetted_by_a_second_officer(struct story *s)
{
	json_t *again = json_deep_copy(story_entry(s, STORY_VETTED));
	set(again, "actor", "otto");
	(void)json_array_insert_new(s->entries, STORY_OV, again);
	story_sign(s, json_object_get(again, "detail"), s->otto, DECISION_VET, "example", bytes_of(s->record),
		   "a second look", true);
}
static void record_changed_after_vetting(struct story *s)
{
	auto_json *changed = json_deep_copy(story_entry(s, STORY_ORGANIZATION));
	set(changed, "event", "organization.changed");
	set(changed, "sha256", "00000000000000000000000000000000000000000000000000000000000000ff");
	(void)json_array_insert(s->entries, STORY_OV, changed);
}
static void vetted_another_record(struct story *s)
{
	set(story_entry(s, STORY_ORGANIZATION), "sha256",
	    "00000000000000000000000000000000000000000000000000000000000000ff");
}
static void suspended_before(struct story *s)
{
	(void)json_array_insert(s->entries, STORY_OV_APPROVED, story_entry(s, STORY_SUSPENDED));
	(void)json_array_remove(s->entries, STORY_SUSPENDED + 1);
}
static void approval_was_void(struct story *s)
{
	char time[CLOCK_TEXT_SIZE];
	(void)json_array_insert_new(s->entries, STORY_OV_ISSUED,
				    json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "event", "order.approval-void", "actor",
					      "ca", "subject", "order ov", "time", clock_rfc3339(s->now_s, time),
					      "detail", "officer", "otto"));
}
static void counts_an_approval_that_is_not_there(struct story *s)
{
	(void)json_object_set_new(story_detail(s, STORY_OV_ISSUED), "approvals",
				  json_pack("[s]", "00000000000000000000000000000000000000000000000000000000000000ff"));
}
static void approves_twice(struct story *s)
{
	auto_json *again = json_deep_copy(story_entry(s, STORY_OV_APPROVED));
	story_sign(s, json_object_get(again, "detail"), s->otto, DECISION_APPROVE, "ov", buf_bytes(&s->ov_tbs), "again",
		   true);
	(void)json_array_insert(s->entries, STORY_OV_ISSUED, again);
}
static void for_another_authority(struct story *s)
{
	memset(s->ca, 0xee, sizeof(s->ca));
	sign_anew(s, STORY_OV_APPROVED, s->otto, DECISION_APPROVE, "ov", &s->ov_tbs);
}

static void every_rewriting_of_a_decision_is_found(void)
{
	static const struct {
		void (*rewrite)(struct story *s);
		const char *said; /* part of the message */
	} cases[] = {
		{ statement_spoiled, "statement" },
		{ signature_spoiled, "not signed so" },
		{ certificate_of_officer_spoiled, "not signed so" },
		{ statement_left_out, "its statement is not there" },
		{ signature_is_no_base64, "its signature is not there, or no base64" },
		{ detail_left_out, "its statement is not there" },
		{ decision_of_somebody_else, "not by olga" },
		{ signed_by_another_officer, "not by otto" },
		{ about_another_order, "about something else" },
		{ about_other_bytes, "about other bytes" },
		{ denied_in_truth, "another decision" },
		{ used_twice, "used before, in entry 7" },
		{ at_another_time, "at another time" },
		{ no_officer_any_more, "no officer" },
		{ officer_was_removed, "no identity that the log knows" },
		{ officers_certificate_was_revoked, "was revoked" },
		{ officer_was_never_enrolled, "no identity that the log knows" },
		{ approval_left_out, "0 officers signed for the bytes of its certificate, where it takes 1" },
		{ one_of_two_left_out, "1 officer signed for the bytes of its certificate, where it takes 2" },
		{ one_officer_twice, "approved these bytes twice" },
		{ requester_approves, "an order of his own" },
		{ another_requester, "was made by alice" },
		{ certificate_left_out, "the certificate is not there" },
		{ another_certificate, "another certificate than the one it tells of" },
		{ another_certificate_with_its_hash, "not of the bytes that it names" },
		{ another_certificate_and_its_tbs, "0 officers signed" },
		{ serial_of_another, "another serial number" },
		{ order_is_unknown, "is not in the log" },
		{ denied_and_issued, "was denied before" },
		{ issued_twice, "was issued before" },
		{ approved_without_an_order, "approved for no order" },
		{ approved_after_it_was_issued, "was issued before" },
		{ organization_not_vetted, "was not vetted when it was issued" },
		{ vetted_by_a_second_officer, "was vetted before" },
		{ record_changed_after_vetting, "was not vetted when it was issued" },
		{ vetted_another_record, "not the present one" },
		{ suspended_before, "was suspended when it was issued" },
		{ approval_was_void, "0 officers signed" },
		{ counts_an_approval_that_is_not_there, "an approval that the log does not have" },
		{ approves_twice, "approved these bytes twice" },
		{ for_another_authority, "another certificate authority" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERR_INIT;
		auto_story s;
		CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
		story_open(&s);
		cases[i].rewrite(&s);
		CHECK_FAILS(read_back(&s, &log, &err) == -1, &err, ERR_INTEGRITY);
		if (!strstr(err.message, cases[i].said))
			CHECK_TEXT(err.message, cases[i].said);
	}
}

/* ---- a keeper who does not rewrite the hashes ---- */

static void read_lines(struct buf *text, char *lines[STORY_ENTRIES + 1])
{
	struct error err = ERR_INIT;
	CHECK_OK(file_read(unit_path("export.jsonl"), (size_t)1 << 20, text, &err) == 0, &err);
	char *at = (char *)(uintptr_t)buf_text(text);
	for (size_t i = 0; i <= STORY_ENTRIES; i++) {
		lines[i] = strsep(&at, "\n");
		REQUIRE(lines[i] != NULL);
	}
}

/* The lines but for `without`, with `first` and `second` in each other's place, up to `end`. */
static void write_lines(char *lines[], size_t without, size_t first, size_t second, size_t end)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	for (size_t i = 0; i <= STORY_ENTRIES; i++) {
		size_t at = i == first ? second : i == second ? first : i;
		if (at != without && (at < end || at == STORY_ENTRIES))
			buf_printf(&out, "%s\n", lines[at]);
	}
	CHECK_OK(file_replace(unit_path("export.jsonl"), buf_bytes(&out), 0644, &err) == 0, &err);
}

static void entries_of_decisions_cannot_be_deleted_or_reordered(void)
{
	auto_story s;
	auto_buf text = BUF_INIT;
	char *lines[STORY_ENTRIES + 1];
	story_open(&s);
	story_write(&s, unit_path("export.jsonl"));
	read_lines(&text, lines);
	for (size_t i = 0; i + 1 < STORY_ENTRIES; i++)
		for (int reorder = 0; reorder < 2; reorder++) {
			struct error err = ERR_INIT;
			CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
			write_lines(lines, reorder ? SIZE_MAX : i, reorder ? i : SIZE_MAX, reorder ? i + 1 : SIZE_MAX,
				    STORY_ENTRIES);
			CHECK_FAILS(audit_log_read(unit_path("export.jsonl"), &log, &err) == -1, &err, ERR_INTEGRITY);
		}
}

/* Cut off at any place the rest is whole in itself: a head kept elsewhere knows more. */
static void a_log_that_was_cut_off_proves_no_more_than_it_has(void)
{
	static const uint64_t certificates[STORY_ENTRIES + 1] = { [STORY_OV_ISSUED + 1] = 1,
								  [STORY_EV_ISSUED + 1] = 2 };
	auto_story s;
	auto_buf text = BUF_INIT;
	char *lines[STORY_ENTRIES + 1];
	uint64_t expected = 0;
	story_open(&s);
	story_write(&s, unit_path("export.jsonl"));
	read_lines(&text, lines);
	for (size_t end = 1; end <= STORY_ENTRIES; end++) {
		struct error err = ERR_INIT;
		struct audit_decided decided;
		CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
		write_lines(lines, SIZE_MAX, SIZE_MAX, SIZE_MAX, end);
		CHECK_OK(audit_log_read(unit_path("export.jsonl"), &log, &err) == 0, &err);
		expected = certificates[end] ? certificates[end] : expected;
		audit_decisions_count(log.decisions, &decided);
		CHECK_INT(decided.certificates, expected);
	}
}

/* ---- certificates from elsewhere ---- */

static int want(struct story *s, const struct buf *der, struct error *err)
{
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	CHECK_OK(audit_log_want(&log, "met.crt", buf_bytes(der), err) == 0, err);
	return read_back(s, &log, err);
}

static void a_certificate_met_elsewhere_was_issued_and_approved(void)
{
	struct error err = ERR_INIT;
	auto_story s;
	story_open(&s);
	CHECK_OK(want(&s, &s.ov_der, &err) == 0, &err);
	CHECK_OK(want(&s, &s.ev_der, &err) == 0, &err);
	CHECK_OK(want(&s, &s.dv_der, &err) == 0, &err);
}

/* What the log does not say at all cannot be seen from it alone. */
static void a_certificate_that_the_log_hides_is_found_by_meeting_it(void)
{
	struct error err = ERR_INIT;
	auto_story s;
	story_open(&s);
	json_t *detail = story_detail(&s, STORY_DV_ISSUED);
	(void)json_object_del(detail, "order");
	(void)json_object_set_new(story_entry(&s, STORY_DV_ISSUED), "sha256",
				  json_incref(json_object_get(story_entry(&s, STORY_OV_ISSUED), "sha256")));
	drop(&s, STORY_OV_ISSUED);
	drop(&s, STORY_OV_APPROVED);
	CHECK_FAILS(want(&s, &s.ov_der, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "no officer approved it") != NULL);
	CHECK_FAILS(want(&s, &s.dv_der, &err) == -1, &err, ERR_INTEGRITY);
	CHECK(strstr(err.message, "does not tell of the certificate") != NULL);
}

static void who_was_enrolled_after_the_order_is_counted(void)
{
	struct error err = ERR_INIT;
	struct audit_decided decided;
	auto_story s;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	story_open(&s);
	auto_json *otto = json_incref(story_entry(&s, STORY_OTTO));
	drop(&s, STORY_OTTO);
	(void)json_array_insert(s.entries, STORY_OV, otto); /* behind the order, which moved up */
	CHECK_OK(read_back(&s, &log, &err) == 0, &err);
	audit_decisions_count(log.decisions, &decided);
	CHECK_INT(decided.late_officers, 1);
	CHECK_INT(decided.first_late, STORY_OV_APPROVED + 1);
}

/* A second life of an approval that was void: a new statement. */
static void an_officer_may_approve_again_after_his_approval_was_void(void)
{
	struct error err = ERR_INIT;
	auto_story s;
	CLEANUP(audit_log_free) struct audit_log log = { .count = 0 };
	story_open(&s);
	auto_json *again = json_deep_copy(story_entry(&s, STORY_OV_APPROVED));
	story_sign(&s, json_object_get(again, "detail"), s.otto, DECISION_APPROVE, "ov", buf_bytes(&s.ov_tbs), "again",
		   true);
	approval_was_void(&s);
	(void)json_array_insert(s.entries, STORY_OV_ISSUED + 1, again);
	CHECK_OK(read_back(&s, &log, &err) == 0, &err);
}

SUITE(audit_decisions)
{
	TEST(proves_what_was_decided_and_issued);
	TEST(every_rewriting_of_a_decision_is_found);
	TEST(entries_of_decisions_cannot_be_deleted_or_reordered);
	TEST(a_log_that_was_cut_off_proves_no_more_than_it_has);
	TEST(a_certificate_met_elsewhere_was_issued_and_approved);
	TEST(a_certificate_that_the_log_hides_is_found_by_meeting_it);
	TEST(who_was_enrolled_after_the_order_is_counted);
	TEST(an_officer_may_approve_again_after_his_approval_was_void);
}
