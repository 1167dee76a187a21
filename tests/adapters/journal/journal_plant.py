"""A journal on a disk that fails and comes back, and the subscriber behind it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import LONGEST_AWAY_S, FallbackJournal
from phasewatch.adapters.journal.types import Bounds
from tests.adapters.journal.changes import SITE, change
from tests.adapters.journal.failing_disk import Disk


@dataclass
class Plant:
    """A journal on a disk with a switch, and a subscriber that has everything that was delivered."""

    directory: Path
    bounds: Bounds = field(default_factory=lambda: Bounds(ballast_bytes=0))
    disk: Disk = field(default_factory=Disk)
    now_s: float = 0.0
    delivered: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.safe = FallbackJournal(
            self.directory, SITE, self.bounds, monotonic=lambda: self.now_s, open_store=self.disk.open
        )

    def commit(self, rev: int, **more: Any) -> None:
        self.safe.on(lambda journal: journal.commit([change("raised", rule="wiring", rev=rev, **more)]))

    def deliver(self, count: int = 1000) -> None:
        rows = self.safe.on(lambda journal: journal.pending(count))
        self.delivered += [json.loads(row.payload) for row in rows if not row.retain]
        self.safe.on(lambda journal: journal.delivered([row.number for row in rows]))

    def break_disk(self, *, readable: bool = True) -> None:
        self.disk.writable, self.disk.readable = False, readable

    def mend_disk(self) -> None:
        self.disk.writable = self.disk.readable = True
        self.disk.rows_readable = None

    def come_home(self) -> None:
        self.now_s += 2 * LONGEST_AWAY_S
        assert self.safe.return_if_due()
        assert self.safe.degraded is None

    @property
    def journal(self) -> Journal:
        return self.safe.on(lambda journal: journal)

    def listing(self) -> dict[str, Any]:
        listed: dict[str, Any] = json.loads(self.journal.retained()[-1].payload)
        return listed

    def waiting(self) -> list[int]:
        return [json.loads(row.payload)["rev"] for row in self.journal.pending(1000) if not row.retain]


def proven(plant: Plant) -> bool:
    """Return whether a subscriber can prove by the list alone that it has every event."""
    listed = plant.listing()
    last = {**listed["ended"], listed["journal"]: listed["seq"]}
    wanted = {f"{SITE}-{uuid}-{n}" for uuid, seq in last.items() for n in range(1, seq + 1)}
    return wanted == {event["id"] for event in plant.delivered}
