/*
 * ca-core/profile.h - what a certificate of each kind is. The profile decides; the request
 * only chooses.
 *
 * Pure. A profile is made once from the configuration, checked, and never changes.
 * Thread-safety: read-only after ca_profile_prepare.
 * Source: PKI.md section 1; RFC 5280 section 4.2; BR 7.1.2; RFC 9608.
 */
#ifndef CHANCERY_CA_PROFILE_H
#define CHANCERY_CA_PROFILE_H

#include "base/bytes.h"
#include "base/err.h"

enum ca_kind {
	CA_KIND_ROOT,
	CA_KIND_INTERMEDIATE,
	CA_KIND_SERVER,
	CA_KIND_CLIENT,
	CA_KIND_PEER,
	CA_KIND_OCSP,
	CA_KIND_AUDIT,
	CA_KIND_CROSS, /* a CA that has a certificate already, certified by another: of ceremonies alone */
};
const char *ca_kind_name(enum ca_kind kind); /* "root", "intermediate", "server", ... */
#define CA_KIND_COUNT 8

enum ca_validation { CA_VALIDATION_NONE, CA_VALIDATION_DOMAIN, CA_VALIDATION_ORGANIZATION, CA_VALIDATION_EXTENDED };
const char *ca_validation_name(enum ca_validation validation); /* "none", "domain", "organization", "extended" */
#define CA_VALIDATION_COUNT 4

enum ca_caa { CA_CAA_OFF, CA_CAA_REPORT, CA_CAA_ENFORCE }; /* RFC 8659 */
const char *ca_caa_name(enum ca_caa caa);                  /* "off", "report", "enforce" */

enum ca_waiver {                              /* bits; each a named deviation, listed by `chancery config show` */
		 CA_WAIVER_VALIDITY = 1,      /* BR 6.3.2: longer life than the dated table allows */
		 CA_WAIVER_INTERNAL_NAME = 2, /* BR 4.2.2: names that are not in the public DNS, private addresses */
		 CA_WAIVER_UNDERSCORE = 4,    /* BR 7.1.2.7.12: "_" in a server's name */
		 CA_WAIVER_EV_NAMES = 8,      /* EVG 7.1.2.7.12: wildcards and addresses under extended validation */
		 CA_WAIVER_EV_GRANT = 16,     /* EVG 3.2.2.7: a grant shows names under extended validation */
		 CA_WAIVER_LATE = 32,         /* BR 7.1.2.7: issued more than 48 hours after notBefore */
};
#define CA_WAIVER_COUNT 6
/* The name of bit 1 << n ("validity", "internal-names", "underscore", "extended-names", "extended-grants",
 * "late-issuing"), NULL past the last. */
const char *ca_waiver_name(unsigned n);
#define CA_PROFILE_POLICIES_MAX 8
#define CA_PROFILE_ISSUERS_MAX 8

struct ca_profile {
	char name[65];
	enum ca_kind kind;
	enum ca_validation validation;
	char issuer[65];         /* the issuer that signs under it ("" for the root itself) */
	unsigned days, days_max; /* default and limit of a life; 1 to 36500 */
	unsigned backdate_s;     /* notBefore is this much before now; default 300 */
	bool key_encipherment;   /* RSA leaves: also keyEncipherment */
	bool common_name;        /* server, peer: subject CN is the first name; else the subject is empty */
	bool allow_wildcard, allow_ip, allow_underscore, allow_email, allow_uri;
	unsigned names_max;   /* default 100 */
	bool revocation_none; /* RFC 9608: noRevAvail, no CDP; only up to 7 days */
	bool allow_hold;      /* certificateHold */
	bool test;            /* may carry waivers of RFC 5280 itself */
	bool internal;        /* not for requesters: the CA's own (front, audit, intermediate...) */
	unsigned waivers;     /* CA_WAIVER_ bits */
	/* of orders; the numbers of METHOD_ stand in store/record_order.h and ca-core/challenge.h */
	/* METHOD_ bits that may show a name. Default: all for server and peer, grant for client; without grant under
	 * extended validation, without mail and dns-cname where the configuration does not offer them. */
	unsigned methods;
	enum ca_caa
		caa; /* default enforce for server and peer, off else; a name that a grant covers is not looked up */
	bool parent_domains;    /* dns and mail may show a parent domain, never at a public suffix */
	unsigned reuse_days;    /* how long a shown name counts: by ca_profile_reuse_days; default 398 */
	unsigned approvals;     /* officers that must approve: at least 1 under OV, 2 under EV; 0 else unless given */
	unsigned approve_hours; /* from notBefore to the last moment of issuing; default 48 (BR 7.1.2.7) */
	unsigned order_days;    /* an order ends so long after it was made; default 30 */
	unsigned purposes;      /* of an intermediate: CA_EKU_ bits; set by ca_profile_prepare */
	uint16_t policy_count;
	struct buf policies[CA_PROFILE_POLICIES_MAX]; /* OID content octets */

