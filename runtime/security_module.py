"""A security module by PKCS#11: the session that this process has with each of its tokens, and what is done inside them.

The library under this begins each module as one that a single thread calls (`C_Initialize` without arguments), so one thread of a process
is inside at a time, and the sessions are kept for the next; more processes sign more. A token that was lost is looked for again once, with the
module begun anew; if it stays away, `ModuleAway` is raised, and for two seconds nobody waits for that one again. A PIN that was
refused is never tried twice by a process: tokens lock after a few tries.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import pkcs11
import structlog
from pkcs11 import Attribute, ObjectClass

from runtime.languages import Text
from runtime.problems import Refusal
from runtime.security_access import Access

log = structlog.get_logger(__name__)
Value = TypeVar("Value")
REST_SECONDS, RETRY_AFTER = 2.0, 5
PIN_FAULTS = (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinInvalid, pkcs11.PinExpired, pkcs11.PinLenRange, pkcs11.UserPinNotInitialized)
ANSWERS = (pkcs11.NoSuchKey, pkcs11.MechanismInvalid, pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange, pkcs11.ArgumentsBad)
FAULTS = (pkcs11.PKCS11Error, RuntimeError, OSError)


class ModuleAway(Refusal):
    """The token, or a key in it, cannot be used now; what does not need it goes on."""

    code, status, title = (
        "keys-unavailable",
        503,
        Text("签名密钥设备暂时不可用，请稍后再试。", "The device that keeps the signing keys is unavailable; try again later."),
    )

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"Retry-After": str(RETRY_AFTER)})


class Session:
    """An open session, with the keys that were found through it."""

    def __init__(self, opened: Any) -> None:
        self.opened = opened
        self._found: dict[tuple[ObjectClass, bytes], Any] = {}

    def find(self, key_id: bytes, kind: ObjectClass = ObjectClass.PRIVATE_KEY) -> Any:
        """Return the key of an id; raises NoSuchKey."""
        found = self._found.get((kind, key_id))
        if found is None:
            found = next(iter(self.opened.get_objects({Attribute.CLASS: kind, Attribute.ID: key_id})), None)
            if found is None:
                raise pkcs11.NoSuchKey
            self._found[kind, key_id] = found
        return found


class SecurityModule:
    """The module as one process has it."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._begin()

    def run(self, token: str, work: Callable[[Session], Value]) -> Value:
        """Do something inside a token, and once more if the token had been lost since; raises ModuleAway."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._check_may_try(token)
            is_fresh = token not in self._sessions
            try:
                return self._attempt(token, work)
            except ANSWERS as error:
                raise ModuleAway(type(error).__name__) from error
            except PIN_FAULTS as error:
                self._pin_is_refused = True
                raise self._away(token, error) from error
            except FAULTS as error:
                self._forget()
                if is_fresh:
                    raise self._away(token, error) from error
            try:
                return self._attempt(token, work)
            except FAULTS as error:
                raise self._away(token, error) from error

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pin_is_refused = False
        self._away_until: dict[str, float] = {}
        self._forget()

    def _forget(self) -> None:
        """Begin anew at the next use."""
        self._library: Any = None
        self._sessions: dict[str, Session] = {}

    def _check_may_try(self, token: str) -> None:
        if self._pin_is_refused:
            raise ModuleAway("the PIN was refused; it is tried again by a new process alone (KABAO_PKCS11_PIN)")
        if time.monotonic() < self._away_until.get(token, 0.0):
            raise ModuleAway("the token was away a moment ago")

    def _attempt(self, token: str, work: Callable[[Session], Value]) -> Value:
        if self._library is None:
            library = pkcs11.lib(self.access.module)
            library.reinitialize()  # what a parent process or a lost token left behind is of no use
            self._library = library
        if token not in self._sessions:
            opened = self._library.get_token(token_label=token).open(rw=True, user_pin=self.access.pin)
            self._sessions[token] = Session(opened)
        return work(self._sessions[token])

    def _away(self, token: str, error: Exception) -> ModuleAway:
        self._forget()
        self._away_until[token] = time.monotonic() + REST_SECONDS
        log.error("a token is away", token=token, error=type(error).__name__)
        return ModuleAway(f"the token does not answer: {type(error).__name__}")


@cache
def module_of(access: Access) -> SecurityModule:
    """Return the module as this process has it."""
    return SecurityModule(access)
