"""Three ways to grade a class, and the same marks from each; a submission stays where it is."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from types import SimpleNamespace

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.grading import record, settings
from autograder.grading.batch import Request, grade_class
from autograder.grading.pool import LocalPool
from autograder.grading.seams import GradedByCourse

CHAPTER = "ch02_output_size"
NO_PADDING = """\
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    if n < kernel:
        raise ValueError("no window fits")
    return (n - kernel) // stride + 1
"""
EXPECTED = {
    "ada": (6.0, 3.0, None),
    "bob": (0.0, 0.0, 0.0),
    "cid": (1.0, 0.0, None),
    "dan": (6.0, 3.0, None),  # under another name
    "eve": (0.0, 0.0, 0.0),  # no JSON
    "fay": (0.0, 0.0, 0.0),  # a link
    "gus": (6.0, 3.0, None),  # schema_version 99, a numpy.py, links, no readable time
    "hal": (0.0, 0.0, 0.0),  # no notebook
}


def nbgrader(directory, *arguments):
    scripts = sysconfig.get_path("scripts")
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=directory,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        capture_output=True,
        text=True,
    )


def submit_all(directory, submit):
    submit(directory, "ada", solved=True)
    submit(directory, "bob")
    submit(directory, "cid", output_size=NO_PADDING, why="Why not?")
    submit(directory, "dan", f"{CHAPTER} (1)", solved=True)
    submit(directory, "eve").write_text("print('no notebook')")
    path = submit(directory, "fay")
    path.unlink()
    path.symlink_to(directory / "submitted" / "ada" / CHAPTER / path.name)
    path = submit(directory, "gus", solved=True)
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].get("nbgrader", {})["schema_version"] = 99
    path.write_text(json.dumps(notebook))
    (path.parent / "numpy.py").write_text("raise SystemExit('this numpy was imported')")
    (path.parent / "secret.txt").symlink_to(directory / "grading" / "seed")
    (path.parent / "timestamp.txt").write_bytes(b"\xff\xfe soon")
    os.mkfifo(path.parent / "pipe")
    submit(directory, "hal").rename(directory / "submitted" / "hal" / CHAPTER / "my.txt")
    submit(directory, "<img src=x onerror=alert(1)>", solved=True)


def marks(directory):
    """Each student's scores: of the two exercises and of the written answer."""
    found = {}
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}", "class") as gradebook:
        for submission in gradebook.assignment_submissions(CHAPTER):
            (notebook,) = submission.notebooks
            scores = {grade.name: grade.auto_score for grade in notebook.grades}
            names = ("test_output_size", "test_same_padding", "why")
            found[submission.student.id] = tuple(scores[name] for name in names)
    return found


def listing(directory, *places):
    return sorted(
        (str(path.relative_to(directory)), path.is_symlink(), path.lstat().st_mtime_ns)
        for place in places
        for path in (directory / place).rglob("*")
    )


@pytest.fixture(scope="module")
def ways(released_class, submit, tmp_path_factory):
    """What came of the same submissions, three times."""
    directory = tmp_path_factory.mktemp("ways") / "class"
    shutil.copytree(released_class, directory)
    submit_all(directory, submit)
    handed_in = listing(directory, "submitted")
    verdicts = record.verdict_path(directory, CHAPTER)

    command = nbgrader(directory, "autograde", CHAPTER)
    first = (marks(directory), verdicts.read_bytes())

    course = CourseDirectory(config=settings.load(directory).config)
    api = NbGraderAPI(course, config=settings.load(directory).config)
    button = api.autograde(CHAPTER, "cid")
    second = (marks(directory), verdicts.read_bytes())

    tally = grade_class(directory, Request(CHAPTER, again=True), lambda: LocalPool(1))
    third = (marks(directory), verdicts.read_bytes())
    return SimpleNamespace(**locals())


