"""From the registers of a meter to a subscriber: simulated meter, real Modbus TCP, real service, real broker."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from phasewatch.configuration.site import LoadedSite
from phasewatch.meters.quantities import CURRENT_N, FREQUENCY, LN
from tests.broker import Seen, Subscriber, amqtt_broker, mosquitto, subscriber, wait_until
from tests.schema_faults import fault
from tests.service.plant import bodies, plant, running, transitions
from tests.service.site import HEALTHY, PHASE_LOST, bus, meter, site

BASE = "phasewatch/plant"
ALERT = f"{BASE}/alerts/main/phase_loss"


def one_meter(url: str, broker_url: str, state: Path, **keys: Any) -> LoadedSite:
    return site(bus(meter("incomer", point="main"), url=url), mqtt={"urls": [broker_url]}, state_dir=str(state), **keys)


@dataclass
class Record:
    """What was seen while one alert came and went; then the service was stopped."""

    seen: list[Seen]
    retained: dict[str, bytes]
    """What a subscriber finds who comes while the alert stands."""
    stop_s: float

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(one.payload) for one in self.seen if one.topic.startswith(f"{BASE}/events/")]

    def last(self, topic: str) -> Any:
        return json.loads([one.payload for one in self.seen if one.topic == f"{BASE}/{topic}"][-1])


def let_a_phase_be_lost_and_come_back(url: str, loaded: LoadedSite, show: Any, watching: Subscriber) -> Record:
    with running(loaded) as service:
        wait_until(lambda: watching.payloads("/points/main/state"), "a first reading")
        show(PHASE_LOST)
        wait_until(lambda: bodies(watching, ALERT), "the alert")
        # A 3.1.1 broker hands out what is retained as well.
        version = MQTTProtocolVersion.MQTTv5 if service.service.delivery.status.protocol == "5" else None
        with subscriber(url, version or MQTTProtocolVersion.MQTTv311) as late:
            wait_until(lambda: late.payloads(ALERT), "the retained alert")
            retained = {one.topic: one.payload for one in late.seen if one.retain}
        show({**HEALTHY, FREQUENCY: math.nan, CURRENT_N: math.nan})
        wait_until(lambda: bodies(watching, ALERT)[-1]["state"] == "cleared", "the alert gone")
        newest = f"{BASE}/points/main/state"
        wait_until(lambda: json.loads(watching.newest()[newest])["verdict"] == "normal", "the state after it")
        began = time.monotonic()
        service.stop()
        stop_s = time.monotonic() - began
    wait_until(lambda: watching.newest()[f"{BASE}/availability"] == b"offline", "offline")
    return Record(list(watching.seen), retained, stop_s)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    directory = tmp_path_factory.mktemp("loop")
    with mosquitto(directory / "broker") as broker, plant("incomer") as meters, subscriber(broker.url) as watching:
        loaded = one_meter(meters.url("incomer"), broker.url, directory / "state")

        def show(values: Mapping[str, float]) -> None:
            meters.shown["incomer"] = values

        yield let_a_phase_be_lost_and_come_back(broker.url, loaded, show, watching)


@pytest.mark.broker
class TestWhatASubscriberSees:
    def test_a_lost_phase_is_one_alert_raised_once_and_cleared_once(self, record: Record) -> None:
        events = record.events()
        assert [(e["rule"], e["transition"], e["state"]) for e in events] == [
            ("phase_loss", "raised", "active"),
            ("phase_loss", "cleared", "cleared"),
        ]
        assert [one.topic for one in record.seen if "/events/" in one.topic] == [f"{BASE}/events/main/phase_loss"] * 2
        assert not any(one.retain for one in record.seen if "/events/" in one.topic)

    def test_every_event_has_every_key_of_the_contract_and_no_other(self, record: Record) -> None:
        for event in record.events():
            assert fault("alert", event) is None

    def test_an_event_says_what_where_and_why(self, record: Record) -> None:
        raised, cleared = record.events()
        assert raised["schema"] == "phasewatch.alert/1"
        assert (raised["site"], raised["subject"], raised["meters"]) == ("plant", "main", ["incomer"])
        assert (raised["phase"], raised["verdict"]["code"]) == ("L2", "phase_lost")
        assert raised["readings"][LN[1]] == 0.0
        assert raised["blind"]["interval_s"] == 0.1
        assert cleared["alert_id"] == raised["alert_id"]
        assert (raised["rev"], cleared["rev"]) == (1, 2)
        assert raised["since"] == cleared["since"] <= raised["at"] < cleared["at"]
        assert all(e["at"].endswith("Z") and len(e["at"]) == 24 for e in (raised, cleared))

    def test_events_are_numbered_without_gaps_and_their_ids_say_so(self, record: Record) -> None:
        events = record.events()
        assert [event["seq"] for event in events] == [1, 2]
        assert [event["id"].rsplit("-", 1)[1] for event in events] == ["1", "2"]
        assert all(event["id"].startswith("plant-") for event in events)

    def test_the_retained_alert_is_its_last_event(self, record: Record) -> None:
        raised, cleared = record.events()
        assert json.loads(record.retained[ALERT]) == raised
        assert record.last("alerts/main/phase_loss") == cleared

    def test_the_list_of_active_alerts_follows(self, record: Record) -> None:
        listed = json.loads(record.retained[f"{BASE}/alerts"])
        (active,) = listed["active"]
        assert not active["acknowledged"]
        assert active["alert_id"] == record.events()[0]["alert_id"]
        assert record.last("alerts")["active"] == []

    def test_the_daemon_is_online_and_after_a_clean_stop_offline(self, record: Record) -> None:
        said = [one.payload for one in record.seen if one.topic == f"{BASE}/availability"]
        assert said == [b"online", b"offline"]
        assert record.retained[f"{BASE}/availability"] == b"online"
        assert record.retained[f"{BASE}/meters/incomer/availability"] == b"online"

    def test_a_clean_stop_takes_no_more_than_two_seconds(self, record: Record) -> None:
        assert record.stop_s < 2.0

    def test_the_state_of_a_point_has_every_key(self, record: Record) -> None:
        states = [json.loads(one.payload) for one in record.seen if one.topic == f"{BASE}/points/main/state"]
        for state in states:
            assert fault("point", state) is None
        assert states[0]["quality"] == "good"
        assert states[0]["readings"][LN[0]] == 231.0
        assert states[0]["picture"]["neutral_shift_v"] == pytest.approx(0.0, abs=0.5)
        assert {"normal", "phase_lost"} <= {state["verdict"] for state in states}

    def test_what_is_not_a_number_is_missing_and_never_0(self, record: Record) -> None:
        state = record.last("points/main/state")
        assert state["quality"] == "partial"
        assert state["missing"].keys() >= {FREQUENCY, CURRENT_N}
        assert not {FREQUENCY, CURRENT_N} & state["readings"].keys()

    def test_the_heartbeat_has_every_key(self, record: Record) -> None:
        status = record.last("status")
        assert fault("status", status) is None
        assert status["buses"]["board"]["polls"] > 0
        assert status["configuration"]["refused"] is None
        assert status["storage"] == "good"
        assert f"{BASE}/status" in record.retained

    def test_nothing_else_is_published(self, record: Record) -> None:
        assert {one.topic.removeprefix(f"{BASE}/") for one in record.seen} == {
            "availability",
            "status",
            "meters/incomer/availability",
            "points/main/state",
            "alerts",
            "alerts/main/phase_loss",
            "events/main/phase_loss",
        }

    def test_no_payload_holds_what_json_does_not_have(self, record: Record) -> None:
        def refuse(name: str) -> None:
            raise AssertionError(name)

        for one in record.seen:
            if one.payload.startswith(b"{"):
                json.loads(one.payload, parse_constant=refuse)


def test_a_broker_that_speaks_3_1_1_only_hears_the_same(tmp_path: Path) -> None:
    with (
        amqtt_broker() as url,
        plant("incomer") as meters,
        subscriber(url, MQTTProtocolVersion.MQTTv311) as watching,
        # This broker meets MQTT 5 with silence: falling back would take the whole time-out.
        running(one_meter(meters.url("incomer"), url, tmp_path), first_protocol="3.1.1") as service,
    ):
        wait_until(lambda: watching.payloads("/points/main/state"), "a first reading")
        meters.shown["incomer"] = PHASE_LOST
        wait_until(lambda: transitions(watching) == ["main/phase_loss raised"], "the alert")
        assert fault("alert", bodies(watching, "/events/")[0]) is None
        assert service.service.delivery.status.protocol == "3.1.1"
        service.stop()
        wait_until(lambda: watching.newest()[f"{BASE}/availability"] == b"offline", "offline")
