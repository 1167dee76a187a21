"""The finders see every byte string; a frame is found behind anything, and no bytes make them fail."""

import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from phasewatch.adapters.modbus.connection import Listener
from phasewatch.adapters.modbus.line_statistics import LineStatistics
from phasewatch.adapters.modbus.protocol import REFUSALS, BadReply, IllegalDataAddress, Refused, words_of
from phasewatch.meters.framing import MBAP, RTU, Request, blame_mbap, blame_rtu, crc16, find_rtu, mbap_frame, rtu_frame

words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)
units = st.integers(0, 255)
chunk_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=20)


def answer_to(request: Request, values: list[int]) -> bytes:
    return struct.pack(f">BB{len(values)}H", request.function_code, 2 * len(values), *values)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data into chunks, over and over by the same sizes."""
    chunks: list[bytes] = []
    start = 0
    while start < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[start : start + size])
        start += size
    return chunks


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_the_library(message: bytes) -> None:
    assert crc16(message) == FramerRTU.compute_CRC(message).to_bytes(2, "big")


@given(units, st.sampled_from((3, 4)), st.integers(0, 65000), words, st.binary(max_size=80), chunk_sizes, st.booleans())
def test_an_rtu_answer_is_found_behind_noise_and_echo(
    unit: int, function_code: int, address: int, values: list[int], noise: bytes, sizes: list[int], echo: bool
) -> None:
    request = Request("rtu:///dev/a", function_code, address, len(values), unit)
    asked = rtu_frame(unit, request.pdu)
    before = noise + (asked if echo else b"")
    assume(find_rtu(before, request, 0)[1] is None)
    listener = Listener(RTU, LineStatistics(RTU.wholes), lambda: 0.0)
    listener.listen_for(request)
    frames = [
        frame
        for chunk in cut(before + rtu_frame(unit, answer_to(request, values)), sizes)
        if (frame := listener.hear(chunk, 0))
    ]
    assert [words_of(request, frame.unit_id, frame.pdu) for frame in frames] == [tuple(values)]


@given(units, words, st.lists(st.integers(0, 0xFFFF), max_size=5), st.integers(1, 65000), chunk_sizes)
def test_a_tcp_answer_is_found_behind_other_transactions(
    unit: int, values: list[int], strays: list[int], transaction_id: int, sizes: list[int]
) -> None:
    assume(transaction_id not in strays)
    request = Request("tcp://host:502", 3, 0, len(values), unit)
    stream = b"".join(mbap_frame(unit, stray, answer_to(request, [0])) for stray in strays)
    listener = Listener(MBAP, LineStatistics(MBAP.wholes), lambda: 0.0)
    listener.listen_for(request)
    whole = stream + mbap_frame(unit, transaction_id, answer_to(request, values))
    frames = [frame for chunk in cut(whole, sizes) if (frame := listener.hear(chunk, transaction_id))]
    assert [words_of(request, frame.unit_id, frame.pdu) for frame in frames] == [tuple(values)]


@given(st.booleans(), st.lists(st.binary(max_size=300)), units)
def test_no_bytes_are_an_error_of_the_finders(rtu: bool, chunks: list[bytes], unit: int) -> None:
    request = Request("tcp://host:502", 3, 0, 2, unit)
    dialect = RTU if rtu else MBAP
    listener = Listener(dialect, LineStatistics(dialect.wholes), lambda: 0.0)
    listener.listen_for(request)
    for chunk in chunks:
        if frame := listener.hear(chunk, 7):
            break
    else:
        frame = None
    if frame is None:
        assert listener.blame(request) is None or any(chunks)
    listener.stop()
    assert listener.hear(b"anything", 7) is None


@given(st.binary(max_size=260), units)
def test_no_bytes_are_words_unless_they_fit(pdu: bytes, unit: int) -> None:
    request = Request("tcp://host:502", 3, 0, 2, unit)
    try:
        found = words_of(request, unit, pdu)
    except (BadReply, Refused):
        return
    assert pdu == answer_to(request, list(found))


@given(units, st.integers(0x0300, 0x03FF), st.integers(1, 125))
def test_the_echo_of_a_request_is_no_answer_though_its_crc_is_right(unit: int, address: int, count: int) -> None:
    request = Request("rtu:///dev/a", 3, address, count, unit)
    echo = rtu_frame(unit, request.pdu)
    assert echo[2] == len(echo) - 5
    assert find_rtu(echo, request, 0)[1] is None
    assert blame_rtu(echo, request, 0) is None


@given(units, st.integers(0x0400, 0x04FF))
def test_an_echo_and_a_zero_are_no_answer_though_their_crc_is_right(unit: int, address: int) -> None:
    request = Request("rtu:///dev/a", 4, address, 2, unit)
    echo = rtu_frame(unit, request.pdu)
    assert crc16(echo[:-1]) == echo[-1:] + b"\0"
    answer = rtu_frame(unit, answer_to(request, [7, 8]))
    _, frame = find_rtu(echo + b"\0" + answer, request, 0)
    assert frame is not None
    assert words_of(request, frame.unit_id, frame.pdu) == (7, 8)


def test_babble_does_not_pile_up() -> None:
    request = Request("rtu:///dev/a", 3, 0, 125, 1)
    for babble in (bytes(2000), b"\x01\x03" * 1000, b"\x01\x03\xff" * 700):
        assert len(babble) - find_rtu(babble, request, 0)[0] <= 260


@pytest.mark.parametrize("code", [*REFUSALS, 0, 99])
def test_every_exception_code_is_named(code: int) -> None:
    request = Request("tcp://host:502", 4, 10, 2, 5)
    with pytest.raises(
        Refused, match=rf"unit 5, function 4, address 10, count 2: refused with exception {code} \("
    ) as caught:
        words_of(request, 5, bytes([0x84, code]))
    assert caught.value.exception_code == code
    assert isinstance(caught.value, IllegalDataAddress) == (code == 2)


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        (b"", None),
        (mbap_frame(1, 6, b"\x83\x02"), "transaction 6 answered instead of 7"),
        (mbap_frame(1, 7, b"\x03\x04\0\0\0\0")[:9], "cut short after 9 of 13 bytes"),
        (b"\0\7", "cut short after 2 bytes"),
        (b"HTTP/1.1 400", "this is no Modbus TCP: 48 54 54 50"),
    ],
)
def test_what_came_instead_of_a_tcp_answer_is_named(heard: bytes, says: str | None) -> None:
    blame = blame_mbap(heard, Request("tcp://host:502", 3, 0, 2, 1), 7)
    said = None if blame is None else blame.text
    assert said is says is None or (said and says and says in said)


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        (b"", None),
        (b"\0" + rtu_frame(2, b"\x03\x02\0\0"), "unit 2 answered"),
        (rtu_frame(1, b"\x03\x02\0\0")[:-1] + b"\0", "7 bytes without a whole frame (CRC): 01 03 02"),
        (bytes(40), "40 bytes without a whole frame (CRC): 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ..."),
    ],
)
def test_what_came_instead_of_an_rtu_answer_is_named(heard: bytes, says: str | None) -> None:
    blame = blame_rtu(heard, Request("rtu:///dev/a", 3, 0, 2, 1), 0)
    said = None if blame is None else blame.text
    assert said is says is None or (said and says and says in said)
