"""What we send is signed; verified here by the library's own verifier, with the key as it is published."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver, VerifyResult

from keys import request_signing, ring, suites
from keys.init import init_keys
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings

URL = "https://registry.example.gov.cn/people?v=1"
BODY = b'{"number":"x"}'


@dataclass(frozen=True)
class Sent:
    """A request as whoever is asked sees it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = BODY


@pytest.fixture
def sent(context: None) -> Sent:
    return Sent("POST", URL, request_signing.sign_headers("POST", URL, BODY, now=now()))


def verify(sent: Sent, published: list[dict[str, Any]]) -> VerifyResult:
    keys = {jwk["kid"]: suites.key_from_jwk(jwk) for jwk in published}
    algorithm = request_signing.ALGORITHMS[published[0]["alg"]]
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=MappingKeyResolver(public_keys=keys, private_keys={}))
    covered = ("@method", "@target-uri", "content-type", "content-digest")
    return verifier.verify(sent, max_age=timedelta(minutes=1), expect_tag="kabao", require_components=covered, body=sent.body)[0]


def test_the_published_key_verifies_a_signed_request(sent: Sent, client: FlaskClient) -> None:
    published = client.get("/jwks/requests").json["keys"]
    verified = verify(sent, published)
    assert verified.parameters["alg"] == "ecdsa-p256-sha256"
    assert verified.nonce is not None
    assert len(verified.nonce) >= 22
    assert verified.parameters["expires"] - verified.parameters["created"] == 60
    assert sent.headers["Content-Digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"


CHANGES: dict[str, Callable[[Sent], Sent]] = {
    "another body": lambda sent: replace(sent, body=b"{}"),
    "another method": lambda sent: replace(sent, method="PUT"),
    "another path": lambda sent: replace(sent, url=sent.url.replace("people", "firms")),
    "another host": lambda sent: replace(sent, url=sent.url.replace("registry", "elsewhere")),
    "another query": lambda sent: replace(sent, url=sent.url + "2"),
    "another type": lambda sent: replace(sent, headers={**sent.headers, "Content-Type": "text/plain"}),
    "no signature": lambda sent: replace(sent, headers={}),
    "another digest": lambda sent: replace(
        sent, body=b"{}", headers={**sent.headers, "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(b'{}').digest()).decode()}:"}
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_changed_on_the_way_is_noticed(sent: Sent, client: FlaskClient, change: Callable[[Sent], Sent]) -> None:
    published = client.get("/jwks/requests").json["keys"]
    with pytest.raises(InvalidSignature):
        verify(change(sent), published)


def test_a_nonce_is_never_used_twice(sent: Sent) -> None:
    assert request_signing.sign_headers("POST", URL, BODY, now=now())["Signature-Input"] != sent.headers["Signature-Input"]


def test_the_algorithm_is_the_keys(context: None, client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    use = f"requests:{now().timestamp()}"
    with transaction() as session:
        ring.add(session, settings, use=use, suite=suites.EDDSA, state=ring.ACTIVE, now=now())
    monkeypatch.setattr(ring, "REQUESTS", use)
    signed = Sent("POST", URL, request_signing.sign_headers("POST", URL, BODY, now=now()))
    published = [{**key.jwk, "kid": key.kid, "alg": key.suite} for key in ring.verifying_keys(use).values()]
    assert verify(signed, published).parameters["alg"] == "ed25519"


def test_an_installation_from_before_gets_its_key_at_its_next_init(app: Flask, settings: Settings) -> None:
    with app.app_context(), transaction() as session:
        aside = session.begin_nested()
        before = {row.kid for row in ring.listed(session)}
        assert init_keys(session, settings, now=now()) is False
        assert {row.kid for row in ring.listed(session)} == before
        session.query(ring.SigningKey).filter_by(use=ring.REQUESTS).update({"use": "put aside"})
        assert init_keys(session, settings, now=now()) is False
        added = [row for row in ring.listed(session) if row.use == ring.REQUESTS]
        assert [row.state for row in added] == [ring.ACTIVE]
        aside.rollback()
