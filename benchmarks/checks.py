"""How long `check` takes on right answers: ``python benchmarks/checks.py``.

For every exercise the median over several runs of judging our own solution on unseen cases, and
the sum for each chapter. Limits: 0.5 s an exercise, 0.5 s for all hidden cases of a chapter, and
10 s for an exercise that trains. The exit status is 1 where a limit is missed.
"""

import statistics
import sys
import time
from collections import defaultdict
from functools import cache
from pathlib import Path

import nbformat

from autograder import exercises
from autograder.exercise import Exercise, QuestionExercise
from autograder.judge import evaluate

ROOT = Path(__file__).resolve().parents[1]
RUNS, TRAININGS = 7, 3
LIMIT, TRAINING_LIMIT = 0.5, 10.0


@cache
def solved(chapter: str) -> dict[str, object]:
    """What a chapter's set-up and solution cells define."""
    (path,) = ROOT.glob(f"solutions/*{chapter}_*/*.ipynb")
    space: dict[str, object] = {}
    for cell in nbformat.read(path, as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        if about and not about["grade"]:
            exec(compile(cell.source, f"<{about['grade_id']}>", "exec"), space)
    return space


def our_answer(exercise: Exercise) -> object:
    """Our solution, as the chapter defines it."""
    if isinstance(exercise, QuestionExercise):
        return exercise.answers(1)
    return solved(exercise.chapter)[exercise.name]


def seconds(exercise: Exercise) -> list[float]:
    """The time of each run; the first, which warms up, is left out."""
    answer = our_answer(exercise)
    times = []
    runs = TRAININGS if exercise.kind == "trained" else RUNS
    for seed in range(runs + 1):
        start = time.perf_counter()
        verdict = evaluate(exercise, answer, seed)
        times.append(time.perf_counter() - start)
        if verdict.verdict != "pass":
            raise SystemExit(f"{exercise.name}, seed {seed}: {verdict.message}")
    return times[1:]


def main() -> int:
    chapters: dict[str, float] = defaultdict(float)
    missed = False
    print(f"{'chapter':8}{'exercise':26}{'median s':>10}{'slowest s':>11}")
    for exercise in exercises.all_exercises():
        times = seconds(exercise)
        median = statistics.median(times)
        if exercise.kind != "trained":
            chapters[exercise.chapter] += median
        missed |= median > (TRAINING_LIMIT if exercise.kind == "trained" else LIMIT)
        print(f"{exercise.chapter:8}{exercise.name:26}{median:10.4f}{max(times):11.4f}")
    for chapter, total in chapters.items():
        missed |= total > LIMIT
        print(f"chapter {chapter}: all hidden cases together {total:.3f} s (limit {LIMIT} s)")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
