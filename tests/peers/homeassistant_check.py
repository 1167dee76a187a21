"""Home Assistant itself takes our discovery, our states and our removals. Run by hand, for it is large:

    python3.13 -m venv /tmp/ha && /tmp/ha/bin/pip install homeassistant . pytest
    PYTHONPATH=.:daemon /tmp/ha/bin/python -m tests.peers.homeassistant_check

Needs mosquitto. Only the parts that MQTT needs are started: no page, no users. Last passed with 2025.4.4.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homeassistant import bootstrap, config_entries, core, loader
from homeassistant.components.automation.config import async_validate_config_item
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from phasewatch.adapters.mqtt.homeassistant import discovery
from phasewatch.configuration.files import config_directory, read_yaml
from phasewatch.configuration.site import LoadedSite
from tests.broker import mosquitto
from tests.peers.news import event as news
from tests.peers.news import text
from tests.service.site import HEALTHY, bus, meter, site

ENTRY: Mapping[str, Any] = {
    **dict.fromkeys(("created_at", "modified_at"), "2025-01-01T00:00:00+00:00"),
    "domain": "mqtt",
    "entry_id": "01ABCDEF0123456789ABCDEF01",
    "title": "mqtt",
    "source": "user",
    "version": 1,
    "minor_version": 1,
    "options": {},
    "discovery_keys": {},
    "subentries": [],
    "disabled_by": None,
    "unique_id": None,
    **dict.fromkeys(("pref_disable_new_entities", "pref_disable_polling"), False),
}
BASE = "phasewatch/plant"
OTHER_ALERTS = "phasewatch/plant-7/alerts"
ALERT = {"subject": "main", "rule": "earth_displacement", "phase": "L1", "severity": "high", "summary": "Earth pulled"}
NO_ALERT: Mapping[str, Any] = {"seq": 0, "active": []}


def both(*more: dict[str, Any]) -> LoadedSite:
    """Return a site with a point of two meters, and what stands beside it."""
    earth = meter("earth", point="main", unit_id=2, wiring="neutral_on_pe", profile="janitza-umg604")
    meters = (meter("incomer", point="main"), earth, *more)
    return site(bus(*meters), mqtt={"urls": ["mqtt://h:1"], "homeassistant": True})


def state(**keys: Any) -> dict[str, Any]:
    picture = {"severity": "high", "phases": ["L1"], "earth_shift_v": 30.1, "u2_percent": None}
    readings = {name: value for name, value in HEALTHY.items() if name != "frequency"} | {"voltage_l1_pe": 208.0}
    told = {"quality": "good", "readings": readings, "picture": picture, "verdict": "earth_displaced"}
    return {**told, "summary": "Not normal", "at": "2026-01-01T00:00:00.000Z", **keys}


class Home:
    """A running Home Assistant, and who publishes to it."""

    def __init__(self, hass: Any, client: Client) -> None:
        self._hass, self._client = hass, client

    async def hears(self, topic: str, payload: object) -> None:
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        self._client.publish(topic, text, qos=1, retain=True).wait_for_publish(5)
        await asyncio.sleep(0.3)
        await self._hass.async_block_till_done()

    def entities(self) -> dict[str, str]:
        """Return entity id by our own id, without what all begin with."""
        kept = entity_registry.async_get(self._hass).entities.values()
        ours = [entity for entity in kept if entity.platform == "mqtt"]
        return {str(entity.unique_id).removeprefix(f"{BASE}/"): entity.entity_id for entity in ours}

    def shows(self, unique_id: str) -> str:
        return str(self._hass.states.get(self.entities()[unique_id]).state)

    def attribute(self, unique_id: str, name: str) -> Any:
        return self._hass.states.get(self.entities()[unique_id]).attributes.get(name)

    async def automate(self, automation: dict[str, Any]) -> list[dict[str, Any]]:
        """Let Home Assistant judge an automation and run it; return the list that its notifications will stand in."""
        told: list[dict[str, Any]] = []
        self._hass.services.async_register("notify", "notify", lambda call: told.append(dict(call.data)))
        judged = await async_validate_config_item(self._hass, "phasewatch", automation)
        assert judged is not None
        assert judged.validation_status == "ok", judged.validation_error
        assert await async_setup_component(self._hass, "automation", {"automation": [automation]})
        await self._hass.async_block_till_done()
        return told

    def devices(self) -> set[str]:
        return {device.name for device in device_registry.async_get(self._hass).devices.values()}


async def started(directory: Path, port: int) -> Any:
    """Return a Home Assistant with its MQTT integration and nothing else."""
    (directory / ".storage").mkdir()
    (directory / "configuration.yaml").touch()
    entry = {**ENTRY, "data": {"broker": "127.0.0.1", "port": port, "protocol": "5"}}
    kept = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [entry]}}
    (directory / ".storage" / "core.config_entries").write_text(json.dumps(kept))
    hass = core.HomeAssistant(str(directory))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.config.components |= {"http", "file_upload"}  # said to be there already: they need users and a page
    for component in ("homeassistant", "mqtt"):
        assert await async_setup_component(hass, component, {})
    await hass.async_start()
    return hass


@contextmanager
def publisher(port: int) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


async def everything_is_found(home: Home) -> None:
    told = discovery(both(meter("press", unit_id=3)), {})
    for topic, payload in told.items():
        await home.hears(topic, payload)
    ids = {one["unique_id"] for payload in told.values() for one in json.loads(payload)["components"].values()}
    assert {f"{BASE}/{one}" for one in home.entities()} == ids
    assert home.devices() == {"phasewatch plant", "plant main", "plant press"}


async def states_are_shown(home: Home) -> None:
    for name in ("", "meters/incomer/", "meters/earth/"):
        await home.hears(f"{BASE}/{name}availability", "online")
    await home.hears(f"{BASE}/alerts", NO_ALERT)
    await home.hears(f"{BASE}/points/main/state", state())
    shown = {"voltage_l1_pe": "208.0", "frequency": "unknown", "earth_shift_v": "30.1", "u2_percent": "unknown"}
    shown |= {"verdict": "earth_displaced", "alert_earth_displacement": "off", "meter_incomer": "on"}
    assert {key: home.shows(f"main/{key}") for key in shown} == shown
    assert home.attribute("main/verdict", "summary") == "Not normal"


async def alerts_come_and_go(home: Home) -> None:
    await home.hears(f"{BASE}/alerts/main/earth_displacement", ALERT)
    for told, shown in (("active", "on"), ("unknown", "unknown")):
        await home.hears(f"{BASE}/alerts", {**NO_ALERT, "active": [{**ALERT, "state": told}]})
        assert home.shows("main/alert_earth_displacement") == shown
        assert home.shows("main/alert_phase_loss") == "off"
    assert home.attribute("main/alert_earth_displacement", "summary") == "Earth pulled"
    await home.hears(f"{BASE}/alerts", NO_ALERT)
    assert home.shows("main/alert_earth_displacement") == "off"


async def what_is_not_known_is_not_shown(home: Home) -> None:
    await home.hears(f"{BASE}/points/main/state", state(quality="stale"))
    assert home.shows("main/voltage_l1_n") == home.shows("main/verdict") == "unknown"
    await home.hears(f"{BASE}/meters/earth/availability", "offline")
    assert (home.shows("main/voltage_l1_pe"), home.shows("main/voltage_l1_n")) == ("unavailable", "unknown")
    assert home.shows("main/meter_earth") == "off"
    await home.hears(f"{BASE}/availability", "offline")
    assert (home.shows("main/verdict"), home.shows("_daemon/connection")) == ("unavailable", "off")


async def what_is_gone_is_removed(home: Home) -> None:
    before = discovery(both(meter("press", unit_id=3)), {})
    alone = site(bus(meter("incomer", point="main")), mqtt={"urls": ["mqtt://h:1"], "homeassistant": True})
    for topic, payload in discovery(alone, before).items():
        await home.hears(topic, payload)
    left = {one["unique_id"] for payload in discovery(alone, {}).values() for one in _components(payload)}
    assert {f"{BASE}/{one}" for one in home.entities()} == left
    assert home.devices() == {"phasewatch plant", "plant main"}


async def the_automation_tells_and_takes_back(home: Home) -> None:
    written: Any = read_yaml(config_directory() / "examples" / "home-assistant.yaml")
    topic, by_phase = f"{OTHER_ALERTS}/main/phase_loss", f"{OTHER_ALERTS}/main/voltage_dip/l1"
    await home.hears(topic, news("main/phase_loss", 1))  # retained: it stands before Home Assistant listens
    told = await home.automate(written[0])
    await home.hears(f"{OTHER_ALERTS}/main/wiring", "")  # emptied: that rule is no longer configured
    await home.hears(by_phase, news("main/voltage_dip", 1, severity="medium"))
    await home.hears(by_phase, news("main/voltage_dip", 2, severity="critical"))
    await home.hears(topic, news("main/phase_loss", 2, acknowledged=True))
    await home.hears(by_phase, news("main/voltage_dip", 3, severity="critical", state="cleared"))
    rang = [(call["data"]["tag"], call.get("title"), call["message"]) for call in told]
    gone = (None, "clear_notification")
    assert rang == [
        (topic, "HIGH main/phase_loss", text("main/phase_loss", 1)),
        (by_phase, *gone),
        (by_phase, "CRITICAL main/voltage_dip", text("main/voltage_dip", 2)),
        (topic, *gone),
        (by_phase, *gone),
    ], rang


def _components(payload: bytes) -> list[dict[str, Any]]:
    return list(json.loads(payload)["components"].values())


async def check(directory: Path, port: int) -> None:
    hass = await started(directory, port)
    steps = (everything_is_found, states_are_shown, alerts_come_and_go, what_is_not_known_is_not_shown)
    with publisher(port) as client:
        for step in (*steps, what_is_gone_is_removed, the_automation_tells_and_takes_back):
            await step(Home(hass, client))
            print(f"ok: {step.__name__.replace('_', ' ')}")
    await hass.async_stop(force=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name) / "broker") as broker:
        (Path(name) / "home").mkdir()
        asyncio.run(check(Path(name) / "home", broker.port))
