"""From a chapter's text source to the instructor's and the learner's notebook.

``solutions/NAME/NAME.py`` is what people edit. From it come ``solutions/NAME/NAME.ipynb`` and,
by nbgrader's own ``generate_assignment``, ``notebooks/NAME/NAME.ipynb``; from all of them
``autograder/exercises/solutions.json``, the solutions that `solution()` shows. The same sources
give the same bytes: cell ids come from grade ids and positions, and nothing tells the time.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import jupytext
import nbformat
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.paths import CourseError

Points = Callable[[str], float]
"""The points of an exercise, by its name; KeyError where there is none."""

SOLUTIONS_JSON = "autograder/exercises/solutions.json"

_NOTEBOOK_METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
}
# An opened instructor's notebook saves into its source, and the other way round.
_PAIRING = {"formats": "ipynb,py:percent"}
# What jupytext notes to lay out the text: says nothing about the notebook.
_LAYOUT_KEYS = ("lines_to_next_cell", "lines_to_end_of_cell_marker")

_GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,50}")
_IGNORED = ("*.py", "*.pyc", "__pycache__", ".ipynb_checkpoints", ".*")


def build(root: Path, points: Points | None = None) -> list[str]:
    """Write every generated file of the course in `root` that is not as it should be.

    Returns the paths written, relative to `root`. Raises CourseError, a line a fault, for a source
    that cannot be built; then nothing is written.
    """
    written = []
    for name, content in generate(root, points).items():
        path = root / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(name)
    return written


def check(root: Path, points: Points | None = None) -> list[str]:
    """How the generated files in `root` differ from what their sources build, a line each."""
    wanted = generate(root, points)
    faults = []
    for name, content in wanted.items():
        path = root / name
        if not path.exists():
            faults.append(f"{name} is missing: run `course build`")
        elif path.read_bytes() != content:
            faults.append(f"{name} is not what its source builds: run `course build`")
    faults.extend(
        f"{name} has no source: delete it, or add the source"
        for name in _generated_files(root)
        if name not in wanted
    )
    return faults


def generate(root: Path, points: Points | None = None) -> dict[str, bytes]:
    """Every generated file of the course in `root`: path relative to it → content.

    `points` gives the points of an exercise and defaults to the course's own exercises.
    """
    notebooks = checked_notebooks(root, points)
    solutions = {
        name: source for notebook in notebooks.values() for name, source in _solutions(notebook)
    }
    files = {
        f"solutions/{chapter}/{chapter}.ipynb": _to_bytes(notebook)
        for chapter, notebook in notebooks.items()
    }
    files.update(_released(root, files))
    listing = json.dumps(solutions, indent=2, sort_keys=True, ensure_ascii=False)
    files[SOLUTIONS_JSON] = f"{listing}\n".encode()
    return dict(sorted(files.items()))


def class_files(root: Path, points: Points | None = None) -> dict[str, bytes]:
    """The instructor's notebooks, and what lies beside their sources: path in a class → content.

    As `generate` makes them, but no longer paired with a source: a class holds none.
    """
    files = {str(path): (root / "solutions" / path).read_bytes() for path in _supplements(root)}
    for chapter, notebook in checked_notebooks(root, points).items():
        files[f"{chapter}/{chapter}.ipynb"] = _to_bytes(_unpaired(notebook))
    return files


def checked_notebooks(root: Path, points: Points | None = None) -> dict[str, NotebookNode]:
    """The instructor's notebooks, chapter → notebook; CourseError, a line a fault, for bad ones."""
    points = _points_of_exercise if points is None else points
    notebooks = instructor_notebooks(root)
    faults: list[str] = []
    solved: set[str] = set()
    for chapter, notebook in notebooks.items():
        faults.extend(f"{source_name(chapter)}: {fault}" for fault in _faults(notebook, points))
        names = {name for name, _ in _solutions(notebook)}
        faults.extend(
            f"{source_name(chapter)}: {name!r} is solved in another chapter too"
            for name in sorted(names & solved)
        )
        solved |= names
    if faults:
        raise CourseError("\n".join(faults))
    return notebooks


def source_name(chapter: str) -> str:
    """The path of a chapter's source, relative to the course's root."""
    return f"solutions/{chapter}/{chapter}.py"


def instructor_notebooks(root: Path) -> dict[str, NotebookNode]:
    """Each chapter's notebook with its solutions, built from its source: chapter → notebook."""
    notebooks = {}
    for directory in sorted((root / "solutions").iterdir()):
        if not directory.is_dir() or directory.name.startswith((".", "__")):
            continue
        source = directory / f"{directory.name}.py"
        if not source.exists():
            raise CourseError(f"{source_name(directory.name)} is missing: the directory names it")
        notebooks[directory.name] = read_source(source.read_text(encoding="utf-8"), directory.name)
    return notebooks


def read_source(text: str, chapter: str) -> NotebookNode:
    """The instructor's notebook of a chapter's source text (jupytext's percent format)."""
    notebook: NotebookNode = jupytext.reads(text, fmt="py:percent")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(
        {
            **_NOTEBOOK_METADATA,
            "jupytext": _PAIRING,
            "course": {"generated_from": source_name(chapter)},
        }
    )
    _name_cells(notebook)
    return notebook


def _name_cells(notebook: NotebookNode) -> None:
    """Give each cell its grade id, or the one before it and a number: ``setup-2``."""
    anchor, number = "start", 0
    for cell in notebook.cells:
        for key in _LAYOUT_KEYS:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id:
            anchor, number = str(grade_id)[:50], 0
            cell.id = anchor
        else:
            number += 1
            cell.id = f"{anchor}-{number}"


