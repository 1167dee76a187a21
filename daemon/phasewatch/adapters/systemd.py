"""Tells systemd how the daemon fares: ready, status, alive, stopping."""

import os
import socket
from collections.abc import Mapping
from typing import Final

LONGEST_STATUS: Final = 500
"""Characters; systemd drops a whole datagram of more than 4096 bytes."""

SEND_TIMEOUT_S: Final = 0.5


class Notifier:
    """Speaks sd_notify as the environment (None: that of the process) asks.

    Does nothing outside systemd, and never raises.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        self._address = _socket_address(variables.get("NOTIFY_SOCKET"))
        self.watchdog_interval_s = _watchdog_interval_s(variables)
        """How often to call `watchdog()`: half of what systemd waits; None when it does not watch."""

    def ready(self) -> bool:
        """Say that the start is complete; return whether systemd could be told."""
        return self._send("READY=1")

    def status(self, text: str) -> bool:
        """Set the one line that `systemctl status` shows; return whether systemd could be told."""
        one_line = " ".join(text.split())[:LONGEST_STATUS]
        return self._send(f"STATUS={one_line}")

    def watchdog(self) -> bool:
        """Say that the daemon is alive; return whether systemd could be told."""
        return self._send("WATCHDOG=1")

    def reloading(self, monotonic_s: float) -> bool:
        """Say that another configuration is being taken over; `ready()` ends that. Return whether systemd was told."""
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_s * 1e6:.0f}")

    def stopping(self) -> bool:
        """Say that the stop has begun; return whether systemd could be told."""
        return self._send("STOPPING=1")

    def _send(self, assignment: str) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT_S)
                channel.sendto(assignment.encode(errors="replace"), self._address)
        except (OSError, ValueError):
            return False
        return True


def _socket_address(address: str | None) -> bytes | None:
    """Return what the socket call wants; None for no address and for kinds other than path and abstract."""
    if not address or address[0] not in "/@":
        return None
    encoded = os.fsencode(address)
    return b"\0" + encoded[1:] if address[0] == "@" else encoded


def _watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    watched_pid = environment.get("WATCHDOG_PID", "")
    if watched_pid and watched_pid != str(os.getpid()):
        return None
    try:
        timeout_us = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return timeout_us / 2e6 if timeout_us > 0 else None
