/*
 * tests/unit/ca-core/order_fixture.h - a founded CA with people who ask, officers with keys of their own,
 * an organization, and a played validator: what it is asked is kept, and answered by the test.
 *
 * Names: zone.test and below are a private zone, where orders can show names; public.test is none. Profiles:
 * "dv" (CAA off), "dv-mail", "dv-caa" (enforce), "dv-report", "dv-parent" (parent domains), "ov", "ev", "asked" (one
 * officer under DV), "asked-caa", "short-memory" (what is shown counts a day), "badge" (clients, one
 * officer; alice may have "alice*"). Identities: alice and bob (requesters), olga and oskar (officers), aud (auditor), adm (admin).
 */
#ifndef CHANCERY_TESTS_CA_ORDER_FIXTURE_H
#define CHANCERY_TESTS_CA_ORDER_FIXTURE_H

#include <openssl/evp.h>

#include "ca-core/order.h"
#include "ca-core/organization.h"
#include "tests/unit/ca-core/fixture.h"

#define ORDER_QUESTIONS_MAX 2048

struct order_question {
	uint16_t type;
	uint64_t id;
	struct buf payload;
	bool answered;
};

struct officer {
	const char *name;
	EVP_PKEY *key;
	struct buf certificate;
};

struct order_fixture {
	struct fixture f;
	struct order_question questions[ORDER_QUESTIONS_MAX];
	size_t question_count;
	bool validator_away;
	struct officer olga, oskar, alice_officer;
	struct buf spki; /* of the request */
	struct message_order_create create;
	char names[16][300];
	struct buf shown; /* payload of the last MSG_ORDER */
	struct message_order order;
};

/* A fixed clock, so that nothing depends on how long a test takes. */
void order_open(struct order_fixture *o);
void order_reopen(struct order_fixture *o); /* what a restart does; the validator's questions are lost */
void order_close(struct order_fixture *o);
void order_later(struct order_fixture *o, int64_t seconds);

/* Enrols an officer with a key that the test keeps. */
void order_enrol_officer(struct order_fixture *o, struct officer *officer, const char *name, uint8_t roles);

/* The request: one DNS name for each further argument, NULL at the end; a key that stays the same. */
#define order_request(o, profile, ...) order_request_names((o), (profile), (const char *const[]){ __VA_ARGS__ })
struct message_order_create *order_request_names(struct order_fixture *o, const char *profile,
						 const char *const *names);
/* Makes it as alice; the order is in o->order. */
void order_create(struct order_fixture *o, const struct message_order_create *request);
enum err_code order_refused(struct order_fixture *o, const struct message_order_create *request);
/* Looks at it as `who`. */
void order_look(struct order_fixture *o);
/* An act of alice's; ERR_NONE, or the refusal. */
enum err_code order_act(struct order_fixture *o, enum message_order_action action, const char *name, const char *code);

/* Runs what is due until nothing is. */
void order_run(struct order_fixture *o);
/* The next question of this type that was not answered; NULL: none. */
struct order_question *order_asked(struct order_fixture *o, uint16_t type);
/* Answers every open check: the name shown by `method` (0: not, for this reason), CAA as given. */
void order_answer_all(struct order_fixture *o, uint8_t method, const char *code, uint8_t caa);
void order_answer(struct order_fixture *o, struct order_question *q, uint8_t method, const char *code, uint8_t caa,
		  uint8_t caa_methods);

/* The officer's decision about the order as it stands; statement NULL: written here. */
struct message_decide;
enum err_code order_decide(struct order_fixture *o, const struct officer *who, const char *decision,
			   const char *reason);
/* The parts of it: the text (vet and suspend are about organizations); and signed and sent by `who`. */
void order_statement(struct order_fixture *o, const struct officer *who, const char *id, const uint8_t sha256[32],
		     const char *decision, const char *reason, int64_t time_s, struct buf *out);
enum err_code order_send_statement(struct order_fixture *o, const struct officer *who, bool organization,
				   const char *id, struct bytes text);

/* Enters "acme" (zone.test, agents alice) as olga; vetted by `vetter` where there is one. */
void order_organization(struct order_fixture *o, const struct officer *vetter);
/* A new version of it, changed by the function. */
void order_change_organization(struct order_fixture *o, void (*change)(struct message_organization *m));
enum err_code order_vet(struct order_fixture *o, const struct officer *who, const char *decision);

struct ca_actor order_actor(const char *name);
size_t order_certificates(struct order_fixture *o);

#define auto_order CLEANUP(order_close) struct order_fixture

#endif
