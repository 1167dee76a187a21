"""The stage of the demo: an embedded broker and simulated meters, on loopback, in a thread of their own."""

import asyncio
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

from phasewatch.cli.outcome import InputError
from phasewatch.configuration.site import LoadedSite
from phasewatch.settings import BusSettings
from phasewatch.simulator.meter import Meter, drawn_gains
from phasewatch.simulator.scenario import Scenario
from phasewatch.simulator.server import Server
from phasewatch.simulator.unit import Unit, played

_START_S: Final = 20.0
_STOP_S: Final = 2.0


class Stage:
    """What the service finds: where the broker and each bus listen, and the time of the story."""

    def __init__(self, scenario: Scenario, loop: bool) -> None:
        self.broker_url = ""
        self.bus_urls: list[str] = []
        self.scenario, self._loop = scenario, loop
        self._start_s: float | None = None

    def begin(self) -> None:
        """Let the story begin now."""
        self._start_s = time.monotonic()

    def clock_s(self) -> float:
        """Return seconds of the story; 0 until it begins, its end for ever after unless it loops."""
        if self._start_s is None:
            return 0.0
        played_s = time.monotonic() - self._start_s
        return played_s % self.scenario.length_s if self._loop else min(played_s, self.scenario.length_s)


@contextmanager
def staged(loaded: LoadedSite, scenario: Scenario, loop: bool) -> Iterator[Stage]:
    """Run the stage; every meter of the site is simulated where the site says it is wired."""
    stage, floor = Stage(scenario, loop), asyncio.new_event_loop()
    thread = threading.Thread(target=floor.run_forever, name="stage", daemon=True)
    thread.start()
    stack = AsyncExitStack()
    try:
        asyncio.run_coroutine_threadsafe(_set_up(stage, loaded, stack), floor).result(_START_S)
        yield stage
    finally:
        ending = asyncio.run_coroutine_threadsafe(stack.aclose(), floor)
        _give_time(ending)
        floor.call_soon_threadsafe(floor.stop)
        thread.join(_STOP_S)


def _give_time(ending: Any) -> None:
    try:
        ending.result(_STOP_S)
    except Exception as error:
        logging.getLogger(__name__).debug("the stage did not end cleanly: %r", error)


async def _set_up(stage: Stage, loaded: LoadedSite, stack: AsyncExitStack) -> None:
    stage.broker_url = await _broker(stack)
    for bus in loaded.site.buses:
        server = await stack.enter_async_context(Server("tcp://127.0.0.1:0", _units(stage, loaded, bus)))
        stage.bus_urls.append(server.url)


def _units(stage: Stage, loaded: LoadedSite, bus: BusSettings) -> dict[int, Unit]:
    units = {}
    for meter in bus.meters:
        profile = loaded.profile_of(meter)
        gains = drawn_gains(profile, random.Random(meter.name), 0.2)  # noqa: S311 - errors of a meter, always the same
        units[loaded.unit_id_of(meter)] = played(Meter(profile, meter.wiring, gains), stage.scenario, stage.clock_s)
    return units


async def _broker(stack: AsyncExitStack) -> str:
    try:
        from amqtt.broker import Broker
    except ImportError:
        raise InputError("the demo needs its embedded broker: pip install 'phasewatch[demo]'") from None
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    port = _free_port()
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    broker = Broker({"listeners": listeners, "plugins": anonymous})
    await broker.start()
    stack.push_async_callback(broker.shutdown)
    return f"mqtt://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
