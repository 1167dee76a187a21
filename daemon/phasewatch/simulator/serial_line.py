"""The server's end of a serial line: a device, or a pty made for the purpose.

Puts characters on a line in the time that they take at its baud rate, on a thread of its own.

The event loop wakes to the millisecond at best, which is ten characters at 115200 baud.

What is wrong with a serial line: noise, lost characters, late replies, echo, another master, a unit id twice.
"""

import asyncio
import os
import random
import termios
import time
import tty
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from threading import Condition, Thread
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from phasewatch.meters.endpoint import line_silence_s

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


NOISE_BYTES: Final = range(1, 4)
"""How many stray bytes come at a time."""


@dataclass(frozen=True, slots=True)
class LineFaults:
    """Faults of a line; by default none."""

    noise: float = 0.0
    """Share of replies with stray bytes in front, 0 to 1."""
    loss: float = 0.0
    """Share of characters that get lost, in requests and replies, 0 to 1."""
    late: float = 0.0
    """Share of replies that come late, 0 to 1."""
    late_s: float = 1.5
    """How late those come."""
    echo: bool = False
    """Whether the adapter hears what it sends."""
    other_master_s: float = 0.0
    """How often another master asks the first unit, whatever else is on the line; 0 = there is none."""
    duplicate_s: float = 0.0
    """How much later than the first unit a second meter of its unit id answers; 0 = there is none."""

    def worn(self, text: bytes, chance: random.Random) -> bytes:
        """Return the characters that are not lost."""
        if not self.loss:
            return text
        return bytes(byte for byte in text if chance.random() >= self.loss)

    def stray(self, chance: random.Random) -> bytes:
        """Return the noise in front of the next reply; mostly there is none."""
        if not self.noise or chance.random() >= self.noise:
            return b""
        return chance.randbytes(chance.choice(NOISE_BYTES))

    def lateness_s(self, chance: random.Random) -> float:
        """Return how late the next reply comes."""
        return self.late_s if self.late and chance.random() < self.late else 0.0


QUIET: Final = LineFaults()


def parse_line_faults(texts: Iterable[str]) -> LineFaults:
    """Return the faults of texts such as `noise=0.1`, `late_s=2`, `echo`.

    Raises: ValueError naming the place and what there is.
    """
    return LineFaults(**dict(_setting(text) for text in texts))  # type: ignore[arg-type]


def _setting(text: str) -> tuple[str, float | bool]:
    name, _, value = text.partition("=")
    if name not in _KINDS:
        raise ValueError(f"{text}: no such fault of a line; there are {', '.join(_KINDS)}")
    try:
        return name, _KINDS[name](value)
    except ValueError:
        raise ValueError(f"{text}: {_REMEDIES.get(name, 'write seconds, 0 or more')}") from None


def _share(text: str) -> float:
    share = float(text)
    if not 0.0 <= share <= 1.0:
        raise ValueError
    return share


def _seconds(text: str) -> float:
    time_s = float(text)
    if not 0.0 <= time_s < 1e6:
        raise ValueError
    return time_s


def _bare(text: str) -> bool:
    if text:
        raise ValueError
    return True


_KINDS: Final[dict[str, Callable[[str], float | bool]]] = {
    field.name: _bare if field.name == "echo" else _seconds if field.name.endswith("_s") else _share
    for field in fields(LineFaults)
}
_REMEDIES: Final = {"echo": "write echo alone"} | dict.fromkeys(("noise", "loss", "late"), "write a share from 0 to 1")


PSEUDO_TERMINALS: Final = range(136, 144)
"""Device numbers of the kernel (major)."""

PARITIES: Final = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}


class Heard(NamedTuple):
    """What a meter hears at a time."""

    characters: bytes
    """Empty once the line has gone."""
    ends: float
    """When the last character has passed, by `time.monotonic`."""
    fresh: bool
    """Whether there was silence before: a new frame begins."""


