"""The picture as SVG: the triangle of the phases, and where the neutral and the earth stand in it.

What stands near the centre is magnified in a lens below; what has left it is seen in the triangle itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

from phasewatch.drawing.frame import Frame, Spot, fitted, path
from phasewatch.drawing.lens import LENS, LIMIT_DASHES, lens, middle
from phasewatch.drawing.limits import Limits
from phasewatch.drawing.marks import earth_mark, label, line, middle_of, neutral_mark, ring, text
from phasewatch.drawing.markup import NOTHING, Markup, element, escaped, joined
from phasewatch.drawing.places import IDEAL, Places, ideal_centre, places
from phasewatch.drawing.style import DASHES, STYLE
from phasewatch.drawing.wording import Row, description, legend_rows
from phasewatch.electrical.explanation import Messages, volts
from phasewatch.meters.quantities import PHASES, phase_name

WIDTH: Final = 320.0
_BOX: Final = (40.0, 26.0, 240.0, 184.0)
"""Where the triangle lies: left, top, width, height."""
_LEGEND_TOP: Final = 258.0
_ROW: Final = 17.0
_LENS_BOTTOM: Final = LENS.y + LENS.radius + 22.0
NEAR: Final = 0.2
"""Shifts up to this share of the radius are magnified."""
_COLLAPSED: Final = 10.0
"""A corner so near the centre has no direction of its own."""
_SHORTEST: Final = 44.0
"""A shorter line has no room for its voltage."""


def picture(
    readings: Mapping[str, float],
    numbers: Mapping[str, Any],
    messages: Messages,
    limits: Limits = Limits(),  # noqa: B008  frozen
    *,
    nominal_v: float | None = None,
    style: bool = True,
) -> str:
    """Return the SVG of `readings` and `picture` of a point's state; what is not in them is not drawn, and said so.

    `nominal_v`: of the ideal triangle; None: that of the phases themselves. `style`: False in a page that has STYLE.
    """
    found, words = places(readings, numbers), messages["drawing"]
    told = description(found, limits, numbers, words)
    rows = list(legend_rows(found, limits, numbers, words))
    near = _near(found)
    frame, triangle, taken = _triangle(found, nominal_v or found.radius_v or 1.0)
    top = _LEGEND_TOP - (0.0 if near else 10.0)
    height = max(top + _ROW * len(rows), _LENS_BOTTOM if near else 0.0)
    name = f"pw{crc32(told.encode()):08x}"
    return element(
        "svg",
        element("title", escaped(words["title"]), id=f"{name}t"),
        element("desc", escaped(told), id=f"{name}d"),
        STYLE if style else NOTHING,
        triangle,
        lens(found, limits, words, frame) if near else middle(found, limits, frame, taken),
        joined(_legend(rows, LENS.x + LENS.radius + 8.0 if near else 24.0, top)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        width=WIDTH,
        height=height,
        class_="pw",
        role="img",
        aria_labelledby=f"{name}t {name}d",
    )


def _near(found: Places) -> bool:
    """Return whether everything that is known stands so near the centroid that it must be magnified."""
    known_v = (*found.shifts_v, *([] if found.neutral_earth_v is None else [found.neutral_earth_v]))
    return found.corners is not None and bool(found.shifts_v) and max(known_v) <= NEAR * (found.radius_v or 0.0)


def _triangle(found: Places, nominal_v: float) -> tuple[Frame, Markup, list[Spot]]:
    """Return the frame of the triangle, the triangle, and where names stand in it."""
    centre = ideal_centre(found, nominal_v)
    ideal = [centre + nominal_v * corner for corner in IDEAL]
    frame = fitted([*ideal, *(found.corners or ()), *_known(found)], _BOX)
    drawn = [element("path", class_="faint", d=path(map(frame.at, ideal), closed=True), stroke_dasharray="1 4")]
    corners = [frame.at(corner) for corner in found.corners or ideal]
    if found.corners is not None:
        drawn.append(element("path", class_="n", d=path(corners, closed=True)))
        drawn += _spokes(found, corners, frame)
    taken = []
    for phase, corner, side in zip(PHASES, corners, _outward(corners, frame.at(centre)), strict=True):
        drawn.append(label(corner, side, phase_name(phase)))
        taken.append(middle_of(corner, side))
    return frame, joined(drawn), taken


def _outward(corners: Sequence[Spot], centre: Spot) -> Iterator[Spot]:
    """Yield the side of each corner that looks away from the centre."""
    for (x, y), ideal in zip(corners, IDEAL, strict=True):
        away = x - centre[0], y - centre[1]
        yield away if abs(complex(*away)) > _COLLAPSED else (-ideal.imag, -ideal.real)


def _known(found: Places) -> Iterator[complex]:
    """Yield the other points that must find room."""
    yield from (point for point in (found.neutral, found.earth) if point is not None)
    if found.earth is None and found.neutral is not None and found.neutral_earth_v is not None:
        yield from (found.neutral + found.neutral_earth_v * side for side in (1, -1, 1j, -1j))


def _spokes(found: Places, corners: Sequence[Spot], frame: Frame) -> Iterator[Markup]:
    """Yield the phase-to-neutral lines with their volts."""
    if found.neutral is None:
        return
    n = frame.at(found.neutral)
    for phase, corner, value_v in zip(PHASES, corners, found.phases_v, strict=True):
        yield line(n, corner, phase, 2.0, DASHES[phase])
        if value_v is not None and abs(complex(*corner) - complex(*n)) >= _SHORTEST:
            place = n[0] + 0.6 * (corner[0] - n[0]), n[1] + 0.6 * (corner[1] - n[1]) + 4.0
            yield text(place, f"{volts(value_v)} V", "mid")


def _legend(rows: Sequence[Row], left: float, top: float) -> Iterator[Markup]:
    for place, row in enumerate(rows):
        y = top + _ROW * place
        yield from _sign(row.sign, (left + 8.0, y - 4.0))
        yield text((left + 22.0, y), row.text, "b" if row.sign in ("n", "pe") else None)


def _sign(sign: str, spot: Spot) -> Iterator[Markup]:
    left, right = (spot[0] - 9.0, spot[1]), (spot[0] + 9.0, spot[1])
    if sign == "n":
        yield neutral_mark(spot)
    elif sign == "pe":
        yield earth_mark(spot)
    elif sign == "apart":
        yield line(left, right, "n", 1.5)
    elif sign == "ring":
        yield ring(spot, 6.0, "pe", DASHES["pe"])
    elif sign == "noise":
        yield ring(spot, 6.0, "noise", None)
    elif sign in LIMIT_DASHES:
        yield line(left, right, "limit", 1.0, LIMIT_DASHES[sign])
