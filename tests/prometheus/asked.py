"""What the dashboard asks and what the alert rules look at, taken apart as far as tests need it."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from phasewatch.configuration.files import config_directory, read_yaml

DASHBOARD_FILE: Final = config_directory() / "grafana" / "phasewatch.json"
RULES_FILE: Final = config_directory() / "prometheus" / "phasewatch.rules.yml"
SCRAPE_FILE: Final = config_directory() / "prometheus" / "prometheus.example.yml"

DASHBOARD: Final[dict[str, Any]] = json.loads(DASHBOARD_FILE.read_text("utf-8"))
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
VARIABLES: Final = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
_RULES: Final[Any] = read_yaml(RULES_FILE)
RULES: Final[list[dict[str, Any]]] = [rule for group in _RULES["groups"] for rule in group["rules"]]
ADDED_BY_PROMETHEUS: Final = {"job", "instance"}


def queries() -> list[tuple[str, str, str]]:
    """Return title, expression and legend of everything that the dashboard shows."""
    shown = [(panel, target) for panel in PANELS for target in panel.get("targets", [])]
    return [(panel["title"], target["expr"], target["legendFormat"]) for panel, target in shown]


def filled_in(expression: str) -> str:
    """Return a query as Grafana sends it with All chosen everywhere."""
    for name, value in (("$instance", ".+"), ("$site", ".+"), ("$point", ".+"), ("$__rate_interval", "1m")):
        expression = expression.replace(name, value)
    return expression


def names(expression: str) -> set[str]:
    """Return the metrics of ours that an expression names."""
    return set(re.findall(r"\bphasewatch_\w+", expression))


def matched(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric with the labels that it is chosen by."""
    for name, chosen in re.findall(r"\b(phasewatch_\w+)(?:\{(.*?)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", re.sub(r'"[^"]*"', "", chosen)))


def shown_labels(text: str) -> set[str]:
    """Return the labels that a legend or an annotation shows."""
    return set(re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", text))


def grouped(expression: str) -> set[str]:
    """Return the labels that an expression groups or joins by."""
    return _listed(expression, "by|on|without")


def left(expression: str, there: set[str]) -> set[str]:
    """Return the labels that the result of an expression has, of those that its metrics have."""
    kept = _listed(expression, "by")
    return kept if kept else there - _listed(expression, "without")


def _listed(expression: str, keyword: str) -> set[str]:
    lists = re.findall(rf"\b(?:{keyword})\s*\(([^()]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}
