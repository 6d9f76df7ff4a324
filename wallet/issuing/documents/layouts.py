"""How a licence is laid out: a sheet of A4, upright or across by the type's face, or a card of two sides (ISO/IEC 7810 ID-1). Pure."""

from dataclasses import dataclass
from math import cos, radians, sin

import segno

from runtime.languages import Text
from wallet.issuing.contents import Content
from wallet.issuing.copy_marks import Marking
from wallet.issuing.documents import seal_picture
from wallet.issuing.documents.canvas import MM, Canvas, lines_of
from wallet.issuing.documents.entries import Entry, back_of, front_of, statement_of, written
from wallet.issuing.documents.fonts import width_of
from wallet.register.colours import COLOURS

SHEET, CARD = "a4", "card"
KINDS = (SHEET, CARD)
A4 = (210 * MM, 297 * MM)
ID_1 = (85.6 * MM, 53.98 * MM)
GREY, PALE, WHITE = "#5b6472", "#d9dee6", "#ffffff"
ACROSS = ("diploma", "booklet")
QUIET = 4
SEAL = 19 * MM  # the radius of the seal on a sheet
MARK = "#4a5568"
ACROSS_UPRIGHT, ACROSS_WIDE = (28.0, (0.36, 0.62, 0.88)), (18.0, (0.5, 0.85))  # how a mark is turned, and how far down its bands begin
LEAST = 0.78  # what is a little too long is set smaller than the rest; longer texts go on in another line
CHECK_IT = Text("扫码离线核对", "Scan to check offline")
SEALED = Text(
    "本文件由发证机关电子签名，以签名与内嵌的证照数据为准。",
    "Signed electronically by the issuer; its signature and the data inside are what counts.",
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is laid out: the licence, who issued it, the content of the QR code, and what a marked copy (加注件) says of itself, if it is one."""

    content: Content
    issuer: Text
    code: str
    marking: Marking | None = None

    @property
    def colour(self) -> str:
        """The colour of the type."""
        return COLOURS[self.content.licence_type.colour].light

    @property
    def accent(self) -> str:
        """The second colour."""
        return COLOURS[self.content.licence_type.face.accent or self.content.licence_type.colour].dark

    @property
    def title(self) -> Text:
        """What stands at its head."""
        return self.content.licence_type.face.title or self.content.licence_type.name


def draw(sheet: Sheet, *, kind: str) -> Canvas:
    """Draw a licence as a sheet or as a card."""
    canvas = Canvas()
    if kind == CARD:
        _card(canvas, sheet)
    else:
        _sheet(canvas, sheet)
    return canvas


def _sheet(canvas: Canvas, sheet: Sheet) -> None:
    width, height = A4[::-1] if sheet.content.licence_type.face.layout in ACROSS else A4
    canvas.add_page(width, height)
    _frame(canvas, sheet)
    margin = 26 * MM
    with canvas.tagged("H1"):
        canvas.centred(34 * MM, sheet.title.zh, size=30, weight="bold", colour=sheet.accent, within=(margin, width - margin))
        canvas.centred(42 * MM, sheet.title.en, size=12, colour=GREY, within=(margin, width - margin))
    y = _statement(canvas, sheet, 54 * MM, margin, width - margin)
    lines = [*front_of(sheet.content, issuer=sheet.issuer), *back_of(sheet.content, issuer=sheet.issuer)]
    room = height - 74 * MM - y
    columns = 2 if width > height else 1
    per_column = -(-len(lines) // columns)
    step = min(11 * MM, room / max(per_column, 1))
    gap = 8 * MM
    column = (width - 2 * margin - gap * (columns - 1)) / columns
    with canvas.group("Table"):
        for place, line in enumerate(lines):
            x = margin + (place // per_column) * (column + gap)
            _row(canvas, line, x, y + (place % per_column) * step, width=column, step=step, size=min(11.5, step / 2.1))
    _foot(canvas, sheet, margin)


def _frame(canvas: Canvas, sheet: Sheet) -> None:
    page = canvas.page
    with canvas.decoration():
        for inset, thick in ((9 * MM, 2.2), (11.5 * MM, 0.6)):
            canvas.rectangle(inset, inset, page.width - 2 * inset, page.height - 2 * inset, line=sheet.colour, thick=thick)
        for x in (9 * MM, page.width - 9 * MM):
            for y in (9 * MM, page.height - 9 * MM):
                canvas.polygon([(x - 7, y), (x, y - 7), (x + 7, y), (x, y + 7)], fill=sheet.colour)


def _statement(canvas: Canvas, sheet: Sheet, y: float, left: float, right: float) -> float:
    """Set the sentence that a certificate says, and return where it ends."""
    said = statement_of(sheet.content, issuer=sheet.issuer)
    if said is None:
        return y
    with canvas.tagged("P"):
        for text, size, step, colour in ((said.zh, 13.0, 20.0, "#1a1a1a"), (said.en, 9.0, 13.0, GREY)):
            for line in lines_of(text, size=size, width=right - left, most=6):
                canvas.text(left, y + size, line, size=size, colour=colour)
                y += step
    return y + 4 * MM


def _row(canvas: Canvas, line: Entry, x: float, y: float, *, width: float, step: float, size: float) -> None:
    """Set a line: its label at the left, its value at the right, both languages of each."""
    label, small = min(44 * MM, width * 0.36), size * 0.62
    with canvas.group("TR"):
        with canvas.tagged("TH"):
            canvas.text(x, y + size, line.label.zh, size=size * 0.92, colour=GREY)
            canvas.text(x, y + size + small * 1.35, line.label.en, size=small, colour=GREY)
        with canvas.tagged("TD"):
            _value(canvas, line, x + label, y, width=width - label, step=step, size=size)
    with canvas.decoration():
        canvas.line(x, y + step - 2.5, x + width, y + step - 2.5, colour=PALE)


def _value(canvas: Canvas, line: Entry, x: float, y: float, *, width: float, step: float, size: float) -> None:
    other = [line.value.en] if line.value.en and line.value.en != line.value.zh else []
    wide = width_of(line.value.zh, size=size, weight="bold")
    if width < wide <= width / LEAST:
        size *= 0.995 * width / wide  # a hair less than the room: what fills it exactly is broken by rounding
    lines = lines_of(line.value.zh, size=size, width=width, weight="bold")
    while len(lines) > 1 and len(lines) * size * 1.15 > step - 3 and size > 4:
        size *= 0.9
        lines = lines_of(line.value.zh, size=size, width=width, weight="bold")
    for place, text in enumerate(lines):
        canvas.text(x, y + size * (1 + place * 1.12), text, size=size, weight="bold")
    if len(lines) == 1:
        for text in other:
            canvas.text(x, y + size + size * 0.62 * 1.35, lines_of(text, size=size * 0.62, width=width)[0], size=size * 0.62, colour=GREY)


def _foot(canvas: Canvas, sheet: Sheet, margin: float) -> None:
    """Set the QR code, the issuer with its seal, and what the document is. A sheet has the seal whatever the card's face has: it says who signed."""
    width, height = canvas.page.width, canvas.page.height
    top, side = height - 66 * MM, 38 * MM
    _code(canvas, sheet, margin, top, side)
    right, issued = width - margin, written(sheet.content.issued_on)
    seal_picture.draw(canvas, right - SEAL, top + 20 * MM, SEAL, name=sheet.issuer.zh)
    beside = (right - 2 * SEAL - 78 * MM, right - 2 * SEAL - 4 * MM)
    with canvas.tagged("P"):
        canvas.centred(top + 14 * MM, sheet.issuer.zh, size=14, weight="bold", within=beside)
        canvas.centred(top + 19 * MM, sheet.issuer.en, size=8, colour=GREY, within=beside)
        canvas.centred(top + 27 * MM, issued.zh, size=12, within=beside)
        canvas.centred(top + 32 * MM, issued.en, size=8, colour=GREY, within=beside)
    with canvas.tagged("P"):
        canvas.centred(height - 19 * MM, SEALED.zh, size=7.5, colour=GREY, within=(margin, right))
        canvas.centred(height - 15.5 * MM, SEALED.en, size=6.5, colour=GREY, within=(margin, right))
    _mark(canvas, sheet)


def _code(canvas: Canvas, sheet: Sheet, x: float, y: float, side: float) -> None:
    with canvas.tagged("Figure", f"二维码，{CHECK_IT.zh} QR code: {CHECK_IT.en}"):
        canvas.squares(x, y, side, matrix_of(sheet.code))
    with canvas.tagged("Caption"):
        canvas.centred(y + side + 3 * MM, f"{CHECK_IT.zh} {CHECK_IT.en}", size=side / 17, colour=GREY, within=(x, x + side))


def _mark(canvas: Canvas, sheet: Sheet) -> None:
    """Write across the page for whom and for what a marked copy was made, so that it serves nobody else."""
    if sheet.marking is None:
        return
    page, lines = canvas.page, _marked_lines(sheet.marking, canvas.page.width)
    turn, bands = ACROSS_UPRIGHT if page.height > page.width else ACROSS_WIDE
    along, up = cos(radians(turn)), sin(radians(turn))
    with canvas.tagged("P"), canvas.faint():
        for band in bands:
            for place, (text, size) in enumerate(lines):
                down = place * page.width / 22
                canvas.text(page.width * 0.06 + down * up, page.height * band + down * along, text, size=size, weight="bold", colour=MARK, turn=turn)


def _marked_lines(marking: Marking, width: float) -> list[tuple[str, float]]:
    """Return what is written across, each line with a size in which it fits."""
    said = (f"仅供 {marking.made_for} 使用", f"事由：{marking.cause}", f"有效期至 {marking.last_day.isoformat()}")
    return [(text, min(width / 24, width / 24 * width * 0.9 / max(width_of(text, size=width / 24, weight="bold"), 1))) for text in said]


def _card(canvas: Canvas, sheet: Sheet) -> None:
    front = front_of(sheet.content, issuer=sheet.issuer)
    back = back_of(sheet.content, issuer=sheet.issuer)
    if not sheet.content.licence_type.face.front and len(front) > 6:
        front, back = front[:6], [*front[6:], *back]
    _side(canvas, sheet, front, is_front=True)
    _side(canvas, sheet, back, is_front=False)


def _side(canvas: Canvas, sheet: Sheet, lines: list[Entry], *, is_front: bool) -> None:
    width, height = ID_1
    canvas.add_page(width, height)
    band, margin = 11 * MM, 4 * MM
    with canvas.decoration():
        canvas.rectangle(0, 0, width, band, fill=sheet.colour)
        canvas.rectangle(0, band, width, 0.8 * MM, fill=sheet.accent)
    with canvas.tagged("H1" if is_front else "H2"):
        canvas.text(margin, 6 * MM, sheet.title.zh, size=11, weight="bold", colour=WHITE)
        canvas.text(margin, 9.3 * MM, lines_of(sheet.title.en, size=5.5, width=width - 2 * margin)[0], size=5.5, colour=WHITE)
    aside = 0.0 if is_front else 27 * MM
    step = min(6.4 * MM, (height - band - 4 * MM) / max(len(lines), 1))
    with canvas.group("Table"):
        for place, line in enumerate(lines):
            _row(canvas, line, margin, band + 2.4 * MM + place * step, width=width - 2 * margin - aside, step=step, size=min(7.2, step / 2.2))
    if is_front and sheet.content.licence_type.face.seal:
        seal_picture.draw(canvas, width - 14 * MM, height - 13 * MM, 9.5 * MM, name=sheet.issuer.zh)
    if not is_front:
        _code(canvas, sheet, width - margin - 25 * MM, band + 5 * MM, 25 * MM)
    _mark(canvas, sheet)


def matrix_of(code: str) -> list[bytearray]:
    """Return the QR code of a text, with the quiet zone that readers want."""
    made = segno.make(code, error="m", boost_error=False, micro=False)
    rows = [bytearray(QUIET) + row + bytearray(QUIET) for row in made.matrix]
    blank = [bytearray(len(rows[0])) for _ in range(QUIET)]
    return [*blank, *rows, *blank]