def _faults(notebook: NotebookNode, points: Points) -> Iterator[str]:
    """What is wrong with a chapter's graded cells, a line each."""
    seen: set[str] = set()
    solved: set[str] = set()
    for cell in notebook.cells:
        if cell.id in seen:
            yield f"cell {cell.id!r} is there twice"
        seen.add(cell.id)
        grading = cell.metadata.get("nbgrader")
        if grading is None:
            if _regions(cell.source, "SOLUTION") or _regions(cell.source, "HIDDEN TESTS"):
                yield f"cell {cell.id!r} has a region to remove but no nbgrader metadata"
            continue
        grade_id = grading.get("grade_id", "")
        if not _GRADE_ID.fullmatch(str(grade_id)):
            yield f"grade_id (={grade_id!r}) must be 1 to 50 letters, digits, _ or -"
            continue
        if grading.get("solution"):
            solved.add(grade_id)
            if cell.cell_type == "code" and not _regions(cell.source, "SOLUTION"):
                yield f"solution cell {grade_id!r} has no BEGIN SOLUTION … END SOLUTION region"
        elif grading.get("grade"):
            yield from _test_cell_faults(grade_id, grading.get("points"), solved, points)


def _test_cell_faults(grade_id: str, given: Any, solved: set[str], points: Points) -> Iterator[str]:
    name = grade_id.removeprefix("test_")
    if name == grade_id:
        yield f"test cell {grade_id!r} must be called test_ and the exercise's name"
        return
    if name not in solved:
        yield f"test cell {grade_id!r} has no solution cell {name!r} before it"
    try:
        asked = points(name)
    except KeyError:
        yield f"test cell {grade_id!r} has no exercise: none is called {name!r}"
        return
    if given != asked:
        yield f"test cell {grade_id!r} gives points (={given}), the exercise has {asked:g}"


def _regions(source: str, what: str) -> int:
    """How many ``BEGIN … END`` regions of a kind a cell's source has."""
    return len(re.findall(rf"BEGIN {what}.*?END {what}", source, flags=re.DOTALL))


def _solutions(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Name and source of each solution cell, without the marks of its region."""
    for cell in notebook.cells:
        grading = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and grading.get("solution") and "grade_id" in grading:
            lines = [
                line
                for line in cell.source.splitlines()
                if "BEGIN SOLUTION" not in line and "END SOLUTION" not in line
            ]
            yield grading["grade_id"], "\n".join(lines) + "\n"


def _points_of_exercise(name: str) -> float:
    from autograder import exercises

    return exercises.get(name).points


def _released(root: Path, instructor: Mapping[str, bytes]) -> dict[str, bytes]:
    """The learner's editions, as nbgrader makes them, with what lies beside the sources."""
    if not instructor:
        return {}
    with tempfile.TemporaryDirectory() as name:
        course = Path(name).resolve()
        for path in _supplements(root):
            _write(course / "solutions" / path, (root / "solutions" / path).read_bytes())
        for notebook, content in instructor.items():
            _write(course / notebook, content)
        _generate_assignments(course, root)
        release = course / "notebooks"
        return {
            f"notebooks/{path.relative_to(release).as_posix()}": _released_content(path)
            for path in sorted(release.rglob("*"))
            if path.is_file()
        }


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _released_content(path: Path) -> bytes:
    if path.suffix != ".ipynb":
        return path.read_bytes()
    return _to_bytes(_unpaired(nbformat.read(path, as_version=4)))


def _unpaired(notebook: NotebookNode) -> NotebookNode:
    """The notebook without its tie to a source: saving it must not write one beside it."""
    notebook.metadata.pop("jupytext", None)
    return notebook


def _generate_assignments(course: Path, root: Path) -> None:
    """Run nbgrader's generate_assignment on every chapter in `course`, without a gradebook."""
    config = Config()
    if (root / "nbgrader_config.py").exists():
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = "notebooks"
    config.CourseDirectory.assignment_id = "*"
    config.SaveCells.enabled = False
    log = _Faults()
    converter = GenerateAssignment(
        coursedir=CourseDirectory(config=config, log=log.logger),
        config=config,
        log=log.logger,
        no_database=True,
    )
    try:
        converter.start()
    except NbGraderException:
        raise CourseError(f"nbgrader cannot generate the assignments: {log.reason()}") from None


class _Faults(logging.Handler):
    """Keeps what nbgrader logs as errors instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.logger = logging.Logger("course build")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(strip_ansi(record.getMessage()).strip())

    def reason(self) -> str:
        """The exception that ended the work: the last line of the last traceback."""
        tracebacks = [text for text in self.messages if text.startswith("Traceback")]
        return (tracebacks or self.messages or ["no reason given"])[-1].splitlines()[-1]


def _to_bytes(notebook: NotebookNode) -> bytes:
    text: str = nbformat.writes(notebook)
    return (text.rstrip("\n") + "\n").encode()


def _supplements(root: Path) -> Iterator[PurePosixPath]:
    """The files beside the sources that chapters need (pictures, data), below `solutions/`."""
    directory = root / "solutions"
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and path.suffix != ".ipynb" and not _ignored(relative):
            yield PurePosixPath(relative)


def _generated_files(root: Path) -> Iterator[str]:
    """The files where generated files belong, whether or not a source makes them."""
    for path in sorted((root / "solutions").rglob("*.ipynb")):
        if not _ignored(path.relative_to(root)):
            yield path.relative_to(root).as_posix()
    for path in sorted((root / "notebooks").rglob("*")):
        if path.is_file() and not _ignored(path.relative_to(root)):
            yield path.relative_to(root).as_posix()


def _ignored(path: Path) -> bool:
    return any(fnmatch(part, pattern) for part in path.parts for pattern in _IGNORED)
