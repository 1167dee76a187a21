"""What a report is made of, as the daemon tells it or as one reading of the meters found it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from phasewatch.configuration.site import LoadedSite
from phasewatch.electrical.explanation import Messages

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything of one report. What is not there is said to be missing, and nothing else suffers."""

    at: datetime
    """When the report is made; its zone is that of all times."""
    version: str
    loaded: LoadedSite
    messages: Messages
    """In the language of the report."""
    language: str
    status: Payload | None = None
    """The heartbeat; None: no daemon was asked, the meters were read once."""
    points: Sequence[Payload] = ()
    alerts: Sequence[Payload] = ()
    events: Sequence[Payload] = ()
    """Newest first."""
    evidence: Mapping[str, Payload] = field(default_factory=dict)
    """By `alert_id`."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Meter -> why it gave no reading."""
    missing: Sequence[str] = ()
    """What could not be had, a sentence each."""

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the report itself."""
        words: Mapping[str, str] = self.messages["report"]
        return words

    def moment(self, stamp: object, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        """Return a time stamp in the zone of the report; a dash for what is none."""
        found = parsed(stamp)
        return "-" if found is None else found.astimezone(self.at.tzinfo).strftime(form)


def parsed(stamp: object) -> datetime | None:
    """Return a time stamp as a time that knows its zone; None for what is none."""
    try:
        found = datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def number(value: object, decimals: int = 1) -> str:
    """Return a number as people read it; a dash for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return "-"
    return f"{value:.{decimals}f}"
