"""The journal that never fails its user: on the disk, in memory from the moment the disk fails, and back again."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from phasewatch.adapters import handover
from phasewatch.adapters.journal import Journal, StoreOpener
from phasewatch.adapters.link import Backoff
from phasewatch.adapters.messages import Bounds
from phasewatch.adapters.store import JournalError, JournalTakenError, Store

T = TypeVar("T")

SHORTEST_AWAY_S: Final = 60.0
LONGEST_AWAY_S: Final = 600.0
"""Between two tries to return to the disk."""

_log = logging.getLogger(__name__)


class SafeJournal:
    """A journal and what to do when it breaks; only the thread that made it may use it."""

    def __init__(
        self,
        directory: Path,
        site: str,
        list_topic: str,
        bounds: Bounds,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        open_store: StoreOpener = Store.open,
    ) -> None:
        self._open = partial(
            Journal.open, directory, site, list_topic, bounds, monotonic=monotonic, open_store=open_store
        )
        self._bounds, self._monotonic = bounds, monotonic
        self._backoff = Backoff(SHORTEST_AWAY_S, LONGEST_AWAY_S, lambda: 0.5)
        self._due_s = 0.0
        self._memory: handover.Memory | None = None
        self.degraded: str | None = None
        """Why the journal is only in memory; None while it is on the disk."""
        self.set_aside: str | None = None
        """Where a damaged journal was kept when a new one was begun."""
        try:
            self._journal = self._open()
        except JournalTakenError:
            raise
        except Exception as error:
            self._memory = handover.in_memory(site, list_topic, bounds, monotonic)
            self._journal = self._memory.journal
            self._degrade(error)
        self._begun = self._journal.uuid
        self._note_set_aside()

    def on(self, work: Callable[[Journal], T]) -> T:
        """Do `work` on the journal; when that breaks, do it on one in memory that has inherited what it could."""
        try:
            return work(self._journal)
        except JournalError as error:
            self._degrade(error)
        broken = self._journal
        self._memory = handover.heir(broken, self._begun, self._bounds, self._monotonic, self._memory)
        self._journal = self._memory.journal
        broken.close()
        return work(self._journal)

    def return_if_due(self) -> bool:
        """Try to return to the disk when its time has come; return whether the rows have other numbers now."""
        if self._memory is None or self._monotonic() < self._due_s:
            return False
        try:
            home = self._open()
        except Exception as error:
            self._stay(error)
            return False
        return self._settle_in(home, self._memory)

    @property
    def stranded(self) -> int:
        """Rows that the failed disk still holds and memory could not take."""
        return self._memory.stranded if self._memory else 0

    def close(self) -> None:
        """Close the journal; one in memory is given a last chance to reach the disk."""
        self._due_s = 0.0
        self.return_if_due()
        self._journal.close()

    def _settle_in(self, home: Journal, memory: handover.Memory) -> bool:
        try:
            handover.bring_home(home, memory)
        except Exception as error:
            home.close()
            self._stay(error)
            return False
        memory.journal.close()
        self._journal, self._memory, self.degraded = home, None, None
        self._backoff.reset()
        self._note_set_aside()
        _log.warning("journal: on the disk again, with everything that was kept in memory")
        return True

    def _note_set_aside(self) -> None:
        kept = self._journal.set_aside
        if kept:
            self.set_aside = str(kept)
            _log.error("journal: damaged, and kept as %s; what it knew of alerts is lost, a new one begins", kept)

    def _degrade(self, error: Exception) -> None:
        self._stay(error)
        _log.error("journal: %s; alerts are kept in memory until the disk is back", error)

    def _stay(self, error: Exception) -> None:
        self.degraded = str(error)
        self._due_s = self._monotonic() + self._backoff.next_s()
