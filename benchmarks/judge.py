"""How many files a second `course judge` judges.

Run it as ``python benchmarks/judge.py [--files 200] [--jobs 2]``. Prints for each exercise of the
course whose solution is stored the time for that many right files,
the start of the interpreters included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from autograder import exercises
from autograder.runner import judge_files

OUTPUT_SIZE = """\
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("too small")
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError("no window fits")
    return room // stride + 1
"""


def solutions() -> dict[str, str]:
    """Right answers as files, by exercise."""
    found = {"output_size": OUTPUT_SIZE}
    for exercise in exercises.all_exercises():
        source = exercises.solution_source(exercise.name)
        if source is not None:
            found[exercise.name] = f"import numpy as np\n\n{source}"
    return found


def main() -> None:
    """Print a line for each exercise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--exercise", action="append")
    options = parser.parse_args()
    for name, source in solutions().items():
        if options.exercise and name not in options.exercise:
            continue
        with tempfile.TemporaryDirectory() as directory:
            paths = [Path(directory) / f"{number}.py" for number in range(options.files)]
            for path in paths:
                path.write_text(source, encoding="utf-8")
            start = time.perf_counter()
            results = list(judge_files(name, paths, seed=0, jobs=options.jobs))
            seconds = time.perf_counter() - start
        passed = sum(result.verdict.verdict == "pass" for result in results)
        print(
            f"{name:24} {options.files} files in {seconds:6.2f} s: "
            f"{options.files / seconds:6.1f} a second, {passed} pass"
        )


if __name__ == "__main__":
    main()
