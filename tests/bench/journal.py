"""`journal`: what an event, its delivery and a healthy day cost a flash disk, and what evidence costs a reading.

A transaction is one write to the disk that is waited for. Bytes are those that the process hands to the kernel, with
the log and its checkpoints: SQLite writes whole pages, and each of them twice.
"""

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.sqlite import Store
from phasewatch.adapters.journal.types import Bounds
from phasewatch.alerts.evidence import COLUMNS, Evidence, Recorder
from tests.adapters.journal.changes import SITE, change
from tests.bench.figure import Figure, say, spread
from tests.bench.stage import scratch

HISTORY: Final = 150
"""Events that the history holds here, so that it is full for most of the time."""
ALERTS: Final = 20
POINTS: Final = 10
RECORDS_A_DAY: Final = 144
"""Records of what was learned: at most one transaction in ten minutes, and nothing else while all is well."""


class CountedStore(Store):
    """A store that counts its transactions."""

    transactions = 0

    def write(self, work: Callable[[], Any], shed: Callable[[], bool]) -> Any:
        CountedStore.transactions += 1
        return super().write(work, shed)


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work took."""

    transactions: float
    kib: float
    wall_ms: float


def journal(rounds: int = 3, events: int = 200) -> list[Figure]:
    """Measure each kind of work, in rounds on a fresh file."""
    say(f"journal: {rounds} rounds of {events} events")
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for name, (work, per) in WORKS.items():
            with scratch() as there, closing(_opened(there)) as opened:
                work(opened, events)  # until the history is full and the log as long as it gets
                costs.setdefault(name, []).append(_cost(lambda: work(opened, events), events * per))  # noqa: B023
    return [*(figure for name, some in costs.items() for figure in _figures(name, some)), *_day(), _reading(rounds)]


def _opened(there: Path) -> Journal:
    return Journal.open(there, SITE, Bounds(max_events=HISTORY), open_store=CountedStore.open)


def _event(number: int) -> Any:
    """Return an event of the size of a real one, of one of a few alerts."""
    more: dict[str, Any] = {
        "summary": "s" * 200,
        "readings": dict.fromkeys(COLUMNS, 230.123),
        "verdict": {"next_steps": ["t" * 700]},
    }
    return change("raised", rule=f"rule_{number % ALERTS}", rev=number, **more)


def _single(opened: Journal, events: int) -> None:
    for number in range(events):
        opened.commit([_event(number)])
    opened.delivered([row.number for row in opened.pending(1_000_000)])


def _delivered(opened: Journal, events: int) -> None:
    for number in range(events):
        opened.commit([_event(number)])
        opened.delivered([row.number for row in opened.pending(10)])


def _storm(opened: Journal, events: int) -> None:
    for number in range(0, events, 20):
        opened.commit([_event(n) for n in range(number, number + 20)])
        opened.delivered([row.number for row in opened.pending(100)])


def _without_history(opened: Journal, events: int) -> None:
    opened.archive.insert_event = lambda payload: None  # type: ignore[method-assign]
    _delivered(opened, events)


def _learned(opened: Journal, events: int) -> None:
    for number in range(events):
        state = json.dumps({"neutral_impedance": {"values": [[number + 0.123, 230.1]] * 60}})
        opened.remember({f"point-{point}/learned": state for point in range(POINTS)})


def _evidence(opened: Journal, events: int) -> None:
    for number in range(0, events, 10):
        opened.keep_evidence([_found(number)])


WORKS: Final[dict[str, tuple[Callable[[Journal, int], None], float]]] = {
    "an event, delivered with many": (_single, 1.0),
    "an event, delivered at once": (_delivered, 1.0),
    "the same without history": (_without_history, 1.0),
    "an event of a storm": (_storm, 1.0),
    "the evidence of an alert": (_evidence, 0.1),
    f"a record of what {POINTS} points learned": (_learned, 1.0),
}


def _found(number: int) -> Evidence:
    recorder = Recorder()
    recorder.raised("main", str(number), "main", "wiring", datetime(2026, 1, 1, tzinfo=UTC), 0.0)
    for n in range(120):
        recorder.reading("main", float(n), {name: 230.0 + (n * 7 + number) % 13 / 10 for name in COLUMNS})
    return recorder.flush()[0]


def _written() -> int:
    lines = (line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(dict(lines)["wchar"])


def _cost(work: Callable[[], None], pieces: float) -> Cost:
    transactions, written, begun_s = CountedStore.transactions, _written(), time.perf_counter()
    work()
    wall_ms = 1000.0 * (time.perf_counter() - begun_s)
    counted, kib = CountedStore.transactions - transactions, (_written() - written) / 1024.0
    return Cost(counted / pieces, kib / pieces, wall_ms / pieces)


def _figures(name: str, costs: list[Cost]) -> list[Figure]:
    return [
        spread("journal", f"{name}: transactions", "", [cost.transactions for cost in costs]),
        spread("journal", f"{name}: written", "KiB", [cost.kib for cost in costs]),
        spread("journal", f"{name}: wall", "ms", [cost.wall_ms for cost in costs]),
    ]


def _day() -> list[Figure]:
    """Measure what a healthy day writes: the records of what was learned."""
    with scratch() as there, closing(_opened(there)) as opened:
        cost = _cost(lambda: _learned(opened, RECORDS_A_DAY), 1.0)
    return [
        Figure("journal", f"a healthy day of {POINTS} points: transactions", "", cost.transactions),
        Figure("journal", f"a healthy day of {POINTS} points: written", "MiB", cost.kib / 1024.0),
    ]


def _reading(rounds: int) -> Figure:
    recorder, values, samples = Recorder(), dict.fromkeys(COLUMNS, 230.0), []
    for number in range(rounds):
        begun_s = time.perf_counter()
        for n in range(10_000):
            recorder.reading("main", 1e4 * number + n, values)
        samples.append(100.0 * (time.perf_counter() - begun_s))
    return spread("journal", "evidence, for each reading", "us", samples)
