"""Notebooks that are not what was handed out, and directories that hold something else."""

from __future__ import annotations

import copy
import gzip
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from table.row import CHAPTERS, HONEST, Notebook, Row, blank

Change = Callable[[Notebook], bytes | None]
Cell = dict[str, Any]


def _cell(notebook: Notebook, grade_id: str) -> Cell:
    cell: Cell = next(
        cell
        for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )
    return cell


def _without(*grade_ids: str) -> Change:
    def change(notebook: Notebook) -> None:
        for grade_id in grade_ids:
            notebook["cells"].remove(_cell(notebook, grade_id))

    return change


def _twice(grade_id: str, **other: Any) -> Change:
    """A second copy of a cell at the end, with other contents."""

    def change(notebook: Notebook) -> None:
        notebook["cells"].append({**copy.deepcopy(_cell(notebook, grade_id)), **other})

    return change


def _with(grade_id: str, **other: Any) -> Change:
    def change(notebook: Notebook) -> None:
        _cell(notebook, grade_id).update(other)

    return change


def _graded(grade_id: str, /, **other: Any) -> Change:
    """Other metadata of nbgrader's."""

    def change(notebook: Notebook) -> None:
        _cell(notebook, grade_id)["metadata"]["nbgrader"].update(other)

    return change


def _all_graded(**other: Any) -> Change:
    def change(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if "nbgrader" in cell["metadata"]:
                cell["metadata"]["nbgrader"].update(other)

    return change


def _top(**other: Any) -> Change:
    def change(notebook: Notebook) -> None:
        notebook.update(other)

    return change


def _instead(data: bytes | str) -> Change:
    return lambda notebook: data if isinstance(data, bytes) else data.encode()


def _text(change: Callable[[str], str | bytes]) -> Change:
    """Something done to the text of the file."""

    def changed(notebook: Notebook) -> bytes:
        data = change(json.dumps(notebook))
        return data if isinstance(data, bytes) else data.encode()

    return changed


def _reversed(notebook: Notebook) -> None:
    notebook["cells"].reverse()


def _retyped(grade_id: str, kind: str) -> Change:
    def change(notebook: Notebook) -> None:
        cell = _cell(notebook, grade_id)
        cell["cell_type"] = kind
        del cell["outputs"], cell["execution_count"]

    return change


def _scores(notebook: Notebook) -> None:
    """Outputs and metadata that claim full marks."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
            cell["outputs"] = [
                {
                    "output_type": "execute_result",
                    "execution_count": 1,
                    "metadata": {},
                    "data": {"text/plain": "99.0", "text/html": "<script>alert(1)</script>"},
                },
                {"output_type": "stream", "name": "stdout", "text": "99.0\n"},
            ]
            cell["metadata"].update(score=99, grade=99, checksum="0")
    notebook["metadata"].update(score=99.0, nbgrader={"score": 99.0}, celltoolbar="Create")


def _odd_cells(notebook: Notebook) -> None:
    """Cells of every shape that no editor writes, around the real ones."""
    odd: list[Any] = [
        None,
        3,
        "cell",
        [],
        {},
        {"cell_type": "code"},
        {"cell_type": None, "metadata": None, "source": None},
        {"cell_type": [], "metadata": [], "source": {}},
        {"cell_type": "code", "metadata": {"nbgrader": None}, "source": 3},
        {"cell_type": "code", "metadata": {"nbgrader": "x"}, "source": [3, None]},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": []}}, "source": ""},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "../../x"}}, "source": ""},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "x\ud800\x1b"}}, "source": ""},
        {"cell_type": "x" * 10**5, "metadata": {"nbgrader": {"grade_id": "y" * 10**6}}},
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "<script>alert(1)</script>"}}},
    ]
    notebook["cells"] = [*odd, *notebook["cells"], *odd]


def _odd_fields(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["id"] = ["../" * 9]
        cell["outputs"] = {"a": 1}
        cell["attachments"] = "x"
        cell["execution_count"] = "NaN"
        cell["metadata"]["tags"] = {"remove": True}
        cell["metadata"]["\ud800"] = float("inf")


def _beside_cells(*cells: Cell) -> Change:
    def change(notebook: Notebook) -> None:
        notebook["cells"] += cells

    return change


def _code(source: str, **grading: Any) -> Cell:
    metadata = {"nbgrader": grading} if grading else {}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _many_parts(text: str) -> str:
    return '{"parts": [' + "[]," * (12 * 2**20) + "[]], " + text[1:]


def _many_copies(notebook: Notebook) -> None:
    cell = _cell(notebook, "output_size")
    notebook["cells"] += [{**cell, "source": f"x = {n}"} for n in range(5_000)]
    notebook["cells"].append(copy.deepcopy(cell))


def _deep(notebook: Notebook) -> bytes:
    text = json.dumps(notebook)
    deep = "[" * 900 + "]" * 900
    return text.replace('"metadata": {', f'"metadata": {{"deep": {deep}, ', 1).encode()


def _duplicate_keys(text: str) -> str:
    return '{"cells": [], "metadata": 3, ' + text[1:]


def _zipped(name: str, data: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return out.getvalue()


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("unpickled",))


def _nothing(name: str, change: Change, problem: str) -> Row:
    """Nothing in it can be judged: no exercise gets a point, and the reason is said."""
    return Row(name, change=change, problem=problem, verdicts=blank(verdict="error"), harmless=True)


def _noted(name: str, change: Change, *notes: str, **verdicts: str) -> Row:
    """Its cells count as they should, and the change is noted."""
    return Row(name, change=change, notes=notes, verdicts=verdicts, harmless=True)


WRONG = "def output_size(*a, **k):\n    return 1\n"

ROWS = [
    # ── cells ──
    _noted("a solution cell deleted", _without("zero_pad"), zero_pad="not_attempted"),
    _noted("a test cell deleted", _without("test_zero_pad"), "'test_zero_pad' is missing"),
    _noted("every test cell deleted",
           _without(*(f"test_{name}" for name in CHAPTERS["walls"])), "'test_quiz_02' is missing"),
    _noted("the set-up cell deleted", _without("setup"), "set-up cell 'setup' is missing"),
    _noted("a right copy after a wrong cell",
           lambda n: (_with("output_size", source=WRONG)(n),
                      _twice("output_size", source=HONEST["output_size"])(n), None)[2],
           "is there twice"),
    _noted("a wrong copy after a right cell", _twice("output_size", source=WRONG),
           "is there twice", output_size="wrong"),
    _noted("an empty copy after a right cell", _twice("output_size", source=""), "is there twice"),
    _noted("thousands of copies", _many_copies, "is there 5002 times"),
    _noted("a test cell copied", _twice("test_zero_pad", source="2.0"), "is there twice"),
    _noted("cells in reverse", _reversed, "was moved"),
    _noted("a test cell of one's own", _with("test_zero_pad", source="2.0"), "was changed"),
    _noted("a set-up cell of one's own",
           _with("setup", source="import sys\nsys.exit()\ncheck = lambda *a: 99.0"), "was changed"),
    _noted("a test cell unlocked", _graded("test_zero_pad", locked=False), "was unlocked"),
    _noted("a test cell that is no test", _graded("test_zero_pad", grade=False),
           "metadata of the test cell 'test_zero_pad' was changed"),
    _noted("a solution cell that is a test",
           _graded("output_size", grade=True, points=1000, solution=False), "metadata"),
    _noted("a solution in markdown", _retyped("output_size", "markdown"), "is a markdown cell"),
    _noted("a solution that is raw", _retyped("output_size", "raw"), "is a raw cell"),
    _noted("a test in markdown", _retyped("test_output_size", "markdown"),
           "is no longer a code cell"),
    _noted("more points", _all_graded(points=1000)),
    _noted("points that are none", _all_graded(points=float("nan"))),
    _noted("negative points", _all_graded(points=-5)),
    _noted("a schema of tomorrow", _all_graded(schema_version=99), "schema_version 99"),
    _noted("a schema that is none", _all_graded(schema_version={"a": []}), "schema_version"),
    _noted("a task", _all_graded(task=True, cell_type="markdown")),
    _noted("another grade id", _graded("zero_pad", grade_id="zero_pad2"), "unknown to the course",
           zero_pad="not_attempted"),
    _noted("a grade id of another cell", _graded("zero_pad", grade_id="test_zero_pad"),
           zero_pad="not_attempted"),
    _noted("a solution in place of a test",
           lambda n: _cell(n, "test_output_size").update(source=WRONG), "was changed"),
    _noted("scores in outputs and metadata", _scores),
    _noted("cells of odd shapes", _odd_cells),
    _noted("fields of odd shapes", _odd_fields),
    _noted("a hidden test of one's own",
           _with("test_output_size", source="check(output_size)\n### BEGIN HIDDEN TESTS\n"
                 "globals()['check'] = None\n### END HIDDEN TESTS")),
    _noted("a solution of the instructor's",
           _with("zero_pad", source="### BEGIN SOLUTION\n" + HONEST["zero_pad"]
                 + "### END SOLUTION")),
    _noted("a mark in the solution",
           _with("zero_pad", source=HONEST["zero_pad"]
                 + "### BEGIN HIDDEN TESTS\nx = 1\n### END HIDDEN TESTS")),
    # ── what takes a careless reader hours ──
    *(Row(f"many {name} beside a missing name",
          {"output_size": "def output_size(*a, **k):\n    return helper(*a)\n"},
          {"output_size": "error"}, change=_beside_cells(_code(text)), harmless=True)
      for name, text in {
          "blank lines": "\n" * 50_000,
          "spaces": "import" + " " * 50_000,
          "definitions": "def\n" * 50_000,
          "imports": "from a import" + " b" * 50_000,
          "assignments": "helper:" * 50_000,
      }.items()),
    _noted("many beginnings of a hidden test",
           _with("test_zero_pad", source="### BEGIN HIDDEN TESTS\n" * 50_000), "was changed"),
    _noted("many beginnings of a solution",
           _with("zero_pad", source=HONEST["zero_pad"] + "### BEGIN SOLUTION\n" * 50_000)),
    _noted("many unknown cells",
           _beside_cells(*(_code("", grade_id=f"x{n}") for n in range(20_000))),
           "unknown to the course"),
    _noted("many names of other cells",
           _beside_cells(*(_code("", grade_id=name) for name in ("setup", "test_quiz_02") * 9_999)),
           "is there 10000 times"),
    # ── the file ──
    _nothing("many parts", _text(_many_parts), "too many"),
    _noted("another kernel",
           _top(metadata={"kernelspec": {"name": "../../evil", "argv": ["sh"], "language": "sh"}})),
    _noted("metadata that is none", _top(metadata=None)),
    _noted("no metadata", lambda n: n.pop("metadata") and None),
    _noted("a format of tomorrow", _top(nbformat=99, nbformat_minor=99)),
    _noted("no format", lambda n: n.pop("nbformat") and None),
    _noted("deep metadata", _deep),
    _noted("numbers that JSON does not know", _top(extra=[float("nan"), float("-inf")])),
    _noted("keys twice", _text(_duplicate_keys)),
    _noted("surrogates in metadata", _top(**{"\ud800": "\udfff"})),
    _noted("a byte order mark, alone", _text(lambda text: text.encode("utf-8-sig"))),
    _noted("50 MB of outputs",
           _text(lambda text: text.replace('"outputs": []', '"outputs": ["' + "x" * 50 * 2**20
                                           + '"]', 1))),
    _nothing("an empty file", _instead(b""), "empty"),
    _nothing("blank", _instead(b" \r\n\t"), "empty"),
    _nothing("a text", _instead("I did it!"), "not JSON"),
    _nothing("cut off", _text(lambda text: text[: len(text) // 2]), "not JSON"),
    _nothing("a list", _instead("[]"), "no cells"),
    _nothing("a number", _instead("99.0"), "no cells"),
    _nothing("null", _instead("null"), "no cells"),
    _nothing("a dict without cells", _instead("{}"), "no cells"),
    _nothing("no cells at all", _top(cells=[]), "no cells"),
    _nothing("cells that are none", _top(cells="x"), "no cells"),
    _nothing("cells that are numbers", _top(cells=[1, 2]), "no cells"),
    _nothing("too deep", _instead(b"[" * 10**6), "not JSON"),
    _nothing("deep objects", _instead(b'{"cells":' * 10**5), "not JSON"),
    _nothing("a long number", _instead(b'{"cells": ' + b"9" * 10**6 + b"}"), "not JSON"),
    _nothing("the wrong encoding", _text(lambda text: text.encode("utf-16")), "UTF-8"),
    _nothing("Latin-1", _text(lambda text: b'{"\xe9": 1, ' + text[1:].encode()), "UTF-8"),
    _nothing("null bytes", _instead(bytes(1000)), "not JSON"),
    _nothing("the format of before 2015",
             _instead('{"nbformat": 3, "worksheets": [{"cells": []}]}'), "before 2015"),
    _nothing("a pickle", _instead(pickle.dumps(_Runs())), "UTF-8"),
    _nothing("an old pickle", _instead(pickle.dumps(_Runs(), 0)), "not JSON"),
    _nothing("a zip", _text(lambda text: _zipped("walls.ipynb", text.encode())), "UTF-8"),
    _nothing("a compressed notebook", _text(lambda text: gzip.compress(text.encode())), "UTF-8"),
    _nothing("a web page", _instead("<!doctype html><script>alert(1)</script>"), "not JSON"),
    _nothing("a program", _instead("#!/bin/sh\necho '{}'\n"), "not JSON"),
    _nothing("another's notebook", _instead(json.dumps({"cells": [
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "double", "solution": True}},
         "source": "x"}]})), "no cell of this notebook"),
    _nothing("cells without metadata",
             lambda n: [c.update(metadata={}) for c in n["cells"]] and None,
             "no cell of this notebook"),
]  # fmt: skip


# ── what a student's directory holds, in a class ────────────────────────────────────────────────


def _beside(name: str, data: str) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)

    return write


def _renamed(name: str) -> Callable[[Path], None]:
    def rename(directory: Path) -> None:
        (directory / "walls.ipynb").rename(directory / name)

    return rename


def _linked(target: str) -> Callable[[Path], None]:
    """The notebook is a link; the target is relative to the class directory."""

    def link(directory: Path) -> None:
        (directory / "walls.ipynb").unlink()
        (directory / "walls.ipynb").symlink_to(directory.parents[2] / target)

    return link


def _replaced(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(directory: Path) -> None:
        path = directory / "walls.ipynb"
        path.unlink()
        make(path)

    return replace


def _linked_directory(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    directory.symlink_to(directory.parents[1] / "honest" / "walls", target_is_directory=True)


def _in_class(name: str, directory: Callable[[Path], None], problem: str = "", **more: Any) -> Row:
    verdicts = blank(verdict="error|not_attempted") if problem else {}
    return Row(name, directory=directory, problem=problem, verdicts=verdicts, **more)


EVIL = "raise SystemExit('imported from beside the notebook')\n"
IN_CLASS = [
    _in_class("a numpy beside the notebook", _beside("numpy.py", EVIL)),
    _in_class("a package beside the notebook", _beside("numpy/__init__.py", EVIL)),
    _in_class("modules of the course beside it", _beside("autograder/judge.py", EVIL)),
    _in_class("a start-up file beside it", _beside("sitecustomize.py", EVIL)),
    _in_class("settings beside it", _beside("nbgrader_config.py", EVIL)),
    _in_class("a gradebook beside it", _beside("gradebook.db", "x")),
    _in_class("many files beside it",
              lambda d: [_beside(f"f{n}.txt", "x")(d) for n in range(2000)] and None),
    _in_class("renamed by a browser", _renamed("walls (1).ipynb"), notes=("walls (1).ipynb",)),
    _in_class("no notebook", _replaced(lambda path: None), "missing"),
    _in_class("a link to another's work", _linked("submitted/honest/walls/walls.ipynb"), "link"),
    _in_class("a link to the class's own notebook", _linked("source/walls/walls.ipynb"), "link"),
    _in_class("a link to the gradebook", _linked("gradebook.db"), "link"),
    _in_class("a link to nowhere", _linked("nowhere.ipynb"), "link"),
    _in_class("a link to itself", _linked("submitted/me/walls/walls.ipynb"), "link"),
    _in_class("a directory that is a link", _linked_directory, "link"),
    _in_class("a directory for a notebook", _replaced(lambda path: path.mkdir()),
              "ordinary file|directory|missing"),
    _in_class("a pipe for a notebook", _replaced(lambda path: os.mkfifo(path)),
              "ordinary file|missing"),
    _in_class("200 MB", lambda d: os.truncate(d / "walls.ipynb", 200 * 2**20), "more than 64 MB"),
    _in_class("a pipe beside it", lambda d: os.mkfifo(d / "pipe")),
    _in_class("a time that is none", _beside("timestamp.txt", "99:99 on Tuesday\n" * 9)),
]  # fmt: skip
