"""What a class has come to: counted as it is graded, in a few lines at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from autograder.grading.engine import Grade
from autograder.verdict import VERDICTS


@dataclass
class Tally:
    """Counts over submissions; of no submission more than a line is kept.

    `before` counts what an earlier run recorded, `older` what another edition of the course did,
    `lost` what the gradebook had lost and was entered again.
    `verdicts` counts exercises where something was attempted, `problems` says why somebody has no
    notebook to judge, and `unmarked` why somebody has no marks, in part or at all.
    """

    total: int
    graded: int = 0
    before: int = 0
    refused: int = 0
    older: int = 0
    lost: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    earned: float = 0.0
    points: float = 0.0
    nothing_attempted: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    unmarked: list[tuple[str, str]] = field(default_factory=list)
    limits: dict[str, None] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many submissions are dealt with."""
        return self.graded + self.before + self.refused

    def add(self, grade: Grade, *, before: bool = False) -> None:
        """Count a grade; `before`: it was recorded by an earlier run."""
        if before:
            self.before += 1
        else:
            self.graded += 1
        self.earned += grade.earned
        self.points = max(self.points, grade.points)
        self.limits.update(dict.fromkeys(grade.limits))
        if grade.problem is not None:
            self.problems.append((grade.student, grade.problem))
        elif all(exercise.verdict == "not_attempted" for exercise in grade.exercises):
            self.nothing_attempted += 1
        else:
            self.verdicts.update(exercise.verdict for exercise in grade.exercises)
        if grade.faults:
            first = next(e for e in grade.exercises if e.verdict == "grader_error")
            names = ", ".join(grade.faults)
            self.unmarked.append((grade.student, f"no mark for {names}: {first.message}"))

    def refuse(self, student: str, reason: str) -> None:
        """Count a submission for which nobody can get a mark."""
        self.refused += 1
        self.unmarked.append((student, reason))

    def counts(self) -> str:
        """The verdicts so far, in one line.

        >>> Tally(1, verdicts=Counter({"wrong": 2, "pass": 1_300})).counts()
        'pass 1,300, wrong 2'
        """
        return ", ".join(
            f"{name} {self.verdicts[name]:,}" for name in VERDICTS if self.verdicts[name]
        )

    def passed(self) -> str:
        """The verdicts so far, in a few letters.

        >>> Tally(1, verdicts=Counter({"wrong": 200, "pass": 1_300})).passed()
        'pass 1,300 of 1,500'
        """
        count = self.verdicts.total()
        return f"pass {self.verdicts['pass']:,} of {count:,}" if count else ""

    def summary(self, chapter: str) -> list[str]:
        """What to print in the end, line by line."""
        marked = self.graded + self.before
        lines = [f"{chapter}: {submissions_text(marked)} of {self.total:,} graded"]
        if self.before:
            lines[0] += f", {self.before:,} of them before"
        if marked:
            mean = self.earned / marked
            share = f" ({mean / self.points:.0%})" if self.points else ""
            lines.append(f"  mean of automatic points: {mean:.2f} of {self.points:g}{share}")
        if self.verdicts:
            lines.append(f"  exercises: {self.counts()}")
        if self.nothing_attempted:
            lines.append(f"  nothing attempted: {submissions_text(self.nothing_attempted)}")
        if self.lost:
            lines.append(
                f"  not in the gradebook any more, entered again: {submissions_text(self.lost)}"
            )
        if self.older:
            lines.append(
                f"  judged by another edition of this course: {submissions_text(self.older)}; "
                "--again judges all by this one"
            )
        for limit in self.limits:
            lines.append(f"  not limited on this machine: {limit}")
        if self.problems:
            count = submissions_text(len(self.problems))
            lines.append(f"  no points, for want of a notebook that can be read: {count}")
            lines += _rows(self.problems)
        if self.unmarked:
            lines.append("  NO MARKS; run the same command again once this is mended:")
            lines += _rows(self.unmarked)
        return lines


def submissions_text(n: int) -> str:
    """A number of submissions, in words."""
    return f"{n:,} submission{'' if n == 1 else 's'}"


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    return [f"    {student}: {reason}" for student, reason in sorted(rows)]
