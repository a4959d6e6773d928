#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "base/file.h"
#include "ca-core/csr.h"
#include "tools/cmd.h"

static const char *const types[] = { "p256", "p384", "p521", "rsa2048", "ed25519" };

static void requests_of_every_key_type_are_ones_that_the_server_takes(void)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct error err = ERR_INIT;
		struct ca_name name;
		auto_ca_names names = CA_NAMES_INIT;
		auto_buf der = BUF_INIT;
		auto_evp_pkey *key = key_generate(types[i], &err);
		CHECK_OK(key != NULL, &err);
		CHECK_OK(name_of("www.example.test", &name, &err) == 0, &err);
		CHECK_OK(ca_names_add(&names, &name, 10, &err) == 0, &err);
		CHECK_OK(name_of("192.0.2.1", &name, &err) == 0, &err);
		CHECK_OK(ca_names_add(&names, &name, 10, &err) == 0, &err);
		CHECK_OK(key_request(key, "somebody", &names, &der, &err) == 0, &err);
		auto_ca_csr *csr = ca_csr_parse(buf_bytes(&der), 10, &err);
		CHECK_OK(csr != NULL, &err);
		CHECK_OK(ca_csr_verify(csr, &err) == 0, &err);
		CHECK_TEXT(csr->common_name, "somebody");
		CHECK_INT(csr->names.count, 2);
		CHECK_TEXT(csr->names.items[1].text, "192.0.2.1");
	}
}

static void refuses_key_types_that_do_not_exist(void)
{
	struct error err = ERR_INIT;
	CHECK_FAILS(key_generate("rsa1024", &err) == NULL, &err, ERR_USAGE);
	CHECK(strstr(err.allowed, "rsa2048") != NULL);
}

static void sorts_what_is_typed_into_names(void)
{
	static const struct {
		const char *text;
		enum ca_name_type type;
	} names[] = { { "www.example.test", CA_NAME_DNS },
		      { "*.example.test", CA_NAME_DNS },
		      { "::1", CA_NAME_IP },
		      { "127.0.0.1", CA_NAME_IP },
		      { "somebody@example.test", CA_NAME_EMAIL },
		      { "https://example.test/x", CA_NAME_URI } };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct error err = ERR_INIT;
		struct ca_name name;
		CHECK_OK(name_of(names[i].text, &name, &err) == 0, &err);
		CHECK_INT(name.type, names[i].type);
	}
}

static void first_name_of_a_client_is_its_common_name(void)
{
	struct error err = ERR_INIT;
	struct option_list list = { { "Somebody Else", "somebody@example.test" }, 2 };
	struct wanted_names wanted = { .names = CA_NAMES_INIT };
	CHECK_OK(wanted_names_sort(&list, true, &wanted, &err) == 0, &err);
	CHECK_TEXT(wanted.common_name, "Somebody Else");
	CHECK_INT(wanted.names.count, 1);
	ca_names_free(&wanted.names);
	wanted = (struct wanted_names){ .names = CA_NAMES_INIT };
	CHECK_FAILS(wanted_names_sort(&list, false, &wanted, &err) == -1, &err, ERR_BAD_NAME);
	ca_names_free(&wanted.names);
}

