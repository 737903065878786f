"""Every chapter, as a learner gets it and as we solve it, through stock nbgrader.

Each notebook is executed once in either state by ``nbgrader autograde``: whatever a chapter asserts
about its own numbers is tested on the way. The graded cells of the solved one then run once more,
by ``nbgrader validate``.
"""

import copy
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import classroom, exercises

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


def grade_id(cell: nbformat.NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def solved(released: nbformat.NotebookNode, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The released notebook with our solutions in its solution cells."""
    ours = {
        grade_id(c): c.source
        for c in source.cells
        if c.metadata.get("nbgrader", {}).get("solution")
    }
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        if grade_id(cell) in ours:
            cell.source = ours[grade_id(cell)]
    return notebook


def hand_in(directory: Path, student: str, chapter: str, notebook: nbformat.NotebookNode) -> Path:
    path = directory / "submitted" / student / chapter / f"{chapter}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return path


def shown(notebook: nbformat.NotebookNode, name: str) -> str:
    """All that the cell called `name` put out, as text."""
    (cell,) = (cell for cell in notebook.cells if grade_id(cell) == name)
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        texts += [output.get("text", ""), output.get("evalue", "")]
        texts += [str(data.get(kind, "")) for kind in ("text/plain", "text/html")]
    return "\n".join(texts)


def test_the_chapters_are_those_that_we_know() -> None:
    assert set(GRADED) <= set(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_released_it_scores_zero_and_solved_it_scores_all(chapter: str, tmp_path: Path) -> None:
    directory = tmp_path / "class"
    classroom.new_class(ROOT, directory)
    nbgrader(directory, "generate_assignment", chapter)
    released = nbformat.read(directory / "release" / chapter / f"{chapter}.ipynb", as_version=4)
    source = nbformat.read(directory / "source" / chapter / f"{chapter}.ipynb", as_version=4)
    assert "HIDDEN" not in str(released)
    hand_in(directory, "untouched", chapter, released)
    solution = hand_in(directory, "solved", chapter, solved(released, source))

    nbgrader(directory, "autograde", chapter)
    tests = [
        cell for cell in source.cells if cell.metadata.get("nbgrader", {}).get("grade") is True
    ]
    assert bool(tests) == (chapter not in UNGRADED)
    worth = sum(float(cell.metadata.nbgrader.points) for cell in tests)
    with Gradebook(f"sqlite:///{directory}/gradebook.db") as gradebook:
        for student, score in (("untouched", 0.0), ("solved", worth)):
            submission = gradebook.find_submission(chapter, student)
            assert (submission.score, submission.max_score) == (score, worth)
            assert not submission.needs_manual_grade

    def graded(student: str) -> nbformat.NotebookNode:
        path = directory / "autograded" / student / chapter / f"{chapter}.ipynb"
        return nbformat.read(path, as_version=4)

    untouched, right = graded("untouched"), graded("solved")
    for cell in tests:
        exercise = exercises.get(grade_id(cell).removeprefix("test_"))
        assert "not attempted yet" in shown(untouched, grade_id(cell))
        assert f"{exercise.points:g} of {exercise.points:g} points" in shown(right, grade_id(cell))
    # Nothing but unwritten code stops a released notebook, nothing at all a solved one.
    for notebook, allowed in ((untouched, {"NoPoints", "NotImplementedError"}), (right, set())):
        errors = {
            output.ename
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        }
        assert errors <= allowed
        assert not any(
            output.get("name") == "stderr"
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )

    nbgrader(directory, "generate_feedback", chapter)
    for student in ("untouched", "solved"):
        page = directory / "feedback" / student / chapter / f"{chapter}.html"
        assert ("points" in page.read_text(encoding="utf-8")) >= bool(tests)
    # Demonstrations have run above. What is graded needs none of them: set-up and solutions do.
    marked = nbformat.read(solution, as_version=4)
    marked.cells = [cell for cell in marked.cells if grade_id(cell)]
    nbformat.write(marked, solution)
    assert "Success" in nbgrader(directory, "validate", str(solution))
