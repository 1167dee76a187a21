"""Meters that are ill and brokers that are away: the whole loop on real parts."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.modbus.protocol import NoReply
from phasewatch.adapters.systemd import Notifier
from phasewatch.service.service import Service, SystemClock
from phasewatch.simulator.device import Fault
from tests.broker import Line, Seen, mosquitto, subscriber, wait_until
from tests.bus import FakeBus
from tests.service.plant import Plant, Running, bodies, plant, running, transitions
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site

BASE = "phasewatch/plant"
FAULTS = {
    "silent": Fault(silent=True),
    "hangs-up": Fault(hang_up=True),
    "refuses": Fault(refuse=4),
    "refuses-addresses": Fault(refuse=2),
    "busy": Fault(refuse=6),
    "short": Fault(truncate_bytes=3),
    "late": Fault(delay_s=0.4),
    "other-unit": Fault(unit_id=9),
}
"""Name of a meter -> what will ail it."""
SOUND = "sound"


@dataclass
class Ward:
    """What was seen while every meter but one fell ill and was cured."""

    seen: list[Seen]
    sound_polls: int
    sound_overruns: int
    sound_failures: int
    sound_asked: int
    """Requests at its server."""

    def of(self, name: str) -> list[str]:
        """Return what was told of a meter, in order: availability, `state` for a new sample, `old` for one again."""
        told, newest = [], ""
        for one in self.seen:
            if one.topic == f"{BASE}/meters/{name}/availability":
                told.append(one.payload.decode())
            elif one.topic == f"{BASE}/points/{name}/state":
                at = json.loads(one.payload)["at"]
                told.append("state" if at > newest else "old")
                newest = max(at, newest)
        return told


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    directory = tmp_path_factory.mktemp("ward")
    names = (*FAULTS, SOUND)
    with mosquitto(directory / "broker") as broker, plant(*names) as meters, subscriber(broker.url) as watching:
        buses = [bus(meter(name), name=name, url=meters.url(name)) for name in names]
        loaded = site(*buses, mqtt={"urls": [broker.url]}, state_dir=str(directory / "state"))

        def said(what: bytes, *whose: str) -> bool:
            newest = watching.newest()
            return all(newest.get(f"{BASE}/meters/{name}/availability") == what for name in whose)

        with running(loaded) as service:
            wait_until(lambda: said(b"online", *names), "every meter online")
            before = service.polls(SOUND)
            for name, fault in FAULTS.items():
                meters.ail(name, fault)
            wait_until(lambda: said(b"offline", *FAULTS), "every ill meter offline")
            wait_until(lambda: service.polls(SOUND) >= before + 10, "the sound meter polled on")
            for name in FAULTS:
                meters.cure(name)
            wait_until(lambda: said(b"online", *names), "every meter back")
            wait_until(lambda: len(transitions(watching)) >= 2 * len(FAULTS), "every alert cleared")
            sound = next(p.meters[0] for p in service.service.pollers if p.name == SOUND)
            wait_until(lambda: all(ward_states_after_return(watching.seen, name) for name in FAULTS), "fresh states")
        yield Ward(list(watching.seen), sound.polls, sound.overruns, sound.failures, meters.asked(SOUND))


def ward_states_after_return(seen: list[Seen], name: str) -> bool:
    told = Ward(list(seen), 0, 0, 0, 0).of(name)
    return "state" in told[len(told) - told[::-1].index("online") :]


@pytest.mark.broker
@pytest.mark.parametrize("name", FAULTS)
class TestAMeterThatIsIll:
    def test_gives_no_sample_and_is_back_by_itself(self, ward: Ward, name: str) -> None:
        told = ward.of(name)
        gone = told.index("offline")
        back = told.index("online", gone)
        assert "state" not in told[gone + 1 : back]
        assert "state" in told[back:]

    def test_is_told_of_once_and_cleared_once(self, ward: Ward, name: str) -> None:
        events = [json.loads(o.payload) for o in ward.seen if o.topic == f"{BASE}/events/{name}/meter_offline"]
        assert [event["transition"] for event in events] == ["raised", "cleared"]
        assert events[0]["meters"] == [name]
        assert events[0]["summary"]


@pytest.mark.broker
def test_a_sound_meter_keeps_its_rate_among_ill_ones(ward: Ward) -> None:
    assert ward.sound_failures == 0
    assert min(3 * (ward.sound_polls - 1), 1000) <= ward.sound_asked <= 3 * ward.sound_polls  # three blocks a poll
    assert ward.sound_overruns <= ward.sound_polls / 2  # its own bus: only this machine could hold it up
    assert "offline" not in ward.of(SOUND)


@pytest.mark.broker
def test_events_are_numbered_without_gaps_when_many_come_at_once(ward: Ward) -> None:
    numbers = [json.loads(one.payload)["seq"] for one in ward.seen if "/events/" in one.topic]
    assert numbers == list(range(1, len(numbers) + 1))


def let_come_and_go(service: Running, meters: Plant, *names: str) -> None:
    """Lose a phase of these meters one after the other; what comes and goes thrice a minute would be held."""
    for name in names:
        meters.shown[name] = PHASE_LOST
        wait_until(partial(stands, service, [f"{name}/phase_loss"]), "the alert raised")
        meters.shown[name] = HEALTHY
        wait_until(partial(stands, service, []), "the alert cleared")


def stands(service: Running, alerts: list[str]) -> bool:
    return service.standing() == alerts


def numbers(watching: Any) -> list[int]:
    """Return `seq` in the order of arrival, each id once."""
    return list(dict.fromkeys(event["seq"] for event in bodies(watching, "/events/")))


@pytest.mark.broker
def test_alerts_go_on_while_the_broker_is_away_and_arrive_in_order_without_gaps(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, plant("incomer", "feeder") as meters:
        line = Line(broker.port)  # not joined: at the start there is no broker to be had
        loaded = site(
            bus(meter("incomer"), url=meters.url("incomer")),
            bus(meter("feeder"), name="annex", url=meters.url("feeder")),
            mqtt={"urls": [line.url]},
            state_dir=str(tmp_path / "state"),
        )
        with running(loaded) as service:
            wait_until(lambda: service.polls("board") >= 3, "polls without a broker")
            let_come_and_go(service, meters, "incomer", "feeder")
            with subscriber(broker.url) as watching:
                line.join()
                wait_until(lambda: numbers(watching) == [1, 2, 3, 4], "what happened before")
                let_come_and_go(service, meters, "incomer")
                wait_until(lambda: numbers(watching) == [1, 2, 3, 4, 5, 6], "what happened since")
            line.cut()
            broker.kill()
            before = service.polls("board")
            let_come_and_go(service, meters, "feeder")
            assert service.polls("board") > before
            broker.restart_empty()
            with subscriber(broker.url) as watching:
                line.join()
                wait_until(lambda: numbers(watching)[-2:] == [7, 8], "what happened meanwhile")
                assert numbers(watching) in ([7, 8], [5, 6, 7, 8], [6, 7, 8])  # not yet acknowledged comes again
                newest = watching.newest
                wait_until(lambda: newest().get(f"{BASE}/availability") == b"online", "online again")
                wait_until(lambda: f"{BASE}/alerts/feeder/phase_loss" in newest(), "the retained set")
                wait_until(lambda: f"{BASE}/points/feeder/state" in newest(), "the state of the point")
                wait_until(lambda: f"{BASE}/status" in newest(), "the heartbeat")
        line.cut()


def test_without_any_broker_the_service_measures_and_stops_at_once(tmp_path: Path) -> None:
    with plant("incomer") as meters:
        loaded = site(bus(meter("incomer"), url=meters.url("incomer")), state_dir=str(tmp_path))
        with running(loaded) as service:
            wait_until(lambda: service.polls("board") >= 3, "healthy polls")
            let_come_and_go(service, meters, "incomer")
            service.stop(timeout_s=5.0)


def test_an_alert_survives_a_stop_and_a_start_on_the_same_state(tmp_path: Path) -> None:
    with plant("incomer") as meters:
        loaded = site(bus(meter("incomer", point="main"), url=meters.url("incomer")), state_dir=str(tmp_path))
        with running(loaded) as service:
            wait_until(lambda: service.polls("board") >= 3, "healthy polls")
            meters.shown["incomer"] = PHASE_LOST
            wait_until(lambda: service.standing() == ["main/phase_loss"], "the alert raised")
        with running(loaded) as again:
            assert again.standing() == ["main/phase_loss"]
            wait_until(lambda: again.polls("board") >= 10, "polls after the start")
            assert again.standing() == ["main/phase_loss"]
            meters.shown["incomer"] = HEALTHY
            wait_until(lambda: again.standing() == [], "the alert cleared")


def test_a_phase_lost_while_the_daemon_was_down_is_a_loss_and_no_miswiring(tmp_path: Path) -> None:
    with plant("incomer") as meters:
        loaded = site(bus(meter("incomer", point="main"), url=meters.url("incomer")), state_dir=str(tmp_path))
        with running(loaded) as service:
            wait_until(lambda: service.polls("board") >= 3, "healthy polls")
        meters.shown["incomer"] = PHASE_LOST
        with running(loaded) as again:
            wait_until(again.standing, "an alert")
            assert again.standing() == ["main/phase_loss"]


class Broken(FakeBus):
    """A bus with a fault of its own, or one that never comes back."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__({})
        self._error = error

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def test_a_task_that_fails_ends_the_service_for_its_restart_to_mend(tmp_path: Path) -> None:
    bus_with_fault = Broken(ZeroDivisionError("a fault of ours"))
    loaded = site(bus(meter("incomer")), state_dir=str(tmp_path))
    service = Service(loaded, opener=lambda *_: bus_with_fault)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(service.run(asyncio.Event()))
    assert bus_with_fault.closed


