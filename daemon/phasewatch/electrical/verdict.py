"""The diagnosis: values of one point -> its picture and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from phasewatch.electrical.explanations import EXPLANATIONS, Explanation
from phasewatch.electrical.geometry import Picture, Triple, draw
from phasewatch.electrical.health import surely_normal
from phasewatch.electrical.look import History, Look
from phasewatch.electrical.severity import Severity, severity_of
from phasewatch.electrical.signatures import applicable
from phasewatch.electrical.supply import Supply
from phasewatch.meters.measuring_point import Contradiction
from phasewatch.meters.quantities import CURRENTS, PHASES, phase_name

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
