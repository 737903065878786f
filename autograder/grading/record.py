"""What was graded, on disk: a record for each submission, and the verdict file of a chapter.

A file is there whole or not at all: it is written under another name, brought to the disk, and then
given its own. A record that cannot be read counts as absent: its submission is graded again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.grading.collect import is_component
from autograder.grading.engine import Grade
from autograder.paths import CourseError

FORMAT = 1
PRIVATE = 0o600  # of what holds the class's secret number


@dataclass(frozen=True)
class Record:
    """A grade as it is kept, without its notebook, which lies in ``autograded/``.

    `notebook` is the SHA-256 digest of that file, `entered` whether the marks are in the gradebook,
    `timestamp` when the submission was handed in. `reveal` says whether cards show a failing case,
    `edition` names the course's code that judged, and `run` the run that asked for it.
    """

    grade: Grade
    notebook: str
    entered: bool = False
    timestamp: datetime | None = None
    reveal: bool = False
    edition: str = ""
    run: str = ""

    def to_json(self) -> dict[str, Any]:
        """The record as JSON can hold it."""
        grade = self.grade.to_json()
        del grade["notebook"]
        return {
            "format": FORMAT,
            "grade": grade,
            "notebook": self.notebook,
            "entered": self.entered,
            "timestamp": None if self.timestamp is None else self.timestamp.isoformat(),
            "reveal": self.reveal,
            "edition": self.edition,
            "run": self.run,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """The record that `to_json` wrote; ValueError, KeyError or TypeError for anything else."""
        fields = dict(data)
        if fields.pop("format") != FORMAT:
            raise ValueError("another format")
        timestamp = fields.pop("timestamp")
        grade = Grade.from_json({**fields.pop("grade"), "notebook": ""})
        when = None if timestamp is None else datetime.fromisoformat(timestamp)
        return cls(grade=grade, timestamp=when, **fields)


# ── where things are ────────────────────────────────────────────────────────────────────────────


def chapter_directory(directory: Path, chapter: str) -> Path:
    """Where a class keeps what it knows about grading a chapter."""
    return directory / "grading" / _component(chapter)


def record_path(directory: Path, chapter: str, student: str) -> Path:
    """The file of a submission's record."""
    return chapter_directory(directory, chapter) / "records" / f"{_component(student)}.json"


def notebook_path(directory: Path, chapter: str, student: str) -> Path:
    """The autograded notebook, where nbgrader expects it."""
    place = directory / "autograded" / _component(student) / _component(chapter)
    return place / f"{chapter}.ipynb"


def verdict_path(directory: Path, chapter: str) -> Path:
    """The verdict file of a chapter."""
    return chapter_directory(directory, chapter) / "verdicts.jsonl"


def _component(name: str) -> str:
    if not is_component(name):
        raise CourseError(f"{name!r} cannot be part of a path")
    return name


# ── reading and writing ─────────────────────────────────────────────────────────────────────────


def load(directory: Path, chapter: str, student: str) -> Record | None:
    """A submission's record; None where there is none, or none that can be read."""
    try:
        data = json.loads(record_path(directory, chapter, student).read_bytes())
        record = Record.from_json(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if (record.grade.student, record.grade.chapter) != (student, chapter):
        return None
    return record


def save(directory: Path, record: Record, *, sync: bool = True) -> None:
    """Write a record in place of the submission's former one."""
    grade = record.grade
    data = json.dumps(record.to_json(), indent=1, sort_keys=True).encode()
    path = record_path(directory, grade.chapter, grade.student)
    write_file(path, data, sync=sync, mode=PRIVATE)


def recorded(directory: Path, chapter: str) -> list[str]:
    """The students who have a record, sorted."""
    try:
        names = os.listdir(chapter_directory(directory, chapter) / "records")
    except FileNotFoundError:
        return []
    return sorted(n.removesuffix(".json") for n in names if n[0] != "." and n.endswith(".json"))


def write_file(path: Path, data: bytes, *, sync: bool = True, mode: int = 0o666) -> None:
    """Write a file so that whoever looks finds the former content or all of the new.

    With `sync`, it survives a power cut. `mode` says who may read it, within the umask. Raises
    CourseError where it cannot be written: the former content stays.
    """
    # Always the same name: what an interrupted run left is written over by the next.
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync:
            _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CourseError(f"{path} cannot be written: {error.strerror or error}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ── the verdict file ────────────────────────────────────────────────────────────────────────────


def write_verdicts(directory: Path, chapter: str) -> Path:
    """Write the verdict file from all records, one line for each student; its path.

    The same submissions, seed and course give the same bytes: it holds no times, and none of the
    messages, in which learners' code may have a word.
    """
    path = verdict_path(directory, chapter)
    lines = (verdict_line(record.grade) for record in _all_records(directory, chapter))
    write_file(path, "".join(lines).encode(), mode=PRIVATE)
    return path


def _all_records(directory: Path, chapter: str) -> Iterator[Record]:
    for student in recorded(directory, chapter):
        record = load(directory, chapter, student)
        if record is not None:
            yield record


def verdict_line(grade: Grade) -> str:
    """A line of the verdict file, as canonical JSON."""
    exercises = [
        {
            "exercise": one.exercise,
            "cell": one.cell,
            "verdict": one.verdict,
            "score": one.score,
            "points": one.points,
            "earned": one.earned,
            "aspects": [list(aspect) for aspect in one.aspects],
            "misconception": one.misconception,
        }
        for one in grade.exercises
    ]
    line = {
        "student": grade.student,
        "chapter": grade.chapter,
        "seed": grade.seed,
        "sandbox": grade.sandbox,
        "submission": grade.submission,
        "source": grade.source,
        "problem": grade.problem,
        "notes": list(grade.notes),
        "earned": grade.earned,
        "points": grade.points,
        "exercises": exercises,
    }
    return json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n"
