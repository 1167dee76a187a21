"""Home Assistant: each point as a device, and the daemon as one, by MQTT device discovery.

A payload is a pure function of the site and of what was announced before, so that what is gone can be taken back.

What Home Assistant is shown of a point and of the daemon: one component for each value, verdict and alert.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from phasewatch import version
from phasewatch.adapters.journal.types import encode
from phasewatch.alerts.bus_monitor import subject_of
from phasewatch.alerts.daemon_monitor import DAEMON
from phasewatch.configuration.site import LoadedSite
from phasewatch.contract.topics import (
    ALERT,
    ALERTS,
    AVAILABILITY,
    BIRTH,
    DISCOVERY,
    METER_AVAILABILITY,
    PHASE_ALERT,
    POINT_STATE,
    STATUS,
    Topic,
)
from phasewatch.electrical.causes import EXPLANATIONS
from phasewatch.electrical.diagnosis import OTHER_KINDS
from phasewatch.electrical.explanation import Messages
from phasewatch.meters.quantities import LL, LN, LPE, PHASES, UNITS, phase_name
from phasewatch.rules.catalogue import BUS_RULES, BY_PHASE, DAEMON_RULES, METER_RULES, POINT_RULES
from phasewatch.rules.rule import TO_EARTH, Needs
from phasewatch.settings import MeterSettings

Component = tuple[str, dict[str, Any]]
"""Key within the device, and its discovery keys."""

EXPIRE_S: Final = 30
"""A value is given up after three of its intervals, and never before this."""
STATUS_EXPIRE_S: Final = 180

_SHOWN: Final[Mapping[str, tuple[str | None, int]]] = {
    "V": ("voltage", 1),
    "A": ("current", 2),
    "Hz": ("frequency", 2),
    "W": ("power", 0),
    "%": (None, 1),
}
"""Unit -> device class, decimals."""
_PHASES_N: Final[Needs] = (frozenset(LN),)
PICTURE: Final[Mapping[str, tuple[str, Needs]]] = {
    "neutral_shift_v": ("V", _PHASES_N),
    "earth_shift_v": ("V", (frozenset(LPE),)),
    "neutral_earth_v": ("V", TO_EARTH),
    "u2_percent": ("%", (frozenset(LL),)),
}
"""Number of the picture -> unit, and what it cannot be had without."""
_ATTRIBUTES: Final = (
    *("alert_id", "transition", "severity", "since", "at", "value", "unit", "limit", "summary"),
    *("acknowledged", "shelved_until", "suppressed_by", "verdict"),
)
# The topic of an alert is emptied when its rule goes: then there is no value_json.
_PICKED: Final = (
    "{% set told = value_json | default({}) %}"
    f"{{{{ dict(told.items() | selectattr('0', 'in', {list(_ATTRIBUTES)})) | tojson }}}}"
)


@dataclass(frozen=True, slots=True)
class Names:
    """Whose components these are, and the words for them."""

    site: str
    device: str
    messages: Messages

    def topic(self, kind: Topic, **levels: str) -> str:
        """Return a topic of the site."""
        return kind.address(site=self.site, **levels)

    def of(self, entity: str, **fields: str) -> str:
        """Return the name of an entity."""
        return str(self.messages["entities"][entity].format(**fields))

    def title(self, rule: str) -> str:
        """Return the name of a rule; one of the site file's own goes by itself."""
        return str(self.messages["titles"].get(rule, rule))

    def of_quantity(self, quantity: str) -> str:
        """Return the name of a quantity: `voltage_l1_n` -> Voltage L1-N."""
        if quantity in self.messages["entities"]:
            return self.of(quantity)
        family = next(name for name in ("voltage", "current", "active_power", "thd_voltage") if _is(quantity, name))
        return self.of(family, what=quantity.removeprefix(f"{family}_").upper().replace("_", "-"))

    def available(self, meters: Iterable[str] = ()) -> dict[str, Any]:
        """Return the keys for what needs the daemon and these meters."""
        topics = [self.topic(AVAILABILITY), *(self.topic(METER_AVAILABILITY, meter=meter) for meter in meters)]
        return {"availability": [{"topic": topic} for topic in topics]}


