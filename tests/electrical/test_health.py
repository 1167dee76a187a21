"""The quick way to say "normal" never says it where a signature holds."""

import random

from hypothesis import given
from hypothesis import strategies as st

from phasewatch.electrical.diagnosis import look_at, surely_normal
from phasewatch.electrical.geometry import draw
from phasewatch.electrical.signatures import applicable
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LL, LN, LPE, NPE
from tests.circuits import VIEWS, cases, healthy, measured

near_v = st.floats(0.94, 1.06)
limits = st.sampled_from(((-10.0, 10.0), (-6.0, 10.0), (-7.0, 7.0), (-2.0, 2.0)))
systems = st.sampled_from((None, "TN-S", "TT", "IT", "three_wire", "split_phase", "high_leg", "single_phase"))


@given(st.tuples(*[near_v] * 9), st.floats(0.0, 12.0), limits, systems, st.sampled_from((0.2, 0.5, 1.0)))
def test_no_signature_holds_where_it_says_normal(
    per_unit: tuple[float, ...], direct_v: float, percent: tuple[float, float], system: str | None, accuracy: float
) -> None:
    low, high = percent
    supply = Supply(230.0, system, accuracy, low, high)  # type: ignore[arg-type]
    nominal_v = [230.0] * 3 + [supply.line_v] * 3 + [230.0] * 3
    pairs = zip((*LN, *LL, *LPE), nominal_v, per_unit, strict=True)
    values = {name: nominal * share for name, nominal, share in pairs} | {NPE: direct_v}
    picture = draw(values)
    if surely_normal(picture, supply):
        look = look_at(picture, values, supply, None)
        assert [signature.__name__ for signature in applicable(supply.system) if signature(look)] == []


def test_it_says_normal_of_most_healthy_boards() -> None:
    draw_ = random.Random(1)
    boards = [next(cases(healthy, draw_)) for _ in range(200)]
    sure = [surely_normal(draw(measured(case.values, VIEWS["voltages"], 0.5, draw_)), Supply()) for case in boards]
    assert sum(sure) > 100
