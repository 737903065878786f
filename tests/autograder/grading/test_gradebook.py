"""Marks in nbgrader's gradebook: what its own SaveAutoGrades would enter, once or many times."""

import dataclasses
import json
import logging
import shutil
from datetime import datetime

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

from autograder.grading.engine import ExerciseGrade, Grade
from autograder.grading.gradebook import NO_RESPONSE, check_chapter, enter, entered, entering
from autograder.grading.late import PercentPerDay
from autograder.grading.rebuild import OUR_FAULT, rebuild
from autograder.paths import CourseError, put_scripts_on_path

CHAPTER = "ch99"
WRITTEN = "def double(n):\n    return 2 * n"


def cell(kind, source, grade_id, **grading):
    flags = {"grade": False, "solution": False, "locked": False, "task": False, **grading}
    metadata = {"nbgrader": {"grade_id": grade_id, "schema_version": 3, **flags}}
    made = {"cell_type": kind, "id": grade_id, "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def solution(name):
    return cell("code", "### BEGIN SOLUTION\n1\n### END SOLUTION", name, solution=True)


def checking(name, points):
    return cell("code", f"check({name})", f"test_{name}", grade=True, locked=True, points=points)


SOURCE = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
    "cells": [
        solution("double"),
        checking("double", 3),
        solution("halve"),
        checking("halve", 2),
        cell("markdown", "because", "why", grade=True, solution=True, points=4),
        cell("markdown", "Plot it.", "plot", task=True, locked=True, points=1),
    ],
}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A class directory in which the chapter was generated."""
    put_scripts_on_path()
    root = tmp_path_factory.mktemp("class")
    (root / "source" / CHAPTER).mkdir(parents=True)
    text = json.dumps(SOURCE)
    (root / "source" / CHAPTER / f"{CHAPTER}.ipynb").write_text(text, encoding="utf-8")
    course = CourseDirectory(root=str(root), assignment_id=CHAPTER, course_id="class")
    GenerateAssignment(coursedir=course, log=logging.getLogger("quiet")).start()
    return root


@pytest.fixture
def gradebook(released, tmp_path):
    """Its gradebook, for one test."""
    shutil.copy(released / "gradebook.db", tmp_path)
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "class") as opened:
        yield opened


def one(name, earned, points, verdict="partial"):
    return ExerciseGrade(
        name, f"test_{name}", verdict, earned / points, points, earned, (), None, "", "card", "card"
    )


def graded(
    double=3.0, halve=0.5, *, sources=None, problem=None, verdicts=("pass", "partial"), **more
):
    exercises = (one("double", double, 3, verdicts[0]), one("halve", halve, 2, verdicts[1]))
    if sources is None:
        sources = {"double": WRITTEN, "halve": "halve = 1", "why": "Because."}
    notebook = rebuild(SOURCE, {} if problem else sources, exercises)
    grade = Grade(
        student="ada",
        chapter=CHAPTER,
        seed=0,
        sandbox="none",
        limits=(),
        submission="",
        source="",
        problem=problem,
        notes=(),
        exercises=exercises,
        notebook=json.dumps(notebook),
    )
    return dataclasses.replace(grade, **more)


def rows(gradebook, student="ada"):
    """Every score and comment of a submission, by the name of its cell."""
    notebook = gradebook.find_submission_notebook(CHAPTER, CHAPTER, student)
    gradebook.db.refresh(notebook)
    scores = {
        row.name: (row.auto_score, row.manual_score, row.needs_manual_grade)
        for row in notebook.grades
    }
    return scores, {row.name: row.auto_comment for row in notebook.comments}


def dump(gradebook):
    """Everything in the gradebook but the ids it made up."""
    found = {}
    for submission in gradebook.assignment_submissions(CHAPTER):
        data = submission.to_dict() | {"id": "", "penalty": submission.late_submission_penalty}
        found[submission.student.id] = (data, *rows(gradebook, submission.student.id))
    return found


def test_marks_are_entered(gradebook):
    enter(gradebook, graded(), datetime(2026, 5, 1, 12))
    scores, comments = rows(gradebook)
    assert scores == {
        "test_double": (3.0, None, False),
        "test_halve": (0.5, None, False),
        "why": (None, None, True),
        "plot": (None, None, True),
    }
    assert comments == {"double": None, "halve": None, "why": None, "plot": None}
    submission = gradebook.find_submission(CHAPTER, "ada")
    assert submission.timestamp == datetime(2026, 5, 1, 12)
    assert (submission.score, submission.max_score) == (3.5, 10)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of add_submission, nbgrader's
def test_as_saveautogrades_enters_them(gradebook, tmp_path):
    """nbgrader reads our notebook for bob; for ada we enter the same grade."""
    grade = graded(sources={"double": WRITTEN})
    enter(gradebook, grade)
    gradebook.add_student("bob")
    gradebook.add_submission(CHAPTER, "bob")
    resources = {
        "nbgrader": {
            "notebook": CHAPTER,
            "assignment": CHAPTER,
            "student": "bob",
            "db_url": f"sqlite:///{tmp_path / 'gradebook.db'}",
        }
    }
    SaveAutoGrades().preprocess(nbformat.reads(grade.notebook, as_version=4), resources)
    gradebook.db.expire_all()
    assert rows(gradebook, "ada") == rows(gradebook, "bob")
    assert rows(gradebook)[1]["halve"] == NO_RESPONSE


def test_entering_twice_changes_nothing(gradebook):
    for student in ("ada", "bob"):
        enter(gradebook, graded(student=student), "2026-05-01 12:00:00 UTC")
    once = dump(gradebook)
    enter(gradebook, graded(), "2026-05-01 12:00:00 UTC")
    enter(gradebook, graded())  # without a time: the one known stays
    assert dump(gradebook) == once


def test_a_regrade_changes_the_marks(gradebook):
    enter(gradebook, graded())
    enter(gradebook, graded(0.0, 2.0))
    scores, _ = rows(gradebook)
    assert scores["test_double"][0] == 0.0
    assert scores["test_halve"][0] == 2.0


def test_only_the_exercises_that_were_judged(gradebook):
    enter(gradebook, graded())
    enter(gradebook, graded(0.0, exercises=(one("double", 0.0, 3),)))
    scores, _ = rows(gradebook)
    assert scores["test_double"][0] == 0.0
    assert scores["test_halve"][0] == 0.5


def test_what_a_person_gave_stays(gradebook):
    enter(gradebook, graded())
    entry = gradebook.find_grade("test_halve", CHAPTER, CHAPTER, "ada")
    entry.manual_score, entry.extra_credit, entry.needs_manual_grade = 1.5, 0.25, False
    gradebook.find_comment("halve", CHAPTER, CHAPTER, "ada").manual_comment = "Nearly!"
    why = gradebook.find_grade("why", CHAPTER, CHAPTER, "ada")
    why.manual_score, why.needs_manual_grade = 4.0, False
    gradebook.db.commit()
    enter(gradebook, graded(halve=0.0, sources={}))
    gradebook.db.expire_all()
    scores, comments = rows(gradebook)
    assert scores["test_halve"] == (0.0, 1.5, True)  # ours changed: a person should look
    assert scores["why"] == (0.0, 4.0, True)
    assert entry.score == 1.75
    comment = gradebook.find_comment("halve", CHAPTER, CHAPTER, "ada")
    assert (comment.comment, comments["halve"]) == ("Nearly!", NO_RESPONSE)


def test_what_a_person_gave_is_looked_at_again_only_where_ours_changed(gradebook):
    """nbgrader asks for it after every regrade: a class's marks would be unfinished each time."""
    enter(gradebook, graded())
    entry = gradebook.find_grade("test_halve", CHAPTER, CHAPTER, "ada")
    entry.manual_score, entry.needs_manual_grade = 1.5, False
    gradebook.db.commit()
    enter(gradebook, graded())
    assert rows(gradebook)[0]["test_halve"] == (0.5, 1.5, False)
    enter(gradebook, graded(halve=2.0))
    enter(gradebook, graded(halve=2.0))  # still waiting, though this time nothing changed
    assert rows(gradebook)[0]["test_halve"] == (2.0, 1.5, True)


