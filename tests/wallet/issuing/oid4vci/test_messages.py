"""Encrypted requests and answers (OpenID4VCI 1.0 section 10), and bodies of any kind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from tests.wallet.issuing.oid4vci.wallets import TYPE, Wallet, error_of, proof, some_id
from wallet.issuing.oid4vci.messages import LONGEST

MINE = ECKey.generate_key("P-256", {"kid": "mine"}, private=True)


def published(http: FlaskClient, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a key of ours, and the header of what is encrypted to it."""
    found = http.get("/.well-known/openid-credential-issuer").json["credential_request_encryption"]  # type: ignore[index]
    jwk = next(one for one in found["jwks"]["keys"] if one["kty"] == "EC")
    return jwk, {"alg": jwk["alg"], "enc": found["enc_values_supported"][0], "kid": jwk["kid"], **changes}


def encrypted(http: FlaskClient, body: Any, **changes: Any) -> str:
    jwk, header = published(http, **changes)
    return jwe.encrypt_compact(header, json.dumps(body).encode(), ECKey.import_key(jwk))


def asked(wallet: Wallet, **changes: Any) -> dict[str, Any]:
    """Return a request that asks for an encrypted answer."""
    wanted = {"jwk": {**MINE.as_dict(private=False), "alg": "ECDH-ES"}, "enc": "A128GCM", **changes}
    return {
        "credential_identifier": wallet.identifiers[TYPE][0],
        "proofs": {"jwt": [proof(wallet.nonce())]},
        "credential_response_encryption": {name: value for name, value in wanted.items() if value is not ...},
    }


def send(wallet: Wallet, text: str | bytes, *, path: str = "/credential", kind: str = "application/jwt") -> Any:
    return wallet.http.post(path, data=text, content_type=kind, headers={"Authorization": f"Bearer {wallet.token}"})


def test_an_answer_is_for_the_key_that_was_sent(wallet: Wallet) -> None:
    answer = send(wallet, encrypted(wallet.http, asked(wallet)))
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "application/jwt", "no-store"), answer.text
    opened = jwe.decrypt_compact(answer.text, MINE)
    assert opened.headers()["kid"] == "mine"
    assert json.loads(opened.plaintext or b"")["credentials"]


def test_a_wallet_that_asks_for_compression_is_answered_without_it(wallet: Wallet) -> None:
    answer = send(wallet, encrypted(wallet.http, asked(wallet, zip="DEF")))
    assert answer.status_code == 200, answer.text
    opened = jwe.decrypt_compact(answer.text, MINE)
    assert "zip" not in opened.headers()
    assert json.loads(opened.plaintext or b"")["credentials"]


def test_an_encrypted_request_may_be_answered_in_the_open(wallet: Wallet) -> None:
    body = {name: value for name, value in asked(wallet).items() if name != "credential_response_encryption"}
    answer = send(wallet, encrypted(wallet.http, body))
    assert (answer.status_code, answer.mimetype) == (200, "application/json")


