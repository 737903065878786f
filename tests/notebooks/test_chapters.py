"""Every chapter, as a learner gets it and as we solve it.

Each notebook is executed once in either state, as stock nbgrader does it: whatever a chapter
asserts about its own numbers is tested on the way. Both are judged in the sandbox, too, where no
demonstration runs: what is graded needs none. One chapter goes the whole way through the commands
that an instructor types.
"""

import contextlib
import copy
import os
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from jupyter_core.application import NoStart
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderApp
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade

from autograder import classroom, exercises
from autograder.grading.engine import Task, grade

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.py"))
GRADED = (
    "00_start_here",
    "ch01_why_convolution",
    "ch02_output_size",
    "ch03_channels",
    "ch04_pooling",
    "ch05_receptive_field",
    "ch06_training_a_cnn",
    "ch07_architectures",
    "ch08_efficient_convolutions",
    "ch09_upsampling_and_segmentation",
    "ch10_vision_transformers",
    "ch11_transfer_learning",
)
UNGRADED = ("playground", "references")
TIMEOUT = 120  # seconds for a cell: the chapters train small networks


class Editions(NamedTuple):
    """A chapter's notebook in three forms: `source` is the instructor's, with our solutions."""

    source: NotebookNode
    released: NotebookNode
    untouched: NotebookNode
    """What nbgrader runs of a released notebook that comes back as it was: hidden tests are in."""


def grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def with_solutions_of(notebook: NotebookNode, other: NotebookNode) -> NotebookNode:
    """The notebook with the other's text in its solution cells."""
    theirs = {
        grade_id(c): c.source for c in other.cells if c.metadata.get("nbgrader", {}).get("solution")
    }
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if grade_id(cell) in theirs:
            cell.source = theirs[grade_id(cell)]
    return result


def graded_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade") is True]


def shown(cell: NotebookNode) -> str:
    """All that the cell put out, as text."""
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        texts += [output.get("text", ""), output.get("evalue", "")]
        texts += [str(data.get(kind, "")) for kind in ("text/plain", "text/html")]
    return "\n".join(texts)


def points(cell: NotebookNode) -> float:
    return exercises.get(grade_id(cell).removeprefix("test_")).points


def nbgrader_here(directory: Path, *arguments: str) -> None:
    """Run a stock nbgrader command in a class directory and in this process."""
    with contextlib.chdir(directory), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        app = NbGraderApp.instance()
        app.initialize(list(arguments))
        with contextlib.suppress(NoStart):  # a command within another says so when it is through
            app.start()
        NbGraderApp.clear_instance()


def nbgrader(directory: Path, *arguments: str) -> str:
    """Run a stock nbgrader command in a class directory; what it printed."""
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=directory,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def class_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("class")
    classroom.new_class(ROOT, directory)
    return directory


@pytest.fixture(scope="module")
def editions(class_directory: Path) -> Callable[[str], Editions]:
    """The editions of a chapter, as `course class new` and nbgrader make them."""

    @cache
    def made(chapter: str) -> Editions:
        nbgrader_here(class_directory, "generate_assignment", chapter)
        source, released = (
            nbformat.read(class_directory / kind / chapter / f"{chapter}.ipynb", as_version=4)
            for kind in ("source", "release")
        )
        return Editions(source, released, with_solutions_of(source, released))

    return made


def executed(notebook: NotebookNode, directory: Path) -> NotebookNode:
    """The notebook as nbgrader runs it, in a new directory of its own."""
    directory.mkdir()
    run, _ = Execute(timeout=TIMEOUT).preprocess(
        copy.deepcopy(notebook), {"metadata": {"path": str(directory)}}
    )
    return run


def errors(notebook: NotebookNode) -> set[str]:
    return {
        output.ename
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    }


def test_the_chapters_are_those_that_we_know() -> None:
    assert set(GRADED) <= set(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_it_runs_as_it_is_released_and_solved(
    chapter: str, editions: Callable[[str], Editions], tmp_path: Path
) -> None:
    source, released, untouched = editions(chapter)
    assert "HIDDEN" not in str(released)
    assert bool(graded_cells(source)) == (chapter not in UNGRADED)

    # Nothing but unwritten code stops a released notebook, nothing at all a solved one.
    started = executed(untouched, tmp_path / "untouched")
    # Where there is nothing to solve, the two are the same notebook.
    right = executed(source, tmp_path / "solved") if source != untouched else started
    for notebook, allowed in ((started, {"NoPoints", "NotImplementedError"}), (right, set())):
        assert errors(notebook) <= allowed
        assert not any(
            output.get("name") == "stderr"
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )
    for cell in graded_cells(started):
        assert "not attempted yet" in shown(cell)
        assert determine_grade(cell) == (0, points(cell))
    for cell in graded_cells(right):
        assert f"{points(cell):g} of {points(cell):g} points" in shown(cell)
        assert determine_grade(cell) == (points(cell), points(cell))


@pytest.mark.parametrize("chapter", GRADED)
def test_in_the_sandbox_released_it_scores_zero_and_solved_it_scores_all(
    chapter: str, editions: Callable[[str], Editions]
) -> None:
    source, released, _ = editions(chapter)

    def judged(notebook: NotebookNode) -> dict[str, tuple[str, float]]:
        text = nbformat.writes(notebook).encode()
        result = grade(Task("somebody", chapter, nbformat.writes(source).encode(), text))
        return {one.cell: (one.verdict, one.earned) for one in result.exercises}

    tests = graded_cells(source)
    assert judged(released) == {grade_id(cell): ("not_attempted", 0.0) for cell in tests}
    solved = with_solutions_of(released, source)
    assert judged(solved) == {grade_id(cell): ("pass", points(cell)) for cell in tests}


def test_the_commands_from_release_to_feedback(tmp_path: Path) -> None:
    chapter, directory = "00_start_here", tmp_path / "class"
    classroom.new_class(ROOT, directory)
    nbgrader(directory, "generate_assignment", chapter)
    source, released = (
        nbformat.read(directory / kind / chapter / f"{chapter}.ipynb", as_version=4)
        for kind in ("source", "release")
    )
    for student, notebook in (
        ("untouched", released),
        ("solved", with_solutions_of(released, source)),
    ):
        path = directory / "submitted" / student / chapter / f"{chapter}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    nbgrader(directory, "autograde", chapter)
    worth = sum(float(cell.metadata.nbgrader.points) for cell in graded_cells(source))
    with Gradebook(f"sqlite:///{directory}/gradebook.db") as gradebook:
        for student, score in (("untouched", 0.0), ("solved", worth)):
            submission = gradebook.find_submission(chapter, student)
            assert (submission.score, submission.max_score) == (score, worth)
            assert not submission.needs_manual_grade
    nbgrader(directory, "generate_feedback", chapter)
    for student in ("untouched", "solved"):
        page = directory / "feedback" / student / chapter / f"{chapter}.html"
        assert "points" in page.read_text(encoding="utf-8")
    # Demonstrations ran nowhere here, and what a learner may type needs none of them either.
    marked = nbformat.read(path, as_version=4)
    marked.cells = [cell for cell in marked.cells if grade_id(cell)]
    nbformat.write(marked, path)
    assert "Success" in nbgrader(directory, "validate", str(path))
