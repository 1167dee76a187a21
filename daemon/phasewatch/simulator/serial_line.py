"""The server's end of a serial line: a device, or a pty made for the purpose."""

import asyncio
import os
import random
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from phasewatch.meters.endpoint import line_silence_s
from phasewatch.simulator.line_faults import QUIET, LineFaults
from phasewatch.simulator.wire import Wire

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
    To whoever opens the pty at another baud rate than the URL's, all characters are garbage, and his are to meters.
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
