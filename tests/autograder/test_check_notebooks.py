"""`check_notebooks`: marks for what works in a notebook, whatever happened to the rest."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder import runner
from autograder.paths import CourseError
from autograder.runner import NotebookResult, check_notebooks
from autograder.transplant import UNWRITTEN, read_notebook

PROJECT = Path(__file__).resolve().parents[2]

CHAPTER = "ch99_samples"
SETUP = "import numpy as np\nfrom autograder.check import check, hint\n%matplotlib inline"
SUM = """\
def moving_sum(x, width, stride=1):
    if width > len(x):
        raise ValueError("no window fits")
    return np.array([x[i : i + width].sum() for i in range(0, len(x) - width + 1, stride)])
"""
SUM_STUB = f"def moving_sum(x, width, stride=1):\n    {UNWRITTEN}\n"
WEIGHTS = "def weights(n):\n    return np.full(n, 1 / n)\n"
WEIGHTS_STUB = f"def weights(n):\n    {UNWRITTEN}\n"
QUIZ = 'answers = {"quiz": "99", "seed": 1, "product": None, "four": None}\n'
FULL = {"moving_sum": "pass", "weights": "pass", "quiz_99": "pass"}
SUM_LOST = {**FULL, "moving_sum": "error"}


def grading(role: str, name: str) -> dict[str, Any]:
    return {
        "grade": role == "test",
        "grade_id": name,
        "locked": role != "solution",
        "schema_version": 3,
        "solution": role == "solution",
        "task": False,
        **({"points": 4} if role == "test" else {}),
    }


def cell(source: str, role: str | None = None, name: str = "") -> dict[str, Any]:
    metadata = {"nbgrader": grading(role, name)} if role else {}
    return {"cell_type": "code", "metadata": metadata, "source": source.splitlines(keepends=True)}


def chapter_of(*solutions: tuple[str, str], chapter: str = "setup") -> dict[str, Any]:
    cells = [cell(SETUP, "setup", chapter), cell("print('a demonstration')")]
    for name, source in solutions:
        cells.append(cell(source, "solution", name))
        hidden = "### BEGIN HIDDEN TESTS\ncheck(0)\n### END HIDDEN TESTS\n"
        cells.append(cell(f"check({name})\n{hidden}", "test", f"test_{name}"))
        cells.append({"cell_type": "markdown", "metadata": {}, "source": "So far."})
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def solved(source: str) -> str:
    head, _, body = source.partition("\n")
    return f"{head}\n    ### BEGIN SOLUTION\n{body}    ### END SOLUTION\n"


RIGHT = chapter_of(
    ("moving_sum", SUM),
    ("weights", WEIGHTS),
    ("quiz_99", QUIZ + "answers.update(PRODUCT)"),
)
UNTOUCHED = chapter_of(
    ("moving_sum", SUM_STUB),
    ("weights", WEIGHTS_STUB),
    ("quiz_99", QUIZ + f"if None in answers.values():\n    {UNWRITTEN}\n"),
)


def place(notebook: dict[str, Any], name: str) -> int:
    ids = [c["metadata"].get("nbgrader", {}).get("grade_id") for c in notebook["cells"]]
    return ids.index(name)


def written(**sources: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        for name, source in sources.items():
            notebook["cells"][place(notebook, name)]["source"] = source

    return change


def deleted(*names: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        for name in names:
            del notebook["cells"][place(notebook, name)]

    return change


def duplicated(name: str, source: str | None = None) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        twin = copy.deepcopy(notebook["cells"][place(notebook, name)])
        if source is not None:
            twin["source"] = source
        notebook["cells"].append(twin)

    return change


def moved(name: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook["cells"].insert(0, notebook["cells"].pop(place(notebook, name)))

    return change


def retyped(name: str, kind: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook["cells"][place(notebook, name)]["cell_type"] = kind

    return change


def regraded(name: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook["cells"][place(notebook, name)]["metadata"]["nbgrader"].update(values)

    return change


def preceded(source: str, **sources: str) -> Callable[[dict[str, Any]], None]:
    def change(notebook: dict[str, Any]) -> None:
        notebook["cells"].insert(0, cell(source))
        written(**sources)(notebook)

    return change


def huge(notebook: dict[str, Any]) -> None:
    notebook["cells"][1]["outputs"] = [{"output_type": "stream", "text": "x" * 20_000_000}]


def odd(notebook: dict[str, Any]) -> None:
    notebook["cells"][1:1] = [
        7,
        {},
        {"cell_type": "code", "metadata": None, "source": 3},
        {"cell_type": "code", "metadata": {"nbgrader": [1]}, "source": [None, "x = 1"]},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": {}}}},
    ]


LOOP = "while True:\n    pass\n"
STUBBORN = """\
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
while True:
    time.sleep(1)
