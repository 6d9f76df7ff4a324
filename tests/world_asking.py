"""A verifier of a test's own: it signs requests to wallets, serves each once, and takes what it is sent, on a port of this machine."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from keys import certificates, profiles, ring, suites
from keys.issued_certificates import encode
from runtime.clock import now
from wallet.presenting.answering.request_objects import TYPE, certificate_hash

HOST = "127.0.0.1"
NAME = "localhost"


@dataclass
class Signing:
    """A key that signs requests, with the chain of its certificate."""

    key: suites.PrivateKey = field(repr=False)
    chain: list[str]

    @property
    def by_hash(self) -> str:
        """The client's name by its certificate's hash."""
        return f"x509_hash:{certificate_hash(self.chain[0])}"

    def sign(self, payload: dict[str, Any], **header: Any) -> str:
        """Return a signed request object; members of the header may be others."""
        head = {"typ": TYPE, "x5c": self.chain, **header}
        return jwt.encode(payload, self.key, algorithm="ES256", headers=head)


def of_department(code: str) -> Signing:
    """Return the key of a department of ours."""
    signer = ring.signer(certificates.department_use(code))
    assert signer.chain
    return Signing(signer.key, signer.chain)


def of_stranger(name: str = NAME, *, lasts: timedelta = timedelta(days=30)) -> Signing:
    """Return a key whose certificate an authority signed that nobody here knows."""
    leaf = suites.ES256.generate()
    return Signing(leaf, [_certificate(leaf, issuer="Unknown Authority", by=suites.ES256.generate(), name=name, lasts=lasts)])


def of_itself(name: str = NAME) -> Signing:
    """Return a key that signed its certificate itself."""
    leaf = suites.ES256.generate()
    return Signing(leaf, [_certificate(leaf, issuer=None, by=leaf, name=name, lasts=timedelta(days=30))])


def _certificate(leaf: suites.PrivateKey, *, issuer: str | None, by: suites.PrivateKey, name: str, lasts: timedelta) -> str:
    subject = f"Stranger {secrets.token_hex(4)}"
    named, issued_by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer or subject))
    built = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(issued_by)
        .public_key(leaf.public_key())  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=60))
        .not_valid_after(now() + lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(profiles.usage(signs_certificates=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by, SHA256())  # type: ignore[arg-type]
    )
    return encode(built)


def sd_jwt_query(vct: str, *names: str, optional: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a query for one licence, some of whose fields may be left out."""
    asked: dict[str, Any] = {"id": "licence", "format": "dc+sd-jwt", "meta": {"vct_values": [vct]}, **more}
    if names or optional:
        asked["claims"] = [{"id": name, "path": [name]} for name in (*names, *optional)]
    if optional:
        asked["claim_sets"] = [[*names, *optional], list(names)]
    return {"credentials": [asked]}


@dataclass
class Asking:
    """A verifier that listens. `served` are request objects by path, `received` the forms that it was sent."""

    port: int
    served: dict[str, bytes] = field(default_factory=dict)
    received: list[dict[str, str]] = field(default_factory=list)
    answer: tuple[int, bytes] = (200, b"{}")
    nonce_of_wallet: str = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{NAME}:{self.port}"

    def payload(self, query: dict[str, Any], *, client_id: str, **more: Any) -> dict[str, Any]:
        """Return what a request says."""
        usual = {
            "client_id": client_id,
            "response_type": "vp_token",
            "response_mode": "direct_post",
            "response_uri": f"{self.url}/answers",
            "nonce": secrets.token_urlsafe(16),
            "state": secrets.token_urlsafe(16),
            "aud": "https://self-issued.me/v2",
            "iat": int(now().timestamp()),
            "dcql_query": query,
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def serve(self, request_object: str | bytes) -> str:
        """Serve a request object once, and return its address."""
        path = f"/requests/{secrets.token_urlsafe(8)}"
        self.served[path] = request_object.encode() if isinstance(request_object, str) else request_object
        return self.url + path

    def link(self, signing: Signing, query: dict[str, Any], *, client_id: str | None = None, **more: Any) -> str:
        """Sign a request, serve it, and return the link that goes into a QR code."""
        client_id = client_id or signing.by_hash
        return link_to(client_id, self.serve(signing.sign(self.payload(query, client_id=client_id, **more))))


def link_to(client_id: str, request_uri: str, **more: str) -> str:
    """Return the link to a request."""
    return "openid4vp://?" + urlencode({"client_id": client_id, "request_uri": request_uri, **more})


@contextmanager
def asking() -> Iterator[Asking]:
    """Listen as a verifier."""
    server = ThreadingHTTPServer((HOST, 0), BaseHTTPRequestHandler)
    found = Asking(server.server_address[1])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.served.pop(self.path, None)
            self._send(200 if body is not None else 404, body or b"", f"application/{TYPE}")

        def do_POST(self) -> None:
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
            if "wallet_nonce" in form:
                found.nonce_of_wallet = form["wallet_nonce"]
                return self.do_GET()
            found.received.append(form)
            return self._send(*found.answer, "application/json")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server.RequestHandlerClass = Handler
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def shown_in(form: dict[str, str], name: str = "licence") -> str:
    """Return the presentation in what a verifier was sent."""
    presented: list[str] = json.loads(form["vp_token"])[name]
    (one,) = presented
    return one
