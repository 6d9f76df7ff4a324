import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from flask import Flask
from sqlalchemy import select

from keys import ring, suites
from keys.sealing import SealBroken, unwrap
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings


@pytest.fixture
def use(app: Flask, settings: Settings) -> str:
    """A use of its own with one active key."""
    name = f"test:{now().timestamp()}"
    with app.app_context(), transaction() as session:
        ring.add(session, settings, use=name, suite=suites.EDDSA, state=ring.ACTIVE, now=now())
    return name


def verify(token: str, use: str) -> dict:
    return ring.verify(token, use=use, typ="test+jwt", audience=None)


def test_rotation_publishes_before_it_signs(app: Flask, settings: Settings, use: str) -> None:
    with app.app_context():
        before = ring.signer(use)
        old = before.sign({"n": 1}, typ="test+jwt")
        with transaction() as session:
            following = ring.add(session, settings, use=use, suite=suites.ES256, state=ring.NEXT, now=now()).kid
        assert ring.signer(use).kid == before.kid
        assert following in ring.verifying_keys(use)
        with transaction() as session, pytest.raises(ring.KeyNotReady, match="five minutes"):
            ring.activate_next(session, use, now=now() + timedelta(minutes=4))
        with transaction() as session:
            ring.activate_next(session, use, now=now() + timedelta(minutes=5))
        assert ring.signer(use).kid == following
        assert verify(old, use) == {"n": 1}
        assert verify(ring.signer(use).sign({"n": 2}, typ="test+jwt"), use) == {"n": 2}
        with transaction() as session:
            ring.forget(session, settings, before.kid, now=now())
            assert session.scalars(select(ring.SigningKey).where(ring.SigningKey.kid == before.kid)).one().wrapped is None
        with pytest.raises(jwt.InvalidTokenError):
            verify(old, use)


def test_there_is_nothing_to_rotate_to_without_a_published_key(app: Flask, use: str) -> None:
    with app.app_context(), transaction() as session, pytest.raises(ring.KeyNotReady):
        ring.activate_next(session, use, now=now())


def test_an_active_key_cannot_go(app: Flask, settings: Settings, use: str) -> None:
    with app.app_context(), transaction() as session, pytest.raises(ring.KeyNotReady):
        ring.forget(session, settings, ring.signer(use).kid, now=now())


def test_two_keys_of_one_use_cannot_be_active(app: Flask, settings: Settings, use: str) -> None:
    from sqlalchemy.exc import IntegrityError

    with app.app_context(), pytest.raises(IntegrityError), transaction() as session:
        ring.add(session, settings, use=use, suite=suites.ES256, state=ring.ACTIVE, now=now())


def test_a_private_key_opens_under_no_other_master_key(app: Flask, settings: Settings, use: str) -> None:
    other = Settings(database_url=settings.database_url, master_key=bytes(range(100, 132)))
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ring.SigningKey).where(ring.SigningKey.use == use)).one()
        with pytest.raises(SealBroken):
            unwrap(other, row.wrapped, name=row.kid)


def forged(token: str, **header: object) -> str:
    _, payload, signature = token.split(".")
    changed = {**jwt.get_unverified_header(token), **header}
    return ".".join([base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode(), payload, signature])


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": "none"}, id="alg none"),
        pytest.param({"alg": "HS256"}, id="alg confusion"),
        pytest.param({"kid": "unknown"}, id="unknown kid"),
        pytest.param({"kid": None}, id="no kid"),
        pytest.param({"kid": ["a"]}, id="kid of another type"),
        pytest.param({"typ": "JWT"}, id="another type of token"),
        pytest.param({"x": 1}, id="changed header"),
    ],
)
def test_a_forged_header_is_not_verified(app: Flask, use: str, header: dict[str, object]) -> None:
    with app.app_context(), pytest.raises(jwt.InvalidTokenError):
        verify(forged(ring.signer(use).sign({}, typ="test+jwt"), **header), use)


