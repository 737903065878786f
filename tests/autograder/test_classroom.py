"""A class directory works with nbgrader's own commands, and with its page, as it is."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile

import nbformat
import pytest
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory

from autograder import build, classroom
from autograder.grading import gradebook, settings
from autograder.grading.engine import ExerciseGrade, Grade
from autograder.grading.rebuild import rebuild
from autograder.grading.writer import Writer
from autograder.paths import UsageError

CHAPTER = "ch01_doubling"
STUB = r"raise NotImplementedError(\"your code here\")"


@pytest.fixture
def class_dir(small_course, points, tmp_path):
    """A new class of the small course."""
    assert classroom.new_class(small_course, tmp_path / "class", points=points) == [
        CHAPTER,
        "playground",
    ]
    return tmp_path / "class"


def environment():
    scripts = sysconfig.get_path("scripts")
    return {**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])}


def nbgrader(directory, *arguments, status=0):
    """Run a stock nbgrader command in a class directory; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done


def test_an_assignment_of_ones_own_graded_nbgraders_way(class_dir):
    """From release to feedback: the small course has no exercise that the course knows."""
    nbgrader(class_dir, "generate_assignment", CHAPTER)
    released = class_dir / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    text = released.read_text(encoding="utf-8")
    assert STUB in text
    assert "HIDDEN" not in text

    for student, answer in (("ada", "return 2 * n"), ("bob", "return abs(2 * n)"), ("eve", STUB)):
        handed_in = class_dir / "submitted" / student / CHAPTER / f"{CHAPTER}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(text.replace(STUB, answer), encoding="utf-8")
    refused = nbgrader(class_dir, "autograde", CHAPTER, status=1)
    assert "no exercise is called 'double'" in refused.stderr
    option = re.search(r"nbgrader autograde ch01_doubling (--\S+)", refused.stderr)[1]
    assert not list((class_dir / "autograded").iterdir())
    nbgrader(class_dir, "autograde", CHAPTER, option)
    nbgrader(class_dir, "generate_feedback", CHAPTER, "--student", "bob")
    nbgrader(class_dir, "export")

    with (class_dir / "grades.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == CHAPTER]
    scores = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    assert scores == {"ada": (3, 3), "bob": (0, 3), "eve": (0, 3)}
    page = (class_dir / "feedback" / "bob" / CHAPTER / f"{CHAPTER}.html").read_text("utf-8")
    assert "AssertionError" in page


def test_validate_and_the_exchange(class_dir):
    source = f"source/{CHAPTER}/{CHAPTER}.ipynb"
    assert "Success" in nbgrader(class_dir, "validate", source).stdout
    nbgrader(class_dir, "generate_assignment", "playground")
    nbgrader(class_dir, "release_assignment", "playground")
    nbgrader(class_dir, "list")
    handed_out = class_dir / "exchange/class/outbound/playground/playground.ipynb"
    # Whoever has an account on the machine can read it, and nothing that students may not.
    for place in (handed_out, *handed_out.parents[:5]):
        assert place.stat().st_mode & 0o004, place
    for name in ("source", "submitted", "autograded", "feedback", "grading", "gradebook.db"):
        assert (class_dir / name).stat().st_mode & 0o077 == 0, name


def test_the_course_itself_is_an_nbgrader_course(small_course, points):
    built = build.generate(small_course, points)
    build.build(small_course, points)
    nbgrader(small_course, "generate_assignment", CHAPTER, "--force")
    stock = nbformat.read(small_course / f"notebooks/{CHAPTER}/{CHAPTER}.ipynb", as_version=4)
    del stock.metadata["jupytext"]
    ours = nbformat.reads(built[f"notebooks/{CHAPTER}/{CHAPTER}.ipynb"].decode(), as_version=4)
    assert stock == ours


def test_formgrader_lists_assignments_and_shows_what_was_graded(class_dir):
    submission = graded_submission(class_dir)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            "--IdentityProvider.token=test",
        ],
        cwd=class_dir, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        formgrader = f"http://127.0.0.1:{port}/formgrader"
        body = fetch(f"{formgrader}/api/assignments?token=test", server)
        page = fetch(f"{formgrader}/submissions/{submission}/?token=test", server).decode()
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert [row["name"] for row in json.loads(body)] == [CHAPTER, "playground"]
    assert '<input class="score tabbable" id="test_double"' in page
    assert "<b>a card</b>" in page
    assert "return n + n" in re.sub("<[^>]*>", "", page)


