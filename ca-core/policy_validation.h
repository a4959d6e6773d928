/*
 * ca-core/policy_validation.h - what each validation asks for, a page each: policy_dv.c, policy_ov.c,
 * policy_ev.c, readable beside the Baseline Requirements (BR) and the EV Guidelines (EVG), whose sections
 * stand at each check. Private to the files of orders.
 *
 * An order is held against them when it is submitted, when it goes on, and once more before the token
 * signs: what is asked for (request), what was shown (shown), who agreed (agreed). A more demanding
 * validation asks for all that the lesser one does, and more.
 *
 * Thread-safety: every function works only on its arguments.
 * Source: PKI.md sections 3 to 5; BR 2.1, EVG 2.0.
 */
#ifndef CHANCERY_CA_POLICY_VALIDATION_H
#define CHANCERY_CA_POLICY_VALIDATION_H

#include "ca-core/order_private.h"

struct ca_case {
	const struct ca *ca;
	const struct ca_profile *profile;
	const struct record_order *order;
	const struct ca_names *names;                   /* the order's */
	const struct record_organization *organization; /* the present one; NULL: there is none */
	int64_t now_s;
};

/* Each: 0, or the refusal, saying what is missing and of which name. */
int ca_policy_dv_request(const struct ca_case *c, struct error *err);
int ca_policy_dv_shown(const struct ca_case *c, struct error *err);
int ca_policy_dv_agreed(const struct ca_case *c, struct error *err);

int ca_policy_ov_request(const struct ca_case *c, struct error *err);
int ca_policy_ov_agreed(const struct ca_case *c, struct error *err);

int ca_policy_ev_request(const struct ca_case *c, struct error *err);
int ca_policy_ev_agreed(const struct ca_case *c, struct error *err);

/* The subject's values: under DV the common name alone, else the organization's as the record has them. texts keeps
 * what they borrow. */
struct ca_policy_texts {
	char values[CA_ATTR_COUNT][1025];
};
int ca_policy_dv_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err);
int ca_policy_ov_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err);
int ca_policy_ev_subject(const struct ca_case *c, struct ca_policy_texts *texts, struct ca_subject *subject,
			 struct error *err);

/* How many officers have to agree. */
unsigned ca_policy_approvals(const struct ca_profile *profile);
/* An officer who wants to agree may, as far as the rules about who goes. ERR_APPROVAL_NOT_ALLOWED. */
int ca_policy_may_agree(const struct ca_case *c, const char *officer, struct error *err);

/* A value of the subject, copied to texts; nothing where it is empty. */
static inline void ca_policy_value(struct ca_policy_texts *texts, struct ca_subject *subject, enum ca_attribute a,
				   struct bytes value)
{
	if (!value.len || value.len >= sizeof(texts->values[a]))
		return;
	memcpy(texts->values[a], value.data, value.len);
	texts->values[a][value.len] = '\0';
	subject->values[a] = texts->values[a];
}

#endif
