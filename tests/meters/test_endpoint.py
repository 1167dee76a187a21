import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.meters.endpoint import Endpoint, parse_url


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tcp://192.0.2.10", Endpoint("tcp", host="192.0.2.10", port=502)),
        ("tcp://192.0.2.10:1502/", Endpoint("tcp", host="192.0.2.10", port=1502)),
        ("TCP://Meter.Example.:502", Endpoint("tcp", host="meter.example", port=502)),
        ("tcp://[2001:DB8:0::1]:503", Endpoint("tcp", host="2001:db8::1", port=503)),
        ("udp://gateway", Endpoint("udp", host="gateway", port=502)),
        ("rtu+tcp://gateway:4001", Endpoint("rtu+tcp", host="gateway", port=4001)),
        ("rtu+tcp://gateway:4001?baudrate=19200", Endpoint("rtu+tcp", host="gateway", port=4001, baudrate=19200)),
        ("rtu:///dev/ttyUSB0", Endpoint("rtu", device="/dev/ttyUSB0")),
        (
            "rtu:///dev/ttyUSB0?baudrate=19200&parity=E&stopbits=2",
            Endpoint("rtu", device="/dev/ttyUSB0", baudrate=19200, parity="E", stopbits=2),
        ),
        ("rtu:///X/ttyUSB0", Endpoint("rtu", device="/X/ttyUSB0")),
        ("rtu:////dev//serial/by-id/usb-a%3Fb", Endpoint("rtu", device="/dev/serial/by-id/usb-a?b")),
    ],
)
def test_a_url_names_an_endpoint(url: str, endpoint: Endpoint) -> None:
    assert parse_url(url) == endpoint


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("192.0.2.10:502", "write tcp://host:502"),
        ("http://192.0.2.10", "unknown scheme 'http'; write tcp://"),
        ("tcp://", "the host is missing; write tcp://host:502"),
        ("tcp://.", "the host is missing; write tcp://host:502"),
        ("tcp://[::1", "write tcp://host:502"),
        ("tcp://host:0", "from 1 to 65535"),
        ("tcp://host:70000", "from 1 to 65535"),
        ("tcp://host:abc", "from 1 to 65535"),
        ("tcp://host:502/unit/1", "remove /unit/1"),
        ("tcp://host?timeout=1", "unknown setting 'timeout'; tcp takes none"),
        ("tcp://user@host", "no user"),
        ("tcp://host#1", "no user, fragment"),
        ("tcp://ho st", "no user, fragment or blank"),
        ("rtu://dev/ttyUSB0", "three slashes: rtu:///dev/ttyUSB0"),
        ("rtu:///", "the serial port is missing"),
        ("rtu:///.", "the serial port is missing"),
        ("rtu:///dev/ttyUSB0/", "the serial port is missing"),
        ("rtu:///dev/ttyUSB0?baudrate=00009600", "must be a whole number from 300"),
        ("udp://host:502?parity=E", "unknown setting 'parity'; udp takes none"),
        ("rtu:///dev/ttyUSB0?baud=9600", "unknown setting 'baud'; one of baudrate, parity, stopbits"),
        ("rtu:///dev/ttyUSB0?baudrate=fast", "baudrate=fast: must be a whole number from 300"),
        ("rtu:///dev/ttyUSB0?baudrate=0", "must be a whole number from 300"),
        ("rtu:///dev/ttyUSB0?baudrate=", "must be a whole number from 300"),
        ("rtu:///dev/ttyUSB0?baudrate=96²0", "must be a whole number from 300"),
        ("rtu:///dev/ttyUSB0?parity=n", "must be N, E or O"),
        ("rtu:///dev/ttyUSB0?stopbits=1.5", "must be 1 or 2"),
        ("rtu:///dev/ttyUSB0?stopbits=1&stopbits=2", "stopbits is set twice; keep one"),
    ],
)
def test_a_wrong_url_is_refused_with_its_mend(url: str, mend: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mend)) as refused:
        parse_url(url)
    assert url in str(refused.value)


@pytest.mark.parametrize(("baudrate", "allowed"), [(299, False), (300, True), (4_000_000, True), (4_000_001, False)])
def test_a_line_has_a_speed_that_serial_ports_have(baudrate: int, allowed: bool) -> None:
    url = f"rtu:///dev/ttyS0?baudrate={baudrate}"
    if allowed:
        assert parse_url(url).baudrate == baudrate
    else:
        with pytest.raises(ValueError, match="must be a whole number from 300 to 4000000"):
            parse_url(url)


def test_one_host_and_port_is_one_endpoint_under_any_framing() -> None:
    keys = {parse_url(f"{framing}://Gateway:502").key for framing in ("tcp", "udp", "rtu+tcp")}
    assert keys == {"gateway:502"}


def test_one_device_is_one_endpoint_under_any_line_setting() -> None:
    assert parse_url("rtu:///dev/./ttyUSB0?baudrate=19200").key == parse_url("rtu:///dev/ttyUSB0").key


@pytest.mark.parametrize(
    ("url", "bits", "silence_ms"),
    [
        ("rtu:///dev/a", 10, 3.646),
        ("rtu:///dev/a?parity=E", 11, 4.010),
        ("rtu:///dev/a?stopbits=2&baudrate=1200", 11, 32.083),
        ("rtu:///dev/a?baudrate=19200", 10, 1.823),
        ("rtu:///dev/a?baudrate=115200", 10, 1.75),
        ("rtu+tcp://gateway", 10, 3.646),
    ],
)
def test_a_serial_line_has_characters_and_silence(url: str, bits: int, silence_ms: float) -> None:
    endpoint = parse_url(url)
    assert endpoint.character_bits == bits
    assert endpoint.silence_s * 1000 == pytest.approx(silence_ms, abs=0.001)


def test_a_network_has_neither_characters_nor_silence() -> None:
    endpoint = parse_url("tcp://host")
    assert (endpoint.character_s, endpoint.silence_s) == (0.0, 0.0)


def test_a_faster_line_is_never_silent_for_longer() -> None:
    rates = (300, 1200, 9600, 19200, 38400, 115200, 4_000_000)
    silences = [Endpoint("rtu", device="/dev/a", baudrate=rate).silence_s for rate in rates]
    assert all(slow >= fast >= 0.00175 for slow, fast in pairwise(silences))


@given(st.text())
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    for url in (text, "tcp://" + text, "rtu:///" + text):
        try:
            endpoint = parse_url(url)
        except ValueError:
            continue
        assert parse_url(endpoint.url).key == endpoint.key


@given(st.integers(300, 4_000_000), st.sampled_from("NEO"), st.sampled_from((1, 2)))
def test_the_canonical_url_of_a_serial_port_reads_back(baudrate: int, parity: str, stopbits: int) -> None:
    endpoint = parse_url(f"rtu:///dev/ttyS1?baudrate={baudrate}&parity={parity}&stopbits={stopbits}")
    assert parse_url(endpoint.url) == endpoint
