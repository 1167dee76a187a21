"""Puts characters on a line in the time that they take at its baud rate, on a thread of its own.

The event loop wakes to the millisecond at best, which is ten characters at 115200 baud.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Final

CHUNK_S: Final = 0.002
"""Characters of this time are put out together; the last of a frame is on time."""

Put = Callable[[bytes], object]


@dataclass(slots=True)
class _Talk:
    """A frame on its way."""

    begins: float
    characters: bytearray
    put: int = 0


class Wire:
    """One pair of conductors: who speaks at the same time as another spoils both. Times are of `time.monotonic`."""

    def __init__(self, character_s: float, silence_s: float, put: Put, chance: random.Random) -> None:
        """Take the time of a character, the silence between frames, and what puts characters out; OSError ends it."""
        self.character_s, self.silence_s = character_s, silence_s
        self._put, self._chance = put, chance
        self._talks: list[_Talk] = []
        self._taken: list[tuple[float, float]] = []
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()

    def say(self, characters: bytes, begins: float, *, alone: bool = False) -> float:
        """Put characters out from a moment on and return when the last has gone; `alone`: they spoil nothing."""
        talk = _Talk(begins, bytearray(characters))
        ends = self._end(talk)
        with self._changed:
            if not alone:
                self._collide(talk)
                self._take(begins, ends, time.monotonic())
            self._talks.append(talk)
            self._changed.notify()
        return ends

    def carries(self, begins: float, characters: int) -> bool:
        """Whether the line was silent before and is free for so many characters; they hold it from now on."""
        ends = begins + characters * self.character_s
        with self._changed:
            free = all(ends <= begun or begins >= ended + self.silence_s for begun, ended in self._taken)
            self._take(begins, ends, begins)
        return free

    def close(self) -> None:
        """Put nothing out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _take(self, begins: float, ends: float, now: float) -> None:
        self._taken = [taken for taken in self._taken if taken[1] + self.silence_s > now]
        self._taken.append((begins, ends))

    def _end(self, talk: _Talk) -> float:
        return talk.begins + len(talk.characters) * self.character_s

    def _collide(self, talk: _Talk) -> None:
        ends = self._end(talk)
        for other in self._talks:
            if talk.begins < self._end(other) and other.begins < ends:
                for spoilt in (talk, other):
                    spoilt.characters[spoilt.put :] = self._chance.randbytes(len(spoilt.characters) - spoilt.put)

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                try:
                    for talk in self._talks:
                        self._put_due(talk, now)
                except OSError:
                    return
                self._talks = [talk for talk in self._talks if talk.put < len(talk.characters)]
                wakes = min((self._wakes(talk, now) for talk in self._talks), default=None)
                self._changed.wait(None if wakes is None else max(wakes - time.monotonic(), 0.0))

    def _put_due(self, talk: _Talk, now: float) -> None:
        due = 0 if now <= talk.begins else len(talk.characters)
        if talk.begins < now < self._end(talk):
            due = int((now - talk.begins) / self.character_s)
        if due > talk.put:
            self._put(bytes(talk.characters[talk.put : due]))
            talk.put = due

    def _wakes(self, talk: _Talk, now: float) -> float:
        first = talk.begins + (talk.put + 1) * self.character_s
        return min(max(first, now + CHUNK_S), self._end(talk))
