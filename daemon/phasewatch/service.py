"""The service: the only place with a clock, tasks and signals.

Site file -> profiles -> read plan -> words -> reading -> point -> picture -> verdict / breach -> alert -> event ->
outbox -> message.
"""

import asyncio
import gc
import json
import logging
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from phasewatch.adapters.delivery import Delivery
from phasewatch.adapters.messages import Change, DeliveryConfig, encode
from phasewatch.adapters.modbus import Bus, open_bus
from phasewatch.adapters.systemd import Notifier
from phasewatch.alerts.event import Event
from phasewatch.alerts.point_watch import PointWatch
from phasewatch.assembly import LEARNED, SEEN_LIVE, build_watch, meter_plan
from phasewatch.library import LoadedSite
from phasewatch.meters.reading import Reading
from phasewatch.polling import BusPoller, Clock
from phasewatch.publications import STATUS_S, clock_state, nominal_doubt, point_state, status
from phasewatch.settings import BusSettings

READY_S: Final = 10.0
"""The service is ready after the first poll of every bus, or after this."""
PHASE_SPREAD_S: Final = 5.0
"""First polls are spread over the interval, but over no more than this."""
TURN_LATE_S: Final = 30.0
"""A bus or delivery that made no progress for this long is stuck: the watchdog is not fed."""
LEARNED_S: Final = 600.0
"""Between two records of what was learned: flash wears by writing."""
STOP_S: Final = 5.0
CANCELS: Final = 50
"""Times that a task is told to end within STOP_S."""

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


