"""The diagnosis: values of one point -> its picture and what is wrong with it.

A quick way to say "normal": where it says so, no signature can hold; where it does not, they are all asked.

Nearly every reading of a year is healthy, and this spares it the table. A test holds it against the whole table.

The numbers of a diagnosis, under the names that commands, topics and documents share.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from phasewatch.electrical.causes import EXPLANATIONS, Explanation
from phasewatch.electrical.geometry import Picture, Triple, angle_deg, draw
from phasewatch.electrical.neutral_faults import NOTABLE_NEUTRAL
from phasewatch.electrical.per_unit import History, Look
from phasewatch.electrical.severity import Severity, severity_of
from phasewatch.electrical.signatures import applicable
from phasewatch.electrical.supply import Supply
from phasewatch.meters.measuring_point import Contradiction
from phasewatch.meters.quantities import CURRENTS, PHASES, phase_name

NEAR_PERCENT: Final = 4.9
"""Every voltage within this of nominal: no phase is lost, swapped, or of another kind of supply."""
SMALL_RESIDUAL: Final = 0.015
"""Per unit of nominal: what the scale and the distances may leave over."""
SMALL_DIRECT_V: Final = 2.0
"""A direct N-PE reading below this is neither harmonics nor a displacement."""
_OTHER_SHAPES: Final = ("split_phase", "high_leg", "single_phase")
"""Supplies that three equal phases are not."""


def surely_normal(picture: Picture, supply: Supply) -> bool:
    """Return whether the picture is so healthy that no signature can hold."""
    v, line, neutral = picture.phase_neutral, picture.line, picture.neutral
    if v is None or line is None or neutral is None or picture.u2_percent is None or supply.system in _OTHER_SHAPES:
        return False
    nominal_v, share = supply.nominal_v, NEAR_PERCENT / 100.0
    low_v, high_v = nominal_v * (1.0 - share), nominal_v * (1.0 + share)
    if min(v) < low_v or max(v) > high_v or supply.low_percent > -NEAR_PERCENT or supply.high_percent < NEAR_PERCENT:
        return False
    line_v = supply.line_v
    if min(line) < line_v * (1.0 - share) or max(line) > line_v * (1.0 + share):
        return False
    if picture.u2_percent > supply.u2_limit_percent or abs(neutral) > NOTABLE_NEUTRAL * nominal_v:
        return False
    residual_v, scale_v, small_v = picture.residual_v, picture.scale_residual_v, SMALL_RESIDUAL * nominal_v
    if residual_v is None or residual_v > small_v or scale_v is None or abs(scale_v) > small_v:
        return False
    return _earth_still(picture, nominal_v)


def _earth_still(picture: Picture, nominal_v: float) -> bool:
    apart, direct_v = picture.neutral_earth, picture.neutral_earth_measured_v
    still = apart is None or abs(apart) <= 5.0 * nominal_v / 230.0
    return still and (direct_v is None or direct_v < SMALL_DIRECT_V)


U2_FLOOR: Final = 0.003
"""Least U2 per unit of U1 that kappa is formed with, after one sigma of noise is taken off."""


NO_TRIANGLE: Final = frozenset(
    ("interruption", "phase_lost", "two_phases_lost", "mv_phase_lost", "single_phase", "neutral_swapped")
)
"""Verdicts that deny the triangle which was assumed for want of line voltages: positions in it mean nothing."""

OTHER_KINDS: Final = frozenset(("split_phase", "high_leg", "single_phase"))
"""Kinds of supply whose phases are no triangle: a picture of one says nothing of them."""
_UNDRAWN: Final[dict[str, Any]] = dict.fromkeys(
    (
        *("corners", "neutral", "earth", "neutral_earth", "radius_v", "u1_v", "u2_v", "u2_percent", "lvur_percent"),
        *("pvur_percent", "flatness", "scale_residual_v", "residual_v", "earth_residual_v"),
    )
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, as codes; the words for them are in config/messages."""

    code: str
    phases: tuple[str, ...] = ()
    """Phases concerned, as `L1`."""
    severity: Severity | None = None
    """None: nothing is wrong, or nothing can be said."""

    @property
    def phase(self) -> str | None:
        """The one phase concerned; None for none or several."""
        return self.phases[0] if len(self.phases) == 1 else None

    @property
    def explanation(self) -> Explanation:
        """Ranked causes, what cannot be told apart, and the next steps, as codes."""
        return EXPLANATIONS[self.code]


