/* Lists from elsewhere: of an issuer whose key is not ours to use, or lost by the store and found again. */
#include "ca-core/crl_private.h"

static int count_entries(struct bytes left, uint64_t *count, struct error *err)
{
	struct ca_crl_entry entry;
	int found;
	for (*count = 0; (found = ca_crl_next(&left, &entry, err)) == 1; (*count)++)
		;
	return found;
}

/* Any order will do: who signed it elsewhere may have kept another. */
static int stands_on_list(void *arg, const struct ca_crl_entry *expected, struct error *err)
{
	struct bytes left = *(const struct bytes *)arg;
	struct ca_crl_entry entry;
	int found;
	while ((found = ca_crl_next(&left, &entry, err)) == 1)
		if (bytes_equal(entry.serial, expected->serial))
			return 0;
	return found < 0 ? -1
			 : err_set(err, ERR_INTEGRITY, "the revocation list lacks a certificate that is revoked here");
}

static struct ca_issuer *issuer_of_list(struct ca *ca, struct bytes der, struct error *err)
{
	struct ca_crl crl;
	if (ca_crl_read(der, BYTES_NONE, &crl, err))
		return NULL;
	struct ca_issuer *issuer = ca_issuer_of(ca, crl.head.issuer);
	if (!issuer)
		(void)err_set(err, ERR_NOT_FOUND, "the revocation list is of an issuer that is not configured here");
	return issuer;
}

int ca_crl_arrive(struct store_snapshot *snap, const struct ca_issuer_info *info, struct bytes arc, struct bytes der,
		  struct ca_crl_arrival *a, struct error *err)
{
	struct record_crl before;
	*a = (struct ca_crl_arrival){ .record = { .issuer = bytes_of(info->name), .der = der } };
	if (ca_crl_check_frame(info, arc, der, &a->crl, err) ||
	    count_entries(a->crl.entries, &a->record.entries, err) ||
	    crl_present(snap, info->name, &before, &a->version, err) < 0)
		return -1;
	a->record.number = a->crl.head.number;
	a->record.this_update_s = a->crl.head.this_update_s;
	a->record.next_update_s = a->crl.head.next_update_s;
	a->before = before.number;
	a->before_s = before.this_update_s;
	a->there = bytes_equal(before.der, der);
	return a->record.number > a->before;
}

int ca_crl_arrival_check(struct store_snapshot *snap, const struct ca_issuer_info *info, const struct ca_crl_arrival *a,
			 struct error *err)
{
	/* It may know of more than we do. */
	struct ca_crl_plan plan = { .info = info, .previous_update_s = a->before_s };
	struct bytes entries = a->crl.entries;
	return crl_scan(snap, &plan, stands_on_list, &entries, err);
}

int ca_crl_arrival_put(struct ca *ca, const struct ca_actor *actor, const struct ca_crl_arrival *a,
		       struct store_batch *batch, struct error *err)
{
	return crl_put(ca, actor, "crl.imported", &a->record, a->version, batch, err);
}

int ca_crl_arrival_publish(struct ca *ca, struct ca_issuer *issuer, const struct ca_crl_arrival *a, struct error *err)
{
	crl_remember(issuer, &a->record);
	return crl_publish(ca, issuer->config->name, a->record.der, err);
}

static int import_locked(struct ca *ca, struct ca_issuer *issuer, const struct ca_actor *actor, struct bytes der,
			 struct error *err)
{
	struct ca_crl_arrival a;
	{
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		int newer = snap ? ca_crl_arrive(snap, &issuer->info, buf_bytes(&ca->config->arc), der, &a, err) : -1;
		if (newer < 0)
			return -1;
		if (!newer)
			return err_set(err, ERR_CONFLICT,
				       "the revocation list of %s has number %llu, the present one %llu",
				       issuer->config->name, (unsigned long long)a.record.number,
				       (unsigned long long)a.before);
		if (ca_crl_arrival_check(snap, &issuer->info, &a, err))
			return -1;
	}
	if (crl_commit(ca, issuer, actor, "crl.imported", &a.record, a.version, err))
		return -1;
	return crl_publish(ca, issuer->config->name, der, err);
}

int ca_crl_import(struct ca *ca, const struct ca_actor *actor, struct bytes der, struct error *err)
{
	struct ca_issuer *issuer = issuer_of_list(ca, der, err);
	if (!issuer)
		return -1;
	(void)pthread_mutex_lock(&issuer->crl_lock);
	int result = import_locked(ca, issuer, actor, der, err);
	(void)pthread_mutex_unlock(&issuer->crl_lock);
	return result;
}

int ca_crl_recover(struct ca *ca, struct ca_issuer *issuer, struct bytes der, struct error *err)
{
	const struct ca_actor self = ca_actor_self();
	struct ca_crl_arrival a;
	int newer;
	{
		auto_store_snapshot *snap = store_snapshot_new(ca->store, err);
		newer = snap ? ca_crl_arrive(snap, &issuer->info, buf_bytes(&ca->config->arc), der, &a, err) : -1;
	}
	return newer > 0 ? crl_commit(ca, issuer, &self, "crl.recovered", &a.record, a.version, err) : newer;
}
