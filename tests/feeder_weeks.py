"""Weeks at a board with ordinary loads, in closed form: a source, three lines, a neutral, and single-phase loads.

The currents meet at N (Millman); `tests/electrical/test_neutral.py` holds it against the simulator's circuit.
"""

import cmath
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from phasewatch.meters.quantities import CURRENT_N, CURRENTS, LL, LN

Phasors = tuple[complex, complex, complex]
EMF = tuple(cmath.rect(231.0, math.radians(deg)) for deg in (0.0, -120.0, 120.0))
LINE_OHM = complex(0.024, 0.017)
NEUTRAL_OHM = 0.021
NEUTRAL_REACTANCE_OHM = 0.01
"""Of the neutral and the shared part of PEN together."""
DAY_S = 86400.0


def board(
    admittances_s: Phasors, neutral_ohm: float, emf: tuple[complex, ...] = EMF
) -> tuple[Phasors, complex, Phasors]:
    """Return the potentials of L1..L3, of N, and the currents."""
    branches = [1 / (LINE_OHM + 1 / y) for y in admittances_s]
    back = 1 / complex(neutral_ohm, NEUTRAL_REACTANCE_OHM)
    n = sum(e * y for e, y in zip(emf, branches, strict=True)) / (sum(branches) + back)
    a, b, c = ((e - n) * y for e, y in zip(emf, branches, strict=True))
    return (emf[0] - a * LINE_OHM, emf[1] - b * LINE_OHM, emf[2] - c * LINE_OHM), n, (a, b, c)


def magnitudes(lines: Phasors, n: complex, currents: Phasors) -> dict[str, float]:
    """Return what a perfect meter reads."""
    values = {name: abs(u - n) for name, u in zip(LN, lines, strict=True)}
    values |= {name: abs(lines[i] - lines[(i + 1) % 3]) for i, name in enumerate(LL)}
    values |= {name: abs(i) for name, i in zip(CURRENTS, currents, strict=True)}
    return {**values, CURRENT_N: abs(sum(currents))}


@dataclass
class Loads:
    """Random appliances on each phase: a day pattern of how often they are switched, and a base load."""

    draw: random.Random
    on: list[list[tuple[float, complex]]] = field(default_factory=lambda: [[], [], []])

    def step(self, at_s: float, step_s: float) -> Phasors:
        """Return the admittance of each phase at a time; what has run its time is switched off."""
        hour = at_s % DAY_S / 3600.0
        busy = 0.15 + 0.85 * math.exp(-(((hour - 19.0) / 3.0) ** 2)) + 0.5 * math.exp(-(((hour - 8.0) / 2.0) ** 2))
        found = []
        for phase, running in enumerate(self.on):
            running[:] = [(end_s, y) for end_s, y in running if end_s > at_s]
            if self.draw.random() < busy * step_s / 900.0:
                running.append((at_s + self.draw.expovariate(1 / 1500.0), _admittance(self.draw)))
            base_w = 250.0 + 100.0 * phase + 60.0 * self.draw.random()
            found.append(sum((y for _, y in running), complex(base_w, -0.3 * base_w) / 230.0**2))
        return found[0], found[1], found[2]


def _admittance(draw: random.Random) -> complex:
    power_w = min(3500.0, 150.0 + draw.expovariate(1 / 900.0))
    return power_w * complex(1.0, -math.tan(math.acos(draw.uniform(0.9, 1.0)))) / 230.0**2


class Meter:
    """An instrument: each channel has a constant error within its class, noise of its own, and tenths of a volt."""

    def __init__(self, draw: random.Random, class_percent: float = 0.5, noise_percent: float = 0.05) -> None:
        self._draw, self._noise = draw, noise_percent / 100.0
        names = (*LN, *LL, *CURRENTS, CURRENT_N)
        self._gain = {name: 1.0 + draw.uniform(-class_percent, class_percent) / 100.0 for name in names}

    def read(self, values: dict[str, float]) -> dict[str, float]:
        """Return what it shows."""
        draw = self._draw
        return {
            name: round(
                value * self._gain[name] * (1.0 + draw.uniform(-self._noise, self._noise)), 1 if "v" in name else 2
            )
            for name, value in values.items()
        }


def weeks(
    seed: int,
    days: float,
    neutral: Callable[[float], float],
    *,
    step_s: float = 60.0,
    noise_percent: float = 0.05,
) -> Iterator[tuple[float, dict[str, float]]]:
    """Yield (time, readings) a step; `neutral` is the resistance of the neutral in ohm after so many seconds."""
    draw = random.Random(seed)
    loads, meter = Loads(draw), Meter(draw, noise_percent=noise_percent)
    for step in range(round(days * DAY_S / step_s)):
        at_s = step * step_s
        supply = 1.0 + 0.02 * math.sin(2 * math.pi * at_s / DAY_S) + 0.003 * draw.gauss(0, 1)
        unbalance = 0.002 * math.sin(2 * math.pi * at_s / (0.7 * DAY_S))
        emf = (EMF[0] * (supply + unbalance), EMF[1] * supply, EMF[2] * (supply - unbalance))
        yield at_s, meter.read(magnitudes(*board(loads.step(at_s, step_s), neutral(at_s), emf)))
