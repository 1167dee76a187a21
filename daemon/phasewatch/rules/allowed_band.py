"""The band that a rule holds a quantity to: the user's own limits over the preset's, over what is built in."""

from phasewatch.electrical.limits import Band


def allowed_band(
    preset: Band | None, built_in: Band, lower_percent: float | None, upper_percent: float | None
) -> tuple[Band, str | None]:
    """Return the band in force and the standard behind it; None where it is not the preset's alone."""
    if lower_percent is None and upper_percent is None:
        return (preset, preset.source) if preset is not None else (built_in, None)
    own = {"lower_percent": lower_percent, "upper_percent": upper_percent}
    told = {side: percent for side, percent in own.items() if percent is not None}
    return (preset or built_in).model_copy(update=told), None
