#include "tests/unit/ca-core/order_fixture.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/statement.h"
#include "store/record_order.h"

static const char configuration[] =
	"caa-identity = \"pki.test\"\n"
	"dns-cname-base = \"check.pki.test\"\n"
	"mail {\n  server = \"smtp://127.0.0.1:25\"\n  from = \"pki@pki.test\"\n}\n"
	"notify {\n  mail = true\n  webhook = \"https://hooks.test/pki\"\n"
	"  webhook-secret = \"file:webhook-secret\"\n}\n"
	"zone \"private\" {\n  suffixes = { \"zone.test\", \".zone.test\" }\n"
	"  networks = { \"10.1.0.0/16\" }\n  public = false\n}\n"
	"profile \"dv\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"grant\", \"dns-txt\", \"dns-cname\", \"http\" }\n  caa = \"off\"\n}\n"
	"profile \"dv-mail\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"mail\" }\n  caa = \"off\"\n}\n"
	"profile \"dv-caa\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\", \"http\" }\n}\n"
	"profile \"dv-report\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\", \"http\" }\n  caa = \"report\"\n}\n"
	"profile \"dv-parent\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\", \"http\" }\n  caa = \"off\"\n  parent-domains = true\n}\n"
	"profile \"asked\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"grant\", \"dns-txt\" }\n  caa = \"off\"\n  approvals = 1\n}\n"
	"profile \"short-memory\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n"
	"  waivers = { \"internal-names\" }\n  methods = { \"dns-txt\" }\n  caa = \"off\"\n  approvals = 1\n"
	"  reuse-days = 1\n}\n"
	"profile \"asked-caa\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  methods = { \"dns-txt\" }\n  approvals = 1\n}\n"
	"profile \"ov\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  validation = \"organization\"\n  methods = { \"grant\", \"dns-txt\", \"http\" }\n  caa = \"off\"\n}\n"
	"profile \"ev\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n  waivers = { \"internal-names\" }\n"
	"  validation = \"extended\"\n  methods = { \"dns-txt\", \"http\" }\n  caa = \"off\"\n"
	"  wildcards = false\n  addresses = false\n  approvals = 2\n}\n"
	"profile \"many\" {\n  kind = \"server\"\n  issuer = \"issuing-1\"\n"
	"  waivers = { \"internal-names\" }\n  caa = \"off\"\n  names-max = 1000\n}\n"
	"profile \"badge\" {\n  kind = \"client\"\n  issuer = \"issuing-1\"\n  approvals = 1\n}\n"
	"grant \"badges\" {\n  identities = { \"alice\" }\n  profiles = { \"badge\" }\n"
	"  common-names = { \"alice*\" }\n}\n"
	"grant \"orders\" {\n  identities = { \"alice\" }\n  profiles = { \"dv\", \"asked\", \"ov\" }\n"
	"  suffixes = { \"granted.test\", \".granted.test\" }\n}\n";

/* ---- the played validator ---- */

static int play(void *arg, uint16_t type, uint64_t id, struct bytes payload, struct error *err)
{
	struct order_fixture *o = arg;
	if (o->validator_away)
		return err_set(err, ERR_UNREACHABLE, "the validator has gone");
	REQUIRE(o->question_count < ORDER_QUESTIONS_MAX);
	struct order_question *q = &o->questions[o->question_count++];
	*q = (struct order_question){ .type = type, .id = id, .payload = BUF_INIT };
	buf_add_bytes(&q->payload, payload);
	return 0;
}

static void forget_questions(struct order_fixture *o)
{
	for (size_t i = 0; i < o->question_count; i++)
		buf_free(&o->questions[i].payload);
	o->question_count = 0;
}

struct order_question *order_asked(struct order_fixture *o, uint16_t type)
{
	for (size_t i = 0; i < o->question_count; i++)
		if (o->questions[i].type == type && !o->questions[i].answered)
			return &o->questions[i];
	return NULL;
}

