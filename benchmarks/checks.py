"""How long `check` takes on right answers: ``python benchmarks/checks.py``.

For every exercise the median over several runs of judging our own solution on unseen cases, and
the sum for each chapter. Limits: 0.5 s an exercise, 0.5 s for all hidden cases of a chapter
(training exercises apart). The exit status is 1 where a limit is missed.
"""

import statistics
import sys
import time
from collections import defaultdict

from autograder import exercises
from autograder.exercise import Exercise, QuestionExercise
from autograder.judge import evaluate

RUNS = 7
LIMIT = 0.5


def our_answer(exercise: Exercise) -> object:
    """What our solution cell defines, run by itself after the chapter's imports."""
    if isinstance(exercise, QuestionExercise):
        return exercise.answers(1)
    import numpy as np

    space: dict[str, object] = {"np": np}
    source = exercises.solution_source(exercise.name)
    if source is None:
        raise SystemExit(f"no chapter solves {exercise.name}: run `course build`")
    exec(compile(source, f"<{exercise.name}>", "exec"), space)
    return space[exercise.name]


def seconds(exercise: Exercise) -> list[float]:
    """The time of each run; the first, which warms up, is left out."""
    answer = our_answer(exercise)
    times = []
    for seed in range(RUNS + 1):
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
        missed |= median > LIMIT
        print(f"{exercise.chapter:8}{exercise.name:26}{median:10.4f}{max(times):11.4f}")
    for chapter, total in chapters.items():
        missed |= total > LIMIT
        print(f"chapter {chapter}: all hidden cases together {total:.3f} s (limit {LIMIT} s)")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
