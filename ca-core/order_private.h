/*
 * ca-core/order_private.h - what the files of orders share. Private to order*.c, policy_*.c,
 * organization*.c, statement_accept.c, notify.c and explain*.c.
 *
 * A change of an order is a struct order_work: one look at the store, the order as it will be, and the
 * batch that makes it so. It is made anew with each attempt, so that of two changes at once each
 * decides about what the other left.
 */
#ifndef CHANCERY_CA_ORDER_PRIVATE_H
#define CHANCERY_CA_ORDER_PRIVATE_H

#include "ca-core/audit.h"
#include "ca-core/key.h"
#include "ca-core/lint.h"
#include "ca-core/order.h"
#include "ca-core/organization.h"

#define ORDER_ID_SIZE 33 /* an id and its NUL */
#define ORDER_HOUR_S ((int64_t)3600)
#define ORDER_DAY_S (24 * ORDER_HOUR_S)
#define ORDER_CAA_S (8 * ORDER_HOUR_S)       /* how long a look-up counts: BR 3.2.2.8, RFC 8659 */
#define ORDER_MAIL_S (30 * ORDER_DAY_S)      /* how long a mailed code counts: BR 3.2.2.4.4 */
#define ORDER_CHECK_PAUSE_MS ((int64_t)5000) /* a name is not checked more often, whoever asks */
#define ORDER_RETRY_MS ((int64_t)10000)      /* after what will perhaps work later: a token, a full store */

/* ---- order_work.c ---- */

/* Memory of one decision: what a changed record borrows from. */
struct order_memory {
	struct order_chunk *first;
	bool failed;
};
struct bytes order_keep(struct order_memory *m, struct bytes bytes); /* a copy; none where memory has run out */
struct bytes order_keep_text(struct order_memory *m, const char *text);
void order_memory_free(struct order_memory *m);

struct order_work {
	struct ca *ca;
	const struct ca_actor *actor;
	int64_t now_ms;
	struct store_snapshot *snap;
	struct store_batch *batch;
	struct record_order *order;      /* borrows from snap, memory, or what the caller gave */
	uint64_t version;                /* of the store's record; 0: a new order */
	enum record_order_status before; /* as the store has it; 0: a new order */
	struct order_memory memory;
	const struct ca_profile *profile;     /* NULL: the configuration has it no more */
	struct ca_organization *organization; /* the present one of the order's; NULL: not loaded, or none */
	bool changed;                         /* there is something to commit */
	bool entered;                         /* a state, perhaps the same anew */
	bool returned;                        /* to an earlier state: failure says why */
	int64_t retry_ms;                     /* when to try again what will pass; 0: the state says when */
	struct store_serial serial;           /* taken for the order, not committed yet; len 0: none */
	struct error refusal;                 /* told to the actor although something was committed */
};
struct order_work *order_work_new(struct ca *ca, const struct ca_actor *actor, struct error *err);
void order_work_free(struct order_work *w); /* also of NULL; gives back a serial that was not used */
CLEANUP_POINTER(order_work, struct order_work, order_work_free)
#define auto_order_work CLEANUP(order_work_cleanup) struct order_work

/* Loads order and profile. ERR_NOT_FOUND. */
int order_work_load(struct order_work *w, struct bytes id, struct error *err);
/* Loads the present record of the order's organization, where it has one, and expects it to stay so in the batch. 1: it
 * is there; 0: the order has none, or the record has gone. */
int order_work_organization(struct order_work *w, struct error *err);
static inline int64_t order_now_s(const struct order_work *w)
{
	return w->now_ms / 1000;
}

/* An audit entry about the order, to be filled and appended to the batch by order_told. */
void order_tell(struct order_work *w, const char *event, struct ca_audit_entry *entry);
void order_told(struct order_work *w, struct ca_audit_entry *entry);
/* A new state, with its entry "order.STATUS" and, where there is one, why; and who is to be notified is. */
void order_enter(struct order_work *w, enum record_order_status status, const char *code, const char *why);
/* Takes serial and tbs out of the order, with all approvals: the serial is void, or unfinished where the token may have
 * signed. Over: the tbs stays for who asks why. */
int order_drop_tbs(struct order_work *w, struct error *err);
/* True for bytes as a backup had them: in the time that was lost they may have been signed. Nothing is changed between a
 * restore and its confirmation, and the first change after it drops them. */
bool order_is_of_backup(const struct order_work *w);

/* Decides, changes the order, adds what belongs to the batch. */
typedef int order_step(struct order_work *w, void *arg, struct error *err);
/* One change of one order: load, step, order_advance, commit; tried again where somebody else was faster. out (may be
 * NULL) gets the payload of MSG_ORDER. What the step left in w->refusal is the result after the commit. */
int order_change(struct ca *ca, const struct ca_actor *actor, struct bytes id, order_step *step, void *arg,
		 struct buf *out, struct error *err);
/* The same for an order that the step makes. id (ORDER_ID_SIZE, or NULL) gets its id. */
int order_make(struct ca *ca, const struct ca_actor *actor, order_step *step, void *arg, struct buf *out, char *id,
	       struct error *err);

/* ---- order.c ---- */

