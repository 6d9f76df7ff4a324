"""The picture of a department's seal: a red circle with a star, and the department's name around it.

It is an illustration. What seals the document is the signature; a picture can be drawn by anybody.
"""

from math import cos, pi, radians, sin

from wallet.issuing.documents.canvas import Canvas
from wallet.issuing.documents.fonts import width_of

RED = "#c8161d"
CAPTION = "电子印章"
ARC, WIDEST_STEP = 250, 30  # degrees


def draw(canvas: Canvas, x: float, y: float, radius: float, *, name: str) -> None:
    """Draw the seal around a point."""
    with canvas.tagged("Figure", f"{name}电子印章图样 Picture of the department's electronic seal"):
        canvas.circle(x, y, radius, colour=RED, thick=radius / 18)
        canvas.polygon(_star(x, y, radius * 0.3), fill=RED)
        _around(canvas, x, y, radius, name)
        size = radius * 0.17
        canvas.text(x - width_of(CAPTION, size=size) / 2, y + radius * 0.62, CAPTION, size=size, weight="bold", colour=RED)


def _around(canvas: Canvas, x: float, y: float, radius: float, name: str) -> None:
    """Set the letters of a name along the circle, their feet towards its middle."""
    step = min(WIDEST_STEP, ARC / max(len(name), 1))
    size = min(radius * 0.3, radius * 0.72 * radians(step) * 1.05)
    for place, letter in enumerate(name):
        angle = (place - (len(name) - 1) / 2) * step
        half = width_of(letter, size=size, weight="bold") / 2
        foot = radius * 0.9 - size * 0.9
        left, up = -half * cos(radians(angle)) + foot * sin(radians(angle)), half * sin(radians(angle)) + foot * cos(radians(angle))
        canvas.text(x + left, y - up, letter, size=size, weight="bold", colour=RED, turn=-angle)


def _star(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    reaches = [radius if corner % 2 == 0 else radius * 0.382 for corner in range(10)]
    return [(x + reach * sin(corner * pi / 5), y - reach * cos(corner * pi / 5)) for corner, reach in enumerate(reaches)]
