"""The seam for outputs: what delivery asks of every sink.

A sink takes the rows that wait for its name in the outbox, and says which of them its receiver has accepted; only then
do they leave. Rows of other sinks are no business of it. To add an output: one class with these methods, made in
`Delivery`, and a section of the site file. The contract is `tests/service/test_sinks.py`.
"""

from collections.abc import Callable
from typing import Protocol

from phasewatch.adapters.journal.memory_fallback import FallbackJournal
from phasewatch.adapters.journal.types import Settled, SinkStatus
from phasewatch.electrical.severity import Severity

Do = Callable[[Callable[[], None]], None]
"""Has some work done in the delivery thread, soon; may be called in any thread."""


class Sink(Protocol):
    """One output. Delivery calls every method in its own thread, and none may wait there."""

    @property
    def name(self) -> str:
        """Name of its rows in the outbox; unique."""

    @property
    def min_severity(self) -> Severity | None:
        """Least severity of the alerts whose events it takes; None: all."""

    def start(self, journal: FallbackJournal, do: Do) -> None:
        """Begin; `journal` may be used only in the delivery thread."""

    def settled(self) -> Settled:
        """Return what has become of rows since the last call; those that were accepted leave the outbox."""

    def send(self) -> None:
        """Take rows from the outbox as far as there is room, in their order."""

    def renumbered(self) -> None:
        """Forget the numbers of rows: the journal is on the disk again, where they have others."""

    @property
    def due_in_s(self) -> float | None:
        """Time until `send` has something to do, if nothing happens before; None while there is nothing to wait for."""

    @property
    def open(self) -> bool:
        """Whether the receiver can be reached, as far as is known."""

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send or to wait for."""

    def report(self) -> SinkStatus:
        """Return its state; delivery adds the counts."""

    def leave(self) -> None:
        """Queue a goodbye, if the protocol has one; `send` and `settled` are called for a moment more."""

    def close(self, timeout_s: float) -> None:
        """Let go of everything; rows that were not accepted stay for the next start."""
