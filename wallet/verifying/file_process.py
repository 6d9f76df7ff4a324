"""Reads a picture of a QR code or a sealed PDF in a process of its own, which knows no secret, may use so much memory and time and no more, and
answers with one line of JSON.

A picture may be a bomb and a document a maze; here either ends this process and nothing else. Nothing is judged but what only the document's own
bytes can tell: whether its seal fits them and covers them all. Whose seal that is, is for the checks. Started by `files.py`; imports nothing of ours.
"""

import base64
import json
import re
import resource
import sys
from io import BytesIO
from typing import Any

MOST_BYTES, MOST_PIXELS, MOST_PAGES, MOST_CODES, MOST_DATA = 8 * 1024 * 1024, 40_000_000, 20, 8, 128 * 1024
LONGEST_TEXT = 8 * 1024
MEMORY, SECONDS = 1024 * 1024 * 1024, 10
DATA_NAME = "licence.vc.jwt"
PDF, PNG, JPEG = b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
DIGESTS = ("sha256", "sha384", "sha512")
OBJECT = re.compile(rb"(?<![A-Za-z])obj(?![A-Za-z])|\d[\s\0]*obj")
TRAILER = re.compile(rb"[\r\n][ \t\f\0]*trailer")
END = re.compile(rb"startxref\r?\n\d{1,10}\r?\n%%EOF[\r\n]{0,4}")
CHANGED_AT = re.compile(rb'xmp:(?:ModifyDate|MetadataDate)(?:="[^"]*"|>[^<]*<)')
CHANGED_IN = ("/ModDate", "/Producer")


class Unusable(Exception):
    """Why nothing can be read, as a code."""


def codes_of(content: bytes) -> list[str]:
    """Return the texts of the QR codes in a picture, each once."""
    import zxingcpp
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # looked at below, before a pixel is unpacked
    with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise Unusable("too-large")
        grey = ImageOps.exif_transpose(picture).convert("L")
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    texts = list(dict.fromkeys(one.text for one in found if 0 < len(one.text) <= LONGEST_TEXT))
    if not texts:
        raise Unusable("no-code")
    return texts[:MOST_CODES]


def seal_of(content: bytes) -> dict[str, Any]:
    """Return the licence's data in a document, and the certificates of its seal if that fits."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(BytesIO(content), strict=True)
    if reader.encrypted:
        raise Unusable("encrypted")
    if int(reader.root["/Pages"]["/Count"]) > MOST_PAGES:
        raise Unusable("too-large")
    signatures = reader.embedded_signatures
    if not signatures:
        raise Unusable("not-sealed")
    if len(signatures) > 1:
        raise Unusable("not-one-seal")
    return {"data": data_of(reader), "chain": chain_of(signatures[0]), "is_intact": is_intact(signatures[0])}


def data_of(reader: Any) -> str:
    """Return the file that travels inside."""
    names = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    for at in range(0, min(len(names) - 1, 20), 2):
        if str(names[at]) == DATA_NAME:
            data: bytes = names[at + 1]["/EF"]["/F"].data
            if len(data) > MOST_DATA:
                raise Unusable("too-large")
            return data.decode("ascii")
    raise Unusable("not-sealed")


def chain_of(signature: Any) -> list[str]:
    """Return the certificates of the seal, the signer's first."""
    ours = [signature.signer_cert, *[one for one in signature.other_embedded_certs if one.issuer != one.subject]]
    return [base64.b64encode(one.dump()).decode() for one in ours[:4]]


def is_intact(signature: Any) -> bool:
    """Whether the seal fits the document, covers it whole, and nothing but what proves the seal was added since."""
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    signature.compute_integrity_info()
    if signature.md_algorithm not in DIGESTS:
        return False
    content: bytes = signature.reader.stream.getvalue()
    sealed_to = end_of_seal(signature, content)
    if sealed_to is None or not is_ended(content) or not is_all_listed(signature.reader, content, sealed_to):
        return False
    fits, is_signed = validate_sig_integrity(signature.signer_info, signature.signer_cert, "data", signature.compute_digest())
    is_whole = signature.coverage >= SignatureCoverageLevel.ENTIRE_REVISION
    added = getattr(signature.diff_result, "modification_level", ModificationLevel.OTHER) if signature.diff_result else ModificationLevel.NONE
    return bool(fits and is_signed and is_whole and added <= ModificationLevel.LTA_UPDATES and is_told_alike(content, sealed_to))


