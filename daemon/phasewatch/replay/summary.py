"""What a replay came to, rule by rule.

What is wrong with a recording, counted, with the first place of each kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from phasewatch.alerts.alert import Key
from phasewatch.alerts.engine import AlertEngine
from phasewatch.alerts.event import Event, rounded, stamp


@dataclass(slots=True)
class Line:
    """One rule."""

    raised: int = 0
    cleared: int = 0
    active: int = 0
    """Alerts that stand at the end."""
    longest_s: float = 0.0
    worst: float | None = None
    """The value farthest beyond its limit."""
    unit: str | None = None
    first: str | None = None
    """When an alert was raised first, and last."""
    last: str | None = None
    beyond: float = -1.0
    """How far `worst` is from its limit."""


@dataclass(slots=True)
class ReplaySummary:
    """Counts events as they pass."""

    desk: AlertEngine
    lines: dict[str, Line] = field(default_factory=dict)
    standing: dict[Key, datetime] = field(default_factory=dict)
    events: int = 0

    def take(self, event: Event, payload: Mapping[str, Any]) -> None:
        """Count one event."""
        self.events += 1
        line = self.lines.setdefault(event.key.rule, Line())
        if event.transition == "raised":
            line.raised += 1
            line.first, line.last = line.first or payload["at"], payload["at"]
            line.unit = payload["unit"] or line.unit
            self.standing[event.key] = datetime.fromisoformat(payload["at"])
        elif event.transition == "cleared":
            line.cleared += 1
            self._over(event.key, datetime.fromisoformat(payload["at"]))

    def end(self, at: datetime) -> None:
        """Take the end of the file: what stands has stood until then."""
        for key in list(self.standing):
            self.lines[key.rule].active += 1
            self._over(key, at)

    def _over(self, key: Key, at: datetime) -> None:
        line, alert = self.lines[key.rule], self.desk.alert(key)
        line.longest_s = max(line.longest_s, (at - self.standing.pop(key)).total_seconds())
        limit = alert.condition.limit if alert.condition else None
        if alert.worst is not None:
            beyond = 0.0 if limit is None else abs(alert.worst - limit)
            if beyond > line.beyond:
                line.worst, line.beyond = alert.worst, beyond

    def rules(self) -> list[dict[str, Any]]:
        """Return one object a rule, in the order in which they were first heard of."""
        return [
            {
                "rule": rule,
                "raised": line.raised,
                "cleared": line.cleared,
                "active": line.active,
                "longest_s": round(line.longest_s, 3),
                "worst": rounded(line.worst),
                "unit": line.unit,
                "first": line.first,
                "last": line.last,
            }
            for rule, line in self.lines.items()
        ]


def span(first: datetime | None, last: datetime | None) -> dict[str, str | None]:
    """Return the begin and the end of what was played."""
    return {"from": stamp(first), "to": stamp(last)}


class RecordingError(Exception):
    """A recording cannot be replayed; the text names the file, the place and the remedy."""


@dataclass(slots=True)
class Finding:
    """One kind of flaw."""

    count: int
    line: int
    """Line of the file where it was first seen."""
    example: str


@dataclass(slots=True)
class Findings:
    """Flaws by kind, in the order in which they were first seen."""

    kinds: dict[str, Finding] = field(default_factory=dict)

    def add(self, kind: str, line: int, example: str = "") -> None:
        """Count one."""
        found = self.kinds.get(kind)
        if found is None:
            self.kinds[kind] = Finding(1, line, example[:40])
        else:
            found.count += 1

    def count(self, kind: str) -> int:
        """Return how many of a kind there were."""
        found = self.kinds.get(kind)
        return 0 if found is None else found.count

    def lines(self) -> list[str]:
        """Return a line for people for each kind."""
        return [
            f"{kind}: {found.count}, first on line {found.line}" + (f" ({found.example})" if found.example else "")
            for kind, found in self.kinds.items()
        ]
