"""Time stamps of an authority outside: `openssl ts` behind an HTTP server, in its good days and its bad ones."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import pem, tsp, x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import DocumentSecurityStore, validate_pdf_signature

from keys import certificates
from runtime.clock import now, shifted
from runtime.languages import Text
from runtime.settings import Settings, SettingsError
from tests.runtime.test_settings import USABLE
from tests.wallet.issuing.licence_contents import PLACE, new_content
from wallet.issuing.contents import Content
from wallet.issuing.documents import outside_time_stamps, sealed
from wallet.issuing.documents.outside_time_stamps import TimeStampUnavailable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")
OPENSSL = shutil.which("openssl") or ""
CONFIG = """
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[tsa]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ts]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """A time stamping authority with a root of its own."""

    folder: Path
    asked: int = 0
    spoil: Callable[[bytes], tuple[int, str, bytes]] = field(default=lambda stamp: (200, "application/timestamp-reply", stamp))

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "config").write_text(CONFIG.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "config", "-days", "30"]
        self.run("req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Example TSA root", "-extensions", "root")
        signed = ["-CA", "root.pem", "-CAkey", "root.key", "-extensions", "tsa"]
        self.run("req", "-x509", *key, "-keyout", "tsa.key", "-out", "tsa.pem", "-subj", "/CN=Example TSA", *signed)

    def run(self, *arguments: str) -> None:
        subprocess.run([OPENSSL, *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self.run(
            "ts", "-reply", "-config", "config", "-section", "ts", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "reply"
        )
        return (self.folder / "reply").read_bytes()

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not OPENSSL:
        pytest.skip("no openssl here")
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    """Where it answers: a fresh address each time, in its good days."""
    authority.asked, authority.spoil = 0, lambda stamp: (200, "application/timestamp-reply", stamp)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked += 1
            query = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, body = authority.spoil(authority.stamp(query))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stamp"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


@pytest.fixture
def asking(settings: Settings, authority: Authority, address: str) -> Settings:
    """Settings that name the authority, and take no other stamp."""
    return replace(settings, time_stamp_url=address, time_stamp_roots=authority.root, time_stamp_fallback=False)


def make(app: Flask, settings: Settings, content: Content) -> bytes:
    with app.app_context():
        return sealed.make(settings, content, issuer=Text("示例市公安局", "Police"), place=PLACE, kind="a4", now=now())


def stamped_by(app: Flask, document: bytes, *roots: bytes) -> str:
    """Validate a document by our root and those of authorities, offline, and return whose time stamp it has."""
    with app.app_context():
        own = certificates.root_certificate().public_bytes(Encoding.PEM)
    trusted = [x509.Certificate.load(pem.unarmor(one)[2]) for one in (own, *roots)]
    reader = PdfFileReader(BytesIO(document))
    carried = DocumentSecurityStore.read_dss(reader)
    context = carried.as_validation_context({"trust_roots": trusted, "allow_fetching": False, "revocation_mode": "soft-fail"})
    status = validate_pdf_signature(reader.embedded_signatures[0], context)
    assert status.bottom_line, status.pretty_print_details()
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted
    return str(status.timestamp_validity.signing_cert.subject.native["common_name"])


def test_a_document_has_its_stamp_of_the_authority_that_the_operator_named(
    app: Flask, asking: Settings, content: Content, authority: Authority
) -> None:
    assert stamped_by(app, make(app, asking, content), authority.root) == "Example TSA"
    before = authority.asked
    assert stamped_by(app, make(app, asking, content), authority.root) == "Example TSA"
    assert authority.asked == before + 1, "one stamp a document, once it is known how large they are"


def other_nonce(stamp: bytes) -> bytes:
    read = tsp.TimeStampResp.load(stamp)
    nonce = int(read["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed["nonce"])
    return stamp.replace(nonce.to_bytes(8, "big"), (nonce ^ 1).to_bytes(8, "big"))


REPLY = "application/timestamp-reply"
SPOILED: dict[str, Callable[[bytes], tuple[int, str, bytes]]] = {
    "an error": lambda _: (500, REPLY, b""),
    "a page": lambda _: (200, "text/html", b"<html>"),
    "nothing": lambda _: (200, REPLY, b""),
    "no ASN.1": lambda _: (200, REPLY, b"hello"),
    "a refusal": lambda _: (200, REPLY, bytes.fromhex("30053003020102")),
    "granted, without a stamp": lambda _: (200, REPLY, bytes.fromhex("30053003020100")),
    "a cut stamp": lambda stamp: (200, REPLY, stamp[:-20]),
    "more than a stamp": lambda stamp: (200, REPLY, stamp + bytes(70_000)),
    "another nonce": lambda stamp: (200, REPLY, other_nonce(stamp)),
    "a broken signature": lambda stamp: (200, REPLY, stamp[:-1] + bytes([stamp[-1] ^ 1])),
    "a redirect": lambda _: (302, REPLY, b""),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_no_stamp_is_refused(
    app: Flask, asking: Settings, content: Content, authority: Authority, spoil: Callable[[bytes], tuple[int, str, bytes]]
) -> None:
    authority.spoil = spoil
    with pytest.raises(TimeStampUnavailable):
        make(app, asking, content)


def of_another_request(query: tsp.TimeStampReq) -> None:
    query["nonce"] = int(query["nonce"]) ^ 1


def of_something_else(query: tsp.TimeStampReq) -> None:
    query["message_imprint"]["hashed_message"] = bytes(32)


@pytest.mark.parametrize(("change", "why"), [(of_another_request, "another request"), (of_something_else, "something else")])
def test_a_stamp_of_something_else_is_none_though_the_authority_signed_it(
    app: Flask, asking: Settings, content: Content, authority: Authority, change: Callable[[tsp.TimeStampReq], None], why: str
) -> None:
    """What it stamped before, or for somebody else, is as well signed."""

    def another(_: bytes) -> tuple[int, str, bytes]:
        query = tsp.TimeStampReq.load((authority.folder / "query").read_bytes())
        change(query)
        return 200, REPLY, authority.stamp(query.dump(force=True))

    authority.spoil = another
    with pytest.raises(TimeStampUnavailable, match=why):
        make(app, asking, content)


@pytest.mark.parametrize(("ahead", "is_taken"), [(timedelta(minutes=4), True), (timedelta(minutes=6), False)], ids=["near", "far"])
def test_a_stamp_of_another_time_than_ours_is_none(app: Flask, asking: Settings, content: Content, ahead: timedelta, is_taken: bool) -> None:
    with shifted(ahead):
        if is_taken:
            assert make(app, asking, content)
            return
        with pytest.raises(TimeStampUnavailable, match="another time"):
            make(app, asking, content)


def test_a_stamp_that_leads_elsewhere_is_none(app: Flask, asking: Settings, content: Content, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with pytest.raises(TimeStampUnavailable):
        make(app, replace(asking, time_stamp_roots=other.root), content)


def test_our_own_stamp_stands_in_where_the_operator_lets_it(app: Flask, asking: Settings, content: Content, authority: Authority) -> None:
    authority.spoil = SPOILED["an error"]
    lenient = replace(asking, time_stamp_fallback=True)
    for _ in range(5):
        assert stamped_by(app, make(app, lenient, content)) != "Example TSA"
    assert authority.asked == 3, "one that failed three times is left alone for a while"


def test_an_authority_at_an_inner_address_is_asked_only_as_the_operator_named_it(app: Flask, asking: Settings, content: Content) -> None:
    with pytest.raises(TimeStampUnavailable):
        make(app, replace(asking, development=False), content)  # plain HTTP


@pytest.mark.parametrize("roots", ["", "/nowhere/roots.pem", __file__], ids=["none", "no file", "no certificates"])
def test_an_authority_without_its_roots_is_no_setting(roots: str) -> None:
    with pytest.raises(SettingsError, match="KABAO_TIME_STAMP_ROOTS"):
        Settings.from_environ({**USABLE, "KABAO_TIME_STAMP_URL": "https://tsa.example.gov.cn/", "KABAO_TIME_STAMP_ROOTS": roots})


def test_the_settings_of_an_authority_are_read(authority: Authority) -> None:
    named = {"KABAO_TIME_STAMP_URL": "https://tsa.example.gov.cn/", "KABAO_TIME_STAMP_ROOTS": str(authority.folder / "root.pem")}
    read = Settings.from_environ({**USABLE, **named, "KABAO_TIME_STAMP_FALLBACK": "none"})
    assert (read.time_stamp_url, read.time_stamp_roots, read.time_stamp_fallback) == (named["KABAO_TIME_STAMP_URL"], authority.root, False)
    assert outside_time_stamps._roots(read.time_stamp_roots)
