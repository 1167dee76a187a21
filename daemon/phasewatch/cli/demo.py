"""`phasewatch demo`: healthy, the founding case, an open neutral, a lost phase; each raised and cleared once.

The stage of the demo: an embedded broker and simulated meters, on loopback, in a thread of their own.
"""

import asyncio
import json
import logging
import queue
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import typer
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from phasewatch.adapters.http.server import obstacle_at
from phasewatch.cli.errors import say
from phasewatch.cli.simulate import read_scenario
from phasewatch.configuration.errors import InputError
from phasewatch.configuration.files import config_directory
from phasewatch.configuration.site import LoadedSite, load_site
from phasewatch.service.service import Service
from phasewatch.service.state import delivery_config
from phasewatch.settings import BusSettings, WebSettings, host_and_port
from phasewatch.simulator.device import Unit, played
from phasewatch.simulator.meter import Meter, drawn_gains
from phasewatch.simulator.scenario import Scenario
from phasewatch.simulator.server import Server

_START_S: Final = 20.0
_STOP_S: Final = 2.0


class Stage:
    """What the service finds: where the broker and each bus listen, and the time of the story."""

    def __init__(self, scenario: Scenario, loop: bool) -> None:
        self.broker_url = ""
        self.bus_urls: list[str] = []
        self.scenario, self._loop = scenario, loop
        self._start_s: float | None = None

    def begin(self) -> None:
        """Let the story begin now."""
        self._start_s = time.monotonic()

    def clock_s(self) -> float:
        """Return seconds of the story; 0 until it begins, its end for ever after unless it loops."""
        if self._start_s is None:
            return 0.0
        played_s = time.monotonic() - self._start_s
        return played_s % self.scenario.length_s if self._loop else min(played_s, self.scenario.length_s)


@contextmanager
def staged(loaded: LoadedSite, scenario: Scenario, loop: bool) -> Iterator[Stage]:
    """Run the stage; every meter of the site is simulated where the site says it is wired."""
    stage, floor = Stage(scenario, loop), asyncio.new_event_loop()
    thread = threading.Thread(target=floor.run_forever, name="stage", daemon=True)
    thread.start()
    stack = AsyncExitStack()
    try:
        asyncio.run_coroutine_threadsafe(_set_up(stage, loaded, stack), floor).result(_START_S)
        yield stage
    finally:
        ending = asyncio.run_coroutine_threadsafe(stack.aclose(), floor)
        _give_time(ending)
        floor.call_soon_threadsafe(floor.stop)
        thread.join(_STOP_S)


def _give_time(ending: Any) -> None:
    try:
        ending.result(_STOP_S)
    except Exception as error:
        logging.getLogger(__name__).debug("the stage did not end cleanly: %r", error)


async def _set_up(stage: Stage, loaded: LoadedSite, stack: AsyncExitStack) -> None:
    stage.broker_url = await _broker(stack)
    for bus in loaded.site.buses:
        server = await stack.enter_async_context(Server("tcp://127.0.0.1:0", _units(stage, loaded, bus)))
        stage.bus_urls.append(server.url)


def _units(stage: Stage, loaded: LoadedSite, bus: BusSettings) -> dict[int, Unit]:
    units = {}
    for meter in bus.meters:
        profile = loaded.profile_of(meter)
        gains = drawn_gains(profile, random.Random(meter.name), 0.2)  # noqa: S311 - errors of a meter, always the same
        units[loaded.unit_id_of(meter)] = played(Meter(profile, meter.wiring, gains), stage.scenario, stage.clock_s)
    return units


async def _broker(stack: AsyncExitStack) -> str:
    try:
        from amqtt.broker import Broker
    except ImportError:
        raise InputError("the demo needs its embedded broker: pip install 'phasewatch[demo]'") from None
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    port = _free_port()
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}
    broker = Broker({"listeners": listeners, "plugins": anonymous})
    await broker.start()
    stack.push_async_callback(broker.shutdown)
    return f"mqtt://127.0.0.1:{port}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


SITE: Final = "demo.yaml"
STORY: Final = "scenarios/demo.yaml"
_LOOK_S: Final = 0.1
_COLOURS: Final = {"critical": typer.colors.RED, "high": typer.colors.YELLOW, "medium": typer.colors.CYAN}


class Subscriber:
    """A subscriber of its own, as any other program would be: what it prints came from the broker."""

    def __init__(self, url: str, topic: str, as_json: bool) -> None:
        self.seen: list[dict[str, Any]] = []
        self._as_json = as_json
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_message = self._on_message
        self._subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._client.on_subscribe = lambda *_: self._subscribed.put(True)
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        self._subscribed.get(timeout=10)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        event = json.loads(message.payload)
        self.seen.append(event)
        if self._as_json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            show(event)


