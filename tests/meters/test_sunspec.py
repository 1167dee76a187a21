"""The walk along the chain of models, and what the profiles of SunSpec models say."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phasewatch.configuration.files import load_profile
from phasewatch.meters.decode import ProfileError, decode
from phasewatch.meters.profile import Profile
from phasewatch.meters.quantities import LL, LN
from phasewatch.meters.readplan import Request, plan, serial_cost, tcp_cost
from phasewatch.meters.sunspec import END, MARKER, MOST_HEADERS, USUAL_ADDRESS, Place, Walk, begun
from phasewatch.simulator.device import chain

INT, FLOAT = load_profile("sunspec-201-204-int"), load_profile("sunspec-211-214-float")
SUPPLY = {**dict.fromkeys(LN, 230.0), **dict.fromkeys(LL, 398.0), "frequency": 50.0}
COMMON = (1, 65)
Answer = Callable[[int], Sequence[int] | None]


def walked(answer: Answer, profile: Profile = INT) -> tuple[Walk, list[int]]:
    """Walk to the end; return it with the addresses that were asked for."""
    walk, asked = begun(profile), []
    while (request := walk.request) is not None:
        assert (request.function_code, request.count) == (3, 2)
        assert request.end <= 0x10000
        asked.append(request.address)
        walk = walk.after(answer(request.address))
    return walk, asked


def device(*headers: tuple[int, int], base: int = 40000) -> Answer:
    """Return what a device with these models answers; nothing stands outside their headers."""
    words: dict[int, tuple[int, int]] = {base: (MARKER[0], MARKER[1])}
    place = base + 2
    for model, length in headers:
        words[place] = (model, length)
        place += 2 + length
    return words.get


@pytest.mark.parametrize(
    ("answer", "place", "requests"),
    [
        (device(COMMON, (203, 105), (END, 0)), Place(USUAL_ADDRESS, 203, 105), 3),
        (device((1, 66), (203, 105), (END, 0)), Place(40070, 203, 105), 3),
        (device(COMMON, (204, 105), base=50000), Place(50069, 204, 105), 4),
        (device(COMMON, (201, 105), base=0), Place(69, 201, 105), 5),
        (device(COMMON, (103, 50), (160, 48), (202, 105), (203, 105)), Place(40171, 202, 105), 5),
        (device(COMMON, (203, 0), (203, 105)), Place(40071, 203, 105), 4),
        (device(COMMON, (0, 0), (203, 105)), Place(40071, 203, 105), 4),
    ],
    ids=["usual", "padded common model", "at 50000", "at 0", "behind others: the first", "empty one", "number 0"],
)
def test_the_model_is_found_wherever_it_stands(answer: Answer, place: Place, requests: int) -> None:
    walk, asked = walked(answer)
    assert (walk.place, len(asked)) == (place, requests)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: None, "no SunSpec marker at 40000, 50000, 0; is SunSpec switched on in the device?"),
        (lambda _: (0, 0), "no SunSpec marker at 40000, 50000, 0; is SunSpec switched on in the device?"),
        (
            lambda _: (MARKER[1], MARKER[0]),
            "no SunSpec marker at 40000, 50000, 0; is SunSpec switched on in the device?",
        ),
        (device((END, 0)), "the SunSpec chain has models (none), and none of 201, 202, 203, 204 that is whole"),
        (device(COMMON, (103, 50), (END, 0)), "has models 1, 103, and none of 201"),
        (device(COMMON, (213, 124)), "has models 1, 213, and none of 201"),
        (device(COMMON, (203, 20), (END, 0)), "has models 1, 203, and none of 201, 202, 203, 204 that is whole"),
        (device(COMMON, (103, 0xFFFF)), "has models 1, 103, and none"),
        (device(COMMON, (203, 0xFFFF)), "has models 1, 203, and none"),
        (device(*((n, 0) for n in range(1, 40))), "has models 1, 2, 3, 4, 5, 6, 7, 8, ..., and none"),
    ],
)
def test_where_no_model_is_found_the_walk_says_what_is_there(answer: Answer, why: str) -> None:
    walk, _ = walked(answer)
    assert walk.place is None
    assert why in walk.failure


def test_a_model_that_reaches_past_the_last_address_is_not_read() -> None:
    profile = INT.model_copy(update={"sunspec": INT.sunspec and INT.sunspec.model_copy(update={"bases": (65400,)})})
    whole, _ = walked(device((203, 65535 - 65403), base=65400), profile)
    longer, _ = walked(device((203, 65535 - 65402), base=65400), profile)
    assert whole.place == Place(65402, 203, 132)
    assert longer.place is None


def test_a_chain_without_the_model_does_not_hide_another_chain() -> None:
    first, second = device(COMMON, (END, 0)), device(COMMON, (203, 105), base=50000)
    walk, _ = walked(lambda at: first(at) or second(at))
    assert walk.place == Place(50069, 203, 105)


def test_the_last_two_addresses_can_hold_a_header_and_nothing_can_behind_them() -> None:
    for length, reached in ((30, True), (31, False)):
        meter = INT.model_copy(update={"sunspec": INT.sunspec and INT.sunspec.model_copy(update={"bases": (65500,)})})
        _, asked = walked(device((1, length), base=65500), meter)
        assert (65534 in asked) is reached
        assert max(asked) <= 65534


@pytest.mark.parametrize(("before", "found"), [(MOST_HEADERS - 1, True), (MOST_HEADERS, False)])
def test_a_chain_is_walked_to_its_last_allowed_header(before: int, found: bool) -> None:
    walk, _ = walked(device(*[(1, 0)] * before, (203, 105)))
    assert (walk.place is not None) is found


def test_a_walk_that_is_over_stays_over() -> None:
    walk, _ = walked(device((END, 0)))
    assert walk.after((1, 65)) is walk


answers = st.one_of(st.none(), st.just(MARKER), st.tuples(st.integers(0, END), st.integers(0, END)))
short = st.tuples(st.sampled_from([0, 1, 2, 160, 203, END]), st.integers(0, 3))


@given(st.lists(st.one_of(answers, short, short), max_size=80), st.sampled_from([None, MARKER, (2, 0), (160, 1)]))
def test_no_device_keeps_a_walk_going(given_: list[tuple[int, int] | None], ever: tuple[int, int] | None) -> None:
    rest = iter(given_)
    walk, asked = walked(lambda _: next(rest, ever))
    assert len(asked) <= 3 + MOST_HEADERS
    if walk.place is not None:
        assert walk.place.model in (201, 202, 203, 204)
        assert walk.place.address + 2 + walk.place.length <= 0x10000


@given(st.dictionaries(st.integers(40000, 40200), st.integers(0, END)))
def test_along_one_chain_no_address_is_asked_twice(words: Mapping[int, int]) -> None:
    there = {40000: MARKER[0], 40001: MARKER[1]}
    memory = {**words, **there}
    _, asked = walked(lambda at: (memory.get(at, 0), memory.get(at + 1, 0)) if at >= 40000 else None)
    on_the_chain = [at for at in asked if 40000 <= at < 50000]
    assert on_the_chain == sorted(set(on_the_chain))


@given(st.lists(st.tuples(st.integers(1, 199), st.integers(0, 200)), max_size=20))
def test_whatever_stands_before_it_the_model_is_found(others: list[tuple[int, int]]) -> None:
    walk, asked = walked(device(*others, (213, 124), (END, 0)), FLOAT)
    assert walk.place == Place(40002 + sum(2 + length for _, length in others), 213, 124)
    assert len(asked) == 2 + len(others)


@pytest.mark.parametrize("profile", [INT, FLOAT], ids=lambda profile: profile.id)
@pytest.mark.parametrize("cost", [serial_cost(9600), tcp_cost()])
def test_every_request_begins_with_the_header(profile: Profile, cost: object) -> None:
    names = tuple(profile.registers)
    for wanted in (names, names[:1], names[-1:], LL):
        (request,) = plan(profile, wanted, cost)  # type: ignore[arg-type]
        assert request.address == 0
    assert plan(profile, names, tcp_cost()) == (Request(3, 0, 23 if profile is INT else 36),)


@pytest.mark.parametrize("profile", [INT, FLOAT], ids=lambda profile: profile.id)
@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (1, {LN[0], LL[0]}),
        (2, {LN[0], LN[1], LL[0]}),
        (3, {*LN, *LL}),
        (4, set(LL)),
    ],
    ids=["single phase", "split phase", "wye", "delta"],
)
def test_a_model_shows_the_voltages_of_its_kind_even_if_it_holds_more(
    profile: Profile, kind: int, seen: set[str]
) -> None:
    model = (200 if profile is INT else 210) + kind
    words = chain(profile, SUPPLY, model=model + 3 - kind)  # a wye: everything is implemented
    words[USUAL_ADDRESS] = model
    values, missing = decode(_from_header(words), profile, 230.0)
    assert {name for name in values if name.startswith("voltage")} == seen
    assert all(missing[name] == f"SunSpec model {model} does not see it" for name in {*LN, *LL} - seen)


@pytest.mark.parametrize(("profile", "why"), [(INT, "(raw -32768)"), (FLOAT, "not a number")])
def test_what_is_not_implemented_is_missing(profile: Profile, why: str) -> None:
    words = _from_header(chain(profile, {**SUPPLY, LL[1]: 0.0}))
    bare = _from_header(chain(profile, {LN[0]: 230.0}))
    assert decode(words, profile, 230.0)[0][LL[1]] == 0.0
    values, missing = decode(bare, profile, 230.0)
    assert values == {LN[0]: 230.0}
    assert all(why in missing[name] for name in (*LN[1:], *LL))


@pytest.mark.parametrize("factor", [11, -11, -0x8000, 0x7FFF])
def test_a_scale_factor_out_of_range_makes_its_values_missing(factor: int) -> None:
    words = _from_header(chain(INT, SUPPLY))
    words[15] = factor & 0xFFFF
    values, missing = decode(words, INT, 230.0)
    assert set(values) == {"frequency"}
    assert all("scale factor" in missing[name] for name in (*LN, *LL))


@pytest.mark.parametrize("first", [None, 1, 213, END])
def test_words_of_another_model_are_no_values(first: int | None) -> None:
    words = _from_header(chain(INT, SUPPLY))
    words.pop(0)
    if first is not None:
        words[0] = first
    values, missing = decode(words, INT, 230.0)
    assert values == {}
    why = "no model header was read" if first is None else f"SunSpec model {first} does not see it"
    assert missing.keys() == INT.registers.keys()
    assert missing[LN[0]] == why


def _from_header(words: Mapping[int, int]) -> dict[int, int]:
    return {place - USUAL_ADDRESS: word for place, word in words.items()}


def profile(**sunspec: object) -> Profile:
    head = {"id": "x", "maker": "X", "models": ["x"], "kind": "meter", "sources": ["made up"], "function_code": 3}
    registers = sunspec.pop("registers", {LN[0]: {"address": 2, "type": "i16"}})
    return Profile.model_validate({**head, "registers": registers, "sunspec": {"models": {203: [LN[0]]}, **sunspec}})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"models": {}}, "at least 1"),
        ({"models": {0: [LN[0]]}}, "greater than or equal to 1"),
        ({"models": {END: [LN[0]]}}, "less than or equal to 65534"),
        ({"models": {203: [LN[0], LN[1]]}}, f"sunspec.models.203: {LN[1]} has no register"),
        ({"models": {203: []}}, f"registers.{LN[0]}: no model of sunspec.models sees it"),
        ({"bases": []}, "at least 1"),
        ({"bases": [65536]}, "less than or equal to 65535"),
        ({"registers": {LN[0]: {"address": 1, "type": "i16"}}}, "stands in the model's header"),
        ({"registers": {LN[0]: {"address": 2, "type": "i16", "exponent_at": 0}}}, "stands in the model's header"),
        ({"registers": {LN[0]: {"address": 2, "type": "i16", "function_code": 4}}}, "is not that of the profile"),
        ({"walk": True}, "Extra inputs"),
    ],
)
def test_a_profile_of_models_is_checked(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told.replace("(", r"\(")):
        profile(**keys)


@pytest.mark.parametrize(
    ("register", "least"),
    [
        ({"address": 4, "type": "i16"}, 3),
        ({"address": 4, "type": "f32"}, 4),
        ({"address": 4, "type": "i16", "exponent_at": 9}, 8),
    ],
)
def test_a_model_is_whole_from_the_length_that_holds_every_register(register: dict[str, object], least: int) -> None:
    meter = profile(registers={LN[0]: register})
    assert walked(device((203, least)), meter)[0].place == Place(40002, 203, least)
    assert walked(device((203, least - 1)), meter)[0].place is None


def test_a_profile_whose_registers_do_not_fit_one_request_with_the_header_cannot_be_planned() -> None:
    far = profile(registers={LN[0]: {"address": 125, "type": "i16"}})
    with pytest.raises(ProfileError, match="more than max_words"):
        plan(far, far.registers, tcp_cost())


def test_a_profile_without_models_has_no_walk() -> None:
    with pytest.raises(ValueError, match="no profile of SunSpec models"):
        begun(load_profile("eastron-sdm630"))
