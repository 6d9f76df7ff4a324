"""Documents are checked as a stranger would: by poppler's programs, by pyHanko's validator with nothing but our root, by a reader of QR codes."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import jwt
import pytest
import zxingcpp
from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_crl
from flask import Flask
from PIL import Image
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import DocumentSecurityStore, validate_pdf_signature

from keys import certificates, ring
from runtime.clock import now
from runtime.languages import Text
from runtime.settings import Settings
from tests.wallet.issuing.desks import ENDS
from tests.wallet.issuing.licence_contents import PLACE, new_content
from wallet.issuing import compact, compact_text
from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import LONGEST, Marking
from wallet.issuing.documents import sealed
from wallet.register.licences import china_date

ISSUER = Text("示例市公安局交通警察支队", "Traffic Police of Example City")
ENOUGH, STAMP = 200 * 1024, "signature_time_stamp_token"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


@pytest.fixture(scope="module")
def make(app: Flask, settings: Settings, content: Content) -> Callable[..., bytes]:
    def made(**changes: Any) -> bytes:
        given: dict[str, Any] = {"issuer": ISSUER, "place": PLACE, "kind": "a4", "now": now(), **changes}
        with app.app_context():
            return sealed.make(settings, given.pop("content", content), **given)

    return made


@pytest.fixture(scope="module")
def document(make: Callable[..., bytes]) -> bytes:
    return make()


def run(program: str, document: bytes, folder: Path, *options: str) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here: install poppler-utils")
    (folder / "document.pdf").write_bytes(document)
    done = subprocess.run([program, *options], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def validated(app: Flask, document: bytes) -> Any:
    """Validate with the root alone, offline, by what the document carries itself."""
    with app.app_context():
        root = x509.Certificate.load(certificates.root_certificate().public_bytes(Encoding.DER))
    reader = PdfFileReader(BytesIO(document))
    carried = DocumentSecurityStore.read_dss(reader)
    context = carried.as_validation_context({"trust_roots": [root], "allow_fetching": False, "revocation_mode": "require"})
    return validate_pdf_signature(reader.embedded_signatures[0], context)


def test_it_validates_offline_with_nothing_but_the_root(app: Flask, document: bytes) -> None:
    status = validated(app, document)
    assert status.bottom_line, status.pretty_print_details()
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.valid
    assert status.timestamp_validity.trusted
    assert status.trusted


def test_each_stamp_tells_the_moment_of_its_document_and_has_a_number_of_its_own(make: Callable[..., bytes]) -> None:
    moments = [now(), now() + timedelta(seconds=90)]
    seals = [PdfFileReader(BytesIO(make(now=one))).embedded_signatures[0] for one in moments]
    tokens = [one["values"][0]["content"] for seal in seals for one in seal.signer_info["unsigned_attrs"] if one["type"].native == STAMP]
    stamps = [one["encap_content_info"]["content"].parsed.native for one in tokens]
    assert [abs(stamp["gen_time"] - moment) < timedelta(seconds=1) for stamp, moment in zip(stamps, moments, strict=True)] == [True, True]
    assert stamps[0]["serial_number"] != stamps[1]["serial_number"]


def test_it_says_to_every_reader_that_nothing_may_be_changed(app: Flask, document: bytes) -> None:
    (seal,) = PdfFileReader(BytesIO(document)).embedded_signatures
    assert seal.docmdp_level is MDPPerm.NO_CHANGES
    assert validated(app, document).docmdp_ok, "its own proof is no change"


def test_it_carries_the_certificates_and_the_revocation_list(app: Flask, document: bytes) -> None:
    store = DocumentSecurityStore.read_dss(PdfFileReader(BytesIO(document)))
    assert len(store.crls) == 1
    held = load_der_x509_crl(store.crls[0].get_object().data)
    with app.app_context():
        assert held.issuer == certificates.root_certificate().subject
    assert len(store.certs) >= 3, "the root, the department and whoever stamps the time"


def test_pdfsig_says_that_the_signature_is_valid(document: bytes, tmp_path: Path) -> None:
    said = run("pdfsig", document, tmp_path, "-nocert", "document.pdf")
    assert "Signature is Valid." in said
    assert "ETSI.CAdES.detached" in said


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.65])
def test_one_changed_byte_breaks_it(app: Flask, document: bytes, share: float) -> None:
    with_byte_range = document.index(b"/ByteRange")
    at = int(with_byte_range * share)
    spoilt = document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]
    try:
        is_good = validated(app, spoilt).bottom_line
    except Exception:  # noqa: BLE001 (what can no longer be read at all is refused too, in whatever words)
        is_good = False
    assert not is_good


def test_its_letters_can_be_read_and_every_font_is_inside(document: bytes, tmp_path: Path, content: Content) -> None:
    read = run("pdftotext", document, tmp_path, "document.pdf", "-")
    for expected in ("机动车驾驶证", "Driving licence", "林晓月", "379999199005180121", "小型汽车", f"{ENDS.year}年1月31日", ISSUER.zh):
        assert expected in read
    assert content.identifier in read.replace("\n", "")
    fonts = run("pdffonts", document, tmp_path, "document.pdf").splitlines()[2:]
    assert len(fonts) == 2
    assert all("yes yes yes" in one for one in fonts), "embedded, a subset, with its letters told"


def test_it_is_tagged_titled_and_in_a_language(document: bytes, tmp_path: Path) -> None:
    told = run("pdfinfo", document, tmp_path, "document.pdf")
    assert "Tagged:          yes" in told
    assert "机动车驾驶证 Driving licence" in run("pdfinfo", document, tmp_path, "-meta", "document.pdf")
    tree = run("pdfinfo", document, tmp_path, "-struct-text", "document.pdf")
    assert tree.index("H1") < tree.index("Table") < tree.index("TH") < tree.index("TD")
    assert PdfFileReader(BytesIO(document)).root["/Lang"] == "zh-CN"


def test_it_says_what_it_is_to_machines(app: Flask, document: bytes, content: Content) -> None:
    root = PdfFileReader(BytesIO(document)).root
    inside = root["/AF"][0]
    assert (inside["/UF"], inside["/AFRelationship"]) == ("licence.vc.jwt", "/Data")
    credential = inside["/EF"]["/F"].data.decode()
    with app.app_context():
        key = ring.signer(certificates.department_use(content.department)).key.public_key()
    told = jwt.decode(credential, key, algorithms=["ES256"])  # type: ignore[arg-type]
    assert told["credentialSubject"]["licence_identifier"] == content.identifier
    assert told["status"]["status_list"]["idx"] == PLACE.index
    assert "cnf" not in told
    metadata = root["/Metadata"].data.decode()
    assert content.identifier in metadata
    assert "zh-CN" in metadata


def test_its_code_is_read_from_the_paper_and_checked_without_a_network(app: Flask, document: bytes, tmp_path: Path, content: Content) -> None:
    run("pdftoppm", document, tmp_path, "-r", "150", "-png", "document.pdf", "page")
    found = zxingcpp.read_barcodes(Image.open(tmp_path / "page-1.png"))
    with app.app_context():
        key = ring.signer(certificates.department_use(content.department)).key.public_key()
    told = compact.read(found[0].text, keys_of=lambda *_: [key], now=now())  # type: ignore[list-item]
    assert told.fields == {"holder_name": "林晓月", "licence_identifier": content.identifier}


@pytest.mark.parametrize(
    ("kind", "type_name", "until"),
    [
        ("a4", "business-licence", None),
        ("card", "business-licence", None),
        ("a4", "degree-certificate", None),
        ("a4", "real-estate-certificate", None),
        ("card", "resident-identity-card", ENDS),
        ("card", "driving-licence", ENDS),
    ],
)
def test_every_layout_is_small_and_validates(app: Flask, make: Callable[..., bytes], kind: str, type_name: str, until: date | None) -> None:
    document = make(kind=kind, content=new_content(app, type=type_name, valid_until=until))
    assert len(document) < ENOUGH
    assert validated(app, document).bottom_line
    pages = PdfFileReader(BytesIO(document)).root["/Pages"]["/Count"]
    assert pages == (2 if kind == "card" else 1)


@pytest.mark.parametrize("type_name", ["resident-identity-card", "business-licence", "driving-licence", "real-estate-certificate"])
def test_every_sheet_bears_the_seal_of_its_department(app: Flask, make: Callable[..., bytes], tmp_path: Path, type_name: str) -> None:
    until = None if type_name in ("business-licence", "real-estate-certificate") else ENDS
    document = make(content=new_content(app, type=type_name, valid_until=until))
    assert "电子印章" in run("pdftotext", document, tmp_path, "document.pdf", "-")


def test_letters_that_the_font_has_not_and_texts_that_fill_a_page_do_no_harm(app: Flask, make: Callable[..., bytes], tmp_path: Path) -> None:
    hostile = new_content(app, address="𠮷\U0010fffd(){}\\<<>>%" + "长" * 500, file_number="(\\)" * 40)
    document = make(content=hostile)
    assert validated(app, document).bottom_line
    assert "𠮷" in run("pdftotext", document, tmp_path, "document.pdf", "-")


@pytest.fixture(scope="module")
def marking() -> Marking:
    made_at = now()
    return Marking("示例市住房和城乡建设局", "办理施工许可", made_at, made_at + timedelta(days=30), "林晓月")


@pytest.fixture(scope="module")
def copy(make: Callable[..., bytes], marking: Marking) -> bytes:
    return make(marking=marking)


@pytest.mark.parametrize("kind", ["a4", "card"])
def test_a_marked_copy_says_across_each_page_for_whom_why_and_until_when(
    app: Flask, make: Callable[..., bytes], marking: Marking, tmp_path: Path, kind: str
) -> None:
    document = make(marking=marking, kind=kind)
    assert validated(app, document).bottom_line
    read = run("pdfinfo", document, tmp_path, "-struct-text", "document.pdf")
    for said in ("仅供 示例市住房和城乡建设局 使用", "事由：办理施工许可", f"有效期至 {marking.last_day.isoformat()}"):
        assert read.count(said) == (4 if kind == "card" else 3), said


def test_a_marked_copy_carries_the_four_elements_of_the_standard(copy: bytes, document: bytes, marking: Marking, tmp_path: Path) -> None:
    reader = PdfFileReader(BytesIO(copy))
    in_xmp, in_info = reader.root["/Metadata"].data.decode(), reader.trailer["/Info"]
    assert set(marking.elements) == {"JZJZZSJ", "JZJZZZ", "JZJZZSY", "JZJYXQJZSJ"}
    for tag, said in marking.elements.items():
        assert f'{tag}="{said}"' in in_xmp
        assert in_info[f"/{tag}"] == said
    assert "JZJ" not in PdfFileReader(BytesIO(document)).root["/Metadata"].data.decode()


def test_a_marked_copy_says_it_to_machines_and_is_over_when_it_says(copy: bytes, marking: Marking, tmp_path: Path) -> None:
    told = jwt.decode(PdfFileReader(BytesIO(copy)).root["/AF"][0]["/EF"]["/F"].data.decode(), options={"verify_signature": False})
    assert (told["termsOfUse"], told["exp"]) == ([marking.as_terms()], int(marking.ends_at.timestamp()))
    assert marking.made_by not in str(told["termsOfUse"])
    run("pdftoppm", copy, tmp_path, "-r", "150", "-png", "document.pdf", "page")
    (found,) = zxingcpp.read_barcodes(Image.open(tmp_path / "page-1.png"))
    read = compact_text.told(compact_text.open_message(found.text))
    assert (read.marked, int(read.fresh_until.timestamp())) == (marking.as_compact(), int(marking.ends_at.timestamp()))


def test_the_code_of_the_longest_marking_is_read_from_paper(make: Callable[..., bytes], tmp_path: Path) -> None:
    names = "".join(chr(0x4E00 + 37 * at) for at in range(2 * LONGEST))
    longest = Marking(names[:LONGEST], names[LONGEST:], now(), now() + timedelta(days=90), "林晓月")
    run("pdftoppm", make(marking=longest), tmp_path, "-r", "150", "-png", "document.pdf", "page")
    (found,) = zxingcpp.read_barcodes(Image.open(tmp_path / "page-1.png"))
    assert compact_text.told(compact_text.open_message(found.text)).marked == longest.as_compact()


def test_a_marked_copy_outlives_no_licence(app: Flask, make: Callable[..., bytes], marking: Marking) -> None:
    ending = new_content(app, valid_until=china_date(now()) + timedelta(days=2))
    told = jwt.decode(
        PdfFileReader(BytesIO(make(content=ending, marking=marking))).root["/AF"][0]["/EF"]["/F"].data.decode(), options={"verify_signature": False}
    )
    assert ending.expires_at is not None
    assert told["exp"] == int(ending.expires_at.timestamp()) < marking.ends_at.timestamp()
