#include "tests/unit/tools/ceremony_room.h"

#include <dlfcn.h>
#include <stdio.h>

#include "base/file.h"
#include "base/ossl.h"
#include "base/text.h"
#include "hsm/admin.h"
#include "tools/keys.h"

#define PIN "314159"

const char room_root[] =
	"step \"root-1-key\" { kind = \"key\" key = \"pkcs11:token=root;object=root-1\" type = \"p256\" }\n"
	"step \"root-1\" { kind = \"root\" key = \"pkcs11:token=root;object=root-1\" profile = \"root\"\n"
	"common-name = \"Root\" not-before = \"now\" days = 730 }\n";
const char room_whole[] =
	"profile \"intermediate\" { kind = \"intermediate\" days = 365 purposes = { \"server\" } }\n"
	"step \"root-1-key\" { kind = \"key\" key = \"pkcs11:token=root;object=root-1\" type = \"p256\" }\n"
	"step \"root-1\" { kind = \"root\" key = \"pkcs11:token=root;object=root-1\" profile = \"root\"\n"
	"common-name = \"Root\" not-before = \"now\" days = 730 }\n"
	"step \"issuing-1\" { kind = \"certificate\" issuer = \"root-1\" csr = \"issuing-1.csr\" csr-sha256 = "
	"\"@csr@\"\n"
	"profile = \"intermediate\" common-name = \"Issuing\" }\n"
	"step \"root-1-crl\" { kind = \"crl\" issuer = \"root-1\" next-update-days = 90 }\n";

static void make_token(void)
{
	struct error err = ERR_INIT;
	/* Stays loaded, so that a report of leaks can name it. */
	void *kept = dlopen(hsm_admin_find_softhsm(), RTLD_NOW | RTLD_NODELETE);
	REQUIRE(kept != NULL);
	(void)dlclose(kept);
	auto_secret *pin = secret_new(bytes_of(PIN), &err);
	CHECK_OK(hsm_admin_make_softhsm(unit_path("softhsm"), &err) == 0, &err);
	(void)setenv("SOFTHSM2_CONF", unit_path("softhsm/softhsm2.conf"), 1);
	CHECK_OK(hsm_admin_init_token(hsm_admin_find_softhsm(), "root", pin, pin, &err) == 0, &err);
}

void room_open(void)
{
	struct error err = ERR_INIT;
	auto_evp_pkey *issuing = key_generate("p256", &err);
	auto_buf request = BUF_INIT, pem = BUF_INIT;
	const struct ca_names none = CA_NAMES_INIT;
	REQUIRE(issuing != NULL);
	make_token();
	CHECK_OK(key_request(issuing, "Issuing", &none, &request, &err) == 0, &err);
	text_add_pem(&pem, "CERTIFICATE REQUEST", buf_bytes(&request));
	CHECK_OK(file_create(unit_path("issuing-1.csr"), buf_bytes(&pem), 0644, &err) == 0, &err);
}

static void add_steps(struct buf *out, const char *steps)
{
	struct error err = ERR_INIT;
	auto_buf request = BUF_INIT;
	uint8_t hash[32];
	const char *mark = strstr(steps, "@csr@");
	if (!mark) {
		buf_add_text(out, steps);
		return;
	}
	CHECK_OK(file_read(unit_path("issuing-1.csr"), 65536, &request, &err) == 0, &err);
	sha256(request.data, request.len, hash);
	buf_add(out, steps, (size_t)(mark - steps));
	text_add_hex(out, BYTES(hash, sizeof(hash)));
	buf_add_text(out, mark + strlen("@csr@"));
}

const char *room_plan(const char *name, const char *steps)
{
	struct error err = ERR_INIT;
	struct clock clock = clock_system();
	int64_t now_s = clock_now_ms(&clock) / 1000;
	char from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE], file[64];
	auto_buf text = BUF_INIT;
	buf_printf(&text,
		   "title = \"Test\"\nurl = \"http://pki.test\"\narc = \"2.999.1\"\n"
		   "window-from = \"%s\"\nwindow-to = \"%s\"\nattended = false\n"
		   "token \"pkcs11:token=root\" { module = \"%s\" }\n"
		   "profile \"root\" { kind = \"root\" days = 730 }\n",
		   clock_rfc3339(now_s - 600, from), clock_rfc3339(now_s + 1800, to), hsm_admin_find_softhsm());
	add_steps(&text, steps);
	(void)snprintf(file, sizeof(file), "%s.conf", name);
	CHECK_OK(file_replace(unit_path(file), buf_bytes(&text), 0644, &err) == 0, &err);
	return unit_path(file);
}

static int64_t shifted_ms(void *argument)
{
	struct clock clock = clock_system();
	const int64_t *shift_s = argument;
	return clock_now_ms(&clock) + *shift_s * 1000;
}

static struct secret *give_pin(void *argument, const struct ceremony_token *token, struct error *err)
{
	(void)token;
	return secret_new(bytes_of(argument), err);
}

int room_run(const struct room_run *run, uint8_t closing[32], struct error *err)
{
	int64_t shift_s = run->shift_s;
	char pin[32];
	(void)snprintf(pin, sizeof(pin), "%s", run->pin ? run->pin : PIN);
	const struct ceremony_run_options options = {
		.plan = run->plan,
		.rehearsal = run->rehearsal,
		.out = run->out,
		.resume = run->resume,
		.unattended_allowed = !run->attended_only,
		.clock = { shifted_ms, &shift_s },
		.pin = give_pin,
		.argument = pin,
	};
	return ceremony_run(&options, closing, err);
}

void room_ceremony(const char *plan, const char *rehearsal, const char *out, uint8_t closing[32])
{
	struct error err = ERR_INIT;
	const struct room_run rehearse = { .plan = plan, .out = unit_path(rehearsal) };
	const struct room_run run = { .plan = plan, .rehearsal = unit_path(rehearsal), .out = unit_path(out) };
	CHECK_OK(room_run(&rehearse, closing, &err) == 0, &err);
	CHECK_OK(room_run(&run, closing, &err) == 0, &err);
}
