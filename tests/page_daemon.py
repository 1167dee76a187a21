"""A daemon that only pretends, with everything that its page shows."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phasewatch.adapters.http.page import routes
from phasewatch.adapters.http.stream import Broadcast, slim
from phasewatch.configuration.files import load_messages
from phasewatch.drawing.places import Limits
from phasewatch.drawing.trends import History, Span
from phasewatch.electrical.diagnosis import diagnose, numbers
from phasewatch.electrical.explanation import Messages, explain
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import CURRENTS, LL, LN, LPE
from tests.served import ALERT, LOCALHOST, STATUS, TOKEN, FakeDaemon, served

WORDS = {language: load_messages(language) for language in ("en", "zh")}
SUPPLY = Supply(system="TN-S")
AT = "2026-01-01T01:00:00.000Z"
HEALTHY: Mapping[str, float] = {
    **dict.fromkeys(LN, 230.6),
    **dict.fromkeys(LL, 399.4),
    **dict.fromkeys(LPE, 230.4),
    **dict.fromkeys(CURRENTS, 12.34),
}
LEAKING: Mapping[str, float] = {
    **HEALTHY,
    **dict(zip((*LN, *LPE), (234.0, 234.0, 234.0, 208.0, 254.0, 254.0), strict=True)),
}
"""Phase to neutral is sound, the earth is pulled toward L1."""
CRITICAL: dict[str, Any] = {
    **ALERT,
    "alert_id": "plant-abc-main-earth_displacement-1",
    "rev": 1,
    "rule": "earth_displacement",
    "severity": "critical",
    "transition": "raised",
    "at": AT,
    "by": None,
    "reason": None,
    "first_out": True,
    "value": 29.9,
    "unit": "V",
    "limit": 10.0,
    "source": "phasewatch",
    "summary": "Earth displaced by 30 V, limit 10 V.",
}
UNBALANCE: dict[str, Any] = {
    **CRITICAL,
    **ALERT,
    "value": 3.1,
    "unit": "%",
    "limit": 2.0,
    "source": "EN 50160:2010 4.2.4",
}


class FakePage(FakeDaemon):
    """Shows points by their readings; what is told meanwhile goes through its broadcast."""

    def __init__(self, *points: str, readings: Mapping[str, float] = HEALTHY) -> None:
        super().__init__()
        self.broadcast = Broadcast()
        self.readings: dict[str, Mapping[str, float]] = dict.fromkeys(points or ("main",), readings)
        self.ages_s: dict[str, float] = {}
        self.alerts_now = [UNBALANCE]
        self.status_now = {**STATUS, "configuration": {"refused": None}, "unserved": None}
        self.history = History()
        self.events_now = [{**UNBALANCE, "place": place} for place in range(3, 0, -1)]
        self.loop: asyncio.AbstractEventLoop | None = None

    # Looks

    def status(self) -> dict[str, Any]:
        self.loop = asyncio.get_running_loop()
        return super().status()

    def briefs(self) -> list[dict[str, Any]]:
        states = {name: self.point_state(name) or {} for name in self.readings}
        return [
            {
                "point": name,
                "verdict": state["verdict"],
                "severity": state["picture"]["severity"],
                "quality": state["quality"],
                "low_v": round(min(state["readings"][one] for one in LN)),
                "high_v": round(max(state["readings"][one] for one in LN)),
                "age_s": state["age_s"] if state["quality"] == "stale" else None,
            }
            for name, state in states.items()
        ]

    def point_state(self, point: str) -> dict[str, Any] | None:
        readings, age_s = self.readings.get(point), self.ages_s.get(point, 0.4)
        if readings is None:
            return None
        diagnosis = diagnose(readings, SUPPLY)
        return {
            "point": point,
            "meters": ["incomer"],
            "at": AT,
            "age_s": age_s,
            "quality": "stale" if age_s > 10.0 else "good",
            "readings": dict(readings),
            "missing": {},
            "picture": numbers(diagnosis),
            "verdict": diagnosis.verdict.code,
            "summary": explain(diagnosis, WORDS["en"]).summary,
            "stale_s": 10.0,
        }

    def explanation(self, point: str, language: str) -> dict[str, Any] | None:
        diagnosis = diagnose(self.readings[point], SUPPLY)
        told = explain(diagnosis, WORDS[language])
        causes = [{"code": code, "text": text} for code, text in told.causes]
        steps = {"causes": causes, "cannot_tell": list(told.cannot_tell), "next_steps": list(told.next_steps)}
        return {"verdict": diagnosis.verdict.code, "summary": told.summary, **steps}

    def circles(self, point: str) -> tuple[float, Limits]:
        return 230.0, Limits(11.5, 10.0, 5.0, 2.9)

    def trend(self, point: str, span: Span) -> dict[str, Any]:
        return {"at": AT, **self.history.trend(point, span, 90_000.0)}

    def words(self, language: str | None) -> Messages:
        return WORDS.get(language or "en", WORDS["en"])

    async def events(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        return [event for event in self.events_now if before is None or event["place"] < before][:limit]

    async def evidence(self, alert_id: str) -> dict[str, Any] | None:
        if alert_id != UNBALANCE["alert_id"]:
            return None
        samples = {
            "offset_s": [float(s) for s in range(-60, 61)],
            **{name: [230.0 + s % 3 for s in range(121)] for name in LL},
        }
        return {
            "alert_id": alert_id,
            "subject": "main",
            "rule": "voltage_unbalance",
            "at": AT,
            "samples": samples,
            "complete": True,
        }

    # Changes, from another thread

    def show(self, point: str, readings: Mapping[str, float], age_s: float = 0.4) -> None:
        """Show other readings, and say so."""
        self.readings[point], self.ages_s[point] = readings, age_s
        self.do(lambda: self.broadcast.changed(point))

    def alert(self, payload: dict[str, Any]) -> None:
        """Tell an event."""
        kept = [alert for alert in self.alerts_now if alert["alert_id"] != payload["alert_id"]]
        self.alerts_now = [*kept, payload]
        self.do(lambda: self.broadcast.tell("alert", slim(payload)))

    def do(self, work: Any) -> None:
        assert self.loop is not None, "somebody looks"
        self.loop.call_soon_threadsafe(work)


def page_served(path: Path, daemon: FakePage, listen: str = LOCALHOST) -> Any:
    """Serve a page over TCP on this machine."""
    return served(path, daemon, listen, TOKEN, routes(daemon, daemon.broadcast))
