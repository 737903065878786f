"""`course judge` and `course check`: what they print, and their exit statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder import cli

GOOD = """\
import numpy as np

def moving_sum(x, width, stride=1):
    if width > len(x):
        raise ValueError("no window fits")
    return np.array([x[i : i + width].sum() for i in range(0, len(x) - width + 1, stride)])
"""
WRONG = GOOD.replace("sum()", "mean()")
WEIGHTS = "def weights(n):\n    return np.full(n, 1 / n)\n"


def course(*arguments: Any) -> Result:
    return CliRunner().invoke(cli.main, [str(a) for a in arguments], prog_name="course")


@pytest.fixture
def files(tmp_path: Path, samples: Any) -> dict[str, Path]:
    paths = {}
    for name, source in (("good", GOOD), ("wrong", WRONG)):
        paths[name] = tmp_path / f"{name}.py"
        paths[name].write_text(source)
    return paths


def notebook(**solutions: str) -> str:
    cells = []
    for name, source in {"setup": "import numpy as np", **solutions}.items():
        role = {"solution": name != "setup", "locked": name == "setup", "grade": False}
        for id, content, grading in (
            (name, source, role),
            (f"test_{name}", "", {"solution": False, "locked": True, "grade": True, "points": 1}),
        )[: 1 if name == "setup" else 2]:
            metadata = {"nbgrader": {"grade_id": id, "schema_version": 3, **grading}}
            cells.append({"cell_type": "code", "metadata": metadata, "source": content})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def root(tmp_path: Path, samples: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "course" / "solutions" / "ch99_samples"
    directory.mkdir(parents=True)
    (tmp_path / "course" / "notebooks").mkdir()
    (directory / "ch99_samples.ipynb").write_text(notebook(moving_sum=GOOD, weights=WEIGHTS))
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path / "course"))
    return tmp_path


def test_judge_prints_a_card_for_each_file_and_a_summary(files: dict[str, Path]) -> None:
    done = course("judge", "moving_sum", *files.values(), "--seed", 1)
    assert done.exit_code == 1
    assert done.stderr == ""
    assert done.stdout.startswith(f"{files['good']}\n  moving_sum: right · 4 of 4 points\n")
    assert "→ Add, do not average." in done.stdout
    assert done.stdout.endswith("\n1 of 2 pass\n")


def test_judge_prints_an_object_a_line(files: dict[str, Path]) -> None:
    missing = files["good"].with_name("missing.py")
    order = [files["wrong"], missing, files["good"]]
    done = course("judge", "moving_sum", *order, "--json", "--seed", 1)
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == [str(path) for path in order]
    assert [row["verdict"] for row in rows] == ["wrong", "error", "pass"]
    assert [row["misconception"] for row in rows] == ["mean", None, None]
    assert rows[1]["message"] == "no such file"


def test_judge_succeeds_where_all_pass(files: dict[str, Path]) -> None:
    assert course("judge", "moving_sum", files["good"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["judge"], "course judge: Missing argument 'EXERCISE'."),
        (["judge", "moving_sum"], "course judge: Missing argument 'FILE...'."),
        (["judge", "moving_sums", "a.py"], "course judge: no exercise is called 'moving_sums'; "
                                           "did you mean moving_sum?"),
        (["judge", "moving_sum", "a.py", "--seed", "-1"], "course judge: Invalid value for"),
        (["judge", "moving_sum", "a.py", "--timeout", "0"], "course judge: timeout (=0) must be"),
        (["judge", "moving_sum", "a.py", "--timeout", "nan"], "course judge: timeout (=nan) must"),
        (["judge", "moving_sum", "a.py", "--timeout", "inf"], "course judge: timeout (=inf) must"),
        (["check", "a.ipynb", "--timeout", "-1"], "course check: timeout (=-1) must be"),
        (["judge", "moving_sum", "a.py", "--jobs", "0"], "course judge: Invalid value for"),
        (["check"], "course check: Missing argument 'NOTEBOOK...'."),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_line_and_status_2(
    samples: Any, arguments: list[str], line: str
) -> None:
    done = course(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_check_prints_every_exercise_and_the_total(root: Path) -> None:
    path = root / "mine.ipynb"
    path.write_text(notebook(moving_sum=WRONG, weights=WEIGHTS))
    done = course("check", path, "--seed", 1)
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{path} (ch99_samples)\n")
    assert "moving_sum: " in done.stdout
    assert "→ Add, do not average." in done.stdout
    assert "weights: right · 2 of 2 points" in done.stdout
    assert "Notes" not in done.stdout
    assert "ch99_samples: " in done.stdout.splitlines()[-2]


def test_check_prints_an_object_a_notebook(root: Path) -> None:
    paths = [root / "empty.ipynb", root / "full.ipynb", root / "nothing.ipynb"]
    paths[0].write_text("")
    paths[1].write_text(notebook(moving_sum=GOOD, weights=WEIGHTS))
    done = course("check", *paths, "--json")
    assert done.exit_code == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert [row["problem"] for row in rows] == ["the file is empty", None, "no such file"]
    assert rows[1]["earned"] == rows[1]["points"] == 6
    assert [e["verdict"] for e in rows[1]["exercises"]] == ["pass", "pass"]


def test_check_succeeds_at_full_marks_only(root: Path) -> None:
    path = root / "mine.ipynb"
    path.write_text(notebook(moving_sum=GOOD, weights=WEIGHTS))
    assert course("check", path).exit_code == 0
    path.write_text(notebook(moving_sum=GOOD, weights="raise NotImplementedError"))
    assert course("check", path).exit_code == 1


def test_check_shows_a_problem_and_notes(root: Path) -> None:
    path = root / "mine.ipynb"
    path.write_text(notebook(moving_sum=GOOD, weights=WEIGHTS, extra="x = '\ud800'"))
    done = course("check", path, root / "nothing.ipynb")
    assert "  Notes on the notebook:\n  - the cell 'extra' is unknown" in done.stdout
    assert f"{root / 'nothing.ipynb'}: cannot be marked: no such file" in done.stdout


def test_what_a_learner_writes_survives_a_poor_terminal(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("raise ValueError('\\ud800 \u2713')")
    done = course("judge", "moving_sum", path)
    assert done.exit_code == 1
    assert "\\ud800" in done.stdout


def test_judge_of_the_course_runs_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("raise NotImplementedError")
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "judge", "output_size", "a.py", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "not_attempted"
