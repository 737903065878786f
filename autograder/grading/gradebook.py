"""Enter the marks of one submission into nbgrader's gradebook.

What `nbgrader autograde` would enter after running a notebook, from a `Grade` instead: in one
transaction, and as often as one likes. Scores and comments that a person gave stay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from nbformat import from_dict
from nbgrader import utils
from nbgrader.api import (
    BaseCell,
    Comment,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from nbgrader.api import Grade as Entry
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import BasePlugin
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError

from autograder.grading.engine import Grade
from autograder.grading.rebuild import OUR_FAULT, harmless_markdown
from autograder.paths import CourseError, put_scripts_on_path
from autograder.transplant import grading_of

NO_RESPONSE = "No response."  # nbgrader's own words
_UNSAFE = frozenset('<>"&')


def unsafe_id(student: str) -> str | None:
    """Why nbgrader's pages could not show this student's id as text; None if they can.

    >>> unsafe_id("ada-1"), unsafe_id("<img src=x>")
    (None, 'a student id cannot hold <, >, " or &')
    """
    return 'a student id cannot hold <, >, " or &' if _UNSAFE & set(student) else None


def enter(
    gradebook: Gradebook,
    grade: Grade,
    timestamp: datetime | str | None = None,
    late: BasePlugin | None = None,
) -> None:
    """Enter a grade: the student, the submission, scores, comments, the penalty for lateness.

    `timestamp` is when the work was handed in, in UTC; without one, an older one stays. `late` is
    the class's nbgrader plugin for lateness; without one, nothing is taken off. An exercise whose
    verdict is grader_error keeps the mark it had and waits for a person.

    Raises CourseError where the gradebook does not know the chapter as it was judged, ValueError
    for a grade that cannot be one. Then nothing is entered.
    """
    _check(grade)
    try:
        submission, notebook = _submission(gradebook, grade, timestamp)
        cells = _cells(grade)
        _enter_scores(gradebook, grade, cells, notebook)
        _enter_comments(gradebook, grade, cells, notebook)
        _enter_penalty(gradebook, submission, notebook, late)
        gradebook.db.commit()
    except BaseException:
        gradebook.db.rollback()
        raise


def _check(grade: Grade) -> None:
    reason = unsafe_id(grade.student)
    if reason is not None:
        raise ValueError(f"student (={grade.student!r}): {reason}")
    for one in grade.exercises:
        # Written so that NaN is refused too.
        if not 0 <= one.earned <= one.points or not math.isfinite(one.points):
            raise ValueError(
                f"{one.exercise}: earned (={one.earned:g}) must lie between 0 and {one.points:g}"
            )


@contextmanager
def entering(
    course: CourseDirectory, late: BasePlugin | None
) -> Iterator[tuple[Callable[[Grade, datetime | None], None], Gradebook]]:
    """The gradebook of a class, opened, and what enters a grade and its time into it.

    Raises CourseError where the gradebook cannot be opened or written.
    """
    put_scripts_on_path()
    try:
        opened = Gradebook(course.db_url, course.course_id)
    except DatabaseError as error:
        raise CourseError(
            f"the gradebook cannot be opened: {error.orig} ({course.db_url})"
        ) from None

    def enter_one(grade: Grade, timestamp: datetime | None) -> None:
        try:
            enter(opened, grade, timestamp, late)
        except DatabaseError as error:
            raise CourseError(f"the gradebook cannot be written: {error.orig}") from None

    with opened:
        yield enter_one, opened


# ── what the gradebook knows ────────────────────────────────────────────────────────────────────


def check_chapter(gradebook: Gradebook, chapter: str, points: Mapping[str, float]) -> None:
    """Refuse a chapter that the gradebook does not know with these `points` of its test cells.

    Raises CourseError, which says what to run.
    """
    known = _points(gradebook, _original(gradebook, chapter).id)
    for cell, worth in points.items():
        _check_points(chapter, cell, worth, known.get(cell))


def entered(gradebook: Gradebook, chapter: str, cells: Collection[str]) -> dict[str, float]:
    """Student → the sum of what was entered for these test cells of the chapter, without a person.

    Who has no submission there, or one without scores, is not in it.
    """
    query = (
        select(SubmittedAssignment.student_id, func.sum(Entry.auto_score))
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Entry, Entry.notebook_id == SubmittedNotebook.id)
        .join(BaseCell, BaseCell.id == Entry.cell_id)
        .where(SubmittedNotebook.notebook_id == _original(gradebook, chapter).id)
        .where(BaseCell.name.in_(cells))
        .group_by(SubmittedAssignment.student_id)
    )
    rows = gradebook.db.execute(query)
    return {student: float(score) for student, score in rows if score is not None}


def _original(gradebook: Gradebook, chapter: str) -> Notebook:
    try:
        return gradebook.find_notebook(chapter, chapter)
    except MissingEntry:
        raise CourseError(
            f"the gradebook does not know {chapter}: "
            f"run `nbgrader generate_assignment {chapter} --force` first"
        ) from None


def _points(gradebook: Gradebook, notebook: str) -> dict[str, float]:
    """What the test cells of a notebook are worth, by name."""
    columns = gradebook.db.query(GradeCell.name, GradeCell.max_score)
    return dict(columns.filter_by(notebook_id=notebook).all())


# ── the submission and its rows ─────────────────────────────────────────────────────────────────


def _submission(
    gradebook: Gradebook, grade: Grade, timestamp: datetime | str | None
) -> tuple[SubmittedAssignment, SubmittedNotebook]:
    """The student's submission and its notebook, made where they are not there, uncommitted."""
    db = gradebook.db
    original = _original(gradebook, grade.chapter)
    if db.get(Student, grade.student) is None:
        db.add(Student(id=grade.student))
        db.flush()
    who = {"assignment_id": original.assignment_id, "student_id": grade.student}
    submission = _find_or_add(gradebook, SubmittedAssignment, who)
    if timestamp is not None:
        submission.timestamp = utils.parse_utc(timestamp)
    # Ids and columns rather than objects: each of those is read anew after every commit.
    for (id,) in db.query(Notebook.id).filter_by(assignment_id=original.assignment_id).all():
        which = {"assignment_id": submission.id, "notebook_id": id}
        found = _find_or_add(gradebook, SubmittedNotebook, which)
        _complete(gradebook, found, id)
        if id == original.id:
            notebook = found
    return submission, notebook


