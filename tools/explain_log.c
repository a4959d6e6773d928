/* The audit log's entries in an explanation: which of them a signed head attests. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tools/audit_head.h"
#include "tools/explain_private.h"

/* An entry as the file has it. */
struct link {
	uint64_t sequence;
	uint8_t hash[32], previous[32]; /* of the log after it, and before it */
	bool has_previous;
	const char *text;
	bool attested; /* its text is the one that a signed head was made over */
};
struct links {
	struct link *items; /* owned; in the order of their numbers */
	size_t count, told; /* told: the entries that are about it; behind them what leads to the head */
};

static void links_free(struct links *l)
{
	free(l->items);
}
#define auto_links CLEANUP(links_free) struct links

static bool read_hash(const json_t *object, const char *member, uint8_t out[32])
{
	auto_buf octets = BUF_INIT;
	struct error none = ERR_INIT;
	if (text_parse_hex(bytes_of(member_text(object, member)), 32, &octets, &none) || octets.len != 32)
		return false;
	memcpy(out, octets.data, 32);
	return true;
}

static void hash_after(const uint8_t before[32], const char *text, uint8_t out[32])
{
	auto_buf hashed = BUF_INIT;
	buf_add(&hashed, before, 32);
	buf_add_text(&hashed, text);
	sha256(hashed.data, hashed.len, out);
}

/* ---- reading ---- */

static int take(struct explanation *x, const json_t *list, struct links *l)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		struct link *grown = reallocarray(l->items, l->count + 1, sizeof(*grown));
		if (!grown)
			return err_set(x->err, ERR_INTERNAL, "no memory for an explanation");
		l->items = grown;
		struct link *link = &l->items[l->count];
		*link = (struct link){ .sequence = (uint64_t)json_integer_value(json_object_get(item, "sequence")),
				       .text = member_text(item, "entry") };
		link->has_previous = read_hash(item, "previous", link->previous);
		if (!read_hash(item, "hash", link->hash) ||
		    (l->count && link->sequence <= l->items[l->count - 1].sequence))
			return explain_wrong(x, "the entries of the audit log are not in order");
		l->count++;
	}
	return 0;
}

/* Each entry's hash follows from its text and the hash before it, wherever that is known. */
static int check_hashes(struct explanation *x, struct links *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct link *link = &l->items[i];
		const struct link *before = i ? link - 1 : NULL;
		uint8_t hash[32];
		if (before && before->sequence + 1 == link->sequence) {
			if (link->has_previous && memcmp(link->previous, before->hash, 32) != 0)
				return explain_wrong(x,
						     "entry %" PRIu64
						     " of the audit log does not follow the one before",
						     link->sequence);
			memcpy(link->previous, before->hash, 32);
			link->has_previous = true;
		}
		if (!link->has_previous)
			continue;
		hash_after(link->previous, link->text, hash);
		if (memcmp(hash, link->hash, 32) != 0)
			return explain_wrong(x,
					     "entry %" PRIu64 " of the audit log was changed: its hash does not follow",
					     link->sequence);
	}
	return 0;
}

/* ---- heads ---- */

/* Marks what the head attests: from its place backwards, as far as each entry is joined to the next. */
static void attest(struct links *l, size_t at)
{
	for (;; at--) {
		l->items[at].attested = l->items[at].has_previous;
		bool joined = at > 0 && l->items[at - 1].sequence + 1 == l->items[at].sequence;
		if (!l->items[at].has_previous || !joined)
			break;
	}
}

/* 1: the head stands over an entry of the file. 0: it says nothing of them. -1: it contradicts the file. */
static int place(struct explanation *x, struct links *l, const struct audit_head *head)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i].sequence != head->sequence)
			continue;
		if (memcmp(l->items[i].hash, head->hash, 32) != 0)
			return explain_wrong(x, "a signed head was made over another log up to entry %" PRIu64,
					     head->sequence);
		attest(l, i);
		return 1;
	}
	return 0;
}