def show(event: dict[str, Any]) -> None:
    """Print one event for a person."""
    raised = event["transition"] in ("raised", "verdict_changed")
    head = f"{event['at'][11:19]}  {event['transition'].upper():<8} {event['severity']:<8}"
    subject = f"{event['subject']}/{event['rule']}"
    verdict = event["verdict"] or {}
    phase = f"  {event['phase']}" if event["phase"] else ""
    colour = _COLOURS.get(event["severity"]) if raised else typer.colors.GREEN
    typer.secho(f"{head} {subject}  {verdict.get('code', '')}{phase}", fg=colour, bold=True)
    if not raised:
        return
    typer.echo(f"          {event['summary']}")
    for cause in verdict.get("causes", [])[:2]:
        typer.echo(f"          cause?  {cause['text']}")
    for step in verdict.get("next_steps", [])[:1]:
        typer.echo(f"          next    {step}")


def play(*, seconds: float | None, loop: bool, scenario: Path | None, as_json: bool, listen: str | None = None) -> None:
    """Play the demo; `listen`: where its page can be seen. Raises: ConfigurationError, InputError."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")
    if listen is not None:
        _refuse(listen)
    config = config_directory()
    loaded = load_site(config / SITE)
    story = read_scenario(scenario or config / STORY)
    tell = say if as_json else typer.echo
    with staged(loaded, story, loop) as stage, tempfile.TemporaryDirectory(prefix="phasewatch-demo-") as state:
        placed = _placed(loaded, stage, Path(state), listen)
        subscriber = Subscriber(stage.broker_url, f"phasewatch/{loaded.site.site}/events/#", as_json)
        tell(f"broker {stage.broker_url}, meters {' and '.join(stage.bus_urls)}: {story.name}, {story.length_s:.0f} s.")
        try:
            asyncio.run(_run(placed, stage, seconds if seconds is not None or loop else story.length_s, tell))
        finally:
            subscriber.close()
    _sum_up(subscriber.seen, tell)


def _refuse(listen: str) -> None:
    """Refuse an address where the page cannot be. Raises: InputError."""
    try:
        _, port = host_and_port(listen)
        why = asyncio.run(obstacle_at(listen)) if port else f"{listen}: needs a port from 1 to 65535"
    except ValueError as error:
        why = f"{listen}: {error}"
    if why is not None:
        raise InputError(f"--web {why}")


def _placed(loaded: LoadedSite, stage: Stage, state: Path, listen: str | None) -> LoadedSite:
    """Return the site with the addresses that the stage really has."""
    site = loaded.site
    buses = tuple(bus.model_copy(update={"url": url}) for bus, url in zip(site.buses, stage.bus_urls, strict=True))
    mqtt = site.mqtt.model_copy(update={"urls": (stage.broker_url,)})
    web = None if listen is None else WebSettings(listen=listen, token_file=_token(state / "token"))
    return replace(loaded, site=site.model_copy(update={"buses": buses, "mqtt": mqtt, "state_dir": state, "web": web}))


def _token(path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(16), encoding="ascii")
    return path


async def _run(loaded: LoadedSite, stage: Stage, seconds: float | None, tell: Callable[[str], None]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # The embedded broker speaks 3.1.1, and answers a connect by MQTT 5 with silence.
    service = Service(loaded, delivery=replace(delivery_config(loaded), first_protocol="3.1.1"))
    running = asyncio.create_task(service.run(stop))
    telling = [asyncio.create_task(_narrate(stage, tell)), asyncio.create_task(_show_page(loaded, tell))]
    stage.begin()
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in telling:
        task.cancel()
    stop.set()
    await asyncio.gather(running, stopping)


async def _show_page(loaded: LoadedSite, tell: Callable[[str], None]) -> None:
    """Say where the page is, once somebody listens there."""
    if (web := loaded.site.web) is None or web.token_file is None:
        return
    host, port = host_and_port(web.listen)
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            break
        await asyncio.sleep(_LOOK_S)
    writer.close()
    token = web.token_file.read_text(encoding="ascii")
    tell(f"page: http://{web.listen}/ ; to acknowledge there, the token is {token}")


async def _narrate(stage: Stage, tell: Callable[[str], None]) -> None:
    """Say what is done to the feeder as it is done."""
    told = ""
    while True:
        step = stage.scenario.step_at(stage.clock_s())
        mark = f"{step.at_s:.0f} {step.name}"
        if mark != told:
            told = mark
            tell(f"-- {step.at_s:3.0f} s  {step.name}")
        await asyncio.sleep(_LOOK_S)


def _sum_up(seen: list[dict[str, Any]], tell: Callable[[str], None]) -> None:
    raised = sum(event["transition"] == "raised" for event in seen)
    cleared = sum(event["transition"] == "cleared" for event in seen)
    tell(f"\n{raised} alerts raised, {cleared} cleared, {len(seen)} events received from the broker.")
    program = "phasewatch" if shutil.which("phasewatch") else sys.argv[0]
    tell("Try next:")
    tell(f"  {program} explain --ln 234,234,234 --lpe 208,254,254")
    tell(f"  {program} simulate --meter eastron-sdm630 --listen tcp://127.0.0.1:5020")
    tell(f"  {program} check --config config/site.example.yaml")
