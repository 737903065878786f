"""A row of the table: a submission, and what is declared about it."""

from __future__ import annotations

import copy
import json
import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autograder import exercises
from autograder.grading import engine
from autograder.grading.engine import Grade, Task

SEED = 3_141_592_653  # of every grade here; a submission that finds it was told too much
HASTY = 0.5  # seconds for each exercise of whoever never ends
# Seconds: what is left behind sleeps so long, and is known by it; other tests run at the same time.
NAP = f"31415.{os.getpid()}"
PASS = "pass"

Notebook = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A submission and its declared verdicts.

    `cells` replaces the text of solution cells; the others hold the honest answers. `change` does
    something to the notebook's JSON, or returns the bytes that are handed in instead. `directory`
    does something to the student's directory in a class. `verdicts` names what is not "pass", with
    ``|`` between alternatives, `earned` the points of what is neither all nor nothing; `says` and
    `notes` are pieces of what the instructor reads, `problem` of why nothing could be judged.

    `unsaid` are pieces that no card may hold.

    A row that is not `harmless` runs in a sandbox only; one that is `bare` shows without a sandbox,
    on purpose, that its attack works there. `after` names the row that is graded just
    before, in the same process; `timeout` replaces the seconds that each exercise has.
    """

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    earned: Mapping[str, float] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""
    change: Callable[[Notebook], bytes | None] | None = None
    directory: Callable[[Path], None] | None = None
    harmless: bool = False
    bare: bool = False
    unsaid: tuple[str, ...] = ()
    after: str = ""
    timeout: float = 20.0
    chapter: str = "walls"

    def __str__(self) -> str:
        return self.name

    def declared(self, verdict: str) -> Row:
        """The same with another verdict on every exercise that it names."""
        return replace(self, verdicts=dict.fromkeys(self.verdicts, verdict))

    def declared_all(self, verdict: str) -> Row:
        """The same with one verdict for every exercise of its chapter."""
        return replace(self, verdicts=dict.fromkeys(CHAPTERS[self.chapter], verdict))

    def notebook(self, places: Mapping[str, str]) -> bytes:
        """What the student hands in; `places` are put where a source says ``@NAME@``."""
        content = submission(self.chapter, {**HONEST, **self.cells})
        for cell in content["cells"]:
            for name, place in places.items():
                cell["source"] = cell["source"].replace(f"@{name}@", place)
        changed = self.change(content) if self.change is not None else None
        return json.dumps(content, indent=1).encode() if changed is None else changed


# ── the course: chapters of exercises that are the course's own ─────────────────────────────

HONEST = {
    "output_size": '''\
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    """How many windows fit."""
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError(f"illegal: {n}, {kernel}, {stride}, {padding}, {dilation}")
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError("no window fits")
    return room // stride + 1
''',
    "zero_pad": """\
def zero_pad(image, padding):
    high, wide = (padding, padding) if np.isscalar(padding) else padding
    height, width = image.shape
    padded = np.zeros((height + 2 * high, width + 2 * wide), image.dtype)
    padded[high : high + height, wide : wide + width] = image
    return padded
""",
    "conv2d_single": """\
