"""Drawing a document: pages, letters, lines and pictures, each piece tagged with what it is, so that it can be read aloud.

Measures are points, from the top left. Whatever is not tagged is decoration, and marked as such. Letters are gathered while one draws, and
the fonts made of just those at the end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import cos, radians, sin

from wallet.issuing.documents.fonts import Subset, width_of

MM = 72 / 25.4
Colour = str


@dataclass(slots=True)
class Element:
    """A node of what the document is made of: its kind as PDF names it, its parts, and its pieces by page and number."""

    kind: str
    alternative: str = ""
    parts: list["Element"] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Letters:
    """Letters to be set: encoded once the font is made."""

    text: str
    weight: str
    before: str

    def encoded(self, fonts: dict[str, Subset]) -> str:
        """Return the operators that set them."""
        numbers = fonts[self.weight].numbers
        return f"{self.before} <{''.join(f'{numbers[letter]:04x}' for letter in self.text)}> Tj ET"


@dataclass(slots=True)
class Page:
    """A page and what is drawn on it, in order."""

    width: float
    height: float
    operators: list[str | Letters] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)  # by the number of their piece


class Canvas:
    """A document being drawn."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.root = Element("Document")
        self._within = [self.root]

    @property
    def page(self) -> Page:
        """The page that is drawn on."""
        return self.pages[-1]

    def add_page(self, width: float, height: float) -> None:
        """Begin a page."""
        self.pages.append(Page(width, height))

    @contextmanager
    def group(self, kind: str) -> Iterator[None]:
        """Hold elements together, such as the rows of a table."""
        element = Element(kind)
        self._within[-1].parts.append(element)
        self._within.append(element)
        yield
        self._within.pop()

    @contextmanager
    def tagged(self, kind: str, alternative: str = "") -> Iterator[None]:
        """Let what is drawn be an element: a heading, a cell, a figure with its description."""
        element = Element(kind, alternative)
        element.pieces.append((len(self.pages) - 1, len(self.page.elements)))
        self._within[-1].parts.append(element)
        self.page.operators.append(f"/{kind} <</MCID {len(self.page.elements)}>> BDC")
        self.page.elements.append(element)
        yield
        self.page.operators.append("EMC")

    @contextmanager
    def decoration(self) -> Iterator[None]:
        """Let what is drawn be nothing that one reads."""
        self.page.operators.append("/Artifact BMC")
        yield
        self.page.operators.append("EMC")

    @contextmanager
    def faint(self) -> Iterator[None]:
        """Let what is drawn lie over the rest so that it can be seen through."""
        self.page.operators.append("q /faint gs")
        yield
        self.page.operators.append("Q")

    def text(
        self, x: float, y: float, text: str, *, size: float, weight: str = "regular", colour: Colour = "#1a1a1a", turn: float = 0, wide: float = 1
    ) -> None:
        """Set letters with their base line's left end at a point, turned by degrees, and as wide as said."""
        along, up = cos(radians(turn)), sin(radians(turn))
        matrix = f"{along * wide:.4f} {up * wide:.4f} {-up:.4f} {along:.4f} {x:.2f} {self.page.height - y:.2f} Tm"
        self.page.operators.append(Letters(text, weight, f"BT {_rgb(colour)} rg /{weight} {size:.2f} Tf {matrix}"))

    def centred(self, y: float, text: str, *, size: float, weight: str = "regular", colour: Colour = "#1a1a1a", within: tuple[float, float]) -> None:
        """Set letters in the middle of a span, smaller where they would not fit."""
        size = min(size, size * (within[1] - within[0]) / max(width_of(text, size=size, weight=weight), 1))
        x = (within[0] + within[1] - width_of(text, size=size, weight=weight)) / 2
        self.text(x, y, text, size=size, weight=weight, colour=colour)

    def rectangle(self, x: float, y: float, width: float, height: float, *, fill: Colour = "", line: Colour = "", thick: float = 0.5) -> None:
        """Draw a rectangle, filled or lined."""
        paint = f"{_rgb(fill)} rg" if fill else f"{_rgb(line)} RG {thick:.2f} w"
        self.page.operators.append(f"{paint} {x:.2f} {self.page.height - y - height:.2f} {width:.2f} {height:.2f} re {'f' if fill else 'S'}")

    def line(self, x: float, y: float, to_x: float, to_y: float, *, colour: Colour, thick: float = 0.4) -> None:
        """Draw a line."""
        height = self.page.height
        self.page.operators.append(f"{_rgb(colour)} RG {thick:.2f} w {x:.2f} {height - y:.2f} m {to_x:.2f} {height - to_y:.2f} l S")

    def circle(self, x: float, y: float, radius: float, *, colour: Colour, thick: float) -> None:
        """Draw a circle around a point, of four curves."""
        up, bend = self.page.height - y, radius * 0.5522848
        quarters = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
        curves = " ".join(_quarter(x, up, radius, bend, one) for one in quarters)
        self.page.operators.append(f"{_rgb(colour)} RG {thick:.2f} w {x + radius:.2f} {up:.2f} m {curves} s")

    def polygon(self, points: list[tuple[float, float]], *, fill: Colour) -> None:
        """Draw a filled shape."""
        (x, y), *others = [(x, self.page.height - y) for x, y in points]
        self.page.operators.append(f"{_rgb(fill)} rg {x:.2f} {y:.2f} m {' '.join(f'{x:.2f} {y:.2f} l' for x, y in others)} f")

    def squares(self, x: float, y: float, side: float, rows: list[bytearray], *, colour: Colour = "#000000") -> None:
        """Draw a pattern of dark squares, such as a QR code's, each run of a row as one."""
        step = side / len(rows)
        runs = [(number, start, length) for number, row in enumerate(rows) for start, length in _runs(row)]
        top = self.page.height - y
        drawn = " ".join(f"{x + start * step:.3f} {top - (row + 1) * step:.3f} {length * step:.3f} {step:.3f} re" for row, start, length in runs)
        self.page.operators.append(f"{_rgb(colour)} rg {drawn} f")


