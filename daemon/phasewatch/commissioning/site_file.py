"""A site that is being described, and its file with comments.

Writes a site file for the meters that were found.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

from phasewatch.commissioning.identify import PATIENT_S, TEMPLATE, Found
from phasewatch.configuration.files import YamlError, parse_yaml
from phasewatch.meters.endpoint import Endpoint, parse_url
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY
from phasewatch.meters.readplan import bus_ms, plan
from phasewatch.service.build import bus_cost
from phasewatch.settings import MeterSettings, Site, SupplySettings

USUAL: Final = SupplySettings()
INTERVAL_S: Final = MeterSettings.model_fields["interval_s"].default


@dataclass(frozen=True, slots=True)
class DraftMeter:
    """A meter as it was chosen."""

    name: str
    profile: Profile
    unit_id: int
    wiring: str
    point: str


@dataclass(frozen=True, slots=True)
class DraftBus:
    """A line with its meters."""

    name: str
    url: str
    interval_s: float
    timeout_s: float | None
    """None: the usual one."""
    meters: tuple[DraftMeter, ...]


@dataclass(slots=True)
class Draft:
    """What is known of the site so far."""

    buses: list[DraftBus] = field(default_factory=list)
    site: str = "my-site"
    language: str = "en"
    nominal_v: float = USUAL.nominal_v
    frequency_hz: float = USUAL.frequency_hz
    system: str = USUAL.system
    limits: str = USUAL.limits
    broker: str = ""
    username: str = ""
    password_file: str = ""

    def meters(self) -> Iterator[DraftMeter]:
        """Yield every meter."""
        for bus in self.buses:
            yield from bus.meters


def site_text(draft: Draft) -> str:
    """Return the site file: what differs from the defaults, and as comments what is often needed."""
    parts = (_head(draft), _supply(draft), _buses(draft), _broker(draft), _rest())
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts)


def _head(draft: Draft) -> Iterator[str]:
    yield "# A site of phasewatch. After a change: phasewatch check --config THIS-FILE"
    yield "# What is not here has its default; config/site.example.yaml shows every setting."
    yield ""
    yield "# The name of the site in every topic: a-z 0-9 _ -"
    yield f"site: {scalar(draft.site)}"
    yield ""
    yield "# The words of verdicts and alerts: en or zh."
    yield _unless(draft.language == "en", f"language: {draft.language}")
    yield ""
    yield "# Where alerts and undelivered events are kept. The daemon must be able to write there."
    yield f"# state_dir: {Site.model_fields['state_dir'].default}"


def _unless(usual: bool, line: str) -> str:
    """Return a line, as a comment where it says what is so anyway."""
    return f"# {line}" if usual else line


def _supply(draft: Draft) -> Iterator[str]:
    yield "# What the supply should be. A point may have its own, under points."
    chosen = (draft.nominal_v, draft.frequency_hz, draft.system, draft.limits)
    usual = (USUAL.nominal_v, USUAL.frequency_hz, USUAL.system, USUAL.limits)
    whole = chosen == usual
    yield _unless(whole, "supply:")
    line_v = sqrt(3.0) * draft.nominal_v
    rows = (
        (f"nominal_v: {draft.nominal_v:g}", f"V, phase to NEUTRAL; line to line that is {line_v:.0f} V"),
        (f"frequency_hz: {draft.frequency_hz:g}", "Hz"),
        (f"system: {draft.system}", "the earthing: TN-S TN-C-S TT IT three_wire split_phase high_leg single_phase"),
        (f"limits: {scalar(draft.limits)}", "the preset of limits; phasewatch check shows them in volts"),
    )
    for (text, means), same in zip(rows, (a == b for a, b in zip(chosen, usual, strict=True)), strict=True):
        line = f"  {text:<22}  # {means}"
        yield _unless(usual=True, line=line) if whole else _aside(same, line)


def _buses(draft: Draft) -> Iterator[str]:
    yield "# One bus is one serial line or one network endpoint."
    yield "buses:"
    for bus in draft.buses:
        yield f"  - name: {scalar(bus.name)}"
        yield f"    url: {scalar(bus.url)}"
        if bus.timeout_s is None:
            yield "    # timeout_s: 0.5    # s, for one reply"
        else:
            yield f"    timeout_s: {bus.timeout_s:g}    # s, for one reply: a meter here is slow"
        yield "    meters:"
        for meter in bus.meters:
            yield from _meter(meter, bus)


def _meter(meter: DraftMeter, bus: DraftBus) -> Iterator[str]:
    profile = meter.profile
    yield f"      # {profile.maker} {', '.join(profile.models[:3])}"
    yield f"      - name: {scalar(meter.name)}"
    yield f"        profile: {scalar(profile.id)}"
    yield f"        unit_id: {meter.unit_id}"
    polled = f"        interval_s: {bus.interval_s:g}"
    yield f"{_aside(bus.interval_s == INTERVAL_S, polled)}    # s, how often it is asked"
    point = f"        point: {scalar(meter.point)}"
    yield f"{_aside(meter.point == meter.name, point)}    # meters of one point are diagnosed together"
    if meter.wiring in ("neutral_on_pe", "n_pe"):
        yield "        # SAFETY: it must have an auxiliary supply. A meter that feeds itself from its voltage"
        yield "        # terminals must never have one of them on PE."
    wiring = f"        wiring: {meter.wiring}"
    usual = meter.wiring == "three_phase"
    yield f"{_aside(usual, wiring)}    # what its terminals are on: three_phase neutral_on_pe n_pe l1 l2 l3"
    if usual:
        yield "        # phases: [l2, l3, l1]    # the phase each input is really on, where leads are swapped"
        yield "        # vt_ratio: 100    # voltages are multiplied by it, behind a voltage transformer"


def _aside(usual: bool, line: str) -> str:
    """Return an indented line, as a comment where it says what is so anyway."""
    bare = line.lstrip()
    return f"{line[: len(line) - len(bare)]}# {bare}" if usual else line


def _broker(draft: Draft) -> Iterator[str]:
    yield "# The broker that gets states and alerts; several are tried in turn."
    yield "mqtt:"
    yield f"  urls: [{json.dumps(draft.broker)}]    # mqtt://host:1883, or mqtts://host:8883 with TLS"
    yield f"  {_unless(not draft.username, f'username: {scalar(draft.username or draft.site)}')}"
    secret = draft.password_file or "/etc/phasewatch/mqtt-password"
    yield f"  {_unless(not draft.password_file, f'password_file: {scalar(secret)}')}    # the password alone; chmod 600"
    yield "  # ca_file: /etc/phasewatch/ca.pem    # PEM; default: the authorities that the system trusts"
    yield "  # homeassistant: true    # device discovery"
    yield "  # commands: true    # acknowledge and shelve over MQTT"


def _rest() -> Iterator[str]:
    yield "# The page for a browser, and metrics for Prometheus."
    yield "# web: {listen: 127.0.0.1:8600}"
    yield ""
    yield "# Rules have good defaults; one that is not wanted, or wanted otherwise:"
    yield "# rules:"
    yield "#   voltage_unbalance: {limit_percent: 3}"
    yield "#   neutral_impedance: {enabled: false}"


def scalar(text: str) -> str:
    """Return a text as it may stand in YAML: bare where that says the same."""
    try:
        bare = bool(text) and parse_yaml(f"a: {text}\n", "") == {"a": text}
    except YamlError:
        bare = False
    return text if bare and "#" not in text else json.dumps(text, ensure_ascii=False)


INTERVALS_S: Final = (1, 2, 5, 10, 30, 60)
FULL: Final = 0.8
"""Share of its time that a line should be busy at most."""


def site_lines(found: Sequence[Found], profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Yield the lines of a site file; one line has one setting: that under which most units answered."""
    url = Counter(one.url for one in found).most_common(1)[0][0]
    here = [one for one in found if one.url == url]
    interval_s = interval_for(parse_url(url), here, profiles)
    yield "site: my-site"
    yield from _found_supply(here)
    yield from ("buses:", "  - name: bus-1", f"    url: {url}", *_timeout(here), "    meters:")
    for one in here:
        yield from _found_meter(one, interval_s)
    yield from (
        f"# unit {one.unit_id} answers at {one.url}: set it to the line of the others"
        for one in found
        if one.url != url
    )
    yield from ("mqtt:", "  urls: [mqtt://localhost:1883]")


