"""What runs beside a learner's code knows nothing to judge by."""

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from autograder import exercises
from autograder.sandbox import child
from autograder.sandbox.worker import Worker

JUDGING = (
    "autograder.card",
    "autograder.compare",
    "autograder.diagnose",
    "autograder.exercises",
    "autograder.judge",
    "autograder.proof",
    "autograder.runner",
    "autograder.transplant",
    "autograder.sandbox.worker",
    "course_lib",
)


def names_seen(notebook: bool, *before: str) -> list[str]:
    """The modules that a learner's code finds imported, by what a probe of a quiz brings back."""
    ask = {"name": "q", "kind": "question", "variable": "answers", "calls": [], "forbidden": [],
           "time_limit": 5.0}  # fmt: skip
    call = {"args": (), "kwargs": {}, "inputs": (), "train": False, "measure": "output",
            "count_steps": False}  # fmt: skip
    sources = [*before, "import sys\nanswers = sorted(sys.modules)"]
    steps: list[dict[str, Any]] = [
        {"cell": f"c{i}", "source": source, "seconds": 9.0} for i, source in enumerate(sources)
    ]
    steps.append({"exercise": "q", "probe": {**ask, "calls": [call]}, "seconds": 9.0})
    with Worker() as worker:
        outcome = worker.run(steps, notebook=notebook)
    assert [frame["status"] for frame in outcome.frames[:-1]] == ["ok"] * len(sources)
    (observation,) = outcome.frames[-1]["observations"]
    return list(observation["value"])


@pytest.mark.parametrize("notebook", [False, True])
def test_the_child_holds_no_reference_and_no_judge(notebook: bool) -> None:
    seen = names_seen(
        notebook,
        "from autograder.check import check, hint, questions, solution\n"
        "assert check(1) is hint('a') is solution(2) is None\nquestions('01', seed=1)",
    )
    assert "autograder.probe" in seen
    guilty = [name for name in seen if name.startswith(JUDGING)]
    assert guilty == []
    assert "torch" not in seen
    assert "matplotlib" not in seen


def test_importing_the_child_imports_nothing_that_judges() -> None:
    code = "import sys, json, autograder.sandbox.child; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen = [name for name in json.loads(done.stdout) if name.startswith("autograder")]
    assert seen == [
        "autograder",
        "autograder.exercise",
        "autograder.plain",
        "autograder.pristine",
        "autograder.probe",
        "autograder.sandbox",
        "autograder.sandbox.child",
    ]


@pytest.mark.parametrize("name", JUDGING[:-1])
def test_what_judges_cannot_be_imported_by_name(name: str) -> None:
    finder = child._Closed()
    with pytest.raises(ModuleNotFoundError, match="not available where marks are made"):
        finder.find_spec(name)
    assert finder.find_spec("autograder.plain") is None
    assert finder.find_spec("json") is None


def test_what_cases_run_in_can_be_imported_by_name() -> None:
    finder = child._Closed()
    named = {
        name
        for exercise in exercises.all_exercises()
        for case in exercise.draw(0)
        for name in re.findall(r"(autograder\.\w+):", repr(case))
    }
    assert "autograder.trials" in named
    assert [finder.find_spec(name) for name in named] == [None] * len(named)


def test_a_script_is_a_module_whose_lines_are_remembered() -> None:
    script = child.Script()
    script.run("mine.py", "x = __name__\ndef f():\n    return 1 / 0\n")
    assert script.names["x"] != "__main__"
    outcome = child.guarded(lambda: script.names["f"](), 1.0)
    assert outcome.trouble is not None
    assert outcome.trouble.lines[-1] == (3, "return 1 / 0")
    sys.modules.pop("submission")


def test_the_names_told_are_the_learners_own() -> None:
    names = {"a": 1, "_b": 2, "In": 3, "exit": 4, 5: 6, "c" * 200: 7}
    assert child._defined(names) == ["a", "c" * 100]
    assert len(child._defined({f"n{i}": i for i in range(999)})) == child.NAMES


def test_the_weight_of_an_answer_is_that_of_its_arrays() -> None:
    assert child._weight([np.zeros(1000), {"a": (np.zeros(500),)}]) >= 12_000
    assert child._weight("x" * 100) == 100
    assert child._weight(None) < 100