def open_real_bus(loaded: LoadedSite, bus: BusSettings) -> Bus:
    """Open the bus of the site file, with the silence that each of its meters needs."""
    gaps_s = {loaded.unit_id_of(meter): loaded.profile_of(meter).gap_ms / 1000.0 for meter in bus.meters}
    return open_bus(
        bus.endpoint,
        timeout_s=bus.timeout_s,
        gap_s=bus.gap_ms / 1000.0,
        unit_gap_s=bus.unit_gap_ms / 1000.0,
        gaps_s=gaps_s,
    )


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
        self.loaded, self._site = loaded, loaded.site
        self._clock: Clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self.delivery = Delivery(delivery or delivery_config(loaded))
        restored = self.delivery.start()
        records = {path: json.loads(record) for path, record in restored.records.items()}
        self.watch, gone = build_watch(loaded, restored.uuid, records)
        self.delivery.forget(gone)
        self._base = f"phasewatch/{self._site.site}"
        self._started = self._clock.now()
        self._verdicts: dict[str, str] = {}
        self._published_s: dict[str, float] = {}
        self._online: dict[str, bool] = {}
        self._failures: dict[str, str] = {}
        self.pollers = self._pollers(opener)

    def _pollers(self, opener: BusOpener) -> list[BusPoller]:
        total = sum(len(bus.meters) for bus in self._site.buses)
        pollers, place = [], 0
        for bus in self._site.buses:
            plans = []
            for meter in bus.meters:
                plans.append(
                    (meter_plan(self.loaded, bus, meter), min(meter.interval_s, PHASE_SPREAD_S) * place / total)
                )
                place += 1
            pollers.append(BusPoller(bus.name, opener(self.loaded, bus), plans, self, self._clock))
        return pollers

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; then say so, deliver what can be delivered, and let go of everything."""
        tasks = [asyncio.create_task(poller.run(), name=f"bus {poller.name}") for poller in self.pollers]
        tasks.append(asyncio.create_task(self._beat(), name="heartbeat"))
        tasks.append(asyncio.create_task(self._get_ready(), name="ready"))
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await self._until(stopping, tasks)
        finally:
            self._notifier.stopping()
            await _end((*tasks, stopping))
            await asyncio.gather(*(poller.close() for poller in self.pollers), return_exceptions=True)
            self._remember_learned()
            await asyncio.to_thread(self.delivery.stop, STOP_S)

    async def _until(self, stopping: asyncio.Task[bool], tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the stop; a task that ends with an error ends the service, for its restart to mend."""
        waiting: set[asyncio.Task[Any]] = {stopping, *tasks}
        while not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()

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

    async def _beat(self) -> None:
        """Publish the heartbeat, and feed the watchdog while everything makes progress."""
        next_status_s, turns = 0.0, (-1, self._clock.monotonic_s())
        next_learned_s = turns[1] + LEARNED_S
        pause_s = min(self._notifier.watchdog_interval_s or 5.0, 5.0)
        while True:
            now_s = self._clock.monotonic_s()
            turned = self.delivery.status.turns
            if turned != turns[0]:
                turns = (turned, now_s)
            if now_s >= next_status_s:
                next_status_s = now_s + STATUS_S
                report = status(self.loaded, self.pollers, self.delivery.status, self._started, self._clock.now())
                self._publish("status", report)
            if now_s - turns[1] < TURN_LATE_S and all(now_s - p.turned_s < TURN_LATE_S for p in self.pollers):
                self._notifier.watchdog()
            self._judge_buses(now_s)
            if now_s >= next_learned_s:
                next_learned_s = now_s + LEARNED_S
                self._remember_learned()
            await asyncio.sleep(pause_s)

    def _judge_buses(self, now_s: float) -> None:
        for poller in self.pollers:
            polls, overruns = sum(m.polls for m in poller.meters), sum(m.overruns for m in poller.meters)
            self._commit(self.watch.load(poller.name, polls, overruns, self._clock.now(), now_s))

    # What the pollers tell

    def on_reading(self, reading: Reading) -> None:
        """Take a reading of one meter."""
        self._failures.pop(reading.source, None)
        self._commit(self.watch.reading(reading))
        self._announce(reading.source)
        point = self.watch.points[self.watch.point_of(reading.source)]
        self._doubt_nominal(point)
        self._remember_live(point)
        self._publish_point(point)

    def on_failure(self, meter: str, detail: str) -> None:
        """Take a failed poll."""
        self._failures[meter] = detail
        self._commit(self.watch.failure(meter, detail, self._clock.now(), self._clock.monotonic_s()))
        self._announce(meter)
        self._publish_point(self.watch.points[self.watch.point_of(meter)])

    def _commit(self, events: Sequence[Event]) -> None:
        if events:
            self.delivery.commit([self._change(event) for event in events])
        for event in events:
            _log.log(
                logging.WARNING if event.payload["state"] != "cleared" else logging.INFO,
                "%s %s: %s",
                event.key,
                event.transition,
                event.payload["summary"],
            )

    def _change(self, event: Event) -> Change:
        envelope = clock_state() | {"uptime_s": round(self._clock.monotonic_s(), 3)}
        return Change(
            key=str(event.key),
            event_topic=f"{self._base}/events/{event.key.subject}/{event.key.rule}",
            alert_topic=f"{self._base}/alerts/{event.key}",
            payload={**event.payload, **envelope},
            record=json.dumps(event.record),
            active=event.active,
        )

    # What is published without the journal

    def _announce(self, meter: str) -> None:
        online = self.watch.online(meter) and meter not in self._failures
        if self._online.get(meter) is not online and (online or not self.watch.online(meter)):
            self._online[meter] = online
            self.delivery.publish(f"{self._base}/meters/{meter}/availability", b"online" if online else b"offline")

    def _doubt_nominal(self, point: PointWatch) -> None:
        """Say once, at the first reading, that the configured nominal voltage does not fit it."""
        if point.diagnosis is None or point.name in self._verdicts:
            return
        likelier_v = point.likelier_nominal_v()
        if likelier_v is not None:
            _log.warning(nominal_doubt(point.name, point.supply.nominal_v, likelier_v))

    def _remember_live(self, point: PointWatch) -> None:
        if point.live_changed:
            point.live_changed = False
            self.delivery.remember({f"{point.name}/{SEEN_LIVE}": json.dumps({"phases": point.seen_live})})

    def _remember_learned(self) -> None:
        """Keep what the rules have learned, of all points in one transaction."""
        found = {name: point.learned() for name, point in self.watch.points.items()}
        records = {f"{name}/{LEARNED}": json.dumps(learned) for name, learned in found.items() if learned is not None}
        if records:
            self.delivery.remember(records)

    def _publish_point(self, point: PointWatch) -> None:
        if point.diagnosis is None or point.reading is None:
            return
        code, now_s = point.diagnosis.verdict.code, self._clock.monotonic_s()
        due = now_s - self._published_s.get(point.name, -1e9) >= self._site.publish_interval_s
        if due or code != self._verdicts.get(point.name):
            self._verdicts[point.name], self._published_s[point.name] = code, now_s
            self._publish(f"points/{point.name}/state", point_state(point, self.loaded, now_s))

    def _publish(self, topic: str, payload: dict[str, Any]) -> None:
        self.delivery.publish(f"{self._base}/{topic}", encode(payload))


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: in Python 3.11 `asyncio.wait_for` drops a cancellation that comes together with its result.
    """
    tasks = tuple(tasks)
    for _ in range(CANCELS):
        waiting = [task for task in tasks if not task.done()]
        if not waiting:
            break
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=STOP_S / CANCELS)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()  # seen already, or of no use any more


def delivery_config(loaded: LoadedSite) -> DeliveryConfig:
    """Return where and as whom this site publishes."""
    mqtt = loaded.site.mqtt
    return DeliveryConfig(
        site=loaded.site.site,
        directory=loaded.site.state_dir,
        urls=mqtt.urls,
        username=mqtt.username,
        password=_password(mqtt.password_file),
        ca_file=mqtt.ca_file,
    )


def _password(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8").rstrip("\r\n")


async def run_until_signalled(service: Service) -> None:
    """Run a service until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await service.run(stop)
