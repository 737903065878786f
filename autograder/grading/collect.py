"""Find what a class has handed in, and read it without trusting a name or a file in it.

A submission is what lies in ``submitted/STUDENT/CHAPTER/``. It may hold symbolic links, named
pipes, directories called like notebooks and files without end: none of them is followed, waited for
or read.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from autograder.paths import CourseError, UsageError
from autograder.transplant import UnreadableError

MOST_BYTES = 64 * 2**20  # of a notebook, its outputs included
_MOST_NAME = 200  # bytes of a student's id: files are named after it
_MOST_TIMESTAMP = 200  # bytes


@dataclass(frozen=True)
class Found:
    """A submission: its notebook's place, not yet its content.

    `problem` says why there is no notebook to judge, `notes` what is remarkable, `refused` why
    nobody can get a mark for it: its student's id cannot be one. `timestamp` is when it was handed
    in, in UTC without a time zone, as nbgrader keeps it.
    """

    student: str
    path: Path
    problem: str | None = None
    notes: tuple[str, ...] = ()
    timestamp: datetime | None = None
    refused: str | None = None

    def read(self, most: int = MOST_BYTES) -> bytes:
        """The notebook's bytes; UnreadableError with the reason."""
        if self.problem is not None:
            raise UnreadableError(self.problem)
        with _submission(self.path.parent) as place:
            return _content(place, self.path.name, most)


def submissions(directory: Path, chapter: str, students: Collection[str] = ()) -> list[Found]:
    """What was handed in for `chapter` in the class in `directory`, sorted by student.

    Only of `students`, if any are named. A student's directory without one for the chapter is no
    submission. Raises UsageError for a name that is none, or for a student who handed in nothing.
    """
    _check_component("chapter", chapter)
    for student in students:
        _check_component("student", student)
    submitted = directory / "submitted"
    try:
        names = sorted(os.listdir(submitted))
    except OSError as error:
        raise CourseError(f"{submitted} cannot be read: {error.strerror}") from None
    found = []
    for name in names:
        if (students and name not in students) or name.startswith("."):
            continue
        one = _look(submitted / name / chapter, name, chapter)
        if one is not None:
            found.append(one)
    missing = sorted(set(students) - {one.student for one in found})
    if missing:
        raise UsageError(
            f"student (={missing[0]}) must have handed something in: "
            f"there is no {submitted / missing[0] / chapter}"
        )
    return found


def is_component(name: str) -> bool:
    """Whether a name is one part of a path, and leads nowhere else.

    >>> is_component("ada"), is_component("../ada"), is_component("..")
    (True, False, False)
    """
    return name not in {"", ".", ".."} and not set(name) & {"/", "\\", "\0"}


def _check_component(what: str, name: str) -> None:
    if not is_component(name):
        raise UsageError(f"{what} (={name}) must be a name, not a path")


def _look(place: Path, student: str, chapter: str) -> Found | None:
    """What is in one student's directory; None where there is none for the chapter."""
    wanted = f"{chapter}.ipynb"
    path = place / wanted
    refused = _refusal(student)
    if refused is not None:
        safe = student.encode("utf-8", "backslashreplace").decode()
        safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in safe)
        return Found(safe, path, problem=refused, refused=refused)
    try:
        with _submission(place) as opened:
            names = sorted(os.listdir(opened))
            timestamp, notes = _timestamp(opened, names)
            if wanted in names:
                problem = _problem(opened, wanted)
                return Found(student, path, problem, notes, timestamp)
            others = [n for n in names if n.lower().endswith(".ipynb")]
            if len(others) != 1:
                problem = _missing(wanted, others, names)
                return Found(student, path, problem, notes, timestamp)
            (other,) = others
            problem = _problem(opened, other)
            notes = (*notes, f"the notebook was called {_quoted(other)} instead of {wanted!r}")
            return Found(student, place / other, problem, notes, timestamp)
    except FileNotFoundError:
        return None
    except UnreadableError as error:
        return Found(student, path, str(error))
    except OSError as error:
        return Found(student, path, f"{place.name} cannot be read: {error.strerror}")


def _refusal(student: str) -> str | None:
    """Why a directory's name cannot be a student's id, or None."""
    try:
        size = len(student.encode("utf-8"))
    except UnicodeEncodeError:
        return "the directory's name is no UTF-8 text: rename it"
    if not student.isprintable():
        return "the directory's name holds characters that cannot be printed: rename it"
    if size > _MOST_NAME:
        return f"the directory's name is longer than {_MOST_NAME} bytes: rename it"
    return None


