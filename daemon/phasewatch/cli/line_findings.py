"""What an examination says of a line: who else speaks on it, and how much gets damaged."""

from collections.abc import Iterator
from typing import Final

from phasewatch.cli.examined import BusSeen, Finding, MeterSeen

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
