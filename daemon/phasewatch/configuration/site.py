"""Loads a site file and everything it names: profiles, limit presets, messages."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from phasewatch.configuration.checks import (
    broker_doubts,
    nothing_to_judge,
    nothing_to_read,
    problems,
    same_units,
    webhook_doubts,
)
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import YamlError, load_limits, load_messages, load_profile, read_yaml
from phasewatch.configuration.validation import validation_lines
from phasewatch.electrical.explanation import Messages
from phasewatch.electrical.limits import Limits
from phasewatch.meters.measuring_point import Member, translation
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import UNITS
from phasewatch.settings import FOLDER, MeterSettings, Site, warnings


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site file that can be run."""

    path: Path
    site: Site
    profiles: dict[str, Profile]
    """By id, those that the site uses."""
    limits: dict[str, Limits]
    """By id, those that the site uses."""
    messages: Messages
    warnings: tuple[str, ...] = ()

    def profile_of(self, meter: MeterSettings) -> Profile:
        """Return the profile of a meter."""
        return self.profiles[meter.profile]

    def sources_of(self, point: str) -> dict[str, list[str]]:
        """Return quantity of a point -> the meters that read it, in the order of the vocabulary."""
        found: dict[str, list[str]] = {}
        for _, meter in self.site.meters():
            if meter.point_name != point:
                continue
            table = translation(Member(meter.name, meter.wiring, meter.phases))
            read = [name for name in self.profile_of(meter).registers if name in table and name not in meter.ignore]
            for quantity in dict.fromkeys(table[name][0] for name in read):
                found.setdefault(quantity, []).append(meter.name)
        return {quantity: found[quantity] for quantity in UNITS if quantity in found}

    def unit_id_of(self, meter: MeterSettings) -> int:
        """Return the unit id of a meter: its own, or its profile's for this sort of bus."""
        profile = self.profile_of(meter)
        if meter.unit_id is not None:
            return meter.unit_id
        if profile.tcp_unit_id is None:
            return profile.unit_id
        bus = next(bus for bus, one in self.site.meters() if one.name == meter.name)
        return profile.unit_id_on(serial_line=bus.endpoint.serial_line)


def load_site(path: Path) -> LoadedSite:
    """Load a site file.

    Raises: ConfigurationError with one line for each problem: file, key path, remedy.
    """
    try:
        content = read_yaml(path)
    except YamlError as error:
        raise ConfigurationError([str(error)]) from error
    return build_site(content, path)


def build_site(content: object, path: Path) -> LoadedSite:
    """Build a site from the content of its file; `path` is where it says it is from.

    Raises: ConfigurationError with one line for each problem.
    """
    if not isinstance(content, dict):
        raise ConfigurationError(
            [f"{path}: holds no keys such as site, buses and mqtt; begin with config/site.example.yaml"]
        )
    try:
        site = Site.model_validate(content, context={FOLDER: path.absolute().parent})
    except ValidationError as error:
        raise ConfigurationError(validation_lines(error, str(path))) from error
    lines = [f"{path}: {line}" for line in problems(site)]
    profiles: dict[str, Profile] = {}
    limits: dict[str, Limits] = {}
    lines += _gather(path, _profile_places(site), profiles, load_profile)
    lines += _gather(path, _limits_places(site), limits, load_limits)
    if not lines:
        lines += [f"{path}: {line}" for line in (*same_units(site, profiles), *nothing_to_read(site, profiles))]
    if lines:
        raise ConfigurationError(lines)
    loaded = LoadedSite(path, site, profiles, limits, load_messages(site.language))
    doubts = (*warnings(site), *nothing_to_judge(site, profiles), *broker_doubts(site.mqtt))
    doubts += tuple(webhook_doubts(site.webhooks))
    return replace(loaded, warnings=tuple(f"{path}: {line}" for line in doubts))


def _profile_places(site: Site) -> Iterator[tuple[str, str]]:
    for b, bus in enumerate(site.buses):
        for m, meter in enumerate(bus.meters):
            yield f"buses[{b}].meters[{m}].profile", meter.profile


def _limits_places(site: Site) -> Iterator[tuple[str, str]]:
    yield "supply.limits", site.supply.limits
    for name, point in site.points.items():
        if point.supply.limits is not None:
            yield f"points.{name}.supply.limits", point.supply.limits


def _gather(path: Path, places: Iterator[tuple[str, str]], found: dict[str, Any], load: Any) -> list[str]:
    """Load what each place names; return a line for each that cannot be."""
    lines = []
    for place, name in places:
        if name in found:
            continue
        try:
            found[name] = load(name, path.parent)
        except ConfigurationError as error:
            lines += [f"{path}: {place}: {line}" for line in error.lines]
    return lines
