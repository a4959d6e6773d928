#include "ca-core/csr_private.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/ossl.h"
#include "base/text.h"

#define NOT_COPIED_VALUE_MAX 128 /* octets of a value that are shown */

int csr_malformed(struct error *err, const char *what)
{
	return err_set(err, ERR_BAD_CSR, "the certificate signing request is malformed: %s", what);
}

void csr_not_copied(struct ca_csr *csr, const char *kind, const char *name, struct bytes value)
{
	char *line = NULL;
	if (csr->not_copied_count == CA_CSR_NOT_COPIED_MAX)
		return;
	/* Never in the middle of a character. */
	size_t shown = value.len > NOT_COPIED_VALUE_MAX ? NOT_COPIED_VALUE_MAX : value.len;
	while (shown > 0 && shown < value.len && (value.data[shown] & 0xc0) == 0x80)
		shown--;
	int len = value.len ? asprintf(&line, "%s %s=%.*s", kind, name, (int)shown, (const char *)value.data)
			    : asprintf(&line, "%s %s", kind, name);
	if (len >= 0)
		csr->not_copied[csr->not_copied_count++] = line;
}

/* ---- what it is not ---- */

static int refuse_private_key(struct error *err)
{
	return err_set(err, ERR_BAD_CSR,
		       "this is a private key, not a request: it has left its owner and should be thrown away. Make a "
		       "new key, and send only a request made from it");
}

static int refuse_certificate(struct error *err)
{
	return err_set(err, ERR_BAD_CSR,
		       "this is a certificate, not a request: make one from it with "
		       "`openssl x509 -x509toreq -in cert.pem -signkey key.pem`");
}

static bool has(struct bytes text, const char *what)
{
	return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

/* ---- PEM ---- */

static int take_label(const char *label, struct error *err)
{
	if (strcmp(label, "CERTIFICATE REQUEST") == 0 || strcmp(label, "NEW CERTIFICATE REQUEST") == 0)
		return 0;
	if (strstr(label, "CERTIFICATE"))
		return refuse_certificate(err);
	(void)csr_malformed(err, "its PEM label is not CERTIFICATE REQUEST");
	return err_about(err, "label", label, "CERTIFICATE REQUEST, NEW CERTIFICATE REQUEST");
}

/* Exactly one block. */
static int read_pem(struct bytes text, struct buf *der, struct error *err)
{
	char label[64];
	auto_secret_buf second = BUF_INIT;
	/* Before anything is decoded: a key that came along is not to be spread in memory. */
	if (has(text, "PRIVATE KEY-----"))
		return refuse_private_key(err);
	int found = text_next_pem(&text, label, der, err);
	if (found < 0)
		return err_wrap(err, ERR_BAD_CSR, "the certificate signing request is malformed PEM");
	if (!found)
		return csr_malformed(err, "no PEM block is in it");
	if (take_label(label, err))
		return -1;
	found = text_next_pem(&text, label, &second, err);
	if (found)
		return csr_malformed(err, "there is more than one PEM block: send exactly one request");
	return 0;
}

/* ---- DER that is another thing ---- */

/* A private key begins with a version, a certificate with a tbs whose first element is its version or serial
 * number; a request's info begins with version 0, which is followed by a Name. */
static int refuse_other_der(struct bytes der, struct error *err)
{
	struct der outer = der_of(der), content, first;
	der_enter(&outer, DER_SEQUENCE, &content);
	if (der_peek(&content) == DER_INTEGER)
		return refuse_private_key(err);
	der_enter(&content, DER_SEQUENCE, &first);
	if (der_peek(&first) == DER_CONTEXT_CONSTRUCTED(0))
		return refuse_certificate(err);
	return 0;
}

/* ---- the frame: RFC 2986 section 4 ---- */

static int read_info(struct ca_csr *csr, size_t max_names, struct error *err)
{
	struct der outer = der_of(csr->info), info;
	struct bytes attributes = BYTES_NONE;
	der_enter(&outer, DER_SEQUENCE, &info);
	uint64_t version = der_small_integer(&info, 255);
	if (info.failed)
		return csr_malformed(err, info.failed);
	if (version != 0)
		return csr_malformed(err, "its version is not 0");
	csr->subject = der_take_whole(&info, DER_SEQUENCE);
	struct bytes spki = der_take_whole(&info, DER_SEQUENCE);
	if (!info.failed && info.left.len)
		attributes = der_take(&info, DER_CONTEXT_CONSTRUCTED(0));
	if (info.failed)
		return csr_malformed(err, info.failed);
	if (!der_done(&info))
		return csr_malformed(err, "something stands behind its attributes");
	if (ca_key_parse(spki, &csr->key, err) || csr_read_subject(csr, err))
		return -1;
	return csr_read_attributes(csr, attributes, max_names, err);
}

static int read_frame(struct ca_csr *csr, size_t max_names, struct error *err)
{
	struct der outer = der_of(buf_bytes(&csr->der)), request;
	if (refuse_other_der(buf_bytes(&csr->der), err))
		return -1;
	der_enter(&outer, DER_SEQUENCE, &request);
	if (outer.failed)
		return csr_malformed(err, outer.failed);
	if (outer.left.len)
		return csr_malformed(err, "something stands behind its end");
	csr->info = der_take_whole(&request, DER_SEQUENCE);
	struct bytes algorithm = der_take(&request, DER_SEQUENCE);
	csr->signature = der_bit_string(&request);
	if (request.failed)
		return csr_malformed(err, request.failed);
	if (request.left.len)
		return csr_malformed(err, "something stands behind its signature");
	if (read_info(csr, max_names, err))
		return -1;
	return csr_read_algorithm(csr, algorithm, err);
}

static int read_input(struct bytes input, struct buf *der, struct error *err)
{
	if (input.len == 0)
		return csr_malformed(err, "it is empty");
	if (input.len > CA_CSR_MAX) {
		(void)err_set(err, ERR_TOO_LARGE, "the certificate signing request has %zu bytes", input.len);
		return err_about(err, "body", NULL, "at most 65536 bytes");
	}
	if (has(input, "-----BEGIN"))
		return read_pem(input, der, err);
	if (input.data[0] != DER_SEQUENCE)
		return csr_malformed(err, "it is neither PEM nor DER");
	buf_add_bytes(der, input);
	return 0;
}

static struct ca_csr *parse(struct bytes input, size_t max_names, bool for_ceremony, struct error *err)
{
	auto_ca_csr *csr = calloc(1, sizeof(*csr));
	if (!csr) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a request");
		return NULL;
	}
	csr->for_ceremony = for_ceremony;
	if (read_input(input, &csr->der, err) || read_frame(csr, max_names, err))
		return NULL;
	if (csr->der.failed) {
		(void)err_set(err, ERR_INTERNAL, "no memory for a request");
		return NULL;
	}
	sha256(csr->der.data, csr->der.len, csr->sha256);
	return TAKE(csr);
}