void order_answer(struct order_fixture *o, struct order_question *q, uint8_t method, const char *code, uint8_t caa,
		  uint8_t caa_methods)
{
	struct message_validate asked;
	struct error err = ERR_INIT;
	CHECK_OK(message_validate_read(buf_bytes(&q->payload), &asked, &err) == 0, &err);
	struct message_validated seen = { .shown = method, .caa = asked.caa ? caa : 0, .caa_methods = caa_methods };
	seen.caa_text = bytes_of(asked.caa && caa > 1 ? "issue \"other.test\" at zone.test" : "");
	for (unsigned bit = METHOD_DNS_TXT; bit <= METHOD_HTTP; bit <<= 1) {
		if (!(asked.methods & bit))
			continue;
		seen.attempts[seen.attempt_count++] = (struct message_attempt){
			(uint8_t)bit, bytes_of(bit == method ? "ok" : code),
			bytes_of(bit == method ? "seen by 192.0.2.53" : "looked for it, and it was not there")
		};
	}
	q->answered = true;
	ca_order_validated(o->f.ca, q->id, &seen);
}

void order_answer_all(struct order_fixture *o, uint8_t method, const char *code, uint8_t caa)
{
	for (struct order_question *q; (q = order_asked(o, MSG_VALIDATE));)
		order_answer(o, q, method, code, caa, 0x1f);
}

/* ---- opening ---- */

static void attach(struct order_fixture *o)
{
	const struct ca_validator validator = { play, o };
	ca_validator_set(o->f.ca, &validator);
}

static EVP_PKEY *new_key(struct buf *spki)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *der = NULL;
	REQUIRE(key != NULL);
	int len = i2d_PUBKEY(key, &der);
	REQUIRE(len > 0);
	buf_add(spki, der, (size_t)len);
	OPENSSL_free(der);
	return key;
}

void order_enrol_officer(struct order_fixture *o, struct officer *officer, const char *name, uint8_t roles)
{
	struct error err = ERR_INIT;
	auto_buf spki = BUF_INIT;
	const struct ca_actor root = fixture_actor("root", 15);
	if (officer->key)
		EVP_PKEY_free(officer->key);
	buf_free(&officer->certificate);
	*officer = (struct officer){ .name = name, .key = new_key(&spki), .certificate = BUF_INIT };
	const struct message_identity_add add = { .name = bytes_of(name), .roles = roles, .spki = buf_bytes(&spki) };
	CHECK_OK(ca_identity_add(o->f.ca, &root, &add, false, false, &officer->certificate, NULL, &err) == 0, &err);
}

static void enrol(struct order_fixture *o, const char *name, uint8_t roles)
{
	auto_buf certificate = BUF_INIT;
	fixture_enrol(&o->f, name, roles, &certificate);
}

void order_open(struct order_fixture *o)
{
	*o = (struct order_fixture){ .f = { .now_ms = 0, .more = configuration } };
	struct clock system = clock_system();
	o->f.now_ms = clock_now_ms(&system);
	fixture_open(&o->f);
	attach(o);
	enrol(o, "alice", ROLE_REQUESTER);
	enrol(o, "bob", ROLE_REQUESTER);
	enrol(o, "aud", ROLE_AUDITOR);
	enrol(o, "adm", ROLE_ADMIN);
	order_enrol_officer(o, &o->olga, "olga", ROLE_OFFICER);
	order_enrol_officer(o, &o->oskar, "oskar", ROLE_OFFICER);
	EVP_PKEY_free(new_key(&o->spki));
	order_later(o, 3600); /* people were enrolled before anything was asked for */
}

void order_reopen(struct order_fixture *o)
{
	fixture_reopen(&o->f);
	forget_questions(o);
	attach(o);
}

static void free_officer(struct officer *officer)
{
	if (officer->key)
		EVP_PKEY_free(officer->key);
	buf_free(&officer->certificate);
}

static void print_finding(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "     store: %s\n", line);
}

/* Whatever a test did: nothing dangles, every serial is accounted for. */
static void check_store(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	if (o->f.store)
		CHECK_OK(store_check(o->f.store, print_finding, NULL, NULL, &err) == 0, &err);
}

void order_close(struct order_fixture *o)
{
	check_store(o);
	fixture_close(&o->f);
	forget_questions(o);
	free_officer(&o->olga);
	free_officer(&o->oskar);
	free_officer(&o->alice_officer);
	buf_free(&o->spki);
	buf_free(&o->shown);
}

void order_later(struct order_fixture *o, int64_t seconds)
{
	o->f.now_ms += seconds * 1000;
}

struct ca_actor order_actor(const char *name)
{
	uint8_t roles = ROLE_REQUESTER;
	if (strcmp(name, "olga") == 0 || strcmp(name, "oskar") == 0)
		roles = ROLE_OFFICER;
	else if (strcmp(name, "aud") == 0)
		roles = ROLE_AUDITOR;
	else if (strcmp(name, "adm") == 0)
		roles = ROLE_ADMIN;
	return fixture_actor(name, roles);
}

