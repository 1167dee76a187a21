"""Device discovery of Home Assistant.

The keys are those that Home Assistant documents for device discovery, MQTT sensor and MQTT binary sensor
(www.home-assistant.io/integrations/{mqtt,sensor.mqtt,binary_sensor.mqtt}/); `tests/peers/homeassistant_check.py` asks
Home Assistant itself.
"""

import json
import re
from typing import Any

import pytest

from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC, PICTURE, discovery, essence
from phasewatch.configuration.files import profile_ids
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract.schemas import schema
from phasewatch.contract.topics import DISCOVERY, kind_of
from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.electrical.diagnosis import NUMBERS
from phasewatch.meters.quantities import CURRENTS, FREQUENCY, LN, UNITS
from phasewatch.rules.catalogue import BY_PHASE, DAEMON_RULES, POINT_RULES
from tests.rules.views import view
from tests.service.site import bus, meter, site

DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version", "via_device"}
TOP = {"device", "origin", "availability_mode", "components"}
ENTITY = {"platform", "name", "unique_id", "qos", "availability", "state_topic", "value_template", "device_class"} | {
    "entity_category",
    "expire_after",
    "json_attributes_topic",
    "json_attributes_template",
}
PLATFORMS = {
    "sensor": ENTITY | {"options", "state_class", "unit_of_measurement", "suggested_display_precision"},
    "binary_sensor": ENTITY | {"payload_on", "payload_off"},
}
CLASSES = {
    "sensor": {"V": "voltage", "A": "current", "Hz": "frequency", "W": "power", "%": None},
    "binary_sensor": {"problem", "connectivity"},
}
MAIN = "homeassistant/device/plant/main/config"
DAEMON = "homeassistant/device/plant/_daemon/config"
MQTT = {"urls": ["mqtt://127.0.0.1:1"], "homeassistant": True}


def one_point(*meters: dict[str, Any], **keys: Any) -> LoadedSite:
    return site(bus(*(meters or (meter("incomer", point="main"),))), **{"mqtt": MQTT, **keys})


def two_meters(**keys: Any) -> LoadedSite:
    earth = meter("earth", point="main", unit_id=2, wiring="neutral_on_pe", profile="janitza-umg604")
    return one_point(meter("incomer", point="main"), earth, **keys)


def payloads(loaded: LoadedSite, previous: dict[str, bytes] | None = None) -> dict[str, Any]:
    return {topic: json.loads(told) if told else None for topic, told in discovery(loaded, previous or {}).items()}


def components(loaded: LoadedSite, topic: str = MAIN) -> dict[str, Any]:
    found: dict[str, Any] = payloads(loaded)[topic]["components"]
    return found


def needs(component: dict[str, Any]) -> list[str]:
    return [one["topic"].removeprefix("phasewatch/plant/") for one in component["availability"]]


ALL = payloads(two_meters())
EVERY = {f"{kind}/{key}": one for kind, told in ALL.items() for key, one in told["components"].items()}


def test_each_point_is_a_device_behind_that_of_the_daemon() -> None:
    told = payloads(one_point(meter("incomer", point="main"), meter("press", unit_id=2)))
    assert list(told) == [DAEMON, MAIN, "homeassistant/device/plant/press/config"]
    own = told[DAEMON]["device"]["identifiers"]
    assert [told[topic]["device"]["via_device"] for topic in list(told)[1:]] == own * 2
    assert all(kind_of(topic) is DISCOVERY for topic in told)


def test_a_device_says_who_made_its_meters() -> None:
    device = ALL[MAIN]["device"]
    assert (device["manufacturer"], device["model"]) == ("Eastron + Janitza", "SDM630-Modbus + UMG 604")
    assert ALL[MAIN]["origin"].keys() == {"name", "sw_version"}


@pytest.mark.parametrize("topic", ALL)
def test_a_device_has_known_keys_only(topic: str) -> None:
    assert ALL[topic].keys() == TOP
    assert ALL[topic]["device"].keys() <= DEVICE
    assert ALL[topic]["availability_mode"] == "all"


@pytest.mark.parametrize("key", EVERY)
def test_a_component_has_known_keys_only(key: str) -> None:
    one = EVERY[key]
    assert one.keys() <= PLATFORMS[one["platform"]]
    assert {"name", "unique_id", "state_topic", "qos"} <= one.keys()
    topics = [one["state_topic"], *(entry["topic"] for entry in one.get("availability", []))]
    assert all(kind_of(topic) for topic in [*topics, *filter(None, [one.get("json_attributes_topic")])])