"""
HELPER = "def helper(x):\n    return x.sum()\n"
USES_HELPER = """\
def moving_sum(x, width, stride=1):
    return np.array([helper(x[i : i + width]) for i in range(0, len(x) - width + 1, stride)])
"""

# name: what happened to the right notebook, the verdicts, a piece of a note or message
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], None], dict[str, str], str]] = {
    "as it should be": (lambda notebook: None, FULL, ""),
    "half-way exception": (written(moving_sum="1 / 0\n" + SUM), SUM_LOST, "line 1: ZeroDivision"),
    "exception after it": (written(moving_sum=SUM + "1 / 0"), FULL, "The cell itself stops"),
    "syntax error": (written(moving_sum="def moving_sum(x:\n"), SUM_LOST, "SyntaxError"),
    "cleared": (written(moving_sum=""), SUM_LOST, "the cell does not define moving_sum"),
    "renamed": (
        written(moving_sum=SUM.replace("moving_sum", "movingsum")),
        SUM_LOST,
        "did you mean movingsum?",
    ),
    "back to the stub": (
        written(moving_sum=SUM_STUB),
        {**FULL, "moving_sum": "not_attempted"},
        "not attempted yet",
    ),
    "endless loop": (
        written(moving_sum=LOOP + SUM),
        {**FULL, "moving_sum": "time"},
        "longer than 2 s",
    ),
    "endless loop that cannot be stopped": (
        written(moving_sum=SUM + STUBBORN),
        {**FULL, "moving_sum": "time"},
        "had to be killed",
    ),
    "two such loops": (
        written(moving_sum=STUBBORN, weights=STUBBORN),
        {"moving_sum": "time", "weights": "time", "quiz_99": "pass"},
        "",
    ),
    "endless call": (
        written(weights="def weights(n):\n" + "".join(f"    {x}\n" for x in STUBBORN.split("\n"))),
        {**FULL, "weights": "time"},
        "while it was called",
    ),
    "exit": (
        written(moving_sum="import os\nos._exit(0)"),
        {**FULL, "moving_sum": "crash"},
        "exit status 0",
    ),
    "segmentation fault in a call": (
        written(weights="import ctypes\ndef weights(n):\n    ctypes.string_at(0)"),
        {**FULL, "weights": "crash"},
        "SIGSEGV",
    ),
    "sys.exit": (written(moving_sum="import sys\nsys.exit()"), SUM_LOST, "exit()"),
    "magics and await": (
        written(
            moving_sum="%time 1\n" + SUM,
            weights="import asyncio\nawait asyncio.sleep(0)\n" + WEIGHTS,
        ),
        FULL,
        "",
    ),
    "later cells build on earlier ones": (
        written(weights="def weights(n):\n    return moving_sum(np.full(n, 1 / n), 1)"),
        FULL,
        "",
    ),
    "every builtin replaced": (
        written(
            moving_sum="import builtins\n"
            "for name in dir(builtins):\n    setattr(builtins, name, None)\n" + SUM
        ),
        SUM_LOST,
        "stops before moving_sum is defined",
    ),
    "transformers that empty cells": (
        written(
            weights=WEIGHTS + "get_ipython().input_transformers_post.append(lambda lines: [])\n"
            "get_ipython().run_cell = None"
        ),
        {**FULL, "quiz_99": "error"},
        "",
    ),
    "deleted tests": (deleted("test_moving_sum", "test_weights"), FULL, "test_weights' is missing"),
    "deleted solution": (
        deleted("moving_sum"),
        {**FULL, "moving_sum": "not_attempted"},
        "no cell 'moving_sum'",
    ),
    "deleted set-up": (deleted("setup"), FULL, "set-up cell 'setup' is missing"),
    "duplicated test": (duplicated("test_weights"), FULL, "'test_weights' is there twice"),
    "duplicated stub": (duplicated("moving_sum", SUM_STUB), FULL, "the last one that you wrote"),
    "duplicated answer": (
        duplicated("moving_sum", SUM.replace("sum()", "mean()")),
        {**FULL, "moving_sum": "wrong"},
        "Add, do not average.",
    ),
    "moved test": (moved("test_weights"), FULL, "was moved"),
    "moved solution": (moved("weights"), FULL, "was moved"),
    "solution as text": (retyped("moving_sum", "markdown"), FULL, "a markdown cell"),
    "test as raw text": (retyped("test_weights", "raw"), FULL, "no longer a code cell"),
    "unlocked test": (regraded("test_weights", locked=False), FULL, "was unlocked"),
    "more points": (regraded("test_weights", grade=False), FULL, "metadata of the test cell"),
    "solution graded by itself": (regraded("weights", grade=True), FULL, "metadata of the cell"),
    "schema_version 99": (regraded("weights", schema_version=99), FULL, "schema_version 99"),
    "changed test": (written(test_weights="100.0"), FULL, "'test_weights' was changed"),
    "changed set-up": (written(setup="import numpy"), FULL, "'setup' was changed"),
    "unknown cell": (regraded("test_weights", grade_id="mine"), FULL, "unknown to the course"),
    "mixed chapters": (
        lambda notebook: notebook["cells"].append(cell("x = 1", "solution", "extra")),
        FULL,
        "'extra' belongs to ch98_other",
    ),
    "helper in a cell of its own": (
        preceded(HELPER, moving_sum=USES_HELPER),
        {**FULL, "moving_sum": "error"},
        "helper is defined in a cell that does not count",
    ),
    "extra cells": (preceded("1 / 0"), FULL, ""),
    "huge outputs": (huge, FULL, ""),
    "odd cells": (odd, FULL, ""),
    "lone surrogates": (
        written(moving_sum="x = '\ud800'\n" + SUM),
        FULL,  # read as a question mark
        "",
    ),
}

# name: the file's content, a piece of the reason
UNREADABLE = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n", "the file is empty"),
    "text": (b"hello", "not JSON"),
    "cut": (json.dumps(RIGHT).encode()[:500], "not JSON"),
    "latin": ('{"cells": ["é"]}'.encode("latin-1"), "no UTF-8 text"),
    "list": (b"[1, 2]", "no notebook"),
    "number": (b"3", "no notebook"),
    "dict": (b"{}", "no notebook"),
    "deep": (b'{"cells":' + b"[" * 100_000, "not JSON"),
    "no cells": (b'{"cells": []}', "no cells"),
    "old": (b'{"worksheets": []}', "format of before 2015"),
    "another": (json.dumps({"cells": [cell("1")]}).encode(), "belongs to a chapter"),
    "unknown": (json.dumps(chapter_of(("mine", "x = 1"))).encode(), "belongs to a chapter"),
}


def write(path: Path, notebook: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path: Path, samples: Any) -> Path:
    """A course of the samples' chapter, of another one, and of a notebook that grades nothing."""
    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    own = chapter_of(("moving_sum", solved(SUM)), ("weights", solved(WEIGHTS)), ("quiz_99", QUIZ))
    # Chapters share the name of their set-up cells: it must not decide.
    other = chapter_of(("extra", "x = 1"))
    for name, notebook in ((CHAPTER, own), ("ch98_other", other), ("playground", chapter_of())):
        write(root / "solutions" / name / f"{name}.ipynb", notebook)
    return root


