"""Tells systemd how the daemon fares: ready, status, alive, stopping.

Writes log records for journald: one line each, its priority in front, the same line once a minute at most.

What the Linux kernel knows of this boot: its id, and whether the clock is synchronised.
"""

import ctypes
import json
import logging
import os
import re
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TextIO

LONGEST_STATUS: Final = 500
"""Characters; systemd drops a whole datagram of more than 4096 bytes."""

SEND_TIMEOUT_S: Final = 0.5


class Notifier:
    """Speaks sd_notify as the environment (None: that of the process) asks.

    Does nothing outside systemd, and never raises.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        self._address = _socket_address(variables.get("NOTIFY_SOCKET"))
        self.watchdog_interval_s = _watchdog_interval_s(variables)
        """How often to call `watchdog()`: half of what systemd waits; None when it does not watch."""

    def ready(self) -> bool:
        """Say that the start is complete; return whether systemd could be told."""
        return self._send("READY=1")

    def status(self, text: str) -> bool:
        """Set the one line that `systemctl status` shows; return whether systemd could be told."""
        one_line = " ".join(text.split())[:LONGEST_STATUS]
        return self._send(f"STATUS={one_line}")

    def watchdog(self) -> bool:
        """Say that the daemon is alive; return whether systemd could be told."""
        return self._send("WATCHDOG=1")

    def reloading(self, monotonic_s: float) -> bool:
        """Say that another configuration is being taken over; `ready()` ends that. Return whether systemd was told."""
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_s * 1e6:.0f}")

    def stopping(self) -> bool:
        """Say that the stop has begun; return whether systemd could be told."""
        return self._send("STOPPING=1")

    def _send(self, assignment: str) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.sendto(assignment.encode(errors="replace"), self._address)
        except (OSError, ValueError):
            return False
        return True


def _socket_address(address: str | None) -> bytes | None:
    """Return what the socket call wants; None for no address and for kinds other than path and abstract."""
    if not address or address[0] not in "/@":
        return None
    encoded = os.fsencode(address)
    return b"\0" + encoded[1:] if address[0] == "@" else encoded


def _watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    watched_pid = environment.get("WATCHDOG_PID", "")
    if watched_pid and watched_pid != str(os.getpid()):
        return None
    try:
        timeout_us = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return timeout_us / 2e6 if timeout_us > 0 else None


PRIORITIES: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO + 1, 5), (logging.INFO, 6))
"""The lowest level of each syslog priority; what is below all of them is 7, debug."""

QUIET_S: Final = 60.0
MOST_KEYS: Final = 1000

_STANDARD_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "key"}
_PLAIN: Final = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f]+")


def logfmt(record: logging.LogRecord) -> str:
    """Return the record as `msg="..." from=module name=value ...`; the names are those of `extra`."""
    fields: dict[str, object] = {"msg": _message(record), "from": record.name.removeprefix("phasewatch.")}
    fields |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD_FIELDS}
    if record.exc_info and record.exc_info[1] is not None:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info)
    return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


class JournalFormatter(logging.Formatter):
    """Puts the priority (`<3>` error to `<7>` debug) in front of one logfmt line."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_priority(record.levelno)}>{logfmt(record)}"


class RateLimit(logging.Filter):
    """Lets the first record of a key pass, then one a minute, which says in `repeated` how many it stands for.

    The key is `extra={"key": ...}`; without it the line itself, so that only equal lines are held back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, quiet_s: float = QUIET_S) -> None:
        super().__init__()
        self._monotonic, self._quiet_s = monotonic, quiet_s
        self._passed: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """By key, the longest quiet first: when one passed, and how many were held back since."""
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        key = str(getattr(record, "key", None) or logfmt(record))
        with self._lock:
            held = self._held_before(key, self._monotonic())
        if held:
            record.repeated = held + 1
        return held is not None

    def _held_before(self, key: str, now_s: float) -> int | None:
        """Count the record; return how many of its key were held back before it, None to hold it back too."""
        passed_s, held = self._passed.get(key, (-self._quiet_s + now_s, 0))
        if now_s - passed_s < self._quiet_s:
            self._passed[key] = passed_s, held + 1
            return None
        self._passed[key] = now_s, 0
        self._passed.move_to_end(key)
        if len(self._passed) > MOST_KEYS:
            self._passed.popitem(last=False)
        return held


class JournalHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream (None: stderr) with the formatter and the rate limit."""

    def __init__(self, stream: TextIO | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream or sys.stderr)
        self.setFormatter(JournalFormatter())
        self.addFilter(RateLimit(monotonic))


def _priority(level: int) -> int:
    return next((priority for lowest, priority in PRIORITIES if level >= lowest), 7)


def _message(record: logging.LogRecord) -> str:
    """Return the text; a format that does not fit its arguments is shown beside them, not lost."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


def _quoted(value: object) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False)
    )


_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNCD: Final = Path("/run/systemd/timesync/synchronized")
"""The unit's sandbox refuses adjtimex; this file is there once the clock was set."""
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512
"""More than any `struct timex`; all zeroes asks without setting. Source: man 2 adjtimex."""


def boot_id() -> str | None:
    """Return the id of this boot; None where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def clock_synchronised() -> bool | None:
    """Return whether something keeps the clock right, as the kernel or systemd-timesyncd says; None: nobody knows."""
    try:
        state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state >= 0:
        return state < _TIME_ERROR
    return _TIMESYNCD.exists() if _TIMESYNCD.parent.exists() else None
