"""Home Assistant: each point as a device, and the daemon as one, by MQTT device discovery.

A payload is a pure function of the site and of what was announced before, so that what is gone can be taken back.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

from phasewatch.adapters.entities import Component, Names, daemon_components, point_components
from phasewatch.adapters.journal.types import encode
from phasewatch.alerts.daemon_monitor import DAEMON
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract.topics import BIRTH, DISCOVERY
from phasewatch.settings import MeterSettings

BIRTH_TOPIC: Final = BIRTH.pattern
"""Home Assistant says `online` here when it has started: publish everything again."""


def discovery(loaded: LoadedSite, previous: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return topic -> payload of what is to be announced, retained; an empty payload takes a device back.

    `previous`: what was announced last, by topic, whole or as `essence` keeps it; {} if nothing ever was.
    """
    devices = dict(_devices(loaded)) if loaded.site.mqtt.homeassistant else {}
    gone = {topic: b"" for topic, payload in previous.items() if payload and topic not in devices}
    kept = {topic: encode(_without_gone(device, previous.get(topic, b""))) for topic, device in devices.items()}
    return kept | gone


def essence(payload: bytes) -> bytes:
    """Return as much of a payload as must be remembered to take any part of it back: a few bytes a component."""
    return encode({"components": {key: {"platform": parts["platform"]} for key, parts in _announced(payload)}})


def _devices(loaded: LoadedSite) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield topic and payload of each device; that of the daemon first, for the others refer to it."""
    site = loaded.site.site
    own = {"name": f"phasewatch {site}", "model": "phasewatch", "sw_version": version("phasewatch")}
    yield _device(site, DAEMON, own, daemon_components(loaded, Names(site, DAEMON, loaded.messages)))
    for point in dict.fromkeys(meter.point_name for _, meter in loaded.site.meters()):
        meters = [meter for _, meter in loaded.site.meters() if meter.point_name == point]
        told = {"name": f"{site} {point}", **_maker(loaded, meters), "via_device": _identifier(site, DAEMON)}
        yield _device(site, point, told, point_components(loaded, Names(site, point, loaded.messages), meters))


def _maker(loaded: LoadedSite, meters: list[MeterSettings]) -> dict[str, str]:
    """Return who made the meters of a point; several are named with a +."""
    profiles = [loaded.profile_of(meter) for meter in meters]
    return {
        "manufacturer": " + ".join(dict.fromkeys(profile.maker for profile in profiles)),
        "model": " + ".join(dict.fromkeys(profile.models[0] for profile in profiles)),
    }


def _device(site: str, name: str, told: Mapping[str, str], components: Iterator[Component]) -> tuple[str, Any]:
    identifier = _identifier(site, name)
    payload = {
        "device": {"identifiers": [identifier], **told},
        "origin": {"name": "phasewatch", "sw_version": version("phasewatch")},
        "availability_mode": "all",
        "components": {key: {**parts, "unique_id": f"{identifier}/{key}", "qos": 1} for key, parts in components},
    }
    return DISCOVERY.address(site=site, device=name), payload


def _identifier(site: str, name: str) -> str:
    return f"phasewatch/{site}/{name}"


def _without_gone(device: dict[str, Any], before: bytes) -> dict[str, Any]:
    """Return the payload with what it no longer has named by its platform alone, which has it removed.

    Those stay in it for good: Home Assistant may be away when the first of these messages is published.
    """
    components: dict[str, Any] = device["components"]
    gone = {key: {"platform": parts["platform"]} for key, parts in _announced(before) if key not in components}
    return {**device, "components": components | gone}


def _announced(payload: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return the components of an earlier payload; none of one that cannot be read."""
    try:
        components = json.loads(payload)["components"].items()
        return [(key, parts) for key, parts in components if "platform" in parts]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