/* A new order from a request, submitted unless it is to be a draft. */
int order_begin(struct order_work *w, const struct message_order_create *m, struct error *err);
/* Back to a draft's ways to show each name, where the profile has changed. */
void order_renew_methods(struct order_work *w);
/* The names as struct ca_names, freed by the caller. */
int order_names(const struct record_order *o, struct ca_names *names, struct error *err);
void order_spki_hash(const struct record_order *o, uint8_t hash[32]);

/* The record's present version is what the order is about from now on. ERR_ORGANIZATION_NOT_VALID: it has gone. */
int order_pin_organization(struct order_work *w, struct error *err);

/* ERR_NOT_FOUND, in the same words whether it is not there or not to be seen. */
int order_not_found(struct error *err);
bool order_may_see(const struct ca_actor *actor, const struct record_order *o);

/* ---- order_state.c ---- */

/* What it leads to as it stands now: names shown, people asked, ready. Where a decision cannot be made for a reason
 * that will pass, the order stays and is due again. */
int order_advance(struct order_work *w, struct error *err);
/* Looks at everything once more that was decided: the order stays as it is (0), or goes back, or ends (1), and says why.
 * -1: cannot be decided now. */
int order_review(struct order_work *w, struct error *err);
/* To an earlier state, and why. */
int order_go_back(struct order_work *w, enum record_order_status status, const char *code, const char *why,
		  struct error *err);
/* When it is to be looked at again; 0: only when somebody asks. */
int64_t order_due_ms(const struct order_work *w);
/* What is asked for, held against profile, grants and organization. */
int order_policy(struct order_work *w, struct error *err);
/* All of it: asked for, shown, agreed. */
int order_holds(struct order_work *w, struct error *err);
/* ERR_APPROVAL_NOT_ALLOWED for who may not be one of those who agree. */
int order_may_agree(struct order_work *w, const char *officer, struct error *err);
/* The subject that it will have: DER Name, appended. */
int order_subject(struct order_work *w, struct buf *out, struct error *err);
/* It ends as failed. */
int order_fail(struct order_work *w, const struct error *why, struct error *err);
/* True for what may go another time: nothing is decided by it. */
bool order_will_pass(enum err_code code);

/* ---- order_tbs.c ---- */

/* Takes a serial, builds and lints the bytes, puts them into the order with the deadline for signing them. */
int order_fix_tbs(struct order_work *w, struct error *err);
/* Builds them once more from the order and compares: profile, issuer, organization and names give the same today, and
 * lint finds nothing. */
int order_check_tbs(struct order_work *w, struct error *err);
void order_tbs_hash(const struct record_order *o, uint8_t hash[32]);

/* ---- order_approve.c ---- */

/* The officer is one, and the certificate that he signed with is enrolled, valid and not revoked. */
int order_officer_holds(struct order_work *w, const struct record_approval *a, struct error *err);

/* ---- order_show.c ---- */

int order_show(struct order_work *w, struct buf *out, struct error *err); /* the payload of MSG_ORDER */
/* What it waits for, in words; nothing where it is over. */
void order_waits_for(struct order_work *w, struct buf *out);

/* ---- order_validate.c ---- */

/* Ways to show the name that this CA and the profile offer, besides a grant. */
uint8_t order_methods(const struct ca *ca, const struct ca_profile *profile, struct bytes name);
/* Whether a grant of the configuration covers the name. */
bool order_is_granted(const struct ca *ca, const char *identity, const struct ca_profile *profile,
		      const struct ca_name *name);
/* How CAA counts for the name. */
enum ca_caa order_caa(const struct ca *ca, const struct ca_profile *profile, const struct record_order_name *n);
/* Shown, in its time, and CAA looked up in the last eight hours where that is asked for. */
bool order_name_is_shown(const struct record_order_name *n, int64_t now_s);
bool order_name_is_settled(const struct ca *ca, const struct ca_profile *profile, const struct record_order_name *n,
			   int64_t now_s);
/* Names that can be shown without asking anybody are: by grants, and by what the owner has shown before. */
int order_use_known(struct order_work *w, struct error *err);
/* A valid one whose time is over is pending again. True where there was one. */
bool order_lapse_names(struct order_work *w);
/* Remembers a name that was shown for orders to come, in the batch. */
int order_remember(struct order_work *w, const struct record_order_name *n, struct error *err);
/* How long what is shown now counts under the profile, in seconds. */
int64_t order_reuse_s(const struct ca_profile *profile, int64_t now_s);

/* ---- order_check.c ---- */

/* Names are checked at once, each as often as it may be. */
int order_check_now(struct order_work *w, struct error *err);
/* Sends what is due of an order: 1 something is under way now, 0 nothing is due, -1 no validator, or no room. */
int order_send_checks(struct order_work *w, struct error *err);
/* The name is valid from now on; evidence is there. In the batch with its authorization and its entry. */
int order_name_shown(struct order_work *w, struct record_order_name *n, enum record_method method, struct error *err);

/* ---- order_mail.c ---- */

/* Mails codes for the names that may be shown so and never had one; again: also where one is void, or a minute old. */
int order_mail_codes(struct order_work *w, bool again, struct error *err);
int order_confirm(struct order_work *w, struct bytes name, struct bytes code, struct error *err);
/* The addresses for a name, separated by commas; nothing where mail cannot show it. */
void order_mail_addresses(const struct ca *ca, const struct ca_profile *profile, struct bytes name, struct buf *out);

#endif
