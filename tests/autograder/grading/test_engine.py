"""One submission becomes marks, and its card says no more than the class allows."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import exercises
from autograder.grading import engine
from autograder.grading.engine import Grade, Task, grade
from autograder.paths import CourseError
from autograder.sandbox.worker import Worker, WorkerError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox exists on Linux only")
CHAPTER = "ch02_output_size"
SOURCE = Path(f"solutions/{CHAPTER}/{CHAPTER}.ipynb").read_bytes()
RELEASED = Path(f"notebooks/{CHAPTER}/{CHAPTER}.ipynb").read_bytes()
# It tells whatever it can of what it is given.
SPY = """\
seen = []
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    seen.append(f"I was told {n}".replace("told", "given"))
    print(seen[-1])
    raise ValueError(seen[-1])
"""
TELLS_LATER = """\
if "seen" in globals():
    globals()["given_" + str(len(seen))] = 1
    raise ValueError("".join(seen) or "nothing yet")
"""


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    engine.close()


def submission(**cells: str) -> bytes:
    """The released notebook with some solution cells written."""
    notebook = json.loads(RELEASED)
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in cells:
            cell["source"] = cells.pop(name)
    assert not cells
    return json.dumps(notebook).encode()


def graded(notebook: bytes | None, **more: Any) -> Grade:
    return grade(Task("student01", CHAPTER, SOURCE, notebook, seed=7, **more))


def texts(found: Grade) -> str:
    """All that a learner may read."""
    cards = "".join(e.card_html + e.card_text for e in found.exercises)
    outputs = [cell.get("outputs") for cell in json.loads(found.notebook)["cells"]]
    return cards + json.dumps(outputs)


def test_the_solution_gets_full_marks_and_the_released_notebook_none() -> None:
    solved = graded(SOURCE)
    assert (solved.earned, solved.points, solved.sandbox) == (44.0, 44.0, "bubblewrap")
    assert {e.verdict for e in solved.exercises} == {"pass"}
    untouched = graded(RELEASED)
    assert (untouched.earned, untouched.points) == (0.0, 44.0)
    assert {e.verdict for e in untouched.exercises} == {"not_attempted"}
    assert Grade.from_json(json.loads(json.dumps(untouched.to_json()))) == untouched


def test_a_grade_is_the_same_again() -> None:
    def fixed(found: Grade) -> Grade:
        return replace(found, seconds={})

    notebook = submission(output_size="def output_size(n, kernel, **k):\n    return n - kernel\n")
    assert fixed(graded(notebook)) == fixed(graded(notebook))


def test_unseen_cases_stay_unseen() -> None:
    notebook = submission(output_size=SPY, zero_pad=TELLS_LATER, conv2d_single="x = seen[0]\n")
    found = graded(notebook)
    assert found.exercises[0].verdict == "error"
    said = texts(found)
    assert "I was given" not in said
    assert "given_" not in said
    assert "raises ValueError in line 5: `raise ValueError(seen[-1])`" in said
    # A cell's own error is told, as it is in a process that was given nothing.
    assert "ValueError: nothing yet" in said
    assert "does not define conv2d_single" in said


def test_what_is_raised_is_named_only_where_the_name_tells_nothing() -> None:
    told = "class I_was_given_5(Exception): pass\ndef zero_pad(image, padding):\n    raise {}\n"
    for raised, said in (("I_was_given_5", "it raises an error in line 3"),
                         ("TypeError", "it raises TypeError in line 3")):  # fmt: skip
        found = graded(submission(zero_pad=told.format(raised)), only=("zero_pad",))
        assert said in found.exercises[0].card_text
    found = graded(submission(zero_pad="def zero_pad(*a):\n    exit()\n"), only=("zero_pad",))
    assert "your code calls exit()" in found.exercises[0].card_text


def test_a_class_may_show_the_smallest_failing_case() -> None:
    wrong = submission(
        zero_pad="import numpy as np\ndef zero_pad(image, padding):\n    return np.array(image)\n"
    )
    hidden, shown = (
        next(e for e in graded(wrong, reveal=reveal).exercises if e.exercise == "zero_pad")
        for reveal in (False, True)
    )
    assert "expected" in shown.card_text
    assert "expected" not in hidden.card_text
    assert "zero_pad(" not in hidden.card_text
    assert (hidden.verdict, hidden.earned, hidden.message) == (
        shown.verdict,
        shown.earned,
        shown.message,
    )


@pytest.mark.parametrize(
    ("notebook", "problem", "verdict"),
    [
        (b"", "empty", "error"),
        (b"not json", "not JSON", "error"),
        (b'{"cells": []}', "no cells", "error"),
        (b"[" * 100_000, "not JSON", "error"),
        (b"\xff\xfe{}", "UTF-8", "error"),
        (None, "the notebook is missing", "not_attempted"),
    ],
)
def test_what_is_no_notebook_has_no_marks_and_a_reason(
    notebook: bytes | None, problem: str, verdict: str
) -> None:
    given = problem if notebook is None else None
    found = graded(notebook, problem=given)
    assert problem in (found.problem or "")
    assert found.earned == 0
    assert len(found.exercises) == len(json.loads(SOURCE)["cells"]) - _others()
    assert {e.verdict for e in found.exercises} == {verdict}
    assert found.faults == ()


def _others() -> int:
    cells = json.loads(SOURCE)["cells"]
    return sum(not cell["metadata"].get("nbgrader", {}).get("grade") for cell in cells)


def test_only_the_exercises_asked_for_are_judged() -> None:
    found = graded(SOURCE, only=("zero_pad", "same_padding"))
    assert {e.exercise for e in found.exercises} == {"zero_pad", "same_padding"}
    assert all(e.verdict == "pass" for e in found.exercises)


def test_points_are_those_of_the_class() -> None:
    source = json.loads(SOURCE)
    for cell in source["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "test_zero_pad":
            cell["metadata"]["nbgrader"]["points"] = 10
    task = Task("student01", CHAPTER, json.dumps(source).encode(), SOURCE, seed=7)
    (zero_pad,) = grade(replace(task, only=("zero_pad",))).exercises
    assert (zero_pad.points, zero_pad.earned, zero_pad.score) == (10.0, 10.0, 1.0)
    assert "10 of 10 points" in zero_pad.card_text


def test_a_fault_of_ours_is_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise WorkerError("the child process did not start: no memory")

    monkeypatch.setattr(Worker, "run", broken)
    found = graded(SOURCE)
    assert {e.verdict for e in found.exercises} == {"grader_error"}
    assert len(found.faults) == len(found.exercises)
    assert "did not start" in found.exercises[0].message


def test_a_damaged_source_is_said() -> None:
    for source in (b"{", b"{}", b'{"cells": []}'):
        with pytest.raises(CourseError, match=CHAPTER):
            grade(Task("student01", CHAPTER, source, RELEASED))


def test_what_only_another_exercise_forbids_may_be_used() -> None:
    # zero_pad has to do without ops.pad2d, conv2d_single has not.
    pads = (
        "import numpy as np\n"
        "def conv2d_single(image, kernel, stride=1, padding=0, dilation=1):\n"
        "    pairs = (np.broadcast_to(v, 2) for v in (padding, stride, dilation))\n"
        "    (a, b), (s, t), (d, e) = pairs\n"
        "    padded = ops.pad2d(image, (int(a), int(b)))\n"
        "    span = [(k - 1) * f + 1 for k, f in zip(kernel.shape, (d, e))]\n"
        "    windows = np.lib.stride_tricks.sliding_window_view(padded, span)\n"
        "    windows = windows[::s, ::t, ::d, ::e]\n"
        "    return np.tensordot(windows, kernel, 2)\n"
    )
    itself = "def zero_pad(image, padding):\n    return ops.pad2d(image, padding)\n"
    found = graded(submission(conv2d_single=pads, zero_pad=itself))
    verdicts = {e.exercise: e.verdict for e in found.exercises}
    assert verdicts["conv2d_single"] == "pass"
    assert verdicts["zero_pad"] == "forbidden"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A chapter of one exercise for which a model is trained, twice."""
    from autograder.exercise import Aspect, Case, TrainedExercise

    images = np.arange(8.0).reshape(8, 1)
    exercise = TrainedExercise(
        name="classifier",
        chapter="02",
        signature="classifier(x, y)",
        aspects=(Aspect("right", 2),),
        # What is held back in the one case is there to learn from in the other.
        worked=tuple(
            Case("right", (images[a], a % 3), inputs=(images[b],), targets=b % 3)
            for a, b in ((np.arange(4), np.arange(4, 8)), (np.arange(4, 8), np.arange(4)))
        ),
        score=lambda predicted, truth: float((predicted == truth).mean()),
        thresholds={"right": 0.9},
        time_limit=10.0,
    )
    monkeypatch.setattr(exercises, "get", lambda name: exercise)
    monkeypatch.setattr(engine, "groups", lambda number: (("classifier",),))
    real = engine.make_view
    monkeypatch.setattr(engine, "make_view", lambda place, chapter, names: real(place, "02"))

    def metadata(role: str, name: str) -> dict[str, Any]:
        given = {"grade_id": name, "schema_version": 3, "locked": role != "solution", "task": False}
        points = {"points": 2} if role == "test" else {}
        return {"nbgrader": {**given, **points, "grade": role == "test",
                             "solution": role == "solution"}}  # fmt: skip

    def judge(source: str) -> Any:
        cells = [
            {"cell_type": "code", "source": text, "metadata": metadata(role, name), "outputs": [],
             "execution_count": None, "id": name}
            for role, name, text in (
                ("solution", "classifier", source),
                ("test", "test_classifier", "check(classifier)"),
            )
        ]  # fmt: skip
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        data = json.dumps(notebook).encode()
        return grade(Task("student01", "trained", data, data)).exercises[0]

    return judge


def test_what_one_training_set_tells_the_next_does_not_know(trained: Callable[[str], Any]) -> None:
    knows = "def classifier(x, y):\n    return lambda images: images[:, 0].astype(int) % 3\n"
    assert trained(knows).verdict == "pass"
    remembers = (
        "known = {}\n"
        "def classifier(x, y):\n"
        "    known.update(zip(x[:, 0].tolist(), y.tolist()))\n"
        "    import numpy as np\n"
        "    return lambda images: np.array([known.get(v, -1) for v in images[:, 0].tolist()])\n"
    )
    found = trained(remembers)
    assert (found.verdict, found.earned) == ("wrong", 0.0)
    assert "is 0.000 on data held back" in found.card_text
