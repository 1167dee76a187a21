from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasewatch.meters.decode import ProfileError
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import UNITS, VOLTAGES
from phasewatch.meters.readplan import Cost, Request, bus_ms, plan, quantities_in, serial_cost, split, tcp_cost

SERIAL = serial_cost(9600)
COSTS = [SERIAL, serial_cost(115200, turnaround_ms=5), tcp_cost(), Cost(1.0, 1.0), Cost(0.0, 1.0)]


def profile(**keys: object) -> Profile:
    head = {"id": "test", "maker": "any", "models": ["any"], "kind": "test", "sources": ["test"], "function_code": 3}
    return Profile.model_validate({**head, **keys})


def floats(**addresses: int) -> dict[str, dict[str, object]]:
    return {name: {"address": address, "type": "f32"} for name, address in addresses.items()}


def needed(meter: Profile, name: str) -> tuple[int, set[int]]:
    register = meter.registers[name]
    words = set(range(register.address, register.address + register.words))
    code = register.function_code or meter.function_code
    return code, words if register.exponent_at is None else words | {register.exponent_at}


def allowed(meter: Profile, request: Request) -> bool:
    """The rules of a request, word by word."""
    words = set(range(request.address, request.end))
    registered = {
        word
        for name in meter.registers
        if needed(meter, name)[0] == request.function_code
        for word in needed(meter, name)[1]
    }
    blocks = [set(range(block.address, block.end)) for block in meter.blocks]
    holes = {word for hole in meter.holes for word in range(hole.address, hole.end)}
    return (
        0 < request.count <= meter.max_words
        and not words & holes
        and request.address % meter.align_words == 0
        and request.count % meter.align_words == 0
        and request.end <= 0x10000
        and (words <= registered or any(words <= block for block in blocks))
    )


def reads(meter: Profile, request: Request, name: str) -> bool:
    code, words = needed(meter, name)
    return code == request.function_code and words <= set(range(request.address, request.end))


def partitions(items: Sequence[str]) -> Iterator[list[list[str]]]:
    if not items:
        yield []
        return
    head, *rest = items
    for smaller in partitions(rest):
        yield [[head], *smaller]
        for n in range(len(smaller)):
            yield [*smaller[:n], [head, *smaller[n]], *smaller[n + 1 :]]


def hull(meter: Profile, names: Sequence[str]) -> Request | None:
    codes = {needed(meter, name)[0] for name in names}
    words = {word for name in names for word in needed(meter, name)[1]}
    align = meter.align_words
    start, end = min(words) // align * align, -(-(max(words) + 1) // align) * align
    request = Request(3 if codes == {3} else 4, start, end - start)
    return request if len(codes) == 1 and allowed(meter, request) else None


def price(meter: Profile, requests: Sequence[Request], names: Sequence[str], cost: Cost) -> tuple[float, ...]:
    with_voltage = sum(any(reads(meter, r, n) for n in names if n in VOLTAGES) for r in requests)
    return with_voltage, round(bus_ms(requests, cost), 6), len(requests), sum(r.count for r in requests)


def best_by_trying_all(meter: Profile, names: Sequence[str], cost: Cost) -> tuple[float, ...] | None:
    prices = []
    for groups in partitions(names):
        requests = [hull(meter, group) for group in groups]
        whole = [request for request in requests if request is not None]
        if len(whole) == len(groups) and all(sum(reads(meter, r, n) for r in whole) == 1 for n in names):
            prices.append(price(meter, whole, names, cost))
    return min(prices, default=None)


LANDSCAPES: list[list[dict[str, int]]] = [
    [],
    [{"address": 0, "words": 60}],
    [{"address": 0, "words": 22}, {"address": 18, "words": 42}],
]


@st.composite
def meters(draw: st.DrawFn, most: int = 6) -> Profile:
    least = draw(st.integers(1, most))
    names = draw(st.lists(st.sampled_from(sorted(UNITS)), min_size=least, max_size=most, unique=True))
    two_codes, exponents = draw(st.booleans()), draw(st.booleans())
    registers = {}
    for name in names:
        address = draw(st.integers(0, 40))
        registers[name] = {
            "address": address,
            "type": draw(st.sampled_from(["u16", "f32", "u64"])),
            "function_code": draw(st.sampled_from([None, 4])) if two_codes else None,
            "exponent_at": draw(st.none() | st.integers(max(address - 4, 0), address + 4)) if exponents else None,
        }
    stretch = st.builds(
        lambda address, words: {"address": address, "words": words}, st.integers(0, 40), st.integers(1, 30)
    )
    hole = st.builds(lambda address, words: {"address": address, "words": words}, st.integers(0, 45), st.integers(1, 3))
    return profile(
        registers=registers,
        max_words=draw(st.integers(4, 30)),
        align_words=draw(st.sampled_from([1, 2])),
        blocks=draw(st.sampled_from(LANDSCAPES)) + draw(st.lists(stretch, max_size=2)),
        holes=draw(st.lists(hole, max_size=1)),
    )