def _find_or_add(gradebook: Gradebook, kind: type, columns: Mapping[str, str]) -> Any:
    row = gradebook.db.query(kind).filter_by(**columns).one_or_none()
    if row is None:
        row = kind(**columns)
        gradebook.db.add(row)
        gradebook.db.flush()
    return row


def _complete(gradebook: Gradebook, notebook: SubmittedNotebook, original: str) -> None:
    """Add the scores and comments that a submitted notebook lacks, for `original`'s cells."""
    db = gradebook.db
    for kind, kinds in ((Entry, (GradeCell, TaskCell)), (Comment, (SolutionCell, TaskCell))):
        there = {id for (id,) in db.query(kind.cell_id).filter_by(notebook_id=notebook.id)}
        wanted = [
            id for cell in kinds for (id,) in db.query(cell.id).filter_by(notebook_id=original)
        ]
        db.add_all(kind(cell_id=id, notebook_id=notebook.id) for id in wanted if id not in there)
    db.flush()


# ── scores ──────────────────────────────────────────────────────────────────────────────────────


def _cells(grade: Grade) -> list[Any]:
    """The graded cells of the rebuilt notebook."""
    cells = json.loads(grade.notebook)["cells"]
    return [from_dict(cell) for cell in cells if grading_of(cell) is not None]


