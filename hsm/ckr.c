#include "hsm/ckr.h"

#define ROW(name, class, signed, why)                     \
	{                                                 \
		name, #name, HSM_CKR_##class, signed, why \
	}

static const struct hsm_ckr rows[] = {
	ROW(CKR_OK, OK, true, "done"),
	ROW(CKR_CANCEL, RETRY, true, "somebody broke the call off, perhaps after the signature"),
	ROW(CKR_HOST_MEMORY, RETRY, true, "the module ran out of memory at some point of the call"),
	ROW(CKR_SLOT_ID_INVALID, AWAY, false, "slots are counted anew when the module is initialized: ours has gone"),
	ROW(CKR_GENERAL_ERROR, TOKEN, true, "anything may have happened, so the token is asked how it is"),
	ROW(CKR_FUNCTION_FAILED, TOKEN, true, "the call failed in its middle, so the token is asked how it is"),
	ROW(CKR_ARGUMENTS_BAD, ARGUMENT, false, "our call is wrong; another try would be as wrong"),
	ROW(CKR_NO_EVENT, ARGUMENT, false, "an answer to C_WaitForSlotEvent, which is not called"),
	ROW(CKR_NEED_TO_CREATE_THREADS, ARGUMENT, false,
	    "C_Initialize: the module wants threads of its own, which it may have"),
	ROW(CKR_CANT_LOCK, ARGUMENT, false, "C_Initialize: the module cannot be used from several threads"),
	ROW(CKR_ATTRIBUTE_READ_ONLY, ARGUMENT, false, "the template asks for what the token does not allow"),
	ROW(CKR_ATTRIBUTE_SENSITIVE, ARGUMENT, false, "the attribute is secret, and stays so"),
	ROW(CKR_ATTRIBUTE_TYPE_INVALID, ARGUMENT, false, "the token does not know this attribute"),
	ROW(CKR_ATTRIBUTE_VALUE_INVALID, ARGUMENT, false, "the template has a value that the token does not take"),
	ROW(CKR_ACTION_PROHIBITED, ARGUMENT, false, "the token's policy forbids it"),
	ROW(CKR_DATA_INVALID, ARGUMENT, false, "the mechanism does not take this input"),
	ROW(CKR_DATA_LEN_RANGE, ARGUMENT, false, "the mechanism does not take an input of this length"),
	ROW(CKR_DEVICE_ERROR, TOKEN, true, "the device failed; whether before or after it signed is not known"),
	ROW(CKR_DEVICE_MEMORY, RETRY, true, "the device has no room at this moment"),
	ROW(CKR_DEVICE_REMOVED, AWAY, true, "the token was taken out, perhaps during the call"),
	ROW(CKR_ENCRYPTED_DATA_INVALID, ARGUMENT, false, "nothing is decrypted here"),
	ROW(CKR_ENCRYPTED_DATA_LEN_RANGE, ARGUMENT, false, "nothing is decrypted here"),
	ROW(CKR_FUNCTION_CANCELED, RETRY, true, "the call was broken off in its middle"),
	ROW(CKR_FUNCTION_NOT_PARALLEL, ARGUMENT, false, "a function of version 1, which is not called"),
	ROW(CKR_FUNCTION_NOT_SUPPORTED, ARGUMENT, false, "the module does not have this function"),
	ROW(CKR_KEY_HANDLE_INVALID, HANDLE, false, "handles end with a login: the key is looked for by its CKA_ID"),
	ROW(CKR_KEY_SIZE_RANGE, ARGUMENT, false, "the mechanism does not take a key of this size"),
	ROW(CKR_KEY_TYPE_INCONSISTENT, ARGUMENT, false, "the mechanism does not take a key of this type"),
	ROW(CKR_KEY_NOT_NEEDED, ARGUMENT, false, "an answer to C_DigestKey and the like"),
	ROW(CKR_KEY_CHANGED, ARGUMENT, false, "an answer to C_SetOperationState"),
	ROW(CKR_KEY_NEEDED, ARGUMENT, false, "an answer to C_SetOperationState"),
	ROW(CKR_KEY_INDIGESTIBLE, ARGUMENT, false, "an answer to C_DigestKey"),
	ROW(CKR_KEY_FUNCTION_NOT_PERMITTED, ARGUMENT, false, "the key may not sign: CKA_SIGN is false"),
	ROW(CKR_KEY_NOT_WRAPPABLE, ARGUMENT, false, "keys are not wrapped here"),
	ROW(CKR_KEY_UNEXTRACTABLE, ARGUMENT, false, "keys do not leave the token"),
	ROW(CKR_MECHANISM_INVALID, ARGUMENT, false, "the token does not have this mechanism"),
	ROW(CKR_MECHANISM_PARAM_INVALID, ARGUMENT, false, "the token does not take this parameter"),
	ROW(CKR_OBJECT_HANDLE_INVALID, HANDLE, false,
	    "SoftHSM2 answers so for a key, too: it is looked for by its CKA_ID"),
	ROW(CKR_OPERATION_ACTIVE, SESSION, false, "an earlier failure left an operation open in this session"),
	ROW(CKR_OPERATION_NOT_INITIALIZED, SESSION, false, "the session lost the operation that C_SignInit began"),
	ROW(CKR_PIN_INCORRECT, PIN, false, "the PIN is wrong: never tried again"),
	ROW(CKR_PIN_INVALID, PIN, false, "the PIN has characters that no PIN has: never tried again"),
	ROW(CKR_PIN_LEN_RANGE, PIN, false, "the PIN has a length that no PIN has: never tried again"),
	ROW(CKR_PIN_EXPIRED, PIN, false, "the PIN has to be changed first: never tried again"),
	ROW(CKR_PIN_LOCKED, PIN, false, "too many wrong PINs: the security officer has to unlock it"),
	ROW(CKR_SESSION_CLOSED, SESSION, true, "the session was closed while the call ran in it"),
	ROW(CKR_SESSION_COUNT, RETRY, false, "the token has no more sessions: one of ours is waited for"),
	ROW(CKR_SESSION_HANDLE_INVALID, SESSION, false, "the session ended before the call"),
	ROW(CKR_SESSION_PARALLEL_NOT_SUPPORTED, ARGUMENT, false, "CKF_SERIAL_SESSION is missing, which it never is"),
	ROW(CKR_SESSION_READ_ONLY, ARGUMENT, false, "what writes in the token needs a read-write session"),
	ROW(CKR_SESSION_EXISTS, RETRY, false, "an answer to C_InitToken: somebody has a session"),
	ROW(CKR_SESSION_READ_ONLY_EXISTS, ARGUMENT, false, "an answer to C_Login of the security officer"),
	ROW(CKR_SESSION_READ_WRITE_SO_EXISTS, RETRY, false, "the security officer is at work in the token"),
	ROW(CKR_SIGNATURE_INVALID, ARGUMENT, false, "nothing is verified in the token"),
	ROW(CKR_SIGNATURE_LEN_RANGE, ARGUMENT, false, "nothing is verified in the token"),
	ROW(CKR_TEMPLATE_INCOMPLETE, ARGUMENT, false, "the token wants more attributes"),
	ROW(CKR_TEMPLATE_INCONSISTENT, ARGUMENT, false, "the token does not take these attributes together"),
	ROW(CKR_TOKEN_NOT_PRESENT, AWAY, false, "the token was not in its slot when the call began"),
	ROW(CKR_TOKEN_NOT_RECOGNIZED, AWAY, false, "what is in the slot is no token that the module knows"),
	ROW(CKR_TOKEN_WRITE_PROTECTED, ARGUMENT, false, "the token does not let itself be written"),
	ROW(CKR_UNWRAPPING_KEY_HANDLE_INVALID, ARGUMENT, false, "keys are not unwrapped here"),
	ROW(CKR_UNWRAPPING_KEY_SIZE_RANGE, ARGUMENT, false, "keys are not unwrapped here"),
	ROW(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, ARGUMENT, false, "keys are not unwrapped here"),
	ROW(CKR_USER_ALREADY_LOGGED_IN, OK, false, "C_Login: what was wanted; the login is the process's"),
	ROW(CKR_USER_NOT_LOGGED_IN, LOGIN, false, "the login is gone: it is made again, with the PIN that was right"),
	ROW(CKR_USER_PIN_NOT_INITIALIZED, PIN, false, "the token has no PIN yet: there is nothing to try"),
	ROW(CKR_USER_TYPE_INVALID, ARGUMENT, false, "the token has no such user"),
	ROW(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, RETRY, false, "the security officer is logged in in this process"),
	ROW(CKR_USER_TOO_MANY_TYPES, RETRY, false, "other users are logged in, as many as the token takes"),
	ROW(CKR_WRAPPED_KEY_INVALID, ARGUMENT, false, "keys are not unwrapped here"),
	ROW(CKR_WRAPPED_KEY_LEN_RANGE, ARGUMENT, false, "keys are not unwrapped here"),
	ROW(CKR_WRAPPING_KEY_HANDLE_INVALID, ARGUMENT, false, "keys are not wrapped here"),
	ROW(CKR_WRAPPING_KEY_SIZE_RANGE, ARGUMENT, false, "keys are not wrapped here"),
	ROW(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, ARGUMENT, false, "keys are not wrapped here"),
	ROW(CKR_RANDOM_SEED_NOT_SUPPORTED, ARGUMENT, false, "an answer to C_SeedRandom"),
	ROW(CKR_RANDOM_NO_RNG, ARGUMENT, false,
	    "the token has no random numbers: the keep-alive asks for something else"),
	ROW(CKR_DOMAIN_PARAMS_INVALID, ARGUMENT, false, "the token does not take these parameters of a curve"),
	ROW(CKR_CURVE_NOT_SUPPORTED, ARGUMENT, false, "the token does not have this curve"),
	ROW(CKR_BUFFER_TOO_SMALL, ARGUMENT, false, "longer than anything that we take"),
	ROW(CKR_SAVED_STATE_INVALID, ARGUMENT, false, "an answer to C_SetOperationState"),
	ROW(CKR_INFORMATION_SENSITIVE, ARGUMENT, false, "the attribute is secret, and stays so"),
	ROW(CKR_STATE_UNSAVEABLE, ARGUMENT, false, "an answer to C_GetOperationState"),
	ROW(CKR_CRYPTOKI_NOT_INITIALIZED, MODULE, false, "somebody finalized the module: it is initialized again"),
	ROW(CKR_CRYPTOKI_ALREADY_INITIALIZED, OK, false, "C_Initialize: what was wanted"),
	ROW(CKR_MUTEX_BAD, MODULE, true, "the module's locks are broken: only a new initialization mends that"),
	ROW(CKR_MUTEX_NOT_LOCKED, MODULE, true, "the module's locks are broken: only a new initialization mends that"),
	ROW(CKR_NEW_PIN_MODE, PIN, false, "the token wants a new PIN from its user: never tried again"),
	ROW(CKR_NEXT_OTP, PIN, false, "the token wants a one-time password: no unattended login"),
	ROW(CKR_EXCEEDED_MAX_ITERATIONS, ARGUMENT, false, "an answer to the making of domain parameters"),
	ROW(CKR_FIPS_SELF_TEST_FAILED, TOKEN, false, "the token does nothing until its self-test passes"),
	ROW(CKR_LIBRARY_LOAD_FAILED, MODULE, false, "the module lacks a library of its own"),
	ROW(CKR_PIN_TOO_WEAK, PIN, false, "an answer to C_SetPIN"),
	ROW(CKR_PUBLIC_KEY_INVALID, ARGUMENT, false, "the token does not take this public key"),
	ROW(CKR_FUNCTION_REJECTED, RETRY, false, "the user at the device said no, or did not answer"),
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct hsm_ckr vendors = { CKR_VENDOR_DEFINED, "CKR_VENDOR_DEFINED", HSM_CKR_TOKEN, true,
					"the vendor's own: the token is asked how it is" };
static const struct hsm_ckr unknown = { 0, "CKR_?", HSM_CKR_TOKEN, true,
					"not in PKCS#11 v2.40: the token is asked how it is" };

const struct hsm_ckr *hsm_ckr_row(size_t place)
{
	return place < ROWS ? &rows[place] : NULL;
}

const struct hsm_ckr *hsm_ckr(CK_RV rv)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].rv == rv)
			return &rows[i];
	}
	return rv >= CKR_VENDOR_DEFINED ? &vendors : &unknown;
}