struct ca_csr *ca_csr_parse(struct bytes input, size_t max_names, struct error *err)
{
	return parse(input, max_names, false, err);
}

struct ca_csr *ca_csr_parse_for_ceremony(struct bytes input, size_t max_names, struct error *err)
{
	return parse(input, max_names, true, err);
}

void ca_csr_free(struct ca_csr *csr)
{
	if (!csr)
		return;
	/* It may have been a private key: nothing of it stays. */
	buf_wipe(&csr->der);
	ca_names_free(&csr->names);
	for (size_t i = 0; i < csr->not_copied_count; i++)
		free(csr->not_copied[i]);
	free(csr);
}

/* ---- what a profile makes of it ---- */

static int refuse_name(struct error *err, const struct ca_name *name, const char *why)
{
	(void)err_set(err, ERR_BAD_NAME, "the name %s is not accepted: %s", name->text, why);
	return err_about(err, "names", name->text, NULL);
}

static int check_name(const struct ca_name *name, const struct ca_profile *profile, struct error *err)
{
	if (name->type == CA_NAME_EMAIL && !profile->allow_email)
		return refuse_name(err, name, "this profile has no mail addresses");
	if (name->type == CA_NAME_URI && !profile->allow_uri)
		return refuse_name(err, name, "this profile has no URIs");
	if (name->type == CA_NAME_IP && !profile->allow_ip)
		return refuse_name(err, name, "this profile has no addresses");
	if (name->wildcard && !profile->allow_wildcard)
		return refuse_name(err, name, "this profile has no wildcards");
	if (name->underscore && !profile->allow_underscore)
		return refuse_name(err, name, "this profile has no names with an underscore");
	return 0;
}

/* Most tools still send the name of a server as the common name alone. */
static int add_common_name(const struct ca_csr *csr, const struct ca_profile *profile, struct ca_names *names,
			   struct error *err)
{
	struct ca_name name;
	struct error why = ERR_INIT;
	struct bytes text = bytes_of(csr->common_name);
	if (text.len == 0)
		return 0;
	if (ca_name_ip_text(text, &name, &why) && ca_name_dns(text, &name, &why)) {
		if (names->count)
			return 0; /* a title, as some put there; the names are elsewhere */
		*err = why;
		return -1;
	}
	return check_name(&name, profile, err) || ca_names_add(names, &name, profile->names_max, err) ? -1 : 0;
}

/* BR 7.1.4.3: the common name of a server is one of its names. */
static void first_name(const struct ca_names *names, char common_name[65])
{
	for (size_t i = 0; i < names->count; i++) {
		const struct ca_name *name = &names->items[i];
		if ((name->type == CA_NAME_DNS || name->type == CA_NAME_IP) && strlen(name->text) <= 64) {
			(void)snprintf(common_name, 65, "%s", name->text);
			return;
		}
	}
}

int ca_csr_names(const struct ca_csr *csr, const struct ca_profile *profile, struct ca_names *names,
		 char common_name[65], struct error *err)
{
	bool is_server = profile->kind == CA_KIND_SERVER || profile->kind == CA_KIND_PEER;
	common_name[0] = '\0';
	for (size_t i = 0; i < csr->names.count; i++)
		if (check_name(&csr->names.items[i], profile, err) ||
		    ca_names_add(names, &csr->names.items[i], profile->names_max, err))
			return -1;
	if (is_server && add_common_name(csr, profile, names, err))
		return -1;
	if (!is_server)
		(void)snprintf(common_name, 65, "%s", csr->common_name);
	else if (profile->common_name)
		first_name(names, common_name);
	if (names->count == 0 && (is_server || !common_name[0])) {
		(void)err_set(err, ERR_BAD_NAME,
			      "the request has no usable name: neither a subjectAltName nor a common name that is one");
		return err_about(err, "names", NULL, "at least one name");
	}
	return 0;
}
