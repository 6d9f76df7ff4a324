"""Proofs of keys, right and wrong (OpenID4VCI 1.0 appendix F)."""

import base64
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from keys import suites
from runtime.clock import shifted
from tests.wallet.issuing.oid4vci.makers import self_signed
from tests.wallet.issuing.oid4vci.wallets import ISSUER, Wallet, error_of, new_key, proof, raw_token
from wallet.issuing.oid4vci import c_nonces, proofs

Forge = Callable[[str], str]
KEY = new_key()
OPEN = suites.public_jwk(KEY.public_key())
OTHER = suites.public_jwk(new_key().public_key())


def claims(nonce: str) -> dict[str, Any]:
    return {"aud": ISSUER, "iat": int(time.time()), "nonce": nonce}


def by_mac_of_public_key(nonce: str) -> str:
    """An HMAC whose key is the public key that everybody knows."""
    import hashlib
    import hmac
    import json

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"typ": proofs.TYPE, "alg": "HS256", "jwk": OPEN}, claims(nonce))
    ]
    mac = hmac.digest(pem, b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


WRONG: dict[str, Forge] = {
    "no signature": lambda nonce: raw_token({"typ": proofs.TYPE, "alg": "none", "jwk": OPEN}, claims(nonce), b""),
    "alg none with a signature": lambda nonce: raw_token({"typ": proofs.TYPE, "alg": "none", "jwk": OPEN}, claims(nonce)),
    "an HMAC by the public key": by_mac_of_public_key,
    "another's signature": lambda nonce: proof(nonce, KEY, headers={"jwk": OTHER}),
    "a private key inside": lambda nonce: proof(nonce, KEY, headers={"jwk": {**OPEN, "d": "AA"}}),
    "another type of token": lambda nonce: proof(nonce, KEY, headers={"typ": "JWT"}),
    "the type of old drafts": lambda nonce: proof(nonce, KEY, headers={"typ": "openid4vci-proof+jwt "}),
    "no key at all": lambda nonce: proof(nonce, KEY, headers={"jwk": ...}),
    "a kid that nobody knows": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "kid": "did:example:1#0"}),
    "jwk and kid": lambda nonce: proof(nonce, KEY, headers={"kid": "1"}),
    "jwk and x5c": lambda nonce: proof(nonce, KEY, headers={"x5c": [self_signed(KEY)]}),
    "x5c of another's key": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "x5c": [self_signed(new_key())]}),
    "x5c that is no certificate": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "x5c": ["AAAA"]}),
    "x5c that is no array": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "x5c": self_signed(KEY)}),
    "x5c that is empty": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "x5c": []}),
    "x5c that has expired": lambda nonce: proof(nonce, KEY, headers={"jwk": ..., "x5c": [self_signed(KEY, age=timedelta(days=900))]}),
    "an unreadable jwk": lambda nonce: proof(nonce, KEY, headers={"jwk": {"kty": "EC", "crv": "P-256", "x": "A", "y": "A"}}),
    "a symmetric jwk": lambda nonce: proof(nonce, KEY, headers={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "a jwk that is a text": lambda nonce: proof(nonce, KEY, headers={"jwk": "EC"}),
    "a critical extension": lambda nonce: proof(nonce, KEY, headers={"crit": ["exp"], "exp": 1}),
    "for another issuer": lambda nonce: proof(nonce, KEY, aud="https://elsewhere.example"),
    "for several issuers": lambda nonce: proof(nonce, KEY, aud=[ISSUER]),
    "for nobody": lambda nonce: proof(nonce, KEY, aud=...),
    "made at no time": lambda nonce: proof(nonce, KEY, iat=...),
    "made at a text": lambda nonce: proof(nonce, KEY, iat="now"),
    "made at true": lambda nonce: proof(nonce, KEY, iat=True),
    "made long ago": lambda nonce: proof(nonce, KEY, iat=int(time.time()) - 3600),
    "made tomorrow": lambda nonce: proof(nonce, KEY, iat=int(time.time()) + 86400),
    "expired": lambda nonce: proof(nonce, KEY, exp=int(time.time()) - 3600),
    "not good yet": lambda nonce: proof(nonce, KEY, nbf=int(time.time()) + 3600),
    "by another client": lambda nonce: proof(nonce, KEY, iss="another-wallet"),
    "without a nonce": lambda _: proof(..., KEY),
    "an attestation that is none": lambda nonce: proof(nonce, KEY, headers={"key_attestation": "a.b.c"}),
    "no token": lambda _: "nonsense",
    "three empty parts": lambda _: "..",
    "too long": lambda _: "a" * 100_000 + ".b.c",
}
NOT_OURS: dict[str, Any] = {
    "a nonce of our imagination": "AAAA",
    "a nonce of the right length": "A" * 52,
    "an empty nonce": "",
    "a number": 7,
    "an object": {},
    "a nonce beyond ASCII": "证照",
    "a long nonce": "A" * 10_000,
}


@pytest.mark.parametrize("forge", WRONG.values(), ids=WRONG)
def test_a_proof_that_is_wrong_is_refused_and_leaves_the_nonce(wallet: Wallet, forge: Forge) -> None:
    nonce = wallet.nonce()
    assert error_of(wallet.ask(forge(nonce))) == (400, "invalid_proof")
    assert wallet.ask(proof(nonce)).status_code == 200, "nothing was used up"


@pytest.mark.parametrize("nonce", NOT_OURS.values(), ids=NOT_OURS)
def test_a_nonce_that_is_not_ours_has_its_own_error(wallet: Wallet, nonce: Any) -> None:
    assert error_of(wallet.ask(proof(nonce))) == (400, "invalid_nonce")


def test_a_wallet_that_is_known_by_no_name_gives_none(app: Flask, wallet: Wallet) -> None:
    settings = app.extensions["kabao_settings"]
    assert wallet.ask(proof(wallet.nonce(), iss=wallet.client_id)).status_code == 200
    app.extensions["kabao_settings"] = replace(settings, anonymous_wallet_client=wallet.client_id)
    try:
        assert error_of(wallet.ask(proof(wallet.nonce(), iss=wallet.client_id))) == (400, "invalid_proof")
        assert wallet.ask(proof(wallet.nonce())).status_code == 200
    finally:
        app.extensions["kabao_settings"] = settings


def test_one_wrong_proof_among_many_refuses_all(wallet: Wallet) -> None:
    nonce = wallet.nonce()
    assert error_of(wallet.ask(proof(nonce), proof(nonce), proof(nonce, aud="https://elsewhere.example"))) == (400, "invalid_proof")


@pytest.mark.parametrize("more", [{"attestation": ["a.b.c"]}, {"di_vp": [{}]}, {"jwt ": ["a.b.c"]}], ids=str)
def test_proofs_of_two_types_are_refused_be_one_of_them_right(wallet: Wallet, more: dict[str, Any]) -> None:
    nonce = wallet.nonce()
    assert error_of(wallet.ask(proofs={"jwt": [proof(nonce)], **more})) == (400, "invalid_proof")
    assert error_of(wallet.ask(proofs={**more, "jwt": [proof(nonce)]})) == (400, "invalid_proof")


def test_a_key_is_proved_once_in_a_request(wallet: Wallet) -> None:
    nonce, key = wallet.nonce(), new_key()
    assert error_of(wallet.ask(proof(nonce, key), proof(nonce, key))) == (400, "invalid_proof")


def test_more_proofs_than_the_batch_are_refused(wallet: Wallet) -> None:
    nonce = wallet.nonce()
    assert error_of(wallet.ask(*(proof(nonce) for _ in range(proofs.BATCH + 1)))) == (400, "invalid_proof")


def test_a_nonce_is_good_for_one_request(wallet: Wallet) -> None:
    nonce = wallet.nonce()
    assert wallet.ask(proof(nonce)).status_code == 200
    assert error_of(wallet.ask(proof(nonce))) == (400, "invalid_nonce")


def test_a_nonce_expires(wallet: Wallet) -> None:
    nonce = wallet.nonce()
    with shifted(c_nonces.LIFETIME + timedelta(seconds=1)):
        assert error_of(wallet.ask(proof(nonce, iat=int(time.time()) + 301))) == (400, "invalid_nonce")


@pytest.mark.parametrize("place", [0, 20, -1], ids=["its moment", "its random bits", "what we signed it by"])
def test_a_changed_nonce_is_none(wallet: Wallet, place: int) -> None:
    letters = list(wallet.nonce())
    letters[place] = "B" if letters[place] == "A" else "A"
    assert error_of(wallet.ask(proof("".join(letters)))) == (400, "invalid_nonce")


def test_a_nonce_of_somebody_else_s_making_is_none_however_recent(wallet: Wallet) -> None:
    made_up = int(time.time()).to_bytes(c_nonces.MOMENT_BYTES, "big") + bytes(c_nonces.RANDOM_BYTES + c_nonces.MAC_BYTES)
    assert error_of(wallet.ask(proof(base64.urlsafe_b64encode(made_up).decode()))) == (400, "invalid_nonce")


@pytest.mark.parametrize("suite", [suites.EDDSA, suites.ED25519], ids=lambda one: one.name)
def test_keys_of_edwards_curves_are_taken(wallet: Wallet, suite: suites.Suite) -> None:
    assert wallet.ask(proof(wallet.nonce(), suite.generate(), headers={"alg": suite.name})).status_code == 200


def test_a_mobile_document_is_bound_to_no_such_key(wallet: Wallet) -> None:
    form = "driving-licence.mso_mdoc"
    assert error_of(wallet.ask(proof(wallet.nonce(), suites.EDDSA.generate()), configuration=form)) == (400, "invalid_proof")
    assert wallet.ask(proof(wallet.nonce()), configuration=form).status_code == 200


def test_a_key_may_be_named_by_a_certificate(wallet: Wallet) -> None:
    key = new_key()
    assert wallet.ask(proof(wallet.nonce(), key, headers={"jwk": ..., "x5c": [self_signed(key)]})).status_code == 200


def test_the_client_may_name_itself(wallet: Wallet) -> None:
    assert wallet.ask(proof(wallet.nonce(), iss=wallet.client_id)).status_code == 200
