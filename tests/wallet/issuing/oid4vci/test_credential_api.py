"""A wallet has credentials issued (OpenID4VCI 1.0 sections 7 and 8)."""

from typing import Any

import pytest
from flask import Flask

from keys import suites
from runtime.database import transaction
from tests.wallet.issuing.oid4vci.wallets import TYPE, Holder, Wallet, error_of, new_key, proof
from wallet.issuing import sd_jwt
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.issuing.oid4vci.proofs import BATCH


def test_a_credential_is_bound_to_the_key_that_was_proved(wallet: Wallet, holder: Holder) -> None:
    key = new_key()
    answer = wallet.ask(proof(wallet.nonce(), key))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"
    assert len(answer.json["credentials"]) == 1
    presented = sd_jwt.parse(answer.json["credentials"][0]["credential"])
    claims = sd_jwt.reveal(sd_jwt.read_json(presented.jwt.split(".")[1]), presented.disclosures)
    assert claims["cnf"] == {"jwk": suites.public_jwk(key.public_key())}
    assert claims["vct"].endswith(f"/types/{TYPE}")
    assert claims["licence_identifier"] == holder.licence.identifier
    assert answer.json["notification_id"]


def test_a_nonce_is_never_kept_and_always_new(wallet: Wallet) -> None:
    first, second = wallet.http.post("/nonce"), wallet.http.post("/nonce")
    assert first.headers["Cache-Control"] == "no-store"
    assert "DPoP-Nonce" in first.headers
    assert first.json["c_nonce"] != second.json["c_nonce"]  # type: ignore[index]


def test_a_batch_has_one_credential_a_key_and_no_two_share_a_place(app: Flask, wallet: Wallet, holder: Holder) -> None:
    nonce = wallet.nonce()
    answer = wallet.ask(*(proof(nonce) for _ in range(BATCH)))
    assert answer.status_code == 200, answer.text
    assert len({one["credential"] for one in answer.json["credentials"]}) == BATCH
    with app.app_context(), transaction() as session:
        rows = session.query(CredentialElsewhere).filter_by(holder_id=holder.grantee.holder_id).all()
    assert len({(row.status_list, row.status_index) for row in rows}) == BATCH
    assert len({row.key_thumbprint for row in rows}) == BATCH


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no proofs": ({"proofs": ...}, "invalid_proof"),
    "neither identifier": ({"credential_identifier": ...}, "invalid_credential_request"),
    "both": ({"credential_configuration_id": TYPE}, "invalid_credential_request"),
    "an identifier of nobody's": ({"credential_identifier": "0198c000-0000-7000-8000-000000000000"}, "unknown_credential_identifier"),
    "an identifier that is no text": ({"credential_identifier": 7}, "invalid_credential_request"),
    "an unknown configuration": ({"credential_identifier": ..., "credential_configuration_id": "moon"}, "unknown_credential_configuration"),
    "two types of proof": ({"proofs": {"jwt": ["a.b.c"], "attestation": ["a.b.c"]}}, "invalid_proof"),
    "another type of proof": ({"proofs": {"di_vp": [{}]}}, "invalid_proof"),
    "proofs that are an array": ({"proofs": []}, "invalid_proof"),
    "no proof": ({"proofs": {"jwt": []}}, "invalid_proof"),
    "a proof that is no text": ({"proofs": {"jwt": [{}]}}, "invalid_proof"),
    "a thousand proofs": ({"proofs": {"jwt": ["a.b.c"] * 1000}}, "invalid_proof"),
    "encryption asked for in the open": ({"credential_response_encryption": {"jwk": {}, "enc": "A128GCM"}}, "invalid_encryption_parameters"),
}


@pytest.mark.parametrize(("changes", "error"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_is_not_right_is_refused_by_its_name(wallet: Wallet, changes: dict[str, Any], error: str) -> None:
    assert error_of(wallet.ask(proof(wallet.nonce()), **changes)) == (400, error)