@settings(max_examples=300)
@given(meter=meters(), cost=st.sampled_from(COSTS))
def test_a_plan_keeps_the_rules_and_no_other_plan_is_better(meter: Profile, cost: Cost) -> None:
    names = tuple(meter.registers)
    best = best_by_trying_all(meter, names, cost)
    if best is None:
        with pytest.raises(ProfileError):
            plan(meter, names, cost)
        return
    requests = plan(meter, names, cost)
    assert all(allowed(meter, request) for request in requests)
    assert all(sum(reads(meter, request, name) for request in requests) == 1 for name in names)
    assert price(meter, requests, names, cost) == best
    assert plan(meter, reversed(names), cost) == requests


@given(meter=meters(), cost=st.sampled_from(COSTS), data=st.data())
def test_a_refused_request_falls_apart_into_smaller_ones_down_to_nothing(
    meter: Profile, cost: Cost, data: st.DataObject
) -> None:
    try:
        waiting = list(plan(meter, meter.registers, cost))
    except ProfileError:
        return
    while waiting:
        request = waiting.pop()
        names = quantities_in(request, meter, meter.registers)
        smaller = split(request, meter, meter.registers)
        assert all(allowed(meter, one) and one != request for one in smaller)
        assert all(request.address <= one.address and one.end <= request.end for one in smaller)
        alone = [name for name in names if hull(meter, [name]) != request]
        assert all(any(reads(meter, one, name) for one in smaller) for name in alone)
        waiting += smaller


SDM630 = profile(
    registers=floats(
        voltage_l1_n=0,
        voltage_l2_n=2,
        voltage_l3_n=4,
        frequency=70,
        voltage_l1_l2=200,
        voltage_l2_l3=202,
        current_n=224,
    ),
    max_words=60,
    align_words=2,
    blocks=[{"address": 0, "words": 72}, {"address": 200, "words": 44}],
)


def test_a_gap_is_read_along_when_that_is_cheaper_than_another_request() -> None:
    meter = profile(registers=floats(current_l1=0, current_l2=20), blocks=[{"address": 0, "words": 22}])
    dear_words, dear_requests = Cost(request_ms=10, word_ms=1), Cost(request_ms=30, word_ms=1)
    assert plan(meter, meter.registers, dear_words) == (Request(3, 0, 2), Request(3, 20, 2))
    assert plan(meter, meter.registers, dear_requests) == (Request(3, 0, 22),)


def test_voltages_share_a_request_even_where_two_would_be_cheaper() -> None:
    meter = profile(registers=floats(voltage_l1_n=0, voltage_l1_l2=50), blocks=[{"address": 0, "words": 60}])
    assert plan(meter, meter.registers, Cost(request_ms=1, word_ms=1)) == (Request(3, 0, 52),)


def test_a_gap_outside_the_listed_blocks_is_never_read() -> None:
    meter = profile(registers=floats(current_l1=0, current_l2=3), blocks=[{"address": 0, "words": 4}])
    assert plan(meter, meter.registers, Cost(1000, 1)) == (Request(3, 0, 2), Request(3, 3, 2))


def test_a_register_nobody_asks_for_may_be_read_along() -> None:
    meter = profile(registers=floats(current_l1=0, current_l2=2, current_l3=4))
    assert plan(meter, ["current_l1", "current_l3"], SERIAL) == (Request(3, 0, 6),)


def test_the_requests_with_voltages_come_first() -> None:
    meter = profile(registers=floats(current_l1=0, voltage_l1_n=100, frequency=200, voltage_l1_l2=300))
    assert [request.address for request in plan(meter, meter.registers, SERIAL)] == [100, 300, 0, 200]


def with_exponent(address: int, exponent_at: int) -> dict[str, object]:
    return {"address": address, "type": "u16", "exponent_at": exponent_at}


