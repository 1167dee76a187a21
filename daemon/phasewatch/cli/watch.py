"""`phasewatch watch`: the picture's numbers of the running daemon, as they change."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from phasewatch.adapters.http.client import Control, ControlError
from phasewatch.cli.alerts import standing
from phasewatch.cli.board import Room, board
from phasewatch.cli.explain import LANGUAGES
from phasewatch.cli.outcome import InputError
from phasewatch.cli.reach import show
from phasewatch.cli.sight import Sight, Told
from phasewatch.configuration.files import load_messages
from phasewatch.electrical.explanation import Messages

TIMEOUT_S: Final = 3.0
"""A daemon that takes longer to answer is taken as gone."""
DRAWN_HZ: Final = 2.0
"""Ages count on between two answers."""


def watch_daemon(control: Control, interval_s: float, *, once: bool, as_json: bool) -> None:
    """Show what the daemon says, again and again, until Ctrl-C.

    Once only where that is wished or nobody sits at a terminal. Raises: InputError when no daemon answers at first.
    """
    with _ending_quietly():
        if as_json:
            _as_lines(control, interval_s, once=once)
            return
        sight = Sight(interval_s).after(ask(control), time.monotonic())
        words = _words(control)
        console = Console(markup=False, emoji=False, highlight=False)
        if once or not sys.stdout.isatty() or console.is_dumb_terminal:
            console.print(board(sight, words, time.monotonic(), Room(console.width, None)))
        else:
            _live(control, console, sight, words)


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Let Ctrl-C end the command, and being told to stop too: the terminal is left as it was."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def ask(control: Control) -> Told:
    """Return what the daemon says now. Raises: InputError when it cannot be reached."""
    status, points = show(control, "/api/status"), show(control, "/api/points").get("points", [])
    return Told(datetime.now().astimezone(), status, points, standing(control))


def _words(control: Control) -> Messages:
    """Return the words of the site's language; English where the daemon does not tell it."""
    try:
        language = control.get("/api/words")["language"]
    except (ControlError, KeyError, TypeError):
        language = "en"
    return load_messages(language if language in LANGUAGES else "en")


def _live(control: Control, console: Console, sight: Sight, words: Messages) -> None:
    def drawn() -> RenderableType:
        return board(sight, words, time.monotonic(), Room(console.width, console.height))

    # A thread draws, so that a daemon that lets us wait does not stop the ages.
    with Live(get_renderable=drawn, console=console, screen=True, refresh_per_second=DRAWN_HZ) as live:
        while True:
            time.sleep(sight.interval_s)
            sight = _next(control, sight)
            live.refresh()


def _next(control: Control, sight: Sight) -> Sight:
    try:
        return sight.after(ask(control), time.monotonic())
    except InputError as error:
        return sight.lost(str(error), datetime.now().astimezone())


def _as_lines(control: Control, interval_s: float, *, once: bool) -> None:
    """Write one JSON object a line; what was told before is never told again."""
    sight = Sight(interval_s).after(ask(control), time.monotonic())
    while True:
        typer.echo(json.dumps(_object(sight), ensure_ascii=False))
        if once:
            return
        time.sleep(interval_s)
        sight = _next(control, sight)


def _object(sight: Sight) -> dict[str, Any]:
    told = sight.told
    if sight.trouble is not None or told is None:
        silent_s = round(sight.silent_s(time.monotonic()), 1)
        now = datetime.now().astimezone()
        return {
            "at": now.isoformat("T", "milliseconds"),
            "connected": False,
            "no_data_s": silent_s,
            "error": sight.trouble,
        }
    at = told.at.isoformat("T", "milliseconds")
    return {"at": at, "connected": True, "status": told.status, "points": told.points, "alerts": told.alerts}
