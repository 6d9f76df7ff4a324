"""Back-channel requests that are signed (CIBA Core section 7.1.1): each MUST, and each way to get around one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from structlog.testing import capture_logs

from idp.oauth.clients import CIBA, REFRESH_TOKEN
from keys import suites
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.apart.steps import SCOPES, Counter, error_of, good
from tests.world_clients import ISSUER, jwks_of, new_portal
from tests.world_people import Person


@pytest.fixture
def signer(app: Flask) -> Counter:
    """A counter that signs its requests."""
    metadata = {"backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "ES256"}
    with app.app_context(), transaction() as session:
        system = new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA, REFRESH_TOKEN], metadata=metadata)
    return Counter(app.test_client(), system)


def request_of(counter: Counter, person: Person, *, key: Any = None, algorithm: str = "ES256", typ: str | None = "JWT", **changes: Any) -> str:
    moment = int(now().timestamp())
    claims = {
        "iss": counter.system.client_id,
        "aud": ISSUER,
        "iat": moment,
        "nbf": moment,
        "exp": moment + 300,
        "jti": str(new_id()),
        "scope": "openid profile",
        "login_hint": person.number,
        "requested_expiry": 120,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, counter.system.private_key if key is None else key, algorithm=algorithm, headers={"typ": typ})


def send(counter: Counter, signed: str, **beside: Any) -> Any:
    return counter.send("/backchannel-authentication", request=signed, **beside)


@pytest.mark.parametrize("written", [120, "120"], ids=["a number", "a text"])
def test_a_signed_request_is_taken_with_numbers_as_numbers_or_texts(signer: Counter, person: Person, written: Any) -> None:
    assert good(send(signer, request_of(signer, person, requested_expiry=written)))["expires_in"] == 120


def test_a_claim_without_a_value_is_none(signer: Counter, person: Person) -> None:
    assert good(send(signer, request_of(signer, person, id_token_hint="", requested_expiry="", acr_values="")))


def test_the_audience_may_be_one_of_several(signer: Counter, person: Person) -> None:
    assert good(send(signer, request_of(signer, person, aud=["https://elsewhere.example", ISSUER])))


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "nbf", "jti"])
def test_every_claim_of_the_table_is_required(signer: Counter, person: Person, name: str) -> None:
    assert error_of(send(signer, request_of(signer, person, **{name: None}))) == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"aud": "https://elsewhere.example"},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 9_999_999_999, "exp": 9_999_999_999},
        {"exp": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
    ],
    ids=[
        "another issuer",
        "another audience",
        "expired",
        "no time",
        "not yet",
        "hours long",
        "made later",
        "an empty jti",
        "a jti that is no text",
        "a huge jti",
    ],
)
def test_wrong_claims_are_refused(signer: Counter, person: Person, changes: dict[str, Any]) -> None:
    signed = request_of(signer, person, **changes)
    with capture_logs() as said:
        assert error_of(send(signer, signed)) == "invalid_request"
    (line,) = [one for one in said if one["event"] == "signed request refused"]
    assert line["client_id"] == signer.system.client_id
    assert line["why"] in {
        "iss is not the client",
        "aud is not this service",
        "expired, not yet good, or good for more than an hour",
        "a time is not a number",
        "no jti, or none that can be kept",
    }
    assert not any(secret in str(said) for secret in (signed, person.number, "somebody-else", "elsewhere.example"))


@pytest.mark.parametrize("name", ["id_token_hint", "login_hint", "login_hint_token", "binding_message", "scope", "acr_values", "resource", "odd"])
def test_half_a_character_in_a_claim_is_refused(signer: Counter, person: Person, name: str) -> None:
    for text in ("\ud800", "\ud800.a.b", "a.b.\udfff", "\udfff.a.b.c.d"):
        signed = request_of(signer, person, **{"login_hint": None, name: text})
        assert error_of(send(signer, signed)) == "invalid_request", text


def test_another_key_does_not_sign_for_the_client(signer: Counter, person: Person) -> None:
    assert error_of(send(signer, request_of(signer, person, key=suites.ES256.generate()))) == "invalid_request"


def test_nothing_signed_by_none_or_by_a_secret_is_taken(signer: Counter, person: Person) -> None:
    unsigned = request_of(signer, person, key="", algorithm="none")
    by_secret = request_of(signer, person, key="the public key, taken as a secret", algorithm="HS256")
    for forged in (unsigned, by_secret, "x", "..", "a.b.c", "x" * 20_000):
        assert error_of(send(signer, forged)) == "invalid_request", forged[:10]


TYPES = {
    "JWT": ("JWT", True),
    "with application/": ("application/jwt", True),
    "none": (None, True),
    "a request's": ("oauth-authz-req+jwt", True),
    "a request's, in any letters": ("OAuth-AuthZ-Req+JWT", True),
    "a client assertion's": ("client-authentication+jwt", False),
    "a DPoP proof's": ("dpop+jwt", False),
}


@pytest.mark.parametrize(("typ", "is_taken"), TYPES.values(), ids=TYPES)
def test_what_is_signed_as_another_kind_of_token_is_no_request(signer: Counter, person: Person, typ: str | None, is_taken: bool) -> None:
    """RFC 8725 section 3.11, RFC 7515 section 4.1.9."""
    response = send(signer, request_of(signer, person, typ=typ))
    assert response.status_code == (200 if is_taken else 400), response.text


@pytest.mark.parametrize("typ", ["JWT", "oauth-authz-req+jwt"])
def test_what_is_signed_for_a_browser_to_carry_asks_nobody_through_the_back_channel(signer: Counter, person: Person, typ: str) -> None:
    response = send(signer, request_of(signer, person, typ=typ, response_type="code"))
    assert error_of(response) == "invalid_request"
    assert "response_type" in response.json["error_description"]


def test_a_request_is_good_once(signer: Counter, person: Person) -> None:
    signed = request_of(signer, person)
    good(send(signer, signed))
    assert error_of(send(signer, signed)) == "invalid_request"


def test_a_client_that_signs_sends_nothing_unsigned(signer: Counter, person: Person) -> None:
    assert error_of(signer.ask(login_hint=person.number)) == "invalid_request"


@pytest.mark.parametrize("name", ["scope", "login_hint", "binding_message", "acr_values", "requested_expiry"])
def test_no_parameter_stands_beside_the_jwt(signer: Counter, person: Person, name: str) -> None:
    assert error_of(send(signer, request_of(signer, person), **{name: "openid"})) == "invalid_request"


def test_an_algorithm_that_was_not_registered_is_refused(app: Flask, person: Person) -> None:
    metadata = {"backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "PS256"}
    with app.app_context(), transaction() as session:
        system = new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA], metadata=metadata)
    other = Counter(app.test_client(), system)
    assert error_of(send(other, request_of(other, person))) == "invalid_request"


@pytest.mark.parametrize(("algorithm", "is_taken"), [("RS256", True), ("PS256", False)])
def test_the_registered_algorithm_counts_where_a_key_is_good_for_several(app: Flask, person: Person, algorithm: str, is_taken: bool) -> None:
    """`backchannel_authentication_request_signing_alg`: an RSA key without `alg` signs by RS256 where that was registered, and by nothing else."""
    key = suites.RS256.generate()
    metadata = {"backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "RS256"}
    jwks = jwks_of(key)
    for jwk in jwks["keys"]:
        jwk.pop("alg", None)
    with app.app_context(), transaction() as session:
        system = new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA], jwks=jwks, metadata=metadata)
    rsa = Counter(app.test_client(), replace(system, private_key=key))
    response = send(rsa, request_of(rsa, person, algorithm=algorithm))
    assert response.status_code == (200 if is_taken else 400), response.text


def test_clocks_may_differ_by_half_a_minute(signer: Counter, person: Person) -> None:
    signed = request_of(signer, person)
    with shifted(timedelta(seconds=-25)):
        good(send(signer, signed))
    late = request_of(signer, person, exp=int(now().timestamp()))
    with shifted(timedelta(seconds=25)):
        good(send(signer, late))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("moment", [10**400, -(10**400)], ids=["beyond all numbers", "below all numbers"])
def test_a_time_that_is_no_time_is_refused(signer: Counter, person: Person, name: str, moment: int) -> None:
    assert error_of(send(signer, request_of(signer, person, **{name: moment}))) == "invalid_request"
