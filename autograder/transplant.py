"""From a learner's notebook to the cells that marks depend on.

The order, the set-up cells and the tests are the released notebook's; of the learner's notebook
only the contents of its solution cells are taken over. Nothing else in it can do harm, or be lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from autograder.paths import CourseError

MAX_BYTES = 256 * 2**20  # of a notebook, its outputs included
SCHEMA_VERSION = 3  # of nbgrader's metadata
UNWRITTEN = 'raise NotImplementedError("your code here")'
UNANSWERED = "YOUR ANSWER HERE"  # nbgrader's own words
MOST_PARTS = 1_000_000  # lists and dicts in a notebook: each takes many times its text in memory
MOST_NOTES = 20  # of one notebook
_BEGIN, _END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
_SOLVED = re.compile(r"^([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION[^\n]*$", re.S | re.M)


class UnreadableError(Exception):
    """A file cannot be marked at all; the message says why."""


class NotJSONError(UnreadableError):
    """A file is no notebook, but perhaps something else."""


@dataclass(frozen=True)
class Cell:
    """A cell that nbgrader knows: its role is "setup", "solution", "test", "written" or "text".

    A written answer is Markdown that a person marks; text is what the learner only reads.
    `released` is what a learner was given; `locked`, the `points` of a test and whether a solution
    itself is marked `by_hand` are what nbgrader's metadata says.
    """

    role: str
    id: str
    released: str
    locked: bool = True
    points: float = 0.0
    by_hand: bool = False

    @property
    def exercise(self) -> str:
        """The exercise that a test cell stands for."""
        return self.id.removeprefix("test_")


@dataclass(frozen=True)
class Chapter:
    """The cells of a chapter that marks depend on, in their order."""

    name: str
    cells: tuple[Cell, ...]

    def ids(self, *roles: str) -> tuple[str, ...]:
        """The grade ids of the cells in these roles."""
        return tuple(cell.id for cell in self.cells if cell.role in roles)


@dataclass(frozen=True)
class Submission:
    """What is taken over from a learner's notebook, and what is remarkable about it.

    `sources` maps the grade ids of the solution cells to the learner's text. `left` is the text of
    every other code cell: it is not run, but says where a missing name was defined.
    """

    chapter: Chapter
    sources: Mapping[str, str]
    notes: tuple[str, ...]
    left: tuple[str, ...]

    def defines(self, name: str) -> bool:
        """Whether a cell that is not run seems to define `name`."""
        sign = re.compile(
            # Spaces, not \s: that takes line ends too, and as long as the square of their number.
            rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b"
            rf"|^[ \t]*{name}[ \t]*(?::[^=\n]+)?=[^=]"
            rf"|^[ \t]*(?:from[ \t]+\S+[ \t]+)?import\b[^#\n]*\b{name}\b",
            re.M,
        )
        return any(sign.search(text) for text in self.left)


# ── the course's own notebooks ──────────────────────────────────────────────────────────────────


def chapters(root: Path) -> tuple[Chapter, ...]:
    """Every chapter that gives marks, from ``solutions/NAME/NAME.ipynb``.

    Raises CourseError where there is none: nothing was built.
    """
    found = []
    for path in sorted((root / "solutions").glob("*/*.ipynb")):
        if path.stem == path.parent.name:
            chapter = read_chapter(path.stem, json.loads(path.read_text(encoding="utf-8")))
            if chapter.ids("test"):
                found.append(chapter)
    if not found:
        raise CourseError(f"{root / 'solutions'} holds no built chapter: run `course build`")
    return tuple(found)


def read_chapter(name: str, notebook: dict[str, Any]) -> Chapter:
    """The cells of an instructor's notebook that marks depend on."""
    return Chapter(name, tuple(_own_cells(notebook)))


def parse_chapter(name: str, source: bytes) -> Chapter:
    """As `read_chapter`, from a class's own file; CourseError where it is damaged."""
    try:
        return read_chapter(name, json.loads(source))
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"the class's own notebook of {name} is damaged: {error}") from None


def _own_cells(notebook: dict[str, Any]) -> Iterator[Cell]:
    for cell in notebook["cells"]:
        grading = grading_of(cell)
        if grading is None:
            continue
        text = text_of(cell)
        if cell["cell_type"] != "code":
            role = "written" if grading.get("solution") else "text"
            by_hand = bool(grading.get("grade"))
            yield Cell(role, grading["grade_id"], UNANSWERED, by_hand=by_hand)
        elif grading.get("solution"):
            stub = _SOLVED.sub(rf"\1{UNWRITTEN}", text)
            locked, by_hand = bool(grading.get("locked")), bool(grading.get("grade"))
            yield Cell("solution", grading["grade_id"], stub, locked, by_hand=by_hand)
        elif grading.get("grade"):
            points = float(grading.get("points") or 0)
            yield Cell("test", grading["grade_id"], _without_hidden(text), points=points)
        elif grading.get("locked"):
            yield Cell("setup", grading["grade_id"], text)


