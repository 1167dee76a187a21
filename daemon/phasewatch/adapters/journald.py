"""Writes log records for journald: one line each, its priority in front, the same line once a minute at most."""

import json
import logging
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TextIO

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
