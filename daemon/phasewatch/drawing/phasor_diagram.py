"""The phasor diagram as SVG: the triangle of the phases, where the neutral and the earth are in it, and its words.

The lens magnifies the middle of the triangle until a few volts can be seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

from phasewatch.drawing.places import IDEAL, Limits, Places, ideal_centre, places
from phasewatch.drawing.plot import round_up
from phasewatch.drawing.svg import (
    DASHES,
    NOTHING,
    STYLE,
    Frame,
    Markup,
    Spot,
    centre_mark,
    earth_mark,
    element,
    escaped,
    fitted,
    freest_side,
    joined,
    label,
    line,
    middle_of,
    neutral_mark,
    path,
    ring,
    text,
)
from phasewatch.electrical.explanation import Messages, volts
from phasewatch.electrical.geometry import angle_deg
from phasewatch.meters.quantities import PHASES, phase_name

Words = Mapping[str, str]

SHORTEST_V: Final = 0.05
"""What is shorter has no direction."""
_SIXTHS: Final = (("L1",), ("L3", "L1"), ("L3",), ("L2", "L3"), ("L2",), ("L1", "L2"))
"""Where 0, 60, 120, 180, -120 and -60 degrees point."""


class Row(NamedTuple):
    """One line of the legend."""

    sign: str
    """`n`, `pe`, `apart`, `ring`, `neutral_limit`, `earth_limit`, `noise`, or nothing."""
    text: str


def legend_rows(found: Places, limits: Limits, numbers: Mapping[str, Any], words: Words) -> Iterator[Row]:
    """Yield what stands beside the drawing."""
    least_v = max(limits.resolution_v or 0.0, SHORTEST_V)
    yield from _point_rows("n", "N", found.neutral, least_v, words)
    yield from _point_rows("pe", "PE", found.earth, least_v, words)
    if found.neutral_earth_v is not None:
        sign = "apart" if found.earth is not None else "ring" if found.neutral is not None else ""
        yield Row(sign, words["neutral_earth"].format(volts=volts(found.neutral_earth_v)))
    for sign, limit_v in (("neutral_limit", limits.neutral_v), *_earth_limits(limits)):
        if limit_v is not None:
            yield Row(sign, words[sign].format(volts=volts(limit_v)))
    if limits.resolution_v is not None and found.shifts_v:
        yield Row("noise", words["noise"].format(volts=volts(limits.resolution_v)))
    if (u2_percent := numbers.get("u2_percent")) is not None:
        yield Row("", words["unbalance"].format(percent=f"{u2_percent:.1f}"))
    yield from (Row("", words[code]) for code in _triangle_notes(found))


def _earth_limits(limits: Limits) -> tuple[tuple[str, float | None], ...]:
    return ("earth_limit", limits.earth_v), ("neutral_earth_limit", limits.neutral_earth_v)


def _point_rows(sign: str, name: str, point: complex | None, least_v: float, words: Words) -> Iterator[Row]:
    if point is None:
        yield Row("", words["not_determined"].format(point=name))
        return
    yield Row(sign, words["shift"].format(point=name, volts=volts(abs(point))))
    if abs(point) >= least_v:
        yield Row("", direction(point, words))


def _triangle_notes(found: Places) -> Iterator[str]:
    if found.corners is None:
        yield "no_triangle"
    elif found.triangle_assumed:
        yield "triangle_assumed"


def direction(point: complex, words: Words) -> str:
    """Return which phase, or which two, a point was pulled to."""
    names = _SIXTHS[round((angle_deg(point) or 0.0) / 60.0) % 6]
    return (
        words["toward"].format(phase=names[0]) if len(names) == 1 else words["between"].format(a=names[0], b=names[1])
    )


def description(found: Places, limits: Limits, numbers: Mapping[str, Any], words: Words) -> str:
    """Return the whole picture as a sentence of parts."""
    phases = (
        words["phase"].format(phase=phase_name(phase), volts=volts(value_v))
        for phase, value_v in zip(PHASES, found.phases_v, strict=True)
        if value_v is not None
    )
    return "; ".join((*phases, *(row.text for row in legend_rows(found, limits, numbers, words))))


class Lens(NamedTuple):
    """Where the lens lies in the drawing."""

    x: float
    y: float
    radius: float


LENS: Final = Lens(76.0, 312.0, 68.0)
_RIM_X, _RIM_Y = 0.8 * LENS.radius, 0.6 * LENS.radius
"""Where the lines from the triangle reach the rim."""
_NAMES: Final = 0.9
"""Where on the arms the names of the phases stand."""


def reach_v(found: Places, limits: Limits) -> float:
    """Return how many volts lie between the centre of the lens and its rim: a round number."""
    unsure_v = 0.0
    if found.earth is None and found.neutral_earth_v is not None:
        unsure_v = abs(found.neutral or 0j) + found.neutral_earth_v
    wanted = (1.25 * max(*found.shifts_v, unsure_v, 0.0), 1.1 * (limits.resolution_v or 0.0))
    radii = (limits.neutral_v, limits.earth_v, limits.neutral_earth_v)
    return round_up(max(*wanted, *(1.15 * (radius or 0.0) for radius in radii), 1.0))


def lens(found: Places, limits: Limits, words: Words, source: Frame) -> Markup:
    """Return the lens, and where in the triangle it looks."""
    rim_v = reach_v(found, limits)
    frame = Frame(LENS.x, LENS.y, LENS.radius / rim_v)
    small, looked_at = rim_v * source.scale, source.at(0j)
    return element(
        "g",
        ring(looked_at, small, "faint", None),
        line((looked_at[0] - small, looked_at[1]), (LENS.x - _RIM_X, LENS.y - _RIM_Y), "faint", 0.7),
        line((looked_at[0] + small, looked_at[1]), (LENS.x + _RIM_X, LENS.y - _RIM_Y), "faint", 0.7),
        element("circle", class_="paper", cx=LENS.x, cy=LENS.y, r=LENS.radius),
        joined(_arms(frame, rim_v)),
        middle(found, limits, frame, [frame.at(arm * rim_v * _NAMES) for arm in IDEAL]),
        text((LENS.x, LENS.y + LENS.radius + 14.0), words["magnified"].format(volts=volts(rim_v)), "mid"),
        class_="lens",
    )


def _arms(frame: Frame, rim_v: float) -> Iterator[Markup]:
    """Yield the directions of the phases."""
    for phase, direction in zip(PHASES, IDEAL, strict=True):
        yield line(frame.at(0j), frame.at(direction * rim_v * 0.82), phase, 0.7)
        x, y = frame.at(direction * rim_v * _NAMES)
        yield text((x, y + 4.0), phase_name(phase), "mid")


def middle(found: Places, limits: Limits, frame: Frame, taken: Sequence[Spot]) -> Markup:
    """Return what stands around the centroid: limits, the line from N to PE, the points.

    `taken`: where names stand already.
    """
    return joined(
        (
            *_rings(found, limits, frame),
            centre_mark(frame.at(0j)),
            *_apart(found, frame),
            *_points(found, frame, taken),
        )
    )


def _rings(found: Places, limits: Limits, frame: Frame) -> Iterator[Markup]:
    centre = frame.at(0j)
    if limits.resolution_v is not None:
        yield ring(centre, limits.resolution_v * frame.scale, "noise", None)
    if limits.neutral_v is not None:
        yield ring(centre, limits.neutral_v * frame.scale, "limit", LIMIT_DASHES["neutral_limit"])
    if limits.earth_v is not None:
        yield ring(centre, limits.earth_v * frame.scale, "limit", LIMIT_DASHES["earth_limit"])
    if limits.neutral_earth_v is not None and found.neutral is not None:
        radius = limits.neutral_earth_v * frame.scale
        yield ring(frame.at(found.neutral), radius, "limit", LIMIT_DASHES["neutral_earth_limit"])


LIMIT_DASHES: Final = {"neutral_limit": "6 3", "earth_limit": "1 4", "neutral_earth_limit": "8 3 1 3"}


def _apart(found: Places, frame: Frame) -> Iterator[Markup]:
    if found.neutral is not None and found.earth is not None:
        yield line(frame.at(found.neutral), frame.at(found.earth), "n", 1.5)
    elif found.neutral is not None and found.neutral_earth_v is not None:
        yield ring(frame.at(found.neutral), found.neutral_earth_v * frame.scale, "pe", "2 3")  # somewhere on it


def _points(found: Places, frame: Frame, taken: Sequence[Spot]) -> Iterator[Markup]:
    n = None if found.neutral is None else frame.at(found.neutral)
    pe = None if found.earth is None else frame.at(found.earth)
    taken = [*taken, *(spot for spot in (n, pe) if spot is not None)]
    for spot, mark, name in ((pe, earth_mark, "PE"), (n, neutral_mark, "N")):
        if spot is not None:
            side = freest_side(spot, taken)
            taken.append(middle_of(spot, side))
            yield mark(spot)
            yield label(spot, side, name)


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
