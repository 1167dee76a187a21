import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.framing import crc16
from phasewatch.simulator.server import FrameError, Request, pack_mbap, pack_rtu, split_mbap, split_rtu

READ = bytes.fromhex("04 0000 0002")
RTU = bytes.fromhex("01 04 0000 0002 71cb")
MBAP = bytes.fromhex("0007 0000 0006 01 04 0000 0002")


def test_the_crc_is_that_of_the_standard() -> None:
    assert crc16(b"123456789") == bytes((0x37, 0x4B))
    assert crc16(RTU[:-2]) == RTU[-2:]


def test_a_frame_is_cut_out_of_each_kind_of_stream() -> None:
    assert split_rtu(RTU) == ([Request(1, READ)], b"")
    assert split_mbap(MBAP) == ([Request(1, READ, 7)], b"")


def test_a_reply_carries_unit_and_transaction() -> None:
    request = Request(1, READ, 7)
    assert pack_mbap(request, 1, b"\x04\x02\x00\x09") == bytes.fromhex("0007 0000 0005 01 04 02 0009")
    assert pack_rtu(request, 1, READ) == RTU


@given(st.integers(0, 8))
def test_half_a_frame_waits_for_the_rest(size: int) -> None:
    assert split_rtu(RTU[: min(size, 7)])[0] == []
    requests, rest = split_mbap(MBAP[:size])
    assert split_mbap(rest + MBAP[size:]) == ([Request(1, READ, 7)], b"")
    assert requests == []


@given(st.lists(st.sampled_from([RTU, bytes.fromhex("02 04 0000 0002 71f8")]), max_size=5))
def test_frames_that_run_together_are_told_apart(frames: list[bytes]) -> None:
    requests, rest = split_rtu(b"".join(frames))
    assert [request.unit_id for request in requests] == [frame[0] for frame in frames]
    assert rest == b""


@pytest.mark.parametrize("noise", [b"\x00", b"\xff\xff", b"\x13\x03\x40", RTU[:5], RTU[:-1] + b"\x00"])
def test_noise_in_front_is_passed_over(noise: bytes) -> None:
    assert split_rtu(noise + RTU)[0] == [Request(1, READ)]


def test_a_request_of_any_length_is_found_by_its_crc() -> None:
    write = bytes.fromhex("10 0000 0001 02 0005")
    assert split_rtu(pack_rtu(Request(1, b""), 1, write) + RTU)[0] == [Request(1, write), Request(1, READ)]


@given(st.binary(max_size=600))
def test_the_rest_of_a_serial_stream_stays_small(stream: bytes) -> None:
    assert len(split_rtu(stream)[1]) <= 256


@pytest.mark.parametrize("header", ["0007 0001 0006 01 04", "0007 0000 0001 01 04", "0007 0000 00ff 01 04"])
def test_a_header_that_is_not_modbus_ends_the_stream(header: str) -> None:
    with pytest.raises(FrameError, match="MBAP"):
        split_mbap(bytes.fromhex(header))
