"""The marks of a class, as nbgrader reports them: manual scores, extra credit, late penalties."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from autograder.grading import settings
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
    chapter that the gradebook does not know and CourseError where there is no gradebook.
    """
    with open_gradebook(directory) as gradebook:
        known = {assignment.name: assignment for assignment in gradebook.assignments}
        for chapter in chapters:
            _refuse_unknown(chapter, known)
        found: dict[tuple[str, str], Mark] = {}
        submitted = []
        for name in dict.fromkeys(chapters or sorted(known)):
            submissions = gradebook.assignment_submissions(name)
            if submissions or chapters:
                submitted.append(Assignment(name, float(known[name].max_score or 0.0)))
            for submission in submissions:
                found[submission.student_id, name] = _mark(submission)
        students = [_student(student) for student in gradebook.students]
    students.sort(key=lambda s: (s.last_name.casefold(), s.first_name.casefold(), s.id))
    return Marks(tuple(submitted), tuple(students), found)


def open_gradebook(directory: Path) -> Gradebook:
    """nbgrader's gradebook of the class in `directory`, where its configuration says it is."""
    course = settings.load(directory).course(directory)
    path = course.db_url.removeprefix("sqlite:///")
    if path != course.db_url and not Path(path).exists():
        raise CourseError(f"{directory} holds no gradebook ({path}): name a class with --directory")
    put_scripts_on_path()
    return Gradebook(course.db_url, course.course_id)


def _refuse_unknown(chapter: str, known: Mapping[str, Any]) -> None:
    if chapter not in known:
        near = difflib.get_close_matches(chapter, known, n=3, cutoff=0.3)
        hint = f": is it {' or '.join(near)}?" if near else ""
        raise UsageError(f"the gradebook has no assignment {chapter!r}{hint}")


def _student(student: Any) -> Student:
    return Student(
        student.id,
        student.first_name or "",
        student.last_name or "",
        student.email or "",
        student.lms_user_id or "",
    )


def _mark(submission: Any) -> Mark:
    return Mark(
        float(submission.score or 0.0),
        float(submission.late_submission_penalty or 0.0),
        not submission.needs_manual_grade,
        submission.timestamp,
    )
