"""The server's end of a serial line: a device, or a pty made for the purpose."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

PARITIES: Final = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}


class SerialLine:
    """An open serial line, read and written without blocking."""

    def __init__(self, url: str) -> None:
        """Open `rtu:///dev/ttyX?baudrate=9600&parity=N&stopbits=1`; without a path, make a pty.

        Raises: OSError if the device cannot be had; ValueError if a setting is unknown.
        """
        at = urlsplit(url)
        query = f"?{at.query}" if at.query else ""
        settings = _settings(at.query)
        if at.path:
            self._descriptors: tuple[int, ...] = (os.open(at.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK),)
            self.path = at.path
        else:
            self._descriptors = os.openpty()
            self.path = os.ttyname(self._descriptors[-1])
        self.url = f"rtu://{self.path}{query}"
        """Where the other end finds the line."""
        os.set_blocking(self._descriptors[0], False)
        _configure(self._descriptors[-1], **settings)
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self._descriptors[0], self._receive)

    async def read(self) -> bytes:
        """Return the next bytes; empty once the line has gone."""
        return await self._arrived.get()

    def write(self, frame: bytes) -> None:
        """Send a frame."""
        os.write(self._descriptors[0], frame)

    def close(self) -> None:
        """Give the line back."""
        asyncio.get_running_loop().remove_reader(self._descriptors[0])
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _receive(self) -> None:
        try:
            received = os.read(self._descriptors[0], 4096)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            asyncio.get_running_loop().remove_reader(self._descriptors[0])
        self._arrived.put_nowait(received)


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
