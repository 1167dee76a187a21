"""What a picture says in words: its legend, and its description for those who do not see it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from phasewatch.drawing.places import Limits, Places
from phasewatch.electrical.explanation import volts
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
