"""From what was drawn to a PDF: fonts, pages, the tree of what each piece is, metadata, and the files that travel along. Nothing is signed yet."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, NameObject, NumberObject
from pyhanko.pdf_utils.metadata.model import NS, ExpandedName, XmpArray, XmpStructure, XmpValue
from pyhanko.pdf_utils.misc import StringWithLanguage
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from wallet.issuing.documents.canvas import Canvas, Element, Letters
from wallet.issuing.documents.fonts import ASCENT, CAP_HEIGHT, DESCENT, WEIGHTS, Subset, subset

LANGUAGE = "zh-CN"
PRODUCER = "Kabao"
ELEMENTS = "urn:oid:1.2.156.3005.2#"  # the root of licence identifiers: under it stand, in XMP, the elements that the standard names by tags
FAINT = 0.3


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that travels inside: what it is of the document is said by `relationship` (ISO 32000-2 section 7.11.3)."""

    name: str
    content: bytes
    media_type: str
    description: str
    relationship: str = "Data"


@dataclass(frozen=True, slots=True)
class About:
    """What the document says of itself."""

    title: str
    author: str
    subject: str
    identifier: str
    made_at: datetime
    elements: Mapping[str, str] = field(default_factory=dict)  # of GB/T 36903, by their tags


def write(canvas: Canvas, about: About, attached: list[Attached]) -> bytes:
    """Return the document."""
    writer = PdfFileWriter()
    fonts = _fonts(canvas)
    drawn_with = _map({weight: writer.add_object(_font(writer, made, weight)) for weight, made in fonts.items()})
    faint = _map({"Type": _name("ExtGState"), "ca": generic.FloatObject(FAINT)})
    resources = _map({"Font": drawn_with, "ExtGState": _map({"faint": faint})})
    pages = [_page(writer, page.operators, (page.width, page.height), number, resources, fonts) for number, page in enumerate(canvas.pages)]
    _tag(writer, canvas, pages)
    _tell(writer, about)
    _attach(writer, attached, made_at=about.made_at)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _fonts(canvas: Canvas) -> dict[str, Subset]:
    letters: dict[str, set[str]] = {weight: set() for weight in WEIGHTS}
    for page in canvas.pages:
        for one in page.operators:
            if isinstance(one, Letters):
                letters[one.weight].update(one.text)
    return {weight: subset(found, weight=weight) for weight, found in letters.items() if found}


def _page(
    writer: PdfFileWriter, operators: list[str | Letters], size: tuple[float, float], number: int, resources: Any, fonts: dict[str, Subset]
) -> Any:
    drawn = "\n".join(one.encoded(fonts) if isinstance(one, Letters) else one for one in operators)
    page = PageObject(contents=writer.add_object(_stream(drawn.encode())), media_box=(0, 0, *size), resources=resources)
    page[_name("StructParents")] = NumberObject(number)
    page[_name("Tabs")] = _name("S")
    return writer.insert_page(page)


def _font(writer: PdfFileWriter, made: Subset, weight: str) -> DictionaryObject:
    name = _name(f"KABAOX+KabaoSans-{weight.capitalize()}")
    program = _stream(made.program, {"Subtype": _name("CIDFontType0C")})
    descriptor = _map(
        {
            "Type": _name("FontDescriptor"),
            "FontName": name,
            "Flags": NumberObject(4),
            "FontBBox": ArrayObject(map(NumberObject, (-1000, -300, 2000, 1100))),
            "ItalicAngle": NumberObject(0),
            "Ascent": NumberObject(ASCENT),
            "Descent": NumberObject(DESCENT),
            "CapHeight": NumberObject(CAP_HEIGHT),
            "StemV": NumberObject(WEIGHTS[weight] // 5),
            "FontFile3": writer.add_object(program),
        }
    )
    system = _map({"Registry": _text("Adobe"), "Ordering": _text("Identity"), "Supplement": NumberObject(0)})
    descendant = _map(
        {
            "Type": _name("Font"),
            "Subtype": _name("CIDFontType0"),
            "BaseFont": name,
            "CIDSystemInfo": system,
            "FontDescriptor": writer.add_object(descriptor),
            "DW": NumberObject(1000),
            "W": ArrayObject([NumberObject(0), ArrayObject(map(NumberObject, made.widths))]),
        }
    )
    return _map(
        {
            "Type": _name("Font"),
            "Subtype": _name("Type0"),
            "BaseFont": name,
            "Encoding": _name("Identity-H"),
            "DescendantFonts": ArrayObject([writer.add_object(descendant)]),
            "ToUnicode": writer.add_object(_stream(_to_unicode(made).encode())),
        }
    )


def _to_unicode(made: Subset) -> str:
    pairs = [f"<{number:04x}> <{letter.encode('utf-16-be').hex()}>" for letter, number in made.numbers.items()]
    blocks = [pairs[at : at + 100] for at in range(0, len(pairs), 100)]
    mapped = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /KabaoUnicode def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n{mapped}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
    )


