"""The serial ports of this machine, and what keeps a person from using one."""

import getpass
import grp
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEV: Final = Path("/dev")
_NAMES: Final = ("ttyUSB*", "ttyACM*", "ttyAMA*", "rs485*")


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port."""

    path: Path
    target: Path
    """The device behind the name."""
    obstacle: str | None
    """Why it cannot be used, with the remedy; None: it can."""


def ports(dev: Path = DEV) -> list[Port]:
    """Return every port once, under the name that stays when adapters change places, if it has one."""
    found: dict[Path, Port] = {}
    for path in _names(dev):
        found.setdefault(path.resolve(), Port(path, path.resolve(), obstacle(path)))
    return list(found.values())


def _names(dev: Path) -> Iterator[Path]:
    yield from sorted((dev / "serial" / "by-id").glob("*"))
    for name in _NAMES:
        yield from sorted(dev.glob(name))


def obstacle(path: Path) -> str | None:
    """Return why a port cannot be used, with the remedy; None: it can."""
    if not path.exists():
        return f"{path}: there is no such port; is the adapter plugged in (ls /dev/serial/by-id /dev/ttyUSB*)?"
    if not path.is_char_device():
        return f"{path}: is no serial port"
    if os.access(path, os.R_OK | os.W_OK):
        return None
    return (
        f"{path}: not permitted; sudo usermod -aG {_group(path)} {_user()} and log in again,"
        " or give it a group by a udev rule as in systemd/70-phasewatch.rules"
    )


def holder(path: Path) -> str | None:
    """Return which other program has a port open; None: none that this user may see."""
    device = str(path.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):  # it is another's, or has ended
            if any(os.readlink(descriptor) == device for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _group(path: Path) -> str:
    """Return the group that may use a port."""
    try:
        name = grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"
    return "dialout" if name == "root" else name


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "USER"
