"""Journals of earlier and later versions."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phasewatch.adapters.journal import sqlite
from phasewatch.adapters.journal.journal import Journal
from phasewatch.adapters.journal.sqlite import SCHEMA_VERSION, STEPS, JournalError, Store
from phasewatch.adapters.journal.types import Bounds
from tests.adapters.journal.changes import SITE, change

VERSION_1 = Path(__file__).parent / "fixtures" / "journal_v1.sql"
VERSION_2 = Path(__file__).parent / "fixtures" / "journal_v2.sql"


def write_version(directory: Path, dump: Path = VERSION_1) -> Path:
    directory.mkdir(exist_ok=True)
    db = sqlite3.connect(directory / "journal.db")
    db.executescript(dump.read_text())
    db.close()
    return directory / "journal.db"


def opened(directory: Path, **bounds: int) -> Journal:
    return Journal.open(directory, SITE, Bounds(ballast_bytes=0, **bounds))


def version(path: Path) -> int:
    db = sqlite3.connect(path)
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found


def tables(path: Path) -> list[tuple[str, str]]:
    db = sqlite3.connect(path)
    found = db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    db.close()
    return found


def test_a_journal_of_version_1_is_brought_up_to_date_with_all_that_it_holds(tmp_path: Path) -> None:
    path = write_version(tmp_path)
    journal = opened(tmp_path)
    assert (journal.uuid, journal.seq, journal.depth()) == ("0a1b2c3d", 7, 3)
    assert journal.records() == {"main/wiring": "raised 7", "main/learned": '{"phases":[1,1,1]}'}
    assert [json.loads(row.payload)["rev"] for row in journal.pending(10)] == [6, 7, 7]
    assert journal.outbox.dropped_by() == {"earlier": {"unknown": 2}}
    assert journal.outbox.dead_letters == 1
    journal.commit([change("cleared", rule="wiring", rev=8)])
    assert json.loads(journal.events(1)[0].payload)["id"] == f"{SITE}-0a1b2c3d-8"
    assert journal.pending(10)[-1].number > 20, "row numbers go on"
    journal.close()
    assert version(path) == SCHEMA_VERSION


def test_rows_of_version_1_begin_to_age_with_the_migration(tmp_path: Path) -> None:
    write_version(tmp_path)
    journal = opened(tmp_path)
    journal.tend()
    assert journal.depth() == 3
    journal.close()


def test_a_journal_of_version_2_is_brought_up_to_date_and_its_rows_wait_for_mqtt(tmp_path: Path) -> None:
    path = write_version(tmp_path, VERSION_2)
    assert version(path) == 2
    sinks = {"mqtt": None, "erp": None}
    journal = Journal.open(tmp_path, SITE, Bounds(ballast_bytes=0), sinks=sinks)
    assert (journal.uuid, journal.seq, journal.ended) == ("0a1b2c3d", 5, {"ffffffff": 3})
    assert journal.records() == {"main/wiring": '{"raised": 5}', "main/_learned": '{"phases": [1]}'}
    assert journal.topics == {f"phasewatch/{SITE}/points/main/state": True}
    assert [json.loads(row.payload)["rev"] for row in journal.pending(10) if not row.retain] == [4, 5]
    assert (journal.depth(), journal.outbox.depths["mqtt"]) == (4, 4), "a new sink begins with the next event"
    assert journal.outbox.dropped_by() == {"rows": {"low": 2}}
    assert (journal.outbox.dropped("mqtt"), journal.outbox.dead_letters) == (2, 1)
    assert len(journal.events(10)) == 5
    journal.commit([change("cleared", rule="wiring", rev=6)])
    assert [json.loads(row.payload)["rev"] for row in journal.pending(10, 0, "erp")] == [6]
    journal.close()
    assert version(path) == SCHEMA_VERSION


@pytest.mark.parametrize("dump", [VERSION_1, VERSION_2])
def test_a_new_file_and_a_migrated_one_have_the_same_tables(tmp_path: Path, dump: Path) -> None:
    old = write_version(tmp_path / "old", dump)
    for directory in (tmp_path / "old", tmp_path / "new"):
        opened(directory).close()
    assert tables(old) == tables(tmp_path / "new" / "journal.db")


def test_the_first_step_makes_the_tables_of_the_first_release(tmp_path: Path) -> None:
    old = write_version(tmp_path / "old")
    Store.open(tmp_path / "new.db", STEPS[:1], 1 << 20, 0).close()
    assert tables(old) == tables(tmp_path / "new.db")


def test_a_file_at_its_bound_can_be_brought_up_to_date(tmp_path: Path) -> None:
    path = write_version(tmp_path)
    db = sqlite3.connect(path)
    rows = [("event", "t", b"x" * 3000, 0, 0, "")] * 60
    db.executemany(
        "INSERT INTO outbox(kind, topic, payload, retain, severity, created) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    db.commit()
    db.close()
    journal = opened(tmp_path, max_bytes=path.stat().st_size)
    journal.commit([change("raised", rule="wiring", rev=8)])
    assert journal.seq == 8
    journal.close()


def test_an_error_in_the_middle_of_a_migration_leaves_the_old_version(tmp_path: Path) -> None:
    path = write_version(tmp_path)
    before = tables(path)
    broken = (*STEPS[:1], (*list(STEPS[1])[:5], "THIS IS NO SQL"))
    with pytest.raises(JournalError, match=r"journal\.db"):
        Store.open(path, broken, 1 << 20, 0)
    assert (version(path), tables(path)) == (1, before)
    journal = opened(tmp_path)
    assert journal.depth() == 3
    journal.close()


CHILD = """
import os, signal, sys
from pathlib import Path
from phasewatch.adapters.journal import sqlite
from phasewatch.adapters.journal.sqlite import Store
from tests.adapters.journal.test_migration import killed_after
Store.open(Path(sys.argv[1]), (sqlite.STEPS[0], killed_after(int(sys.argv[2]))), 1 << 20, 0)
"""


def killed_after(count: int) -> Iterator[str]:
    """Yield so many statements of the second step; then die as in a power cut."""
    yield from list(sqlite.STEPS[1])[:count]
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("count", [1, len(list(STEPS[1]))])
def test_a_migration_that_is_killed_leaves_the_old_version(tmp_path: Path, count: int) -> None:
    path = write_version(tmp_path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    done = subprocess.run([sys.executable, "-c", CHILD, str(path), str(count)], env=environment, check=False)
    assert done.returncode == -9
    assert version(path) == 1
    journal = opened(tmp_path)
    assert journal.depth() == 3
    journal.close()
    assert version(path) == SCHEMA_VERSION


def test_a_journal_of_a_newer_version_is_left_alone_and_the_mend_named(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.store.change("PRAGMA user_version=99")
    journal.close()
    with pytest.raises(JournalError, match=r"schema 99 of a newer phasewatch.*run that one again, or move"):
        opened(tmp_path)
    assert version(tmp_path / "journal.db") == 99
    assert not list(tmp_path.glob("*.damaged*"))
