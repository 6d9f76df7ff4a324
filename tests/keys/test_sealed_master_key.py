"""A master key under a key of a token of SoftHSM: that one never comes out, and whatever was not sealed so is refused."""

import os
from collections.abc import Iterator

import pytest
from pkcs11 import Attribute, ObjectClass

from runtime import base64url, security_module
from runtime.sealed_master_key import KEY_ID, NONCE, PREFIX, seal, unseal
from runtime.security_access import Access
from runtime.security_module import ModuleAway, module_of
from tests import soft_module

pytestmark = soft_module.needed
MASTER = os.urandom(32)
NEVER_OUT = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.NEVER_EXTRACTABLE: True}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Access:
    return soft_module.make_token(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def access(token: Access) -> Iterator[Access]:
    """The way to the token, for a process that has not been there."""
    security_module.module_of.cache_clear()
    yield token
    security_module.module_of.cache_clear()


def test_the_key_is_made_once_of_256_bits_stays_in_the_token_and_never_comes_out(access: Access) -> None:
    sealed = [seal(access, MASTER) for _ in range(2)]
    security_module.module_of.cache_clear()
    assert [unseal(access, text) for text in sealed] == [MASTER] * 2

    def look(session: security_module.Session) -> list[dict[Attribute, object]]:
        found = session.opened.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.ID: KEY_ID})
        return [{name: key[name] for name in (*NEVER_OUT, Attribute.VALUE_LEN)} for key in found]

    assert module_of(access).run(access.token, look) == [{**NEVER_OUT, Attribute.VALUE_LEN: 32}]


def test_no_two_sealed_texts_have_one_nonce(access: Access) -> None:
    nonces = {base64url.read(seal(access, MASTER).removeprefix(PREFIX))[:NONCE] for _ in range(20)}
    assert len(nonces) == 20


@pytest.mark.parametrize("length", [0, 1, NONCE])
def test_what_is_too_short_to_be_sealed_is_refused_before_the_token_is_asked(access: Access, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_module.SecurityModule, "run", lambda *_: pytest.fail("the token was asked"))
    with pytest.raises(ValueError, match="too short"):
        unseal(access, PREFIX + base64url.write(bytes(length)))


@pytest.mark.parametrize("at", [0, NONCE, -1], ids=["the nonce", "the first byte", "the tag"])
def test_what_was_changed_is_not_opened(access: Access, at: int) -> None:
    sealed = bytearray(base64url.read(seal(access, MASTER).removeprefix(PREFIX)))
    sealed[at] ^= 1
    with pytest.raises(ModuleAway):
        unseal(access, PREFIX + base64url.write(bytes(sealed)))
