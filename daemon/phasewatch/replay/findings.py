"""What is wrong with a recording, counted, with the first place of each kind."""

from dataclasses import dataclass, field


class RecordingError(Exception):
    """A recording cannot be replayed; the text names the file, the place and the mend."""


@dataclass(slots=True)
class Finding:
    """One kind of flaw."""

    count: int
    line: int
    """Line of the file where it was first seen."""
    example: str


@dataclass(slots=True)
class Findings:
    """Flaws by kind, in the order in which they were first seen."""

    kinds: dict[str, Finding] = field(default_factory=dict)

    def add(self, kind: str, line: int, example: str = "") -> None:
        """Count one."""
        found = self.kinds.get(kind)
        if found is None:
            self.kinds[kind] = Finding(1, line, example[:40])
        else:
            found.count += 1

    def count(self, kind: str) -> int:
        """Return how many of a kind there were."""
        found = self.kinds.get(kind)
        return 0 if found is None else found.count

    def lines(self) -> list[str]:
        """Return a line for people for each kind."""
        return [
            f"{kind}: {found.count}, first on line {found.line}" + (f" ({found.example})" if found.example else "")
            for kind, found in self.kinds.items()
        ]
