"""What breaks in comparable collectors on serial lines, after lost links and by word order, and what answers it here.

A dead unit or a shared line
- meters of one line fail together without silence at the change of unit:
  test_several_units_share_a_line (simulator/test_serial_line)
  test_a_request_into_an_answer_is_not_heard_and_one_after_a_silence_is (simulator/test_serial_line)
  test_a_request_is_heard_only_on_a_silent_line (simulator/test_wire)
  test_a_line_stays_quiet_after_trouble_and_keeps_its_gaps (adapters/modbus/test_connection)
- one host and port under two framings works by chance:
  test_one_host_and_port_is_one_endpoint_under_any_framing (meters/test_endpoint)
  test_one_line_under_two_framings_is_refused_before_anything_runs (test_peers_issues)
- the wrong mode of a gateway shows as a time-out only:
  test_the_wrong_framing_is_named (cli/test_doctor)
- a meter polled too fast hangs or reboots:
  test_the_longest_of_all_gaps_counts (adapters/modbus/test_pacing)
  test_the_silence_that_a_profile_asks_for_is_kept_on_the_line (test_peers_issues)
- several tasks share a port without a lock:
  test_one_request_is_on_the_line_at_a_time (adapters/modbus/test_connection)
  test_many_askers_get_their_own_words (adapters/modbus/test_contract)
- one dead unit stalls all others:
  test_a_dead_meter_costs_the_others_no_more_than_its_slot (service/test_poller)
  test_a_dead_meter_is_probed_by_one_request_from_two_to_sixty_seconds_apart (service/test_poller)
  test_a_meter_that_answers_its_probe_is_read_in_full_at_once (service/test_poller)
  test_a_sound_meter_keeps_its_rate_among_ill_ones (service/test_trouble)
- the error of one unit ends the turn of the others:
  test_a_unit_that_does_not_answer_costs_the_others_no_sample (adapters/modbus/test_contract)
  test_an_illegal_address_is_told_from_other_refusals (adapters/modbus/test_contract)
- a block that the meter refuses is refused for ever:
  test_a_block_that_is_refused_is_split_and_the_split_is_remembered (service/test_poller)
  test_a_register_that_is_refused_alone_is_missing_from_then_on_and_the_others_are_read (service/test_poller)

Lost links
- nothing comes back until a restart:
  test_a_link_that_is_lost_ten_times_comes_back_ten_times_and_holds_nothing_meanwhile (adapters/modbus/test_endurance)
  test_the_pause_doubles_up_to_its_end_and_starts_again (adapters/modbus/test_pacing)
  test_a_bus_comes_back_after_its_meters_were_away (adapters/modbus/test_connection)
  test_a_silent_gateway_is_connected_anew (adapters/modbus/test_connection)
  test_a_meter_comes_back_by_itself_and_is_polled_at_its_rate_again (service/test_poller)
- a peer that is gone without a word is waited for, on a connection that stands:
  test_a_peer_that_goes_silent_without_a_word_costs_one_poll (adapters/modbus/test_endurance)
- a gateway has few sockets, and old ones of ours hold them:
  test_a_gateway_never_holds_two_sockets_of_ours_whatever_happens_on_it (adapters/modbus/test_endurance)
  test_a_meter_never_sees_two_connections_at_a_time (adapters/modbus/test_connection)
  test_two_hundred_reconnects_leak_no_descriptor (adapters/modbus/test_connection)
- delivery that hangs stops acquisition:
  test_alerts_go_on_while_the_broker_is_away_and_arrive_in_order_without_gaps (service/test_trouble)
  test_without_any_broker_the_service_measures_and_stops_at_once (service/test_trouble)
- one slow reply shifts all later ones by one transaction:
  test_after_a_late_reply_every_later_value_is_right (adapters/modbus/test_endurance)
  test_a_late_reply_is_never_the_answer_to_a_later_request (adapters/modbus/test_replies)
  test_a_reply_that_comes_twice_counts_once (adapters/modbus/test_replies)
  test_transaction_ids_run_on_over_connections (adapters/modbus/test_connection)
- after a restart of the broker nothing comes until the daemon is restarted too:
  test_alerts_go_on_while_the_broker_is_away_and_arrive_in_order_without_gaps (service/test_trouble)
  test_a_broker_that_lost_everything_gets_the_whole_retained_set_again (adapters/mqtt/test_delivery)
  test_what_waited_before_a_restart_is_delivered_after_it (adapters/mqtt/test_delivery)
- each reconnect to the broker starts one more chain of polls:
  test_a_broker_that_comes_and_goes_leaves_one_chain_of_polls (test_peers_issues)
- the descriptor of an unplugged adapter is kept, and it comes back under another name:
  test_two_hundred_serial_ports_leak_no_descriptor (adapters/modbus/test_connection)
  test_an_adapter_that_comes_back_as_another_device_is_found_by_its_link (test_peers_issues)

Word order, scale, stolen replies
- a late reply is taken for another register:
  test_a_late_reply_is_never_the_answer_to_a_later_request (adapters/modbus/test_replies)
  test_late_answers_are_never_another_meter_s (simulator/test_serial_line)
- registers are read from words that are no answer to them:
  test_a_reply_that_does_not_fit_is_no_sample (adapters/modbus/test_replies)
  test_no_wrong_answer_is_ever_a_value_and_no_bytes_are_an_error (faults/test_long_runs)
- one model name has two maps, and the wrong one is taken:
  test_another_model_is_named (cli/test_doctor)
  test_every_profile_can_be_planned_and_reads_its_examples (test_meters)
- a wrong word order or scale is published:
  test_a_profile_that_is_nearly_right_is_named (cli/test_doctor)
  test_2_to_4_a_profile_that_is_nearly_right (cli/test_doctor_programs)
  test_each_type_is_read_in_both_word_orders (meters/test_decode)
  test_values_outside_the_plausible_range_are_missing (meters/test_decode)
  test_a_voltage_in_the_wrong_word_order_is_missing_and_says_why (test_peers_issues)
  test_a_voltage_many_times_too_high_is_missing (test_peers_issues)
- a dead meter's last values come again with fresh time stamps:
  test_a_failed_read_is_no_sample (service/test_poller)
  test_gives_no_sample_and_is_back_by_itself (service/test_trouble)
  test_a_second_request_that_fails_leaves_no_partial_sample (service/test_poller)
"""

