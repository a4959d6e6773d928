/* Orders: made, changed, submitted, copied, cancelled; what each state leads to. */
#include "ca-core/order_private.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/policy.h"
#include "ca-core/policy_validation.h"
#include "ca-core/request.h"

#define TEXT_MAX ((size_t)1024)          /* of one line that people read: what is not copied */
#define SUBJECT_TEXT_MAX ((size_t)16384) /* of the subject that was asked for */

/* Five bits a character, in an alphabet whose order is that of its letters: ids sort by time. */
static int new_id(int64_t now_ms, char out[ORDER_ID_SIZE], struct error *err)
{
	static const char alphabet[] = "234567abcdefghijklmnopqrstuvwxyz";
	uint8_t octets[16];
	for (size_t i = 0; i < 6; i++)
		octets[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	if (RAND_bytes(octets + 6, sizeof(octets) - 6) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random number for an order");
	size_t len = 0;
	for (size_t bit = 0; bit < 8 * sizeof(octets); bit += 5) {
		unsigned pair =
			(unsigned)octets[bit / 8] << 8 | (bit / 8 + 1 < sizeof(octets) ? octets[bit / 8 + 1] : 0);
		out[len++] = alphabet[pair >> (11 - bit % 8) & 31];
	}
	out[len] = '\0';
	return 0;
}

int order_names(const struct record_order *o, struct ca_names *names, struct error *err)
{
	for (size_t i = 0; i < o->name_count; i++) {
		struct ca_name name;
		if (ca_name_parse(o->names[i].name, &name, err) || ca_names_add(names, &name, RECORD_NAMES_MAX, err))
			return -1;
	}
	return 0;
}

void order_spki_hash(const struct record_order *o, uint8_t hash[32])
{
	sha256(o->spki.data, o->spki.len, hash);
}

/* ---- who may what ---- */

bool order_may_see(const struct ca_actor *actor, const struct record_order *o)
{
	if (!actor->may_read)
		return false;
	return (actor->roles & (ROLE_OFFICER | ROLE_AUDITOR)) || bytes_are(o->requester, actor->identity);
}

int order_not_found(struct error *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such order that you may see");
}

/* Who may not even see it does not learn that it is there. */
static int may_act(const struct ca_actor *actor, const struct record_order *o, struct error *err)
{
	bool own = bytes_are(o->requester, actor->identity);
	if (own && (actor->roles & ROLE_REQUESTER) && actor->may_request)
		return 0;
	if (!own && !order_may_see(actor, o))
		return order_not_found(err);
	(void)err_set(err, ERR_ROLE_REQUIRED, "only %.*s, who asked for it, may do this to the order",
		      (int)o->requester.len, (const char *)o->requester.data);
	return err_about(err, NULL, NULL, "requester, of its own orders");
}

static int refuse_state(const struct record_order *o, const char *what, const char *allowed, struct error *err)
{
	const char *status = record_order_status_name(o->status);
	(void)err_set(err, ERR_ORDER_STATE, "the order is %s: %s", status, what);
	return err_about(err, "status", status, allowed);
}

/* ---- what was asked for ---- */

static int check_text(struct bytes text, size_t max, const char *member, struct error *err)
{
	if (text.len <= max && text_is_utf8(text) && !text_has_control(text))
		return 0;
	(void)err_set(err, ERR_BAD_REQUEST, "%s is too long, or no plain text", member);
	return err_about(err, member, NULL, "UTF-8 without control characters");
}

static int fill_contact(struct order_work *w, const struct message_contact *from, struct error *err)
{
	struct ca_name mail;
	struct error why = ERR_INIT;
	struct record_contact *to = &w->order->contacts[w->order->contact_count];
	if (!bytes_are(from->role, "administrative") && !bytes_are(from->role, "technical")) {
		(void)err_set(err, ERR_BAD_REQUEST, "a contact is administrative or technical");
		return err_about(err, "contacts", NULL, "administrative, technical");
	}
	if (ca_name_email(from->mail, &mail, &why)) {
		(void)err_set(err, ERR_BAD_REQUEST, "a contact's mail address is not one: %.200s", why.message);
		return err_about(err, "contacts", NULL, "an address as in RFC 5321");
	}
	to->role = order_keep(&w->memory, from->role);
	to->mail = order_keep(&w->memory, from->mail);
	w->order->contact_count++;
	return 0;
}

/* What people are shown besides: believed in nothing. */
static int fill_texts(struct order_work *w, const struct message_order_create *m, struct error *err)
{
	struct record_order *o = w->order;
	if (check_text(m->asked_subject, SUBJECT_TEXT_MAX, "subject", err))
		return -1;
	o->asked_subject = order_keep(&w->memory, m->asked_subject);
	o->not_copied_count = 0;
	for (uint32_t i = 0; i < m->not_copied_count; i++) {
		if (check_text(m->not_copied[i], TEXT_MAX, "notCopied", err))
			return -1;
		if (m->not_copied[i].len)
			o->not_copied[o->not_copied_count++] = order_keep(&w->memory, m->not_copied[i]);
	}
	return 0;
}

static int fill_contacts(struct order_work *w, const struct message_order_create *m, struct error *err)
{
	w->order->contact_count = 0;
	for (uint32_t i = 0; i < m->contact_count; i++)
		if (fill_contact(w, &m->contacts[i], err))
			return -1;
	return 0;
}

static int fill_names(struct order_work *w, const struct ca_names *names, struct error *err)
{
	struct record_order *o = w->order;
	o->name_count = 0;
	for (size_t i = 0; i < names->count; i++) {
		auto_buf printed = BUF_INIT;
		ca_name_print(&names->items[i], &printed);
		struct record_order_name *n = &o->names[o->name_count++];
		*n = (struct record_order_name){ .name = order_keep(&w->memory, buf_bytes(&printed)),
						 .status = AUTHORIZATION_PENDING };
		n->methods = order_methods(w->ca, w->profile, n->name);
		if (printed.failed)
			return err_set(err, ERR_INTERNAL, "no memory for an order");
	}
	return 0;
}

static int fill_csr(struct order_work *w, const struct message_order_create *m, struct error *err)
{
	struct record_order *o = w->order;
	struct ca_key key;
	char common_name[65];
	auto_ca_names names = CA_NAMES_INIT;
	if (ca_request_names(w->profile, m->names, m->name_count, &names, err) ||
	    ca_request_common_name(m->common_name, common_name, err) || ca_key_parse(m->spki, &key, err) ||
	    ca_request_usable(w->profile, &names, common_name, err) ||
	    ca_request_not_blocked(w->snap, key.spki_hash, err))
		return -1;
	store_expect_absent(w->batch, STORE_BLOCKED, BYTES(key.spki_hash, sizeof(key.spki_hash)));
	o->spki = order_keep(&w->memory, m->spki);
	o->common_name = order_keep(&w->memory, m->common_name);
	memcpy(o->csr_hash, m->csr_hash, sizeof(o->csr_hash));
	return fill_texts(w, m, err) || fill_names(w, &names, err) ? -1 : 0;
}

/* The version that is there now is what the order is about. */
int order_pin_organization(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	if (!o->organization.len)
		return 0;
	int found = order_work_organization(w, err);
	if (found < 0)
		return -1;
	if (!found) {
		(void)err_set(err, ERR_ORGANIZATION_NOT_VALID, "there is no such organization");
		return err_about(err, "organization", NULL, NULL);
	}
	o->organization_version = w->organization->record.version;
	return 0;
}

static int check_days(struct order_work *w, struct error *err)
{
	int64_t not_before_s, not_after_s;
	struct ca_issuer *issuer = ca_request_issuer(w->ca, w->profile, err);
	return issuer ? ca_profile_validity(w->profile, w->order->days, order_now_s(w), issuer->info.not_after_s,
					    &not_before_s, &not_after_s, err)
		      : -1;
}

static int fill(struct order_work *w, const struct message_order_create *m, struct error *err)
{
	struct record_order *o = w->order;
	bool with_csr = !w->version || m->change_csr;
	w->profile = ca_config_profile_for_request(w->ca->config, m->profile, err);
	if (!w->profile || ca_policy_may_request(w->actor, w->profile, err))
		return -1;
	o->profile = bytes_of(w->profile->name);
	o->days = m->days;
	ca_organization_free(w->organization);
	w->organization = NULL;
	o->organization = order_keep(&w->memory, m->organization);
	o->organization_version = 0;
	if (check_days(w, err) || fill_contacts(w, m, err) || (with_csr && fill_csr(w, m, err)) ||
	    order_pin_organization(w, err))
		return -1;
	return order_policy(w, err);
}

/* ---- made ---- */

static int begin(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	char id[ORDER_ID_SIZE];
	if (new_id(w->now_ms, id, err))
		return -1;
	if (RAND_bytes(o->nonce, sizeof(o->nonce)) != 1)
		return err_openssl(err, ERR_INTERNAL, "no random number for an order");
	o->id = order_keep_text(&w->memory, id);
	o->status = ORDER_DRAFT;
	o->requester = order_keep_text(&w->memory, w->actor->identity);
	o->created_ms = w->now_ms;
	w->changed = true;
	return 0;
}

/* Its life begins anew with each change of a draft: expires_s follows the profile. */
static void set_end(struct order_work *w)
{
	w->order->expires_s = order_now_s(w) + (int64_t)w->profile->order_days * ORDER_DAY_S;
}

static void tell_asked(struct order_work *w, const char *event)
{
	const struct record_order *o = w->order;
	struct ca_audit_entry entry;
	struct bytes names[CA_AUDIT_NAMES_SHOWN];
	uint8_t hash[32];
	order_spki_hash(o, hash);
	for (size_t i = 0; i < o->name_count && i < CA_AUDIT_NAMES_SHOWN; i++)
		names[i] = o->names[i].name;
	order_tell(w, event, &entry);
	ca_audit_text(&entry, "profile", o->profile);
	if (o->organization.len) {
		ca_audit_text(&entry, "organization", o->organization);
		ca_audit_number(&entry, "organizationVersion", (int64_t)o->organization_version);
	}
	if (o->copied_from.len)
		ca_audit_text(&entry, "copiedFrom", o->copied_from);
	ca_audit_hex(&entry, "spki", BYTES(hash, sizeof(hash)));
	ca_audit_hex(&entry, "csr", BYTES(o->csr_hash, sizeof(o->csr_hash)));
	ca_audit_names(&entry, names, o->name_count);
	order_told(w, &entry);
}

/* From draft, or new. */
static int submit(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	if (o->status != ORDER_DRAFT)
		return refuse_state(o, "it was submitted before", "draft", err);
	if (!w->profile)
		return err_set(err, ERR_PROFILE_UNKNOWN, "the order's profile is not there any more");
	if (ca_policy_may_request(w->actor, w->profile, err) || order_pin_organization(w, err) || order_policy(w, err))
		return -1;
	set_end(w);
	order_enter(w, ORDER_PENDING_VALIDATION, NULL, NULL);
	for (size_t i = 0; i < o->name_count; i++)
		o->names[i].next_check_ms = w->now_ms;
	return order_use_known(w, err) || order_mail_codes(w, false, err) ? -1 : 0;
}

int order_begin(struct order_work *w, const struct message_order_create *m, struct error *err)
{
	if (begin(w, err) || fill(w, m, err))
		return -1;
	set_end(w);
	tell_asked(w, "order.created");
	return m->draft ? 0 : submit(w, err);
}

static int step_create(struct order_work *w, void *arg, struct error *err)
{
	return order_begin(w, arg, err);
}

int ca_order_create(struct ca *ca, const struct ca_actor *actor, const struct message_order_create *request,
		    struct buf *out, struct error *err)
{
	return order_make(ca, actor, step_create, (void *)request, out, NULL, err);
}

/* ---- changed ---- */

static int step_change(struct order_work *w, void *arg, struct error *err)
{
	const struct message_order_create *m = arg;
	if (may_act(w->actor, w->order, err))
		return -1;
	if (w->order->status != ORDER_DRAFT)
		return refuse_state(w->order, "only a draft can be changed; copy it to ask for something else", "draft",
				    err);
	if (fill(w, m, err))
		return -1;
	if (!m->change_csr)
		order_renew_methods(w);
	set_end(w);
	tell_asked(w, "order.changed");
	return m->draft ? 0 : submit(w, err);
}

int ca_order_change(struct ca *ca, const struct ca_actor *actor, const struct message_order_create *request,
		    struct buf *out, struct error *err)
{
	return order_change(ca, actor, request->id, step_change, (void *)request, out, err);
}

/* ---- acts ---- */

static int step_cancel(struct order_work *w, struct error *err)
{
	struct record_order *o = w->order;
	if (record_order_is_over(o->status))
		return refuse_state(o, "nothing can be done to it any more", NULL, err);
	if (o->status == ORDER_ISSUING)
		return refuse_state(o, "it is being signed; revoke the certificate when it is there", NULL, err);
	order_enter(w, ORDER_CANCELLED, NULL, NULL);
	return order_drop_tbs(w, err);
}

static int step_act(struct order_work *w, void *arg, struct error *err)
{
	const struct message_order_act *m = arg;
	if (may_act(w->actor, w->order, err))
		return -1;
	switch (m->action) {
	case ORDER_ACT_SUBMIT:
		return submit(w, err);
	case ORDER_ACT_CANCEL:
		return step_cancel(w, err);
	case ORDER_ACT_CHECK:
		return order_check_now(w, err);
	case ORDER_ACT_CONFIRM:
		return order_confirm(w, m->name, m->code, err);
	default:
		return err_set(err, ERR_BAD_REQUEST, "an order is submitted, copied, cancelled, checked or confirmed");
	}
}

/* A new draft of the same request, with a nonce of its own: nothing that was shown or decided is taken along. */
static int step_copy(struct order_work *w, void *arg, struct error *err)
{
	const struct message_order_act *m = arg;
	struct record_order *o = w->order;
	if (order_work_load(w, m->id, err) || may_act(w->actor, o, err))
		return -1;
	if (!w->profile)
		return err_set(err, ERR_PROFILE_UNKNOWN, "the order's profile is not there any more");
	w->version = 0;
	w->before = 0;
	o->copied_from = o->id;
	o->tbs = o->serial = o->issuer = o->certificate = o->failure = o->failure_code = BYTES_NONE;
	o->approve_before_s = 0;
	o->approval_count = 0;
	for (size_t i = 0; i < o->name_count; i++)
		o->names[i] = (struct record_order_name){ .name = o->names[i].name, .status = AUTHORIZATION_PENDING };
	order_renew_methods(w);
	if (begin(w, err) || order_pin_organization(w, err))
		return -1;
	set_end(w);
	tell_asked(w, "order.created");
	return 0;
}

int ca_order_act(struct ca *ca, const struct ca_actor *actor, const struct message_order_act *request, struct buf *out,
		 struct error *err)
{
	if (request->action == ORDER_ACT_COPY)
		return order_make(ca, actor, step_copy, (void *)request, out, NULL, err);
	return order_change(ca, actor, request->id, step_act, (void *)request, out, err);
}
