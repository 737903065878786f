"""How a class is graded: what its nbgrader_config.py says, read alike by every way to grade."""

from __future__ import annotations

import sys
from pathlib import Path

from jupyter_core.paths import jupyter_config_path
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import Bool, TraitError
from traitlets.config import Config, Configurable
from traitlets.config.loader import PyFileConfigLoader

from autograder.paths import CourseError

FILE = "nbgrader_config.py"
SEED = "grading/seed"


class CourseGrading(Configurable):
    """The settings of a class; ``c.CourseGrading.NAME = …`` in its nbgrader_config.py."""

    reveal_failing_case = Bool(
        False,
        help="Whether feedback shows the smallest case that fails, with what was expected. "
        "Who has seen it knows one of the unseen tests.",
    ).tag(config=True)
    sandbox = Bool(
        True,
        help="Whether submissions run in a sandbox. Without one, a submission can read and change "
        "whatever you can.",
    ).tag(config=True)

    def course(self, directory: Path) -> CourseDirectory:
        """nbgrader's own settings of the class in `directory`: gradebook, names of directories."""
        config = Config(self.config)
        config.CourseDirectory.root = str(directory.resolve())
        return CourseDirectory(config=config)

    def late_policy(self) -> BasePlugin | None:
        """The plugin that decides what lateness costs; None where the class has turned it off.

        Raises CourseError where there is no such plugin.
        """
        try:
            step = AssignLatePenalties(config=self.config)
            return step.plugin_class(parent=step) if step.enabled else None
        except (TraitError, ImportError) as error:
            raise CourseError(f"{FILE}, what lateness costs: {error}") from None


def load(directory: Path) -> CourseGrading:
    """The settings of the class in `directory`, and of nbgrader for this user and machine.

    Raises CourseError where a file cannot be read or sets what does not exist.
    """
    # A plugin of the class's own lies there, as nbgrader's manual says; behind all else, so that
    # nothing there takes the place of a package.
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.append(place)
    config = Config()
    # The most important file last: it has the last word.
    for where in (*reversed(jupyter_config_path()), place):
        path = Path(where) / FILE
        if path.is_file():
            try:
                config.merge(PyFileConfigLoader(FILE, path=where).load_config())
            except Exception as error:
                raise CourseError(f"{path} cannot be read: {error}") from None
    try:
        return CourseGrading(config=config)
    except TraitError as error:
        raise CourseError(f"{directory / FILE}: {error}") from None


def seed_of(directory: Path) -> int:
    """The secret number from which the class in `directory` draws its unseen cases.

    Raises CourseError where there is none: the directory was not made by `course class new`.
    """
    path = directory / SEED
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no number"
        raise CourseError(f"{path} cannot be read: {reason}; name a number with --seed") from None
    if not text.isdecimal() or int(text) >= 2**32:
        raise CourseError(f"{path} must hold a number from 0 to {2**32 - 1}")
    return int(text)
