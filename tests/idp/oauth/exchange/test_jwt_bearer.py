"""A department's identity system vouches for a person, and the department's system gets a token (RFC 7523 section 2.1)."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import consents
from idp.oauth.access_tokens import read_access_token
from idp.oauth.clients import JWT_BEARER, find_client
from idp.oauth.exchange import issuers
from idp.oauth.exchange.trust_commands import trust as command
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.exchange.conftest import claims_of, new_exchanger
from tests.world_clients import ISSUER, System, ask, bearer, jwks_of
from tests.world_people import BROWSER, Person, new_organisation, new_person, open_account, sign_in

KEY = suites.ES256.generate()
KID = jwks_of(KEY)["keys"][0]["kid"]


@pytest.fixture
def issuer() -> str:
    return f"https://id-{secrets.token_hex(6)}.example.gov.cn"


@pytest.fixture
def system(app: Flask, issuer: str) -> System:
    """A system that may bring the issuer's assertions, for people and for its own account."""
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, scopes=["openid", "profile", "licences", "draws", "receipts"], grant_types=[JWT_BEARER])
    with app.app_context(), transaction() as session:
        asked = ["openid", "profile", "draws"]
        issuers.trust(session, issuer=issuer, client_id=system.client_id, jwks=jwks_of(KEY), asked=asked, now=now())
    return system


@pytest.fixture
def known(app: Flask, system: System) -> tuple[Person, UUID]:
    """A person who allowed the system to know them, and one thing more than the issuer's word is good for."""
    with app.app_context(), transaction() as session:
        person = new_person(session)
        person_id = open_account(session, person)
        client = find_client(system.client_id)
        assert client is not None
        consents.give(session, Grantee(person_id, person_id), client, ["openid", "licences"], now=now())
    return person, person_id


@pytest.fixture
def sub(app: Flask, system: System, known: tuple[Person, UUID]) -> str:
    with app.app_context():
        return pairwise_sub(known[1], f"{system.client_id}.example")


