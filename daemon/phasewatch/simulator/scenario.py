"""A scenario: what happens to a feeder, as YAML, and the feeder at any moment of it."""

import math
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Final, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)
from yaml.reader import ReaderError

from phasewatch.meters.quantities import PHASES
from phasewatch.simulator.feeder import OPEN, PARAMETERS, SMALLEST_OHM, Feeder

ALMOST_OPEN_OHM: Final = 1e6
"""Where a ramp to or from an open conductor ends or begins."""

WANDER_PERIODS_S: Final = (3.7, 17.3, 61.1)
"""Periods of the small movement that every supply has; no common multiple within hours."""


class ScenarioError(ValueError):
    """The scenario cannot be played; the message names the key's path."""


def _is_parameter(name: str) -> str:
    if name not in PARAMETERS:
        close = get_close_matches(name, PARAMETERS, n=1)
        raise ValueError(f"no such parameter of the feeder{f'; {close[0]}?' if close else ''}")
    return name


def _opened(value: object) -> object:
    return OPEN if value == "open" else value


Changes = dict[Annotated[str, AfterValidator(_is_parameter)], Annotated[float, Strict(), BeforeValidator(_opened)]]
"""Parameter of the feeder -> its value; `open` cuts a conductor."""


class Part(BaseModel):
    """The base of every piece of a scenario: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(Part):
    """What changes at one moment and stays until it is set again."""

    at_s: float = Field(ge=0, allow_inf_nan=False)
    name: str
    reset: bool = False
    """First return every parameter to the base feeder."""
    set: Changes = {}
    ramp_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Time the change takes: impedances move geometrically, the rest linearly."""


class Scenario(Part):
    """A base feeder and the steps that befall it."""

    name: str
    length_s: float = Field(gt=0, allow_inf_nan=False)
    feeder: Changes = {}
    steps: tuple[Step, ...] = (Step(at_s=0, name="healthy"),)
    voltage_wander_percent: float = Field(default=0.1, ge=0, le=5)
    """How far each EMF wanders by itself; with 0 a meter repeats itself to the bit."""
    load_wander_percent: float = Field(default=2.0, ge=0, le=50)
    frequency_wander_hz: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _plays(self) -> Self:
        if not self.steps or self.steps[0].at_s != 0:
            raise ValueError("steps.0.at_s: the first step begins at 0")
        for number, (step, following) in enumerate(zip(self.steps, self.steps[1:], strict=False)):
            if step.at_s + step.ramp_s > following.at_s or step.at_s == following.at_s:
                raise ValueError(f"steps.{number + 1}.at_s: begins before step {number} ({step.name}) has ended")
        if self.steps[-1].at_s + self.steps[-1].ramp_s > self.length_s:
            raise ValueError(f"length_s: ends before step {len(self.steps) - 1} ({self.steps[-1].name}) has ended")
        for path, changes in (("feeder", self.feeder), *((f"steps.{n}.set", s.set) for n, s in enumerate(self.steps))):
            try:
                Feeder(**changes)
            except ValueError as error:
                raise ValueError(f"{path}.{error}") from None
        return self

    def step_at(self, t_s: float) -> Step:
        """Return the step in force; the last one stays for ever."""
        return self.steps[self._number_at(t_s)]

    def feeder_at(self, t_s: float) -> Feeder:
        """Return the circuit at a moment counted from the start of the scenario."""
        number = self._number_at(t_s)
        step, goal = self.steps[number], self._after(number)
        passed_s = t_s - step.at_s
        if number > 0 and passed_s < step.ramp_s:
            goal = _between(self._after(number - 1), goal, max(passed_s, 0.0) / step.ramp_s)
        return self._wandering(goal, t_s)

    def _number_at(self, t_s: float) -> int:
        return max((number for number, step in enumerate(self.steps) if step.at_s <= t_s), default=0)

    def _after(self, number: int) -> Feeder:
        """Return the feeder once the ramp of a step has ended."""
        values = self.feeder
        for step in self.steps[: number + 1]:
            values = {**(self.feeder if step.reset else values), **step.set}
        return Feeder(**values)

    def _wandering(self, feeder: Feeder, t_s: float) -> Feeder:
        changes = {"frequency_hz": feeder.frequency_hz + self.frequency_wander_hz * _wander(t_s, 0)}
        for place, phase in enumerate(PHASES, start=1):
            for name, percent, seed in (
                (f"emf_{phase}_v", self.voltage_wander_percent, place),
                (f"load_{phase}_n_w", self.load_wander_percent, place + len(PHASES)),
            ):
                changes[name] = getattr(feeder, name) * (1 + percent / 100 * _wander(t_s, seed))
        return replace(feeder, **changes)


def healthy() -> Scenario:
    """Return the scenario in which nothing happens."""
    return Scenario(name="healthy", length_s=60)


def parse_scenario(text: str, source: str = "scenario") -> Scenario:
    """Parse a scenario from YAML; `source` is its name in messages.

    Raises: ScenarioError if it cannot be played.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"{error.problem_mark.line + 1}:"
        raise ScenarioError(f"{source}:{line} not YAML: {error.problem or error.context}") from error
    except ReaderError as error:
        place = f"{source}:{text.count(chr(10), 0, error.position) + 1}"
        raise ScenarioError(f"{place}: not YAML: holds a control character; delete it") from error
    if not isinstance(content, dict):
        raise ScenarioError(f"{source}: holds no keys such as name, length_s and steps; see config/scenarios/demo.yaml")
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        raise ScenarioError("\n".join(f"{source}: {problem}" for problem in _problems(error))) from error


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        path = ".".join(str(key) for key in problem["loc"] if key != "[key]")
        lines.append(": ".join(filter(None, (path, problem["msg"].removeprefix("Value error, ")))))
    return lines


def _between(start: Feeder, goal: Feeder, fraction: float) -> Feeder:
    changes = {}
    for name in PARAMETERS:
        before, after = getattr(start, name), getattr(goal, name)
        if before != after:
            changes[name] = (_geometric if name.endswith("_ohm") else _linear)(before, after, fraction)
    return replace(start, **changes)


def _linear(before: float, after: float, fraction: float) -> float:
    return before + (after - before) * fraction


def _geometric(before: float, after: float, fraction: float) -> float:
    lowest, highest = (min(max(ohm, SMALLEST_OHM), ALMOST_OPEN_OHM) for ohm in (before, after))
    return float(lowest * (highest / lowest) ** fraction)


def _wander(t_s: float, seed: int) -> float:
    """Return a smooth deterministic movement within -1 and 1; each seed moves by itself."""
    waves = (
        math.sin(2 * math.pi * t_s / period_s + 2.4 * seed * place)
        for place, period_s in enumerate(WANDER_PERIODS_S, 1)
    )
    return sum(waves) / len(WANDER_PERIODS_S)