import asyncio
import re
import struct
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from phasewatch.adapters.modbus.bus import open_bus
from phasewatch.adapters.modbus.protocol import BusError
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.files import load_profile
from phasewatch.configuration.site import build_site
from phasewatch.meters.decode import decode
from phasewatch.meters.endpoint import parse_url
from phasewatch.meters.quantities import LN
from phasewatch.service.state import open_real_bus
from tests.broker import Line, mosquitto, subscriber, wait_until
from tests.bus import FakeBus
from tests.modbus_server import LINES, Asked, ScriptedMeter, listening, words_at
from tests.service.plant import running
from tests.service.site import bus as quick_bus
from tests.service.site import meter as quick_meter
from tests.service.site import site as quick_site
from tests.service.site import words

HERE = Path(__file__).parent
NAMED = re.findall(r"^  (test_\w+) \(([\w/]+)\)$", __doc__ or "", re.MULTILINE)
PATIENCE_S = 5.0


@pytest.mark.parametrize(("name", "where"), NAMED)
def test_every_answer_is_there(name: str, where: str) -> None:
    assert f"def {name}(" in (HERE / f"{where}.py").read_text(encoding="utf-8")


def site(*urls: str, profile_id: str = "eastron-sdm630") -> dict[str, object]:
    buses = [
        {"name": f"b{n}", "url": url, "meters": [{"name": f"m{n}", "profile": profile_id, "unit_id": 1}]}
        for n, url in enumerate(urls)
    ]
    return {"site": "plant", "buses": buses, "mqtt": {"urls": ["mqtt://127.0.0.1:1"]}}


def test_one_line_under_two_framings_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigurationError, match="gateway:4001"):
        build_site(site("tcp://gateway:4001", "rtu+tcp://gateway:4001"), Path("site.yaml"))


