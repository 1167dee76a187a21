"""Judges by plausible voltages whether words were read with the right profile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY, LL, LN

NOMINALS_V: Final = (100.0, 110.0, 115.0, 120.0, 127.0, 200.0, 220.0, 230.0, 240.0, 254.0, 277.0, 347.0)
"""Common nominal voltages, phase to neutral."""

NEAR: Final = (0.8, 1.2)
"""Shares of nominal between which the voltages of a supply in use lie."""

PLAUSIBLE_HZ: Final = (45.0, 65.0)

MANY_V: Final = 1e6
"""Nominal voltage with which to decode what is yet to be judged."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well values fit the supply that a meter is usually on."""

    nominal_v: float
    """The common nominal voltage that the phase voltages fit."""
    fits: int
    """Voltages and frequency that fit."""
    others: int
    """Other quantities that are there and not 0."""
    values: Mapping[str, float]
    """The voltages and the frequency that fit."""


def likeness(profile: Profile, values: Mapping[str, float], nominal_v: float | None = None) -> Likeness | None:
    """Return how well values fit what the profile says it reads; None where they are not plausible.

    Every phase-to-neutral register of the profile must be plausible, and the frequency if the profile has it.
    `nominal_v` None: of the common ones the nearest.
    """
    phases = [name for name in LN if name in profile.registers]
    read_v = [values.get(name, 0.0) for name in phases]
    nominal_v = nearest_nominal_v(read_v) if nominal_v is None else nominal_v
    if nominal_v is None or not read_v or not all(_near(value, nominal_v) for value in read_v):
        return None
    if FREQUENCY in profile.registers and not _between(values.get(FREQUENCY), PLAUSIBLE_HZ):
        return None
    lines = [name for name in LL if _near(values.get(name, 0.0), sqrt(3.0) * nominal_v)]
    fitting = [*phases, *lines, *([FREQUENCY] if FREQUENCY in profile.registers else [])]
    others = sum(1 for name, value in values.items() if value and name not in fitting)
    return Likeness(nominal_v, len(fitting), others, {name: values[name] for name in fitting})


def nearest_nominal_v(voltages: Iterable[float]) -> float | None:
    """Return the common nominal voltage nearest to the mean of the voltages; None if they are none, or not positive."""
    known = list(voltages)
    if not known or min(known) <= 0.0:
        return None
    mean_v = sum(known) / len(known)
    return min(NOMINALS_V, key=lambda nominal_v: abs(log(mean_v / nominal_v)))


def ranked(found: Mapping[str, Likeness]) -> list[tuple[str, Likeness]]:
    """Return profile ids with their likeness, the best first."""
    return sorted(found.items(), key=lambda item: (-item[1].fits, -item[1].others, item[0]))


def _near(value: float, nominal_v: float) -> bool:
    return _between(value / nominal_v, NEAR)


def _between(value: float | None, limits: tuple[float, float]) -> bool:
    return value is not None and limits[0] <= value <= limits[1]
