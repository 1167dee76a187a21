"""A part of a drawing with its own scale: volts of the plane become units of the drawing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phasewatch.drawing.markup import coordinate

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
