import random

import pytest

from phasewatch.simulator.serial_line import NOISE_BYTES, QUIET, LineFaults, parse_line_faults

FRAME = bytes(range(200))


def test_faults_are_read_as_they_are_written_on_the_command_line() -> None:
    texts = ("noise=0.1", "loss=0.01", "late=0.2", "late_s=2", "echo", "other_master_s=0.5", "duplicate_s=0.1")
    assert parse_line_faults(texts) == LineFaults(0.1, 0.01, 0.2, 2.0, echo=True, other_master_s=0.5, duplicate_s=0.1)
    assert parse_line_faults(()) == QUIET


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hum=1", "there are noise, loss, late"),
        ("noise=2", "a share from 0 to 1"),
        ("loss", "a share from 0 to 1"),
        ("late=nan", "a share from 0 to 1"),
        ("late_s=-1", "seconds, 0 or more"),
        ("other_master_s=often", "seconds, 0 or more"),
        ("echo=yes", "write echo alone"),
    ],
)
def test_a_fault_that_is_none_names_the_mend(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_line_faults([text])


def test_a_quiet_line_changes_nothing() -> None:
    chance = random.Random(1)
    assert (QUIET.worn(FRAME, chance), QUIET.stray(chance), QUIET.lateness_s(chance)) == (FRAME, b"", 0.0)


def test_each_fault_comes_about_as_often_as_its_share() -> None:
    chance, faults = random.Random(1), LineFaults(noise=0.25, loss=0.25, late=0.25, late_s=3.0)
    assert len(faults.worn(FRAME, chance)) == pytest.approx(150, abs=25)
    strays = [faults.stray(chance) for _ in range(400)]
    assert sum(map(bool, strays)) == pytest.approx(100, abs=30)
    assert {len(stray) for stray in strays} == {0, *NOISE_BYTES}
    assert sum(faults.lateness_s(chance) for _ in range(400)) == pytest.approx(300, abs=90)