/* ---- asking ---- */

struct message_order_create *order_request_names(struct order_fixture *o, const char *profile, const char *const *names)
{
	memset(&o->create, 0, sizeof(o->create));
	o->create.profile = bytes_of(profile);
	o->create.spki = buf_bytes(&o->spki);
	o->create.asked_subject = bytes_of("CN=www.zone.test,O=Asked For");
	for (; *names; names++) {
		char *text = o->names[o->create.name_count];
		(void)snprintf(text, sizeof(o->names[0]), "%s%s", strchr(*names, ':') ? "" : "dns:", *names);
		o->create.names[o->create.name_count++] = bytes_of(text);
	}
	return &o->create;
}

static void read_shown(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	CHECK_OK(message_order_read(buf_bytes(&o->shown), &o->order, &err) == 0, &err);
}

void order_create(struct order_fixture *o, const struct message_order_create *request)
{
	struct error err = ERR_INIT;
	const struct ca_actor alice = order_actor("alice");
	buf_clear(&o->shown);
	CHECK_OK(ca_order_create(o->f.ca, &alice, request, &o->shown, &err) == 0, &err);
	read_shown(o);
}

enum err_code order_refused(struct order_fixture *o, const struct message_order_create *request)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	const struct ca_actor alice = order_actor("alice");
	if (ca_order_create(o->f.ca, &alice, request, &out, &err) == 0)
		return ERR_NONE;
	CHECK(err.message[0] != '\0');
	return err.code;
}

static struct bytes keep_id(const struct order_fixture *o, char id[65])
{
	(void)snprintf(id, 65, "%.*s", (int)o->order.id.len, (const char *)o->order.id.data);
	return bytes_of(id);
}

void order_look(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	char id[65];
	const struct ca_actor alice = order_actor("alice");
	struct bytes kept = keep_id(o, id);
	buf_clear(&o->shown);
	CHECK_OK(ca_order_get(o->f.ca, &alice, kept, &o->shown, &err) == 0, &err);
	read_shown(o);
}

enum err_code order_act(struct order_fixture *o, enum message_order_action action, const char *name, const char *code)
{
	struct error err = ERR_INIT;
	char id[65];
	const struct ca_actor alice = order_actor("alice");
	const struct message_order_act m = {
		.id = keep_id(o, id), .action = (uint8_t)action, .name = bytes_of(name), .code = bytes_of(code)
	};
	auto_buf out = BUF_INIT;
	if (ca_order_act(o->f.ca, &alice, &m, &out, &err)) {
		order_look(o);
		return err.code;
	}
	buf_clear(&o->shown);
	buf_add_bytes(&o->shown, buf_bytes(&out));
	read_shown(o);
	return ERR_NONE;
}

void order_run(struct order_fixture *o)
{
	for (int i = 0; i < 100 && ca_orders_due(o->f.ca, 16) <= clock_monotonic_ms(); i++)
		;
}

/* ---- deciding ---- */

static void sign_text(const struct officer *who, struct bytes text, struct buf *signature)
{
	auto_evp_md_ctx *ctx = EVP_MD_CTX_new();
	size_t len = 0;
	REQUIRE(ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, who->key) == 1);
	REQUIRE(EVP_DigestSign(ctx, NULL, &len, text.data, text.len) == 1);
	uint8_t *place = buf_extend(signature, len);
	REQUIRE(place && EVP_DigestSign(ctx, place, &len, text.data, text.len) == 1);
	signature->len = len;
}

static enum ca_decision decision_of(const char *name)
{
	enum ca_decision decision = DECISION_APPROVE;
	while (decision < DECISION_SUSPEND && strcmp(ca_decision_name(decision), name) != 0)
		decision++;
	return decision;
}

void order_statement(struct order_fixture *o, const struct officer *who, const char *id, const uint8_t sha256_[32],
		     const char *decision, const char *reason, int64_t time_s, struct buf *out)
{
	struct error err = ERR_INIT;
	struct ca_statement s = { .organization = decision_of(decision) >= DECISION_VET,
				  .id = bytes_of(id),
				  .decision = decision_of(decision),
				  .by = bytes_of(who->name),
				  .reason = bytes_of(reason),
				  .time_s = time_s };
	auto_buf root = BUF_INIT;
	CHECK_OK(text_parse_hex(bytes_of(o->f.ca->root_hash), 32, &root, &err) == 0, &err);
	memcpy(s.ca, root.data, sizeof(s.ca));
	memcpy(s.sha256, sha256_, sizeof(s.sha256));
	CHECK_OK(ca_statement_write(&s, out, &err) == 0, &err);
}