def test_our_fault_is_no_mark(gradebook):
    enter(gradebook, graded(double=2.0))
    faulty = graded(double=0.0, halve=1.0, verdicts=("grader_error", "partial"))
    enter(gradebook, faulty)
    scores, comments = rows(gradebook)
    assert scores["test_double"] == (2.0, None, True)
    assert scores["test_halve"] == (1.0, None, False)
    assert comments["double"] == OUR_FAULT
    enter(gradebook, dataclasses.replace(faulty, student="bob"))
    assert rows(gradebook, "bob")[0]["test_double"] == (None, None, True)
    enter(gradebook, graded())  # judged at last
    assert rows(gradebook)[0]["test_double"] == (3.0, None, False)
    assert rows(gradebook)[1]["double"] is None


def test_nothing_that_can_be_read(gradebook):
    enter(gradebook, graded())
    enter(
        gradebook,
        graded(0.0, 0.0, problem="'<b>.ipynb' is a link", verdicts=("error", "error")),
    )
    scores, comments = rows(gradebook)
    assert set(scores.values()) == {(0.0, None, False)}
    assert {comments[name] for name in ("double", "halve", "why")} == {
        "'<\u200bb>.ipynb' is a link"
    }


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of add_submission, nbgrader's
def test_a_submission_older_than_its_notebook(gradebook):
    """Rows that were never made are made: the chapter was generated after somebody submitted."""
    gradebook.add_student("ada")
    gradebook.add_submission(CHAPTER, "ada")
    notebook = gradebook.find_submission_notebook(CHAPTER, CHAPTER, "ada")
    for row in (*notebook.grades, *notebook.comments):
        gradebook.db.delete(row)
    gradebook.db.flush()
    gradebook.db.delete(notebook)
    gradebook.db.commit()
    enter(gradebook, graded())
    assert rows(gradebook)[0]["test_double"] == (3.0, None, False)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"chapter": "ch98"}, CourseError, "run `nbgrader generate_assignment ch98 --force` first"),
        ({"exercises": (one("triple", 1, 1),)}, CourseError, "does not know it"),
        ({"exercises": (one("double", 1, 4),)}, CourseError, "gives it 3 points"),
        ({"exercises": (one("double", 3.5, 3),)}, ValueError, r"earned \(=3.5\) must lie"),
        ({"exercises": (one("double", float("nan"), 3),)}, ValueError, r"earned \(=nan\)"),
        ({"exercises": (one("double", -1, 3),)}, ValueError, r"earned \(=-1\)"),
        ({"student": "<img src=x>"}, ValueError, "cannot hold"),
    ],
)
def test_refused_and_nothing_entered(gradebook, change, error, message):
    enter(gradebook, graded(student="bob"))
    before = dump(gradebook)
    with pytest.raises(error, match=message):
        enter(gradebook, dataclasses.replace(graded(), **change))
    assert dump(gradebook) == before
    assert [student.id for student in gradebook.students] == ["bob"]


