"""A PKCS#11 module called from Python, in a process that is not the product's.

As a program: pkcs11.py set-pin MODULE LABEL changes a user PIN; the old and the new one are lines of its
standard input.
"""

import ctypes
import sys

USER = 1  # CKU_USER
OS_LOCKING = 2  # several threads call
RW_SESSION, SERIAL_SESSION = 2, 4
ECDSA = 0x1041
PRIVATE_KEY = 3
CLASS, LABEL = 0, 3
SLOTS = 64
# In the order of CK_FUNCTION_LIST (PKCS#11 v2.40), as far as anyone here calls them.
FUNCTIONS = """C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo
    C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession
    C_CloseAllSessions C_GetSessionInfo C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject
    C_CopyObject C_DestroyObject C_GetObjectSize C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit
    C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt
    C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit
    C_Sign""".split()


class FunctionList(ctypes.Structure):
    _fields_ = [("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * len(FUNCTIONS))]


class TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO: its label, and room for the rest."""
    _fields_ = [("label", ctypes.c_char * 32), ("rest", ctypes.c_char * 512)]


class Attribute(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("value", ctypes.c_char_p), ("len", ctypes.c_ulong)]


class InitializeArguments(ctypes.Structure):
    _fields_ = [("mutexes", ctypes.c_void_p * 4), ("flags", ctypes.c_ulong), ("reserved", ctypes.c_void_p)]


class Mechanism(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("len", ctypes.c_ulong)]


class Refused(Exception):
    """A call that was answered with something else than CKR_OK."""

    def __init__(self, name, answer):
        super().__init__(f"{name} answers 0x{answer:x}")
        self.answer = answer


def number(value):
    return ctypes.c_ulong(value)


class Module:
    """Whole numbers become CK_ULONG; a call that fails raises Refused."""

    def __init__(self, path):
        listed = ctypes.POINTER(FunctionList)()
        self.library = ctypes.CDLL(path)
        self.library.C_GetFunctionList.restype = ctypes.c_ulong
        self._check("C_GetFunctionList", self.library.C_GetFunctionList(ctypes.byref(listed)))
        prototype = ctypes.CFUNCTYPE(ctypes.c_ulong)
        self.functions = {name: prototype(address) for name, address in zip(FUNCTIONS, listed.contents.functions)}

    @staticmethod
    def _check(name, answer):
        if answer != 0:
            raise Refused(name, answer)

    def call(self, name, *arguments):
        self._check(name, self.functions[name](*(number(a) if isinstance(a, int) else a for a in arguments)))

    def initialize(self):
        self.call("C_Initialize", ctypes.byref(InitializeArguments(flags=OS_LOCKING)))

    def slot(self, label):
        slots, count, info = (ctypes.c_ulong * SLOTS)(), number(SLOTS), TokenInfo()
        self.call("C_GetSlotList", 1, slots, ctypes.byref(count))
        for slot in slots[:count.value]:
            self.call("C_GetTokenInfo", slot, ctypes.byref(info))
            if info.label.rstrip(b" ") == label.encode():
                return slot
        raise LookupError(f"no token {label}")

    def open(self, slot):
        session = ctypes.c_ulong()
        self.call("C_OpenSession", slot, RW_SESSION | SERIAL_SESSION, None, None, ctypes.byref(session))
        return session.value

    def login(self, session, pin):
        self.call("C_Login", session, USER, pin.encode(), len(pin))

    def private_key(self, session, label):
        kind = (PRIVATE_KEY).to_bytes(ctypes.sizeof(ctypes.c_ulong), sys.byteorder)
        match = (Attribute * 2)(Attribute(CLASS, kind, len(kind)), Attribute(LABEL, label.encode(), len(label)))
        found, count = ctypes.c_ulong(), ctypes.c_ulong()
        self.call("C_FindObjectsInit", session, match, 2)
        try:
            self.call("C_FindObjects", session, ctypes.byref(found), 1, ctypes.byref(count))
        finally:
            self.call("C_FindObjectsFinal", session)
        return found.value if count.value else None

    def sign(self, session, key, digest):
        """An ECDSA signature over a digest."""
        signature, size = ctypes.create_string_buffer(256), number(256)
        self.call("C_SignInit", session, ctypes.byref(Mechanism(ECDSA, None, 0)), key)
        self.call("C_Sign", session, digest, len(digest), signature, ctypes.byref(size))
        return signature.raw[:size.value]


def set_pin(path, label):
    old, new = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    module = Module(path)
    module.initialize()
    session = module.open(module.slot(label))
    module.login(session, old)
    module.call("C_SetPIN", session, old.encode(), len(old), new.encode(), len(new))
    module.call("C_Finalize", None)


if __name__ == "__main__":
    if sys.argv[1] != "set-pin":
        sys.exit(__doc__)
    set_pin(*sys.argv[2:])
