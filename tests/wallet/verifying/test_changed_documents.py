"""Documents that were changed after they were sealed, in each way that a reader of documents might not notice."""

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pyhanko.pdf_utils.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    pdf_string,
)
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

from runtime.clock import now
from tests.wallet.verifying.test_one_door import UNBOUND, failed, made
from tests.world_verifying import CAUSE, Counter
from wallet.issuing.copy_marks import Marking
from wallet.verifying import file_process

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


def checked(counter: Counter, document: bytes) -> tuple[str, list[Any]]:
    """Return the verdict, and what failed."""
    answer = counter.post("verifications", {"file": base64.b64encode(document).decode(), "cause": CAUSE, **UNBOUND})
    return answer.json["verdict"], failed(answer)


def written(writer: IncrementalPdfFileWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def turned(writer: IncrementalPdfFileWriter) -> None:
    """Change what the page shows."""
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page[NameObject("/Rotate")] = NumberObject(180)
    writer.update_container(page)


def resealed(document: bytes, *, zeros: int, filler: int) -> tuple[bytes, int]:
    """Turn the page, and put in the signature's place one with zeros after it, where zeros take no room; return how many there should be."""
    writer = IncrementalPdfFileWriter(BytesIO(document))
    (seal,) = writer.prev.embedded_signatures
    signature = DictionaryObject({name: seal.sig_object.raw_get(name) for name in seal.sig_object})
    signature[NameObject("/Contents")] = ByteStringObject(seal.pkcs7_content + bytes(zeros))
    signature[NameObject("/ByteRange")] = ArrayObject(NumberObject(int(one)) for one in seal.byte_range)
    packed = writer.prepare_object_stream()
    packed.add_object(seal.sig_field.raw_get("/V").idnum, signature)
    turned(writer)
    writer.add_object(StreamObject(stream_data=bytes(filler)))
    changed = written(writer)
    explained = len(changed) - int(seal.byte_range[1]) - int(seal.byte_range[3]) - 2
    return changed, explained - 2 * len(seal.pkcs7_content)


def test_a_signature_that_is_made_longer_until_it_explains_what_was_added_seals_nothing(counter: Counter) -> None:
    document, zeros, filler = made(counter, "pdf"), 0, 0
    for _ in range(50):
        changed, explained = resealed(document, zeros=zeros, filler=filler)
        if explained == 2 * zeros:
            break
        zeros, filler = explained // 2, filler + explained % 2
    assert explained == 2 * zeros, "the length fits"
    (seal,) = PdfFileReader(BytesIO(changed)).embedded_signatures
    seal.compute_integrity_info()
    assert seal.coverage.name == "ENTIRE_FILE", "the library is deceived"
    assert checked(counter, changed) == ("invalid", [("signature", "bad_signature")])


def for_another_in_xmp(writer: IncrementalPdfFileWriter) -> None:
    retold(writer, lambda said: said.replace("办理施工许可".encode(), "办理贷款".encode()))


def retold(writer: IncrementalPdfFileWriter, change: Callable[[bytes], bytes]) -> None:
    said = change(writer.prev.root["/Metadata"].data)
    writer._update_meta = lambda: None  # type: ignore[method-assign]
    kind = {NameObject("/Type"): NameObject("/Metadata"), NameObject("/Subtype"): NameObject("/XML")}
    writer.root[NameObject("/Metadata")] = writer.add_object(StreamObject(kind, stream_data=said))
    writer.update_root()


def for_another(writer: IncrementalPdfFileWriter) -> None:
    info = DictionaryObject({name: value for name, value in writer.prev.trailer["/Info"].items() if name != "/JZJZZSY"})
    writer.set_info(DictionaryObject({**info, NameObject("/JZJZZSY"): pdf_string("办理贷款")}))


def annotated(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    note = DictionaryObject({NameObject("/Type"): NameObject("/Annot"), NameObject("/Subtype"): NameObject("/FreeText")})
    page[NameObject("/Annots")] = ArrayObject([*page.get("/Annots", []), writer.add_object(note)])
    writer.update_container(page)


def with_other_data(writer: IncrementalPdfFileWriter) -> None:
    other = writer.add_object(StreamObject(stream_data=b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA"))
    specification = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1].get_object()
    specification[NameObject("/EF")] = DictionaryObject({NameObject("/F"): other, NameObject("/UF"): other})
    writer.update_container(specification)


def with_a_script(writer: IncrementalPdfFileWriter) -> None:
    writer.root[NameObject("/OpenAction")] = DictionaryObject({NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): pdf_string("1")})
    writer.update_root()


CHANGES = (turned, for_another_in_xmp, for_another, annotated, with_other_data, with_a_script)


@pytest.fixture
def copy(counter: Counter) -> bytes:
    """A marked copy, which says for what it was made in every way that a document can."""
    at = now()
    marking = Marking("示例市住房和城乡建设局", "办理施工许可", at, at + timedelta(days=30), "林晓月")
    document: bytes = made(counter, "pdf", marking=marking)
    return document


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_by_an_update_is_told(counter: Counter, copy: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(copy))
    change(writer)
    changed = written(writer)
    (seal,) = PdfFileReader(BytesIO(changed)).embedded_signatures
    assert not file_process.is_intact(seal)
    assert checked(counter, changed)[0] == "invalid"


def test_an_update_that_changes_nothing_but_its_date_is_none(counter: Counter, copy: bytes) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(copy))
    retold(writer, lambda said: re.sub(rb'xmp:ModifyDate="[^"]*"', b'xmp:ModifyDate="2026-01-01T00:00:00+00:00"', said))
    assert checked(counter, written(writer)) == ("valid", [])


@pytest.mark.parametrize(
    "added",
    [
        pytest.param(b"junk" * 100, id="junk"),
        pytest.param(b"\n4 0 obj\n<< /Rotate 180 >>\nendobj\nstartxref\n%d\n%%%%EOF\n", id="an object before the same end"),
    ],
)
def test_what_another_reader_might_repair_is_not_passed_over(counter: Counter, copy: bytes, added: bytes) -> None:
    last = int(copy.rpartition(b"startxref")[2].split()[0])
    verdict, why = checked(counter, copy + (added % last if b"%d" in added else added))
    assert (verdict, why) == ("invalid", [("signature", "bad_signature")])
    assert checked(counter, copy + b"\n") == ("valid", []), "a last end of line is none of it"


def passed_over(document: bytes, *, added: bytes, before: bytes) -> bytes:
    """Add what no table names, and a table of nothing but itself."""
    size, root, told = (PdfFileReader(BytesIO(document)).trailer.raw_get(name) for name in ("/Size", "/Root", "/Info"))
    last, at = int(document.rpartition(b"startxref")[2].split()[0]), len(document) + len(added)
    members = f"/Type /XRef /W [ 1 8 2 ] /Root {root.idnum} 0 R /Info {told.idnum} 0 R /Size {size + 1} /Prev {last} /Index [ {size} 1 ] /Length 11"
    entry = b"\x01" + at.to_bytes(8) + bytes(2)
    table = b"%d 0 obj\n<< %s >>\nstream\n%s\nendstream\nendobj\n" % (size, members.encode(), entry)
    return document + added + table + b"startxref\n%s%d\n%%%%EOF\n" % (before, at)


PAGE, TRAILER = b"14 0 obj\n<< /Type /Page /Rotate 180 >>\nendobj\n", b"trailer\n<< /Root 1 0 R /Size 99 >>\n"


@pytest.mark.parametrize(
    ("added", "before"),
    [
        pytest.param(PAGE + TRAILER, b" " * 2000, id="a page, for readers that look for the end in the last kilobyte"),
        pytest.param(PAGE, b"", id="a page"),
        pytest.param(b"14\0 0 %\nobj\n<< >>\nendobj\n", b"", id="a comment between"),
        pytest.param(b"14 0 objx\n<< >>\nendobj\n", b"", id="more than the word"),
        pytest.param(TRAILER, b"", id="a trailer"),
        pytest.param(b"", b" " * 2000, id="the end alone"),
    ],
)
def test_what_no_table_names_is_not_passed_over(counter: Counter, copy: bytes, added: bytes, before: bytes) -> None:
    assert checked(counter, passed_over(copy, added=b"", before=b"")) == ("valid", []), "such a table alone changes nothing"
    assert checked(counter, passed_over(copy, added=added, before=before)) == ("invalid", [("signature", "bad_signature")])


def test_an_object_that_is_packed_with_others_is_named_too(copy: bytes) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(copy))
    packed = writer.prepare_object_stream()
    writer.add_object(DictionaryObject({NameObject("/Rotate"): NumberObject(180)}), obj_stream=packed)
    writer.update_root()
    named = written(writer)
    assert len(named) > len(copy)
    reader = PdfFileReader(BytesIO(named), strict=False)
    assert file_process.is_all_listed(reader, named, len(copy))
    reader.xrefs.get_xref_data(reader.xrefs.total_revisions - 1).xrefs_in_objstm.clear()
    assert not file_process.is_all_listed(reader, named, len(copy))


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda a, b, c, d: [1, b, c, d], id="not from the beginning"),
        pytest.param(lambda a, b, c, d: [a, b - 1, c, d], id="more is left out before"),
        pytest.param(lambda a, b, c, d: [a, b, c + 1, d - 1], id="more is left out after"),
        pytest.param(lambda a, b, c, d: [a, b, c, d + 10**6], id="beyond the end"),
        pytest.param(lambda a, b, c, d: [a, b, c, d, 0, 0], id="six numbers"),
        pytest.param(lambda a, b, c, d: [a, -5, c, d], id="less than nothing"),
    ],
)
def test_a_seal_leaves_out_itself_alone(counter: Counter, spoilt: Callable[..., list[int]]) -> None:
    document = made(counter, "pdf")
    (seal,) = PdfFileReader(BytesIO(document)).embedded_signatures
    assert file_process.end_of_seal(seal, document) == sum([*map(int, seal.byte_range)][2:])
    at = int(seal.byte_range[1])
    assert file_process.end_of_seal(seal, document[:at] + b"(" + document[at + 1 :]) is None, "it stands as a signature stands"
    seal.byte_range = spoilt(*map(int, seal.byte_range))
    assert file_process.end_of_seal(seal, document) is None
