"""The site file: what is refused, in which words, and what stands where nothing is said."""

from pathlib import Path

import pytest

from phasewatch.meters.quantities import UNITS
from phasewatch.rules.catalogue import RULES
from phasewatch.settings import RulesSettings
from tests.site_file import GOOD, METER, broker, bus, load, meter, meters, mqtt, refusal, second_bus

UNKNOWN = "unknown key; check its spelling or remove it"
SLUG = "must be lower-case letters, digits, _ and -, beginning with a letter or digit, 64 at most"
LISTEN = "must be host:port, as 127.0.0.1:8600, [::1]:8600 or 0.0.0.0:8600"
KEYS = "must be keys with values, as `key: value`; remove it where there is nothing to say"
SYSTEMS = "'TN-S', 'TN-C-S', 'TT', 'IT', 'three_wire', 'split_phase', 'high_leg' or 'single_phase'"
WIRINGS = "'three_phase', 'neutral_on_pe', 'n_pe', 'l1', 'l2' or 'l3'"
M0 = "buses[0].meters[0]"

UNKNOWN_KEYS = {
    "colour": GOOD + "colour: grey\n",
    "supply.nominal": GOOD + "supply: {nominal: 230}\n",
    "buses[0].timeout_ms": bus("timeout_ms: 500"),
    "buses[0].gap_s": bus("gap_s: 0.1"),
    f"{M0}.interval_ms": meter("interval_ms: 500"),
    f"{M0}.slave": meter("slave: 1"),
    "mqtt.url": mqtt("url: x"),
    "publish_interval_ms": GOOD + "publish_interval_ms: 500\n",
    "points.m.colour": GOOD + "points: {m: {colour: grey}}\n",
    "points.m.supply.volts": GOOD + "points: {m: {supply: {volts: 230}}}\n",
    "points.m.rules.voltage_unbalance.limit_v": GOOD + "points: {m: {rules: {voltage_unbalance: {limit_v: 2}}}}\n",
    "rules.voltage_unbalance.on_delay_ms": GOOD + "rules: {voltage_unbalance: {on_delay_ms: 2}}\n",
    "web.port": GOOD + "web: {port: 80}\n",
}


@pytest.mark.parametrize("path", UNKNOWN_KEYS)
def test_an_unknown_key_is_refused_at_every_level(path: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, UNKNOWN_KEYS[path]) == [f"{path}: {UNKNOWN}"]


