"""Keys in a token of SoftHSM: real signatures, checked by other code than made them, and a token that goes away."""

import hashlib
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey
from sqlalchemy import select

from keys import certificates, key_schedule, request_signing, ring, suites, token_keys
from keys.commands import keys as keys_command
from runtime import security_module
from runtime.clock import now
from runtime.database import transaction
from runtime.security_access import Access
from runtime.security_module import ModuleAway, SecurityModule
from runtime.settings import Settings, SettingsError
from tests import soft_module

pytestmark = soft_module.needed
SUITES = ("ES256", "EdDSA", "Ed25519")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("soft-module")


@pytest.fixture(scope="module")
def access(folder: Path) -> Access:
    return soft_module.make_token(folder)


@pytest.fixture
def module(app: Flask, settings: Settings, access: Access) -> Iterator[Settings]:
    """The application with a security module."""
    with_module = replace(settings, pkcs11=access)
    app.extensions["kabao_settings"] = with_module
    app.extensions["kabao_cache"].clear()
    yield with_module
    app.extensions["kabao_settings"] = settings
    security_module.module_of.cache_clear()
    app.extensions["kabao_cache"].clear()


def made(settings: Settings, suite: str = "ES256", use: str | None = None) -> str:
    """Put an active key in the ring that lives in the token, and return its use."""
    use = use or f"token:{time.monotonic_ns()}"
    with transaction() as session:
        ring.add(session, settings, use=use, suite=suites.SUITES[suite], state=ring.ACTIVE, now=now(), in_token=True)
    return use


def row_of(use: str) -> ring.SigningKey:
    with transaction() as session:
        return session.scalars(select(ring.SigningKey).where(ring.SigningKey.use == use, ring.SigningKey.state != ring.GONE)).one()


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_in_a_token_signs_what_others_verify(context: None, module: Settings, suite: str) -> None:
    use = made(module, suite)
    token = ring.signer(use).sign({"n": 1}, typ="test+jwt")
    jwk = row_of(use).public_jwk
    key = ECKey.import_key(jwk) if suite == "ES256" else OKPKey.import_key(jwk)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # the name EdDSA is deprecated, and most clients still know no other
        assert jws.deserialize_compact(token, key, algorithms=[suite]).payload == b'{"n":1}'
    assert ring.verify(token, use=use, typ="test+jwt", audience=None) == {"n": 1}


def test_the_ring_holds_a_reference_and_no_key(context: None, module: Settings) -> None:
    row = row_of(made(module))
    assert row.wrapped is None
    assert row.token is not None
    assert row.token["token"] == soft_module.TOKEN
    assert set(row.token) == {"module", "token", "serial", "key", "label"}
    assert row.token["serial"]
    assert soft_module.PIN not in str(row.token)


def test_a_key_never_leaves_the_token(context: None, module: Settings) -> None:
    row = row_of(made(module))
    key = ring.open_private(module, row)
    for taken_out in ("private_numbers", "private_bytes", "exchange"):
        with pytest.raises(ValueError, match="never leaves"):
            getattr(key, taken_out)()
    found = security_module.module_of(module.pkcs11).run(soft_module.TOKEN, lambda session: session.find(bytes.fromhex(row.token["key"])))
    assert found[pkcs11.Attribute.NEVER_EXTRACTABLE]
    assert not found[pkcs11.Attribute.EXTRACTABLE]
    with pytest.raises((pkcs11.AttributeSensitive, pkcs11.AttributeTypeInvalid)):
        _ = found[pkcs11.Attribute.VALUE]


def test_raw_and_der_are_the_same_signature_in_two_spellings(context: None, module: Settings) -> None:
    signer = ring.signer(made(module))
    raw, der = signer.sign_bytes(b"document"), signer.sign_der(b"document")
    public = suites.key_from_jwk(row_of_kid(signer.kid).public_jwk)
    assert len(raw) == 64
    public.verify(der, b"document", ECDSA(SHA256()))
    assert jwt.get_algorithm_by_name("ES256").verify(b"document", public, raw)


def row_of_kid(kid: str) -> ring.SigningKey:
    with transaction() as session:
        return session.get_one(ring.SigningKey, kid)