def _without_hidden(text: str) -> str:
    """The text without its hidden tests, in one walk: a learner's may begin many and end none."""
    parts, at = [], 0
    while (begin := text.find(_BEGIN, at)) >= 0 and (end := text.find(_END, begin)) >= 0:
        parts.append(text[at : max(at, text.rfind("\n", at, begin) + 1)])
        stop = text.find("\n", end)
        at = len(text) if stop < 0 else stop + 1
    return "".join(parts) + text[at:]


def grading_of(cell: Any) -> dict[str, Any] | None:
    """nbgrader's metadata of a cell, where it names the cell; None for any other cell."""
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if isinstance(grading, dict) and isinstance(grading.get("grade_id"), str):
        return grading
    return None


def text_of(cell: dict[str, Any]) -> str:
    """The source of a cell, which a file holds as text or as a list of lines.

    What is no Unicode (half a surrogate pair, which JSON lets through) becomes a question mark.
    """
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source.encode("utf-8", "replace").decode() if isinstance(source, str) else ""


# ── the learner's notebook ──────────────────────────────────────────────────────────────────────


def read_notebook(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook file, as far as they can be read; UnreadableError with the reason."""
    try:
        return parse_notebook(read_bytes(path, MAX_BYTES))
    except NotJSONError as error:
        what = "a Python file: use `course judge`" if path.suffix == ".py" else "damaged"
        raise UnreadableError(f"{error}: {what}") from None


def parse_notebook(data: bytes) -> list[dict[str, Any]]:
    """The cells of a notebook's bytes, as far as they can be read; UnreadableError if not."""
    if not data.strip():
        raise UnreadableError("the file is empty")
    if data.count(b"[") + data.count(b"{") > MOST_PARTS:
        raise UnreadableError("the notebook has too many parts: its outputs should be cleared")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UnreadableError("the file is no UTF-8 text, so it is no notebook") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotJSONError(f"the file is not JSON{where}, so it is no notebook") from None
    if not isinstance(content, dict):
        raise UnreadableError("the file is JSON, but no notebook: it has no cells")
    if isinstance(content.get("worksheets"), list):
        raise UnreadableError("the notebook has the format of before 2015: save it in JupyterLab")
    if not isinstance(content.get("cells"), list):
        raise UnreadableError("the file is JSON, but no notebook: it has no cells")
    cells = [cell for cell in content["cells"] if isinstance(cell, dict)]
    if not cells:
        raise UnreadableError("the notebook has no cells")
    return cells


def read_bytes(path: Path, most: int) -> bytes:
    """A file's content, of at most `most` bytes; UnreadableError with the reason."""
    try:
        if path.is_dir():
            raise UnreadableError("this is a directory")
        if not path.exists():
            raise UnreadableError("no such file")
        if not path.is_file():
            raise UnreadableError("this is no ordinary file")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}") from None
    except ValueError:  # a null byte in the name
        raise UnreadableError("no such file") from None
    if len(data) > most:
        raise UnreadableError(f"the file has more than {most // 2**20} MB: clear its outputs")
    return data


def transplant(cells: Sequence[dict[str, Any]], known: Sequence[Chapter]) -> Submission:
    """Find the chapter of a notebook by its grade ids, and take over its solution cells.

    Raises UnreadableError where no cell is one of the course's.
    """
    chapter = _chapter_of(cells, known)
    own = {cell.id: cell for cell in chapter.cells}
    found: dict[str, list[dict[str, Any]]] = {id: [] for id in own}
    left = []
    for cell in cells:
        grading = grading_of(cell)
        if grading is not None and grading["grade_id"] in own:
            found[grading["grade_id"]].append(cell)
        elif cell.get("cell_type") == "code":
            left.append(text_of(cell))
    notes = [*_foreign(cells, chapter, known), *_out_of_order(cells, chapter)]
    sources = {}
    for ours in chapter.cells:
        copies = found[ours.id]
        if ours.role == "text":
            continue
        if ours.role not in ("solution", "written"):
            notes.extend(_own_notes(ours, copies))
            left.extend(text_of(copy) for copy in copies if _changed(ours, copy))
        elif copies:
            chosen = _chosen(ours, copies)
            sources[ours.id] = text_of(chosen)
            notes.extend(_solution_notes(ours, chosen, copies))
    more = len(notes) - MOST_NOTES
    if more > 0:
        notes[MOST_NOTES:] = [f"and {more:,} more remarks like these"]
    return Submission(chapter, sources, tuple(notes), tuple(left))


