#include "ca-core/session.h"

#include <stdio.h>
#include <openssl/rand.h>

#include "base/ossl.h"
#include "ca-core/lint.h"

#define SLOT_BITS 16
#define SLOT_MASK ((uint64_t)CA_SESSIONS_MAX - 1)

/* An id is 48 random bits, then the place in the table. */
struct session {
	uint64_t id; /* 0: free */
	uint8_t proof_type;
	uint8_t hash[32]; /* SHA-256 of what was shown */
	char identity[RECORD_NAME_MAX + 1];
	char peer[64];
	/* of a certificate */
	char issuer[65];
	struct store_serial serial;
	int64_t not_before_s, not_after_s;
};

struct ca_sessions {
	struct ca *ca;
	pthread_mutex_t lock; /* for the table and what follows it */
	struct session *table;
	size_t next; /* where the search for a free place begins */
};

struct ca_sessions *ca_sessions_new(struct ca *ca, struct error *err)
{
	struct ca_sessions *s = calloc(1, sizeof(*s));
	/* Untouched places cost no memory. */
	struct session *table = calloc(CA_SESSIONS_MAX, sizeof(*table));
	if (!s || !table) {
		free(s);
		free(table);
		(void)err_set(err, ERR_INTERNAL, "no memory for sessions");
		return NULL;
	}
	s->ca = ca;
	s->table = table;
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

void ca_sessions_free(struct ca_sessions *s)
{
	if (!s)
		return;
	(void)pthread_mutex_destroy(&s->lock);
	free(s->table);
	free(s);
}

/* ---- what was shown, looked at as it is now ---- */

static int not_enrolled(struct error *err)
{
	return err_set(err, ERR_IDENTITY_REQUIRED, "this certificate belongs to no enrolled identity of this CA");
}

static int revoked(struct error *err, const char *identity, const char *why)
{
	return err_set(err, ERR_IDENTITY_REVOKED, "the identity %s may do nothing: %s", identity, why);
}

/* The enrolled certificate's own record: valid, and within its time. */
static int check_certificate(struct ca *ca, struct store_snapshot *snap, const struct session *session,
			     struct error *err)
{
	auto_buf key = BUF_INIT;
	struct bytes value;
	struct record_certificate record;
	record_key_certificate(&key, bytes_of(session->issuer), BYTES(session->serial.octets, session->serial.len));
	int found = store_get(snap, STORE_CERTIFICATES, buf_bytes(&key), &value, NULL, err);
	if (found < 0 || (found && record_certificate_decode(value, &record, err)))
		return -1;
	if (!found)
		return not_enrolled(err);
	if (record.status != RECORD_VALID)
		return revoked(err, session->identity,
			       record.status == RECORD_HELD ? "its certificate is on hold"
							    : "its certificate was revoked");
	int64_t now_s = ca_now_ms(ca) / 1000;
	if (now_s > session->not_after_s || now_s < session->not_before_s)
		return err_set(err, ERR_IDENTITY_REQUIRED, "the client certificate of %s is %s", session->identity,
			       now_s > session->not_after_s ? "expired" : "not valid yet");
	return 0;
}

static int take_identity(const struct record_identity *record, struct ca_actor *actor, struct error *err)
{
	(void)snprintf(actor->identity, sizeof(actor->identity), "%.*s", (int)record->name.len,
		       (const char *)record->name.data);
	actor->roles = record->roles;
	actor->may_request = actor->may_read = true;
	return record->removed ? revoked(err, actor->identity, "it was removed") : 0;
}

static int get_identity(struct store_snapshot *snap, struct bytes name, struct record_identity *record,
			struct error *err)
{
	struct bytes value;
	int found = store_get(snap, STORE_IDENTITIES, name, &value, NULL, err);
	if (found < 0 || (found && record_identity_decode(value, record, err)))
		return -1;
	return found;
}

static bool lists(const struct record_identity *record, const uint8_t hash[32])
{
	for (size_t i = 0; i < record->fingerprint_count; i++)
		if (memcmp(record->fingerprints[i], hash, 32) == 0)
			return true;
	return false;
}

static int actor_of_certificate(struct ca *ca, struct store_snapshot *snap, const struct session *session,
				struct ca_actor *actor, struct error *err)
{
	struct record_identity record;
	int found = get_identity(snap, bytes_of(session->identity), &record, err);
	if (found < 0)
		return -1;
	if (!found || !lists(&record, session->hash))
		return not_enrolled(err);
	if (take_identity(&record, actor, err))
		return -1;
	return check_certificate(ca, snap, session, err);
}

static int actor_of_token(struct ca *ca, struct store_snapshot *snap, const struct session *session,
			  struct ca_actor *actor, int64_t *expires_s, struct error *err)
{
	struct bytes value;
	struct record_apitoken token;
	struct record_identity identity;
	int found = store_get(snap, STORE_APITOKENS, BYTES(session->hash, sizeof(session->hash)), &value, NULL, err);
	if (found < 0 || (found && record_apitoken_decode(value, &token, err)))
		return -1;
	if (!found)
		return err_set(err, ERR_IDENTITY_REQUIRED, "this API token is not known");
	*expires_s = token.expires_s;
	if (token.expires_s && ca_now_ms(ca) / 1000 > token.expires_s)
		return err_set(err, ERR_IDENTITY_REQUIRED, "this API token has expired");
	found = get_identity(snap, token.identity, &identity, err);
	if (found < 0)
		return -1;
	if (!found)
		return err_set(err, ERR_IDENTITY_REQUIRED, "this API token belongs to no identity");
	if (take_identity(&identity, actor, err))
		return -1;
	if (token.removed)
		return revoked(err, actor->identity, "its API token was removed");
	/* Whatever its identity may, a token requests and reads. */
	actor->roles &= ROLE_REQUESTER;
	actor->may_request = token.may_request;
	actor->may_read = token.may_read;
	(void)snprintf(actor->token_id, sizeof(actor->token_id), "%.*s", (int)token.id.len,
		       (const char *)token.id.data);
	if (token.profiles.len >= sizeof(actor->profiles))
		return err_set(err, ERR_INTEGRITY, "the API token's list of profiles is too long");
	(void)snprintf(actor->profiles, sizeof(actor->profiles), "%.*s", (int)token.profiles.len,
		       token.profiles.len ? (const char *)token.profiles.data : "");
	return 0;
}

static int look(struct ca *ca, const struct session *session, struct ca_actor *actor, int64_t *expires_s,
		struct error *err)
{
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	if (!snap)
		return -1;
	*actor = (struct ca_actor){ 0 };
	memcpy(actor->peer, session->peer, sizeof(actor->peer));
	*expires_s = session->not_after_s;
	if (session->proof_type == MESSAGE_PROOF_TOKEN)
		return actor_of_token(ca, snap, session, actor, expires_s, err);
	return actor_of_certificate(ca, snap, session, actor, err);
}

/* ---- opening ---- */

static int take_name(void *arg, const struct store_row *row, struct error *err)
{
	struct session *session = arg;
	struct record_identity record;
	if (record_identity_decode(row->value, &record, err))
		return -1;
	(void)snprintf(session->identity, sizeof(session->identity), "%.*s", (int)record.name.len,
		       (const char *)record.name.data);
	return 1;
}

/* Which identity enrolled it, which issuer's it is, from when to when. */
static int read_certificate(struct ca *ca, struct bytes der, struct session *session, struct error *err)
{
	struct ca_certificate_facts facts;
	auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
	struct store_range range = { .prefix = BYTES(session->hash, sizeof(session->hash)) };
	if (!snap || store_scan_index(snap, STORE_BY_FINGERPRINT, &range, take_name, session, err) < 0)
		return -1;
	/* Only a certificate that we made is read any further. */
	if (!session->identity[0] || ca_certificate_read(der, &facts, err))
		return not_enrolled(err);
	const struct ca_issuer *issuer = ca_issuer_of(ca, facts.issuer);
	if (!issuer || facts.serial.len > STORE_SERIAL_MAX)
		return not_enrolled(err);
	(void)snprintf(session->issuer, sizeof(session->issuer), "%s", issuer->config->name);
	memcpy(session->serial.octets, facts.serial.data, facts.serial.len);
	session->serial.len = (uint8_t)facts.serial.len;
	session->not_before_s = facts.not_before_s;
	session->not_after_s = facts.not_after_s;
	return 0;
}

/* With the lock held: a free place, or the one that is next to go. */
static struct session *take_place(struct ca_sessions *s)
{
	for (size_t tried = 0; tried < 64; tried++) {
		struct session *place = &s->table[(s->next + tried) & SLOT_MASK];
		if (!place->id) {
			s->next = (s->next + tried + 1) & SLOT_MASK;
			return place;
		}
	}
	struct session *oldest = &s->table[s->next];
	s->next = (s->next + 1) & SLOT_MASK;
	return oldest;
}

static int keep(struct ca_sessions *s, struct session *session, struct error *err)
{
	uint64_t random = 0;
	while (random >> SLOT_BITS == 0)
		if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
			return err_openssl(err, ERR_INTERNAL, "no random number for a session");
	(void)pthread_mutex_lock(&s->lock);
	struct session *place = take_place(s);
	session->id = (random & ~SLOT_MASK) | (uint64_t)(place - s->table);
	*place = *session;
	(void)pthread_mutex_unlock(&s->lock);
	return 0;
}

static void copy_peer(struct bytes peer, char out[64])
{
	size_t len = peer.len < 63 ? peer.len : 63;
	if (len)
		memcpy(out, peer.data, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] > 0x7e)
			out[i] = '?';
	out[len] = '\0';
}