def graded_submission(class_dir):
    """Enter a grade as `course grade` does; the id by which the formgrader knows its notebook."""
    config = settings.load(class_dir).config
    course = CourseDirectory(config=config, assignment_id=CHAPTER)
    GenerateAssignment(coursedir=course, config=config).start()
    source = json.loads((class_dir / "source" / CHAPTER / f"{CHAPTER}.ipynb").read_text("utf-8"))
    one = ExerciseGrade(
        "double", "test_double", "partial", 0.5, 3.0, 1.5, (), None, "", "<b>a card</b>", "a card"
    )
    answers = {"double": "def double(n):\n    return n + n"}
    notebook = json.dumps(rebuild(source, answers, [one]))
    grade = Grade("ada", CHAPTER, 0, "none", (), "", "", None, (), (one,), notebook)
    with gradebook.entering(course, None) as (enter, opened):
        Writer(class_dir, CHAPTER, enter).write(grade, None)
        return opened.find_submission_notebook(CHAPTER, CHAPTER, "ada").id


def fetch(url, server):
    """The page at `url`, once the server answers; fails when the server ends."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.read()
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise AssertionError("the server has ended")


def test_class_has_what_lies_beside_a_source_and_no_pairing(small_course, points, tmp_path):
    (small_course / f"solutions/{CHAPTER}/two.svg").write_text("<svg/>")
    classroom.new_class(small_course, tmp_path / "deep/class", "CNN 101", points)
    source = tmp_path / "deep/class/source" / CHAPTER
    assert sorted(path.name for path in source.iterdir()) == [f"{CHAPTER}.ipynb", "two.svg"]
    assert "jupytext" not in (source / f"{CHAPTER}.ipynb").read_text(encoding="utf-8")
    configuration = (tmp_path / "deep/class/nbgrader_config.py").read_text(encoding="utf-8")
    assert 'course_id = "CNN 101"' in configuration
    assert str(tmp_path) not in configuration


def test_a_secret_number_is_drawn(class_dir, tmp_path):
    assert (class_dir / "grading/seed").stat().st_mode & 0o777 == 0o600
    classroom.draw_seed(tmp_path / "other/grading/seed")
    assert settings.seed_of(class_dir) != settings.seed_of(tmp_path / "other")


def test_downloads_become_submissions(class_dir):
    archive = class_dir / "downloaded" / CHAPTER / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "submissions.zip", "w") as canvas:
        canvas.writestr(f"lovelaceada_LATE_4711_88123_{CHAPTER}.ipynb", "ada")
        canvas.writestr("babbagecharles_4712_88124_final.ipynb", "charles")
    nbgrader(class_dir, "zip_collect", CHAPTER)
    found = {
        str(path.relative_to(class_dir / "submitted")): path.read_text()
        for path in (class_dir / "submitted").rglob("*.ipynb")
    }
    assert found == {
        f"4711/{CHAPTER}/{CHAPTER}.ipynb": "ada",
        f"4712/{CHAPTER}/final.ipynb": "charles",
    }


@pytest.mark.parametrize(
    ("place", "course_id", "message"),
    [
        ("full", None, "is not empty: name a new directory"),
        ("file", None, "is a file: name a directory"),
        ("course/class", None, "lies in the course's own files"),
        ("course", None, "lies in the course's own files"),
        ("class", 'a"b', r'course id \(=a"b\) must be letters'),
        ("class", "", r"course id \(=\) must be letters"),
    ],
)
def test_refused(small_course, points, tmp_path, place, course_id, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=message):
        classroom.new_class(small_course, tmp_path / place, course_id, points)
    assert sorted(tmp_path.rglob("*")) == before


def test_course_without_chapters(small_course, points, tmp_path):
    shutil.rmtree(small_course / "solutions")
    (small_course / "solutions").mkdir()
    with pytest.raises(Exception, match="holds no chapter"):
        classroom.new_class(small_course, tmp_path / "class", None, points)
