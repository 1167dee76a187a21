"""A moment by both clocks."""

from datetime import datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """A moment by the wall clock, for people and messages, and by the monotonic clock, for every duration."""

    at: datetime
    """Aware UTC."""
    monotonic_s: float
