"""A wallet at work, over HTTP: it has keys, takes up offers, proves its keys and asks for credentials."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import AUTHORIZATION_CODE, NONE, PRE_AUTHORIZED_CODE, REFRESH_TOKEN
from idp.oauth.exchange import pre_authorized
from idp.oauth.grantees import Grantee
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import ISSUER, System, new_portal
from tests.world_people import Person, new_person, open_account
from tests.world_wallet import new_department, new_licence
from wallet.issuing.oid4vci import identifiers
from wallet.issuing.oid4vci.configurations import of_type
from wallet.issuing.oid4vci.proofs import TYPE as PROOF_TYPE
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence

TYPE = "driving-licence"
DETAIL = "openid_credential"
GRANTS = [AUTHORIZATION_CODE, REFRESH_TOKEN, PRE_AUTHORIZED_CODE]


def new_wallet(app: Flask, **changes: Any) -> System:
    """Register a wallet that proves nothing, unless said."""
    metadata = {"authorization_details_types": [DETAIL], **changes.pop("metadata", {})}
    with app.app_context(), transaction() as session:
        return new_portal(session, **{"scopes": ["openid", "profile"], "auth_method": NONE, "grant_types": GRANTS, **changes}, metadata=metadata)


@dataclass
class Holder:
    """A person with a licence, and the department that issued it."""

    person: Person
    grantee: Grantee
    licence: Licence
    department: str


def new_holder(app: Flask, *, type: str = TYPE, **changes: Any) -> Holder:  # noqa: A002 (the word of the API)
    """Invent a person with an account and a licence."""
    with app.app_context():
        department = new_department(issue=[type])
    with app.app_context(), transaction() as session:
        person = new_person(session)
        person_id = open_account(session, person)
    with app.app_context(), transaction() as session:
        licence = new_licence(session, type=type, department=department, number=person.number, **changes)
    return Holder(person, Grantee(person_id, person_id), licence, department)


def details_for(app: Flask, licence: Licence) -> list[dict[str, Any]]:
    """Return what an offer of a licence is for."""
    with app.app_context():
        forms = of_type(get_type(licence.type_code))
    return [
        {"type": DETAIL, "credential_configuration_id": one.id, "credential_identifiers": [identifiers.of_licence(licence.id, one)]} for one in forms
    ]


@dataclass
class Wallet:
    """A wallet with a token, and what it sends."""

    http: FlaskClient
    client_id: str
    token: str
    identifiers: dict[str, list[str]] = field(default_factory=dict)

    def nonce(self) -> str:
        answer = self.http.post("/nonce")
        assert answer.status_code == 200, answer.text
        return str(answer.json["c_nonce"])  # type: ignore[index]

    def send(self, path: str, body: Any, **headers: str) -> Any:
        return self.http.post(path, json=body, headers={"Authorization": f"Bearer {self.token}", **headers})

    def ask(self, *proofs: str, configuration: str = TYPE, **changes: Any) -> Any:
        """Ask for a credential with proofs of keys; a member given as `...` is left out."""
        body = {"credential_identifier": self.identifiers[configuration][0], "proofs": {"jwt": list(proofs)}, **changes}
        return self.send("/credential", {name: value for name, value in body.items() if value is not ...})


def with_token(app: Flask, http: FlaskClient, holder: Holder, client: System | None = None) -> Wallet:
    """Let a wallet take up an offer of the holder's licence."""
    client = client or new_wallet(app)
    with app.app_context(), transaction() as session:
        code = pre_authorized.issue(
            session, holder.grantee, client_id=None, authorization_details=details_for(app, holder.licence), tx_code=False, now=now()
        ).code
    form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, "client_id": client.client_id}
    answer = http.post("/token", data=form)
    assert answer.status_code == 200, answer.text
    return wallet_of(http, client.client_id, answer.json)


def wallet_of(http: FlaskClient, client_id: str, tokens: Any) -> Wallet:
    """Return a wallet that was given tokens."""
    named = {one["credential_configuration_id"]: one["credential_identifiers"] for one in tokens["authorization_details"]}
    return Wallet(http, client_id, tokens["access_token"], named)


def new_key() -> suites.PrivateKey:
    return suites.ES256.generate()


def proof(nonce: Any, key: suites.PrivateKey | None = None, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a proof of a key, some of its headers and claims changed (`...` leaves one out)."""
    key = key or new_key()
    header = {"typ": PROOF_TYPE, "jwk": suites.public_jwk(key.public_key()), **(headers or {})}
    body = {"aud": ISSUER, "iat": int(time.time()), "nonce": nonce, **claims}
    algorithm = header.pop("alg", suites.suite_of(key).name)
    kept = {name: value for name, value in header.items() if value is not ...}
    return jwt.encode({name: value for name, value in body.items() if value is not ...}, key, algorithm=algorithm, headers=kept)


def error_of(answer: Any) -> tuple[int, str]:
    """Return the status and the error of a refusal."""
    return answer.status_code, (answer.get_json(silent=True, force=True) or {}).get("error", "")


def raw_token(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"x" * 64) -> str:
    """Return a token with any header, whatever its signature."""
    return b".".join(jwt.utils.base64url_encode(part) for part in (json.dumps(header).encode(), json.dumps(claims).encode(), signature)).decode()


def some_id() -> str:
    return secrets.token_urlsafe(32)
