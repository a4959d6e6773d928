/*
 * fill_store DIR N: a store with N certificate records of realistic size, quickly, for the
 * benchmarks. The DER is made up; everything else is as an issuing server writes it: a serial
 * of the ledger, six or seven index entries, an audit entry. Prints what it cost.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <semaphore.h>

#include "base/file.h"
#include "store/record.h"
#include "store/store.h"

#define DER_BYTES 700
#define DAY_S 86400

struct filler {
	struct store *store;
	sem_t places; /* batches that may be in flight */
	_Atomic uint64_t failed;
	double writer_cpu; /* of the store's writer thread, as its last callback saw it */
	struct buf record, key;
};

static double cpu_seconds(int who)
{
	struct rusage usage;
	(void)getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void done(void *arg, const struct store_outcome *outcome)
{
	struct filler *f = arg;
	if (outcome->sequence % 256 == 0)
		f->writer_cpu = cpu_seconds(RUSAGE_THREAD);
	if (outcome->result != STORE_COMMITTED)
		f->failed++;
	store_coming(f->store, 1);
	(void)sem_post(&f->places);
}

/* One in fifty is revoked: what a CRL is made from. */
static void write_record(struct filler *f, uint64_t number, const struct store_serial *serial)
{
	struct record_certificate r = { .issued_ms = 0 };
	uint8_t der[DER_BYTES];
	char name[64], requester[32];
	(void)RAND_bytes(der, sizeof(der));
	memcpy(r.spki_hash, der, sizeof(r.spki_hash));
	int name_len = snprintf(name, sizeof(name), "dns:host-%llu.site-%llu.example.test", (unsigned long long)number,
				(unsigned long long)(number % 1000));
	int requester_len = snprintf(requester, sizeof(requester), "requester-%llu", (unsigned long long)(number % 50));
	int64_t now_ms = clock_system().now_ms(NULL);
	r.issuer = bytes_of("issuing-1");
	r.serial = BYTES(serial->octets, serial->len);
	r.der = BYTES(der, sizeof(der));
	r.profile = bytes_of("server-dv");
	r.requester = BYTES(requester, (size_t)requester_len);
	r.subject = BYTES_NONE;
	r.issued_ms = now_ms;
	r.not_before_s = now_ms / 1000 - 3600;
	r.not_after_s = now_ms / 1000 + (int64_t)90 * DAY_S - 1;
	r.status = number % 50 == 0 ? RECORD_REVOKED : RECORD_VALID;
	r.reason = number % 50 == 0 ? REASON_SUPERSEDED : REASON_UNSPECIFIED;
	r.revoked_ms = number % 50 == 0 ? now_ms : 0;
	r.name_count = 1;
	r.names[0] = BYTES(name, (size_t)name_len);
	buf_clear(&f->record);
	record_certificate_encode(&r, &f->record);
	buf_clear(&f->key);
	record_key_certificate(&f->key, r.issuer, r.serial);
}

static int add_one(struct filler *f, uint64_t number, struct error *err)
{
	struct store_serial serial;
	if (store_serial_take(f->store, &serial, err))
		return -1;
	write_record(f, number, &serial);
	struct store_batch *batch = store_batch_new(f->store);
	if (!batch)
		return err_set(err, ERR_INTERNAL, "no memory");
	char entry[320];
	memset(entry, 'a', sizeof(entry));
	store_expect_absent(batch, STORE_CERTIFICATES, buf_bytes(&f->key));
	store_put(batch, STORE_CERTIFICATES, buf_bytes(&f->key), buf_bytes(&f->record));
	store_append(batch, "audit-fill", BYTES(entry, sizeof(entry)));
	(void)sem_wait(&f->places);
	int rc = store_submit(f->store, batch, done, f, err);
	store_coming(f->store, -1);
	return rc;
}

static int fill(struct filler *f, uint64_t count, unsigned in_flight, struct error *err)
{
	(void)sem_init(&f->places, 0, in_flight);
	store_coming(f->store, (int)in_flight);
	double cpu = cpu_seconds(RUSAGE_SELF);
	int64_t start = clock_monotonic_ms();
	for (uint64_t i = 0; i < count; i++)
		if (add_one(f, i, err))
			return -1;
	for (unsigned i = 0; i < in_flight; i++)
		(void)sem_wait(&f->places);
	int64_t ms = clock_monotonic_ms() - start;
	cpu = cpu_seconds(RUSAGE_SELF) - cpu;
	struct store_status status;
	store_status(f->store, &status);
	(void)printf("%llu certificates in %.1f s: %.0f/s, %.1f us CPU each, of it %.1f the writer's, "
		     "%.1f to a commit, %.0f MiB\n",
		     (unsigned long long)count, (double)ms / 1000, (double)count * 1000 / (double)(ms ? ms : 1),
		     cpu * 1e6 / (double)count, f->writer_cpu * 1e6 / (double)count,
		     (double)count / (double)(status.commits ? status.commits : 1),
		     (double)status.used_bytes / (1 << 20));
	return f->failed ? err_set(err, ERR_INTERNAL, "some batches failed") : 0;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		(void)fprintf(stderr, "usage: fill_store DIR N [IN-FLIGHT]\n");
		return 2;
	}
	struct error err = ERR_INIT;
	struct filler f = { .record = BUF_INIT, .key = BUF_INIT };
	const struct store_options options = {
		.path = argv[1], .node = "bench", .clock = clock_system(), .create = true
	};
	unsigned in_flight = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 256;
	int rc = file_make_dir(argv[1], 0700, &err);
	if (rc == 0) {
		f.store = store_open(&options, &err);
		rc = f.store ? fill(&f, strtoull(argv[2], NULL, 10), in_flight, &err) : -1;
		store_close(f.store);
	}
	buf_free(&f.record);
	buf_free(&f.key);
	if (rc)
		(void)fprintf(stderr, "fill_store: %s\n", err.message);
	return rc ? 1 : 0;
}
