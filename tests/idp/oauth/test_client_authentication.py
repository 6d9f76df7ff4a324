"""Every way in which a client proves who it is, and what each refuses (RFC 6749 section 2.3, RFC 7521, RFC 7523, OpenID Connect Core section 9)."""

import base64
import json
import secrets
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from idp.oauth import clients
from idp.oauth.client_authentication import ASSERTION_TYPE, methods_offered
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import CLIENT_AUTHENTICATION, Settings
from tests.world_clients import DEPARTMENT, ISSUER, System, jwks_of, new_system

GRANT = {"grant_type": "client_credentials"}
SECRET = "päss w+rd/%:=" + secrets.token_urlsafe(24)


def register(app: Flask, method: str, secret: str | None = None, **rest: Any) -> str:
    client_id = f"{method.replace('_', '-')}-{secrets.token_hex(6)}"
    registration = {"name": Text("甲", "A"), "owner": DEPARTMENT, "scopes": ["draws"], "auth_method": method, "client_secret": secret, **rest}
    with app.app_context(), transaction() as session:
        clients.register_client(session, client_id=client_id, now=now(), **registration)
    return client_id


def configure(app: Flask, system: System, **metadata: Any) -> None:
    with app.app_context(), transaction() as session:
        session.get_one(clients.RegisteredClient, system.client_id).client_metadata = metadata


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()}


def mac_assertion(client_id: str, secret: str, *, algorithm: str = "HS256", **changes: Any) -> dict[str, str]:
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(12), **changes}
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": jwt.encode(claims, secret, algorithm=algorithm)}


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=["draws"])


def test_the_parts_of_a_basic_proof_are_form_encoded(app: Flask, client: FlaskClient) -> None:
    client_id = register(app, "client_secret_basic", SECRET)
    assert client.post("/token", data=GRANT, headers=basic(client_id, SECRET)).status_code == 200
    raw = base64.b64encode(f"{client_id}:{SECRET}".encode()).decode()
    assert client.post("/token", data=GRANT, headers={"Authorization": f"Basic {raw}"}).status_code == 401, "a plus sign would be a space"


def test_a_secret_comes_in_the_body_where_it_was_registered_so(app: Flask, client: FlaskClient) -> None:
    client_id = register(app, "client_secret_post", SECRET)
    assert client.post("/token", data={**GRANT, "client_id": client_id, "client_secret": SECRET}).status_code == 200
    assert client.post("/token", data={**GRANT, "client_id": client_id, "client_secret": SECRET + "x"}).status_code == 401
    assert client.post("/token", data={**GRANT, "client_secret": SECRET}).status_code == 401


@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", [f"{ISSUER}/token", ISSUER]], ids=["issuer", "endpoint", "list"])
def test_a_secret_is_the_key_of_an_assertion_where_it_was_registered_so(app: Flask, client: FlaskClient, audience: Any) -> None:
    secret = 2 * clients.new_secret()
    client_id = register(app, "client_secret_jwt", secret)
    assert client.post("/token", data={**GRANT, **mac_assertion(client_id, secret, aud=audience)}).status_code == 200
    assert client.post("/token", data={**GRANT, **mac_assertion(client_id, secret[::-1], aud=audience)}).status_code == 401
    assert client.post("/token", data={**GRANT, **mac_assertion(client_id, secret, algorithm="HS512")}).status_code == 401


def test_a_secret_is_kept_sealed_only_where_it_is_a_key(session: Session) -> None:
    for method, is_sealed in (("client_secret_jwt", True), ("client_secret_basic", False), ("client_secret_post", False)):
        secret = clients.new_secret()
        registration = {"name": Text("甲", "A"), "owner": DEPARTMENT, "auth_method": method, "client_secret": secret}
        row = clients.register_client(session, client_id=f"s-{secrets.token_hex(5)}", now=now(), **registration)
        assert (row.secret_sealed is not None) == is_sealed
        assert secret.encode() not in (row.secret_sealed or b"") + (row.secret_hash or b"")


def test_a_short_secret_is_no_key(app: Flask) -> None:
    with pytest.raises(clients.ClientRefused):
        register(app, "client_secret_jwt", "x" * 31)


METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


@pytest.mark.parametrize("registered", METHODS)
@pytest.mark.parametrize("used", METHODS)
def test_a_client_has_the_one_way_that_it_was_registered_with(app: Flask, client: FlaskClient, registered: str, used: str) -> None:
    secret = clients.new_secret()
    client_id = register(app, registered, secret)
    sent: dict[str, Any] = {
        "client_secret_basic": {"data": GRANT, "headers": basic(client_id, secret)},
        "client_secret_post": {"data": {**GRANT, "client_id": client_id, "client_secret": secret}},
        "client_secret_jwt": {"data": {**GRANT, **mac_assertion(client_id, secret)}},
    }[used]
    assert client.post("/token", **sent).status_code == (200 if registered == used else 401)


TWO = {
    "basic and post": lambda s: {"data": {**GRANT, "client_id": "x", "client_secret": "y"}, "headers": basic("x", "y")},
    "basic and assertion": lambda s: {"data": {**GRANT, **s.proof()}, "headers": basic("x", "y")},
    "post and assertion": lambda s: {"data": {**GRANT, **s.proof(), "client_secret": "y"}},
}