def assertion(issuer: str, sub: Any, *, key: Any = KEY, headers: dict[str, Any] | None = None, algorithm: str = "ES256", **changes: Any) -> str:
    claims = {"iss": issuer, "sub": sub, "aud": ISSUER, "exp": int(time.time()) + 60, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": KID, **(headers or {})})


def bring(http_client: FlaskClient, system: System, unverified: str | None, **more: str) -> Any:
    form = {"grant_type": JWT_BEARER, **({"assertion": unverified} if unverified is not None else {}), **more}
    return ask(http_client, system, **form)


def test_a_person_who_is_vouched_for_is_known_as_far_as_they_allowed(client: FlaskClient, system: System, issuer: str, sub: str) -> None:
    response = bring(client, system, assertion(issuer, sub))
    assert response.status_code == 200, response.text
    assert (response.json["token_type"], response.json["scope"]) == ("Bearer", "openid")
    assert "refresh_token" not in response.json
    assert "issued_token_type" not in response.json
    who = client.get("/userinfo", headers=bearer(response.json["access_token"])).json
    assert who is not None
    assert (who["sub"], "name" in who) == (sub, False)
    claims = claims_of(response.json["access_token"])
    assert "auth_time" not in claims, "nobody signed in here"
    assert claims["acr"].endswith(":aal1")


def test_what_was_given_ends_when_the_person_takes_it_back(
    app: Flask, client: FlaskClient, system: System, issuer: str, known: tuple[Person, UUID], sub: str
) -> None:
    token = bring(client, system, assertion(issuer, sub)).json["access_token"]
    own = bring(client, system, assertion(issuer, system.client_id)).json["access_token"]
    assert client.get("/userinfo", headers=bearer(token)).status_code == 200
    with app.app_context(), transaction() as session:
        consents.withdraw(session, Grantee(known[1], known[1]), system.client_id, now=now())
    assert client.get("/userinfo", headers=bearer(token)).status_code == 401
    assert ask(client, system, grant_type=JWT_BEARER, assertion=assertion(issuer, sub)).json["error"] == "invalid_scope"
    with app.app_context():
        assert read_access_token(own, settings=app.extensions["kabao_settings"], now=now()).holder_id is None, "the system's own goes on"


@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/token", [ISSUER, "https://elsewhere.example"]], ids=["issuer", "token endpoint", "one of two"])
def test_the_audience_is_the_issuer_or_the_token_endpoint(client: FlaskClient, system: System, issuer: str, sub: str, aud: Any) -> None:
    assert bring(client, system, assertion(issuer, sub, aud=aud)).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_issuer_whose_key_of_rsa_names_no_algorithm_signs_by_either(app: Flask, client: FlaskClient, system: System, algorithm: str) -> None:
    issuer, key = f"https://id-{secrets.token_hex(6)}.example.gov.cn", suites.RS256.generate()
    jwks = {"keys": [{**suites.public_jwk(key.public_key()), "kid": KID}]}
    with app.app_context(), transaction() as session:
        issuers.trust(session, issuer=issuer, client_id=system.client_id, jwks=jwks, asked=["draws"], now=now())
    signed = assertion(issuer, system.client_id, key=key, algorithm=algorithm)
    assert bring(client, system, signed).json["scope"] == "draws"


def test_an_issuer_signs_by_any_of_its_keys_of_one_kid(app: Flask, client: FlaskClient, system: System) -> None:
    issuer, keys = f"https://id-{secrets.token_hex(6)}.example.gov.cn", [suites.RS256.generate(), suites.ES256.generate(), suites.ES256.generate()]
    jwks = {"keys": [{**suites.public_jwk(key.public_key()), "kid": KID} for key in keys]}
    with app.app_context(), transaction() as session:
        issuers.trust(session, issuer=issuer, client_id=system.client_id, jwks=jwks, asked=["draws"], now=now())
    for key, algorithm in zip(keys, ["PS256", "ES256", "ES256"], strict=True):
        signed = assertion(issuer, system.client_id, key=key, algorithm=algorithm)
        assert bring(client, system, signed).status_code == 200
    assert bring(client, system, assertion(issuer, system.client_id)).json["error"] == "invalid_grant", "another's of this kid"


def test_the_system_s_own_account_gets_its_own_scopes(client: FlaskClient, system: System, issuer: str) -> None:
    response = bring(client, system, assertion(issuer, system.client_id))
    assert response.json["scope"] == "draws"
    assert claims_of(response.json["access_token"])["sub"] == system.client_id
    assert bring(client, system, assertion(issuer, system.client_id), scope="receipts").json["error"] == "invalid_scope"
    assert bring(client, system, assertion(issuer, system.client_id), scope="openid").json["error"] == "invalid_scope"


@pytest.mark.parametrize("scope", ["profile", "licences", "openid profile", "draws", "number", "everything", "offline_access"])
def test_nothing_is_given_that_the_issuer_the_client_or_the_person_does_not_have(
    client: FlaskClient, system: System, issuer: str, sub: str, scope: str
) -> None:
    assert bring(client, system, assertion(issuer, sub), scope=scope).json["error"] == "invalid_scope"


def test_an_assertion_is_good_once(client: FlaskClient, system: System, issuer: str, sub: str) -> None:
    once = assertion(issuer, sub)
    assert bring(client, system, once).status_code == 200
    assert bring(client, system, once).json["error"] == "invalid_grant"


@pytest.mark.parametrize("wrong", [{"scope": "number"}, {"resource": "https://nobody.example/api"}], ids=["scope", "resource"])
def test_an_assertion_that_was_brought_with_a_wrong_request_is_good_yet_and_once(
    client: FlaskClient, system: System, issuer: str, sub: str, wrong: dict[str, str]
) -> None:
    once = assertion(issuer, sub)
    for _ in range(2):
        assert bring(client, system, once, **wrong).json["error"] in ("invalid_scope", "invalid_target")
    assert bring(client, system, once).status_code == 200
    assert bring(client, system, once).json["error"] == "invalid_grant"


def unsigned(issuer: str, sub: str) -> str:
    claims = jwt.decode(assertion(issuer, sub), options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type]


SECONDS = time.time
REFUSED: dict[str, Callable[[str, str], str]] = {
    "nonsense": lambda issuer, sub: "nonsense",
    "huge": lambda issuer, sub: "x" * 100_000,
    "no issuer": lambda issuer, sub: assertion(issuer, sub, iss=None),
    "another issuer": lambda issuer, sub: assertion("https://elsewhere.example", sub),
    "an issuer that is no text": lambda issuer, sub: _raw(issuer, sub, iss=["x"]),
    "an issuer with a nul": lambda issuer, sub: assertion(issuer + "\0", sub),
    "no subject": lambda issuer, sub: assertion(issuer, None),
    "an unknown subject": lambda issuer, sub: assertion(issuer, "nobody"),
    "no audience": lambda issuer, sub: assertion(issuer, sub, aud=None),
    "another audience": lambda issuer, sub: assertion(issuer, sub, aud="https://elsewhere.example"),
    "no end": lambda issuer, sub: assertion(issuer, sub, exp=None),
    "expired": lambda issuer, sub: assertion(issuer, sub, exp=int(SECONDS()) - 31),
    "too long": lambda issuer, sub: assertion(issuer, sub, exp=int(SECONDS()) + 660),
    "an end that is no number": lambda issuer, sub: _raw(issuer, sub, exp="soon"),
    "an end that is true": lambda issuer, sub: _raw(issuer, sub, exp=True),
    "no end to the end": lambda issuer, sub: _raw(issuer, sub, exp=float("inf")),
    "not yet": lambda issuer, sub: assertion(issuer, sub, nbf=int(SECONDS()) + 60),
    "made in the future": lambda issuer, sub: assertion(issuer, sub, iat=int(SECONDS()) + 60),
    "made long ago": lambda issuer, sub: assertion(issuer, sub, iat=int(SECONDS()) - 3600),
    "no jti": lambda issuer, sub: assertion(issuer, sub, jti=None),
    "a jti that is no text": lambda issuer, sub: _raw(issuer, sub, jti=7),
    "a long jti": lambda issuer, sub: assertion(issuer, sub, jti="x" * 257),
    "another's key": lambda issuer, sub: assertion(issuer, sub, key=suites.ES256.generate()),
    "alg none": unsigned,
    "a secret's alg": lambda issuer, sub: assertion(issuer, sub, key="s" * 32, algorithm="HS256"),
    "an extension": lambda issuer, sub: assertion(issuer, sub, headers={"crit": ["b64"], "b64": True}),
    "no time to begin": lambda issuer, sub: _raw(issuer, sub, nbf=float("nan")),
    "a subject twice": lambda issuer, sub: _raw(issuer, sub, twice=f'"sub": "{sub}"'),
    "half a character": lambda issuer, sub: _raw(issuer, sub, other="\ud800"),
    "an access token": lambda issuer, sub: assertion(issuer, sub, headers={"typ": "at+jwt"}),
    "a logout token": lambda issuer, sub: assertion(issuer, sub, headers={"typ": "logout+jwt"}),
    "the proof of a client": lambda issuer, sub: assertion(issuer, sub, headers={"typ": "client-authentication+jwt"}),
    "a kind that is no text": lambda issuer, sub: assertion(issuer, sub, headers={"typ": 7}),
}


def _raw(issuer: str, sub: str, **changes: Any) -> str:
    """Return an assertion with claims that PyJWT would not write."""
    twice = changes.pop("twice", "")
    claims = {**jwt.decode(assertion(issuer, sub), options={"verify_signature": False}), **changes}
    document = json.dumps(claims)[:-1] + (f", {twice}}}" if twice else "}")
    return jwt.PyJWS().encode(document.encode(), KEY, algorithm="ES256", headers={"kid": KID})


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_an_assertion_is_invalid_grant(
    client: FlaskClient, system: System, issuer: str, sub: str, wrong: Callable[[str, str], str]
) -> None:
    response = bring(client, system, wrong(issuer, sub))
    assert (response.status_code, response.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("ahead", "status"), [(-29, 200), (629, 200)], ids=["their clock is late", "their clock is early"])
def test_clocks_may_differ_by_half_a_minute(client: FlaskClient, system: System, issuer: str, sub: str, ahead: int, status: int) -> None:
    assert bring(client, system, assertion(issuer, sub, exp=time.time() + ahead)).status_code == status


def test_without_an_assertion_the_request_is_malformed(client: FlaskClient, system: System) -> None:
    assert bring(client, system, None).json["error"] == "invalid_request"


def test_trust_is_of_one_client_only(app: Flask, client: FlaskClient, system: System, issuer: str, sub: str) -> None:
    with app.app_context(), transaction() as session:
        other = new_exchanger(session, scopes=["openid"], grant_types=[JWT_BEARER])
    assert bring(client, other, assertion(issuer, sub)).json["error"] == "invalid_grant"


def test_a_client_without_the_grant_is_refused(app: Flask, client: FlaskClient, issuer: str, sub: str) -> None:
    with app.app_context(), transaction() as session:
        other = new_exchanger(session)
    assert bring(client, other, assertion(issuer, sub)).json["error"] == "unauthorized_client"


def test_an_organisation_is_not_vouched_for(app: Flask, client: FlaskClient, system: System, issuer: str) -> None:
    with app.app_context(), transaction() as session:
        organisation = new_organisation(session, representative=new_person(session))
        subject = directory.ensure_subject(session, parse_number(organisation.number), now=now())
        sub = pairwise_sub(subject.id, f"{system.client_id}.example")
    assert bring(client, system, assertion(issuer, sub)).json["error"] == "invalid_grant"


def test_who_took_back_what_they_allowed_is_not_vouched_for(
    app: Flask, client: FlaskClient, system: System, issuer: str, sub: str, known: tuple[Person, UUID]
) -> None:
    with app.app_context(), transaction() as session:
        consents.withdraw(session, Grantee(known[1], known[1]), system.client_id, now=now())
    assert bring(client, system, assertion(issuer, sub)).json["error"] == "invalid_scope"


def test_the_person_sees_it_in_their_history(
    app: Flask, client: FlaskClient, system: System, issuer: str, sub: str, known: tuple[Person, UUID]
) -> None:

    assert bring(client, system, assertion(issuer, sub)).status_code == 200
    assert sign_in(client, known[0]).status_code == 303
    assert "身份系统的证明" in client.get("/account/history", headers=BROWSER).text


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(command, list(arguments))
    return done.exit_code, done.output


def test_the_operator_trusts_lists_and_trusts_no_longer(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, scopes=["draws"], grant_types=[JWT_BEARER])
    (tmp_path / "keys.json").write_text(json.dumps(jwks_of(KEY)))
    where = ["--client", system.client_id]
    status, said = run(app, "add", "https://id.example", *where, "--jwks", str(tmp_path / "keys.json"), "--scope", "draws")
    assert status == 0, said
    assert bring(client, system, assertion("https://id.example", system.client_id)).status_code == 200
    assert system.client_id in run(app, "list")[1]
    assert run(app, "remove", "https://id.example", *where)[0] == 0
    assert bring(client, system, assertion("https://id.example", system.client_id)).json["error"] == "invalid_grant"
    assert run(app, "remove", "https://id.example", *where)[0] == 1


@pytest.mark.parametrize(
    ("issuer", "scope", "jwks"),
    [("", "draws", {"keys": []}), ("https://id.example", "openid", None), ("https://id.example", "draws", {"keys": []}), ("x\ny", "draws", None)],
    ids=["no issuer", "a scope that the client lacks", "no keys", "a line break"],
)
def test_what_cannot_be_trusted_is_refused(app: Flask, tmp_path: Path, issuer: str, scope: str, jwks: Any) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, scopes=["draws"], grant_types=[JWT_BEARER])
    (tmp_path / "keys.json").write_text(json.dumps(jwks or jwks_of(KEY)))
    arguments = [issuer, "--client", system.client_id, "--jwks", str(tmp_path / "keys.json"), "--scope", scope]
    assert run(app, "add", *arguments)[0] == 1
