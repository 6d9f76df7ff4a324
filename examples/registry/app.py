"""A department's registry that answers Kabao's questions, as docs/recipes/registry-api.md says: the protocol, in one file.

`verified` checks who asks; `answer` is the whole protocol. The records come from a JSON file, `{"people": [...], "organisations": [...]}`.
Run it beside a demo: see README.md.
"""

import json
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import requests
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from flask import Blueprint, Flask, Response, current_app, jsonify, request
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519
from jwt import PyJWK, PyJWKSet, PyJWKSetError
from werkzeug.serving import make_server

registry = Blueprint("registry", __name__)
COVERED = ("@method", "@target-uri", "content-type", "content-digest")
MAX_AGE = timedelta(minutes=1)
KEYS_KEPT = 300.0
KEPT_FOR = 300


@dataclass
class Book:
    """The records of one registry, found by number, by former number and by representative."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, records: Iterable[dict[str, Any]]) -> None:
        """Enter records, each under its number and those before it."""
        for record in records:
            self.records.update(dict.fromkeys([record["number"], *record.get("former_numbers", [])], record))

    def represented_by(self, number: str) -> list[dict[str, Any]]:
        """Return the organisations that someone represents."""
        return [record for held, record in self.records.items() if held == record["number"] and record.get("representative") == number]


@dataclass
class Desk:
    """What the registry needs to answer: its books, Kabao's keys, and the nonces of the last minutes."""

    books: dict[str, Book]
    read_keys: Callable[[], dict[str, Any]]
    url: str
    _keys: tuple[float, dict[str, PyJWK]] = (0.0, {})
    _nonces: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, kid: str) -> PyJWK | None:
        """Return Kabao's key of an id; its key set is read again after five minutes, or for an id that is not in it."""
        read_at, keys = self._keys
        if kid not in keys or read_at + KEYS_KEPT < time.monotonic():
            keys = self.refresh()
        return keys.get(kid)

    def refresh(self) -> dict[str, PyJWK]:
        """Read Kabao's key set again."""
        keys = {key.key_id: key for key in PyJWKSet.from_dict(self.read_keys()).keys if key.key_id}
        self._keys = (time.monotonic(), keys)
        return keys

    def spend(self, nonce: str) -> bool:
        """Whether a nonce comes for the first time."""
        moment = time.monotonic()
        with self._lock:
            self._nonces = {kept: until for kept, until in self._nonces.items() if until > moment}
            fresh = nonce not in self._nonces
            self._nonces[nonce] = moment + 3 * MAX_AGE.total_seconds()
        return fresh


@dataclass
class Asked:
    """The present request, as the verifier reads one; the address is the one that we are known by."""

    method: str
    url: str
    headers: dict[str, str]


def create_app(books: dict[str, Book], *, read_keys: Callable[[], dict[str, Any]], url: str) -> Flask:
    """Build the registry: `read_keys` gives Kabao's key set, `url` is our own address as Kabao was told it."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 4096
    app.extensions["desk"] = Desk(books, read_keys, url)
    app.register_blueprint(registry)
    return app


@registry.post("/registry/<name>")
def ask(name: str) -> tuple[Response, int]:
    """Answer one question, if it is Kabao that asks."""
    desk: Desk = current_app.extensions["desk"]
    if name not in desk.books:
        return jsonify(error="no such registry"), 404
    body = request.get_data()
    if not verified(desk, Asked(request.method, f"{desk.url}/registry/{name}", dict(request.headers.items())), body):
        return jsonify(error="the signature does not hold"), 401
    question = json.loads(body)
    response = jsonify(answer(desk.books[name], question["ask"], question["number"]))
    response.headers["Cache-Control"] = f"private, max-age={KEPT_FOR}"
    return response, 200


def verified(desk: Desk, asked: Asked, body: bytes) -> bool:
    """Whether Kabao signed this request, with this body, within the last minute, and for the first time.

    The algorithm is that of the published key, never what the request says.
    """
    kid = asked.headers.get("Signature-Input", "").partition('keyid="')[2].partition('"')[0]
    key = desk.key(kid) if kid else None
    if key is None:
        return False
    algorithm = ECDSA_P256_SHA256 if isinstance(key.key, EllipticCurvePublicKey) else ED25519
    resolver = MappingKeyResolver(public_keys={kid: key.key}, private_keys={})
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=resolver)
    try:
        found = verifier.verify(asked, max_age=MAX_AGE, expect_tag="kabao", require_components=COVERED, body=body)[0]
    except InvalidSignature:
        return False
    return found.nonce is not None and desk.spend(found.nonce)


def read_ahead(desk: Desk) -> NoReturn:
    """Keep Kabao's keys fresh between the questions: while one waits, the process that should give the keys may be the one that asks."""
    while True:
        try:
            desk.refresh()
            time.sleep(KEYS_KEPT / 2)
        except (requests.RequestException, PyJWKSetError):
            time.sleep(2)


def answer(book: Book, question: str, number: str) -> dict[str, Any]:
    """Return the answer to a question."""
    if question == "represented_by":
        records = book.represented_by(number)
        return {"answer": "match", "records": records} if records else {"answer": "no_match"}
    record = book.records.get(number)
    return {"answer": "match", "record": record} if record else {"answer": "no_match"}


def books_of(document: dict[str, list[dict[str, Any]]]) -> dict[str, Book]:
    """Return the two books of a file."""
    books = {"people": Book(), "organisations": Book()}
    for name, book in books.items():
        book.add(document.get(name, []))
    return books


if __name__ == "__main__":
    parser = ArgumentParser(description="A registry that answers Kabao.")
    parser.add_argument("file", type=Path, help="records, as JSON")
    parser.add_argument("--kabao", default="http://127.0.0.1:8000", help="where Kabao is")
    parser.add_argument("--port", type=int, default=8003)
    options = parser.parse_args()

    def read_keys() -> dict[str, Any]:
        """Read Kabao's key set."""
        found: dict[str, Any] = requests.get(f"{options.kabao}/jwks/requests", timeout=5).json()
        return found

    app = create_app(books_of(json.loads(options.file.read_bytes())), read_keys=read_keys, url=f"http://127.0.0.1:{options.port}")
    threading.Thread(target=read_ahead, args=(app.extensions["desk"],), daemon=True).start()
    make_server("127.0.0.1", options.port, app, threaded=True).serve_forever()
