/*
 * What library and token say of themselves, without login: facts, mechanisms.
 */
#include "hsm/probe_private.h"

#define MECHANISMS_MAX 4096

void probe_library(struct probing *p)
{
	CK_INFO info;
	char manufacturer[33], description[33];
	memset(&info, 0, sizeof(info));
	CK_RV rv = p11_call(p->module->fn, C_GetInfo, &info);
	if (rv != CKR_OK) {
		probe_row_answer(p, "library", "C_GetInfo", HSM_PROBE_PARTLY, "only a fact is missing", rv);
		return;
	}
	probe_text(manufacturer, sizeof(manufacturer), info.manufacturerID, sizeof(info.manufacturerID));
	probe_text(description, sizeof(description), info.libraryDescription, sizeof(info.libraryDescription));
	(void)probe_row(p, "library", "version", HSM_PROBE_OK, "a fact", "%s, %s, %u.%u", manufacturer, description,
			info.libraryVersion.major, info.libraryVersion.minor);
	bool known = info.cryptokiVersion.major > 2 || info.cryptokiVersion.minor >= 20;
	(void)probe_row(p, "library", "PKCS#11", known ? HSM_PROBE_OK : HSM_PROBE_PARTLY,
			known ? "a version that Chancery is made for" : "older than what Chancery is made for", "%u.%u",
			info.cryptokiVersion.major, info.cryptokiVersion.minor);
	(void)probe_row(p, "library", "threads", HSM_PROBE_OK, "many threads may be inside at once",
			"C_Initialize takes CKF_OS_LOCKING_OK");
}

/* ---- the token ---- */

static void add_limit(struct buf *out, const char *name, CK_ULONG limit)
{
	if (limit == CK_UNAVAILABLE_INFORMATION)
		buf_printf(out, "%s unsaid", name);
	else if (limit == CK_EFFECTIVELY_INFINITE)
		buf_printf(out, "%s unlimited", name);
	else
		buf_printf(out, "%s %lu", name, limit);
}

static void tell_limits(struct probing *p, const CK_TOKEN_INFO *info)
{
	auto_buf sessions = BUF_INIT;
	add_limit(&sessions, "all", info->ulMaxSessionCount);
	add_limit(&sessions, ", read-write", info->ulMaxRwSessionCount);
	(void)probe_row(p, "token", "sessions as stated", HSM_PROBE_OK, "what it really allows is counted below", "%s",
			buf_text(&sessions));
	(void)probe_row(p, "token", "length of a PIN", HSM_PROBE_OK, "PINs that Chancery makes are within it",
			"%lu to %lu", info->ulMinPinLen, info->ulMaxPinLen);
}

static void tell_flags(struct probing *p, CK_FLAGS flags)
{
	p->write_protected = flags & CKF_WRITE_PROTECTED;
	(void)probe_row(p, "token", "writable", p->write_protected ? HSM_PROBE_NO : HSM_PROBE_OK,
			p->write_protected ? "no key can be made here" : "keys can be made here", "%s",
			p->write_protected ? "write-protected" : "yes");
	bool initialized = flags & CKF_USER_PIN_INITIALIZED;
	(void)probe_row(p, "token", "PIN is set", initialized ? HSM_PROBE_OK : HSM_PROBE_PARTLY,
			initialized ? "there is a PIN to log in with" : "the token says that nobody can log in yet",
			"%s", initialized ? "yes" : "no");
	bool low = flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED);
	(void)probe_row(p, "token", "PIN counter",
			!low                          ? HSM_PROBE_OK
			: flags & CKF_USER_PIN_LOCKED ? HSM_PROBE_NO
						      : HSM_PROBE_PARTLY,
			"Chancery does not try a PIN that has one try left", "%s",
			!low                             ? "no wrong tries"
			: flags & CKF_USER_PIN_LOCKED    ? "locked"
			: flags & CKF_USER_PIN_FINAL_TRY ? "one try left"
							 : "there were wrong tries");
	bool pad = flags & CKF_PROTECTED_AUTHENTICATION_PATH;
	(void)probe_row(p, "token", "PIN by software", pad ? HSM_PROBE_PARTLY : HSM_PROBE_OK,
			pad ? "Chancery gives the PIN itself; a pad is not served" : "Chancery can log in by itself",
			"%s", pad ? "has a PIN pad or the like" : "yes");
}

