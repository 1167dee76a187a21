"""`phasewatch init`: asks for meters and broker, and writes a site file with comments."""

import os
import platform
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import typer
from pydantic import ValidationError

from phasewatch.cli.check import check_site
from phasewatch.commissioning.identify import Found
from phasewatch.commissioning.meter_choice import Lines, slug
from phasewatch.commissioning.questions import Questions, one_of
from phasewatch.commissioning.scan import Wishes, every_profile, units
from phasewatch.commissioning.site_file import Draft, site_text
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import limits_ids, parse_yaml
from phasewatch.configuration.site import build_site
from phasewatch.electrical.supply import System
from phasewatch.meters.quantities import FREQUENCY
from phasewatch.settings import LANGUAGES, LINE_VOLTAGES, MqttSettings


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says already."""

    out: Path
    address: str | None
    units: str
    timeout_s: float | None
    broker: str | None
    accept: bool


def set_up(given: Given) -> None:
    """Ask, write the site file, and check it. Raises: InputError, ConfigurationError; then nothing is written."""
    _refuse_wrong_options(given)
    questions = Questions(accept=given.accept)
    try:
        out = _target(questions, given.out)
        text = site_text(_described(questions, given, out))
        build_site(parse_yaml(text, str(out)), out)
        _put(out, text)
    except KeyboardInterrupt:
        typer.echo("")
        raise InputError("stopped; nothing was written") from None
    typer.echo(f"\n{out}: written. What `phasewatch check` says of it:\n")
    with suppress(typer.Exit):  # what it finds is told, and is no fault of this command
        check_site(out, connect=False, as_json=False)
    typer.echo(
        f"\nNext:\n  phasewatch check --connect --config {out}\n  phasewatch read --config {out}\n"
        f"  phasewatch run --config {out}\n"
        "As a service: copy it to /etc/phasewatch/site.yaml; systemctl enable --now phasewatch"
    )


def _refuse_wrong_options(given: Given) -> None:
    """Refuse before anything is asked what would be refused later. Raises: InputError."""
    units(given.units)
    try:
        broker_url(given.broker or "localhost")
    except ValueError as error:
        raise InputError(f"--broker {error}") from None


# The file


def _target(questions: Questions, out: Path) -> Path:
    """Return where to write; a file that is there is replaced only if that is wanted. Raises: InputError."""
    while True:
        parent = out.parent
        if not parent.is_dir():
            raise InputError(f"--out {out}: there is no directory {parent}; mkdir -p {parent}")
        if not os.access(parent, os.W_OK):
            raise InputError(f"--out {out}: {parent} may not be written to; use sudo, or write elsewhere with --out")
        if out.is_dir():
            raise InputError(f"--out {out}: is a directory; name a file, as {out / 'site.yaml'}")
        if not out.exists():
            return out
        if questions.accept:
            raise InputError(f"--out {out}: is there already; move it away, or name another file with --out")
        if questions.agreed(f"{out} is there already. Replace it", proposal=False):
            return out
        out = Path(questions.ask("Which file then", str(out.with_name(f"{out.stem}-new{out.suffix}")), str))


def _put(out: Path, text: str) -> None:
    """Write the file whole or not at all. Raises: InputError."""
    goal = out.resolve()
    mode = goal.stat().st_mode & 0o777 if goal.exists() else 0o644
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
        temporary = Path(name)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(mode)
        temporary.replace(goal)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


# The site


def _described(questions: Questions, given: Given, out: Path) -> Draft:
    profiles, draft, found = every_profile(out.parent), Draft(), list[Found]()
    lines = Lines(questions, Wishes("", given.units, None, None, given.timeout_s), given.address, profiles)
    while True:
        bus, here = lines.bus(draft)
        draft.buses.append(bus)
        found += here
        if questions.accept or not questions.agreed("\nAre there meters on another adapter or address", proposal=False):
            break
    _describe_supply(questions, draft, found, out)
    _describe_broker(questions, draft, given)
    draft.site = questions.ask("Name of the site, in every topic", _site_proposal(), slug)
    draft.language = questions.ask("Language of verdicts and alerts", _language(), one_of(LANGUAGES))
    return draft


def _describe_supply(questions: Questions, draft: Draft, found: Sequence[Found], out: Path) -> None:
    likely = [one.likeness for one in found if one.likeness is not None]
    counted = Counter(like.nominal_v for like in likely).most_common(1)
    fast = any(like.values.get(FREQUENCY, 50.0) > 55.0 for like in likely)
    typer.echo("")
    proposal = f"{counted[0][0]:g}" if counted else f"{draft.nominal_v:g}"
    draft.nominal_v = questions.ask("Nominal voltage, phase to NEUTRAL, in V", proposal, _nominal_v)
    draft.frequency_hz = questions.ask("Nominal frequency, in Hz", "60" if fast else "50", _frequency_hz)
    draft.system = questions.ask("Earthing system", "TN-S", one_of(get_args(System)))
    presets = limits_ids(out.parent)
    typer.echo(f"Presets of limits: {', '.join(presets)}")
    draft.limits = questions.ask("Limits", _preset(draft), one_of(presets))


def _preset(draft: Draft) -> str:
    if draft.frequency_hz == 60.0 and draft.nominal_v in (120.0, 277.0, 347.0):
        return "ansi-c84-1"
    return "gbt" if _language() == "zh" else "en50160"


def _nominal_v(text: str) -> float:
    volts = _positive(text)
    if volts in LINE_VOLTAGES:
        raise ValueError(f"{volts:g} V is a line-to-line voltage; phase to neutral that is {volts / 3.0**0.5:.0f} V")
    return volts


def _frequency_hz(text: str) -> float:
    frequency_hz = _positive(text)
    if not 10.0 <= frequency_hz <= 500.0:
        raise ValueError(f"{text} is no frequency of a supply; 50 or 60")
    return frequency_hz


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number <= 1e6:
        raise ValueError(f"{text!r:.80} must be a number above 0")
    return number


def _site_proposal() -> str:
    name = re.sub(r"[^a-z0-9]+", "-", platform.node().split(".")[0].lower()).strip("-")[:64]
    return name or "my-site"


def _language() -> str:
    spoken = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if spoken.startswith("zh") else "en"


def _describe_broker(questions: Questions, draft: Draft, given: Given) -> None:
    if given.broker is not None:
        draft.broker = broker_url(given.broker)
    else:
        draft.broker = questions.ask("Broker, as host or mqtts://host:8883", "mqtt://localhost:1883", broker_url)
    draft.username = questions.ask("User at the broker", "", str)
    if draft.username:
        draft.password_file = questions.ask("File that holds the password, and nothing else", "", str)
        if draft.password_file and not Path(draft.password_file).is_absolute():
            draft.password_file = str(Path(draft.password_file).absolute())


def broker_url(text: str) -> str:
    """Return the URL of a broker; a bare host is plain MQTT. Raises: ValueError."""
    url = text if "://" in text else f"mqtt://{text}"
    try:
        if " " not in url:
            return MqttSettings(urls=(url,)).urls[0]
    except ValidationError:
        pass
    raise ValueError(f"{text!r:.80}: must be a host, mqtt://host:1883 or mqtts://host:8883")
