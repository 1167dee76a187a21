"""The daemon judges itself: its journal, its outbox, what the broker takes, its clock."""

import pytest

from phasewatch.rules.clock_unsynchronised import ClockUnsynchronised
from phasewatch.rules.clock_unsynchronised import Settings as ClockSettings
from phasewatch.rules.delivery_rejected import DeliveryRejected
from phasewatch.rules.delivery_rejected import Settings as RejectedSettings
from phasewatch.rules.outbox_overflow import OutboxOverflow
from phasewatch.rules.outbox_overflow import Settings as OverflowSettings
from phasewatch.rules.rule import Condition, Health, RuleOf
from phasewatch.rules.storage_degraded import Settings as StorageSettings
from phasewatch.rules.storage_degraded import StorageDegraded
from tests.rules.views import MARKS, one_of


def letters(rule: RuleOf[Health], *healths: Health) -> str:
    """Return one letter a judgement, for an alert that does not stand."""
    return "".join(MARKS[one_of(rule.judge(health)).truth(False)] for health in healths)


def last(rule: RuleOf[Health], *healths: Health) -> Condition:
    return [one_of(rule.judge(health)) for health in healths][-1]


@pytest.mark.parametrize(
    ("good", "expected"), [((True, True), "cc"), ((False, True), "Bc"), ((None, None), "??"), ((True, None), "c?")]
)
def test_a_clock_that_nobody_knows_of_is_neither_right_nor_wrong(good: tuple[bool | None, ...], expected: str) -> None:
    healths = [Health(float(second), clock_synchronised=one) for second, one in enumerate(good)]
    assert letters(ClockUnsynchronised(ClockSettings()), *healths) == expected


def test_a_journal_in_memory_is_told_with_its_reason_until_it_is_on_the_disk_again() -> None:
    healths = [Health(0.0), Health(1.0, storage="disk full"), Health(2.0)]
    assert letters(StorageDegraded(StorageSettings()), *healths) == "cBc"
    assert last(StorageDegraded(StorageSettings()), healths[1]).said() == "disk full"


def test_events_lost_before_the_start_are_no_news() -> None:
    assert letters(OutboxOverflow(OverflowSettings()), Health(0.0, dropped=7), Health(1.0, dropped=7)) == "cc"


def test_every_further_lost_event_is_a_breach_and_the_value_is_their_number() -> None:
    healths = [Health(0.0), Health(1.0, dropped=16), Health(2.0, dropped=16), Health(3.0, dropped=32)]
    assert letters(OutboxOverflow(OverflowSettings()), *healths) == "cBcB"
    assert last(OutboxOverflow(OverflowSettings()), *healths).value == 32


def test_a_refused_topic_is_a_breach_for_as_long_as_the_broker_refuses_it() -> None:
    refused = Health(1.0, held=("phasewatch/plant/alerts",), refusal="not authorized")
    assert letters(DeliveryRejected(RejectedSettings()), Health(0.0), refused, Health(2.0)) == "cBc"
    assert last(DeliveryRejected(RejectedSettings()), refused).said() == "phasewatch/plant/alerts: not authorized"


def test_a_message_that_was_given_up_is_told_for_ten_minutes() -> None:
    times_s = (0.0, 1.0, 600.0, 601.0)
    healths = [Health(at_s, dead_letters=int(at_s > 0)) for at_s in times_s]
    assert letters(DeliveryRejected(RejectedSettings()), *healths) == "cBBc"
