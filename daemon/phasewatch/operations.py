"""What is asked of a running daemon: commands over MQTT and HTTP, and looks at how it stands."""

import asyncio
import json
import logging
import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from phasewatch.adapters.journal.types import decode, encode
from phasewatch.adapters.metrics import Measures
from phasewatch.adapters.mqtt.client import Arrived
from phasewatch.adapters.mqtt.homeassistant import BIRTH_TOPIC
from phasewatch.alerts.event import stamp
from phasewatch.alerts.operations import Answer, CommandError, parse, refusal
from phasewatch.bookkeeping import Bookkeeper
from phasewatch.contract.topics import ALERT, COMMAND, PHASE_ALERT, REPLY, kind_of
from phasewatch.history import History
from phasewatch.measuring import measures
from phasewatch.polling import Clock
from phasewatch.publications import delivery_state, point_state, status
from phasewatch.running import Running
from phasewatch.showing import Showing

MOST_BYTES: Final = 64 * 1024
"""Of a command."""

_log = logging.getLogger(__name__)


class Operations(Showing):
    """Answers for one running daemon; called in its loop."""

    def __init__(
        self, running: Running, books: Bookkeeper, clock: Clock, history: History, greet: Callable[[], None]
    ) -> None:
        """`greet`: tell Home Assistant what there is."""
        super().__init__(running, clock, history)
        self._books, self._greet = books, greet

    # Looks

    def status(self) -> dict[str, Any]:
        """Return the heartbeat, and how the way to the broker stands."""
        return {**self.heartbeat(), "delivery": delivery_state(self._running.delivery.status)}

    def heartbeat(self) -> dict[str, Any]:
        """Return the heartbeat as published."""
        return status(self._running, self._clock.now(), self._clock.monotonic_s())

    def points(self) -> list[dict[str, Any]]:
        """Return the state of every point; of one without readings only its name."""
        loaded, now_s = self._running.loaded, self._clock.monotonic_s()
        points = self._running.watch.points.values()
        return [point_state(point, loaded, now_s) or {"point": point.name, "verdict": None} for point in points]

    async def alerts(self) -> list[dict[str, Any]]:
        """Return the current state of every alert as published; those that are cleared, too."""
        asked = self._running.delivery.ask(lambda journal: journal.states())
        return [json.loads(payload) for payload in await asyncio.wrap_future(asked)]

    def measures(self) -> Measures:
        """Return a picture of every metric."""
        return measures(self._running, self._clock.now(), self._clock.monotonic_s())

    # Commands

    def operate(self, verb: str, body: object) -> dict[str, Any]:
        """Do a command; return the reply as published."""
        try:
            answer = self._do(verb, body)
        except CommandError as error:
            answer = refusal(verb, body, error)
        return self._reply(answer)

    def _reply(self, answer: Answer) -> dict[str, Any]:
        site, at = self._running.loaded.site.site, stamp(self._clock.now())
        return {"schema": "phasewatch.reply/1", "site": site, "at": at, **answer.payload()}

    def _do(self, verb: str, body: object) -> Answer:
        at, now_s = self._clock.now(), self._clock.monotonic_s()
        command = parse(verb, body, at)
        answer, events = self._running.watch.operate(command, at, now_s)
        self._books.commit(events, now_s)
        if answer.ok and verb == "resync":
            self._running.delivery.resync()
        return answer

    def take_commands(self) -> None:
        """Do what has come over MQTT."""
        with suppress(queue.Empty):
            while True:
                self._take(self._running.delivery.messages.get_nowait())

    def _take(self, arrived: Arrived) -> None:
        if arrived.topic == BIRTH_TOPIC:
            if arrived.payload == b"online":
                self._greet()
            return
        if arrived.retain and arrived.payload and kind_of(arrived.topic) in (ALERT, PHASE_ALERT):
            self._running.delivery.ask(lambda journal: journal.empty(arrived.topic))
            return
        site, verb = self._running.loaded.site.site, arrived.topic.rpartition("/")[2]
        if arrived.topic != COMMAND.address(site=site, verb=verb):
            return
        if not arrived.payload:
            return  # somebody clears a command that was retained
        reply = self._answer(verb, arrived)
        if not reply["ok"]:
            _log.warning("command %s: %s", verb, reply["error"])
        self._running.delivery.say(REPLY.address(site=site), encode(reply))

    def _answer(self, verb: str, arrived: Arrived) -> dict[str, Any]:
        try:
            body = _body(arrived)
        except CommandError as error:
            return self._reply(refusal(verb, None, error))
        return self.operate(verb, body)


def _body(arrived: Arrived) -> object:
    """Return what a command says. Raises: CommandError."""
    if arrived.retain:
        raise CommandError("body: a retained command would be done again at every start; publish it without retain")
    if len(arrived.payload) > MOST_BYTES:
        raise CommandError(f"body: more than {MOST_BYTES} bytes")
    try:
        body: object = decode(arrived.payload)
    except RecursionError:
        raise CommandError("body: nested too deep") from None
    except ValueError as error:
        raise CommandError(f"body: is no JSON: {' '.join(str(error).split())[:200]}") from None
    return body