def _timeout(found: Sequence[Found]) -> Iterator[str]:
    if any(one.late for one in found):
        yield f"    timeout_s: {PATIENT_S:g}"


def _found_supply(found: Sequence[Found]) -> Iterator[str]:
    likely = [one.likeness for one in found if one.likeness is not None]
    if not likely:
        return
    nominal_v = Counter(like.nominal_v for like in likely).most_common(1)[0][0]
    frequency_hz = 60 if any(like.values.get(FREQUENCY, 50.0) > 55.0 for like in likely) else 50
    yield f"supply: {{nominal_v: {nominal_v:g}, frequency_hz: {frequency_hz}}}"


def _found_meter(one: Found, interval_s: int) -> Iterator[str]:
    if one.profile is None:
        yield f"      # No profile reads plausible voltages from unit {one.unit_id}: write its own, from generic.yaml."
    elif one.profile not in one.identified and len(one.proposals) > 1:
        others = ", ".join(profile_id for profile_id, _ in one.proposals[1:4])
        yield f"      # Unit {one.unit_id}: chosen by its voltages; {others} fit as well or nearly."
    profile = one.profile or TEMPLATE
    yield f"      - {{name: meter-{one.unit_id}, profile: {profile}, unit_id: {one.unit_id}, interval_s: {interval_s}}}"


def interval_for(endpoint: Endpoint, found: Sequence[Found], profiles: Mapping[str, Profile]) -> int:
    """Return the shortest interval that leaves the line some air."""
    cycle_s = sum(_cycle_s(endpoint, profiles[one.profile or TEMPLATE]) for one in found)
    return next((interval_s for interval_s in INTERVALS_S if cycle_s <= FULL * interval_s), INTERVALS_S[-1])


def _cycle_s(endpoint: Endpoint, profile: Profile) -> float:
    cost = bus_cost(endpoint, profile, 0.0)
    return bus_ms(plan(profile, profile.registers, cost), cost) / 1000.0