def test_no_register_is_read_twice_even_to_bring_voltages_together() -> None:
    meter = profile(
        registers={"current_l1": with_exponent(0, 9), **floats(voltage_l1_n=4, voltage_l2_n=12)},
        blocks=[{"address": 0, "words": 20}],
        max_words=10,
    )
    assert plan(meter, meter.registers, SERIAL) == (Request(3, 0, 10), Request(3, 12, 2))


def test_registers_that_can_only_be_read_twice_are_refused() -> None:
    registers = {
        "current_l1": with_exponent(0, 9),
        "current_l2": with_exponent(13, 2),
        "current_l3": with_exponent(4, 5),
    }
    meter = profile(registers=registers, blocks=[{"address": 0, "words": 20}], max_words=12)
    with pytest.raises(ProfileError, match="no set of requests reads each of current_l1, current_l2, current_l3 once"):
        plan(meter, registers, SERIAL)


def test_padding_never_reaches_past_the_last_address() -> None:
    register = {"address": 0xFFFE, "type": "u16"}
    meter = profile(registers={"frequency": register}, blocks=[{"address": 0xFFFE, "words": 2}], align_words=2)
    assert plan(meter, meter.registers, SERIAL) == (Request(3, 0xFFFE, 2),)


def test_nothing_wanted_is_nothing_asked() -> None:
    assert plan(SDM630, [], SERIAL) == ()


def test_a_three_phase_meter_on_a_slow_line_is_read_in_three_requests() -> None:
    assert plan(SDM630, SDM630.registers, SERIAL) == (
        Request(3, 0, 6),
        Request(3, 200, 26),
        Request(3, 70, 2),
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"holes": [{"address": 1, "words": 1}]}, "registers.voltage_l1_n: addresses 0 to 1 touch a hole"),
        (
            {"registers": floats(voltage_l1_n=1), "align_words": 2},
            "address 0 has to be read along; list a block with 0",
        ),
        (
            {"registers": {"voltage_l1_n": {"address": 0, "type": "u16", "exponent_at": 9}}, "max_words": 8},
            "registers.voltage_l1_n: needs 10 words at once, more than max_words 8",
        ),
        ({"registers": {"voltage_l1_n": {"address": 0, "type": "u16", "exponent_at": 2}}}, "address 1 has to be read"),
        ({"registers": floats(frequency=0)}, "registers.voltage_l1_n: test has no such register"),
    ],
)
def test_a_register_that_cannot_be_read_is_refused_by_key(keys: dict[str, object], message: str) -> None:
    meter = profile(**{"registers": floats(voltage_l1_n=0), **keys})
    with pytest.raises(ProfileError, match=message):
        plan(meter, ["voltage_l1_n"], SERIAL)


def test_a_refused_request_is_split_at_its_gaps_then_register_by_register() -> None:
    block = Request(3, 0, 40)
    names = ["voltage_l1_n", "voltage_l2_n", "frequency"]
    meter = profile(
        registers=floats(voltage_l1_n=0, voltage_l2_n=2, frequency=38), blocks=[{"address": 0, "words": 40}]
    )
    runs = split(block, meter, names)
    assert runs == (Request(3, 0, 4), Request(3, 38, 2))
    assert split(runs[0], meter, names) == (Request(3, 0, 2), Request(3, 2, 2))
    assert split(runs[1], meter, names) == ()


def test_bus_time_counts_characters_gaps_and_turnaround() -> None:
    character_ms = 10_000 / 9600
    one = bus_ms([Request(3, 0, 6)], SERIAL)
    assert one == pytest.approx((8 + 5 + 7 + 12) * character_ms + 40)
    assert bus_ms([Request(3, 0, 6)] * 2, SERIAL) == pytest.approx(2 * one)
    assert bus_ms([Request(3, 0, 100)], tcp_cost()) == 2.0


def test_a_meter_that_needs_silence_gets_it() -> None:
    assert serial_cost(9600, gap_ms=50).request_ms - SERIAL.request_ms == pytest.approx(50 - 3.5 * 10_000 / 9600)
    assert serial_cost(9600, gap_ms=1) == SERIAL


def test_over_the_network_a_meter_gets_its_silence_too() -> None:
    assert tcp_cost(round_trip_ms=3.0, gap_ms=20.0) == Cost(23.0, 0.0)


def test_fast_lines_keep_a_fixed_gap() -> None:
    costs = [serial_cost(rate, turnaround_ms=0) for rate in (9600, 19200, 38400, 115200)]
    assert all(slow.request_ms > fast.request_ms for slow, fast in pairwise(costs))
    assert costs[-1].request_ms == pytest.approx(2 * 1.75 + 13 * 10_000 / 115200)
