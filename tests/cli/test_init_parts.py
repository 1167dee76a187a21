"""What `init` is made of: the text of the file, addresses, serial ports."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.cli.init import broker_url
from phasewatch.commissioning import serial_ports
from phasewatch.commissioning.meter_choice import address_url
from phasewatch.commissioning.site_file import Draft, DraftBus, DraftMeter, scalar, site_text
from phasewatch.configuration.files import load_profile, parse_yaml
from phasewatch.configuration.site import build_site
from phasewatch.meters.endpoint import parse_url


@given(
    st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
    | st.sampled_from(["no", "1", "1e3", "a: b", " x"])
)
def test_a_text_in_the_file_is_that_text(text: str) -> None:
    assert parse_yaml(f"a: {scalar(text)}    # more\n", "") == {"a": text}


@pytest.mark.parametrize("wiring", ["three_phase", "neutral_on_pe", "n_pe", "l2"])
def test_whatever_was_chosen_is_what_the_file_says(wiring: str, tmp_path: Path) -> None:
    meter = DraftMeter("123", load_profile("eastron-sdm630"), 7, wiring, "no")
    bus = DraftBus("on", "rtu:///dev/ttyUSB0?baudrate=1200&parity=E&stopbits=1", 5.0, 1.0, (meter,))
    secret = str(tmp_path / "pass word")
    draft = Draft([bus], "007", "zh", 277.0, 60.0, "TT", "ansi-c84-1", "mqtts://[::1]:8883", 'a: "b" #', secret)
    site = build_site(parse_yaml(site_text(draft), ""), tmp_path / "site.yaml").site
    (found,) = site.buses[0].meters
    assert (site.site, site.language, site.supply.nominal_v, site.supply.frequency_hz) == ("007", "zh", 277.0, 60.0)
    assert (site.buses[0].name, site.buses[0].timeout_s, found.interval_s) == ("on", 1.0, 5.0)
    assert (found.name, found.unit_id, found.wiring, found.point_name) == ("123", 7, wiring, "no")
    assert (site.mqtt.username, str(site.mqtt.password_file)) == ('a: "b" #', secret)


def test_what_stands_as_a_comment_may_be_taken_in(tmp_path: Path) -> None:
    meter = DraftMeter("m", load_profile("eastron-sdm630"), 1, "three_phase", "m")
    text = site_text(Draft([DraftBus("b", "tcp://h:502", 1.0, None, (meter,))], broker="mqtt://b"))
    taken, count = re.subn(r"^( *)# ( *[a-z0-9_]+:( .*)?)$", r"\1\2", text, flags=re.M)
    site = build_site(parse_yaml(taken, ""), tmp_path / "site.yaml").site
    assert count > 15
    assert site.web is not None
    assert site.rules_of("m")["neutral_impedance"].enabled is False
    assert site.mqtt.commands


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("192.0.2.1", "tcp://192.0.2.1:502"),
        ("gateway:4001", "tcp://gateway:4001"),
        ("[::1]:502", "tcp://[::1]:502"),
        ("rtu+tcp://gateway:4001?baudrate=19200", "rtu+tcp://gateway:4001"),
        ("/dev/null", "rtu:///dev/null?baudrate=9600&parity=N&stopbits=1"),
    ],
)
def test_an_address_may_be_short(text: str, url: str) -> None:
    assert parse_url(address_url(text)).url == url


def test_a_broker_may_be_a_bare_host() -> None:
    assert [broker_url(text) for text in ("b", "b:1", "mqtts://b")] == ["mqtt://b", "mqtt://b:1", "mqtts://b"]


def test_ports_are_listed_once_under_the_name_that_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serial" / "by-id").mkdir(parents=True)
    (tmp_path / "serial" / "by-id" / "usb-FTDI").symlink_to("/dev/null")
    (tmp_path / "ttyUSB0").symlink_to("/dev/null")
    (tmp_path / "ttyACM0").symlink_to("/dev/zero")
    names = [port.path.name for port in serial_ports.ports(tmp_path)]
    assert names == ["usb-FTDI", "ttyACM0"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "usermod -aG dialout" in str(serial_ports.ports(tmp_path)[0].obstacle)
    assert serial_ports.obstacle(tmp_path) == f"{tmp_path}: is no serial port"