NORMAL: Final = Verdict("normal")
CONTRADICTED: Final = Verdict("impossible_point", severity="medium")
"""The meters of the point do not belong together."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A picture and the verdict on it."""

    picture: Picture
    verdict: Verdict
    supply: Supply
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """Voltage that is measured and not in the picture -> why."""
    contradiction: Contradiction | None = None


def diagnose(
    values: Mapping[str, float],
    supply: Supply,
    history: History | None = None,
    unjudged: Mapping[str, str] = _NOTHING,
    contradiction: Contradiction | None = None,
) -> Diagnosis:
    """Draw the picture of the values and name what is wrong with it.

    `history` None: a single look, nothing is known of before. `unjudged` and `contradiction`: what came of joining
    the meters of the point.
    """
    picture = draw(values)
    verdict = _verdict(picture, values, supply, history)
    if contradiction is not None and verdict is NORMAL:
        verdict = CONTRADICTED  # a fault that the leading meter sees by itself is not hidden by it
    if supply.system in OTHER_KINDS:
        picture = replace(picture, **_UNDRAWN)
    elif picture.triangle_assumed and verdict.code in NO_TRIANGLE:
        picture = replace(picture, corners=None, neutral=None, earth=None, neutral_earth=None, earth_residual_v=None)
    return Diagnosis(picture, verdict, supply, unjudged, contradiction)


def _verdict(picture: Picture, values: Mapping[str, float], supply: Supply, history: History | None) -> Verdict:
    if picture.phase_neutral is None:
        return Verdict("not_enough_data")
    if surely_normal(picture, supply):
        return NORMAL
    look = look_at(picture, values, supply, history)
    for signature in applicable(supply.system):
        match = signature(look)
        if match is not None:
            phases = tuple(phase_name(PHASES[i]) for i in match.phases)
            return Verdict(match.code, phases, severity_of(match, look))
    return NORMAL


def look_at(picture: Picture, values: Mapping[str, float], supply: Supply, history: History | None) -> Look:
    """Return the picture in per unit, as the signatures want it."""
    n = None if picture.neutral is None else abs(picture.neutral)
    c1, c2, c3 = CURRENTS
    return Look(
        picture=picture,
        supply=supply,
        v=_per_unit(picture.phase_neutral, supply),
        line=_per_unit(picture.line, supply),
        e=_per_unit(picture.phase_earth, supply),
        currents=(values.get(c1), values.get(c2), values.get(c3)),
        n=None if n is None else n / supply.nominal_v,
        kappa=None if n is None else _kappa(picture, n, supply),
        history=history,
    )


def _kappa(picture: Picture, n_v: float, supply: Supply) -> float | None:
    """Return how much farther N moved than the corners; None where nothing tells how far they moved."""
    if picture.u1_v and picture.u2_v is not None:
        return n_v / max(picture.u2_v - supply.sigma_v, U2_FLOOR * picture.u1_v)
    earth, apart, radius = picture.earth, picture.neutral_earth, picture.radius_v
    if earth is None or apart is None or not radius or abs(apart) < 0.25 * n_v:
        return None  # N and PE moved together, or PE is not seen
    # Without L-L: PE at the star point shows how far the corners went with their centroid.
    return n_v / max(abs(earth) - supply.sigma_v, U2_FLOOR * radius)


def _per_unit(triple: Triple | None, supply: Supply) -> Triple | None:
    if triple is None:
        return None
    nominal_v = supply.nominal_v
    return triple[0] / nominal_v, triple[1] / nominal_v, triple[2] / nominal_v


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