class SerialLine:
    """An open serial line, read and written without blocking.

    A pty hands over a frame at once; here it takes the time that it takes at the baud rate of the URL. What is said
    while another speaks, or before the silence behind it is over, no meter hears. A real port keeps its own time.
    Opened at another baud rate than the URL's, the pty gives garbage in both directions.
    A pty knows no parity: opening it with one is refused by the kernel.
    """

    def __init__(self, url: str, faults: LineFaults = QUIET) -> None:
        """Open `rtu:///dev/ttyX?baudrate=9600&parity=N&stopbits=1`; without a path, make a pty.

        Raises: OSError if the device cannot be had; ValueError if a setting is unknown.
        """
        at = urlsplit(url)
        query = f"?{at.query}" if at.query else ""
        settings = _settings(at.query)
        self.faults = faults
        """May be changed at any time."""
        self._chance = random.Random(url)  # noqa: S311 - the same faults every time
        self._descriptors, self.path = _opened(at.path)
        self.url = f"rtu://{self.path}{query}"
        """Where the other end finds the line."""
        os.set_blocking(self._descriptors[0], False)
        _configure(self._descriptors[-1], **settings)
        self._right = self._setting()
        character_s = _character_s(at.query)
        paced = os.major(os.stat(self.path).st_rdev) in PSEUDO_TERMINALS
        self.silence_s = line_silence_s(character_s)
        self.wire = Wire(character_s if paced else 0.0, self.silence_s, self._put, self._chance)
        self._heard_until = 0.0
        self._lost = False
        self._arrived: asyncio.Queue[Heard] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self._descriptors[0], self._receive)

    async def read(self) -> Heard:
        """Return the next characters that meters hear."""
        return await self._arrived.get()

    def say(self, frame: bytes, at: float) -> float:
        """Let a speaker send a frame, at a moment or at once if that has passed; return when it has ended."""
        faults, chance = self.faults, self._chance
        begins = max(at, time.monotonic()) + faults.lateness_s(chance)
        return self.wire.say(faults.stray(chance) + faults.worn(frame, chance), begins)

    def close(self) -> None:
        """Give the line back."""
        self.wire.close()
        asyncio.get_running_loop().remove_reader(self._descriptors[0])
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _setting(self) -> int:
        """Return the baud rate at which our pty was opened last, as termios has it; of a port it does not matter."""
        return int(termios.tcgetattr(self._descriptors[-1])[5]) if len(self._descriptors) == 2 else 0

    def _put(self, characters: bytes) -> None:
        if self._setting() != self._right:
            characters = self._chance.randbytes(len(characters))
        with suppress(BlockingIOError):  # nobody reads: a line does not wait
            os.write(self._descriptors[0], characters)

    def _receive(self) -> None:
        try:
            received = os.read(self._descriptors[0], 4096)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if received:
            self._hear(received, time.monotonic())
            return
        asyncio.get_running_loop().remove_reader(self._descriptors[0])
        self._arrived.put_nowait(Heard(b"", 0.0, fresh=True))

    def _hear(self, characters: bytes, now: float) -> None:
        """Take in what the other end sends; pieces without a silence between them are one frame."""
        fresh = now > self._heard_until + self.silence_s
        begins = now if fresh else max(now, self._heard_until)
        ends = self._heard_until = begins + len(characters) * self.wire.character_s
        if fresh:
            self._lost = not self.wire.carries(begins, len(characters)) or self._setting() != self._right
        if self.faults.echo:
            self.wire.say(characters, begins, alone=True)
        if not self._lost and (left := self.faults.worn(characters, self._chance)):
            self._arrived.put_nowait(Heard(left, ends, fresh))


def _opened(path: str) -> tuple[tuple[int, ...], str]:
    """Return the descriptors, ours first, and the path of the other end."""
    if path:
        return (os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK),), path
    ends = os.openpty()
    return ends, os.ttyname(ends[-1])


def _character_s(query: str) -> float:
    """Return the time of a character on a line whose settings are known to be right."""
    line = {"baudrate": "9600", "parity": "N", "stopbits": "1"} | dict(parse_qsl(query))
    return (1 + 8 + (line["parity"] != "N") + int(line["stopbits"])) / int(line["baudrate"])


def _settings(query: str) -> dict[str, int]:
    """Return the settings of a URL as numbers of termios."""
    known: dict[str, Callable[[str], int]] = {
        "baudrate": lambda text: int(getattr(termios, f"B{int(text)}")),
        "parity": lambda text: PARITIES[text],
        "stopbits": lambda text: {"1": 0, "2": termios.CSTOPB}[text],
    }
    settings = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            settings[name] = known[name](text)
        except (KeyError, ValueError, AttributeError):
            raise ValueError(f"{name}={text}: no such setting of a serial line") from None
    return settings


def _configure(descriptor: int, baudrate: int = termios.B9600, parity: int = 0, stopbits: int = 0) -> None:
    tty.setraw(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[2] = mode[2] & ~(termios.PARENB | termios.PARODD | termios.CSTOPB) | parity | stopbits | termios.CLOCAL
    mode[4] = mode[5] = baudrate
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)