ONE_ENDPOINT = "h:502 is already the bus at buses[0].url; put these meters under that bus"
BAD = [
    # wrong types
    (meter('unit_id: "1"'), f"{M0}.unit_id: Input should be a valid integer (is '1')"),
    (meter("unit_id: true"), f"{M0}.unit_id: Input should be a valid integer (is True)"),
    (meter("unit_id: 1.0"), f"{M0}.unit_id: Input should be a valid integer (is 1.0)"),
    (meter("unit_id: 256"), f"{M0}.unit_id: Input should be less than or equal to 255 (is 256)"),
    (meter('interval_s: "1"'), f"{M0}.interval_s: Input should be a valid number (is '1')"),
    (meter("interval_s: true"), f"{M0}.interval_s: Input should be a valid number (is True)"),
    (meter("interval_s: 0.09"), f"{M0}.interval_s: Input should be greater than or equal to 0.1 (is 0.09)"),
    (meter("interval_s:"), f"{M0}.interval_s: Input should be a valid number (is empty)"),
    (meter("vt_ratio: 0"), f"{M0}.vt_ratio: Input should be greater than 0 (is 0)"),
    (bus('timeout_s: "0.5"'), "buses[0].timeout_s: Input should be a valid number (is '0.5')"),
    (bus("timeout_s: 500"), "buses[0].timeout_s: Input should be less than or equal to 30 (is 500)"),
    (bus("gap_ms: -1"), "buses[0].gap_ms: Input should be greater than or equal to 0 (is -1)"),
    (GOOD + "supply: {nominal_v: '230'}\n", "supply.nominal_v: Input should be a valid number (is '230')"),
    (GOOD + "supply: {nominal_v: .nan}\n", "supply.nominal_v: Input should be a valid number (is '.nan')"),
    (GOOD + "supply: {frequency_hz: 0}\n", "supply.frequency_hz: Input should be greater than 0 (is 0)"),
    (GOOD + "publish_interval_s: 0\n", "publish_interval_s: Input should be greater than 0 (is 0)"),
    (
        GOOD + "points: {m: {supply: {nominal_v: -1}}}\n",
        "points.m.supply.nominal_v: Input should be greater than 0 (is -1)",
    ),
    (mqtt("homeassistant: yes"), "mqtt.homeassistant: Input should be a valid boolean (is 'yes')"),
    (mqtt("username: 7"), "mqtt.username: Input should be a valid string (is 7)"),
    (GOOD + "web: {listen: 8600}\n", "web.listen: Input should be a valid string (is 8600)"),
    (GOOD + "web: {listen: '8600'}\n", f"web.listen: {LISTEN}"),
    (GOOD + "web: {listen: 'h:80/x'}\n", f"web.listen: {LISTEN}"),
    (GOOD + "web: {listen: '::1:8600'}\n", f"web.listen: {LISTEN}"),
    (GOOD + "web: {listen: 'h:99999'}\n", f"web.listen: {LISTEN}"),
    (GOOD + "web: {listen: 'http://h:80'}\n", f"web.listen: {LISTEN}"),
    (meter("interval_s: 1e300"), f"{M0}.interval_s: Input should be less than or equal to 86400 (is 1e+300)"),
    # sections that are none
    (GOOD + "supply:\n", f"supply: {KEYS}"),
    (GOOD + "rules:\n", f"rules: {KEYS}"),
    (meters("n"), f"buses[0].meters[1]: {KEYS}"),
    (GOOD.replace('{urls: ["mqtt://h"]}', "mqtt://h"), f"mqtt: {KEYS}"),
    # what is one of a few
    (GOOD + "supply: {system: TNS}\n", f"supply.system: Input should be {SYSTEMS} (is 'TNS')"),
    (GOOD + "language: de\n", "language: Input should be 'en' or 'zh' (is 'de')"),
    (GOOD + "language: no\n", "language: Input should be 'en' or 'zh' (is 'no')"),
    (meter("wiring: delta"), f"{M0}.wiring: Input should be {WIRINGS} (is 'delta')"),
    (meter("ignore: [volts]"), f"{M0}.ignore: volts is no quantity; one of {', '.join(UNITS)}"),
    (
        GOOD + "rules: {voltage_unbalance: {severity: urgent}}\n",
        "rules.voltage_unbalance.severity: Input should be 'critical', 'high', 'medium' or 'low' (is 'urgent')",
    ),
    *(
        (meter(f"phases: {phases}"), f"{M0}.phases: must name l1, l2 and l3 once each, as [l2, l3, l1]")
        for phases in ("[l1, l1, l2]", "[l1, l2]", "l1", "[1, 2, 3]", "[L1, L2, L3]", "[l1, l2, l3, l1]")
    ),
    # slugs
    (GOOD.replace("plant-7", "Plant 7"), f"site: {SLUG}"),
    (GOOD.replace("plant-7", "-plant"), f"site: {SLUG} (is '-plant')"),
    (GOOD.replace("plant-7", "a" * 65), f"site: {SLUG}"),
    (GOOD.replace("plant-7", "a/b"), f"site: {SLUG}"),
    (GOOD.replace("plant-7", '""'), f"site: {SLUG} (is '')"),
    (GOOD.replace("plant-7", "7"), "site: Input should be a valid string (is 7)"),
    (GOOD.replace("plant-7", "true"), "site: Input should be a valid string (is True)"),
    (GOOD.replace("name: m", "name: Main"), f"{M0}.name: {SLUG} (is 'Main')"),
    (GOOD.replace("name: b", "name: B"), f"buses[0].name: {SLUG} (is 'B')"),
    (meter("point: a b"), f"{M0}.point: {SLUG}"),
    # what is not there
    (GOOD.replace("site: plant-7\n", ""), "site: is required; add it"),
    (GOOD.replace("name: m, ", ""), f"{M0}.name: is required; add it"),
    (GOOD.replace("    url: tcp://h:502\n", ""), "buses[0].url: is required; add it"),
    (GOOD.replace('urls: ["mqtt://h"]', ""), "mqtt.urls: is required; add it"),
    (mqtt("password_file: /x"), "mqtt: password_file is set without username; add username"),
    # addresses
    (broker("h"), "mqtt.urls[0]: must be mqtt://host:1883 or mqtts://host:8883"),
    (broker("mqtt://h/topic"), "mqtt.urls[0]: must be mqtt://host:1883 or mqtts://host:8883"),
    (
        broker("mqtt://me:hunter2@h"),
        "mqtt.urls[0]: carries a user or password; use mqtt.username and mqtt.password_file",
    ),
    (broker("mqtt://h:99999"), "mqtt.urls[0]: the port must be 1 to 65535"),
    (
        GOOD.replace("tcp://h:502", "tcp://h:x"),
        "buses[0].url: tcp://h:x: the port must be a whole number from 1 to 65535",
    ),
    (
        GOOD.replace("tcp://h:502", "rtu://ttyUSB0"),
        "buses[0].url: rtu://ttyUSB0: a serial port has three slashes: rtu:///ttyUSB0",
    ),
    # what is there twice
    (
        meters("{name: m, profile: generic, unit_id: 2}"),
        "buses[0].meters[1].name: m is already the name of buses[0].meters[0]; give each its own",
    ),
    (second_bus("b", "tcp://i"), "buses[1].name: b is already the name of buses[0]; give each its own"),
    (
        meters("{name: n, profile: generic, unit_id: 2}", "{name: o, profile: generic, unit_id: 2}"),
        "buses[0].meters[2].unit_id: unit 2 is already n on this bus; one unit, one meter",
    ),
    (
        meters("{name: n, profile: generic}"),
        "buses[0].meters[1].unit_id: unit 1 is already m on this bus; one unit, one meter",
    ),
    *((second_bus("c", url), f"buses[1].url: {ONE_ENDPOINT}") for url in ("tcp://h:502", "tcp://h", "tcp://H:502")),
    *(
        (
            second_bus("c", f"{framing}://h:502"),
            f"buses[1].url: h:502 is tcp at buses[0].url and {framing} here; one endpoint has one framing: "
            "keep the one its gateway is set to",
        )
        for framing in ("rtu+tcp", "udp")
    ),
    # points and meters
    (GOOD + "points: {main: {}}\n", "points.main: no meter has this point; known: m"),
    (
        meters("{name: n, profile: generic, unit_id: 2, point: m}").replace("sdm630}", "sdm630, point: main}"),
        "points: m is the name of a point and of a meter of another point; rename one",
    ),
    # names that make one alert_id
    (
        meters("{name: m-q, profile: generic, unit_id: 2}")
        + "points: {m-q: {rules: {hot: {expression: u2_percent > 1}}},\n"
        + "  m: {rules: {q-hot: {expression: u2_percent > 1}}}}\n",
        "rules: m/q-hot and m-q/hot would share the alert_id of m-q-hot; rename a rule or a point",
    ),
    (
        meters("{name: m-q, profile: generic, unit_id: 2}")
        + "rules: {q-meter_offline: {expression: current_n > 25}}\n",
        "rules: m/q-meter_offline and m-q/meter_offline would share the alert_id of m-q-meter_offline; rename a rule "
        "or a point",
    ),
    (
        GOOD + "rules: {voltage_deviation-l2: {expression: current_n > 25}}\n",
        "rules: m/voltage_deviation-l2 and m/voltage_deviation/l2 would share the alert_id of m-voltage_deviation-l2; "
        "rename a rule or a point",
    ),
    (
        GOOD.replace("eastron-sdm630", "generic, ignore: [" + ", ".join(UNITS) + "]"),
        f"{M0}.ignore: leaves nothing to read; take out the quantities that are wired",
    ),
]