@pytest.mark.parametrize("key", EVERY)
def test_class_and_unit_belong_together(key: str) -> None:
    one = EVERY[key]
    if one["platform"] == "binary_sensor":
        assert one["device_class"] in CLASSES["binary_sensor"]
    elif one.get("device_class") == "enum":
        assert one["options"]
        assert not {"state_class", "unit_of_measurement"} & one.keys()
    elif "unit_of_measurement" in one:
        assert one.get("device_class") == CLASSES["sensor"][one["unit_of_measurement"]]  # type: ignore[index]


def test_no_two_entities_have_one_id() -> None:
    ids = [one["unique_id"] for one in EVERY.values()]
    assert len(ids) == len(set(ids))


def test_what_a_template_picks_is_in_the_payload() -> None:
    topics = {"points/main/state": "point", "alerts": "alerts", "status": "status"}
    for one in EVERY.values():
        name = topics.get(one["state_topic"].removeprefix("phasewatch/plant/"))
        places = [(name, one.get("value_template", ""))]
        if one["platform"] == "sensor":
            places.append((name, one.get("json_attributes_template", "")))
        for kind, template in places:
            keys = re.findall(r"value_json\.(\w+)", template)
            assert set(keys) <= (schema(kind)["properties"].keys() if kind else set())


def test_the_attributes_of_a_problem_are_keys_of_an_alert() -> None:
    templates = {one["json_attributes_template"] for one in EVERY.values() if one.get("device_class") == "problem"}
    (template,) = templates
    assert set(re.findall(r"'([a-z_]{2,})'", template.partition("'in'")[2])) <= schema("alert")["properties"].keys()


def test_a_meter_shows_what_it_reads_and_no_more() -> None:
    found = components(one_point(meter("incomer", point="main", ignore=["current_n"])))
    shown = [key for key in found if key in UNITS]
    assert {"voltage_l1_n", "voltage_l3_l1", "current_l1", "frequency"} <= set(shown)
    assert not {"current_n", "voltage_n_pe", "voltage_l1_pe"} & found.keys()
    assert shown == [name for name in UNITS if name in shown]


@pytest.mark.parametrize("profile", profile_ids())
def test_every_meter_there_is_can_be_shown(profile: str) -> None:
    found = components(one_point(meter("incomer", point="main", profile=profile)))
    assert {"verdict", "meter_incomer"} < found.keys()
    assert UNITS.keys() & found.keys()


def test_earth_is_shown_where_it_is_measured() -> None:
    of_earth = {"earth_shift_v", "neutral_earth_v", "alert_earth_displacement", "alert_neutral_earth_voltage"}
    assert not of_earth & components(one_point()).keys()
    assert of_earth <= components(two_meters()).keys()


def test_a_split_phase_supply_has_no_picture() -> None:
    found = components(one_point(supply={"nominal_v": 120, "system": "split_phase"}))
    assert not PICTURE.keys() & found.keys()
    assert "verdict" in found


def test_a_value_needs_the_daemon_and_the_one_meter_that_reads_it() -> None:
    found = components(two_meters())
    assert needs(found["voltage_l1_n"]) == ["availability", "meters/incomer/availability"]
    assert needs(found["voltage_l1_pe"]) == ["availability", "meters/earth/availability"]
    assert needs(found["alert_earth_displacement"]) == ["availability", "meters/incomer/availability"]


def test_a_value_that_two_meters_read_outlives_either() -> None:
    found = components(one_point(meter("a", point="main"), meter("b", point="main", unit_id=2)))
    assert needs(found["voltage_l1_n"]) == needs(found["verdict"]) == ["availability"]


def test_whether_a_meter_or_the_daemon_is_there_is_told_while_it_is_not() -> None:
    assert needs(components(one_point())["meter_incomer"]) == ["availability"]
    assert "availability" not in components(one_point(), DAEMON)["connection"]


def test_every_problem_is_looked_up_in_the_list_that_is_always_there() -> None:
    problems = [one for one in EVERY.values() if one.get("device_class") == "problem"]
    assert {one["state_topic"] for one in problems} == {"phasewatch/plant/alerts"}
    assert len({one["value_template"] for one in problems}) == len(problems)


