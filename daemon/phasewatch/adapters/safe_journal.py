"""The journal that never fails its user: on the disk, or in memory from the moment the disk fails."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from phasewatch.adapters.journal import Journal
from phasewatch.adapters.messages import Bounds
from phasewatch.adapters.store import JournalError

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SafeJournal:
    """A journal and what to do when it breaks; only the thread that made it may use it."""

    def __init__(self, directory: Path, site: str, list_topic: str, bounds: Bounds) -> None:
        self._site, self._list_topic, self._bounds = site, list_topic, bounds
        self.degraded: str | None = None
        """Why the journal is only in memory; None while it is on the disk."""
        try:
            self._journal = Journal.open(directory, site, list_topic, bounds)
        except Exception as error:
            self._journal = self._in_memory(None)
            self._degrade(error)
        kept = self._journal.set_aside
        self.set_aside = str(kept) if kept else None
        """Where a damaged journal was kept when a new one was begun."""

    def on(self, work: Callable[[Journal], T]) -> T:
        """Do `work` on the journal; when that breaks, do it on one in memory that has inherited what it could."""
        try:
            return work(self._journal)
        except JournalError as error:
            self._degrade(error)
        broken, self._journal = self._journal, self._in_memory(self._journal)
        broken.close()
        return work(self._journal)

    def _in_memory(self, broken: Journal | None) -> Journal:
        return Journal.in_memory(self._site, self._list_topic, self._bounds, broken)

    def close(self) -> None:
        self._journal.close()

    def _degrade(self, error: Exception) -> None:
        self.degraded = str(error)
        _log.error("journal: %s; alerts are kept in memory until the restart", error)