static const char chain[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
			    "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";

static mode_t mode_of(const char *path)
{
	struct stat status = { .st_mode = 0 };
	(void)stat(path, &status);
	return status.st_mode & 07777;
}

static void writes_the_key_for_its_owner_alone_and_splits_the_chain(void)
{
	struct error err = ERR_INIT;
	auto_buf content = BUF_INIT;
	auto_free char *path = file_join(unit_folder(), "issued"), *key_path = file_join(path, "key.pem");
	auto_free char *leaf_path = file_join(path, "cert.pem"), *rest_path = file_join(path, "chain.pem");
	const struct key_folder folder = { .path = path };
	auto_evp_pkey *key = key_generate("p256", &err);
	CHECK_OK(key_folder_prepare(&folder, &err) == 0, &err);
	CHECK_OK(key_folder_write(&folder, key, bytes_of(chain), &err) == 0, &err);
	CHECK_INT(mode_of(path), 0700);
	CHECK_INT(mode_of(key_path), 0600);
	CHECK_OK(file_read(leaf_path, 4096, &content, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&content), BYTES(chain, (sizeof(chain) - 1) / 2));
	buf_clear(&content);
	CHECK_OK(file_read(rest_path, 4096, &content, &err) == 0, &err);
	CHECK_BYTES(buf_bytes(&content), BYTES(chain + (sizeof(chain) - 1) / 2, (sizeof(chain) - 1) / 2));
	auto_evp_pkey *again = key_read(key_path, &err);
	CHECK(again != NULL && EVP_PKEY_eq(again, key) == 1);
}

static void a_request_that_waits_replaces_no_key_in_use(void)
{
	struct error err = ERR_INIT;
	auto_free char *path = file_join(unit_folder(), "ordered"), *key_path = file_join(path, "key.pem");
	auto_free char *new_path = file_join(path, "new-key.pem"), *csr_path = file_join(path, "request.csr");
	struct key_folder folder = { .path = path };
	const char *name = NULL;
	auto_evp_pkey *key = key_generate("p256", &err);
	auto_evp_pkey *next = key_generate("p256", &err);
	CHECK_OK(key_folder_prepare(&folder, &err) == 0, &err);
	CHECK_OK(key_folder_write_request(&folder, key, bytes_of("request"), &name, &err) == 0, &err);
	CHECK_TEXT(name, "key.pem");
	CHECK_INT(mode_of(key_path), 0600);
	CHECK(file_exists(csr_path));
	folder.force = true;
	CHECK_OK(key_folder_write_request(&folder, next, bytes_of("request"), &name, &err) == 0, &err);
	CHECK_TEXT(name, "new-key.pem");
	auto_evp_pkey *kept = key_read(key_path, &err), *written = key_read(new_path, &err);
	CHECK(kept != NULL && EVP_PKEY_eq(kept, key) == 1);
	CHECK(written != NULL && EVP_PKEY_eq(written, next) == 1);
}

static void overwrites_only_by_force(void)
{
	struct error err = ERR_INIT;
	auto_free char *path = file_join(unit_folder(), "issued"), *key_path = file_join(path, "key.pem");
	struct key_folder folder = { .path = path };
	CHECK_OK(file_make_dir(path, 0700, &err) == 0, &err);
	CHECK_OK(file_create(key_path, bytes_of("precious"), 0600, &err) == 0, &err);
	CHECK_FAILS(key_folder_prepare(&folder, &err) == -1, &err, ERR_CONFLICT);
	folder.force = true;
	err = ERR_INIT;
	CHECK_OK(key_folder_prepare(&folder, &err) == 0, &err);
}

static void folder_names_stay_below_where_we_are(void)
{
	static const char *const pairs[][2] = { { "www.example.test", "./www.example.test" },
						{ "*.example.test", "./_wildcard.example.test" },
						{ "../../etc", "./_.._.._etc" },
						{ "::1", "./__1" } };
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct error err = ERR_INIT;
		auto_free char *path = folder_for_name(pairs[i][0], &err);
		CHECK_TEXT(path, pairs[i][1]);
	}
}

static void durations_need_their_unit(void)
{
	struct error err = ERR_INIT;
	int64_t seconds = 0;
	CHECK_OK(duration_of("30d", &seconds, &err) == 0, &err);
	CHECK_INT(seconds, 2592000);
	CHECK_OK(duration_of("90m", &seconds, &err) == 0, &err);
	CHECK_INT(seconds, 5400);
	CHECK_FAILS(duration_of("30", &seconds, &err) == -1, &err, ERR_USAGE);
	CHECK_FAILS(duration_of("-1d", &seconds, &err) == -1, &err, ERR_USAGE);
	CHECK_FAILS(duration_of("d", &seconds, &err) == -1, &err, ERR_USAGE);
}

SUITE(keys)
{
	TEST(requests_of_every_key_type_are_ones_that_the_server_takes);
	TEST(refuses_key_types_that_do_not_exist);
	TEST(sorts_what_is_typed_into_names);
	TEST(first_name_of_a_client_is_its_common_name);
	TEST(writes_the_key_for_its_owner_alone_and_splits_the_chain);
	TEST(a_request_that_waits_replaces_no_key_in_use);
	TEST(overwrites_only_by_force);
	TEST(folder_names_stay_below_where_we_are);
	TEST(durations_need_their_unit);
}
