"""The service: the only place with a clock, tasks and signals.

Site file -> profiles -> read plan -> words -> reading -> point -> picture -> verdict / breach -> alert -> event ->
outbox -> message.
"""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from phasewatch.adapters.http.page import routes
from phasewatch.adapters.http.server import HttpServer, server_of
from phasewatch.adapters.http.stream import Broadcast
from phasewatch.adapters.journal.types import DeliveryConfig
from phasewatch.adapters.modbus.protocol import Bus
from phasewatch.adapters.systemd import Notifier
from phasewatch.alerts.site_monitor import SiteMonitor
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.drawing.trends import History
from phasewatch.meters.reading import Moment, Reading
from phasewatch.service.api import Api
from phasewatch.service.build import DISCOVERED, build_watch, changed_buses, meter_plan, needs_restart, reconfigure
from phasewatch.service.delivery import Delivery
from phasewatch.service.event_recorder import EventRecorder, readable_records
from phasewatch.service.poller import BusPoller, Clock
from phasewatch.service.publisher import STATUS_S, Publisher, clock_state, health, nominal_doubt
from phasewatch.service.state import Configuration, Running, delivery_config, end, open_real_bus, wake
from phasewatch.settings import BusSettings

READY_S: Final = 10.0
"""The service is ready after the first poll of every bus, or after this."""
PHASE_SPREAD_S: Final = 5.0
"""First polls are spread over the interval, but over no more than this."""
TURN_LATE_S: Final = 30.0
"""A bus or delivery that made no progress for this long is stuck: the watchdog is not fed."""
TURN_S: Final = 1.0
"""Between two looks at timers and the daemon itself."""
LOAD_BEATS: Final = 5
"""Each bus is judged at every fifth of these looks, by turns."""
STOP_S: Final = 5.0
"""Delivery may go on for so long at the stop."""

_log = logging.getLogger(__name__)

BusOpener = Callable[[LoadedSite, BusSettings], Bus]


