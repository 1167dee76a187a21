"""The acceptance cases: readings of real and computed faults, and what they mean.

All at 230 V nominal. Angles in degrees, L1 = 0, L2 = -120, L3 = +120.
"""

from dataclasses import dataclass
from typing import Final

from phasewatch.meters.quantities import CURRENT_N, LL, LN, LPE, NPE

Three = tuple[float, float, float]

WITHIN_V: Final = 0.5
WITHIN_DEG: Final = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """The readings of one moment, and what must come out; None: nothing is said of it."""

    id: str
    code: str
    ln: Three
    ll: Three | None = None
    lpe: Three | None = None
    npe: float | None = None
    current_n: float | None = None
    phases: tuple[str, ...] = ()
    severity: str | None = None
    neutral_shift: tuple[float, float | None] | None = None
    """(V, degrees or None)"""
    earth_shift: tuple[float, float | None] | None = None
    neutral_earth_v: float | None = None
    u2_percent: float | None = None
    pvur_percent: float | None = None
    kappa: tuple[float, float] | None = None
    """(least, greatest)"""
    flatness: float | None = None
    scale_residual_v: float | None = None
    survives_one_percent: bool = True
    """Whether the verdict stands 1 % of noise too."""

    @property
    def values(self) -> dict[str, float]:
        """Return the readings by quantity."""
        values = dict(zip(LN, self.ln, strict=True))
        for names, three in ((LL, self.ll), (LPE, self.lpe)):
            if three is not None:
                values.update(zip(names, three, strict=True))
        for name, value in ((NPE, self.npe), (CURRENT_N, self.current_n)):
            if value is not None:
                values[name] = value
        return values


def thrice(value: float) -> Three:
    """Return three equal readings."""
    return value, value, value


SEED: Final = Case(
    "seed",
    "earth_displaced",
    thrice(234.0),
    lpe=(208.0, 254.0, 254.0),
    phases=("L1",),
    severity="high",
    neutral_shift=(0.0, None),
    earth_shift=(30.27, 0.0),
    neutral_earth_v=30.27,
)
"""The founding question."""

A1: Final = Case(
    "A1",
    "normal",
    (231.1, 231.7, 231.3),
    (401.0, 400.6, 400.7),
    (231.9, 231.3, 231.0),
    0.8,
    neutral_shift=(0.4, None),
    neutral_earth_v=0.8,
    u2_percent=0.06,
)
A2: Final = Case(
    "A2",
    "neutral_open",
    (107.3, 299.4, 329.0),
    thrice(400.0),
    thrice(230.9),
    128.3,
    phases=("L1",),
    severity="critical",
    neutral_shift=(128.3, -10.4),
    earth_shift=(0.0, None),
    u2_percent=0.0,
    pvur_percent=56.3,
)
A3: Final = Case(
    "A3",
    "pen_open",
    (142.9, 274.8, 297.7),
    thrice(400.0),
    (143.3, 274.5, 297.3),
    0.5,
    phases=("L1",),
    severity="critical",
    neutral_shift=(90.5, -10.4),
    earth_shift=(90.0, None),
    neutral_earth_v=0.5,
)
A4: Final = Case(
    "A4",
    "neutral_high_resistance",
    (239.8, 212.1, 239.8),
    (398.3, 398.3, 400.0),
    (230.9, 228.9, 230.9),
    16.8,
    current_n=40.0,
    phases=("L2",),
    severity="high",
    neutral_shift=(17.51, -120.0),
    kappa=(25.0, 60.0),
    survives_one_percent=False,
)
A5: Final = Case(
    "A5",
    "phase_lost",
    (230.9, 0.3, 230.9),
    (230.6, 231.1, 400.0),
    (229.8, 0.8, 231.5),
    1.1,
    phases=("L2",),
    severity="high",
    u2_percent=50.0,
)
A6: Final = Case(
    "A6",
    "phase_lost_backfed",
    (115.5, 230.9, 230.9),
    (200.0, 400.0, 200.0),
    (116.3, 231.3, 231.3),
    0.8,
    phases=("L1",),
    severity="high",
    flatness=0.0,
)
A8: Final = Case(
    "A8",
    "mv_phase_lost",
    (154.4, 86.9, 240.1),
    (68.6, 328.2, 393.2),
    phases=("L1", "L2"),
    severity="high",
    flatness=0.10,
)
A10: Final = Case(
    "A10",
    "earth_fault_solid",
    thrice(230.9),
    thrice(400.0),
    (399.0, 399.0, 1.2),
    229.8,
    phases=("L3",),
    severity="critical",
    earth_shift=(229.8, 120.0),
)
B1: Final = Case(
    "B1",
    "neutral_swapped",
    (230.9, 400.0, 400.0),
    (230.9, 400.0, 230.9),
    (0.9, 231.4, 231.4),
    230.0,
    phases=("L1",),
    severity="medium",
)
B2: Final = Case(
    "B2",
    "scale_mismatch",
    (219.6, 219.9, 219.4),
    (399.8, 400.2, 399.5),
    phases=("L1", "L2", "L3"),
    severity="medium",
    neutral_shift=(0.25, None),
    scale_residual_v=-10.9,
)
B3: Final = Case("B3", "impossible_triangle", (230.1, 229.8, 230.5), (398.5, 150.2, 201.3), severity="medium")
B7: Final = Case(
    "B7",
    "single_phase_overload",
    (202.1, 238.5, 238.5),
    (387.6, 400.0, 387.6),
    (216.5, 230.9, 230.9),
    14.4,
    phases=("L1",),
    severity="medium",
    neutral_shift=(19.25, 0.0),
    u2_percent=2.12,
    kappa=(3.9, 4.1),
    survives_one_percent=False,
)

CASES: Final = (SEED, A1, A2, A3, A4, A5, A6, A8, A10, B1, B2, B3, B7)
"""Every case, the founding one first."""

LOOSENING: Final[tuple[tuple[float, Three, Three, float, float], ...]] = (
    (5.0, (232.0, 228.6, 232.0), (399.8, 399.8, 400.0), 2.1, 2.18),
    (12.0, (233.5, 225.3, 233.5), (399.5, 399.5, 400.0), 5.0, 5.25),
    (20.0, (235.3, 221.5, 235.3), (399.1, 399.1, 400.0), 8.4, 8.78),
    (31.0, (237.7, 216.4, 237.7), (398.7, 398.7, 400.0), 13.0, 13.52),
    (40.0, (239.8, 212.1, 239.8), (398.3, 398.3, 400.0), 16.8, 17.51),
)
"""A4 as a series: neutral current A, L-N, L-L, N-PE, and the neutral shift V toward L2."""
