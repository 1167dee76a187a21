import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.sqlite import JournalError
from phasewatch.adapters.journal.types import Bounds, encode
from phasewatch.alerts.event import Event
from tests.adapters.journal.changes import LIST_TOPIC, SITE, alert_topic, change


def opened(directory: Path, **bounds: int) -> Journal:
    return Journal.open(directory, SITE, Bounds(**bounds))


def in_memory(**bounds: int) -> Journal:
    return Journal.in_memory(SITE, Bounds(**bounds))


def events(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in journal.pending(1_000_000) if not row.retain]


def states(journal: Journal) -> dict[str, Any]:
    rows = [row for row in journal.pending(1_000_000) if row.retain]
    assert len({row.topic for row in rows}) == len(rows), "one row per retained topic"
    return {row.topic: json.loads(row.payload) if row.payload else None for row in rows}


def test_an_event_gets_the_next_seq_and_an_id_of_site_journal_and_seq() -> None:
    journal = in_memory()
    journal.commit([change("raised"), change("cleared", rev=2)])
    assert [event["seq"] for event in events(journal)] == [1, 2]
    assert [event["id"] for event in events(journal)] == [f"{SITE}-{journal.uuid}-{n}" for n in (1, 2)]


def test_of_a_retained_state_only_the_newest_waits_and_events_all_wait() -> None:
    journal = in_memory()
    for rev in range(1, 6):
        journal.commit([change("raised", rev=rev)])
    assert len(events(journal)) == 5
    assert states(journal)[alert_topic(change("raised"))]["rev"] == 5


def test_the_list_names_the_active_alerts() -> None:
    journal = in_memory()
    journal.commit([change("raised", rule="wiring"), change("raised", rule="phase_loss")])
    journal.commit([change("cleared", rule="wiring", rev=2, active=False)])
    listed = states(journal)[LIST_TOPIC]
    assert listed["seq"] == 3
    assert [(alert["rule"], alert["rev"], alert["state"]) for alert in listed["active"]] == [
        ("phase_loss", 1, "active")
    ]


