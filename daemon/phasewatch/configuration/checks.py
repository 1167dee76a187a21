"""What is wrong between the keys of a site file: each alone is right, together they are not.

What is unsafe in how a site speaks to its brokers.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from stat import S_IRWXG, S_IRWXO, S_ISREG
from urllib.parse import urlsplit

from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.measuring_point import Member, translation
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import LN, LPE, NPE, PHASES
from phasewatch.rules.catalogue import BUS_RULES, BY_PHASE, DAEMON_RULES, METER_RULES, POINT_RULES
from phasewatch.rules.user_rules import own_rules
from phasewatch.settings import Broker, MeterSettings, MqttSettings, Site, WebhookSettings


def problems(site: Site) -> list[str]:
    """Return what is wrong between keys, a line each: key path, what, remedy."""
    return [*_twins(site), *_endpoints(site), *_units(site), *_points(site), *_alerts(site)]


def _twins(site: Site) -> Iterator[str]:
    buses: dict[str, str] = {}
    meters: dict[str, str] = {}
    for b, bus in enumerate(site.buses):
        yield from _twin(buses, bus.name, f"buses[{b}].name")
        for m, meter in enumerate(bus.meters):
            yield from _twin(meters, meter.name, f"buses[{b}].meters[{m}].name")
    sinks = {"mqtt": "the sink for the broker"}
    for w, webhook in enumerate(site.webhooks):
        yield from _twin(sinks, webhook.name, f"webhooks[{w}].name")


def _twin(seen: dict[str, str], name: str, path: str) -> Iterator[str]:
    if name in seen:
        yield f"{path}: {name} is already the name of {seen[name].removesuffix('.name')}; give each its own"
    seen.setdefault(name, path)


def _endpoints(site: Site) -> Iterator[str]:
    seen: dict[str, tuple[str, Endpoint]] = {}
    for b, bus in enumerate(site.buses):
        path, endpoint = f"buses[{b}].url", bus.endpoint
        if endpoint.key not in seen:
            seen[endpoint.key] = (path, endpoint)
            continue
        first_path, first = seen[endpoint.key]
        if first.framing != endpoint.framing:
            yield (
                f"{path}: {endpoint.key} is {first.framing} at {first_path} and {endpoint.framing} here;"
                " one endpoint has one framing: keep the one its gateway is set to"
            )
        else:
            yield f"{path}: {endpoint.key} is already the bus at {first_path}; put these meters under that bus"


def _units(site: Site) -> Iterator[str]:
    for b, bus in enumerate(site.buses):
        seen: dict[int, str] = {}
        for m, meter in enumerate(bus.meters):
            if meter.unit_id is None:
                continue
            path = f"buses[{b}].meters[{m}].unit_id"
            if meter.unit_id in seen:
                yield f"{path}: unit {meter.unit_id} is already {seen[meter.unit_id]} on this bus; one unit, one meter"
            seen.setdefault(meter.unit_id, meter.name)


def _points(site: Site) -> Iterator[str]:
    known = {meter.point_name for _, meter in site.meters()}
    meters = {meter.name for _, meter in site.meters()}
    for name, point in site.points.items():
        if name not in known:
            yield f"points.{name}: no meter has this point; known: {', '.join(sorted(known))}"
        for what, rules in (("a bus", BUS_RULES), ("the daemon", DAEMON_RULES)):
            for rule in sorted(rules.keys() & point.rules.model_fields_set):
                yield f"points.{name}.rules.{rule}: this rule judges {what}, not a point; set it under rules"
    for name in sorted(known & meters):
        if any(meter.name == name and meter.point_name != name for _, meter in site.meters()):
            yield f"points: {name} is the name of a point and of a meter of another point; rename one"


def _alerts(site: Site) -> Iterator[str]:
    """Yield alerts of which an `alert_id` cannot tell which it is: it joins subject, rule and phase with `-`."""
    seen: dict[str, str] = {}
    for path in dict.fromkeys(_paths(site)):
        name = path.replace("/", "-")
        if name in seen:
            yield f"rules: {seen[name]} and {path} would share the alert_id of {name}; rename a rule or a point"
        seen.setdefault(name, path)


def _paths(site: Site) -> Iterator[str]:
    """Yield subject/rule[/phase] of every point and meter, whether the rule is enabled or not."""
    for _, meter in site.meters():
        point = meter.point_name
        own = [*own_rules(site.rules), *(own_rules(site.points[point].rules) if point in site.points else ())]
        yield from (f"{point}/{rule}" for rule in (*POINT_RULES, *own) if rule not in BY_PHASE)
        yield from (f"{point}/{rule}/{phase}" for rule in sorted(BY_PHASE) for phase in PHASES)
        yield from (f"{meter.name}/{rule}" for rule in METER_RULES)


def same_units(site: Site, profiles: dict[str, Profile]) -> Iterator[str]:
    """Yield unit ids that collide once the profiles' defaults are known."""
    for b, bus in enumerate(site.buses):
        seen: dict[int, str] = {}
        for m, meter in enumerate(bus.meters):
            delivered = profiles[meter.profile].unit_id_on(serial_line=bus.endpoint.serial_line)
            unit_id = delivered if meter.unit_id is None else meter.unit_id
            if unit_id in seen:
                path = f"buses[{b}].meters[{m}].unit_id"
                yield f"{path}: unit {unit_id} is already {seen[unit_id]} on this bus; one unit, one meter"
            seen.setdefault(unit_id, meter.name)


