"""Where nbgrader hands over: `nbgrader autograde` and the formgrader's button, graded by us.

nbgrader's Autograde makes an exporter and then converts one notebook after another: it copies what
a student handed in, links followed, and runs it. The exporter is the class's to choose. Ours takes
the converting over before anything was opened or copied, and asks for what `course grade` does.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException

from autograder.grading.batch import Request, grade_class
from autograder.grading.collect import submissions
from autograder.grading.dispatch import Interrupted
from autograder.grading.gradebook import entering
from autograder.grading.pool import LocalPool
from autograder.grading.settings import CourseGrading
from autograder.grading.tally import Tally
from autograder.paths import CourseError

OWN_WAY = (
    "an assignment of your own can be graded nbgrader's way, in which students' code runs as you: "
    "nbgrader autograde {} --Autograde.exporter_class=nbconvert.exporters.NotebookExporter"
)


class GradedByCourse(NotebookExporter):
    """Chosen by a class in its nbgrader_config.py, it has submissions judged in the sandbox::

    c.Autograde.exporter_class = "autograder.grading.seams.GradedByCourse"
    """

    def __init__(self, config: Any = None, *, parent: Any = None, **extra: Any) -> None:
        super().__init__(config=config, parent=parent, **extra)  # type: ignore[no-untyped-call]
        if isinstance(parent, Autograde):
            # Its next step; nothing that comes after it is nbgrader's.
            parent.convert_notebooks = partial(convert_notebooks, parent)


def convert_notebooks(converter: Autograde) -> None:
    """Grade the submissions that `converter` was asked for; in place of its method of that name.

    Raises NbGraderException where somebody is left without marks; the log says who and why.
    """
    try:
        tallies = {chapter: _grade(converter, chapter) for chapter in _chapters(converter)}
    except CourseError as error:
        converter.log.error("%s", error)
        raise NbGraderException(str(error)) from None
    except Interrupted:
        converter.log.error("Canceled")
        raise KeyboardInterrupt from None
    unmarked = [student for tally in tallies.values() for student, _ in tally.unmarked]
    if unmarked:
        raise NbGraderException(f"no marks, or not all: {', '.join(unmarked)}")


def _grade(converter: Autograde, chapter: str) -> Tally:
    own = CourseGrading(config=converter.config)
    root = Path(converter.coursedir.root)
    with entering(converter.coursedir, own.late_policy()) as (enter, opened):
        found, students = _asked(converter, chapter, opened)
        request = Request(chapter, students, again=converter.force, sandbox=own.sandbox)
        jobs = min(len(os.sched_getaffinity(0)), found)
        converter.run_pre_convert_hook()
        try:
            pool = partial(LocalPool, jobs)
            tally = grade_class(root, request, pool, enter=enter, opened=opened)
        except CourseError as error:
            if "no exercise is called" in str(error):
                raise CourseError(f"{error}\n{OWN_WAY.format(chapter)}") from None
            raise
        converter.run_post_convert_hook()
    for line in tally.summary(chapter):
        converter.log.info("%s", line)
    for student, reason in tally.unmarked:
        converter.log.error("%s: %s", student, reason)
    return tally


def _chapters(converter: Autograde) -> list[str]:
    """The chapters whose names fit what was asked for, which may be a pattern."""
    asked = converter.coursedir.assignment_id
    names = sorted(
        os.listdir(Path(converter.coursedir.root) / converter.coursedir.source_directory)
    )
    return [name for name in names if _fits(name, asked)] or [asked]


def _asked(converter: Autograde, chapter: str, gradebook: Gradebook) -> tuple[int, tuple[str, ...]]:
    """How many submissions of the chapter were asked for, and whose; of all, if nobody is named."""
    course = converter.coursedir
    everybody = submissions(Path(course.root), chapter)
    excluded = course.student_id_exclude.split(",") if course.student_id_exclude else []
    chosen = [
        one
        for one in everybody
        if _fits(one.student, course.student_id) and one.student not in excluded
    ]
    if not converter.create_student:
        known = {student.id for student in gradebook.students}
        for one in chosen:
            if one.student not in known:
                converter.log.error("No student with ID %r exists in the database", one.student)
        chosen = [one for one in chosen if one.student in known]
    if not chosen:
        raise CourseError(f"{chapter}: nobody who fits {course.student_id!r} handed it in")
    if len(chosen) == len(everybody):
        return len(chosen), ()
    return len(chosen), tuple(one.student for one in chosen if one.refused is None)


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
