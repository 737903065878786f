"""What the table needs: a place with things that nobody may touch, and a grader."""

from __future__ import annotations

import contextlib
import html.parser
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.utils import determine_grade

from autograder.grading import engine
from autograder.grading.engine import Grade, Task
from autograder.paths import put_scripts_on_path

sys.path.insert(0, str(Path(__file__).parent))

from table.row import CHAPTERS, HONEST, NAP, POINTS, SEED, Row, instructors, submission

SOURCES = {name: json.dumps(instructors(name)).encode() for name in CHAPTERS}
MOST = 3_000  # characters of what is said about one exercise
TAGS = {"style", "div", "h4", "span", "ul", "li", "b", "p", "code", "pre", "br"}
TAGS |= {"table", "caption", "tr", "th", "td"}
GAP = 8  # rows between two honest submissions


class World:
    """A place on this machine with secrets, sockets and another's work, and what it looked like."""

    def __init__(self, room: Path) -> None:
        self.room = room
        self.secret = f"canary-{uuid.uuid4().hex}"
        self.listeners: list[socket.socket] = []
        self._fill()
        self.places = {
            "ROOM": str(room),
            "PID": str(os.getpid()),
            "HOST": socket.gethostname(),
            "SOCKET": str(room / "socket"),
            "ABSTRACT": room.name,
            "PORT": str(self.listeners[0].getsockname()[1]),
        }
        put_scripts_on_path()  # as the grader does where it opens a gradebook
        own = "PYTEST_CURRENT_TEST"  # differs from test to test
        self.environment = {k: v for k, v in os.environ.items() if k != own}
        self.before = self.files()

    def _fill(self) -> None:
        work = submission("walls", {**HONEST, "zero_pad": f"secret = {self.secret!r}\n"})
        for path, text in {
            "class/gradebook.db": self.secret,
            "class/grading/seed": self.secret,
            "class/source/walls/walls.ipynb": f"{self.secret} {SOURCES['walls'].decode()}",
            "class/submitted/other/walls/walls.ipynb": json.dumps(work),
            "class/autograded/me/walls/walls.ipynb": "{}",
            "home/notes.txt": self.secret,
        }.items():
            (self.room / path).parent.mkdir(parents=True, exist_ok=True)
            (self.room / path).write_text(text)
        tcp = socket.create_server(("", 0))
        file, abstract = (socket.socket(socket.AF_UNIX) for _ in range(2))
        file.bind(str(self.room / "socket"))
        abstract.bind(f"\0{self.room.name}")
        self.listeners = [tcp, file, abstract]
        for listener in self.listeners:
            listener.listen()
            listener.setblocking(False)
        os.environ["HOSTILE_CANARY"] = self.secret

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Every file of the place, its permissions and content."""
        return {
            str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in sorted(self.room.rglob("*"))
        }

    def visitors(self) -> int:
        """How many connections arrived since the last time."""
        found = 0
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    found += 1
        return found

    def close(self) -> None:
        """Remove it."""
        for listener in self.listeners:
            listener.close()
        os.environ.pop("HOSTILE_CANARY", None)
        shutil.rmtree(self.room, ignore_errors=True)


def lives_on() -> list[str]:
    """What submissions left running on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and NAP in (entry / "cmdline").read_text(errors="replace"):
                found.append((entry / "cmdline").read_text(errors="replace"))
    return found


def shared_memory() -> set[str]:
    """Names of what processes of this machine share."""
    tables = (Path(f"/proc/sysvipc/{kind}") for kind in ("shm", "sem", "msg"))
    keys = {line for table in tables for line in table.read_text().splitlines() if "31415" in line}
    return keys | {name for name in os.listdir("/dev/shm") if name in ("big", "left-by-another")}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    # Not below /tmp, which a sandbox replaces anyway.
    place = World(Path(tempfile.mkdtemp(prefix="hostile-", dir="/var/tmp")))
    yield place
    place.close()


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def commands(text: str) -> list[str]:
    """Characters that a terminal would obey, and those that no file can hold."""
    return [c for c in text if c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160)] + [
        c for c in text if 0xD800 <= ord(c) < 0xE000
    ]


