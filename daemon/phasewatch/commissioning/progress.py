"""How commands show that long work goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

SHOW_AFTER_S: Final = 1.0
"""What is done sooner needs no bar."""

Look = Callable[[float, str], None]
"""Told how much is done, and what is being done."""


def bar(*, hidden: bool = False, after_s: float = 0.0) -> Progress:
    """Return a progress bar on stderr; it shows on a terminal only, and goes when the work is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    # What goes to stdout must not be led to the bar's own console: that is stderr.
    return _Late(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=hidden or not console.is_terminal,
        after_s=after_s,
    )


class _Late(Progress):
    """A bar that shows once the work has taken some time."""

    def __init__(
        self, *columns: TextColumn | BarColumn | TimeRemainingColumn, after_s: float, **options: object
    ) -> None:
        self._show_s = time.monotonic() + after_s
        super().__init__(*columns, **options)  # type: ignore[arg-type]

    def get_renderables(self) -> Iterator[RenderableType]:
        if time.monotonic() >= self._show_s:
            yield from super().get_renderables()


@contextmanager
def long_work(total: float | None, doing: str, *, hidden: bool = False) -> Iterator[Look]:
    """Yield what is told how the work goes on; a bar shows once it takes long. `total` None: nobody knows."""
    with bar(hidden=hidden, after_s=SHOW_AFTER_S) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda done, step: progress.update(task, completed=done, description=step)