def test_nbgrader_autograde(ways):
    assert ways.first[0] == EXPECTED
    # One directory is called what no student can be: the others have their marks all the same.
    assert ways.command.returncode == 1
    assert "a student id cannot hold" in ways.command.stderr
    assert "Traceback" not in ways.command.stderr
    assert re.search(rf"{CHAPTER}: 8 .*of 9 graded", ways.command.stderr)


def test_the_formgraders_button(ways):
    assert ways.button["success"], ways.button
    assert re.search(rf"{CHAPTER}: 1 .*of 1 graded", ways.button["log"])
    assert ways.second == ways.first


def test_course_grade(ways):
    assert (ways.tally.graded, ways.tally.before) == (8, 0)
    assert ways.third == ways.first


def test_submissions_stay_as_they_were(ways):
    assert listing(ways.directory, "submitted") == ways.handed_in


def test_nothing_of_a_submission_is_copied(ways):
    found = {path.name for path in (ways.directory / "autograded").rglob("*") if path.is_file()}
    assert found == {f"{CHAPTER}.ipynb"}
    assert not any(path.is_symlink() for path in (ways.directory / "autograded").rglob("*"))


def test_reasons_are_given(ways):
    comments = {}
    with Gradebook(f"sqlite:///{ways.directory / 'gradebook.db'}", "class") as gradebook:
        for student in ("ada", "bob", "eve", "fay", "hal"):
            comment = gradebook.find_comment("output_size", CHAPTER, CHAPTER, student)
            comments[student] = comment.auto_comment or ""
    assert comments["ada"] == ""
    assert comments["bob"] == "No response."
    assert "not JSON" in comments["eve"]
    assert "symbolic link" in comments["fay"]
    assert "missing" in comments["hal"]
    renamed = (ways.directory / "autograded/dan" / CHAPTER / f"{CHAPTER}.ipynb").read_text("utf-8")
    assert f"the notebook was called &#x27;{CHAPTER} (1).ipynb&#x27;" in renamed


def test_made_in_a_sandbox(ways):
    grade = record.load(ways.directory, CHAPTER, "ada").grade
    assert grade.sandbox == "bubblewrap"
    assert grade.seed == settings.seed_of(ways.directory)


# ── what was asked for ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked(class_directory, monkeypatch):
    """Run Autograde as configured, with a judge that says what it was asked to judge."""
    requests = []

    def judge(directory, request, start, *, enter, opened):
        requests.append((directory, request))
        return SimpleNamespace(unmarked=[], summary=lambda chapter: [])

    monkeypatch.setattr("autograder.grading.seams.grade_class", judge)

    def run(force=False, create=True, **names):
        config = Config(settings.load(class_directory).config)
        course = CourseDirectory(config=config, assignment_id=CHAPTER, **names)
        converter = Autograde(coursedir=course, config=config)
        converter.force, converter.create_student = force, create
        converter.start()
        return requests

    return run


def test_everybody(asked, class_directory, hand_in):
    hand_in("ada")
    hand_in("bob")
    assert asked() == [(class_directory, Request(CHAPTER, sandbox=True))]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"student_id": "bob"}, ("bob",)),
        ({"student_id": "b*"}, ("bea", "bob")),
        ({"student_id_exclude": "ada,bea"}, ("bob",)),
    ],
)
def test_some(asked, hand_in, names, expected):
    for student in ("ada", "bea", "bob"):
        hand_in(student)
    ((_, request),) = asked(force=True, **names)
    assert request == Request(CHAPTER, expected, again=True, sandbox=True)


def test_students_whom_the_gradebook_does_not_know(asked, class_directory, hand_in):
    hand_in("ada")
    hand_in("bob")
    with Gradebook(f"sqlite:///{class_directory / 'gradebook.db'}", "class") as gradebook:
        gradebook.add_student("bob")
    ((_, request),) = asked(create=False)
    assert request.students == ("bob",)


def test_the_exporter_leaves_other_converters_alone(class_directory):
    config = settings.load(class_directory).config
    other = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
    GradedByCourse(parent=other)
    assert "convert_notebooks" not in vars(other)
