"""What the page shows of the daemon beyond the API, and how much of it."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from phasewatch.adapters.web import Daemon
from phasewatch.drawing.limits import Limits
from phasewatch.electrical.explanation import Messages
from phasewatch.history import Span

ALERT_KEYS: Final = (
    "alert_id", "rev", "subject", "rule", "phase", "state", "severity", "acknowledged", "shelved_until",
    "suppressed_by", "since", "at", "by", "reason", "transition", "chattering", "first_out", "value", "unit", "limit",
    "source", "summary",
)  # fmt: skip
"""What the page needs of an alert or an event: a fifth of it."""


class PageDaemon(Daemon, Protocol):
    """What the page shows of the daemon beyond the API; called in the daemon's own loop."""

    def briefs(self) -> list[dict[str, Any]]:
        """Return a line of each point: `point`, `verdict`, `severity`, `quality`, `low_v`, `high_v`, `age_s`."""
        ...

    def point_state(self, point: str) -> dict[str, Any] | None:
        """Return the state of a point, and `stale_s`; without readings only its name; None if there is none such."""
        ...

    def explanation(self, point: str, language: str) -> dict[str, Any] | None:
        """Return `verdict`, `summary`, `causes`, `cannot_tell`, `next_steps` in words; None without a diagnosis."""
        ...

    def circles(self, point: str) -> tuple[float, Limits]:
        """Return the nominal voltage, phase to neutral, and the limits that the picture of a point shows."""
        ...

    def trend(self, point: str, span: Span) -> dict[str, Any]:
        """Return the trend of a point as `History.trend` does, and `at`, the time stamp of now."""
        ...

    def words(self, language: str | None) -> Messages:
        """Return the words of a language; of the site's for None or one that there is not."""
        ...

    async def events(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Return events as published, newest first, each with its `place`; those before a place if one is named."""
        ...

    async def evidence(self, alert_id: str) -> dict[str, Any] | None:
        """Return `alert_id`, `subject`, `rule`, `at`, `samples`, `complete` of an occurrence; None if there is none."""
        ...


def slim(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs of an alert or an event as published."""
    return {key: told[key] for key in (*ALERT_KEYS, "place") if key in told}
