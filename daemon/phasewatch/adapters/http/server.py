"""Serves an ASGI application in the daemon's own loop: on the unix socket for people here, and over TCP.

The protocol is uvicorn's; its server is not used, because that installs signal handlers and wakes ten times a second.
What cannot be listened at is tried again for ever: it never stops the daemon from measuring.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.server import ServerState

from phasewatch.adapters.http.api import Daemon, TokenError, application, read_token
from phasewatch.adapters.http.client import socket_of
from phasewatch.adapters.http.connection import MOST_CONNECTIONS, Connection, Peer
from phasewatch.settings import Site, host_and_port

KEEP_ALIVE_S: Final = 15
FAREWELL_S: Final = 0.3
"""What is under way at the stop may take this long to end."""
RETRY_S: Final = 10.0
SOCKET_MODE: Final = 0o660
HEADERS: Final = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)

_log = logging.getLogger(__name__)


class HttpServer:
    """The application on a unix socket and, if asked for, at a TCP address."""

    def __init__(
        self, app: Callable[..., Any], path: Path, listen: str | None = None, remarks: Sequence[str] = ()
    ) -> None:
        """`listen`: host:port; None: the unix socket alone. `remarks`: problems that are known before it starts."""
        self._remarks, self._unheard = tuple(remarks), tuple[str, ...]()
        self._places: list[_Place] = [_UnixPlace(path)]
        if listen is not None:
            self._places.append(_TcpPlace(listen))
        self._config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            workers=1,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._retry: asyncio.Task[None] | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as the site file asks for, a line each, with the remedy."""
        return (*self._remarks, *self._unheard)

    @property
    def listening(self) -> tuple[str, ...]:
        """Where it listens now."""
        return tuple(place.name for place in self._places if place.server is not None)

    @property
    def port(self) -> int | None:
        """The TCP port; None while there is none."""
        return next((place.port for place in self._places if isinstance(place, _TcpPlace)), None)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Listen; where that fails, name the problem and go on trying. Raises nothing for it."""
        if not self._config.loaded:
            self._config.load()
        for remark in self._remarks:
            _log.error("%s", remark)
        await self._listen()
        self._retry = asyncio.create_task(self._listen_for_ever(), name="web")

    async def stop(self) -> None:
        """Stop to listen, let what is under way end, and cut off the rest."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.wait([self._retry])
        for place in self._places:
            place.close()
        under_way = [task for place in self._places for task in place.state.tasks]
        if under_way:
            await asyncio.wait(under_way, timeout=FAREWELL_S)
        for place in self._places:
            place.cut_off()
        await asyncio.sleep(0)  # most end by themselves when their client is gone
        for task in [task for place in self._places for task in place.state.tasks]:
            task.cancel()
        await asyncio.sleep(0)

    async def _listen_for_ever(self) -> None:
        while self._unheard:
            await asyncio.sleep(RETRY_S)
            await self._listen()

    async def _listen(self) -> None:
        problems = []
        for place in self._places:
            try:
                await place.open(self._config)
            except OSError as error:
                problems.append(place.remedy(error))
            except UnicodeError as error:
                problems.append(place.remedy(OSError(f"no name of a host: {error}")))
        for problem in set(problems) - set(self._unheard):
            _log.error("%s", problem)
        self._unheard = tuple(problems)


def server_of(daemon: Daemon, site: Site, environment: Mapping[str, str], more: Sequence[Any] = ()) -> HttpServer:
    """Return the server that a site file asks for; a token that is none is a problem of it, not an error.

    `more`: further routes of the application.
    """
    token, remarks = None, []
    if site.web is not None and site.web.token_file is not None:
        try:
            token = read_token(site.web.token_file)
        except TokenError as error:
            remarks.append(f"{error}; until then there are no commands over TCP")
    listen = None if site.web is None else site.web.listen
    return HttpServer(application(daemon, token, more), socket_of(environment, site.state_dir), listen, remarks)


