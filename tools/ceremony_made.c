#include "tools/ceremony_made.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "base/der.h"
#include "base/ossl.h"
#include "base/text.h"
#include "ca-core/lint.h"

CLEANUP_POINTER(x509_store, X509_STORE, X509_STORE_free)
CLEANUP_POINTER(x509_store_ctx, X509_STORE_CTX, X509_STORE_CTX_free)
#define auto_x509_store CLEANUP(x509_store_cleanup) X509_STORE
#define auto_x509_store_ctx CLEANUP(x509_store_ctx_cleanup) X509_STORE_CTX

static void free_stack(STACK_OF(X509) * *stack)
{
	sk_X509_pop_free(*stack, X509_free);
}

/* ---- the forms ---- */

int ceremony_made_assemble(const struct ceremony_draft *draft, struct bytes signature, struct buf *der,
			   struct error *err)
{
	ca_certificate_assemble(buf_bytes(&draft->tbs), buf_bytes(&draft->signature_algorithm), signature, der);
	return der->failed ? err_set(err, ERR_INTERNAL, "no memory for a certificate") : 0;
}

int ceremony_made_file(const struct ceremony_step *step, struct bytes der, struct buf *file, struct error *err)
{
	if (step->kind == CEREMONY_CRL)
		buf_add_bytes(file, der);
	else
		text_add_pem(file, "CERTIFICATE", der);
	return file->failed ? err_set(err, ERR_INTERNAL, "no memory for a file") : 0;
}

int ceremony_made_read(const struct ceremony_step *step, struct bytes file, struct buf *der, struct error *err)
{
	struct bytes text = file;
	char label[64];
	auto_buf again = BUF_INIT;
	if (step->kind == CEREMONY_CRL)
		buf_add_bytes(der, file);
	else if (text_next_pem(&text, label, der, err) != 1)
		return err_set(err, ERR_INTEGRITY, "it is no certificate in PEM");
	if (ceremony_made_file(step, buf_bytes(der), &again, err))
		return -1;
	return bytes_equal(buf_bytes(&again), file) ? 0 : err_set(err, ERR_INTEGRITY, "it is no certificate in PEM");
}

/* ---- the signature ---- */

static int check_signature(const struct ceremony_draft *draft, struct bytes der, struct bytes signer, struct error *err)
{
	struct der outer = der_of(der), content;
	struct ca_key key;
	der_enter(&outer, DER_SEQUENCE, &content);
	struct bytes tbs = der_take_whole(&content, DER_SEQUENCE);
	struct bytes algorithm = der_take_whole(&content, DER_SEQUENCE);
	struct bytes signature = der_bit_string(&content);
	if (!der_done(&content) || !der_done(&outer))
		return err_set(err, ERR_INTEGRITY, "it has not the form of something signed");
	if (!bytes_equal(tbs, buf_bytes(&draft->tbs)) ||
	    !bytes_equal(algorithm, buf_bytes(&draft->signature_algorithm)))
		return err_set(err, ERR_INTEGRITY, "it is not what the plan and the rehearsal come to");
	if (ca_key_parse(signer, &key, err))
		return -1;
	int good = ca_key_verify(&key, draft->digest_bits, tbs, signature, err);
	if (good == 0)
		return err_set(err, ERR_INTEGRITY, "its signature is not by the key %s", draft->signer);
	return good == 1 ? 0 : -1;
}

/* ---- the chain ---- */

static X509 *parse(struct bytes der)
{
	const unsigned char *at = der.data;
	return der.len ? d2i_X509(NULL, &at, (long)der.len) : NULL;
}