def _enter_scores(
    gradebook: Gradebook, grade: Grade, cells: Sequence[Any], notebook: SubmittedNotebook
) -> None:
    entries = _rows(gradebook, Entry, notebook)
    points = _points(gradebook, notebook.notebook_id)
    for one in grade.exercises:
        _check_points(grade.chapter, one.cell, one.points, points.get(one.cell))
        entry = entries.pop(one.cell)
        if one.verdict == "grader_error":
            entry.needs_manual_grade = True
        else:
            _score(entry, float(one.earned))
    for name, score in _scores_of_people(grade, cells):
        if name in entries:
            _score(entries[name], score)


def _rows(gradebook: Gradebook, kind: Any, notebook: SubmittedNotebook) -> dict[str, Any]:
    """The scores or comments of a submitted notebook, by the names of their cells."""
    query = gradebook.db.query(BaseCell.name, kind).join(BaseCell, BaseCell.id == kind.cell_id)
    return dict(query.filter(kind.notebook_id == notebook.id).all())


def _check_points(chapter: str, cell: str, worth: float, most: float | None) -> None:
    if most != worth:
        has = "does not know it" if most is None else f"gives it {most:g} points"
        raise CourseError(
            f"{chapter}: {cell} is worth {worth:g} points, and the gradebook {has}: "
            f"run `nbgrader generate_assignment {chapter} --force`"
        )


def _score(entry: Any, score: float | None) -> None:
    """Whoever gave a score by hand should see that ours changed.

    nbgrader's SaveAutoGrades has them look again after every regrade, of the same answer too.
    """
    changed = entry.auto_score != score or entry.needs_manual_grade
    entry.needs_manual_grade = score is None or (entry.manual_score is not None and changed)
    entry.auto_score = score


def _scores_of_people(grade: Grade, cells: Sequence[Any]) -> Iterator[tuple[str, float | None]]:
    """The cells that a person marks: zero where nothing was written, else None, which waits."""
    for cell in cells:
        if utils.is_grade(cell) and utils.is_solution(cell):
            score, _ = utils.determine_grade(cell)
            yield cell.metadata.nbgrader.grade_id, score
        elif utils.is_task(cell) and grade.problem is not None:
            yield cell.metadata.nbgrader.grade_id, 0.0


# ── comments ────────────────────────────────────────────────────────────────────────────────────


def _enter_comments(
    gradebook: Gradebook, grade: Grade, cells: Sequence[Any], notebook: SubmittedNotebook
) -> None:
    comments = _comments(grade, cells)
    for name, row in _rows(gradebook, Comment, notebook).items():
        if name in comments:
            row.auto_comment = comments[name]


def _comments(grade: Grade, cells: Sequence[Any]) -> Mapping[str, str | None]:
    """What nbgrader shows below each solution: why nothing was judged, or that nothing is there."""
    faults = set(grade.faults)
    comments: dict[str, str | None] = {}
    for cell in cells:
        name = cell.metadata.nbgrader.grade_id
        if not utils.is_solution(cell):
            continue
        if name in faults:
            comments[name] = OUR_FAULT
        elif grade.problem is not None:
            comments[name] = harmless_markdown(grade.problem)
        elif cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell):
            comments[name] = NO_RESPONSE
        else:
            comments[name] = None
    return comments


# ── lateness ────────────────────────────────────────────────────────────────────────────────────


def _enter_penalty(
    gradebook: Gradebook,
    submission: SubmittedAssignment,
    notebook: SubmittedNotebook,
    late: BasePlugin | None,
) -> None:
    """As nbgrader's AssignLatePenalties: the plugin decides, within zero and the score."""
    notebook.late_submission_penalty = None
    seconds = submission.total_seconds_late
    if late is None or seconds <= 0:
        return
    gradebook.db.flush()
    gradebook.db.refresh(notebook, ["score"])
    penalty = late.late_submission_penalty(submission.student_id, notebook.score, seconds)
    if penalty is not None:
        notebook.late_submission_penalty = min(max(0.0, float(penalty)), notebook.score)