def test_a_restart_keeps_uuid_seq_records_rows_and_retained_states(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.commit([change("raised")])
    first.remember({"main/other": "timer"})
    kept = first.uuid, first.records(), first.retained(), first.pending(10)
    first.close()
    second = opened(tmp_path)
    assert (second.uuid, second.records(), second.retained(), second.pending(10)) == kept
    assert second.records() == {"main/voltage_deviation": '{"raised": 1}', "main/other": "timer"}
    second.commit([change("cleared", rev=2)])
    assert events(second)[-1]["seq"] == 2
    second.close()


def test_every_transaction_is_on_the_disk_before_it_counts(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    pragmas = {name: journal.store.read(f"PRAGMA {name}")[0][0] for name in ("synchronous", "journal_mode")}
    assert pragmas == {"synchronous": 2, "journal_mode": "wal"}
    journal.close()


def test_a_remembered_record_is_not_published() -> None:
    journal = in_memory()
    journal.remember({"main/voltage_dip": "pending"})
    assert journal.depth() == 0
    assert [message.topic for message in journal.retained()] == [LIST_TOPIC]


def test_a_forgotten_alert_leaves_an_empty_retained_state_and_no_record() -> None:
    journal = in_memory()
    journal.commit([change("raised")])
    topics = journal.forget(["main/voltage_deviation", "never/seen"])
    assert topics == {alert_topic(change("raised")), LIST_TOPIC}
    assert states(journal)[alert_topic(change("raised"))] is None
    assert states(journal)[LIST_TOPIC]["active"] == []
    assert journal.records() == {}
    assert len(events(journal)) == 1


def test_a_topic_that_is_wanted_again_is_kept_when_its_emptying_is_confirmed(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.announce({"points/a": True, "points/b": True})
    journal.announce({"points/a": False, "points/b": False})
    journal.announce({"points/a": True})
    journal.emptied(["points/a", "points/b"])
    assert journal.topics == {"points/a": True}
    journal.close()
    reopened = opened(tmp_path)
    assert reopened.topics == {"points/a": True}
    reopened.close()


def test_a_late_acknowledgement_of_a_replaced_state_removes_nothing() -> None:
    journal = in_memory()
    journal.commit([change("raised")])
    numbers = [row.number for row in journal.pending(10)]
    journal.delivered([numbers[0]])
    journal.commit([change("cleared", rev=2)])
    journal.delivered(numbers)
    assert [event["rev"] for event in events(journal)] == [2]
    assert states(journal)[alert_topic(change("raised"))]["rev"] == 2


def test_overflow_takes_the_oldest_events_of_the_least_severity_and_never_a_state() -> None:
    journal = in_memory(max_rows=6)
    severities = ("high", "low", "medium", "low", "critical", "medium")
    for rev, severity in enumerate(severities):
        journal.commit([change("raised", rev=rev, severity=severity)])
    assert [event["severity"] for event in events(journal)] == ["high", "medium", "critical", "medium"]
    assert journal.outbox.dropped_by() == {"rows": {"low": 2}}
    assert len(states(journal)) == 2
    assert journal.depth() == 6


def test_a_dead_letter_lets_the_others_pass_and_is_counted() -> None:
    journal = in_memory()
    journal.commit([change("raised")])
    first = journal.pending(1)[0]
    journal.dead_letter(first.number, "too large")
    journal.dead_letter(first.number, "too large")
    assert first not in journal.pending(10)
    assert (journal.outbox.drops.total(), journal.outbox.dead_letters) == (0, 1)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_becomes_null(number: float) -> None:
    assert json.loads(encode({"value": number, "list": [{"deep": number}], "ok": 1.5})) == {
        "value": None,
        "list": [{"deep": None}],
        "ok": 1.5,
    }


def test_text_that_is_no_unicode_does_not_stop_an_alert() -> None:
    assert json.loads(encode({"summary": "bad \ud800 text"}))["summary"] == "bad ? text"


def test_a_full_file_sheds_the_least_events_and_goes_on(tmp_path: Path) -> None:
    journal = opened(tmp_path, max_bytes=256 * 1024, ballast_bytes=4096)
    for rev in range(400):
        severity = "critical" if rev % 40 == 0 else "low"
        journal.commit([change("raised", rev=rev, severity=severity, summary="x" * 1000)])
    left, dropped = events(journal), journal.outbox.drops.total()
    assert journal.outbox.dropped_by() == {"bytes": {"low": dropped}}
    assert dropped > 0
    assert dropped + len(left) == 400
    assert Counter(event["severity"] for event in left)["critical"] == 10
    assert states(journal)[alert_topic(change("raised"))]["rev"] == 399
    assert journal.depth() == len(journal.pending(1000))
    assert not (tmp_path / "ballast").exists(), "the ballast is given up first"
    journal.delivered([row.number for row in journal.pending(1000)])
    assert (tmp_path / "ballast").exists(), "and restored when the outbox is empty"
    journal.close()


def test_a_state_directory_that_is_a_file_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalError, match=r"state/journal\.db.*write"):
        opened(tmp_path / "state")


def test_a_second_daemon_cannot_open_the_same_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phasewatch.adapters.journal.sqlite.LOCK_TIMEOUT_S", 0.05)
    first = opened(tmp_path)
    with pytest.raises(JournalError, match="another phasewatch uses"):
        opened(tmp_path)
    first.close()


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 1000])
def test_a_damaged_file_is_set_aside_and_not_deleted(tmp_path: Path, damage: bytes) -> None:
    first = opened(tmp_path)
    first.commit([change("raised")] * 50)
    first.close()
    path = tmp_path / "journal.db"
    content = damage or path.read_bytes()[:4096] + b"\xa5" * 40_000
    path.write_bytes(content)
    second = opened(tmp_path)
    assert second.set_aside == tmp_path / "journal.db.damaged-1"
    assert second.set_aside.read_bytes() == content
    assert second.uuid != first.uuid, "another uuid: its seq begins again"
    second.commit([change("raised")])
    assert events(second)[0]["seq"] == 1
    second.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.lists(st.integers(0, 3), min_size=1, max_size=4)),
        st.tuples(st.just("deliver"), st.lists(st.integers(0, 5), min_size=1, max_size=4)),
        st.tuples(st.just("forget"), st.lists(st.integers(0, 3), min_size=1, max_size=1)),
        st.tuples(st.just("reopen"), st.just([0])),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_seq_has_no_gap_order_is_kept_and_the_newest_state_wins(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int]]]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal, revs, taken = opened(directory, ballast_bytes=0), Counter[int](), list[int]()
    newest: dict[str, int | None] = {}

    def next_change(rule: int) -> Event:
        revs[rule] += 1
        made = change("raised", rule=f"rule_{rule}", rev=revs[rule])
        newest[alert_topic(made)] = revs[rule]
        return made

    for verb, numbers in steps:
        if verb == "commit":
            journal.commit([next_change(rule) for rule in numbers])
        elif verb == "deliver":
            rows = journal.pending(10)
            chosen = [rows[n] for n in numbers if n < len(rows)]
            taken += [json.loads(row.payload)["seq"] for row in set(chosen) if not row.retain]
            journal.delivered([row.number for row in chosen])
        elif verb == "forget":
            for topic in journal.forget([f"main/rule_{rule}" for rule in numbers]) - {LIST_TOPIC}:
                newest[topic] = None
        else:
            journal.close()
            journal = opened(directory, ballast_bytes=0)
        waiting = [event["seq"] for event in events(journal)]
        assert waiting == sorted(waiting)
        assert sorted([*taken, *waiting]) == list(range(1, journal.seq + 1))
        for topic, state in states(journal).items():
            assert topic == LIST_TOPIC or newest[topic] == (state and state["rev"])
        kept = {m.topic: json.loads(m.payload)["rev"] for m in journal.retained() if m.topic != LIST_TOPIC}
        assert kept == {topic: rev for topic, rev in newest.items() if rev is not None}
        assert journal.depth() == len(journal.pending(10_000))
    journal.close()