void probe_token(struct probing *p)
{
	CK_TOKEN_INFO info;
	const struct hsm_token_info *known = &p->report->token;
	memset(&info, 0, sizeof(info));
	(void)probe_row(p, "token", "label", HSM_PROBE_OK, "a fact", "%s", known->label);
	(void)probe_row(p, "token", "made by", HSM_PROBE_OK, "a fact", "%s, %s, serial %s", known->manufacturer,
			known->model, known->serial);
	CK_RV rv = p11_call(p->module->fn, C_GetTokenInfo, p->token->slot, &info);
	if (rv != CKR_OK) {
		probe_row_answer(p, "token", "C_GetTokenInfo", HSM_PROBE_PARTLY, "only facts are missing", rv);
		return;
	}
	(void)probe_row(p, "token", "versions", HSM_PROBE_OK, "a fact", "hardware %u.%u, firmware %u.%u",
			info.hardwareVersion.major, info.hardwareVersion.minor, info.firmwareVersion.major,
			info.firmwareVersion.minor);
	tell_limits(p, &info);
	tell_flags(p, info.flags);
}

/* ---- mechanisms ---- */

static const struct use {
	CK_MECHANISM_TYPE type;
	const char *name;
	CK_FLAGS needed;
	const char *with, *without;
} uses[] = {
	{ CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN", CKF_GENERATE_KEY_PAIR, "makes RSA keys",
	  "no RSA keys are made here" },
	{ CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", CKF_GENERATE_KEY_PAIR, "makes P-256, P-384 and P-521 keys",
	  "no keys on NIST curves are made here" },
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, "CKM_EC_EDWARDS_KEY_PAIR_GEN", CKF_GENERATE_KEY_PAIR, "makes Ed25519 keys",
	  "no Ed25519 keys are made here" },
	{ CKM_RSA_PKCS, "CKM_RSA_PKCS", CKF_SIGN, "RSA signatures of certificates", "no RSA issuing keys" },
	{ CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS", CKF_SIGN, "RSA-PSS for openssl", "RSA-PSS not served" },
	{ CKM_ECDSA, "CKM_ECDSA", CKF_SIGN, "ECDSA signatures of certificates", "no issuing keys on NIST curves" },
	{ CKM_EDDSA, "CKM_EDDSA", CKF_SIGN, "Ed25519 signatures of certificates", "no Ed25519 issuing keys" },
};
#define USES (sizeof(uses) / sizeof(uses[0]))

static const struct use *use_of(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < USES; i++)
		if (uses[i].type == type)
			return &uses[i];
	return NULL;
}

static const struct hsm_probe_mechanism *mechanism_of(const struct hsm_probe *report, CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < report->mechanism_count; i++)
		if (report->mechanisms[i].type == type)
			return &report->mechanisms[i];
	return NULL;
}

static CK_RV list_mechanisms(struct probing *p, CK_MECHANISM_TYPE **list, CK_ULONG *count)
{
	CK_FUNCTION_LIST_PTR fn = p->module->fn;
	*count = 0;
	CK_RV rv = p11_call(fn, C_GetMechanismList, p->token->slot, NULL, count);
	if (rv != CKR_OK || *count == 0)
		return rv;
	CK_ULONG room = *count < MECHANISMS_MAX ? *count : MECHANISMS_MAX;
	/* More than we say: p11-kit 0.24 reads past the end when it drops what it cannot pass on. */
	*list = calloc(2 * room, sizeof(**list));
	*count = room;
	if (!*list)
		return CKR_HOST_MEMORY;
	rv = p11_call(fn, C_GetMechanismList, p->token->slot, *list, count);
	*count = *count < room ? *count : room;
	return rv;
}

