"""The look of drawings: distinct for colour-blind eyes, on light and dark paper, and without any colour.

A page may set the properties `--pw-l1` ... `--pw-paper`; without them the colours follow its `color-scheme`.
"""

from typing import Final

from phasewatch.drawing.markup import Markup

COLOURS: Final[dict[str, tuple[str, str]]] = {
    "l1": ("#9a4a00", "#f0a35e"),
    "l2": ("#0060a8", "#6db8ff"),
    "l3": ("#96256f", "#f08fc8"),
    "pe": ("#00694a", "#4fd6a0"),
    "limit": ("#b3001b", "#ff9a94"),
    "faint": ("#666666", "#a8a8a8"),
}
"""On light and on dark paper; each has a contrast of 4.5 or more to it."""
PAPERS: Final = ("#ffffff", "#1c1c1c")

DASHES: Final[dict[str, str | None]] = {
    "l1": None,
    "l2": "7 3",
    "l3": "9 3 2 3",
    "pe": "2 3",
    "n": None,
    "other": "4 2",
}
"""How the line of each mark is broken; None: not at all."""

_ON_BOTH: Final = "".join(
    f"--c-{name}:var(--pw-{name},light-dark({light},{dark}));" for name, (light, dark) in COLOURS.items()
)
_ON_LIGHT: Final = "".join(f"--c-{name}:var(--pw-{name},{light});" for name, (light, _) in COLOURS.items())
_LINES: Final = "".join(f".pw .{name}{{stroke:var(--c-{name})}}" for name in ("l1", "l2", "l3", "pe", "limit", "faint"))

STYLE: Final = Markup(
    "<style>"
    f".pw{{{_ON_LIGHT}font:12px system-ui,sans-serif;max-width:100%;height:auto}}"
    f"@supports(color:light-dark(#000,#fff)){{.pw{{{_ON_BOTH}}}}}"
    ".pw *{fill:none;stroke-linejoin:round;stroke-linecap:round}"
    ".pw text{fill:currentColor;stroke:var(--pw-paper,Canvas);stroke-width:3px;paint-order:stroke}"
    ".pw .n,.pw .other{stroke:currentColor}"
    f"{_LINES}"
    ".pw .dot{fill:currentColor}.pw .pe.mark{fill:var(--c-pe)}"
    ".pw .paper{fill:var(--pw-paper,Canvas);stroke:currentColor}"
    ".pw .noise{fill:currentColor;opacity:.12}"
    ".pw .b{font-weight:600}.pw .mid{text-anchor:middle}.pw .end{text-anchor:end}"
    ":root.pw{color-scheme:light dark}"
    "</style>"
)
"""Once a page, or in the first drawing of it."""
