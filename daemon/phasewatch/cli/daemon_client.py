"""How commands reach the running daemon, and who gives them."""

import getpass
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from phasewatch.adapters.http.client import SYSTEM_SOCKET, Control, ControlError, socket_of
from phasewatch.alerts.event import stamp
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.site import load_site

_ALERT_ID: Final = re.compile(r"[^/]+-[^/]+-[^/]+-[^/]+-\d+")
"""Site, journal, subject, rule, number."""
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def sockets(named: Path | None, config: Path | None) -> tuple[Path, ...]:
    """Return where the daemon may listen.

    `named` alone; else that of a daemon started by hand with the site file `config`, then that of the system's.
    Raises: ConfigurationError.
    """
    if named is not None:
        return (named,)
    by_hand = () if config is None else (socket_of({}, load_site(config).site.state_dir),)
    return (*by_hand, SYSTEM_SOCKET)


def show(control: Control, path: str) -> dict[str, Any]:
    """Return what the daemon shows under a path. Raises: InputError when it cannot be reached."""
    try:
        content = control.get(path)
    except ControlError as error:
        raise InputError(str(error)) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: the daemon answers with {content!r:.80}; it is another version than this command")
    return content


def order(control: Control, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Give a command; return the reply. Raises: InputError when the daemon cannot be reached, or refuses."""
    try:
        answer = control.post(f"/api/alerts/{verb}", body)
    except ControlError as error:
        raise InputError(str(error)) from error
    reply: dict[str, Any] = answer.content if isinstance(answer.content, dict) else {}
    if not answer.ok or not reply.get("ok"):
        raise InputError(f"{verb}: {reply.get('error') or f'the daemon answers {answer.code}'}")
    return reply


def login() -> str:
    """Return who sits at the terminal, behind sudo too."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def target(text: str) -> dict[str, str]:
    """Return what names an alert: subject/rule[/phase], or its id. Raises: InputError."""
    parts = text.split("/")
    if _ALERT_ID.fullmatch(text):
        return {"alert_id": text}
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(
            f"{text}: must be SUBJECT/RULE or SUBJECT/RULE/PHASE as `phasewatch alerts list` shows it, or an alert_id"
        )
    return dict(zip(("subject", "rule", "phase"), parts, strict=False))


def end_of(until: str | None, lasting: str | None, now: datetime) -> str | None:
    """Return the end that --until or --for names, None without one. Raises: InputError."""
    if until is not None and lasting is not None:
        raise InputError("--until and --for are both given; give one of them")
    if lasting is not None:
        return stamp(_after(now, lasting))
    if until is None:
        return None
    try:
        return stamp(datetime.fromisoformat(until).astimezone(UTC))  # without a zone: this machine's
    except (ValueError, OverflowError):
        raise InputError(f"--until {until}: must be a time as 2026-03-01T18:00 or 2026-03-01T17:00:00Z") from None


def _after(now: datetime, lasting: str) -> datetime:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", lasting)
    if found is None:
        raise InputError(f"--for {lasting}: must be a number with s, m, h or d, as 90m, 2h or 3d")
    try:
        return now + timedelta(seconds=float(found[1]) * _UNIT_S[found[2]])
    except OverflowError:
        raise InputError(f"--for {lasting}: is beyond the calendar") from None
