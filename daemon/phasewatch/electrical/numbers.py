"""The numbers of a diagnosis, under the names that commands, topics and documents share."""

from typing import Any

from phasewatch.electrical.geometry import angle_deg
from phasewatch.electrical.verdict import Diagnosis


def numbers(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return verdict and picture as plain numbers; what is not measured or not determined is None.

    Degrees: L1 = 0, L2 = -120, L3 = +120; `earth_shift_deg` is where PE was pulled.
    """
    picture, verdict = diagnosis.picture, diagnosis.verdict
    return {
        "verdict": verdict.code,
        "phase": verdict.phase,
        "phases": list(verdict.phases),
        "severity": verdict.severity,
        "neutral_shift_v": _length(picture.neutral),
        "neutral_shift_deg": _rounded(angle_deg(picture.neutral)),
        "earth_shift_v": _length(picture.earth),
        "earth_shift_deg": _rounded(angle_deg(picture.earth)),
        "neutral_earth_v": _rounded(picture.neutral_earth_v),
        "neutral_earth_deg": _rounded(angle_deg(picture.neutral_earth)),
        "resolution_v": _rounded(diagnosis.supply.resolution_v),
        "residual_v": _rounded(picture.residual_v),
        "u2_percent": _rounded(picture.u2_percent),
        "lvur_percent": _rounded(picture.lvur_percent),
        "pvur_percent": _rounded(picture.pvur_percent),
    }


def _length(point: complex | None) -> float | None:
    return None if point is None else _rounded(abs(point))


def _rounded(value: float | None) -> float | None:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return round(value, 2) + 0.0  # no -0.0
