"""Short names of quantities, the same in every language."""

from phasewatch.meters.quantities import UNITS

_KINDS = {
    "voltage": "U",
    "current": "I",
    "active_power": "P",
    "thd_voltage": "THD U",
    "frequency": "f",
    "residual_current": "I Δ",
}


def label(quantity: str) -> str:
    """Return the symbol of a quantity with what it is of: `U L1–N`, `I L2`, `P total`."""
    kind = next((kind for kind in sorted(_KINDS, key=len, reverse=True) if quantity.startswith(kind)), None)
    if kind is None:
        return quantity
    of = quantity.removeprefix(kind).strip("_")
    of = of if of == "total" else of.upper().replace("_", "–")
    return f"{_KINDS[kind]} {of}".strip()


def between(quantity: str) -> str:
    """Return what a voltage is measured between, `L1–N`; of another quantity, what it is of."""
    return label(quantity).split(" ", 1)[-1]


def decimals(quantity: str) -> int:
    """Return how many decimals of a quantity say something."""
    return {"Hz": 2, "A": 2, "W": 0}.get(UNITS.get(quantity, ""), 1)
