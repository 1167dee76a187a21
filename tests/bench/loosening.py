"""The early warning of a loosening neutral over five weeks: `python -m tests.bench.loosening [seeds]`.

A week to learn, then four weeks in which the neutral's resistance grows to six times (or stays as it is), read once a
minute by a class 0.5 meter. For each seed: the day of the alert, how loose the neutral was, and how far N had moved.
"""

import sys
from collections.abc import Callable

from phasewatch.electrical.diagnosis import Diagnosis, Verdict
from phasewatch.electrical.geometry import draw
from phasewatch.electrical.limits import Limits
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import CURRENT_N, CURRENTS
from phasewatch.meters.reading import Reading
from phasewatch.rules.neutral_impedance import NeutralImpedance, Settings
from phasewatch.rules.rule import View
from tests.feeder_weeks import DAY_S, NEUTRAL_OHM, weeks
from tests.timeline import START

WEEKS = 5.0
TIMES = 6.0
WITHOUT = {"phase currents": (CURRENT_N,), "neutral current only": CURRENTS}


def story(seed: int, neutral: Callable[[float], float], without: tuple[str, ...], noise_percent: float) -> str:
    rule, most_v = NeutralImpedance(Settings()), 0.0
    for at_s, values in weeks(seed, 7.0 * WEEKS, neutral, noise_percent=noise_percent):
        for name in without:
            del values[name]
        picture = draw(values)
        most_v = max(most_v, abs(picture.neutral or 0j))
        reading = Reading("main", START, at_s, values)
        bare = Limits(id="bare", standard="none", title="limits nothing")
        (condition,) = rule.judge(View(reading, Diagnosis(picture, Verdict("normal"), Supply()), bare))
        if condition.breached:
            times = neutral(at_s) / NEUTRAL_OHM
            return f"alert on day {at_s / DAY_S:.1f}, neutral at {times:.2f} times, |n| never above {most_v:.1f} V"
    return f"silent, |n| never above {most_v:.1f} V"


def sound(_at_s: float) -> float:
    return NEUTRAL_OHM


def loosening(at_s: float) -> float:
    return NEUTRAL_OHM * (1.0 + (TIMES - 1.0) * max(0.0, at_s / DAY_S - 7.0) / (7.0 * (WEEKS - 1.0)))


def main(seeds: int) -> None:
    for currents, without in WITHOUT.items():
        for noise_percent in (0.05, 0.1):
            for name, neutral in (("sound", sound), ("loosening", loosening)):
                for seed in range(seeds):
                    found = story(seed, neutral, without, noise_percent)
                    print(f"{currents}, noise {noise_percent} %, {name}, seed {seed}: {found}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