enum err_code order_send_statement(struct order_fixture *o, const struct officer *who, bool organization,
				   const char *id, struct bytes text)
{
	struct error err = ERR_INIT;
	auto_buf signature = BUF_INIT, out = BUF_INIT;
	const struct ca_actor actor = fixture_actor(who->name, ROLE_OFFICER);
	sign_text(who, text, &signature);
	const struct message_decide m = { .id = bytes_of(id),
					  .statement = text,
					  .certificate = buf_bytes(&who->certificate),
					  .signature = buf_bytes(&signature) };
	int failed = organization ? ca_organization_decide(o->f.ca, &actor, &m, &out, &err)
				  : ca_order_decide(o->f.ca, &actor, &m, &out, &err);
	if (failed)
		CHECK(err.message[0] != '\0');
	return failed ? err.code : ERR_NONE;
}

enum err_code order_decide(struct order_fixture *o, const struct officer *who, const char *decision, const char *reason)
{
	char id[65];
	auto_buf text = BUF_INIT;
	(void)keep_id(o, id);
	order_look(o);
	order_statement(o, who, id, o->order.tbs_hash, decision, reason, o->f.now_ms / 1000, &text);
	enum err_code code = order_send_statement(o, who, false, id, buf_bytes(&text));
	order_look(o);
	return code;
}

/* ---- an organization ---- */

static struct message_organization *new_record(uint64_t version)
{
	struct message_organization *m = calloc(1, sizeof(*m));
	REQUIRE(m != NULL);
	m->id = bytes_of("acme");
	m->version = version;
	m->legal_name = bytes_of("Acme Ltd");
	m->registration_number = bytes_of("HRB 4711");
	m->jurisdiction_country = bytes_of("DE");
	m->locality = bytes_of("Berlin");
	m->country = bytes_of("DE");
	m->business_category = bytes_of("Private Organization");
	m->standing = STANDING_GOOD;
	m->document_count = 1;
	m->documents[0].note = bytes_of("extract of the register");
	m->domain_count = 2;
	m->domains[0] = bytes_of("zone.test");
	m->domains[1] = bytes_of("granted.test");
	m->agent_count = 1;
	m->agents[0] = bytes_of("alice");
	return m;
}

static uint64_t present_version(struct order_fixture *o)
{
	struct error err = ERR_INIT;
	struct ca_organization *present = ca_organization_load(o->f.ca, bytes_of("acme"), &err);
	uint64_t version = present ? present->record.version : 0;
	ca_organization_free(present);
	return version;
}

void order_change_organization(struct order_fixture *o, void (*change)(struct message_organization *m))
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	const struct ca_actor olga = order_actor("olga");
	auto_free struct message_organization *m = new_record(present_version(o));
	m->documents[0].date_s = o->f.now_ms / 1000;
	if (change)
		change(m);
	CHECK_OK(ca_organization_add(o->f.ca, &olga, m, &out, &err) == 0, &err);
}

enum err_code order_vet(struct order_fixture *o, const struct officer *who, const char *decision)
{
	struct error err = ERR_INIT;
	uint8_t hash[32];
	auto_buf bytes = BUF_INIT, text = BUF_INIT;
	struct ca_organization *present = ca_organization_load(o->f.ca, bytes_of("acme"), &err);
	CHECK_OK(present != NULL, &err);
	ca_organization_bytes(&present->record, &bytes);
	ca_organization_free(present);
	sha256(bytes.data, bytes.len, hash);
	order_statement(o, who, "acme", hash, decision, "looked at the register", o->f.now_ms / 1000, &text);
	return order_send_statement(o, who, true, "acme", buf_bytes(&text));
}

void order_organization(struct order_fixture *o, const struct officer *vetter)
{
	order_change_organization(o, NULL);
	if (vetter)
		CHECK_INT(order_vet(o, vetter, "vet"), ERR_NONE);
}

size_t order_certificates(struct order_fixture *o)
{
	return fixture_audit_count(&o->f, "certificate.issued");
}
