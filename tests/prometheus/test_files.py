"""The dashboard can be imported anywhere, and it and the alert rules name what the daemon exposes."""

import subprocess
from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from phasewatch.adapters.journal.types import DeliveryStatus
from phasewatch.adapters.metrics import expose
from phasewatch.adapters.modbus.protocol import LineCounts
from phasewatch.electrical.severity import Severity
from tests.peers.program import program
from tests.prometheus.asked import (
    ADDED_BY_PROMETHEUS,
    DASHBOARD,
    PANELS,
    RULES,
    RULES_FILE,
    SCRAPE_FILE,
    VARIABLES,
    grouped,
    left,
    matched,
    names,
    queries,
    shown_labels,
)
from tests.served import MEASURES

RULES_TEST = Path(__file__).parent / "rules_test.yml"
EXPRESSIONS = [*(expression for _, expression, _ in queries()), *(rule["expr"] for rule in RULES)]
OURS = [one for one in PANELS if one["type"] != "row"]


def exposed() -> dict[str, set[str]]:
    """Return the labels of every metric, by the name of its samples."""
    (point,) = MEASURES.points
    everything = replace(
        MEASURES,
        delivery=DeliveryStatus(),
        lines={"board": LineCounts()},
        points=(replace(point, earth_shift_v=30.0),),
    )
    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(expose(everything).decode()):
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def labels_of(expression: str) -> set[str]:
    """Return the labels of the metrics that an expression names."""
    known = exposed()
    return set().union(ADDED_BY_PROMETHEUS, *(known[name] for name in names(expression)))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_is_exposed_with_the_labels_it_is_chosen_by(expression: str) -> None:
    known = exposed()
    for name, labels in matched(expression):
        assert name in known
        assert labels <= known[name] | ADDED_BY_PROMETHEUS, name


@pytest.mark.parametrize(("title", "expression", "legend"), queries())
def test_a_legend_shows_labels_that_the_query_leaves(title: str, expression: str, legend: str) -> None:
    there = labels_of(expression)
    assert grouped(expression) <= there
    assert shown_labels(legend) <= left(expression, there)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    there = labels_of(rule["expr"])
    assert grouped(rule["expr"]) <= there
    assert rule["labels"]["severity"] in get_args(Severity)
    assert rule["for"]
    assert set(rule["annotations"]) == {"summary", "description"}
    assert "instance" in shown_labels(rule["annotations"]["summary"])
    assert shown_labels(" ".join(rule["annotations"].values())) <= left(rule["expr"], there)


def test_every_metric_is_shown_or_judged() -> None:
    used = set().union(*(names(expression) for expression in EXPRESSIONS))
    helpers = {"phasewatch_delivery_latency_seconds_sum", "phasewatch_delivery_latency_seconds_count"}
    unused = {name for name in exposed() if not name.endswith("_created")} - used - helpers
    assert unused == set()


def test_no_data_source_of_ours_is_written_into_the_dashboard() -> None:
    places = [panel["datasource"] for panel in OURS] + [
        target["datasource"] for one in OURS for target in one["targets"]
    ]
    places += [one["datasource"] for one in VARIABLES.values() if one["type"] == "query"]
    assert all(place == {"type": "prometheus", "uid": "${datasource}"} for place in places)
    assert (VARIABLES["datasource"]["type"], VARIABLES["datasource"]["query"]) == ("datasource", "prometheus")
    assert (DASHBOARD["id"], DASHBOARD["uid"]) == (None, "phasewatch")
    assert DASHBOARD["schemaVersion"] >= 36


def test_every_variable_that_is_asked_for_exists() -> None:
    asked = [expression for _, expression, _ in queries()] + [
        one["query"]["query"] for one in list(VARIABLES.values())[1:]
    ]
    words = {word.split('"')[0] for text in asked for word in text.split('"$')[1:]}
    assert words <= set(VARIABLES)


def test_no_panel_covers_another() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_no_two_targets_of_a_panel_share_a_letter() -> None:
    for panel in OURS:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_every_rule_has_a_timeline_on_which_it_fires() -> None:
    text = RULES_TEST.read_text("utf-8")
    assert [rule["alert"] for rule in RULES if rule["alert"] not in text] == []


@pytest.mark.peer
@pytest.mark.parametrize(
    "words",
    [("check", "rules", RULES_FILE), ("test", "rules", RULES_TEST), ("check", "config", SCRAPE_FILE)],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_accepts(words: tuple[str | Path, ...]) -> None:
    command = [program("promtool", "prometheus"), *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