def test_a_departments_key_in_a_token_has_a_certificate_and_signs_requests(context: None, module: Settings) -> None:
    use = f"department:{time.monotonic_ns()}"
    with transaction() as session:
        row = certificates.issue_leaf(session, module, use=use, common_name="虚构市公安局", uri="https://x.example/1", now=now(), in_token=True)
    leaf = ring.signer(use).certificates[0]
    leaf.verify_directly_issued_by(certificates.root_certificate())
    assert suites.public_jwk(leaf.public_key()) == row.public_jwk


def test_a_token_key_signs_certificates_and_http_messages(context: None, module: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = ring.signer(made(module))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "虚构市")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(signer.key, SHA256())
    assert request.is_signature_valid
    monkeypatch.setattr(ring, "signer", lambda use: signer)
    assert "Signature" in request_signing.sign_headers("POST", "https://x.example/", b"{}", now=now())


def test_a_key_that_cannot_be_in_a_token_is_refused(context: None, module: Settings) -> None:
    with transaction() as session, pytest.raises(token_keys.NotInToken):
        ring.add(session, module, use="x", suite=suites.PS256, state=ring.ACTIVE, now=now(), in_token=True)


def test_a_transaction_that_is_undone_leaves_no_key_behind(context: None, module: Settings) -> None:
    before = count(module)
    with pytest.raises(ZeroDivisionError), transaction() as session:
        assert ring.add(session, module, use="undone", suite=suites.ES256, state=ring.ACTIVE, now=now(), in_token=True).made_at.year / 0
    assert count(module) == before


def test_a_forgotten_key_is_destroyed_in_its_token(context: None, module: Settings) -> None:
    use, before = made(module), count(module)
    with transaction() as session:
        row = session.get_one(ring.SigningKey, row_of(use).kid)
        row.state = ring.RETIRED
        session.flush()
        ring.forget(session, module, row.kid, now=now())
    assert count(module) == before - 2
    assert row.token is None


def count(settings: Settings) -> int:
    return security_module.module_of(settings.pkcs11).run(soft_module.TOKEN, lambda session: len(list(session.opened.get_objects())))


def test_a_successor_is_made_where_its_predecessor_was(context: None, module: Settings) -> None:
    use = made(module)
    late = now() + module.key_rotation
    with transaction() as session:
        taken = key_schedule.advance(session, module, now=late, uses=(use,))
        following = session.scalars(select(ring.SigningKey).where(ring.SigningKey.use == use, ring.SigningKey.state == ring.NEXT)).one()
    assert [step.what for step in taken] == [key_schedule.What.PUBLISH]
    assert following.token is not None


def test_a_key_moves_from_the_ring_to_the_token_by_rotation(app: Flask, context: None, module: Settings) -> None:
    old = ring.signer(ring.REQUESTS)
    signature = old.sign({"n": 1}, typ="test+jwt")
    done = app.test_cli_runner().invoke(keys_command, ["publish", ring.REQUESTS, "--hsm"])
    assert done.exit_code == 0, done.output
    with transaction() as session:
        ring.activate_next(session, ring.REQUESTS, now=now() + timedelta(minutes=6))
    fresh = ring.signer(ring.REQUESTS)
    assert fresh.kid != old.kid
    assert row_of_kid(fresh.kid).token is not None
    for token in (signature, fresh.sign({"n": 1}, typ="test+jwt")):
        assert ring.verify(token, use=ring.REQUESTS, typ="test+jwt", audience=None) == {"n": 1}
    listed = app.test_cli_runner().invoke(keys_command, ["list"], env={"COLUMNS": "240"}).output
    assert f"token {soft_module.TOKEN}" in listed
    back(module)


def back(settings: Settings) -> None:
    """Give the requests' use a key of the ring again, for the tests of others."""
    with transaction() as session:
        ring.add(session, settings, use=ring.REQUESTS, suite=suites.ES256, state=ring.NEXT, now=now())
    with transaction() as session:
        ring.activate_next(session, ring.REQUESTS, now=now() + timedelta(minutes=6))


