"""What several tests share: a course of two small chapters, one exercise of each kind."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    Exercise,
    FunctionExercise,
    Misconception,
    ModuleExercise,
    PropertyExercise,
    Question,
    QuestionExercise,
    TrainedExercise,
    choices,
)

PROJECT = Path(__file__).resolve().parents[2]

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""

DOUBLING = '''\
# %% [markdown]
# # Doubling
# Put a finger on 2 …

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

# %%
math.sqrt(2)


# %% nbgrader={"grade": false, "grade_id": "double", "locked": false, "schema_version": 3, "solution": true, "task": false}
def double(n):
    """Twice n."""
    ### BEGIN SOLUTION
    return 2 * n
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_double", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
assert double(2) == 4
### BEGIN HIDDEN TESTS
assert double(-1) == -2
### END HIDDEN TESTS

# %%
print("the end")
'''  # noqa: E501

PLAYGROUND = """\
# %% [markdown]
# # Playground

# %%
6 * 7
"""


@pytest.fixture
def small_course(tmp_path: Path) -> Path:
    """The root of a course with a graded chapter and a notebook that grades nothing."""
    root = tmp_path / "course"
    for chapter, source in (("ch01_doubling", DOUBLING), ("playground", PLAYGROUND)):
        directory = root / "solutions" / chapter
        directory.mkdir(parents=True)
        (directory / f"{chapter}.py").write_text(HEADER + source, encoding="utf-8")
    (root / "notebooks").mkdir()
    shutil.copy(PROJECT / "nbgrader_config.py", root)
    return root


@pytest.fixture
def points():
    """The points of the small course's exercises, by name."""
    return {"double": 3}.__getitem__


# ── one exercise of each kind ──────────────────────────────────────────────────


def moving_sum(x: np.ndarray, width: int, stride: int = 1) -> np.ndarray:
    if width > len(x):
        raise ValueError("no window fits")
    return np.array([x[i : i + width].sum() for i in range(0, len(x) - width + 1, stride)])


def moving_sum_cases(rng: np.random.Generator) -> Iterator[Case]:
    for length in (3, 4, 7, 9):
        x = rng.integers(-5, 6, length)
        yield Case("plain", (x, 2))
        yield Case("plain", (x.astype(float), 3))
        yield Case("stride", (x, 2, 2))
        yield Case("stride", (x, 1), {"stride": 2})
        yield Case("refuses", (x, length + 1), note="no window fits")


def changes_input(x: np.ndarray, width: int, stride: int = 1) -> np.ndarray:
    result = moving_sum(x, width, stride)
    x += 1
    return result


FUNCTION = FunctionExercise(
    name="moving_sum",
    chapter="99",
    signature="moving_sum(x, width, stride=1) -> array",
    aspects=(Aspect("plain", 2), Aspect("stride", 1), Aspect("refuses", 1, needs=("plain",))),
    worked=(Case("plain", (np.array([1, 2, 3]), 2)),),
    cases=moving_sum_cases,
    reference=moving_sum,
    alternatives={
        "cumulative": lambda x, width, stride=1: (
            np.convolve(x, np.ones(width, x.dtype), "valid")[::stride]
            if width <= len(x)
            else moving_sum(x, width)
        )
    },
    misconceptions=(
        Misconception(
            "mean", "Add, do not average.", lambda x, w, stride=1: moving_sum(x, w, stride) / w
        ),
        Misconception("no_stride", "The window jumps.", lambda x, w, stride=1: moving_sum(x, w)),
        Misconception("changes_input", "Work on a copy.", changes_input),
    ),
    forbidden=("scipy.ndimage.uniform_filter1d",),
    hints=("Look at one window.", "Slide it."),
)


def _two_layers(hidden: int, bias: bool = True) -> object:
    import torch

    return torch.nn.Sequential(
        torch.nn.Linear(3, hidden, bias=bias), torch.nn.ReLU(), torch.nn.Linear(hidden, 2)
    )


def _without_relu(hidden: int) -> object:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Linear(hidden, 2))


def _module_cases(rng: np.random.Generator) -> Iterator[Case]:
    for hidden in (2, 5):
        x = rng.standard_normal((4, 3)).astype(np.float32)
        yield Case("parameters", (hidden,), measure="parameters")
        yield Case("output", (hidden,), inputs=(x,))