const char *hsm_ckr_name(CK_RV rv)
{
	return hsm_ckr(rv)->name;
}

enum hsm_ckr_class hsm_ckr_class(CK_RV rv)
{
	return hsm_ckr(rv)->class;
}

const char *hsm_ckr_class_name(enum hsm_ckr_class class)
{
	static const char *const names[] = {
		[HSM_CKR_OK] = "fine",
		[HSM_CKR_ARGUMENT] = "refuse",
		[HSM_CKR_RETRY] = "another session",
		[HSM_CKR_HANDLE] = "find the key again",
		[HSM_CKR_SESSION] = "new session",
		[HSM_CKR_LOGIN] = "log in again",
		[HSM_CKR_PIN] = "never again",
		[HSM_CKR_TOKEN] = "ask the token",
		[HSM_CKR_MODULE] = "initialize the module again",
		[HSM_CKR_AWAY] = "wait for the token",
	};
	return names[class];
}

int hsm_ckr_error(struct error *err, const char *call, CK_RV rv)
{
	enum err_code code = hsm_ckr_class(rv) == HSM_CKR_PIN ? ERR_PIN_REFUSED : ERR_TOKEN_UNAVAILABLE;
	return err_set(err, code, "the token answered %s (0x%lx) to %s", hsm_ckr_name(rv), rv, call);
}
