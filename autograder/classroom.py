"""A class directory: an ordinary nbgrader course that holds the chapters as assignments."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from nbgrader.api import Gradebook

from autograder import build
from autograder.paths import CourseError, UsageError, put_scripts_on_path

CONFIGURATION = '''\
"""nbgrader's settings for this class. Every nbgrader command is run in this directory."""

from pathlib import Path

c = get_config()

here = Path(__file__).resolve().parent
c.CourseDirectory.root = str(here)
c.CourseDirectory.course_id = "{course_id}"

# Where a solution was, a learner finds code that says so when it runs.
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("your code here")'}}

# Seconds that one cell may take: the chapters train small networks.
c.Execute.timeout = 120

# Live figures are shown on feedback pages as they are in a notebook without a kernel: from their
# own page, which needs no network. Stored widget state would be preferred to it, and does.
c.Execute.store_widget_state = False

# Assignments are handed out and taken in here. Where students have accounts of their own, or on
# a JupyterHub, name a directory that all of them can write to, in their configuration too.
c.Exchange.root = str(here / "exchange")
'''

README = """\
# {course_id}

A class directory for nbgrader, with {count} assignments. Run every command here:

    nbgrader generate_assignment {chapter}    # the learners' edition, in release/
    nbgrader release_assignment {chapter}     # hand it out through exchange/
    nbgrader collect {chapter}                # take it in, to submitted/STUDENT/{chapter}/
    nbgrader autograde {chapter}
    nbgrader generate_feedback {chapter}
    nbgrader export                           # grades.csv

`jupyter lab`, started here, has the same under *Nbgrader → Formgrader*. Without an exchange, put
submissions in submitted/STUDENT/{chapter}/ yourself. Back this directory up: it holds students'
work and the gradebook, gradebook.db.
"""


def new_class(
    root: Path, directory: Path, course_id: str | None = None, points: build.Points | None = None
) -> list[str]:
    """Make `directory` an nbgrader course with the chapters of the course in `root`.

    Returns the names of its assignments. `course_id` defaults to the directory's name. Raises
    UsageError for a directory that holds something or lies within the course's own files.
    """
    target = directory.resolve()
    _refuse_unsuitable(root, directory, target)
    name = course_id if course_id is not None else target.name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]*", name) or name != name.strip():
        raise UsageError(
            f"course id (={name}) must be letters, digits, dots, dashes and spaces: "
            "choose another with --course-id"
        )
    files = build.class_files(root, points)
    chapters = sorted(PurePosixPath(path).stem for path in files if path.endswith(".ipynb"))
    if not chapters:
        raise CourseError(f"{root / 'solutions'} holds no chapter")

    for path, content in files.items():
        _write(target / "source" / path, content)
    _write(target / "nbgrader_config.py", CONFIGURATION.format(course_id=name).encode())
    readme = README.format(course_id=name, count=len(chapters), chapter=chapters[0])
    _write(target / "README.md", readme.encode())
    (target / "submitted").mkdir()
    exchange = target / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)  # students write to it; nbgrader asks for this
    _make_gradebook(target, name, chapters)
    return chapters


def _refuse_unsuitable(root: Path, directory: Path, target: Path) -> None:
    if target.is_relative_to(root.resolve()):
        raise UsageError(f"{directory} lies in the course's own files: choose one outside {root}")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{directory} is a file: name a directory")
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{directory} is not empty: name a new directory")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _make_gradebook(target: Path, course_id: str, chapters: list[str]) -> None:
    put_scripts_on_path()
    with Gradebook(f"sqlite:///{target / 'gradebook.db'}", course_id) as gradebook:
        for chapter in chapters:
            gradebook.update_or_create_assignment(chapter)
