"""Round numbers and round times for axes."""

from datetime import datetime, timedelta
from math import ceil, floor, log10
from typing import Final

_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800, 604800),
)
_SMALLEST: Final = 1e-3


def round_up(value: float) -> float:
    """Return the next of 1, 1.5, 2, 3, 4, 5, 7.5, 10 times a power of ten."""
    value = max(value, _SMALLEST)
    power = 10.0 ** floor(log10(value))
    digit = next(digit for digit in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0) if value <= digit * power * (1 + 1e-9))
    return float(f"{digit * power:.6g}")


def number_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten so that no more than `most` steps lie in a span."""
    rough = max(span, _SMALLEST) / max(most, 1)
    power = 10.0 ** floor(log10(rough))
    digit = next(digit for digit in (1.0, 2.0, 5.0, 10.0) if rough <= digit * power * (1 + 1e-9))
    return digit * power


def number_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round values from low to high with their texts."""
    step = number_step(high - low, most)
    decimals = max(0, -floor(log10(step) + 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [(place * step, f"{place * step + 0.0:.{decimals}f}") for place in range(first, last + 1)]


def time_ticks(at: datetime, first_s: float, last_s: float, most: int = 5) -> list[tuple[float, str]]:
    """Return round times of the clock of `at` with their texts; first_s and last_s count from `at`."""
    span_s = last_s - first_s
    step_s = next(
        (step for step in _STEPS_S if span_s / step <= most), _STEPS_S[-1] * ceil(span_s / _STEPS_S[-1] / most)
    )
    at_s = (at.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001  wall clock of its zone
    places = range(ceil((at_s + first_s) / step_s - 1e-9), floor((at_s + last_s) / step_s + 1e-9) + 1)
    return [(place * step_s - at_s, _text(at, place * step_s - at_s, step_s)) for place in places]


def _text(at: datetime, moment_s: float, step_s: float) -> str:
    moment = at + timedelta(seconds=moment_s + 0.0005)
    return moment.strftime("%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < 86400 else "%m-%d")


def zone(at: datetime) -> str:
    """Return the zone of a time as people read it: UTC, UTC+02:00."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("the time must know its zone")
    if not offset:
        return "UTC"
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
