"""Site files, right but for one thing, and why they are refused."""

from pathlib import Path

import pytest

from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.site import LoadedSite, load_site

METER = "{name: m, profile: eastron-sdm630}"
GOOD = f"""\
site: plant-7
buses:
  - name: b
    url: tcp://h:502
    meters:
      - {METER}
mqtt: {{urls: ["mqtt://h"]}}
"""


def meter(keys: str) -> str:
    """Return the site with more keys at its meter."""
    return GOOD.replace("sdm630}", f"sdm630, {keys}}}")


def bus(keys: str) -> str:
    return GOOD.replace("name: b\n", f"name: b\n    {keys}\n")


def mqtt(keys: str) -> str:
    return GOOD.replace("mqtt: {", f"mqtt: {{{keys}, ")


def broker(url: str) -> str:
    return GOOD.replace("mqtt://h", url)


def meters(*more: str) -> str:
    """Return the site with more meters on its bus."""
    return GOOD.replace(METER, "\n      - ".join((METER, *more)))


def second_bus(name: str, url: str) -> str:
    return GOOD.replace("mqtt:", f'  - {{name: {name}, url: "{url}", meters: [{METER.replace("m,", "n,")}]}}\nmqtt:', 1)


def load(directory: Path, text: str) -> LoadedSite:
    file = directory / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def refusal(directory: Path, text: str) -> list[str]:
    """Return why a site file is refused, without the name of the file."""
    with pytest.raises(ConfigurationError) as caught:
        load(directory, text)
    prefix = str(directory / "site.yaml")
    assert all(line.startswith(prefix) for line in caught.value.lines)
    return [line.removeprefix(prefix).removeprefix(": ") for line in caught.value.lines]