def _missing(wanted: str, notebooks: list[str], names: list[str]) -> str:
    if notebooks:
        return f"{wanted} is missing, and there are several others: {_listed(notebooks)}"
    others = [name for name in names if name != "timestamp.txt"]
    if others:
        return f"{wanted} is missing: there is only {_listed(others)}"
    return f"{wanted} is missing: nothing was handed in"


def _listed(names: list[str]) -> str:
    shown = ", ".join(_quoted(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _quoted(name: str) -> str:
    """A name that somebody chose, fit to be printed and entered."""
    return repr(name if len(name) <= 80 else name[:79] + "…").encode("utf-8", "replace").decode()


@contextmanager
def _submission(place: Path) -> Iterator[int]:
    """A file descriptor of ``STUDENT/CHAPTER``, neither of them a link.

    Everything is then opened from there: what is renamed meanwhile leads nowhere else.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptors: list[int] = []
    try:
        descriptors.append(os.open(place.parent.parent, os.O_RDONLY | os.O_DIRECTORY))
        for name in (place.parent.name, place.name):
            try:
                descriptors.append(os.open(name, flags, dir_fd=descriptors[-1]))
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                entry = os.stat(name, dir_fd=descriptors[-1], follow_symlinks=False)
                if not stat.S_ISLNK(entry.st_mode) and name == place.parent.name:
                    raise FileNotFoundError(name) from None  # a file beside the students
                raise UnreadableError(f"{_quoted(name)} is {_kind(entry)}") from None
        yield descriptors[-1]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _kind(entry: os.stat_result) -> str:
    """What a directory's entry is, where it should be something else."""
    if stat.S_ISLNK(entry.st_mode):
        return "a symbolic link, which is not followed"
    if stat.S_ISDIR(entry.st_mode):
        return "a directory"
    if stat.S_ISREG(entry.st_mode):
        return "a file"
    return "no ordinary file"


def _problem(place: int, name: str) -> str | None:
    """Why a file cannot be read, as far as its entry tells; None if it can."""
    entry = os.stat(name, dir_fd=place, follow_symlinks=False)
    if not stat.S_ISREG(entry.st_mode):
        return f"{_quoted(name)} is {_kind(entry)}"
    return _too_large(name, entry.st_size, MOST_BYTES)


def _too_large(name: str, size: int, most: int) -> str | None:
    if size <= most:
        return None
    return f"{_quoted(name)} has more than {most // 2**20} MB: its outputs should be cleared"


def _content(place: int, name: str, most: int) -> bytes:
    """The content of an ordinary file in the directory `place`; UnreadableError if it is none."""
    # O_NONBLOCK: a named pipe that nobody writes to would never open.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        entry = os.stat(name, dir_fd=place, follow_symlinks=False)
        if not stat.S_ISREG(entry.st_mode):
            raise UnreadableError(f"{_quoted(name)} is {_kind(entry)}")
        with open(os.open(name, flags, dir_fd=place), "rb") as file:
            entry = os.fstat(file.fileno())
            if not stat.S_ISREG(entry.st_mode):
                raise UnreadableError(f"{_quoted(name)} is {_kind(entry)}")
            problem = _too_large(name, entry.st_size, most)
            data = b"" if problem else file.read(most + 1)
    except OSError as error:
        raise UnreadableError(f"{_quoted(name)} cannot be read: {error.strerror}") from None
    problem = problem or _too_large(name, len(data), most)
    if problem is not None:
        raise UnreadableError(problem)
    return data


def _timestamp(place: int, names: list[str]) -> tuple[datetime | None, tuple[str, ...]]:
    """When a submission was handed in, by its ``timestamp.txt``; a note where that says nothing."""
    if "timestamp.txt" not in names:
        return None, ()
    try:
        text = _content(place, "timestamp.txt", _MOST_TIMESTAMP).decode("ascii").strip()
        with warnings.catch_warnings(action="ignore"):  # of a time zone that nobody knows
            when: datetime = parse_utc(text)
        return when, ()
    except (UnreadableError, ValueError, OverflowError):
        note = "timestamp.txt cannot be read: when this was handed in is not known"
        return None, (note,)
