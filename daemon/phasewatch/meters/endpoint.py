"""Where a bus is reached: the URL forms of the site file, and the timing of the line behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from posixpath import normpath
from typing import Final, Literal, cast, get_args
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

Framing = Literal["tcp", "rtu", "rtu+tcp", "udp"]
Parity = Literal["N", "E", "O"]

DEFAULT_PORT: Final = 502
FORMS: Final = (
    "tcp://host:502, udp://host:502, rtu+tcp://host:4001 or rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1"
)
SILENT_CHARACTERS: Final = 3.5
"""Silence that ends a frame on a serial line, in characters. Source: Modbus over serial line V1.02, 2.5.1.1."""
LEAST_SILENCE_S: Final = 0.00175
"""The fixed silence above 19200 baud. Source: as above."""


def line_silence_s(character_s: float) -> float:
    """Return the silence between two frames on a serial line, from the time of one character."""
    return max(SILENT_CHARACTERS * character_s, LEAST_SILENCE_S)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One serial line or network endpoint, and the framing spoken on it."""

    framing: Framing
    host: str | None = None
    """None on a local serial port."""
    port: int | None = None
    """None on a local serial port."""
    device: str | None = None
    """Path of the local serial port; None on the network."""
    baudrate: int = 9600
    """Of the local port, or of the line behind an `rtu+tcp` gateway."""
    parity: Parity = "N"
    stopbits: Literal[1, 2] = 1

    @property
    def serial_line(self) -> bool:
        """Whether RTU frames run over a serial line, here or behind a gateway."""
        return self.framing in ("rtu", "rtu+tcp")

    @property
    def key(self) -> str:
        """Identity of the physical endpoint, whatever its framing: two buses with one key are one bus.

        A link in /dev and its target are two keys: a path is compared as it is written.
        """
        return self.device or self._netloc

    @property
    def url(self) -> str:
        """Canonical URL, as messages name the endpoint."""
        if self.device is None:
            return f"{self.framing}://{self._netloc}"
        return f"rtu://{quote(self.device)}?baudrate={self.baudrate}&parity={self.parity}&stopbits={self.stopbits}"

    @property
    def character_bits(self) -> int:
        """Bits of one character on the line: start, eight data, parity, stop."""
        return 1 + 8 + (self.parity != "N") + self.stopbits

    @property
    def character_s(self) -> float:
        """Time of one character on the line; 0 where no serial line is known."""
        return self.character_bits / self.baudrate if self.serial_line else 0.0

    @property
    def silence_s(self) -> float:
        """Silence between two frames on the line; 0 where no serial line is known."""
        return line_silence_s(self.character_s) if self.serial_line else 0.0

    @property
    def _netloc(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_url(url: str) -> Endpoint:
    """Return the endpoint that a bus URL names.

    Raises: ValueError whose text names the remedy.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"{url}: {error}; write {FORMS}") from None
    if parts.scheme not in get_args(Framing):
        raise ValueError(f"{url}: unknown scheme {parts.scheme!r}; write {FORMS}")
    if parts.fragment or "@" in parts.netloc or any(c.isspace() for c in url):
        raise ValueError(f"{url}: no user, fragment or blank belongs in a bus URL; write {FORMS}")
    return _local(url, parts) if parts.scheme == "rtu" else _remote(url, parts)


def _local(url: str, parts: SplitResult) -> Endpoint:
    if parts.netloc:
        raise ValueError(f"{url}: a serial port has three slashes: rtu:///{parts.netloc}{parts.path}")
    device = "/" + normpath(unquote(parts.path)).lstrip("/")
    if device == "/" or parts.path.endswith("/"):
        raise ValueError(f"{url}: the serial port is missing; write {FORMS}")
    return _with_line(Endpoint("rtu", device=device), url, parts)


def _remote(url: str, parts: SplitResult) -> Endpoint:
    if parts.path not in ("", "/"):
        raise ValueError(f"{url}: nothing belongs behind host:port; remove {parts.path}")
    host = _host(parts.hostname or "")
    if not host:
        raise ValueError(f"{url}: the host is missing; write {parts.scheme}://host:{DEFAULT_PORT}")
    framing = cast("Framing", parts.scheme)
    return _with_line(Endpoint(framing, host=host, port=_port(url, parts)), url, parts)


def _host(name: str) -> str:
    try:
        return ip_address(name).compressed
    except ValueError:
        return name.removesuffix(".")


def _port(url: str, parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"{url}: the port must be a whole number from 1 to 65535")
    return port or DEFAULT_PORT


def _with_line(bare: Endpoint, url: str, parts: SplitResult) -> Endpoint:
    """Return the endpoint with the line settings of the query."""
    allowed = tuple(_LINE) if bare.serial_line else ()
    found: dict[str, str] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in allowed:
            raise ValueError(f"{url}: unknown setting {name!r}; " + _allowed_text(bare.framing, allowed))
        if name in found:
            raise ValueError(f"{url}: {name} is set twice; keep one")
        found[name] = text
    line = {name: _line_setting(url, name, text) for name, text in found.items()}
    return Endpoint(
        bare.framing,
        bare.host,
        bare.port,
        bare.device,
        baudrate=cast("int", line.get("baudrate", bare.baudrate)),
        parity=cast("Parity", line.get("parity", bare.parity)),
        stopbits=cast("Literal[1, 2]", line.get("stopbits", bare.stopbits)),
    )


def _allowed_text(framing: Framing, allowed: tuple[str, ...]) -> str:
    return f"one of {', '.join(allowed)}" if allowed else f"{framing} takes none"


def _line_setting(url: str, name: str, text: str) -> int | str:
    parse, rule = _LINE[name]
    value = parse(text)
    if value is None:
        raise ValueError(f"{url}: {name}={text}: must be {rule}")
    return value


def _baudrate(text: str) -> int | None:
    whole = text.isascii() and text.isdigit() and len(text) <= 7
    return int(text) if whole and 300 <= int(text) <= 4_000_000 else None


_LINE: Final[dict[str, tuple[Callable[[str], int | str | None], str]]] = {
    "baudrate": (_baudrate, "a whole number from 300 to 4000000"),
    "parity": ({"N": "N", "E": "E", "O": "O"}.get, "N, E or O"),
    "stopbits": ({"1": 1, "2": 2}.get, "1 or 2"),
}