static int check_own_head(struct explanation *x, struct links *l, const json_t *head)
{
	auto_buf signature = BUF_INIT, der = BUF_INIT;
	auto_certificates *chain = sk_X509_new_null();
	struct audit_head read;
	if (explain_octets(x, head, "signature", &signature) || explain_octets(x, head, "certificate", &der))
		return -1;
	const unsigned char *at = der.data;
	X509 *signer = d2i_X509(NULL, &at, (long)der.len);
	if (!chain || !signer || sk_X509_push(chain, signer) <= 0) {
		X509_free(signer);
		return explain_wrong(x, "the head's certificate is none");
	}
	if (!explain_has_issuer(x, signer)) {
		explain_claimed(x, "The audit log's head: the file does not hold who issued its signer's certificate.");
		return 0;
	}
	for (int i = 0; i < sk_X509_num(x->chain); i++)
		if (X509_up_ref(sk_X509_value(x->chain, i)) == 1)
			(void)sk_X509_push(chain, sk_X509_value(x->chain, i));
	if (audit_head_check(x->trusted, chain, member_text(head, "text"), buf_bytes(&signature), &read, x->err))
		return -1;
	int found = place(x, l, &read);
	if (found < 0)
		return -1;
	if (!found)
		explain_claimed(x,
				"That the entries lead to the head of entry %" PRIu64
				": `chancery audit export` has the way.",
				read.sequence);
	return 0;
}

static int check_other_heads(struct explanation *x, struct links *l, const struct bytes *heads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct audit_head head;
		if (audit_head_read(heads[i], x->trusted, NULL, &head, x->err))
			return -1;
		int found = place(x, l, &head);
		if (found < 0)
			return -1;
		if (found)
			explain_proved(x, "The head given, of entry %" PRIu64 " (%s), was made over this log.",
				       head.sequence, head.time);
		else
			explain_claimed(x,
					"The head given, of entry %" PRIu64
					", says nothing of the entries in the file.",
					head.sequence);
	}
	return 0;
}

/* ---- what the entries say ---- */

/* The entry that tells of the certificate names this one. */
static int check_issued(struct explanation *x, const struct links *l)
{
	uint8_t hash[32];
	char hex[65];
	if (!x->certificate.len)
		return 0;
	sha256(x->certificate.data, x->certificate.len, hash);
	for (size_t i = 0; i < l->told; i++) {
		auto_json *entry = json_loads(l->items[i].text, 0, NULL);
		if (strcmp(member_text(entry, "event"), "certificate.issued") != 0)
			continue;
		if (strcmp(member_text(entry, "sha256"), text_hex(BYTES(hash, sizeof(hash)), hex)) != 0)
			return explain_wrong(x, "entry %" PRIu64 " of the audit log tells of another certificate",
					     l->items[i].sequence);
		if (l->items[i].attested)
			explain_proved(x,
				       "Entry %" PRIu64
				       " of the audit log tells of this certificate, and a signed head "
				       "attests it.",
				       l->items[i].sequence);
		return 0;
	}
	return 0;
}

static void list_entries(struct explanation *x, const struct links *l)
{
	size_t attested = 0;
	for (size_t i = 0; i < l->told; i++)
		attested += l->items[i].attested;
	if (attested)
		explain_proved(x, "A signed head attests %zu of the %zu entries of the audit log in the file.",
			       attested, l->told);
	if (attested < l->told)
		explain_claimed(
			x,
			"%zu entries of the audit log: no signed head in the file attests them; `chancery audit "
			"verify` of the whole log does.",
			l->told - attested);
}

int explain_check_log(struct explanation *x, const struct bytes *heads, size_t head_count)
{
	const json_t *audit = json_object_get(x->file, "audit"), *head = json_object_get(audit, "head");
	auto_links l = { .items = NULL };
	if (take(x, json_object_get(audit, "entries"), &l))
		return -1;
	l.told = l.count;
	if (take(x, json_object_get(audit, "path"), &l) || check_hashes(x, &l) ||
	    (head && check_own_head(x, &l, head)) || check_other_heads(x, &l, heads, head_count) || check_issued(x, &l))
		return -1;
	list_entries(x, &l);
	return 0;
}
