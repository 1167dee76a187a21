"""Log lines as journald gets them."""

import io
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasewatch.adapters.systemd import MOST_KEYS, JournalFormatter, JournalHandler, RateLimit, logfmt


class Log:
    """A logger of its own, a clock turned by hand, and the lines written."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._stream = io.StringIO()
        self.logger = logging.Logger("phasewatch.service.poller")
        self.logger.addHandler(JournalHandler(self._stream, lambda: self.now_s))

    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


def record(message: str, *arguments: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("phasewatch.service.poller", level, "", 0, message, arguments, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (logging.CRITICAL, "<3>"),
        (logging.ERROR, "<3>"),
        (logging.WARNING, "<4>"),
        (logging.INFO + 5, "<5>"),
        (logging.INFO, "<6>"),
        (logging.DEBUG, "<7>"),
    ],
)
def test_the_priority_stands_in_front(level: int, prefix: str) -> None:
    assert JournalFormatter().format(record("hello", level=level)) == f"{prefix}msg=hello from=service.poller"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("meter off", 'msg="meter off"'),
        ("", 'msg=""'),
        ('say "no"', r'msg="say \"no\""'),
        ("a=b", 'msg="a=b"'),
        ("two\nlines", r'msg="two\nlines"'),
        ("colour \x1b[31m", r'msg="colour \u001b[31m"'),
        ("c1 \x9b31m", r'msg="c1 \u009b31m"'),
        ("零线", "msg=零线"),
    ],
)
def test_a_value_is_quoted_where_it_must_be(message: str, shown: str) -> None:
    assert logfmt(record(message)) == f"{shown} from=service.poller"


def test_extra_fields_follow_and_the_key_is_not_shown() -> None:
    line = logfmt(record("meter %s: off", "incomer", bus="board", away_s=3.5, why="no answer", key="incomer"))
    assert line == 'msg="meter incomer: off" from=service.poller bus=board away_s=3.5 why="no answer"'


def test_a_format_that_does_not_fit_its_arguments_is_still_written() -> None:
    assert logfmt(record("%d meters", "three")) == """msg="%d meters ('three',)" from=service.poller"""


@given(st.text(), st.text())
def test_a_record_is_one_line_whatever_it_holds(message: str, field: str) -> None:
    assert len(JournalFormatter().format(record("%s", message, field=field)).splitlines()) == 1


def test_a_traceback_stays_on_the_line() -> None:
    log = Log()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.logger.exception("a turn failed")
    (line,) = log.lines()
    assert line.startswith('<3>msg="a turn failed" from=service.poller traceback="Traceback')
    assert line.endswith(r'ValueError: first\nsecond"')


def test_the_first_passes_then_one_a_minute_with_the_count() -> None:
    log = Log()
    for second in range(181):
        log.now_s = 1000.0 + second
        log.logger.warning("no answer after %d", second, extra={"key": "incomer"})
    assert log.lines() == [
        '<4>msg="no answer after 0" from=service.poller',
        '<4>msg="no answer after 60" from=service.poller repeated=60',
        '<4>msg="no answer after 120" from=service.poller repeated=60',
        '<4>msg="no answer after 180" from=service.poller repeated=60',
    ]


def test_without_a_key_only_equal_lines_are_held_back() -> None:
    log = Log()
    for meter in ("a", "b", "a", "b", "c"):
        log.logger.warning("meter %s: off", meter)
    log.logger.error("meter a: off", extra={"bus": "board"})
    assert [line.split('"')[1] for line in log.lines()] == [
        "meter a: off",
        "meter b: off",
        "meter c: off",
        "meter a: off",
    ]


def test_what_was_held_back_is_counted_even_when_the_next_comes_late() -> None:
    log = Log()
    log.logger.info("x")
    log.logger.info("x")
    log.now_s += 86400
    log.logger.info("x")
    log.now_s += 86400
    log.logger.info("x")
    assert log.lines() == [
        "<6>msg=x from=service.poller",
        "<6>msg=x from=service.poller repeated=2",
        "<6>msg=x from=service.poller",
    ]


def test_a_flood_of_keys_takes_no_more_memory_and_the_newest_stay_limited() -> None:
    limit = RateLimit(lambda: 0.0)
    assert all(limit.filter(record("x", key=str(number))) for number in range(3 * MOST_KEYS))
    assert not limit.filter(record("x", key=str(3 * MOST_KEYS - 1)))
    assert limit.filter(record("x", key="0"))


def test_threads_are_counted_without_loss() -> None:
    log = Log()
    log.logger.info("x")

    def repeat() -> None:
        for _ in range(200):
            log.logger.info("x")

    threads = [threading.Thread(target=repeat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.now_s += 60
    log.logger.info("x")
    assert log.lines()[1:] == ["<6>msg=x from=service.poller repeated=801"]


def test_without_a_stream_it_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    JournalHandler().handle(record("x", level=logging.WARNING))
    assert capsys.readouterr() == ("", "<4>msg=x from=service.poller\n")
