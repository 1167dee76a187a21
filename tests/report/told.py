"""A site, and what its daemon tells of it."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from phasewatch.configuration.files import load_messages
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.electrical.diagnosis import diagnose, numbers
from phasewatch.electrical.explanation import explain
from phasewatch.meters.quantities import LPE
from phasewatch.report.content import Material
from phasewatch.service.build import supply_of

AT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
SITE = """\
site: plant
buses:
  - name: board
    url: tcp://192.0.2.1:502
    meters:
      - {name: incomer, profile: eastron-sdm630, point: main}
      - {name: earth-reference, profile: eastron-sdm630, unit_id: 2, point: main, wiring: neutral_on_pe}
      - {name: workshop, profile: janitza-umg604, unit_id: 3, phases: [l2, l3, l1], vt_ratio: 2, interval_s: 5}
mqtt: {urls: ["mqtt://192.0.2.2"]}
points:
  workshop: {rules: {neutral_earth_voltage: {limit_v: 2.5}, voltage_unbalance: {enabled: false}}}
"""
HOSTILE = "</style></td><script>alert('x')</script>\"><img src=http://evil.example/x>&\x00\x1b"
STATUS: dict[str, Any] = {
    "site": "plant",
    "since": "2026-02-27T08:00:00.000Z",
    "at": "2026-03-01T12:00:00.000Z",
    "clock": "unsync",
    "buses": {"board": {"meters": 3, "failing": ["workshop"], "polls": 200, "failures": 3, "overruns": 1}},
    "outbox": {"depth": 4, "dropped": 1, "dead_letters": 0, "last_error": "connection refused"},
    "storage": "good",
    "delivery": {"connected": False, "url": None},
}


def site(directory: Path, text: str = SITE) -> LoadedSite:
    file = directory / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def point(loaded: LoadedSite, readings: dict[str, float], name: str = "main") -> dict[str, Any]:
    diagnosis = diagnose(readings, supply_of(loaded, name))
    return {
        "point": name,
        "meters": ["incomer"],
        "at": "2026-03-01T12:00:06.500Z",
        "quality": "partial",
        "readings": readings,
        "missing": {"current_n": "not available"},
        "picture": numbers(diagnosis),
        "verdict": diagnosis.verdict.code,
        "summary": explain(diagnosis, load_messages("en")).summary,
    }


ALERT: dict[str, Any] = {
    "alert_id": "plant-x-main-earth_displacement-1",
    "subject": "main",
    "rule": "earth_displacement",
    "phase": "L1",
    "state": "active",
    "transition": "raised",
    "severity": "high",
    "acknowledged": True,
    "shelved_until": "2026-03-02T12:00:00.000Z",
    "suppressed_by": None,
    "at": "2026-03-01T11:58:07.000Z",
    "since": "2026-03-01T11:58:07.000Z",
    "value": 30.27,
    "limit": 7.2,
    "unit": "V",
    "summary": "PE is pulled.",
}
SECONDS = [float(second) for second in range(-60, 60)]
EVIDENCE: dict[str, Any] = {
    "alert_id": ALERT["alert_id"],
    "subject": "main",
    "rule": "earth_displacement",
    "at": "2026-03-01T11:58:07.000Z",
    "samples": {
        "t_s": SECONDS,
        **{
            name: [234.0 if second < 0 else volts for second in SECONDS]
            for name, volts in zip(LPE, (208, 254, 254), strict=True)
        },
        "earth_shift_v": [0.3 if second < 0 else 30.0 for second in SECONDS],
        "neutral_shift_v": [None] * len(SECONDS),
    },
}


def material(loaded: LoadedSite, language: str = "en", **more: Any) -> Material:
    return Material(AT, "1.2.3", loaded, load_messages(language), language, **more)


class Page(HTMLParser):
    """Reads a page: every element is closed, nothing is loaded, no script runs."""

    EMPTY = ("meta", "path", "circle", "line", "rect", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        assert tag in self.EMPTY

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.words)

    def loads_nothing(self) -> bool:
        names = {name for name, _ in self.attributes}
        return not names & {"src", "href", "xlink:href", "srcset", "action", "data"} and "script" not in self.tags
