"""Writes a site file for the meters that were found."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from phasewatch.cli.survey import PATIENT_S, TEMPLATE, Found
from phasewatch.meters.endpoint import Endpoint, parse_url
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import FREQUENCY
from phasewatch.meters.readplan import bus_ms, plan
from phasewatch.service.build import bus_cost

INTERVALS_S: Final = (1, 2, 5, 10, 30, 60)
FULL: Final = 0.8
"""Share of its time that a line should be busy at most."""


def site_lines(found: Sequence[Found], profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Yield the lines of a site file; one line has one setting: that under which most units answered."""
    url = Counter(one.url for one in found).most_common(1)[0][0]
    here = [one for one in found if one.url == url]
    interval_s = interval_for(parse_url(url), here, profiles)
    yield "site: my-site"
    yield from _supply(here)
    yield from ("buses:", "  - name: bus-1", f"    url: {url}", *_timeout(here), "    meters:")
    for one in here:
        yield from _meter(one, interval_s)
    yield from (
        f"# unit {one.unit_id} answers at {one.url}: set it to the line of the others"
        for one in found
        if one.url != url
    )
    yield from ("mqtt:", "  urls: [mqtt://localhost:1883]")


def _timeout(found: Sequence[Found]) -> Iterator[str]:
    if any(one.late for one in found):
        yield f"    timeout_s: {PATIENT_S:g}"


def _supply(found: Sequence[Found]) -> Iterator[str]:
    likely = [one.likeness for one in found if one.likeness is not None]
    if not likely:
        return
    nominal_v = Counter(like.nominal_v for like in likely).most_common(1)[0][0]
    frequency_hz = 60 if any(like.values.get(FREQUENCY, 50.0) > 55.0 for like in likely) else 50
    yield f"supply: {{nominal_v: {nominal_v:g}, frequency_hz: {frequency_hz}}}"


def _meter(one: Found, interval_s: int) -> Iterator[str]:
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