@pytest.fixture
def right(samples: Any) -> dict[str, Any]:
    notebook = copy.deepcopy(RIGHT)
    answers = samples.question.answers(1)
    written(quiz_99=f"answers = {answers!r}")(notebook)
    return notebook


def text_of(result: NotebookResult) -> str:
    said = [f"{v.message} {v.advice}" for v in result.verdicts]
    return "\n".join([*said, *result.notes])


def verdicts(result: NotebookResult) -> dict[str, str]:
    return {verdict.exercise: verdict.verdict for verdict in result.verdicts}


def test_broken_notebooks_get_a_reason_and_marks_for_what_works(
    root: Path, right: dict[str, Any], tmp_path: Path
) -> None:
    paths = []
    for name, (change, _, _) in BROKEN.items():
        notebook = copy.deepcopy(right)
        change(notebook)
        paths.append(write(tmp_path / f"{name}.ipynb", notebook))
    results = list(check_notebooks(paths, seed=3, timeout=2.0, jobs=4, root=root))
    assert [result.file for result in results] == [str(path) for path in paths]
    for (name, (_, expected, said)), result in zip(BROKEN.items(), results, strict=True):
        assert result.problem is None, name
        assert result.chapter == CHAPTER
        assert verdicts(result) == expected, f"{name}: {text_of(result)}"
        assert said in text_of(result), f"{name}: {text_of(result)}"
        assert result.full_marks == (set(expected.values()) == {"pass"})
        assert result.points == 9
    # What the set-up cell defines is not missed, and an honest notebook gets no remark.
    assert results[0].notes == ()


