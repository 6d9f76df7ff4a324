from typing import Any

import jwt
import pytest
from flask import Flask

from keys import certificates, ring
from runtime.settings import Settings
from tests.wallet.issuing.licence_contents import PLACE, new_content, new_key, some_days_on
from wallet.issuing.contents import Content
from wallet.issuing.formats import FORMATS

STATUS = {"status_list": {"idx": 4711, "uri": "http://127.0.0.1:8000/status/0123456789ab"}}


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


def made(app: Flask, settings: Settings, content: Content, name: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload, verified with the department's own key."""
    given: dict[str, Any] = {"holder_key": None, "place": PLACE, "now": some_days_on(), **changes}
    with app.app_context():
        text = FORMATS[name].make(settings, content, **given)
        key = ring.signer(certificates.department_use(content.department)).key.public_key()
    assert isinstance(text, str)
    read = jwt.decode_complete(text, key, algorithms=["ES256"], options={"verify_nbf": False, "verify_iat": False})  # type: ignore[arg-type]
    return read["header"], read["payload"]


def test_a_credential_of_the_data_model_2_is_the_payload_itself(app: Flask, settings: Settings, content: Content) -> None:
    _, jwk = new_key()
    header, payload = made(app, settings, content, "vc+jwt", holder_key=jwk)
    assert (header["typ"], header["cty"], len(header["x5c"])) == ("vc+jwt", "vc", 1)
    assert not {"vc", "vp"} & payload.keys()
    assert payload["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert payload["type"] == ["VerifiableCredential", "DrivingLicence"]
    assert payload["issuer"] == payload["iss"] == content.issuer
    assert payload["credentialSubject"] == {**content.values, "licence_identifier": content.identifier, **content.dates}
    assert payload["credentialSchema"] == {"id": f"{content.vct}/schema", "type": "JsonSchema"}
    assert payload["credentialStatus"]["status_list"] == payload["status"]["status_list"] == STATUS["status_list"]
    assert payload["cnf"] == {"jwk": jwk}


def test_its_dates_say_the_same_as_its_claims(app: Flask, settings: Settings, content: Content) -> None:
    from datetime import datetime

    _, payload = made(app, settings, content, "vc+jwt")
    assert datetime.fromisoformat(payload["validFrom"]).timestamp() == payload["nbf"]
    assert datetime.fromisoformat(payload["validUntil"]).timestamp() == payload["exp"]
    assert payload["validFrom"].endswith("Z")


def test_a_credential_of_the_data_model_1_1_stands_in_its_own_claim(app: Flask, settings: Settings, content: Content) -> None:
    header, payload = made(app, settings, content, "jwt_vc_json")
    assert header["typ"] == "JWT"
    assert payload["vc"]["@context"] == ["https://www.w3.org/2018/credentials/v1"]
    assert set(payload["vc"]) == {"@context", "type", "issuer", "issuanceDate", "expirationDate", "credentialSubject", "credentialSchema"}
    assert payload["status"] == STATUS
    assert payload["iss"] == content.issuer


@pytest.mark.parametrize("name", ["vc+jwt", "jwt_vc_json"])
def test_a_changed_letter_fails(app: Flask, settings: Settings, content: Content, name: str) -> None:
    with app.app_context():
        text = FORMATS[name].make(settings, content, holder_key=None, place=PLACE, now=some_days_on())
        key = ring.signer(certificates.department_use(content.department)).key.public_key()
    assert isinstance(text, str)
    for place in range(5, len(text) - 5, 151):
        if text[place] == ".":
            continue
        spoilt = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(spoilt, key, algorithms=["ES256"], options={"verify_nbf": False, "verify_iat": False})  # type: ignore[arg-type]
