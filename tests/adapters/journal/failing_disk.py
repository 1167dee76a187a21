"""A disk with a switch: what is stored on it fails while it is off."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from phasewatch.adapters.journal.sqlite import JournalError, Steps, Store

T = TypeVar("T")


@dataclass
class Disk:
    writable: bool = True
    readable: bool = True
    opened: int = 0
    damaged_rows: frozenset[object] = frozenset()
    """Numbers of rows that cannot be read one by one."""
    rows_readable: int | None = None
    """Rows of the outbox that can still be salvaged; None: all."""

    def open(self, path: Path, steps: Steps, max_bytes: int, ballast_bytes: int) -> Store:
        self.opened += 1
        if not (self.writable and self.readable):
            raise JournalError(f"{path}: disk I/O error")
        store = SwitchedStore.open(path, steps, max_bytes, ballast_bytes)
        assert isinstance(store, SwitchedStore)
        store.disk = self
        return store


class SwitchedStore(Store):
    disk = Disk()

    def read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if not self.disk.readable:
            raise JournalError("the journal cannot be read: disk I/O error")
        return super().read(sql, *values)

    def salvage(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if self.disk.damaged_rows.intersection(values):
            return []
        return super().salvage(sql, *values)[: self.disk.rows_readable] if self.disk.readable else []

    def write(self, work: Callable[[], T], shed: Callable[[], bool]) -> T:
        def tried() -> T:
            done = work()
            if not self.disk.writable:
                raise sqlite3.OperationalError("disk I/O error")
            return done

        return super().write(tried, shed)
