"""Commands from outside: what is understood, and what is refused with which words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.alerts.alert import Key
from phasewatch.alerts.operations import MOST_CHARACTERS, VERBS, Answer, Command, CommandError, parse, refusal

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = "2026-03-01T14:00:00+01:00"
DIP = {"by": "anna", "subject": "main", "rule": "voltage_dip"}


def test_a_shelving_is_understood() -> None:
    command = parse("shelve", {**DIP, "phase": "L2", "until": LATER, "reason": " 焊机 ", "request": "r-1"}, AT)
    assert (command.key, command.by, command.reason) == (Key("main", "voltage_dip", "l2"), "anna", "焊机")
    assert (command.until, command.request) == (datetime(2026, 3, 1, 13, 0, tzinfo=UTC), "r-1")


def test_an_occurrence_is_named_by_its_id() -> None:
    command = parse("acknowledge", {"by": "anna", "alert_id": "plant-7-ab12-main-wiring-1"}, AT)
    assert (command.key, command.alert_id) == (None, "plant-7-ab12-main-wiring-1")


def test_only_a_resync_needs_nobody() -> None:
    assert parse("resync", {}, AT).by is None
    with pytest.raises(CommandError, match="by: missing; say who asks"):
        parse("test", {}, AT)


def test_null_is_as_good_as_left_out() -> None:
    assert parse("acknowledge", {**DIP, "until": None, "alert_id": None, "phase": None}, AT).until is None


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("drop", {}, "'drop': no such command; one of acknowledge, shelve"),
        ("acknowledge", [], "body: must be a JSON object, .* and is a list"),
        ("acknowledge", None, "body: .* and is null"),
        ("acknowledge", "x", "body: .* and is text"),
        ("acknowledge", {**DIP, "by": " "}, "by: missing"),
        ("acknowledge", {**DIP, "by": 7}, "by: must be text, and is a number"),
        ("acknowledge", {**DIP, "by": True}, "by: must be text, and is true or false"),
        ("acknowledge", {**DIP, "by": {"name": "anna"}}, "by: must be text, and is an object"),
        ("acknowledge", {**DIP, "by": "x" * 201}, "by: 201 characters; 200 at most"),
        ("acknowledge", {**DIP, "reason": "a\nb"}, "reason: has a control character"),
        ("acknowledge", {**DIP, "reason": "\u202eevil"}, "reason: has a control character"),
        ("acknowledge", {**DIP, "reason": "\ud800"}, "reason: has a control character"),
        ("acknowledge", {**DIP, "evil\x00key" + "y" * 99: 1}, r"'evil\\x00keyy+\.\.\.: acknowledge has no such key"),
        ("test", {"by": "anna", "subject": "main"}, "'subject': test has no such key"),
        ("unshelve", {**DIP, "until": LATER}, "'until': unshelve has no such key"),
        ("acknowledge", {"by": "anna"}, "subject: missing; name the alert by alert_id, or by subject and rule"),
        ("acknowledge", {"by": "anna", "subject": "main"}, "rule: missing"),
        ("acknowledge", {**DIP, "alert_id": "a-1"}, "subject: alert_id names the alert already"),
        ("acknowledge", {**DIP, "phase": "l4"}, "phase: 'l4' is no phase; one of l1, l2, l3"),
        ("shelve", DIP, "until: missing; an alert is shelved for a time"),
        ("shelve", {**DIP, "until": float("nan")}, "until: must be text, and is a number"),
        ("shelve", {**DIP, "until": "soon"}, "until: 'soon' is no time; write it as"),
        ("shelve", {**DIP, "until": "2026-03-01T14:00:00"}, "until: .* has no time zone; end it with Z"),
        ("shelve", {**DIP, "until": "2026-03-01T12:00:00Z"}, "until: .* is past; here it is 2026-03-01T12:00:00Z"),
        ("shelve", {**DIP, "until": "2026-03-08T12:00:01Z"}, "until: .* is more than 7 days ahead"),
        ("shelve", {**DIP, "until": "9999-12-31T23:59:59-23:59"}, "until: .* is no time"),
        ("shelve", {**DIP, "until": "0001-01-01T00:00:00+23:59"}, "until: .* is no time"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(verb: str, body: Any, words: str) -> None:
    with pytest.raises(CommandError, match=words) as refused:
        parse(verb, body, AT)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).isprintable()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=60), inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(("by", "reason", "request", "alert_id", "subject", "rule", "phase", "until", "other"))


def understood(verb: str, body: Any) -> tuple[Command | None, CommandError | None]:
    try:
        return parse(verb, body, AT), None
    except CommandError as error:
        return None, error


@given(st.sampled_from(VERBS) | st.text(max_size=20), ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=9))
def test_whatever_comes_is_understood_or_refused(verb: str, body: Any) -> None:
    command, error = understood(verb, body)
    if command is None:
        assert len(str(error)) < 400
        assert "\n" not in str(error)
        json.dumps(refusal(verb, body, error or CommandError()).payload())
        return
    assert command.until is None or timedelta(0) < command.until - AT <= timedelta(days=7)
    said = (command.by, command.reason, command.request, command.alert_id, command.subject, command.rule)
    assert all(text is None or 0 < len(text) <= MOST_CHARACTERS for text in said)


def test_a_refusal_carries_the_request_where_it_can_be_read() -> None:
    error = CommandError("by: missing")
    assert refusal("test", {"request": "r-1"}, error).payload() == {
        "request": "r-1",
        "verb": "test",
        "ok": False,
        "alert_id": None,
        "error": "by: missing",
    }
    assert refusal("test", {"request": "x" * 201}, error).request is None
    assert refusal("test", [], error).request is None


def test_an_answer_says_when_there_was_nothing_to_do() -> None:
    answer = Answer("r-1", "shelve", ok=True, alert_id="a-1", note="already shelved")
    assert answer.payload()["note"] == "already shelved"