def _chapter_of(cells: Sequence[dict[str, Any]], known: Sequence[Chapter]) -> Chapter:
    ids = {grading["grade_id"] for grading in map(grading_of, cells) if grading is not None}
    best = max(known, key=lambda chapter: len(ids.intersection(chapter.ids("solution", "test"))))
    if not ids.intersection(best.ids("solution", "test")):
        raise UnreadableError(
            "no cell of this notebook belongs to a chapter that gives marks: is it another "
            "notebook, or were the cells copied without their metadata?"
        )
    return best


def _foreign(
    cells: Sequence[dict[str, Any]], chapter: Chapter, known: Sequence[Chapter]
) -> Iterator[str]:
    own = {cell.id for cell in chapter.cells}
    for cell in cells:
        grading = grading_of(cell)
        if grading is None or grading["grade_id"] in own:
            continue
        name = grading["grade_id"][:60]
        others = [c.name for c in known if name in c.ids("solution", "test")]
        whose = f"belongs to {others[0]}" if others else "is unknown to the course"
        yield f"the cell {name!r} {whose}: it was left out"


def _out_of_order(cells: Sequence[dict[str, Any]], chapter: Chapter) -> Iterator[str]:
    own = [cell.id for cell in chapter.cells]
    gradings = [grading for grading in map(grading_of, cells) if grading is not None]
    places = [own.index(g["grade_id"]) for g in gradings if g["grade_id"] in own]
    unique = list(dict.fromkeys(places))
    for before, after in pairwise(unique):
        if after < before:
            yield (
                f"the cell {own[after]!r} was moved: cells are run in the order of the released "
                "notebook"
            )


def _chosen(own: Cell, copies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several cells with one grade id the last that somebody has written in."""
    written = [copy for copy in copies if text_of(copy).strip() != own.released.strip()]
    written = [copy for copy in written if text_of(copy).strip()] or written
    return (written or list(copies))[-1]


def _solution_notes(
    own: Cell, chosen: dict[str, Any], copies: Sequence[dict[str, Any]]
) -> Iterator[str]:
    name = repr(own.id)
    if len(copies) > 1:
        yield (
            f"the cell {name} is there {_times(len(copies))}: the last one that you wrote in counts"
        )
    if own.role == "solution" and chosen.get("cell_type") != "code":
        kind = str(chosen.get("cell_type"))[:20]
        yield f"the cell {name} is a {kind} cell: its text was run as code all the same"
    grading = grading_of(chosen) or {}
    if not grading.get("solution") or bool(grading.get("grade")) != own.by_hand:
        yield f"the metadata of the cell {name} was changed: the course's own is used"
    yield from _schema_note(own, grading)


def _own_notes(own: Cell, copies: Sequence[dict[str, Any]]) -> Iterator[str]:
    name = f"the {'test' if own.role == 'test' else 'set-up'} cell {own.id!r}"
    ours = "the course's own is used"
    if not copies:
        yield f"{name} is missing: {ours}"
        return
    if len(copies) > 1:
        yield f"{name} is there {_times(len(copies))}: {ours}"
    if any(copy.get("cell_type") != "code" for copy in copies):
        yield f"{name} is no longer a code cell: {ours}"
    if any(_changed(own, copy) for copy in copies):
        yield f"{name} was changed: {ours}"
    gradings = [grading_of(copy) or {} for copy in copies]
    if not all(grading.get("locked") for grading in gradings):
        yield f"{name} was unlocked: {ours}"
    if any(bool(grading.get("grade")) != (own.role == "test") for grading in gradings):
        yield f"the metadata of {name} was changed: {ours}"
    yield from _schema_note(own, gradings[0])


def _schema_note(own: Cell, grading: Mapping[str, Any]) -> Iterator[str]:
    version = grading.get("schema_version")
    if version != SCHEMA_VERSION:
        yield (
            f"the cell {own.id!r} has nbgrader schema_version {str(version)[:20]} instead of "
            f"{SCHEMA_VERSION}: ignored"
        )


def _changed(own: Cell, copy: dict[str, Any]) -> bool:
    return _without_hidden(text_of(copy)).strip() != own.released.strip()


def _times(n: int) -> str:
    return "twice" if n == 2 else f"{n} times"
