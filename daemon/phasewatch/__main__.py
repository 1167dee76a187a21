"""Entry point of the `phasewatch` command."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells know it."""


def main() -> None:
    """Run the command line."""
    try:
        from phasewatch.cli.app import app  # here, where Ctrl-C during the import is caught as well

        app()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
