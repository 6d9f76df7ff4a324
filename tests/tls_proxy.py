"""A proxy that ends TLS, as nginx would before the service: real certificates, real connections, and the headers that the settings name."""

import datetime
import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CERTIFICATE, VERIFIED = "X-SSL-Client-Cert", "X-SSL-Client-Verify"
Names = list[x509.GeneralName]


@dataclass
class Identity:
    """A certificate and its key, also as files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @property
    def files(self) -> tuple[str, str]:
        """The certificate and the key in PEM, as clients take them."""
        at = self.folder / f"{self.certificate.serial_number:x}.crt", self.folder / f"{self.certificate.serial_number:x}.key"
        at[0].write_bytes(self.certificate.public_bytes(Encoding.PEM))
        at[1].write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(at[0]), str(at[1])


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path, name: str = "CN=Test authority") -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name.from_rfc4514_string(name)
        self.certificate = self._sign(self.name, self.key, [], is_authority=True)

    @property
    def file(self) -> str:
        """The root, in PEM."""
        return Identity(self.certificate, self.key, self.folder).files[0]

    def issue(self, subject: str, names: Names | None = None) -> Identity:
        """Make an identity."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Identity(self._sign(x509.Name.from_rfc4514_string(subject), key, names or []), key, self.folder)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, names: Names, *, is_authority: bool = False) -> x509.Certificate:
        present = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(present - datetime.timedelta(minutes=5))
        builder = builder.not_valid_after(present + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, SHA256())


class TlsProxy(ThreadingHTTPServer):
    """The proxy; it takes certificates of its authority, and self-signed ones that it was told of, of which it says so."""

    daemon_threads = True

    def __init__(self, authority: Authority, backend: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.backend, self.issuer = backend, authority.name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.issue("CN=127.0.0.1", [x509.IPAddress(ip_address("127.0.0.1"))]).files)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.load_verify_locations(authority.file)
        self.socket = self.context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"https://127.0.0.1:{self.server_port}"

    def trust(self, other: Identity) -> None:
        """Let clients come with a self-signed certificate."""
        self.context.load_verify_locations(other.files[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of handshakes that fail."""


class _Forward(BaseHTTPRequestHandler):
    server: TlsProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in (CERTIFICATE.lower(), VERIFIED.lower(), "connection")}
        assert isinstance(self.connection, ssl.SSLSocket)
        der = self.connection.getpeercert(binary_form=True)
        if der is not None:
            certificate = x509.load_der_x509_certificate(der)
            headers[CERTIFICATE] = quote(certificate.public_bytes(Encoding.PEM).decode())
            headers[VERIFIED] = "SUCCESS" if certificate.issuer == self.server.issuer else "FAILED:self-signed certificate"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.backend, timeout=30)
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        connection.close()

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
        """Say nothing."""


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