	/* Encoded once by ca_profile_prepare: whole Extension elements that do not depend on the
	 * request, in the order in which tbs.c puts them. */
	struct buf key_usage, key_usage_rsa; /* DER Extension; the second where the subject key is RSA */
	struct buf ext_key_usage, basic_constraints, certificate_policies, no_rev_avail, ocsp_no_check;
};

/* Built-in defaults of a kind (PKI.md section 1's table). Not prepared yet. */
void ca_profile_default(enum ca_kind kind, struct ca_profile *profile);

/* Checks the whole (limits, contradictions, CA/B OIDs only without waivers, arc not below 2.25)
 * and encodes the constants. audit_eku: OID content below the arc (CA_KIND_AUDIT); ekus of an
 * intermediate are the union of its profiles', given as a bit set of CA_EKU_.
 * ERR_CONFIG, naming the profile and the rule. */
/* True for a CA's kinds: root, intermediate and cross. */
static inline bool ca_kind_is_ca(enum ca_kind kind)
{
	return kind == CA_KIND_ROOT || kind == CA_KIND_INTERMEDIATE || kind == CA_KIND_CROSS;
}
/* True for what a server shows: server and peer. */
static inline bool ca_kind_is_server(enum ca_kind kind)
{
	return kind == CA_KIND_SERVER || kind == CA_KIND_PEER;
}
enum { CA_EKU_SERVER = 1, CA_EKU_CLIENT = 2, CA_EKU_AUDIT = 4 };
int ca_profile_prepare(struct ca_profile *profile, unsigned intermediate_ekus, struct bytes audit_eku,
		       struct error *err);
void ca_profile_clear(struct ca_profile *profile); /* frees what the struct owns */

/* BR 6.3.2's dated table (one file): the most days a server certificate issued at `when_s` may have. */
unsigned ca_profile_br_days(int64_t when_s);
/* BR 4.2.1's: the most days that the validation of a name may be used again at `when_s`; and organization data. */
unsigned ca_profile_br_reuse_days(int64_t when_s);
/* How long a name that is shown at `when_s` counts under this profile: its own reuse-days, of server and peer
 * profiles no more than the table's. */
unsigned ca_profile_reuse_days(const struct ca_profile *profile, int64_t when_s);
#define CA_PROFILE_ORGANIZATION_DAYS 398
#define CA_PROFILE_APPROVALS_MAX 8 /* RECORD_APPROVALS_MAX */

/* The life to give: days (0: the default) checked against the limits and, for server and peer
 * profiles without CA_WAIVER_VALIDITY, the dated table. ERR_VALIDITY_TOO_LONG. notAfter inclusive
 * (life minus one second), never past issuer_not_after_s. */
int ca_profile_validity(const struct ca_profile *profile, unsigned days, int64_t now_s, int64_t issuer_not_after_s,
			int64_t *not_before_s, int64_t *not_after_s, struct error *err);

#endif
