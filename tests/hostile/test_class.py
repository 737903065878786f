"""The table as a class: no row takes it down, and none changes another student's mark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from table import answers, files, honest, limits, patches, secrets, walls
from table.row import CHAPTERS, HASTY, POINTS, Row, hurried, instructors, written

from autograder import classroom
from autograder.grading import record, settings
from autograder.grading.batch import Request, grade_class
from autograder.grading.pool import LocalPool
from autograder.paths import put_scripts_on_path

ODD_NAMES = ("=1+1", "-rf", "a, b; c", "Zoë 日本", "%s{0}$(id)", "a'b")
REFUSED = "<b>x"  # nbgrader's pages would show it as markup


def _rows() -> Iterator[Row]:
    """All that could harm a class, and a part of what is only wrong or only honest."""
    for part in (walls, secrets, limits, files, patches, answers, honest):
        rows = [row for row in part.ROWS if row.chapter == "walls"]
        if part not in (walls, files):
            # In turn: each table begins with what it is about.
            rows = rows[::4]
        yield from rows
    yield from files.IN_CLASS


def _table() -> Iterator[tuple[str, Row]]:
    """Students and what they hand in, in the order in which they are graded."""
    for place, row in enumerate(_rows()):
        yield f"{place:03}{'hasty' if row.timeout == HASTY else ''}", row
        if place % 12 == 0:
            yield f"{place:03}honest", Row("honest")
    for name in ODD_NAMES:
        yield name, Row("honest")


TABLE = dict(_table())


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class in which the chapter was generated, and nobody handed in anything."""
    put_scripts_on_path()
    root = tmp_path_factory.mktemp("hostile")
    chapter = root / "course/solutions/walls"
    chapter.mkdir(parents=True)
    (chapter / "walls.py").write_text(written(instructors("walls")), encoding="utf-8")
    directory = root / "class"
    classroom.new_class(root / "course", directory)
    config = settings.load(directory).config
    course = CourseDirectory(config=config, assignment_id="walls")
    GenerateAssignment(coursedir=course, config=config).start()
    return directory


@pytest.fixture
def make_class(released: Path, tmp_path: Path, world: Any) -> Callable[[dict[str, Row]], Path]:
    """A class of some students."""

    def make(table: dict[str, Row]) -> Path:
        directory = Path(shutil.copytree(released, tmp_path / "class"))
        for student, row in table.items():
            hand_in(directory, student, row, {**world.places, "ROOM": str(tmp_path)})
        return directory

    return make


def hand_in(directory: Path, student: str, row: Row, places: dict[str, str]) -> None:
    """What a row hands in."""
    place = directory / "submitted" / student / "walls"
    place.mkdir(parents=True)
    (place / "walls.ipynb").write_bytes(row.notebook(places))
    if row.directory is not None:
        row.directory(place)


def test_the_table_is_a_class(make_class: Any, grader: Any) -> None:
    assert grader.has_walls(), "there is no sandbox here that holds: nothing hostile is run"
    directory = make_class({**TABLE, REFUSED: Row("honest")})
    tally = grade_class(directory, Request("walls"), partial(LocalPool, 2), judge=hurried)
    assert [student for student, _ in tally.unmarked] == [REFUSED]
    compare(directory, TABLE)
    grader.world.visitors()


def test_nbgrader_grades_what_is_no_notebook(make_class: Any, grader: Any) -> None:
    assert grader.has_walls(), "there is no sandbox here that holds: nothing hostile is run"
    rows = [*files.ROWS[::3], *files.IN_CLASS]
    table = {"honest": Row("honest"), **{f"{n:03}": row for n, row in enumerate(rows)}}
    directory = make_class(table)
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", "walls"],
        cwd=directory,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    compare(directory, table)


def compare(directory: Path, table: dict[str, Row]) -> None:
    """Everybody has the verdicts that their row declares, and the marks that follow."""
    wrong = {}
    marks = dict(gradebook_marks(directory))
    assert set(marks) == set(table)
    for student, row in table.items():
        kept = record.load(directory, "walls", student)
        assert kept is not None
        assert kept.entered
        for exercise in kept.grade.exercises:
            if exercise.verdict not in row.verdicts.get(exercise.exercise, "pass").split("|"):
                wrong[row.name, exercise.exercise] = f"{exercise.verdict}: {exercise.message}"
        problem = str(kept.grade.problem or "")
        if row.problem and not any(piece in problem for piece in row.problem.split("|")):
            wrong[row.name, ""] = problem
        earned = {exercise.exercise: exercise.earned for exercise in kept.grade.exercises}
        assert marks[student] == earned, row.name
        if row.name == "honest":
            assert earned == {name: POINTS[name] for name in CHAPTERS["walls"]}
    assert wrong == {}


def gradebook_marks(directory: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Each student's points by exercise, as nbgrader counts them."""
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}", directory.name) as gradebook:
        for submission in gradebook.assignment_submissions("walls"):
            (notebook,) = submission.notebooks
            yield (
                submission.student.id,
                {grade.name.removeprefix("test_"): grade.score for grade in notebook.grades},
            )
