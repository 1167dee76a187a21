"""`phasewatch run` as a process: signals, systemd, and a death in the middle."""

import signal
from pathlib import Path

import pytest

from phasewatch.simulator.device import Fault
from tests.broker import Subscriber, wait_until
from tests.service.plant import Plant, bodies, transitions
from tests.service.process import daemon
from tests.service.site import HEALTHY, PHASE_LOST

AVAILABILITY = "phasewatch/plant/availability"


@pytest.mark.broker
def test_the_end_by_sigterm_is_clean_and_systemd_hears_the_whole_life(config: Path, watching: Subscriber) -> None:
    with daemon(config) as life:
        wait_for_state(watching)
        wait_until(lambda: life.systemd.count("WATCHDOG=1") >= 3, "the watchdog fed again and again")
        assert life.end(signal.SIGTERM) == 0
        assert life.systemd.count("STOPPING=1") == life.systemd.count("READY=1") == 1
    wait_until(lambda: watching.payloads(AVAILABILITY) == [b"online", b"offline"], "offline")
    assert life.systemd.heard.index("READY=1") < life.systemd.heard.index("STOPPING=1")


def wait_for_state(watching: Subscriber) -> None:
    wait_until(lambda: watching.payloads("/points/main/state"), "a state")


@pytest.mark.broker
def test_a_killed_daemon_goes_on_where_it_was(config: Path, watching: Subscriber, meters: Plant) -> None:
    with daemon(config) as first:
        wait_for_state(watching)
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: transitions(watching) == ["main/phase_loss raised"], "the alert")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: watching.newest()[AVAILABILITY] == b"offline", "the last will")
    states = len(watching.payloads("/points/main/state"))
    with daemon(config) as second:
        wait_until(lambda: len(watching.payloads("/points/main/state")) > states + 2, "polls of the second life")
        meters.shown["incomer"] = HEALTHY
        wait_until(lambda: "main/phase_loss cleared" in transitions(watching), "the alert cleared")
        assert second.end(signal.SIGINT) == 0
    events = list({event["id"]: event for event in bodies(watching, "/events/")}.values())
    assert [(event["seq"], event["transition"], event["rev"]) for event in events] == [
        (1, "raised", 1),
        (2, "cleared", 2),
    ]
    assert events[0]["alert_id"] == events[1]["alert_id"]
    assert events[0]["since"] == events[1]["since"]


@pytest.mark.broker
def test_a_daemon_in_front_of_a_dead_meter_is_ready_once_it_has_tried(config: Path, meters: Plant) -> None:
    meters.ail("incomer", Fault(silent=True))
    with daemon(config) as life:
        assert life.end(signal.SIGTERM) == 0