def test_a_token_that_is_away_is_said_and_comes_back(context: None, module: Settings, folder: Path, capfd: Any) -> None:
    signer = ring.signer(made(module))
    signer.sign_bytes(b"before")
    with soft_module.taken_away(folder):
        with pytest.raises(ModuleAway) as caught:
            fresh(module).run(soft_module.TOKEN, lambda session: session.opened.generate_random(64))
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) > 0
        ring.signer(ring.OIDC).sign({}, typ="test+jwt")  # what is not in the token goes on
    security_module.module_of.cache_clear()
    assert ring.open_private(module, row_of_kid(signer.kid)).sign(b"after", ECDSA(SHA256()))


def fresh(settings: Settings) -> SecurityModule:
    security_module.module_of.cache_clear()
    return security_module.module_of(settings.pkcs11)


def test_sessions_that_were_lost_are_opened_again_within_the_call(context: None, module: Settings) -> None:
    signer = ring.signer(made(module))
    signer.sign_bytes(b"before")
    pkcs11.lib(module.pkcs11.module).reinitialize()  # every session of this process is closed under it
    assert signer.sign_bytes(b"after")


def test_nobody_waits_for_a_token_that_was_away_a_moment_ago(module: Settings) -> None:
    elsewhere = SecurityModule(replace(module.pkcs11, token="no-such-token"))
    reasons = []
    for _ in range(2):
        with pytest.raises(ModuleAway) as caught:
            elsewhere.run("no-such-token", lambda session: None)
        reasons.append(caught.value.reason)
    assert "NoSuchToken" in reasons[0]
    assert "a moment ago" in reasons[1]


