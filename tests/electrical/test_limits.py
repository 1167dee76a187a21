import pytest
from pydantic import ValidationError

from phasewatch.configuration.files import load_limits
from phasewatch.electrical.limits import Band, Limits, Threshold


def limits(**keys: object) -> Limits:
    return Limits.model_validate({"id": "test", "standard": "any", "title": "any", **keys})


def test_en_50160_is_ten_percent_around_nominal_for_most_of_a_week() -> None:
    everyday, widest = load_limits("en50160").voltage_deviation
    assert (everyday.bounds(230), everyday.share_percent, everyday.window_s) == ((207.0, 253.0), 95, 600)
    assert (widest.bounds(230), widest.share_percent) == ((195.5, 253.0), 100)


def test_en_50160_has_its_other_numbers() -> None:
    preset = load_limits("en50160")
    assert [limit.limit_percent for limit in preset.voltage_unbalance] == [2]
    assert [band.bounds(50) for band in preset.frequency_deviation] == [(49.5, 50.5), (47.0, 52.0)]
    events = (preset.voltage_dip, preset.voltage_swell, preset.interruption, preset.hysteresis)
    assert [event and event.of(230) for event in events] == [207.0, 253.0, 11.5, 4.6]


@pytest.mark.parametrize(
    ("lower", "upper", "value", "holds"),
    [
        (-10, 10, 207.0, True),
        (-10, 10, 253.0, True),
        (-10, 10, 206.99, False),
        (-10, 7, 246.2, False),
        (None, 7, 0.0, True),
        (-10, None, 999.0, True),
        (None, 7, 246.2, False),
    ],
)
def test_a_band_holds_between_its_edges(lower: float | None, upper: float | None, value: float, holds: bool) -> None:
    assert Band(lower_percent=lower, upper_percent=upper, source="any").holds(value, nominal=230) is holds


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"voltage_deviation": [{"source": "any"}]}, "a band needs lower_percent, upper_percent or both"),
        ({"voltage_deviation": [{"lower_percent": -10}]}, "source"),
        ({"voltage_deviation": [{"lower_percent": 10, "source": "any"}]}, "less than or equal to 0"),
        ({"voltage_dip": {"percent": 110, "source": "any"}}, r"voltage_dip \(110 %\) must be below nominal"),
        ({"voltage_swell": {"percent": 90, "source": "any"}}, "nominal .* must be below voltage_swell"),
        (
            {"voltage_dip": {"percent": 5, "source": "any"}, "interruption": {"percent": 10, "source": "any"}},
            "interruption .* must be below voltage_dip",
        ),
        ({"voltage_dip": {"percent": 90}}, "source"),
        ({"flicker": 1}, "flicker"),
    ],
)
def test_limits_that_make_no_sense_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        limits(**keys)


def test_limits_of_other_standards_fit() -> None:
    preset = limits(
        voltage_deviation=[
            {"name": "range A", "lower_percent": -5, "upper_percent": 5, "source": "ANSI C84.1"},
            {"name": "range B", "lower_percent": -8.3, "upper_percent": 5.8, "source": "ANSI C84.1"},
        ],
        voltage_unbalance=[{"measure": "lvur", "limit_percent": 3, "source": "ANSI C84.1"}],
    )
    assert [band.name for band in preset.voltage_deviation] == ["range A", "range B"]
    assert preset.voltage_dip is None


def test_a_threshold_is_a_share_of_nominal() -> None:
    assert Threshold(percent=90, source="any").of(230) == 207.0


@pytest.mark.parametrize(
    ("preset", "nominal_v", "low_v", "high_v"),
    [
        ("en50160", 230, 207.0, 253.0),
        ("en50160-island", 230, 207.0, 253.0),
        ("gbt-12325", 220, 204.6, 235.4),
        ("gbt", 220, 204.6, 235.4),
        ("ansi-c84-1", 120, 114.0, 126.0),
        ("uk-esqcr", 230, 216.2, 253.0),
        ("as-60038", 230, 216.2, 253.0),
        ("india", 240, 225.6, 254.4),
    ],
)
def test_a_preset_limits_the_voltage(preset: str, nominal_v: float, low_v: float, high_v: float) -> None:
    band = load_limits(preset).deviation_band("TN-S")
    assert band is not None
    assert band.bounds(nominal_v) == pytest.approx((low_v, high_v))


def test_range_b_is_110_to_127_volts_on_120() -> None:
    assert load_limits("ansi-c84-1").voltage_deviation[1].bounds(120) == pytest.approx((110.0, 127.0), abs=0.05)


def test_a_band_for_a_kind_of_supply_stands_before_the_general_one() -> None:
    china = load_limits("gbt")
    single, three = china.deviation_band("single_phase"), china.deviation_band("TT")
    assert single is not None
    assert three is not None
    assert single.bounds(220) == pytest.approx((198.0, 235.4))
    assert (china.deviation_band(None), three.name) == (three, None)
    assert load_limits("nema-mg-1").deviation_band("TN-S") is None


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("gbt-15543", [("u2", 2), ("u2", 4)]),
        ("ansi-c84-1", [("lvur", 3)]),
        ("nema-mg-1", [("lvur", 1), ("lvur", 5)]),
    ],
)
def test_a_preset_limits_the_unbalance(preset: str, expected: list[tuple[str, float]]) -> None:
    assert [(limit.measure, limit.limit_percent) for limit in load_limits(preset).voltage_unbalance] == expected


@pytest.mark.parametrize("preset", ["gbt-15945", "gbt"])
def test_the_frequency_in_china_is_within_a_fifth_of_a_hertz(preset: str) -> None:
    assert load_limits(preset).frequency_deviation[0].bounds(50) == pytest.approx((49.8, 50.2))


def test_the_chinese_preset_is_the_three_standards_in_one() -> None:
    china = load_limits("gbt")
    assert china.voltage_deviation == load_limits("gbt-12325").voltage_deviation
    assert china.voltage_unbalance == load_limits("gbt-15543").voltage_unbalance
    assert china.frequency_deviation == load_limits("gbt-15945").frequency_deviation


def test_presets_in_volts() -> None:
    room, wet = load_limits("data-centre"), load_limits("touch-voltage-25")
    assert room.neutral_earth_v is not None
    assert (room.neutral_earth_v.limit_v, [limit.limit_v for limit in room.touch_voltage_v]) == (2, [50])
    assert [limit.limit_v for limit in load_limits("touch-voltage").touch_voltage_v] == [50, 25]
    assert [limit.limit_v for limit in wet.touch_voltage_v] == [25]
