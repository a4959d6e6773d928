/*
 * ca-core/config.h - the whole configuration, chancery.conf, in libconfuse syntax.
 *
 * Pure: read by every process at its start; never changed afterwards. Paths inside are
 * relative to the state directory, which is every role's working directory.
 * The reference for people is docs/configuration.md; each option there is one here.
 *
 *     arc = "2.999.1"
 *     process { node, signer-user, front-user, validator-user, workers, signing-wait-seconds, signing-queue, log-format,
 *               log-level }
 *     listen { https, http, names, url, connections, request-seconds }
 *     token "NAME" { module, softhsm-conf, uri, pin, sessions, online, keep-alive-seconds, call-seconds }
 *     issuer "NAME" { token, alternatives, key, parent, follows, crl-hours, crl-overlap-hours }
 *     profile "NAME" { kind, validation, issuer, days, days-max, ... }
 *     grant "NAME" { identities, profiles, suffixes, networks, common-names, wildcards }
 *     audit { token, key, head-minutes }
 *     zone "NAME" { suffixes, networks, resolvers, dnssec, public, connect-networks, connect-ports, caa, mail }
 *     mail { server, from, user, password }
 *     notify { mail, webhook, webhook-secret, expiry-days }
 */
#ifndef CHANCERY_CA_CONFIG_H
#define CHANCERY_CA_CONFIG_H

#include "base/log.h"
#include "ca-core/name.h"
#include "ca-core/profile.h"

#define CA_CONFIG_TOKENS_MAX 16
#define CA_CONFIG_ISSUERS_MAX 32
#define CA_CONFIG_SEATS_MAX 4 /* tokens that hold one issuer's key */
#define CA_CONFIG_PROFILES_MAX 64
#define CA_CONFIG_GRANTS_MAX 256
#define CA_CONFIG_LISTENERS_MAX 16

/* A list of texts, owned by the configuration. */
struct ca_texts {
	char **items;
	size_t count;
};

struct ca_config_process {
	char node[33];                                            /* default "ca1" */
	char signer_user[33], front_user[33], validator_user[33]; /* "" : run as who started it */
	unsigned workers;              /* threads for each token, and for look-ups: 1 to 64; default: the cores */
	unsigned signing_wait_seconds; /* how long a request waits for a token that is away; default 10, and
	                                       * less than request-seconds */
	unsigned signing_queue;        /* how many may wait so; default 1024 */
	enum log_format log_format;
	enum log_level log_level;
};
struct ca_config_listen {
	struct ca_texts https, http; /* "127.0.0.1:8443", "[::1]:8443", "fd:N" by socket activation is automatic */
	struct ca_texts names;       /* what the front's certificate may carry: DNS names and addresses */
	char url[256];               /* public base of CRL and issuer URLs: http://..., no slash at the end */
	unsigned connections;        /* at once; default 1024 */
	unsigned request_seconds;    /* total deadline of one request; default 30 */
};
struct ca_config_token {
	char name[65];
	char module[256];            /* shared object */
	char softhsm_conf[256];      /* SOFTHSM2_CONF for this module, or "" */
	char uri[512];               /* pkcs11:token=... */
	char pin[256];               /* a reference: base/secret.h */
	unsigned sessions;           /* default 8 */
	bool online;                 /* false: never logged in to by the signer (the root's) */
	unsigned keep_alive_seconds; /* an operation in idle sessions at this interval; default 0: none */
	unsigned call_seconds;       /* a call that takes longer means that the token is down; default 10 */
};
struct ca_config_issuer {
	char name[65];
	char token[65], key[512];     /* key: pkcs11:object=...;id=... */
	struct ca_texts alternatives; /* tokens that hold the same key: any that is up signs */
	char parent[65];              /* "" for a root */
	char follows[65];             /* the issuer whose profiles it signs for once it is certified; "" for none */
	unsigned crl_hours;           /* from thisUpdate to nextUpdate; default 24 (root: 8760) */
	unsigned crl_overlap_hours;   /* a new one is made this long before nextUpdate; default a third... */
};
struct ca_config_network {
	uint8_t address[16];
	uint8_t address_len, prefix_len;
};
struct ca_config_grant {
	char name[65];
	struct ca_texts identities; /* identity names */
	struct ca_texts profiles;
	struct ca_texts suffixes; /* "example.test": that name; ".example.test": all below it */
	struct ca_config_network *networks;
	size_t network_count;
	struct ca_texts
		common_names; /* of client profiles: "*" any, "x" exactly that, "*.x" or "x*" by suffix or prefix */
	bool wildcards;       /* default false */
};
struct ca_config_audit {
	char token[65], key[512]; /* "" : heads are not signed */
	unsigned head_minutes;    /* default 60, 1 to 60 */
};