def test_a_refused_pin_is_tried_once(module: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SecurityModule(replace(module.pkcs11, pin="000000"))
    for _ in range(5):
        with pytest.raises(ModuleAway):
            wrong.run(soft_module.TOKEN, lambda session: None)
        wrong._away_until.clear()
    assert fresh(module).run(soft_module.TOKEN, lambda session: True), "the token is not locked"


def test_another_key_under_the_same_id_is_not_believed(context: None, module: Settings) -> None:
    one, two = row_of(made(module)), row_of(made(module))
    confused = token_keys.open_key(module, two.token, suite="ES256", public_jwk=one.public_jwk)
    with pytest.raises(ModuleAway, match="another key"):
        confused.sign(b"x", ECDSA(SHA256()))


def test_a_key_that_is_not_there_is_said(context: None, module: Settings) -> None:
    row = row_of(made(module))
    token_keys.destroy(module, row.token)
    security_module.module_of.cache_clear()
    with pytest.raises(ModuleAway, match="NoSuchKey"):
        ring.open_private(module, row).sign(b"x", ECDSA(SHA256()))


def test_an_installation_without_a_module_says_what_to_set(context: None, settings: Settings, module: Settings) -> None:
    row = row_of(made(module))
    with pytest.raises(ModuleAway, match="KABAO_PKCS11_MODULE"):
        ring.open_private(settings, row)


def test_many_threads_sign_at_once(context: None, module: Settings) -> None:
    signer = ring.signer(made(module))
    public = suites.key_from_jwk(row_of_kid(signer.kid).public_jwk)
    wrong: list[object] = []

    def sign(which: int) -> None:
        for turn in range(50):
            data = hashlib.sha256(f"{which}:{turn}".encode()).digest()
            if not jwt.get_algorithm_by_name("ES256").verify(data, public, signer.sign_bytes(data)):
                wrong.append(data)

    threads = [threading.Thread(target=sign, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


ENVIRON = {
    "KABAO_DATABASE_URL": "postgresql://x/y",
    "KABAO_MASTER_KEY": "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY",
    "KABAO_ENVIRONMENT": "development",
}


def test_the_settings_read_the_pin_from_a_file_and_never_show_it(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("135790\n")
    named = {"KABAO_PKCS11_MODULE": "/x.so", "KABAO_PKCS11_TOKEN": "t", "KABAO_PKCS11_PIN_FILE": str(tmp_path / "pin")}
    settings = Settings.from_environ({**ENVIRON, **named})
    assert settings.pkcs11 == Access("/x.so", "t", "135790")
    assert "135790" not in repr(settings)
    assert Settings.from_environ(ENVIRON).pkcs11 is None


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({"KABAO_PKCS11_MODULE": "/x.so", "KABAO_PKCS11_PIN": "1"}, id="no token"),
        pytest.param({"KABAO_PKCS11_MODULE": "/x.so", "KABAO_PKCS11_TOKEN": "t"}, id="no PIN"),
        pytest.param({"KABAO_PKCS11_MODULE": "/x.so", "KABAO_PKCS11_TOKEN": "t", "KABAO_PKCS11_PIN_FILE": "/no/such"}, id="no PIN file"),
    ],
)
def test_half_a_setting_is_refused(named: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="KABAO_PKCS11"):
        Settings.from_environ({**ENVIRON, **named})


def test_the_master_key_rests_sealed_under_a_key_of_the_token(app: Flask, context: None, module: Settings) -> None:
    printed = app.test_cli_runner().invoke(keys_command, ["seal-master-key"]).output.strip()
    name, _, sealed = printed.partition("=")
    assert name == "KABAO_MASTER_KEY"
    environ = {**ENVIRON, name: sealed, "KABAO_PKCS11_MODULE": module.pkcs11.module, "KABAO_PKCS11_TOKEN": soft_module.TOKEN}
    assert Settings.from_environ({**environ, "KABAO_PKCS11_PIN": soft_module.PIN}).master_key == module.master_key
    for spoilt in ({}, {"KABAO_PKCS11_PIN": soft_module.PIN, name: sealed[:-4] + "AAAA"}, {"KABAO_PKCS11_PIN": soft_module.PIN, name: "pkcs11:AAAA"}):
        security_module.module_of.cache_clear()
        with pytest.raises(SettingsError, match="KABAO_MASTER_KEY"):
            Settings.from_environ({**environ, **spoilt} if spoilt else {**ENVIRON, name: sealed})


def test_a_request_that_needs_a_token_which_is_away_is_told_when_to_come_back(app: Flask, module: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(use: str, suite: str | None = None) -> ring.Signer:
        raise ModuleAway("the token does not answer")

    monkeypatch.setattr("keys.ring.signer", away)
    from tests.world_wallet import new_department

    with app.app_context():
        code = new_department()
    answer = app.test_client().get(f"/departments/{code}")
    assert (answer.status_code, answer.json["code"]) == (503, "keys-unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert app.test_client().get("/jwks").status_code == 200


def test_a_step_that_is_undone_takes_its_own_key_with_it_and_no_other(context: None, module: Settings) -> None:
    use, before = f"token:{time.monotonic_ns()}", count(module)
    with transaction() as session:
        with session.begin_nested():
            ring.add(session, module, use=use, suite=suites.ES256, state=ring.ACTIVE, now=now(), in_token=True)
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            assert ring.add(session, module, use=f"{use}:2", suite=suites.ES256, state=ring.ACTIVE, now=now(), in_token=True).made_at.year / 0
    assert count(module) == before + 2
    assert ring.signer(use).sign({}, typ="test+jwt")
    with transaction() as session:
        with session.begin_nested():
            ring.add(session, module, use=f"{use}:3", suite=suites.ES256, state=ring.ACTIVE, now=now(), in_token=True)
        session.rollback()
    assert count(module) == before + 2


def test_a_token_that_is_away_keeps_nobody_from_another(context: None, module: Settings) -> None:
    here = fresh(module)
    with pytest.raises(ModuleAway, match="NoSuchToken"):
        here.run("no-such-token", lambda session: None)
    assert here.run(soft_module.TOKEN, lambda session: session.opened.generate_random(64))


def test_a_token_that_is_away_hides_no_reason_for_which_a_key_was_undone(context: None, module: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ModuleAway("the token does not answer")

    monkeypatch.setattr(token_keys, "destroy", away)
    with pytest.raises(ZeroDivisionError), transaction() as session:
        assert ring.add(session, module, use="undone", suite=suites.ES256, state=ring.ACTIVE, now=now(), in_token=True).made_at.year / 0