class Deaf(FakeBus):
    """A bus that overhears one cancellation, as waiting for a reply does in Python 3.11 when the reply just came."""

    overheard = False

    async def read(self, function_code: int, address: int, count: int, unit_id: int) -> tuple[int, ...]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.overheard:
                raise
            self.overheard = True
        raise NoReply("no answer")


def test_a_service_that_is_told_to_stop_ends_even_if_a_bus_overhears_it(tmp_path: Path) -> None:
    deaf = Deaf({})
    with running(site(bus(meter("incomer")), state_dir=str(tmp_path)), opener=lambda *_: deaf) as service:
        wait_until(lambda: service.polls("board") == 1, "a request under way")
    assert deaf.overheard
    assert deaf.closed


class Leaping(SystemClock):
    """A clock that can leap, and counts how often it was asked."""

    leap_s = 0.0
    asked = 0

    def monotonic_s(self) -> float:
        self.asked += 1
        return super().monotonic_s() + self.leap_s


class Fed(Notifier):
    """Counts what the watchdog is fed."""

    times = 0

    def watchdog(self) -> bool:
        self.times += 1
        return True


def test_a_bus_that_hangs_starves_the_watchdog(tmp_path: Path) -> None:
    clock, notifier = Leaping(), Fed({"WATCHDOG_USEC": "40000"})
    loaded = site(bus(meter("incomer")), state_dir=str(tmp_path))

    def several_beats() -> None:
        asked = clock.asked  # by the heartbeat alone: the bus hangs
        wait_until(lambda: clock.asked > asked + 5, "some beats")

    with running(loaded, clock=clock, notifier=notifier, opener=lambda *_: Broken()) as service:
        wait_until(lambda: notifier.times > 2, "the watchdog fed at first")
        clock.leap_s = 31.0
        turns = service.service.delivery.status.turns
        service.service.delivery.mqtt.publish("phasewatch/plant/any", b"{}")  # delivery turns: only the bus is late
        wait_until(lambda: service.service.delivery.status.turns > turns, "a turn of delivery")
        several_beats()
        fed = notifier.times
        several_beats()
        assert notifier.times == fed


@pytest.mark.broker
def test_a_meter_that_loses_its_power_is_read_again_when_it_is_back(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, plant("incomer") as meters, subscriber(broker.url) as watching:
        loaded = site(
            bus(meter("incomer"), url=meters.url("incomer")),
            mqtt={"urls": [broker.url]},
            state_dir=str(tmp_path / "state"),
        )
        with running(loaded) as service:
            for turn in range(1, 3):
                wait_until(lambda: service.polls("board") and service.standing() == [], "readings")
                meters.switch_off("incomer")
                wait_until(partial(stands, service, ["incomer/meter_offline"]), "the meter offline")
                meters.switch_on("incomer")
                wait_until(partial(stands, service, []), "the meter back")
                told = ["incomer/meter_offline raised", "incomer/meter_offline cleared"] * turn
                wait_until(partial(have_been_told, watching, told), "both events")


def have_been_told(watching: Any, told: list[str]) -> bool:
    return transitions(watching) == told
