"""Entry point of the `phasewatch` command."""

import sys

from phasewatch import version

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells know it."""


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        print(f"phasewatch {version()}")  # without the command tree, which takes five times as long to import
        return
    try:
        from phasewatch.cli.app import app  # here, where Ctrl-C during the import is caught as well

        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