def test_every_rule_that_can_judge_is_there_and_by_phase_where_it_is_kept_so() -> None:
    found = components(two_meters(rules={"hot": {"expression": "current_n > 9"}, "wiring": {"enabled": False}}))
    shown = {key.removeprefix("alert_") for key in found if key.startswith("alert_")}
    by_phase = {f"{rule}_{phase}" for rule in BY_PHASE for phase in ("l1", "l2", "l3")}
    assert shown == (POINT_RULES.keys() - BY_PHASE - {"wiring"}) | by_phase | {"hot"}
    assert DAEMON_RULES.keys() <= {key.removeprefix("alert_") for key in components(two_meters(), DAEMON)}
    own = found["alert_voltage_deviation_l2"]
    assert own["json_attributes_topic"] == "phasewatch/plant/alerts/main/voltage_deviation/l2"
    assert "selectattr('phase', 'eq', 'L2')" in own["value_template"]


def test_the_rules_kept_by_phase_are_those_that_judge_so() -> None:
    seen = view({**dict.fromkeys(LN, 150.0), FREQUENCY: 50.0, **dict.fromkeys(CURRENTS, 5.0)})
    conditions = {name: entry(entry.settings_model()).judge(seen) for name, entry in POINT_RULES.items()}
    assert {name for name, told in conditions.items() if any(one.phase for one in told)} == BY_PHASE


def test_the_tables_name_what_there_is() -> None:
    assert PICTURE.keys() <= NUMBERS.keys()
    assert components(one_point())["verdict"]["options"] == list(EXPLANATIONS)


@pytest.mark.parametrize(
    ("publish_s", "interval_s", "expire_s"), [(10, 1, 30), (20, 1, 60), (10, 300, 900), (1, 1, 30)]
)
def test_a_value_expires_after_three_of_its_intervals(publish_s: float, interval_s: float, expire_s: int) -> None:
    slow = one_point(meter("incomer", point="main", interval_s=interval_s), publish_interval_s=publish_s)
    assert components(slow)["voltage_l1_n"]["expire_after"] == expire_s


def test_names_are_in_the_language_of_the_site() -> None:
    found = components(one_point(language="zh"))
    assert found["voltage_l1_n"]["name"] == "电压 L1-N"
    assert found["alert_voltage_deviation_l1"]["name"] == "电压偏差 L1"
    same = components(one_point())
    assert {key: one["unique_id"] for key, one in found.items()} == {key: one["unique_id"] for key, one in same.items()}


class TestTakingBack:
    def test_what_stays_is_told_alike(self) -> None:
        first = discovery(two_meters(), {})
        assert discovery(two_meters(), first) == first

    def test_a_point_that_is_gone_is_emptied(self) -> None:
        first = discovery(one_point(meter("incomer", point="main"), meter("press", unit_id=2)), {})
        assert discovery(one_point(), first)["homeassistant/device/plant/press/config"] == b""

    def test_all_is_emptied_when_discovery_is_switched_off(self) -> None:
        first = discovery(one_point(), {})
        assert discovery(one_point(mqtt={**MQTT, "homeassistant": False}), first) == dict.fromkeys(first, b"")

    def test_nothing_is_told_where_it_was_never_on(self) -> None:
        assert discovery(one_point(mqtt={**MQTT, "homeassistant": False}), {}) == {}

    def test_a_component_that_is_gone_is_named_by_its_platform_alone(self) -> None:
        first = discovery(two_meters(), {})
        second = payloads(one_point(), first)[MAIN]["components"]
        assert second["voltage_l1_pe"] == {"platform": "sensor"}
        assert second["meter_earth"] == {"platform": "binary_sensor"}
        assert "unique_id" in second["voltage_l1_n"]

    def test_it_is_named_so_for_good_and_comes_back_whole(self) -> None:
        first = discovery(two_meters(), {})
        second = discovery(one_point(), first)
        assert discovery(one_point(), second) == second
        assert json.loads(discovery(two_meters(), second)[MAIN]) == json.loads(first[MAIN])

    def test_the_essence_is_enough_to_take_back(self) -> None:
        first = discovery(two_meters(), {})
        kept = {topic: essence(payload) for topic, payload in first.items()}
        assert discovery(one_point(), kept) == discovery(one_point(), first)
        assert len(kept[MAIN]) < len(first[MAIN]) / 10

    @pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"components": []}', b'{"components": {"a": 1}}', b"\xff"])
    def test_what_cannot_be_read_is_taken_for_nothing(self, payload: bytes) -> None:
        assert discovery(one_point(), {MAIN: payload}) == discovery(one_point(), {})


def test_home_assistant_says_when_it_has_started() -> None:
    assert BIRTH_TOPIC == "homeassistant/status"
