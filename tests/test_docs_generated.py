"""The generated parts of the documents are what the code gives now."""

from pathlib import Path

import pytest

from phasewatch.alerts.lifecycle import DUE, TABLE, VOID, State
from tests.documents import PAGES
from tests.generated import DRAWINGS, PARTS, filled, life_cycle, moves, names

AGAIN = "run: python -m tests.generated"


def test_every_generated_part_is_on_a_page_and_up_to_date() -> None:
    assert sorted(name for text in PAGES.values() for name in names(text)) == sorted(PARTS)
    assert [page for page, text in PAGES.items() if filled(text) != text] == [], AGAIN


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda file: file.name)
def test_every_drawing_is_what_the_code_draws_now(drawing: Path) -> None:
    assert drawing.read_text(encoding="utf-8") == DRAWINGS[drawing](), AGAIN


def test_the_diagram_has_every_state_and_every_change_of_state() -> None:
    changes = {(state, after) for (state, _), after in TABLE.items()} | set(DUE.items()) | set(VOID.items())
    assert set(moves()) == {(state, after) for state, after in changes if state is not after}
    drawn = life_cycle()
    assert all(f">{state.value}</text>" in drawn for state in State)
    assert drawn.count('class="tip"') == len(moves())
