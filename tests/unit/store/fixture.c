#include "tests/unit/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct store_options fixture_options(const char *name)
{
	const char *path = unit_path(name);
	(void)mkdir(path, 0700);
	return (struct store_options){
		.path = path,
		.node = "node-1",
		.clock = clock_system(),
		.map_bytes = (size_t)1 << 30,
		.reserve_bytes = (size_t)1 << 20,
		.create = true,
	};
}

struct store *fixture_open_with(const struct store_options *options)
{
	struct error err = ERR_INIT;
	struct store *s = store_open(options, &err);
	CHECK_OK(s != NULL, &err);
	return s;
}

struct store *fixture_open(const char *name)
{
	const struct store_options options = fixture_options(name);
	return fixture_open_with(&options);
}

struct record_certificate *fixture_certificate(const char *issuer, struct bytes serial, const char *name)
{
	static struct record_certificate r; /* large, and one test runs at a time */
	static uint8_t der[700];
	memset(der, 0x30, sizeof(der));
	r = (struct record_certificate){
		.issuer = bytes_of(issuer),
		.serial = serial,
		.der = BYTES(der, sizeof(der)),
		.profile = bytes_of("server-dv"),
		.requester = bytes_of("admin"),
		.subject = bytes_of("CN=x"),
		.issued_ms = FIXTURE_NOW_MS,
		.not_before_s = FIXTURE_NOW_MS / 1000,
		.not_after_s = FIXTURE_NOW_MS / 1000 + 7776000,
		.status = RECORD_VALID,
		.name_count = 1,
	};
	r.names[0] = bytes_of(name);
	memcpy(r.spki_hash, serial.data, serial.len);
	return &r;
}

struct store_batch *fixture_put(struct store *s, const struct record_certificate *r)
{
	auto_buf key = BUF_INIT;
	auto_buf record = BUF_INIT;
	record_key_certificate(&key, r->issuer, r->serial);
	record_certificate_encode(r, &record);
	struct store_batch *batch = store_batch_new(s);
	if (!batch || key.failed || record.failed)
		abort();
	store_put(batch, STORE_CERTIFICATES, buf_bytes(&key), buf_bytes(&record));
	return batch;
}

int fixture_issue(struct store *s, const char *name, struct store_serial *serial, struct error *err)
{
	struct store_serial own;
	if (!serial)
		serial = &own;
	if (store_serial_take(s, serial, err))
		return -1;
	const struct record_certificate *r = fixture_certificate("issuing-1", BYTES(serial->octets, serial->len), name);
	struct store_batch *batch = fixture_put(s, r);
	store_append(batch, "audit-node-1", bytes_of("issued"));
	return store_submit_wait(s, batch, NULL, err);
}

int fixture_find(struct store *s, const char *issuer, struct bytes serial, struct record_certificate **r,
		 uint64_t *version)
{
	static struct record_certificate found;
	static uint8_t copy[4096];
	struct error err = ERR_INIT;
	auto_buf key = BUF_INIT;
	record_key_certificate(&key, bytes_of(issuer), serial);
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	struct bytes value = BYTES_NONE;
	int got = snap ? store_get(snap, STORE_CERTIFICATES, buf_bytes(&key), &value, version, &err) : -1;
	if (got == 1) {
		memcpy(copy, value.data, value.len < sizeof(copy) ? value.len : sizeof(copy));
		CHECK_OK(record_certificate_decode(BYTES(copy, value.len), &found, &err) == 0, &err);
	}
	if (r)
		*r = &found;
	return got;
}

static int count_row(void *arg, const struct store_row *row, struct error *err)
{
	(void)row;
	(void)err;
	(*(size_t *)arg)++;
	return 0;
}

size_t fixture_count(struct store *s, enum store_index index, struct bytes prefix)
{
	struct error err = ERR_INIT;
	auto_store_snapshot *snap = store_snapshot_new(s, &err);
	const struct store_range range = { .prefix = prefix };
	size_t count = 0;
	CHECK_OK(snap && store_scan_index(snap, index, &range, count_row, &count, &err) == 0, &err);
	return count;
}

struct findings {
	size_t count;
	char *first;
};

static void note(void *arg, const char *line)
{
	struct findings *f = arg;
	if (f->count++ == 0 && f->first)
		(void)snprintf(f->first, 256, "%s", line);
}

size_t fixture_check(struct store *s, char line[256])
{
	struct findings f = { 0, line };
	struct error err = ERR_INIT;
	int rc = store_check(s, note, NULL, &f, &err);
	CHECK((rc == 0) == (f.count == 0));
	if (rc)
		CHECK_INT(err.code, ERR_INTEGRITY);
	return f.count;
}

/* ---- codecs ---- */

/* Reads back as what it is: 1; refused: 0; anything else: -1. */
static int try(struct bytes in, fixture_recoder *recode)
{
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	if (recode(in, &out, &err))
		return err.code == ERR_INTEGRITY ? 0 : -1;
	return !out.failed && bytes_equal(buf_bytes(&out), in) ? 1 : -1;
}

void fixture_check_strict(struct buf *written, fixture_recoder *recode)
{
	static const uint8_t changes[] = { 0x01, 0x02, 0x80, 0xff };
	REQUIRE(!written->failed);
	CHECK_INT(try(buf_bytes(written), recode), 1);
	size_t refused = 0, wrong = 0;
	for (size_t len = 0; len < written->len; len++)
		refused += try(BYTES(written->data, len), recode) == 0;
	CHECK_INT(refused, written->len);
	for (size_t i = 0; i < written->len; i++) {
		for (size_t change = 0; change < sizeof(changes); change++) {
			written->data[i] ^= changes[change];
			int read = try(buf_bytes(written), recode);
			wrong += read < 0 || (i == 0 && read != 0);
			written->data[i] ^= changes[change];
		}
	}
	CHECK_INT(wrong, 0);
	buf_u8(written, 0);
	CHECK_INT(try(buf_bytes(written), recode), 0);
}
