"""What an examination means: evidence in, findings out, without asking anything."""

from collections.abc import Iterable, Iterator
from typing import Final

from phasewatch.cli.examined import BusSeen, Finding, MeterSeen, PointSeen
from phasewatch.cli.line_findings import is_late, line_findings
from phasewatch.commissioning.plausibility import Misreading

OFTEN: Final = 0.15
"""Share of requests without an answer from which a meter cannot follow."""


def findings(buses: Iterable[BusSeen], points: Iterable[PointSeen]) -> list[Finding]:
    """Return every problem, the buses first."""
    found = [finding for bus in buses for finding in (*_schedule(bus), *_bus(bus))]
    return [*found, *(finding for point in points for finding in _point(point))]


def _schedule(bus: BusSeen) -> Iterator[Finding]:
    if bus.load_percent > 100.0:
        yield Finding(
            "impossible_schedule",
            f"{bus.place}.meters",
            f"one round of polls takes {bus.load_percent:.0f} % of the time between two",
            "the bus cannot keep the intervals; polls will be left out",
            "lengthen interval_s, raise the baud rate, or split the bus",
        )


def _bus(bus: BusSeen) -> Iterator[Finding]:
    if bus.answering_url is not None:
        framing = bus.answering_url.partition(":")[0]
        same = bus.url.partition(":")[0] == framing
        yield Finding(
            "wrong_line_settings" if same else "wrong_framing",
            f"{bus.place}.url",
            f"no meter answers at {bus.url}, but one does at {bus.answering_url}",
            "the line runs at other settings" if same else f"the endpoint speaks {framing}, whatever the port suggests",
            f"set it to {bus.answering_url}, or the device to what the file says",
        )
    elif all(meter.kinds["unreachable"] == meter.asked for meter in bus.meters):
        yield Finding(
            "unreachable",
            f"{bus.place}.url",
            bus.meters[0].error,
            "nothing was sent: the address, the cable or the port is wrong, not permitted, or used by another program",
            "see whether the device is there and free, then correct the url",
        )
    else:
        of_the_line = list(line_findings(bus))
        yield from of_the_line
        yield from (finding for meter in bus.meters for finding in _meter(bus, meter, sound=not of_the_line))


def _meter(bus: BusSeen, meter: MeterSeen, *, sound: bool) -> Iterator[Finding]:
    """Yield what is wrong with a meter; on a line that is not sound, requests get lost whatever the meter does."""
    if meter.misreading is not None:
        yield from _misread(meter, meter.misreading)
    elif meter.proposals:
        yield Finding(
            "wrong_profile",
            f"{meter.place}.profile",
            _as_read(meter),
            f"the meter is another model; voltages are plausible as read by {', '.join(meter.proposals)}",
            f"try profile: {meter.proposals[0]}",
        )
    elif not meter.answers and not (bus.serial_line and meter.kinds["damaged"]) and not _only_late(bus, meter):
        yield _absent(bus, meter)
    elif not meter.kinds["words"] and meter.kinds["refused"] and not meter.voltages:
        yield Finding(
            "refuses",
            f"{meter.place}.profile",
            meter.error,
            "the meter is there but gives none of the registers of its profile, nor of any other",
            "see whether it is starting or locked; otherwise write its own profile, from generic.yaml",
        )
    elif sound and (meter.kinds["silent"] + meter.kinds["lost"]) / max(meter.asked, 1) >= OFTEN:
        yield Finding(
            "misses_requests",
            f"{bus.place}.timeout_s",
            f"{meter.kinds['silent'] + meter.kinds['lost']} of {meter.asked} requests to {meter.name} had no answer",
            "the meter or its gateway is too slow, wants more silence between requests, or serves others as well",
            "raise timeout_s, then gap_ms and unit_gap_ms; leave the gateway one client",
        )


def _only_late(bus: BusSeen, meter: MeterSeen) -> bool:
    return is_late(bus) and bool(bus.counts.late_replies[meter.unit_id])


def _as_read(meter: MeterSeen) -> str:
    if not meter.voltages:
        return f"as {meter.profile} reads it, {meter.error or 'no voltage can be read'}"
    return f"as {meter.profile} reads it, phase to neutral is {'/'.join(f'{volts:.4g}' for volts in meter.voltages)} V"


def _misread(meter: MeterSeen, wrong: Misreading) -> Iterator[Finding]:
    own = f"in a copy of {meter.profile}.yaml in meters/ beside the site file, {{}}"
    rows = (
        (
            wrong.swapped,
            "swapped_words",
            "the meter sends the words of a value in the other order",
            "set word_order to the other of big and little (or the register order in the meter)",
        ),
        (
            wrong.offset,
            "address_off_by_one",
            f"every register is {abs(wrong.offset)} {'higher' if wrong.offset > 0 else 'lower'} than the profile says:"
            " a list that counts from 1",
            f"{'add 1 to' if wrong.offset > 0 else 'take 1 from'} every address",
        ),
        (
            wrong.other_function,
            "wrong_function_code",
            "the meter keeps these registers under the other function code",
            "set function_code to the other of 3 and 4",
        ),
    )
    for applies, code, means, change in rows:
        if applies:
            yield Finding(
                code,
                f"{meter.place}.profile",
                _as_read(meter),
                f"{means}; then the voltages are plausible",
                own.format(change),
            )


def _absent(bus: BusSeen, meter: MeterSeen) -> Finding:
    others = sorted(meter.foreign_units) or list(bus.other_units)
    if others:
        told = ", ".join(map(str, others))
        return Finding(
            "other_unit_id",
            f"{meter.place}.unit_id",
            f"unit {meter.unit_id} does not answer; unit {told} does, and is no meter of the file",
            "the meter is set to another unit id",
            f"set unit_id: {others[0]}, or the meter to {meter.unit_id}",
        )
    return Finding(
        "no_answer",
        f"{meter.place}.unit_id",
        meter.error or "no answer",
        "the meter is off, not connected, its A and B are swapped, or it has another unit id or other line settings",
        f"`phasewatch scan '{bus.url}' --units 1-247` shows who answers",
    )


def _point(point: PointSeen) -> Iterator[Finding]:
    if point.likelier_v is not None:
        yield Finding(
            "wrong_nominal_voltage",
            point.nominal_place,
            f"phase to neutral reads {'/'.join(f'{volts:.1f}' for volts in point.voltages)} V",
            f"the supply is one of {point.likelier_v:g} V, not of {point.nominal_v:g} V",
            f"set nominal_v: {point.likelier_v:g} (phase to neutral), or vt_ratio where a transformer is in between",
        )
    for place, other, phases in point.swapped:
        yield Finding(
            "leads_swapped",
            f"{place}.phases",
            f"its voltages agree with those of {other} only in another order",
            f"the voltage leads of this meter or of {other} are swapped",
            f"put the leads right, or set phases: [{', '.join(phases)}]",
        )
