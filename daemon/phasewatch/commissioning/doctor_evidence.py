"""What an examination has seen, and the form of what it finds."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from phasewatch.adapters.modbus.protocol import LineCounts
from phasewatch.commissioning.plausibility import Misreading

Kind = Literal["words", "refused", "silent", "damaged", "foreign", "babble", "lost", "unreachable"]
"""What came of one request."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem."""

    code: str
    place: str
    """Key path in the site file."""
    seen: str
    means: str
    change: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Answers of one length."""

    characters: int
    asked: int = 0
    damaged: int = 0

    def __str__(self) -> str:
        """Say the rate as a number."""
        return f"{self.damaged} of {self.asked} answers of {self.characters} bytes"


@dataclass(slots=True)
class MeterSeen:
    """What came of asking one meter."""

    place: str
    """Key path: buses[0].meters[1]."""
    name: str
    profile: str
    unit_id: int
    kinds: Counter[Kind] = field(default_factory=Counter)
    error: str = ""
    """The last one."""
    foreign_units: set[int] = field(default_factory=set)
    """Units that answered in its place."""
    voltages: tuple[float, ...] = ()
    """Phase to neutral, as the profile reads them."""
    misreading: Misreading | None = None
    """What makes the voltages plausible; None: nothing, or nothing needed."""
    alternates: bool = False
    """Whether it said now one thing, now another."""
    proposals: tuple[str, ...] = ()
    """Profiles that read plausible voltages where its own does not, whatever is changed."""

    @property
    def asked(self) -> int:
        return self.kinds.total()

    @property
    def answers(self) -> bool:
        return bool(self.kinds["words"] or self.kinds["refused"])

    @property
    def damaged(self) -> float:
        """Share of the requests whose answer came damaged."""
        return self.kinds["damaged"] / self.asked if self.asked else 0.0


@dataclass(slots=True)
class BusSeen:
    """What came of asking the meters of a bus."""

    place: str
    url: str
    serial_line: bool
    load_percent: float
    meters: list[MeterSeen] = field(default_factory=list)
    answering_url: str | None = None
    """The same endpoint, otherwise set, where a unit answers although none does here."""
    counts: LineCounts = field(default_factory=LineCounts)
    """What was seen on the line in all."""
    baudrate: int | None = None
    """Of the line; None where it is not known."""
    timeout_s: float | None = None
    """How long an answer is waited for; None where it is not known."""
    trials: tuple[Trial, ...] = ()
    """Short and long answers of a meter of which some came damaged; empty where none did."""
    other_units: tuple[int, ...] = ()
    """Units that answer and are no meter of the site file."""


@dataclass(frozen=True, slots=True)
class PointSeen:
    """What the readings of a point's meters say together."""

    nominal_place: str
    nominal_v: float
    voltages: tuple[float, ...] = ()
    likelier_v: float | None = None
    """The nominal voltage that the readings fit; None: the one that is set."""
    swapped: tuple[tuple[str, str, tuple[str, str, str]], ...] = ()
    """Key path of a meter, name of the meter that it contradicts, the `phases` with which they agree."""
