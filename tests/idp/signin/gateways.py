"""A mail server and an SMS gateway on this machine: small, real, and with a memory of what they were handed."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.clock import now


@dataclass
class Mailbox:
    """What a mail server took, and how it behaves."""

    url: str = ""
    offers_tls: bool = False
    refuses_with: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass
class Gateway:
    """What an SMS gateway took, and how it answers."""

    url: str = ""
    answers: int = 202
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail of a test")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now() - timedelta(hours=1)).not_valid_after(now() + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "mail.pem"
    path.write_bytes(pem + private)
    return path


@contextmanager
def mail_server(pem: Path | None = None, *, from_the_start: bool = False) -> Iterator[Mailbox]:
    """Run a mail server; with a certificate it offers STARTTLS, or speaks TLS from the start."""
    box = Mailbox(offers_tls=pem is not None and not from_the_start)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if pem else None
    if context is not None and pem is not None:
        context.load_cert_chain(pem)

    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connected: socket.socket = self.request
            connected.settimeout(5)
            try:
                converse(context.wrap_socket(connected, server_side=True) if context and from_the_start else connected, box, context)
            except (OSError, ssl.SSLError):
                return

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation)) as port:
        box.url = f"{'smtps' if from_the_start else 'smtp'}://kabao:sword%20fish@127.0.0.1:{port}"
        yield box


def converse(connected: socket.socket, box: Mailbox, context: ssl.SSLContext | None) -> None:
    """Speak as much SMTP as one mail takes (RFC 5321, RFC 3207, RFC 4954)."""
    secured = isinstance(connected, ssl.SSLSocket)
    lines = connected.makefile("rb")
    connected.sendall(b"220 test\r\n")
    while line := lines.readline():
        verb = line.decode().split()[0].upper()
        box.said.append(verb)
        if verb == "STARTTLS" and context is not None:
            connected.sendall(b"220 go ahead\r\n")
            connected = context.wrap_socket(connected, server_side=True)
            lines, secured = connected.makefile("rb"), True
        elif verb == "EHLO":
            offers = (b"250-STARTTLS\r\n" if box.offers_tls and not secured else b"") + b"250-8BITMIME\r\n"
            connected.sendall(b"250-test\r\n" + offers + b"250 AUTH PLAIN\r\n")
        elif verb == "RCPT" and box.refuses_with:
            connected.sendall(box.refuses_with.encode() + b" " + line[8:])
        elif verb == "DATA":
            connected.sendall(b"354 go on\r\n")
            body = b""
            while (line := lines.readline()) != b".\r\n":
                body += line
            box.mails.append(message_from_bytes(body, policy=policy.default))  # type: ignore[arg-type]
            connected.sendall(b"250 taken\r\n")
        elif verb == "QUIT":
            connected.sendall(b"221 bye\r\n")
            return
        else:
            connected.sendall(b"235 welcome\r\n" if verb == "AUTH" else b"250 fine\r\n")


@contextmanager
def sms_gateway() -> Iterator[Gateway]:
    """Run an SMS gateway."""
    gateway = Gateway()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            gateway.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(gateway.answers)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with _running(HTTPServer(("127.0.0.1", 0), Answering)) as port:
        gateway.url = f"http://127.0.0.1:{port}/send?to=people"
        yield gateway


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[index,misc]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
