"""The one that writes: each grade goes to its notebook, its record and the gradebook, in order.

Whatever interrupts it, a record says what is on disk, and its mark whether the gradebook has it.
Every step can be done again without harm, and what is not marked is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from autograder.grading import record as records
from autograder.grading.engine import Grade, digest
from autograder.grading.record import Record, notebook_path, write_file

Enter = Callable[[Grade, datetime | None], None]


@dataclass(frozen=True)
class Writer:
    """Writes the grades of a chapter in the class in `directory`.

    `enter` puts a grade into the gradebook. `reveal`, `edition` and `run` go into the records.
    """

    directory: Path
    chapter: str
    enter: Enter
    reveal: bool = False
    edition: str = ""
    run: str = ""

    def write(self, grade: Grade, timestamp: datetime | None) -> None:
        """Write a grade everywhere; CourseError where something cannot be written."""
        notebook = notebook_bytes(grade)
        path = notebook_path(self.directory, self.chapter, grade.student)
        self._write_beside(path.parent, timestamp)
        write_file(path, notebook)
        record = Record(
            grade,
            digest(notebook),
            timestamp=timestamp,
            reveal=self.reveal,
            edition=self.edition,
            run=self.run,
        )
        records.save(self.directory, record)
        self._enter(grade, record)

    def enter_again(self, record: Record, timestamp: datetime | None) -> None:
        """Enter what is recorded but not marked as entered, or was handed in at another time."""
        student = record.grade.student
        path = notebook_path(self.directory, self.chapter, student)
        grade = replace(record.grade, notebook=path.read_text(encoding="utf-8"))
        record = replace(record, entered=False, timestamp=timestamp, run=self.run)
        records.save(self.directory, record)
        self._write_beside(path.parent, timestamp)
        self._enter(grade, record)

    def _enter(self, grade: Grade, record: Record) -> None:
        self.enter(grade, record.timestamp)
        # A mark that is lost in a power cut costs no more than entering the same once more.
        records.save(self.directory, replace(record, entered=True), sync=False)

    def _write_beside(self, place: Path, timestamp: datetime | None) -> None:
        """What nbgrader puts beside the notebook: the class's pictures, and the time."""
        source = self.directory / "source" / self.chapter
        for path in sorted(source.rglob("*")):
            within = path.relative_to(source)
            hidden = any(part.startswith(".") for part in within.parts)
            if path.is_file() and path.suffix != ".ipynb" and not hidden:
                _copy(path, place / within)
        if timestamp is None:
            (place / "timestamp.txt").unlink(missing_ok=True)
        else:
            write_file(place / "timestamp.txt", f"{timestamp} UTC\n".encode(), sync=False)


def notebook_bytes(grade: Grade) -> bytes:
    """The autograded notebook as it is written."""
    return grade.notebook.encode("utf-8", "replace")


def _copy(path: Path, target: Path) -> None:
    content = path.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        write_file(target, content, sync=False)
