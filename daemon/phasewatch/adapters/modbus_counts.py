"""What a bus has seen on its line beside its answers: signs of a bad line, of twin units, of another master."""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Self


@dataclass(slots=True)
class LineCounts:
    """What was seen since the bus was opened."""

    requests: int = 0
    answers: int = 0
    """Those that gave words; refusals are `exceptions`."""
    timeouts: int = 0
    """Requests on which nothing came back."""
    crc_errors: int = 0
    """Requests on which bytes came back and no whole frame: damaged or cut short."""
    unsolicited_bytes: int = 0
    """Bytes that belong to no answer in time; the echo of a request does not count."""
    foreign_requests: int = 0
    """Whole requests that this bus did not send."""
    foreign_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> whole replies to what was not asked: of another unit, another function or another length."""
    late_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> replies to requests whose time was out."""
    second_replies: Counter[int] = field(default_factory=Counter)
    """Unit id -> replies to requests that had been answered."""
    exceptions: Counter[int] = field(default_factory=Counter)
    """Exception code -> refusals."""

    @property
    def crc_error_rate(self) -> float:
        """Share of the requests that came back damaged, 0 to 1."""
        return self.crc_errors / self.requests if self.requests else 0.0

    def copy(self) -> Self:
        """Return the counts of this moment."""
        return replace(
            self,
            foreign_replies=self.foreign_replies.copy(),
            late_replies=self.late_replies.copy(),
            second_replies=self.second_replies.copy(),
            exceptions=self.exceptions.copy(),
        )

    def since(self, earlier: Self) -> Self:
        """Return what was counted since an earlier moment."""
        return type(self)(**{one.name: getattr(self, one.name) - getattr(earlier, one.name) for one in fields(self)})
