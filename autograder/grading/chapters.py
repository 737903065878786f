"""Which chapters a class has, and what to say to a name that is none of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from autograder.paths import UsageError

_NUMBERED = re.compile(r"(?:ch[a-z _-]*)?(\d+)", re.IGNORECASE)


def check_class(directory: Path) -> None:
    """Raise UsageError for a directory that holds no class."""
    if not (directory / "source").is_dir():
        raise UsageError(f"{directory.resolve()} holds no class: name one with --directory")


def chapters_of(directory: Path) -> list[str]:
    """The names of a class's chapters, sorted; none where there is no class."""
    return sorted(path.stem for path in (directory / "source").glob("*/*.ipynb"))


def near(name: str, known: Sequence[str]) -> str:
    """The end of a sentence that refuses a name: what may have been meant, or what there is.

    >>> near("chapter2", ["ch02_output_size", "ch12_capstone"])
    ': is it ch02_output_size?'
    >>> near("ch05_pooling", ["ch04_pooling", "ch05_receptive_field"])
    ': is it ch05_receptive_field or ch04_pooling?'
    >>> near("nonsense", ["ch02_output_size"])
    '; it has ch02_output_size'
    """
    same = [one for one in known if _number(name) is not None and _number(name) == _number(one)]
    same += [one for one in known if name and name.casefold() in one]
    same += difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if same:
        return f": is it {' or '.join(list(dict.fromkeys(same))[:3])}?"
    return f"; it has {', '.join(known)}" if known else ""


def _number(name: str) -> int | None:
    """The number that a chapter's name begins with.

    >>> _number("ch02_output_size"), _number("2"), _number("conv2d")
    (2, 2, None)
    """
    found = _NUMBERED.match(name)
    return int(found[1]) if found else None
