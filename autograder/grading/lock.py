"""One run at a time writes the marks of a class."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from autograder.paths import CourseError


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Be the only one who writes marks in the class in `directory`; CourseError if another does.

    The lock is the kernel's: with the process that holds it, it is gone, however that ended. What
    the file says is for people alone.
    """
    path = directory / "grading" / "lock"
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"{directory} is being graded already{_by(descriptor)}") from None
        except OSError as error:
            raise CourseError(f"{path} cannot be locked: {error.strerror}") from None
        who = {
            "process": os.getpid(),
            "machine": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(who).encode(), 0)
        except OSError as error:
            raise CourseError(f"{path} cannot be written: {error.strerror}") from None
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _by(descriptor: int) -> str:
    try:
        who = json.loads(os.pread(descriptor, 1000, 0))
        return f", by process {who['process']} on {who['machine']} since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
