"""Errors of input: one line each, with the place and how to fix it. Imports nothing, for every command needs them."""

from collections.abc import Iterable


class InputError(Exception):
    """The command line or an input file is wrong; the text names the place and how to fix it."""


class ConfigurationError(Exception):
    """A site file, or a file that ships or that the user wrote, cannot be used."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Keep one line for each problem: file, key path, how to fix it."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))
