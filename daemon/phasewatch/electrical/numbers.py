"""The numbers of a diagnosis, under the names that commands, topics and documents share."""

from collections.abc import Callable
from typing import Any, Final

from phasewatch.electrical.geometry import angle_deg
from phasewatch.electrical.verdict import Diagnosis

SHORTEST_V: Final = 0.05
"""What is shorter has no direction."""


def _direction(point: complex | None) -> float | None:
    return None if point is None or abs(point) < SHORTEST_V else angle_deg(point)


def _length(point: complex | None) -> float | None:
    return None if point is None else abs(point)


NUMBERS: Final[dict[str, Callable[[Diagnosis], float | None]]] = {
    "neutral_shift_v": lambda diagnosis: _length(diagnosis.picture.neutral),
    "neutral_shift_deg": lambda diagnosis: _direction(diagnosis.picture.neutral),
    "earth_shift_v": lambda diagnosis: _length(diagnosis.picture.earth),
    "earth_shift_deg": lambda diagnosis: _direction(diagnosis.picture.earth),
    "neutral_earth_v": lambda diagnosis: diagnosis.picture.neutral_earth_v,
    "neutral_earth_deg": lambda diagnosis: _direction(diagnosis.picture.neutral_earth),
    "resolution_v": lambda diagnosis: diagnosis.supply.resolution_v,
    "residual_v": lambda diagnosis: diagnosis.picture.residual_v,
    "u2_percent": lambda diagnosis: diagnosis.picture.u2_percent,
    "lvur_percent": lambda diagnosis: diagnosis.picture.lvur_percent,
    "pvur_percent": lambda diagnosis: diagnosis.picture.pvur_percent,
}
"""Every number of a diagnosis, not rounded; None: not measured or not determined."""


def numbers(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return verdict and picture as plain numbers; what is not measured or not determined is None.

    Degrees: L1 = 0, L2 = -120, L3 = +120; `earth_shift_deg` is where PE was pulled.
    """
    verdict = diagnosis.verdict
    return {
        "verdict": verdict.code,
        "phase": verdict.phase,
        "phases": list(verdict.phases),
        "severity": verdict.severity,
        **{name: _rounded(number(diagnosis)) for name, number in NUMBERS.items()},
    }


def joining(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what came of joining the meters of the point, as plain values."""
    clash = diagnosis.contradiction
    told = clash and {
        "quantity": clash.quantity,
        "meters": [clash.first, clash.second],
        "values_v": [_rounded(clash.first_v), _rounded(clash.second_v)],
    }
    return {"unjudged": dict(diagnosis.unjudged), "contradiction": told}


def _rounded(value: float | None) -> float | None:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return round(value, 2) + 0.0  # no -0.0
