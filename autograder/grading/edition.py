"""Which edition of the course judges: the same code gives the same marks."""

from __future__ import annotations

import hashlib
from functools import cache

from autograder.paths import PROJECT


@cache
def edition() -> str:
    """A digest of the code that judges, and of what it needs of the course's library."""
    total = hashlib.sha256()
    for package in ("autograder", "course_lib"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            total.update(str(path.relative_to(PROJECT)).encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