def test_what_the_gradebook_knows(gradebook):
    points = {"test_double": 3.0, "test_halve": 2.0}
    check_chapter(gradebook, CHAPTER, points)
    with pytest.raises(CourseError, match="test_double is worth 4 points, and the gradebook gives"):
        check_chapter(gradebook, CHAPTER, points | {"test_double": 4.0})
    with pytest.raises(CourseError, match="does not know ch98"):
        check_chapter(gradebook, "ch98", points)
    assert entered(gradebook, CHAPTER, points) == {}
    enter(gradebook, graded())
    enter(gradebook, graded(0.0, 0.0, student="bob"))
    gradebook.add_student("eve")  # who has handed in nothing
    assert entered(gradebook, CHAPTER, points) == {"ada": 3.5, "bob": 0.0}


def test_what_is_no_gradebook_is_said_in_a_line(tmp_path):
    (tmp_path / "gradebook.db").write_text("garbage, and more of it than a header has")
    with (
        pytest.raises(CourseError, match="cannot be opened: file is not a database"),
        entering(CourseDirectory(root=str(tmp_path)), None),
    ):
        pass


# ── lateness ────────────────────────────────────────────────────────────────────────────────────


def penalty(gradebook):
    notebook = gradebook.find_submission_notebook(CHAPTER, CHAPTER, "ada")
    return notebook.late_submission_penalty


@pytest.mark.parametrize(
    ("method", "when", "expected"),
    [("none", 2, None), ("zero", 2, 3.5), ("zero", 1, None), ("zero", None, None)],
)
def test_nbgraders_own_policies(gradebook, method, when, expected):
    gradebook.update_or_create_assignment(CHAPTER, duedate="2026-05-01 23:59:59 UTC")
    step = AssignLatePenalties()
    policy = step.plugin_class(parent=step, penalty_method=method)
    timestamp = None if when is None else datetime(2026, 5, when)
    enter(gradebook, graded(), timestamp, policy)
    assert penalty(gradebook) == expected
    enter(gradebook, graded(), timestamp, policy)
    assert penalty(gradebook) == expected
    enter(gradebook, graded(), timestamp)
    assert penalty(gradebook) is None


def test_a_penalty_lies_within_the_score(gradebook):
    gradebook.update_or_create_assignment(CHAPTER, duedate="2026-05-01 00:00:00 UTC")
    for asked, given in ((99.0, 3.5), (-1.0, 0.0)):
        policy = PercentPerDay()
        policy.late_submission_penalty = lambda *_, asked=asked: asked
        enter(gradebook, graded(), datetime(2026, 5, 3), policy)
        assert penalty(gradebook) == given


@pytest.mark.parametrize(
    ("settings", "hours", "expected"),
    [
        ({}, 1, 2.0),
        ({}, 24, 2.0),
        ({}, 25, 4.0),
        ({}, 24 * 30, 20.0),
        ({"most": 50}, 24 * 30, 10.0),
        ({"percent": 2.5}, 47, 1.0),
        ({"grace_minutes": 90}, 1.5, None),
        ({"grace_minutes": 90}, 2, 2.0),
        ({"percent": 0}, 2, 0.0),
    ],
)
def test_percent_per_day(settings, hours, expected):
    policy = PercentPerDay(**settings)
    assert policy.late_submission_penalty("ada", 20.0, hours * 3600) == expected