def conv2d_single(image, kernel, stride=1, padding=0, dilation=1):
    (sh, sw), (ph, pw), (dh, dw) = (
        (pair, pair) if np.isscalar(pair) else pair for pair in (stride, padding, dilation)
    )
    image = np.pad(image, ((ph, ph), (pw, pw)))
    high, wide = (dh * (kernel.shape[0] - 1) + 1, dw * (kernel.shape[1] - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(image, (high, wide))
    return (windows[::sh, ::sw, ::dh, ::dw] * kernel).sum((2, 3))
""",
    "conv2d_vectorised": """\
def conv2d_vectorised(image, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("rcij,ij->rc", windows, kernel)
""",
    "quiz_02": f"answers = {exercises.get('quiz_02').answers(1)!r}  # type: ignore\n",
    "digit_classifier": """\
def digit_classifier(images=None, labels=None):
    rows = images.reshape(len(images), -1)

    def predict(queries):
        flat = queries.reshape(len(queries), -1)
        distance = (rows**2).sum(1) - 2 * flat @ rows.T
        return labels[distance.argmin(1)]

    return predict
""",
}
CHAPTERS = {
    "walls": ("output_size", "zero_pad", "quiz_02"),
    "convolutions": ("conv2d_single", "conv2d_vectorised"),
    "digits": ("digit_classifier",),
}
POINTS = {
    "output_size": 6.0,
    "zero_pad": 2.0,
    "conv2d_single": 7.0,
    "conv2d_vectorised": 3.0,
    "quiz_02": float(exercises.get("quiz_02").points),
    "digit_classifier": 5.0,
}
SETUP = (
    "import numpy as np\n\nfrom autograder.check import check\nfrom course_lib import geometry, ops"
)


def _cell(
    grade_id: str, source: str, *, grade: bool = False, solution: bool = False, points: float = 0.0
) -> dict[str, Any]:
    grading: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if grade:
        grading["points"] = points
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": grade_id.replace("_", "-"),
        "metadata": {"nbgrader": grading},
        "outputs": [],
        "source": source,
    }


def _notebook(cells: list[dict[str, Any]]) -> Notebook:
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def submission(chapter: str, sources: Mapping[str, str]) -> Notebook:
    """A learner's notebook of a chapter."""
    cells = [_cell("setup", SETUP)]
    for name in CHAPTERS[chapter]:
        points = POINTS[name]
        test = "check(answers)" if name.startswith("quiz") else f"check({name})"
        cells.append(_cell(name, sources[name], solution=True))
        cells.append(_cell(f"test_{name}", test, grade=True, points=points))
    cells.insert(
        2,
        {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": "How many *windows*?"},
    )
    return _notebook(cells)


def instructors(chapter: str) -> Notebook:
    """The class's own notebook of a chapter: with solutions and hidden tests."""
    content = copy.deepcopy(submission(chapter, HONEST))
    for cell in content["cells"]:
        grading = cell["metadata"].get("nbgrader", {})
        if grading.get("solution"):
            text = textwrap.indent(cell["source"].rstrip("\n"), "    ")
            start = "if True:\n    ### BEGIN SOLUTION\n"
            cell["source"] = f"{start}{text}\n    ### END SOLUTION"
        elif grading.get("grade"):
            hidden = cell["source"].replace(")", ", hidden=True)")
            cell["source"] += f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return content


# ── ways to write a submission ──────────────────────────────────────────────────────────────────


def body(text: str) -> str:
    """The indented body of a function."""
    return textwrap.indent(textwrap.dedent(text).strip("\n"), "    ") + "\n"


def size(text: str) -> dict[str, str]:
    """An answer to `output_size`: the body of the function."""
    return {"output_size": f"def output_size(n, kernel, *rest, **named):\n{body(text)}"}


def pad(text: str) -> dict[str, str]:
    """An answer to `zero_pad`: the body of the function."""
    return {"zero_pad": f"def zero_pad(image, padding):\n{body(text)}"}


def first(text: str) -> dict[str, str]:
    """Something before the honest answer to `output_size`."""
    return {"output_size": f"{textwrap.dedent(text)}\n{HONEST['output_size']}"}


def last(text: str) -> dict[str, str]:
    """Something after the honest answer to `output_size`."""
    return {"output_size": f"{HONEST['output_size']}\n{textwrap.dedent(text)}"}


def attempt(text: str, exercise: str = "output_size", *, when: str = "cell") -> dict[str, str]:
    """An attack that says whether it worked.

    `text` is the body of a function that returns something true where the attack succeeds. The
    answer is right as long as it does not; what it returned is in the error's message. It runs
    with the cell, or `when` the answer is called.
    """
    call = "attacked = attack_quietly()\n" if when == "cell" else "attacked = None\n"
    again = "" if when == "cell" else "attacked = attacked or attack_quietly()\n"
    return {
        exercise: f"""\
import gc, os, re, socket, sys
sign = re.compile("canary" + "-[0-9a-f]{{32}}")

def attack():
{body(text)}
def attack_quietly():
    try:
        return attack()
    except BaseException:
        return None

{call}
{HONEST[exercise]}
honest = {exercise}

def {exercise}(*args, **named):
    global attacked
{body(again)}    if attacked:
        raise RuntimeError("the attack worked: " + repr(attacked)[:300])
    return honest(*args, **named)
"""
    }


def blank(*names: str, verdict: str, chapter: str = "walls") -> dict[str, str]:
    """The same verdict for the exercises named, or for all of a chapter."""
    return dict.fromkeys(names or CHAPTERS[chapter], verdict)


# ── a class ─────────────────────────────────────────────────────────────────────────────────────


def written(notebook: Notebook) -> str:
    """A notebook as the text that chapters are written in."""
    parts = [
        "# ---\n# jupyter:\n#   jupytext:\n#     formats: ipynb,py:percent\n#   kernelspec:\n"
        "#     display_name: Python 3 (ipykernel)\n#     language: python\n#     name: python3\n"
        "# ---\n"
    ]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(f"# %% [markdown]\n# {cell['source']}\n")
        else:
            grading = json.dumps(cell["metadata"]["nbgrader"])
            parts.append(f"# %% nbgrader={grading}\n{cell['source']}\n")
    return "\n".join(parts)


def hurried(task: Task) -> Grade:
    """Grade as always; whoever is called hasty has half a second for each exercise."""
    return engine.grade(replace(task, timeout=HASTY if "hasty" in task.student else 20.0))