@pytest.mark.parametrize(("text", "line"), BAD, ids=[line[:60] for _, line in BAD])
def test_a_wrong_setting_is_one_line_with_its_key_and_its_mend(text: str, line: str, tmp_path: Path) -> None:
    assert text != GOOD
    assert refusal(tmp_path, text) == [line]


NAMED = [
    (GOOD + "rules: {voltage_unbalnce: {enabled: false}}\n", "rules.voltage_unbalnce: unknown key"),
    (GOOD + "points: {m: {rules: {unbalance: {}}}}\n", "points.m.rules.unbalance: unknown key"),
    (GOOD.split("buses:", maxsplit=1)[0] + "buses: []\nmqtt: {urls: [mqtt://h]}\n", "buses"),
    (GOOD.replace(f"\n      - {METER}", " []"), "buses[0].meters"),
    (GOOD.replace('["mqtt://h"]', "[]"), "mqtt.urls"),
    (GOOD.replace('["mqtt://h"]', '"mqtt://h"'), "mqtt.urls"),
    (GOOD + "points: [m]\n", "points"),
    (GOOD + "points: {M: {}}\n", "points.M"),
    (GOOD + "state_dir: 7\n", "state_dir"),
    (GOOD + "rules: {wiring: }\n", "rules.wiring"),
    (GOOD.replace("tcp://h:502", "h:502"), "buses[0].url: h:502: unknown scheme 'h'; write tcp://host:502, udp://"),
    (GOOD.replace("sdm630", "sdm360"), f"{M0}.profile: "),
]


@pytest.mark.parametrize(("text", "start"), NAMED, ids=[start for _, start in NAMED])
def test_what_is_refused_in_other_words_names_its_key(text: str, start: str, tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, text)
    assert line.startswith(start)


