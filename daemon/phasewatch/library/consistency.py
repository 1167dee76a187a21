"""What is wrong between the keys of a site file: each alone is right, together they are not."""

from collections.abc import Iterator

from phasewatch.meters.endpoint import Endpoint
from phasewatch.meters.profile import Profile
from phasewatch.rules.catalogue import BUS_RULES, DAEMON_RULES
from phasewatch.settings import Site


def problems(site: Site) -> list[str]:
    """Return what is wrong between keys, a line each: key path, what, mend."""
    return [*_twins(site), *_endpoints(site), *_units(site), *_points(site)]


def _twins(site: Site) -> Iterator[str]:
    buses: dict[str, str] = {}
    meters: dict[str, str] = {}
    for b, bus in enumerate(site.buses):
        yield from _twin(buses, bus.name, f"buses[{b}].name")
        for m, meter in enumerate(bus.meters):
            yield from _twin(meters, meter.name, f"buses[{b}].meters[{m}].name")


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