class SystemClock:
    """The clock of this machine."""

    def monotonic_s(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""
        return datetime.now(UTC)


class Service:
    """One site, running."""

    def __init__(
        self,
        loaded: LoadedSite,
        *,
        clock: Clock | None = None,
        opener: BusOpener = open_real_bus,
        notifier: Notifier | None = None,
        delivery: DeliveryConfig | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._notifier, self._opener = notifier or Notifier(), opener
        posting = Delivery(delivery or delivery_config(loaded))
        restored = posting.start()
        records = readable_records(restored.records)
        watch, gone = build_watch(loaded, restored.uuid, records)
        gone += restored.records.keys() - records.keys()
        started, now_s = self._clock.now(), self._clock.monotonic_s()
        self.running = Running(loaded, watch, posting, started, Configuration(started), begun_s=now_s)
        self._announcer = Publisher(loaded, posting, restored, records.get(DISCOVERED, {}))
        self._history, self._broadcast = History(), Broadcast()
        self._books = EventRecorder(self.running, self._envelope, now_s, self._history, self._broadcast)
        self._books.retire(gone, watch.retire(gone, Moment(started, now_s), records), watch, now_s)
        self.operations = Api(self.running, self._books, self._clock, self._history, self._announcer.greet)
        self._turned, self._status_due_s, self._beats = (-1, now_s), now_s, 0
        self._reload_asked = asyncio.Event()
        self._bus_tasks: dict[str, asyncio.Task[None]] = {}
        self.running.pollers = self._pollers(loaded, {})

    @property
    def watch(self) -> SiteMonitor:
        """The watch over the site."""
        return self.running.watch

    @property
    def pollers(self) -> list[BusPoller]:
        """The pollers of its buses."""
        return self.running.pollers

    @property
    def delivery(self) -> Delivery:
        """The way to the broker."""
        return self.running.delivery

    def _envelope(self) -> dict[str, Any]:
        return clock_state() | {"uptime_s": round(self._clock.monotonic_s(), 3)}

    def _pollers(self, loaded: LoadedSite, kept: dict[str, BusPoller]) -> list[BusPoller]:
        """Return a poller for each bus: one that is kept, or a new one."""
        total = sum(len(bus.meters) for bus in loaded.site.buses)
        pollers, place = [], 0
        for bus in loaded.site.buses:
            plans = []
            for meter in bus.meters:
                phase_s = min(meter.interval_s, PHASE_SPREAD_S) * place / total
                plans.append((meter_plan(loaded, bus, meter), phase_s))
                place += 1
            poller = kept.get(bus.name)
            pollers.append(poller or BusPoller(bus.name, self._opener(loaded, bus), plans, self, self._clock))
        return pollers

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then deliver what can be delivered in time, and close everything."""
        self._start_polling()
        self.delivery.mqtt.arrived = partial(wake, asyncio.get_running_loop(), self.operations.take_commands)
        self.operations.take_commands()
        pages = routes(self.operations, self._broadcast)
        server = server_of(self.operations, self.running.loaded.site, os.environ, pages)
        await server.start()
        own = [asyncio.create_task(work) for work in (self._beat(server), self._get_ready())]
        try:
            await self._until(stop, own)
        finally:
            self._notifier.stopping()
            self._broadcast.close()
            await server.stop()
            await end((*own, *self._bus_tasks.values()))
            await asyncio.gather(*(poller.close() for poller in self.pollers), return_exceptions=True)
            self._books.close(self.watch, Moment(self._clock.now(), self._clock.monotonic_s()))
            await asyncio.to_thread(self.delivery.stop, STOP_S)

    async def _until(self, stop: asyncio.Event, own: Iterable[asyncio.Task[None]]) -> None:
        """Wait for the stop, and reload when asked; a task that ends with an error ends the service."""
        stopping, reloading = (asyncio.create_task(event.wait()) for event in (stop, self._reload_asked))
        own = set(own)
        try:
            while not stopping.done():
                tasks = {*own, *self._bus_tasks.values()}
                done, _ = await asyncio.wait({stopping, reloading, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    task.result()
                own -= done
                if reloading.done():
                    self._reload_asked.clear()
                    await self.reload()
                    reloading = asyncio.create_task(self._reload_asked.wait())
        finally:
            await end((stopping, reloading))

    def _start_polling(self) -> None:
        for poller in self.pollers:
            if poller.name not in self._bus_tasks:
                self._bus_tasks[poller.name] = asyncio.create_task(poller.run(), name=f"bus {poller.name}")

    async def _get_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_S):
                for poller in self.pollers:
                    await poller.tried.wait()
        except TimeoutError:
            _log.warning("some meters were not reached within %.0f s; ready all the same", READY_S)
        gc.collect()
        gc.freeze()  # what lives for years is not looked through again: that would stop the loop
        self._notifier.ready()

    # Periodic work

    async def _beat(self, server: HttpServer) -> None:
        """Turn what nothing else turns, and feed the watchdog while everything makes progress."""
        pause_s = min(self._notifier.watchdog_interval_s or TURN_S, TURN_S)
        while True:
            now_s = self._clock.monotonic_s()
            self.running.unserved = "; ".join(server.problems) or None
            self._turn(now_s)
            if now_s >= self._status_due_s:
                self._publish_status(now_s)
            if self._progresses(now_s):
                self._notifier.watchdog()
            await asyncio.sleep(pause_s)

    def _turn(self, now_s: float) -> None:
        watch, now = self.watch, self._clock.now()
        events = [*watch.tick(Moment(now, now_s)), *watch.health(health(self.running, now_s), now)]
        self._beats += 1
        for poller in self.pollers[self._beats % LOAD_BEATS :: LOAD_BEATS]:
            events += watch.load(poller.name, poller.polls, poller.overruns, Moment(now, now_s))
        self._books.commit(events, now_s)
        self._books.turn(watch, Moment(now, now_s))

    def _publish_status(self, now_s: float) -> None:
        self._status_due_s = now_s + STATUS_S
        self._announcer.status(self.operations.heartbeat())

    def _progresses(self, now_s: float) -> bool:
        turns = self.delivery.status.turns
        if turns != self._turned[0]:
            self._turned = (turns, now_s)
        return now_s - self._turned[1] < TURN_LATE_S and all(
            now_s - poller.turned_s < TURN_LATE_S for poller in self.pollers
        )

    # Results of the pollers

    def on_reading(self, reading: Reading) -> None:
        """Take a reading of one meter."""
        self._books.commit(self.watch.reading(reading), reading.monotonic_s)
        self._announcer.availability(reading.source, online=self.watch.online(reading.source), failing=False)
        point = self.watch.points[self.watch.point_of(reading.source)]
        if point.diagnosis is not None and not self._announcer.known(point.name):
            likelier_v = point.likelier_nominal_v()
            if likelier_v is not None:
                _log.warning(nominal_doubt(point.name, point.supply.nominal_v, likelier_v))
        self._books.live(point)
        self._books.reading(point)
        self._announcer.point(point, self._clock.monotonic_s())
        self._broadcast.changed(point.name)

    def on_failure(self, meter: str, detail: str) -> None:
        """Take a failed poll."""
        now_s = self._clock.monotonic_s()
        self._books.commit(self.watch.failure(meter, detail, Moment(self._clock.now(), now_s)), now_s)
        self._announcer.availability(meter, online=self.watch.online(meter), failing=True)
        point = self.watch.points[self.watch.point_of(meter)]
        self._announcer.silent(point, self._clock.now(), now_s)
        self._announcer.point(point, now_s)
        self._broadcast.changed(point.name)

    # Another site file

    def ask_to_reload(self) -> None:
        """Have the site file read again, soon."""
        self._reload_asked.set()

    async def reload(self) -> None:
        """Take over the site file as it is now; one with a mistake is refused, and the one in force goes on."""
        running, configuration = self.running, self.running.configuration
        self._notifier.reloading(self._clock.monotonic_s())
        try:
            loaded = await asyncio.to_thread(load_site, running.loaded.path)
            fixed = needs_restart(running.loaded.site, loaded.site)
            if fixed:
                raise ConfigurationError(
                    [f"{loaded.path}: {', '.join(fixed)}: another value needs a restart of the daemon"]
                )
            await self._take_over(loaded)
            running.configuration = Configuration(self._clock.now())
            _log.info("%s: taken over", loaded.path)
        except ConfigurationError as error:
            configuration.refused, configuration.refused_at = "; ".join(error.lines), self._clock.now()
            _log.error("%s; the configuration in force goes on", configuration.refused)
        finally:
            self._notifier.ready()
            self._publish_status(self._clock.monotonic_s())

    async def _take_over(self, loaded: LoadedSite) -> None:
        running, before, clock = self.running, self.running.loaded, self._clock
        changed = changed_buses(before, loaded)
        await end(self._bus_tasks.pop(name) for name in changed & self._bus_tasks.keys())
        closing = [poller for poller in running.pollers if poller.name in changed]
        await asyncio.gather(*(poller.close() for poller in closing), return_exceptions=True)
        # From here to the end nothing waits: no reading comes in between.
        running.watch, gone, ends = reconfigure(before, loaded, running.watch, Moment(clock.now(), clock.monotonic_s()))
        running.loaded = loaded
        self._books.retire(gone, ends, running.watch, clock.monotonic_s())
        kept = {poller.name: poller for poller in running.pollers if poller.name not in changed}
        running.pollers = self._pollers(loaded, kept)
        self._announcer.take_over(loaded)
        self._history.keep(running.watch.points)
        self._start_polling()


async def run_until_signalled(service: Service) -> None:
    """Run a service until SIGTERM or SIGINT; SIGHUP has it read its site file again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, service.ask_to_reload)
    await service.run(stop)