def _tag(writer: PdfFileWriter, canvas: Canvas, pages: list[Any]) -> None:
    """Write the tree of elements, and the way back from each piece of a page to its element."""
    made: dict[int, Any] = {}
    root = _map({"Type": _name("StructTreeRoot")})
    reference = writer.add_object(root)
    root[_name("K")] = _element(writer, canvas.root, reference, pages, made)
    numbers: list[Any] = []
    for number, page in enumerate(canvas.pages):
        numbers += [NumberObject(number), writer.add_object(ArrayObject(made[id(one)] for one in page.elements))]
    root[_name("ParentTree")] = writer.add_object(_map({"Nums": ArrayObject(numbers)}))
    root[_name("ParentTreeNextKey")] = NumberObject(len(canvas.pages))
    writer.root[_name("StructTreeRoot")] = reference
    writer.root[_name("MarkInfo")] = _map({"Marked": generic.BooleanObject(value=True)})


def _element(writer: PdfFileWriter, element: Element, parent: Any, pages: list[Any], made: dict[int, Any]) -> Any:
    written = _map({"Type": _name("StructElem"), "S": _name(element.kind), "P": parent})
    reference = made[id(element)] = writer.add_object(written)
    kids = [_element(writer, part, reference, pages, made) for part in element.parts]
    for page, piece in element.pieces:
        written[_name("Pg")] = pages[page]
        kids.append(NumberObject(piece))
    written[_name("K")] = ArrayObject(kids)
    if element.alternative:
        written[_name("Alt")] = _text(element.alternative)
    return reference


def _tell(writer: PdfFileWriter, about: About) -> None:
    """Write what the document says of itself: as XMP, and in the older way."""
    meta = writer.document_meta
    meta.title, meta.author = StringWithLanguage(about.title, "zh"), about.author
    meta.subject, meta.creator, meta.created = StringWithLanguage(about.subject, "zh"), PRODUCER, about.made_at
    languages = XmpArray.unordered([XmpValue(LANGUAGE)])
    told = {"identifier": XmpValue(about.identifier), "language": XmpValue(languages)}
    in_xmp = {
        **{ExpandedName(NS["dc"], name): value for name, value in told.items()},
        **{ExpandedName(ELEMENTS, tag): XmpValue(said) for tag, said in about.elements.items()},
    }
    meta.xmp_extra = [XmpStructure.of(*in_xmp.items())]
    if about.elements:
        told_before = {"Title": about.title, "Author": about.author, **about.elements}
        writer.set_info(_map({tag: _text(said) for tag, said in told_before.items()}))
    writer.root[_name("Lang")] = _text(LANGUAGE)
    writer.root[_name("ViewerPreferences")] = _map({"DisplayDocTitle": generic.BooleanObject(value=True)})


def _attach(writer: PdfFileWriter, attached: list[Attached], *, made_at: datetime) -> None:
    """Embed the files, findable by name and as files of the document (`AF`)."""
    specifications = [(one.name, writer.add_object(_specification(writer, one, made_at=made_at))) for one in attached]
    if specifications:
        names = ArrayObject(part for name, reference in sorted(specifications) for part in (_text(name), reference))
        writer.root[_name("Names")] = _map({"EmbeddedFiles": _map({"Names": names})})
        writer.root[_name("AF")] = ArrayObject(reference for _, reference in specifications)


def _specification(writer: PdfFileWriter, one: Attached, *, made_at: datetime) -> DictionaryObject:
    told = _map({"Size": NumberObject(len(one.content)), "ModDate": _text(made_at.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"))})
    embedded = writer.add_object(_stream(one.content, {"Type": _name("EmbeddedFile"), "Subtype": _name(one.media_type), "Params": told}))
    return _map(
        {
            "Type": _name("Filespec"),
            "F": _text(one.name),
            "UF": _text(one.name),
            "EF": _map({"F": embedded, "UF": embedded}),
            "AFRelationship": _name(one.relationship),
            "Desc": _text(one.description),
        }
    )


def _stream(content: bytes, told: Mapping[str, Any] | None = None) -> generic.StreamObject:
    members = _map({**(told or {}), "Filter": _name("FlateDecode")})
    return generic.StreamObject(members, encoded_data=zlib.compress(content, 6))


def _map(members: Mapping[str, Any]) -> DictionaryObject:
    return DictionaryObject({_name(name): value for name, value in members.items()})


def _name(name: str) -> NameObject:
    return NameObject(f"/{name}")


def _text(text: str) -> Any:
    return generic.pdf_string(text)
