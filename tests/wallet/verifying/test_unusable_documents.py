"""Documents of strangers that are no sealed licence, each told by a code of its own; read here as the process reads them."""

from hashlib import sha256
from io import BytesIO

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.embed import EmbeddedFileObject, FileSpec, embed_file
from pyhanko.pdf_utils.generic import StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.signers import PdfSignatureMetadata, SimpleSigner, sign_pdf
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.wallet.verifying.presented import key, leaf
from wallet.verifying import file_process
from wallet.verifying.file_process import DATA_NAME, MOST_DATA, MOST_PAGES, Unusable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko", "ignore::UserWarning:pyhanko")


def written(*, pages: int = 1, data: bytes | None = None, password: str | None = None) -> bytes:
    """A document of empty pages, with a licence's data of that content if it is given."""
    writer = PdfFileWriter()
    for _ in range(pages):
        writer.insert_page(PageObject(contents=writer.add_object(StreamObject(stream_data=b"")), media_box=(0, 0, 100, 100)))
    if data is not None:
        held = EmbeddedFileObject.from_file_data(writer, data=data, mime_type="application/vc+jwt")
        embed_file(writer, FileSpec(file_spec_string=DATA_NAME, embedded_data=held))
    if password is not None:
        writer.encrypt(password)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def signed(document: bytes, *names: str) -> bytes:
    """The document with a stranger's seal of each name."""
    private = key("leaf").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = x509.Certificate.load(leaf().public_bytes(Encoding.DER))
    signer = SimpleSigner(certificate, asn1_keys.PrivateKeyInfo.load(private), SimpleCertificateStore())
    for name in names:
        about = PdfSignatureMetadata(field_name=name, md_algorithm="sha256")
        document = sign_pdf(IncrementalPdfFileWriter(BytesIO(document)), about, signer=signer).getvalue()
    return document


def why(document: bytes) -> str:
    with pytest.raises(Unusable) as fault:
        file_process.read(document)
    return str(fault.value)


def test_a_document_with_a_seal_and_data_is_read_whoever_sealed_it() -> None:
    found = file_process.read(signed(written(data=b"data"), "Seal"))
    assert (found["data"], found["is_intact"], len(found["chain"])) == ("data", True, 1)


def test_a_document_without_a_seal_or_without_data_is_none() -> None:
    assert why(written(data=b"data")) == "not-sealed"
    with pytest.raises(KeyError):  # which the process calls broken
        file_process.read(signed(written(), "Seal"))


def test_of_several_seals_nobody_says_which_counts() -> None:
    assert why(signed(written(data=b"data"), "Seal", "Another")) == "not-one-seal"


def test_nothing_is_read_in_what_is_encrypted() -> None:
    assert why(written(data=b"data", password="open")) == "encrypted"


def test_a_document_of_many_pages_or_much_data_is_not_read() -> None:
    assert why(signed(written(pages=MOST_PAGES + 1, data=b"data"), "Seal")) == "too-large"
    assert file_process.read(signed(written(pages=MOST_PAGES, data=b"x" * MOST_DATA), "Seal"))["is_intact"]
    assert why(signed(written(data=b"x" * (MOST_DATA + 1)), "Seal")) == "too-large"


def test_a_digest_that_is_written_anew_makes_no_seal() -> None:
    """Whoever changes a document can let its digest fit again, and has no key to sign that with."""
    document = signed(written(data=b"data"), "Seal")
    (seal,) = PdfFileReader(BytesIO(document)).embedded_signatures
    _, before, after, rest = map(int, seal.byte_range)
    changed = document.replace(b"0 0 100 100", b"0 0 100 999", 1)
    assert changed != document
    old, new = (sha256(one[:before] + one[after : after + rest]).hexdigest().encode() for one in (document, changed))
    contents = changed[before:after].lower()
    assert contents.count(old) == 1
    forged = changed[:before] + contents.replace(old, new) + changed[after:]
    (forgery,) = PdfFileReader(BytesIO(forged)).embedded_signatures
    forgery.compute_integrity_info()
    assert forgery.compute_digest().hex().encode() == new, "the digest fits"
    assert [file_process.read(one)["is_intact"] for one in (document, changed, forged)] == [True, False, False]
