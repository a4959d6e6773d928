/* Who was an officer when, with which certificates: as the log's own entries tell it. */
#include <stdio.h>
#include <string.h>

#include "base/ossl.h"
#include "tools/audit_private.h"

#define SERIAL_SIZE 41 /* 20 octets in hex */

struct identity {
	unsigned generation; /* rises where all earlier certificates end: removed, recovered */
	bool officer, removed;
};
struct enrolment {
	char name[AUDIT_NAME_SIZE];
	unsigned generation;
	bool revoked;
	uint64_t since; /* the entry that enrolled it */
};
struct serial {
	struct enrolment *enrolment;
};

void audit_people_free(struct audit_people *p)
{
	lookup_free(&p->identities, NULL);
	lookup_free(&p->enrolments, NULL);
	lookup_free(&p->serials, NULL);
}

static bool is_event(const struct audit_entry *e, const char *event)
{
	return strcmp(e->event, event) == 0;
}

static int no_memory(struct error *err)
{
	return err_set(err, ERR_INTERNAL, "no memory for the log");
}

/* One of "requester,officer,auditor,admin". */
static bool has_role(const char *roles, const char *role)
{
	size_t length = strlen(role);
	for (const char *at = roles; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, role, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* ---- identity.added, renewed, recovered, removed ---- */

static struct identity *identity_of(struct audit_people *p, const char *name)
{
	struct identity *identity = lookup_find(&p->identities, bytes_of(name));
	return identity ? identity : lookup_add(&p->identities, bytes_of(name), sizeof(*identity));
}

static int enrol(struct audit_people *p, const struct audit_entry *e, const struct identity *identity,
		 struct error *err)
{
	const char *serial = audit_detail(e, "serial");
	if (!e->has_sha256 || strlen(serial) >= SERIAL_SIZE || lookup_find(&p->serials, bytes_of(serial)) ||
	    lookup_find(&p->enrolments, BYTES(e->sha256, AUDIT_HASH_LEN)))
		return audit_wrong(e, err, "it enrols no certificate, or one that was enrolled before");
	struct enrolment *enrolment = lookup_add(&p->enrolments, BYTES(e->sha256, AUDIT_HASH_LEN), sizeof(*enrolment));
	struct serial *place = enrolment ? lookup_add(&p->serials, bytes_of(serial), sizeof(*place)) : NULL;
	if (!place)
		return no_memory(err);
	(void)snprintf(enrolment->name, sizeof(enrolment->name), "%s", e->subject);
	enrolment->generation = identity->generation;
	enrolment->since = e->sequence;
	place->enrolment = enrolment;
	return 0;
}

static int take_identity(struct audit_people *p, const struct audit_entry *e, struct error *err)
{
	if (!e->subject[0] || strlen(e->subject) >= AUDIT_NAME_SIZE)
		return audit_wrong(e, err, "it names no identity");
	struct identity *identity = identity_of(p, e->subject);
	if (!identity)
		return no_memory(err);
	if (is_event(e, "identity.removed") || is_event(e, "identity.recovered"))
		identity->generation++;
	identity->removed = is_event(e, "identity.removed");
	if (identity->removed)
		return 0;
	identity->officer = has_role(audit_detail(e, "roles"), "officer");
	return enrol(p, e, identity, err);
}

/* ---- certificate.revoked, held, unheld ---- */

static void take_revocation(struct audit_people *p, const struct audit_entry *e)
{
	const char *slash = strrchr(e->subject, '/');
	struct serial *place = slash ? lookup_find(&p->serials, bytes_of(slash + 1)) : NULL;
	if (place)
		place->enrolment->revoked = !is_event(e, "certificate.unheld");
}

int audit_people_entry(struct audit_people *p, const struct audit_entry *e, struct error *err)
{
	if (is_event(e, "certificate.revoked") || is_event(e, "certificate.held") || is_event(e, "certificate.unheld"))
		take_revocation(p, e);
	else if (is_event(e, "identity.added") || is_event(e, "identity.renewed") ||
		 is_event(e, "identity.recovered") || is_event(e, "identity.removed"))
		return take_identity(p, e, err);
	return 0;
}

/* ---- asked ---- */

int audit_people_officer(const struct audit_people *p, const struct audit_entry *e, struct bytes certificate,
			 uint64_t *since, struct error *err)
{
	uint8_t hash[AUDIT_HASH_LEN];
	sha256(certificate.data, certificate.len, hash);
	const struct identity *identity = lookup_find(&p->identities, bytes_of(e->actor));
	const struct enrolment *enrolment = lookup_find(&p->enrolments, BYTES(hash, sizeof(hash)));
	if (!identity || identity->removed)
		return audit_wrong(e, err, "%s, who decided, is no identity that the log knows", e->actor);
	if (!identity->officer)
		return audit_wrong(e, err, "%s, who decided, was no officer", e->actor);
	if (!enrolment || strcmp(enrolment->name, e->actor) != 0 || enrolment->generation != identity->generation)
		return audit_wrong(e, err, "the certificate that the decision was signed with is not enrolled for %s",
				   e->actor);
	if (enrolment->revoked)
		return audit_wrong(e, err, "the certificate that the decision of %s was signed with was revoked",
				   e->actor);
	*since = enrolment->since;
	return 0;
}
