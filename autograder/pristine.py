"""Python's own builtins, whatever a learner's code has put in their place."""

from __future__ import annotations

import builtins
import contextlib
import sys
from collections.abc import Iterator

_SPACE = vars(builtins)
_BUILTINS = dict(_SPACE)  # as they were before any learner's code ran


@contextlib.contextmanager
def pristine_builtins() -> Iterator[None]:
    """Python's own builtins in the body, whatever a cell has put in their place."""
    space = _SPACE
    theirs = {name: space[name] for name in space if space[name] is not _BUILTINS.get(name)}
    gone = [name for name in _BUILTINS if name not in space]
    kept = {name: theirs[name] for name in theirs if name in _BUILTINS and name != "_"}
    for name in [*kept, *gone]:
        space[name] = _BUILTINS[name]
    try:
        yield
    finally:
        space.update(kept)
        for name in gone:
            space.pop(name, None)


def restore_builtins() -> None:
    """Undo what a cell did to Python's builtins, for good."""
    # Without calling any builtin by its name: what stands there is a learner's.
    _SPACE.update({name: value for name, value in _BUILTINS.items() if name != "_"})


def restore_after_every_cell() -> None:
    """In IPython: undo it after each cell, before IPython itself falls over it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.events.register("post_execute", restore_builtins)