class Grader:
    """Grades rows one after the other in this process, and looks at the world after each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.graded = 0
        self.walled: bool | None = None

    def grade(self, row: Row, *, sandbox: bool = True) -> Grade:
        """One submission. What is not harmless runs in a sandbox that was tried, or not at all."""
        if not row.harmless and not (row.bare and not sandbox):
            assert sandbox, f"{row.name} needs a sandbox"
            assert self.has_walls(), "there is no sandbox here that holds: nothing hostile is run"
        return self._grade(row, sandbox)

    def _grade(self, row: Row, sandbox: bool) -> Grade:
        notebook = row.notebook(self.world.places)
        task = Task(
            "me",
            row.chapter,
            SOURCES[row.chapter],
            notebook,
            seed=SEED,
            sandbox=sandbox,
            timeout=row.timeout,
        )
        return engine.grade(task)

    def has_walls(self) -> bool:
        """Whether learners' code runs in a sandbox that hides this process and these files."""
        if self.walled is None:
            from table.secrets import ROWS

            tried = [
                row
                for row in ROWS
                if row.name
                in ("the process that grades", "a file: the gradebook", "the environment")
            ]
            assert len(tried) == 3
            grades = [self._grade(row, True) for row in tried]
            self.walled = all(
                grade.sandbox == "bubblewrap" and grade.earned == grade.points for grade in grades
            )
        return self.walled

    def run(self, row: Row, others: Mapping[str, Row]) -> None:
        """Grade a row and compare with what it declares."""
        if row.after:
            self.grade(others[row.after])
        grade = self.grade(row)
        judge_row(row, grade)
        self.look(row, grade)
        self.graded += 1
        if self.graded % GAP == 1 or row.after:
            self.honest(row.chapter)

    def honest(self, chapter: str) -> None:
        """Another's honest work still has full marks, from the same process."""
        grade = self._grade(Row("honest", chapter=chapter), True)
        assert grade.earned == grade.points == sum(e.points for e in grade.exercises) > 0

    def look(self, row: Row, grade: Grade) -> None:
        """What must not have happened did not."""
        text = json.dumps(grade.to_json(), ensure_ascii=False)
        assert row.harmless or grade.sandbox == "bubblewrap"
        assert self.world.secret not in text
        assert self.world.visitors() == 0
        assert self.world.files() == self.world.before
        assert self.world.environment.items() <= os.environ.items()
        assert shared_memory() == set()
        assert not Path("unpickled").exists()
        deadline = time.monotonic() + 2
        while lives_on() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lives_on() == []


def judge_row(row: Row, grade: Grade) -> None:
    """A grade is what its row declares, and says nothing that harms who reads it."""
    if row.problem:
        assert any(piece in (grade.problem or "") for piece in row.problem.split("|"))
    else:
        assert grade.problem is None
    for exercise in grade.exercises:
        name = exercise.exercise
        declared = row.verdicts.get(name, "pass").split("|")
        assert exercise.verdict in declared, f"{name}: {exercise.verdict}: {exercise.message}"
        full = POINTS[name] if exercise.verdict == "pass" else 0.0
        assert exercise.earned == row.earned.get(name, full)
        assert type(exercise.earned) is float
        assert exercise.points == POINTS[name]
        assert row.says.get(name, "") in exercise.message
        check_texts(row, exercise.message, exercise.card_text, exercise.card_html)
    for piece in row.notes:
        assert any(piece in note for note in grade.notes), grade.notes
    assert sum(map(len, grade.notes)) <= 10 * MOST
    assert not commands("".join(grade.notes) + (grade.problem or ""))
    check_notebook(grade)


def check_texts(row: Row, message: str, text: str, card: str) -> None:
    """What is said is short, holds no markup or commands of the learner's, and tells no test."""
    assert len(message) <= MOST
    assert len(text) <= MOST
    assert len(card) <= 10 * MOST
    assert not commands(message + text + card)
    tags = _Tags()
    tags.feed(card)
    assert tags.found <= TAGS
    assert tags.attributes <= {"class", "style", "role"}
    for piece in row.unsaid:
        assert piece not in text + card


def grade_ids(notebook: Any) -> list[str]:
    """What nbgrader calls the cells of a notebook, in their order."""
    gradings = (cell["metadata"].get("nbgrader") for cell in notebook["cells"])
    return [grading["grade_id"] for grading in gradings if grading]


def check_notebook(grade: Grade) -> None:
    """The rebuilt notebook is valid, has our cells and only our outputs, and the same marks."""
    grade.notebook.encode()
    notebook = nbformat.reads(grade.notebook, as_version=4)
    nbformat.validate(notebook)
    earned = {exercise.cell: exercise.earned for exercise in grade.exercises}
    assert grade_ids(notebook) == grade_ids(instructors(grade.chapter))
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in earned:
            card, value = cell.outputs
            assert card.output_type == "display_data"
            assert value.data == {"text/plain": repr(earned[grade_id])}
            assert determine_grade(cell)[0] == earned[grade_id]
        elif cell.cell_type == "code":
            assert cell.outputs == []
        assert "HIDDEN TESTS" not in cell.source or grade_id in HONEST


@pytest.fixture(scope="session")
def grader(world: World) -> Iterator[Grader]:
    yield Grader(world)
    engine.close()