MODULE = ModuleExercise(
    name="TwoLayers",
    chapter="99",
    signature="TwoLayers(hidden)",
    aspects=(Aspect("parameters", 1), Aspect("output", 1)),
    cases=_module_cases,
    reference=_two_layers,
    misconceptions=(
        Misconception("no_relu", "Put a ReLU between.", _without_relu),
        Misconception("no_bias", "Keep the bias.", lambda hidden: _two_layers(hidden, bias=False)),
    ),
)


def _blobs(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, 2, n)
    return rng.normal(labels[:, None] * 4.0, 1.0, (n, 2)).astype(np.float32), labels


def _nearest_mean(x: np.ndarray, y: np.ndarray) -> object:
    means = np.stack([x[y == label].mean(0) for label in (0, 1)])
    return lambda q: np.argmin(((q[:, None] - means) ** 2).sum(-1), axis=1)


def _trained_cases(rng: np.random.Generator) -> Iterator[Case]:
    for _ in range(3):
        x, y = _blobs(rng, 40)
        held_back, truth = _blobs(rng, 100)
        yield Case("", (x, y), inputs=(held_back,), targets=truth)


TRAINED = TrainedExercise(
    name="classifier",
    chapter="99",
    signature="classifier(x, y) -> predictor",
    aspects=(Aspect("better than chance", 1), Aspect("good", 2)),
    thresholds={"better than chance": 0.7, "good": 0.95},
    score=lambda outputs, targets: float(np.mean(outputs == targets)),
    cases=_trained_cases,
    alternatives={"nearest mean": _nearest_mean},
    misconceptions=(
        Misconception(
            "constant",
            "Your predictor says the same whatever it sees.",
            lambda x, y: lambda q: np.zeros(len(q), int),
            recognise=lambda values: all(len(np.unique(value)) == 1 for value in values),
        ),
    ),
)


def _adds_up(answer: object, case: Case) -> str | None:
    if not isinstance(answer, np.ndarray) or answer.shape != (case.args[0],):
        return f"an array of shape ({case.args[0]},) is expected"
    return None if abs(answer.sum() - 1) < 1e-9 else f"the weights add up to {answer.sum():g}"


def _positive(answer: object, case: Case) -> str | None:
    return None if isinstance(answer, np.ndarray) and (answer > 0).all() else "a weight is not > 0"


PROPERTY = PropertyExercise(
    name="weights",
    chapter="99",
    signature="weights(n) -> array",
    aspects=(Aspect("adds up to 1", 1), Aspect("positive", 1)),
    conditions={"adds up to 1": _adds_up, "positive": _positive},
    worked=tuple(Case(name, (n,)) for n in (2, 5) for name in ("adds up to 1", "positive")),
    example=lambda n: np.full(n, 1 / n),
    misconceptions=(
        Misconception(
            "counts",
            "Divide by how many there are.",
            lambda n: np.ones(n),
            recognise=lambda values: all((value == 1).all() for value in values),
        ),
    ),
)


def _ask_product(rng: np.random.Generator) -> Asked:
    a, b = (int(n) for n in rng.integers(3, 9, 2))
    return Asked(
        f"What is {a} times {b}?",
        a * b,
        f"{a} × {b} = {a * b}",
        wrong={"added": (a + b, "Multiply.")},
    )


def _ask_letter(rng: np.random.Generator) -> Asked:
    options, right, wrong = choices(
        rng, "even", {"odd": ("odd", "Halve it."), "prime": ("prime", "Divide it by 2.")}
    )
    return Asked("Four is …", right, "4 = 2 × 2", options, wrong)


QUESTION = QuestionExercise(
    name="quiz_99",
    chapter="99",
    questions=(Question("product", _ask_product, 2), Question("four", _ask_letter)),
)

SAMPLES = {e.name: e for e in (FUNCTION, MODULE, TRAINED, PROPERTY, QUESTION)}


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The samples, registered as if a chapter had defined them."""
    import autograder.exercises

    monkeypatch.setattr(autograder.exercises, "_registry", lambda: SAMPLES)
    return SimpleNamespace(
        function=FUNCTION,
        module=MODULE,
        trained=TRAINED,
        property=PROPERTY,
        question=QUESTION,
        all=SAMPLES,
    )


@pytest.fixture(params=list(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Exercise:
    """Each sample in turn."""
    if request.param == "TwoLayers" and "torch" not in sys.modules:
        import torch  # noqa: F401
    return SAMPLES[request.param]