@pytest.mark.parametrize("send", TWO.values(), ids=TWO)
def test_two_proofs_are_refused(client: FlaskClient, system: System, send: Any) -> None:
    response = client.post("/token", **send(system))
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_no_answer_tells_an_unknown_client_from_a_wrong_proof(app: Flask, client: FlaskClient, system: System) -> None:
    known = register(app, "client_secret_post", clients.new_secret())
    impostor = replace(system, private_key=suites.ES256.generate())
    unknown = replace(system, client_id="nobody")
    forms = [
        {"client_id": known, "client_secret": "wrong"},
        {"client_id": "nobody", "client_secret": "wrong"},
        {"client_id": known},
        {"client_id": "nobody"},
        {},
        impostor.proof(),
        unknown.proof(),
        system.proof(aud="https://elsewhere.example"),
        impostor.proof(exp=1),
    ]
    answers = [client.post("/token", data={**GRANT, **form}) for form in forms]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}


# The algorithm


SUITES = [suites.ES256, suites.EDDSA, suites.ED25519, suites.PS256, suites.RS256]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_an_assertion_is_signed_by_any_suite(app: Flask, client: FlaskClient, suite: suites.Suite) -> None:
    key = suite.generate()
    client_id = register(app, "private_key_jwt", jwks=jwks_of(key), metadata={"token_endpoint_auth_signing_alg": suite.name})
    for other in suites.algorithms_of(key):
        claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(12)}
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": jwt.encode(claims, key, algorithm=other)}
        assert client.post("/token", data={**GRANT, **form}).status_code == (200 if other == suite.name else 401), other


def test_a_key_that_names_its_algorithm_is_for_no_other(app: Flask, client: FlaskClient) -> None:
    key = suites.PS256.generate()
    jwks = jwks_of(key)
    jwks["keys"][0]["alg"] = "PS256"
    client_id = register(app, "private_key_jwt", jwks=jwks)
    for algorithm, status in (("PS256", 200), ("RS256", 401)):
        claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(12)}
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": jwt.encode(claims, key, algorithm=algorithm)}
        assert client.post("/token", data={**GRANT, **form}).status_code == status


@pytest.mark.parametrize("metadata", [{"token_endpoint_auth_signing_alg": "HS256"}, {"token_endpoint_auth_signing_alg": "none"}])
def test_an_algorithm_that_is_not_the_method_s_is_not_registered(app: Flask, metadata: dict[str, Any]) -> None:
    with pytest.raises(clients.ClientRefused):
        register(app, "private_key_jwt", jwks=jwks_of(suites.ES256.generate()), metadata=metadata)


# The audience


@pytest.mark.parametrize(
    ("audience", "status"),
    [
        (ISSUER, 200),
        (f"{ISSUER}/revoke", 200),
        (f"{ISSUER}/token", 200),
        (f"{ISSUER}/userinfo", 401),
        (f"{ISSUER}/", 401),
        ([], 401),
        ([[ISSUER]], 401),
        ({"aud": ISSUER}, 401),
        (True, 401),
    ],
    ids=str,
)
def test_an_assertion_is_for_us_or_for_where_it_is_sent(client: FlaskClient, system: System, audience: Any, status: int) -> None:
    assertion = mac_assertion(system.client_id, "x" * 32, aud=audience)["client_assertion"]
    claims = jwt.decode(assertion, options={"verify_signature": False, "verify_aud": False})
    signed = jwt.api_jws.encode(json.dumps(claims).encode(), system.private_key, algorithm="ES256")
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed, "token": "x"}
    assert client.post("/revoke", data=form).status_code == status


AUDIENCES: dict[str, tuple[Any, bool, bool]] = {
    "the issuer": (ISSUER, True, True),
    "the issuer in a list": ([ISSUER], True, True),
    "the endpoint": (f"{ISSUER}/token", True, False),
    "the issuer and the endpoint": ([ISSUER, f"{ISSUER}/token"], True, False),
    "the issuer and another server": ([ISSUER, "https://elsewhere.example"], False, False),
    "the endpoint and no text": ([f"{ISSUER}/token", 7], False, False),
}


