"""A class as `course class new` makes it: of two exercises and an answer that people mark."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory

from autograder import classroom
from autograder.grading import settings
from autograder.paths import put_scripts_on_path

PROJECT = Path(__file__).resolve().parents[3]
CHAPTER = "ch02_output_size"
KEPT = ("setup", "output_size", "test_output_size", "same_padding", "test_same_padding")
WHY = """
# %% [markdown] nbgrader={"grade": true, "grade_id": "why", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# Because the window slides.
"""  # noqa: E501


@pytest.fixture(scope="module")
def fake() -> Iterator[ModuleType]:
    """The module with the fake judge, which workers import by its name."""
    here = str(Path(__file__).parent)
    sys.path.insert(0, here)
    yield importlib.import_module("fake_class")
    sys.path.remove(here)


def small_chapter() -> str:
    """Chapter 02 with two of its exercises, and one that people mark."""
    source = (PROJECT / f"solutions/{CHAPTER}/{CHAPTER}.py").read_text(encoding="utf-8")
    header, *cells = re.split(r"^(?=# %%)", source, flags=re.MULTILINE)
    kept = [cell for cell in cells if any(f'"grade_id": "{id}"' in cell for id in KEPT)]
    assert len(kept) == len(KEPT)
    return header + "# %% [markdown]\n# # Sizes\n\n" + "".join(kept) + WHY


@pytest.fixture(scope="session")
def released_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class directory in which the chapter was generated; look, do not touch."""
    put_scripts_on_path()
    root = tmp_path_factory.mktemp("small")
    (root / "course/solutions" / CHAPTER).mkdir(parents=True)
    place = root / "course/solutions" / CHAPTER / f"{CHAPTER}.py"
    place.write_text(small_chapter(), encoding="utf-8")
    classroom.new_class(root / "course", root / "class")
    generate(root / "class")
    return root / "class"


def generate(directory: Path) -> None:
    """`nbgrader generate_assignment`, in this process."""
    config = settings.load(directory).config
    course = CourseDirectory(config=config, assignment_id=CHAPTER)
    GenerateAssignment(coursedir=course, config=config).start()


@pytest.fixture
def class_directory(released_class: Path, tmp_path: Path) -> Path:
    """A copy of that class, for one test."""
    return Path(shutil.copytree(released_class, tmp_path / "class"))


@pytest.fixture
def hand_in(class_directory: Path):
    """Hand in the released notebook, with answers in the cells named: ``output_size="…"``."""
    return partial(submit, class_directory)


def submit(directory: Path, student: str, name: str = CHAPTER, **answers: str) -> Path:
    """Put a submission into a class; its path. ``solved=True`` begins from our own solutions."""
    solved = answers.pop("solved", False)
    released = json.loads((directory / "release" / CHAPTER / f"{CHAPTER}.ipynb").read_text("utf-8"))
    ours = json.loads((directory / "source" / CHAPTER / f"{CHAPTER}.ipynb").read_text("utf-8"))
    for cell, own in zip(released["cells"], ours["cells"], strict=True):
        grading = cell["metadata"].get("nbgrader", {})
        if grading.get("solution"):
            text = own["source"] if solved else cell["source"]
            cell["source"] = answers.get(grading["grade_id"], text)
    path = directory / "submitted" / student / CHAPTER / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(released), encoding="utf-8")
    return path


@pytest.fixture(scope="session", name="submit")
def _submit():
    """`submit`, for a class of one's own."""
    return submit
