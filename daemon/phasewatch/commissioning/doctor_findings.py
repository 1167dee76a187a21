"""What an examination means: evidence in, findings out, without asking anything.

What an examination says of a line: who else speaks on it, and how much gets damaged.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from phasewatch.commissioning.doctor_evidence import BusSeen, Finding, MeterSeen, PointSeen
from phasewatch.commissioning.plausibility import Misreading

NOISY: Final = 0.02
"""Share of damaged answers from which a line is no longer sound."""
COLLIDING: Final = 0.3
"""Share of damaged answers of one unit that only a second unit of the same id explains, the others being clean."""
LATE: Final = 0.02
"""Share of requests answered after their time from which the time is too short."""
RISING: Final = 1.5
"""Long answers damaged this many times as often as short ones: every character is at risk."""


def line_findings(bus: BusSeen) -> Iterator[Finding]:
    """Yield what is wrong with the line; another master spoils answers, so that with one no more can be said."""
    if told := "; ".join(_of_another_master(bus)):
        yield Finding(
            "two_masters",
            bus.place,
            told + (f"; {_rate(bus, bus.meters)}" if bus.serial_line else ""),
            "another master asks on this line at the same time",
            "leave one master on the line: stop the other program, or take the meters from its gateway",
        )
        return
    twins = [meter for meter in bus.meters if _answers_twice(bus, meter) or meter.alternates]
    if is_late(bus):  # and these run into the answers of others
        yield _late(bus)
        yield from (_duplicate(bus, meter) for meter in twins)
        return
    colliding = [meter for meter in bus.meters if meter not in twins and _collides(bus, meter)]
    rest = [meter for meter in bus.meters if meter not in twins and meter not in colliding]
    if bus.serial_line and not twins and _damaged(rest) >= NOISY:  # a twin speaks into the answers of others
        yield _noisy(bus, rest)
    yield from (_duplicate(bus, meter) for meter in (*twins, *colliding))


def _of_another_master(bus: BusSeen) -> Iterator[str]:
    counts = bus.counts
    if counts.foreign_requests:
        yield f"{counts.foreign_requests} requests on the line that were not sent from here"
    foreign = {unit_id for meter in bus.meters if meter.answers for unit_id in meter.foreign_units}
    in_place_of = sum(meter.kinds["foreign"] for meter in bus.meters)
    if bus.serial_line and counts.foreign_replies.total() > in_place_of and not counts.second_replies:
        foreign.update(counts.foreign_replies)
    if foreign:
        yield f"answers of units {', '.join(map(str, sorted(foreign)))} that were not asked"
    if any(meter.kinds["babble"] for meter in bus.meters):
        yield "a line never silent"


def is_late(bus: BusSeen) -> bool:
    """Return whether answers come after their time, more than now and then."""
    return bus.counts.late_replies.total() > LATE * bus.counts.requests


def _late(bus: BusSeen) -> Finding:
    late = bus.counts.late_replies
    limit = "" if bus.timeout_s is None else f" of {bus.timeout_s:g} s"
    return Finding(
        "late_answers",
        f"{bus.place}.timeout_s",
        f"{late.total()} of {bus.counts.requests} requests, to unit {', '.join(map(str, sorted(late)))}, were answered"
        f" only after the timeout_s{limit}" + (f"; {_rate(bus, bus.meters)}" if _damaged(bus.meters) else ""),
        "the meter or its gateway is too slow; what is late counts as missing, and may pass for the answer to the next"
        " request",
        f"raise timeout_s{'' if bus.timeout_s is None else f', to {_longer(bus.timeout_s):g} at first'}; 30 at most",
    )


def _longer(timeout_s: float) -> float:
    return min(max(4.0 * timeout_s, 1.0), 30.0)


def _answers_twice(bus: BusSeen, meter: MeterSeen) -> bool:
    """Return whether more second answers came than late ones, which may pass for them."""
    return bus.counts.second_replies[meter.unit_id] > bus.counts.late_replies[meter.unit_id]


def _collides(bus: BusSeen, meter: MeterSeen) -> bool:
    others = [other for other in bus.meters if other is not meter]
    clean = bool(others) and all(other.kinds["words"] and not other.kinds["damaged"] for other in others)
    return bus.serial_line and meter.damaged >= COLLIDING and clean


def _duplicate(bus: BusSeen, meter: MeterSeen) -> Finding:
    second = bus.counts.second_replies[meter.unit_id]
    if second:
        seen = f"{second} requests to unit {meter.unit_id} had two answers"
    elif meter.alternates:
        seen = f"unit {meter.unit_id} reads now one set of voltages, now another"
    else:
        seen = f"{_rate(bus, [meter])} of unit {meter.unit_id}, of the others none"
    return Finding(
        "duplicate_unit_id",
        f"{meter.place}.unit_id",
        seen,
        f"two meters on the line have unit id {meter.unit_id} and both answer; or its stub or driver is bad",
        f"unplug meter {meter.name}: if unit {meter.unit_id} still answers, give one of the two another unit id",
    )


def _noisy(bus: BusSeen, meters: list[MeterSeen]) -> Finding:
    trials = "".join(f"; {trial}" for trial in bus.trials)
    return Finding(
        "noisy_line",
        bus.place,
        _rate(bus, meters) + trials,
        _noise(bus, meters),
        "put 120 ohm at both ends and nowhere else, check shield, bias and common wire, lower the baud rate,"
        " see that nothing else asks on the line",
    )


def _noise(bus: BusSeen, meters: list[MeterSeen]) -> str:
    cause = "the line is not terminated or biased, too long for its baud rate, or disturbed"
    if len(bus.trials) == 2 and _rises(*(trial.damaged / max(trial.asked, 1) for trial in bus.trials)):
        return f"the longer the answer, the more are damaged: {cause}"
    if len(bus.meters) == 1 and _damaged(meters) >= COLLIDING:
        return f"{cause}; or two meters have unit id {bus.meters[0].unit_id}, or A and B are swapped"
    return f"{cause}, or used by two masters"


def _rises(short: float, long: float) -> bool:
    return long > RISING * short


def _damaged(meters: list[MeterSeen]) -> float:
    asked = sum(meter.asked for meter in meters)
    return sum(meter.kinds["damaged"] for meter in meters) / asked if asked else 0.0


def _rate(bus: BusSeen, meters: list[MeterSeen]) -> str:
    asked, damaged = sum(meter.asked for meter in meters), sum(meter.kinds["damaged"] for meter in meters)
    at = f" at {bus.baudrate} baud" if bus.baudrate else ""
    return f"CRC error rate {100.0 * damaged / max(asked, 1):.0f} %: {damaged} of {asked} answers{at} came damaged"


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
