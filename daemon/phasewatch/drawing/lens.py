"""The lens: the middle of the triangle, magnified until a few volts can be seen."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from phasewatch.drawing.frame import Frame, Spot
from phasewatch.drawing.limits import Limits
from phasewatch.drawing.marks import (
    centre_mark,
    earth_mark,
    freest_side,
    label,
    line,
    middle_of,
    neutral_mark,
    ring,
    text,
)
from phasewatch.drawing.markup import Markup, element, joined
from phasewatch.drawing.places import IDEAL, Places
from phasewatch.drawing.ticks import round_up
from phasewatch.drawing.wording import Words
from phasewatch.electrical.explanation import volts
from phasewatch.meters.quantities import PHASES, phase_name


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
