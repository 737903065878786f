"""Every exercise of the course, found by its name.

One module for each chapter, ``chNN.py``, defines ``EXERCISES``. They are imported when asked for.
"""

from __future__ import annotations

import difflib
import importlib
import json
import pkgutil
from functools import cache
from pathlib import Path

from autograder.exercise import Exercise

SOLUTIONS = Path(__file__).with_name("solutions.json")


@cache
def _registry() -> dict[str, Exercise]:
    found: dict[str, Exercise] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        if not module.startswith("ch"):
            continue
        # A chapter that is being written may have none yet; the build asks for those it uses.
        chapter = importlib.import_module(f"{__name__}.{module}")
        for exercise in getattr(chapter, "EXERCISES", ()):
            if exercise.name in found:
                raise ValueError(f"exercise {exercise.name!r} is defined twice")
            found[exercise.name] = exercise
    return found


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise, in the order of the chapters."""
    return tuple(_registry().values())


def get(name: str) -> Exercise:
    """The exercise called `name`; KeyError with the nearest names where there is none."""
    registry = _registry()
    if name in registry:
        return registry[name]
    near = difflib.get_close_matches(name, registry, n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise KeyError(f"no exercise is called {name!r}{hint}")


def known(name: str) -> bool:
    """Whether an exercise is called `name`."""
    return name in _registry()


def solution_source(name: str) -> str | None:
    """The course's own solution as source text, or None where no chapter has one."""
    if not SOLUTIONS.exists():
        return None
    source: str | None = json.loads(SOLUTIONS.read_text(encoding="utf-8")).get(name)
    return source