def test_a_token_of_another_type_is_none_though_the_key_signed_it(app: Flask, use: str) -> None:
    with app.app_context(), pytest.raises(jwt.InvalidTokenError):
        verify(ring.signer(use).sign({}, typ="other+jwt"), use)


def test_a_key_of_one_use_verifies_nothing_of_another(app: Flask, use: str) -> None:
    with app.app_context(), pytest.raises(jwt.InvalidTokenError):
        verify(ring.signer(ring.OIDC).sign({}, typ="test+jwt"), use)


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param(None, id="nothing"),
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="symmetric"),
        pytest.param({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}, id="another curve"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="not on the curve"),
        pytest.param({"kty": "EC", "crv": "P-256", "x": 3, "y": []}, id="members of another type"),
        pytest.param({"kty": "OKP", "crv": "X25519", "x": "AA"}, id="a key that does not sign"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(b"\1" + bytes(31)).decode()}, id="a point of small order"),
        pytest.param({**suites.public_jwk(suites.ES256.generate().public_key()), "d": "AAAA"}, id="a private key"),
    ],
)
def test_what_is_not_a_public_signing_key_is_refused(jwk: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        suites.key_from_jwk(jwk)


@pytest.mark.parametrize("suite", suites.SUITES.values(), ids=lambda suite: suite.name)
def test_a_public_key_reads_back(suite: suites.Suite) -> None:
    key = suite.generate().public_key()
    assert suites.key_from_jwk(suites.public_jwk(key)) == key
    assert suite.name in suites.algorithms_of(key)


def rsa(*, bits: int = 2048, exponent: int = 65537) -> dict[str, str]:
    return suites.public_jwk(generate_private_key(exponent, bits).public_key())


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param(rsa(bits=1024), id="too short"),
        pytest.param(rsa(exponent=3), id="a small exponent"),
        pytest.param({**rsa(), "e": "AQAA"}, id="an even exponent"),
        pytest.param({**rsa(), "e": "A" * 700}, id="an exponent without end"),
        pytest.param({**rsa(), "n": "_" * 690}, id="too long"),
        pytest.param({**rsa(), "n": "_" * 100_000}, id="far too long"),
        pytest.param({**rsa(), "n": 5}, id="a modulus of another type"),
        pytest.param({**rsa(), "p": "AAAA"}, id="a private member"),
        pytest.param({"kty": ["RSA"]}, id="a kind of another type"),
    ],
)
def test_an_rsa_key_out_of_bounds_is_refused(jwk: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        suites.key_from_jwk(jwk)


@pytest.mark.parametrize("suite", suites.SUITES)
def test_clients_can_be_answered_by_each_suite(app: Flask, suite: str) -> None:
    with app.app_context():
        token = ring.signer(ring.OIDC, suite).sign({"n": 1}, typ="test+jwt")
        assert jwt.get_unverified_header(token)["alg"] == suite
        assert verify(token, ring.OIDC) == {"n": 1}
        assert ring.signer(ring.OIDC).suite == "ES256"
        assert set(ring.signing_suites(ring.OIDC)) == set(suites.SUITES)


def test_a_key_of_one_name_verifies_nothing_under_the_other(app: Flask) -> None:
    with app.app_context():
        signer = ring.signer(ring.OIDC, "RS256")
        token = jwt.encode({}, signer.key, algorithm="PS256", headers={"typ": "test+jwt", "kid": signer.kid})
        with pytest.raises(jwt.InvalidTokenError):
            verify(token, ring.OIDC)


def test_each_suite_of_a_use_rotates_by_itself(app: Flask, settings: Settings) -> None:
    with app.app_context():
        before = {suite: ring.signer(ring.OIDC, suite).kid for suite in suites.SUITES}
        with transaction() as session:
            following = ring.add(session, settings, use=ring.OIDC, suite=suites.EDDSA, state=ring.NEXT, now=now()).kid
        with transaction() as session:
            ring.activate_next(session, ring.OIDC, suite="EdDSA", now=now() + timedelta(minutes=5))
        assert {suite: ring.signer(ring.OIDC, suite).kid for suite in suites.SUITES} == {**before, "EdDSA": following}
