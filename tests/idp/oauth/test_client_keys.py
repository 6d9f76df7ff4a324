"""Keys of clients, as registered or fetched from where the client keeps them."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from idp.oauth import client_keys, clients
from idp.oauth.clients import find_client
from idp.oauth.key_sets import read_key_set
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.world_clients import DEPARTMENT, System, ask, jwks_of, new_system


class KeyHouse(ThreadingHTTPServer):
    """Where a client keeps its keys; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.document: Any = {"keys": []}
        self.status, self.asked, self.slowness = 200, 0, 0.0

    @property
    def url(self) -> str:
        """The `jwks_uri`."""
        return f"http://127.0.0.1:{self.server_port}/keys"


class _Keys(BaseHTTPRequestHandler):
    server: KeyHouse

    def do_GET(self) -> None:
        self.server.asked += 1
        time.sleep(self.server.slowness)
        document = self.server.document
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@pytest.fixture
def house() -> Iterator[KeyHouse]:
    house = KeyHouse()
    thread = threading.Thread(target=house.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield house
    house.shutdown()
    house.server_close()
    thread.join(timeout=5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How far the clock of the fetched keys is ahead."""
    ahead = [0.0]
    real = time.monotonic
    monkeypatch.setattr(client_keys.time, "monotonic", lambda: real() + ahead[0])
    return ahead


@pytest.fixture
def system(app: Flask, house: KeyHouse) -> System:
    """A system whose keys are behind an address."""
    with app.app_context(), transaction() as session:
        made = new_system(session, scopes=["draws"])
        row = session.get_one(clients.RegisteredClient, made.client_id)
        row.jwks, row.client_metadata = None, {"jwks_uri": house.url}
    house.document = jwks_of(made.private_key)
    return made


def is_let_in(client: FlaskClient, system: System) -> bool:
    return bool(ask(client, system, grant_type="client_credentials").status_code == 200)


def test_keys_behind_an_address_are_fetched_once_for_five_minutes(client: FlaskClient, system: System, house: KeyHouse, clock: list[float]) -> None:
    assert all(is_let_in(client, system) for _ in range(3))
    assert house.asked == 1
    clock[0] += client_keys.KEPT + 1
    assert is_let_in(client, system)
    assert house.asked == 2


def test_a_key_of_another_id_has_them_fetched_again_at_most_once_a_minute(
    app: Flask, client: FlaskClient, system: System, house: KeyHouse, clock: list[float]
) -> None:
    assert is_let_in(client, system)
    with app.app_context():
        known = find_client(system.client_id)
        assert known is not None
        for _ in range(3):
            with pytest.raises(LookupError):
                client_keys.key_of(known, "another", "ES256")
        assert house.asked == 1, "asked for a moment ago"
        fresh = suites.EDDSA.generate()
        house.document = jwks_of(fresh)
        clock[0] += client_keys.AGAIN + 1
        kid = jwks_of(fresh)["keys"][0]["kid"]
        assert client_keys.key_of(known, kid, "EdDSA").algorithm == "EdDSA"
    assert house.asked == 2


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, {}), (302, {}), (200, b"<html>"), (200, b"[" * 5000), (200, None), (200, {"keys": []}), (200, {"keys": ["x"]}), (200, b" " * 200_000)],
    ids=["error", "redirect", "no json", "deep", "null", "empty", "no key", "huge"],
)
def test_keys_of_before_are_used_while_the_address_gives_none(
    client: FlaskClient, system: System, house: KeyHouse, clock: list[float], status: int, document: Any
) -> None:
    assert is_let_in(client, system)
    house.status, house.document = status, document
    clock[0] += client_keys.KEPT + 1
    assert is_let_in(client, system)
    clock[0] += client_keys.STALE
    assert not is_let_in(client, system), "a day later they are too old"


def test_a_client_without_reachable_keys_is_refused(client: FlaskClient, system: System, house: KeyHouse) -> None:
    house.status = 404
    assert not is_let_in(client, system)


def test_an_address_that_never_answers_is_asked_ever_more_rarely(client: FlaskClient, system: System, house: KeyHouse, clock: list[float]) -> None:
    house.status = 404
    for _ in range(60):
        assert not is_let_in(client, system)
        clock[0] += 60
    assert house.asked < 16, "an hour of requests, each of which would have waited"
    house.status = 200
    clock[0] += client_keys.SELDOM
    assert is_let_in(client, system)


def test_an_address_is_asked_by_one_at_a_time(app: Flask, system: System, house: KeyHouse) -> None:
    house.slowness = 0.3
    found: list[int] = []

    def look() -> None:
        with app.app_context():
            known = find_client(system.client_id)
            assert known is not None
            found.append(len(client_keys.keys_of(known)))

    threads = [threading.Thread(target=look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, house.asked) == ([1] * 20, 1)


def rsa_jwk(bits: int = 2048, **more: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, bits).public_key(), as_dict=True), **more}


def ec_jwk(curve: ec.EllipticCurve, **more: str) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True), **more}


def test_keys_to_encrypt_to_are_told_from_keys_to_sign_with() -> None:
    found = read_key_set(
        {"keys": [ec_jwk(ec.SECP256R1(), use="sig", kid="s"), ec_jwk(ec.SECP256R1(), use="enc", kid="e"), rsa_jwk(use="enc", kid="r")]}
    )
    assert [key.kid for key in found.signing] == ["s"]
    assert [key.kid for key in found.encryption] == ["e", "r"]
    assert [key.kid for key in found.encryption if key.fits("RSA-OAEP-256")] == ["r"]
    assert [key.kid for key in found.encryption if key.fits("ECDH-ES+A256KW")] == ["e"]
    assert not any(key.fits("dir") or key.fits("RSA1_5") or key.fits("PBES2-HS256+A128KW") for key in found.encryption)


def test_a_key_for_just_that_algorithm_is_preferred(app: Flask) -> None:
    jwks = {"keys": [rsa_jwk(use="enc", kid="any"), rsa_jwk(use="enc", kid="own", alg="RSA-OAEP-256")]}
    registration = {"client_id": f"secret-{time.monotonic_ns()}", "name": Text("甲", "A"), "owner": DEPARTMENT, "jwks": jwks}
    with app.app_context():
        with transaction() as session:
            clients.register_client(session, auth_method="client_secret_basic", client_secret=clients.new_secret(), now=now(), **registration)
        known = find_client(str(registration["client_id"]))
        assert known is not None
        assert client_keys.encryption_key_of(known, "RSA-OAEP-256").kid == "own"
        assert client_keys.encryption_key_of(known, "RSA-OAEP").kid == "any"
        with pytest.raises(LookupError):
            client_keys.encryption_key_of(known, "ECDH-ES")


def test_keys_of_kinds_that_are_not_known_are_passed_over() -> None:
    unknown = [
        {"kty": "AKP", "pub": "x"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA"},
        {"kty": "RSA"},
    ]
    found = read_key_set({"keys": [*unknown, ec_jwk(ec.SECP256R1(), kid="s"), rsa_jwk(1024, use="enc")]})
    assert [key.kid for key in found.signing] == ["s"]
    assert [key.kid for key in found.encryption] == ["s"]


BAD_SETS = {
    "a list": [],
    "no keys": {},
    "keys is an object": {"keys": {}},
    "too many": {"keys": [{"kty": "RSA"}] * 11},
    "a private key": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]},
    "a secret": {"keys": [{"kty": "oct", "k": "AAAA"}]},
    "rsa primes": {"keys": [{"kty": "RSA", "n": "a", "e": "AQAB", "p": "c"}]},
    "kid is a number": {"keys": [{"kty": "EC", "kid": 7}]},
    "kid is long": {"keys": [{"kty": "EC", "kid": "x" * 300}]},
    "kty is a list": {"keys": [{"kty": ["EC"]}]},
}


@pytest.mark.parametrize("document", BAD_SETS.values(), ids=BAD_SETS)
def test_a_bad_key_set_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="key"):
        read_key_set(document)
