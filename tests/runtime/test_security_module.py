"""A security module as one process has it, over a library of the test's: what is tried again, what never, and for how long nobody waits."""

import os
import time
from collections.abc import Callable
from typing import Any

import pkcs11
import pytest
from pkcs11 import ObjectClass

from runtime import security_module
from runtime.security_access import Access
from runtime.security_module import REST_SECONDS, ModuleAway, SecurityModule, Session

TOKEN, OTHER = "token", "other"


class Library:
    """What is loaded as the module: it counts how often it is begun anew and how often each token is opened, with which PIN."""

    def __init__(self) -> None:
        self.begun, self.opened = 0, list[tuple[str, str]]()
        self.faults: list[Exception] = []

    def reinitialize(self) -> None:
        self.begun += 1

    def get_token(self, *, token_label: str) -> Any:
        return Token(self, token_label)


class Token:
    def __init__(self, library: Library, label: str) -> None:
        self.library, self.label = library, label

    def open(self, *, rw: bool, user_pin: str) -> object:
        assert rw
        self.library.opened.append((self.label, user_pin))
        if self.library.faults:
            raise self.library.faults.pop(0)
        return object()


class Clock:
    now = 1000.0


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(security_module.pkcs11, "lib", lambda path: library)
    return library


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def module(library: Library) -> SecurityModule:
    return SecurityModule(Access("/a/library.so", TOKEN, "1234"))


def failing(*faults: Exception) -> Callable[[Session], str]:
    """Return work that fails in turn, and is done in the end."""
    left = list(faults)

    def work(session: Session) -> str:
        if left:
            raise left.pop(0)
        return "done"

    return work


def test_a_session_is_opened_once_a_token_and_the_library_begun_once(module: SecurityModule, library: Library) -> None:
    assert [module.run(token, failing()) for token in (TOKEN, TOKEN, OTHER)] == ["done"] * 3
    assert (library.begun, library.opened) == (1, [(TOKEN, "1234"), (OTHER, "1234")])


def test_a_process_that_was_forked_begins_anew_and_forgets_what_its_parent_had(
    module: SecurityModule, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.run(TOKEN, failing())
    with pytest.raises(ModuleAway):
        module.run(TOKEN, failing(pkcs11.PinIncorrect()))
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert module.run(TOKEN, failing()) == "done"
    assert (library.begun, len(library.opened)) == (2, 2)


@pytest.mark.parametrize("fault", [pkcs11.SessionHandleInvalid(), RuntimeError(), OSError()], ids=lambda fault: type(fault).__name__)
def test_what_fails_in_a_session_from_before_is_tried_once_more_in_a_fresh_one(module: SecurityModule, library: Library, fault: Exception) -> None:
    module.run(TOKEN, failing())
    assert module.run(TOKEN, failing(fault)) == "done"
    assert (library.begun, len(library.opened)) == (2, 2)


def test_what_fails_in_a_fresh_session_is_not_tried_again(module: SecurityModule, library: Library) -> None:
    with pytest.raises(ModuleAway, match="DeviceRemoved"):
        module.run(TOKEN, failing(pkcs11.DeviceRemoved()))
    assert len(library.opened) == 1


def test_what_fails_twice_is_told_as_away_and_nobody_waits_for_that_token_for_two_seconds(
    module: SecurityModule, library: Library, clock: Clock
) -> None:
    module.run(TOKEN, failing())
    with pytest.raises(ModuleAway, match="DeviceRemoved") as told:
        module.run(TOKEN, failing(pkcs11.SessionHandleInvalid(), pkcs11.DeviceRemoved()))
    assert told.value.headers == {"Retry-After": "5"}
    tried = len(library.opened)
    clock.now += REST_SECONDS - 0.1
    with pytest.raises(ModuleAway, match="a moment ago"):
        module.run(TOKEN, failing())
    assert len(library.opened) == tried
    assert module.run(OTHER, failing()) == "done"
    assert REST_SECONDS == 2
    clock.now += 0.2
    assert module.run(TOKEN, failing()) == "done"


@pytest.mark.parametrize("error", security_module.PIN_FAULTS, ids=lambda error: error.__name__)
def test_a_pin_that_was_refused_is_tried_by_no_token_of_the_process_however_long_it_waits(
    module: SecurityModule, library: Library, clock: Clock, error: type[Exception]
) -> None:
    library.faults = [error()]
    for token in (TOKEN, TOKEN, OTHER):
        with pytest.raises(ModuleAway):
            module.run(token, failing())
        clock.now += 3600
    assert len(library.opened) == 1, "tokens lock after a few tries"


@pytest.mark.parametrize("error", security_module.ANSWERS, ids=lambda error: error.__name__)
def test_an_answer_of_the_token_is_told_by_name_and_neither_tried_again_nor_taken_for_its_absence(
    module: SecurityModule, library: Library, error: type[Exception]
) -> None:
    with pytest.raises(ModuleAway, match=error.__name__):
        module.run(TOKEN, failing(error()))
    assert module.run(TOKEN, failing()) == "done"
    assert len(library.opened) == 1


def test_a_fault_of_ours_is_no_fault_of_the_module_s(module: SecurityModule) -> None:
    with pytest.raises(ZeroDivisionError):
        module.run(TOKEN, failing(ZeroDivisionError()))


class Objects:
    """A session in which keys are looked up; it counts how often."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def get_objects(self, which: dict[Any, Any]) -> list[Any]:
        self.asked.append(which)
        kind, key_id = which[pkcs11.Attribute.CLASS], which[pkcs11.Attribute.ID]
        return [] if key_id == b"none" else [(kind, key_id)]


def test_a_key_is_looked_up_once_by_its_kind_and_its_id_and_one_that_is_missing_each_time() -> None:
    session = Session(objects := Objects())
    wanted = [(ObjectClass.PRIVATE_KEY, b"1"), (ObjectClass.PRIVATE_KEY, b"2"), (ObjectClass.SECRET_KEY, b"1")]
    for _ in range(2):
        assert [session.find(key_id, kind) for kind, key_id in wanted] == wanted
    assert len(objects.asked) == 3
    assert session.find(b"1") == wanted[0]
    for _ in range(2):
        with pytest.raises(pkcs11.NoSuchKey):
            session.find(b"none")
    assert len(objects.asked) == 5
