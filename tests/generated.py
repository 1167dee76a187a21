"""The parts of the documents that are generated from the code: `python -m tests.generated` writes them again.

A part begins with `<!-- generated: NAME -->` and ends with `<!-- end -->`.
"""

import re
from collections.abc import Callable
from functools import partial
from math import hypot
from pathlib import Path
from typing import Final

from phasewatch.alerts.lifecycle import DUE, TABLE, VOID, State
from phasewatch.configuration.files import load_messages
from phasewatch.drawing.phasor_diagram import picture
from phasewatch.drawing.places import Limits
from phasewatch.drawing.svg import Markup, element, escaped, joined, path
from phasewatch.electrical.diagnosis import diagnose, numbers
from phasewatch.electrical.supply import Supply
from phasewatch.meters.quantities import LN, LPE
from phasewatch.rules.rule import Truth
from tests.cli.test_help import COMMANDS
from tests.documents import CHINESE, ENGLISH, ROOT, own_options

_PART: Final = re.compile(r"(<!-- generated: ([a-z-]+) -->\n\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Return the table of commands with their help texts and options."""
    rows = ["| command | what it does | options of its own |", "|---|---|---|"]
    for name, command in COMMANDS.items():
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        called = " ".join([f"`phasewatch {name}`", *(f"`{one.metavar}`" for one in arguments)])
        what = " ".join(command.help.split("\n\n")[0].split())
        rows.append(f"| {called} | {what} | {' '.join(f'`{option}`' for option in own_options(name))} |")
    return "\n".join(rows) + "\n"


_BOX: Final = (120.0, 40.0)
_CENTRES: Final[dict[State, tuple[float, float]]] = {
    State.CLEAR: (90.0, 60.0),
    State.PENDING: (430.0, 60.0),
    State.ACTIVE: (430.0, 210.0),
    State.CLEARING: (90.0, 210.0),
}
_STYLE: Final = (
    "text{font:14px sans-serif;fill:#222}path,rect{fill:none;stroke:#555;stroke-width:1.5}.tip{fill:#555}"
    "@media (prefers-color-scheme:dark){svg{background:#1e2129}text{fill:#eee}path,rect{stroke:#aaa}.tip{fill:#aaa}}"
)


def moves() -> dict[tuple[State, State], list[str]]:
    """Return why one state follows another, for every two that differ."""
    found: dict[tuple[State, State], list[str]] = {}
    for (state, truth), after in TABLE.items():
        if after is not state:
            found.setdefault((state, after), []).append(truth.name.lower())
    for table, why in ((DUE, "delay over"), (VOID, "void")):
        for state, after in table.items():
            found.setdefault((state, after), []).append(why)
    return found


def life_cycle() -> str:
    """Return the diagram of the states of an alert as SVG."""
    boxes = (_box(state) for state in State)
    arrows = (_arrow(start, end, ", ".join(why)) for (start, end), why in moves().items())
    drawn = (
        element("title", escaped("The states of an alert")),
        element("style", escaped(_STYLE)),
        joined(boxes),
        joined(arrows),
    )
    return element("svg", *drawn, xmlns="http://www.w3.org/2000/svg", viewBox="-20 20 560 230", role="img") + "\n"


def _box(state: State) -> Markup:
    (x, y), (width, height) = _CENTRES[state], _BOX
    corner = element("rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=8)
    return joined((corner, element("text", escaped(state.value), x=x, y=y + 5, text_anchor="middle")))


def _arrow(start: State, end: State, why: str) -> Markup:
    """Return an arrow between two neighbours; it keeps left, so that the way back has room beside it."""
    (x1, y1), (x2, y2) = _CENTRES[start], _CENTRES[end]
    length = hypot(x2 - x1, y2 - y1)
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    gap = _BOX[0] / 2 if dx else _BOX[1] / 2
    left = (10.0 * dy, -10.0 * dx)
    tail = (x1 + dx * gap + left[0], y1 + dy * gap + left[1])
    tip = (x2 - dx * (gap + 3) + left[0], y2 - dy * (gap + 3) + left[1])
    wings = [(tip[0] - 9 * dx + side * 5 * dy, tip[1] - 9 * dy - side * 5 * dx) for side in (1, -1)]
    middle = ((tail[0] + tip[0]) / 2, (tail[1] + tip[1]) / 2)
    spot = (middle[0] + 8 * dy, middle[1] + (5 if dy else -6 if dx > 0 else 18))
    anchor = "middle" if dx else "start" if dy > 0 else "end"
    return joined(
        (
            element("path", d=path([tail, tip])),
            element("path", d=path([tip, *wings], closed=True), class_="tip"),
            element("text", escaped(why), x=spot[0], y=spot[1], text_anchor=anchor),
        )
    )


def transitions() -> str:
    """Return the table of what a sample does in each state."""
    rows = ["| state | breach | clear | unknown | delay over | long gap |", "|---|---|---|---|---|---|"]
    for state in State:
        by_sample = (TABLE[state, truth].value for truth in (Truth.BREACH, Truth.CLEAR))
        due, void = (table[state].value if state in table else "" for table in (DUE, VOID))
        rows.append(f"| {' | '.join((f'`{state.value}`', *by_sample, 'no change', due, void))} |")
    return "\n".join(rows) + "\n"


_FOUNDING_CASE: Final = dict(zip((*LN, *LPE), (234.0, 234.0, 234.0, 208.0, 254.0, 254.0), strict=True))


def founding_case(language: str) -> str:
    """Return the phasor diagram of the founding question as SVG."""
    found = numbers(diagnose(_FOUNDING_CASE, Supply()))
    limits = Limits(resolution_v=found["resolution_v"])
    return picture(_FOUNDING_CASE, found, load_messages(language), limits, nominal_v=230.0) + "\n"


def picture_file(name: str, language: str, ending: str) -> Path:
    """Return the file of a picture in a language."""
    return ROOT / "docs" / "pictures" / f"{name}{'' if language == ENGLISH else f'.{language}'}.{ending}"


DRAWINGS: Final[dict[Path, Callable[[], str]]] = {
    picture_file("alert-life-cycle", ENGLISH, "svg"): life_cycle,
    picture_file("founding-case", ENGLISH, "svg"): partial(founding_case, ENGLISH),
    picture_file("founding-case", CHINESE, "svg"): partial(founding_case, CHINESE),
}
PARTS: Final[dict[str, Callable[[], str]]] = {
    "commands": commands,
    "transitions": transitions,
}


def filled(text: str) -> str:
    """Return a page with its generated parts as the code has them now."""
    return _PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[4], text)


def names(text: str) -> list[str]:
    """Return the names of the generated parts of a page."""
    return [part[2] for part in _PART.finditer(text)]


if __name__ == "__main__":
    for drawing, draw in DRAWINGS.items():
        drawing.write_text(draw(), encoding="utf-8")
    for file in (ROOT / "docs").rglob("*.md"):
        before = file.read_text(encoding="utf-8")
        if filled(before) != before:
            file.write_text(filled(before), encoding="utf-8")
            print(f"{file.relative_to(ROOT)} written")