int ca_session_open(struct ca_sessions *s, const struct message_session_open *request, struct message_session *out,
		    char name[RECORD_NAME_MAX + 1], struct error *err)
{
	struct session session = { .proof_type = request->proof_type };
	struct ca_actor actor;
	int64_t expires_s;
	sha256(request->proof.data, request->proof.len, session.hash);
	copy_peer(request->peer, session.peer);
	if (request->proof_type == MESSAGE_PROOF_CERTIFICATE && read_certificate(s->ca, request->proof, &session, err))
		return -1;
	if (look(s->ca, &session, &actor, &expires_s, err))
		return -1;
	(void)snprintf(session.identity, sizeof(session.identity), "%s", actor.identity);
	if (keep(s, &session, err))
		return -1;
	(void)snprintf(name, RECORD_NAME_MAX + 1, "%s", actor.identity);
	*out = (struct message_session){
		.session = session.id, .identity = bytes_of(name), .roles = actor.roles, .expires_s = expires_s
	};
	return 0;
}

/* ---- using and closing ---- */

int ca_session_actor(struct ca_sessions *s, uint64_t session, struct ca_actor *actor, struct error *err)
{
	struct session copy = { 0 };
	int64_t expires_s;
	(void)pthread_mutex_lock(&s->lock);
	const struct session *place = &s->table[session & SLOT_MASK];
	if (session && place->id == session)
		copy = *place;
	(void)pthread_mutex_unlock(&s->lock);
	if (!copy.id)
		return err_set(err, ERR_CONFLICT, "the session is not open: open it anew");
	return look(s->ca, &copy, actor, &expires_s, err);
}

void ca_session_close(struct ca_sessions *s, uint64_t session)
{
	(void)pthread_mutex_lock(&s->lock);
	struct session *place = &s->table[session & SLOT_MASK];
	if (session && place->id == session)
		*place = (struct session){ 0 };
	(void)pthread_mutex_unlock(&s->lock);
}
