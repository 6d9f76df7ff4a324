"""The door outwards, against servers that answer, lie, trickle and stand in places where nobody should be asked."""

import ipaddress
import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime import outbound
from runtime.clock import now
from runtime.outbound import Allowed, NoAnswer, fetch
from runtime.settings import Settings
from tests.rough_servers import Behaviour, answering, listening

LOCAL = Allowed(development=True)


def get(port: int, *, allowed: Allowed = LOCAL, timeout: float = 2, limit: int = 1000) -> outbound.Answer:
    return fetch("GET", f"http://127.0.0.1:{port}/x?y=1", allowed=allowed, timeout=timeout, limit=limit)


def test_an_answer_comes_with_its_status_headers_and_body() -> None:
    heard: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 201 Made\r\nContent-Type: application/json\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 2\r\n\r\n{}")

    with listening(behave) as port:
        answer = fetch("POST", f"http://127.0.0.1:{port}/x?y=1", body=b"{}", headers={"X-Mine": "1"}, allowed=LOCAL, timeout=2, limit=10)
    assert (answer.status, answer.body, answer.headers["x-two"]) == (201, b"{}", "a, b")
    head = heard[0].decode()
    assert head.startswith("POST /x?y=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n" in head
    assert "Accept-Encoding: identity" in head
    assert "X-Mine: 1" in head


def test_an_answer_may_say_that_the_connection_ends_and_come_in_chunks() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    whole = b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    for raw in (chunks, whole):
        with listening(answering(raw)) as port:
            assert get(port).body == b"abc"


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with listening(answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as port:
        assert get(port).status == 302


def test_a_limit_of_nothing_reads_the_head_alone() -> None:
    with listening(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nabc")) as port:
        answer = get(port, limit=0)
    assert (answer.status, answer.body) == (200, b"")


NO_ANSWERS: dict[str, bytes] = {
    "a huge body": b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
    "a body without end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
    "a body that is cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabc",
    "chunks that are cut short": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "nothing": b"",
    "a header line without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000,
}


@pytest.mark.parametrize("raw", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_what_is_no_whole_answer_is_none(raw: bytes) -> None:
    with listening(answering(raw)) as port, pytest.raises(NoAnswer):
        get(port)


def trickle(start: bytes, step: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(step)
            time.sleep(0.03)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(lambda _: time.sleep(1), id="silence"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="a trickle of headers"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), id="a trickle of body"),
        pytest.param(trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="always about to answer"),
    ],
)
def test_one_deadline_holds_over_the_whole_exchange(behave: Behaviour) -> None:
    began = time.monotonic()
    with listening(behave) as port, pytest.raises(NoAnswer):
        get(port, timeout=0.3, limit=100_000)
    assert time.monotonic() - began < 0.9


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        fetch("GET", "https://registry.example/", allowed=Allowed(), timeout=0.1, limit=10)
    assert time.monotonic() - began < 0.6


INNER = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
INNER += ["fec0::1", "::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1"]
NEVER = ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]  # noqa: S104 (to be refused)
NEVER += ["2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:5601:5601"]


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_asked_only_at_the_operators_word(address: str) -> None:
    Allowed(frozenset({"registry.inner"})).check("Registry.inner", ipaddress.ip_address(address))
    with pytest.raises(NoAnswer, match="inner"):
        Allowed(frozenset({"registry.inner"})).check("other.inner", ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_asked_at_nobodys_word(address: str) -> None:
    with pytest.raises(NoAnswer, match="nobody"):
        Allowed(frozenset({"x"}), development=True).check("x", ipaddress.ip_address(address))


def test_a_public_address_may_be_asked() -> None:
    for address in ("203.119.25.1", "2400:3200::1"):
        Allowed().check("registry.example", ipaddress.ip_address(address))


def test_development_opens_loopback_and_nothing_else() -> None:
    LOCAL.check("localhost", ipaddress.ip_address("127.0.0.1"))
    with pytest.raises(NoAnswer):
        LOCAL.check("x", ipaddress.ip_address("10.0.0.1"))


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        return [(0, 0, 0, "", ("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port))]

    with listening(answering(b"HTTP/1.1 204 Fine\r\n\r\n")) as port:
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: (real if host == "127.0.0.1" else resolve)(host, *rest, **more))
        assert fetch("GET", f"http://rebinding.example:{port}/", allowed=LOCAL, timeout=2, limit=10).status == 204
    assert asked == ["rebinding.example"]


def test_one_inner_address_among_a_hosts_addresses_is_enough_to_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(0, 0, 0, "", (address, 443)) for address in ("203.119.25.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(NoAnswer, match="inner"):
        fetch("GET", "https://registry.example/", allowed=Allowed(), timeout=1, limit=10)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http:///x",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "file:///etc/passwd",
        "//x",
        "http://127.0.0.1/a\r\nb",
        "",
    ],
)
def test_an_address_that_is_none_is_not_asked(url: str) -> None:
    with pytest.raises(NoAnswer):
        fetch("GET", url, allowed=LOCAL, timeout=1, limit=10)


def test_no_name_and_password_go_along_with_an_address() -> None:
    with listening(answering(b"HTTP/1.1 204 Fine\r\n\r\n")) as port, pytest.raises(NoAnswer, match="not an address"):
        fetch("GET", f"http://user:secret@127.0.0.1:{port}/", allowed=LOCAL, timeout=1, limit=10)


def test_another_address_of_a_host_is_tried_within_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, float]] = []
    connect, real = socket.create_connection, socket.getaddrinfo

    def attempt(place: tuple[str, int], *, timeout: float) -> socket.socket:
        tried.append((place[0], timeout))
        if place[0] == "127.0.0.2":
            raise OSError
        return connect(place, timeout=timeout)

    with listening(answering(b"HTTP/1.1 204 Fine\r\n\r\n")) as port:
        rows = [(0, 0, 0, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: rows if host == "hall.example" else real(host, *rest, **more))
        monkeypatch.setattr(socket, "create_connection", attempt)
        assert fetch("GET", f"http://hall.example:{port}/", allowed=LOCAL, timeout=2, limit=10).status == 204
    assert [address for address, _ in tried] == ["127.0.0.2", "127.0.0.1"]
    assert tried[0][1] <= 1, "the first has half of the time"


@pytest.mark.parametrize(("method", "status"), [("HEAD", b"200 OK"), ("GET", b"304 Same")])
def test_an_answer_that_has_no_body_may_say_how_long_it_would_be(method: str, status: bytes) -> None:
    with listening(answering(b"HTTP/1.1 " + status + b"\r\nContent-Length: 20\r\n\r\n")) as port:
        assert fetch(method, f"http://127.0.0.1:{port}/", allowed=LOCAL, timeout=2, limit=100).body == b""


def test_plain_http_is_for_development_alone() -> None:
    with pytest.raises(NoAnswer, match="plain HTTP"):
        get(1, allowed=Allowed(frozenset({"127.0.0.1"})))


def test_a_header_cannot_be_broken_in_two() -> None:
    with listening(answering(b"HTTP/1.1 204 Fine\r\n\r\n")) as port, pytest.raises(NoAnswer):
        fetch("GET", f"http://127.0.0.1:{port}/", headers={"X": "a\r\nY: b"}, allowed=LOCAL, timeout=1, limit=10)


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context and its certificate, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now(), now() + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate


def test_https_is_verified_by_authority_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = certified(tmp_path, "localhost")
    allowed = Allowed(frozenset({"localhost", "127.0.0.1"}))
    with listening(answering(b"HTTP/1.1 204 Fine\r\n\r\n"), context) as port:
        with pytest.raises(NoAnswer, match="SSLCertVerification"):
            fetch("GET", f"https://localhost:{port}/", allowed=allowed, timeout=2, limit=10)
        monkeypatch.setattr(outbound, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
        assert fetch("GET", f"https://localhost:{port}/", allowed=allowed, timeout=2, limit=10).status == 204
        with pytest.raises(NoAnswer, match="SSLCertVerification"):
            fetch("GET", f"https://127.0.0.1:{port}/", allowed=allowed, timeout=2, limit=10)


def test_a_server_that_never_finishes_its_handshake_has_no_more_time_than_any(tmp_path: Path) -> None:
    began = time.monotonic()
    with listening(lambda _: time.sleep(1)) as port, pytest.raises(NoAnswer):
        fetch("GET", f"https://127.0.0.1:{port}/", allowed=LOCAL, timeout=0.3, limit=10)
    assert time.monotonic() - began < 0.9


def test_the_settings_name_the_hosts_and_an_operators_own_address_speaks_for_its_host() -> None:
    settings = Settings(database_url="", master_key=b"", outbound_hosts=frozenset({"one.inner"}))
    assert outbound.allowed_by(settings, "https://two.inner/x") == Allowed(frozenset({"one.inner", "two.inner"}))
