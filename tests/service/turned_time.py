"""An event loop whose time is turned by hand: it jumps to the next timer, so that an hour takes a moment."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.timeline import START

T = TypeVar("T")


class _Turning(selectors.DefaultSelector):
    """Instead of waiting for files and timers it turns the loop's time to the next timer."""

    turned_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is left that could ever happen"
            self.turned_s += max(timeout, 0.0)
        return ready


class _TurnedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._turning = _Turning()
        super().__init__(self._turning)

    def time(self) -> float:
        return self._turning.turned_s


class TurnedClock:
    """The clock of the running loop."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s() - 1000.0)


def run_turned(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in turned time, which begins at 1000 s."""
    with asyncio.Runner(loop_factory=_TurnedLoop) as runner:
        return runner.run(work)
