"""The way to the running daemon: where its control socket lies, and HTTP over it."""

import json
import socket
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final, NamedTuple

NAME: Final = "control.sock"
SYSTEM_SOCKET: Final = Path("/run/phasewatch") / NAME
"""Where the daemon that systemd started listens."""
TIMEOUT_S: Final = 10.0


class ControlError(Exception):
    """The daemon cannot be reached or makes no sense; the text names the socket and the remedy."""


class Answer(NamedTuple):
    """What the daemon said."""

    code: int
    """HTTP status."""
    content: Any

    @property
    def ok(self) -> bool:
        """Whether the daemon did what it was asked for."""
        return self.code < 300


def socket_of(environment: Mapping[str, str], state_dir: Path) -> Path:
    """Return where the daemon listens: in the runtime directory that systemd gives it, else in its state directory."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else state_dir) / NAME


class Control:
    """Asks the first daemon that answers at one of some sockets."""

    def __init__(self, sockets: Sequence[Path], timeout_s: float = TIMEOUT_S) -> None:
        self._sockets, self._timeout_s = tuple(sockets), timeout_s

    def get(self, path: str) -> Any:
        """Return what the daemon shows under a path. Raises: ControlError."""
        answer = self._ask("GET", path, None)
        if not answer.ok:
            raise ControlError(f"{path}: the daemon answers {answer.code}: {_said(answer.content)}")
        return answer.content

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Send a command; return the reply, which may be a refusal. Raises: ControlError."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        reasons = []
        for place in self._sockets:
            connection = _UnixConnection(place, self._timeout_s)
            try:
                connection.connect()
            except OSError as error:
                reasons.append(f"{place}: {_unreachable(error)}")
                continue
            try:
                return _exchange(connection, method, path, body)
            except (OSError, HTTPException, ValueError) as error:
                raise ControlError(
                    f"{place}: no usable answer ({error!r}); see what it logs: journalctl -u phasewatch"
                ) from error
            finally:
                connection.close()
        raise ControlError("\n".join(reasons))


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, place: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._place, self._timeout_s = place, timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self._timeout_s)
            self.sock.connect(str(self._place))
        except OSError:
            self.close()
            raise


def _exchange(connection: HTTPConnection, method: str, path: str, body: bytes | None) -> Answer:
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    response: HTTPResponse = connection.getresponse()
    return Answer(response.status, json.loads(response.read()))


def _unreachable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            "there is no such socket; is the daemon running (systemctl status phasewatch)?"
            " one that was started by hand is found with --socket or --config"
        )
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens any more; start the daemon (systemctl start phasewatch)"
    if isinstance(error, PermissionError):
        return "not permitted; use sudo, or join the group (usermod -aG phasewatch USER) and log in again"
    return str(error)


def _said(content: Any) -> str:
    return str(content.get("error", content)) if isinstance(content, dict) else str(content)
