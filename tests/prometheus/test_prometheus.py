"""Prometheus itself scrapes a running daemon, answers every question of the dashboard, and takes the alert rules."""

import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from phasewatch.configuration.files import read_yaml
from tests.broker import free_port, mosquitto, wait_until
from tests.peers.program import program, started
from tests.prometheus.asked import RULES, RULES_FILE, SCRAPE_FILE, VARIABLES, filled_in, queries
from tests.service.plant import plant, running
from tests.service.site import PHASE_LOST, bus, meter, site

pytestmark = [pytest.mark.broker, pytest.mark.peer]

EMPTY_HERE = {"Phase and neutral to earth", "Earth shift", "Clock", "Bus load"}
"""No meter of the test measures the earth, not every machine tells of its clock, and a load takes ten seconds."""


class Prometheus:
    """The HTTP API of one that runs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def asked(self, path: str, **query: str) -> Any:
        """Return the data of an answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def found(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.asked("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Return the value of the only series; None without one."""
        found = self.found(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def up(self) -> bool:
        try:
            return self.value("up") == 1.0
        except (OSError, ValueError):
            return False


def configuration(directory: Path, target: str) -> Path:
    """Write the shipped example with its target replaced and quicker, and the rules beside it."""
    written: Any = read_yaml(SCRAPE_FILE)
    written["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (job,) = written["scrape_configs"]
    del job["scrape_interval"]
    job["static_configs"] = [{"targets": [target], "labels": {"site": "plant"}}]
    shutil.copy(RULES_FILE, directory)
    path = directory / SCRAPE_FILE.name
    path.write_text(json.dumps(written))
    return path


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Yield one that has scraped a daemon whose point loses a phase."""
    directory, listen, port = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}", free_port()
    command = [
        program("prometheus", "prometheus"),
        f"--config.file={configuration(directory, listen)}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with mosquitto(directory / "broker") as broker, plant("incomer") as meters:
        board = bus(meter("incomer", point="main"), url=meters.url("incomer"))
        keys: dict[str, Any] = {"mqtt": {"urls": [broker.url]}, "web": {"listen": listen}}
        loaded = site(board, state_dir=str(directory / "state"), **keys)
        with running(loaded), started(command, directory / "prometheus.log") as process:
            api = Prometheus(port)
            wait_until(lambda: api.up() or not process.alive(), "the first scrape", timeout_s=30)
            assert process.alive(), process.said
            wait_until(lambda: api.found('phasewatch_point_verdict{verdict="normal"}'), "a healthy point")
            meters.shown["incomer"] = PHASE_LOST
            wait_until(lambda: api.value('phasewatch_alerts{severity="high",state="active"}'), "the alert")
            wait_until(lambda: api.value("rate(phasewatch_delivered_total[1m])"), "a rate")
            yield api


def test_every_question_of_the_dashboard_is_answered(prometheus: Prometheus) -> None:
    asked = [filled_in(expression) for title, expression, _ in queries() if title not in EMPTY_HERE]
    asked.remove(filled_in(next(text for _, text, _ in queries() if 'verdict="normal"' in text)))  # no longer

    def unanswered() -> list[str]:
        return [expression for expression in asked if not prometheus.found(expression)]

    wait_until(lambda: not unanswered(), "an answer to each")


def test_the_dashboard_shows_what_the_meters_show(prometheus: Prometheus) -> None:
    shown = {
        'phasewatch_point_verdict{verdict="phase_lost",site="plant"}': 1.0,
        'phasewatch_point_voltage_volts{quantity="voltage_l1_n"}': 231.0,
        'phasewatch_alerts{severity="high",state="active"}': 1.0,
        "phasewatch_meter_online": 1.0,
        "phasewatch_delivery_connected": 1.0,
    }
    wait_until(lambda: {one: prometheus.value(one) for one in shown} == shown, "what is true")


def test_the_variables_of_the_dashboard_offer_choices(prometheus: Prometheus) -> None:
    choices = {"site": ["plant"], "point": ["main"]}
    for name, expected in choices.items():
        series, _, label = VARIABLES[name]["definition"].removeprefix("label_values(").rstrip(")").rpartition(", ")
        found = prometheus.asked(f"label/{label}/values", **{"match[]": filled_in(series)})
        assert found == expected


def test_the_rules_are_evaluated_without_a_complaint(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.asked("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "the first evaluation")
    assert [rule["name"] for rule in rules()] == [rule["alert"] for rule in RULES]
    assert [(rule["name"], rule.get("lastError")) for rule in rules() if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules() if rule["state"] == "firing"] == []