def nothing_to_read(site: Site, profiles: dict[str, Profile]) -> Iterator[str]:
    """Yield meters of which nothing would be read."""
    for b, bus in enumerate(site.buses):
        for m, meter in enumerate(bus.meters):
            if profiles[meter.profile].registers.keys() <= set(meter.ignore):
                yield f"buses[{b}].meters[{m}].ignore: leaves nothing to read; take out the quantities that are wired"


def nothing_to_judge(site: Site, profiles: dict[str, Profile]) -> Iterator[str]:
    """Yield points of which no voltage is read that a verdict could be found by."""
    places: dict[str, str] = {}
    meters: dict[str, list[MeterSettings]] = {}
    for b, bus in enumerate(site.buses):
        for m, meter in enumerate(bus.meters):
            places.setdefault(meter.point_name, f"buses[{b}].meters[{m}]")
            meters.setdefault(meter.point_name, []).append(meter)
    for point, members in meters.items():
        if any(_reads_voltages(meter, profiles[meter.profile]) for meter in members):
            continue
        ignored = any(meter.ignore for meter in members)
        yield (
            f"{places[point]}: no verdict is possible at point {point}: no voltage to neutral or earth is read there; "
            + (
                "take those that are wired out of ignore"
                if ignored
                else "its meters have no such registers: add one that has"
            )
        )


def _reads_voltages(meter: MeterSettings, profile: Profile) -> bool:
    table = translation(Member(meter.name, meter.wiring, meter.phases))
    wanted = {name for name in profile.registers if name in table and name not in meter.ignore}
    return any(table[name][0] in (*LN, *LPE, NPE) for name in wanted)


def broker_doubts(mqtt: MqttSettings) -> list[str]:
    """Return what is unsafe but may be meant, a line each with its remedy."""
    parts = (_plain_password, _empty_password, _readable_by_others, _in_the_clear, _unused)
    return [line for part in parts for line in part(mqtt)]


def _plain_password(mqtt: MqttSettings) -> Iterator[str]:
    if mqtt.password is not None:
        yield (
            "mqtt.password: stands here in plain text; put it alone into a file of mode 600 that mqtt.password_file"
            " names, or hand it over with LoadCredential= of systemd"
        )


def _empty_password(mqtt: MqttSettings) -> Iterator[str]:
    try:
        empty = mqtt.password_file is not None and not mqtt.secret()
    except (OSError, UnicodeDecodeError):
        return  # reported where it is needed
    if empty:
        yield (
            f"mqtt.password_file: {mqtt.password_file} is empty; write the password into it, alone,"
            " or remove mqtt.password_file"
        )


def _readable_by_others(mqtt: MqttSettings) -> Iterator[str]:
    for name in ("password_file", "client_key_file"):
        path: Path | None = getattr(mqtt, name)
        if path is not None and _open_to_others(path):
            yield f"mqtt.{name}: {path} is open to other users than its owner; chmod 600 {path}"


def _open_to_others(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
        return S_ISREG(mode) and bool(mode & (S_IRWXG | S_IRWXO))
    except OSError:
        return False  # reported where it is read


def _in_the_clear(mqtt: MqttSettings) -> Iterator[str]:
    secret = mqtt.password is not None or mqtt.password_file is not None
    for place, url in enumerate(mqtt.urls):
        broker = Broker.parse(url)
        if secret and not broker.tls and not _loopback(broker.host):
            yield (
                f"mqtt.urls[{place}]: the password goes to {broker.host} in the clear;"
                " write mqtts:// and let the broker listen with TLS"
            )


def _unused(mqtt: MqttSettings) -> Iterator[str]:
    if any(Broker.parse(url).tls for url in mqtt.urls):
        return
    for name in ("ca_file", "client_cert_file"):
        if getattr(mqtt, name) is not None:
            yield f"mqtt.{name}: is not used, for no broker has TLS; write mqtts:// in mqtt.urls"


def webhook_doubts(webhooks: Sequence[WebhookSettings]) -> Iterator[str]:
    """Yield what is unsafe about webhooks but may be meant, a line each with how to fix it."""
    for place, webhook in enumerate(webhooks):
        path, parts = f"webhooks[{place}]", urlsplit(webhook.url)
        if parts.scheme == "http" and not _loopback(parts.hostname or ""):
            yield f"{path}.url: events go to {parts.hostname} in the clear; write https://"
        if parts.scheme == "http" and webhook.ca_file is not None:
            yield f"{path}.ca_file: is not used, for url has no TLS; write https://"
        if _open_to_others(webhook.secret_file):
            file = webhook.secret_file
            yield f"{path}.secret_file: {file} is open to other users than its owner; chmod 600 {file}"


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
