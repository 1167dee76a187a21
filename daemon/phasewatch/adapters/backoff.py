"""Growing pauses between attempts, with jitter."""

from collections.abc import Callable


class Backoff:
    """Pauses that double, each spread by half its length either way."""

    def __init__(self, shortest_s: float, longest_s: float, jitter: Callable[[], float]) -> None:
        self._shortest_s, self._longest_s, self._jitter = shortest_s, longest_s, jitter
        self._pause_s = shortest_s

    def next_s(self) -> float:
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, self._longest_s)
        return pause_s * (0.5 + self._jitter())

    def reset(self) -> None:
        self._pause_s = self._shortest_s

    def slow_down(self) -> None:
        self._pause_s = self._longest_s
