"""Watches three-phase voltages, names neutral and earth faults, publishes alerts."""


def version() -> str:
    """Return the version of the installed program."""
    from importlib import metadata  # here: every command imports this package

    return metadata.version("phasewatch")
