"""Certificates made for a test: an authority, and servers and clients that it signed, or should not have."""

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

_KEY: Final = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


class Pair(NamedTuple):
    """A certificate and its key, both PEM."""

    certificate: Path
    key: Path

    def broker_options(self) -> tuple[str, str]:
        """Return the lines that let mosquitto listen with them."""
        return f"certfile {self.certificate}", f"keyfile {self.key}"


class Authority:
    """Signs certificates; whoever trusts it is given `pair.certificate`."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.pair = self._pair(name)
        _openssl(f"req -x509 {_KEY} -days 30 -subj /CN={name}", "-keyout", self.pair.key, "-out", self.pair.certificate)

    def signed(self, name: str, *, alternative: str = "IP:127.0.0.1", days: int = 30) -> Pair:
        """Return a certificate for an alternative name; one of -1 days has expired."""
        pair, request, extensions = self._pair(name), self._directory / "request", self._directory / "extensions"
        extensions.write_text(f"subjectAltName={alternative}\n")
        _openssl(f"req {_KEY} -subj /CN={name}", "-keyout", pair.key, "-out", request)
        authority = "-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial", "-extfile", extensions
        _openssl(f"x509 -req -days {days}", "-in", request, *authority, "-out", pair.certificate)
        return pair

    def _pair(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")


def _openssl(command: str, *more: object) -> None:
    subprocess.run(["openssl", *command.split(), *map(str, more)], check=True, capture_output=True)
