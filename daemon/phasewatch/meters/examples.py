"""Makes the words of one poll an example: the test that a profile carries."""

import json
from collections.abc import Iterator, Mapping, Sequence

from phasewatch.meters.decode import EXAMPLE_NOMINAL_V, NOT_READ, Decoder, by_address
from phasewatch.meters.profile import Example, Profile


def seen_example(profile: Profile, blocks: Mapping[int, Sequence[int]], note: str) -> Example:
    """Return the example that these words make; a quantity whose words were not read is left out."""
    values, missing = Decoder(profile, EXAMPLE_NOMINAL_V)(by_address(blocks))
    read = {name: values.get(name) for name in profile.registers if missing.get(name) != NOT_READ}
    shown = {name: None if value is None else float(f"{value:.9g}") for name, value in read.items()}
    return Example(note=note, words={first: tuple(words) for first, words in sorted(blocks.items())}, values=shown)


def example_lines(example: Example) -> Iterator[str]:
    """Yield the example as the YAML of an entry below `examples:`."""
    yield f"  - note: {json.dumps(example.note, ensure_ascii=False)}"
    yield "    words:" if example.words else "    words: {}"
    for first, words in example.words.items():
        yield f"      {first}: [{', '.join(map(str, words))}]"
    yield "    values:" if example.values else "    values: {}"
    for name, value in example.values.items():
        yield f"      {name}: {'null' if value is None else format(value, '.9g')}"
