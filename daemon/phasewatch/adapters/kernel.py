"""What the Linux kernel knows of this boot: its id, and whether the clock is synchronised."""

import ctypes
from pathlib import Path
from typing import Final

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