static void note_mechanism(struct probing *p, CK_MECHANISM_TYPE type)
{
	CK_MECHANISM_INFO info;
	const struct use *use = use_of(type);
	memset(&info, 0, sizeof(info));
	if (p11_call(p->module->fn, C_GetMechanismInfo, p->token->slot, type, &info) != CKR_OK)
		memset(&info, 0, sizeof(info)); /* it is there, without particulars */
	p->report->mechanisms[p->report->mechanism_count++] = (struct hsm_probe_mechanism){
		.type = type,
		.name = use ? use->name : NULL,
		.least = info.ulMinKeySize,
		.most = info.ulMaxKeySize,
		.flags = info.flags,
	};
}

static void tell_use(struct probing *p, const struct use *use)
{
	const struct hsm_probe_mechanism *m = mechanism_of(p->report, use->type);
	if (!m)
		(void)probe_row(p, "mechanism", use->name, HSM_PROBE_NO, use->without, "not offered");
	else if (!(m->flags & use->needed))
		(void)probe_row(p, "mechanism", use->name, HSM_PROBE_PARTLY, "offered, but not said to be for this use",
				"%lu to %lu, flags 0x%lx", m->least, m->most, m->flags);
	else
		(void)probe_row(p, "mechanism", use->name, HSM_PROBE_OK, use->with, "%lu to %lu%s", m->least, m->most,
				m->flags & CKF_HW ? ", in hardware" : "");
}

void probe_mechanisms(struct probing *p)
{
	struct hsm_probe *report = p->report;
	auto_free CK_MECHANISM_TYPE *list = NULL;
	CK_ULONG count = 0;
	CK_RV rv = list_mechanisms(p, &list, &count);
	if (rv != CKR_OK) {
		probe_row_answer(p, "mechanism", "C_GetMechanismList", HSM_PROBE_PARTLY,
				 "what it can do shows only when it is tried", rv);
		return;
	}
	report->mechanisms = calloc(count + 1, sizeof(*report->mechanisms));
	report->failed = report->failed || !report->mechanisms;
	for (CK_ULONG i = 0; i < count && report->mechanisms; i++)
		note_mechanism(p, list[i]);
	for (size_t i = 0; i < USES; i++)
		tell_use(p, &uses[i]);
	(void)probe_row(p, "mechanism", "all", HSM_PROBE_OK, "Chancery asks for the seven above alone", "%zu",
			report->mechanism_count);
	p->report->rows[report->row_count - 1].number = (int64_t)report->mechanism_count;
}

static const struct hsm_probe_mechanism *signing(const struct probing *p, enum hsm_key_type type)
{
	return mechanism_of(p->report, hsm_key_type_is_rsa(type) ? CKM_RSA_PKCS
				       : type == HSM_ED25519     ? CKM_EDDSA
								 : CKM_ECDSA);
}

bool probe_may_sign(const struct probing *p, enum hsm_key_type type)
{
	return p->report->mechanism_count == 0 || signing(p, type);
}

bool probe_promised(const struct probing *p, enum hsm_key_type type)
{
	static const CK_ULONG bits[] = {
		[HSM_RSA_2048] = 2048, [HSM_RSA_3072] = 3072, [HSM_RSA_4096] = 4096, [HSM_EC_P256] = 256,
		[HSM_EC_P384] = 384,   [HSM_EC_P521] = 521,   [HSM_ED25519] = 0, /* counted differently by each */
	};
	const struct hsm_probe_mechanism *sign = signing(p, type);
	const struct hsm_probe_mechanism *make =
		mechanism_of(p->report, hsm_key_type_is_rsa(type) ? CKM_RSA_PKCS_KEY_PAIR_GEN
					: type == HSM_ED25519     ? CKM_EC_EDWARDS_KEY_PAIR_GEN
								  : CKM_EC_KEY_PAIR_GEN);
	if (!make || !sign || !(make->flags & CKF_GENERATE_KEY_PAIR) || !(sign->flags & CKF_SIGN))
		return false;
	return bits[type] == 0 || make->most == 0 || (make->least <= bits[type] && bits[type] <= make->most);
}

bool probe_promises_pss(const struct probing *p)
{
	const struct hsm_probe_mechanism *sign = mechanism_of(p->report, CKM_RSA_PKCS_PSS);
	return sign && (sign->flags & CKF_SIGN);
}