/* Roots that steps make, and what the plan takes as given, are trusted; all else has to lead there. */
static int fill(const struct ceremony_plan *plan, const struct ceremony_known *known, X509_STORE *store,
		STACK_OF(X509) * others, struct error *err)
{
	for (size_t i = 0; i < plan->issuer_count + plan->step_count; i++) {
		bool given = i < plan->issuer_count;
		const struct ceremony_step *step = given ? NULL : &plan->steps[i - plan->issuer_count];
		const char *name = given ? plan->issuers[i].name : step->name;
		auto_x509 *x = parse(ceremony_known_certificate(known, name));
		if (!x)
			continue;
		if (given || step->kind == CEREMONY_ROOT) {
			if (X509_STORE_add_cert(store, x) != 1)
				return err_openssl(err, ERR_INTERNAL, "cannot trust %s", name);
		} else if (sk_X509_push(others, x) > 0) {
			(void)TAKE(x);
		}
	}
	return 0;
}

static int check_chain(const struct ceremony_plan *plan, size_t step, const struct ceremony_known *known,
		       struct bytes der, struct error *err)
{
	struct ca_certificate_facts facts;
	CLEANUP(free_stack) STACK_OF(X509) *others = sk_X509_new_null();
	auto_x509_store *store = X509_STORE_new();
	auto_x509_store_ctx *context = X509_STORE_CTX_new();
	auto_x509 *x = parse(der);
	if (!others || !store || !context || !x)
		return err_openssl(err, ERR_INTEGRITY, "it cannot be read");
	if (ca_certificate_read(der, &facts, err) || fill(plan, known, store, others, err))
		return -1;
	if (plan->steps[step].kind == CEREMONY_ROOT && X509_STORE_add_cert(store, x) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot trust a root");
	if (X509_STORE_CTX_init(context, store, x, others) != 1)
		return err_openssl(err, ERR_INTERNAL, "cannot look for a chain");
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_time(param, (time_t)facts.not_before_s);
	(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT |
							 X509_V_FLAG_CHECK_SS_SIGNATURE);
	if (X509_verify_cert(context) == 1)
		return 0;
	return err_set(err, ERR_INTEGRITY, "no chain leads from it to a root of the plan: %s",
		       X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
}

int ceremony_made_check(const struct ceremony_made *made, struct bytes der, struct error *err)
{
	const struct ceremony_plan *plan = made->plan;
	if (check_signature(made->draft, der, made->signer, err) ||
	    ceremony_draft_lint(plan, made->step, made->known, buf_bytes(&made->draft->tbs), made->when_s, err))
		return -1;
	return made->chain && ceremony_kind_certifies(plan->steps[made->step].kind)
		       ? check_chain(plan, made->step, made->known, der, err)
		       : 0;
}

/* ---- of the whole ---- */

static bool is_destroyed(const struct ceremony_plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i].kind == CEREMONY_DESTROY && strcmp(plan->steps[i].key, key) == 0)
			return true;
	return false;
}

const char *ceremony_made_closing_key(const struct ceremony_plan *plan)
{
	for (size_t i = plan->step_count; i-- > 0;) {
		const struct ceremony_step *step = &plan->steps[i];
		const char *key = step->kind == CEREMONY_KEY ? step->key : ceremony_step_signer(plan, step);
		if (key && !is_destroyed(plan, key))
			return key;
	}
	return NULL;
}

void ceremony_made_root(const struct ceremony_plan *plan, const struct ceremony_known *known, uint8_t hash[32])
{
	struct bytes der = BYTES_NONE;
	for (size_t i = 0; der.len == 0 && i < plan->step_count; i++)
		if (plan->steps[i].kind == CEREMONY_ROOT)
			der = ceremony_known_certificate(known, plan->steps[i].name);
	if (der.len == 0 && plan->issuer_count)
		der = ceremony_known_certificate(known, plan->issuers[0].name);
	memset(hash, 0, 32);
	if (der.len)
		sha256(der.data, der.len, hash);
}

void ceremony_made_id(const struct ceremony_plan *plan, char id[CEREMONY_ID_SIZE])
{
	char hash[65];
	(void)snprintf(id, CEREMONY_ID_SIZE, "%.32s", text_hex(BYTES(plan->sha256, 32), hash));
}
