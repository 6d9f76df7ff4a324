"""A master key that rests sealed under a key which never leaves a security module: the environment and the database alone open nothing.

It is opened once when a process starts, and is in its memory from then on, as the data keys and all that is derived need it at each request.
"""

import os
from typing import Any

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass

from runtime import base64url
from runtime.security_access import Access
from runtime.security_module import Session, module_of

PREFIX = "pkcs11:"
KEY_ID, LABEL = b"kabao-master", "kabao master"
NONCE, BITS = 12, 256
PLACE = b"kabao:master-key"
NEVER_OUT = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.ENCRYPT: True, Attribute.DECRYPT: True}


def seal(access: Access, master_key: bytes) -> str:
    """Return the master key as KABAO_MASTER_KEY holds it, sealed under the token's key, which is made at first; raises ModuleAway."""
    nonce = os.urandom(NONCE)

    def work(session: Session) -> bytes:
        sealed: bytes = _sealing_key(session).encrypt(master_key, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, PLACE))
        return sealed

    return PREFIX + base64url.write(nonce + module_of(access).run(access.token, work))


def unseal(access: Access, text: str) -> bytes:
    """Return the master key; raises ModuleAway, and ValueError for what was never sealed so."""
    sealed = base64url.read(text.removeprefix(PREFIX))
    if len(sealed) <= NONCE:
        raise ValueError("too short")

    def work(session: Session) -> bytes:
        key = session.find(KEY_ID, ObjectClass.SECRET_KEY)
        opened: bytes = key.decrypt(sealed[NONCE:], mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(sealed[:NONCE], PLACE))
        return opened

    return module_of(access).run(access.token, work)


def _sealing_key(session: Session) -> Any:
    try:
        return session.find(KEY_ID, ObjectClass.SECRET_KEY)
    except pkcs11.NoSuchKey:
        return session.opened.generate_key(KeyType.AES, BITS, id=KEY_ID, label=LABEL, store=True, template=NEVER_OUT)
