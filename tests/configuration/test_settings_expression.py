"""Rules of the user's own, from the site file to the event."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from phasewatch.alerts.event import Event
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import config_directory
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.meters.reading import Reading
from phasewatch.rules.catalogue import RULES
from phasewatch.rules.expression import Settings
from phasewatch.service.build import build_watch
from tests.service.site import HEALTHY, bus, meter, site
from tests.timeline import START

HOT: dict[str, Any] = {"expression": "current_n > 25 and u2_percent < 1"}
QUICK: dict[str, Any] = {"on_delay_s": 30, "off_delay_s": 5}
KNOWN = ", ".join(RULES)


def loaded(rules: dict[Any, Any], own: dict[str, Any] | None = None) -> LoadedSite:
    return site(bus(meter("m", interval_s=1)), rules=rules, points={"m": {"rules": own or {}}})


@pytest.mark.parametrize(
    ("rules", "own", "line"),
    [
        (
            {"voltage_unbalanc": {"limit_percent": 3}},
            {},
            "rules.voltage_unbalanc: unknown key; did you mean voltage_unbalance",
        ),
        ({"hot": {"on_delay_s": 3}}, {}, f"rules.hot: unknown key; did you mean one of {KNOWN}? A rule of your own"),
        ({"hot": None}, {}, "rules.hot: unknown key"),
        ({"hot": HOT["expression"]}, {}, "rules.hot: unknown key"),
        ({"hot": []}, {}, "rules.hot: unknown key"),
        ({}, {"hot": {"enabled": False}}, "points.m.rules.hot: unknown key"),
        ({"hot_neutral": HOT}, {"hot_neutrl": {"enabled": False}}, "points.m.rules.hot_neutrl: unknown key"),
        ({"Hot": HOT}, {}, "rules.Hot: must be lower-case letters"),
        ({"hot neutral": HOT}, {}, "rules.hot neutral: must be lower-case letters"),
        ({"_hot": HOT}, {}, "rules._hot: must be lower-case letters"),
        ({"h" * 65: HOT}, {}, f"rules.{'h' * 65}: must be lower-case letters"),
        ({5: HOT}, {}, "rules"),
        ({"seen_live": HOT}, {}, "rules.seen_live: is a name that phasewatch keeps for itself"),
        ({"hot": {**HOT, "limit_v": 3}}, {}, "rules.hot.limit_v: unknown key"),
        ({"hot": {**HOT, "on_delay_s": -1}}, {}, "rules.hot.on_delay_s: "),
        ({"hot": {**HOT, "severity": "bad"}}, {}, "rules.hot.severity: "),
        ({"hot": {"expression": 25}}, {}, "rules.hot.expression: Input should be a valid string"),
        ({"hot": {"expression": None}}, {}, "rules.hot.expression: Input should be a valid string"),
        ({"hot": {"expression": "curent_n > 1"}}, {}, "rules.hot.expression: curent_n is no quantity"),
        ({"hot": {"expression": "current_n"}}, {}, "rules.hot.expression: has a number where a condition belongs"),
        ({}, {"hot": {"expression": "current_n >"}}, "points.m.rules.hot.expression: it ends too early"),
        ({"voltage_unbalance": HOT}, {}, "rules.voltage_unbalance.expression: unknown key"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_its_place(rules: dict[Any, Any], own: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(rules, own)
    (found,) = caught.value.lines
    assert found.startswith(f"/nowhere/site.yaml: {line}")


def settings_of(rules: dict[str, Any], own: dict[str, Any] | None = None) -> Any:
    return loaded(rules, own).site.rules_of("m").get("hot")


def test_a_rule_of_the_users_own_stands_beside_the_others() -> None:
    rules = loaded({"hot": {**HOT, **QUICK}}).site.rules_of("m")
    assert list(rules) == [*RULES, "hot"]
    assert rules["hot"] == Settings(**HOT, **QUICK)


def test_a_point_overrides_it_by_keys() -> None:
    assert settings_of({"hot": {**HOT, **QUICK}}, {"hot": {"severity": "high"}}) == Settings(
        **HOT, **QUICK, severity="high"
    )
    assert settings_of({"hot": HOT}, {"hot": {"enabled": False}}).enabled is False
    other: dict[str, Any] = {"expression": "current_n > 40"}
    assert settings_of({"hot": {**HOT, **QUICK}}, {"hot": other}) == Settings(**other, **QUICK)


def test_a_point_can_have_one_that_the_site_has_not() -> None:
    two = site(bus(meter("m"), meter("n", unit_id=2)), rules={}, points={"m": {"rules": {"hot": HOT}}})
    assert "hot" in two.site.rules_of("m")
    assert "hot" not in two.site.rules_of("n")


def test_a_name_that_python_uses_too_is_a_name_like_any_other() -> None:
    rules = {name: {**HOT, "on_delay_s": place} for place, name in enumerate(("copy", "json", "own", "model_dump"))}
    found = loaded(rules, {"copy": {"severity": "low"}}).site.rules_of("m")
    assert [found[name].on_delay_s for name in rules] == [0, 1, 2, 3]
    assert found["copy"].severity == "low"


def test_the_example_site_has_one() -> None:
    example = load_site(config_directory() / "site.example.yaml").site.rules_of("main")["hot_neutral"]
    assert example == Settings(**HOT, on_delay_s=30, off_delay_s=120, severity="medium")


class Watched:
    """One meter, a poll a second."""

    def __init__(self, rules: dict[str, Any], records: dict[str, Any] | None = None) -> None:
        off = {"frozen_readings": {"enabled": False}}
        self.watch, self.gone = build_watch(loaded({**off, **rules}), "j1", records or {})
        self.now_s = 0.0
        self.events: list[Event] = []

    def poll(self, times: int, current_n: float | None) -> list[str]:
        before = len(self.events)
        values = {**HEALTHY, "current_n": current_n}
        present = {name: value for name, value in values.items() if value is not None}
        for _ in range(times):
            at = START + timedelta(seconds=self.now_s)
            self.events += self.watch.reading(Reading("m", at, 1000.0 + self.now_s, dict(present)))
            self.now_s += 1.0
        return [f"{event.key} {event.transition}" for event in self.events[before:]]


def test_it_is_raised_and_cleared_under_its_own_name() -> None:
    watched = Watched({"hot_neutral": {**HOT, **QUICK, "severity": "medium"}})
    assert watched.poll(20, 3.0) == []
    assert watched.poll(30, 31.5) == []
    assert watched.poll(2, 31.5) == ["m/hot_neutral raised"]
    assert watched.poll(10, 3.0) == ["m/hot_neutral cleared"]
    raised, cleared = (event.payload for event in watched.events)
    assert (raised["rule"], raised["subject"], raised["severity"]) == ("hot_neutral", "m", "medium")
    assert raised["summary"] == (
        "hot_neutral: current_n > 25 and u2_percent < 1 (current_n = 31.5 A, u2_percent = 0 %)"
    )
    assert (raised["value"], raised["limit"], raised["unit"], raised["phase"]) == (None, None, None, None)
    assert cleared["summary"].startswith("hot_neutral ")


def test_what_is_missing_neither_raises_nor_clears() -> None:
    watched = Watched({"hot_neutral": {**HOT, **QUICK}})
    assert watched.poll(60, None) == []
    assert watched.poll(40, 31.5) == ["m/hot_neutral raised"]
    assert watched.poll(60, None) == ["m/hot_neutral stale"]
    assert watched.poll(10, 3.0) == ["m/hot_neutral fresh", "m/hot_neutral cleared"]


def test_a_rule_that_is_no_longer_in_the_file_takes_its_alert_with_it() -> None:
    watched = Watched({"hot_neutral": {**HOT, **QUICK}})
    watched.poll(40, 31.5)
    records = {str(event.key): event.record for event in watched.events}
    assert Watched({}, records).gone == ["m/hot_neutral"]
    assert Watched({"hot_neutral": {**HOT, **QUICK}}, records).poll(10, 3.0) == ["m/hot_neutral cleared"]


@pytest.mark.parametrize("text", ["current_n > 25", "'current_n > 25'"])
def test_it_is_written_quoted_or_plain(text: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: plant\nmqtt: {urls: [mqtt://127.0.0.1]}\n"
        "buses: [{name: b, url: 'tcp://127.0.0.1', meters: [{name: m, profile: eastron-sdm630}]}]\n"
        f"rules:\n  hot:\n    expression: {text}\n",
        encoding="utf-8",
    )
    assert load_site(file).site.rules_of("m")["hot"] == Settings(expression="current_n > 25")