def lines_of(text: str, *, size: float, width: float, weight: str = "regular", most: int = 20) -> list[str]:
    """Break a text into lines that fit, between words where there are any and anywhere between Chinese letters."""
    lines, line = [], ""
    for word in _words(text):
        if line and width_of(line + word.rstrip(), size=size, weight=weight) > width:
            lines.append(line.rstrip())
            line = ""
        line += word
        while width_of(line.rstrip(), size=size, weight=weight) > width and len(line) > 1:
            fits = next(at for at in range(len(line) - 1, 0, -1) if at == 1 or width_of(line[:at], size=size, weight=weight) <= width)
            lines.append(line[:fits])
            line = line[fits:]
    lines.append(line.rstrip())
    return lines[:most]


def _words(text: str) -> Iterator[str]:
    """Yield what is not torn apart: a Chinese letter, or a word of others with the space after it."""
    word = ""
    for letter in text:
        if ord(letter) >= 0x2E80:
            if word:
                yield word
            word = ""
            yield letter
        elif letter == " ":
            yield word + letter
            word = ""
        else:
            word += letter
    if word:
        yield word


def _runs(row: bytearray) -> Iterator[tuple[int, int]]:
    start = None
    for place, is_dark in enumerate([*row, 0]):
        if is_dark and start is None:
            start = place
        elif not is_dark and start is not None:
            yield start, place - start
            start = None


def _quarter(x: float, y: float, radius: float, bend: float, turn: tuple[int, int, int, int]) -> str:
    """Return a quarter of a circle, from where the first pair of `turn` points to where the second does."""
    a, b, c, d = turn
    points = [(a * radius + c * bend, b * radius + d * bend), (c * radius + a * bend, d * radius + b * bend), (c * radius, d * radius)]
    return " ".join(f"{x + right:.2f} {y + up:.2f}" for right, up in points) + " c"


def _rgb(colour: Colour) -> str:
    return " ".join(f"{int(colour[at : at + 2], 16) / 255:.3f}" for at in (1, 3, 5))
