"""A second implementation of `Sink`: it appends events to a file, while that is allowed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.types import Sent, Settled, SinkStatus


class FakeSink:
    """Accepts events while there is no file `away`; a fault of its own can be put in."""

    name, min_severity = "fake", None

    def __init__(self, directory: Path) -> None:
        self.directory, self.fault = directory, ""
        self._accepted: list[Sent] = []
        self._journal: FallbackJournal
        directory.mkdir(exist_ok=True)

    def start(self, journal: FallbackJournal, do: Callable[[Callable[[], None]], None]) -> None:
        self._journal = journal

    def settled(self) -> Settled:
        accepted, self._accepted = self._accepted, []
        return Settled(accepted, [], [])

    def send(self) -> None:
        if self.fault:
            raise RuntimeError(self.fault)
        for row in self._journal.on(Journal.pending, 10, 0, self.name) if self.open and not self._accepted else []:
            with (self.directory / "events").open("ab") as file:
                file.write(row.payload + b"\n")
            self._accepted.append(Sent(row.topic, row.payload, row.number, row.committed_s))

    def renumbered(self) -> None:
        self._accepted.clear()

    @property
    def due_in_s(self) -> float | None:
        return 0.01

    @property
    def open(self) -> bool:
        return not (self.directory / "away").exists()

    @property
    def idle(self) -> bool:
        return not self._accepted and not self._journal.on(Journal.pending, 1, 0, self.name)

    def report(self) -> SinkStatus:
        return SinkStatus(self.name, "fake", connected=self.open)

    def leave(self) -> None:
        pass

    def close(self, timeout_s: float) -> None:
        pass

    def events(self) -> list[dict[str, Any]]:
        """Return what was accepted, by this one or one before it in the same directory."""
        file = self.directory / "events"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in lines]
