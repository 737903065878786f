"""What is taken over from a notebook is what the released notebook has a place for."""

import json
from pathlib import Path
from typing import Any

import pytest

from autograder import build
from autograder.transplant import (
    Chapter,
    Submission,
    UnreadableError,
    chapters,
    grading_of,
    read_bytes,
    read_chapter,
    text_of,
    transplant,
)


def submission(*left: str) -> Submission:
    return Submission(Chapter("ch99", ()), {}, (), left)


@pytest.mark.parametrize(
    ("source", "defined"),
    [
        ("def helper(x):\n    return x", True),
        ("async def helper(x): ...", True),
        ("class helper:\n    pass", True),
        ("x = 1\nhelper = lambda x: x", True),
        ("    helper: int = 3", True),
        ("import numpy as helper", True),
        ("from package import other, helper", True),
        ("import helper", True),
        ("helper(3)", False),
        ("helper == 3", False),
        ("# def helper", False),
        ("def helpers(x): ...", False),
        ("import other  # helper", False),
        ("print('helper = 3')", False),
    ],
)
def test_definitions_are_seen_in_cells_that_do_not_run(source: str, defined: bool) -> None:
    assert submission("x = 1", source).defines("helper") == defined


@pytest.fixture
def built(small_course: Path, points: Any) -> Path:
    """The small course with the notebooks that nbgrader makes of it."""
    build.build(small_course, points)
    return small_course


def test_chapters_are_those_that_give_marks(built: Path) -> None:
    (chapter,) = chapters(built)
    assert chapter.name == "ch01_doubling"
    assert [(cell.role, cell.id) for cell in chapter.cells] == [
        ("setup", "setup"),
        ("solution", "double"),
        ("test", "test_double"),
    ]
    assert chapter.cells[-1].exercise == "double"


def test_a_released_cell_is_known_as_nbgrader_makes_it(built: Path) -> None:
    (chapter,) = chapters(built)
    text = (built / "notebooks/ch01_doubling/ch01_doubling.ipynb").read_text(encoding="utf-8")
    released = {}
    for cell in json.loads(text)["cells"]:
        grading = grading_of(cell)
        if grading is not None:
            released[grading["grade_id"]] = text_of(cell).strip()
    assert {cell.id: cell.released.strip() for cell in chapter.cells} == released


def test_a_released_notebook_is_taken_over_without_remark(built: Path) -> None:
    known = chapters(built)
    text = (built / "notebooks/ch01_doubling/ch01_doubling.ipynb").read_text(encoding="utf-8")
    taken = transplant(json.loads(text)["cells"], known)
    assert taken.notes == ()
    assert list(taken.sources) == ["double"]
    assert "BEGIN SOLUTION" not in taken.sources["double"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ({"source": "a\nb"}, "a\nb"),
        ({"source": ["a\n", "b"]}, "a\nb"),
        ({"source": ["a", None, 3]}, "a"),
        ({"source": 3}, ""),
        ({}, ""),
    ],
)
def test_sources_are_read_in_either_form(cell: dict[str, Any], text: str) -> None:
    assert text_of(cell) == text


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (2**20 + 1))
    assert len(read_bytes(path, 2**20 + 1)) == 2**20 + 1
    with pytest.raises(UnreadableError, match="more than 1 MB"):
        read_bytes(path, 2**20)


# ── answers that a person marks ─────────────────────────────────────────────────────────────────


def marked(kind: str, source: str, grade_id: str, **grading: Any) -> dict[str, Any]:
    flags = {"grade": False, "solution": False, "locked": False, "schema_version": 3, **grading}
    return {
        "cell_type": kind,
        "source": source,
        "metadata": {"nbgrader": {"grade_id": grade_id, **flags}},
    }


SOLVED = "### BEGIN SOLUTION\n1\n### END SOLUTION"
BY_HAND = {
    "cells": [
        marked("markdown", "Read this.", "intro", locked=True),
        marked("markdown", "Because.", "why", grade=True, solution=True, points=2),
        marked("code", SOLVED, "sketch", grade=True, solution=True),
        marked("code", SOLVED, "double", solution=True),
        marked("code", "check(double)", "test_double", grade=True, locked=True, points=1),
        marked("markdown", "Plot it.", "plot", task=True, locked=True, points=1),
    ]
}


def test_written_answers_are_taken_over() -> None:
    chapter = read_chapter("ch99", BY_HAND)
    roles = [cell.role for cell in chapter.cells]
    assert roles == ["text", "written", "solution", "solution", "test", "text"]
    answered = json.loads(json.dumps(BY_HAND))["cells"]
    answered[0]["source"], answered[1]["source"] = "Read that.", "It slides."
    found = transplant(answered, [chapter])
    assert set(found.sources) == {"why", "sketch", "double"}
    assert found.sources["why"] == "It slides."
    assert found.notes == ()


def test_a_copied_answer_that_nobody_wrote_in() -> None:
    chapter = read_chapter("ch99", BY_HAND)
    answered = json.loads(json.dumps(BY_HAND))["cells"]
    answered[1]["source"] = "It slides."
    answered.insert(2, marked("markdown", "YOUR ANSWER HERE", "why", grade=True, solution=True))
    found = transplant(answered, [chapter])
    assert found.sources["why"] == "It slides."
    assert found.notes == ("the cell 'why' is there twice: the last one that you wrote in counts",)