def test_what_is_no_notebook_of_the_course_gets_a_reason(
    root: Path, right: dict[str, Any], tmp_path: Path
) -> None:
    for name, (content, _) in UNREADABLE.items():
        (tmp_path / f"{name}.ipynb").write_bytes(content)
    paths = [tmp_path / f"{name}.ipynb" for name in UNREADABLE]
    (tmp_path / "directory.ipynb").mkdir()
    paths += [tmp_path / "directory.ipynb", tmp_path / "missing.ipynb"]
    paths.append(write(tmp_path / "right.ipynb", right))
    reasons = [said for _, said in UNREADABLE.values()] + ["a directory", "no such file"]
    *results, last = check_notebooks(paths, root=root)
    for path, said, result in zip(paths, reasons, results, strict=False):
        assert result.problem is not None, path
        assert said in result.problem, path
        assert not result.full_marks
        assert result.earned == 0
    assert last.full_marks


def test_an_untouched_notebook_earns_nothing_and_is_not_attempted(
    root: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.ipynb", UNTOUCHED)
    (result,) = check_notebooks([path], root=root)
    assert verdicts(result) == dict.fromkeys(FULL, "not_attempted")
    assert result.earned == 0
    assert result.notes == ()
    assert not result.full_marks


def test_partial_marks_add_up(root: Path, right: dict[str, Any], tmp_path: Path) -> None:
    written(moving_sum=SUM.replace("1, stride)]", "1)]"))(right)
    (result,) = check_notebooks([write(tmp_path / "a.ipynb", right)], seed=1, root=root)
    assert result.verdicts[0].misconception == "no_stride"
    assert (result.earned, result.points) == (8.0, 9.0)
    data = result.to_json()
    assert json.loads(json.dumps(data)) == data
    assert set(data) == {
        "file", "chapter", "earned", "points", "problem", "exercises", "notes",
    }  # fmt: skip


def test_the_same_seed_gives_the_same_result(
    root: Path, right: dict[str, Any], tmp_path: Path
) -> None:
    written(moving_sum=SUM.replace("sum()", "mean()"))(right)
    path = write(tmp_path / "a.ipynb", right)
    first, second = (list(check_notebooks([path], seed=5, root=root)) for _ in range(2))
    assert first[0].to_json() == second[0].to_json()


def test_a_set_up_cell_that_fails_is_our_fault(
    root: Path, right: dict[str, Any], tmp_path: Path
) -> None:
    path = root / "solutions" / CHAPTER / f"{CHAPTER}.ipynb"
    own = json.loads(path.read_text(encoding="utf-8"))
    written(setup="import package_that_is_not_installed")(own)
    write(path, own)
    (result,) = check_notebooks([write(tmp_path / "a.ipynb", right)], root=root)
    assert set(verdicts(result).values()) == {"grader_error"}
    assert "package_that_is_not_installed" in text_of(result)
    assert result.earned == 0


def test_a_course_that_is_not_built_is_said(tmp_path: Path) -> None:
    (tmp_path / "solutions").mkdir()
    with pytest.raises(CourseError, match="run `course build`"):
        check_notebooks(["a.ipynb"], root=tmp_path)


def test_an_exercise_that_the_course_lacks_is_said(
    root: Path, samples: Any, right: dict[str, Any], tmp_path: Path
) -> None:
    only = {"moving_sum": samples.function}
    path = write(tmp_path / "a.ipynb", right)
    (result,) = check_notebooks([path], root=root, registry=only)
    assert result.problem is not None
    assert result.problem.startswith(f"our fault, not yours: {CHAPTER}: ")
    assert "'weights'" in result.problem


def test_a_fault_of_ours_harms_no_other_notebook(
    root: Path, right: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(path: Path) -> Any:
        if path.name == "a.ipynb":
            raise ZeroDivisionError("a bug")
        return read_notebook(path)

    monkeypatch.setattr(runner, "read_notebook", fails_once)
    paths = [write(tmp_path / name, right) for name in ("a.ipynb", "b.ipynb")]
    first, second = check_notebooks(paths, root=root)
    assert first.problem == "our fault, not yours: ZeroDivisionError('a bug')"
    assert second.full_marks


def chapters_of_the_course() -> list[str]:
    return sorted(path.parent.name for path in (PROJECT / "solutions").glob("*/*.ipynb"))


@pytest.mark.parametrize("chapter", chapters_of_the_course())
def test_each_chapter_earns_everything_solved_and_nothing_released(chapter: str) -> None:
    paths = [PROJECT / kind / chapter / f"{chapter}.ipynb" for kind in ("solutions", "notebooks")]
    solved, released = check_notebooks(paths, seed=0, root=PROJECT)
    if solved.problem is None:
        assert solved.full_marks, text_of(solved)
        assert set(verdicts(released).values()) == {"not_attempted"}, text_of(released)
    else:  # a notebook to play with
        assert "belongs to a chapter" in solved.problem
    assert solved.notes == released.notes == ()
    assert solved.problem == released.problem
