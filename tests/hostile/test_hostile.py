"""Every row of the table, through the grader as it stands: one warm sandbox, row after row."""

from __future__ import annotations

from typing import Any

import pytest
from table import answers, files, honest, limits, patches, secrets, walls
from table.row import CHAPTERS, POINTS, Row

TABLE = [
    row for part in (honest, answers, patches, secrets, walls, limits, files) for row in part.ROWS
]
BY_NAME = {row.name: row for row in TABLE}


def test_every_row_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(TABLE)
    assert all(row.after in BY_NAME for row in TABLE if row.after)
    for row in TABLE:
        assert set(row.verdicts) | set(row.cells) <= set(CHAPTERS[row.chapter])


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(row: Row, grader: Any) -> None:
    grader.run(row, BY_NAME)


def test_attacks_that_a_sandbox_stops_work_without_one(grader: Any) -> None:
    for row in TABLE:
        if row.bare:
            grade = grader.grade(row, sandbox=False)
            stopped = [
                e for e in grade.exercises if e.verdict in row.verdicts.get(e.exercise, "pass")
            ]
            assert len(stopped) < len(grade.exercises), row.name
    grader.world.visitors()


def test_without_a_sandbox_nothing_hostile_runs(grader: Any) -> None:
    for row in TABLE:
        if not row.harmless and not row.bare:
            with pytest.raises(AssertionError, match="needs a sandbox"):
                grader.grade(row, sandbox=False)


def test_honest_work_has_full_marks_in_every_chapter(grader: Any) -> None:
    for name in ("honest", "nearest neighbours of digits"):
        grade = grader.grade(BY_NAME[name])
        assert grade.earned == sum(POINTS[exercise] for exercise in CHAPTERS[grade.chapter])
