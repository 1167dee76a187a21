"""What stands behind each verdict: ranked causes, what cannot be told apart, the next steps; all as codes."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explanation:
    """Codes into config/messages, the most likely or most useful first."""

    causes: tuple[str, ...] = ()
    cannot_tell: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()


_SIDE: Final = "side_of_fault"

EXPLANATIONS: Final[dict[str, Explanation]] = {
    "normal": Explanation(cannot_tell=("rotation", "common_shift")),
    "interruption": Explanation(
        ("supply_interrupted", "meter_fuses_lost"),
        ("supply_or_meter_inputs",),
        ("look_at_currents", "check_meter_fuses"),
    ),
    "inputs_on_one_phase": Explanation(("inputs_bridged",), (), ("check_meter_wiring",)),
    "impossible_triangle": Explanation(
        ("stuck_register", "mixed_moments", "wrong_ratio_one_pair"),
        ("which_register",),
        ("compare_with_multimeter", "check_meter_wiring"),
    ),
    "neutral_swapped": Explanation(("neutral_and_phase_swapped",), (), ("isolate_before_use", "check_meter_wiring")),
    "line_voltage_in_phase_registers": Explanation(
        ("three_wire_mode", "nominal_is_line_voltage"), (), ("check_meter_mode", "check_nominal")
    ),
    "scale_mismatch": Explanation(
        ("wrong_ratio", "wrong_scale"), ("which_scale",), ("compare_with_multimeter", "check_meter_mode")
    ),
    "impossible_point": Explanation(
        ("mixed_moments", "stuck_register", "wrong_scale"),
        ("which_register",),
        ("compare_with_multimeter", "check_meter_wiring"),
    ),
    "mv_phase_lost": Explanation(
        ("mv_fuse_or_conductor",),
        ("mv_or_hv_side",),
        ("stop_motors", "call_network_operator", "check_transformer_fuses"),
    ),
    "phase_lost_two_stages": Explanation(
        ("loss_two_transformers_up", "mv_fuse_or_conductor"),
        ("transformer_group",),
        ("stop_motors", "call_network_operator"),
    ),
    "phase_lost": Explanation(
        ("fuse_blown", "conductor_open", "meter_input_open"),
        ("short_to_neutral", "supply_or_meter_inputs"),
        ("stop_motors", "check_fuses", "look_at_currents"),
    ),
    "phase_lost_backfed": Explanation(
        ("phase_open_with_load_behind", "fuse_blown"), (_SIDE,), ("isolate_before_touch", "check_fuses", "stop_motors")
    ),
    "phase_lost_regenerated": Explanation(
        ("phase_open_motor_behind", "deep_sag"),
        ("regeneration_or_sag",),
        ("look_at_currents", "stop_motors", "check_fuses"),
    ),
    "two_phases_lost": Explanation(
        ("two_fuses_blown", "single_phase_supply"), ("since_when_dead",), ("check_fuses", "look_at_currents")
    ),
    "single_phase": Explanation(("single_phase_supply",), ("since_when_dead",), ("set_system",)),
    "split_phase": Explanation(("split_phase_supply",), (), ("set_system",)),
    "high_leg_delta": Explanation(("high_leg_supply",), (), ("set_system",)),
    "neutral_open": Explanation(
        ("neutral_open_upstream",),
        ("neutral_or_pen", _SIDE),
        ("switch_off_single_phase", "treat_housings_as_live", "check_neutral_terminals", "call_network_operator"),
    ),
    "pen_open": Explanation(
        ("pen_open_upstream",),
        ("touch_voltage", _SIDE),
        ("do_not_touch_metal", "switch_off_supply", "call_network_operator"),
    ),
    "neutral_high_resistance": Explanation(
        ("neutral_loose", "neutral_undersized"),
        ("neutral_or_pen", _SIDE),
        ("check_neutral_terminals", "watch_shift_with_load"),
    ),
    "single_phase_overload": Explanation(
        ("unequal_load", "long_or_thin_feeder"), (_SIDE,), ("look_at_currents", "spread_load")
    ),
    "earth_displaced": Explanation(
        ("leak_into_weak_earth", "pe_open_filter_leakage"),
        ("leak_here_or_elsewhere", "isolated_by_design", _SIDE),
        (
            "measure_neutral_earth",
            "measure_to_independent_rod",
            "check_pe_continuity",
            "clamp_leakage",
            "switch_off_loads_one_by_one",
        ),
    ),
    "earth_fault_solid": Explanation(
        ("solid_fault_isolated_source", "bond_open_and_fault"),
        ("isolated_by_design", _SIDE),
        ("do_not_touch_metal", "locate_insulation_fault", "check_bond"),
    ),
    "neutral_earth_harmonics": Explanation(
        ("triplen_neutral_current",), ("harmonics_or_noise",), ("look_at_neutral_current", "look_at_thd")
    ),
    "supply_unbalance": Explanation(
        ("unbalanced_network", "heavy_two_phase_load", "bad_phase_contact"),
        ("upstream_or_local", "deep_sag_or_contact"),
        ("look_at_currents", "derate_motors"),
    ),
    "overvoltage": Explanation(
        ("high_network_voltage", "generation_behind_meter"),
        ("average_hides",),
        ("check_generation", "call_network_operator"),
    ),
    "undervoltage": Explanation(
        ("low_network_voltage", "overloaded_feeder"),
        ("average_hides", "sag_or_lost_phase"),
        ("look_at_currents", "call_network_operator"),
    ),
    "not_enough_data": Explanation((), ("all_three_needed",), ("read_all_phases",)),
}
"""Every verdict code there is, with what explains it."""

UNJUDGED_EARTH: Final = Explanation(cannot_tell=("earth_not_judged",))
"""Beside every verdict that was found without an earth that is measured."""
CONTRADICTION: Final = Explanation(
    ("meters_of_other_points", "inputs_of_one_meter", "wrong_ratio"),
    ("which_meter",),
    ("compare_with_multimeter", "check_meter_wiring", "check_meter_mode"),
)
"""Of `impossible_point` where it is two meters that do not agree."""