def _is(quantity: str, family: str) -> bool:
    return quantity.startswith(f"{family}_")


def point_components(loaded: LoadedSite, names: Names, meters: Sequence[MeterSettings]) -> Iterator[Component]:
    """Yield what there is to show of one point."""
    sources = loaded.sources_of(names.device)
    fastest_s = min(meter.interval_s for meter in meters)
    expire_s = max(EXPIRE_S, ceil(3.0 * max(loaded.site.publish_interval_s, fastest_s)))
    for quantity in sources:
        yield _number(names, quantity, "readings", UNITS[quantity], expire_s, _alone(sources, (quantity,)))
    if loaded.site.supply_of(names.device).system not in OTHER_KINDS:
        for number, (unit, needs) in PICTURE.items():
            if _can(sources, needs) and _can(sources, _PHASES_N):
                yield _number(names, number, "picture", unit, expire_s, _alone(sources, LN))
    yield _verdict(names, expire_s, _alone(sources, LN))
    yield from _point_problems(loaded, names, sources)
    for meter in meters:
        yield _connection(names, meter.name)
        yield from _meter_problems(loaded, names, meter)


def daemon_components(loaded: LoadedSite, names: Names) -> Iterator[Component]:
    """Yield what there is to show of the daemon and its buses."""
    online = {"state_topic": names.topic(AVAILABILITY), "payload_on": "online", "payload_off": "offline"}
    yield "connection", _binary(names.of("connection"), "connectivity", online)
    standing = {"state_topic": names.topic(ALERTS), "value_template": "{{ value_json.active | length }}"}
    yield "standing", _sensor(names.of("standing"), standing | names.available()) | {"state_class": "measurement"}
    outbox = {"state_topic": names.topic(STATUS), "value_template": "{{ value_json.outbox.depth }}"}
    kept = {"state_class": "measurement", "expire_after": STATUS_EXPIRE_S, "entity_category": "diagnostic"}
    yield "outbox", _sensor(names.of("outbox"), outbox | names.available()) | kept
    rules = loaded.site.rules_of(None)
    for rule in DAEMON_RULES:
        if rules[rule].enabled:
            yield f"alert_{rule}", _problem(names, DAEMON, rule, names.title(rule), names.available())
    for bus in loaded.site.buses:
        for rule in BUS_RULES:
            if rules[rule].enabled:
                name = names.of("bus_problem", bus=bus.name, title=names.title(rule))
                yield f"bus_{bus.name}_{rule}", _problem(names, subject_of(bus.name), rule, name, names.available())


# What is measured


def _can(sources: Mapping[str, Sequence[str]], needs: Needs) -> bool:
    return any(quantities <= sources.keys() for quantities in needs)


def _alone(sources: Mapping[str, Sequence[str]], quantities: Iterable[str]) -> list[str]:
    """Return the meters without which these quantities cannot be had: where two read one, either may fail."""
    found = [sources.get(quantity, ()) for quantity in quantities]
    return list(dict.fromkeys(meters[0] for meters in found if len(meters) == 1))


def _number(names: Names, key: str, group: str, unit: str, expire_s: int, meters: Iterable[str]) -> Component:
    device_class, decimals = _SHOWN[unit]
    parts = {
        **_point_value(names, f"value_json.{group}.get('{key}')"),
        **names.available(meters),
        "state_class": "measurement",
        "unit_of_measurement": unit,
        "suggested_display_precision": decimals,
        "expire_after": expire_s,
    }
    return key, _sensor(names.of_quantity(key), parts | ({"device_class": device_class} if device_class else {}))


def _verdict(names: Names, expire_s: int, meters: Iterable[str]) -> Component:
    attributes = (
        "{{ {'summary': value_json.summary, 'severity': value_json.picture.severity,"
        " 'phases': value_json.picture.phases, 'quality': value_json.quality, 'at': value_json.at} | tojson }}"
    )
    parts = {
        **_point_value(names, "value_json.verdict"),
        **names.available(meters),
        "device_class": "enum",
        "options": list(EXPLANATIONS),
        "expire_after": expire_s,
        "json_attributes_topic": names.topic(POINT_STATE, point=names.device),
        "json_attributes_template": attributes,
    }
    return "verdict", _sensor(names.of("verdict"), parts)