WRONG: dict[str, dict[str, Any]] = {
    "no key": {"jwk": ...},
    "no enc": {"enc": ...},
    "another enc": {"enc": "A192GCM"},
    "a key without alg": {"jwk": MINE.as_dict(private=False)},
    "another alg": {"jwk": {**MINE.as_dict(private=False), "alg": "RSA1_5"}},
    "an alg of another family": {"jwk": {**MINE.as_dict(private=False), "alg": "RSA-OAEP-256"}},
    "a private key": {"jwk": {**MINE.as_dict(private=True), "alg": "ECDH-ES"}},
    "a symmetric key": {"jwk": {"kty": "oct", "k": "AAAA", "alg": "dir"}},
    "a key that is a text": {"jwk": "EC"},
    "a key of signing": {"jwk": {**MINE.as_dict(private=False), "alg": "ECDH-ES", "use": "sig"}},
    "an unreadable key": {"jwk": {"kty": "EC", "crv": "P-256", "x": "A", "y": "A", "alg": "ECDH-ES"}},
    "enc that is an array": {"enc": []},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_parameters_of_encryption_that_are_wrong_are_refused(wallet: Wallet, changes: dict[str, Any]) -> None:
    assert error_of(send(wallet, encrypted(wallet.http, asked(wallet, **changes)))) == (400, "invalid_encryption_parameters")


def test_a_request_that_is_encrypted_to_another_key_is_refused(wallet: Wallet) -> None:
    _, header = published(wallet.http)
    text = jwe.encrypt_compact({**header, "kid": "another"}, b"{}", ECKey.generate_key("P-256"))
    assert error_of(send(wallet, text)) == (400, "invalid_encryption_parameters")


def test_a_compressed_request_is_refused_unopened(wallet: Wallet) -> None:
    jwk, header = published(wallet.http)
    text = jwe.encrypt_compact({**header, "zip": "DEF"}, b"a" * 100_000, ECKey.import_key(jwk))
    assert error_of(send(wallet, text)) == (400, "invalid_encryption_parameters")


def test_an_rsa_key_is_encrypted_to(wallet: Wallet) -> None:
    key = RSAKey.generate_key(2048)
    answer = send(wallet, encrypted(wallet.http, asked(wallet, jwk={**key.as_dict(private=False), "alg": "RSA-OAEP-256"})))
    assert json.loads(jwe.decrypt_compact(answer.text, key, algorithms=["RSA-OAEP-256", "A128GCM"]).plaintext or b"")["credentials"]


BODIES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "application/json"),
    "no JSON": ("{", "application/json"),
    "an array": ("[]", "application/json"),
    "a member twice": ('{"credential_identifier":"a","credential_identifier":"b"}', "application/json"),
    "too deep": ('{"a":' * 5000 + "1" + "}" * 5000, "application/json"),
    "not a number": ('{"a":NaN}', "application/json"),
    "not UTF-8": (b'{"a":"\xff"}', "application/json"),
    "too long": ("{" + '"a":1,' * 100_000 + '"b":1}', "application/json"),
    "one member that is too long": (json.dumps({"credential_configuration_id": "moon", "a": "b" * LONGEST}), "application/json"),
    "a form": ("credential_identifier=a", "application/x-www-form-urlencoded"),
    "a text": ("{}", "text/plain"),
}


@pytest.mark.parametrize(("body", "kind"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused(wallet: Wallet, body: str | bytes, kind: str) -> None:
    assert error_of(send(wallet, body, kind=kind)) == (400, "invalid_credential_request")
    assert send(wallet, body, kind=kind, path="/deferred").status_code == 400
    assert error_of(send(wallet, body, kind=kind, path="/notification")) == (400, "invalid_notification_request")


def test_a_notification_is_json_and_says_so(wallet: Wallet) -> None:
    told = {"notification_id": wallet.ask(proof(wallet.nonce())).json["notification_id"], "event": "credential_accepted"}
    for kind, status in (("text/plain", 400), ("application/jwt", 400), ("application/json", 204)):
        assert send(wallet, json.dumps(told), kind=kind, path="/notification").status_code == status


@pytest.fixture
def only_encrypted(app: Flask) -> Iterator[None]:
    """Issue by encrypted messages alone."""
    before = app.extensions["kabao_settings"]
    app.extensions["kabao_settings"] = replace(before, credential_encryption_required=True)
    yield
    app.extensions["kabao_settings"] = before


@pytest.mark.usefixtures("only_encrypted")
def test_an_operator_may_want_every_message_encrypted(wallet: Wallet) -> None:
    found = wallet.http.get("/.well-known/openid-credential-issuer").json
    assert found["credential_request_encryption"]["encryption_required"] is True  # type: ignore[index]
    assert found["credential_response_encryption"]["encryption_required"] is True  # type: ignore[index]
    assert error_of(wallet.ask(proof(wallet.nonce()))) == (400, "invalid_encryption_parameters")
    plain = {name: value for name, value in asked(wallet).items() if name != "credential_response_encryption"}
    assert error_of(send(wallet, encrypted(wallet.http, plain))) == (400, "invalid_encryption_parameters")
    assert send(wallet, encrypted(wallet.http, asked(wallet))).status_code == 200
    later = encrypted(wallet.http, {"transaction_id": some_id()})
    assert error_of(send(wallet, later, path="/deferred")) == (400, "invalid_encryption_parameters")
