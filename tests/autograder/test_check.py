import builtins
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograder import check as checking
from autograder.check import NoPoints, QuestionSheet, check, hint, questions, solution


@pytest.fixture(autouse=True)
def _registered(samples: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_passed", set())
    monkeypatch.setattr(checking, "_hints_shown", {})
    monkeypatch.delenv("COURSE_SEED", raising=False)


def right(x: Any, width: int, stride: int = 1) -> Any:
    if width > len(x):
        raise ValueError
    return np.lib.stride_tricks.sliding_window_view(x, width).sum(-1)[::stride]


def half(x: Any, width: int, stride: int = 1) -> Any:
    return right(x, width)


def unwritten(x: Any, width: int, stride: int = 1) -> Any:
    raise NotImplementedError("your code here")


def test_points_come_back_as_a_plain_float(capsys: pytest.CaptureFixture[str]) -> None:
    moving_sum = right
    points = check(moving_sum)
    assert (type(points), points) == (float, 4.0)
    moving_sum = half
    assert check(moving_sum) == 3.0
    out = capsys.readouterr()
    assert "moving_sum: right · 4 of 4 points" in out.out
    assert "moving_sum: partly right · 3 of 4 points" in out.out
    assert out.err == ""


def test_zero_raises_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    moving_sum = unwritten
    with pytest.raises(NoPoints, match="not attempted yet"):
        check(moving_sum)
    assert "not attempted yet · 0 of 4 points" in capsys.readouterr().out


def test_the_variable_names_the_exercise_before_the_object_does() -> None:
    def moving_sum(x: Any, width: int, stride: int = 1) -> Any:
        return right(x, width, stride)

    weights = moving_sum
    with pytest.raises(NoPoints, match="weights"):
        check(weights)
    del weights
    assert check(moving_sum) == 4.0


def test_the_exercise_can_be_named() -> None:
    assert check(half, exercise="moving_sum") == 3.0
    with pytest.raises(LookupError, match="did you mean moving_sum"):
        check(half, exercise="movingsum")


def test_objects_without_a_name_are_found_by_their_variable() -> None:
    moving_sum = partial(right)
    assert check(moving_sum) == 4.0


def test_an_object_that_is_no_exercise_is_refused() -> None:
    for thing in (right, 3, None, "movingsum", {"quiz": "98"}, {}):
        with pytest.raises(LookupError, match=r"no exercise|did you mean moving_sum"):
            check(thing)


def test_hidden_cases_are_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    before = checking.evaluate

    def spy(exercise: Any, obj: Any, seed: int) -> Any:
        seeds.append(seed)
        return before(exercise, obj, seed)

    monkeypatch.setattr(checking, "evaluate", spy)
    moving_sum = right
    for _ in range(2):
        check(moving_sum)
    for _ in range(3):
        check(moving_sum, hidden=True)
    monkeypatch.setenv("COURSE_SEED", "42")
    check(moving_sum, hidden=True)
    check(moving_sum, hidden=True, seed=7)
    assert seeds[:2] == [0, 0]
    assert len(set(seeds[2:5])) == 3
    assert seeds[5:] == [42, 7]
    monkeypatch.setenv("COURSE_SEED", "-1")
    with pytest.raises(ValueError, match=r"COURSE_SEED \(='-1'\)"):
        check(moving_sum, hidden=True)


def test_our_own_defect_is_no_mark(
    samples: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("the judge fell over")

    monkeypatch.setattr(checking, "evaluate", broken)
    moving_sum = right
    with pytest.raises(NoPoints, match="the judge fell over"):
        check(moving_sum)
    assert "our fault, not yours" in capsys.readouterr().out


def test_replaced_builtins_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    moving_sum = right
    for name in ("len", "all", "isinstance", "float", "print", "sum", "zip", "sorted"):
        before = getattr(builtins, name)
        setattr(builtins, name, lambda *a, **k: 1 / 0)
        try:
            points = check(moving_sum)
        finally:
            setattr(builtins, name, before)
        assert points == 4.0


def test_hints_come_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    moving_sum = unwritten
    hint(moving_sum)
    assert "hint 1 of 2\nLook at one window.\n1 more" in capsys.readouterr().out
    hint("moving_sum")
    assert "hint 2 of 2\nSlide it.\nThis is the last one." in capsys.readouterr().out
    hint(moving_sum)
    assert "hint 2 of 2" in capsys.readouterr().out
    hint("weights")
    assert "no hint" in capsys.readouterr().out


@pytest.mark.parametrize("way", ["pass", "hints"])
def test_the_solution_waits_for_a_pass_or_the_last_hint(
    way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("autograder.exercises.solution_source", lambda name: f"def {name}(): ...")
    moving_sum = right
    solution(moving_sum)
    assert "read the hints first (2 left)" in capsys.readouterr().out
    if way == "pass":
        check(moving_sum)
    else:
        hint(moving_sum)
        hint(moving_sum)
    solution(moving_sum)
    assert "def moving_sum(): ..." in capsys.readouterr().out


def test_a_quiz_is_found_by_its_dict(
    samples: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = samples.question.answers(1)
    assert check(answers) == 3.0
    capsys.readouterr()
    solution(answers)
    shown = capsys.readouterr().out
    assert f"answer: {answers['product']}" in shown
    assert "seed 1" in shown


def test_questions_show_their_seed_and_no_answer(samples: SimpleNamespace) -> None:
    sheet = questions("99", seed=4)
    answers = samples.question.answers(4)
    for text in (repr(sheet), sheet._repr_html_()):
        assert "seed 4" in text
        assert "product" in text
        assert "answer:" not in text
        assert f"<b>{answers['product']}" not in text
    with pytest.raises(ValueError, match=r"seed \(=-1\)"):
        questions("99", seed=-1)
    assert isinstance(sheet, QuestionSheet)


# ── in IPython ──────────────────────────────────────────────────────────────────────────────────

CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
import autograder.exercises
from autograder.exercise import Aspect, Case, FunctionExercise
exercise = FunctionExercise(name="double", chapter="99", signature="double(x) -> int",
    aspects=(Aspect("plain", 2), Aspect("negative", 1)), reference=lambda x: 2 * x,
    worked=(Case("plain", (2,)), Case("negative", (-2,))), time_limit=1.0)
autograder.exercises._registry = lambda: {"double": exercise}
shell = InteractiveShell.instance()
shell.run_cell("from autograder.check import check")
results = []
for cell in json.load(sys.stdin):
    with capture_output() as said:
        result = shell.run_cell(cell)
    cards = [o.data["text/html"] for o in said.outputs if "text/html" in o.data]
    results.append({"value": repr(result.result), "stderr": said.stderr, "cards": cards,
                    "error": type(result.error_in_exec).__name__, "stdout": said.stdout})
print(json.dumps(results))
"""


def run_cells(*cells: str) -> list[dict[str, Any]]:
    """What IPython makes of the cells, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CELLS],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    results: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_learner_code_may_do_anything_and_the_kernel_lives_on() -> None:
    hostile = [
        "def double(x):\n    print('hello'); return 2 * x",
        "def double(x):\n    import warnings; warnings.warn('w'); return 2 * x",
        "def double(x):\n    import sys; print('oh', file=sys.stderr); return 2 * x",
        "def double(x):\n    from IPython.display import display; display(1); return 2 * x",
        "import builtins; builtins.len = builtins.isinstance = None\ndef double(x): return 2 * x",
        "sum = max = abs = print = float = None\ndef double(x): return x + x",
        "double = lambda x: x * 2",
        "import functools\n@functools.cache\ndef double(x): return x * 2",
    ]
    wrong = [
        "def double(x):\n    while True: pass",
        "def double(x):\n    raise SystemExit",
        "def double(x):\n    raise KeyboardInterrupt",
        "def double(x): return object()",
        "def double(x): return double",
        "class double: pass",
        "double = 3",
        "class Liar(int):\n    __eq__ = lambda a, b: True\n    __hash__ = None\ndouble = Liar",
        "def double(x):\n    return (i for i in iter(int, 1))",
        "def double(x):\n    import sys; sys.stdout = sys.stderr = None; return 0",
        "def double(x): raise NotImplementedError",
    ]
    cells = [cell for code in hostile + wrong for cell in (code, "check(double)")]
    results = run_cells(*cells, "1 + 1")[1::2]
    for code, result in zip(hostile, results, strict=False):
        assert (result["value"], result["error"], result["stderr"]) == ("3.0", "NoneType", ""), code
        assert "right" in result["cards"][0]
        assert len(result["cards"]) == 1
    for code, result in zip(wrong, results[len(hostile) :], strict=False):
        assert result["error"] == "NoPoints", (code, result)
        assert len(result["cards"]) == 1
    assert run_cells("1 + 1")[0]["value"] == "2"


def test_the_traceback_of_zero_points_is_one_line() -> None:
    (result,) = run_cells("def double(x): return x\ncheck(double)")
    assert result["error"] == "NoPoints"
    lines = [line for line in (result["stdout"] + result["stderr"]).splitlines() if line.strip()]
    assert lines == ["0 points: the card says why"]
    assert "the expected value is 4" in result["cards"][0]


@pytest.mark.parametrize("how", [check, hint, solution])
def test_a_wrong_name_says_what_is_near(how: Callable[[Any], Any]) -> None:
    with pytest.raises(LookupError, match="did you mean moving_sum"):
        how("moving_sums")