def _point_value(names: Names, value: str) -> dict[str, str]:
    """Return where a value of the point is found; what is stale or not read is none, which is shown as unknown."""
    template = f"{{{{ {value} if value_json.quality != 'stale' else none }}}}"
    return {"state_topic": names.topic(POINT_STATE, point=names.device), "value_template": template}


# Who answers, and what is wrong


def _connection(names: Names, meter: str) -> Component:
    topic = names.topic(METER_AVAILABILITY, meter=meter)
    parts = {"state_topic": topic, "payload_on": "online", "payload_off": "offline", **names.available()}
    return f"meter_{meter}", _binary(names.of("meter_connection", meter=meter), "connectivity", parts)


def _point_problems(loaded: LoadedSite, names: Names, sources: Mapping[str, Sequence[str]]) -> Iterator[Component]:
    available = names.available(_alone(sources, LN))
    elsewhere = METER_RULES.keys() | BUS_RULES.keys() | DAEMON_RULES.keys()
    for rule, settings in loaded.site.rules_of(names.device).items():
        if not settings.enabled or rule in elsewhere or not _can(sources, _needs(rule)):
            continue
        if rule not in BY_PHASE:
            yield f"alert_{rule}", _problem(names, names.device, rule, names.title(rule), available)
            continue
        for phase in (slug for slug, quantity in zip(PHASES, LN, strict=True) if quantity in sources):
            name = f"{names.title(rule)} {phase_name(phase)}"
            yield f"alert_{rule}_{phase}", _problem(names, names.device, rule, name, available, phase)


def _needs(rule: str) -> Needs:
    """Return what a rule judges nothing without: `off` would be a lie."""
    return POINT_RULES[rule].needs if rule in POINT_RULES else (frozenset(),)


def _meter_problems(loaded: LoadedSite, names: Names, meter: MeterSettings) -> Iterator[Component]:
    """Yield the alerts of a meter but `meter_offline`, which its connection shows."""
    for rule in METER_RULES:
        if rule != "meter_offline" and loaded.site.rules_of(meter.point_name)[rule].enabled:
            name = names.of("meter_problem", meter=meter.name, title=names.title(rule))
            available = names.available([meter.name])
            yield f"meter_{meter.name}_{rule}", _problem(names, meter.name, rule, name, available)


def _problem(
    names: Names, subject: str, rule: str, name: str, available: Mapping[str, Any], phase: str | None = None
) -> dict[str, Any]:
    """Return an alert: on, off, or unknown when it stood as the data ended.

    Its state is looked up in the list of standing alerts, which is always there; an alert's own topic is not, before
    it was first raised.
    """
    levels = {"subject": subject, "rule": rule}
    own = names.topic(PHASE_ALERT, **levels, phase=phase) if phase else names.topic(ALERT, **levels)
    wanted = {**levels, "phase": phase_name(phase)} if phase else levels
    chosen = "".join(f" | selectattr('{key}', 'eq', '{value}')" for key, value in wanted.items())
    return _binary(
        name,
        "problem",
        {
            "state_topic": names.topic(ALERTS),
            "value_template": f"{{% set found = value_json.active{chosen} | map(attribute='state') | list %}}"
            "{{ 'ON' if 'active' in found else none if found else 'OFF' }}",
            "json_attributes_topic": own,
            "json_attributes_template": _PICKED,
            **available,
        },
    )


def _sensor(name: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"platform": "sensor", "name": name, **parts}


def _binary(name: str, device_class: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    category = {"entity_category": "diagnostic"} if device_class == "connectivity" else {}
    return {"platform": "binary_sensor", "name": name, "device_class": device_class, **category, **parts}


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
    own = {"name": f"phasewatch {site}", "model": "phasewatch", "sw_version": version()}
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
        "origin": {"name": "phasewatch", "sw_version": version()},
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