/* A part of the world with rules of its own for validation: by the longest suffix, or the network. */
struct ca_config_zone {
	char name[65];
	struct ca_texts suffixes; /* as of a grant */
	struct ca_config_network *networks;
	size_t network_count;
	struct ca_texts resolvers; /* "10.0.0.53", "10.0.0.53:5353", "[fd00::53]:53"; empty: the machine's own */
	bool dnssec;               /* answers must validate (libunbound, trust anchors of `dnssec-anchors`) */
	char dnssec_anchors[256];  /* file with DS or DNSKEY records; "": the root's, of the machine */
	bool public_;              /* default true: names must be in the public DNS, never below a non-public suffix */
	struct ca_config_network *connect_networks; /* what validation may connect to besides public addresses */
	size_t connect_network_count;
	struct ca_texts connect_ports; /* default: 80; the first one is asked where 80 is none of them */
	bool caa_given;
	enum ca_caa caa;      /* in place of the profile's */
	struct ca_texts mail; /* addresses besides the five of BR 3.2.2.4.4 */
};
#define CA_CONFIG_ZONES_MAX 64
struct ca_config_mail {
	char server[256]; /* "smtp://127.0.0.1:25", "smtps://mail.example:465"; "": no mail */
	char from[256];
	char user[128], password[256]; /* password: a reference (base/secret.h); "": none */
};
#define CA_CONFIG_EXPIRY_DAYS_MAX 8
struct ca_config_notify {
	bool mail;                                       /* contacts of orders, and identities' addresses */
	char webhook[512], webhook_secret[256];          /* URL; reference of the HMAC key */
	unsigned expiry_days[CA_CONFIG_EXPIRY_DAYS_MAX]; /* default 30, 14, 7, 1; descending */
	size_t expiry_count;
};

struct ca_config {
	struct buf arc; /* content octets */
	char arc_text[128];
	struct ca_config_process process;
	struct ca_config_listen listen;
	struct ca_config_token tokens[CA_CONFIG_TOKENS_MAX];
	size_t token_count;
	struct ca_config_issuer issuers[CA_CONFIG_ISSUERS_MAX];
	size_t issuer_count;
	struct ca_profile profiles[CA_CONFIG_PROFILES_MAX]; /* prepared */
	size_t profile_count;
	struct ca_config_grant grants[CA_CONFIG_GRANTS_MAX];
	size_t grant_count;
	struct ca_config_audit audit;
	char caa_identity[256];   /* top: what CAA records name this CA by; "": CAA can only forbid */
	char dns_cname_base[256]; /* top: where dns-cname challenges point to; "": the method is not offered */
	struct ca_config_zone zones[CA_CONFIG_ZONES_MAX];
	size_t zone_count;
	struct ca_config_mail mail;
	struct ca_config_notify notify;
};

/* Reads and checks the file whole: unknown options, an option given twice, a value out of
 * range, a reference to what is not there, a PIN value instead of a reference: ERR_CONFIG
 * with "file:line: ...". Freed with ca_config_free. */
struct ca_config *ca_config_load(const char *path, struct error *err);
void ca_config_free(struct ca_config *config);

/* Looked up by name; NULL where there is none. Borrowed. */
const struct ca_config_token *ca_config_token(const struct ca_config *c, const char *name);
const struct ca_config_issuer *ca_config_issuer(const struct ca_config *c, const char *name);
/* Who follows this issuer, in whatever order the configuration has them; NULL: nobody. */
const struct ca_config_issuer *ca_config_follower(const struct ca_config *c, const char *name);
const struct ca_profile *ca_config_profile(const struct ca_config *c, const char *name);
/* ca_config_profile with ERR_PROFILE_UNKNOWN and the list of requesters' profiles as `allowed`. */
const struct ca_profile *ca_config_profile_for_request(const struct ca_config *c, struct bytes name, struct error *err);

/* The zone of a name ("dns:...", "ip:..."): the longest suffix, or the longest network; NULL: none, the defaults. */
const struct ca_config_zone *ca_config_zone_of(const struct ca_config *c, struct bytes name);
/* The port of the method http's first request: 80, or where the zone's connect-ports lack it the first of those. zone may
 * be NULL. */
uint16_t ca_config_http_port(const struct ca_config_zone *zone);

/* Whether one grant of `identity` covers each name and the common name under this profile.
 * 0, or ERR_NAME_NOT_ALLOWED naming the first that none covers and what would be. */
int ca_config_granted(const struct ca_config *c, const char *identity, const struct ca_profile *profile,
		      const struct ca_names *names, const char *common_name, struct error *err);

/* The commented chancery.conf that `chancery init` writes. */
struct ca_config_template {
	const char *node, *module, *softhsm_conf, *url, *arc;
	const char *signer_user, *front_user, *validator_user; /* "" for none */
	const char *const *https, *const *http;                /* NULL-ended lists */
	const char *const *names;                              /* NULL-ended: names of the front */
	bool offline_root;                                     /* no token section for the root */
	const char *root;                                      /* name of the root issuer; NULL: "root-1" */
};
void ca_config_write(const struct ca_config_template *t, struct buf *out);
/* Appends the text as a string of the configuration's syntax, in double quotes. */
void ca_config_quote(const char *text, struct buf *out);

/* The effective configuration, for `chancery config show`: one "section name.option = value" line
 * each, deviations (waivers) last. */
void ca_config_print(const struct ca_config *c, struct buf *out);

CLEANUP_POINTER(ca_config, struct ca_config, ca_config_free)
#define auto_ca_config CLEANUP(ca_config_cleanup) struct ca_config

#endif
