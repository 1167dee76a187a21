"""Text of SVG and HTML elements. What is Markup is escaped already; every other text is escaped on its way in.

The look of drawings: distinct for colour-blind eyes, on light and dark paper, and without any colour.

A page may set the properties `--pw-l1` ... `--pw-paper`; without them the colours follow its `color-scheme`.

The signs of a drawing: each point has a shape of its own, so that no meaning hangs on a colour.

A part of a drawing with its own scale: volts of the plane become units of the drawing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import hypot
from typing import Final, NewType

Markup = NewType("Markup", str)

NOTHING: Final = Markup("")
_EMPTY: Final = frozenset(("br", "circle", "line", "meta", "path", "rect"))
"""Elements without content."""
_NO_CHARACTER: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, escaped or not."""


def escaped(text: object) -> Markup:
    """Return a text as element content or attribute value."""
    return Markup(escape(_NO_CHARACTER.sub("\ufffd", str(text))))


def element(name: str, /, *content: Markup, **attributes: object) -> Markup:
    """Return an element; of an attribute's name a last `_` is dropped and `_` stands for `-`; None leaves it out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{''.join(content)}</{name}>")


def joined(parts: Iterable[Markup]) -> Markup:
    """Return parts one after the other."""
    return Markup("".join(parts))


def _value(value: object) -> Markup:
    return Markup(coordinate(value)) if isinstance(value, int | float) else escaped(value)


def coordinate(value: float) -> str:
    """Return a coordinate: one decimal, none where it is 0."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


COLOURS: Final[dict[str, tuple[str, str]]] = {
    "l1": ("#9a4a00", "#f0a35e"),
    "l2": ("#0060a8", "#6db8ff"),
    "l3": ("#96256f", "#f08fc8"),
    "pe": ("#00694a", "#4fd6a0"),
    "limit": ("#b3001b", "#ff9a94"),
    "faint": ("#666666", "#a8a8a8"),
}
"""On light and on dark paper; each has a contrast of 4.5 or more to it."""
PAPERS: Final = ("#ffffff", "#1c1c1c")

DASHES: Final[dict[str, str | None]] = {
    "l1": None,
    "l2": "7 3",
    "l3": "9 3 2 3",
    "pe": "2 3",
    "n": None,
    "other": "4 2",
}
"""How the line of each mark is broken; None: not at all."""

_ON_BOTH: Final = "".join(
    f"--c-{name}:var(--pw-{name},light-dark({light},{dark}));" for name, (light, dark) in COLOURS.items()
)
_ON_LIGHT: Final = "".join(f"--c-{name}:var(--pw-{name},{light});" for name, (light, _) in COLOURS.items())
_LINES: Final = "".join(f".pw .{name}{{stroke:var(--c-{name})}}" for name in ("l1", "l2", "l3", "pe", "limit", "faint"))

STYLE: Final = Markup(
    "<style>"
    f".pw{{{_ON_LIGHT}font:12px system-ui,sans-serif;max-width:100%;height:auto}}"
    f"@supports(color:light-dark(#000,#fff)){{.pw{{{_ON_BOTH}}}}}"
    ".pw *{fill:none;stroke-linejoin:round;stroke-linecap:round}"
    ".pw text{fill:currentColor;stroke:var(--pw-paper,Canvas);stroke-width:3px;paint-order:stroke}"
    ".pw .n,.pw .other{stroke:currentColor}"
    f"{_LINES}"
    ".pw .dot{fill:currentColor}.pw .pe.mark{fill:var(--c-pe)}"
    ".pw .paper{fill:var(--pw-paper,Canvas);stroke:currentColor}"
    ".pw .noise{fill:currentColor;opacity:.12}"
    ".pw .b{font-weight:600}.pw .mid{text-anchor:middle}.pw .end{text-anchor:end}"
    ":root.pw{color-scheme:light dark}"
    "</style>"
)
"""Once a page, or in the first drawing of it."""


Spot = tuple[float, float]
"""x to the right, y down."""


@dataclass(frozen=True, slots=True)
class Frame:
    """L1 points up, L2 to the lower right, L3 to the lower left."""

    x: float
    y: float
    """Where 0 of the plane lies."""
    scale: float
    """Units of the drawing a volt."""

    def at(self, point: complex) -> Spot:
        """Return where a point of the plane lies."""
        return self.x - self.scale * point.imag, self.y - self.scale * point.real


def fitted(points: Sequence[complex], box: tuple[float, float, float, float]) -> Frame:
    """Return the largest frame in which all points lie inside a box of (left, top, width, height), centred there."""
    left, top, width, height = box
    xs, ys = [-point.imag for point in points], [-point.real for point in points]
    spans = [(width, max(xs) - min(xs)), (height, max(ys) - min(ys))]
    scale = min((room / span for room, span in spans if span > 0.0), default=1.0)
    x = left + width / 2.0 - scale * (max(xs) + min(xs)) / 2.0
    y = top + height / 2.0 - scale * (max(ys) + min(ys)) / 2.0
    return Frame(x, y, scale)


def path(spots: Iterable[Spot], *, closed: bool = False) -> str:
    """Return the `d` of a line through spots."""
    line = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in spots)
    return f"M{line}{'Z' if closed else ''}"


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