def end_of_seal(signature: Any, content: bytes) -> int | None:
    """Return how far the seal reaches, None if it leaves out more than itself.

    An update may put another signature object in the place of the one that was sealed: one with zeros after the signature, of just the length that
    explains all that was added, is taken by the library for a seal over the whole file. So what is left out must be the signature as it is read.
    """
    if len(signature.byte_range) != 4:
        return None
    begins, before, after, rest = map(int, signature.byte_range)
    left_out, end = content[before:after], after + rest
    is_signature = left_out[:1] + left_out[-1:] == b"<>" and left_out[1:-1].lower() == signature.pkcs7_content.hex().encode()
    return end if begins == 0 and is_signature and 0 < before < after < end <= len(content) else None


def is_ended(content: bytes) -> bool:
    """Whether the file ends where its last table is named, in the plain way: where another reader looks in vain for that, it repairs the file."""
    at = content.rfind(b"startxref")
    return at >= 0 and END.fullmatch(content, at) is not None


def is_all_listed(reader: Any, content: bytes, sealed_to: int) -> bool:
    """Whether each object, and each trailer, that was added since is one that a table names.

    What this reader passes over, another shows that repairs the file: it goes through all the bytes and takes the last object of a number.
    """
    from pyhanko.pdf_utils.generic import Reference

    listed, tables = set(), 0
    for revision in range(reader.xrefs.total_revisions):
        container = reader.xrefs.get_xref_container_info(revision)
        if container.end_location <= sealed_to:
            continue
        tables += container.stream_ref is None
        named = reader.xrefs.get_xref_data(revision)
        for number, (generation, at) in named.standard_xrefs.items():
            begins = b"%d %d obj" % (number, generation)
            if not content.startswith(begins, at):
                return False
            listed.add(at + len(begins))
            packed = packed_in(reader.get_object(Reference(number, generation, reader), revision=revision))
            if packed != [one for one, place in named.xrefs_in_objstm.items() if place.obj_stream_id == number]:
                return False
    trailers = TRAILER.findall(content, sealed_to)
    return len(trailers) == tables and all(found.end() in listed for found in OBJECT.finditer(content, sealed_to))


def packed_in(found: Any) -> list[int]:
    """Return the numbers of the objects that are packed in an object."""
    if getattr(found, "encoded_data", None) is None or found.get("/Type") != "/ObjStm":
        return []
    return [int(one) for one in found.data[: int(found["/First"])].split()[::2]]


def is_told_alike(content: bytes, sealed_to: int) -> bool:
    """Whether the document says of itself what it said when it was sealed, but for when it was changed: its proof may be added without more."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    sealed, whole = (PdfFileReader(BytesIO(one), strict=True) for one in (content[:sealed_to], content))
    return told_of(sealed) == told_of(whole)


def told_of(reader: Any) -> tuple[bytes, dict[str, str]]:
    """Return what a document says of itself, as XMP and in the older way."""
    xmp = reader.root["/Metadata"].data if "/Metadata" in reader.root else b""
    info = reader.trailer["/Info"] if "/Info" in reader.trailer else {}  # noqa: SIM401 (a trailer has no `get`)
    return CHANGED_AT.sub(b"", xmp), {str(name): str(value) for name, value in info.items() if name not in CHANGED_IN}


def read(content: bytes) -> dict[str, Any]:
    """Return what a file holds: `codes`, or `data` with its `chain` and whether it `is_intact`; raises Unusable."""
    if len(content) > MOST_BYTES:
        raise Unusable("too-large")
    if content.startswith(PDF):
        return seal_of(content)
    if content.startswith((PNG, JPEG)):
        return {"codes": codes_of(content)}
    raise Unusable("unknown")


def main() -> None:
    """Read the file on standard input and write the answer."""
    import logging

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        answer = read(sys.stdin.buffer.read(MOST_BYTES + 1))
    except Unusable as fault:
        answer = {"fault": str(fault)}
    except Exception:  # noqa: BLE001 (whatever a stranger's file makes of a library)
        answer = {"fault": "broken"}
    print(json.dumps(answer))  # noqa: T201 (this is how it answers)


if __name__ == "__main__":
    main()
