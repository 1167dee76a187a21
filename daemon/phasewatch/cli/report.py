"""`phasewatch report`: one HTML page of a site, from the running daemon or from one reading of the meters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import typer

from phasewatch import version
from phasewatch.adapters.http.client import Control, ControlError
from phasewatch.cli.daemon_client import show, sockets
from phasewatch.cli.errors import say
from phasewatch.commissioning.one_poll import poll_until_joined
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import load_messages
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.contract.payloads import point_state
from phasewatch.report.content import Material
from phasewatch.report.events import MOST_EVENTS, wanted_evidence
from phasewatch.report.page import page
from phasewatch.service.build import build_watch
from phasewatch.settings import LANGUAGES

STDOUT: Final = Path("-")


def report_site(config: Path, socket: Path | None, out: Path, language: str | None) -> None:
    """Write the report of a site. Raises: ConfigurationError, InputError."""
    loaded = load_site(config)
    language = language or loaded.site.language
    if language not in LANGUAGES:
        raise InputError(f"--lang: {language} is none of {', '.join(LANGUAGES)}")
    _write(out, page(_material(loaded, language, socket)))


def _material(loaded: LoadedSite, language: str, socket: Path | None) -> Material:
    control = Control(sockets(socket, loaded.path))
    begun = Material(datetime.now().astimezone(), version(), loaded, load_messages(language), language)
    try:
        status = show(control, "/api/status")
    except InputError as error:
        if socket is not None:
            raise
        say(f"{error}\nno daemon answers: the meters are read once, and there is no history")
        return _read_once(begun)
    if status.get("site") != loaded.site.site:
        raise InputError(
            f"{loaded.path}: is the site {loaded.site.site}, and the daemon that answers runs {status.get('site')};"
            " name its site file with --config, or the right daemon with --socket"
        )
    return _told(begun, control, status)


def _told(begun: Material, control: Control, status: Mapping[str, Any]) -> Material:
    """Return what the running daemon tells."""
    words = begun.words
    missing: list[str] = []

    def asked(path: str, key: str) -> Sequence[Mapping[str, Any]]:
        try:
            found = control.get(path).get(key) or ()
        except (ControlError, AttributeError) as error:
            missing.append(words["not_had"].format(what=path, reason=error))
            return ()
        return [one for one in found if isinstance(one, dict)]

    points, alerts = asked("/api/points", "points"), asked("/api/alerts", "alerts")
    events = asked(f"/api/events?limit={MOST_EVENTS}", "events")
    return Material(
        begun.at,
        begun.version,
        begun.loaded,
        begun.messages,
        begun.language,
        status,
        points,
        alerts,
        events,
        _evidence(control, wanted_evidence(alerts, events)),
        missing=missing,
    )


def _evidence(control: Control, alert_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return the evidence that there is; of many alerts there is none, and that is no fault."""
    found: dict[str, Mapping[str, Any]] = {}
    for alert_id in alert_ids:
        try:
            told = control.get(f"/api/evidence/{quote(alert_id, safe='')}")
        except ControlError:
            continue
        if isinstance(told, dict):
            found[alert_id] = told
    return found


def _read_once(begun: Material) -> Material:
    """Return what one reading of every point finds."""
    loaded = begun.loaded
    watch, _ = build_watch(loaded, "report", {})
    polls = poll_until_joined(loaded, watch)
    now_s = max((poll.reading.monotonic_s for poll in polls if poll.reading is not None), default=0.0)
    return Material(
        begun.at,
        begun.version,
        loaded,
        begun.messages,
        begun.language,
        points=[point_state(point, loaded, now_s) for point in watch.points.values()],
        failures={poll.meter: poll.failure for poll in polls if poll.failure is not None},
        missing=[begun.words["no_history"]],
    )


def _write(out: Path, text: str) -> None:
    if out == STDOUT:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror}") from error
    say(f"{out}: written")
