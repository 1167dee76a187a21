"""Ends tasks for certain, and wakes a loop from another thread."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

END_S: Final = 5.0
CANCELS: Final = 50
"""Times that a task is told to end within END_S."""


def wake(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Have the loop do something soon; called in another thread, where the loop may have ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(work)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: in Python 3.11 `asyncio.wait_for` drops a cancellation that comes together with its result.
    """
    tasks = tuple(tasks)
    for _ in range(CANCELS):
        waiting = [task for task in tasks if not task.done()]
        if not waiting:
            break
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=END_S / CANCELS)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # seen already, or of no use any more
