"""The marks of a class, as nbgrader reports them: manual scores, extra credit, late penalties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader import api as nbgrader
from nbgrader.api import Gradebook
from sqlalchemy import case, func, select
from sqlalchemy.exc import DatabaseError

from autograder.grading import settings
from autograder.grading.chapters import chapters_of, check_class, near
from autograder.paths import CourseError, UsageError, put_scripts_on_path


@dataclass(frozen=True)
class Student:
    """Somebody in the gradebook; what the gradebook does not know is the empty text."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""

    @property
    def name(self) -> str:
        """``Last, First``, or what there is of it, or the id."""
        return ", ".join(part for part in (self.last_name, self.first_name) if part) or self.id


@dataclass(frozen=True)
class Assignment:
    """A chapter as the gradebook knows it, and the points that it is worth."""

    name: str
    points: float


@dataclass(frozen=True)
class Mark:
    """What the gradebook holds for one submission.

    `raw` counts what is graded so far; `finished` says whether that is all of it. `submitted` is in
    UTC, without a time zone, as nbgrader keeps it.
    """

    raw: float
    penalty: float
    finished: bool
    submitted: datetime | None = None

    @property
    def score(self) -> float:
        """The points that count: `nbgrader export` says the same.

        >>> Mark(3.0, 5.0, finished=True).score
        0.0
        """
        return max(0.0, self.raw - self.penalty)


@dataclass(frozen=True)
class Marks:
    """The marks of a class: `found` by the student's id and the assignment's name.

    A submission that is not there is not in `found`.
    """

    assignments: tuple[Assignment, ...]
    students: tuple[Student, ...]
    found: Mapping[tuple[str, str], Mark]


def read_marks(directory: Path, chapters: Sequence[str] = ()) -> Marks:
    """The marks in the gradebook of the class in `directory`, students by their names.

    Without `chapters` these are the assignments that somebody submitted. Raises UsageError for a
    chapter that the class does not have and CourseError where no gradebook can be read.
    """
    with open_gradebook(directory) as gradebook:
        known = {assignment.name: assignment for assignment in gradebook.assignments}
        for chapter in chapters:
            _refuse_unknown(directory, chapter, known)
        found = _marks(gradebook)
        submitted = {name for _, name in found}
        names = dict.fromkeys(chapters or sorted(submitted))
        assignments = tuple(Assignment(n, float(known[n].max_score or 0.0)) for n in names)
        students = _students(gradebook)
    found = {key: mark for key, mark in found.items() if key[1] in names}
    return Marks(assignments, tuple(students), found)


@contextmanager
def open_gradebook(directory: Path) -> Iterator[Gradebook]:
    """nbgrader's gradebook of the class in `directory`, where its configuration says it is.

    Raises CourseError where there is none, and for what cannot be read from it.
    """
    course = settings.load(directory).course(directory)
    path = course.db_url.removeprefix("sqlite:///")
    if path != course.db_url and not Path(path).exists():
        check_class(directory)
        raise CourseError(
            f"{directory.resolve()} holds no gradebook ({path}): "
            "`nbgrader generate_assignment CHAPTER` makes it"
        )
    put_scripts_on_path()
    try:
        with Gradebook(course.db_url, course.course_id) as opened:
            yield opened
    except DatabaseError as error:
        raise CourseError(f"the gradebook ({path}) cannot be read: {error.orig}") from None


def _refuse_unknown(directory: Path, chapter: str, known: Mapping[str, Any]) -> None:
    if chapter in known:
        return
    own = chapters_of(directory)
    if chapter in own:
        raise CourseError(
            f"the gradebook does not know {chapter}: "
            f"run `nbgrader generate_assignment {chapter}` first"
        )
    raise UsageError(
        f"this class has no chapter {chapter!r}{near(chapter, sorted({*known, *own}))}"
    )


def _students(gradebook: Gradebook) -> list[Student]:
    columns = (
        nbgrader.Student.id,
        nbgrader.Student.first_name,
        nbgrader.Student.last_name,
        nbgrader.Student.email,
        nbgrader.Student.lms_user_id,
    )
    rows = gradebook.db.execute(select(*columns))
    students = [Student(*(text or "" for text in row)) for row in rows]
    students.sort(key=lambda s: (s.last_name.casefold(), s.first_name.casefold(), s.id))
    return students


def _marks(gradebook: Gradebook) -> dict[tuple[str, str], Mark]:
    """Every submission's mark, from three queries.

    The attributes of nbgrader's submissions say the same, with a search through all marks of the
    class for each of them: minutes for a thousand students.
    """
    submission, notebook, entry = (
        nbgrader.SubmittedAssignment,
        nbgrader.SubmittedNotebook,
        nbgrader.Grade,
    )
    by_hand = func.sum(case((entry.needs_manual_grade, 1), else_=0))
    graded = {
        id_: (float(score or 0.0), not waiting)
        for id_, score, waiting in gradebook.db.execute(
            select(notebook.assignment_id, func.sum(entry.score), by_hand)
            .join(entry, entry.notebook_id == notebook.id)
            .group_by(notebook.assignment_id)
        )
    }
    penalties = {
        id_: float(total or 0.0)
        for id_, total in gradebook.db.execute(
            select(notebook.assignment_id, func.sum(notebook.late_submission_penalty)).group_by(
                notebook.assignment_id
            )
        )
    }
    found = {}
    for id_, student, timestamp, name in gradebook.db.execute(
        select(
            submission.id, submission.student_id, submission.timestamp, nbgrader.Assignment.name
        ).join(nbgrader.Assignment, nbgrader.Assignment.id == submission.assignment_id)
    ):
        raw, finished = graded.get(id_, (0.0, True))
        found[student, name] = Mark(raw, penalties.get(id_, 0.0), finished, timestamp)
    return found