@pytest.mark.parametrize(("audience", "is_taken", "is_taken_of_its_type"), AUDIENCES.values(), ids=AUDIENCES)
def test_an_assertion_is_for_nobody_besides_and_one_that_is_typed_for_the_issuer_alone(
    client: FlaskClient, system: System, audience: Any, is_taken: bool, is_taken_of_its_type: bool
) -> None:
    """RFC 7523 section 3 as updated in 2025: our issuer as the sole audience, of all that are typed `client-authentication+jwt`."""
    for typ, expected in (("JWT", is_taken), ("client-authentication+jwt", is_taken_of_its_type)):
        claims = {"iss": system.client_id, "sub": system.client_id, "aud": audience, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(12)}
        header = {"typ": typ, "alg": "ES256"}
        signed = jwt.api_jws.encode(json.dumps(claims).encode(), system.private_key, algorithm="ES256", headers=header)
        form = {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        assert (client.post("/token", data=form).status_code == 200) is expected, typ


@pytest.mark.parametrize("changes", [{"iat": 120, "exp": 180}, {"nbf": 120, "exp": 180}, {"iat": -180, "exp": -120}], ids=["ahead", "nbf", "behind"])
def test_who_signs_rightly_by_a_clock_that_is_two_minutes_off_is_told_so(client: FlaskClient, system: System, changes: dict[str, int]) -> None:
    moved = {name: int(time.time()) + seconds for name, seconds in changes.items()}
    answers = [client.post("/token", data={**GRANT, **one.proof(**moved)}) for one in (system, replace(system, private_key=suites.ES256.generate()))]
    assert [(answer.status_code, answer.json["error"]) for answer in answers] == [(401, "invalid_client")] * 2
    assert ["clock" in answer.json["error_description"] for answer in answers] == [True, False], "and nobody without the key is"


def test_of_two_keys_of_one_id_the_one_that_the_algorithm_fits_is_taken(app: Flask, client: FlaskClient) -> None:
    """FAPI 2.0 Security Profile section 5.4.3: a verifier considers kty, use and alg where several keys have one kid."""
    keys = (suites.PS256.generate(), suites.ES256.generate(), suites.EDDSA.generate())
    jwks = {"keys": [{**jwks_of(key)["keys"][0], "kid": "one"} for key in keys]}
    system = System(register(app, "private_key_jwt", jwks=jwks), keys[0])
    for key in keys:
        claims = jwt.decode(system.assertion(), options={"verify_signature": False})
        signed = jwt.encode(claims, key, algorithm=suites.suite_of(key).name, headers={"kid": "one"})
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        assert client.post("/token", data={**GRANT, **form}).status_code == 200, suites.suite_of(key).name


def test_under_fapi_an_assertion_is_for_the_issuer_alone(app: Flask, client: FlaskClient, system: System) -> None:
    configure(app, system, security_profile="fapi2")
    for audience, status in ((ISSUER, 200), ([ISSUER], 401), (f"{ISSUER}/revoke", 401), (f"{ISSUER}/token", 401)):
        assert client.post("/revoke", data={**system.proof(aud=audience), "token": "x"}).status_code == status


# What the operator leaves on


def test_the_operator_switches_methods_off(app: Flask, settings: Settings) -> None:
    assert methods_offered(settings) == [one for one in CLIENT_AUTHENTICATION if "tls" not in one]
    fewer = replace(settings, client_authentication=frozenset({"private_key_jwt", "tls_client_auth"}))
    assert methods_offered(fewer) == ["private_key_jwt"], "no proxy hands certificates on"
    behind = replace(fewer, client_certificate_header="X-Cert")
    assert methods_offered(behind) == ["private_key_jwt"], "nobody says what the proxy made of the certificate"
    assert methods_offered(replace(behind, client_certificate_verified_header="X-Ok")) == ["private_key_jwt", "tls_client_auth"]


def test_a_method_that_is_switched_off_proves_nothing(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = register(app, "client_secret_post", SECRET)
    form = {**GRANT, "client_id": client_id, "client_secret": SECRET}
    assert client.post("/token", data=form).status_code == 200
    fewer = replace(app.extensions["kabao_settings"], client_authentication=frozenset({"private_key_jwt"}))
    monkeypatch.setitem(app.extensions, "kabao_settings", fewer)
    assert client.post("/token", data=form).status_code == 401
    told = client.get("/.well-known/openid-configuration").json
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert "HS256" not in told["token_endpoint_auth_signing_alg_values_supported"]


WHY: dict[str, tuple[dict[str, Any], str]] = {
    "for elsewhere": ({"aud": "https://elsewhere.example"}, "aud is not this service"),
    "of yesterday": ({"exp": 1}, "expired, not yet good, or good for more than an hour"),
    "of another": ({"sub": "somebody"}, "sub is not the client"),
    "without an id": ({"jti": None}, "no jti, or none that can be kept"),
}


@pytest.mark.parametrize(("changes", "why"), WHY.values(), ids=WHY)
def test_the_log_tells_the_operator_why_a_client_was_refused(client: FlaskClient, system: System, changes: dict[str, Any], why: str) -> None:
    proof = system.proof(**changes)
    with capture_logs() as said:
        assert client.post("/token", data={**GRANT, **proof}).status_code == 401
    (line,) = [one for one in said if one["event"] == "client not proven"]
    assert (line["why"], line["client_id"]) == (why, system.client_id)
    assert proof["client_assertion"] not in str(said)


def test_the_log_repeats_nothing_that_a_stranger_wrote(client: FlaskClient, system: System) -> None:
    stranger = replace(system, client_id="379999199005180121")
    with capture_logs() as said:
        for form in (stranger.proof(), {"client_id": stranger.client_id}, {"client_id": stranger.client_id, "client_secret": "x"}):
            assert client.post("/token", data={**GRANT, **form}).status_code == 401
    refused = [one for one in said if one["event"] == "client not proven"]
    assert [one["client_id"] for one in refused] == [None] * 3
    assert stranger.client_id not in str(refused)