async def obstacle_at(listen: str) -> str | None:
    """Return why nobody could listen at host:port now, with the remedy; None: one can."""
    place = _TcpPlace(listen)
    try:
        server = await place.listen(asyncio.Protocol)
    except (OSError, UnicodeError) as error:
        return place.why(error)
    server.close()
    await server.wait_closed()
    return None


class _Place:
    """Something to listen at, and who is connected there."""

    def __init__(self, name: str, peer: Peer) -> None:
        self.name, self.peer = name, peer
        self.state = ServerState()
        self.state.default_headers = list(HEADERS)
        self.server: asyncio.Server | None = None

    async def open(self, config: uvicorn.Config) -> None:
        """Listen. Raises: OSError."""
        if self.server is None:
            factory = partial(Connection, config=config, server_state=self.state, app_state={"peer": self.peer})
            self.server = await self.listen(factory)

    async def listen(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        raise NotImplementedError

    def remedy(self, error: OSError) -> str:
        """Return what is wrong and what to do about it."""
        raise NotImplementedError

    def close(self) -> None:
        """Take no more connections."""
        if self.server is not None:
            self.server.close()
            self.server = None

    def cut_off(self) -> None:
        """End every connection."""
        for connection in list(self.state.connections):
            connection.transport.abort()


class _TcpPlace(_Place):
    """A TCP address."""

    def __init__(self, listen: str) -> None:
        self._host, self._port = host_and_port(listen)
        super().__init__(listen, Peer(loopback=_is_loopback(self._host)))

    @property
    def port(self) -> int | None:
        return None if self.server is None else int(self.server.sockets[0].getsockname()[1])

    async def listen(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(factory, self._host, self._port, backlog=MOST_CONNECTIONS)

    def remedy(self, error: OSError) -> str:
        return f"web.listen: {self.why(error)}"

    def why(self, error: OSError | UnicodeError) -> str:
        number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
        return f"{self.name}: {reason or error}; {_REMEDIES.get(number or 0, _ANY_REMEDY)}"


class _UnixPlace(_Place):
    """A unix socket, open to root, the daemon's user and its group."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Peer(local=True))
        self._path = path
        self._made: os.stat_result | None = None

    async def listen(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Server:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            self._take_over()
            channel.bind(str(self._path))
            self._path.chmod(SOCKET_MODE)  # the umask of the unit leaves nothing to the group
            self._made = self._path.stat()
            return await asyncio.get_running_loop().create_server(factory, sock=channel, backlog=MOST_CONNECTIONS)
        except BaseException:
            channel.close()
            raise

    def _take_over(self) -> None:
        """Remove the socket of a daemon that was killed. Raises: OSError when somebody listens, or it is no socket."""
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise FileExistsError(errno.EEXIST, "is no socket; remove it")
            if _answers(self._path):
                raise FileExistsError(errno.EADDRINUSE, "another daemon listens there; stop it, or give each its own")
            self._path.unlink()

    def remedy(self, error: OSError) -> str:
        why = error.strerror or str(error)
        if "too long" in why:  # the system says no more than that
            why += "; shorten state_dir, or set RUNTIME_DIRECTORY"
        elif isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
            why += f"; make {self._path.parent} a directory that this user may write to"
        return f"control socket: {self._path}: {why}; `status` and `alerts` do not reach this daemon until then"

    def close(self) -> None:
        super().close()
        with suppress(OSError):
            if self._made is not None and os.path.samestat(self._made, self._path.lstat()):
                self._path.unlink()
        self._made = None


_ANY_REMEDY: Final = "give host and port of this machine, as 127.0.0.1:8600"
_REMEDIES: Final = {
    errno.EADDRINUSE: "another program listens there: choose another port",
    errno.EADDRNOTAVAIL: "this machine does not have the address (yet): use one of its own, or 0.0.0.0 for all",
    errno.EACCES: "ports below 1024 are for root: choose a higher one",
}


def _answers(path: Path) -> bool:
    """Return whether somebody listens at a unix socket; a queue that is full is somebody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.setblocking(False)
        try:
            channel.connect(str(path))
        except BlockingIOError:
            return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
