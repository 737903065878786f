"""What a judgement says: one record, the same in a cell, on the command line and in a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

VERDICTS = (
    "pass",
    "partial",
    "wrong",
    "not_attempted",
    "error",
    "forbidden",
    "time",
    "memory",
    "output",
    "crash",
    "tampered",
    "grader_error",
)


@dataclass(frozen=True)
class Mismatch:
    """Why an answer is not the expected one.

    `kind` is one of none, type, shape, nan, value, changed, raised, no_error, time, memory, steps,
    condition, score, not_attempted. `where` names the part of a tuple or dict. `mask` marks the
    elements of an array that differ.
    """

    kind: str
    text: str
    expected: Any = None
    got: Any = None
    where: str = ""
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class AspectResult:
    """One aspect: its points, whether they are earned, and how many of its cases failed.

    `note` says more where an aspect speaks for itself: the answer to one question of a quiz.
    """

    name: str
    weight: float
    passed: bool
    cases: int = 0
    failed: int = 0
    waits_for: str = ""
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """The smallest failing case of the first failing aspect."""

    aspect: str
    call: str
    note: str
    mismatch: Mismatch
    printed: str = ""
    lines: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The judgement of one answer.

    `verdict` is one of `VERDICTS`, `score` lies in 0…1, `misconception` is the identifier of the
    mistake that explains the answer (or None) and `advice` its sentence.
    """

    exercise: str
    verdict: str
    score: float
    points: float
    aspects: tuple[AspectResult, ...]
    message: str
    misconception: str | None = None
    advice: str = ""
    failure: Failure | None = None

    @property
    def earned(self) -> float:
        """The points earned: ``score × points``, a plain float."""
        return float(round(self.score * self.points, 6))

    def to_json(self) -> dict[str, Any]:
        """The verdict as `course judge --json` prints it."""
        return {
            "exercise": self.exercise,
            "verdict": self.verdict,
            "score": round(float(self.score), 6),
            "aspects": [
                {"name": a.name, "weight": float(a.weight), "passed": a.passed}
                for a in self.aspects
            ],
            "misconception": self.misconception,
            "message": self.message,
        }


def blank(exercise: str, points: float, verdict: str, message: str, aspects: Any = ()) -> Verdict:
    """A verdict without marks for an answer that could not be judged: nothing ran, or it broke."""
    return Verdict(
        exercise=exercise,
        verdict=verdict,
        score=0.0,
        points=points,
        aspects=tuple(AspectResult(a.name, a.weight, False) for a in aspects),
        message=message,
    )