def test_several_errors_are_a_line_each(tmp_path: Path) -> None:
    text = meter("unit_id: '1', colour: grey").replace("plant-7", "Plant") + "supply: {nominal_v: no}\n"
    assert refusal(tmp_path, text) == [
        f"site: {SLUG} (is 'Plant')",
        "supply.nominal_v: Input should be a valid number (is 'no')",
        f"{M0}.unit_id: Input should be a valid integer (is '1')",
        f"{M0}.colour: {UNKNOWN}",
    ]
    text = second_bus("b", "udp://h:502").replace("name: n", "name: m") + "points: {x: {}}\n"
    assert [line.split(":")[0] for line in refusal(tmp_path, text)] == [
        "buses[1].name",
        "buses[1].meters[0].name",
        "buses[1].url",
        "points.x",
    ]


RULE_TYPES = {
    "on_delay_s: '5'": "on_delay_s: Input should be a valid number (is '5')",
    "on_delay_s: true": "on_delay_s: Input should be a valid number (is True)",
    "on_delay_s: inf": "on_delay_s: Input should be a valid number (is 'inf')",
    "limit_percent: '2'": "limit_percent: Input should be a valid number (is '2')",
    "enabled: 0": "enabled: Input should be a valid boolean (is 0)",
    "enabled: no": "enabled: Input should be a valid boolean (is 'no')",
    "on_polls: '1'": "on_polls: Input should be a valid integer (is '1')",
    "on_polls: 0": "on_polls: Input should be greater than or equal to 1 (is 0)",
}


@pytest.mark.parametrize("setting", RULE_TYPES)
def test_a_rule_s_setting_of_the_wrong_type_is_refused(setting: str, tmp_path: Path) -> None:
    rules = f"rules: {{voltage_unbalance: {{{setting}}}}}"
    assert refusal(tmp_path, f"{GOOD}{rules}\n") == [f"rules.voltage_unbalance.{RULE_TYPES[setting]}"]
    assert refusal(tmp_path, f"{GOOD}points: {{m: {{{rules}}}}}\n") == [
        f"points.m.rules.voltage_unbalance.{RULE_TYPES[setting]}"
    ]


def test_a_word_that_yaml_once_took_for_no_is_a_name(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD.replace("plant-7", "no")).site.site == "no"


def test_a_line_to_line_nominal_voltage_is_named(tmp_path: Path) -> None:
    text = GOOD + "supply: {nominal_v: 400}\npoints: {m: {supply: {nominal_v: 208}}}\n"
    assert load(tmp_path, text).warnings == (
        f"{tmp_path}/site.yaml: supply.nominal_v: 400 V looks like a line-to-line voltage;"
        " phase to neutral would be 231 V",
        f"{tmp_path}/site.yaml: points.m.supply.nominal_v: 208 V looks like a line-to-line voltage;"
        " phase to neutral would be 120 V",
    )
    assert load(tmp_path, GOOD).warnings == ()


def test_only_the_site_the_buses_and_the_broker_need_be_said(tmp_path: Path) -> None:
    site = load(tmp_path, GOOD).site
    assert (site.supply.nominal_v, site.supply.system, site.language) == (230.0, "TN-S", "en")
    assert [meter.point_name for _, meter in site.meters()] == ["m"]
    assert site.rules_of("m") == {name: settings() for name, settings in RULES.items()}


def test_a_point_s_own_supply_stands_over_the_site_s_key_by_key(tmp_path: Path) -> None:
    more = "supply: {nominal_v: 120, frequency_hz: 60, system: TT}\npoints: {m: {supply: {nominal_v: 277}}}\n"
    supply = load(tmp_path, GOOD + more).site.supply_of("m")
    assert (supply.nominal_v, supply.frequency_hz, supply.system, supply.limits) == (277.0, 60.0, "TT", "en50160")


def test_a_point_s_own_rules_stand_over_the_site_s_key_by_key(tmp_path: Path) -> None:
    more = """\
rules:
  voltage_unbalance: {limit_percent: 3, on_delay_s: 9}
  wiring: {enabled: false}
points:
  m: {rules: {voltage_unbalance: {on_delay_s: 60, severity: low}, wiring: {on_polls: 7}}}
"""
    rules = load(tmp_path, GOOD + more).site.rules_of("m")
    unbalance = rules["voltage_unbalance"].model_dump()
    # The point's 60 s are the rule's default too: what was said counts, not what differs.
    assert (unbalance["limit_percent"], unbalance["on_delay_s"], unbalance["severity"]) == (3.0, 60.0, "low")
    assert (rules["wiring"].enabled, rules["wiring"].on_polls) == (False, 7)
    assert rules["phase_loss"] == RULES["phase_loss"]()


def test_every_rule_has_its_settings() -> None:
    assert list(RulesSettings.model_fields) == list(RULES)
