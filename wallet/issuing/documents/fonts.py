"""The letters of documents: Noto Sans CJK, of which each document carries just those that it shows.

The font is one variable file of thirty megabytes; it is opened when the first document is made, and each letter that was drawn once is
kept. A subset is built anew for each document, as a bare CFF font, which is all that a PDF needs.
"""

import importlib.resources
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTFont

PACKAGE, FILE, SIMPLIFIED = "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", 2
WEIGHTS = {"regular": 400, "bold": 700}
UNITS, ASCENT, DESCENT, CAP_HEIGHT = 1000, 880, -120, 733
MISSING = "□"
KEPT = 8192
LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Subset:
    """A font of just the letters that a document shows: its CFF program, and for each letter its number and its width."""

    program: bytes
    numbers: dict[str, int]
    widths: list[int]


def width_of(text: str, *, size: float, weight: str = "regular") -> float:
    """Return how wide a text is, in points."""
    return sum(_glyph(weight, letter)[1] for letter in text) * size / UNITS


def subset(letters: Iterable[str], *, weight: str) -> Subset:
    """Return a font of these letters; what the font has not is a box."""
    drawn = sorted(set(letters))
    names = [".notdef", *(f"u{ord(letter):05X}" for letter in drawn)]
    glyphs = [_glyph(weight, MISSING), *(_glyph(weight, letter) for letter in drawn)]
    builder = FontBuilder(UNITS, isTTF=False)
    builder.font.recalcBBoxes = False  # no reader of a PDF asks for it, and it costs more than all the rest
    builder.setupGlyphOrder(names)
    builder.setupCFF("KabaoSans", {}, {name: glyph[0] for name, glyph in zip(names, glyphs, strict=True)}, {})
    program: bytes = builder.font["CFF "].compile(builder.font)
    return Subset(program, {letter: place for place, letter in enumerate(drawn, 1)}, [glyph[1] for glyph in glyphs])


@lru_cache(maxsize=KEPT)
def _glyph(weight: str, letter: str) -> tuple[Any, int]:
    """Return the outline of a letter and its width."""
    with LOCK:  # the file is read as glyphs are drawn
        letters, glyphs = _opened(weight)
        drawn = glyphs[letters.get(ord(letter)) or letters[ord(MISSING)]]
        pen = T2CharStringPen(drawn.width, None)
        drawn.draw(pen)
        return pen.getCharString(), round(drawn.width)


@cache
def _opened(weight: str) -> tuple[dict[int, str], Any]:
    letters, font = _font()
    return letters, font.getGlyphSet(location={"wght": WEIGHTS[weight]})


@cache
def _font() -> tuple[dict[int, str], TTFont]:
    font = TTFont(str(importlib.resources.files(PACKAGE) / FILE), fontNumber=SIMPLIFIED, lazy=True)
    return font.getBestCmap(), font
