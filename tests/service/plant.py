"""Simulated meters on real Modbus TCP, and the service over them, each in a thread of its own."""

import asyncio
import json
import math
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from phasewatch.configuration.files import load_profile
from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.profile import Profile
from phasewatch.service.service import Service
from phasewatch.service.state import delivery_config
from phasewatch.simulator.device import Fault, Unit
from phasewatch.simulator.server import Server
from tests.broker import Subscriber
from tests.service.site import HEALTHY, SDM630


def _with_nan(profile: Profile) -> Profile:
    """Return the profile of a meter whose registers say "not a number" for what it cannot measure."""
    registers = {name: r.model_copy(update={"unavailable": (math.nan,)}) for name, r in profile.registers.items()}
    return profile.model_copy(update={"registers": registers})


class Plant:
    """Meters by name, each alone on a server of its own; what they show and what ails them may change at any time."""

    def __init__(self, *names: str) -> None:
        self.shown: dict[str, Mapping[str, float]] = dict.fromkeys(names, HEALTHY)
        profile = _with_nan(load_profile(SDM630))
        self._units = {name: Unit(profile, partial(self.shown.__getitem__, name)) for name in names}
        self._servers = {name: Server("tcp://127.0.0.1:0", {1: unit}) for name, unit in self._units.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="plant", daemon=True)

    def start(self) -> None:
        self._thread.start()
        for server in self._servers.values():
            self._in_loop(server.start())

    def stop(self) -> None:
        for server in self._servers.values():
            self._in_loop(server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def url(self, name: str) -> str:
        return self._servers[name].url

    def asked(self, name: str) -> int:
        """Return how many of the last thousand requests a meter's server has had."""
        return len(self._servers[name].requests)

    def switch_off(self, name: str) -> None:
        """Take a meter off the network, with every connection to it."""
        url = self._servers[name].url
        self._in_loop(self._servers[name].stop())
        self._servers[name] = Server(url, {1: self._units[name]})

    def switch_on(self, name: str) -> None:
        """Let a meter come back where it was."""
        self._in_loop(self._servers[name].start())

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def ail(self, name: str, fault: Fault) -> None:
        self._servers[name].faults[1] = fault

    def cure(self, name: str) -> None:
        self._servers[name].faults.clear()


@contextmanager
def plant(*names: str) -> Iterator[Plant]:
    meters = Plant(*names)
    meters.start()
    try:
        yield meters
    finally:
        meters.stop()


class Running:
    """A service in a thread of its own."""

    def __init__(self, loaded: LoadedSite, first_protocol: Literal["5", "3.1.1"] = "5", **keys: Any) -> None:
        quick = replace(delivery_config(loaded), shortest_pause_s=0.02, longest_pause_s=0.1)
        self.service = Service(loaded, delivery=replace(quick, first_protocol=first_protocol), **keys)
        self.error: BaseException | None = None
        self._loop, self._stop = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self.service.run(self._stop))
        except BaseException as error:
            self.error = error
        finally:
            self._loop.close()

    def stop(self, timeout_s: float = 15.0) -> None:
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the service ends"
        assert self.error is None, repr(self.error)

    def polls(self, bus: str) -> int:
        """Return how many polls were made on a bus."""
        return sum(meter.polls for poller in self.service.pollers if poller.name == bus for meter in poller.meters)

    def standing(self) -> list[str]:
        return [str(alert.key) for alert in self.service.watch.desk.standing()]


@contextmanager
def running(loaded: LoadedSite, **keys: Any) -> Iterator[Running]:
    started = Running(loaded, **keys)
    try:
        yield started
    finally:
        started.stop()


def bodies(watching: Subscriber, levels: str) -> list[dict[str, Any]]:
    """Return the JSON payloads of the topics that end with these levels, in the order of arrival."""
    return [json.loads(payload) for payload in watching.payloads(levels) if payload]


def transitions(watching: Subscriber) -> list[str]:
    """Return `subject/rule transition` of every event, in the order of arrival."""
    return [f"{e['subject']}/{e['rule']} {e['transition']}" for e in bodies(watching, "/events/")]
