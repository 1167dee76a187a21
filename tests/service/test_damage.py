"""What a disk has damaged, and a fault of our own, stop nothing else."""

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phasewatch.adapters.journal.sqlite import JournalTakenError
from phasewatch.meters.reading import Reading
from phasewatch.service.service import Service
from phasewatch.simulator.device import Fault
from tests.broker import Mosquitto, Subscriber, wait_until
from tests.service.plant import Plant, bodies, plant, running, transitions
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site

pytestmark = pytest.mark.broker

STATE = "points/main/state"


def one_meter(tmp_path: Path, meters: Plant, broker: Mosquitto, **keys: Any) -> Any:
    return site(
        bus(meter("incomer", point="main"), url=meters.url("incomer")),
        mqtt={"urls": [broker.url]},
        state_dir=str(tmp_path / "state"),
        **keys,
    )


DAMAGE: dict[str, Callable[[dict[str, Any]], str]] = {
    "cut short": lambda record: json.dumps(record)[:-7],
    "another kind of thing": lambda record: "[1, 2]",
    "half of it gone": lambda record: json.dumps({"standing": True, "count": 1}),
    "a word where a number was": lambda record: json.dumps({**record, "count": "many"}),
    "a time that is none": lambda record: json.dumps({**record, "since": "yesterday"}),
    "a state that is none": lambda record: json.dumps({**record, "life": {"state": "odd", "held_s": 0, "polls": 0}}),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_record_begins_anew_and_the_alert_is_raised_again(
    what: str, tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    loaded = one_meter(tmp_path, meters, broker)
    with running(loaded):
        wait_until(partial(has_state, watching, "good"), "a healthy state")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(watching), "the alert")
    damage(tmp_path / "state" / "journal.db", "main/phase_loss", DAMAGE[what])
    with running(loaded) as again:
        wait_until(lambda: transitions(watching).count("main/phase_loss raised") == 2, "the alert again")
        assert again.standing() == ["main/phase_loss"]


@pytest.mark.parametrize("text", ["{}", '{"phases": [1, 2]}', '{"phases": "all"}', "", "[[[["])
def test_a_damaged_memory_of_live_phases_stops_nothing(
    text: str, tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    loaded = one_meter(tmp_path, meters, broker)
    with running(loaded):
        wait_until(partial(has_state, watching, "good"), "a healthy state")
    damage(tmp_path / "state" / "journal.db", "main/seen_live", lambda _: text)
    with running(loaded):
        states = len(bodies(watching, STATE))
        wait_until(lambda: len(bodies(watching, STATE)) > states, "further states")


def damage(journal: Path, key: str, spoil: Callable[[dict[str, Any]], str]) -> None:
    db = sqlite3.connect(journal)
    ((record,),) = db.execute("SELECT record FROM alert WHERE key = ?", (key,)).fetchall()
    db.execute("UPDATE alert SET record = ? WHERE key = ?", (spoil(json.loads(record)), key))
    db.commit()
    db.close()


def test_a_fault_of_our_own_at_one_point_becomes_its_alert_and_stops_no_other(
    tmp_path: Path, broker: Mosquitto, watching: Subscriber
) -> None:
    def break_down(_reading: Reading) -> Any:
        raise ZeroDivisionError("a fault of our own")

    with plant("incomer", "feeder") as meters:
        loaded = site(
            bus(meter("incomer"), url=meters.url("incomer")),
            bus(meter("feeder"), name="annex", url=meters.url("feeder")),
            mqtt={"urls": [broker.url]},
            state_dir=str(tmp_path / "state"),
        )
        with running(loaded) as service:
            wait_until(lambda: service.polls("annex") >= 3, "polls")
            service.service.watch.points["incomer"].feed = break_down  # type: ignore[method-assign, assignment]
            before = service.polls("annex")
            meters.shown["feeder"] = PHASE_LOST
            wait_until(lambda: "feeder/phase_loss raised" in transitions(watching), "the alert of the sound point")
            assert service.polls("annex") > before
            assert service.polls("board") > 3


def test_after_a_restart_in_front_of_a_dead_meter_no_old_state_passes_for_a_live_one(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    loaded = one_meter(tmp_path, meters, broker)
    with running(loaded):
        wait_until(partial(has_state, watching, "good"), "a live state")
    meters.ail("incomer", Fault(silent=True))
    with running(loaded):
        wait_until(partial(has_state, watching, "stale"), "the state of a point without data")
        state = bodies(watching, STATE)[-1]
        assert (state["verdict"], state["readings"], state["age_s"]) == ("not_enough_data", {}, None)
        meters.cure("incomer")
        wait_until(partial(has_state, watching, "good"), "a live state again")


def has_state(watching: Subscriber, quality: str) -> bool:
    states = bodies(watching, STATE)
    return bool(states) and states[-1]["quality"] == quality


def test_a_damaged_journal_is_told_kept_and_its_ghosts_are_taken_back(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    loaded, alert = one_meter(tmp_path, meters, broker), "alerts/main/phase_loss"
    with running(loaded):
        wait_until(partial(has_state, watching, "good"), "a healthy state")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: "main/phase_loss raised" in transitions(watching), "the alert")
    journal = tmp_path / "state" / "journal.db"
    journal.write_bytes(b"not a database at all" * 400)
    meters.shown["incomer"] = HEALTHY
    with running(loaded):
        wait_until(lambda: "_daemon/storage_degraded raised" in transitions(watching), "the loss told")
        wait_until(lambda: watching.newest()[f"phasewatch/plant/{alert}"] == b"", "the ghost is taken back")
        told = next(one for one in bodies(watching, "/events/_daemon/") if one["transition"] == "raised")
        assert "journal.db.damaged-1" in told["summary"]
    assert (tmp_path / "state" / "journal.db.damaged-1").exists()


def test_a_second_daemon_on_one_state_directory_does_not_start(
    tmp_path: Path, meters: Plant, broker: Mosquitto, watching: Subscriber
) -> None:
    loaded = one_meter(tmp_path, meters, broker)
    with running(loaded):
        wait_until(partial(has_state, watching, "good"), "a healthy state")
        with pytest.raises(JournalTakenError, match="another phasewatch uses this state directory"):
            Service(loaded)
        assert watching.payloads("phasewatch/plant/availability") == [b"online"]
