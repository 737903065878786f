"""Where the course's files are, and the error that one line explains."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


class CourseError(Exception):
    """A fault that its message explains: no traceback would help whoever reads it.

    Each line of the message stands by itself.
    """


class UsageError(CourseError):
    """A command called with what it cannot take."""


def course_root() -> Path:
    """The directory that holds `solutions/` and `notebooks/`.

    That is what the environment variable COURSE_ROOT names; else the working directory or the
    nearest of its parents that has both; else where this package is installed from. Raises
    CourseError where none of them has the two.
    """
    named = os.environ.get("COURSE_ROOT")
    if named:
        root = Path(named).resolve()
        if not _holds_course(root):
            raise UsageError(f"COURSE_ROOT (={named}) must hold solutions/ and notebooks/")
        return root
    here = Path.cwd()
    for root in (here, *here.parents, PROJECT):
        if _holds_course(root):
            return root
    raise CourseError(
        f"no solutions/ and notebooks/ in {here} or above: go to the course's directory, "
        "or name it in COURSE_ROOT"
    )


def _holds_course(directory: Path) -> bool:
    return (directory / "solutions").is_dir() and (directory / "notebooks").is_dir()


def put_scripts_on_path() -> None:
    """Let programs of this environment be found by name: nbgrader calls `alembic` that way."""
    scripts = sysconfig.get_path("scripts")
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if scripts not in directories:
        os.environ["PATH"] = os.pathsep.join([scripts, *directories])
