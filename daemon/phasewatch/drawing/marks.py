"""The signs of a drawing: each point has a shape of its own, so that no meaning hangs on a colour."""

from collections.abc import Sequence
from math import hypot
from typing import Final

from phasewatch.drawing.frame import Spot, path
from phasewatch.drawing.markup import Markup, element, escaped
from phasewatch.drawing.style import DASHES

TEXT_HEIGHT: Final = 12.0
_AWAY: Final = 9.0
_ROOM: Final = 20.0
"""More room than this makes no side better."""
_SIDES: Final[tuple[Spot, ...]] = ((-1, -0.5), (1, -0.5), (1, 0.6), (-1, 0.6), (0, 1), (0, -1))
"""Between the phases first."""


def neutral_mark(spot: Spot) -> Markup:
    """Return the sign of N: a disc."""
    return element("circle", class_="dot mark", cx=spot[0], cy=spot[1], r=4)


def earth_mark(spot: Spot) -> Markup:
    """Return the sign of PE: a diamond."""
    x, y = spot
    return element("path", class_="pe mark", d=path([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], closed=True))


def centre_mark(spot: Spot) -> Markup:
    """Return the sign of the centroid: a cross."""
    x, y = spot
    return element("path", class_="faint", d=f"{path([(x - 5, y), (x + 5, y)])}{path([(x, y - 5), (x, y + 5)])}")


def ring(spot: Spot, radius: float, class_: str, dashes: str | None) -> Markup:
    """Return a circle."""
    return element("circle", class_=class_, cx=spot[0], cy=spot[1], r=radius, stroke_dasharray=dashes)


def line(start: Spot, end: Spot, class_: str, width: float = 1.0, dashes: str | None = None) -> Markup:
    """Return a straight line."""
    return element("path", class_=class_, d=path([start, end]), stroke_width=width, stroke_dasharray=dashes)


def series_line(d: str, mark: str) -> Markup:
    """Return a line in the colour and the dashes of a mark."""
    return element("path", class_=mark, d=d, stroke_width=2, stroke_dasharray=DASHES[mark])


def text(spot: Spot, words: str, class_: str | None = None) -> Markup:
    """Return a text whose base line begins at a spot."""
    return element("text", escaped(words), x=spot[0], y=spot[1], class_=class_)


def label(spot: Spot, toward: Spot, words: str) -> Markup:
    """Return a name beside a spot, on the side that `toward` points to; it must have a length."""
    length = hypot(*toward)
    dx, dy = toward[0] / length, toward[1] / length
    side = "" if dx > 0.4 else " end" if dx < -0.4 else " mid"
    place = spot[0] + _AWAY * dx, spot[1] + _AWAY * dy + TEXT_HEIGHT * (0.35 + 0.4 * dy)
    return text(place, words, f"b{side}")


def middle_of(spot: Spot, toward: Spot) -> Spot:
    """Return about where the middle of a name of one or two letters lies that stands beside a spot."""
    length = hypot(*toward)
    return spot[0] + 1.8 * _AWAY * toward[0] / length, spot[1] + 1.4 * _AWAY * toward[1] / length


def freest_side(spot: Spot, taken: Sequence[Spot]) -> Spot:
    """Return the side of a spot on which a name stands farthest from what is there already."""

    def room(side: Spot) -> float:
        x, y = middle_of(spot, side)
        return min((hypot(x - other[0], y - other[1]) for other in taken), default=0.0)

    return max(_SIDES, key=lambda side: min(room(side), _ROOM))
