"""What is told without the journal: states of points, who is online, the heartbeat, and what Home Assistant may show.

Only the newest of each counts. What is no longer configured is emptied at the broker.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from phasewatch.adapters.journal.types import Restored, encode
from phasewatch.adapters.mqtt.delivery import Delivery
from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC, discovery, essence
from phasewatch.alerts.point_monitor import PointMonitor
from phasewatch.assembly import DISCOVERED, point_names
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract.topics import ALERTS, COMMAND, METER_AVAILABILITY, POINT_STATE, STATUS
from phasewatch.publications import NO_DATA, no_data, point_state


class Announcer:
    """Says what is new, at once; and what goes on, at the site's interval."""

    def __init__(
        self, loaded: LoadedSite, delivery: Delivery, restored: Restored, discovered: Mapping[str, str]
    ) -> None:
        """`restored`: what the journal knew at the start; `discovered`: what Home Assistant knows, by topic."""
        self._loaded, self._delivery = loaded, delivery
        self._known = {topic: text.encode() for topic, text in discovered.items() if isinstance(text, str)}
        self._verdicts: dict[str, str] = {}
        self._published_s: dict[str, float] = {}
        self._online: dict[str, bool] = {}
        if loaded.site.mqtt.commands:
            delivery.subscribe(COMMAND.address(site=loaded.site.site, verb="+"))
        if loaded.site.mqtt.homeassistant:
            delivery.subscribe(BIRTH_TOPIC)
        if restored.fresh:
            # What an earlier journal told may still be retained, and nothing else would ever take it back.
            delivery.subscribe(f"{ALERTS.address(site=loaded.site.site)}/#")
        self._begin(set(restored.announced) - self._known.keys())

    def take_over(self, loaded: LoadedSite) -> None:
        """Go on with another site file: everything is told anew."""
        before, self._loaded = set(_topics(self._loaded)), loaded
        self._verdicts.clear()
        self._online.clear()
        self._begin(before)

    def _begin(self, before: set[str]) -> None:
        """Empty what is told no more, and tell Home Assistant what there is now."""
        for topic in before - set(_topics(self._loaded)):
            self._delivery.unpublish(topic)
        self.greet()

    def greet(self) -> None:
        """Tell Home Assistant what there is, and what there is no more."""
        told = discovery(self._loaded, self._known)
        for topic, payload in told.items():
            if payload:
                self._delivery.publish(topic, payload)
            else:
                self._delivery.unpublish(topic)
        known = {topic: essence(payload) for topic, payload in told.items() if payload}
        if known != self._known:
            self._known = known
            text = json.dumps({topic: payload.decode() for topic, payload in known.items()})
            self._delivery.remember({DISCOVERED: text})

    def known(self, point: str) -> bool:
        """Return whether a point's state was ever told."""
        return point in self._verdicts

    def availability(self, meter: str, *, online: bool, failing: bool) -> None:
        """Say that a meter is online once it answers, and offline once it is known to be; in between nothing is new."""
        answers = online and not failing
        if self._online.get(meter) is not answers and (answers or not online):
            self._online[meter] = answers
            topic = METER_AVAILABILITY.address(site=self._loaded.site.site, meter=meter)
            self._delivery.publish(topic, b"online" if answers else b"offline")

    def point(self, point: PointMonitor, now_s: float) -> None:
        """Tell the state of a point when its verdict changed, or its time has come."""
        if point.diagnosis is None or point.reading is None:
            return
        code = point.diagnosis.verdict.code
        due = now_s - self._published_s.get(point.name, -1e9) >= self._loaded.site.publish_interval_s
        if due or code != self._verdicts.get(point.name):
            self._verdicts[point.name], self._published_s[point.name] = code, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.publish(topic, encode(point_state(point, self._loaded, now_s)))

    def silent(self, point: PointMonitor, at: datetime, now_s: float) -> None:
        """Tell that a point has no data, in the place of what it may have told in an earlier life."""
        if point.reading is None and not self.known(point.name):
            self._verdicts[point.name], self._published_s[point.name] = NO_DATA, now_s
            topic = POINT_STATE.address(site=self._loaded.site.site, point=point.name)
            self._delivery.publish(topic, encode(no_data(point, self._loaded, at)))

    def status(self, payload: dict[str, Any]) -> None:
        """Publish the heartbeat."""
        self._delivery.publish(STATUS.address(site=self._loaded.site.site), encode(payload))


def _topics(loaded: LoadedSite) -> Iterator[str]:
    """Yield the topics that are told of a site, those of Home Assistant aside."""
    site = loaded.site.site
    yield STATUS.address(site=site)
    for _, meter in loaded.site.meters():
        yield METER_AVAILABILITY.address(site=site, meter=meter.name)
    for point in point_names(loaded):
        yield POINT_STATE.address(site=site, point=point)