@pytest.mark.parametrize("framing", LINES)
def test_the_silence_that_a_profile_asks_for_is_kept_on_the_line(framing: str, tmp_path: Path) -> None:
    """The meter reboots when it is asked again too soon; the site file says nothing of it."""
    gap_s, asked_at = 0.05, list[float]()

    async def scene() -> None:
        meter = ScriptedMeter(framing)

        def script(asked: Asked) -> list[tuple[float, bytes]]:
            asked_at.append(asyncio.get_running_loop().time())
            return [(0.0, asked.honest())]

        meter.script = script
        async with listening(meter, framing, tmp_path) as url:
            loaded = build_site(site(url), Path("site.yaml"))
            for name, hasty in loaded.profiles.items():
                loaded.profiles[name] = hasty.model_copy(update={"gap_ms": 1000.0 * gap_s})
            bus = open_real_bus(loaded, loaded.site.buses[0])
            for _ in range(3):
                assert await bus.read(4, 0, 2, 1) == words_at(1, 0, 2)
            await bus.close()

    asyncio.run(scene())
    assert all(later - earlier >= gap_s for earlier, later in pairwise(asked_at))


@pytest.mark.broker
def test_a_broker_that_comes_and_goes_leaves_one_chain_of_polls(tmp_path: Path) -> None:
    bus = FakeBus({1: words()})
    with mosquitto(tmp_path / "broker") as broker, subscriber(broker.url) as watching:
        line = Line(broker.port)
        loaded = quick_site(
            quick_bus(quick_meter("incomer")), mqtt={"urls": [line.url]}, state_dir=str(tmp_path / "state")
        )

        def online(times: int) -> bool:
            return watching.payloads("plant/availability").count(b"online") >= times

        with running(loaded, opener=lambda *_: bus) as service:
            for times in range(1, 6):
                line.join()
                wait_until(partial(online, times), "online again")
                line.cut()
            (meter,) = service.service.pollers[0].meters
            before = (meter.polls, meter.overruns, time.monotonic())
            wait_until(lambda: meter.polls >= before[0] + 5, "polls after all of that")
            polls, overruns, since_s = meter.polls - before[0], meter.overruns - before[1], time.monotonic() - before[2]
    assert polls + overruns <= since_s / meter.plan.interval_s + 2.0
    assert len(bus.reads) <= len(meter.requests) * meter.polls


def test_an_adapter_that_comes_back_as_another_device_is_found_by_its_link(tmp_path: Path) -> None:
    """Each line is a new pseudo terminal; the link is what /dev/serial/by-id is."""

    async def scene() -> None:
        url, devices = parse_url(f"rtu://{tmp_path}/ttyMETER?baudrate=115200"), set[Path]()
        bus = open_bus(url, timeout_s=0.3)
        held = []
        for _ in range(2):
            async with listening(ScriptedMeter("rtu"), "rtu", tmp_path), asyncio.timeout(PATIENCE_S):
                devices.add((tmp_path / "ttyMETER").readlink())
                held.append((tmp_path / "ttyMETER").resolve().open("rb", buffering=0))  # its number is not free again
                while True:
                    try:
                        assert await bus.read(3, 100, 4, 1) == words_at(1, 100, 4)
                        break
                    except BusError:
                        await asyncio.sleep(0.02)
        for one in held:
            one.close()
        await bus.close()
        assert len(devices) == 2

    asyncio.run(scene())


def shown(volts: float) -> list[int]:
    return list(struct.unpack(">2H", struct.pack(">f", volts)))


def read_by_sdm630(first: int, second: int) -> float | str:
    """Return the voltage that the meter's two words say, or why there is none."""
    meter = load_profile("eastron-sdm630")
    place = meter.registers[LN[0]].address
    values, missing = decode({place: first, place + 1: second}, meter, nominal_v=230)
    return values.get(LN[0], missing.get(LN[0], ""))


@pytest.mark.parametrize("volts", [120.0, 229.87, 230.0, 230.1, 231.4, 277.0, 398.6])
def test_a_voltage_in_the_wrong_word_order_is_missing_and_says_why(volts: float) -> None:
    high, low = shown(volts)
    assert "implausible" in str(read_by_sdm630(low, high))


@pytest.mark.parametrize("volts", [2245.0, 2300.0, 11_313_223.0])
def test_a_voltage_many_times_too_high_is_missing(volts: float) -> None:
    assert "implausible" in str(read_by_sdm630(*shown(volts)))


def test_no_voltage_is_0_v() -> None:
    assert read_by_sdm630(*shown(0.0)) == 0.0
